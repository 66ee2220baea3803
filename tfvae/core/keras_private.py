"""All private names of Keras and TensorFlow that tfvae uses: each in a function, which says why no public name serves.

No other file of the package uses a name that the platform may change, and `tests/test_keras_private.py` fails where it
has changed. The file stands in `core` and not beside the training loop, since noise (`core.seeds`) needs it too.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import keras
import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from tfvae.core.types import Given

T = TypeVar("T")

CALLBACK_STATE = {  # what Keras' callbacks carry from one epoch to the next; none of them says so
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best", "best_weights", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
}


def is_traced_for_xla() -> bool:
    """Tells whether a function is being traced that XLA will compile: it has generators that TensorFlow lacks."""
    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def own_attributes(holder: object) -> dict[str, Any]:
    """Returns what an object holds by name, less the books that TensorFlow keeps in it."""
    return {name: value for name, value in vars(holder).items() if not name.startswith("_self_")}


def all_layers(layer: keras.layers.Layer, include_self: bool = True) -> Iterator[keras.layers.Layer]:
    """Yields a layer and all layers within it, at any depth; `layers` of a model are only those of the first."""
    return layer._flatten_layers(include_self=include_self, recursive=True)


def layers_now(model: keras.Model) -> tuple[keras.layers.Layer, ...]:
    """Returns the layers that a model's attributes, and lists in them, hold now.

    Keras' own list, `_layers`, keeps a layer whose attribute was given another one, and does not say which of them is
    held. Within a layer that was built, Keras lets nothing be replaced.
    """
    values = [value for name, value in vars(model).items() if name != "_layers"]
    held = [part for value in values for part in (value if isinstance(value, list) else [value])]
    return tuple(part for part in held if isinstance(part, keras.layers.Layer))


def num_steps(optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
    """Returns the steps taken, those too that only accumulate a gradient: `iterations` counts updates."""
    return tf.identity(getattr(optimizer, "inner_optimizer", optimizer)._iterations)


def function_of(model: keras.Model, step: Callable[[Given], T]) -> Callable[[Iterator], T]:
    """Returns what Keras makes of a step: `steps_per_execution` of them, on all replicas, compiled as the model says.

    `make_train_function` does the same, of `train_step` alone, whose result must be logs.
    """
    return model._make_function(step)


def is_validation_of_fit(arguments: Mapping[str, object]) -> bool:
    """Tells whether `evaluate` was called by `fit`, which checked the data already and keeps their iterator."""
    return bool(arguments.get("_use_cached_eval_dataset"))


def without_symbolic_build(kind: type[keras.Model]) -> type[keras.Model]:
    """Decorates a model whose weights exist from the start: Keras' way to a batch fails at uneven shares."""

    def _maybe_symbolic_build(self: keras.Model, iterator: object = None, data_batch: object = None) -> None:
        del self, iterator, data_batch

    kind._maybe_symbolic_build = _maybe_symbolic_build
    return kind


def traces_batches(callback: keras.callbacks.Callback) -> bool:
    """Tells whether a `TensorBoard` callback profiles batches."""
    return bool(getattr(callback, "_should_trace", False))


def set_first_epoch(model: keras.Model, epoch: int | None) -> None:
    """Sets the epoch at which the `fit` that has begun goes on; its `initial_epoch` was read before callbacks ran."""
    model._initial_epoch = epoch


def called_seldom(function: Any) -> Any:
    """Returns a `tf.function` that is not warned of: traced once for a size of data, it may be called but once."""
    function._omit_frequent_tracing_warning = True
    return function
