"""Disentanglement: all scores as one table, and the two that fix one factor and ask which it was.

    BetaVAE     (1/L sum_l |c(x_l) - c(x'_l)|, k)           x_l, x'_l share factor k; accuracy of a linear classifier
    FactorVAE   (argmin_d Var_l c_d(x_l) / Var c_d, k)      all x_l share one value of k; accuracy of a majority vote

Both draw their examples from the given rows (`tfvae.evaluation.factors`): factors that depend on each other in the data
depend on each other here. Rows whose value no other row has are not drawn, and a pair is of two rows, never of one and
itself, at distance zero: else both would name a factor of many rare values whatever the codes. The scores from
information and prediction are in `tfvae.evaluation.code_scores`.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import ArrayLike
from tfvae.evaluation import learners
from tfvae.evaluation.code_scores import dci, explicitness, mig, modularity, sap
from tfvae.evaluation.factors import FactoredCodes, Score, factored_codes

NUM_TRAIN, NUM_TEST = 10_000, 5_000  # votes to fit and to score a classifier on, as in the field's usual library
ROWS_AT_A_TIME = 100_000


@dataclasses.dataclass(frozen=True)
class Disentanglement:
    """All scores of one set of codes; prints as a table.

    Attributes:
        beta_vae: parts are factors, as in all but two.
        factor_vae: likewise.
        mig: likewise.
        sap: likewise.
        dci_disentanglement: parts are code dimensions.
        dci_completeness: parts are factors.
        dci_informativeness: likewise.
        modularity: parts are code dimensions.
        explicitness: parts are factors.
    """

    beta_vae: Score
    factor_vae: Score
    mig: Score
    sap: Score
    dci_disentanglement: Score
    dci_completeness: Score
    dci_informativeness: Score
    modularity: Score
    explicitness: Score

    def as_dict(self) -> dict[str, float]:
        """Returns the values by name."""
        return {field.name: getattr(self, field.name).value for field in dataclasses.fields(self)}

    def __str__(self) -> str:
        """Returns the table: value, value of codes without information, and each factor or dimension."""
        lines = [f"{'score':20s}{'value':>8s}{'chance':>8s}   of each factor (* code dimension)"]
        for field in dataclasses.fields(self):
            score, star = getattr(self, field.name), field.name in ("dci_disentanglement", "modularity")
            parts = " ".join("  - " if np.isnan(part) else f"{part:.2f}" for part in score.parts)
            chance = "-" if np.isnan(score.chance) else f"{score.chance:.3f}"
            lines.append(f"{field.name:20s}{score.value:8.3f}{chance:>8s} {'*' if star else ' '} {parts}")
        return "\n".join(lines)


def disentanglement(
    codes: ArrayLike, factors: ArrayLike, seed: int | None = 0, bins: int = 20, ordered: Sequence[int] = ()
) -> Disentanglement:
    """Returns every score of disentanglement.

    Args:
        codes: `[N, D]`, for example `vae.encode(x).mean()`.
        factors: `[N, F]`, whole numbers. One with a single value is left out of every score.
        seed: of splits, draws and forests.
        bins: equal-width bins of a code dimension, for MIG and modularity.
        ordered: indices of the factors that SAP predicts as numbers; the others are classes.

    Raises:
        InvalidInput: see `factored_codes`; if a factor has no value that two examples share.

    Reference:
        Locatello et al. 2019, "Challenging Common Assumptions in the Unsupervised Learning of Disentangled
        Representations", which compares most of them.

    Example:
        >>> factors = np.random.default_rng(0).integers(0, 4, [1000, 3])
        >>> round(disentanglement(codes=factors, factors=factors).mig.value, 2)
        1.0
    """
    importances = dci(codes, factors, seed)
    return Disentanglement(
        beta_vae=beta_vae_score(codes, factors, seed),
        factor_vae=factor_vae_score(codes, factors, seed),
        mig=mig(codes, factors, bins),
        sap=sap(codes, factors, seed, ordered),
        dci_disentanglement=importances.disentanglement,
        dci_completeness=importances.completeness,
        dci_informativeness=importances.informativeness,
        modularity=modularity(codes, factors, bins),
        explicitness=explicitness(codes, factors, seed),
    )


def beta_vae_score(codes: ArrayLike, factors: ArrayLike, seed: int | None = 0, num_pairs: int = 64) -> Score:
    """Returns how well a linear classifier names the factor that pairs of examples share.

        feature = 1/L sum_l |c(x_l) - c(x'_l)|,    label = k,    x_l and x'_l being two examples of one factor k

    The classifier is logistic regression on standardised features, fitted on 10000 and scored on 5000 of them. Both are
    drawn from the same rows: where a factor has few pairs, their mean distance is its own even for noise, and is
    learned. Noise on 2000 rows, 2 a value, scores up to 0.6 where chance is 0.5; on 20000 rows, 0.53.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        seed: of the draws.
        num_pairs: pairs L behind one feature.

    Returns:
        Accuracy; its parts are the factors' own.

    Raises:
        InvalidInput: see `disentanglement`.

    Reference:
        Higgins et al. 2017, "beta-VAE", section 3.
    """
    data, rng = _repeating(codes, factors), np.random.default_rng(seed)
    num_pairs = positive_integer("num_pairs", num_pairs)

    def feature(factor: int, count: int) -> np.ndarray:
        rows = data.shared_rows(factor, count * num_pairs, rng)
        distance = np.abs(data.codes[rows] - data.codes[data.partners(rows, factor, rng)])
        return distance.reshape(count, num_pairs, -1).mean(axis=1)

    (train, labels), (test, truth) = (_votes(data, feature, n, num_pairs, rng) for n in (NUM_TRAIN, NUM_TEST))
    if len(data.varying) == 1:
        return _accuracy(data, truth, truth)
    classifier = learners.logistic_regression().fit(train, labels)
    return _accuracy(data, classifier.predict(test), truth)


def factor_vae_score(
    codes: ArrayLike, factors: ArrayLike, seed: int | None = 0, num_rows: int = 64, min_variance: float = 0.05
) -> Score:
    """Returns how well the code dimension that varies least names the factor that is fixed.

        d* = argmin_d Var_l[c_d(x_l)] / Var[c_d],    majority vote d* -> k,    all x_l having one value of factor k

    The vote is counted on 10000 and scored on 5000 draws. Without a dimension above `min_variance` the score is 0.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        seed: of the draws.
        num_rows: examples L behind one vote.
        min_variance: dimensions with a smaller variance over all examples count as collapsed and are left out. 0.05
            is the usual choice for codes of a standard normal prior; give 0 for codes of another scale.

    Returns:
        Accuracy; its parts are the factors' own.

    Raises:
        InvalidInput: see `disentanglement`.

    Reference:
        Kim and Mnih 2018, "Disentangling by Factorising", section 4.
    """
    data, rng = _repeating(codes, factors), np.random.default_rng(seed)
    num_rows = positive_integer("num_rows", num_rows)
    active = (data.codes.var(axis=0) >= min_variance) & ~data.constant
    if not active.any():
        return Score(0.0, data.for_all_factors(np.zeros(len(data.varying))), 1 / len(data.varying))
    scaled = data.standardized[:, active]

    def least_varying(factor: int, count: int) -> np.ndarray:
        rows = data.shared_rows(factor, count, rng)
        return scaled[data.rows_like(rows, factor, num_rows, rng)].var(axis=1).argmin(axis=1)

    (train, labels), (test, truth) = (_votes(data, least_varying, n, num_rows, rng) for n in (NUM_TRAIN, NUM_TEST))
    counts = np.zeros([scaled.shape[1], len(data.varying)])
    np.add.at(counts, (train, labels), 1)
    return _accuracy(data, counts.argmax(axis=1)[test], truth)


def _repeating(codes: ArrayLike, factors: ArrayLike) -> FactoredCodes:
    """Returns the data; refuses a factor of which no two examples share a value, since it cannot be fixed."""
    data = factored_codes(codes, factors)
    unique = [int(k) for k in data.varying if data.num_values[k] == len(data.codes)]
    if unique:
        raise InvalidInput("factors with values that examples share", f"factor {unique[0]}: none", "Bin it first.")
    return data


def _votes(
    data: FactoredCodes, feature: Callable[[int, int], np.ndarray], num: int, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `num` features and which of the varying factors, drawn uniformly, was fixed for each."""
    labels = np.sort(rng.integers(0, len(data.varying), size=num))
    block, parts = max(1, ROWS_AT_A_TIME // size), []
    for factor, count in zip(data.varying, np.bincount(labels, minlength=len(data.varying)), strict=True):
        parts += [feature(factor, min(block, count - start)) for start in range(0, count, block)]
    return np.concatenate(parts), labels


def _accuracy(data: FactoredCodes, predicted: np.ndarray, truth: np.ndarray) -> Score:
    """Returns the accuracy, whose chance level is one over the number of varying factors."""
    right = predicted == truth
    parts = [right[truth == index].mean() for index in range(len(data.varying))]
    return Score(float(right.mean()), data.for_all_factors(parts), 1 / len(data.varying))
