"""Trains an arm, and scores it once on swings that it has not seen.

error      mean_n |E[c_n | x_n] - c_n| of a constant c: E of draws of q, and of draws weighted by `vae.infer`
rmse       of the swing that the code's center decodes to, from the truth without noise: to 2.5 s, and from there to 5 s
coverage   share of the true constants within the 5 and 95% quantiles of p(c | x), of rows with 50 effective draws
"""

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.conditional.common import Result, moments, sayer
from benchmarks.physics import arms
from benchmarks.physics.data import DT, STEPS, Swings, swings
from benchmarks.reproduce.run import versions
from tfvae import VAE
from tfvae.callbacks import Checkpoint, FirstAid
from tfvae.plotting.latents import codes

BATCH, PASSES = 200, 50  # one epoch of `fit` is so many passes
ENOUGH, LEVEL, ROWS = 50, 0.9, 100


def trained(arm: str, seed: int, updates: int, x: np.ndarray, folder: Path, say: Any, **changed: Any) -> VAE:
    """Returns the model after so many updates; goes on from the checkpoints in the folder."""
    tiled = np.tile(x, [PASSES, 1])
    steps = -(-len(tiled) // BATCH)
    epochs, checkpoint = max(1, updates // steps), Checkpoint(folder, keep=1)
    made = checkpoint.restore()
    vae = made or arms.model(arm, seed, epochs * steps, **changed)
    before = time.perf_counter()
    vae.fit(tiled, epochs=epochs, batch_size=BATCH, verbose=0, callbacks=[FirstAid(), checkpoint])
    say(f"{time.perf_counter() - before:.0f} s, elbo {vae.history.history['elbo'][-1]:.2f} of training")
    return vae


def decoded(vae: VAE, x: np.ndarray) -> np.ndarray:
    """Returns the swing that each code's center decodes to, over twice the horizon, `[N, 2 T]`."""
    z = {name: tf.constant(value) for name, value in codes(vae, x).items()}
    return vae.likelihood.network.swing(z, 2 * STEPS).numpy().astype(np.float64)


def score(vae: VAE, told: Swings, num_samples: int) -> tuple[Result, np.ndarray]:
    """Returns what an arm knows of swings, and log p(x) of each."""
    found: Result = {}
    miss = np.square(decoded(vae, told.x) - told.truth)
    for name, part in {"within": miss[:, :STEPS], "beyond": miss[:, STEPS:]}.items():
        found[f"rmse_{name}"] = math.sqrt(part.mean())
    each: dict[str, list] = {}
    for at in range(0, len(told.x), ROWS):
        posterior = vae.infer(told.x[at : at + ROWS], num_samples, seed=0)
        each.setdefault("size", []).append(posterior.effective_sample_size)
        low, high = (posterior.quantile(0.5 + half * LEVEL / 2) for half in (-1, 1))
        mean, plain = posterior.mean(), {name: tf.reduce_mean(z, axis=0) for name, z in posterior.z.items()}
        for name in ("omega", "gamma"):
            for word, value in {"low": low, "high": high, "mean": mean, "q": plain}.items():
                each.setdefault(f"{name}_{word}", []).append(value[name][:, 0])
    of = {name: np.concatenate(parts).astype(np.float64) for name, parts in each.items()}
    trusted = of["size"] >= ENOUGH
    found["trusted"] = float(trusted.mean())
    for name in ("omega", "gamma"):
        true = told.constants[name]
        inside = (of[f"{name}_low"] <= true) & (true <= of[f"{name}_high"])
        found[name] = {
            "error": moments(np.abs(of[f"{name}_mean"] - true)),
            "error_q": moments(np.abs(of[f"{name}_q"] - true)),
            "prior_error": moments(np.abs(true.mean() - true)),
            "coverage": moments(inside[trusted]) if trusted.sum() > 1 else None,
        }
    scores = np.asarray(vae.log_prob(told.x, num_samples, seed=0), np.float64)
    return {**found, "log_prob": moments(scores), "scale": float(vae.likelihood.scale.value())}, scores


def run(arm: str, seed: int, updates: int, num_samples: int, on: str, folders: tuple[Path, Path], **changed: Any):
    """Trains and scores an arm on data `forced` or `free`, and writes the result unless it is there.

    Args:
        arm: its name in `arms.ARMS`.
        seed: of initial weights and training noise.
        updates: of training.
        num_samples: of `infer` and `log_prob`.
        on: the split that is scored, and after a hyphen "free" for swings without forcing.
        folders: of results and of checkpoints.
        **changed: arguments of `Pendulum` that differ from the arm's.
    """
    split, _, free = on.partition("-")
    key = "-".join([arm.replace(", ", "-"), *(f"{k}{v:g}" for k, v in changed.items()), on, str(seed)])
    path, say = folders[0] / f"{key}.json", sayer(key)
    if path.exists():
        return json.loads(path.read_text())
    size = 40 if updates < 1000 else None
    x = swings("train", not free, size).x
    vae = trained(arm, seed, updates, x, folders[1] / key.replace(f"-{split}", ""), say, **changed)
    found, scores = score(vae, swings(split, not free, size), num_samples)
    found |= {"arm": arm, "seed": seed, "updates": updates, "num_samples": num_samples, "on": on, **changed}
    found |= {"weights": vae.count_params(), "dt": DT, "versions": versions(), "log_probs": scores.round(3).tolist()}
    folders[0].mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found) + "\n")
    say(f"log p {found['log_prob']['mean']:.2f}, omega {found['omega']['error']['mean']:.3f}")
    return found
