"""Trains M2 and the classifier alone, an epoch at a time; a training that was stopped goes on where its epoch ended.

error = share of images with argmax_y q(y | x) another than their label
"""

import json
import math
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.conditional.common import sayer
from benchmarks.labels.data import FewLabels, Images, few
from benchmarks.labels.models import CLASSES, classifier, m2
from tfvae import VAE

BATCH = 200
MULTIPLIER = 20_000.0  # of the cross-entropy of each labelled image; it and the rate were chosen on validation labels
RATE = 1e-2  # Adam's at the start; it falls as a half of a cosine to nothing at the last epoch


def probabilities(vae: VAE, x: np.ndarray, block: int = 2000) -> np.ndarray:
    """Returns q(y | x), `[N, K]`."""
    part = vae.posterior.parts["y"]
    blocks = [np.asarray(part(x[at : at + block]).mean())[:, 0] for at in range(0, len(x), block)]
    return np.concatenate(blocks)


def error(found: np.ndarray, y: np.ndarray) -> float:
    """Returns the share of wrong classes of probabilities `[N, K]`."""
    return float(np.mean(np.argmax(found, axis=1) != y))


def minutes(curve: list[dict[str, Any]]) -> float:
    """Returns how long the epochs took."""
    return round(sum(point["seconds"] for point in curve) / 60, 1)


def curve_of(path: Path) -> list[dict[str, Any]]:
    """Returns the points of a training that was begun."""
    return json.loads(path.read_text()) if path.exists() else []


def trained(
    images: Images,
    number: int,
    draw: int,
    epochs: int,
    folder: Path,
    multiplier: float = MULTIPLIER,
    rate: float = RATE,
    enumerated: bool = True,
    minutes: float = float("inf"),
) -> tuple[VAE, list[dict[str, Any]]]:
    """Returns M2 after its epochs, and what was measured after each.

    Args:
        images: all of them.
        number: of labels.
        draw: of labels, and the seed.
        epochs: passes over the images.
        folder: of the model and its curve.
        multiplier: of the cross-entropy of each labelled image.
        rate: Adam's learning rate at the start.
        enumerated: sum over the labels, or sample one.
        minutes: after which it stops, to go on another time.
    """
    say, data, start = sayer(folder.name), few(images, number, draw), time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    model, curve_file = folder / "last.keras", folder / "curve.json"
    curve = curve_of(curve_file)
    falling = falls(rate, epochs, data)
    vae = m2(images.size, multiplier * data.share, data.share, falling, enumerated, seed=draw)
    vae = keras.saving.load_model(model) if curve else vae
    for epoch in range(len(curve), epochs):
        began = time.monotonic()
        logs = step(vae, data, epoch)
        x, y = images.valid
        point = {
            "epoch": epoch + 1,
            "seconds": time.monotonic() - began,
            "valid_error": error(probabilities(vae, x), y),
        }
        curve.append({**point, **logs})
        vae.save(model)
        curve_file.write_text(json.dumps(curve))
        say(f"epoch {epoch + 1}: error of validation {100 * point['valid_error']:.2f} %, ELBO {logs['elbo']:.2f}")
        if time.monotonic() - start > 60 * minutes:
            break
    return vae, curve


def falls(rate: float, epochs: int, data: FewLabels) -> keras.optimizers.schedules.CosineDecay:
    """Returns a learning rate that is nothing after that many passes."""
    return keras.optimizers.schedules.CosineDecay(rate, epochs * math.ceil(len(data.x) / BATCH))


def step(vae: VAE, data: FewLabels, epoch: int) -> dict[str, float]:
    """Takes an epoch; returns its logs."""
    beside = {"labels": {"y": data.labels}, "sample_weight": data.weight}
    shown = {"batch_size": BATCH, "initial_epoch": epoch, "epochs": epoch + 1, "verbose": 0}
    history = vae.fit(data.x, data.target(epoch), **beside, **shown)
    return {name: values[-1] for name, values in history.history.items()}


def alone(images: Images, number: int, draw: int, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the probabilities of the classifier trained on the labels alone, of validation and test images."""
    data = few(images, number, draw)
    keras.utils.set_random_seed(draw)
    net = keras.Sequential([classifier(images.size), keras.layers.Dense(CLASSES, activation="softmax")])
    net.compile(keras.optimizers.Adam(4.2e-4), "sparse_categorical_crossentropy")
    x, y = images.train
    net.fit(x[data.rows], y[data.rows], batch_size=min(BATCH, number), epochs=epochs, verbose=0)
    valid, test = (net.predict(part[0], batch_size=2000, verbose=0) for part in (images.valid, images.test))
    return valid, test
