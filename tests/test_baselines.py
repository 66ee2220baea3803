"""Models without z beside log p(x): against closed forms, for every likelihood, in reports, and what is said."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import scipy.stats as st
import tensorflow as tf
from likelihood_cases import data
from parts import COLUMNS, LIKELIHOODS, make_vae
from tiny import tiny_vae

import tfvae
from tfvae import likelihoods, scales
from tfvae.core import positive
from tfvae.evaluation import Baseline, Estimate, Report, baselines, evaluate, without_z
from tfvae.evaluation.without_z import MOST_ROWS, full_covariance
from tfvae.likelihoods.base import IndependentLikelihood
from tfvae.preprocessing import StochasticBinarization

RNG = np.random.default_rng(0)
TABLE = (RNG.normal(size=[400, 4]) @ RNG.normal(size=[4, 4]) * [1, 1e3, 1e-3, 30] + [0, 5, 1, -1e4]).astype("float32")
FLOOR = 1e-5


def of(likelihood, x, held_out=None, **options):
    vae = tiny_vae(likelihood, x.shape[1:], compiled=False, **options)
    return baselines(vae, x, x if held_out is None else held_out).log_prob


def side_by_side(kind):
    return lambda event, network: likelihoods.Columns([likelihoods.Normal(2), kind(2)], network)


def rows_of_columns(log_prob):
    return np.sum(np.asarray(log_prob, np.float64), axis=1)


# Against closed forms.


def normal(x, y):
    return rows_of_columns(st.norm.logpdf(y, x.mean(0, dtype=np.float64), np.hypot(x.std(0, dtype=np.float64), FLOOR)))


def laplace(x, y):
    middle = np.median(x.astype(np.float64), axis=0)
    return rows_of_columns(st.laplace.logpdf(y, middle, np.abs(x - middle).mean(0)))


def bernoulli(x, y):
    return rows_of_columns(st.bernoulli.logpmf(y, x.mean(0, dtype=np.float64)))


def poisson(x, y):
    return rows_of_columns(st.poisson.logpmf(y, x.mean(0, dtype=np.float64)))


def categorical(x, y):
    frequencies = np.stack([(x == label).mean(0) for label in range(4)])
    return rows_of_columns(np.log(np.take_along_axis(frequencies, y.astype(int), axis=0)))


CLOSED = {
    "Normal": (likelihoods.Normal, TABLE, normal),
    "Normal, scale fixed": (lambda *a, **k: likelihoods.Normal(*a, **k, scale=3.0), TABLE, normal),
    "Laplace": (likelihoods.Laplace, TABLE, laplace),
    "Bernoulli": (likelihoods.Bernoulli, data("Bernoulli", (200, 4)), bernoulli),
    "Poisson": (likelihoods.Poisson, data("Poisson", (200, 4)), poisson),
    "Categorical": (lambda *a, **k: likelihoods.Categorical(*a, **k, num_categories=4),
                    data("Categorical", (200, 4)), categorical),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [n if n in ("Normal", "Bernoulli") else pytest.param(n, marks=pytest.mark.slow) for n in CLOSED]
)
def test_independent_columns_are_those_of_the_closed_form(name):
    """Their mean over the rows they are fitted to, where an optimum is flat: a thousandth of a nat a column."""
    make, x, closed = CLOSED[name]
    found = of(make, x)["independent columns"].mean()
    assert found == pytest.approx(closed(x, x).mean(), abs=4e-3)


def test_a_scale_stops_at_the_floor_of_the_model():
    """A column that never varies: -log(floor sqrt(2 pi)) = 10.594 nats, not infinity; 50 less ten floors away."""
    x = np.zeros([50, 1], np.float32)
    found = of(likelihoods.Normal, x, np.float32([[0.0], [1e-4]]))["independent columns"]
    np.testing.assert_allclose(found, st.norm.logpdf([0, 1e-4], 0, FLOOR), rtol=0.06)


def test_units_of_any_size():
    """Columns at 1.7e15, nanoseconds of a clock and 1e-12: density times unit is what it is of standard normals."""
    units = np.array([3e14, 1e16, 1e-2])
    x = (RNG.normal(size=[300, 3]) * units + [1.7e15, 1.7e18, 1e-12]).astype("float32")
    assert of(likelihoods.Normal, x)["independent columns"].mean() == pytest.approx(normal(x, x).mean(), abs=0.01)


def test_full_covariance_is_the_normal_of_the_data():
    units = TABLE.std(axis=0, dtype=np.float64)
    x, y = TABLE[:300] / units, TABLE[300:] / units
    expected = st.multivariate_normal.logpdf(y, x.mean(0), np.cov(x.T, bias=True)) - np.log(units).sum()
    np.testing.assert_allclose(full_covariance(TABLE[:300])(TABLE[300:]), expected, atol=2e-3)


@pytest.mark.parametrize(
    "column", [TABLE[:, 0] + TABLE[:, 3], TABLE[:, 1], np.full(400, 7.0)], ids=["sum", "twin", "one"]
)
def test_full_covariance_of_columns_that_say_nothing_new_is_finite(column):
    wide = np.column_stack([TABLE, column]).astype("float32")
    found = full_covariance(wide)(wide)
    assert np.all(np.isfinite(found)) and found.mean() > full_covariance(TABLE)(TABLE).mean()


@pytest.mark.parametrize(
    ("make", "x", "expected"),
    [
        (likelihoods.StudentT, TABLE, True),
        (likelihoods.StudentT, TABLE[:7], False),  # fewer than twice as many rows as columns
        (side_by_side(likelihoods.Laplace), TABLE, True),
        (side_by_side(likelihoods.Poisson), np.abs(TABLE).round(), False),
        (likelihoods.Poisson, data("Poisson"), False),
        (likelihoods.ContinuousBernoulli, data("ContinuousBernoulli"), False),
    ],
    ids=["real", "few rows", "real columns", "mixed columns", "counts", "unit interval"],
)  # fmt: skip
def test_a_full_covariance_is_fitted_to_enough_rows_of_reals(make, x, expected, monkeypatch):
    monkeypatch.setattr(without_z, "independent", lambda *given: None)  # which takes a second
    vae = tiny_vae(make, x.shape[1:], compiled=False)
    assert ("full covariance" in without_z.fitted(vae, x)) is expected


# Every likelihood, and a user's own.


@pytest.mark.parametrize(
    "name", [n if n == "Columns" else pytest.param(n, marks=pytest.mark.slow) for n in LIKELIHOODS]
)
def test_every_likelihood_has_independent_columns_that_fit_no_worse_than_where_they_start(name):
    """Finite, and at least as good as what `adapt` makes of the model's own likelihood where z says nothing."""
    x = np.tile(COLUMNS, [9, 1]) if name == "Columns" else data(name, (60, 4))
    vae = make_vae("DiagonalNormal", None, name)
    found = baselines(vae, x, x).log_prob["independent columns"]
    vae.likelihood.adapt(x)
    kernel = vae.likelihood.head.dense.kernel
    kernel.assign(tf.zeros_like(kernel))  # without z
    start = vae.likelihood(tf.zeros([1, vae.latent_dim])).log_prob(x).numpy()
    assert np.all(np.isfinite(found)) and found.mean() > start.mean() - 1e-3


@keras.saving.register_keras_serializable(package="test_baselines")
class LogNormal(IndependentLikelihood):
    """Which does not say where it starts, and has a weight of its own."""

    support = tfvae.sets.REAL

    def build_own(self):
        if not hasattr(self, "raw"):
            self.raw = self.add_weight(shape=(), initializer="zeros", name="raw")

    def head_shapes(self):
        return {"loc": self.event_shape}

    def constrain(self, loc):
        return {"loc": loc, "scale": positive(tf.convert_to_tensor(self.raw))}

    def element(self, loc, scale):
        import tensorflow_probability as tfp

        return tfp.distributions.LogNormal(loc, scale)


def test_a_likelihood_of_ones_own_has_a_baseline_without_a_line_more():
    logs = RNG.normal([0.5, -1.0], 0.3, size=[300, 2])
    x = np.exp(logs).astype("float32")
    expected = st.norm.logpdf(logs, logs.mean(0), np.sqrt(logs.var(0).mean())) - logs
    vae = tiny_vae(LogNormal, 2, compiled=False)
    before = [w.numpy() for w in vae.weights]
    found = baselines(vae, x, x).log_prob["independent columns"]
    np.testing.assert_allclose(found.mean(), expected.sum(1).mean(), atol=4e-3)
    for was, now in zip(before, vae.weights, strict=True):
        np.testing.assert_array_equal(was, now)  # the model is read, not touched


# Which examples.


def test_grey_values_are_binarised_as_they_are_scored():
    """Grey values around one half make fair coins; rows differ, as equal ones draw alike. Error 9 of 500: 0.01."""
    x = RNG.uniform(0.4, 0.6, size=[500, 3, 3, 1]).astype("float32")
    found = of(likelihoods.Bernoulli, x, preprocessing=[StochasticBinarization()])
    assert list(found) == ["independent pixels"]
    assert found["independent pixels"].mean() == pytest.approx(9 * math.log(0.5), abs=0.02)


@pytest.mark.slow
def test_streams_and_arrays_are_read_alike():
    x, y = TABLE[:300], TABLE[300:]
    vae = tiny_vae(likelihoods.Normal, 4, compiled=False)
    stream = [tf.data.Dataset.from_tensor_slices(part).batch(64) for part in (x, y)]
    whole, batched = baselines(vae, x, y).log_prob, baselines(vae, *stream).log_prob
    for name in whole:
        np.testing.assert_allclose(batched[name], whole[name], atol=1e-4)


@pytest.mark.parametrize("form", ["array", pytest.param("stream", marks=pytest.mark.slow)])
def test_of_many_rows_a_random_choice_is_fitted(form):
    """Sorted rows, more than are used: their first ones alone would be half of the data."""
    x = np.sort(RNG.normal(size=[2 * MOST_ROWS, 1]), axis=0).astype("float32")
    vae = tiny_vae(likelihoods.Normal, 1, compiled=False)
    given = x if form == "array" else tf.data.Dataset.from_tensor_slices(x).batch(MOST_ROWS // 3)
    assert baselines(vae, given, x).log_prob["full covariance"].mean() == pytest.approx(normal(x, x).mean(), abs=1e-3)


# Beside a model.


def test_a_report_has_them_beside_the_model(tmp_path):
    """Means, and the difference example by example; a file without them still opens."""
    vae = tiny_vae(likelihoods.Normal, 4)
    vae.adapt(TABLE)
    report = evaluate(vae, TABLE[300:], 30, verbose=False, baselines_from=TABLE[:300], per_example=True)
    alone = baselines(vae, TABLE[:300], TABLE[300:])
    own = alone.log_prob
    assert [line.split("  ")[0] for line in str(alone).splitlines()] == list(own)
    assert [row.name for row in report.baselines] == list(own) == ["independent columns", "full covariance"]
    for name, level, difference in report.baselines:
        np.testing.assert_allclose(level, Estimate.of(own[name]), rtol=1e-5)
        np.testing.assert_allclose(difference, Estimate.of(report.per_example["log_prob"] - own[name]), rtol=1e-4)
        assert f"  {name}" in str(report) and name in report._repr_html_()
    lines = str(report).splitlines()
    assert [line[:22].strip() for line in lines[1:4]] == ["log p(x)", "independent columns", "full covariance"]
    report.save(tmp_path / "report.json")
    assert Report.load(tmp_path / "report.json") == report
    earlier = {key: value for key, value in report.to_dict().items() if key != "baselines"}
    assert Report.from_dict(earlier).baselines == ()
    assert "independent" not in str(evaluate(vae, TABLE[300:], 2, verbose=False))


def test_a_model_below_a_baseline_is_said_to_be_once():
    """From two standard errors on, of the baseline that is furthest above it."""
    report = evaluate(tiny_vae(likelihoods.Normal, 4), TABLE[:8], 30, verbose=False)
    for difference, said in [((-0.5, 0.2), 1), ((-0.5, 0.3), 0), ((0.5, 0.1), 0), ((-0.5, math.nan), 0)]:
        rows = [("other", (0.9, 0.1)), ("best", difference)]
        rows = tuple(Baseline(name, Estimate(0, 1), Estimate(*beside)) for name, beside in rows)
        found = dataclasses.replace(report, baselines=rows).warnings
        found = [text for text in found if text.startswith("log p(x) is 0.50 nats below that of best")]
        assert len(found) == said and all("PerDimension" in text for text in found)


@pytest.mark.parametrize("kind", [scales.Shared, scales.PerDimension, scales.Predicted, scales.Fixed])
def test_a_scale_of_each_column_whatever_the_model_has(kind):
    part = likelihoods.Columns([likelihoods.Normal(3, scale=kind()), likelihoods.Bernoulli(2)], network=None)
    assert part.independent().head_shapes() == {"loc_0": (3,), "scale_0": (3,), "logits_1": (2,)}


@pytest.mark.slow
def test_what_is_read_in_parts_is_taken_by_rows():
    import scipy.sparse

    x = data("Poisson", (60, 4))
    vae = tiny_vae(likelihoods.Poisson, 4, compiled=False)
    whole, sparse = (
        baselines(vae, given, x).log_prob["independent columns"] for given in (x, scipy.sparse.csr_matrix(x))
    )
    np.testing.assert_allclose(sparse, whole, rtol=1e-5)


def test_empty_or_bad_training_data_are_refused():
    vae = tiny_vae(likelihoods.Normal, 4, compiled=False)
    for bad in (TABLE[:0], TABLE[:, :3], np.where(TABLE == TABLE[3], np.nan, TABLE)):
        with pytest.raises(tfvae.InvalidInput):
            evaluate(vae, TABLE, 2, verbose=False, baselines_from=bad)
