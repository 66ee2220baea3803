"""What whole rows of a synthetic table are: good to learn from, and not copies of the rows that it was made from.

    usefulness      R2 or F1 on real rows of boosted trees that learned from synthetic rows, and from real ones

    d(x, t) = mean over columns of     |F(x_c) - F(t_c)| of numbers, F the training rows' distribution function
                                       [x_c is not t_c] of categories, and where one number of the two is missing
    ratio   = median over synthetic x of min_t d(x, t)  /  median over held-out x of min_t d(x, t)

The distance is Gower's with the share of training rows between two numbers in the place of their difference by the
range, which one heavy tail or outlier would fill. Between two neighbouring values of the training rows F is a line, and
a value beyond them all counts as the outermost.
"""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tfvae.core.errors import InvalidInput
from tfvae.evaluation import learners
from tfvae.evaluation.table_cells import Cells, listed

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin, RegressorMixin

MOST_CATEGORIES = 255  # which scikit-learn's trees tell apart
RESAMPLED = 200  # sets of rows behind a standard error
BLOCK, CHUNK = 64, 4096  # rows, and training rows beside them, that are compared at a time: 1 MB

Measure = Callable[[np.ndarray, np.ndarray], float]


class Bootstrapped(NamedTuple):
    """A statistic of rows.

    Attributes:
        value: the statistic.
        standard_error: its standard deviation over 200 sets of as many rows, drawn with replacement.
    """

    value: float
    standard_error: float


class Usefulness(NamedTuple):
    """What boosted trees learn from synthetic rows, measured on real ones.

    Attributes:
        target: the column that they predict.
        measure: "R2", or "F1 of" the rarer of two categories, or "macro F1", the mean over more of them.
        synthetic: trained on synthetic rows, tested on real ones.
        real: trained on real rows, tested on the same ones; `None` where no training rows were given.
    """

    target: str
    measure: str
    synthetic: Bootstrapped
    real: Bootstrapped | None


class ClosestRecord(NamedTuple):
    """How near synthetic rows are to the training rows, beside held-out rows, which cannot be copies.

    Attributes:
        ratio: of the medians, synthetic by held-out; 0 of copies, 1 of new rows, larger of rows that lie apart; NaN
            where half of the held-out rows are at distance 0, as in tables of few columns.
        synthetic: median distance to the closest training row, from 0 to 1.
        held_out: the same of real rows.
        copies: share of the synthetic rows that are equal to a training row in every cell.
        held_out_copies: the same of real rows, which happens by chance where cells have few values.
    """

    ratio: Bootstrapped
    synthetic: float
    held_out: float
    copies: float
    held_out_copies: float


def closest_record(
    real: Cells, synthetic: Cells, train: Cells, max_rows: int, rng: np.random.Generator
) -> ClosestRecord:
    """Returns how near at most `max_rows` synthetic and real rows are to their closest training row."""
    near = [closest(one.take(rng.permutation(len(one))[:max_rows]), train) for one in (synthetic, real)]
    medians, copies = [float(np.median(distance)) for distance in near], copied([synthetic, real], train)
    drawn = [[np.median(rng.choice(distance, len(distance))) for distance in near] for _ in range(RESAMPLED)]
    ratios = [one / other if other > 0 else np.nan for one, other in (medians, *drawn)]
    return ClosestRecord(Bootstrapped(ratios[0], float(np.std(ratios[1:], ddof=1))), *medians, *copies)


def closest(rows: Cells, train: Cells) -> np.ndarray:
    """Returns the distance of each row to the closest training row, `[N]`."""
    places = [_placed(name, rows, train) for name in train.codes]
    found = np.full(len(rows), np.inf, np.float32)
    for start in range(0, len(rows), BLOCK):
        for first in range(0, len(train), CHUNK):
            near = _distances(places, slice(start, start + BLOCK), slice(first, first + CHUNK)).min(axis=1)
            found[start : start + BLOCK] = np.minimum(found[start : start + BLOCK], near)
    return found


def _placed(name: str, rows: Cells, train: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Returns a column of the rows and of the training rows: codes of categories, F of numbers as float32."""
    if name not in train.numbers:
        return rows.codes[name], train.codes[name]
    values = train.numbers[name]
    known, number = np.unique(values[~np.isnan(values)], return_counts=True)
    if not len(known):
        known, number = np.zeros(1), np.ones(1)
    share = (np.cumsum(number) - number / 2) / number.sum()
    return tuple(np.interp(one.numbers[name], known, share).astype(np.float32) for one in (rows, train))


def _distances(places: Sequence[tuple[np.ndarray, np.ndarray]], some: slice, others: slice) -> np.ndarray:
    """Returns the distances of some rows to some training rows, `[R, T]`."""
    total = np.float32(0)
    for rows, train in places:
        x, t = rows[some, np.newaxis], train[others]
        if x.dtype.kind != "f":  # codes
            total = total + (x != t)
            continue
        apart = np.abs(x - t)
        if np.isnan(x).any() or np.isnan(t).any():
            apart = np.where(np.isnan(apart), np.isnan(x) != np.isnan(t), apart)
        total = total + apart
    return total / np.float32(len(places))


def copied(tables: Sequence[Cells], train: Cells) -> list[float]:
    """Returns the share of the rows of each table that are equal to a training row in every cell."""
    known = {row.tobytes() for row in _rows(train)}
    return [float(np.mean([row.tobytes() in known for row in _rows(table)])) for table in tables]


def _rows(table: Cells) -> np.ndarray:
    """Returns the rows, `[N, C]`, those that are equal with equal bytes."""
    columns = [_values(table, name) for name in table.codes]
    rows = np.stack(columns, axis=1).astype(np.float64) + 0.0  # -0.0 becomes 0.0
    return np.where(np.isnan(rows), np.nan, rows)


def usefulness(
    target: str, real: Cells, synthetic: Cells, train: Cells | None, seed: int | None, rng: np.random.Generator
) -> Usefulness:
    """Returns what boosted trees learn of a column from the others, in synthetic and in training rows."""
    if target not in real.codes or len(real.codes) < 2:
        received = f"{target!r} of {listed(real.codes)}"
        raise InvalidInput("target, one of several columns", received, "Name the column that the others predict.")
    real = _known("real", target, real)
    name, measure, learner = _task(target, real, seed)
    learner.set_params(categorical_features=[name not in real.numbers for name in real.codes if name != target])
    values, features = _values(real, target), _features(real, target, real)
    found = []
    for table, taught in (("synthetic", synthetic), ("train", train)):
        if taught is not None:
            taught = _known(table, target, taught)
            guesses = _learned(learner, _features(taught, target, real), _values(taught, target), features)
            found.append(_bootstrapped(measure, values, guesses, rng))
    return Usefulness(target, name, *found, *[None] * (2 - len(found)))


def r2(values: np.ndarray, guesses: np.ndarray) -> float:
    """Returns the share of the variance that is explained; NaN where there is none."""
    variance = np.square(values - values.mean()).sum()
    return float(1 - np.square(values - guesses).sum() / variance) if variance > 0 else np.nan


def f1(values: np.ndarray, guesses: np.ndarray, kinds: np.ndarray) -> float:
    """Returns the mean over kinds of F1 = 2 hits / (rows of the kind + guesses of it)."""
    most = max(values.max(), guesses.max(), kinds.max()) + 1
    hits, rows, guessed = (
        np.bincount(part, minlength=most)[kinds] for part in (values[values == guesses], values, guesses)
    )
    return float(np.mean(2 * hits / np.maximum(rows + guessed, 1)))


def _task(target: str, real: Cells, seed: int | None) -> tuple[str, Measure, "ClassifierMixin | RegressorMixin"]:
    """Returns what is measured, by its name and as a function of values and guesses, and who learns."""
    kinds, number = np.unique(_values(real, target), return_counts=True)
    if target in real.numbers and len(kinds) > 1:
        return "R2", r2, learners.boosted_regression(seed)
    if not 2 <= len(kinds) <= MOST_CATEGORIES:
        expected = f"target, a column of numbers or of 2 to {MOST_CATEGORIES} categories"
        raise InvalidInput(expected, f"{target!r} of {len(kinds)} in real", "Name another column, or none.")
    if len(kinds) == 2:
        kinds = kinds[[number.argmin()]]
    name = f"F1 of {real.words[target][kinds[0] - 1]}" if len(kinds) == 1 else "macro F1"
    return name, functools.partial(f1, kinds=kinds), learners.boosted_trees(seed)


def _known(table: str, target: str, cells: Cells) -> Cells:
    """Returns the rows whose target is known."""
    known = cells.codes[target] > 0
    if known.sum() < 2:
        remedy = "Name another column, or pass rows that have it."
        raise InvalidInput(f"2 rows or more of {table} whose {target!r} is known", f"{known.sum()}", remedy)
    return cells.take(known)


def _values(cells: Cells, name: str) -> np.ndarray:
    return cells.numbers.get(name, cells.codes[name])


def _features(cells: Cells, target: str, real: Cells) -> np.ndarray:
    """Returns what predicts the target, `[N, C - 1]`: numbers as they are, the place of a category by frequency."""
    columns = []
    for name in cells.codes:
        if name in cells.words and name != target:
            often = np.bincount(real.codes[name], minlength=len(real.words[name]) + 1)
            place = np.argsort(np.argsort(-often, kind="stable"), kind="stable")
            columns.append(np.minimum(place, MOST_CATEGORIES - 1)[cells.codes[name]])
        elif name != target:
            columns.append(cells.numbers[name])
    return np.stack(columns, axis=1).astype(np.float64)


def _learned(
    learner: "ClassifierMixin | RegressorMixin", x: np.ndarray, values: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Returns what the learner guesses of the test rows."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "openmp"):
        return learner.fit(np.where(np.isnan(x).all(axis=0), 0, x), values).predict(
            test
        )  # no value: scikit-learn fails


def _bootstrapped(measure: Measure, values: np.ndarray, guesses: np.ndarray, rng: np.random.Generator) -> Bootstrapped:
    """Returns the measure, and its spread over rows that are drawn."""
    drawn = (rng.integers(len(values), size=len(values)) for _ in range(RESAMPLED))
    spread = np.nanstd([measure(values[rows], guesses[rows]) for rows in drawn], ddof=1)
    return Bootstrapped(measure(values, guesses), float(spread))
