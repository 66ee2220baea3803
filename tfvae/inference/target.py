"""The target of inference: p(x, z) of one block of examples as a function of z, and what draws of q(z | x) weigh.

log p(x, z) = log p(x | z) + log p(z)
log w       = log p(x, z) - log q(z | x),    z ~ q(z | x)

Importance sampling takes means of w, refinement climbs the mean of log w, annealing goes from log q to log p(x, z). All
of them ask here. Only the densities go through XLA, where it is asked for: the noise must not, since XLA gives other
numbers for the same seed.
"""

from typing import NamedTuple

import tensorflow as tf

from tfvae.core.model import Model
from tfvae.core.observed import Known
from tfvae.core.seeds import MISSING, POSTERIOR, fold
from tfvae.core.types import Parameters


class Draws(NamedTuple):
    """S samples of z for each of B examples, and their log-densities in nats.

    Attributes:
        z: the samples, `[S, B, ...]`.
        log_likelihood: log p(x | z), `[S, B]`.
        log_prior: log p(z), `[S, B]`.
        log_q: log q(z | x), `[S, B]`.
    """

    z: tf.Tensor
    log_likelihood: tf.Tensor
    log_prior: tf.Tensor
    log_q: tf.Tensor

    @property
    def log_weight(self) -> tf.Tensor:
        """Log importance weight log p(x, z) - log q(z | x), `[S, B]`."""
        return tf.add_n([self.log_likelihood, self.log_prior]) - self.log_q  # graphs reorder +, which moves a last bit


class Target:
    """p(x, z) of B examples; the prior's parameters are computed once.

    Attributes:
        context: what parts are given of the examples.
        prior: the parameters of p(z).

    Args:
        vae: the model.
        known: of the examples, in normal form.
        anew: make p(z) from its parameters in each call, not once: the same but for a last bit in some graphs.
        jit_compile: compile the densities of z with XLA; p(z) is then made anew. Not where they draw noise themselves.
    """

    def __init__(self, vae: Model, known: Known, anew: bool = False, jit_compile: bool = False) -> None:
        self.vae, self.known, self.context = vae, known, vae.context(known)
        self.prior = vae.prior.parameters(self.context)
        jit_compile = jit_compile and vae.missingness is None
        made = None if anew or jit_compile else vae.prior.distribution(**self.prior)

        def densities(
            target: tf.Tensor, z: tf.Tensor, prior: Parameters, seed: tf.Tensor | None
        ) -> tuple[tf.Tensor, tf.Tensor]:
            p = vae.prior.distribution(**prior) if made is None else made
            explained: Known = {**known, "target": target}
            return vae.log_likelihood(explained, self.context.with_(z=z), seed), p.log_prob(z)

        self._densities = tf.function(densities, jit_compile=True) if jit_compile else densities

    def amortised(self) -> Parameters:
        """Returns the parameters of q(z | x) as the encoder says."""
        return self.vae.posterior.parameters(self.context)

    def log_densities(self, z: tf.Tensor, seed: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns log p(x | z) and log p(z), each `[S, B]`, of z `[S, B, ...]`; a missingness needs a seed."""
        return self._densities(self.known["target"], z, self.prior, None if self.vae.missingness is None else seed)

    def log_joint(self, z: tf.Tensor) -> tf.Tensor:
        """Returns log p(x, z), `[S, B]`, of z `[S, B, ...]`, or of `[S, 1, ...]` for all examples alike."""
        log_likelihood, log_prior = self.log_densities(z)
        return log_likelihood + log_prior

    def draw(
        self,
        q: Parameters,
        num_samples: int | tf.Tensor,
        seed: tf.Tensor,
        path: bool = False,
        missing: tf.Tensor | None = None,
    ) -> Draws:
        """Returns S draws of q(z | x) and their densities.

        Args:
            q: the parameters of q(z | x), from the encoder or anywhere else.
            num_samples: S.
            seed: int32 pair.
            path: let the gradient of log q flow through z only.
            missing: int32 pair of the points that stand for missing cells, which a missingness needs.
        """
        z, log_q = self.vae.posterior.sample_and_log_prob(q, num_samples, seed, path=path)
        return Draws(z, *self.log_densities(z, missing), log_q)

    def of_chunk(self, q: Parameters, num_samples: int | tf.Tensor, stream: tf.Tensor) -> Draws:
        """Returns S draws of one chunk, whose seed is `stream`."""
        missing = fold(stream, MISSING)
        return self.draw(q, num_samples, fold(stream, POSTERIOR), missing=missing)
