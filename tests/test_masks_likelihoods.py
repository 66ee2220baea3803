"""Cells of x that were not observed, below the model: densities, starts and units are of the observed ones alone."""

import keras
import numpy as np
import parts
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from likelihood_cases import ANY_EVENT, MAKE, SCALED, built, columns, data

from tfvae import InvalidInput, likelihoods, networks, scales, scaling, sets
from tfvae.core.graphs import compiled

NAMES = parts.LIKELIHOODS
JUNK = [np.nan, np.inf, -np.inf, 1e30, -7.5]  # what may stand in a cell that was not observed
POSITIVE = sets.ValueSet("the positive numbers", lambda x: tf.math.is_finite(x) & (x > 0), inner=1.0, bounded=False)
every = pytest.mark.parametrize("name", NAMES)


def case(name, lead=(4,)):
    """Returns a likelihood with a head of random numbers, its parameters of that lead, x and a mask, `[B, *event]`."""
    keras.utils.set_random_seed(4)
    likelihood = parts.likelihood(name)
    likelihood.build((None, 2))
    z = tf.random.stateless_normal([*lead, 2], [1, 2])
    x = tf.constant(parts.examples(name))
    mask = np.random.default_rng(5).random(x.shape) < 0.6
    mask[0], mask[1] = True, False  # a row with everything and one with nothing
    return likelihood, z, x, mask


def under(mask, x, seed=0):
    """Returns x with junk where the mask is false."""
    return np.where(mask, x, np.random.default_rng(seed).choice(JUNK, x.shape)).astype(np.float32)


def value_and_gradient(likelihood, z, x, mask):
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = likelihood.log_prob(likelihood.parameters(z), x, mask)
    return value.numpy(), [g.numpy() for g in tape.gradient(value, [z, *likelihood.trainable_weights])]


@every
def test_the_whole_is_what_was_observed_and_the_rest(name):
    """To a few units in the last place of the largest term: the sums run in another order, and Bernoulli's is fused."""
    likelihood, z, x, mask = case(name)
    parameters = likelihood.parameters(z)
    whole = likelihood.log_prob(parameters, x)
    np.testing.assert_array_equal(whole, likelihood.distribution(**parameters).log_prob(x))
    shown, hidden = likelihood.log_prob(parameters, x, mask), likelihood.log_prob(parameters, x, ~mask)
    np.testing.assert_allclose(shown + hidden, whole, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(likelihood.log_prob(parameters, x, np.ones_like(mask)), whole, rtol=2e-6)
    assert shown[1] == 0 and hidden[0] == 0 and np.all(shown[2:] != whole[2:])


@every
def test_it_is_the_sum_over_the_observed_cells(name):
    """One cell at a time, which the density of all cells knows as what it loses when the mask does."""
    likelihood, z, x, mask = case(name)
    parameters, cells = likelihood.parameters(z), np.eye(x.shape[1], dtype=bool)
    each = np.stack([likelihood.log_prob(parameters, x, np.tile(cell, [len(x), 1])) for cell in cells], axis=1)
    np.testing.assert_allclose(likelihood.log_prob(parameters, x, mask), (each * mask).sum(1), rtol=1e-5, atol=1e-6)


@every
def test_what_stands_under_the_mask_changes_neither_value_nor_gradient(name):
    """Exactly, whatever it is: it is replaced before the density sees it."""
    likelihood, z, x, mask = case(name, lead=(3, 4))
    value, gradient = value_and_gradient(likelihood, z, x, mask)
    assert value.shape == (3, 4) and np.isfinite(value).all() and all(np.isfinite(g).all() for g in gradient)
    assert np.any(gradient[0]) and not np.any(gradient[0][:, 1])  # a row without an observed cell teaches nothing
    for seed in range(3):
        other, of_other = value_and_gradient(likelihood, z, under(mask, x, seed), mask)
        np.testing.assert_array_equal(other, value)
        for mine, theirs in zip(of_other, gradient, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@every
def test_samples_share_the_rows_and_their_mask(name):
    """Parameters [S, B] against x and mask [B]: each sample as if it were alone."""
    likelihood, z, x, mask = case(name, lead=(3, 4))
    found = likelihood.log_prob(likelihood.parameters(z), x, mask)
    alone = [likelihood.log_prob(likelihood.parameters(z[s]), x, mask) for s in range(3)]
    np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["Bernoulli", "ZeroInflatedNegativeBinomial", "Warped", "Columns"])
def test_it_compiles(name):
    """Under XLA, with NaN under the mask; the density's fused loops round the last digits otherwise."""
    likelihood, z, x, mask = case(name, lead=(3, 4))
    fast = compiled(lambda z, x, mask: likelihood.log_prob(likelihood.parameters(z), x, mask))
    expected = likelihood.log_prob(likelihood.parameters(z), x, mask)
    np.testing.assert_allclose(fast(z, tf.constant(under(mask, x)), mask), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("event", [(3,), (2, 3), (2, 2, 1)])
@pytest.mark.parametrize("name", ANY_EVENT)
def test_events_of_any_rank(name, event):
    likelihood = MAKE[name](event)
    likelihood.build((None, 2))
    parameters, x = likelihood.parameters(tf.ones([2, 4, 2])), np.zeros([4, *event], np.float32)
    mask = np.random.default_rng(0).random(x.shape) < 0.5
    parted = likelihood.log_prob(parameters, under(mask, x), mask) + likelihood.log_prob(parameters, x, ~mask)
    assert parted.shape == (2, 4)
    np.testing.assert_allclose(parted, likelihood.log_prob(parameters, x), rtol=2e-6, atol=2e-6)


# Likelihoods of a user's own.


class Correlated(likelihoods.Likelihood):
    """A normal of unit variances, every two of whose elements have correlation 1/2."""

    def head_shapes(self):
        return {"loc": self.event_shape}

    def covariance(self):
        return 0.5 * (tf.eye(self.event_shape[0]) + 1)

    def distribution(self, loc):
        return tfp.distributions.MultivariateNormalTriL(loc, tf.linalg.cholesky(self.covariance()))


class WithMarginal(Correlated):
    """The same, which knows its marginals: of a normal, a cell that is given the variance 1 and no partner."""

    maskable = True

    def log_prob(self, parameters, target, mask=None):
        if mask is None:
            return super().log_prob(parameters, target)
        pairs = mask[:, :, None] & mask[:, None]
        scale = tf.linalg.cholesky(tf.where(pairs, self.covariance(), tf.eye(self.event_shape[0])))
        normal = tfp.distributions.MultivariateNormalTriL(tf.zeros(self.event_shape), scale)
        error = tf.where(mask, target - parameters["loc"], 0.0)
        hidden = tf.reduce_sum(tf.cast(~mask, tf.float32), axis=-1)
        return normal.log_prob(error) + 0.5 * np.log(2 * np.pi) * hidden


def test_a_correlated_likelihood_is_refused_a_mask_and_may_have_its_own_marginal():
    likelihood, x = Correlated(3), tf.constant([[0.3, np.nan, -1.0]])
    parameters, mask = {"loc": tf.constant([[[0.1, 0.2, 0.3]], [[0.0, 1.0, 2.0]]])}, tf.math.is_finite(x)
    assert not likelihood.maskable and likelihood.log_prob(parameters, tf.zeros([1, 3])).shape == (2, 1)
    with pytest.raises(InvalidInput, match=r"Correlated, whose elements may depend.*IndependentLikelihood"):
        likelihood.log_prob(parameters, x, mask)
    pair = tfp.distributions.MultivariateNormalFullCovariance(
        parameters["loc"][..., ::2], [[1.0, 0.5], [0.5, 1.0]]
    ).log_prob(x[:, ::2])
    np.testing.assert_allclose(WithMarginal(3).log_prob(parameters, x, mask), pair, rtol=1e-5)


def test_columns_ask_each_group():
    """A group with its own marginal is asked for it; one that cannot take a mask makes the table refuse it by name."""
    x = tf.constant([[0.3, np.nan, -1.0, 1.0, np.nan]])
    mask = tf.math.is_finite(x)
    z = tf.ones([2, 1, 2])
    table = likelihoods.Columns([WithMarginal(3), likelihoods.Bernoulli(2)])
    table.build((None, 2))
    parameters = table.parameters(z)
    correlated, binary = table.likelihoods
    expected = correlated.log_prob({"loc": parameters["loc_0"]}, x[:, :3], mask[:, :3])
    expected += binary.log_prob({"logits": parameters["logits_1"]}, x[:, 3:], mask[:, 3:])
    np.testing.assert_allclose(table.log_prob(parameters, x, mask), expected, rtol=1e-6)
    table = likelihoods.Columns([likelihoods.Bernoulli(2), Correlated(3)])
    table.build((None, 2))
    assert not table.maskable and likelihoods.Columns([likelihoods.Normal(1)]).maskable
    with pytest.raises(InvalidInput, match="Correlated"):
        table.log_prob(table.parameters(z), x, mask)


def test_an_independent_likelihood_of_a_users_own_takes_a_mask():
    """It defines `element`, as ever: the fill is its support's own inner value, where its density is finite."""

    class LogNormal(likelihoods.IndependentLikelihood):
        support = POSITIVE

        def head_shapes(self):
            return {"loc": self.event_shape}

        def element(self, loc):
            return tfp.distributions.LogNormal(loc, 1.0)

        def starting_biases(self, x, axes):
            return {"loc": np.mean(np.log(x), axis=axes, keepdims=True)[0]}

        def starting_reach(self, x, axes):
            return {"loc": np.mean(x, axis=axes, keepdims=True)[0]}

    likelihood = LogNormal(3)
    likelihood.build((None, 2))
    x, mask = tf.constant([[2.0, -1.0, np.nan]]), tf.constant([[True, False, False]])
    value, gradient = value_and_gradient(likelihood, tf.ones([1, 2]), x, mask)
    loc = likelihood.parameters(tf.ones([1, 2]))["loc"][0, 0]
    np.testing.assert_allclose(value, [tfp.distributions.LogNormal(loc, 1.0).log_prob(2.0)], rtol=1e-6)
    assert all(np.isfinite(g).all() for g in gradient)
    likelihood.adapt([[2.0, 0.0, np.nan], [4.0, 3.0, -1.0]], [[True, False, False], [True, True, False]])
    np.testing.assert_allclose(likelihood.head.dense.bias, [np.log(8) / 2, np.log(3), 0], rtol=1e-6)
    size = np.sqrt(np.mean(likelihood.head.dense.kernel.numpy() ** 2, axis=0)) / np.sqrt(2 / (2 + 3))
    np.testing.assert_allclose(size, [3, 3, 1], rtol=1e-6)  # one, of a column without an observed cell


# adapt.


def observed(x, seed=1):
    """Returns a mask of x, `[N, ..., D]`, of another share in each column of the last axis, none in the last."""
    mask = np.random.default_rng(seed).random(x.shape) < np.linspace(0.9, 0.4, x.shape[-1])
    mask[..., -1] = False
    return mask


def started(likelihood):
    """Returns the elements where the head's kernel contributes nothing."""
    return likelihood.element(**likelihood.parameters(tf.zeros([1, 2])))


def with_scale(name, scale, event):
    """Returns a likelihood with a scale of its own, built."""
    given = {"inverse_dispersion" if "Binomial" in name else "scale": scale(0.7)} if scale else {}
    likelihood = getattr(likelihoods, name)(event, **given) if scale else MAKE[name](event)
    likelihood.build((None, 2))
    return likelihood


@pytest.mark.parametrize(
    ("name", "scale"),
    [(name, None) for name in MAKE if name not in SCALED]
    + [(name, kind) for name in SCALED for kind in (scales.PerDimension, scales.Predicted)],
)
def test_adapt_starts_each_column_as_its_observed_cells_alone_would(name, scale):
    """A column without an observed cell starts as if nobody had adapted it; sums in another order round elsewhere."""
    x = data(name, (60, 3))
    mask, likelihood = observed(x), with_scale(name, scale, 3)
    likelihood.adapt(under(mask, x), mask)
    found = started(likelihood).log_prob(x).numpy()
    for column, cells in enumerate(mask.T):
        alone = with_scale(name, scale, 1)
        if cells.any():
            alone.adapt(x[cells][:, [column]])
        expected = started(alone).log_prob(x[:, [column]])[:, 0]
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["Normal", "Laplace", "NegativeBinomial"])
def test_adapt_pools_a_shared_scale_over_the_observed_cells(name):
    """Each cell counts once, whatever column it is in; a column without one does not count."""
    x = data(name, (300, 4)) * np.float32([1, 1, 7, 1])
    mask, likelihood = observed(x), with_scale(name, scales.Shared, 4)
    likelihood.adapt(under(mask, x), mask)
    means = [x[cells, column].mean() if cells.any() else 0 for column, cells in enumerate(mask.T)]
    mean, error = np.broadcast_to(means, x.shape)[mask], (x - means)[mask]
    moments = {
        "Normal": lambda: np.sqrt(np.mean(error**2)),
        "Laplace": lambda: np.mean(np.abs(error)),
        "NegativeBinomial": lambda: np.mean(mean**2) / np.mean(error**2 - mean),
    }
    np.testing.assert_allclose(likelihood.scale.value(), moments[name](), rtol=1e-4)


def test_adapt_starts_the_location_in_the_units_of_what_was_observed():
    """The kernel's columns are as large as the observed spread; of a column without an observed cell, one."""
    x = data("Normal", (400, 3)) * np.float32([1, 50, 1])
    mask, likelihood = observed(x), with_scale("Normal", scales.PerDimension, 3)
    likelihood.adapt(under(mask, x), mask)
    size = np.sqrt(np.mean(likelihood.head.dense.kernel.numpy() ** 2, axis=0)) / np.sqrt(2 / (2 + 3))
    np.testing.assert_allclose(size, [x[mask[:, 0], 0].std(), x[mask[:, 1], 1].std(), 1], rtol=1e-4)


def test_adapt_by_channel_after_a_convolution_is_over_the_observed_pixels():
    x = data("Poisson", (30, 4, 6, 2))
    mask, likelihood = observed(x), likelihoods.Poisson((4, 6, 2), network=networks.conv_transpose((4, 6, 2), [3]))
    likelihood.build((None, 2))
    likelihood.adapt(under(mask, x), mask)
    likelihood.head.dense.kernel.assign(tf.zeros_like(likelihood.head.dense.kernel))
    mean = likelihood(tf.zeros([1, 2])).mean()[0]
    np.testing.assert_allclose(mean[..., 0], np.full([4, 6], x[..., 0][mask[..., 0]].mean()), rtol=1e-4)
    np.testing.assert_array_equal(mean[..., 1], np.ones([4, 6]))


def test_adapt_of_columns_is_that_of_the_groups():
    x, likelihood = np.tile(parts.COLUMNS, [20, 1]), columns()
    likelihood.build((None, 2))
    mask = observed(x)
    likelihood.adapt(under(mask, x), mask)
    parameters, first = likelihood.parameters(tf.zeros([1, 2])), 0
    for index, part in enumerate(likelihood.likelihoods):
        own = type(part).from_config(part.get_config())
        own.build((None, 2))
        own_columns, first = slice(first, first + part.event_shape[0]), first + part.event_shape[0]
        own.adapt(under(mask, x)[:, own_columns], mask[:, own_columns])
        for name, value in own.parameters(tf.zeros([1, 2])).items():
            np.testing.assert_allclose(parameters[f"{name}_{index}"], value, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_adapt_without_anything_observed_is_a_neutral_start(name):
    likelihood, _, x, _ = case(name)
    likelihood.adapt(np.full_like(x, np.nan), np.zeros(x.shape, bool))
    assert all(np.isfinite(weight).all() for weight in likelihood.get_weights())
    assert not np.any(likelihood.head.dense.bias)


def test_adapt_refuses_what_it_can_see_and_a_mask_of_another_shape():
    likelihood, x = built("Bernoulli", (2,)), np.float32([[0, np.nan], [1, 0.5]])
    likelihood.adapt(x, [[True, False], [True, False]])
    with pytest.raises(InvalidInput, match=r"0.5 at x\[1, 1\]"):
        likelihood.adapt(x, ~np.isnan(x))
    with pytest.raises(InvalidInput, match=r"nan at x\[0, 1\]"):
        likelihood.adapt(x)
    with pytest.raises(InvalidInput, match=r"a mask of shape \(2, 2\).*shape \(2,\).*isnan"):
        likelihood.adapt(x, [True, False])


# scaling.


def standardized(x, size, order=1):
    """Returns m and s of rows that come in blocks."""
    one = scaling.Standardized(x.shape[1:])
    one.build((None, *x.shape[1:]))
    one.adapt(lambda: (x[first : first + size] for first in range(0, len(x), size)))
    return one.mean.numpy(), one.scale.numpy()


@pytest.mark.parametrize("size", [7, 500])
@pytest.mark.parametrize("event", [(4,), (2, 4)])
def test_standardized_by_the_observed_cells_of_each_column(event, size):
    """In blocks of which the first ones show nothing of a column far from zero; 0 and 1 where none does."""
    x = np.random.default_rng(0).normal(size=[300, *event]) * [1, 8, 1e-3, 1] + [0, 4e6, -3, 1]
    x = x.astype(np.float32)
    mask = observed(x)
    mask[:20, ..., 1] = False
    mean, scale = standardized(np.where(mask, x, np.nan).astype(np.float32), size)
    for place in np.ndindex(event):
        cells = np.float64(x[(slice(None), *place)])[mask[(slice(None), *place)]]
        expected = (cells.mean(), cells.std()) if len(cells) else (0, 1)
        np.testing.assert_allclose([mean[place], scale[place]], expected, rtol=1e-5, atol=1e-6)


def test_shown_is_the_mask_in_the_shape_of_scaled_x():
    """The numbers that another value of a cell changes are the ones that are shown if it is."""
    mask = np.bool_([[1, 0, 1, 0, 1], [0, 1, 1, 1, 0]])
    one_hot = [[1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]]
    groups = scaling.Grouped([scaling.LogCounts(), scaling.OneHot(3), scaling.Identity()], [2, 2, 1])
    grouped = [[1, 0, 1, 1, 1, 0, 0, 0, 1], [0, 1, 1, 1, 1, 1, 1, 1, 0]]
    for make, expected in [(scaling.OneHot(3), one_hot), (groups, grouped), (scaling.Levels(3), mask)]:
        shown = make.shown(mask)
        np.testing.assert_array_equal(shown, expected)
        assert np.asarray(shown).dtype == bool
        for place in np.argwhere(mask):
            x = np.zeros([2, 5], np.float32)
            x[tuple(place)] = 1
            assert np.all(shown.numpy() if tf.is_tensor(shown) else shown, where=make(x) != make(np.zeros_like(x)))
    assert scaling.OneHot(2).shown(np.ones([3, 4, 5], bool)).shape == (3, 4, 10)


@every
def test_what_a_likelihood_proposes_shows_a_mask_in_its_shape(name):
    likelihood, _, x, mask = case(name)
    proposed = likelihood.default_scaling()
    assert proposed.shown(mask).shape == (len(x), *proposed.scaled_shape(likelihood.event_shape))
