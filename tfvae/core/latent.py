"""What posteriors and priors have in common: each is a distribution over z, on a space, of a shape."""

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfvae.core import sets
from tfvae.core.conditional import ConditionalDistribution
from tfvae.core.types import BatchShape, Config, Shape

if TYPE_CHECKING:
    from tfvae.posteriors import Posterior


class Latent(ConditionalDistribution):
    """A distribution over z, by default `[D]`.

    Args:
        latent_dim: number of latent dimensions D.
        **kwargs: as for `ConditionalDistribution`.

    Attributes:
        space: where z lives; posterior and prior must have the same.
        normal: whether its parameters are location and scale of independent normal dimensions.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least `min_dim`.
    """

    space: sets.ValueSet = sets.REAL
    normal: bool = False

    def __init__(self, latent_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.latent_dim = sets.latent_dim(self, latent_dim)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one z."""
        return (self.latent_dim,)

    def compute_output_shape(self, context_shape: BatchShape) -> BatchShape:
        """Returns the shape of z, which `model.summary()` shows."""
        return (None, *self.latent_shape)

    def bind(self, posterior: "Posterior", event_shape: Shape) -> None:
        """Tells a prior which posterior and data it belongs to; the VAE calls it once, before `build`."""
        del posterior, event_shape

    def adapt(self, x: tf.Tensor, seed: int | None = None) -> None:
        """Starts what a prior takes from scaled data, `[N, ...]`; most take nothing from them."""
        del x, seed

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "latent_dim": self.latent_dim}
