"""What a column of a table is: words in its cells, numbers that a likelihood explains, and words again.

A column fills no slot of x, one, or two:   cells -> numbers [N] -> slots of x [N, 0, 1 or 2] -> numbers -> words
"""

import abc
import dataclasses
import enum
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config

NAMED = 5  # how many cells an error lists
FEWEST_FAR = 10  # cells of which one says that they are far from what is usual


class Family(enum.Enum):
    """Which likelihood a slot of x has."""

    REAL = enum.auto()
    POSITIVE = enum.auto()
    COUNT = enum.auto()
    YES_NO = enum.auto()
    CATEGORY = enum.auto()


@dataclasses.dataclass(frozen=True)
class Slot:
    """A column of x.

    Attributes:
        family: of its likelihood.
        size: number of values, of categories.
    """

    family: Family
    size: int = 0


@dataclasses.dataclass(frozen=True)
class Column(abc.ABC):
    """A column of a table; subclasses say what its cells are as numbers.

    Attributes:
        name: as the table has it.
        why: the reason for its kind, as one reads it.
    """

    kind: ClassVar[str]
    numeric: ClassVar[bool] = False  # its words are numbers
    name: str
    why: str = dataclasses.field(default="", kw_only=True)

    @classmethod
    @abc.abstractmethod
    def of(cls, name: str, cells: pd.Series, **given: Any) -> "Column":
        """Returns the column that cells `[N]` suggest, text without blanks around, `None` where missing.

        Args:
            name: of the column.
            cells: text.
            **given: what the schema says of it already.
        """

    @property
    def slots(self) -> list[Slot]:
        """The columns of x that it fills."""
        return []

    def numbers(self, cells: pd.Series) -> np.ndarray:
        """Returns the cells as numbers, `[N]` float64, NaN where missing.

        Raises:
            InvalidInput: naming the first cell that the column cannot have.
        """
        return np.full(len(cells), np.nan)

    def encode(self, numbers: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Returns numbers in the slots, `[N, slots]` float64, NaN where nothing is observed.

        Args:
            numbers: `[N]`, NaN where missing.
            rng: of noise as wide as the resolution, for training: without it a density could stand on single values.
        """
        del rng
        return numbers[:, np.newaxis]

    def decode(self, slots: np.ndarray) -> np.ndarray:
        """Returns the numbers that the slots `[N, slots]` mean, `[N]`."""
        return slots[:, 0]

    @property
    def usual(self) -> tuple[float, float] | None:
        """Between which numbers most of the cells were that the schema is of; `None` where that says nothing."""
        return None

    def far(self, numbers: np.ndarray) -> float:
        """Returns the share of numbers, `[N]`, that lie further from what is usual than that is wide; 0 of very few."""
        found = numbers[np.isfinite(numbers)]
        if self.usual is None or len(found) < FEWEST_FAR:
            return 0.0
        low, high = self.usual
        return float(np.mean((found < 2 * low - high) | (found > 2 * high - low)))

    def typed(self, cells: pd.Series) -> pd.Series:
        """Returns cells, text, as what they mean: numbers of numbers, datetimes of dates."""
        return pd.to_numeric(cells, errors="coerce") if self.numeric else cells

    @abc.abstractmethod
    def words(self, numbers: np.ndarray) -> pd.Series:
        """Returns numbers `[N]` as the table writes them; empty where NaN."""

    def to_dict(self) -> Config:
        """Returns the column for JSON."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"name": values.pop("name"), "kind": self.kind, **values}

    def __str__(self) -> str:
        """Returns the column as the schema prints it."""
        return f"{self.kind}; {self.why}" if self.why else self.kind


@dataclasses.dataclass(frozen=True)
class LeftOut(Column):
    """What no model sees.

    Attributes:
        value: what stands in every cell, of a constant; else rows that are drawn are numbered.
    """

    kind = "left out"
    value: str | None = None

    @classmethod
    def of(cls, name: str, cells: pd.Series, **given: Any) -> "LeftOut":
        """Returns the column."""
        found = cells.dropna().unique()
        constant = str(found[0]) if len(found) == 1 else "" if not len(found) else None
        return cls(name, **{"value": constant} | given)

    def words(self, numbers: np.ndarray) -> pd.Series:
        """Returns the constant, or 1, 2, ..."""
        fill = np.arange(1, len(numbers) + 1).astype(str) if self.value is None else self.value
        return pd.Series(fill, index=range(len(numbers)), dtype=object)


def refuse(name: str, cells: pd.Series, bad: np.ndarray, expected: str, remedy: str = "Correct them.") -> None:
    """Raises `InvalidInput` that names the rows whose cells are bad; rows count from 0."""
    if bad.any():
        rows = np.flatnonzero(bad)
        texts = [f"{str(cells.iloc[row])!r:.40} in row {cells.index[row]}" for row in rows[:NAMED]]
        more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
        raise InvalidInput(f"{expected} in column {name}", f"{', '.join(texts)}{more}", remedy)
