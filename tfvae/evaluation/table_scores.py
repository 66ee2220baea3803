"""How alike the columns of two tables are, one by one and in pairs: score = 1 - distance.

    number          Kolmogorov-Smirnov: max_x |F(x) - G(x)|, of the cells that are not missing
    category        total variation: sum_k |p_k - q_k| / 2, a missing cell being a category
    two numbers     |r - s| / 2, r and s the Pearson correlations of rows where both are known
    other pairs     total variation of the contingency tables, a number by the decile of the first table it falls into

    noise = E distance of two sets of n and m rows of the first table
          = sqrt((1/n + 1/m) / (2/n + 2/n)) E distance of its two halves, n rows in all

The distance of two samples falls like the root of 1/n + 1/m; that of contingency tables where cells are well filled.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tfvae.evaluation.table_cells import Cells

SPLITS = 10  # into two halves, for the noise
Halves = Sequence[tuple[np.ndarray, np.ndarray]]


class ColumnScore(NamedTuple):
    """How alike a column of two tables is.

    Attributes:
        score: 1 - distance; 1 is best.
        noise: the distance that as many real rows have by chance: 1 - noise is what perfect rows score.
        numeric: a column of numbers, whose distance is Kolmogorov and Smirnov's; of categories it is total variation.
        missing: share of missing cells of the real and of the synthetic rows.
    """

    score: float
    noise: float
    numeric: bool
    missing: tuple[float, float]


class PairScore(NamedTuple):
    """How alike the relation of two columns is.

    Attributes:
        score: 1 - distance; 1 is best; NaN where a correlation is unknown.
        noise: the distance that as many real rows have by chance.
        numeric: two columns of numbers, compared by their correlations; others are compared by contingency tables.
    """

    score: float
    noise: float
    numeric: bool


def kolmogorov_smirnov(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the largest difference of two distribution functions; 1 where only one column has numbers."""
    x, y = np.sort(x[~np.isnan(x)]), np.sort(y[~np.isnan(y)])
    if not len(x) or not len(y):
        return float(len(x) != len(y))
    both = np.concatenate([x, y])
    below = [np.searchsorted(part, both, side="right") / len(part) for part in (x, y)]
    return float(np.abs(below[0] - below[1]).max())


def total_variation(x: np.ndarray, y: np.ndarray) -> float:
    """Returns half the sum of differences of the shares of codes."""
    most = max(x.max(), y.max()) + 1
    shares = [np.bincount(part, minlength=most) / len(part) for part in (x, y)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def correlation(pairs: np.ndarray) -> float:
    """Returns Pearson's correlation of the complete pairs, `[N, 2]`; 0 where a number never varies, NaN of none."""
    pairs = pairs[~np.isnan(pairs).any(axis=1)]
    if len(pairs) < 2:
        return math.nan
    if (pairs == pairs[0]).all(axis=0).any():
        return 0.0
    centred = pairs - pairs.mean(axis=0)
    centred /= np.abs(centred).max(axis=0)  # squares of large numbers overflow
    return float(centred[:, 0] @ centred[:, 1] / np.sqrt(np.square(centred).sum(axis=0).prod()))


def correlation_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Returns half the difference of two correlations."""
    return abs(correlation(x) - correlation(y)) / 2


def halves(rows: int, rng: np.random.Generator) -> Halves:
    """Returns places of the rows in one half and in the other, of a few random splits."""
    orders = (rng.permutation(rows) for _ in range(SPLITS))
    return [(order[: rows // 2], order[rows // 2 :]) for order in orders]


def column_scores(real: Cells, synthetic: Cells, splits: Halves) -> dict[str, ColumnScore]:
    """Returns the score of each column."""
    found = {}
    for name in real.codes:
        numeric = name in real.numbers
        distance = kolmogorov_smirnov if numeric else total_variation
        values = [one.numbers[name] if numeric else one.codes[name] for one in (real, synthetic)]
        missing = real.missing(name), synthetic.missing(name)
        found[name] = ColumnScore(*_compared(distance, *values, splits), numeric, missing)
    return found


def pair_scores(real: Cells, synthetic: Cells, splits: Halves) -> dict[tuple[str, str], PairScore]:
    """Returns the score of each pair of columns."""
    found = {}
    for pair in itertools.combinations(real.codes, 2):
        numeric = all(name in real.numbers for name in pair)
        if numeric:
            values = [np.stack([one.numbers[name] for name in pair], axis=1) for one in (real, synthetic)]
        else:
            values = _joint(*(np.concatenate([real.codes[name], synthetic.codes[name]]) for name in pair), len(real))
        distance = correlation_distance if numeric else total_variation
        found[pair] = PairScore(*_compared(distance, *values, splits), numeric)
    return found


def mean(values: Iterable[float]) -> float:
    """Returns the mean of those values that are known; NaN if none is."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _joint(one: np.ndarray, other: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes of the cells of a contingency table that are not empty, of the first rows and of the others."""
    code = np.unique(one * (other.max() + 1) + other, return_inverse=True)[1]
    return code[:rows], code[rows:]


def _compared(
    distance: Callable[[np.ndarray, np.ndarray], float], real: np.ndarray, synthetic: np.ndarray, splits: Halves
) -> tuple[float, float]:
    """Returns score and noise of two arrays of rows."""
    rows, half = len(real), len(real) // 2
    shrunk = math.sqrt((1 / rows + 1 / len(synthetic)) / (1 / half + 1 / (rows - half)))
    noise = mean(distance(real[one], real[other]) for one, other in splits)
    return 1 - distance(real, synthetic), min(shrunk * noise, 1.0)
