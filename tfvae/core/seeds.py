"""Stateless seeds: every random number is a pure function of an int32 pair.

    seed' = fold(seed, a, b, ...)        independent streams for distinct a, b, ...

Training folds the model's seed with the optimizer's step and the replica, so that a resumed run draws what the
uninterrupted one would have drawn; a served model takes its seed from the request.
"""

import numbers
import random

import numpy as np
import tensorflow as tf

from tfvae.core import keras_private
from tfvae.core.errors import InvalidInput

__all__ = ["algorithm", "as_seed", "draw", "fold", "integer", "normal", "uniform"]


def __dir__() -> list[str]:
    return __all__


# All streams of noise by name. A line is one seed, with what is folded into it: distinct numbers. Blocks of rows,
# chunks of samples, steps and temperatures are counted, and the count is folded into a seed of its own.
EVALUATION, TRAINING, SHUFFLE = 4, 5, 6  # a model's seed
PREPROCESSING, POSTERIOR, PRIOR, LIKELIHOOD, MISSING = range(5)  # a step, an evaluation, a chunk of samples, a request
PRIOR_DRAWS, SHUFFLED_CODES = PRIOR, LIKELIHOOD  # a step, too: what the terms of an objective draw
PILOT, UPWARDS, DOWNWARDS, SIMULATION = range(1, 5)  # a block of annealed examples
ANNEALING_START = 0  # a chunk of chains, whose temperatures count from 1
PROPOSAL = 1  # a temperature of annealing, whose own seed is that of the jitter
CLIMB, CHOICE, REPORT = range(3)  # a block of refined examples
REFINEMENT, MARGINAL = range(2)  # the inference gaps

ALGORITHM = "philox"  # named: what XLA chooses on a CPU is fifty times slower
XLA_ALGORITHM = "threefry"  # within XLA, 2 (normals) to 12 times (uniforms) as fast; TensorFlow has no kernel of it


def algorithm() -> str:
    """Returns the generator that is fast where this is traced: within a function that XLA compiles, or elsewhere."""
    return XLA_ALGORITHM if keras_private.is_traced_for_xla() else ALGORITHM


def normal(shape: tf.Tensor, seed: tf.Tensor, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """Returns standard normal noise of this shape; XLA draws other numbers than TensorFlow's kernels."""
    return tf.random.stateless_normal(shape, seed, dtype=dtype, alg=algorithm())


def uniform(shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns noise of this shape in [0, 1); XLA draws other numbers than TensorFlow's kernels."""
    return tf.random.stateless_uniform(shape, seed, alg=algorithm())


def as_seed(seed: int | tf.Tensor | None = None) -> tf.Tensor:
    """Returns the int32 pair that stateless operations and TFP's samplers take.

    Args:
        seed: an integer or an int32 scalar (the same one always gives the same pair), a ready pair, or `None` for
            fresh noise at every call (fixed by `keras.utils.set_random_seed`).

    Returns:
        An int32 tensor of shape `[2]`.

    Raises:
        InvalidInput: if the seed is anything else.

    Example:
        >>> as_seed(3).numpy()
        array([0, 3], dtype=int32)
    """
    if seed is None:
        return tf.random.uniform([2], maxval=tf.int32.max, dtype=tf.int32)
    if not tf.is_tensor(seed) and np.ndim(seed) == 0:
        seed = _pair(integer(seed))
    given = tf.convert_to_tensor(seed)
    if not given.dtype.is_integer or given.shape not in ((), (2,)):
        raise InvalidInput("seed to be one integer or a pair", f"{given!r}", "Pass for example seed=0.")
    given = tf.cast(given, tf.int32)
    return given if given.shape.rank == 1 else tf.stack([0, given])


def _pair(seed: int) -> tuple[int, int]:
    """Returns two int32 numbers: the last 32 bits, of which a served model takes all, and what was above them."""
    above = 0 if -(2**31) <= seed < 2**32 else 1 + (seed >> 32) % (2**31 - 1)
    return above, (seed + 2**31) % 2**32 - 2**31


def integer(seed: int) -> int:
    """Returns the seed as an `int`; raises `InvalidInput` unless it is a whole number."""
    if not isinstance(seed, numbers.Integral):
        raise InvalidInput("seed to be a whole number", f"seed={seed!r}", "Pass for example seed=0.")
    return int(seed)


def fold(seed: tf.Tensor, *data: int | tf.Tensor) -> tf.Tensor:
    """Returns the seed of a stream of its own for each distinct `data`.

    Args:
        seed: an int32 pair.
        *data: integers that name the stream, for example the optimizer's step.

    Returns:
        An int32 tensor of shape `[2]`.
    """
    for item in data:
        seed = tf.random.fold_in(seed, tf.cast(item, tf.int32))
    return seed


def draw() -> int:
    """Returns a seed for a model whose user gave none, from Python's generator (see `keras.utils.set_random_seed`)."""
    return random.randrange(2**31)
