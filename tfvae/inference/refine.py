"""Per-example inference: q's parameters optimised for each x, starting from what the encoder says.

raw_0(x) = head(network(x)),   q_0 = distribution(constrain(raw_0))        amortised: one network for all x
raw*(x)  = argmax_raw E_q [log p(x, z) - log q(z)]                         refined: numbers of its own for each x

What moves are the head's unconstrained outputs, so that any posterior part serves; decoder, prior and all weights that
a posterior shares among examples (a flow's) stay. (Cremer, Li and Duvenaud 2018; Kim et al. 2018; Marino et al. 2018.)
"""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.checks.missing import check_density
from tfvae.core import seeds
from tfvae.core.chain import Chain
from tfvae.core.context import Context
from tfvae.core.errors import InvalidInput, positive_integer, positive_number, sample_count
from tfvae.core.graphs import compiled
from tfvae.core.model import Model
from tfvae.core.observed import Known
from tfvae.core.types import ArrayLike, Parameters
from tfvae.inference.accumulators import Accumulator, Marginal, MarginalEstimate, Statistic, accumulate
from tfvae.inference.importance import ROWS_PER_BLOCK, chunk_size
from tfvae.inference.rows import blocks, joined
from tfvae.inference.target import Target

logger = logging.getLogger("tfvae")

ADAM = (0.9, 0.99, 1e-8)  # decays of both moments, and epsilon; the second forgets a bad start soon
RISE = 0.05  # nats in the last quarter of the steps that are worth a warning

Raw = dict[str, Any]  # group to [B, ...], of several latents by name


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

    vae: Model
    x: ArrayLike
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
        """The refined q(z | x), batch shape `[B]`, of one latent."""
        if not self.vae.latents.bare:
            remedy = "Use refined.log_prob(num_samples), whose proposal it is, or refined.raw[name]."
            raise InvalidInput("the refined q of one latent as a distribution", "several latents", remedy)
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
        return self.accumulate([Marginal()], num_samples, seed, verbose)[0]

    def accumulate(
        self,
        accumulators: Sequence[Accumulator],
        num_samples: int,
        seed: int | tf.Tensor | None = None,
        verbose: bool = False,
    ) -> list[Statistic]:
        """Returns what each accumulator makes of the same importance weights, with the refined q as the proposal.

        Args:
            accumulators: the statistics of log w, see `tfvae.inference.accumulators`.
            num_samples: samples k for each example; exactly as many are used.
            seed: an integer for repeatable noise; `None` draws afresh.
            verbose: show a progress bar over the blocks of examples.

        Raises:
            InvalidInput: if `num_samples` is not a whole number of at least 1.
        """
        num_samples, seed = sample_count(num_samples), seeds.as_seed(seed)

        def statistics(known: Known, raw: Raw, seed: tf.Tensor) -> list[Statistic]:
            target = Target(self.vae, known)
            q = of_raw(target, raw)

            def draw(size: int, stream: tf.Tensor) -> tuple[tf.Tensor]:
                return (target.draw(q, size, stream).log_weight,)

            return accumulate(
                draw, accumulators, known["x"].shape[0], num_samples, chunk_size(self.vae, num_samples), seed
            )

        program, results = compiled(statistics), []
        for block in blocks(self.vae, self.x, ROWS_PER_BLOCK, same_size=True, verbose=verbose):
            raw = tf.nest.map_structure(lambda value, where=block.where: tf.gather(value, where), self.raw)
            results.append(block.counted(program(block.known, raw, seeds.fold(seed, block.index))))
        return joined(*results)


def refine(
    vae: Model,
    x: ArrayLike,
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
        x: raw examples, `[B, ...]`, or an `Observed` of arrays.
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
    check_density(vae)
    check_posterior(vae)
    steps, num_samples = positive_integer("steps", steps), sample_count(num_samples)
    rate = positive_number("learning_rate", learning_rate)
    evaluation_samples = positive_integer("evaluation_samples", evaluation_samples)
    seed, raws, bounds, history = seeds.as_seed(seed), [], [], np.zeros(steps)

    def refined(known: Known, seed: tf.Tensor) -> tuple:
        target = Target(vae, known)
        start = raw_start(target)
        found, path = _climb(target, start, steps, rate, num_samples, seeds.fold(seed, seeds.CLIMB))
        means, _ = _bounds(target, start, found, evaluation_samples, seeds.fold(seed, seeds.CHOICE))
        better = means[2] > 0
        found = tf.nest.map_structure(lambda new, old: tf.where(_like(better, new), new, old), found, start)
        return found, _bounds(target, start, found, evaluation_samples, seeds.fold(seed, seeds.REPORT)), path

    program = compiled(refined)
    for block in blocks(vae, x, ROWS_PER_BLOCK, same_size=True, refuse_empty=True, verbose=verbose):
        raw, (means, errors), path = program(block.known, seeds.fold(seed, block.index))
        raws.append(block.counted(raw))
        bounds.append(tf.concat([means, errors], axis=0)[:, : block.rows])
        history += tf.reduce_sum(path[:, : block.rows], axis=1).numpy()
    start, elbo, gain, *errors = tf.unstack(tf.concat(bounds, axis=1))
    history /= len(elbo)
    _warn_if_rising(history)
    return Refined(vae, x, joined(*raws), elbo, errors[1], start, errors[0], gain, errors[2], history)


def check_posterior(vae: Model) -> None:
    """Raises `InvalidInput` unless the posterior's samples carry gradients."""
    for name, part in vae.latents.posterior.items():
        if not part.reparameterized:
            reason = "whose values are summed over" if part.enumerated else "whose samples do not"
            raise InvalidInput(
                "a posterior whose samples carry gradients to its parameters, which refinement follows",
                f"{type(part).__name__} of {name}, {reason}",
                "Use a reparameterised posterior, or vae.estimate_log_prob for log p(x) and evaluate without gaps.",
            )


def of_raw(target: Target, raw: Raw) -> Chain:
    """Returns q(z | x) of raw parameters that each example has of its own.

    Those of a latent below others are what is added to what its network says of the latents above.

    Args:
        target: of the examples.
        raw: group to `[B, ...]`, of several latents by name.
    """
    latents, named = target.vae.latents, target.vae.latents.named(raw)

    def parameters(name: str, context: Context) -> Parameters:
        part, own = latents.posterior[name], named[name]
        if latents.above[name]:
            own = {key: value + own.get(key, 0.0) for key, value in part.raw_parameters(context).items()}
        else:  # what a ladder's part knows of its prior, beside what its head says, stays as it is
            climbs = part.head_shapes()
            own = {key: value if key in climbs else tf.stop_gradient(value) for key, value in own.items()}
        return part.constrain(**own)

    return Chain(latents, target.context, parameters=parameters)


def raw_start(target: Target) -> Raw:
    """Returns the raw parameters of the encoder; of latents below others nothing is added to them."""
    latents, rows, found = target.vae.latents, tf.shape(target.known["x"])[0], {}
    for name, part in latents.posterior.items():
        zeros = {key: tf.zeros([rows, *shape]) for key, shape in part.head_shapes().items()}
        found[name] = zeros if latents.above[name] else part.raw_parameters(target.context)
    return latents.outside(found)


def _climb(
    target: Target, start: Raw, steps: int, rate: float, num_samples: int, seed: tf.Tensor
) -> tuple[Raw, tf.Tensor]:
    """Returns the mean of raw over the second half of Adam's steps, and the noisy ELBO at each, `[steps, B]`."""
    decay, decay_2, epsilon = ADAM
    each = tf.nest.map_structure
    tail = steps // 2  # where the mean begins

    def step(t: tf.Tensor, raw: Raw, first: Raw, second: Raw, mean: Raw, path: tf.TensorArray) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(raw)
            draws = target.draw(of_raw(target, raw), num_samples, seeds.fold(seed, t), held=True)
            elbo = tf.reduce_mean(draws.log_weight, axis=0)
        gradient, t1 = tape.gradient(elbo, raw, unconnected_gradients="zero"), tf.cast(t + 1, tf.float32)
        first = each(lambda m, g: decay * m + (1 - decay) * g, first, gradient)
        second = each(lambda v, g: decay_2 * v + (1 - decay_2) * g**2, second, gradient)
        size = rate * tf.sqrt(1 - decay_2**t1) / (1 - decay**t1)
        raw = each(lambda r, m, v: r + size * m / (tf.sqrt(v) + epsilon), raw, first, second)
        share = tf.maximum(tf.cast(t - tail, tf.float32), 0.0) + 1  # how many steps the mean is of
        mean = each(lambda a, r: a + (r - a) / share, mean, raw)
        return t + 1, raw, first, second, mean, path.write(t, elbo)

    zeros = each(tf.zeros_like, start)
    path = tf.TensorArray(tf.float32, steps, element_shape=[target.known["x"].shape[0]])
    state = tf.while_loop(lambda t, *_: t < steps, step, (tf.constant(0), start, zeros, zeros, start, path))
    return state[-2], state[-1].stack()


def _bounds(target: Target, start: Raw, refined: Raw, num_samples: int, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the ELBO of both q and their difference, from the same noise, and standard errors, each `[3, B]`.

    Means of log-weights: near the posterior they have less noise than a bound with the KL in closed form.
    """
    chunk = chunk_size(target.vae, num_samples)
    both = [of_raw(target, raw) for raw in (start, refined)]

    def step(index: tf.Tensor, count: tf.Tensor, mean: tf.Tensor, squares: tf.Tensor) -> tuple:
        before, after = (target.draw(q, chunk, seeds.fold(seed, index)).log_weight for q in both)
        used = index * chunk + tf.range(chunk) < num_samples
        values = tf.boolean_mask(tf.stack([before, after, after - before], axis=1), used)  # [chunk, 3, B]
        new = tf.cast(tf.shape(values)[0], tf.float32)
        center = tf.reduce_mean(values, axis=0)
        delta, total = center - mean, count + new
        squares += tf.reduce_sum((values - center) ** 2, axis=0) + delta**2 * count * new / total
        return index + 1, total, mean + delta * new / total, squares

    zeros = tf.zeros([3, target.known["x"].shape[0]])
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
