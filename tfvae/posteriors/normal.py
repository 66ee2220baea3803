"""Normal posteriors, from independent to fully correlated dimensions.

DiagonalNormal    q(z | x) = N(z; loc(x), diag(scale(x))^2)                  Kingma and Welling 2014, equation 9
LowRankNormal     q(z | x) = N(z; loc(x), diag(scale(x))^2 + U(x) U(x)^T)    after Rezende et al. 2014
FullNormal        q(z | x) = N(z; loc(x), L(x) L(x)^T)                       Kingma and Welling 2019, section 2.5.1
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core.conditional import positive
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import Config, Parameters
from tfvae.distributions.normal import MultivariateNormalDiag, MultivariateNormalLowRank, MultivariateNormalTriL
from tfvae.posteriors.base import Posterior


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

    normal = True

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the raw location and scale."""
        return {"loc": (self.latent_dim,), "scale": (self.latent_dim,)}

    def constrain(self, loc: tf.Tensor, scale: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns location and positive scale, both `[..., D]`."""
        return {"loc": loc, "scale": positive(scale)}

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> MultivariateNormalDiag:
        """Returns the `tfd.MultivariateNormalDiag` with these moments."""
        return MultivariateNormalDiag(loc=loc, scale_diag=scale)


@keras.saving.register_keras_serializable(package="tfvae", name="LowRankNormalPosterior")
class LowRankNormal(Posterior):
    """A normal distribution whose dimensions are correlated through a few common factors.

        q(z | x) = N(z; loc(x), diag(scale(x))^2 + U(x) U(x)^T),    U of shape [D, R]

    Args:
        latent_dim: number of latent dimensions D.
        rank: number of factors R, from 1 to D.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.

    Raises:
        InvalidInput: if `latent_dim` or `rank` is not a whole number of at least 1, or `rank` exceeds `latent_dim`.

    Reference:
        Rezende, Mohamed and Wierstra 2014, "Stochastic Backpropagation" (there on the precision and of rank 1).

    Example:
        >>> LowRankNormal(4, rank=1)(tf.zeros([3, 5])).covariance().shape
        TensorShape([3, 4, 4])
    """

    def __init__(self, latent_dim: int, rank: int, network: keras.layers.Layer | None = None, **kwargs: Any) -> None:
        super().__init__(latent_dim, network=network, **kwargs)
        self.rank = positive_integer("rank", rank)
        if self.rank > self.latent_dim:
            remedy = "A covariance of D dimensions has rank D at most; posteriors.FullNormal has them all."
            raise InvalidInput(f"rank of at most latent_dim={latent_dim}", f"rank={rank}", remedy)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the raw location, scale and factors."""
        return {"loc": (self.latent_dim,), "scale": (self.latent_dim,), "factor": (self.latent_dim, self.rank)}

    def constrain(self, loc: tf.Tensor, scale: tf.Tensor, factor: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns location and positive scale, both `[..., D]`, and factors `[..., D, R]`."""
        return {"loc": loc, "scale": positive(scale), "factor": factor}

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor, factor: tf.Tensor) -> MultivariateNormalLowRank:
        """Returns the normal distribution with these moments."""
        return MultivariateNormalLowRank(loc, scale, factor)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "rank": self.rank}


@keras.saving.register_keras_serializable(package="tfvae", name="FullNormalPosterior")
class FullNormal(Posterior):
    """A normal distribution with any covariance, by its Cholesky factor.

        q(z | x) = N(z; loc(x), L(x) L(x)^T),    L lower triangular with positive diagonal

    Args:
        latent_dim: number of latent dimensions D; the head has D (D + 3) / 2 outputs.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1.

    Reference:
        Kingma and Welling 2019, "An Introduction to Variational Autoencoders", section 2.5.1.

    Example:
        >>> FullNormal(4)(tf.zeros([3, 5])).covariance().shape
        TensorShape([3, 4, 4])
    """

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the raw location and of the lower triangle, row by row."""
        return {"loc": (self.latent_dim,), "triangle": (self.latent_dim * (self.latent_dim + 1) // 2,)}

    def constrain(self, loc: tf.Tensor, triangle: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns location `[..., D]` and Cholesky factor `[..., D, D]`."""
        factor = tfp.math.fill_triangular(triangle)
        diagonal = tf.linalg.diag(positive(tf.linalg.diag_part(factor)))  # XLA lacks the gradient of set_diag
        return {"loc": loc, "scale_tril": factor * (1 - tf.eye(self.latent_dim)) + diagonal}

    def scales(self, parameters: Parameters) -> dict[str, tf.Tensor]:
        """Returns the diagonal of the Cholesky factor, `[..., D]`."""
        return {"scale_tril": tf.linalg.diag_part(parameters["scale_tril"])}

    def distribution(self, loc: tf.Tensor, scale_tril: tf.Tensor) -> MultivariateNormalTriL:
        """Returns the `tfd.MultivariateNormalTriL` with these moments."""
        return MultivariateNormalTriL(loc=loc, scale_tril=scale_tril)
