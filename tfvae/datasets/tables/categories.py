"""Columns of words.

YesNo      one of two words                    0, 1
Category   one of K words                      0 ... K - 1
Ordered    the same in an order
"""

import abc
import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from tfvae.core.errors import InvalidInput
from tfvae.datasets.tables.column import Column, Family, Slot, refuse

OTHER = 'Give the column an "other" in the schema to allow more, or correct the cells.'


@dataclasses.dataclass(frozen=True)
class Words(Column, abc.ABC):
    """What columns of words have in common; subclasses name their kind.

    Attributes:
        values: the words.
        other: the one that stands for words that are not among them; `None` to refuse these.
    """

    values: tuple[str, ...] = ()
    other: str | None = None

    @classmethod
    def of(cls, name: str, cells: pd.Series, **given: Any) -> "Words":
        """Returns the column with the words that it has, in the order of the alphabet, numbers by size."""
        values = given.pop("values", None) or sorted(cells.dropna().unique(), key=_by_size)
        other = given.get("other")
        values = [*values, other] if other is not None and other not in values else values
        if len(values) < 2:
            raise InvalidInput(f"two words or more in column {name}", f"{len(values)}", "Leave the column out.")
        return cls(name, values=tuple(map(str, values)), **given)

    @property
    @abc.abstractmethod
    def family(self) -> Family:
        """Which likelihood the number of the word has."""

    @property
    def slots(self) -> list[Slot]:
        """The number of the word."""
        return [Slot(self.family, len(self.values))]

    def numbers(self, cells: pd.Series) -> np.ndarray:
        """Returns the numbers of the words."""
        found = cells.map({word: float(i) for i, word in enumerate(self.values)})
        unknown = (cells.notna() & found.isna()).to_numpy()
        if self.other is None:
            refuse(self.name, cells, unknown, f"one of {_few(self.values)}", OTHER)
        else:
            found = found.mask(unknown, float(self.values.index(self.other)))
        return found.to_numpy(np.float64, na_value=np.nan)

    def words(self, numbers: np.ndarray) -> pd.Series:
        """Returns the words."""
        known = np.isfinite(numbers)
        places = np.clip(np.nan_to_num(numbers), 0, len(self.values) - 1).astype(int)
        return pd.Series(np.where(known, np.array(self.values, dtype=object)[places], ""), dtype=object)

    def __str__(self) -> str:
        """Returns the column as the schema prints it."""
        return f"{self.kind}, {len(self.values)}: {_few(self.values)}" + (f"; {self.why}" if self.why else "")


@dataclasses.dataclass(frozen=True)
class Category(Words):
    """One of K words."""

    kind = "category"
    family = Family.CATEGORY


@dataclasses.dataclass(frozen=True)
class Ordered(Words):
    """One of K words that have an order."""

    kind = "ordered"
    family = Family.CATEGORY


@dataclasses.dataclass(frozen=True)
class YesNo(Words):
    """One of two words."""

    kind = "yes/no"
    family = Family.YES_NO


def _few(words: tuple[str, ...]) -> str:
    return ", ".join(words[:8]) + (f", ... ({len(words)} in all)" if len(words) > 8 else "")


def _by_size(word: str) -> tuple[int, float, str]:
    try:
        return 0, float(word), word
    except ValueError:
        return 1, 0.0, word
