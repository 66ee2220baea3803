"""What every prior is: a distribution over z that owns its parameters.

parameters()  plain tensors                prior() = distribution(**parameters())  = p(z)
"""

from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import sets
from tfvae.core.conditional import ConditionalDistribution
from tfvae.core.errors import InvalidInput
from tfvae.core.types import BatchShape, Config

if TYPE_CHECKING:
    from tfvae.posteriors import Posterior


class Prior(ConditionalDistribution):
    """A distribution over z, by default `[D]`; subclasses give its parameters and the distribution they make.

    Args:
        latent_dim: number of latent dimensions D.

    Attributes:
        space: where z lives; the posterior's must be the same.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least `min_dim`, or a network is given.
    """

    space: sets.ValueSet = sets.REAL

    def __init__(self, latent_dim: int, **kwargs: Any) -> None:
        if kwargs.get("network") is not None:
            expected = f"{type(self).__name__} without a network: a prior has no context that one could read"
            remedy = "Give the network to the posterior or the likelihood; a prior that learns more is priors.Flow."
            raise InvalidInput(expected, f"network={kwargs['network']!r}", remedy)
        super().__init__(**kwargs)
        self.latent_dim = sets.latent_dim(self, latent_dim)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one z."""
        return (self.latent_dim,)

    def __call__(self, context: None = None, training: bool = False) -> tfp.distributions.Distribution:
        """Returns p(z); the context of a prior is `None`."""
        return self.distribution(**self.parameters(context, training=training))

    def __getattr__(self, name: str) -> Any:
        """Says where the methods of p(z) are: in version 0.1 `vae.prior` was the distribution itself."""
        if name.startswith("_") or not hasattr(tfp.distributions.Distribution, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        expected, received = f"vae.prior().{name}, of the distribution p(z)", f"vae.prior.{name}, of the part"
        raise AttributeError(InvalidInput(expected, received, f"Call the prior first: vae.prior().{name}."))

    def compute_output_shape(self, context_shape: BatchShape) -> BatchShape:
        """Returns the shape of z, which `model.summary()` shows."""
        return (None, *self.latent_shape)

    def bind(self, posterior: "Posterior", event_shape: tuple[int, ...]) -> None:
        """Tells the prior which posterior and data it belongs to; the VAE calls it once, before `build`."""
        del posterior, event_shape

    def adapt(self, x: tf.Tensor, seed: int | None = None) -> None:
        """Starts what the prior takes from scaled data, `[N, ...]`; most priors take nothing from them."""
        del x, seed

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = {**super().get_config(), "latent_dim": self.latent_dim}
        config.pop("network")
        return config
