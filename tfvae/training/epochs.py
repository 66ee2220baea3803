"""Arrays that stay on the device: `fit` takes its batches there, many in one program, and shuffles there.

    order   = permutation of the N rows, a function of the model's seed and of the step that the epoch starts at
    step i  sees the rows order[i B : (i + 1) B];    the last N mod B rows are a batch of their own

Keras' own `fit` keeps the epochs, callbacks, logs and validation. It is given an endless stream of nothing, and in the
place of its train function one that knows where the data are. Under "auto" that goes through XLA where it was measured
to pay: on a GPU as Keras decides, on a CPU in long fits without convolutions (`benchmarks/NOTES.md`).
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae.checks import data as inputs
from tfvae.core import seeds
from tfvae.training import call as fitting
from tfvae.training.program import EAGER, GRAPH, XLA, XLA_STEPS, Program, compiled

XLA_FROM, SMALL_XLA_FROM = 2000, 16000  # steps of a fit on a CPU, below which compiling takes longer than it saves,
SMALL = 2**17  # and from which number of weights the one or the other holds
MOST_GPU_BYTES = 2**31
COMPACT = (tf.bool, tf.uint8, tf.int8, tf.float16, tf.bfloat16, tf.uint16, tf.int16)  # all others become float32
CONVOLUTIONS = tuple(layer for name, layer in vars(keras.layers).items() if "Conv" in name)


class Epochs:
    """The epochs of arrays: stands where Keras has its train or test function.

    Args:
        model: an `EvidenceModel`.
        program: of its steps.
        data: x `[N, ...]`, y and weight, the latter two possibly `None`.
        batch_size: B.
        shuffle: anew in every epoch.
        training: whether the steps are train steps.
        most: batches in an epoch, if not all.

    Attributes:
        steps: batches in an epoch.
        block: steps that one call takes.
        tick: called between blocks of a call with the index of the last batch and the logs, if anything.
    """

    def __init__(
        self,
        model: Any,
        program: Program,
        data: tuple,
        batch_size: int,
        *,
        shuffle: bool,
        training: bool,
        most: int | None = None,
    ) -> None:
        self.model, self.program, self.shuffle, self.training = model, program, shuffle, training
        self.data = tuple(None if part is None else _on_device(part) for part in data)
        self.rows, self.batch_size = len(data[0]), batch_size
        self.full = self.rows // batch_size
        self.steps = min(-(-self.rows // batch_size), most or self.rows)
        self.block, self.position = self.steps, 0
        self.tick: Callable[[int, dict], None] | None = None
        self._orders = _cut(tf.range(self.rows), batch_size)

    def __call__(self, iterator: Any) -> dict[str, Any]:
        """Takes the next `block` of steps, or what is left of the epoch; returns the logs after them."""
        del iterator
        self.position %= self.steps
        if self.position == 0 and self.shuffle:
            seed = seeds.as_seed(self.model.seed)
            self._orders = _shuffled(self.rows, self.batch_size, seed, self.model.step_count)
        end = min(self.position + self.block, self.steps)
        while True:
            logs = self.model.inspected(self._advance(end), self.training, self.batch)
            if self.position < end and self.tick:
                self.tick(self.position - 1, logs)
            if self.position == end or (self.training and self.model.stop_training):
                return logs

    def batch(self, index: int) -> tuple:
        """Returns x, y and weight of a batch of the present epoch."""
        full, remainder = self._orders
        rows = full[index] if index < self.full else remainder[0]
        return tuple(None if part is None else tf.gather(part, rows) for part in self.data)

    def _advance(self, end: int) -> dict[str, tf.Tensor]:
        full, remainder = self._orders
        count = min(end, self.full) - self.position
        if count <= 0:
            self.position += 1
            return self.program.run_remainder(self.data, remainder)
        count = min(count, self.program.allowance)
        logs = self.program.run(self.data, full, self.position, count)
        self.position += count
        return logs


@contextlib.contextmanager
def on_device(model: Any, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Lets a call of `fit` take its arrays from the device, where that can be.

    Args:
        model: an `EvidenceModel`, whose train function is another while this lasts.
        call: the arguments of `fit`.

    Yields:
        The arguments that Keras is to have.
    """
    if inputs.is_stream(call["x"]) or not model.compiled:
        yield call
        return
    obstacle = _obstacle(model, call)
    if obstacle:
        inputs.note_once(model, "resident", f"{obstacle}: the data pass through tf.data, which is slower.")
        yield call
        return
    training = _training(model, call)
    callbacks = call["callbacks"]
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = keras.callbacks.CallbackList(
            callbacks, add_history=True, add_progbar=call["verbose"] != 0, verbose=call["verbose"],
            epochs=call["epochs"], steps=training.steps, model=model,
        )  # fmt: skip
    watchers = fitting.watchers(callbacks.callbacks, "train")
    if watchers:
        training.block = model.steps_per_execution
        if training.block == 1:
            names = ", ".join(watchers)
            inputs.note_once(model, "watchers", f"{names} watches every batch: one step a call, which is slower.")
    else:
        training.tick = functools.partial(_tick, callbacks)
    call = call | {
        "x": _endless(), "y": None, "sample_weight": None, "batch_size": None, "shuffle": False,
        "steps_per_epoch": training.steps, "callbacks": callbacks,
    }  # fmt: skip
    before = model.train_function, model.steps_per_execution
    try:
        if call["validation_data"] is not None and not inputs.is_stream(call["validation_data"][0]):
            model.validation = _validation(model, call, training.batch_size)
            each = bool(fitting.watchers(callbacks.callbacks, "test"))
            model.validation.block = model.steps_per_execution if each else model.validation.steps
            steps = model.validation.steps if each else 1
            call |= {"validation_data": _endless(), "validation_steps": steps}
        model.train_function, model.steps_per_execution = training, training.block
        yield call  # `make_train_function` puts `steps_per_execution` back: Keras has made its iterator by then
    finally:
        model.validation = None
        model.train_function, model.steps_per_execution = before


def mode_of(model: Any, steps: int) -> str:
    """Returns how a fit of so many steps is run."""
    if model.run_eagerly:
        return EAGER
    layers = model._flatten_layers()
    convolves = not _on_gpu() and any(isinstance(layer, CONVOLUTIONS) for layer in layers)
    if model.jit_compile:
        return XLA_STEPS if convolves else XLA
    enough = steps >= (SMALL_XLA_FROM if model.count_params() < SMALL else XLA_FROM)
    pays = enough and not convolves and all(layer.supports_jit for layer in layers)
    return XLA if model.jit_is_automatic and pays else GRAPH


def _training(model: Any, call: dict[str, Any]) -> Epochs:
    data, size = _arrays(model, call["x"], call["y"], call["sample_weight"]), call["batch_size"] or 32
    mode = mode_of(model, call["epochs"] * -(-len(data[0]) // size))
    refused = functools.partial(_note_refusal, model) if model.jit_is_automatic else None
    program = model.program(True, mode, refused)
    program.allowance = 1
    return Epochs(model, program, data, size, shuffle=bool(call["shuffle"]), training=True)


def _validation(model: Any, call: dict[str, Any], batch_size: int) -> Epochs:
    program = model.program(False, EAGER if model.run_eagerly else GRAPH)  # the numbers of `evaluate`
    size, data = call["validation_batch_size"] or batch_size, _arrays(model, *call["validation_data"])
    return Epochs(model, program, data, size, shuffle=False, training=False, most=call["validation_steps"])


def _obstacle(model: Any, call: dict[str, Any]) -> str:
    """Returns why arrays cannot stay on the device, or nothing."""
    arrays = [part for part in (call["x"], call["y"], call["sample_weight"]) if part is not None]
    numbers = sum(math.prod(np.shape(part)) for part in arrays)
    obstacles = {
        "a distribution strategy": tf.distribute.has_strategy() or model.distribute_strategy.num_replicas_in_sync > 1,
        "class_weight": call["class_weight"] is not None,
        "steps_per_epoch": call["steps_per_epoch"] is not None or keras.config.max_steps_per_epoch() is not None,
        "shuffle='batch'": call["shuffle"] == "batch",
        "a train_step or test_step of its own": model.has_steps_of_its_own,
        "data beyond 2 GiB on a GPU": _on_gpu() and 4 * numbers > MOST_GPU_BYTES,
    }
    return ", ".join(name for name, holds in obstacles.items() if holds)


def _arrays(model: Any, x: Any, y: Any, weight: Any) -> tuple:
    """Returns x, y if it is a target of its own, and weight; labels are dropped with a note."""
    if y is x:
        y = None
    if y is not None and not inputs.is_target(y, model.event_shape):
        inputs.note_dropped_labels(model)
        y = None
    return inputs.event_batch(x, model.event_shape), y, weight


def _on_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


def _endless() -> tf.data.Dataset:
    """Returns what Keras iterates over in place of the data."""
    return tf.data.Dataset.range(1).repeat()


def _tick(callbacks: keras.callbacks.CallbackList, last: int, logs: dict[str, Any]) -> None:
    callbacks.on_train_batch_end(last, logs)
    callbacks.on_train_batch_begin(last + 1)


def _note_refusal(model: Any, reason: str) -> None:
    inputs.note_once(model, "xla", f"XLA does not compile this model ({reason}); training goes on without it.")


def _on_device(part: Any) -> tf.Tensor:
    part = part if tf.is_tensor(part) else np.asarray(part)
    return tf.convert_to_tensor(part) if tf.as_dtype(part.dtype) in COMPACT else tf.cast(part, tf.float32)


def _cut(order: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the rows of the full batches, `[N // B, B]`, and of the last one, `[1, N mod B]`."""
    full = len(order) // size
    return tf.reshape(order[: full * size], [full, size]), order[tf.newaxis, full * size :]


@compiled
def _shuffled(rows: int, size: int, seed: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    seed = seeds.fold(seed, seeds.SHUFFLE, step)
    order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed, alg=seeds.ALGORITHM)
    return _cut(tf.ensure_shape(order, [rows]), size)
