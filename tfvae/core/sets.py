"""Supports: the set of values on which a density or mass function lives.

contains(x) -> bool, elementwise;  NaN and infinity are in none of them
"""

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Support:
    """A set of real numbers, the same for every element of an event or (`columns`) one for each group of columns.

    Attributes:
        description: the set as a person writes it, for example `"{0, 1}"`.
        contains: elementwise membership, tensor to boolean tensor; false for NaN.
        inner: a value inside the set, used in place of a refused one until the error is raised; a number, or one for
            each column.
        bounded: whether the set is; the values of data in an unbounded one are in units that no part can know.
    """

    description: str
    contains: Callable[[tf.Tensor], tf.Tensor]
    inner: float | tuple[float, ...] = 0.0
    bounded: bool = True


REAL = Support("the finite real numbers", tf.math.is_finite, bounded=False)
BINARY = Support("{0, 1}", lambda x: tf.equal(x, 0.0) | tf.equal(x, 1.0))
UNIT_INTERVAL = Support("[0, 1]", lambda x: (x >= 0.0) & (x <= 1.0))
COUNTS = Support("{0, 1, 2, ...}", lambda x: _is_whole(x) & (x >= 0.0), bounded=False)


def integers(size: int) -> Support:
    """Returns the support of `size` values, the whole numbers 0 to size - 1."""
    return Support(f"the whole numbers 0 to {size - 1}", lambda x: _is_whole(x) & (x >= 0.0) & (x <= size - 1.0))


def columns(groups: Sequence[tuple[str, int, Support]]) -> Support:
    """Returns the support of rows `[..., D]` whose columns come in groups.

    Args:
        groups: name, number of columns and support of each group, in order; the sizes add up to D.

    Returns:
        A support whose description names the groups.

    Example:
        >>> columns([("column 0", 1, REAL), ("columns 1-2", 2, BINARY)]).description
        'column 0: the finite real numbers; columns 1-2: {0, 1}'
    """
    sizes = [size for _, size, _ in groups]

    def contains(x: tf.Tensor) -> tf.Tensor:
        parts = tf.split(x, sizes, axis=-1)
        return tf.concat([support.contains(part) for (*_, support), part in zip(groups, parts, strict=True)], axis=-1)

    description = "; ".join(f"{name}: {support.description}" for name, _, support in groups)
    inner = tuple(support.inner for _, size, support in groups for _ in range(size))
    return Support(description, contains, inner, bounded=all(support.bounded for *_, support in groups))


def _is_whole(x: tf.Tensor) -> tf.Tensor:
    return tf.math.is_finite(x) & tf.equal(x, tf.math.floor(x))
