"""Normal priors: fixed, learned, and mixtures of learned ones.

StandardNormal      p(z) = N(z; 0, I)                                       Kingma and Welling 2014
DiagonalNormal      p(z) = N(z; loc, diag(scale)^2)                         both learned, or given a condition
MixtureOfNormals    p(z) = sum_k w_k N(z; loc_k, diag(scale_k)^2)           all learned; Dilokthanakul et al. 2016
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core.conditional import SCALE_FLOOR, positive
from tfvae.core.errors import positive_integer, positive_number
from tfvae.core.types import Config, Given, Parameters
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

    normal = True

    def parameters(self, context: Given = None, training: bool = False) -> Parameters:
        """Returns zero location and unit scale, both `[D]`."""
        del context, training
        return {"loc": tf.zeros([self.latent_dim]), "scale": tf.ones([self.latent_dim])}

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> MultivariateNormalDiag:
        """Returns the `tfd.MultivariateNormalDiag` with these moments."""
        return MultivariateNormalDiag(loc=loc, scale_diag=scale)


@keras.saving.register_keras_serializable(package="tfvae", name="DiagonalNormalPrior")
class DiagonalNormal(Prior):
    """A normal distribution with learned location and scale of each dimension; the standard normal at first.

        p(z) = N(z; loc, diag(scale)^2)                 p(z | c) = N(z; loc(c), diag(scale(c))^2)

    Args:
        latent_dim: number of latent dimensions D.
        network: of a conditional prior, a Keras model from what it is given to features; `None` takes that itself.
        given: the names of what it is given, for example "condition"; by default nothing.
        min_scale: the smallest scale; below other latents, at least a tenth keeps a layer from becoming a wire, through
            which what lies above passes without noise and without a rate, and whose densities are all rounding.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, or `min_scale` is not positive.

    Example:
        >>> prior = DiagonalNormal(2)
        >>> prior.build((None,))
        >>> prior(None).stddev().numpy()
        array([1., 1.], dtype=float32)
    """

    normal = True

    def __init__(self, latent_dim: int, *args: Any, min_scale: float = SCALE_FLOOR, **kwargs: Any) -> None:
        super().__init__(latent_dim, *args, **kwargs)
        self.min_scale = positive_number("min_scale", min_scale)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of location and raw scale."""
        return {"loc": self.latent_shape, "raw_scale": self.latent_shape}

    def constrain(self, loc: tf.Tensor, raw_scale: tf.Tensor) -> Parameters:
        """Returns location and positive scale, both `[..., D]`."""
        return {"loc": loc, "scale": positive(raw_scale, self.min_scale)}

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> MultivariateNormalDiag:
        """Returns the `tfd.MultivariateNormalDiag` with these moments."""
        return MultivariateNormalDiag(loc=loc, scale_diag=scale)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        floor = {} if self.min_scale == SCALE_FLOOR else {"min_scale": self.min_scale}
        return {**super().get_config(), **floor}


@keras.saving.register_keras_serializable(package="tfvae", name="MixtureOfNormalsPrior")
class MixtureOfNormals(Prior):
    """A mixture of normal distributions with learned weights, locations and scales.

        p(z) = sum_k w_k N(z; loc_k, diag(scale_k)^2)

    At first the weights are equal, the scales one and the locations drawn from the standard normal. The KL divergence
    from a posterior is not known in closed form: the rate is estimated from the samples.

    Args:
        latent_dim: number of latent dimensions D.
        num_components: number of components K.
        **kwargs: `network` and `given` of a conditional mixture, as for `DiagonalNormal`.

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

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of logits, locations and raw scales."""
        shape = (self.num_components, self.latent_dim)
        return {"logits": shape[:1], "loc": shape, "raw_scale": shape}

    def initializers(self) -> dict[str, keras.initializers.Initializer]:
        """Returns the standard normal for the locations of an unconditional mixture."""
        return {"loc": keras.initializers.RandomNormal(stddev=1.0)}

    def constrain(self, logits: tf.Tensor, loc: tf.Tensor, raw_scale: tf.Tensor) -> Parameters:
        """Returns logits `[..., K]`, locations and positive scales, both `[..., K, D]`."""
        return {"logits": logits, "loc": loc, "scale": positive(raw_scale)}

    def distribution(self, logits: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor) -> tfd.MixtureSameFamily:
        """Returns the mixture."""
        components = MultivariateNormalDiag(loc=loc, scale_diag=scale)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=logits), components)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_components": self.num_components}
