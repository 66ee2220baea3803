"""The matrix products of a job and nothing else: what the machine itself does at these shapes, in the same run.

A dense layer y = x W over M rows costs x W forward, and backward x^T dy for W and dy W^T for x (not for the data).
The decoder has k rows for each example. The best of two libraries counts as the machine's rate.
"""

import numpy as np

from benchmarks.speed.jobs import Job, weights
from benchmarks.speed.worker import Runner, serve

CHUNK = 50  # samples worked on together in a likelihood job


def shapes(job: Job) -> list[tuple[int, int, int]]:
    """Returns (rows, inner, columns) of each product of one step; in a likelihood job, of one chunk of samples."""
    samples = min(CHUNK, job.samples) if job.likelihood else job.samples
    half = len(job.dense) // 2
    products = []
    for index, (inputs, outputs) in enumerate(job.dense):
        rows = job.batch * (1 if index < half else samples)
        if job.likelihood:
            products += [(rows, inputs, outputs)] if index >= half else []
        else:
            products += [(rows, inputs, outputs), (inputs, rows, outputs)]
            products += [(rows, outputs, inputs)] if index > 0 else []
    return products


def operations(job: Job) -> float:
    """Returns the floating-point operations of one epoch's products."""
    repeats = -(-job.samples // CHUNK) if job.likelihood else 1
    return sum(2.0 * m * k * n for m, k, n in shapes(job)) * job.steps * repeats


class Products:
    """Runs them one after another."""

    def __init__(self, job: Job, variant: str) -> None:
        self.repeats = job.steps * (-(-job.samples // CHUNK) if job.likelihood else 1)
        self.weights = sum(w.size for w in weights(job))
        random = np.random.default_rng(0)
        pairs = [[random.random(s, np.float32) for s in ((m, k), (k, n))] for m, k, n in shapes(job)]
        if variant == "numpy":
            outputs = [np.empty((m, n), np.float32) for m, _, n in shapes(job)]
            self.once = lambda: [np.matmul(a, b, out=c) for (a, b), c in zip(pairs, outputs, strict=True)]
        else:
            import tensorflow as tf

            constants = [[tf.constant(a) for a in pair] for pair in pairs]
            self.once = lambda: [tf.matmul(a, b) for a, b in constants][-1].numpy()

    def first(self) -> None:
        """Runs each once."""
        self.once()

    def run(self, epochs: int) -> float:
        """Runs those of so many epochs; there is no loss."""
        for _ in range(epochs * self.repeats):
            self.once()
        return 0.0


def make(job: Job, variant: str) -> Runner:
    """Returns the products of the job."""
    return Products(job, variant)


if __name__ == "__main__":
    serve(make)
