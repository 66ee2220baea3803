"""Two-sample tests, precision and recall, probes and anomaly scores against closed forms; their sizes under P = Q."""

import logging
import math

import keras
import linear_gaussian
import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from tfvae.core.errors import InvalidInput
from tfvae.evaluation.downstream import anomaly, linear_probe, roc_auc
from tfvae.evaluation.generation import (
    classifier_two_sample_test,
    maximum_mean_discrepancy,
    precision_recall,
)
from tfvae.evaluation.learners import boosted_trees, logistic_regression, nearest_neighbors

REPEATS = 300


def normal(rows: int, dim: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return shift + scale * np.random.default_rng(seed).normal(size=(rows, dim))


# Classifier two-sample test.


@pytest.mark.slow
@pytest.mark.parametrize(
    "classifier",
    [logistic_regression(), nearest_neighbors(100), boosted_trees()],
    ids=["logistic", "neighbours", "trees"],
)
def test_classifier_test_has_the_right_size(classifier):
    """Identical distributions are rejected at 5% in at most 5% of all repeats, and not in far fewer.

    100 held-out examples: the largest attainable size below 5% is 4.4%. False alarm 1e-4 above; a size of 9% would be
    seen with probability 0.9.
    """
    tests = [
        classifier_two_sample_test(*normal(200, 3, seed).reshape(2, 100, 3), classifier) for seed in range(REPEATS)
    ]
    rejected = sum(test.p_value <= 0.05 for test in tests)
    print(f"\nC2ST, {classifier}: identical distributions rejected at 5% in {rejected} of {REPEATS} repeats")
    assert 0.01 * REPEATS <= rejected <= scipy.stats.binom.ppf(1 - 1e-4, REPEATS, 0.05)
    assert np.mean([test.accuracy for test in tests]) == pytest.approx(0.5, abs=4 * 0.05 / math.sqrt(REPEATS))


def test_classifier_test_sees_a_shift_at_its_bayes_accuracy():
    """Two normals one apart: Phi(1/2) = 0.691; standard error 0.007 at 4000 held-out examples."""
    test = classifier_two_sample_test(normal(4000, 2, 0), normal(4000, 2, 1) + [1.0, 0.0], logistic_regression())
    assert test.accuracy == pytest.approx(scipy.stats.norm.cdf(0.5), abs=0.03)
    assert test.p_value < 1e-10 and test.num_test == 4000 and test.features == "raw values [N, 2]"


def test_p_value_is_the_binomial_tail():
    """A classifier that always says 1 has accuracy exactly 1/2, whatever the sizes of the sets."""
    from sklearn.dummy import DummyClassifier

    test = classifier_two_sample_test(normal(50, 1, 0), normal(300, 1, 1, shift=5.0), DummyClassifier())
    assert test.accuracy == 0.5 and test.num_test == 50
    assert test.p_value == pytest.approx(0.5 + scipy.stats.binom.pmf(25, 50, 0.5) / 2)
    test = classifier_two_sample_test(normal(50, 1, 0), normal(300, 1, 1, shift=50.0))
    assert test.accuracy == 1.0 and test.p_value == pytest.approx(0.5**50)


def test_trees_and_neighbours_see_what_a_line_cannot():
    """A scale, a correlation and a heavy tail: all means are equal. By default the classifier is trees."""
    x, y = normal(1000, 4, 0), normal(1000, 4, 1, scale=2.0)
    assert classifier_two_sample_test(x, y, logistic_regression()).p_value > 0.001
    assert classifier_two_sample_test(x, y, nearest_neighbors(1000)).p_value < 1e-6
    tails = np.random.default_rng(3).standard_t(2, size=(1000, 4))
    mixed = y[:, :1] / 2 * [0.8, 0.0, 0.0, 0.0] + normal(1000, 4, 2) * [0.6, 1, 1, 1]
    for other in (y, tails, np.column_stack([mixed[:, 0], y[:, 0] / 2, mixed[:, 2:]])):
        assert classifier_two_sample_test(x, other).p_value < 1e-6
    same = classifier_two_sample_test(x, normal(1000, 4, 4))
    assert same.p_value > 0.001 and same == classifier_two_sample_test(x, normal(1000, 4, 4), boosted_trees())


def test_the_least_examples_are_enough_for_trees():
    assert classifier_two_sample_test(normal(4, 2, 0), normal(4, 2, 1)).num_test == 4


# Maximum mean discrepancy.


def closed_form(dim: int, shift: float, scale: float, h: float) -> float:
    """MMD^2 of N(0, I) and N(shift, scale^2 I) with the kernel exp(-|a - b|^2 / (2 h^2))."""

    def expected(variance: float, distance: float) -> float:
        total = h**2 + variance
        return (h**2 / total) ** (dim / 2) * math.exp(-dim * distance**2 / (2 * total))

    return expected(2, 0) + expected(2 * scale**2, 0) - 2 * expected(1 + scale**2, shift)


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.3, 1.0), (0.0, 1.5), (0.5, 0.7)])
def test_mmd_is_unbiased(shift, scale):
    """Mean of 200 repeats within 4 standard errors of the closed form (false alarm 6e-5)."""
    values = [
        maximum_mean_discrepancy(
            normal(40, 3, 2 * seed), normal(60, 3, 2 * seed + 1, shift, scale), bandwidth=1.3, num_permutations=1
        ).squared_mmd
        for seed in range(200)
    ]
    error, exact = np.std(values) / math.sqrt(len(values)), closed_form(3, shift, scale, 1.3)
    print(f"\nMMD^2 of N(0, I) and N({shift}, {scale}^2 I): {np.mean(values):.5f} +- {error:.5f}, exact {exact:.5f}")
    assert np.mean(values) == pytest.approx(exact, abs=4 * error)


def test_mmd_equals_its_definition():
    x, y, h = normal(7, 2, 0), normal(9, 2, 1, shift=1.0), 0.8

    def k(a, b):
        return math.exp(-np.sum((a - b) ** 2) / (2 * h**2))

    within = [np.mean([k(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j]) for s in (x, y)]
    expected = sum(within) - 2 * np.mean([k(a, b) for a in x for b in y])
    assert maximum_mean_discrepancy(x, y, bandwidth=h).squared_mmd == pytest.approx(expected, abs=1e-12)


def test_mmd_has_the_right_size_and_sees_a_shift():
    """Permutations make the p-value exact: rejections at 5% within the binomial's 1e-4 tails, 99 permutations each."""
    tests = [
        maximum_mean_discrepancy(*normal(60, 3, seed).reshape(2, 30, 3), num_permutations=99, seed=seed)
        for seed in range(REPEATS)
    ]
    rejected = sum(test.p_value <= 0.05 for test in tests)
    print(f"\nMMD: identical distributions rejected at 5% in {rejected} of {REPEATS} repeats")
    low, high = scipy.stats.binom.ppf([1e-4, 1 - 1e-4], REPEATS, 0.05)
    assert low <= rejected <= high
    shifted = maximum_mean_discrepancy(normal(200, 3, 0), normal(300, 3, 1, shift=0.5))
    assert shifted.p_value == pytest.approx(1 / 201)


def test_bandwidth_is_the_median_distance():
    x, y = normal(50, 3, 0), normal(40, 3, 1)
    distances = scipy.spatial.distance.pdist(np.concatenate([x, y]))
    assert maximum_mean_discrepancy(x, y).bandwidth == pytest.approx(np.median(distances))
    same = maximum_mean_discrepancy(np.ones([9, 2]), np.ones([9, 2]))
    assert same.squared_mmd == 0 and same.p_value == 1 and same.bandwidth == 1.0  # that of the kernel, not the median's


# Precision and recall.


def modes(rows: int, seed: int, centres: tuple[float, ...]) -> np.ndarray:
    """Equal parts of normal clusters, 100 apart or more."""
    return np.concatenate([normal(rows // len(centres), 2, seed + i, shift=c) for i, c in enumerate(centres)])


def test_precision_and_recall_tell_dropped_from_invented_modes():
    """Balls of a finite sample leave gaps: two sets of one distribution score about 0.95 here, not 1."""
    real, same = modes(2000, 0, (0.0, 100.0)), modes(2000, 50, (0.0, 100.0))
    cases = {"same": same, "dropped": modes(2000, 50, (0.0,)), "invented": modes(2000, 50, (0.0, 100.0, 200.0, 300.0))}
    scores = {name: precision_recall(real, generated) for name, generated in cases.items()}
    for name, score in scores.items():
        print(f"\nmodes {name}: precision {score.precision:.3f}, recall {score.recall:.3f}", end="")
    assert min(scores["same"][:2]) > 0.93
    assert scores["dropped"].precision > 0.93 and scores["dropped"].recall == pytest.approx(0.5, abs=0.03)
    assert scores["invented"].precision == pytest.approx(0.5, abs=0.03) and scores["invented"].recall > 0.85
    swapped = precision_recall(same, real)
    assert swapped[:2] == (scores["same"].recall, scores["same"].precision)


def test_precision_and_recall_equal_their_definition():
    x, y, k = normal(30, 2, 0), normal(40, 2, 1, shift=1.0), 2

    def covered(points, centres):
        radii = [np.sort(np.linalg.norm(centres - c, axis=1))[k] for c in centres]
        near = [any(np.linalg.norm(p - c) <= r for c, r in zip(centres, radii, strict=True)) for p in points]
        return np.mean(near)

    score = precision_recall(x, y, num_neighbors=k)
    assert score[:2] == (covered(y, x), covered(x, y)) and 0 < score.recall < 1


# The feature space.


def test_features_are_declared():
    images, others = normal(80, 100, 0).reshape(80, 10, 10), normal(80, 100, 1).reshape(80, 10, 10)
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(7)], name="probe")
    assert precision_recall(images, others).features == "50 principal components of raw values [N, 100]"
    assert precision_recall(images, others, features=network).features == "output of probe [N, 7]"

    def brightness(x):
        return x.mean(axis=(1, 2))

    shifted = maximum_mean_discrepancy(images, others + 0.5, features=brightness)
    assert shifted.features == "output of brightness [N, 1]" and shifted.p_value < 0.01
    test = classifier_two_sample_test(images, others + 0.5, features=brightness)
    assert test.p_value < 1e-4


def test_principal_components_are_those_of_both_sets():
    """So that swapping the sets swaps the numbers; of one set alone the other would lie flatter, and be told apart."""
    x, y = normal(70, 60, 0), normal(70, 60, 1)
    there, back = precision_recall(x, y), precision_recall(y, x)
    assert there[:2] == back[1::-1] and "50 principal" in there.features
    there, back = maximum_mean_discrepancy(x, y), maximum_mean_discrepancy(y, x)
    assert there.squared_mmd == pytest.approx(back.squared_mmd, abs=1e-12)


@pytest.mark.parametrize("columns", [7, 40])
def test_copies_of_rows_that_stand_there_often_are_covered(columns):
    """Their balls have a radius of 0, and a distance that is the root of a difference of squares is 1e-8."""
    rows = np.repeat(np.random.default_rng(0).normal(3.0, 1.0, [10, columns]), 10, axis=0)
    found = precision_recall(rows, rows[::-1])
    assert (found.precision, found.recall) == (1.0, 1.0)
    assert precision_recall(rows, rows + 1e-3).precision == 0.0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(lambda x: x[:, :2], "one shape"), (lambda x: x[:3], "at least 4"), (lambda x: x * np.nan, "finite")],
    ids=["shape", "rows", "nan"],
)
@pytest.mark.parametrize("score", [classifier_two_sample_test, maximum_mean_discrepancy, precision_recall])
def test_refusals(score, spoil, words):
    x = normal(20, 3, 0)
    with pytest.raises(InvalidInput, match=words):
        score(x, spoil(x))


# Downstream.


def test_linear_probe_reaches_the_best_accuracy():
    """Two normal classes two apart: Phi(1) = 0.841; standard error 0.006 on 4000 held-out examples."""
    labels = np.random.default_rng(0).integers(0, 2, 20_000)
    codes = normal(20_000, 3, 1) + 2.0 * labels[:, None] * [1.0, 0.0, 0.0]
    probe = linear_probe(codes, labels)
    assert probe.accuracy == pytest.approx(scipy.stats.norm.cdf(1), abs=4 * probe.standard_error)
    assert (probe.num_train, probe.num_test) == (16_000, 4000) and probe.chance == pytest.approx(0.5, abs=0.01)
    assert probe.standard_error == pytest.approx(math.sqrt(0.841 * 0.159 / 4000), rel=0.05)
    guess = linear_probe(normal(200, 100, 2), np.repeat(["a", "b"], [150, 50]))
    assert guess.chance == 0.75 and guess.train_accuracy > guess.accuracy + 0.1


@pytest.mark.parametrize(
    ("labels", "words"),
    [(np.zeros(20), "two labels"), (np.arange(20), "two labels"), (np.zeros(19), "one label an example")],
    ids=["one label", "all alone", "too few"],
)
def test_linear_probe_refuses_what_cannot_be_split(labels, words):
    with pytest.raises(InvalidInput, match=words):
        linear_probe(normal(20, 2, 0), labels)


def test_roc_auc_on_known_scores():
    assert roc_auc([0, 1, 2], [3, 4, 5]).value == 1 and roc_auc([3, 4], [1, 2]).value == 0
    assert roc_auc([1, 1, 1], [1, 1]).value == 0.5
    inliers, outliers = np.round(normal(500, 1, 0)[:, 0], 1), np.round(normal(300, 1, 1, shift=1.0)[:, 0], 1)  # ties
    labels = np.repeat([0, 1], [500, 300])
    expected = roc_auc_score(labels, np.concatenate([inliers, outliers]))
    assert roc_auc(inliers, outliers).value == pytest.approx(expected, abs=1e-12)
    with pytest.raises(InvalidInput, match="nan"):
        roc_auc([0.0, np.nan], [1.0, 2.0])


def test_no_standard_error_where_the_scores_show_none(caplog):
    """Separated scores, and equal ones: each example says the same, so nothing is known of the spread."""
    for inliers, outliers in (([0, 1, 2], [3, 4, 5]), ([3, 4], [1, 2]), ([1, 1, 1], [1, 1])):
        assert math.isnan(roc_auc(inliers, outliers).standard_error)
    assert roc_auc([0, 1, 3], [2, 4, 5]).standard_error > 0
    vae = linear_gaussian.set_exact(linear_gaussian.linear_vae())
    far = linear_gaussian.data(5, seed=1) + np.float32(100.0)
    table = str(anomaly(vae, linear_gaussian.data(5, seed=0), far, num_samples=5))
    assert "1.0000       ?" in table and "0.0000" not in table.splitlines()[1]


def test_standard_error_of_the_area():
    """Two normals one apart: area Phi(1 / sqrt 2); the stated error against the spread of 300 repeats (13% band)."""
    areas = [roc_auc(normal(60, 1, 2 * s)[:, 0], normal(90, 1, 2 * s + 1, shift=1.0)[:, 0]) for s in range(300)]
    values, stated = np.array(areas).T
    assert values.mean() == pytest.approx(scipy.stats.norm.cdf(1 / math.sqrt(2)), abs=4 * values.std() / math.sqrt(300))
    assert stated.mean() == pytest.approx(values.std(), rel=4 / math.sqrt(600))


def test_standard_error_of_the_area_at_unequal_numbers_is_its_formula():
    """Var_i(mean_j) / N + Var_j(mean_i) / M over the table of all pairs: of few inliers far more than of many."""
    x, y = normal(5, 1, 0)[:, 0], normal(80, 1, 1, shift=1.0)[:, 0]
    below = np.array([[a < b for b in y] for a in x], float)
    variance = below.mean(axis=1).var(ddof=1) / 5 + below.mean(axis=0).var(ddof=1) / 80
    assert roc_auc(x, y) == pytest.approx((below.mean(), math.sqrt(variance)), rel=1e-12)


def test_anomaly_on_the_linear_gaussian_oracle():
    """At the exact posterior every log-weight is log p(x): both scores are exact."""
    vae = linear_gaussian.set_exact(linear_gaussian.linear_vae())
    inliers, outliers = linear_gaussian.data(230, seed=0), linear_gaussian.data(170, seed=1) + np.float32(0.6)
    result = anomaly(vae, inliers, outliers, num_samples=60)
    exact = [linear_gaussian.exact_log_prob(x) for x in (inliers, outliers)]
    area = roc_auc(-exact[0], -exact[1])
    print(f"\n{result}\nexact density: {area.value:.4f}")
    for report, log_prob in zip((result.inliers, result.outliers), exact, strict=True):
        for name in ("elbo", "log_prob"):
            np.testing.assert_allclose(report.per_example[name], log_prob, atol=2e-4)
    assert result.elbo == pytest.approx(area, abs=1e-3) and result.log_prob == pytest.approx(area, abs=1e-3)
    assert area.value > 0.6 and result.outliers.num_samples == 60
    assert "others" in str(result) and "fails" not in str(result)


def test_caveat_where_likelihood_fails(caplog):
    """Outliers at the mean of the data are more likely than the data: told, not hidden."""
    vae = linear_gaussian.set_exact(linear_gaussian.linear_vae())
    outliers = np.tile(linear_gaussian.B, (50, 1)).astype("float32") + 0.01 * normal(50, 5, 0).astype("float32")
    with caplog.at_level(logging.WARNING, logger="tfvae"):
        result = anomaly(vae, linear_gaussian.data(100, seed=0), outliers, num_samples=10)
    assert max(result.elbo.value, result.log_prob.value) < 0.1
    assert "Likelihood fails here: by elbo and by log_prob" in caplog.text and "Nalisnick" in str(result)


def test_mmd_of_one_example_or_of_infinite_distances_is_refused():
    """Neither has an unbiased estimate; a p-value of zero for NaN would be the strongest claim of all."""
    x, y = np.random.default_rng(0).normal(size=(2, 20, 3))
    for arguments in ((x, y, {"max_rows": 1}), (x * 1e200, y * 1e200, {})):
        with pytest.raises(InvalidInput, match="finite distances"):
            maximum_mean_discrepancy(*arguments[:2], **arguments[2])
