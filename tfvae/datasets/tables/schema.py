"""The schema of a table: its columns, each of a kind, and where they stand in x.

    table [N, columns]  <->  x [N, D] float32, mask [N, D] bool        D slots, those of one family side by side

It is inferred, printed, saved as JSON, and read back: what a person writes there goes before what the cells suggest.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config
from tfvae.datasets.tables import said
from tfvae.datasets.tables.categories import Category, Words, YesNo
from tfvae.datasets.tables.column import Column, Family, LeftOut, Slot
from tfvae.datasets.tables.guess import check_typos, guess

MISSING = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "None", "NULL", "null", "<NA>", "NaT")
MOST_FAR = 0.5  # of a column's cells, before it is said


@dataclasses.dataclass(frozen=True)
class Schema:
    """The columns of a table.

    Attributes:
        columns: in the order of the table.
        missing: what a cell holds that has no value.
    """

    columns: tuple[Column, ...]
    missing: tuple[str, ...] = MISSING

    @classmethod
    def of(cls, frame: pd.DataFrame, given: Mapping[str, Any] | None = None, rows: int | None = None) -> "Schema":
        """Returns the schema that a table of text suggests.

        Args:
            frame: the table, as `reading.read` returns it.
            given: what a person says of it, as `to_dict` writes it: any columns, any of their fields.
            rows: of a larger table, of which the frame is a sample.

        Raises:
            InvalidInput: if what is given does not fit the table.
        """
        entries, missing = said.parts({} if given is None else given)
        known = said.by_name(entries, list(frame.columns))
        schema = cls((), MISSING if missing is None else tuple(dict.fromkeys(["", *missing])))
        cells = {name: schema.cells(frame[name]) for name in frame.columns}
        columns = [_column(name, frame[name], cells[name], known.get(name, {}), rows) for name in frame.columns]
        if all(isinstance(column, LeftOut) for column in columns):
            why = "; ".join(f"{column.name}: {column.why or 'left out'}" for column in columns[:5])
            raise InvalidInput("a column that a model can learn from", why, "Give other kinds in the schema.")
        return dataclasses.replace(schema, columns=tuple(columns))

    @property
    def names(self) -> list[str]:
        """Those of the columns that stand in x."""
        return [column.name for column in self.columns if column.slots]

    @property
    def slots(self) -> list[Slot]:
        """The columns of x."""
        return [slot for _, slot in self._placed]

    @property
    def _placed(self) -> list[tuple[tuple[int, int], Slot]]:
        """Place of a column and of its slot, and the slot, in the order of x."""
        every = [((i, j), slot) for i, column in enumerate(self.columns) for j, slot in enumerate(column.slots)]
        return sorted(every, key=lambda entry: (entry[1].family.value, entry[0]))

    def places(self, name: str) -> list[int]:
        """Returns which columns of x a column of the table fills, in the order of its slots."""
        own = next(i for i, column in enumerate(self.columns) if column.name == name)
        return [[key for key, _ in self._placed].index((own, j)) for j in range(len(self.columns[own].slots))]

    def cells(self, texts: pd.Series) -> pd.Series:
        """Returns text without blanks around, `None` where a cell has no value."""
        stripped = texts.str.strip()
        return stripped.where(texts.notna() & ~stripped.isin(self.missing), None).astype(object)

    def check(self, frame: pd.DataFrame) -> None:
        """Raises `InvalidInput` if a table lacks a column; others, and another order, are fine."""
        lacking = [name for name in self.names if name not in frame.columns]
        if lacking:
            received = f"a table with {', '.join(map(str, frame.columns[:20]))}"
            remedy = "Add it; a column whose values are not known may be empty."
            raise InvalidInput(f"column{'s' * (len(lacking) > 1)} {', '.join(lacking)}", received, remedy)

    def numbers(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Returns the columns of a table as numbers, name to `[N]`, NaN where missing.

        Raises:
            InvalidInput: for a missing column, or a cell that its column cannot have.
        """
        self.check(frame)
        return {column.name: column.numbers(self.cells(frame[column.name])) for column in self.columns if column.slots}

    def far(self, numbers: Mapping[str, np.ndarray]) -> dict[str, str]:
        """Returns the columns most of whose numbers are far from what was seen, and for each what to say of it.

        Args:
            numbers: as `numbers` returns them.
        """
        columns = [self[name] for name, values in numbers.items() if self[name].far(values) > MOST_FAR]
        middle = {
            column.name: np.array([*(column.usual or ()), np.nanmedian(numbers[column.name])]) for column in columns
        }
        words = {column.name: column.words(middle[column.name]) for column in columns}
        return {
            name: f"half of the cells are at {at} or beyond, where {low} to {high} is usual"
            for name, (low, high, at) in words.items()
        }

    def encode(self, frame: pd.DataFrame, rng: np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns x, `[N, D]` float32, and which of it was observed, `[N, D]`.

        Args:
            frame: the table.
            rng: of noise as wide as the resolution of numbers, for training.

        Raises:
            InvalidInput: as `numbers` does.
        """
        return self.encoded(self.numbers(frame), rng)

    def encoded(
        self, numbers: Mapping[str, np.ndarray], rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns what `encode` does, from the numbers that `numbers` returns."""
        rows = len(next(iter(numbers.values())))
        slots = [c.encode(numbers[c.name], rng) if c.slots else np.empty([rows, 0]) for c in self.columns]
        x = np.stack([slots[i][:, j] for (i, j), _ in self._placed], axis=1)
        mask = ~np.isnan(x)
        return np.where(mask, x, self._inner).astype(np.float32), mask

    @property
    def _inner(self) -> np.ndarray:
        """A value that each column of x may have."""
        return np.array([float(slot.family is Family.POSITIVE) for slot in self.slots])

    def decode(self, x: np.ndarray) -> pd.DataFrame:
        """Returns rows of x, `[N, D]`, as a table of text."""
        x, keys = np.asarray(x, np.float64), [key for key, _ in self._placed]
        table = {}
        for i, column in enumerate(self.columns):
            places = [keys.index((i, j)) for j in range(len(column.slots))]
            numbers = column.decode(x[:, places]) if places else np.full(len(x), np.nan)
            table[column.name] = column.words(numbers)
        return pd.DataFrame(table, dtype=object)

    def typed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Returns a table of text with its columns of numbers as numbers, and those of dates as datetimes."""
        known = {column.name: column for column in self.columns}
        return pd.DataFrame({name: known[name].typed(frame[name]) if name in known else frame[name] for name in frame})

    def without(self, name: str) -> "Schema":
        """Returns the schema less a column.

        Raises:
            InvalidInput: if there is none of that name, or no other.
        """
        if name not in self.names:
            raise InvalidInput(f"one of {', '.join(self.names)}", f"{name!r}", "Name a column of the table.")
        if self.names == [name]:
            raise InvalidInput(f"another column beside {name}", "none that a model sees", "Add one to the table.")
        return dataclasses.replace(self, columns=tuple(c for c in self.columns if c.name != name))

    def __getitem__(self, name: str) -> Column:
        """Returns a column."""
        return next(column for column in self.columns if column.name == name)

    def to_dict(self) -> Config:
        """Returns the schema for JSON."""
        return {"columns": [column.to_dict() for column in self.columns], "missing": list(self.missing)}

    @classmethod
    def from_dict(cls, config: Config) -> "Schema":
        """Returns the schema that `to_dict` wrote.

        Raises:
            InvalidInput: if it is not what `to_dict` wrote.
        """
        entries, missing = said.parts(config)
        known = said.by_name(entries, [str(entry.get("name")) for entry in entries])
        columns = [said.kind(entry)(name, **said.fields(said.kind(entry), entry)) for name, entry in known.items()]
        return cls(tuple(columns), MISSING if missing is None else tuple(missing))

    def __str__(self) -> str:
        """Returns the schema as a person reads it, a line a column."""
        width = max(len(column.name) for column in self.columns)
        return "\n".join(f"  {column.name:{width}}  {column}" for column in self.columns)


def _column(name: str, texts: pd.Series, cells: pd.Series, entry: Config, rows: int | None) -> Column:
    """Returns the column that the cells, and the texts that they come from, suggest, but for what is said of it."""
    found, why = guess(cells, rows)
    if entry.get("kind") is None:
        check_typos(name, cells)
        kind = Category if found is YesNo and entry.keys() & {"values", "other"} else found
    else:
        kind = said.kind(entry)
    suggested = {"why": why if kind is found else ""} | (
        {"blank": _blank(texts[cells.notna()])} if issubclass(kind, Words) else {}
    )
    fields = suggested | (said.fields(kind, entry) if entry else {})
    return kind.of(name, cells, **fields)


def _blank(texts: pd.Series) -> str:
    """Returns what blanks every text of a column begins with."""
    first = next(iter(texts), "")
    blank = first.removesuffix(first.lstrip())
    return blank if texts.str.startswith(blank).all() else ""
