"""Preprocessing: what happens to raw x inside the model, compiled, in training, evaluation and serving alike.

    StochasticBinarization   x_i ~ Bernoulli(x_i),   redrawn at each training visit        Salakhutdinov and Murray 2008
    UniformDequantization    x = (x + u) / levels,   u ~ U[0, 1)                            Uria et al. 2013

Keras' own layers (`keras.layers.Rescaling`, an adapted `Normalization`) stand beside these in
`VAE(preprocessing=[...])`. Outside training the noise of an example is a function of its own values and a stated seed:
the same x is always the same example, in whatever batch and server it comes, and examples draw independently.
"""

import abc
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfvae.core import sets
from tfvae.core.errors import positive_integer
from tfvae.core.seeds import ALGORITHM, as_seed, fold, integer, uniform
from tfvae.core.types import ArrayLike, Config, Seed

__all__ = ["RandomPreprocessing", "StochasticBinarization", "UniformDequantization"]


def __dir__() -> list[str]:
    return __all__


class RandomPreprocessing(keras.layers.Layer, abc.ABC):
    """A layer that transforms x with uniform noise; subclasses define `transform` and the `support` of its input.

    Args:
        seed: of the noise used outside training.
    """

    support: sets.ValueSet

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.seed = integer(seed)

    def call(self, x: tf.Tensor, seed: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Returns x, `[B, ...]`, transformed; values outside the support become NaN, which no likelihood accepts."""
        if training:
            u = uniform(tf.shape(x), as_seed() if seed is None else seed)
        else:
            u = noise_of(x, as_seed(self.seed))
        return tf.where(self.support.contains(x), self.transform(x, u), float("nan"))

    @abc.abstractmethod
    def transform(self, x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
        """Returns x transformed with noise u in [0, 1)."""

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = {**super().get_config(), "seed": self.seed}
        config.pop("dtype")
        return config


@keras.saving.register_keras_serializable(package="tfvae")
class StochasticBinarization(RandomPreprocessing):
    """Draws each value from a Bernoulli distribution with that mean; binary data stay as they are.

        x_i = 1 if u_i < x_i else 0,    u_i ~ U[0, 1)

    Args:
        seed: of the noise used outside training.

    Reference:
        Salakhutdinov and Murray 2008, "On the Quantitative Analysis of Deep Belief Networks", section 5.
    """

    support = sets.UNIT_INTERVAL

    def transform(self, x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
        """Returns the binary draw."""
        return tf.cast(u < x, tf.float32)


@keras.saving.register_keras_serializable(package="tfvae")
class UniformDequantization(RandomPreprocessing):
    """Spreads integers 0 .. levels - 1 over [0, 1) with uniform noise.

        x = (x + u) / levels,    u ~ U[0, 1)

    A density p of the result bounds the mass function: E_u log p(x) - D log levels <= log P(x).

    Args:
        levels: number of distinct values, 256 for 8-bit images.
        seed: of the noise used outside training.

    Raises:
        InvalidInput: if `levels` is not a whole number of at least 1.

    Reference:
        Uria, Murray and Larochelle 2013, "RNADE", section 5.1; Theis et al. 2016, section 3.1.
    """

    def __init__(self, levels: int = 256, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.levels = positive_integer("levels", levels)
        top = self.levels - 1
        self.support = sets.ValueSet(f"[0, {top}]", lambda x: (x >= 0) & (x <= top))

    def transform(self, x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
        """Returns the value in [0, 1)."""
        return (x + u) / self.levels

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "levels": self.levels}


def preprocessed(layers: Sequence[keras.layers.Layer], x: ArrayLike, seed: Seed | None, training: bool) -> tf.Tensor:
    """Returns raw x, `[B, ...]` of any number type, after all layers, each random one with a stream of its own."""
    x = tf.cast(x, tf.float32)
    for index, layer in enumerate(layers):
        if isinstance(layer, RandomPreprocessing):
            x = layer(x, seed=None if seed is None else fold(seed, index), training=training)
        else:
            x = tf.cast(layer(x), tf.float32)
    return x


def noise_of(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns noise in [0, 1) for x, `[B, ...]`: each row's is a function of that row's values and the seed alone.

    u_bi = hash(key_i + sum_j hash(x_bj xor key'_j)) / 2^24,    keys drawn with the seed
    """
    rows = tf.reshape(x, [tf.shape(x)[0], math.prod(x.shape[1:])])
    keys = tf.random.stateless_uniform([2, rows.shape[1]], seed, None, None, tf.int32, alg=ALGORITHM)
    keys = tf.bitcast(keys, tf.uint32)
    hashes = _mixed(tf.bitwise.bitwise_xor(tf.bitcast(rows, tf.uint32), keys[0]))
    total = tf.reduce_sum(tf.bitcast(hashes, tf.int32), 1, keepdims=True)  # as an unsigned sum, which LiteRT lacks
    row_hash = tf.bitcast(total, tf.uint32)
    bits = tf.bitwise.right_shift(_mixed(row_hash + keys[1]), tf.constant(8, tf.uint32))
    return tf.reshape(tf.cast(bits, tf.float32) * 2.0**-24, tf.shape(x))


def _mixed(bits: tf.Tensor) -> tf.Tensor:
    """Returns the bits of each number scattered over all of it (the finaliser of MurmurHash3)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        shifted = tf.bitwise.right_shift(bits, tf.constant(shift, tf.uint32))
        bits = tf.bitwise.bitwise_xor(bits, shifted) * tf.constant(factor, tf.uint32)
    return bits
