"""Conditions: what a model is told beside x, declared when it is made, since parts are built then.

Real(shape)    finite numbers, `[B, *shape]`, as they are
Labels(K)      whole numbers 0 ... K - 1, `[B]`, as one-hot vectors `[B, K]`

VAE(..., condition=Labels(10))       VAE(..., condition={"label": Labels(10), "age": Real(1)})
"""

import abc
from collections.abc import Mapping
from typing import TypeAlias

import keras
import tensorflow as tf

from tfvae.core import serial, sets
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import Array, Config, Shape, Tensor

__all__ = ["Condition", "Labels", "Real"]


def __dir__() -> list[str]:
    return __all__


RESERVED = "x z mask target labels weight num_samples seed mean stddev center sample".split()


class Condition(abc.ABC):
    """Something known beside x; subclasses say what values it takes and how parts see it.

    Attributes:
        raw_shape: of the value of one example, as a user has it.
        shape: of the same as parts see it.
        dtype: of a served value.
        support: the set in which values must lie.
    """

    raw_shape: Shape
    shape: Shape
    dtype: tf.DType = tf.float32
    support: sets.ValueSet = sets.REAL

    @abc.abstractmethod
    def encode(self, value: Tensor) -> Tensor:
        """Returns raw values, `[B, *raw_shape]` float32, as parts see them, `[B, *shape]`."""

    @abc.abstractmethod
    def get_config(self) -> Config:
        """Returns the constructor's arguments."""

    @classmethod
    def from_config(cls, config: Config) -> "Condition":
        """Returns the condition that `get_config` described."""
        return serial.made(cls, config)

    def as_raw(self, value: Array) -> Array:
        """Returns values as they are, or in another shape that means the same."""
        return value

    def remedy(self, shape: Shape) -> str:
        """Returns what to do about values of another shape."""
        if shape == self.raw_shape:
            return "Repeat it for each example: np.repeat(value[np.newaxis], B, axis=0)."
        if (*shape[1:], 1) == self.raw_shape:
            return "Pass a column: value[:, np.newaxis]."
        return "Pass one value for each example."

    def spec(self, name: str) -> tf.TensorSpec:
        """Returns what a signature takes."""
        return tf.TensorSpec((None, *self.raw_shape), self.dtype, name=name)

    def __repr__(self) -> str:
        """Returns the expression that makes the condition."""
        (value,) = self.get_config().values()
        return f"{type(self).__name__}({value})"


@keras.saving.register_keras_serializable(package="tfvae", name="RealCondition")
class Real(Condition):
    """Finite numbers, which parts see as they are; bring them to order one.

    Args:
        shape: of the value of one example; a number D means `(D,)`.

    Raises:
        InvalidInput: if a size is not a whole number of at least 1.

    Example:
        >>> Real(3).shape
        (3,)
    """

    def __init__(self, shape: int | Shape) -> None:
        sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        self.shape = self.raw_shape = tuple(positive_integer("size of a condition", size) for size in sizes)

    def encode(self, value: Tensor) -> Tensor:
        """Returns the values."""
        return value

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"shape": list(self.shape)}


@keras.saving.register_keras_serializable(package="tfvae", name="LabelsCondition")
class Labels(Condition):
    """One label of K for each example, which parts see as a one-hot vector.

    Args:
        num_categories: K, at least 2.

    Raises:
        InvalidInput: if `num_categories` is not a whole number of at least 2.

    Example:
        >>> Labels(3).encode(tf.constant([2.0, 0.0])).numpy()
        array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)
    """

    raw_shape = ()
    dtype = tf.int32

    def __init__(self, num_categories: int) -> None:
        self.num_categories = sets.num_categories(num_categories)
        self.shape, self.support = (self.num_categories,), sets.integers(self.num_categories)

    def as_raw(self, value: Array) -> Array:
        """Returns labels `[B]`, of a column of them `[B, 1]` too."""
        return value[:, 0] if tuple(value.shape[1:]) == (1,) else value

    def remedy(self, shape: Shape) -> str:
        """Returns what to do about values of another shape."""
        if shape[1:] == self.shape:
            return "Pass whole numbers, not one-hot vectors: np.argmax(labels, axis=1)."
        return super().remedy(shape)

    def encode(self, value: Tensor) -> Tensor:
        """Returns one-hot vectors; that of a value that is not a label is zero."""
        return tf.one_hot(tf.cast(tf.round(value), tf.int32), self.num_categories)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"num_categories": self.num_categories}


Declared: TypeAlias = Condition | int | Shape | Mapping[str, Condition | int | Shape] | None
ALONE = "condition"  # the name of a condition that has none


def declared(condition: Declared) -> dict[str, Condition]:
    """Returns name to condition of what a model was declared to be told.

    Raises:
        InvalidInput: if a name is reserved or is not a Python name, or something is not a condition.
    """
    given = condition if isinstance(condition, Mapping) else {} if condition is None else {ALONE: condition}
    for name, part in given.items():
        check_name(name)
        if not isinstance(part, (Condition, int, tuple, list)) or isinstance(part, bool):
            remedy = "Pass conditions.Labels(10), conditions.Real((3,)) or a shape."
            raise InvalidInput(f"{name} to be a condition", f"{part!r}", remedy)
    return {name: part if isinstance(part, Condition) else Real(part) for name, part in given.items()}


def check_name(name: object) -> None:
    """Raises `InvalidInput` unless a condition, feature or latent may be called so."""
    if not (isinstance(name, str) and name.isidentifier()) or name in RESERVED:
        remedy = 'Call it for example "label".'
        raise InvalidInput(f"a Python name other than {', '.join(RESERVED)}", f"{name!r}", remedy)
