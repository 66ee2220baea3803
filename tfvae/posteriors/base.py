"""What every posterior is: x -> distribution over z, with samples and their density in one pass.

z ~ q(z | x),  log q(z | x)                     gradients to the parameters through z and through log q itself
path: the same values, log q's gradient through z alone               Roeder et al. 2017; Vaitl et al. 2022
"""

from typing import Any

import keras
import tensorflow as tf

from tfvae.core.latent import Latent
from tfvae.core.types import Parameters


class Posterior(Latent):
    """A conditional distribution over z, by default `[D]`.

    Args:
        latent_dim: number of latent dimensions D.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.
        **kwargs: `given`, names beside or in the place of x; `head`; see `ConditionalDistribution`.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least `min_dim`.
    """

    default_given = ("x",)

    def __init__(self, latent_dim: int, network: keras.layers.Layer | None = None, **kwargs: Any) -> None:
        super().__init__(latent_dim, network=network, **kwargs)
        self.supports_jit = self.jit_sample  # Keras asks before it compiles a train step

    def sample_and_log_prob(
        self, parameters: Parameters, num_samples: int | tf.Tensor, seed: tf.Tensor, path: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns samples and their log-density, which the sampler knows already.

        Args:
            parameters: what `parameters(x)` returned for a batch.
            num_samples: number of samples S for each example.
            seed: int32 pair.
            path: let the gradient of log q flow through z alone, as if q's parameters inside it were constants. The
                values are the same.

        Returns:
            z `[S, B, ...]` and log q(z | x) `[S, B]` in nats.
        """
        q = self.distribution(**parameters)
        z, log_q = q.experimental_sample_and_log_prob(num_samples, seed=seed)
        if path:
            log_q = with_gradient_of(log_q, self.distribution(**stopped(parameters)).log_prob(z))
        return z, log_q

    def center(self, parameters: Parameters) -> tf.Tensor:
        """Returns the one z that stands for q in a reconstruction, `[B, ...]`: the mean, if the mean is a latent."""
        return self.distribution(**parameters).mean()


def stopped(parameters: Parameters) -> Parameters:
    """Returns the same nested parameters as constants."""
    return tf.nest.map_structure(tf.stop_gradient, parameters)


@tf.custom_gradient
def with_gradient_of(value: tf.Tensor, source: tf.Tensor) -> tuple:
    """Returns `value` unchanged to the last bit; its gradient is that of `source`."""
    del source
    return tf.identity(value), lambda upstream: (tf.zeros_like(upstream), upstream)
