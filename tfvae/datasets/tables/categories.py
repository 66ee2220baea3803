"""Columns of words.

YesNo      one of two words                    0, 1
Category   one of K words                      0 ... K - 1
Ordered    the same in an order
"""

import abc
import collections
import dataclasses
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config
from tfvae.datasets.tables.column import Column, Family, Slot, refuse

MIDNIGHT = " 00:00:00"
OTHER = (
    'Correct the cells; or train again with --schema EDITED.json, a copy of the schema whose column has "other": a word'
    " of your choice, which all other words then mean."
)


@dataclasses.dataclass(frozen=True)
class Words(Column, abc.ABC):
    """What columns of words have in common; subclasses name their kind.

    Attributes:
        values: the words.
        other: the one that stands for words that are not among them; `None` to refuse these.
        blank: what stands before each word in the table, as files have it that write ", " between cells.

    Raises:
        InvalidInput: for fewer than two words, one twice, or another number of them than the kind has.
    """

    most: ClassVar[float] = np.inf
    values: tuple[str, ...] = ()
    other: str | None = None
    blank: str = ""

    def __post_init__(self) -> None:
        """Checks the words."""
        twice = [word for word, number in collections.Counter(self.values).items() if number > 1]
        if twice or len(self.values) < 2 or len(self.values) > self.most:
            expected = "two words, each once," if self.most == 2 else "two words or more, each once,"
            received = f"{twice[0]!r} twice" if twice else f"{len(self.values)}: {_few(self.values)}"
            remedy = 'Give it another kind in the schema: "category", or "left out".'
            raise InvalidInput(f"{expected} in column {self.name}", received, remedy)
        if self.other is not None and self.other not in self.values:
            expected = f'"other" of column {self.name} to be one of {_few(self.values)}'
            raise InvalidInput(expected, repr(self.other), "Correct the schema.")

    @classmethod
    def of(cls, name: str, cells: pd.Series, **given: Any) -> "Words":
        """Returns the column with the words that it has, in the order of the alphabet, numbers by size."""
        values = given.pop("values", None) or sorted(cells.dropna().unique(), key=_by_size)
        other = given.get("other")
        values = [*values, other] if other is not None and other not in values else values
        return cls(name, values=tuple(values), **given)

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
        if (cells.notna() & found.isna()).any():  # a frame writes midnights as days, a file of types does not
            days = {word.removesuffix(MIDNIGHT): float(i) for i, word in enumerate(self.values)}
            found = found.fillna(cells.str.removesuffix(MIDNIGHT).map(days))
        alike = _by_number(self.values)
        if alike and (cells.notna() & found.isna()).any():
            found = found.fillna(pd.to_numeric(cells.where(found.isna()), errors="coerce").map(alike))
        unknown = (cells.notna() & found.isna()).to_numpy()
        if self.other is None:
            refuse(self.name, cells, unknown, f"one of {_few(self.values)}", OTHER)
        else:
            found = found.mask(unknown, float(self.values.index(self.other)))
        return found.to_numpy(np.float64, na_value=np.nan)

    def words(self, numbers: np.ndarray) -> pd.Series:
        """Returns the words; of a number between two, such as a probability, the nearer one."""
        known = np.isfinite(numbers)
        places = np.clip(np.rint(np.nan_to_num(numbers)), 0, len(self.values) - 1).astype(int)
        written = np.array([self.blank + word for word in self.values], dtype=object)
        return pd.Series(np.where(known, written[places], ""), dtype=object)

    def to_dict(self) -> Config:
        """Returns the column for JSON, `blank` where there is one."""
        return {field: value for field, value in super().to_dict().items() if field != "blank" or value}

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
    most = 2
    family = Family.YES_NO


def _few(words: tuple[str, ...]) -> str:
    return ", ".join(words[:8]) + (f", ... ({len(words)} in all)" if len(words) > 8 else "")


def _by_number(words: tuple[str, ...]) -> dict[float, float]:
    """Returns the places of words that are different numbers, by these: 1.0 is then 1; nothing of other words."""
    sizes = [_by_size(word) for word in words]
    places = {number: float(i) for i, (other, number, _) in enumerate(sizes) if not other}
    return places if len(places) == len(words) else {}


def _by_size(word: str) -> tuple[int, float, str]:
    try:
        return 0, float(word), word
    except ValueError:
        return 1, 0.0, word
