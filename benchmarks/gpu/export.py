"""Writes the training loop of each job as TensorFlow gives it to XLA; on a CPU, in the environment of this library.

The loop is lowered for a CPU, which is StableHLO for any platform as long as no operation of the model has a lowering
of its own on GPUs: Threefry and Philox are `rng_bit_generator`, and nothing is a custom call.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.gpu.carried import CHECKED, INPUTS, order, write
from benchmarks.speed.jobs import Job, data
from benchmarks.speed.peers.tfvae_fit import model
from tfvae.training.program import XLA

MOST_SAMPLES = 9


def export(job: Job, steps: int, path: Path, seconds: float) -> str:
    """Writes the file of a job.

    Args:
        job: what is trained.
        steps: in one call.
        path: of the file.
        seconds: to measure TensorFlow's own time of a step in; of convolutions, which XLA runs slowly on a CPU, it is
            not measured.

    Returns:
        A line about it.

    Raises:
        RuntimeError: if the results of the loop are not what the reader of the file takes them for.
    """
    vae = model(job, jit_compile=True)
    vae.num_data = job.rows
    loop, checked = vae.program(training=True, mode=XLA)._fast, 1 if job.conv else CHECKED  # what `fit` runs
    known, rows = {"x": tf.constant(data(job))}, tf.constant(order(job, steps))

    def take(count: int) -> float:
        return float(loop(known, rows, tf.constant(0), tf.constant(count)).logs["loss"])

    arguments = known, rows, tf.constant(0), tf.constant(checked)
    concrete = loop.get_concrete_function(*arguments)
    carried = tf.nest.flatten(concrete.structured_outputs)
    variables = {id(v.handle): v for v in concrete.graph.variables}
    captured = concrete.captured_inputs
    start = [_value(tensor, variables) for tensor in captured]
    ir = loop.experimental_get_compiler_ir(*arguments)
    hlo, changed = ir(stage="hlo_serialized"), _changed(ir(stage="hlo"), len(carried))
    layers = vae.posterior.network, vae.posterior.head, vae.likelihood.network, vae.likelihood.head
    places = {id(tensor): i for i, tensor in enumerate(captured)}
    loss = take(checked)
    after = {i: _value(captured[i], variables) for i in changed}
    meta = {
        "parameters": [{"shape": value.shape, "dtype": str(value.dtype)} for value in start],
        "carried": [{"shape": list(spec.shape), "dtype": spec.dtype.name} for spec in carried],
        "loss_at": sorted(concrete.structured_outputs.logs).index("loss"),  # logs come first, in this order
        "changed": changed,
        "network": [places[id(v.value.handle)] for layer in layers for v in layer.trainable_variables],
        "checked": checked,
        "loss": loss,
        "tensorflow": tf.__version__,
        "ms_a_step": None if job.conv else _milliseconds(take, checked, steps, seconds),
    }
    write(path, hlo, meta, start, after)
    return f"{path.stem}: {path.stat().st_size / 2**20:.1f} MB, loop {len(hlo) / 1e3:.0f} kB"


def _value(tensor: tf.Tensor, variables: dict[int, tf.Variable]) -> np.ndarray:
    """Returns what a captured tensor holds."""
    return variables[id(tensor)].numpy() if tensor.dtype == tf.resource else tensor.numpy()


def _changed(text: str, carried: int) -> list[int]:
    """Returns which captured variables the loop changes, in the order of its results: those that share their memory."""
    header = text.split("entry_computation_layout")[0]
    aliases = [(int(out), int(number)) for out, number in re.findall(r"\{(\d+)\}: \((\d+), \{\}", header)]
    if [out for out, _ in aliases] != list(range(carried, carried + len(aliases))):
        raise RuntimeError(f"not every result after the first {carried} is a variable in its place: {aliases}")
    return [number - INPUTS for _, number in aliases]


def _milliseconds(take: Callable[[int], float], count: int, most: int, seconds: float) -> float:
    """Returns the median time of a step in TensorFlow, in milliseconds; the first call is left out."""
    times: list[float] = []
    while len(times) < 2 or (sum(times) < seconds and len(times) < MOST_SAMPLES):
        started = time.perf_counter()
        take(count)
        times.append((time.perf_counter() - started) / count)
        count = max(count, min(most, int(seconds / 5 / times[0])))
    return 1e3 * float(np.median(times[1:]))
