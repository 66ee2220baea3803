"""Chains of Hamiltonian transitions along a schedule of temperatures, up from p_0 to the posterior or down again.

b_t = (sigmoid(4 (2 t / T - 1)) - sigmoid(-4)) / (sigmoid(4) - sigmoid(-4)),    t = 0 ... T
log f_t(z) = log p_0(z) + b_t (log p(x, z) - log p_0(z))                        p_0 the prior or q(z | x)
log w = sum_{t=1..T} (b_t - b_{t-1}) (log p(x, z_{t-1}) - log p_0(z_{t-1})),    z_t ~ HMC that leaves f_t invariant

What the weights are good for is in `tfvae.inference.annealed`. (Neal 2001; Grosse, Ghahramani and Adams 2015.)
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.checks.missing import check_density
from tfvae.core import seeds, sets
from tfvae.core.chain import Chain
from tfvae.core.errors import InvalidInput, positive_integer, positive_number
from tfvae.core.evidence import total
from tfvae.core.graphs import compiled
from tfvae.core.model import Model
from tfvae.core.observed import Known
from tfvae.core.types import Tree
from tfvae.inference.accumulators import described
from tfvae.inference.importance import estimate
from tfvae.inference.target import Target

TARGET_ACCEPTANCE = 0.65  # Beskos et al. 2013
CHAINS_PER_CHUNK = 50  # what memory is bounded by
PILOT_CHAINS, PILOT_TEMPERATURES, PILOT_WARMUP, PILOT_GAIN = 4, 100, 50, 0.2
JITTER = 0.2  # relative, of the step size: no trajectory stays a whole period
STEEPNESS = 4.0  # of the schedule: small steps near both ends, where the density changes fastest


class AnnealedEstimate(NamedTuple):
    """Log p(x) by annealed importance sampling for each of B examples; prints as one line.

    Attributes:
        log_prob: log p(x) in nats, `[B]`; its expectation is a lower bound that rises with temperatures and chains.
        standard_error: of `log_prob` over chains, in nats, `[B]`; NaN for a single chain.
        acceptance: mean acceptance rate of the Hamiltonian transitions, `[B]`; NaN for a single temperature.
        effective_sample_size: of the chains, `[B]`, from 1 to `num_chains`.
    """

    log_prob: tf.Tensor
    standard_error: tf.Tensor
    acceptance: tf.Tensor
    effective_sample_size: tf.Tensor

    def __repr__(self) -> str:
        """Returns means over the examples, in one line."""
        return described(self)


class Annealing:
    """Chains between p_0 and the posterior, in either direction, for one block of examples in normal form at a time."""

    def __init__(
        self,
        vae: Model,
        num_temperatures: int,
        num_chains: int,
        step_size: float,
        num_leapfrog: int,
        from_posterior: bool,
    ) -> None:
        check_density(vae)
        for part in vae.latents.posterior.values():
            if part.space != sets.REAL:
                raise InvalidInput(
                    f"a posterior of {sets.REAL.description}, between which Hamiltonian transitions move",
                    f"{type(part).__name__}, whose latents are {part.space.description}",
                    "Use vae.estimate_log_prob, which needs samples of q(z | x) only.",
                )
        self.vae, self.from_posterior = vae, bool(from_posterior)
        self.num_temperatures = positive_integer("num_temperatures", num_temperatures)
        self.num_chains = positive_integer("num_chains", num_chains)
        self.step_size = positive_number("step_size", step_size)
        self.num_leapfrog = positive_integer("num_leapfrog", num_leapfrog)
        self._anneal: Callable | None = None

    def tuned(self, known: Known, seed: tf.Tensor) -> tf.Tensor:
        """Returns step sizes, `[T - 1, B]`, from a pilot run: 50 transitions at p_0, then at least 100 temperatures."""
        temperatures, stream = max(self.num_temperatures, PILOT_TEMPERATURES), seeds.fold(seed, seeds.PILOT)
        betas = tf.concat([tf.zeros([PILOT_WARMUP]), schedule(temperatures)], axis=0)
        steps, z = tf.fill([len(betas) - 2, len(known["x"])], self.step_size), self.draw(known, PILOT_CHAINS, stream)
        _, steps, _ = self.run(known, z, betas, steps, PILOT_GAIN, stream)
        same = np.arange(1, self.num_temperatures) * temperatures // self.num_temperatures  # how far along
        return tf.gather(steps, PILOT_WARMUP + same - 1)

    def forward(self, known: Known, steps: tf.Tensor, seed: tf.Tensor) -> AnnealedEstimate:
        """Returns the estimate of log p(x) from chains that start at p_0."""
        betas, start = schedule(self.num_temperatures), lambda chains, stream: self.draw(known, chains, stream)
        return self.estimate(known, start, betas, steps, seeds.fold(seed, seeds.UPWARDS))

    def backward(self, known: Known, z: Tree, steps: tf.Tensor, seed: tf.Tensor) -> AnnealedEstimate:
        """Returns the estimate of -log p(x) from chains that start at z, `[B, D]` or by name, and run down to p_0."""
        latents, betas = self.vae.latents, schedule(self.num_temperatures)[::-1]
        flat = latents.flat(latents.named(z))[tf.newaxis]
        return self.estimate(
            known,
            lambda chains, _: tf.tile(flat, [chains, 1, 1]),
            betas,
            steps[::-1],
            seeds.fold(seed, seeds.DOWNWARDS),
        )

    def estimate(
        self,
        known: Known,
        start: Callable[[int, tf.Tensor], tf.Tensor],
        betas: tf.Tensor,
        steps: tf.Tensor,
        seed: tf.Tensor,
    ) -> AnnealedEstimate:
        """Returns the estimate from all chains, chunk by chunk; `start(chains, seed)` gives z, `[chains, B, D]`."""
        chunks = -(-self.num_chains // CHAINS_PER_CHUNK)
        size, log_weights, rates = -(-self.num_chains // chunks), [], []
        for index in range(chunks):
            stream = seeds.fold(seed, index)
            log_weight, _, rate = self.run(known, start(size, stream), betas, steps, 0.0, stream)
            log_weights.append(log_weight)
            rates.append(rate)
        log_weight = tf.concat(log_weights, axis=0)[: self.num_chains]
        found = estimate(lambda *_: log_weight, len(known["x"]), self.num_chains, self.num_chains, seed)
        return AnnealedEstimate(*found[:2], tf.reduce_mean(rates, axis=0), found.effective_sample_size)

    def draw(self, known: Known, chains: int, seed: tf.Tensor) -> tf.Tensor:
        """Returns draws of p_0 for each example, `[chains, B, D]`."""
        stream = seeds.fold(seed, seeds.ANNEALING_START)
        latents, context = self.vae.latents, self.vae.context(known)
        if self.from_posterior:
            return latents.flat(Chain(latents, context).sample(chains, stream))
        return latents.flat(latents.sample_prior(context, chains, [len(known["x"])], stream))

    def run(
        self, known: Known, z: tf.Tensor, betas: tf.Tensor, steps: tf.Tensor, gain: float, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Calls `anneal`, traced once for any numbers of chains and temperatures.

        XLA is not used: on a CPU it is as fast for a small decoder, and slower for one of 784 pixels.
        """
        if self._anneal is None:
            shapes = (None, *z.shape[1:]), (None,), (None, len(known["x"])), ()
            specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
            of_known = tf.nest.map_structure(tf.TensorSpec.from_tensor, known)
            signature = of_known, *specs, tf.TensorSpec([2], tf.int32)
            self._anneal = compiled(self.anneal, input_signature=signature)
        return self._anneal(known, z, betas, steps, tf.constant(gain), seed)

    def anneal(
        self, known: Known, z: tf.Tensor, betas: tf.Tensor, steps: tf.Tensor, gain: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Runs chains along a schedule, inside a graph.

        Args:
            known: of the examples, in normal form.
            z: where the chains start, `[C, B, D]`.
            betas: inverse temperatures b_t, `[T + 1]`, from 0 to 1 or from 1 to 0.
            steps: step sizes of the transitions, `[T - 1, B]`.
            gain: how fast a factor on the step size follows the acceptance rate; zero leaves `steps` as they are.
            seed: int32 pair.

        Returns:
            Log-weights `[C, B]`, step sizes used `[T - 1, B]` and acceptance rate `[B]`.
        """
        target, latents = Target(self.vae, known), self.vae.latents
        q = target.amortised() if self.from_posterior else None

        def densities(flat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:  # log p_0(z), log p(x, z) - log p_0(z)
            z = latents.unflat(flat)
            log_likelihood, log_prior = target.log_densities(latents.outside(z))
            if q is None:
                return total(log_prior.values()), log_likelihood
            log_start = q.log_prob(z)
            return log_start, log_likelihood + total(log_prior.values()) - log_start

        def log_density(z: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:  # log f_t(z)
            log_start, ratio = densities(z)
            return log_start + beta * ratio

        def step(
            t: tf.Tensor, z: tf.Tensor, log_weight: tf.Tensor, factor: tf.Tensor, rates: tf.Tensor, used: tf.TensorArray
        ) -> tuple:
            size, stream = steps[t - 1] * tf.exp(factor), seeds.fold(seed, t)
            jitter = 1 + JITTER * (2 * seeds.uniform(tf.shape(log_weight), stream) - 1)
            kernel = tfp.mcmc.HamiltonianMonteCarlo(
                lambda z: log_density(z, betas[t]), size[:, tf.newaxis] * jitter[..., tf.newaxis],
                self.num_leapfrog,
            )  # fmt: skip
            z, results = kernel.one_step(z, kernel.bootstrap_results(z), seed=seeds.fold(stream, seeds.PROPOSAL))
            rate = tf.reduce_mean(tf.exp(tf.minimum(results.log_accept_ratio, 0.0)), axis=0)
            log_weight += (betas[t + 1] - betas[t]) * densities(z)[1]
            return (
                t + 1,
                z,
                log_weight,
                factor + gain * (rate - TARGET_ACCEPTANCE),
                rates + rate,
                used.write(t - 1, size),
            )

        zeros, transitions = tf.zeros([tf.shape(known["x"])[0]]), tf.shape(steps)[0]
        used = tf.TensorArray(tf.float32, transitions, element_shape=zeros.shape)
        state = (tf.constant(1), z, (betas[1] - betas[0]) * densities(z)[1], zeros, zeros, used)
        state = tf.while_loop(lambda t, *_: t <= transitions, step, state)
        _, _, log_weight, _, rates, used = state
        return log_weight, used.stack(), rates / tf.cast(transitions, tf.float32)


def schedule(num_temperatures: int) -> tf.Tensor:
    """Returns inverse temperatures 0 = b_0 < ... < b_T = 1, `[T + 1]`, on a sigmoid (Grosse et al. 2015)."""
    sigmoid = 1 / (1 + np.exp(-STEEPNESS * np.linspace(-1, 1, num_temperatures + 1)))
    return tf.constant((sigmoid - sigmoid[0]) / (sigmoid[-1] - sigmoid[0]), tf.float32)
