"""The target of inference: p(x, z) of one block of examples as a function of z, and what draws of q(z | x) weigh.

log p(x, z) = log p(x | z) + log p(z)
log w       = log p(x, z) - log q(z | x),    z ~ q(z | x)

Importance sampling takes means of w, refinement climbs the mean of log w, annealing goes from log q to log p(x, z). All
of them ask here. Only the densities go through XLA, where it is asked for: the noise must not, since XLA gives other
numbers for the same seed.
"""

from typing import NamedTuple

import tensorflow as tf

from tfvae.core.chain import Chain
from tfvae.core.evidence import expected_in_draws, total
from tfvae.core.joint import said
from tfvae.core.latent import Latent
from tfvae.core.model import Model
from tfvae.core.observed import Known
from tfvae.core.seeds import MISSING, POSTERIOR, fold
from tfvae.core.types import Parameters, Tensor, Tree


class Draws(NamedTuple):
    """S samples of z for each of B examples, and their log-densities in nats.

    Attributes:
        z: the samples, `[S, B, ...]`, of several latents by name.
        log_likelihood: log p(x | z), `[S, B]`.
        log_p: name to log p(z_f | parents), `[S, B]`.
        log_q: name to log q(z_f | x, parents), `[S, B]`.
        log_mass: of the samples, `[S, B]`, or `None` for equal ones.
        num_draws: n; S is n, or n times the number of values of enumerated latents.
    """

    z: Tree
    log_likelihood: Tensor
    log_p: dict[str, Tensor]
    log_q: dict[str, Tensor]
    log_mass: Tensor | None
    num_draws: int | Tensor

    @property
    def log_weight_of_values(self) -> Tensor:
        """Log p(x, z) - log q(z | x), `[S, B]`; of values that are enumerated, what each adds to that of its draw."""
        log_prior, log_q = total(self.log_p.values()), total(self.log_q.values())
        log_weight = tf.add_n([self.log_likelihood, log_prior]) - log_q  # graphs reorder +, which moves a last bit
        if self.log_mass is None:
            return log_weight
        log_mass = self.log_mass + tf.math.log(tf.cast(self.num_draws, tf.float32))
        return tf.where(log_mass > -float("inf"), log_weight, 0.0) + log_mass

    def expected(self, values: Tensor) -> Tensor:
        """Returns values, `[S, B]`, of each draw, `[n, B]`: the mean over the values that are enumerated in it."""
        return expected_in_draws(values, self.log_mass, self.num_draws)

    @property
    def log_weight(self) -> Tensor:
        """Log importance weight of each draw, `[n, B]`: the sum over the values that are enumerated in it."""
        log_weight = self.log_weight_of_values
        if self.log_mass is None:
            return log_weight
        in_draws = tf.reshape(log_weight, tf.stack([self.num_draws, -1, tf.shape(log_weight)[1]]))
        return tf.reduce_logsumexp(in_draws, axis=1)


class Target:
    """p(x, z) of B examples; the parameters of priors that hang on no other latent are computed once.

    Attributes:
        context: what parts are given of the examples.
        prior: name to the parameters of p(z_f) of these latents.

    Args:
        vae: the model.
        known: of the examples, in normal form.
        anew: make p(z) from its parameters in each call, not once: the same but for a last bit in some graphs.
        jit_compile: compile the densities of z with XLA; p(z) is then made anew. Not where they draw noise themselves,
            nor where a prior's network reads a z that other kernels drew: a narrow prior sees how these round.
    """

    def __init__(self, vae: Model, known: Known, anew: bool = False, jit_compile: bool = False) -> None:
        self.vae, self.known, self.context = vae, known, vae.context(known)
        parts = vae.latents.prior
        self.prior = {name: self.context[said(name)] for name in parts if not vae.latents.prior_above[name]}
        jit_compile = jit_compile and vae.missingness is None and not vae.latents.several
        once = {} if anew or jit_compile else {n: parts[n].distribution(**given) for n, given in self.prior.items()}

        def densities(
            target: Tensor, z: Tree, prior: dict[str, Parameters], seed: Tensor | None
        ) -> tuple[Tensor, dict[str, Tensor]]:
            named = vae.latents.named(z)
            context = self.context.with_(**named)

            def log_p(name: str, part: Latent) -> Tensor:
                given = prior[name] if name in prior else context[said(name)]
                return (once[name] if name in once else part.distribution(**given)).log_prob(named[name])

            log_prior = {name: log_p(name, part) for name, part in parts.items()}
            return vae.log_likelihood({**known, "target": target}, context, seed), log_prior

        self._densities = tf.function(densities, jit_compile=True) if jit_compile else densities

    def amortised(self) -> Chain:
        """Returns q(z | x) as the encoder says."""
        return Chain(self.vae.latents, self.context, labels=self.known.get("labels"))

    def log_densities(self, z: Tree, seed: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns log p(x | z), and log p(z_f | parents) by name, `[S, B]` of z `[S, B, ...]`; see `log_likelihood`."""
        return self._densities(self.known["target"], z, self.prior, None if self.vae.missingness is None else seed)

    def log_joint(self, z: Tree) -> Tensor:
        """Returns log p(x, z), `[S, B]`, of z `[S, B, ...]`, or of `[S, 1, ...]` for all examples alike."""
        log_likelihood, log_prior = self.log_densities(z)
        return log_likelihood + total(log_prior.values())

    def draw(
        self, q: Chain, num_samples: int | Tensor, seed: Tensor, held: bool = False, missing: Tensor | None = None
    ) -> Draws:
        """Returns S draws of q(z | x) and their densities.

        Args:
            q: of the examples, from the encoder or anywhere else.
            num_samples: S.
            seed: int32 pair.
            held: let the gradient of log q flow through z only.
            missing: int32 pair of the points that stand for missing cells, which a missingness needs.
        """
        drawn = q.draw(num_samples, seed)
        drawn = q.held(drawn) if held else drawn
        z = self.vae.latents.outside({name: found.z for name, found in drawn.of.items()})
        return Draws(z, *self.log_densities(z, missing), drawn.log_q, drawn.log_mass, num_samples)

    def of_chunk(self, q: Chain, num_samples: int | Tensor, stream: Tensor) -> Draws:
        """Returns S draws of one chunk, whose seed is `stream`."""
        missing = fold(stream, MISSING)
        return self.draw(q, num_samples, fold(stream, POSTERIOR), missing=missing)
