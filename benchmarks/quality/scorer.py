"""The one estimator that judges every contender, from the weights that it wrote down: `VAE.log_prob`.

    NLL = -1/N sum_n log 1/k sum_{i=1..k} p(x_n, z_i) / q(z_i | x_n),    z_i ~ q(z | x_n)

The weights of all have one layout. Only the encoder's raw scale means two things, see `Recorder`.
"""

import math
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.quality.contenders.tfvae_fit import in_order, model


class Scorer:
    """Scores files of weights on one model, so that each kind is compiled once."""

    def __init__(self) -> None:
        self.models = {"softplus": model(), "exp": model()}
        self.models["exp"].posterior.constrain = lambda loc, scale: {"loc": loc, "scale": tf.exp(scale)}

    def __call__(self, path: Path, x: np.ndarray, samples: int) -> dict[str, float]:
        """Returns what a file is worth.

        Args:
            path: of the file.
            x: binary images, `[N, 784]`.
            samples: k for each image.

        Returns:
            `seconds` and `epoch` at which it was written; `nll` in nats; `error`, its standard error over the images.
        """
        with np.load(path) as file:
            vae = self.models[str(file["scale"])]
            names = sorted(name for name in file.files if name[0] == "w")
            for variable, name in zip(in_order(vae), names, strict=True):
                variable.assign(file[name])
            seconds, epoch = float(file["seconds"]), int(file["epoch"])
        log_prob = vae.log_prob(255 * x, num_samples=samples, seed=0).numpy()
        error = log_prob.std(ddof=1) / math.sqrt(len(x))
        return {"seconds": seconds, "epoch": epoch, "nll": -float(log_prob.mean()), "error": float(error)}
