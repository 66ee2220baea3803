"""Priors p(z): a distribution over the latent z, `[D]`, without a context.

StandardNormal    p(z) = N(z; 0, I)
"""

from typing import Any

import keras
import tensorflow as tf

from tfvae.conditional_distribution import ConditionalDistribution
from tfvae.distributions import MultivariateNormalDiag
from tfvae.errors import positive_integer


class Prior(ConditionalDistribution):
    """A distribution over z, `[D]`; subclasses give its parameters and the distribution they make.

    Args:
        latent_dim: number of latent dimensions D.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1.
    """

    def __init__(self, latent_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.latent_dim = positive_integer("latent_dim", latent_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = {**super().get_config(), "latent_dim": self.latent_dim}
        config.pop("network")
        return config


@keras.saving.register_keras_serializable(package="tfvae")
class StandardNormal(Prior):
    """The normal distribution with zero mean and unit covariance.

        p(z) = N(z; 0, I)

    Args:
        latent_dim: number of latent dimensions D.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1.

    Reference:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes", section 3.

    Example:
        >>> StandardNormal(2)(None).sample(5).shape
        TensorShape([5, 2])
    """

    def parameters(self, context: tf.Tensor | None = None, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns zero location and unit scale, both `[D]`."""
        del context, training
        return {"loc": tf.zeros([self.latent_dim]), "scale": tf.ones([self.latent_dim])}

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> MultivariateNormalDiag:
        """Returns the `tfd.MultivariateNormalDiag` with these moments."""
        return MultivariateNormalDiag(loc=loc, scale_diag=scale)
