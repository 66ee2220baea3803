"""The evaluation report: every part, any stream of data, bounds and tails of the same weights, and what is refused."""

import dataclasses
import json
import math

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from linear_gaussian import data, linear_vae, set_exact
from parts import LIKELIHOODS, POSTERIORS, examples, make_vae, randomise
from tiny import tiny_vae

import tfvae
from tfvae.core import seeds
from tfvae.evaluation import Estimate, Report, evaluate, mutual_information
from tfvae.evaluation.latents import (
    kl_per_dimension,
    posterior_means,
    relative_activity,
)
from tfvae.inference import accumulators, trust

ESTIMATES = ("elbo", "distortion", "rate", "log_prob", "variational_gap")


@pytest.fixture(scope="module")
def vae():
    return set_exact(linear_vae(), 1.3)


def quiet(vae, x, num_samples=60, **options):
    return evaluate(vae, x, num_samples, verbose=False, **options)


# Every part.


@pytest.mark.parametrize("name, prior", [*((name, None) for name in POSTERIORS), ("DiagonalNormal", "VampPrior")])
def test_every_posterior_has_a_report(name, prior):
    """Finite, consistent for each example, and the same after a trip through JSON; its noise is that of `log_prob`."""
    vae, x = randomise(make_vae(name, prior)), examples("Normal")
    report = quiet(vae, x, per_example=True)
    values = report.per_example
    assert all(np.all(np.isfinite(value)) for value in values.values())
    np.testing.assert_allclose(values["elbo"], -values["distortion"] - values["rate"], rtol=1e-9, atol=1e-9)
    assert np.all(values["elbo"] <= values["log_prob"] + 1e-5)
    assert np.all(np.diff(values["bounds"][:, [0, 1, -1]]) > -1e-5)  # 60 = 6 groups of 10: the same samples
    if report.kl_per_dimension is not None:
        np.testing.assert_allclose(sum(report.kl_per_dimension), report.rate.mean, rtol=1e-5)
    aggregated = report.aggregated
    assert 0 < report.rate.mean and aggregated.mutual_information <= aggregated.ceiling + 1e-5
    assert aggregated.num_examples == 4 and np.all(np.isfinite(aggregated))
    assert len(report.unit_activity) == vae.latent_dim
    np.testing.assert_allclose(report.unit_activity, relative_activity(vae, values["latent_mean"]), rtol=1e-6)
    assert Report.from_json(report.to_json()).to_json() == report.to_json()
    assert str(Report.from_json(report.to_json())) == str(report)
    parameters = vae.posterior.parameters(tf.constant(x))
    z, log_q, _ = vae.posterior.sample_and_log_prob(parameters, 7, seeds.as_seed(4))
    q = vae.posterior.distribution(**parameters)
    np.testing.assert_allclose(z, q.sample(7, seed=seeds.as_seed(4)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(log_q, q.log_prob(z), rtol=1e-3, atol=1e-3)


def test_log_prob_is_that_of_the_model(vae):
    """Two blocks of examples, two and a bit chunks of samples."""
    x = data(130, seed=30)
    report, estimate = quiet(vae, x, 120, seed=7, per_example=True), vae.estimate_log_prob(x, 120, seed=7)
    for name, value in estimate._asdict().items():
        np.testing.assert_allclose(report.per_example[name], value, rtol=1e-4, atol=1e-6)
    assert report.log_prob.mean == pytest.approx(np.mean(estimate.log_prob), rel=1e-6)
    assert report.log_prob.standard_error == pytest.approx(scipy.stats.sem(estimate.log_prob), rel=1e-5)
    assert report.sampling_error == pytest.approx(np.linalg.norm(estimate.standard_error) / 130, rel=1e-4)
    assert quiet(vae, x, 120, seed=8).log_prob != report.log_prob
    assert report.per_example["bounds"].shape == (130, 4) and quiet(vae, x, 120).per_example is None


def test_only_a_mass_function_has_a_code_length():
    discrete = {name for name in LIKELIHOODS if make_vae(likelihood_name=name).support.discrete}
    densities = {"Normal", "Laplace", "StudentT", "ContinuousBernoulli", "Columns", "Warped"}
    assert discrete == set(LIKELIHOODS) - densities


@pytest.mark.parametrize("gaps", [False, True])
def test_bits_per_dimension_of_coin_flips(binary, gaps):
    """A decoder that says 1/2 for everything takes one bit for each of the values that are observed."""
    vae = tiny_vae(units=None, compiled=False)
    vae.likelihood.head.dense.set_weights([np.zeros([2, 5]), np.zeros(5)])
    for weight in vae.posterior.trainable_variables:
        weight.assign(tf.zeros_like(weight))
    mask = np.arange(binary.size).reshape(binary.shape) % 3 > 0
    report = quiet(vae, {"x": binary, "mask": mask} if gaps else binary)
    assert report.bits_per_dimension(report.log_prob.mean) == pytest.approx(1.0, rel=1e-5)
    assert report.dimensions == pytest.approx(mask.sum() / len(mask) if gaps else 5)
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))).dimensions == report.dimensions
    assert "1.0000 bits/dim\n" in str(report) and "of a density" not in str(report)
    assert "of a density" in str(quiet(set_exact(linear_vae()), data(3, seed=0)))


# Any stream of data.


def test_a_stream_gives_the_numbers_of_the_array(vae):
    """Batches of any size, also short ones: averages are over examples, and the noise is that of the array."""
    x = data(130, seed=31)
    expected = quiet(vae, x, 20, mixture_examples=50).to_json()
    labels = np.zeros(130, np.int64)
    batches = np.split(x, [1, 8, 120])

    class Batches(keras.utils.PyDataset):
        num_batches = property(lambda self: len(batches))

        def __getitem__(self, index):
            return batches[index], labels[: len(batches[index])]

    streams = {
        "x": tf.data.Dataset.from_tensor_slices(x).batch(33),
        "(x, y)": tf.data.Dataset.from_tensor_slices((x, labels)).batch(64),
        "of unknown shape": tf.data.Dataset.from_generator(lambda: batches, tf.float32),
        "generator": iter(batches),
        "PyDataset": Batches(),
        "tensor": tf.constant(x),
        "float64": x.astype(np.float64),
    }
    for name, stream in streams.items():
        assert quiet(vae, stream, 20, mixture_examples=50).to_json() == expected, name


def test_progress_bar(vae, capsys):
    x = data(130, seed=31)
    evaluate(vae, x, 2)
    evaluate(vae, iter([x]), 2)
    shown = capsys.readouterr().out
    assert "2/2" in shown and "Unknown" in shown and shown.count("\n") == 2


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda x: x[:0], ["at least one example", "an empty x"]),
        (lambda x: iter([]), ["at least one example", "empty data"]),
        (lambda x: iter([x[:0]]), ["at least one example"]),
        (lambda x: np.where(np.arange(130)[:, None] == 120, np.nan, x), ["nan at x[120, 0]", "missing values"]),
        (lambda x: iter([x[:30], np.where(np.arange(100)[:, None] == 90, np.inf, x[30:])]), ["inf at x[120, 0]"]),
        (lambda x: x[:, :4], ["x of shape ('B', 5)", "(130, 4)"]),
        (lambda x: iter([x[:, :4]]), ["x of shape ('B', 5)"]),
        (lambda x: x[0], ["x of shape ('B', 5)"]),
        (lambda x: list(x), ["x to be one array", "a list"]),
        (lambda x: None, ["x to be one array", "a NoneType"]),
        (lambda x: tf.data.Dataset.from_tensor_slices(x).batch(10).repeat(), ["endless", ".take("]),
        (lambda x: iter([(x, x, np.ones(130))]), ["sample weights"]),
        (lambda x: iter([{"image": x}]), ["as_supervised=True"]),
    ],
)
def test_bad_data_are_refused(vae, spoil, words):
    with pytest.raises(tfvae.InvalidInput) as error:
        quiet(vae, spoil(data(130, seed=32)), 2)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_an_array_is_scanned_before_the_first_sample(vae, monkeypatch):
    monkeypatch.setattr(tfvae.VAE, "preprocess", lambda *_, **__: pytest.fail("sampled before the scan"))
    with pytest.raises(tfvae.InvalidInput, match="nan at x"):
        quiet(vae, np.where(np.arange(130)[:, None] == 120, np.nan, data(130, seed=32)), 2)


@pytest.mark.parametrize(
    "options", [{"num_samples": 0}, {"num_samples": 1.5}, {"ladder": (0,)}, {"mixture_examples": 0}, {"seed": 0.5}]
)
def test_bad_numbers_are_refused(vae, options):
    with pytest.raises(tfvae.InvalidInput):
        quiet(vae, data(3, seed=33), **options)


def test_bad_settings_are_refused(vae, binary):
    x = data(3, seed=33)
    with pytest.raises(tfvae.InvalidInput, match="a tfvae.VAE"):
        quiet("model.keras", x)
    with pytest.raises(tfvae.InvalidInput, match="Bernoulli"):
        quiet(make_vae(likelihood_name="Bernoulli"), data(3, seed=33)[:, :4])
    assert quiet(vae, x, 2, seed=None).seed >= 0 and quiet(vae, x, 2, seed=-5).seed == -5


def test_one_example_and_one_sample(vae):
    """What cannot be known is NaN, printed as such in words, and stays NaN in JSON."""
    report = quiet(vae, data(1, seed=34), 1)
    assert math.isnan(report.log_prob.standard_error) and math.isnan(report.sampling_error)
    assert math.isnan(report.largest_pareto_shape) and math.isnan(report.untrusted)
    assert report.active_units is None and report.aggregated.mutual_information == pytest.approx(0, abs=1e-6)
    assert [rung[:2] for rung in report.ladder] == [(1, 1)] and report.variational_gap.mean == pytest.approx(0)
    assert "1 example, 1 sample each" in str(report) and "+- ?" in str(report) and "nan" not in str(report)
    assert "unknown: that takes 25 samples" in report.warnings[0] and len(report.warnings) == 1
    assert Report.from_json(report.to_json()).to_json() == report.to_json()


# Text and files.


def test_report_as_text_html_and_file(vae, tmp_path):
    report = quiet(set_exact(linear_vae(), 0.3), data(30, seed=35), 100, per_example=True)
    assert [rung.samples for rung in report.ladder] == [1, 10, 100]
    table, page = str(report), report._repr_html_()
    for words in ("log p(x)", "ELBO", "variational gap", "bound of 10 ", "Pareto k", "I(x; z)", "active units"):
        assert words in table and words.strip() in page
    assert "WARNING: The importance weights of" in table and "annealed" in table and "<b>Warning:</b>" in page
    assert f"{report.log_prob.mean:.3f} +- {report.log_prob.standard_error:.3f}" in table
    report.save(tmp_path / "report.json")
    loaded = Report.load(tmp_path / "report.json")
    assert loaded == report and str(loaded) == table
    np.testing.assert_array_equal(loaded.per_example["bounds"], report.per_example["bounds"])
    json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)  # strict: no bare NaN
    with pytest.raises(AttributeError):
        report.examples = 3
    with pytest.raises(tfvae.InvalidInput):
        Report.load(tmp_path / "missing.json")


@pytest.mark.parametrize("text", ["", "[]", '{"examples": 3}'])
def test_what_is_not_a_report_is_refused(text, tmp_path):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(tfvae.InvalidInput):
        Report.load(tmp_path / "other.json")
    with pytest.raises(tfvae.InvalidInput):
        Report.from_json(text)


def test_infinite_shape_survives_json(vae):
    report = quiet(set_exact(linear_vae()), data(5, seed=36), 100)
    assert report.largest_pareto_shape == -math.inf and report.untrusted == 0.0
    assert Report.from_json(report.to_json()) == report
    assert "equal weights" in str(report)


def test_each_warning_begins_at_its_documented_threshold(vae):
    """Rate below 0.1 nats; more than 5% of the examples untrusted; I(x; z) within one nat of log N."""
    report = quiet(vae, data(50, seed=35), 100)
    aggregated = report.aggregated
    cases = (
        ("hardly uses z", {"rate": Estimate(0.101, 0.0)}, {"rate": Estimate(0.099, 0.0)}),
        ("cannot be trusted", {"untrusted": 0.049}, {"untrusted": 0.051}),
        (
            "near its ceiling log 50",
            {"aggregated": aggregated._replace(mutual_information=math.log(50) - 1.01)},
            {"aggregated": aggregated._replace(mutual_information=math.log(50) - 0.99)},
        ),
    )
    for words, quiet_at, warned_at in cases:
        assert not any(words in text for text in dataclasses.replace(report, **quiet_at).warnings), words
        assert any(words in text for text in dataclasses.replace(report, **warned_at).warnings), words


def test_an_evaluated_model_is_saved_as_before(vae, tmp_path):
    report = quiet(vae, data(5, seed=40))
    vae.save(tmp_path / "model.keras")
    assert quiet(keras.saving.load_model(tmp_path / "model.keras"), data(5, seed=40)) == report


# The same weights: what streams in chunks against what is computed at once.


@pytest.mark.parametrize("num_samples", [1, 7, 50, 51, 120, 1003])
@pytest.mark.parametrize("chunk", [7, 50])
def test_exactly_the_samples_asked_for(num_samples, chunk):
    """Against NumPy on all the weights; a rung that does not divide them leaves out what fills no group."""
    chunk, seed, batch = min(chunk, num_samples), seeds.as_seed(3), 4

    def draw(size, stream):
        log_weight = 3 * tf.random.stateless_normal([size, batch], stream) - 100
        return log_weight, 2 * log_weight

    sizes = [k for k in (1, 2, 3, 10, 50, 60, 120, 1000) if k <= num_samples]
    kept = [accumulators.Marginal(), accumulators.Largest(6), accumulators.Mean(), *map(accumulators.GroupBound, sizes)]
    run = tf.function(lambda k: accumulators.accumulate(draw, kept, batch, k, chunk, seed))
    marginal, largest, mean, *bounds = run(tf.constant(num_samples))
    chunks = [draw(chunk, seeds.fold(seed, index))[0] for index in range(-(-num_samples // chunk))]
    weights = np.concatenate(chunks)[:num_samples].astype(np.float64)
    np.testing.assert_allclose(
        marginal.log_prob, scipy.special.logsumexp(weights, 0) - math.log(num_samples), rtol=1e-6
    )
    np.testing.assert_allclose(mean, 2 * weights.mean(0), rtol=1e-6)
    top = np.sort(weights, axis=0)[::-1][:6].T
    np.testing.assert_array_equal(largest[:, : top.shape[1]], top)
    assert np.all(np.isneginf(largest[:, top.shape[1] :]))
    for k, bound in zip(sizes, bounds, strict=True):
        groups = weights[: num_samples // k * k].reshape(num_samples // k, k, batch)
        expected = (scipy.special.logsumexp(groups, axis=1) - math.log(k)).mean(0)
        np.testing.assert_allclose(bound, expected, rtol=1e-6, err_msg=f"k = {k}")


def test_ladder_states_how_many_groups(vae):
    report = quiet(vae, data(5, seed=37), 130, ladder=(7, 50, 1000, 5000))
    assert [rung[:2] for rung in report.ladder] == [(1, 130), (7, 18), (50, 2), (130, 1)]
    assert report.ladder[0].bound == report.elbo and report.ladder[-1].bound == report.log_prob


def test_second_evaluation_traces_nothing(vae):
    x = data(230, seed=38)
    for _ in range(2):
        quiet(vae, x, 70), posterior_means(vae, x), kl_per_dimension(vae, x), mutual_information(vae, x, seed=0)
    graphs = vae.graphs.made
    before = {key: (graph, graph.experimental_get_tracing_count()) for key, graph in graphs.items()}
    quiet(vae, x, 70), posterior_means(vae, x), kl_per_dimension(vae, x), mutual_information(vae, x, seed=0)
    assert before == {key: (graph, graph.experimental_get_tracing_count()) for key, graph in vae.graphs.made.items()}
    vae.posterior.head.dense.set_weights([0 * w for w in vae.posterior.head.dense.get_weights()])
    assert np.all(posterior_means(vae, x) == 0)  # the graph sees new weights
    set_exact(vae, 1.3)


# Trust.


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.2, 0.5, 0.9, 1.5])
def test_pareto_fit_finds_the_shape(shape):
    """Mean of 200 fits to 200 observations, any scale: within 5 standard errors and a bias of 0.02."""
    draws = scipy.stats.genpareto.rvs(shape, scale=7.0, size=[200, 200], random_state=0)
    fits = [trust.fit_shape(np.sort(row)) for row in draws]
    print(f"true {shape:+.1f}, mean of fits {np.mean(fits):+.3f}, spread of one {np.std(fits):.3f}")
    assert abs(np.mean(fits) - shape) < 5 * np.std(fits) / math.sqrt(200) + 0.02
    np.testing.assert_allclose(trust.fit_shape(np.sort(1e-6 * draws[0])), fits[0], rtol=1e-6)


def test_pareto_shape_of_weights():
    """w = exp(a e), e exponential, is Pareto of shape a; the prior draws small samples to 1/2; a factor is nothing."""
    e = np.random.default_rng(0).exponential(size=10_000)
    tail = trust.tail_size(10_000)
    assert tail == 300 and trust.tail_size(100) == 20 and trust.threshold(10_000) == 0.7
    assert trust.threshold(100) == 0.5 and math.isnan(trust.threshold(24)) and trust.threshold(25) > 0
    for a in (0.2, 0.5, 1.0):
        shape = trust.pareto_shape(np.sort(a * e)[-tail - 1 :])
        assert abs(shape - a) < 0.2 and shape == pytest.approx(trust.pareto_shape(np.sort(a * e - 300)[-tail - 1 :]))
    top = np.sort(0.2 * e)[-11:]
    pulled = (10 * trust.fit_shape(np.exp(top[1:]) - np.exp(top[0])) + 10 * 0.5) / 20
    assert trust.pareto_shape(top) == pytest.approx(pulled)
    assert trust.pareto_shape(np.full(50, -7.0)) == -math.inf
    assert math.isnan(trust.pareto_shape(np.zeros(5))) and math.isnan(trust.pareto_shape(np.full(50, -np.inf)))
    assert trust.share_untrusted(np.array([0.1, 0.8, np.nan, -np.inf]), 10_000) == 0.5
