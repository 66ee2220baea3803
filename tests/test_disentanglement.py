"""Scores of disentanglement on codes where the answer is known, against closed forms, and in degenerate cases.

Statistical tolerances are 4 standard errors or more: each statement fails by chance less than once in 10000 seeds.
"""

import inspect
import math
import warnings

import numpy as np
import pytest
import scipy.stats

from tfvae.core.errors import InvalidInput
from tfvae.evaluation import code_scores
from tfvae.evaluation.code_scores import dci, explicitness, mig, modularity, sap
from tfvae.evaluation.factor_scores import beta_vae_score, disentanglement, factor_vae_score
from tfvae.evaluation.factors import FactoredCodes, factored_codes

VALUES = (3, 4, 6)
N = 3000
RNG = np.random.default_rng(0)
FACTORS = np.stack([RNG.integers(0, n, N) for n in VALUES], axis=1)
CODES = (FACTORS - FACTORS.mean(0)) / FACTORS.std(0)
NOISE = RNG.normal(size=(N, 5))
ROTATED = CODES @ scipy.stats.ortho_group.rvs(3, random_state=1)
CEILING = {"sap": np.mean([1 - 1 / n for n in VALUES])}  # guessing a class of n is right once in n


def noisy(values: np.ndarray, num: int, share: float, seed: int = 0) -> np.ndarray:
    """Values of which a share is replaced by one of the others: right with probability 1 - share."""
    rng = np.random.default_rng(seed)
    other = (values + rng.integers(1, num, len(values))) % num
    return np.where(rng.uniform(size=len(values)) < share, other, values)


@pytest.fixture(scope="module")
def perfect():
    return disentanglement(CODES, FACTORS)


def test_perfect_codes_score_one(perfect):
    print(f"\nperfect codes (one dimension a factor), N={N}, values {VALUES}:\n{perfect}")
    for name, value in perfect.as_dict().items():
        assert value == pytest.approx(CEILING.get(name, 1.0), abs=0.02), name
    assert sap(CODES, FACTORS, ordered=(0, 1, 2)).value > 0.99


def test_order_sign_and_scale_of_dimensions_do_not_matter(perfect):
    """Scales that keep the variance above FactorVAE's threshold for collapsed dimensions."""
    order = [2, 0, 1]
    permuted = disentanglement(CODES[:, order] * [-1.0, 2.0, 0.5] + [3.0, 0.0, -1.0], FACTORS)
    print(f"\npermuted, sign-flipped and rescaled codes:\n{permuted}")
    for name, value in perfect.as_dict().items():
        assert permuted.as_dict()[name] == pytest.approx(value, abs=0.005), name
    importance = dci(CODES[:, order], FACTORS).importance
    assert list(importance.argmax(axis=0)) == [1, 2, 0]


def test_rotated_codes_lose_all_but_what_a_linear_map_keeps(perfect):
    rotated = disentanglement(ROTATED, FACTORS)
    print(f"\nrotated codes:\n{rotated}")
    falls = {name: perfect.as_dict()[name] - value for name, value in rotated.as_dict().items()}
    for name in ("explicitness", "dci_informativeness"):  # all is still there for whoever looks at the whole code
        assert abs(falls.pop(name)) < 0.01
    assert min(falls.values()) > 0.1, falls


def test_noise_scores_its_chance_level():
    noise = disentanglement(NOISE, FACTORS)
    print(f"\nnoise codes:\n{noise}")
    for name, value in noise.as_dict().items():
        chance = getattr(noise, name).chance
        assert name == "modularity" or value == pytest.approx(chance, abs=0.045), name
    assert math.isnan(noise.modularity.chance)
    assert noise.dci_informativeness.chance == pytest.approx(np.mean([1 / n for n in VALUES]), abs=0.02)


def test_chance_levels_are_what_codes_without_information_score():
    """Of unequal factors, where a guess is not one in so many: 90% of factor 0 is one value, 3/4 of factor 1.

    The forests fit 2000 rows of a constant code, so that all they can learn is the most frequent value.
    """
    factors = np.stack([np.arange(4000) % 10 == 0, np.arange(4000) % 4, np.arange(4000) % 4 == 0], axis=1).astype(int)
    scores = disentanglement(np.zeros([4000, 2]), factors)
    assert scores.dci_informativeness.chance == pytest.approx(np.mean([0.9, 0.25, 0.75]), abs=1e-12)
    assert scores.dci_informativeness.value == pytest.approx(scores.dci_informativeness.chance, abs=0.02)
    assert scores.beta_vae.chance == scores.factor_vae.chance == pytest.approx(1 / 3, abs=1e-12)
    assert beta_vae_score(NOISE, np.insert(FACTORS, 1, 7, axis=1)).chance == pytest.approx(1 / 3, abs=1e-12)
    assert scores.explicitness.chance == scores.explicitness.value == 0.5
    zero = ("mig", "sap", "dci_disentanglement", "dci_completeness")
    assert {getattr(scores, name).chance for name in zero} == {0.0} and math.isnan(scores.modularity.chance)


def test_documented_sizes_of_the_scores(monkeypatch):
    """What the docstrings name: 10000 features to fit on and 5000 to score, 64 pairs or rows each, forests of 50."""
    seen, asked, forests = [], [], []

    class Learner:
        def fit(self, features, labels):
            seen.append(features)
            return self

        def predict(self, features):
            seen.append(features)
            return np.zeros(len(features), int)

    monkeypatch.setattr(code_scores.learners, "logistic_regression", Learner)
    beta_vae_score(NOISE, FACTORS)
    assert [len(features) for features in seen] == [10_000, 5_000]
    pair = math.sqrt(2) * np.sqrt(1 - 2 / np.pi)  # deviation of |c - c'| of standard normal codes
    assert seen[0].std(axis=0).mean() == pytest.approx(pair / math.sqrt(64), rel=0.1)

    def rows_like(data, rows, factor, size, rng):
        asked.append((len(rows), size))
        return np.zeros([len(rows), size], int)

    monkeypatch.setattr(FactoredCodes, "rows_like", rows_like)
    factor_vae_score(NOISE, FACTORS)
    assert sum(count for count, _ in asked) == 15_000 and {size for _, size in asked} == {64}
    real = code_scores.learners.forest
    monkeypatch.setattr(code_scores.learners, "forest", lambda *given: forests.append(real(*given)) or forests[-1])
    dci(NOISE[:200], FACTORS[:200])
    assert [len(forest.estimators_) for forest in forests] == [50, 50, 50]
    assert {kind: inspect.signature(kind).parameters["bins"].default for kind in (mig, modularity)} == {
        mig: 20, modularity: 20,
    }  # fmt: skip


def test_redundant_codes_have_no_gap():
    twice = disentanglement(np.concatenate([CODES, CODES], axis=1), FACTORS)
    print(f"\nredundant codes (every factor twice):\n{twice}")
    assert twice.mig.value == 0.0 and twice.sap.value == 0.0
    assert twice.dci_completeness.value == pytest.approx(1 - math.log(2) / math.log(6), abs=0.02)
    rest = ("beta_vae", "factor_vae", "dci_disentanglement", "modularity", "explicitness")
    assert min(getattr(twice, name).value for name in rest) > 0.98


def test_mig_is_the_gap_of_a_noisy_channel():
    """I = log n - h(e) - e log(n - 1) and H = log n, for a code that is wrong with probability e."""
    rng, n = np.random.default_rng(1), 5
    values = rng.integers(0, n, 40_000)
    information = {e: math.log(n) - scipy.stats.entropy([e, 1 - e]) - e * math.log(n - 1) for e in (0.1, 0.3)}
    codes = np.stack([noisy(values, n, 0.1), noisy(values, n, 0.3, seed=100)], axis=1)
    assert mig(codes[:, 0], values).value == pytest.approx(information[0.1] / math.log(n), abs=0.01)
    gap = (information[0.1] - information[0.3]) / math.log(n)
    assert mig(codes, values).value == pytest.approx(gap, abs=0.015)
    assert mig(codes, values).parts == pytest.approx([gap], abs=0.015)


def test_bins_limit_mig():
    """20 equal bins merge 40 values two by two: I = log 20, H = log 40."""
    values = np.repeat(np.arange(40), 50)
    assert mig(values, values).value == pytest.approx(math.log(20) / math.log(40), abs=1e-9)
    assert mig(values, values, bins=40).value == pytest.approx(1.0, abs=1e-9)


def test_mig_is_a_share_of_the_entropy():
    """Of a factor that is rare in one value the entropy is far below log 2; a code that knows it scores 1."""
    rare = np.repeat([0, 1], [95, 5])
    assert mig(rare, rare).value == pytest.approx(1.0, abs=1e-9)


def test_information_agrees_with_histograms():
    """Against NumPy's histogram and scikit-learn's estimate on the same bins."""
    from sklearn.metrics import mutual_info_score

    data = factored_codes(NOISE, FACTORS)
    table = code_scores.binned_information(data, 20)
    for d, k in ((0, 0), (4, 2)):
        edges = np.histogram_bin_edges(NOISE[:, d], 20)
        binned = np.clip(np.digitize(NOISE[:, d], edges) - 1, 0, 19)
        assert table[d, k] == pytest.approx(mutual_info_score(binned, FACTORS[:, k]), abs=1e-9)


def test_modularity_of_a_dimension_that_holds_two_factors():
    """I_a = log 4, I_b = log 2: 1 - (log 2 / log 4)^2 = 3/4; with equal factors 0."""
    a, b = np.meshgrid(np.arange(4), np.arange(2), indexing="ij")
    grid = np.tile(np.stack([a.ravel(), b.ravel()], axis=1), (20, 1))
    assert modularity(grid @ [2, 1], grid).value == pytest.approx(0.75, abs=1e-9)
    assert modularity(grid[:, 0], np.stack([grid[:, 0] // 2, grid[:, 0] % 2], axis=1)).value == pytest.approx(0.0)
    two = modularity(np.stack([grid @ [2, 1], grid[:, 0]], axis=1), grid)
    assert two.value == pytest.approx((0.75 + 1) / 2) and two.parts == pytest.approx([0.75, 1.0])


def test_sap_is_the_accuracy_gap_or_the_squared_correlation():
    values = np.random.default_rng(2).integers(0, 5, 20_000)
    codes = np.stack([noisy(values, 5, 0.1), noisy(values, 5, 0.4, seed=100)], axis=1)
    assert sap(codes, values).value == pytest.approx(0.9 - 0.6, abs=0.03)
    blurred = values + np.random.default_rng(3).normal(scale=2.0, size=len(values))
    assert sap(blurred, values, ordered=(0,)).value == pytest.approx(2 / (2 + 4), abs=0.02)  # Var v = (25 - 1) / 12


def test_sap_weighs_values_equally():
    """A factor that is 0 in 95% of all examples: noise must not score 0.95."""
    rare = (np.random.default_rng(4).uniform(size=4000) < 0.05).astype(int)
    noise = np.random.default_rng(5).normal(size=4000)
    assert sap(noise, rare).value == pytest.approx(0.5, abs=0.15)


def test_dci_of_a_dimension_that_holds_two_factors():
    """Two equal factors in one dimension: it is no one's (D = 0), but each factor has one dimension (C = 1)."""
    factors = np.random.default_rng(6).integers(0, 2, [2000, 2])
    codes = np.stack([factors @ [2, 1], np.random.default_rng(7).normal(size=2000)], axis=1)
    scores = dci(codes, factors)
    assert scores.disentanglement.value < 0.01 and scores.completeness.value > 0.97
    assert scores.informativeness.value == 1.0
    assert scores.importance.sum(axis=0) == pytest.approx([1, 1])


def test_informativeness_is_held_out():
    """Right with probability 0.8; a forest that is scored on what it was fitted to would know NOISE by heart."""
    values = np.random.default_rng(8).integers(0, 4, 6000)
    code = np.stack([noisy(values, 4, 0.2), np.random.default_rng(9).normal(size=6000)], axis=1)
    assert dci(code, values).informativeness.value == pytest.approx(0.8, abs=0.15)
    assert dci(NOISE, FACTORS).informativeness.value < 0.36


@pytest.mark.parametrize("spread", [0.5, 1.0])
def test_explicitness_is_the_area_under_the_roc_curve(spread):
    """Two normal classes one apart: Phi(1 / (sqrt(2) spread)); the standard error is 0.004 at 10000 examples."""
    values = np.random.default_rng(10).integers(0, 2, 20_000)
    code = values + np.random.default_rng(11).normal(scale=spread, size=len(values))
    expected = scipy.stats.norm.cdf(1 / (math.sqrt(2) * spread))
    assert explicitness(code, values).value == pytest.approx(expected, abs=0.02)


def test_factor_vae_score_of_a_code_that_knows_one_of_two_factors():
    """Fixed a: always dimension 0. Fixed b: either. The vote says a for 0, b for 1: right in 1/2 + 1/4."""
    factors = np.random.default_rng(12).integers(0, 4, [4000, 2])
    codes = np.stack([factors[:, 0], np.random.default_rng(13).normal(size=4000)], axis=1)
    score = factor_vae_score(codes, factors)
    assert score.value == pytest.approx(0.75, abs=0.12) and score.parts[0] == 1.0  # the coin of b is not quite fair


def test_factor_vae_score_compares_variances_to_their_own_scale():
    """Noisy codes, one dimension in other units: its variance, though fixed, is the largest, but not for its scale."""
    noisy_codes = CODES + 0.3 * NOISE[:, :3]
    score = factor_vae_score(noisy_codes * [10.0, 1.0, 1.0], FACTORS)
    assert score.value == factor_vae_score(noisy_codes, FACTORS).value > 0.99


def test_factor_vae_score_leaves_out_collapsed_dimensions():
    """A factor that only a dimension of variance 0.0001 knows is not found, unless asked for."""
    codes = CODES * [1.0, 1.0, 0.01]
    assert factor_vae_score(codes, FACTORS).value < 0.9
    assert factor_vae_score(codes, FACTORS, min_variance=0.0).value > 0.99
    assert factor_vae_score(0.01 * CODES, FACTORS).value == 0.0


def test_scores_that_fix_a_factor_see_distances_not_values():
    """A code that jumps by the example's row, not by factor, is at chance; one that adds a constant changes nothing."""
    assert beta_vae_score(CODES + 100.0, FACTORS).value == pytest.approx(beta_vae_score(CODES, FACTORS).value)
    assert beta_vae_score(np.arange(N), FACTORS).value == pytest.approx(1 / 3, abs=0.06)


def test_rows_that_share_a_value():
    """Uniform over them: chi-square at 1e-4; the least common row would be seen at a 20% lack."""
    factors = np.stack([np.repeat([0, 5, 9], [10, 20, 30]), np.arange(60)], axis=1)
    data = factored_codes(np.zeros([60, 1]), factors)
    rows = np.array([3, 15, 59])
    drawn = data.rows_like(rows, 0, 20_000, np.random.default_rng(0))
    assert drawn.shape == (3, 20_000)
    for row, partners in zip(rows, drawn, strict=True):
        group = np.flatnonzero(factors[:, 0] == factors[row, 0])
        counts = np.bincount(partners, minlength=60)
        assert counts.sum() == counts[group].sum()
        assert scipy.stats.chisquare(counts[group]).pvalue > 1e-4


@pytest.mark.parametrize("rows", [2, 5, 20])
def test_noise_is_at_chance_however_few_rows_a_value_has(rows):
    """Factor 0 has so many rows a value, factor 1 half of all: a pair at distance zero would name factor 0.

    Mean of three seeds. The classifier is fitted and scored on the same 20000 rows, so that it learns by how much the
    mean distance of one factor's pairs differs by chance: with 2 rows a value that is worth 0.03.
    """
    rng, n, scores = np.random.default_rng(14), 20_000, []
    for seed in range(3):
        factors = np.stack([rng.permutation(np.arange(n) // rows), rng.integers(0, 2, n)], axis=1)
        scores.append([score(rng.normal(size=(n, 5)), factors, seed) for score in (beta_vae_score, factor_vae_score)])
    beta_vae, factor_vae = np.mean([[float(score) for score in pair] for pair in scores], axis=0)
    print(f"\nnoise, {rows} rows a value: BetaVAE {beta_vae:.3f}, FactorVAE {factor_vae:.3f}, chance 0.5")
    assert beta_vae == pytest.approx(0.5, abs=0.06) and factor_vae == pytest.approx(0.5, abs=0.04)


def test_values_of_one_row_are_not_drawn():
    """Of 4000 rows, half have a value of factor 0 of their own: alone, they vary in no dimension."""
    rng, n = np.random.default_rng(15), 4000
    factors = np.stack([np.where(np.arange(n) < n // 2, np.arange(n), n), rng.integers(0, 2, n)], axis=1)
    for score in (beta_vae_score, factor_vae_score):
        assert float(score(rng.normal(size=(n, 5)), factors)) == pytest.approx(0.5, abs=0.15), score.__name__
    shared = factored_codes(np.zeros([n, 1]), factors).shared_rows(0, 1000, rng)
    assert shared.min() >= n // 2


def test_partners_are_other_rows_of_the_same_value():
    """Uniform over them: chi-square at 1e-4."""
    factors = np.random.default_rng(16).permutation(np.repeat([0, 5, 9], [2, 20, 30]))
    data, rng = factored_codes(np.zeros([52, 1]), factors), np.random.default_rng(0)
    for row in (np.flatnonzero(factors == value)[0] for value in (0, 5, 9)):
        group = np.setdiff1d(np.flatnonzero(factors == factors[row]), row)
        counts = np.bincount(data.partners(np.full(20_000, row), 0, rng), minlength=52)
        assert counts.sum() == counts[group].sum()
        assert scipy.stats.chisquare(counts[group]).pvalue > 1e-4 or len(group) == 1


def test_constant_factor_is_left_out(perfect):
    """Every score is what it is without that factor, whose own part is NaN."""
    factors = np.insert(FACTORS, 1, 7, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = disentanglement(CODES, factors)
    assert scores.as_dict() == pytest.approx(perfect.as_dict(), abs=1e-12)
    for name in ("beta_vae", "factor_vae", "mig", "sap", "dci_completeness", "explicitness"):
        assert list(np.isnan(getattr(scores, name).parts)) == [False, True, False, False], name
    assert np.isnan(dci(CODES, factors).importance[:, 1]).all()
    assert " - " in str(scores)


def test_constant_dimension_adds_nothing(perfect):
    codes = np.insert(CODES, 1, 7.0, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = disentanglement(codes, FACTORS)
    assert scores.as_dict() == pytest.approx(perfect.as_dict(), abs=0.005)
    assert math.isnan(scores.modularity.parts[1]) and math.isnan(scores.dci_disentanglement.parts[1])


def test_constant_codes_know_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = disentanglement(np.zeros([N, 4]), FACTORS).as_dict()
    assert scores.pop("beta_vae") == pytest.approx(1 / 3, abs=0.03)
    assert scores.pop("dci_informativeness") == pytest.approx(np.mean([1 / n for n in VALUES]), abs=0.05)
    assert scores.pop("explicitness") == 0.5
    assert set(scores.values()) == {0.0}, scores


def test_one_dimension_and_one_factor():
    """No second dimension: the gap is to one that knows nothing. One factor: nothing to mix it up with."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = disentanglement(CODES[:, 2], FACTORS[:, 2])
    assert scores.sap.value == pytest.approx(1.0)  # a missing dimension, as a constant one, has S = 0
    for name, value in scores.as_dict().items():
        assert value == pytest.approx(1.0, abs=0.02), name
    one = disentanglement(CODES[:, 0], FACTORS)
    assert one.mig.value == pytest.approx(1 / 3, abs=0.01)
    assert one.factor_vae.value == pytest.approx(1 / 3, abs=0.03)  # one dimension varies least, whatever is fixed


def test_fewer_dimensions_than_factors():
    scores = disentanglement(CODES[:, :2], FACTORS)
    assert scores.mig.value == pytest.approx(2 / 3, abs=0.01) and scores.mig.parts[2] < 0.01
    assert scores.modularity.value > 0.98 and scores.dci_informativeness.value < 0.85


@pytest.mark.parametrize("score", [mig, modularity, dci])
def test_factor_values_are_names(score):
    """Any whole numbers, with gaps and of any order; as floats too."""
    names = np.array([40.0, -3.0, 17.0, 2.0, 99.0, 0.0])
    renamed = np.stack([names[FACTORS[:, k]] for k in range(3)], axis=1)
    a, b = score(CODES, FACTORS), score(CODES, renamed)
    value = (lambda s: s.disentanglement.value) if score is dci else float
    assert value(a) == pytest.approx(value(b), abs=0.01)


def test_same_seed_same_scores():
    assert disentanglement(ROTATED, FACTORS, seed=3).as_dict() == disentanglement(ROTATED, FACTORS, seed=3).as_dict()


@pytest.mark.parametrize(
    ("codes", "factors", "words"),
    [
        (CODES, FACTORS[:-1], "same examples"),
        (CODES[:, :, None], FACTORS, "table of numbers"),
        (np.full([N, 2], np.nan), FACTORS, "finite codes"),
        (CODES, FACTORS + 0.5, "whole numbers"),
        (CODES, np.zeros([N, 2]), "at least two values"),
        (CODES, np.full([N, 2], "a"), "table of numbers"),
    ],
)
def test_refusals(codes, factors, words):
    with pytest.raises(InvalidInput, match=words):
        mig(codes, factors)


@pytest.mark.parametrize("score", [beta_vae_score, factor_vae_score])
def test_factor_that_never_repeats_is_refused_where_it_must_be_fixed(score):
    factors = np.stack([np.arange(N), FACTORS[:, 0]], axis=1)
    with pytest.raises(InvalidInput, match="Bin it first"):
        score(CODES, factors)
    assert 0 < mig(CODES, factors).value < 1
