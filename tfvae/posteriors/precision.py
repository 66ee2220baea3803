"""The posterior of a ladder: what the encoder says of a latent, weighed by precision against what its prior says.

q(z | x, parents) ~ N(z; loc(x), diag(scale(x))^2) p(z | parents)        the product of two normals, normalised

1 / scale_q^2 = 1 / scale(x)^2 + 1 / scale_p^2
loc_q         = scale_q^2 (loc(x) / scale(x)^2 + loc_p / scale_p^2)              Sonderby et al. 2016, equations 13, 14
"""

from typing import Any

import keras
import tensorflow as tf

from tfvae.core.conditional import positive
from tfvae.core.errors import InvalidInput
from tfvae.core.joint import ALONE, MOMENTS
from tfvae.core.types import Given, Parameters
from tfvae.distributions.normal import MultivariateNormalDiag
from tfvae.posteriors.base import Posterior

SUFFIX = MOMENTS.format("")


@keras.saving.register_keras_serializable(package="tfvae")
class PrecisionWeighted(Posterior):
    """A normal distribution that corrects the prior of a latent by what the encoder says, in proportion to precision.

        q(z | x, parents) ~ N(z; loc(x), diag(scale(x))^2) p(z | parents)

    Where the encoder knows nothing, its scale is large and q is the prior: the posterior of a ladder shares the way
    down with the prior, and its rate is zero there. The network reads all that the part is given but the prior.

    Args:
        latent_dim: number of latent dimensions D.
        network: Keras model from what the part is given, without the prior, to features; `None` takes that itself.
        given: what it is given, "<name>_prior" among it, by default x and "z_prior": location and scale of the prior of
            this latent, which must be a normal one (`priors.DiagonalNormal`, `priors.StandardNormal`).

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, or `given` does not name one prior, or in a
            `VAE` that of another latent.

    Reference:
        Sonderby, Raiko, Maaloe, Sonderby and Winther 2016, "Ladder Variational Autoencoders", equations 12 to 14.

    Example:
        >>> z1 = PrecisionWeighted(8, given=("x", "z1_prior"))
        >>> posterior = tfvae.Joint(z2=DiagonalNormal(2), z1=z1)
        >>> prior = tfvae.Joint(z2=priors.StandardNormal(2), z1=priors.DiagonalNormal(8, given="z2"))
    """

    default_given = ("x", MOMENTS.format(ALONE))

    def __init__(self, latent_dim: int, network: keras.layers.Layer | None = None, **kwargs: Any) -> None:
        super().__init__(latent_dim, network=network, **kwargs)
        of_prior = [name for name in self.given if name.endswith(SUFFIX)]
        if len(of_prior) != 1 or len(self.given) < 2:
            remedy = 'Pass for example given=("x", "z1_prior") for the latent z1.'
            raise InvalidInput("given with one prior, and something that the network reads", f"{self.given}", remedy)
        self.of_prior = of_prior[0]

    def check_latent(self, name: str) -> None:
        """Raises `InvalidInput` if the prior that is weighed is that of another latent."""
        own = MOMENTS.format(name)
        if self.of_prior != own:
            remedy = f"Give it {own!r} in place of {self.of_prior!r}."
            raise InvalidInput(f"the posterior of {name} to weigh the prior of {name}", f"given={self.given}", remedy)

    @property
    def read(self) -> tuple[str, ...]:
        """What the network reads: all but the prior."""
        return tuple(name for name in self.given if name != self.of_prior)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the encoder's raw location and scale."""
        return {"loc": (self.latent_dim,), "scale": (self.latent_dim,)}

    def raw_parameters(self, context: Given, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns the encoder's raw location and scale, and those of the prior, `[..., D]` each."""
        raw, moments = super().raw_parameters(context, training), tf.split(context[self.of_prior], 2, axis=-1)
        prior_loc, prior_scale = (value + tf.zeros_like(raw["loc"]) for value in moments)  # one prior for all examples
        return {**raw, "prior_loc": prior_loc, "prior_scale": prior_scale}

    def constrain(self, loc: tf.Tensor, scale: tf.Tensor, prior_loc: tf.Tensor, prior_scale: tf.Tensor) -> Parameters:
        """Returns location and scale of the product, both `[..., D]`."""
        precision, prior_precision = positive(scale) ** -2.0, prior_scale**-2.0
        total = precision + prior_precision
        return {"loc": (precision * loc + prior_precision * prior_loc) / total, "scale": total**-0.5}

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> MultivariateNormalDiag:
        """Returns the `tfd.MultivariateNormalDiag` with these moments."""
        return MultivariateNormalDiag(loc=loc, scale_diag=scale)
