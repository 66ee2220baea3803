"""Columns of numbers, dates and counts.

    Real       numbers, at the resolution that they were written with; values that many cells share are atoms
    Positive   the same, above zero and skewed
    Date       days or times, as seconds
    Count      0, 1, 2, ...

With A atoms there are two slots, which of them it is, and the number where it is none, so that the mass of an atom and
the density of the others are told apart:   log p(cell | z) = log P(which | z) + [none] log p(number | z)
"""

import abc
import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from tfvae.core.errors import InvalidInput
from tfvae.datasets.tables.column import Column, Family, Slot, refuse
from tfvae.datasets.tables.resolution import MOST_DECIMALS, atoms_of, decimals_of, grid, written

LAYOUTS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y/%m/%d")
LAYOUTS += ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%d-%b-%Y")
LAYOUTS += ("%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%H:%M", "%H:%M:%S")
OF_FRAMES = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S")
SMALLEST, LARGEST = 1e-30, 1e30  # that leave float32 room
SAME = 1e-6  # of a step, within which a number is an atom
USUAL = (0.05, 0.95)  # the quantiles between which numbers are usual


@dataclasses.dataclass(frozen=True)
class Number(Column, abc.ABC):
    """What numbers of all kinds have in common; subclasses name their kind.

    Attributes:
        decimals: the fewest and the most that a cell is written with.
        step: the resolution: numbers are `origin` + n `step`.
        origin: one of them.
        low: the smallest that was seen.
        high: the largest.
        atoms: single values that many cells have.
        usual: between which numbers nine of ten were.

    Raises:
        InvalidInput: for numbers that cannot be.
    """

    numeric = True
    decimals: tuple[int, int] = (0, 6)
    step: float = 1e-6
    origin: float = 0.0
    low: float = 0.0
    high: float = 1.0
    atoms: tuple[float, ...] = ()
    usual: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Checks the numbers."""
        _check_decimals(self.name, self.decimals)
        all_numbers = [self.origin, self.low, self.high, *self.atoms, *(self.usual or (0.0, 0.0))]
        if not (0 < self.step < np.inf and np.isfinite(all_numbers).all() and len(self.usual or (0, 0)) == 2):
            received = f"step {self.step:g}, origin {self.origin:g}, low {self.low:g}, high {self.high:g}"
            expected = f"a step above 0 and finite numbers of column {self.name}"
            raise InvalidInput(expected, f"{received}, atoms {self.atoms}", "Correct the schema.")

    @classmethod
    def of(cls, name: str, cells: pd.Series, **given: Any) -> "Number":
        """Returns the column with the resolution and the range of the cells."""
        numbers = cls(name, **given).numbers(cells)
        found = _some(name, numbers)
        decimals = tuple(given.get("decimals", decimals_of(cells)))
        step, origin = grid(found, decimals[1], given.get("origin"))
        seen = {"decimals": decimals, "step": step, "origin": origin, "low": found.min(), "high": found.max()}
        seen |= {"atoms": atoms_of(found, step, origin), "usual": tuple(np.quantile(found, USUAL).tolist())} | given
        return cls(name, **{key: _plain(value) for key, value in seen.items()})

    @property
    @abc.abstractmethod
    def family(self) -> Family:
        """Which likelihood the number has."""

    @property
    def slots(self) -> list[Slot]:
        """The number; before it, where there are atoms, which of them it is, 0 for none."""
        number = [Slot(self.family)]
        return [Slot(Family.CATEGORY, len(self.atoms) + 1), *number] if self.atoms else number

    def numbers(self, cells: pd.Series) -> np.ndarray:
        """Returns the numbers that the cells are."""
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        good = np.abs(np.nan_to_num(numbers, nan=np.inf)) <= LARGEST
        refuse(self.name, cells, cells.notna().to_numpy() & ~good, f"finite numbers up to {LARGEST:g}")
        return numbers

    def encode(self, numbers: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Returns the number less the origin, and before it which atom it is."""
        away = numbers - self.origin
        away = away if rng is None else away + self.step * (rng.random(len(numbers)) - 0.5)
        if not self.atoms:
            return away[:, np.newaxis]
        close = SAME * self.step  # a cell between the numbers of the grid is not an atom, however wide the grid is
        which = sum((i + 1.0) * np.isclose(numbers, atom, 1e-12, close) for i, atom in enumerate(self.atoms))
        which = np.where(np.isnan(numbers), np.nan, which)
        return np.stack([which, np.where(which == 0, away, np.nan)], axis=1)

    def decode(self, slots: np.ndarray) -> np.ndarray:
        """Returns the number, at the column's resolution; none is below zero, or not above, where none was."""
        away = np.round(slots[:, -1] / self.step) * self.step
        numbers = np.maximum(away + self.origin, -np.inf if self.low < 0 else self._least)
        if not self.atoms:
            return numbers
        which = slots[:, 0]
        return np.where(which > 0, np.array([np.nan, *self.atoms])[np.rint(np.nan_to_num(which)).astype(int)], numbers)

    @property
    def _least(self) -> float:
        return 0.0

    def words(self, numbers: np.ndarray) -> pd.Series:
        """Returns the numbers with as many decimals as the table writes."""
        fewest, most = self.decimals
        return pd.Series(["" if np.isnan(n) else written(n, fewest, most) for n in numbers], dtype=object)

    def __str__(self) -> str:
        """Returns the column as the schema prints it."""
        atoms = f", of which {', '.join(f'{atom:g}' for atom in self.atoms)} often" if self.atoms else ""
        step = f" in steps of {self.step:g}" if self.step > 1e-6 else ""
        return f"{self.kind}, {self.low:g} to {self.high:g}{step}{atoms}" + (f"; {self.why}" if self.why else "")


@dataclasses.dataclass(frozen=True)
class Real(Number):
    """Numbers of any sign."""

    kind = "real"
    family = Family.REAL


@dataclasses.dataclass(frozen=True)
class Positive(Number):
    """Numbers above zero, explained on a logarithmic scale."""

    kind = "positive"
    family = Family.POSITIVE

    @classmethod
    def of(cls, name: str, cells: pd.Series, **given: Any) -> "Positive":
        """Returns the column, without an origin."""
        return super().of(name, cells, **{"origin": 0.0} | given)  # type: ignore[return-value]

    def numbers(self, cells: pd.Series) -> np.ndarray:
        """Returns the numbers that the cells are, all above zero but atoms."""
        numbers = super().numbers(cells)
        remedy = 'Correct them, or give the column the kind "real" in the schema.'
        bad = (numbers < SMALLEST) & ~np.isin(numbers, self.atoms)
        refuse(self.name, cells, bad, f"numbers above 0, from {SMALLEST:g} on,", remedy)
        return numbers

    def encode(self, numbers: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Returns the number, and before it which atom it is; noise stays above zero."""
        slots = super().encode(numbers, rng)
        if rng is not None:
            slots[:, -1] = np.maximum(slots[:, -1], self.step / 4)
        return slots

    @property
    def _least(self) -> float:
        return self.step


@dataclasses.dataclass(frozen=True)
class Date(Number):
    """Dates, times, or both, in seconds.

    Attributes:
        layout: how they are written, as `strftime` has it.
    """

    kind = "date"
    family = Family.REAL
    numeric = False
    layout: str = "%Y-%m-%d"

    def __post_init__(self) -> None:
        """Checks the layout, too."""
        super().__post_init__()
        try:
            pd.to_datetime(pd.Series(["2000-01-01"]), format=self.layout, errors="coerce")
        except ValueError as error:
            remedy = 'Write it as strftime does, such as "%d.%m.%Y".'
            raise InvalidInput(
                f"a layout of dates or times in column {self.name}", f"{self.layout!r}", remedy
            ) from error

    @classmethod
    def of(cls, name: str, cells: pd.Series, **given: Any) -> "Date":
        """Returns the column, with the layout that all cells have."""
        layout = given.get("layout") or date_layout(cells)
        if layout is None:
            remedy = 'Give its "layout" in the schema, such as "%d.%m.%Y".'
            raise InvalidInput(f"dates or times in column {name}", "words of no known layout", remedy)
        return super().of(name, cells, **{"layout": layout, "decimals": (0, 0)} | given)  # type: ignore[return-value]

    def numbers(self, cells: pd.Series) -> np.ndarray:
        """Returns seconds since 1970."""
        times = self.typed(cells)
        refuse(self.name, cells, (cells.notna() & times.isna()).to_numpy(), f"dates or times as {self.layout}")
        seconds = times.to_numpy("datetime64[us]").astype(np.int64) / 1e6
        return np.where(times.isna(), np.nan, seconds)

    def typed(self, cells: pd.Series) -> pd.Series:
        """Returns datetimes, also of dates and times as frames write them; none of other words."""
        times = pd.to_datetime(cells, format=self.layout, errors="coerce")
        for layout in OF_FRAMES if (cells.notna() & times.isna()).any() else ():
            times = times.fillna(pd.to_datetime(cells, format=layout, errors="coerce"))
        return times

    def decode(self, slots: np.ndarray) -> np.ndarray:
        """Returns seconds, within what was seen."""
        return np.clip(super().decode(slots), self.low, self.high)

    def words(self, numbers: np.ndarray) -> pd.Series:
        """Returns the times as the table writes them."""
        times = pd.to_datetime(pd.Series(numbers), unit="s", errors="coerce")
        return times.dt.strftime(self.layout).astype(object).where(times.notna(), "")

    def __str__(self) -> str:
        """Returns the column as the schema prints it."""
        return f"{self.kind}, {' to '.join(self.words(np.array([self.low, self.high])))}"


@dataclasses.dataclass(frozen=True)
class Count(Column):
    """Whole numbers from 0.

    Attributes:
        decimals: that a cell is written with, zeros.
        usual: between which counts nine of ten were.
    """

    kind = "count"
    numeric = True
    decimals: int = 0
    usual: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Checks the decimals."""
        _check_decimals(self.name, (self.decimals, self.decimals))

    @classmethod
    def of(cls, name: str, cells: pd.Series, **given: Any) -> "Count":
        """Returns the column."""
        numbers = cls(name).numbers(cells)
        found = _some(name, numbers)
        return cls(
            name, **{"decimals": decimals_of(cells)[0], "usual": tuple(np.quantile(found, USUAL).tolist())} | given
        )

    @property
    def slots(self) -> list[Slot]:
        """The count."""
        return [Slot(Family.COUNT)]

    def numbers(self, cells: pd.Series) -> np.ndarray:
        """Returns the counts."""
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        whole = (numbers >= 0) & (numbers <= LARGEST) & (numbers == np.round(numbers))
        refuse(self.name, cells, cells.notna().to_numpy() & ~whole, "whole numbers from 0")
        return numbers

    def words(self, numbers: np.ndarray) -> pd.Series:
        """Returns the counts as the table writes them."""
        return pd.Series(["" if np.isnan(n) else f"{round(n):.{self.decimals}f}" for n in numbers], dtype=object)


def date_layout(cells: pd.Series) -> str | None:
    """Returns the layout that all cells are dates or times of, the first in `LAYOUTS`; `None` if there is none."""
    found = cells.dropna()
    first = found.iloc[:100]
    for layout in LAYOUTS if len(found) else ():
        if are_dates(first, layout).all() and are_dates(found, layout).all():
            return layout
    return None


def are_dates(cells: pd.Series, layout: str) -> np.ndarray:
    """Says which cells, `[N]`, are dates or times of a layout."""
    return pd.to_datetime(cells, format=layout, errors="coerce").notna().to_numpy()


def _some(name: str, numbers: np.ndarray) -> np.ndarray:
    """Returns those that are not missing."""
    found = numbers[np.isfinite(numbers)]
    if not len(found):
        raise InvalidInput(f"numbers in column {name}", "missing cells alone", "Leave the column out.")
    return found


def _check_decimals(name: str, decimals: tuple[int, ...]) -> None:
    if len(decimals) != 2 or not 0 <= decimals[0] <= decimals[1] <= MOST_DECIMALS:
        expected = f"decimals of column {name}, the fewest and the most, from 0 to {MOST_DECIMALS}"
        raise InvalidInput(expected, " and ".join(map(str, decimals)), "Correct the schema.")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else tuple(value) if isinstance(value, list) else value
