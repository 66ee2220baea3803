"""A call of `fit`, as a record, and what its callbacks watch."""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from tfvae.checks.data import ROWS_PER_SCAN, as_array, checked, element, note_once
from tfvae.checks.streams import in_batches, is_stream, peek, split
from tfvae.checks.units import note_units
from tfvae.core import keras_private, observed, seeds
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.reading import RowBatches
from tfvae.core.types import Config, Given

if TYPE_CHECKING:
    from tfvae.training.trainer import Trainer

HOOKS = {
    "train": ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
}


@dataclasses.dataclass(frozen=True)
class FitCall:
    """The arguments of a call of `keras.Model.fit`, its defaults included; their meaning is Keras'.

    Once checked, `x` is an `Observed` of arrays or a stream, and `y` and `sample_weight` are left out; but what a step
    of a user's own, or `class_weight`, must see stays as it was given. `validation_data` is the same three as a tuple.
    """

    x: Given
    y: Given
    batch_size: int | None
    epochs: int
    verbose: int | str
    callbacks: keras.callbacks.CallbackList | Sequence[keras.callbacks.Callback] | keras.callbacks.Callback | None
    validation_split: float
    validation_data: Given
    shuffle: bool | str
    class_weight: dict | None
    sample_weight: Given
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: int | Sequence[int]

    @classmethod
    def of(cls, *args: Any, **kwargs: Any) -> "FitCall":
        """Returns the record of a call `fit(*args, **kwargs)`.

        Raises:
            InvalidInput: if a batch size is not a whole number of at least 1.
        """
        bound = inspect.signature(keras.Model.fit).bind(None, *args, **kwargs)
        bound.apply_defaults()
        given = {name: value for name, value in bound.arguments.items() if name != "self"}
        sizes = {name: given[name] for name in ("batch_size", "validation_batch_size") if given[name] is not None}
        return cls(**given | {name: positive_integer(name, size) for name, size in sizes.items()})

    def in_parts(self, model: "Trainer") -> "FitCall":
        """Returns the record with streams in the place of data that are to be read a few rows at a time."""
        start = int(model.step_count) if model.compiled else 0

        def order(rows: int, batches_before: int) -> np.ndarray:
            step = start + batches_before
            seed = seeds.fold(seeds.as_seed(model.seed), seeds.SHUFFLE, step)
            return np.random.default_rng(seed.numpy().view(np.uint32)).permutation(rows)

        drawn = order if self.shuffle else None
        x, y, weight = in_batches(self.x, self.y, self.sample_weight, self.batch_size, drawn)
        changes = {} if x is self.x else {"x": x, "y": y, "sample_weight": weight, "batch_size": None, "shuffle": False}
        held = self.validation_data
        if held is not None and not is_stream(held):
            x, y, weight = keras.utils.unpack_x_y_sample_weight(held)
            stream, *_ = in_batches(x, y, weight, self.validation_batch_size or self.batch_size)
            changes |= {} if stream is x else {"validation_data": stream}
        return self.replaced(**changes)

    def checked(self, model: "Trainer") -> "FitCall":
        """Returns the record with data that were checked, and with the validation data that were split off.

        Raises:
            InvalidInput: for arrays, and a stream's first batch, of a wrong shape or wrong values.
        """
        data = checked(model, self.x, self.y, self.sample_weight, class_weight=self.class_weight)
        own = model.has_steps_of_its_own or self.class_weight is not None
        given = as_given(self.x, self.y, self.sample_weight, data, own)
        held = self.validation_data
        if held is not None:
            parts = observed.of_keras(held)
            try:
                found = checked(model, parts)
            except InvalidInput as error:
                expected, *rest = error.parts
                raise InvalidInput(f"in validation_data: {expected}", *rest) from error
            note_no_labels(model, found)
            y, weight = parts.get("target"), parts.get("weight")
            held = as_given(held if isinstance(held, Mapping) else parts["x"], y, weight, found, own)
        elif self.validation_split:
            rows = observed.num_rows(split(data, self.validation_split)[0])
            held = tf.nest.map_structure(lambda part: None if part is None else part[rows:], given)
            given = tf.nest.map_structure(lambda part: None if part is None else part[:rows], given)
        x, y, weight = given
        return self.replaced(x=x, y=y, sample_weight=weight, validation_data=held, validation_split=0.0)

    def scaled(self, model: "Trainer") -> "FitCall":
        """Returns the record after its data, of a stream the first batch, have set a scaling that waits for some.

        Before the first step, columns in units of their own are named.
        """
        new = model.compiled and not int(model.step_count)
        if not (model.scaling.waits or (new and not is_stream(self.x))):
            return self
        first, x = peek(self.x) if is_stream(self.x) else (self.x, self.x)
        if isinstance(x, RowBatches):
            first = x.some()
        known = element(model, first)
        if new:
            note_units(model, known)
        if not model.scaling.waits:
            return self
        blocks = [slice(start, start + ROWS_PER_SCAN) for start in range(0, len(known["x"]), ROWS_PER_SCAN)]
        parts = [tf.nest.map_structure(lambda part, rows=rows: part[rows], observed.known_of(known)) for rows in blocks]
        with model.distribute_strategy.scope():
            model.scaling.adapt(lambda: map(model.seen, parts))
        return self.replaced(x=x)

    def replaced(self, **changes: Any) -> "FitCall":
        """Returns the record with other values."""
        return dataclasses.replace(self, **changes)

    def for_keras(self) -> Config:
        """Returns the arguments by name, as Keras is to have them."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        held = self.validation_data
        return given | {
            "x": observed.alone(self.x), "validation_data": held and (observed.alone(held[0]), *held[1:])
        }  # fmt: skip

    def given_callbacks(self) -> list[keras.callbacks.Callback]:
        """Returns the callbacks, in whatever form they were given."""
        given = getattr(self.callbacks, "callbacks", self.callbacks) or []
        return list(given) if isinstance(given, (list, tuple)) else [given]


def note_no_labels(model: "Trainer", held: Given) -> None:
    """Says once for a model that its validation has no labels by which a classifier could be judged."""
    known = held.get("labels", {}) if isinstance(held, Mapping) else model.objective.learned_from_labels
    lacking = sorted(name for name in model.objective.learned_from_labels if name not in known)
    if lacking:
        example = f'validation_data={{"x": x, "labels": {{"{lacking[0]}": y}}}}'
        text = f"validation_data have no labels of {', '.join(lacking)}: what is known by them is nan. Pass {example}."
        note_once(model, "validation labels", text)


def as_given(x: Given, y: Given, sample_weight: Given, data: Given, own: bool) -> tuple[Given, Given, Given]:
    """Returns x, y and sample_weight for Keras: an `Observed` or a stream in the place of x, or all as they were given.

    Args:
        x: as given.
        y: likewise.
        sample_weight: likewise.
        data: the same checked, an `Observed` of arrays or a stream.
        own: whether a user's own step, or `class_weight`, must see what was given.
    """
    if not own or not isinstance(data, Mapping) or isinstance(x, Mapping) or "mask" in data:
        return data, None, None
    x, y, sample_weight = (as_array(part) for part in (x, y, sample_weight))
    return x, x if y is None and sample_weight is not None else y, sample_weight  # Keras drops weights of x alone


def watchers(callbacks: Sequence[keras.callbacks.Callback], phase: str) -> list[str]:
    """Returns the names of the callbacks that act on every batch, in the phase "train" or "test"."""
    return [type(callback).__name__ for callback in callbacks if _watches(callback, HOOKS[phase])]


def _watches(callback: keras.callbacks.Callback, hooks: tuple[str, ...]) -> bool:
    """Tells whether a callback overrides a hook; those of Keras that act once an epoch do not count.

    Nor does one whose `update_freq` is "block": it takes its batches as they come, between blocks of steps.
    """
    if getattr(callback, "update_freq", None) == "block":
        return False
    own = {hook: getattr(getattr(callback, hook), "__func__", getattr(callback, hook)) for hook in hooks}
    functions = [function for hook, function in own.items() if function is not getattr(keras.callbacks.Callback, hook)]
    if all(getattr(function, "__module__", "").startswith("keras.") for function in functions):
        known = (keras.callbacks.ProgbarLogger, keras.callbacks.TerminateOnNaN)
        rare = "epoch" in (getattr(callback, name, None) for name in ("save_freq", "update_freq"))
        if isinstance(callback, known) or (rare and not keras_private.traces_batches(callback)):
            return False
    return bool(functions)
