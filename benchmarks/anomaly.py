"""Anomaly scores by likelihood: train on MNIST digits, tell Fashion-MNIST from MNIST test images, and the reverse.

    python -m benchmarks.anomaly [--data ../shared/data] [--epochs 8] [--seed 0]

Protocol, declared: grey values / 255 are probabilities of binary pixels, drawn anew at every visit in training and once
for scoring; Bernoulli likelihood, 784-256-256 and back, ReLU, 16 latents, Adam 1e-3, batches of 128, all 60000 training
images; ROC-AUC over all 10000 + 10000 test images by -ELBO and by -log p(x), 50 samples each. Training sees no test
image and no image of the other kind. The reverse direction is there because likelihood is known to fail in it.
"""

import argparse
import datetime
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np

import tfvae
from benchmarks.page.origin import recorded
from benchmarks.speed.__main__ import machine
from tfvae.evaluation.downstream import anomaly

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).parent / "results" / "anomaly.json"
FILES = {"MNIST": "mnist.npz", "Fashion-MNIST": "fashion_mnist.npz"}
NUM_SAMPLES = 50


def images(folder: Path, name: str, split: str) -> np.ndarray:
    """Returns grey images, `[N, 28, 28, 1]` of uint8."""
    with np.load(folder / FILES[name], allow_pickle=False) as data:
        return data[f"x_{split}"][..., np.newaxis]


def row(folder: Path, inlier: str, outlier: str, epochs: int, seed: int) -> dict:
    """Trains on one kind of image, prints the areas with their caveat, and returns them."""
    start = time.perf_counter()
    keras.utils.set_random_seed(seed)
    vae = tfvae.recipes.vae(
        (28, 28, 1),
        encoder=tfvae.networks.mlp([256, 256]),
        decoder=tfvae.networks.mlp([256, 256]),
        preprocessing=[keras.layers.Rescaling(1 / 255), tfvae.preprocessing.StochasticBinarization()],
        seed=seed,
        jit_compile=False,
    )
    vae.fit(images(folder, inlier, "train").astype("float32"), epochs=epochs, batch_size=128, verbose=0)
    tests = (images(folder, name, "test").astype("float32") for name in (inlier, outlier))
    result = anomaly(vae, *tests, num_samples=NUM_SAMPLES, seed=seed)
    print(f"\ntrained on {inlier}, outliers {outlier}:\n{result}", flush=True)
    reports = {"inliers": result.inliers, "outliers": result.outliers}
    means = {f"{name}_{kind}": getattr(r, name).mean for kind, r in reports.items() for name in ("elbo", "log_prob")}
    return {
        "trained_on": inlier,
        "outliers": outlier,
        "epochs": epochs,
        "seed": seed,
        "auc_elbo": result.elbo.value,
        "auc_elbo_standard_error": result.elbo.standard_error,
        "auc_log_prob": result.log_prob.value,
        "auc_log_prob_standard_error": result.log_prob.standard_error,
        **means,
        **{f"untrusted_{kind}": report.untrusted for kind, report in reports.items()},
        "caveat": result.caveat,
        "seconds": round(time.perf_counter() - start),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    told = {"at": at, "machine": machine(), "command": recorded("anomaly", sys.argv[1:])}
    rows = []
    for inlier, outlier in (("MNIST", "Fashion-MNIST"), ("Fashion-MNIST", "MNIST")):
        rows.append(row(arguments.data, inlier, outlier, arguments.epochs, arguments.seed))
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"protocol": __doc__, **told, "rows": rows}, indent=1) + "\n")
