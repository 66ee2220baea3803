"""Prior on the unit sphere of R^D.

HypersphericalUniform    p(z) = Gamma(D/2) / (2 pi^(D/2))                   Davidson et al. 2018
"""

import keras
import tensorflow_probability as tfp

from tfvae.core import sets
from tfvae.core.types import Given, Parameters
from tfvae.priors.base import Prior

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="tfvae", name="HypersphericalUniformPrior")
class HypersphericalUniform(Prior):
    """The uniform distribution of unit vectors, for a spherical posterior; the KL divergence is in closed form.

        p(z) = Gamma(D/2) / (2 pi^(D/2))

    Args:
        latent_dim: number of dimensions D of the space around the sphere, at least 2.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 2.

    Reference:
        Davidson, Falorsi, De Cao, Kipf and Tomczak 2018, "Hyperspherical Variational Auto-Encoders".

    Example:
        >>> HypersphericalUniform(3)(None).sample(5, seed=[0, 1]).shape
        TensorShape([5, 3])
    """

    space = sets.SPHERE
    min_dim = 2

    def parameters(self, context: Given = None, training: bool = False) -> Parameters:
        """Returns an empty dict: the distribution does not take parameters."""
        del context, training
        return {}

    def distribution(self) -> tfd.SphericalUniform:
        """Returns the `tfd.SphericalUniform`."""
        return tfd.SphericalUniform(self.latent_dim)
