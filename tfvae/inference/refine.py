"""Per-example inference: q's parameters optimised for each x, starting from what the encoder says.

raw_0(x) = head(network(x)),   q_0 = distribution(constrain(raw_0))        amortised: one network for all x
raw*(x)  = argmax_raw E_q [log p(x, z) - log q(z)]                         refined: numbers of its own for each x

What moves are the head's unconstrained outputs, so that any posterior part serves; decoder, prior and all weights that
a posterior shares among examples (a flow's) stay. (Cremer, Li and Duvenaud 2018; Kim et al. 2018; Marino et al. 2018.)
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, positive_integer, positive_number
from tfvae.inference import importance
from tfvae.inference import rows as blocks
from tfvae.inference.importance import MarginalEstimate

if TYPE_CHECKING:
    from tfvae.vae import VAE

logger = logging.getLogger("tfvae")

ROWS_PER_BLOCK, SAMPLES_PER_CHUNK = importance.ROWS_PER_BLOCK, importance.SAMPLES_PER_CHUNK
ADAM = (0.9, 0.99, 1e-8)  # decays of both moments, and epsilon; the second forgets a bad start soon
RISE = 0.05  # nats in the last quarter of the steps that are worth a warning
_CLIMB, _CHOICE, _REPORT = range(3)

Raw = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class Refined:
    """The posteriors of B examples, each optimised for its own x. Bounds are in nats and from fresh noise.

    Attributes:
        vae: the model.
        x: raw examples, `[B, ...]`.
        raw: the head's outputs after refinement, name to `[B, ...]`.
        elbo: ELBO with the refined q, `[B]`.
        standard_error: of `elbo`, `[B]`.
        start_elbo: ELBO with the encoder's q, `[B]`, from the same noise.
        start_standard_error: of `start_elbo`, `[B]`.
        gain: `elbo - start_elbo`, `[B]`: the amortisation gap.
        gain_standard_error: of `gain`, `[B]`; smaller than either bound's, since they share their noise.
        history: noisy mean ELBO over examples at each step, `[steps]`.
    """

    vae: "VAE"
    x: Any
    raw: Raw
    elbo: tf.Tensor
    standard_error: tf.Tensor
    start_elbo: tf.Tensor
    start_standard_error: tf.Tensor
    gain: tf.Tensor
    gain_standard_error: tf.Tensor
    history: np.ndarray

    @property
    def distribution(self) -> tfp.distributions.Distribution:
        """The refined q(z | x), batch shape `[B]`."""
        return self.vae.posterior.distribution(**self.vae.posterior.constrain(**self.raw))

    def log_prob(self, num_samples: int, seed: int | tf.Tensor | None = None, verbose: bool = False) -> tf.Tensor:
        """Returns the importance-sampled log p(x) in nats, `[B]`; see `estimate_log_prob`."""
        return self.estimate_log_prob(num_samples, seed, verbose).log_prob

    def estimate_log_prob(
        self, num_samples: int, seed: int | tf.Tensor | None = None, verbose: bool = False
    ) -> MarginalEstimate:
        """Estimates log p(x) as `VAE.estimate_log_prob` does, with the refined q as the proposal.

        Args:
            num_samples: samples k for each example; exactly as many are used.
            seed: an integer for repeatable noise; `None` draws afresh.
            verbose: show a progress bar over the blocks of examples.

        Returns:
            `log_prob`, `standard_error` and `effective_sample_size`, each `[B]`.

        Raises:
            InvalidInput: if `num_samples` is not a whole number of at least 1.
        """
        return self.accumulate([importance.Marginal()], num_samples, seed, verbose)[0]

    def accumulate(
        self,
        accumulators: Sequence[importance.Accumulator],
        num_samples: int,
        seed: int | tf.Tensor | None = None,
        verbose: bool = False,
    ) -> list[Any]:
        """Returns what each accumulator makes of the same importance weights, with the refined q as the proposal.

        Args:
            accumulators: the statistics of log w, see `tfvae.inference.importance`.
            num_samples: samples k for each example; exactly as many are used.
            seed: an integer for repeatable noise; `None` draws afresh.
            verbose: show a progress bar over the blocks of examples.

        Raises:
            InvalidInput: if `num_samples` is not a whole number of at least 1.
        """
        num_samples, seed = positive_integer("num_samples", num_samples), seeds.as_seed(seed)

        def statistics(x: tf.Tensor, raw: Raw, seed: tf.Tensor) -> list[Any]:
            log_weight, size = _log_weight(self.vae, x, raw), importance.chunk_size(num_samples)

            def draw(chunk: int, stream: tf.Tensor) -> tuple[tf.Tensor]:
                return (log_weight(chunk, stream),)

            return importance.accumulate(draw, accumulators, x.shape[0], num_samples, size, seed)

        compiled, results = blocks.compiled(statistics), []
        for block in blocks.of_examples(self.vae, self.x, ROWS_PER_BLOCK, verbose):
            raw = {name: tf.gather(value, block.where) for name, value in self.raw.items()}
            found = compiled(block.x, raw, seeds.fold(seed, block.index))
            results.append(tf.nest.map_structure(lambda value, rows=block.rows: value[:rows], found))
        return tf.nest.map_structure(lambda *values: tf.concat(values, axis=0), *results)


def refine(
    vae: "VAE",
    x: Any,
    steps: int = 500,
    learning_rate: float = 0.05,
    num_samples: int = 8,
    seed: int | tf.Tensor | None = None,
    evaluation_samples: int = 1000,
    verbose: bool = False,
) -> Refined:
    """Optimises the parameters of q for each x on its own, starting from the encoder's.

        raw <- Adam step up mean_s [log p(x, z_s) - log q(z_s)],   z_s ~ q = distribution(constrain(raw))

    The gradient goes through z alone (sticking the landing), whose noise vanishes where q meets the posterior. The
    result is the mean of `raw` over the second half of the steps; where that is no better than the encoder's, judged
    by noise of its own, the encoder's stays. Compiled; memory is that of 100 rows and `num_samples` samples.

    Args:
        vae: the model; none of its weights changes.
        x: raw examples, `[B, ...]`.
        steps: Adam steps of each example.
        learning_rate: of Adam: about how far a raw output can move in one step.
        num_samples: samples S of z in each step.
        seed: an integer for repeatable noise; `None` draws afresh.
        evaluation_samples: samples for each of the choice and the bounds that are reported.
        verbose: show a progress bar over the blocks of examples.

    Returns:
        The refined posteriors, with their bounds.

    Raises:
        InvalidInput: if the posterior is not reparameterised, a number is out of range, or x is empty or has a wrong
            shape or wrong values.

    Reference:
        Cremer, Li and Duvenaud 2018, "Inference Suboptimality in Variational Autoencoders", section 5; Roeder, Wu and
        Duvenaud 2017, "Sticking the Landing", equation 7.

    Example:
        >>> refined = refine(vae, x[:2], steps=10, seed=0)
        >>> refined.distribution.batch_shape
        TensorShape([2])
    """
    check_posterior(vae)
    steps, num_samples = positive_integer("steps", steps), positive_integer("num_samples", num_samples)
    rate = positive_number("learning_rate", learning_rate)
    evaluation_samples = positive_integer("evaluation_samples", evaluation_samples)
    seed, raws, bounds, history = seeds.as_seed(seed), [], [], np.zeros(steps)

    def refined(x: tf.Tensor, seed: tf.Tensor) -> tuple:
        start = vae.posterior.raw_parameters(x)
        found, path = _climb(vae, x, start, steps, rate, num_samples, seeds.fold(seed, _CLIMB))
        means, _ = _bounds(vae, x, start, found, evaluation_samples, seeds.fold(seed, _CHOICE))
        found = {name: tf.where(_like(means[2] > 0, found[name]), found[name], start[name]) for name in start}
        return found, _bounds(vae, x, start, found, evaluation_samples, seeds.fold(seed, _REPORT)), path

    compiled = blocks.compiled(refined)
    for block in blocks.of_examples(vae, x, ROWS_PER_BLOCK, verbose):
        raw, (means, errors), path = compiled(block.x, seeds.fold(seed, block.index))
        raws.append({name: value[: block.rows] for name, value in raw.items()})
        bounds.append(tf.concat([means, errors], axis=0)[:, : block.rows])
        history += tf.reduce_sum(path[:, : block.rows], axis=1).numpy()
    if not raws:
        raise InvalidInput("at least one example", "an empty x", "Pass data with one row or more.")
    raw = {name: tf.concat([raw[name] for raw in raws], axis=0) for name in raws[0]}
    start, elbo, gain, *errors = tf.unstack(tf.concat(bounds, axis=1))
    history /= len(elbo)
    _warn_if_rising(history)
    return Refined(vae, x, raw, elbo, errors[1], start, errors[0], gain, errors[2], history)


def check_posterior(vae: "VAE") -> None:
    """Raises `InvalidInput` unless the posterior's samples carry gradients."""
    if not vae.posterior.reparameterized:
        raise InvalidInput(
            "a posterior whose samples carry gradients to its parameters, which refinement follows",
            f"{type(vae.posterior).__name__}, whose samples do not",
            "Use a reparameterised posterior, or vae.estimate_log_prob for log p(x).",
        )


def _climb(
    vae: "VAE", x: tf.Tensor, start: Raw, steps: int, rate: float, num_samples: int, seed: tf.Tensor
) -> tuple[Raw, tf.Tensor]:
    """Returns the mean of raw over the second half of Adam's steps, and the noisy ELBO at each, `[steps, B]`."""
    decay, decay_2, epsilon = ADAM
    prior, each = vae.prior(), tf.nest.map_structure
    tail = steps // 2  # where the mean begins

    def step(t: tf.Tensor, raw: Raw, first: Raw, second: Raw, mean: Raw, path: tf.TensorArray) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(raw)
            parameters = vae.posterior.constrain(**raw)
            z, log_q = vae.posterior.sample_and_log_prob(parameters, num_samples, seeds.fold(seed, t), path=True)
            elbo = tf.reduce_mean(vae.likelihood(z).log_prob(x) + prior.log_prob(z) - log_q, axis=0)
        gradient, t1 = tape.gradient(elbo, raw), tf.cast(t + 1, tf.float32)
        first = each(lambda m, g: decay * m + (1 - decay) * g, first, gradient)
        second = each(lambda v, g: decay_2 * v + (1 - decay_2) * g**2, second, gradient)
        size = rate * tf.sqrt(1 - decay_2**t1) / (1 - decay**t1)
        raw = each(lambda r, m, v: r + size * m / (tf.sqrt(v) + epsilon), raw, first, second)
        share = tf.maximum(tf.cast(t - tail, tf.float32), 0.0) + 1  # how many steps the mean is of
        mean = each(lambda a, r: a + (r - a) / share, mean, raw)
        return t + 1, raw, first, second, mean, path.write(t, elbo)

    zeros = each(tf.zeros_like, start)
    path = tf.TensorArray(tf.float32, steps, element_shape=[x.shape[0]])
    state = tf.while_loop(lambda t, *_: t < steps, step, (tf.constant(0), start, zeros, zeros, start, path))
    return state[-2], state[-1].stack()


def _log_weight(vae: "VAE", x: tf.Tensor, raw: Raw) -> Callable[[int | tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns `(S, seed) -> log p(x, z) - log q(z | x)`, `[S, B]`, for the q of these raw outputs."""
    parameters, prior = vae.posterior.constrain(**raw), vae.prior()

    def draw(num_samples: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        z, log_q = vae.posterior.sample_and_log_prob(parameters, num_samples, seed)
        return vae.likelihood(z).log_prob(x) + prior.log_prob(z) - log_q

    return draw


def _bounds(
    vae: "VAE", x: tf.Tensor, start: Raw, refined: Raw, num_samples: int, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the ELBO of both q and their difference, from the same noise, and standard errors, each `[3, B]`.

    Means of log-weights: near the posterior they have less noise than a bound with the KL in closed form.
    """
    draws, chunk = [_log_weight(vae, x, raw) for raw in (start, refined)], min(SAMPLES_PER_CHUNK, num_samples)

    def step(index: tf.Tensor, count: tf.Tensor, mean: tf.Tensor, squares: tf.Tensor) -> tuple:
        before, after = (draw(chunk, seeds.fold(seed, index)) for draw in draws)
        used = index * chunk + tf.range(chunk) < num_samples
        values = tf.boolean_mask(tf.stack([before, after, after - before], axis=1), used)  # [chunk, 3, B]
        new = tf.cast(tf.shape(values)[0], tf.float32)
        center = tf.reduce_mean(values, axis=0)
        delta, total = center - mean, count + new
        squares += tf.reduce_sum((values - center) ** 2, axis=0) + delta**2 * count * new / total
        return index + 1, total, mean + delta * new / total, squares

    zeros = tf.zeros([3, x.shape[0]])
    chunks = -(-num_samples // chunk)
    state = tf.while_loop(lambda index, *_: index < chunks, step, (tf.constant(0), tf.constant(0.0), zeros, zeros))
    _, count, mean, squares = state
    return mean, tf.sqrt(squares / (count * (count - 1)))


def _warn_if_rising(history: np.ndarray) -> None:
    """Says so if the bound still rises at the end by more than its noise."""
    quarter = len(history) // 4
    if quarter < 2:
        return
    last, before = history[-quarter:], history[-2 * quarter : -quarter]
    rise, noise = last.mean() - before.mean(), np.sqrt((last.var(ddof=1) + before.var(ddof=1)) / quarter)
    if rise > max(RISE, 3 * noise):
        text = "tfvae: refinement has not settled: the ELBO rose by %.2f nats in the last quarter of its %d steps. "
        logger.warning(text + "Pass more steps or a larger learning_rate.", rise, len(history))


def _like(condition: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Returns a condition `[B]` in a shape that broadcasts to `value`, `[B, ...]`."""
    return tf.reshape(condition, [-1] + [1] * (value.shape.rank - 1))
