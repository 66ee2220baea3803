"""Annealed importance sampling: log p(x) where a single importance step, from prior or encoder, fails.

f_t(z) = p_0(z)^(1 - b_t) p(x, z)^b_t,   0 = b_0 < ... < b_T = 1,   p_0 the prior or q(z | x)
z_0 ~ p_0,   z_t ~ HMC that leaves f_t invariant,   t = 1 ... T-1
w = prod_{t=1..T} f_t(z_{t-1}) / f_{t-1}(z_{t-1}),    E[w] = p(x)               T = 1 is importance sampling

Run backwards, from a z of the exact posterior and down the same temperatures, the same product has E[1 / w] = 1 / p(x).
Both ways together enclose log p(x): E[log w forwards] <= log p(x) <= E[log w backwards].
(Neal 2001; Grosse, Ghahramani and Adams 2015; Wu, Burda, Salakhutdinov and Grosse 2017.)
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import blocks, importance, seeds, spaces
from tfvae.errors import InvalidInput, positive_integer, positive_number

if TYPE_CHECKING:
    from tfvae.model import VAE

TARGET_ACCEPTANCE = 0.65  # Beskos et al. 2013
ROWS_PER_BLOCK, CHAINS_PER_CHUNK = 100, 50  # what memory is bounded by
PILOT_CHAINS, PILOT_TEMPERATURES, PILOT_WARMUP, PILOT_GAIN = 4, 100, 50, 0.2
JITTER = 0.2  # relative, of the step size: no trajectory stays a whole period
STEEPNESS = 4.0  # of the schedule: small steps near both ends, where the density changes fastest
_START, _PILOT, _FORWARD, _BACKWARD, _SIMULATION = range(5)


class AnnealedEstimate(NamedTuple):
    """Log p(x) by annealed importance sampling for each of B examples.

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


class Sandwich(NamedTuple):
    """Stochastic lower and upper bounds on log p(x) for B simulated examples; prints as one line.

    Attributes:
        x: the examples, as the likelihood sees them (after preprocessing), `[B, ...]`.
        lower: log p(x) by annealing up to the posterior, nats, `[B]`; below log p(x) in expectation over chains.
        upper: by annealing down from the exact z, nats, `[B]`; above log p(x) in expectation over z and chains.
        lower_standard_error: of `lower` over chains, `[B]`.
        upper_standard_error: of `upper` over chains at this one z, `[B]`; that x has one exact z is not in it.
    """

    x: tf.Tensor
    lower: tf.Tensor
    upper: tf.Tensor
    lower_standard_error: tf.Tensor
    upper_standard_error: tf.Tensor

    @property
    def gap(self) -> tf.Tensor:
        """Upper minus lower bound, nats, `[B]`; of single examples it may be negative, in the mean it is not."""
        return self.upper - self.lower

    def mean_gap(self) -> tuple[float, float]:
        """Returns the mean gap over examples and its standard error, which covers chains, z and x alike, in nats."""
        return _mean(self.gap)

    def __str__(self) -> str:
        """Returns mean bounds and mean gap, each with its standard error over examples."""
        parts = (("lower", self.lower), ("upper", self.upper), ("gap", self.gap))
        text = ", ".join("{} {:.4f} +- {:.4f}".format(name, *_mean(value)) for name, value in parts)
        return f"log p(x) of {len(self.lower)} simulated examples, nats: {text}"


def annealed_log_prob(
    vae: "VAE",
    x: Any,
    num_temperatures: int = 1000,
    num_chains: int = 16,
    seed: int | tf.Tensor | None = None,
    step_size: float = 0.5,
    num_leapfrog: int = 10,
    from_posterior: bool = False,
    verbose: bool = False,
) -> AnnealedEstimate:
    """Estimates log p(x) by annealed importance sampling with Hamiltonian transitions.

        log p(x) ~ log 1/C sum_{c=1..C} w_c,    w_c = prod_t f_t(z_{t-1}) / f_{t-1}(z_{t-1})

    The step size is tuned to an acceptance rate of 0.65, for each example and temperature, by a pilot run of four
    chains with noise of its own. In the run that counts it is fixed, but for a jitter of 20%, so that E[w] = p(x)
    holds exactly. Compiled; memory is that of 100 rows and 50 chains.

    Args:
        vae: the model, with real vectors as latents.
        x: raw examples, `[B, ...]`.
        num_temperatures: steps T from p_0 to p(x, z); cost is proportional to it, and the gap falls about as 1 / T.
        num_chains: chains C for each example.
        seed: an integer for repeatable noise; `None` draws afresh.
        step_size: of the leapfrog, where the pilot run starts.
        num_leapfrog: leapfrog steps of each transition.
        from_posterior: start from q(z | x) rather than the prior, which judges a decoder without help or harm from its
            encoder. After training on 8x8 digits 100 temperatures from q left a gap of 0.02 nats, from the prior 0.16;
            with a q far too narrow and off the mark, q was the worse start.
        verbose: show a progress bar over the blocks of examples.

    Returns:
        Log p(x), its standard error, acceptance rate and effective number of chains, each `[B]`.

    Raises:
        InvalidInput: if the latents are no real vectors, a number is out of range, or x has a wrong shape or values.

    Reference:
        Neal 2001, "Annealed Importance Sampling"; Wu, Burda, Salakhutdinov and Grosse 2017, "On the Quantitative
        Analysis of Decoder-Based Generative Models", section 3.

    Example:
        >>> estimate = annealed_log_prob(vae, x[:2], num_temperatures=10, num_chains=4, seed=0)
        >>> estimate.log_prob.shape
        TensorShape([2])
    """
    annealing = _Annealing(vae, num_temperatures, num_chains, step_size, num_leapfrog, from_posterior)
    seed, results = seeds.as_seed(seed), [AnnealedEstimate(*[tf.zeros([0])] * 4)]
    for block in blocks.of_examples(vae, x, ROWS_PER_BLOCK, verbose):
        stream = seeds.fold(seed, block.index)
        found = annealing.forward(block.x, annealing.tuned(block.x, stream), stream)
        results.append(AnnealedEstimate(*(value[: block.rows] for value in found)))
    return AnnealedEstimate(*(tf.concat(values, axis=0) for values in zip(*results, strict=True)))


def bidirectional(
    vae: "VAE",
    num_examples: int = 100,
    num_temperatures: int = 1000,
    num_chains: int = 16,
    seed: int | tf.Tensor | None = None,
    step_size: float = 0.5,
    num_leapfrog: int = 10,
    from_posterior: bool = False,
    verbose: bool = False,
) -> Sandwich:
    """Encloses log p(x) of data simulated from the model between two stochastic bounds.

        z ~ p(z), x ~ p(x | z):   lower = log mean_c w_c up from p_0,   upper = -log mean_c 1 / w_c down from z

    The z that made x is an exact draw of p(z | x), and the only one there is: all C backward chains start from it. Each
    1 / w_c still has mean 1 / p(x) over z and chains, and so has their average: the mean of `upper` lies above that of
    log p(x), by Jensen's inequality. But chains with a common start are no independent ones: more chains reduce the
    noise of the transitions only, and a single example's bound holds over its z, of which one was seen.

    The gap bounds the error of `annealed_log_prob` with the same settings on data like the model's own; how far real
    data are like that, it cannot know.

    Args:
        vae: the model, with real vectors as latents.
        num_examples: simulated examples B.
        num_temperatures: as in `annealed_log_prob`.
        num_chains: chains C for each example, both up and down.
        seed: as in `annealed_log_prob`.
        step_size: as in `annealed_log_prob`.
        num_leapfrog: as in `annealed_log_prob`.
        from_posterior: as in `annealed_log_prob`.
        verbose: show a progress bar over the blocks of examples.

    Returns:
        The examples and both bounds.

    Raises:
        InvalidInput: if the latents are no real vectors, or a number is out of range.

    Reference:
        Grosse, Ghahramani and Adams 2015, "Sandwiching the marginal likelihood using bidirectional Monte Carlo".

    Example:
        >>> sandwich = bidirectional(vae, num_examples=10, num_temperatures=10, num_chains=4, seed=0)
        >>> sandwich.gap.shape
        TensorShape([10])
    """
    annealing = _Annealing(vae, num_temperatures, num_chains, step_size, num_leapfrog, from_posterior)
    num_examples, seed = positive_integer("num_examples", num_examples), seeds.as_seed(seed)
    size, results = min(ROWS_PER_BLOCK, num_examples), []
    starts = range(0, num_examples, size)
    bar = keras.utils.Progbar(len(starts), unit_name="block") if verbose else None
    for index in range(len(starts)):
        stream = seeds.fold(seed, index)
        z, likelihood, noise = vae.sample_likelihood(size, seeds.fold(stream, _SIMULATION))
        x = tf.cast(likelihood.sample(seed=noise), tf.float32)
        steps = annealing.tuned(x, stream)
        up, down = annealing.forward(x, steps, stream), annealing.backward(x, z, steps, stream)
        results.append(Sandwich(x, up.log_prob, -down.log_prob, up.standard_error, down.standard_error))
        if bar:
            bar.update(index + 1)
    return Sandwich(*(tf.concat(values, axis=0)[:num_examples] for values in zip(*results, strict=True)))


class _Annealing:
    """Chains between p_0 and the posterior, in either direction, for one block of preprocessed examples at a time."""

    def __init__(
        self,
        vae: "VAE",
        num_temperatures: int,
        num_chains: int,
        step_size: float,
        num_leapfrog: int,
        from_posterior: bool,
    ) -> None:
        if vae.posterior.space != spaces.REAL:
            raise InvalidInput(
                f"a posterior of {spaces.REAL.description}, between which Hamiltonian transitions move",
                f"{type(vae.posterior).__name__}, whose latents are {vae.posterior.space.description}",
                "Use vae.estimate_log_prob, which needs samples of q(z | x) only.",
            )
        self.vae, self.from_posterior = vae, bool(from_posterior)
        self.num_temperatures = positive_integer("num_temperatures", num_temperatures)
        self.num_chains = positive_integer("num_chains", num_chains)
        self.step_size = positive_number("step_size", step_size)
        self.num_leapfrog = positive_integer("num_leapfrog", num_leapfrog)
        self._anneal = None

    def tuned(self, x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns step sizes, `[T - 1, B]`, from a pilot run: 50 transitions at p_0, then at least 100 temperatures."""
        temperatures, stream = max(self.num_temperatures, PILOT_TEMPERATURES), seeds.fold(seed, _PILOT)
        betas = tf.concat([tf.zeros([PILOT_WARMUP]), schedule(temperatures)], axis=0)
        steps, z = tf.fill([len(betas) - 2, len(x)], self.step_size), self.draw(x, PILOT_CHAINS, stream)
        _, steps, _ = self.run(x, z, betas, steps, PILOT_GAIN, stream)
        same = np.arange(1, self.num_temperatures) * temperatures // self.num_temperatures  # how far along
        return tf.gather(steps, PILOT_WARMUP + same - 1)

    def forward(self, x: tf.Tensor, steps: tf.Tensor, seed: tf.Tensor) -> AnnealedEstimate:
        """Returns the estimate of log p(x) from chains that start at p_0."""
        betas, start = schedule(self.num_temperatures), lambda chains, stream: self.draw(x, chains, stream)
        return self.estimate(x, start, betas, steps, seeds.fold(seed, _FORWARD))

    def backward(self, x: tf.Tensor, z: tf.Tensor, steps: tf.Tensor, seed: tf.Tensor) -> AnnealedEstimate:
        """Returns the estimate of -log p(x) from chains that start at z, `[B, D]`, and run down to p_0."""
        betas, start = schedule(self.num_temperatures)[::-1], lambda chains, _: tf.tile(z[tf.newaxis], [chains, 1, 1])
        return self.estimate(x, start, betas, steps[::-1], seeds.fold(seed, _BACKWARD))

    def estimate(
        self,
        x: tf.Tensor,
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
            log_weight, _, rate = self.run(x, start(size, stream), betas, steps, 0.0, stream)
            log_weights.append(log_weight)
            rates.append(rate)
        log_weight = tf.concat(log_weights, axis=0)[: self.num_chains]
        found = importance.estimate(lambda *_: log_weight, len(x), self.num_chains, self.num_chains, seed)
        return AnnealedEstimate(*found[:2], tf.reduce_mean(rates, axis=0), found.effective_sample_size)

    def draw(self, x: tf.Tensor, chains: int, seed: tf.Tensor) -> tf.Tensor:
        """Returns draws of p_0 for each example, `[chains, B, D]`."""
        start, stream = self.start(x), seeds.fold(seed, _START)
        return start.sample(chains if self.from_posterior else [chains, len(x)], seed=stream)

    def start(self, x: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns p_0, the prior or q(z | x)."""
        return self.vae.posterior(x) if self.from_posterior else self.vae.prior

    def run(
        self, x: tf.Tensor, z: tf.Tensor, betas: tf.Tensor, steps: tf.Tensor, gain: float, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Calls `anneal`, traced once for any numbers of chains and temperatures.

        Without XLA, which on a CPU is no faster for a small decoder and slower for one of 784 pixels.
        """
        if self._anneal is None:
            shapes = x.shape, [None, *z.shape[1:]], [None], [None, len(x)], []
            specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
            self._anneal = tf.function(self.anneal).get_concrete_function(*specs, tf.TensorSpec([2], tf.int32))
        return self._anneal(x, z, betas, steps, tf.constant(gain), seed)

    def anneal(
        self, x: tf.Tensor, z: tf.Tensor, betas: tf.Tensor, steps: tf.Tensor, gain: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Runs chains along a schedule, inside a graph.

        Args:
            x: preprocessed examples, `[B, ...]`.
            z: where the chains start, `[C, B, D]`.
            betas: inverse temperatures b_t, `[T + 1]`, from 0 to 1 or from 1 to 0.
            steps: step sizes of the transitions, `[T - 1, B]`.
            gain: how fast a factor on the step size follows the acceptance rate; zero leaves `steps` as they are.
            seed: int32 pair.

        Returns:
            Log-weights `[C, B]`, step sizes used `[T - 1, B]` and acceptance rate `[B]`.
        """
        start, prior = self.start(x), self.vae.prior

        def log_ratio(z: tf.Tensor) -> tf.Tensor:  # log p(x, z) - log p_0(z)
            log_likelihood = self.vae.likelihood(z).log_prob(x)
            return log_likelihood + prior.log_prob(z) - start.log_prob(z) if self.from_posterior else log_likelihood

        def step(
            t: tf.Tensor, z: tf.Tensor, log_weight: tf.Tensor, factor: tf.Tensor, rates: tf.Tensor, used: tf.TensorArray
        ) -> tuple:
            size, stream = steps[t - 1] * tf.exp(factor), seeds.fold(seed, t)
            jitter = tf.random.stateless_uniform(tf.shape(log_weight), stream, 1 - JITTER, 1 + JITTER)
            kernel = tfp.mcmc.HamiltonianMonteCarlo(
                lambda z: start.log_prob(z) + betas[t] * log_ratio(z), size[:, tf.newaxis] * jitter[..., tf.newaxis],
                self.num_leapfrog,
            )  # fmt: skip
            z, results = kernel.one_step(z, kernel.bootstrap_results(z), seed=seeds.fold(stream, 1))
            rate = tf.reduce_mean(tf.exp(tf.minimum(results.log_accept_ratio, 0.0)), axis=0)
            log_weight += (betas[t + 1] - betas[t]) * log_ratio(z)
            return (
                t + 1,
                z,
                log_weight,
                factor + gain * (rate - TARGET_ACCEPTANCE),
                rates + rate,
                used.write(t - 1, size),
            )

        zeros, transitions = tf.zeros([tf.shape(x)[0]]), tf.shape(steps)[0]
        used = tf.TensorArray(tf.float32, transitions, element_shape=zeros.shape)
        state = (tf.constant(1), z, (betas[1] - betas[0]) * log_ratio(z), zeros, zeros, used)
        state = tf.while_loop(lambda t, *_: t <= transitions, step, state)
        _, _, log_weight, _, rates, used = state
        return log_weight, used.stack(), rates / tf.cast(transitions, tf.float32)


def schedule(num_temperatures: int) -> tf.Tensor:
    """Returns inverse temperatures 0 = b_0 < ... < b_T = 1, `[T + 1]`, on a sigmoid (Grosse et al. 2015)."""
    sigmoid = 1 / (1 + np.exp(-STEEPNESS * np.linspace(-1, 1, num_temperatures + 1)))
    return tf.constant((sigmoid - sigmoid[0]) / (sigmoid[-1] - sigmoid[0]), tf.float32)


def _mean(values: tf.Tensor) -> tuple[float, float]:
    """Returns mean and standard error of the mean over examples, `[B]`."""
    values = np.asarray(values, np.float64)
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
