"""Are two sets of examples, samples and held-out data, draws from one distribution? And if not, what is missing?

    classifier two-sample test   accuracy on held-out examples of a classifier that tells x from y; 1/2 if P = Q
    MMD^2(P, Q)                  E k(x, x') + E k(y, y') - 2 E k(x, y),    k(a, b) = exp(-|a - b|^2 / (2 h^2))
    precision, recall            share of y inside the k-nearest-neighbour balls of x, and of x inside those of y

All three look at features: what `features` returns, or the raw values, or their principal components where there are
more than 50 (of both sets together, so that the tests stay valid). Each result says which.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import scipy.stats

from tfvae.core.errors import InvalidInput, positive_integer, positive_number
from tfvae.core.types import ArrayLike
from tfvae.evaluation.learners import boosted_trees

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

Features = Callable[[np.ndarray], ArrayLike] | keras.Model | None
NUM_COMPONENTS = 50
ROWS_PER_BLOCK = 500
ROUNDING = 1e-7  # of a distance, by the length of a vector: it is the root of a difference of squares


class TwoSampleTest(NamedTuple):
    """How well one classifier tells the two sets apart.

    Attributes:
        accuracy: on held-out examples, half from each set; 1/2 if the distributions are the same.
        p_value: probability of at least this accuracy if they are.
        num_test: number of held-out examples.
        features: what the classifier saw.
    """

    accuracy: float
    p_value: float
    num_test: int
    features: str


class Discrepancy(NamedTuple):
    """The kernel distance between two sets.

    Attributes:
        squared_mmd: unbiased, so that it may be negative.
        p_value: share of permutations of the pooled examples with at least this value, itself counted.
        bandwidth: of the kernel, h; 1 where the median is 0, so that half of all pairs or more are equal examples.
        features: what the kernel saw.
    """

    squared_mmd: float
    p_value: float
    bandwidth: float
    features: str


class PrecisionRecall(NamedTuple):
    """Quality and coverage of generated examples.

    Attributes:
        precision: share of generated examples that look like real ones.
        recall: share of real examples that the generator could have made.
        num_neighbors: k.
        features: the space in which neighbours were sought.
    """

    precision: float
    recall: float
    num_neighbors: int
    features: str


def classifier_two_sample_test(
    x: ArrayLike,
    y: ArrayLike,
    classifier: "ClassifierMixin | None" = None,
    features: Features = None,
    seed: int | None = 0,
) -> TwoSampleTest:
    """Tests whether two sets come from one distribution, by the held-out accuracy of a classifier.

        accuracy = 1/n sum_i [classifier(u_i) = label_i],    n accuracy ~ Binomial(n, 1/2) if P = Q

    Both sets are cut to the size of the smaller one, and one half of each is held out. The one-sided p-value is the
    exact binomial one: it holds for every classifier, since the number of right answers on as many examples of either
    set is never more spread than the binomial (Hoeffding 1956), and is too large for one that prefers a label.

    Args:
        x: one set, `[N, ...]`, for example held-out data.
        y: the other, `[M, ...]`, for example samples of the model.
        classifier: any of scikit-learn's; by default `boosted_trees`, which see differences of shape, scale and
            dependence. `logistic_regression` sees differences of the means alone; see also `nearest_neighbors`.
        features: see the module.
        seed: of the split.

    Raises:
        InvalidInput: if the sets have fewer than 4 examples, other shapes, or values that are not finite.

    Reference:
        Lopez-Paz and Oquab 2017, "Revisiting Classifier Two-Sample Tests".

    Example:
        >>> x, y = np.random.default_rng(0).normal(size=(2, 1000, 3))
        >>> classifier_two_sample_test(x, y + 1).p_value < 0.001
        True
    """
    from sklearn.base import clone
    from threadpoolctl import threadpool_limits

    x, y, described = _embedded(x, y, features)
    rng, size = np.random.default_rng(seed), min(len(x), len(y))
    x, y = x[rng.permutation(len(x))[:size]], y[rng.permutation(len(y))[:size]]
    fit, num_test = size // 2, 2 * (size - size // 2)
    classifier = boosted_trees() if classifier is None else clone(classifier)
    with threadpool_limits(1, "openmp"):  # trees on a busy machine wait for each other: 37 s on two threads, 1 s on one
        classifier.fit(np.concatenate([x[:fit], y[:fit]]), np.repeat([0, 1], fit))
    right = int(np.sum(classifier.predict(x[fit:]) == 0) + np.sum(classifier.predict(y[fit:]) == 1))
    p_value = float(scipy.stats.binom.sf(right - 1, num_test, 0.5))
    return TwoSampleTest(right / num_test, p_value, num_test, described)


def maximum_mean_discrepancy(
    x: ArrayLike,
    y: ArrayLike,
    bandwidth: float | None = None,
    features: Features = None,
    num_permutations: int = 200,
    max_rows: int = 1000,
    seed: int | None = 0,
) -> Discrepancy:
    """Returns the squared kernel distance between two sets, and its p-value.

        MMD^2 = sum_{i != j} k(x_i, x_j) / (n (n - 1)) + sum_{i != j} k(y_i, y_j) / (m (m - 1))
                - 2 sum_ij k(x_i, y_j) / (n m),        k(a, b) = exp(-|a - b|^2 / (2 h^2))

    Args:
        x: one set, `[N, ...]`.
        y: the other, `[M, ...]`.
        bandwidth: h; by default the median distance between two of the pooled examples, or 1 if that is 0.
        features: see the module.
        num_permutations: of the labels, for the p-value, which cannot be below 1 / (1 + num_permutations).
        max_rows: at most so many random examples of each set are used; memory is 4 max_rows^2 numbers.
        seed: of choice and permutations.

    Raises:
        InvalidInput: see `classifier_two_sample_test`; if a number is not positive.

    Reference:
        Gretton et al. 2012, "A Kernel Two-Sample Test", equation 3.
    """
    from sklearn.metrics import pairwise_distances

    x, y, described = _embedded(x, y, features)
    rng, max_rows = np.random.default_rng(seed), positive_integer("max_rows", max_rows)
    x, y = x[rng.permutation(len(x))[:max_rows]], y[rng.permutation(len(y))[:max_rows]]
    squared = pairwise_distances(np.concatenate([x, y]), metric="sqeuclidean")
    if min(len(x), len(y)) < 2 or not np.all(np.isfinite(squared)):
        received = f"{len(x)} and {len(y)} examples with squared distances up to {squared.max():g}"
        raise InvalidInput("two examples of each set or more, at finite distances", received, "Rescale or add some.")
    pairs = squared[np.triu_indices_from(squared, 1)]
    h = np.sqrt(np.median(pairs)) or 1.0 if bandwidth is None else positive_number("bandwidth", bandwidth)
    kernel = np.exp(-squared / (2 * h**2))
    np.fill_diagonal(kernel, 0.0)
    is_x = np.zeros([len(kernel), 1 + positive_integer("num_permutations", num_permutations)])
    is_x[: len(x)] = 1.0
    is_x[:, 1:] = rng.permuted(is_x[:, 1:], axis=0)
    n, m, total = len(x), len(y), kernel.sum()
    towards_x = kernel @ is_x
    within_x = np.sum(is_x * towards_x, axis=0)
    across = towards_x.sum(axis=0) - within_x
    within_y = total - within_x - 2 * across
    values = within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m)
    tolerance = 1e-12 * max(1.0, np.abs(values).max())  # equal sums in another order
    return Discrepancy(float(values[0]), float(np.mean(values >= values[0] - tolerance)), float(h), described)


def precision_recall(
    real: ArrayLike, generated: ArrayLike, num_neighbors: int = 3, features: Features = None
) -> PrecisionRecall:
    """Returns which share of the generated examples looks real, and which share of the real ones could be generated.

        precision = 1/M sum_j [exists i: |y_j - x_i| <= r(x_i)],    r(x_i): distance from x_i to its k-th neighbour in x
        recall    = 1/N sum_i [exists j: |x_i - y_j| <= r(y_j)]

    Both depend on the number of examples; use as many of each. Two sets of one distribution do not score 1: the balls
    of a finite sample leave gaps.

    Args:
        real: `[N, ...]`.
        generated: `[M, ...]`.
        num_neighbors: k.
        features: see the module.

    Raises:
        InvalidInput: see `classifier_two_sample_test`; if a set has no more than `num_neighbors` examples.

    Reference:
        Kynkaanniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models".
    """
    x, y, described = _embedded(real, generated, features)
    if min(len(x), len(y)) <= positive_integer("num_neighbors", num_neighbors):
        received = f"{len(x)} and {len(y)} examples"
        raise InvalidInput(f"more than num_neighbors={num_neighbors} examples", received, "Pass more, or a smaller k.")
    return PrecisionRecall(_covered(y, x, num_neighbors), _covered(x, y, num_neighbors), num_neighbors, described)


def _covered(points: np.ndarray, centres: np.ndarray, num_neighbors: int) -> float:
    """Returns the share of the points that lie in a ball, which reaches from its centre to its k-th neighbour."""
    from sklearn.metrics import pairwise_distances
    from sklearn.neighbors import NearestNeighbors

    # "+ 1": the nearest neighbour of a centre is itself
    radius = NearestNeighbors(n_neighbors=num_neighbors + 1).fit(centres).kneighbors(centres)[0][:, -1]
    radius += ROUNDING * np.linalg.norm(centres, axis=1)  # of copies, which are at a distance of 0
    blocks = [points[start : start + ROWS_PER_BLOCK] for start in range(0, len(points), ROWS_PER_BLOCK)]
    inside = [np.any(pairwise_distances(block, centres) <= radius, axis=1) for block in blocks]
    return float(np.concatenate(inside).mean())


def _embedded(x: ArrayLike, y: ArrayLike, features: Features) -> tuple[np.ndarray, np.ndarray, str]:
    """Returns the features of both sets, `[N, D]` and `[M, D]`, and what they are."""
    x, y = np.asarray(x), np.asarray(y)
    if min(x.ndim, y.ndim) == 0 or x.shape[1:] != y.shape[1:] or min(len(x), len(y)) < 4:
        received = f"shapes {x.shape} and {y.shape}"
        raise InvalidInput("two sets of at least 4 examples of one shape", received, "Pass [N, ...] and [M, ...].")
    embed = functools.partial(features.predict, verbose=0) if isinstance(features, keras.Model) else features
    a, b = (_flat(values) if embed is None else _in_blocks(embed, values) for values in (x, y))
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        raise InvalidInput("finite values", "nan or infinity in the examples or their features", "Remove those rows.")
    if features is not None:
        name = getattr(features, "name", getattr(features, "__name__", features))
        return a, b, f"output of {name} [N, {a.shape[1]}]"
    raw = f"raw values [N, {a.shape[1]}]"
    if min(a.shape[1], len(a) + len(b)) <= NUM_COMPONENTS:
        return a, b, raw
    from sklearn.decomposition import PCA

    pca = PCA(NUM_COMPONENTS, svd_solver="covariance_eigh").fit(np.concatenate([a, b]))
    return pca.transform(a), pca.transform(b), f"{NUM_COMPONENTS} principal components of {raw}"


def _in_blocks(embed: Callable[[np.ndarray], ArrayLike], values: np.ndarray) -> np.ndarray:
    starts = range(0, len(values), ROWS_PER_BLOCK)
    return np.concatenate([_flat(np.asarray(embed(values[start : start + ROWS_PER_BLOCK]))) for start in starts])


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).astype(np.float64)
