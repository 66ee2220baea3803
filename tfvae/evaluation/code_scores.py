"""Disentanglement from information and prediction: which code dimension knows which factor.

    I(c_d; v_k)                            mutual information, codes in equal-width bins, nats
    MIG          mean_k (I(c_d1; v_k) - I(c_d2; v_k)) / H(v_k)             the two dimensions that know most of factor k
    modularity   mean_d 1 - sum_{k != k*} I(c_d; v_k)^2 / ((F - 1) I(c_d; v_k*)^2)      the factor that d knows most of
    SAP          mean_k S_d1,k - S_d2,k                     S_dk: how well one dimension alone predicts one factor
    DCI          1 - entropy of R_dk / sum R, over factors (D) or dimensions (C)      R: importances of a random forest
    explicitness mean_k mean_v area under the ROC curve of "v_k = v", from a linear classifier on all dimensions

Degenerate cases: a factor with one value is left out (its entropy is 0); where there is no second code dimension, it
counts as one that knows nothing; a single factor or dimension cannot be mixed up, its concentration is 1.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfvae.core.errors import positive_integer
from tfvae.core.types import ArrayLike
from tfvae.evaluation import learners
from tfvae.evaluation.factors import FactoredCodes, Score, factored_codes

NUM_TREES = 50


@dataclasses.dataclass(frozen=True)
class DCI:
    """Disentanglement, completeness, informativeness, and what they are made of.

    Attributes:
        disentanglement: whether a code dimension knows one factor only; parts are dimensions.
        completeness: whether a factor is known by one dimension only; parts are factors.
        informativeness: accuracy of the forests on held-out examples; parts are factors.
        importance: `[D, F]`, each column sums to one, or is zero where no dimension helps; NaN for a constant factor.
    """

    disentanglement: Score
    completeness: Score
    informativeness: Score
    importance: np.ndarray


def mig(codes: ArrayLike, factors: ArrayLike, bins: int = 20) -> Score:
    """Returns the mutual information gap, the part of a factor's entropy that only its best dimension knows.

        MIG = 1/F sum_k (I(c_d1; v_k) - I(c_d2; v_k)) / H(v_k)

    The mutual information is that of the empirical distribution, codes in `bins` bins of equal width between their
    smallest and largest value (Chen et al. estimate it from samples of q(z | x) instead). It is biased up by about
    (bins - 1) (values - 1) / 2N nats, and a factor with more values than bins cannot reach 1.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        bins: number of bins.

    Returns:
        The gap; its parts are factors.

    Raises:
        InvalidInput: see `factored_codes`; if `bins` is not a whole number of at least 1.

    Reference:
        Chen et al. 2018, "Isolating Sources of Disentanglement in Variational Autoencoders", equation 6.
    """
    data = factored_codes(codes, factors)
    entropy = np.array([_entropy(np.bincount(data.factors[:, k])) for k in data.varying])
    return _gap(data, binned_information(data, bins) / entropy)


def modularity(codes: ArrayLike, factors: ArrayLike, bins: int = 20) -> Score:
    """Returns whether each code dimension knows one factor only.

        1/D sum_d 1 - sum_{k != k*} I_dk^2 / ((F - 1) I_dk*^2),    k* = argmax_k I_dk

    A dimension without any information, which has no k*, is left out; without one that has, the score is 0. Noise has
    no known level: the bias of I_dk (see `mig`) is larger for factors with more values, and looks like modularity.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        bins: number of bins.

    Returns:
        Modularity; its parts are code dimensions.

    Raises:
        InvalidInput: see `mig`.

    Reference:
        Ridgeway and Mozer 2018, "Learning Deep Disentangled Embeddings With the F-Statistic Loss", section 3.
    """
    data = factored_codes(codes, factors)
    squared = binned_information(data, bins) ** 2
    most = squared.max(axis=1)
    informed = most > 0
    others = (squared.sum(axis=1) - most) / np.where(informed, most, 1.0)
    parts = np.where(informed, 1 - others / max(1, len(data.varying) - 1), np.nan)
    return Score(float(parts[informed].mean()) if informed.any() else 0.0, parts, float("nan"))


def sap(codes: ArrayLike, factors: ArrayLike, seed: int | None = 0, ordered: Sequence[int] = ()) -> Score:
    """Returns the separated attribute predictability: how much better the best dimension predicts than the next.

        SAP = 1/F sum_k S_d1,k - S_d2,k

    S of a factor of classes is the balanced accuracy of thresholds on one dimension, one fewer than the factor has
    values (a decision tree, fitted on one half of the examples and scored on the other); guessing has 1 / values, so
    that even perfect codes score mean_k (1 - 1 / values_k). S of an ordered factor is the squared correlation with
    the ranks of its values, with which codes that are these ranks score 1. Constant dimensions have S = 0.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        seed: of the split.
        ordered: indices of the ordered factors.

    Returns:
        The gap; its parts are factors.

    Raises:
        InvalidInput: see `factored_codes`.

    Reference:
        Kumar, Sattigeri and Balakrishnan 2018, "Variational Inference of Disentangled Latent Concepts", section 3.
    """
    data = factored_codes(codes, factors)
    fit, score = data.halves(np.random.default_rng(seed))

    def predictability(dimension: int, factor: int) -> float:
        code, values = data.standardized[:, dimension], data.factors[:, factor]
        if factor in ordered:
            return np.corrcoef(code, values)[0, 1] ** 2
        tree = learners.tree(data.num_values[factor]).fit(code[fit, np.newaxis], values[fit])
        right = tree.predict(code[score, np.newaxis]) == values[score]
        return np.mean([right[values[score] == value].mean() for value in np.unique(values[score])])

    scores = np.zeros([data.codes.shape[1], len(data.varying)])
    for dimension in np.flatnonzero(~data.constant):
        scores[dimension] = [predictability(dimension, factor) for factor in data.varying]
    return _gap(data, scores)


def dci(codes: ArrayLike, factors: ArrayLike, seed: int | None = 0) -> DCI:
    """Returns disentanglement, completeness and informativeness from the importances R of code dimensions.

        D = sum_d rho_d (1 - H_F(R_d. / sum_k R_dk)),    rho_d = sum_k R_dk / sum R
        C = sum_k rho_k (1 - H_D(R_.k / sum_d R_dk)),    rho_k = sum_d R_dk / sum R

    H_n is the entropy with base n. R_.k is the decrease of impurity in a random forest of 50 classification trees that
    predicts factor k, every dimension being open at every split; fitted on one half of the examples, its accuracy on
    the other half is the informativeness. (Eastwood and Williams have lasso or forests of regression trees; the
    field's usual library has gradient boosting: numbers of different predictors must not be compared.)

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        seed: of split and forests.

    Raises:
        InvalidInput: see `factored_codes`.

    Reference:
        Eastwood and Williams 2018, "A Framework for the Quantitative Evaluation of Disentangled Representations".
    """
    data, rng = factored_codes(codes, factors), np.random.default_rng(seed)
    fit, score = data.halves(rng)
    importance, accuracy, guess = [], [], []
    for factor in data.varying:
        values = data.factors[:, factor]
        forest = learners.forest(NUM_TREES, int(rng.integers(2**31))).fit(data.standardized[fit], values[fit])
        importance.append(forest.feature_importances_)
        accuracy.append(np.mean(forest.predict(data.standardized[score]) == values[score]))
        guess.append(np.bincount(values).max() / len(values))
    r = np.stack(importance, axis=1)
    rows, columns = _concentration(r), _concentration(r.T)
    known = r.sum(axis=1) > 0
    table = np.full([len(r), data.factors.shape[1]], np.nan)
    table[:, data.varying] = r
    return DCI(
        disentanglement=Score(_weighted(rows, r.sum(axis=1)), np.where(known, rows, np.nan)),
        completeness=Score(_weighted(columns, r.sum(axis=0)), data.for_all_factors(columns)),
        informativeness=Score(float(np.mean(accuracy)), data.for_all_factors(accuracy), float(np.mean(guess))),
        importance=table,
    )


def explicitness(codes: ArrayLike, factors: ArrayLike, seed: int | None = 0) -> Score:
    """Returns how well a linear classifier on the whole code tells each value of each factor.

        1/F sum_k 1/V_k sum_v area under the ROC curve of p(v_k = v | c) for v_k = v against all others

    The classifier is multinomial logistic regression on standardised codes, fitted on one half of the examples and
    scored on the other; values that one half lacks are left out.

    Args:
        codes: `[N, D]`.
        factors: `[N, F]`.
        seed: of the split.

    Returns:
        Explicitness; its parts are factors.

    Raises:
        InvalidInput: see `factored_codes`.

    Reference:
        Ridgeway and Mozer 2018, "Learning Deep Disentangled Embeddings With the F-Statistic Loss", section 3.
    """
    from sklearn.metrics import roc_auc_score

    data = factored_codes(codes, factors)
    fit, score = data.halves(np.random.default_rng(seed))

    def area(values: np.ndarray) -> float:
        if len(np.unique(values[fit])) < 2:
            return 0.5
        classifier = learners.logistic_regression().fit(data.codes[fit], values[fit])
        probability = classifier.predict_proba(data.codes[score])
        present = [0 < np.sum(values[score] == value) < len(score) for value in classifier.classes_]
        columns = zip(classifier.classes_[present], probability[:, present].T, strict=True)
        areas = [roc_auc_score(values[score] == value, column) for value, column in columns]
        return float(np.mean(areas)) if areas else 0.5

    parts = [area(data.factors[:, factor]) for factor in data.varying]
    return Score(float(np.mean(parts)), data.for_all_factors(parts), 0.5)


def binned_information(data: FactoredCodes, bins: int) -> np.ndarray:
    """Returns the empirical I(c_d; v_k) in nats, `[D, len(varying)]`, codes in bins of equal width."""
    bins, low = positive_integer("bins", bins), data.codes.min(axis=0)
    width = np.where(data.constant, 1.0, np.ptp(data.codes, axis=0))
    binned = np.minimum((bins * ((data.codes - low) / width)).astype(int), bins - 1)

    def information(code: np.ndarray, factor: int) -> float:
        num = data.num_values[factor]
        joint = np.bincount(code * num + data.factors[:, factor], minlength=bins * num).reshape(bins, num)
        return _entropy(joint.sum(axis=1)) + _entropy(joint.sum(axis=0)) - _entropy(joint.ravel())

    table = np.array([[information(code, factor) for factor in data.varying] for code in binned.T])
    return np.where(data.constant[:, np.newaxis], 0.0, np.maximum(table, 0.0))


def _entropy(counts: np.ndarray) -> float:
    """Returns the entropy of an empirical distribution in nats."""
    share = counts[counts > 0] / counts.sum()
    return float(-np.sum(share * np.log(share)))


def _concentration(r: np.ndarray) -> np.ndarray:
    """Returns 1 - H_n(row / sum of row) for each row, H_n with base n = number of columns; 0 for a row of zeros."""
    entropies = np.array([_entropy(row) if row.any() else np.log(r.shape[1]) for row in r])
    return 1 - entropies / np.log(r.shape[1]) if r.shape[1] > 1 else r.any(axis=1).astype(float)


def _weighted(values: np.ndarray, weights: np.ndarray) -> float:
    return float(values @ weights / weights.sum()) if weights.any() else 0.0


def _gap(data: FactoredCodes, scores: np.ndarray) -> Score:
    """Returns the mean over factors of best minus second-best dimension, of scores `[D, len(varying)]`."""
    best = np.sort(np.concatenate([scores, np.zeros([1, scores.shape[1]])]), axis=0)
    parts = best[-1] - best[-2]
    return Score(float(parts.mean()), data.for_all_factors(parts))
