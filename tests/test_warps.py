"""Warps and the likelihood of what is warped: closed forms, knots from hard columns, files, and what is refused.

Reference densities are SciPy's in float64. Random tests have fixed seeds; each says its bound.
"""

import logging

import keras
import numpy as np
import pytest
import scipy.stats as st
import tensorflow as tf
from tiny import tiny_vae

import tfvae
from tfvae import InvalidInput, likelihoods, scales, warps
from tfvae.checks.data import given
from tfvae.checks.units import note_units
from tfvae.core.graphs import compiled

KNOTS = np.float32([[-2, 0, 1, 4], [-1, 0, 1, 2], [0, 10, 11, 30]])
VALUES = np.float32([[-1, 0, 3, 4], [-1, 0, 1, 2], [-5, -1, 0, 0.5]])
PIECEWISE, GENTLE = warps.Piecewise(KNOTS, VALUES), warps.Piecewise(KNOTS / 4, VALUES)
WIDE = np.linspace(-60, 60, 997)[:, None] * np.ones(3)  # no knot is among them, and pieces end far inside
POSITIVE = np.exp(WIDE / 2)  # 1e-13 to 1e13
CASES = {
    "logarithm": (warps.Logarithm(), POSITIVE, np.log),
    "piecewise": (PIECEWISE, WIDE, lambda x: by_hand(x)),
    "chained": (warps.Chained(warps.Logarithm(), GENTLE), POSITIVE, lambda x: by_hand(4 * np.log(x))),
}
every = pytest.mark.parametrize("name", CASES)


def by_hand(x):
    """Returns u of PIECEWISE in float64: between knots a line, beyond them that of the outer piece."""
    columns = []
    for column, knots, values in zip(np.float64(x).T, KNOTS, VALUES, strict=True):
        slopes = np.diff(values) / np.diff(knots)
        u = np.interp(column, knots, values)
        columns.append(
            u + slopes[0] * np.minimum(column - knots[0], 0) + slopes[-1] * np.maximum(column - knots[-1], 0)
        )
    return np.stack(columns, axis=1)


def element(name, loc=(0.3, -0.2, 1.0), scale=(0.5, 1.5, 1.0)):
    """Returns the distribution of three columns, batch shape [3]."""
    warped = likelihoods.Warped(likelihoods.Normal(3), CASES[name][0])
    return warped.element(loc=tf.constant(loc), scale=tf.constant(scale))


def known(likelihood, x):
    """Returns the likelihood started by x, with a head that does not look at z."""
    likelihood.build((None, 2))
    likelihood.adapt(x)
    likelihood.head.dense.kernel.assign(tf.zeros_like(likelihood.head.dense.kernel))
    return likelihood


# The maps.


@every
def test_forward_is_the_formula_and_inverse_undoes_it(name):
    """To float32's rounding of u: 40 of which are 5e-6 apart, and the image of x under the steepest inverse slope."""
    warp, x, formula = CASES[name]
    u = warp.forward(x.astype(np.float32))
    np.testing.assert_allclose(u, formula(x.astype(np.float32)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(warp.inverse(u), x, rtol=2e-4, atol=1e-5)
    assert np.all(np.diff(u, axis=0) > 0)


@every
def test_log_slope_is_that_of_the_derivative(name):
    warp, x, _ = CASES[name]
    x = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        u = warp.forward(x)
    np.testing.assert_allclose(warp.log_slope(x), np.log(tape.gradient(u, x)), rtol=1e-5, atol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(u)
        back = warp.inverse(u)
    np.testing.assert_allclose(warp.log_slope(x), -np.log(tape.gradient(back, u)), rtol=1e-4, atol=1e-4)


def test_at_a_knot_the_piece_above_it_counts():
    np.testing.assert_array_equal(PIECEWISE.forward(KNOTS.T), VALUES.T)
    slopes = np.diff(VALUES) / np.diff(KNOTS)
    np.testing.assert_allclose(PIECEWISE.log_slope(KNOTS.T), np.log(slopes[:, [0, 1, 2, 2]].T), rtol=1e-6)


def test_shapes_are_kept_in_a_graph_of_unknown_batch_and_one_number_stands_for_all_columns():
    traced = tf.function(PIECEWISE.forward).get_concrete_function(tf.TensorSpec([None, 5, 3]))
    assert traced.structured_outputs.shape.as_list() == [None, 5, 3]
    np.testing.assert_array_equal(PIECEWISE.forward(0.5), PIECEWISE.forward(tf.fill([3], 0.5)))
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="(?i)shape"):
        PIECEWISE.forward(tf.zeros([6, 2]))


@every
def test_a_warp_comes_back_from_its_configuration(name):
    warp, x, _ = CASES[name]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(warp))
    assert type(again) is type(warp) and again.columns == warp.columns and again.support == warp.support
    np.testing.assert_array_equal(again.forward(x.astype(np.float32)), warp.forward(x.astype(np.float32)))


# The distribution.


def test_normal_and_logarithm_are_the_log_normal():
    x = np.exp(np.linspace(-6, 6, 101))[:, None].astype(np.float32)
    found = likelihoods.Warped(likelihoods.Normal(1), warps.Logarithm()).element(loc=[0.3], scale=[0.7])
    exact = st.lognorm(0.7, scale=np.exp(np.float64(0.3)))
    np.testing.assert_allclose(found.log_prob(x), exact.logpdf(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.cdf(x), exact.cdf(x), atol=1e-5)
    share = np.linspace(0.001, 0.999, 51).astype(np.float32)[:, None]
    np.testing.assert_allclose(found.quantile(share), exact.ppf(share), rtol=1e-5)
    np.testing.assert_allclose(found.image_of_mean(), [exact.median()], rtol=1e-6)
    np.testing.assert_allclose(found.half_width(), [np.exp(0.3) * np.sinh(0.7)], rtol=1e-6)


@every
def test_density_integrates_to_one_and_cdf_is_its_integral(name):
    """Midpoints of 20,000 cells of x, which are equal in u: their width comes from the inverse, not from the slope."""
    warp, found = CASES[name][0], element(name)
    edges = np.linspace(-8, 8, 20_001)[:, None] * found.distribution.stddev() + found.distribution.mean()
    x = warp.inverse(tf.constant(edges, tf.float32)).numpy().astype(np.float64)
    middle = (x[1:] + x[:-1]) / 2
    mass = np.exp(found.log_prob(tf.constant(middle, tf.float32)).numpy().astype(np.float64)) * np.diff(x, axis=0)
    np.testing.assert_allclose(mass.sum(axis=0), 1, atol=1e-3)
    np.testing.assert_allclose(np.cumsum(mass, axis=0), found.cdf(tf.constant(x[1:], tf.float32)), atol=1e-3)


@every
def test_samples_follow_the_cdf_and_quantile_undoes_it(name):
    """KS of 20,000 draws a column: beyond 0.0158 with probability 1e-4 (nine columns); one moved by 0.04 sd is seen."""
    found = element(name)
    draws = tf.function(lambda seed: found.sample(20_000, seed=seed), jit_compile=True)(tf.constant([1, 2]))
    share = st.norm.cdf((CASES[name][2](draws.numpy()) - found.distribution.mean()) / found.distribution.stddev())
    assert max(st.kstest(column, "uniform").statistic for column in share.T) < 0.0158
    np.testing.assert_allclose(found.cdf(draws), share, atol=1e-5)
    inner = np.linspace(0.01, 0.99, 99).astype(np.float32)[:, None] * np.ones(3, np.float32)
    x = found.quantile(inner)
    np.testing.assert_allclose(found.cdf(x), inner, atol=1e-5)
    np.testing.assert_allclose(found.quantile(found.cdf(x)), x, rtol=1e-3, atol=1e-4)


@every
def test_densities_and_their_gradients_compile_to_the_same(name):
    warp, x, _ = CASES[name]
    x, loc = tf.constant(x[::20], tf.float32), tf.constant([[0.3, -0.2, 1.0]])
    likelihood = likelihoods.Warped(likelihoods.Normal(3), warp)

    def both(x, loc):
        with tf.GradientTape() as tape:
            tape.watch((x, loc))
            log_prob = likelihood.log_prob({"loc": loc, "scale": tf.ones([3])}, x)
        return log_prob, *tape.gradient(log_prob, (x, loc))

    for eager, fast in zip(both(x, loc), compiled(both, jit_compile=True)(x, loc), strict=True):
        assert np.isfinite(eager).all()
        np.testing.assert_allclose(fast, eager, rtol=1e-5, atol=1e-5 * np.abs(eager).max())


def test_mean_and_deviation_of_log_normal_numbers_are_the_closed_forms():
    """Eight points are exact for polynomials of degree 15: of exp(t / 2) the rest is below float32."""
    likelihood = likelihoods.Warped(likelihoods.Normal(2, scale=0.5), warps.Logarithm())
    distribution = likelihood(tf.random.stateless_normal([3, 4, 2], seed=[1, 2]))  # samples, examples, columns
    mean = np.exp(distribution.distribution.distribution.mean() + 0.5**2 / 2)
    np.testing.assert_allclose(likelihood.point(distribution), mean, rtol=1e-5)
    np.testing.assert_allclose(likelihood.deviation(distribution), mean * np.sqrt(np.expm1(0.5**2)), rtol=1e-4)


def test_a_deviation_that_does_not_exist_is_none_after_the_warp():
    """Of a Student t of 1.5 degrees: the images of infinity are finite numbers, which would be taken for units."""
    for df, finite in ((1.5, False), (4.0, True)):
        likelihood = likelihoods.Warped(likelihoods.StudentT(2, df=df), warps.Logarithm())
        likelihood.build((None, 2))
        assert np.isfinite(likelihood.deviation(likelihood(tf.zeros([1, 2])))).all() == finite


# Knots from data.

RNG = np.random.default_rng(0)
ROWS = 3000
CONTINUOUS = {
    "bimodal": np.where(RNG.random(ROWS) < 0.4, RNG.normal(-4, 0.3, ROWS), RNG.normal(3, 1, ROWS)),
    "skewed": RNG.exponential(size=ROWS),
    "log-normal over 15 orders": RNG.lognormal(0, 5, ROWS),
    "without a mean": RNG.standard_t(0.5, ROWS),
    "far away": 1e12 + 1e8 * RNG.normal(size=ROWS),
    "tiny": 1e-9 * RNG.normal(size=ROWS),
    "huge": 1e35 * RNG.normal(size=ROWS),
}
HARD = {
    "constant": np.full(ROWS, 3.0),
    "constant, far away": np.full(ROWS, 1e12),
    "constant but for rounding": 1e12 + 65536.0 * (np.arange(ROWS) == 7),
    "few steps of float32": 1e12 + 3e5 * RNG.normal(size=ROWS),
    "two values": np.arange(ROWS) % 2,
    "one row differs": np.arange(ROWS) == 7,
    "counts": RNG.poisson(3, ROWS),
    "mostly zero": np.where(RNG.random(ROWS) < 0.9, 0, RNG.lognormal(5, 1, ROWS)),
    "below float32": 1e-42 * np.arange(ROWS),
    "beyond float32": 1e300 * RNG.normal(size=ROWS),
    "infinite": np.where(np.arange(ROWS) < 9, np.inf, RNG.normal(size=ROWS)),
    "all missing": np.full(ROWS, np.nan),
    "one seen": np.where(np.arange(ROWS) == 7, 5.0, np.nan),
    "two seen": np.where(np.arange(ROWS) < 2, np.arange(ROWS), np.nan),
    "half missing": np.where(np.arange(ROWS) % 2, np.nan, RNG.lognormal(0, 5, ROWS)),
}
TABLE = np.column_stack([*CONTINUOUS.values(), *HARD.values()])


def seen(column):
    """Returns the rows of a column that float32 has, `[n, 1]`, as a model sees them."""
    with np.errstate(over="ignore"):
        column = np.asarray(column, np.float32)
    return column[np.isfinite(column)][:, None]


@pytest.mark.parametrize("name", [*CONTINUOUS, *HARD])
def test_knots_of_any_column_are_a_map_of_finite_slopes(name):
    """Alone, and beside columns that have more knots; x goes there and back to a thousandth of the piece it lies in."""
    column = {**CONTINUOUS, **HARD}[name]
    index, x = [*CONTINUOUS, *HARD].index(name), seen(column)
    alone = warps.normal_scores(np.float64(column)[:, None])
    for warp in (alone, warps.Piecewise(*(a[[index]] for a in (BESIDE.knots, BESIDE.values)))):
        slopes = np.diff(warp.values) / np.diff(warp.knots)
        assert np.all(np.diff(warp.knots) > 0) and np.all(np.isfinite(np.log(slopes)))
        if len(x):
            u = warp.forward(x)
            assert np.isfinite(u).all() and np.abs(u).max() < 4 and np.isfinite(warp.log_slope(x)).all()
            error = np.abs(warp.inverse(u).numpy().astype(np.float64) - x)
            assert np.all(error < 1e-3 / np.exp(warp.log_slope(x).numpy().astype(np.float64)) + 1e-6 * np.abs(x))
            around = np.concatenate([x, x + np.ptp(x), x - np.ptp(x)])
            np.testing.assert_allclose(warp.forward(around), alone.forward(around), rtol=1e-4, atol=1e-4)


BESIDE = warps.normal_scores(TABLE)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_columns_become_standard_normal(name):
    """The distribution is right at the knots, so that it is off by less than the mass between two, and a row."""
    x = seen(CONTINUOUS[name])
    warp = warps.normal_scores(x)
    u = warp.forward(x).numpy()[:, 0]
    found = st.kstest(u, "norm").statistic
    mass = np.diff(st.norm.cdf(warp.values[0])).max()
    print(f"KS {found:.4f}, mass of a piece {mass:.4f}")
    assert mass < 0.06 and found < mass + 1 / ROWS
    assert found < 0.01 or name == "bimodal"  # whose gap lies inside a piece
    ends = st.norm.ppf([0.5 / ROWS, 1 - 0.5 / ROWS])
    np.testing.assert_allclose([u.min(), u.max()], ends, atol=1e-3)


def test_equal_numbers_lie_at_their_middle_rank():
    """Half zeros and half ones at the quartiles; counts that are no rarer than what lies between two knots."""
    for column in (HARD["two values"], HARD["counts"], HARD["mostly zero"]):
        values = np.float32([v for v in np.unique(column) if np.mean(column == v) > 0.06])
        exact = st.norm.ppf([(np.mean(column < v) + np.mean(column <= v)) / 2 for v in values])
        found = warps.normal_scores(column[:, None]).forward(values[:, None])[:, 0]
        assert len(values)
        np.testing.assert_allclose(found, exact, atol=1e-5)


def test_knots_are_few_and_ten_rows_lie_beyond_all_but_the_ends():
    """Of a column of a few steps of float32, as many as it can tell apart: u still has a deviation of one."""
    x = np.random.default_rng(5).normal(size=[50_000, 2])
    knots = warps.normal_scores(x).knots
    assert knots.shape == (2, warps.MOST_KNOTS)
    for column, (lowest, low, *_, high, highest) in zip(np.float32(x).T, knots, strict=True):
        assert (lowest, highest) == (column.min(), column.max())
        assert {np.sum(column < low), np.sum(column > high)} <= {9, 10, 11}
    steps = seen(HARD["few steps of float32"])
    assert 0.9 < np.std(warps.normal_scores(steps).forward(steps)) < 1.1


def test_columns_of_no_spread_are_only_moved():
    found = warps.normal_scores(np.array([[3.0, np.nan]]))
    np.testing.assert_array_equal(found.forward([[3.0, 0.0], [4.0, -2.0]]), [[0, 0], [1, -2]])


def test_missing_cells_do_not_count():
    x = RNG.exponential(size=[500, 2])
    holes = np.where(RNG.random(x.shape) < 0.3, np.nan, x)
    alone = [warps.normal_scores(column[~np.isnan(column)][:, None]) for column in holes.T]
    found = warps.normal_scores(holes).forward(x.astype(np.float32))
    for index, warp in enumerate(alone):
        np.testing.assert_allclose(found[:, index], warp.forward(x[:, [index]].astype(np.float32))[:, 0], atol=1e-5)


# In a model.


def scored(rows=400, seed=1):
    """Returns rows of two columns of known units, and the likelihood that explains them."""
    x = np.random.default_rng(seed).lognormal([0, 2], [0.5, 1.5], [rows, 2]).astype(np.float32)
    return x, lambda event, network: likelihoods.Warped(likelihoods.Normal(event), warps.normal_scores(x), network)


@pytest.fixture(scope="module")
def started():
    x, make = scored()
    vae = tiny_vae(make, 2, initial=0)
    vae.adapt(x)
    return x, vae


def test_a_file_says_the_same_to_the_last_bit(started, tmp_path):
    x, vae = started
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    expected = vae.log_prob(x, num_samples=10, seed=1)
    np.testing.assert_array_equal(loaded.log_prob(x, num_samples=10, seed=1), expected)
    np.testing.assert_array_equal(loaded.likelihood.warp.knots, vae.likelihood.warp.knots)


@pytest.mark.slow
def test_a_served_model_says_the_same(started, tmp_path):
    """It is compiled differently: to 1e-4 nats."""
    x, vae = started
    served = tf.saved_model.load(tfvae.export(vae, tmp_path / "served")).signatures
    found = served["log_prob"](x=tf.constant(x), num_samples=tf.constant(10), seed=tf.constant(1))["log_prob"]
    np.testing.assert_allclose(found, vae.log_prob(x, num_samples=10, seed=1), rtol=1e-4, atol=1e-4)
    reconstructed = served["reconstruct"](x=tf.constant(x))["mean"]
    np.testing.assert_allclose(reconstructed, vae.predict(x, verbose=0), rtol=1e-4)


def test_what_stands_under_the_mask_changes_no_score():
    x, make = scored(60)
    vae = tiny_vae(make, 2, posterior=tfvae.posteriors.DiagonalNormal(2, given=("x", "mask")))
    mask = np.random.default_rng(2).random(x.shape) < 0.7
    vae.adapt(np.where(mask, x, np.nan), mask=mask)
    found = [
        vae.log_prob(np.where(mask, x, junk), num_samples=5, seed=1, mask=mask) for junk in (np.nan, 1e30, -np.inf)
    ]
    assert np.isfinite(found[0]).all()
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


LOG, NORMAL = warps.Logarithm(), likelihoods.Normal
WARPS_OF_ONE_TABLE = {  # from training rows, and how far from the truth the mean score may be, nats
    "logarithm": (lambda x: LOG, 2e-3),
    "other units of the logarithm": (lambda x: warps.Chained(LOG, warps.Piecewise([[0, 1]] * 2, [[1, 4]] * 2)), 2e-3),
    "scores": (warps.normal_scores, 1e-2),
    "scores of the logarithm": (lambda x: warps.Chained(LOG, warps.normal_scores(np.log(x))), 1e-2),
}


@pytest.mark.parametrize(
    "name", [n if n in ("logarithm", "scores") else pytest.param(n, marks=pytest.mark.slow) for n in WARPS_OF_ONE_TABLE]
)
def test_scores_are_densities_of_x_whatever_the_warp(name):
    """x = exp u, u ~ N(m, s^2), 20,000 rows to start from and others to score; q is the prior, which z then is.

    The truth is exact for these rows. Four fitted numbers cost 4 / 2 / 20,000 = 1e-4 nats, 80 knots a column 4e-3 more.
    """
    make, tolerance = WARPS_OF_ONE_TABLE[name]
    m, s = np.array([0.5, -3.0]), np.array([0.4, 1.2])
    x, held_out = (np.exp(np.random.default_rng(i).normal(m, s, [20_000, 2])).astype(np.float32) for i in (3, 4))
    truth = st.lognorm(s, scale=np.exp(m)).logpdf(held_out.astype(np.float64)).sum(axis=1).mean()
    warped = likelihoods.Warped(likelihoods.Normal(2, scale=scales.PerDimension()), make(x))
    vae = tiny_vae(warped, 2, units=None, compiled=False)
    vae.adapt(x)
    for weight in [*vae.posterior.trainable_variables, vae.likelihood.head.dense.kernel]:
        weight.assign(tf.zeros_like(weight))
    found = vae.log_prob(held_out, num_samples=1, seed=0).numpy().mean()
    print(f"{name}: {found:.5f}, truth {truth:.5f}, difference {found - truth:.5f}")
    assert abs(found - truth) < tolerance


def test_adapt_starts_location_and_reach_in_the_units_of_u():
    x = np.random.default_rng(1).lognormal([0, 2], [0.5, 3.0], [400, 2]).astype(np.float32)
    likelihood = likelihoods.Warped(NORMAL(2), LOG)
    likelihood.build((None, 2))
    likelihood.adapt(x)
    np.testing.assert_allclose(likelihood.head.dense.bias, np.log(x).mean(axis=0), rtol=1e-4)
    size = np.sqrt(np.mean(likelihood.head.dense.kernel.numpy() ** 2, axis=0)) / np.sqrt(2 / (2 + 2))  # of glorot
    np.testing.assert_allclose(size, np.log(x).std(axis=0), rtol=1e-4)


def noted(likelihood, x, caplog):
    """Returns what a fit of x would say of units before its first step."""
    caplog.clear()
    vae = tiny_vae(likelihood, units=None)
    note_units(vae, given(vae, x.astype(np.float32)))
    return [record.message for record in caplog.records]


def test_units_are_those_of_u(caplog):
    """A heavy tail is not a column in other units, alone or in a table; logarithms that hardly differ are one."""
    caplog.set_level(logging.WARNING, "tfvae")
    tails = np.column_stack([CONTINUOUS["without a mean"], CONTINUOUS["log-normal over 15 orders"]])
    warped = likelihoods.Warped(likelihoods.StudentT(2), warps.normal_scores(tails))
    assert not noted(warped, tails, caplog)
    beside = likelihoods.Columns([NORMAL(1), warped])
    assert not noted(beside, np.column_stack([RNG.normal(size=ROWS), tails]), caplog)
    (text,) = noted(beside, np.column_stack([1e6 + RNG.normal(size=ROWS), tails]), caplog)
    assert "column 0 is in other units" in text
    (text,) = noted(likelihoods.Warped(NORMAL(1), LOG), np.exp(1e-4 * RNG.normal(size=[ROWS, 1]) + 69), caplog)
    assert "lies at 69" in text
    assert "not vary" in noted(likelihoods.Warped(NORMAL(1), LOG), np.ones([9, 1]), caplog)[0]


def test_a_table_has_warped_columns_beside_others():
    """Density, start and refusal are those of the parts; the warp's columns are counted from its own first one."""
    x, _ = scored(200)
    flags = (np.arange(200) % 3 == 0).astype(np.float32)[:, None]
    warp = warps.Chained(LOG, warps.normal_scores(np.log(x)))
    table = likelihoods.Columns([likelihoods.Bernoulli(1), likelihoods.Warped(likelihoods.Normal(2), warp)])
    rows = np.concatenate([flags, x], axis=1)
    p = known(table, rows)(tf.zeros([1, 2]))
    alone = known(likelihoods.Warped(likelihoods.Normal(2), warp), x)(tf.zeros([1, 2]))
    share = flags.mean()
    expected = alone.log_prob(x) + np.log(np.where(flags[:, 0] == 1, share, 1 - share))
    np.testing.assert_allclose(p.log_prob(rows), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(InvalidInput, match=r"columns 1-2: positive numbers.*-1 at x\[0, 2\]"):
        table.adapt([[0.0, 1.0, -1.0]])


@pytest.mark.slow
def test_cells_missing_for_their_values_take_the_quantiles_of_a_warped_column():
    x, make = scored(60)
    vae = tiny_vae(make, 2, missingness=tfvae.missingness.SelfMasking(sign=1))
    mask = np.random.default_rng(2).random(x.shape) < 0.7
    loss = vae.fit(np.where(mask, x, np.nan), mask=mask, batch_size=20, verbose=0).history["loss"]
    assert np.isfinite(loss).all()


# Refusals.

REFUSED = {
    "knots that do not increase": (lambda: warps.Piecewise([[0, 0]], [[0, 1]]), "increasing in each row"),
    "values that do not increase": (lambda: warps.Piecewise([[0, 1]], [[1, 0]]), "increasing in each row"),
    "knots that float32 cannot tell apart": (lambda: warps.Piecewise([[1e12, 1e12 + 1]], [[0, 1]]), "increasing"),
    "NaN": (lambda: warps.Piecewise([[0, np.nan]], [[0, 1]]), "finite"),
    "infinity": (lambda: warps.Piecewise([[0, 1]], [[0, np.inf]]), "finite"),
    "one knot": (lambda: warps.Piecewise([[0]], [[0]]), "K of at least 2"),
    "no column axis": (lambda: warps.Piecewise([0, 1], [0, 1]), r"\[D, K\].*\(2,\)"),
    "other shapes": (lambda: warps.Piecewise([[0, 1]], [[0, 1, 2]]), r"\(1, 2\) and \(1, 3\)"),
    "a row of data": (lambda: warps.normal_scores(np.zeros(3)), r"\[N, D\].*\(3,\)"),
    "no data": (lambda: warps.normal_scores(np.zeros([0, 3])), r"\(0, 3\)"),
    "no columns": (lambda: warps.normal_scores(np.zeros([3, 0])), r"\(3, 0\)"),
    "a chain of other things": (lambda: warps.Chained(LOG, np.log), "tfvae.warps.Warp"),
    "a logarithm of real numbers": (lambda: warps.Chained(PIECEWISE, LOG), "second warp of real numbers"),
    "a chain of other widths": (
        lambda: warps.Chained(PIECEWISE, warps.Piecewise([[0, 1]], [[0, 1]])),
        "as many columns.*3 and 1",
    ),
    "a straight one of no warp": (lambda: warps.straight(np.log, 1), "a warp of 1 columns"),
    "a straight one of other columns": (lambda: warps.straight(PIECEWISE, 2), "a warp of 2 columns. Received one of 3"),
    "counts warped": (lambda: likelihoods.Warped(likelihoods.Poisson(3), LOG), "real numbers"),
    "images warped": (lambda: likelihoods.Warped(NORMAL((2, 2)), LOG), "one dimension"),
    "the network inside": (lambda: likelihoods.Warped(NORMAL(2, network=tfvae.networks.mlp([3])), LOG), "network"),
    "not a likelihood": (lambda: likelihoods.Warped(3, LOG), "a likelihood of real numbers"),
    "a class": (lambda: likelihoods.Warped(NORMAL, LOG), "a likelihood of real numbers"),
    "a table": (lambda: likelihoods.Warped(likelihoods.Columns([NORMAL(2)]), LOG), "a likelihood of real numbers"),
    "warped twice": (
        lambda: likelihoods.Warped(likelihoods.Warped(NORMAL(3), PIECEWISE), PIECEWISE),
        "with a mean",
    ),
    "not a warp": (lambda: likelihoods.Warped(NORMAL(3), np.log), "normal_scores"),
    "a warp of other columns": (
        lambda: likelihoods.Warped(NORMAL(3), warps.normal_scores(np.eye(2))),
        "a warp of 3 columns.*Received 2.*x.shape",
    ),
    "a chain of other columns": (
        lambda: likelihoods.Warped(NORMAL(2), warps.Chained(LOG, PIECEWISE)),
        "a warp of 2 columns.*Received 3",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_in_words(name):
    make, words = REFUSED[name]
    with pytest.raises(InvalidInput, match=words):
        make()


class Shift(warps.Warp):
    """A warp of one's own, for any number of columns."""

    def forward(self, x):
        return x + 1

    def inverse(self, u):
        return u - 1

    def log_slope(self, x):
        return tf.zeros_like(x)


def test_quantiles_are_a_formula_where_those_of_u_are():
    assert likelihoods.Warped(NORMAL(2), LOG).has_quantile
    assert not likelihoods.Warped(likelihoods.StudentT(2), LOG).has_quantile


def test_the_logarithm_fits_any_number_of_columns_and_a_chain_takes_those_of_its_part():
    assert [warp.columns for warp in (LOG, warps.Chained(LOG, Shift()), PIECEWISE)] == [None, None, 3]
    assert warps.Chained(LOG, PIECEWISE).columns == 3 and likelihoods.Warped(NORMAL(7), LOG).event_shape == (7,)


def test_a_warp_of_ones_own_is_three_methods():
    found = likelihoods.Warped(NORMAL(2), Shift()).element(loc=tf.zeros([2]), scale=1.0)
    np.testing.assert_allclose(found.log_prob([0.0, 1.0]), st.norm.logpdf([1, 2]), rtol=1e-6)
    assert found.quantile(0.5).numpy().tolist() == [-1, -1]


def test_data_outside_the_warp_are_refused():
    vae = tiny_vae(likelihoods.Warped(NORMAL(2), LOG))
    for value in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InvalidInput, match="positive numbers" if np.isfinite(value) else "finite"):
            vae.fit(np.float32([[1, value]]), verbose=0)


def test_a_straight_warp_meets_the_other_at_both_sides_of_its_middle():
    bent = warps.Chained(LOG, warps.normal_scores(np.log(np.random.default_rng(0).lognormal(2, 1, [300, 2]))))
    line, ends = warps.straight(bent, 2), np.float32([[-1, -1], [1, 1]])
    np.testing.assert_allclose(line.forward(bent.inverse(tf.constant(ends))), ends, atol=1e-5)
    x = tf.constant([[-50.0, 0.0], [1000.0, 3.0]])
    slope = np.exp(line.log_slope(x).numpy())
    np.testing.assert_allclose(slope[0], slope[1])
    np.testing.assert_allclose(np.diff(line.forward(x), axis=0), slope[:1] * np.diff(x, axis=0), rtol=1e-5)


def test_a_straight_warp_of_equal_cells_has_those_far_out_within_a_hundred_units():
    """Of 1000 cells 993 are equal but for the noise below their resolution: their quantiles are 1e-15 apart."""
    x = np.random.default_rng(0).uniform(-1e-15, 1e-15, [1000, 1]).astype(np.float32)
    x[::150, 0] = [13, 14, 15, 16, 17, 18, 20]
    u = warps.straight(warps.normal_scores(x), 1).forward(tf.constant(x)).numpy()
    assert 10 < np.ptp(u) < 100 and np.ptp(u[x < 1]) < 1e-6
    ordinary = np.random.default_rng(0).lognormal(0, 1, [1000, 1]).astype(np.float32)
    spread = np.diff(np.quantile(ordinary, [0.16, 0.84]))[0] / 2
    slope = np.exp(warps.straight(warps.normal_scores(ordinary), 1).log_slope(tf.constant(ordinary)).numpy())
    np.testing.assert_allclose(slope * spread, 1, rtol=0.1)


def test_a_straight_warp_of_hardly_any_spread_is_one():
    steep = warps.Piecewise([[1e6, 1e6 + 0.5]], [[-8.0, 8.0]])
    assert np.isfinite(warps.straight(steep, 1).forward(tf.constant([[1e6]])).numpy()).all()
