"""M1+M2: a code of the images is trained first, without labels; a class and a style of that code after it.

    M1    q(z1 | x), p(x | z1): 784-600-600-50 and back, softplus                 Kingma et al. 2014, section 4.1
    M2    q(y | z1) q(z2 | z1, y), p(z1 | y, z2), of draws of q(z1 | x), anew in each epoch

A class is read off at the mean of q(z1 | x).
"""

import math
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.conditional.common import sayer
from benchmarks.labels.data import FewLabels, Images, few
from benchmarks.labels.models import LATENT, m2
from benchmarks.labels.training import BATCH, MULTIPLIER, RATE, error, falls, probabilities
from tfvae import VAE, likelihoods, networks, recipes, scales
from tfvae.schedules import warmup_cosine

UNITS = [600, 600]


def first(images: Images, epochs: int, folder: Path) -> VAE:
    """Returns M1, trained once for all draws of labels; from its file if that is there."""
    path, say = folder / "m1.keras", sayer("m1")
    if path.exists():
        return keras.saving.load_model(path)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    x, steps = images.train[0], epochs * math.ceil(len(images.train[0]) / BATCH)
    options = {name: networks.mlp(UNITS, "softplus") for name in ("encoder", "decoder")}
    options |= {"learning_rate": warmup_cosine(2e-3, steps), "num_steps": steps, "seed": 0, "jit_compile": True}
    vae = recipes.annealed((images.size,), latent_dim=LATENT, **options)

    def target(epoch: int) -> np.ndarray:
        return (np.random.default_rng([0, epoch]).random(x.shape, np.float32) < x).astype(np.float32)

    vae.likelihood.adapt(target(0))
    for epoch in range(epochs):
        history = vae.fit(x, target(epoch), batch_size=BATCH, initial_epoch=epoch, epochs=epoch + 1, verbose=0).history
    vae.save(path)
    say(f"ELBO {history['elbo'][-1]:.2f}, rate {history['rate'][-1]:.2f} after {epochs} epochs")
    return vae


def stacked(
    images: Images, m1: VAE, number: int, draw: int, epochs: int, multiplier: float = MULTIPLIER, rate: float = RATE
) -> tuple[list[dict[str, Any]], VAE]:
    """Trains M2 on codes; returns what was measured on validation images now and then, and the model."""
    say, data = sayer(f"m1m2-{number}-{draw}"), few(images, number, draw)
    normal = partial(likelihoods.Normal, scale=scales.PerDimension())
    falling = falls(rate, epochs, data)
    vae, points = m2(LATENT, multiplier * data.share, data.share, falling, seed=draw, likelihood=normal), []
    q, (x, y) = codes(m1, data.x), images.valid
    mean = codes(m1, x)[0]
    for epoch in range(epochs):
        history = vae.fit(drawn(q, draw, epoch), **beside(data), initial_epoch=epoch, epochs=epoch + 1).history
        if (epoch + 1) % 5 == 0 or epoch + 1 == epochs:
            points.append({"epoch": epoch + 1, "valid_error": error(probabilities(vae, mean), y)})
            say(f"epoch {epoch + 1}: error {100 * points[-1]['valid_error']:.2f} %, ELBO {history['elbo'][-1]:.2f}")
    return points, vae


def beside(data: FewLabels) -> dict[str, Any]:
    """Returns what `fit` is told beside the codes."""
    return {"labels": {"y": data.labels}, "sample_weight": data.weight, "batch_size": BATCH, "verbose": 0}


def codes(m1: VAE, x: np.ndarray, block: int = 5000) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of q(z1 | x), `[N, D]`."""
    parts = [m1.encode(x[at : at + block]) for at in range(0, len(x), block)]
    return tuple(np.concatenate([np.asarray(getattr(q, name)()) for q in parts]) for name in ("mean", "stddev"))


def drawn(q: tuple[np.ndarray, np.ndarray], draw: int, epoch: int) -> np.ndarray:
    """Returns codes drawn anew."""
    mean, stddev = q
    return mean + stddev * np.random.default_rng([draw, epoch]).standard_normal(mean.shape).astype(np.float32)
