"""The jobs of the suite, and the file that carries one to a machine without TensorFlow; NumPy alone.

    hlo       the training loop, an `HloModuleProto`, as TensorFlow gives it to XLA
    meta      JSON: parameters and results of the loop, TensorFlow's own time and loss
    start_i   what the i-th captured variable (weights, slots, seeds, logs) holds before the first step, but for zeros
    after_i   a part of it after the steps that TensorFlow took itself

The parameters of the loop are x, order, first, count and the captured variables; its results are the logs and those of
the variables that a step changes, in the same order. Weights and data are those of `benchmarks.speed.jobs`.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.jobs import JOBS, Job, data

CHECKED = 5  # steps after which the weights are compared; one with convolutions: through XLA on a CPU 7 s each
PART = 4096  # numbers of each variable that are kept for that
INPUTS = 4  # x, order, first and count, before the variables

WORK = {  # what matters most first, with the steps in one call
    "mlp128": (dataclasses.replace(JOBS["a"], rows=12800), 100),
    "iwae20": (dataclasses.replace(JOBS["b20"], rows=2000), 100),
    "iwae128": (dataclasses.replace(JOBS["b128"], rows=12800), 100),
    "digits32": (JOBS["e"], 200),
    "mlp1024": (dataclasses.replace(JOBS["a"], batch=1024, rows=20480, title="MLP 784-500-500-50, batch 1024"), 100),
    "conv64": (dataclasses.replace(JOBS["c"], rows=6400), 100),
}


def order(job: Job, steps: int) -> np.ndarray:
    """Returns the rows of each batch, `[steps, B]`: shuffled epochs one after another."""
    random, epochs = np.random.default_rng(0), -(-steps // job.steps)
    each = [random.permutation(job.rows)[: job.steps * job.batch].reshape(job.steps, job.batch) for _ in range(epochs)]
    return np.concatenate(each)[:steps].astype(np.int32)


def part(values: np.ndarray) -> np.ndarray:
    """Returns at most `PART` numbers of a variable, evenly spaced."""
    flat = np.asarray(values).reshape(-1)
    return flat[:: -(-flat.size // PART)]


class Carried:
    """A job that was exported.

    Args:
        path: its file.
        steps: in one call, if not as many as were exported.

    Attributes:
        job: the network and its data.
        exported: batches that the loop is given.
        steps: in one call.
        hlo: the loop.
        meta: what the file says of it.
        start: what each captured variable holds before the first step.
        after: parts of those that change, after the steps that TensorFlow took, number to values.
    """

    def __init__(self, path: Path, steps: int | None = None) -> None:
        self.name = path.stem
        self.job, most = WORK[self.name]
        self.exported, self.steps = most, min(steps or most, most)
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        self.hlo, self.meta = arrays["hlo"].tobytes(), json.loads(arrays["meta"].tobytes())
        zeros = (np.zeros(p["shape"], p["dtype"]) for p in self.meta["parameters"])
        self.start = [arrays.get(f"start_{i}", zero) for i, zero in enumerate(zeros)]
        self.after = {i: arrays[f"after_{i}"] for i in self.meta["changed"]}

    @property
    def x(self) -> np.ndarray:
        """The data, `[rows, *shape]`."""
        return data(self.job)

    @property
    def order(self) -> np.ndarray:
        """The rows of each batch that was exported, `[steps, B]`."""
        return order(self.job, self.exported)


def write(path: Path, hlo: bytes, meta: dict[str, Any], start: list[np.ndarray], after: dict[int, np.ndarray]) -> None:
    """Writes the file of a job."""
    kept = {f"start_{i}": value for i, value in enumerate(start) if value.any()}
    kept |= {f"after_{i}": part(value) for i, value in after.items()}
    text = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez_compressed(path, hlo=np.frombuffer(hlo, np.uint8), meta=text, **kept)
