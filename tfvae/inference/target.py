"""The target of inference: p(x, z) of one block of examples as a function of z, and what draws of q(z | x) weigh.

log p(x, z) = log p(x | z) + log p(z)
log w       = log p(x, z) - log q(z | x),    z ~ q(z | x)

Importance sampling takes means of w, refinement climbs the mean of log w, annealing goes from log q to log p(x, z). All
of them ask here. Only the densities go through XLA, where it is asked for: the noise must not, since XLA gives other
numbers for the same seed.
"""

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfvae.core.evidence import Draws
from tfvae.core.observed import Known

if TYPE_CHECKING:
    from tfvae.vae import VAE


class Target:
    """p(x, z) of B examples; the prior's parameters are computed once.

    Args:
        vae: the model.
        known: of the examples, in normal form.
        jit_compile: compile the densities of z with XLA.
    """

    def __init__(self, vae: "VAE", known: Known, jit_compile: bool = False) -> None:
        self.vae, self.known = vae, known
        self._prior = vae.prior.parameters()

        def densities(target: tf.Tensor, z: tf.Tensor, prior: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
            return vae.likelihood(z).log_prob(target), vae.prior.distribution(**prior).log_prob(z)

        self._densities = tf.function(densities, jit_compile=True) if jit_compile else densities

    def log_densities(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns log p(x | z) and log p(z), each `[S, B]`, of z `[S, B, ...]`."""
        return self._densities(self.known["target"], z, self._prior)

    def log_joint(self, z: tf.Tensor) -> tf.Tensor:
        """Returns log p(x, z), `[S, B]`, of z `[S, B, ...]`."""
        log_likelihood, log_prior = self.log_densities(z)
        return log_likelihood + log_prior

    def weighed(self, z: tf.Tensor, log_q: tf.Tensor) -> Draws:
        """Returns z, `[S, B, ...]`, with all its densities, log q(z | x), `[S, B]`, being known."""
        return Draws(z, *self.log_densities(z), log_q)

    def draw(self, q: dict[str, Any], num_samples: int | tf.Tensor, seed: tf.Tensor, path: bool = False) -> Draws:
        """Returns S draws of q(z | x) and their densities.

        Args:
            q: the parameters of q(z | x), from the encoder or anywhere else.
            num_samples: S.
            seed: int32 pair.
            path: let the gradient of log q flow through z only.
        """
        return self.weighed(*self.vae.posterior.sample_and_log_prob(q, num_samples, seed, path=path))
