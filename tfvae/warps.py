"""Warps: increasing maps u = g(x) of data of known units, in whose image a likelihood explains them.

    Logarithm    u = log x                                                             positive numbers
    Piecewise    u on the line between the knots (x_k, u_k), (x_k+1, u_k+1)            real numbers
    Chained      u = g_2(g_1(x))

Beyond its ends a `Piecewise` goes on as its first and last piece. `normal_scores` takes the knots from data, so that u
is about N(0, 1). The density stays one of x:   log p(x) = log p(u) + log g'(x).
"""

import abc

import keras
import numpy as np
import tensorflow as tf
from scipy import stats

from tfvae.core import serial, sets
from tfvae.core.errors import InvalidInput
from tfvae.core.types import ArrayLike, Config, Tensor

__all__ = ["Chained", "Logarithm", "Piecewise", "Warp", "normal_scores", "straight"]


def __dir__() -> list[str]:
    return __all__


MOST_KNOTS = 100
FAR, MOST_UNITS = 4, 100  # a straight warp has at most so many units between g^-1(-4) and g^-1(4)
FEWEST_BEYOND = 10  # rows beyond the outer knots but for the very ends


class Warp(abc.ABC):
    """An increasing map of each column of data, `[..., D]`; subclasses define it, its inverse, and its slope.

    Attributes:
        support: the set that x must lie in.
        columns: D, of a warp that has something of its own for each column; `None` if it takes any number of them.
    """

    support: sets.ValueSet = sets.REAL
    columns: int | None = None

    @abc.abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Returns u = g(x), `[..., D]`."""

    @abc.abstractmethod
    def inverse(self, u: Tensor) -> Tensor:
        """Returns x, `[..., D]`."""

    @abc.abstractmethod
    def log_slope(self, x: Tensor) -> Tensor:
        """Returns log g'(x), `[..., D]`."""

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Config) -> "Warp":
        """Returns the warp that `get_config` described."""
        return serial.made(cls, config)


@keras.saving.register_keras_serializable(package="tfvae", name="LogarithmWarp")
class Logarithm(Warp):
    """u = log x, of positive numbers.

    Example:
        >>> float(Logarithm().forward(1.0))
        0.0
    """

    support = sets.POSITIVE

    def forward(self, x: Tensor) -> Tensor:
        """Returns log x."""
        return tf.math.log(x)

    def inverse(self, u: Tensor) -> Tensor:
        """Returns exp u, within what float32 has."""
        return tf.exp(tf.clip_by_value(u, -80.0, 80.0))

    def log_slope(self, x: Tensor) -> Tensor:
        """Returns -log x."""
        return -tf.math.log(x)


@keras.saving.register_keras_serializable(package="tfvae", name="PiecewiseWarp")
class Piecewise(Warp):
    """Straight pieces between knots, for each column its own.

    Args:
        knots: x_k, increasing, `[D, K]`.
        values: u_k, increasing, `[D, K]`.

    Raises:
        InvalidInput: if they are not finite and increasing, of one shape `[D, K]` with K of at least 2.

    Example:
        >>> warp = Piecewise([[0.0, 1.0, 3.0]], [[0.0, 2.0, 3.0]])
        >>> warp.forward(tf.constant([[0.5], [5.0]])).numpy()[:, 0].tolist()
        [1.0, 4.0]
    """

    def __init__(self, knots: ArrayLike, values: ArrayLike) -> None:
        self.knots, self.values = np.asarray(knots, np.float32), np.asarray(values, np.float32)
        shape = self.knots.shape
        for array in (self.knots, self.values):
            if array.shape != shape or len(shape) != 2 or shape[1] < 2 or not _increasing(array):
                expected = "knots and values [D, K], K of at least 2, finite and increasing in each row"
                raise InvalidInput(expected, f"shapes {shape} and {self.values.shape}", "See normal_scores.")
        self.columns = shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """Returns u."""
        return _interpolated(x, self.knots, self.values)

    def inverse(self, u: Tensor) -> Tensor:
        """Returns x."""
        return _interpolated(u, self.values, self.knots)

    def log_slope(self, x: Tensor) -> Tensor:
        """Returns the logarithm of the slope of x's piece."""
        slopes = np.diff(self.values) / np.diff(self.knots)
        return _entry(np.log(slopes), _piece(x, self.knots))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"knots": self.knots.tolist(), "values": self.values.tolist()}


@keras.saving.register_keras_serializable(package="tfvae", name="ChainedWarp")
class Chained(Warp):
    """One warp after another: u = g_2(g_1(x)).

    Args:
        first: g_1.
        second: g_2, of real numbers and of as many columns.

    Raises:
        InvalidInput: if one of them is not a warp, or the second does not fit the first.

    Example:
        >>> float(Chained(Logarithm(), Piecewise([[0.0, 1.0]], [[0.0, 2.0]])).forward(tf.ones([1]))[0])
        0.0
    """

    def __init__(self, first: Warp, second: Warp) -> None:
        for warp in (first, second):
            if not isinstance(warp, Warp):
                raise InvalidInput("a tfvae.warps.Warp", f"{warp!r:.60}", "Pass for example tfvae.warps.Logarithm().")
        columns = {warp.columns for warp in (first, second)} - {None}
        if second.support != sets.REAL or len(columns) > 1:
            received = f"one of {second.support.description}, columns {first.columns} and {second.columns}"
            raise InvalidInput("a second warp of real numbers and as many columns", received, "Exchange or refit them.")
        self.first, self.second = first, second
        self.support, self.columns = first.support, max(columns, default=None)

    def forward(self, x: Tensor) -> Tensor:
        """Returns g_2(g_1(x))."""
        return self.second.forward(self.first.forward(x))

    def inverse(self, u: Tensor) -> Tensor:
        """Returns x."""
        return self.first.inverse(self.second.inverse(u))

    def log_slope(self, x: Tensor) -> Tensor:
        """Returns log g_1'(x) + log g_2'(g_1(x))."""
        return self.first.log_slope(x) + self.second.log_slope(self.first.forward(x))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in ("first", "second")}


def normal_scores(x: np.ndarray) -> Piecewise:
    """Returns the warp under which each column of x is about N(0, 1): knots (quantile at p, quantile of N(0, 1) at p).

    The knots stand at equal distances of u, about 3 N^(1/3) of them, at most 100, 10 rows or more beyond the outer
    ones, and one at either end of the data. Of a continuous column, the distribution of u so is within the mass of one
    piece of N(0, 1). Equal numbers are one knot, at their middle rank. A column of one value is moved to zero.

    Args:
        x: data, `[N, D]`; NaN where a cell is missing.

    Raises:
        InvalidInput: if x is not `[N, D]` with a row.

    Source:
        Hollander and Wolfe 1999, "Nonparametric Statistical Methods": van der Waerden's normal scores.
    """
    with np.errstate(over="ignore"):  # what float32 does not have is missing, as infinity is
        x = np.asarray(x, np.float32)
    if x.ndim != 2 or not x.size:
        raise InvalidInput("x of shape [N, D] with a row", f"shape {x.shape}", "Pass the columns of a table.")
    pairs = [_scores(np.sort(column[np.isfinite(column)].astype(np.float64))) for column in x.T]
    width = max(len(knots) for knots, _ in pairs)
    return Piecewise(*(np.stack([_extended(pair[i], width) for pair in pairs]) for i in (0, 1)))


def straight(warp: Warp, columns: int) -> Piecewise:
    """Returns the straight warp that agrees with another one at u = -1 and u = 1.

        u = (x - (g^-1(1) + g^-1(-1)) / 2) / ((g^-1(1) - g^-1(-1)) / 2)

    Of `normal_scores` these are the quantiles at 16% and 84%: x in units of its spread, whatever its tails are. Where
    they are next to each other, since nearly all cells are equal, a unit is a hundredth of g^-1(4) - g^-1(-4).

    Args:
        warp: g.
        columns: D.

    Raises:
        InvalidInput: if g is not a warp, or one of another number of columns.

    Example:
        >>> bent = Piecewise([[0.0, 1.0, 3.0]], [[-1.0, 0.0, 1.0]])
        >>> straight(bent, 1).forward(tf.constant([[1.5]])).numpy().tolist()
        [[0.0]]
    """
    if not isinstance(warp, Warp) or warp.columns not in (None, columns):
        received = f"{warp!r:.60}" if not isinstance(warp, Warp) else f"one of {warp.columns}"
        raise InvalidInput(f"a warp of {columns} columns", received, "Pass for example tfvae.warps.normal_scores(x).")
    values = np.tile(np.float32([-1, 1]), [columns, 1])
    low, high = warp.inverse(tf.constant(values.T)).numpy().astype(np.float64)
    beyond = np.ptp(warp.inverse(tf.constant(FAR * values.T)).numpy().astype(np.float64), axis=0)
    rounding = [_rounding(size) for size in np.maximum(np.abs(low), np.abs(high))]
    half = np.max([(high - low) / 2, np.where(np.isfinite(beyond), beyond, 0) / MOST_UNITS, rounding], axis=0)
    return Piecewise(((low + high) / 2)[:, np.newaxis] + half[:, np.newaxis] * values, values)


def _scores(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns increasing knots and values of one column, sorted."""
    x = x if len(x) else np.zeros(1)
    number = len(x)
    reach, end = -stats.norm.ppf(min(FEWEST_BEYOND / number, 0.25)), -stats.norm.ppf(0.5 / number)
    inner = np.linspace(-reach, reach, int(np.clip(3 * number ** (1 / 3), 3, MOST_KNOTS - 2)))
    shares = stats.norm.cdf(np.concatenate([[-end], inner, [end]]) if end > reach else inner)
    quantiles = np.quantile(x, shares, method="hazen")
    below, above = (np.searchsorted(x, quantiles, side) for side in ("left", "right"))
    shares = np.where(above - below > 1, (below + above) / (2 * number), shares)
    knots, first = np.unique(quantiles, return_index=True)
    values, kept = stats.norm.ppf(shares[first]), _apart(knots)
    if len(kept) > 1:
        return knots[kept], values[kept]
    width = max(1.0, _rounding(knots[0]))
    return knots[0] + np.array([-width, width]), np.array([-1.0, 1.0])


def _apart(knots: np.ndarray) -> list[int]:
    """Returns which knots are above the one kept before them by more than float32 rounds away."""
    kept = [0]
    for index in range(1, len(knots)):
        if knots[index] - knots[kept[-1]] > _rounding(np.abs(knots[[index, kept[-1]]]).max()):
            kept.append(index)
    return kept


def _rounding(size: float) -> float:
    """Returns how far apart numbers of a size are at least whose difference float32 has three bits of."""
    return 8 * max(float(np.spacing(np.float32(size))), float(np.finfo(np.float32).tiny))


def _extended(points: np.ndarray, width: int) -> np.ndarray:
    """Returns points and more of them on the line of the last two, so that all columns have as many."""
    return np.concatenate([points, points[-1] + (points[-1] - points[-2]) * np.arange(1, width - len(points) + 1)])


def _increasing(points: np.ndarray) -> bool:
    return bool(np.isfinite(points).all() and (np.diff(points) > 0).all())


def _interpolated(x: Tensor, knots: np.ndarray, values: np.ndarray) -> Tensor:
    """Returns the piecewise linear function through the points at x, `[..., D]`, and beyond them the outer lines."""
    piece, slopes = _piece(x, knots), np.diff(values) / np.diff(knots)
    start, value, slope = (_entry(table, piece) for table in (knots[:, :-1], values[:, :-1], slopes))
    return value + slope * (x - start)


def _piece(x: Tensor, knots: np.ndarray) -> Tensor:
    """Returns the number of the piece that x lies in, counted through all columns, `[..., D]`."""
    starts = knots[:, :-1]
    columns, pieces = starts.shape
    x = x + tf.zeros(columns)
    passed = tf.searchsorted(starts, tf.transpose(tf.reshape(x, [-1, columns])), side="right")
    return tf.reshape(tf.transpose(tf.maximum(passed - 1, 0)), tf.shape(x)) + pieces * tf.range(columns)


def _entry(table: np.ndarray, piece: Tensor) -> Tensor:
    """Returns what a table, `[D, K - 1]`, has for pieces."""
    return tf.gather(table.ravel(), piece)
