"""Posteriors of numbers that have bounds: rates, lengths, frequencies, shares.

LogNormal      q(z | x) = log-normal(z; loc(x), scale(x))        positive numbers
LogitNormal    q(z | x) = logit-normal(z; loc(x), scale(x))      numbers between two ends
"""

from typing import Any

import keras
import tensorflow as tf

from tfvae.core.types import Parameters
from tfvae.distributions import mapped
from tfvae.mapped import MappedNormal
from tfvae.posteriors.base import Posterior


@keras.saving.register_keras_serializable(package="tfvae", name="LogNormalPosterior")
class LogNormal(MappedNormal, Posterior):
    """Positive numbers whose logarithms are independent and normal.

        log z ~ N(loc(x), diag(scale(x))^2)

    Args:
        latent_dim: number of latent dimensions D.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.
        loc: location of log z where the head's outputs are zero: the median is exp(loc) there.
        scale: scale of log z there.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, |loc| is not below 40, or `scale` is not
            above 1e-4.

    Reference:
        Johnson, Kotz and Balakrishnan 1994, "Continuous Univariate Distributions", volume 1, chapter 14.

    Example:
        >>> posterior = LogNormal(2, loc=-3.0, scale=0.1)
        >>> bool(tf.reduce_all(posterior(tf.zeros([3, 5])).sample(7, seed=[0, 1]) > 0))
        True
    """

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> mapped.LogNormal:
        """Returns the distribution of exp(u)."""
        return mapped.LogNormal(loc, scale)


@keras.saving.register_keras_serializable(package="tfvae", name="LogitNormalPosterior")
class LogitNormal(MappedNormal, Posterior):
    """Numbers between two ends, never these themselves, whose logits are independent and normal.

        log (z - low) / (high - z) ~ N(loc(x), diag(scale(x))^2)

    Args:
        latent_dim: number of latent dimensions D.
        low: the lower end.
        high: the upper end.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.
        loc: location of the logit where the head's outputs are zero; at 0 the median is the middle.
        scale: scale of the logit there.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, low is not below high, the interval is less
            than about one per cent of its larger end, or `loc` or `scale` is out of reach.

    Reference:
        Atchison and Shen 1980, "Logistic-Normal Distributions: Some Properties and Uses".

    Example:
        >>> posterior = LogitNormal(1, 0.0, 0.8)
        >>> posterior.space.description
        'the numbers between 0.0 and 0.8'
    """

    has_mean = False

    def __init__(self, latent_dim: int, low: float, high: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(latent_dim, *args, ends=(low, high), **kwargs)

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> mapped.LogitNormal:
        """Returns the distribution of low + (high - low) sigmoid(u)."""
        return mapped.LogitNormal(loc, scale, *self.ends)

    def center(self, parameters: Parameters) -> tf.Tensor:
        """Returns the median of each dimension, `[B, D]`: the mean is not known in closed form."""
        return self.distribution(**parameters).median()
