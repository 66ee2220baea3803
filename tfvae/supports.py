"""Supports: the set of values on which a density or mass function lives.

contains(x) -> bool, elementwise;  NaN and infinity are in none of them
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Support:
    """A set of real numbers.

    Attributes:
        description: the set as a person writes it, for example `"{0, 1}"`.
        contains: elementwise membership, tensor to boolean tensor; false for NaN.
        inner: a value inside the set, used in place of a refused one until the error is raised.
    """

    description: str
    contains: Callable[[tf.Tensor], tf.Tensor]
    inner: float = 0.0


REAL = Support("the finite real numbers", tf.math.is_finite)
BINARY = Support("{0, 1}", lambda x: tf.equal(x, 0.0) | tf.equal(x, 1.0))
UNIT_INTERVAL = Support("[0, 1]", lambda x: (x >= 0.0) & (x <= 1.0))
