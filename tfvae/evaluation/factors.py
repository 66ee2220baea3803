"""Codes with known factors: the data that scores of disentanglement see, and rows that share a factor's value.

codes [N, D], factors [N, F]        code i of an example, for example the mean of q(z | x); factor k, a whole number
rows(k, n)  ~  uniform over the rows m with factors[m, k] == factors[n, k]          stands for a simulator
partner(k, n)  ~  the same, of m != n

Papers draw fresh images with one factor fixed from a simulator; here rows are drawn, with replacement, from the data
set itself, so that "all other factors at random" means: as the data set has them. A simulator never makes an example
that is its own partner; the fewer rows a value has, the more often a draw from the data set would.
"""

import dataclasses
import functools

import numpy as np

from tfvae.core.errors import InvalidInput
from tfvae.core.types import ArrayLike


@dataclasses.dataclass(frozen=True)
class Score:
    """A score and what it is the mean of.

    Attributes:
        value: the score; 1 is best.
        parts: the score of each factor, `[F]`, or of each code dimension, `[D]`, as its function says; NaN for a factor
            with one value or a dimension without information, which the score leaves out; may be
            empty.
        chance: what codes without information score, as the number of examples grows; NaN where nothing is known.
    """

    value: float
    parts: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))
    chance: float = 0.0

    def __float__(self) -> float:
        """Returns the score."""
        return self.value


@dataclasses.dataclass(frozen=True)
class FactoredCodes:
    """Codes and factors of the same examples; made by `factored_codes`, which checks them.

    Attributes:
        codes: `[N, D]`, float64.
        factors: `[N, F]`, each counted from 0 without gaps.
        varying: indices of the factors with more than one value, of which there is at least one.
    """

    codes: np.ndarray
    factors: np.ndarray

    @functools.cached_property
    def num_values(self) -> np.ndarray:
        """Number of values of each factor, `[F]`."""
        return self.factors.max(axis=0) + 1

    @functools.cached_property
    def varying(self) -> np.ndarray:
        """Indices of the factors with more than one value."""
        return np.flatnonzero(self.num_values > 1)

    @functools.cached_property
    def standardized(self) -> np.ndarray:
        """Codes of mean 0 and variance 1, `[N, D]`; constant dimensions are 0."""
        scale = np.where(self.constant, 1.0, self.codes.std(axis=0))
        return np.where(self.constant, 0.0, (self.codes - self.codes.mean(axis=0)) / scale)

    @functools.cached_property
    def constant(self) -> np.ndarray:
        """Whether a code dimension has one value only, `[D]`."""
        return np.ptp(self.codes, axis=0) == 0

    @functools.cached_property
    def _by_value(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each factor: rows sorted by value, where each value's rows start, and how many there are."""
        counts = [np.bincount(values) for values in self.factors.T]
        starts = [np.concatenate([[0], np.cumsum(count)[:-1]]) for count in counts]
        return [(np.argsort(v, kind="stable"), s, c) for v, s, c in zip(self.factors.T, starts, counts, strict=True)]

    def rows_like(self, rows: np.ndarray, factor: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Returns rows drawn with replacement among those that share a factor's value with a given row.

        Args:
            rows: indices of rows, `[n]`.
            factor: index of the factor.
            size: rows to draw for each.
            rng: source of randomness.

        Returns:
            Indices of rows, `[n, size]`.
        """
        order, start, count = self._by_value[factor]
        value = self.factors[rows, factor][:, np.newaxis]
        return order[start[value] + rng.integers(0, count[value], size=(len(rows), size))]

    def shared_rows(self, factor: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Returns rows, `[size]`, drawn with replacement among those whose value of a factor another row has, too."""
        count = self._by_value[factor][2]
        return rng.choice(np.flatnonzero(count[self.factors[:, factor]] > 1), size)

    def partners(self, rows: np.ndarray, factor: int, rng: np.random.Generator) -> np.ndarray:
        """Returns for each of `shared_rows` another row of the same value, `[n]`, each with the same chance."""
        order, start, count = self._by_value[factor]
        value, place = self.factors[rows, factor], np.argsort(order)[rows]
        rank = place - start[value] + rng.integers(1, count[value])  # a step of 1 ... count - 1 around the circle
        return order[start[value] + rank % count[value]]

    def halves(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Returns two disjoint random halves of the rows: to fit on, and to score on."""
        rows = rng.permutation(len(self.codes))
        return rows[: len(rows) // 2], rows[len(rows) // 2 :]

    def for_all_factors(self, values: np.ndarray | list) -> np.ndarray:
        """Returns values of the varying factors, `[len(varying)]`, as `[F]`, NaN for the factors with one value."""
        parts = np.full(self.factors.shape[1], np.nan)
        parts[self.varying] = values
        return parts


def factored_codes(codes: ArrayLike, factors: ArrayLike) -> FactoredCodes:
    """Returns codes and factors, checked and brought into one form.

    Args:
        codes: `[N, D]`, finite numbers; `[N]` stands for D = 1.
        factors: `[N, F]`, whole numbers that name values; `[N]` stands for F = 1.

    Raises:
        InvalidInput: if the shapes do not match, values are not finite, factors are not whole numbers, or all of
            them are constant.
    """
    codes, factors = _columns("codes", codes).astype(np.float64), _columns("factors", factors)
    if len(codes) != len(factors) or len(codes) < 4:
        received = f"codes of shape {codes.shape} and factors of shape {factors.shape}"
        raise InvalidInput("codes and factors of the same examples, at least 4", received, "Pass one row an example.")
    if not np.all(np.isfinite(codes)):
        raise InvalidInput("finite codes", "nan or infinity", "Remove those rows first.")
    if not np.all(factors == np.round(factors)):
        raise InvalidInput("factors that are whole numbers", "fractions", "Bin continuous factors, e.g. np.digitize.")
    counted = np.stack([np.unique(values, return_inverse=True)[1] for values in factors.T], axis=1)
    if not counted.any():
        raise InvalidInput("a factor with at least two values", "constant factors", "Pass examples that differ.")
    return FactoredCodes(codes, counted)


def _columns(name: str, values: ArrayLike) -> np.ndarray:
    values = np.asarray(values)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    if values.ndim != 2 or values.dtype.kind not in "biuf" or not values.size:
        received = f"{name} of shape {values.shape} and dtype {values.dtype}"
        raise InvalidInput(f"{name} as a table of numbers, one row an example", received, "Flatten each row.")
    return values
