"""Arrays that stay on the device: one compiled program takes many steps, and shuffles nothing through the host.

    order     = permutation of the N rows, a function of the model's seed and of the step that the epoch starts at
    program   for i in first .. first + count - 1:  step(x[order[i]])              order: [N // B, B]
    the last N mod B rows are a batch of their own, in a program of their own

A call takes as many steps as fit into half a second, so that the progress bar moves and an interrupt is heard. Under
"auto" the program goes through XLA where that was measured to pay: on a GPU as Keras decides, on a CPU in long fits
without convolutions (`benchmarks/NOTES.md`).
"""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import fitting, inputs, seeds

PATIENCE = 0.5  # seconds in one call
XLA_FROM, SMALL_XLA_FROM = 2000, 16000  # steps of a fit on a CPU, below which compiling takes longer than it saves,
SMALL = 2**17  # and from which number of weights the one or the other holds
MOST_GPU_BYTES = 2**31
COMPACT = (tf.bool, tf.uint8, tf.int8, tf.float16, tf.bfloat16, tf.uint16, tf.int16)  # all others become float32
CONVOLUTIONS = tuple(layer for name, layer in vars(keras.layers).items() if "Conv" in name)


class Program:
    """Many steps in one compiled call.

    Args:
        step: takes one step on `(x, y, weight)`, y and weight possibly `None`; what it returns is dropped.
        read: returns the logs after the last step.
        jit_compile: compile with XLA; `None` takes the steps eagerly.
        on_refusal: called once if XLA cannot compile the step; `None` lets the error through.

    Attributes:
        allowance: steps that the next call may take, to be over in half a second.
    """

    def __init__(
        self, step: Callable, read: Callable, jit_compile: bool | None, on_refusal: Callable[[str], None] | None = None
    ) -> None:
        self.step, self.read, self.on_refusal = step, read, on_refusal
        self.allowance, self.known = 1, set()
        self.plain = self._steps if jit_compile is None else _compiled(self._steps, False)
        self.compiled = _compiled(self._steps, True) if jit_compile else self.plain

    def __call__(self, data: tuple, order: tf.Tensor, first: int, count: int) -> dict[str, tf.Tensor]:
        """Takes `count` steps from the batch `first` on; returns the logs.

        Args:
            data: x `[N, ...]`, y and weight.
            order: the rows of each batch, `[steps, B]`.
            first: index of a batch.
            count: of batches.
        """
        arguments = data, order, tf.constant(first), tf.constant(count)
        if len(order) == 1:  # the last, smaller batch of each epoch is not worth a second compilation
            return self.plain(*arguments)
        started = time.perf_counter()
        logs = self._run(*arguments)
        float(logs["loss"])  # waits
        key, elapsed = (order.shape, data[0].shape), time.perf_counter() - started
        self.allowance = max(1, int(PATIENCE * count / elapsed)) if key in self.known else 1  # the first call compiled
        self.known.add(key)
        return logs

    def _run(self, *arguments: Any) -> dict[str, tf.Tensor]:
        try:
            return self.compiled(*arguments)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.NotFoundError) as error:
            if self.compiled is self.plain or self.on_refusal is None:
                raise
            self.on_refusal(str(error).splitlines()[0])
            self.compiled = self.plain
            return self.compiled(*arguments)

    @tf.autograph.experimental.do_not_convert
    def _steps(self, data: tuple, order: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> dict[str, tf.Tensor]:
        def step(i: tf.Tensor) -> tuple:
            rows = order[i]
            self.step(tuple(None if part is None else tf.gather(part, rows) for part in data))
            return (i + 1,)

        tf.while_loop(lambda i: i < first + count, step, (first,), parallel_iterations=1)
        return self.read()


def _compiled(function: Callable, jit_compile: bool) -> Any:
    made = tf.function(function, jit_compile=jit_compile)
    made._omit_frequent_tracing_warning = True  # few calls, of many steps each, look like it
    return made


class Epochs:
    """The epochs of one data set: stands where Keras has its train or test function.

    Args:
        model: an `EvidenceModel`.
        program: of its steps.
        data: x `[N, ...]`, y and weight, the latter two possibly `None`.
        batch_size: B.
        shuffle: anew in every epoch.
        training: whether the steps are train steps.
    """

    def __init__(
        self, model: Any, program: Program, data: tuple, batch_size: int, shuffle: bool, training: bool
    ) -> None:
        self.model, self.program, self.shuffle, self.training = model, program, shuffle, training
        self.data = tuple(None if part is None else _on_device(part) for part in data)
        self.rows, self.batch_size = len(data[0]), batch_size
        self.full = self.rows // batch_size
        self.steps = -(-self.rows // batch_size)
        self.between: Callable[[int, dict], None] | None = None
        self.position = 0
        self._orders = _cut(tf.range(self.rows), batch_size)

    def rewind(self) -> None:
        """Starts at the first batch."""
        self.position = 0

    def __call__(self, iterator: Any) -> dict[str, Any]:
        """Takes the next `steps_per_execution` steps of the epoch; returns the logs after them."""
        del iterator
        self.position %= self.steps
        if self.position == 0 and self.shuffle:
            self._orders = _shuffled(self.rows, self.batch_size, self.model.seed, self.model.optimizer.iterations.value)
        end = min(self.position + self.model.steps_per_execution, self.steps)
        while True:
            logs = self.model.inspected(self._advance(end), self.training, self.batch)
            if self.position < end and self.between:
                self.between(self.position - 1, logs)
            if self.position == end or (self.training and self.model.stop_training):
                return logs

    def batch(self, index: int) -> tuple:
        """Returns x, y and weight of a batch of the present epoch."""
        full, rest = self._orders
        rows = full[index] if index < self.full else rest[0]
        return tuple(None if part is None else tf.gather(part, rows) for part in self.data)

    def _advance(self, end: int) -> dict[str, tf.Tensor]:
        full, rest = self._orders
        room = min(end, self.full) - self.position
        if room <= 0:
            self.position += 1
            return self.program(self.data, rest, 0, 1)
        count = min(room, self.program.allowance)
        logs = self.program(self.data, full, self.position, count)
        self.position += count
        return logs


def _cut(order: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the rows of the full batches, `[N // B, B]`, and of the last one, `[1, N mod B]`."""
    full = len(order) // size
    return tf.reshape(order[: full * size], [full, size]), order[tf.newaxis, full * size :]


@tf.function
def _shuffled(rows: int, size: int, seed: int, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    seed = seeds.fold(seeds.as_seed(seed), seeds.SHUFFLE, step)
    order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed, alg=seeds.ALGORITHM)
    return _cut(tf.ensure_shape(order, [rows]), size)


@contextlib.contextmanager
def on_device(model: Any, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Lets a call of `fit` take its arrays from the device, where that can be.

    Args:
        model: an `EvidenceModel`, whose train function and `steps_per_execution` are others while this lasts.
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
    before = model.train_function, model.test_function, model.steps_per_execution
    size = call["batch_size"] or 32
    data = inputs.event_batch(call["x"], model.event_shape), _target(model, call["y"], call["x"]), call["sample_weight"]
    planned = call["epochs"] * -(-len(data[0]) // size)
    automatic = model.jit_is_automatic
    jit_compile = bool(model.jit_compile) or (automatic and wants_xla(model, planned))
    jit_compile = None if model.run_eagerly else jit_compile
    refused = functools.partial(_note_refusal, model) if automatic else None
    program = model.program(True, jit_compile, refused)
    epochs = Epochs(model, program, data, size, shuffle=bool(call["shuffle"]), training=True)
    callbacks = call["callbacks"]
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        verbose = call["verbose"]
        callbacks = keras.callbacks.CallbackList(
            callbacks, add_history=True, add_progbar=verbose != 0, verbose=verbose, epochs=call["epochs"],
            steps=epochs.steps, model=model,
        )  # fmt: skip
    watchers = fitting.watchers_of_batches(callbacks.callbacks)
    if not watchers:
        epochs.between = functools.partial(_tick, callbacks)
        model.steps_per_execution = epochs.steps
    elif model.steps_per_execution == 1:
        names = ", ".join(watchers)
        inputs.note_once(model, "watchers", f"{names} watches every batch: one step a call, which is slower.")
    held = call["validation_data"]
    if held is not None and not inputs.is_stream(held[0]) and not call["validation_steps"]:
        rows = call["validation_batch_size"] or size
        held = inputs.event_batch(held[0], model.event_shape), _target(model, held[1], held[0]), held[2]
        program = model.program(False, None if model.run_eagerly else False)
        model.validation = Epochs(model, program, held, rows, shuffle=False, training=False)
        call = call | {"validation_data": _endless(), "validation_steps": model.validation.steps}
    try:
        model.train_function, model.test_function = epochs, None
        yield call | {
            "x": _endless(), "y": None, "sample_weight": None, "batch_size": None, "shuffle": False,
            "steps_per_epoch": epochs.steps, "callbacks": callbacks,
        }  # fmt: skip
    finally:
        model.validation = None
        model.train_function, model.test_function, model.steps_per_execution = before


def _obstacle(model: Any, call: dict[str, Any]) -> str:
    """Returns why arrays cannot stay on the device, or nothing."""
    arrays = [part for part in (call["x"], call["y"], call["sample_weight"]) if part is not None]
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    obstacles = {
        "a distribution strategy": model.distribute_strategy.num_replicas_in_sync > 1,
        "class_weight": call["class_weight"] is not None,
        "steps_per_epoch": call["steps_per_epoch"] is not None,
        "shuffle='batch'": call["shuffle"] == "batch",
        "data beyond 2 GiB on a GPU": on_gpu and sum(np.asarray(part).nbytes for part in arrays) > MOST_GPU_BYTES,
    }
    return ", ".join(name for name, holds in obstacles.items() if holds)


def _target(model: Any, y: Any, x: Any) -> Any:
    """Returns y if it is a target of its own; labels are dropped with a note."""
    if y is None or y is x:
        return None
    if inputs.is_target(y, model.event_shape):
        return y
    inputs.note_dropped_labels(model)
    return None


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
    dtype = tf.as_dtype(part.dtype)
    return tf.convert_to_tensor(part) if dtype in COMPACT else tf.cast(part, tf.float32)


def wants_xla(model: keras.Model, steps: int) -> bool:
    """Tells whether "auto" means XLA for a fit of so many steps on a CPU."""
    layers = model._flatten_layers()
    enough = steps >= (SMALL_XLA_FROM if model.count_params() < SMALL else XLA_FROM)
    return enough and all(layer.supports_jit and not isinstance(layer, CONVOLUTIONS) for layer in layers)
