"""Sets of values: where data x and latents z may lie, and whether what lives there has a density or a mass function.

REAL           finite real numbers, density with respect to Lebesgue measure        UNIT_INTERVAL   [0, 1]
BINARY         {0, 1}                 COUNTS   {0, 1, 2, ...}                       integers(K)     {0, ..., K - 1}
POSITIVE       positive numbers                  interval(low, high)   the numbers strictly between two ends
SPHERE         unit vectors of R^D, density with respect to the surface measure     columns(groups) a set for each group
SIMPLEX        inside of the simplex of K - 1 dimensions                            ONE_HOT         its K corners

contains(x) -> bool;  NaN and infinity are in none of them. Distributions can be compared only on one and the same set.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from tfvae.core.errors import InvalidInput, positive_integer

__all__ = [
    "BINARY",
    "COUNTS",
    "ONE_HOT",
    "POSITIVE",
    "REAL",
    "SIMPLEX",
    "SPHERE",
    "UNIT_INTERVAL",
    "ValueSet",
    "columns",
    "integers",
    "interval",
]


def __dir__() -> list[str]:
    return __all__


ON_THE_EDGE = 1e-3  # how far float32 vectors may be from length or sum one


@dataclasses.dataclass(frozen=True)
class ValueSet:
    """A set of numbers, the same for every element, a set of vectors, or (`columns`) one for each group of columns.

    Two sets are equal if they are described alike.

    Attributes:
        description: the set as a person writes it, for example `"{0, 1}"`.
        contains: membership, tensor to boolean tensor: of each element, or of each vector of the last axis; false for
            NaN.
        inner: a value inside the set, used in place of a refused one until the error is raised; a number, or one for
            each column.
        bounded: whether the set is; the values of data in an unbounded one are in units that no part can know.
        discrete: whether distributions on it are mass functions, which no density can be compared with.
        ends: the smallest and the largest number that an element can be, of an open set as float32 has them.
    """

    description: str
    contains: Callable[[tf.Tensor], tf.Tensor] = dataclasses.field(compare=False)
    inner: float | tuple[float, ...] = 0.0
    bounded: bool = True
    discrete: bool = False
    ends: tuple[float, float] = (-math.inf, math.inf)


REAL = ValueSet("the finite real numbers", tf.math.is_finite, bounded=False)
BINARY = ValueSet("{0, 1}", lambda x: tf.equal(x, 0.0) | tf.equal(x, 1.0), discrete=True)
UNIT_INTERVAL = ValueSet("[0, 1]", lambda x: (x >= 0.0) & (x <= 1.0))
COUNTS = ValueSet("{0, 1, 2, ...}", lambda x: _is_whole(x) & (x >= 0.0), bounded=False, discrete=True)
POSITIVE = ValueSet(
    "positive numbers",
    lambda x: tf.math.is_finite(x) & (x > 0.0),
    inner=1.0,
    bounded=False,
    ends=(float(np.finfo(np.float32).tiny), math.inf),
)
SPHERE = ValueSet("unit vectors", lambda x: _is_one(tf.norm(x, axis=-1)), ends=(-1.0, 1.0))
SIMPLEX = ValueSet("relaxed one-hot vectors", lambda x: _sums_to_one(x))
ONE_HOT = ValueSet(
    "one-hot vectors", lambda x: _sums_to_one(x) & tf.reduce_all(BINARY.contains(x), axis=-1), discrete=True
)


def integers(size: int) -> ValueSet:
    """Returns the set of `size` values, the whole numbers 0 to size - 1."""
    description = f"the whole numbers 0 to {size - 1}"
    return ValueSet(description, lambda x: _is_whole(x) & (x >= 0.0) & (x <= size - 1.0), discrete=True)


def interval(low: float, high: float) -> ValueSet:
    """Returns the set of numbers between two ends, without these.

    Args:
        low: the lower end.
        high: the upper end.

    Example:
        >>> interval(0, 2) == interval(0.0, 2.0), interval(0, 2) == interval(0, 3)
        (True, False)
    """
    low, high = float(low), float(high)
    first, last = (np.nextafter(np.float32(end), np.float32(to)) for end, to in ((low, high), (high, low)))
    return ValueSet(
        f"the numbers between {low!r} and {high!r}",
        lambda x: (x > low) & (x < high),
        inner=(low + high) / 2,
        ends=(float(first), float(last)),
    )


def columns(groups: Sequence[tuple[str, int, ValueSet]]) -> ValueSet:
    """Returns the set of rows `[..., D]` whose columns come in groups.

    Args:
        groups: name, number of columns and set of each group, in order; the sizes add up to D.

    Returns:
        A set whose description names the groups; it is discrete if all of them are.

    Example:
        >>> columns([("column 0", 1, REAL), ("columns 1-2", 2, BINARY)]).description
        'column 0: the finite real numbers; columns 1-2: {0, 1}'
    """
    sizes = [size for _, size, _ in groups]

    def contains(x: tf.Tensor) -> tf.Tensor:
        parts = tf.split(x, sizes, axis=-1)
        return tf.concat([values.contains(part) for (*_, values), part in zip(groups, parts, strict=True)], axis=-1)

    return ValueSet(
        description="; ".join(f"{name}: {values.description}" for name, _, values in groups),
        contains=contains,
        inner=tuple(values.inner for _, size, values in groups for _ in range(size)),  # type: ignore[misc]  # numbers: no group has groups
        bounded=all(values.bounded for *_, values in groups),
        discrete=all(values.discrete for *_, values in groups),
    )


class Latent(Protocol):
    """A part whose distribution is one of z: where z lives, and from how many dimensions on."""

    space: ValueSet
    min_dim: int


def latent_dim(part: Latent, value: int) -> int:
    """Returns the number of latent dimensions of a part; raises `InvalidInput` below the part's `min_dim`."""
    value = positive_integer("latent_dim", value)
    if value < part.min_dim:
        name = type(part).__name__
        remedy = "The unit vectors of one dimension are two points." if part.space == SPHERE else "Use another part."
        raise InvalidInput(f"latent_dim of at least {part.min_dim} for {name}", f"latent_dim={value}", remedy)
    return value


def num_categories(value: int) -> int:
    """Returns the number of categories of a one-hot vector; raises `InvalidInput` below two."""
    if positive_integer("num_categories", value) < 2:
        remedy = "A single category carries no information."
        raise InvalidInput("num_categories of at least 2", f"num_categories={value}", remedy)
    return value


def _is_whole(x: tf.Tensor) -> tf.Tensor:
    return tf.math.is_finite(x) & tf.equal(x, tf.math.floor(x))


def _is_one(x: tf.Tensor) -> tf.Tensor:
    return tf.abs(x - 1.0) < ON_THE_EDGE


def _sums_to_one(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(x >= 0.0, axis=-1) & _is_one(tf.reduce_sum(x, axis=-1))
