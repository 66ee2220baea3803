"""What the latent code carries: dimensions in use, information about x, and how far q(z) is from the prior.

activity_d = Var_x E_q(z|x)[z_d] / Var_p(z_d)             a unit is active above 0.01         Burda et al. 2016
I(x; z)    = E log q(z | x) - E log q(z),    q(z) = 1/N sum_n q(z | x_n),    z ~ q(z | x), x of the N examples
rate       = E KL(q(z | x) || p(z)) = I(x; z) + KL(q(z) || p(z))                          Hoffman and Johnson 2016

The prior's variance, 1 for N(0, I) and so not in Burda et al., makes the threshold one for all: of unit vectors in D
dimensions no more than 1/D is left for each entry, and a code in full use would count as none.

q(z) is the mixture over all N examples, z's own among them, so that I(x; z) is the information about *which* of the N
examples z came from: it cannot exceed log N, and where it comes near, I is larger than N examples can show.

Of several latents each function has `latent=`, a name. Where q(z_f | x) hangs on latents above it, its mean is that
with these at their centers; as a mixture over them it has no density in closed form, and so no I(x; z_f). A prior that
hangs on latents has the variance of ancestral draws.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import seeds
from tfvae.core.chain import Chain
from tfvae.core.errors import InvalidInput, sample_count
from tfvae.core.evidence import expected, expected_in_draws
from tfvae.core.graphs import compiled_for
from tfvae.core.joint import said
from tfvae.core.observed import Known, Observed
from tfvae.core.sets import REAL
from tfvae.core.types import ArrayLike, Parameters
from tfvae.evaluation import codes
from tfvae.inference.rows import Block, blocks, slices
from tfvae.inference.trust import mean_and_error
from tfvae.vae import VAE

ACTIVE = 0.01
ROWS_PER_BLOCK, NUMBERS_PER_BLOCK = 256, 2**24  # they bound the memory
DRAWS_FOR_A_VARIANCE = 10_000  # of a prior without one: its standard error is 1.4% for a normal
DRAWS_AT_ONCE = 1000  # of those, where networks make them
DRAWS_FOR_MOMENTS = 1000  # of a prior without them, under each condition
SAMPLES_FOR_A_RATE = 10  # of the latents above, where it is a mean over them


class AggregatedPosterior(NamedTuple):
    """Mutual information and marginal KL of N examples, in nats; they add up to the rate of the same samples.

    Attributes:
        mutual_information: I(x; z), at most `ceiling`; by its noise it may fall below zero.
        mutual_information_error: its standard error over examples; NaN for a single one.
        marginal_kl: KL(q(z) || p(z)); of a prior that is told c, or hangs on other latents, E log q(z) - log p(z | c),
            which may be below zero.
        marginal_kl_error: its standard error over examples; NaN for a single one.
        num_examples: N.
    """

    mutual_information: float
    mutual_information_error: float
    marginal_kl: float
    marginal_kl_error: float
    num_examples: int

    @property
    def ceiling(self) -> float:
        """The largest I(x; z) that N examples can show, log N."""
        return math.log(self.num_examples)


def unit_activity(means: np.ndarray) -> np.ndarray:
    """Returns Var_x E_q(z|x)[z_d], `[D]`, from posterior means, `[N, D]`; NaN from a single example.

    Of vectors, `[N, D, K]`, as one-hot latents are, it is the sum of the variances of their K entries.

    Reference:
        Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders", section 5.2.

    Example:
        >>> unit_activity(np.array([[0.0, 1.0], [2.0, 1.0]]))
        array([2., 0.])
    """
    means = np.asarray(means, dtype=np.float64)
    if len(means) < 2:
        return np.full(means.shape[1], math.nan)
    return means.var(axis=0, ddof=1).reshape(means.shape[1], -1).sum(axis=1)


def prior_variance(vae: VAE, latent: str | None = None) -> np.ndarray:
    """Returns Var_p(z_d), `[D]`, in closed form or, where the prior has none (a flow), of 10 000 draws.

    Of one-hot vectors, `[D, K]`, it is the sum of the variances of their K entries, as in `unit_activity`. Of a latent
    whose prior hangs on others it is that of its marginal p(z_f), of 10 000 ancestral draws.

    Args:
        vae: the model, whose prior is not told a condition.
        latent: of several latents the name of one; by default all of them side by side.

    Raises:
        InvalidInput: if `latent` is not the name of one.
    """
    return np.concatenate([_variance(vae, name) for name in codes.chosen(vae, latent)])


def relative_activity(
    vae: VAE, means: np.ndarray, x: ArrayLike | Observed | None = None, latent: str | None = None
) -> np.ndarray:
    """Returns Var_x E_q(z|x)[z_d] / Var_p(z_d), `[D]`, from posterior means, `[N, D]`; NaN from a single example.

        of a prior that is told c:    Var_x (E_q(z|x)[z_d] - E_p(z|c)[z_d]) / E_c Var_p(z_d | c)

    By the law of total variance it lies between 0 and 1 where q(z) is the prior, whatever its space and scale; for a
    standard normal prior it is the activity of Burda et al. itself. What the condition says alone does not count.

    Args:
        vae: the model.
        means: of the posteriors, what `posterior_means` returned for the same `latent`.
        x: the same examples with their conditions, an `Observed`; not needed where the prior is told nothing.
        latent: of several latents the name of one; by default all of them, D is then the sum of their dimensions.

    Raises:
        InvalidInput: if `latent` is not the name of one.

    Example:
        >>> active_units(relative_activity(vae, posterior_means(vae, x))) <= vae.latent_dim
        True
    """
    names = codes.chosen(vae, latent)
    found = codes.by_name(vae, means, names)
    if not vae.latents.told:
        return np.concatenate([unit_activity(found[name]) / _variance(vae, name) for name in names])
    return np.concatenate([_activity_beside(vae, found[name], x, name) for name in names])


def active_units(activity: np.ndarray, threshold: float = ACTIVE) -> int:
    """Returns how many units have an activity, `[D]`, above the threshold; pass `relative_activity`.

    The threshold is meant for a prior of unit variance: `unit_activity` alone serves where the prior is N(0, I).
    """
    return int(np.sum(np.asarray(activity) > threshold))


def posterior_means(vae: VAE, x: ArrayLike, seed: int | None = 0, latent: str | None = None) -> np.ndarray:
    """Returns E_q(z|x)[z], `[N, D]` (`[N, D, K]` for one-hot vectors), of raw x, `[N, ...]`.

    A posterior without a mean in closed form (a flow, relaxed one-hot vectors) gives the mean of 1000 samples: its
    units then seem more active than they are by Var_q(z_d) / 1000. Of a latent whose q hangs on others it is the mean
    with those at their centers, as in a reconstruction, and not the mean over what they may be.

    Args:
        vae: the model.
        x: raw examples, `[N, ...]`, or an `Observed`.
        seed: of the samples of a posterior without a mean.
        latent: of several latents the name of one; by default all of them side by side, each as a vector, those at the
            top of the prior first.

    Raises:
        InvalidInput: if x has a wrong shape, holds no example, or values that are not finite, or `latent` is not the
            name of one.
    """
    names, seed = codes.chosen(vae, latent), seeds.as_seed(seed)
    mean = compiled_for(vae, posterior_mean, reduce_retracing=True, names=names)
    return np.concatenate([mean(block.known, seeds.fold(seed, block.index)) for block in _blocks(vae, x)])


def kl_per_dimension(vae: VAE, x: ArrayLike, latent: str | None = None, seed: int | None = 0) -> np.ndarray | None:
    """Returns the KL of each latent dimension, mean over raw x `[N, ...]`, `[D]`, or `None` if it does not factorise.

    Args:
        vae: the model.
        x: raw examples, `[N, ...]`, or an `Observed`.
        latent: of several latents the name of one; by default all of them side by side, those at the top of the prior
            first.
        seed: of 10 samples of the latents above, over which the KL of one below is a mean.

    Raises:
        InvalidInput: if x has a wrong shape, holds no example, or values that are not finite, or `latent` is not the
            name of one.
    """
    names, seed = codes.chosen(vae, latent), seeds.as_seed(seed)
    kl = compiled_for(vae, _dimension_kl, reduce_retracing=True, names=names)
    values = [kl(block.known, seeds.fold(seed, block.index)) for block in _blocks(vae, x)]
    return None if values[0] is None else np.concatenate(values).mean(axis=0, dtype=np.float64)


def rates(vae: VAE, x: ArrayLike, seed: int | None = 0) -> dict[str, np.ndarray]:
    """Returns the rate of each latent in nats, name to `[N]`, of raw x, `[N, ...]`: their sum is the rate.

        E KL(q(z_f | x, above) || p(z_f | above)),    in closed form or, as over latents above, a mean of 10 samples

    Raises:
        InvalidInput: if x has a wrong shape, holds no example, or values that are not finite.
    """
    rate, seed = compiled_for(vae, _rates, reduce_retracing=True), seeds.as_seed(seed)
    found = [rate(block.known, seeds.fold(seed, block.index)) for block in _blocks(vae, x)]
    return {name: np.concatenate([each[name] for each in found]) for name in vae.latents.names}


def mutual_information(
    vae: VAE, x: ArrayLike, num_samples: int = 1, seed: int | None = None, latent: str | None = None
) -> AggregatedPosterior:
    """Estimates I(x; z) and KL(q(z) || p(z)) on N examples, for any posterior and prior; N * N densities in blocks.

        I(x; z)          ~ mean of log q(z | x_n) - log q(z)
        KL(q(z) || p(z)) ~ mean of log q(z) - log p(z),           z ~ q(z | x_n),  q(z) = 1/N sum_m q(z | x_m)

    The standard errors are over examples and hold for the data that x was drawn from: a change of one example moves
    log q(z) by a term whose mean is zero, so to first order the summands are independent. What is left is a bias:
    I(x; z) is too small and the marginal KL too large by the same amount, little where I lies well below log N.

    Of a latent whose values are enumerated both are sums over these values, without noise: nothing is drawn, unless its
    prior hangs on other latents.

    Args:
        vae: the model.
        x: raw examples, `[N, ...]`.
        num_samples: samples z for each example.
        seed: an integer for repeatable noise; `None` draws afresh.
        latent: of several latents the name of one whose posterior hangs on no other, by default the first such: that of
            the others is a mixture over those above, whose density is not known.

    Returns:
        Both numbers and their standard errors, in nats, and N.

    Raises:
        InvalidInput: if x has a wrong shape, holds no example, or values that are not finite, or `latent` is not the
            name of one, or its posterior hangs on others.

    Reference:
        Hoffman and Johnson 2016, "ELBO surgery".

    Example:
        >>> mutual_information(vae, x, seed=0).mutual_information < math.log(len(x))
        True
    """
    num_samples, seed = sample_count(num_samples), seeds.as_seed(seed)
    name = _top(vae, latent)
    if vae.latents.posterior[name].enumerated:
        return _of_values(vae, x, num_samples, seed, name)
    draw, density = (compiled_for(vae, made, reduce_retracing=True, name=name) for made in (_draw, _log_density))
    samples = tf.constant(num_samples)
    found = [draw(block.known, samples, seeds.fold(seed, block.index)) for block in _blocks(vae, x)]
    parameters, *draws = zip(*found, strict=True)
    z, log_q, log_p = (tf.concat(parts, axis=0) for parts in draws)  # [N * S, ...], example by example
    rows = min(ROWS_PER_BLOCK, max(1, NUMBERS_PER_BLOCK // (ROWS_PER_BLOCK * math.prod(vae.latents.shapes[name]))))
    total = np.full(len(z), -math.inf)
    for components in parameters:
        values = [density(components, z[part]) for part in slices(len(z), rows)]
        total = np.logaddexp(total, np.concatenate(values))
    num_examples = len(z) // num_samples
    total = np.maximum(total, log_q)  # q(z) holds q(z | x_n): rounding must not lose it
    log_marginal = total - math.log(num_examples)
    information = (log_q.numpy() - log_marginal).reshape(num_examples, num_samples).mean(axis=1)
    divergence = (log_marginal - log_p.numpy()).reshape(num_examples, num_samples).mean(axis=1)
    return AggregatedPosterior(*mean_and_error(information), *mean_and_error(divergence), num_examples)


def _of_values(vae: VAE, x: ArrayLike, num_samples: int, seed: tf.Tensor, name: str) -> AggregatedPosterior:
    """Returns the same of a latent whose K values are enumerated, of which each is known: only its prior may need z."""
    found = compiled_for(vae, _log_masses, reduce_retracing=True, name=name)
    samples = tf.constant(num_samples)
    parts = [found(block.known, samples, seeds.fold(seed, block.index)) for block in _blocks(vae, x)]
    log_q, rate = (np.concatenate(values).astype(np.float64) for values in zip(*parts, strict=True))
    log_marginal = np.logaddexp.reduce(log_q, axis=0) - math.log(len(log_q))
    information = np.sum(np.exp(log_q) * (log_q - log_marginal), axis=1)
    return AggregatedPosterior(*mean_and_error(information), *mean_and_error(rate - information), len(log_q))


def informed(vae: VAE) -> tuple[str, ...]:
    """Returns the latents whose posterior hangs on no other, of which `mutual_information` speaks."""
    return tuple(name for name in vae.latents.posterior if not vae.latents.above[name])


def posterior_mean(vae: VAE, known: Known, seed: tf.Tensor, names: tuple[str, ...]) -> tf.Tensor:
    """Returns E_q(z|x)[z], `[B, D]`, of examples in normal form, inside a graph; see `posterior_means`."""
    return codes.side_by_side(codes.means(vae, known, seed), names)


def _blocks(vae: VAE, x: ArrayLike) -> Iterator[Block]:
    return blocks(vae, x, ROWS_PER_BLOCK, REAL, refuse_empty=True)


def _top(vae: VAE, latent: str | None) -> str:
    """Returns the latent whose aggregated posterior is meant; raises `InvalidInput` if its density is not known."""
    tops = informed(vae)
    name = tops[0] if latent is None else codes.one(vae, latent)
    if name not in tops:
        received = f"{name}, whose posterior is a mixture over {', '.join(sorted(vae.latents.above[name]))}"
        remedy = f'Pass latent="{tops[0]}"; the rate of each latent is in evaluate(vae, x).rates.'
        raise InvalidInput("a latent whose posterior hangs on no other", received, remedy)
    return name


def _variance(vae: VAE, name: str) -> np.ndarray:
    """Returns the variance of the prior of one latent, `[D]`."""
    if not vae.latents.prior_above[name]:
        return compiled_for(vae, _prior_variance, name=name)().numpy().astype(np.float64)
    draw, seed = compiled_for(vae, _ancestral, name=name), seeds.as_seed(0)
    return unit_activity(
        np.concatenate([draw(seeds.fold(seed, i)) for i in range(DRAWS_FOR_A_VARIANCE // DRAWS_AT_ONCE)])
    )


def _activity_beside(vae: VAE, means: np.ndarray, x: ArrayLike | Observed | None, name: str) -> np.ndarray:
    """Returns the activity beside a prior that is told conditions, `[D]`, of the means of one latent."""
    moments = compiled_for(vae, _prior_moments, reduce_retracing=True, name=name)
    center, variance = zip(*(moments(block.known) for block in _blocks(vae, x)), strict=True)
    spread = np.concatenate(variance).astype(np.float64).reshape(len(means), means.shape[1], -1).mean(axis=0)
    return unit_activity(means - np.concatenate(center)) / spread.sum(axis=1)


def _prior_variance(vae: VAE, name: str) -> tf.Tensor:
    part = vae.latents.prior[name]
    variance = _moments(part(), DRAWS_FOR_A_VARIANCE)[1]
    return tf.reduce_sum(tf.reshape(variance, [part.latent_dim, -1]), axis=1)


def _ancestral(vae: VAE, seed: tf.Tensor, name: str) -> tf.Tensor:
    return codes.prior_draws(vae, DRAWS_AT_ONCE, seed, {})[name]


def _prior_moments(vae: VAE, known: Known, name: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and variance of p(z_f | c) of each example, `[B, *latent]` both."""
    context, part = vae.context(known), vae.latents.prior[name]
    if vae.latents.prior_above[name]:
        z = vae.latents.sample_prior(context, DRAWS_FOR_MOMENTS, [tf.shape(known["x"])[0]], seeds.as_seed(0))[name]
        return tf.nn.moments(z, axes=[0])
    shape = tf.concat([tf.shape(known["x"])[:1], part.latent_shape], axis=0)
    found = _moments(part.distribution(**context[said(name)]), DRAWS_FOR_MOMENTS)
    return tuple(tf.broadcast_to(value, shape) for value in found)


def _moments(p: tfp.distributions.Distribution, draws: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and variance, in closed form or, where there is none, of some draws."""
    try:
        return p.mean(), p.variance()
    except NotImplementedError:
        return tf.nn.moments(p.sample(draws, seed=seeds.as_seed(0)), axes=[0])


def _dimension_kl(vae: VAE, known: Known, seed: tf.Tensor, names: tuple[str, ...]) -> tf.Tensor | None:
    factors = vae.evidence(known, SAMPLES_FOR_A_RATE, seed).factors
    found = {name: factors[name].kl_per_dimension for name in names}
    return None if any(kl is None for kl in found.values()) else codes.side_by_side(found, names)


def _rates(vae: VAE, known: Known, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the rate of each latent, `[B]`; what else evidence says is left out of the graph."""
    return {name: factor.rate for name, factor in vae.evidence(known, SAMPLES_FOR_A_RATE, seed).factors.items()}


def _draw(vae: VAE, known: Known, num_samples: tf.Tensor, seed: tf.Tensor, name: str) -> tuple:
    """Returns q's parameters and, example by example, z `[B * S, ...]`, log q(z | x) and log p(z), `[B * S]`."""
    chain = Chain(vae.latents, vae.context(known))
    drawn, prior = chain.draw(num_samples, seed), vae.latents.prior[name]
    z, parameters = drawn.of[name].z, chain.top[name]
    log_q = drawn.of[name].q.log_prob(z)  # at z as rounded, which is where q(z) is taken
    log_p = prior.distribution(**drawn.context[said(name)]).log_prob(z)
    if drawn.log_mass is not None:  # values of others are enumerated in each draw, of which one z does
        log_p = expected_in_draws(log_p, drawn.log_mass, num_samples)
        z, log_q = z[:: vae.latents.atoms], log_q[:: vae.latents.atoms]
    draws = (z, log_q, log_p)
    return parameters, *(tf.reshape(_examples_first(v), tf.concat([[-1], tf.shape(v)[2:]], 0)) for v in draws)


def _log_masses(vae: VAE, known: Known, num_samples: tf.Tensor, seed: tf.Tensor, name: str) -> tuple:
    """Returns log q of the K values of a latent that is enumerated, `[B, K]`, and its rate, `[B]`."""
    chain, part, prior = Chain(vae.latents, vae.context(known)), vae.latents.posterior[name], vae.latents.prior[name]
    drawn = chain.draw(num_samples, seed)
    log_q = part.distribution(**chain.top[name]).log_prob(part.atoms()[:, tf.newaxis])
    log_p = prior.distribution(**drawn.context[said(name)]).log_prob(drawn.of[name].z)
    return tf.transpose(log_q), expected(drawn.of[name].log_q - log_p, drawn.log_mass)


def _examples_first(values: tf.Tensor) -> tf.Tensor:
    return tf.transpose(values, [1, 0, *range(2, values.shape.rank)])


def _log_density(vae: VAE, parameters: Parameters, z: tf.Tensor, name: str) -> tf.Tensor:
    """Returns log sum_n q(z | x_n), `[R]`, for z `[R, ...]` and the parameters of a block of examples."""
    q = vae.latents.posterior[name].distribution(**parameters)
    return tf.reduce_logsumexp(q.log_prob(z[:, tf.newaxis]), axis=1)
