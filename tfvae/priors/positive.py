"""Priors of numbers that have bounds: rates, lengths, frequencies, shares.

LogNormal      p(z) = log-normal(z; loc, scale)        positive numbers
LogitNormal    p(z) = logit-normal(z; loc, scale)      numbers between two ends

Both learn location and scale; `trainable=False` keeps those that were given, where they are a law that is known.
"""

from typing import Any

import keras
import tensorflow as tf

from tfvae.distributions import mapped
from tfvae.mapped import MappedNormal
from tfvae.priors.base import Prior


@keras.saving.register_keras_serializable(package="tfvae", name="LogNormalPrior")
class LogNormal(MappedNormal, Prior):
    """Positive numbers whose logarithms are independent and normal, with learned location and scale.

        log z ~ N(loc, diag(scale)^2)                   log z ~ N(loc(c), diag(scale(c))^2)

    Args:
        latent_dim: number of latent dimensions D.
        network: of a conditional prior, a Keras model from what it is given to features; `None` takes that itself.
        given: the names of what it is given, for example "condition"; by default nothing.
        loc: location of log z at first: the median is exp(loc) there.
        scale: scale of log z at first.
        trainable: False for a law that is known, which stays as it was given.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, |loc| is not below 40, or `scale` is not
            above 1e-4.

    Example:
        >>> known = LogNormal(1, loc=0.7, scale=0.5, trainable=False)
        >>> known.build((None,))
        >>> len(known.trainable_variables)
        0
    """

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> mapped.LogNormal:
        """Returns the distribution of exp(u)."""
        return mapped.LogNormal(loc, scale)


@keras.saving.register_keras_serializable(package="tfvae", name="LogitNormalPrior")
class LogitNormal(MappedNormal, Prior):
    """Numbers between two ends whose logits are independent and normal, with learned location and scale.

        log (z - low) / (high - z) ~ N(loc, diag(scale)^2)

    A scale of 1.7 is nearly uniform; from there on two modes appear, at the ends.

    Args:
        latent_dim: number of latent dimensions D.
        low: the lower end.
        high: the upper end.
        network: of a conditional prior, a Keras model from what it is given to features; `None` takes that itself.
        given: the names of what it is given, for example "condition"; by default nothing.
        loc: location of the logit at first; at 0 the median is the middle.
        scale: scale of the logit at first.
        trainable: False for a law that is known, which stays as it was given.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, low is not below high, the interval is less
            than about one per cent of its larger end, or `loc` or `scale` is out of reach.

    Example:
        >>> prior = LogitNormal(1, 0.785, 3.14, scale=1.5)
        >>> prior.build((None,))
        >>> 0.785 < float(prior().sample(seed=[0, 1])[0]) < 3.14
        True
    """

    has_mean = False

    def __init__(self, latent_dim: int, low: float, high: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(latent_dim, *args, ends=(low, high), **kwargs)

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> mapped.LogitNormal:
        """Returns the distribution of low + (high - low) sigmoid(u)."""
        return mapped.LogitNormal(loc, scale, *self.ends)
