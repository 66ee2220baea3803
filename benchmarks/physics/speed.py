"""How long a fit's first call takes, with and without XLA, what a step costs then, and whether gradients are right.

gradient   of log p(x | z) in omega, gamma and start, by automatic differentiation and by central differences, float32
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.conditional.common import Result
from benchmarks.physics import arms
from benchmarks.physics.data import swings
from benchmarks.physics.run import BATCH
from benchmarks.reproduce.run import versions

ARMS, STEP = ("law", "both", "both, near"), 1e-2


def timed(arm: str, jit_compile: bool, x: np.ndarray, steps: int) -> dict[str, float]:
    """Returns seconds of the first call of `fit`, and ms of a step after it: the least of three calls."""
    vae = arms.model(arm, 0)
    vae.compile("adam", jit_compile=jit_compile)

    def seconds() -> float:
        start = time.perf_counter()
        vae.fit(x, batch_size=BATCH, verbose=0)
        return time.perf_counter() - start

    first = seconds()
    return {"first": first, "ms": 1000 * min(seconds() for _ in range(3)) / steps}


def gradients(x: np.ndarray) -> Result:
    """Returns the largest difference between both kinds of derivative over constants and swings, beside their size."""
    vae = arms.model("law", 0)
    rng, rows = np.random.default_rng(0), len(x)
    low, high = {"omega": 1.0, "gamma": 0.1, "start": -1.0}, {"omega": 3.0, "gamma": 0.7, "start": 1.0}
    z = {name: tf.constant(rng.uniform(low[name], high[name], [rows, 1]), tf.float32) for name in low}
    z["z"] = tf.zeros([rows, arms.Z])

    def log_prob(z: Any) -> tf.Tensor:
        return vae.decode(z).log_prob(x)

    with tf.GradientTape() as tape:
        tape.watch(z)
        value = log_prob(z)
    found, worst, size = tape.gradient(value, z), [], []
    for name in low:
        above, below = ({**z, name: z[name] + step} for step in (STEP, -STEP))
        numbers = (log_prob(above) - log_prob(below)) / (2 * STEP)
        worst.append(float(tf.reduce_max(tf.abs(found[name][:, 0] - numbers))))
        size.append(float(tf.reduce_max(tf.abs(numbers))))
    return {"largest_difference": dict(zip(low, worst, strict=True)), "largest": dict(zip(low, size, strict=True))}


def run(out: Path, smoke: bool) -> Result:
    """Measures, and writes `speed.json`."""
    x = swings("train", size=2 * BATCH if smoke else 5 * BATCH).x
    x = x if smoke else np.tile(x, [10, 1])
    found: Result = {"load_before": os.getloadavg(), "gradients": gradients(x[:50])}
    ways = {"graph": False} if smoke else {"graph": False, "XLA": True}
    for arm in ARMS[:1] if smoke else ARMS:
        for name, jit_compile in ways.items():
            found[f"{arm}, {name}"] = timed(arm, jit_compile, x, len(x) // BATCH)
            print(arm, name, found[f"{arm}, {name}"], flush=True)
    found |= {"load_after": os.getloadavg(), "versions": versions()}
    out.mkdir(parents=True, exist_ok=True)
    (out / "speed.json").write_text(json.dumps(found, indent=1) + "\n")
    return found
