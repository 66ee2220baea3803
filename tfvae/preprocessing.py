"""Preprocessing: what happens to raw x inside the model, compiled, in training, evaluation and serving alike.

    StochasticBinarization   x_i ~ Bernoulli(x_i),   redrawn at each training visit        Salakhutdinov and Murray 2008
    UniformDequantization    x = (x + u) / levels,   u ~ U[0, 1)                            Uria et al. 2013

Keras' own layers (`keras.layers.Rescaling`, an adapted `Normalization`) stand beside these in
`VAE(preprocessing=[...])`. Outside training the noise is one fixed draw for each dimension of the event, stated by
`seed`, so that the same x always means the same example, in whatever batch it comes.
"""

from typing import Any

import keras
import tensorflow as tf

from tfvae import supports
from tfvae.errors import positive_integer
from tfvae.seeds import as_seed, integer


class RandomPreprocessing(keras.layers.Layer):
    """A layer that transforms x with uniform noise; subclasses define `transform` and the `support` of its input.

    Args:
        seed: of the fixed noise used outside training.
    """

    support: supports.Support

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.seed = integer(seed)

    def call(self, x: tf.Tensor, seed: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Returns x, `[B, ...]`, transformed; values outside the support become NaN, which no likelihood accepts."""
        shape, seed = (tf.shape(x), seed) if training else (tf.shape(x)[1:], as_seed(self.seed))
        u = tf.random.stateless_uniform(shape, seed=as_seed() if seed is None else seed)
        return tf.where(self.support.contains(x), self.transform(x, u), float("nan"))

    def transform(self, x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
        """Returns x transformed with noise u in [0, 1)."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {**super().get_config(), "seed": self.seed}
        config.pop("dtype")
        return config


@keras.saving.register_keras_serializable(package="tfvae")
class StochasticBinarization(RandomPreprocessing):
    """Draws each value from a Bernoulli distribution with that mean; binary data stay as they are.

        x_i = 1 if u_i < x_i else 0,    u_i ~ U[0, 1)

    Args:
        seed: of the fixed noise used outside training.

    Reference:
        Salakhutdinov and Murray 2008, "On the Quantitative Analysis of Deep Belief Networks", section 5.
    """

    support = supports.UNIT_INTERVAL

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
        seed: of the fixed noise used outside training.

    Raises:
        InvalidInput: if `levels` is not a whole number of at least 1.

    Reference:
        Uria, Murray and Larochelle 2013, "RNADE", section 5.1; Theis et al. 2016, section 3.1.
    """

    def __init__(self, levels: int = 256, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.levels = positive_integer("levels", levels)
        top = self.levels - 1
        self.support = supports.Support(f"[0, {top}]", lambda x: (x >= 0) & (x <= top))

    def transform(self, x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
        """Returns the value in [0, 1)."""
        return (x + u) / self.levels

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "levels": self.levels}
