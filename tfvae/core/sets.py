"""Sets of values: where data x and latents z may lie, and whether what lives there has a density or a mass function.

REAL           finite real numbers, density with respect to Lebesgue measure        UNIT_INTERVAL   [0, 1]
BINARY         {0, 1}                 COUNTS   {0, 1, 2, ...}                       integers(K)     {0, ..., K - 1}
SPHERE         unit vectors of R^D, density with respect to the surface measure     columns(groups) a set for each group
SIMPLEX        inside of the simplex of K - 1 dimensions                            ONE_HOT         its K corners

contains(x) -> bool;  NaN and infinity are in none of them. Distributions can be compared only on one and the same set.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import tensorflow as tf

from tfvae.core.errors import InvalidInput, positive_integer

__all__ = [
    "BINARY",
    "COUNTS",
    "ONE_HOT",
    "REAL",
    "SIMPLEX",
    "SPHERE",
    "UNIT_INTERVAL",
    "ValueSet",
    "columns",
    "integers",
]


def __dir__() -> list[str]:
    return __all__


ON_THE_EDGE = 1e-3  # how far float32 vectors may be from length or sum one


@dataclasses.dataclass(frozen=True)
class ValueSet:
    """A set of numbers, the same for every element, a set of vectors, or (`columns`) one for each group of columns.

    Attributes:
        description: the set as a person writes it, for example `"{0, 1}"`.
        contains: membership, tensor to boolean tensor: of each element, or of each vector of the last axis; false for
            NaN.
        inner: a value inside the set, used in place of a refused one until the error is raised; a number, or one for
            each column.
        bounded: whether the set is; the values of data in an unbounded one are in units that no part can know.
        discrete: whether distributions on it are mass functions, which no density can be compared with.
    """

    description: str
    contains: Callable[[tf.Tensor], tf.Tensor]
    inner: float | tuple[float, ...] = 0.0
    bounded: bool = True
    discrete: bool = False


REAL = ValueSet("the finite real numbers", tf.math.is_finite, bounded=False)
BINARY = ValueSet("{0, 1}", lambda x: tf.equal(x, 0.0) | tf.equal(x, 1.0), discrete=True)
UNIT_INTERVAL = ValueSet("[0, 1]", lambda x: (x >= 0.0) & (x <= 1.0))
COUNTS = ValueSet("{0, 1, 2, ...}", lambda x: _is_whole(x) & (x >= 0.0), bounded=False, discrete=True)
SPHERE = ValueSet("unit vectors", lambda x: _is_one(tf.norm(x, axis=-1)))
SIMPLEX = ValueSet("relaxed one-hot vectors", lambda x: _sums_to_one(x))
ONE_HOT = ValueSet(
    "one-hot vectors", lambda x: _sums_to_one(x) & tf.reduce_all(BINARY.contains(x), axis=-1), discrete=True
)


def integers(size: int) -> ValueSet:
    """Returns the set of `size` values, the whole numbers 0 to size - 1."""
    description = f"the whole numbers 0 to {size - 1}"
    return ValueSet(description, lambda x: _is_whole(x) & (x >= 0.0) & (x <= size - 1.0), discrete=True)


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
