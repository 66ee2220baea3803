"""What every prior is: a distribution over z that owns its parameters, or is given what is known beside x.

parameters()         plain tensors               prior() = distribution(**parameters())                 = p(z)
parameters(context)  given a condition c         prior(context) = distribution(**parameters(context))   = p(z | c)
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow_probability as tfp

from tfvae.core.conditional import ConditionalDistribution
from tfvae.core.errors import InvalidInput
from tfvae.core.latent import Latent
from tfvae.core.types import Config


class Prior(Latent):
    """A distribution over z, by default `[D]`; subclasses give its parameters and the distribution they make.

    Args:
        latent_dim: number of latent dimensions D.
        network: of a conditional prior, a Keras model from what it is given to features.
        given: what it is given: names of conditions; by default nothing.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least `min_dim`, or the prior is given something and
            is not one of those that take it.
    """

    def __init__(
        self,
        latent_dim: int,
        network: keras.layers.Layer | None = None,
        given: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        told = given is not None and len(given) > 0
        if (told or network is not None) and type(self).head_shapes is ConditionalDistribution.head_shapes:
            expected = f"{type(self).__name__} without a network: its parameters are its own"
            received = f"given={given!r}" if told else f"network={network!r}"
            remedy = 'A prior that is told something is priors.DiagonalNormal(D, network, given="condition").'
            raise InvalidInput(expected, received, remedy)
        super().__init__(latent_dim, network=network, given=given, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Says where the methods of p(z) are: in version 0.1 `vae.prior` was the distribution itself."""
        if name.startswith("_") or not hasattr(tfp.distributions.Distribution, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        expected, received = f"vae.prior().{name}, of the distribution p(z)", f"vae.prior.{name}, of the part"
        raise AttributeError(InvalidInput(expected, received, f"Call the prior first: vae.prior().{name}."))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = super().get_config()
        return {name: value for name, value in config.items() if (name, value) != ("network", None)}
