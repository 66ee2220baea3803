"""Normal priors: fixed, learned, and mixtures of learned ones.

StandardNormal      p(z) = N(z; 0, I)                                       Kingma and Welling 2014
DiagonalNormal      p(z) = N(z; loc, diag(scale)^2)                         both learned
MixtureOfNormals    p(z) = sum_k w_k N(z; loc_k, diag(scale_k)^2)           all learned; Dilokthanakul et al. 2016
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core.conditional import positive
from tfvae.core.errors import positive_integer
from tfvae.core.types import Config, Parameters
from tfvae.distributions.normal import MultivariateNormalDiag
from tfvae.priors.base import Prior

tfd = tfp.distributions


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

    def parameters(self, context: tf.Tensor | None = None, training: bool = False) -> Parameters:
        """Returns zero location and unit scale, both `[D]`."""
        del context, training
        return {"loc": tf.zeros([self.latent_dim]), "scale": tf.ones([self.latent_dim])}

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> MultivariateNormalDiag:
        """Returns the `tfd.MultivariateNormalDiag` with these moments."""
        return MultivariateNormalDiag(loc=loc, scale_diag=scale)


@keras.saving.register_keras_serializable(package="tfvae", name="DiagonalNormalPrior")
class DiagonalNormal(Prior):
    """A normal distribution with learned location and scale of each dimension; the standard normal at first.

        p(z) = N(z; loc, diag(scale)^2)

    Args:
        latent_dim: number of latent dimensions D.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1.

    Example:
        >>> prior = DiagonalNormal(2)
        >>> prior.build((None,))
        >>> prior(None).stddev().numpy()
        array([1., 1.], dtype=float32)
    """

    def build(self, context_shape: Sequence[int | None] | None = None) -> None:
        """Creates location and raw scale; idempotent."""
        del context_shape
        if not self.built:
            self.loc = self.add_weight(shape=self.latent_shape, initializer="zeros", name="loc")
            self.raw_scale = self.add_weight(shape=self.latent_shape, initializer="zeros", name="raw_scale")

    def parameters(self, context: tf.Tensor | None = None, training: bool = False) -> Parameters:
        """Returns location and positive scale, both `[D]`."""
        del context, training
        return {"loc": tf.convert_to_tensor(self.loc), "scale": positive(tf.convert_to_tensor(self.raw_scale))}

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> MultivariateNormalDiag:
        """Returns the `tfd.MultivariateNormalDiag` with these moments."""
        return MultivariateNormalDiag(loc=loc, scale_diag=scale)


@keras.saving.register_keras_serializable(package="tfvae", name="MixtureOfNormalsPrior")
class MixtureOfNormals(Prior):
    """A mixture of normal distributions with learned weights, locations and scales.

        p(z) = sum_k w_k N(z; loc_k, diag(scale_k)^2)

    At first the weights are equal, the scales one and the locations drawn from the standard normal. The KL divergence
    from a posterior is not known in closed form: the rate is estimated from the samples.

    Args:
        latent_dim: number of latent dimensions D.
        num_components: number of components K.

    Raises:
        InvalidInput: if `latent_dim` or `num_components` is not a whole number of at least 1.

    Reference:
        Tomczak and Welling 2018, "VAE with a VampPrior" (the MoG prior); Dilokthanakul et al. 2016, "Deep Unsupervised
        Clustering with Gaussian Mixture Variational Autoencoders".

    Example:
        >>> prior = MixtureOfNormals(2, num_components=10)
        >>> prior.build((None,))
        >>> prior(None).sample(5, seed=[0, 1]).shape
        TensorShape([5, 2])
    """

    reparameterized = False

    def __init__(self, latent_dim: int, num_components: int, **kwargs: Any) -> None:
        super().__init__(latent_dim, **kwargs)
        self.num_components = positive_integer("num_components", num_components)

    def build(self, context_shape: Sequence[int | None] | None = None) -> None:
        """Creates logits, locations and raw scales; idempotent."""
        del context_shape
        if not self.built:
            shape, spread = (self.num_components, self.latent_dim), keras.initializers.RandomNormal(stddev=1.0)
            self.logits = self.add_weight(shape=shape[:1], initializer="zeros", name="logits")
            self.loc = self.add_weight(shape=shape, initializer=spread, name="loc")
            self.raw_scale = self.add_weight(shape=shape, initializer="zeros", name="raw_scale")

    def parameters(self, context: tf.Tensor | None = None, training: bool = False) -> Parameters:
        """Returns logits `[K]`, locations and positive scales, both `[K, D]`."""
        del context, training
        logits, loc, raw_scale = (tf.convert_to_tensor(v) for v in (self.logits, self.loc, self.raw_scale))
        return {"logits": logits, "loc": loc, "scale": positive(raw_scale)}

    def distribution(self, logits: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor) -> tfd.MixtureSameFamily:
        """Returns the mixture."""
        components = MultivariateNormalDiag(loc=loc, scale_diag=scale)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=logits), components)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_components": self.num_components}
