"""How well classes are told: error, calibration and confusion beside plain NumPy; in reports, on pages, in pictures."""

import json

import numpy as np
import pytest
import tensorflow as tf
from few_labels import K, N, m2

import tfvae
from tfvae import evaluation, likelihoods, plotting, posteriors
from tfvae.app import report_page
from tfvae.evaluation import ClassReport, Report, classification

RANDOM = np.random.default_rng(1)
X = (RANDOM.random((60, N)) < 0.5).astype("float32")
Y = RANDOM.integers(-1, K, len(X))
KNOWN = Y >= 0


@pytest.fixture(scope="module")
def vae():
    found = m2()
    for part in found.posterior.parts.values():
        for weight in part.trainable_variables:
            weight.assign(5 * weight)
    return found


@pytest.fixture(scope="module")
def report(vae):
    return evaluation.evaluate(vae, {"x": X, "labels": {"y": Y}}, 30, verbose=False, per_example=True)


def by_hand(p, y):
    """Returns error, its standard error, cross-entropy, calibration error and confusion, of p `[N, K]`."""
    wrong, nats, table, bins = [], [], np.zeros([K, K], int), {}
    for row, label in zip(p, y, strict=True):
        first = int(np.argmax(row))
        wrong.append(first != label)
        nats.append(-np.log(row[label]))
        table[label, first] += 1
        bins.setdefault(int(np.floor(row[first] * 15)), []).append((row[first], first == label))
    apart = sum(abs(sum(c for c, _ in b) - sum(r for _, r in b)) for b in bins.values()) / len(y)
    return np.mean(wrong), np.std(wrong, ddof=1) / np.sqrt(len(y)), np.mean(nats), apart, table


def check(found, p, y):
    error, spread, nats, apart, table = by_hand(np.asarray(p, np.float64), y)
    assert found.examples == len(y) and 0.2 < found.error.mean < 1
    np.testing.assert_allclose(found.error, [error, spread], rtol=1e-9)
    np.testing.assert_allclose(found.cross_entropy.mean, nats, rtol=1e-5)
    np.testing.assert_allclose(found.calibration_error, apart, rtol=1e-5)
    np.testing.assert_array_equal(found.confusion, table)
    assert sum(one.count for one in found.bins) == len(y)
    right = sum(one.count * one.accuracy for one in found.bins) / len(y)
    np.testing.assert_allclose(right, 1 - found.error.mean)


def test_error_calibration_and_confusion_are_those_by_hand(vae):
    check(classification(vae, X, Y), np.asarray(vae.classify(X))[KNOWN], Y[KNOWN])


def test_with_samples_they_are_those_of_the_model(vae):
    """Rows without a label are left out before, so that the noise is that of the others alone."""
    found = classification(vae, X, Y, num_samples=40, seed=3)
    check(found, np.asarray(vae.classify(X[KNOWN], 40, seed=3)), Y[KNOWN])
    assert found.num_samples == 40 and "p(y | x), 40 samples each" in str(found)


def test_calibrated_probabilities_have_an_error_near_zero():
    """Labels drawn from the probabilities; the error of 15 bins of 20 000 examples is then about 0.01."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(K), 20_000)
    y = (rng.random((len(p), 1)) > np.cumsum(p, axis=1)).sum(axis=1)
    assert ClassReport.of("y", np.log(p), y).calibration_error < 0.02
    sure = np.log(np.full([4, 2], 1e-9) + np.eye(2)[[0, 0, 0, 0]])
    assert abs(ClassReport.of("y", sure, [0, 0, 0, 1]).calibration_error - 0.25) < 1e-6
    edges = ClassReport.of("y", np.log([[1.0, 1e-30], [0.6, 0.4], [0.6, 0.4]]), [0, 0, 1])
    assert [one.count for one in edges.bins] == [2, 1]
    assert len(ClassReport.of("y", np.log([[1.0, 1e-30], [0.95, 0.05]]), [0, 0]).bins) == 1  # 1 is in the last one


def test_probabilities_that_vanish_in_float32_still_have_a_finite_log():
    vae = m2()
    vae.posterior.parts["y"].set_weights(
        [0 * w for w in vae.posterior.parts["y"].get_weights()[:-1]] + [np.array([0, 0, 0, 200])]
    )
    assert float(np.asarray(vae.classify(X[:1]))[0, 0]) == 0.0
    np.testing.assert_allclose(classification(vae, X, np.zeros(len(X))).cross_entropy.mean, 200, rtol=1e-5)


def test_labels_may_come_with_the_data(vae):
    whole = classification(vae, X, Y)
    for data in ({"x": X, "labels": Y}, tf.data.Dataset.from_tensor_slices({"x": X, "labels": {"y": Y}}).batch(7)):
        assert classification(vae, data).confusion == whole.confusion
    assert classification(vae, X, {"y": Y}, mask=np.ones_like(X, bool)).confusion == whole.confusion
    sampled = tfvae.VAE(posteriors.Categorical(1, K), likelihoods.Bernoulli((N,)), tfvae.priors.Categorical(1, K))
    assert classification(sampled, X, Y).name == "z"


REFUSED = {
    "no labels": (None, "labels of y.*none"),
    "none known": (np.full(len(X), -1), "labels of y.*none"),
    "a label beyond": (np.where(np.arange(len(X)) == 41, K, Y), "0 to 3.*4 in row 41"),
    "words": (np.array(["a"] * len(X)), "np.unique"),
    "too few": (Y[:5], "rows"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_labels_that_cannot_be_are_refused(vae, name):
    labels, words = REFUSED[name]
    with pytest.raises(tfvae.InvalidInput, match=words):
        classification(vae, X, labels)


def test_a_model_without_classes_is_refused():
    real = tfvae.VAE(posteriors.DiagonalNormal(2), likelihoods.Bernoulli((N,)))
    with pytest.raises(tfvae.InvalidInput, match="enumerated=True"):
        classification(real, X, Y)


def test_a_report_of_labelled_data_has_an_entry(vae, report):
    (found,) = report.classes
    check(found, np.asarray(vae.classify(X))[KNOWN], Y[KNOWN])
    assert f"of {KNOWN.sum()} labels, by q(y | x)" in str(report) and "calibration error" in report._repr_html_()
    assert Report.from_json(report.to_json()) == report
    assert all(name in str(found) for name in ("error of y", "cross-entropy", "label    most probable y"))
    assert "<table>" in found._repr_html_()


def test_a_report_without_labels_is_as_before(vae, report):
    for data in (X, {"x": X, "labels": {"y": np.full(len(X), -1)}}):
        plain = evaluation.evaluate(vae, data, 30, verbose=False)
        assert plain.classes == () and "classes" not in plain.to_dict() and "error of y" not in str(plain)
        assert Report.from_dict(plain.to_dict()).classes == ()
        np.testing.assert_allclose(plain.log_prob, report.log_prob, rtol=1e-6)


def test_a_damaged_entry_is_refused(report):
    for key, value in (("error", 3), ("confusion", "no"), ("bins", [{"count": 1}]), ("examples", "many")):
        values = json.loads(report.to_json())
        values["classes"][0][key] = value
        with pytest.raises(tfvae.InvalidInput, match="report"):
            Report.from_dict(values)


def test_pictures_show_the_numbers_of_the_report(report):
    (found,) = report.classes
    above, below = plotting.reliability(report).axes
    (curve,) = [line for line in above.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(curve.get_xydata(), [one[:2] for one in found.bins])
    assert [bar.get_height() for bar in below.patches] == [one.count for one in found.bins]
    table = plotting.confusion(found, of="y").axes[0]
    shares = np.asarray(table.images[0].get_array())
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    written = np.zeros([K, K], int)
    for text in table.texts:
        column, row = text.get_position()
        written[int(row), int(column)] = int(text.get_text())
    np.testing.assert_array_equal(written, found.confusion)


def test_pictures_of_few_and_of_many_classes(report):
    one = ClassReport.of("y", np.log([[0.9, 0.1]]), [0])
    many = ClassReport.of("y", np.log(np.full([50, 40], 1 / 40)), np.arange(50) % 30)
    for found in (one, many):
        for draw in (plotting.reliability, plotting.confusion):
            assert draw(found).savefig is not None
        assert str(found)
    assert not plotting.confusion(many).axes[0].texts
    with pytest.raises(tfvae.InvalidInput, match="of='y'"):
        plotting.confusion(report, of="a")
    with pytest.raises(tfvae.InvalidInput, match="evaluate"):
        plotting.reliability(Report.from_dict({**report.to_dict(), "classes": []}))


@pytest.mark.slow
def test_the_page_shows_classes_and_moves_what_can_move(vae, report, tmp_path):
    report_page.write(tmp_path / "report.html", vae, report, {"x": X, "labels": {"y": Y}}, labels=Y)
    page = (tmp_path / "report.html").read_text()
    for words in ("error of y", "<h3>Reliability of y</h3>", "<h3>Confusion of y</h3>", "<h3>Interpolation of z</h3>"):
        assert words in page
    assert "not drawn" not in page.replace("Manifold of y: not drawn", "")
