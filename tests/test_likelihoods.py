"""Every likelihood as a distribution: normalised, exact, samples as it says, holds at hard points.

Reference densities are SciPy's in float64. Elements are independent, so most tests look at events of one element under
a dozen random parameters. Random tests are z-tests at 5 standard errors with fixed seeds: were the seeds redrawn, each
of some 300 comparisons would fail wrongly with probability 6e-7, all of them together with 2e-4.
"""

import functools
import inspect
import itertools

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from likelihood_cases import HARD, MAKE, SCALED, built, random_parameters

from tfvae import InvalidInput, likelihoods, scales
from tfvae.core import sets

every = pytest.mark.parametrize("name", MAKE)


def grid(name):
    """Returns points of the support and their weights, so that sum(weight * density) is an integral or a sum."""
    description = MAKE[name](1).support.description
    if description == "positive numbers":
        u = np.linspace(-40, 40, 20_000)  # none at zero, where the slope of the warp jumps
        return np.exp(u), np.exp(u) * (u[1] - u[0])
    if "finite" in description:
        u = np.linspace(-np.pi / 2, np.pi / 2, 20_003)[1:-1]
        return 2 * np.tan(u), (u[1] - u[0]) * 2 / np.cos(u) ** 2
    if description == "[0, 1]":
        weights = np.full(2001, 1 / 2000)
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, 2001), weights
    top = {"{0, 1}": 2, "the whole numbers 0 to 255": 256}.get(description, 4 if name == "Categorical" else 5000)
    return np.arange(top), np.ones(top)


def discretized_logistic(x, loc, scale):
    loc, scale = 127.5 * (1 + loc), 127.5 * scale
    lower = np.where(x == 0, -np.inf, (x - 0.5 - loc) / scale)
    upper = np.where(x == 255, np.inf, (x + 0.5 - loc) / scale)
    flip = lower > 0  # the difference of two numbers near zero keeps its digits, that of two near one does not
    lower, upper = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
    return np.log(scipy.special.expit(upper) - scipy.special.expit(lower))


def float64(parameters):
    return {name: value.numpy().astype(np.float64) for name, value in parameters.items()}


def negative_binomial(x, log_mean, inverse_dispersion):
    return scipy.stats.nbinom.logpmf(x, inverse_dispersion, 1 / (1 + np.exp(log_mean) / inverse_dispersion))


def zero_inflated(x, log_mean, inverse_dispersion, zero_logits):
    lost = np.where(x == 0, scipy.special.log_expit(zero_logits), -np.inf)
    kept = scipy.special.log_expit(-zero_logits) + negative_binomial(x, log_mean, inverse_dispersion)
    return np.logaddexp(lost, kept)


def warped(x, loc, scale):
    """u = max(log x, 2 log x), whose slope is 1 / x or 2 / x."""
    return scipy.stats.norm.logpdf(np.maximum(np.log(x), 2 * np.log(x)), loc, scale) - np.log(x / np.where(x < 1, 1, 2))


REFERENCE = {
    "Normal": scipy.stats.norm.logpdf,
    "Laplace": scipy.stats.laplace.logpdf,
    "StudentT": lambda x, loc, scale, df: scipy.stats.t.logpdf(x, df, loc, scale),
    "ContinuousBernoulli": lambda x, logits: x * logits - np.log(np.expm1(logits) / logits),
    "Bernoulli": lambda x, logits: scipy.special.log_expit(np.where(x == 1, logits, -logits)),
    "Warped": warped,
    "Categorical": lambda x, logits: sum(
        np.where(x == k, scipy.special.log_softmax(logits, axis=-1)[..., k], 0) for k in range(4)
    ),
    "Poisson": lambda x, log_mean: scipy.stats.poisson.logpmf(x, np.exp(log_mean)),
    "NegativeBinomial": negative_binomial,
    "ZeroInflatedNegativeBinomial": zero_inflated,
    "DiscretizedLogistic": discretized_logistic,
    "DiscretizedLogisticMixture": lambda x, logits, loc, scale: scipy.special.logsumexp(
        scipy.special.log_softmax(logits, axis=-1) + discretized_logistic(x[..., None], loc, scale), axis=-1
    ),
}


# What a likelihood is.


def test_list_is_complete():
    public = [part for key in likelihoods.__all__ if isinstance(part := getattr(likelihoods, key), type)]
    assert {part.__name__ for part in public if not inspect.isabstract(part)} == {*MAKE, "Columns"}
    registered = [keras.saving.get_registered_name(part) for part in public]
    assert len(set(registered)) == len(registered)
    assert {"tfvae>Bernoulli", "tfvae>Normal"} <= set(registered)


@every
def test_normalised_and_mean_exact(name):
    """Or the point, of what has no mean: of labels the mode, of numbers the mean by quadrature."""
    likelihood = built(name)
    distribution = likelihood.distribution(**random_parameters(likelihood))
    points, weights = grid(name)
    density = np.exp(distribution.log_prob(tf.constant(points[:, None, None], tf.float32)).numpy().astype(np.float64))
    np.testing.assert_allclose(weights @ density, 1.0, atol=1e-3)
    if likelihood.has_mean:
        mean = distribution.mean().numpy()[:, 0]
        deviation = np.sqrt(np.maximum((weights * points**2) @ density - mean**2, 1e-6))
        assert np.all(np.abs((weights * points) @ density - mean) < 2e-3 * deviation)
        return
    with pytest.raises(NotImplementedError, match="mode" if likelihood.support.discrete else "mean"):
        distribution.mean()
    point = likelihood.point(distribution)[:, 0].numpy()
    if likelihood.support.discrete:
        np.testing.assert_array_equal(points[np.argmax(density, axis=0)], point)
    else:  # mean and deviation by quadrature, which a kink of the warp puts off by up to some hundredths
        mean = (weights * points) @ density
        deviation = np.sqrt((weights * points**2) @ density - mean**2)
        assert np.all(np.abs(point - mean) < 0.03 * deviation)
        found = likelihood.deviation(distribution)[:, 0].numpy()
        np.testing.assert_allclose(found, deviation, rtol=0.06)


@every
def test_log_prob_is_the_reference(name):
    likelihood = built(name)
    parameters = random_parameters(likelihood)
    points = grid(name)[0]
    points = points[np.unique(np.linspace(0, len(points) - 1, 101).astype(int))][:, None, None]
    points = points[np.abs(points[:, 0, 0]) < 1e4].astype(np.float32)
    expected = REFERENCE[name](points.astype(np.float64), **float64(parameters))
    found = likelihood.distribution(**parameters).log_prob(points)
    np.testing.assert_allclose(found, expected[..., 0], rtol=3e-6, atol=2e-5)


@every
def test_gradient_is_that_of_a_normalised_density(name):
    """The score has mean zero: sum_x p(x) d log p(x) = 0 for each parameter."""
    likelihood = built(name)
    parameters = random_parameters(likelihood)
    points, weights = grid(name)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = likelihood.distribution(**parameters).log_prob(tf.constant(points[:, None, None], tf.float32))
        log_prob = tf.cast(log_prob, tf.float64)
        mean = tf.reduce_sum(tf.stop_gradient(weights[:, None] * tf.exp(log_prob)) * log_prob)
    for key, gradient in tape.gradient(mean, parameters).items():
        if gradient is not None:
            np.testing.assert_allclose(gradient, 0, atol=2e-3, err_msg=key)


@pytest.mark.parametrize("dispersion", [None, 1e-2, 0.5, 10.0, 1e3, 1e6])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 100, 10_000, 1_000_000])
def test_large_counts_keep_their_digits(count, dispersion):
    """Textbook formulas in float32 err by 5e-3 at ten thousand; half of that would be seen here."""
    log_mean = np.log(count * np.array([0.9, 1.0, 1.01]))[:, None]
    raw = {"log_mean": tf.constant(20 * np.arctanh(log_mean / 20), tf.float32)}
    dispersed = dispersion and likelihoods.NegativeBinomial(1, inverse_dispersion=dispersion)
    likelihood = dispersed or likelihoods.Poisson(1)
    parameters = likelihood.constrain(**raw)
    exact = REFERENCE[type(likelihood).__name__](float(count), **float64(parameters))
    found = likelihood.distribution(**parameters).log_prob([[float(count)]])
    np.testing.assert_allclose(found, exact[:, 0], rtol=3e-5, atol=1e-3)


@pytest.mark.parametrize("logit", [-100.0, -1.0, -0.5001, -0.4999, -1e-3, 1e-7, 0.3, 0.4999, 0.5001, 30.0, 100.0])
def test_continuous_bernoulli_in_all_branches(logit):
    x = np.array([[0.0], [0.3], [1.0]])
    distribution = likelihoods.ContinuousBernoulli(1).distribution(logits=tf.constant([[logit]]))
    exact = REFERENCE["ContinuousBernoulli"](x, np.float64(np.float32(logit)))
    np.testing.assert_allclose(distribution.log_prob(tf.constant(x, tf.float32)), exact[:, 0], rtol=3e-6, atol=3e-7)


@pytest.mark.parametrize("scale", [2e-5, 1e-3, 0.1, 10.0, 1e4])
def test_discretized_logistic_is_exact_at_every_scale(scale):
    likelihood = likelihoods.DiscretizedLogistic(1, scale=scale)
    parameters = likelihood.constrain(loc=tf.constant([[-1.2], [-1.0], [0.0], [0.3], [1.5]]))
    distribution, levels = likelihood.distribution(**parameters), np.arange(256.0)
    log_prob = distribution.log_prob(levels[:, None, None].astype(np.float32)).numpy().astype(np.float64)
    mass = np.exp(log_prob)
    np.testing.assert_allclose(mass.sum(axis=0), 1.0, atol=1e-4)
    np.testing.assert_allclose(levels @ mass, distribution.mean()[:, 0], rtol=1e-4, atol=1e-3)
    with np.errstate(divide="ignore"):
        exact = discretized_logistic(levels[:, None, None], **float64(parameters))[..., 0]
    seen = exact > -300  # further out the reference itself underflows
    np.testing.assert_allclose(log_prob[seen], exact[seen], rtol=1e-4, atol=2e-3)


@every
def test_samples_follow_the_density(name):
    """Mean and P(x > mean) of 40000 draws; sees a mean wrong by 3 % of a standard deviation."""
    likelihood = built(name)
    distribution = likelihood.distribution(**random_parameters(likelihood))
    points, weights = grid(name)
    mass = weights[:, None] * np.exp(distribution.log_prob(tf.constant(points[:, None, None], tf.float32)).numpy())
    centre = points @ mass
    draws = tf.function(distribution.sample)(40_000, seed=tf.constant([1, 2])).numpy()[..., 0].astype(np.float64)
    assert bool(tf.reduce_all(likelihood.support.contains(tf.constant(draws, tf.float32))))
    for statistic in (lambda x: x, lambda x: (x > centre).astype(float)):
        exact = np.sum(mass * statistic(np.broadcast_to(points[:, None], mass.shape)), axis=0)
        error = statistic(draws).std(axis=0) / np.sqrt(len(draws))
        assert np.all(np.abs(statistic(draws).mean(axis=0) - exact) < 5 * error + 1e-4)


@every
def test_declarations_are_true(name):
    likelihood = built(name)
    parameters = random_parameters(likelihood)
    distribution = likelihood.distribution(**parameters)
    fully = distribution.reparameterization_type == tfp.distributions.FULLY_REPARAMETERIZED
    assert likelihood.reparameterized == fully
    assert likelihood.jit_sample
    assert bool(likelihood.support.contains(tf.constant(likelihood.support.inner)))
    compiled = tf.function(lambda seed: likelihood.distribution(**parameters).sample(seed=seed), jit_compile=True)
    assert bool(tf.reduce_all(likelihood.support.contains(compiled(tf.constant([3, 4])))))


NAMED = {name: value for name, value in vars(sets).items() if isinstance(value, sets.ValueSet)}


@pytest.mark.parametrize("outside", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("values", [*NAMED.values(), sets.integers(3)], ids=[*NAMED, "integers"])
def test_nan_and_infinity_are_in_no_set(values, outside):
    """Of an element, or of a vector that has one such entry; with a zero or a one in its place they are inside."""
    assert not np.all(values.contains(tf.constant([[1.0, outside]])))
    assert np.all(values.contains(tf.constant([[1.0, 1.0 if values == sets.POSITIVE else 0.0]])))


def test_student_t_has_a_mean_whatever_its_weight():
    likelihood = built("StudentT")
    likelihood.raw_df.assign(-200.0)
    mean = likelihood.distribution(**random_parameters(likelihood)).mean()
    assert bool(tf.reduce_all(tf.math.is_finite(mean)))


@pytest.mark.parametrize("df", [1.0, 1 + 1e-6, -3, float("nan"), float("inf"), True, "5"])
def test_student_t_refuses_a_weight_without_a_mean(df):
    with pytest.raises(InvalidInput, match="df"):
        likelihoods.StudentT(3, df=df)


# Hard points, eagerly and under XLA.


def hard_cases():
    for name in (name for name in MAKE if name not in SCALED):
        yield name, MAKE[name]
    for name, scale in itertools.product(SCALED, [scales.Shared, scales.Predicted]):
        keyword = "inverse_dispersion" if "Binomial" in name else "scale"
        yield f"{name}-{scale.__name__}", functools.partial(getattr(likelihoods, name), **{keyword: scale()})


@pytest.mark.parametrize("case", [pytest.param(case, id=case[0]) for case in hard_cases()])
def test_hard_points_are_finite_and_xla_is_eager(case):
    """Raw outputs and scale weights of -100, 0 and 100 in all combinations, at the hardest data."""
    name, make = case
    likelihood = make((1,))
    likelihood.build((None, 2))
    variables = [v for v in likelihood.trainable_variables if "dense" not in v.path]
    shapes = likelihood.head_shapes()
    combinations = np.array(list(itertools.product([-100.0, 0.0, 100.0], repeat=len(shapes))), np.float32)
    raw = {
        key: tf.constant(np.broadcast_to(column.reshape([-1, 1] + [1] * (len(shape) - 1)), (len(column), *shape)))
        for (key, shape), column in zip(shapes.items(), combinations.T, strict=True)
    }
    x = tf.constant(HARD[name.split("-")[0]], tf.float32)[:, None, None]

    def values_and_gradients():
        with tf.GradientTape() as tape:
            tape.watch(raw)
            log_prob = likelihood.distribution(**likelihood.constrain(**raw)).log_prob(x)
        return log_prob, tape.gradient(log_prob, [*raw.values(), *variables])

    under_xla = tf.function(values_and_gradients, jit_compile=True)
    for weight in (-100.0, 0.0, 100.0) if variables else (0.0,):
        for variable in variables:
            variable.assign(tf.fill(variable.shape, weight))
        eager = values_and_gradients()
        compiled = under_xla()
        for found, other in zip(tf.nest.flatten(eager), tf.nest.flatten(compiled), strict=True):
            assert bool(tf.reduce_all(tf.math.is_finite(found)))
            assert bool(tf.reduce_all(tf.math.is_finite(other)))
        np.testing.assert_allclose(eager[0], compiled[0], rtol=1e-5, atol=1e-4)
        assert np.all(eager[0] < 12)  # mass at most one; densities at the scale floor of 1e-5 at most exp(11)
