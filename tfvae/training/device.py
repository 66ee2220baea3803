"""Data to the device: which fits take their batches there, and how their steps are compiled.

Keras' own `fit` keeps the epochs, callbacks, logs and validation. It is given an endless stream of nothing, and its
train function takes the data from `Epochs`. Under "auto" that goes through XLA where it was measured to pay: on a GPU
as Keras decides, on a CPU in long fits without convolutions or bfloat16 (`benchmarks/NOTES.md`).
"""

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfvae.checks.data import note_once
from tfvae.checks.streams import is_stream
from tfvae.core import keras_private
from tfvae.core.reading import RowBatches
from tfvae.core.types import Given, Logs
from tfvae.training import call as calls
from tfvae.training.call import FitCall
from tfvae.training.epochs import Epochs, Resident, Source, held_type
from tfvae.training.program import EAGER, GRAPH, XLA, XLA_STEPS, Present
from tfvae.training.windows import Windows

if TYPE_CHECKING:
    from tfvae.training.trainer import Trainer

# Steps of a fit on a CPU, below which compiling takes longer than it saves, and weights from which the one or the other
# holds; and products of a fit (steps x batch x samples x weights), from which it pays after fewer steps.
XLA_FROM, SMALL_XLA_FROM, SMALL = 1000, 8000, 2**17
XLA_FROM_PRODUCTS = 3e11
BFLOAT16_PRODUCTS = "auto_mixed_precision_onednn_bfloat16"  # TensorFlow's option, which changes its own graphs alone
MOST_GPU_BYTES = 2**31
CONVOLUTIONS = tuple(layer for name, layer in vars(keras.layers).items() if "Conv" in name)


class Placed(NamedTuple):
    """A fit whose data are on the device, whole or window by window.

    Attributes:
        training: the epochs, or `None` where the data pass through Keras.
        validation: those of its validation, or `None` likewise.
    """

    training: Epochs | None = None
    validation: Epochs | None = None


def placed(model: "Trainer", call: FitCall) -> tuple[FitCall, Placed]:
    """Brings the data of a fit to the device: arrays whole, what is read in parts by windows.

    Args:
        model: that is trained.
        call: of `fit`, checked.

    Returns:
        The call that Keras is to have, and the data.
    """
    if not (_is_ours(call.x) and model.compiled):
        return call, Placed()
    obstacle = _obstacle(model, call)
    if obstacle:
        note_once(model, "resident", f"{obstacle}: the data pass through tf.data, which is slower.")
        return call, Placed()
    training = _training(model, call)
    callbacks = call.callbacks
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = keras.callbacks.CallbackList(
            callbacks, add_history=True, add_progbar=call.verbose != 0, verbose=call.verbose,
            epochs=call.epochs, steps=training.steps, model=model,
        )  # fmt: skip
    watchers = calls.watchers(callbacks.callbacks, "train")
    if watchers:
        training.block = model.steps_per_execution
        if training.block == 1:
            names = ", ".join(watchers)
            note_once(model, "watchers", f"{names} watches every batch: one step a call, which is slower.")
    else:
        training.tick = functools.partial(_tick, callbacks)
    call = call.replaced(
        x=_endless(), batch_size=None, shuffle=False, steps_per_epoch=training.steps, callbacks=callbacks
    )  # fmt: skip
    if call.validation_data is None or not _is_ours(call.validation_data[0]):
        return call, Placed(training)
    validation = _validation(model, call, training.source.batch_size)
    each = bool(calls.watchers(callbacks.callbacks, "test"))
    validation.block = model.steps_per_execution if each else validation.steps
    call = call.replaced(validation_data=(_endless(),), validation_steps=validation.steps if each else 1)
    return call, Placed(training, validation)


def mode_of(model: "Trainer", steps: int, batch_size: int) -> str:
    """Returns how a fit of so many planned steps is run; nothing else decides, so that a resumed one goes on alike."""
    if model.run_eagerly:
        return EAGER
    layers = list(keras_private.all_layers(model))
    convolves = not _on_gpu() and any(isinstance(layer, CONVOLUTIONS) for layer in layers)
    if model.jit_compile:
        return XLA_STEPS if convolves else XLA
    halved = not _on_gpu() and _halves_products(layers)
    weights = model.count_params()
    enough = steps >= (SMALL_XLA_FROM if weights < SMALL else XLA_FROM)
    enough |= steps * batch_size * model.objective.num_samples * weights >= XLA_FROM_PRODUCTS
    pays = enough and not convolves and not halved and all(layer.supports_jit for layer in layers)
    return XLA if model.jit_is_automatic and pays else GRAPH


def _halves_products(layers: list[keras.layers.Layer]) -> bool:
    """Tells whether products of matrices are taken in bfloat16, for which XLA does not use a CPU's instructions."""
    asked = tf.config.optimizer.get_experimental_options().get(BFLOAT16_PRODUCTS, False)
    return asked or any(layer.compute_dtype == "bfloat16" for layer in layers)


def _training(model: "Trainer", call: FitCall) -> Epochs:
    source = _source(model, call.x, call.batch_size or 32, shuffle=bool(call.shuffle))
    mode = mode_of(model, call.epochs * -(-source.rows // source.batch_size), source.batch_size)
    epochs = Epochs(model, _program(model, call.x, mode, training=True), source, training=True)
    epochs.program().allowance = 1
    return epochs


def _validation(model: "Trainer", call: FitCall, batch_size: int) -> Epochs:
    mode = EAGER if model.run_eagerly else GRAPH  # the numbers of `evaluate`
    x = call.validation_data[0]
    source = _source(model, x, call.validation_batch_size or batch_size, shuffle=False)
    program = _program(model, x, mode, training=False)
    return Epochs(model, program, source, training=False, most=call.validation_steps)


def _source(model: "Trainer", x: Given, batch_size: int, *, shuffle: bool) -> Source:
    if isinstance(x, RowBatches):
        return Windows(model, x)
    return Resident(model, x, batch_size, shuffle=shuffle)


def _program(model: "Trainer", x: Given, mode: str, *, training: bool) -> Present:
    """Returns the program of a fit's steps; values that are read in parts are looked at within it."""
    checked = not isinstance(x, RowBatches)
    return Present(model, functools.partial(model.program, training=training, mode=mode, checked=checked))


def _is_ours(x: Given) -> bool:
    """Tells whether our own epochs can take their batches from data, which are not Keras' stream then."""
    return isinstance(x, RowBatches) or not is_stream(x)


def _obstacle(model: "Trainer", call: FitCall) -> str:
    """Returns why arrays cannot stay on the device, or nothing."""
    obstacles = {
        "a distribution strategy": tf.distribute.has_strategy() or model.distribute_strategy.num_replicas_in_sync > 1,
        "class_weight": call.class_weight is not None,
        "steps_per_epoch": call.steps_per_epoch is not None or keras.config.max_steps_per_epoch() is not None,
        "shuffle='batch'": call.shuffle == "batch",
        "a train_step or test_step of its own": model.has_steps_of_its_own,
        "data beyond 2 GiB on a GPU": _on_gpu() and isinstance(call.x, Mapping) and _bytes(call.x) > MOST_GPU_BYTES,
    }
    return ", ".join(name for name, holds in obstacles.items() if holds)


def _bytes(data: Given) -> int:
    return sum(held_type(part).size * math.prod(np.shape(part)) for part in tf.nest.flatten(data))


def _on_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


def _endless() -> tf.data.Dataset:
    """Returns what Keras iterates over in place of the data."""
    return tf.data.Dataset.range(1).repeat()


def _tick(callbacks: keras.callbacks.CallbackList, last: int, logs: Logs) -> None:
    callbacks.on_train_batch_end(last, logs)
    callbacks.on_train_batch_begin(last + 1)
