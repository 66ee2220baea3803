"""The process that one contender runs in: builds a job, says so, and times what it is asked for.

    <- {"job": {...}, "variant": "step", "spawned": 1.7e9}      -> {"ready": true, "weights": ..., "import_s": ..., ...}
    <- {"epochs": 2}                                            -> {"seconds": ..., "loss": ..., "peak_mb": ...}

One line of JSON each way. A peer's file defines a function `(job, variant) -> Runner` and ends with `serve` of it.
Whatever a library prints goes to the log, not into the answers.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Protocol

from benchmarks.speed.jobs import Job

LIBRARIES = (
    "numpy", "tensorflow", "keras", "tf-keras", "tensorflow-probability", "jax", "jaxlib", "optax", "numpyro", "torch",
    "pythae",
)  # fmt: skip


class Runner(Protocol):
    """A job in one framework, built and ready.

    Attributes:
        weights: number of trainable numbers.
    """

    weights: int

    def first(self) -> None:
        """Compiles and takes the first step (of a likelihood job: the first block)."""

    def run(self, epochs: int) -> float:
        """Works for so many epochs; returns the mean loss of the last one, or the mean of -log p(x), in nats."""


def peak_mb() -> float:
    """Returns the largest resident memory of this process since `forget_peak`, in MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def forget_peak() -> None:
    """Starts the peak again from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def versions() -> dict[str, str]:
    """Returns the versions of the libraries that are loaded."""
    return {name: metadata.version(name) for name in LIBRARIES if name.replace("-", "_") in sys.modules}


def serve(make: Callable[[Job, str], Runner]) -> None:
    """Answers requests until the input ends."""
    imported = time.time()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    runner = None
    for line in sys.stdin:
        request = json.loads(line)
        start = time.perf_counter()
        if "job" in request:
            runner = make(Job(**{k: tuple(v) if isinstance(v, list) else v for k, v in request["job"].items()}),
                          request["variant"])  # fmt: skip
            built = time.perf_counter()
            runner.first()
            answer = {
                "ready": True,
                "weights": int(runner.weights),
                "import_s": imported - request["spawned"],
                "build_s": built - start,
                "first_s": time.perf_counter() - built,
                "peak_start_mb": peak_mb(),
                "versions": versions(),
            }
            forget_peak()
        else:
            loss = runner.run(request["epochs"])
            answer = {"seconds": time.perf_counter() - start, "loss": float(loss), "peak_mb": peak_mb()}
        print(json.dumps(answer), file=answers, flush=True)
    os._exit(0)  # taking a framework down in good order takes up to twenty seconds
