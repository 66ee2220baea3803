"""Approximate posteriors q(z | x): x -> distribution over the latent z, `[D]`.

DiagonalNormal    q(z | x) = N(z; loc(x), diag(scale(x))^2)        Kingma and Welling 2014, equation 9
"""

from typing import Any

import keras
import tensorflow as tf

from tfvae.conditional_distribution import ConditionalDistribution, positive
from tfvae.distributions import MultivariateNormalDiag
from tfvae.errors import positive_integer


class Posterior(ConditionalDistribution):
    """A conditional distribution over z, `[D]`.

    Args:
        latent_dim: number of latent dimensions D.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1.
    """

    def __init__(self, latent_dim: int, network: keras.layers.Layer | None = None, **kwargs: Any) -> None:
        super().__init__(network=network, **kwargs)
        self.latent_dim = positive_integer("latent_dim", latent_dim)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable(package="tfvae")
class DiagonalNormal(Posterior):
    """A normal distribution with diagonal covariance, both moments predicted from x.

        q(z | x) = N(z; loc(x), diag(scale(x))^2),    scale = softplus(raw), one where the raw output is zero

    Args:
        latent_dim: number of latent dimensions D.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1.

    Reference:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes", equation 9.

    Example:
        >>> posterior = DiagonalNormal(2)
        >>> type(posterior(tf.zeros([3, 5]))).__name__
        'MultivariateNormalDiag'
    """

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the raw location and scale."""
        return {"loc": (self.latent_dim,), "scale": (self.latent_dim,)}

    def constrain(self, loc: tf.Tensor, scale: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns location and positive scale, both `[..., D]`."""
        return {"loc": loc, "scale": positive(scale)}

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> MultivariateNormalDiag:
        """Returns the `tfd.MultivariateNormalDiag` with these moments."""
        return MultivariateNormalDiag(loc=loc, scale_diag=scale)
