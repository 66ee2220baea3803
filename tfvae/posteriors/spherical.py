"""Posteriors on the unit sphere of R^D, where the prior can be uniform: it does not pull codes towards an origin.

VonMisesFisher    q(z | x) ~ exp(kappa(x) mu(x).z)           Davidson et al. 2018
PowerSpherical    q(z | x) ~ (1 + mu(x).z)^kappa(x)          De Cao and Aziz 2020
"""

import keras
import tensorflow as tf

from tfvae.core import sets
from tfvae.core.conditional import positive
from tfvae.core.types import Parameters
from tfvae.distributions import sphere
from tfvae.posteriors.base import Posterior


class _Spherical(Posterior):
    """A posterior with a mean direction and a concentration."""

    space = sets.SPHERE
    min_dim = 2

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the raw direction and concentration."""
        return {"direction": (self.latent_dim,), "concentration": (1,)}

    def constrain(self, direction: tf.Tensor, concentration: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns unit direction `[..., D]` and concentration `[...]`: D where the raw output is zero."""
        return {
            "mean_direction": sphere.unit(direction),
            "concentration": self.latent_dim * positive(concentration[..., 0]),
        }

    def center(self, parameters: Parameters) -> tf.Tensor:
        """Returns the mean direction, `[B, D]`: the mean itself lies inside the sphere and is not a latent."""
        return parameters["mean_direction"]


@keras.saving.register_keras_serializable(package="tfvae", name="VonMisesFisherPosterior")
class VonMisesFisher(_Spherical):
    """The von Mises-Fisher distribution: a normal distribution with covariance I / kappa, restricted to the sphere.

        q(z | x) = exp(kappa mu.z) / C(kappa),    kappa = D softplus(raw), mu a unit vector

    Samples are reparameterised, to mu and to kappa: `tfvae.distributions.sphere` has the sampler and its gradient.

    Args:
        latent_dim: number of dimensions D of the space around the sphere, at least 2.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 2.

    Reference:
        Davidson, Falorsi, De Cao, Kipf and Tomczak 2018, "Hyperspherical Variational Auto-Encoders".

    Example:
        >>> VonMisesFisher(3)(tf.zeros([2, 5])).sample(seed=[0, 1]).shape
        TensorShape([2, 3])
    """

    def distribution(self, mean_direction: tf.Tensor, concentration: tf.Tensor) -> sphere.VonMisesFisher:
        """Returns the `tfd.VonMisesFisher` with these parameters."""
        return sphere.VonMisesFisher(mean_direction, concentration)


@keras.saving.register_keras_serializable(package="tfvae", name="PowerSphericalPosterior")
class PowerSpherical(_Spherical):
    """The power spherical distribution: close to the von Mises-Fisher, but zero opposite to the mean direction.

        q(z | x) = (1 + mu.z)^kappa / C(kappa),    kappa = D softplus(raw), mu a unit vector

    Args:
        latent_dim: number of dimensions D of the space around the sphere, at least 2.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 2.

    Reference:
        De Cao and Aziz 2020, "The Power Spherical distribution".

    Example:
        >>> PowerSpherical(3)(tf.zeros([2, 5])).sample(seed=[0, 1]).shape
        TensorShape([2, 3])
    """

    def distribution(self, mean_direction: tf.Tensor, concentration: tf.Tensor) -> sphere.PowerSpherical:
        """Returns the `tfd.PowerSpherical` with these parameters."""
        return sphere.PowerSpherical(mean_direction, concentration)
