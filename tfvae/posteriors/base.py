"""What every posterior is: x -> distribution over z, with samples and their density in one pass.

z ~ q(z | x),  log q(z | x)                     gradients to the parameters through z and through log q itself
held: log q at this z again, from parameters that may be constants    Roeder et al. 2017; Vaitl et al. 2022
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tfvae.core import sets
from tfvae.core.evidence import Label
from tfvae.core.latent import Latent
from tfvae.core.types import Parameters, Shape


class Sampled(NamedTuple):
    """Samples of z and their log-density.

    Attributes:
        z: `[S, B, ...]`.
        log_q: log q(z | x), `[S, B]` in nats.
        trail: what `held_log_q` needs beside z, where the inverse of a sample is not searched for.
    """

    z: tf.Tensor
    log_q: tf.Tensor
    trail: tuple = ()


class Posterior(Latent):
    """A conditional distribution over z, by default `[D]`.

    Args:
        latent_dim: number of latent dimensions D.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.
        **kwargs: `given`, names beside or in the place of x; `head`; see `ConditionalDistribution`.

    Attributes:
        enumerated: whether draws are all values of z, with their probabilities as masses.
        num_atoms: how many values these are, 1 of one that is sampled.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least `min_dim`.
    """

    default_given = ("x",)
    enumerated = False
    num_atoms = 1

    def __init__(self, latent_dim: int, network: keras.layers.Layer | None = None, **kwargs: Any) -> None:
        super().__init__(latent_dim, network=network, **kwargs)
        self.supports_jit = self.jit_sample  # Keras asks before it compiles a train step

    def check_latent(self, name: str) -> None:
        """Raises `InvalidInput` if this cannot be the posterior of the latent of that name."""

    def sample_and_log_prob(
        self, parameters: Parameters, num_samples: int | tf.Tensor | None, seed: tf.Tensor
    ) -> Sampled:
        """Returns samples and their log-density, which the sampler knows already.

        Args:
            parameters: what `parameters(x)` returned for a batch.
            num_samples: number of samples S for each example; `None` for one of each, below another latent, where
                parameters have the lead `[S, B]` already.
            seed: int32 pair.
        """
        shape = () if num_samples is None else num_samples
        return Sampled(*self.distribution(**parameters).experimental_sample_and_log_prob(shape, seed=seed))

    def held_log_q(self, parameters: Parameters, z: tf.Tensor, trail: tuple) -> tf.Tensor:
        """Returns log q(z | x), `[S, B]`, at samples again, from parameters that may be constants.

        Args:
            parameters: of the same values as those that z was drawn with.
            z: the samples.
            trail: what `sample_and_log_prob` returned with them.
        """
        del trail
        return self.distribution(**parameters).log_prob(z)

    def atoms(self) -> tf.Tensor:
        """Returns all values of z of a part that is enumerated, `[K, *latent]`."""
        raise NotImplementedError(f"{type(self).__name__} is not enumerated")

    @property
    def label_shape(self) -> Shape | None:
        """Shape of a z that is known, as a user has it; `None` if this latent cannot be told."""
        return None if self.space in (sets.SPHERE, sets.SIMPLEX, sets.ONE_HOT) else self.latent_shape

    def label(self, value: tf.Tensor) -> Label:
        """Returns what is known of z from labels, `[B, *label_shape]`: here z itself, NaN where it is not known."""
        known = tf.reduce_all(self.space.contains(value), axis=list(range(1, value.shape.rank)))
        return Label(tf.where(self.space.contains(value), value, self.space.inner), known)

    def good_labels(self, value: tf.Tensor) -> tf.Tensor:
        """Returns which labels can be, `[B]`."""
        unknown = tf.reduce_all(tf.math.is_nan(value), axis=list(range(1, value.shape.rank)))
        return self.label(value).known | unknown

    def center(self, parameters: Parameters) -> tf.Tensor:
        """Returns the one z that stands for q in a reconstruction, `[B, ...]`: the mean, if the mean is a latent."""
        return self.distribution(**parameters).mean()
