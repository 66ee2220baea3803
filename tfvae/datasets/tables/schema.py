"""The schema of a table: its columns, each of a kind, and where they stand in x.

    table [N, columns]  <->  x [N, D] float32, mask [N, D] bool        D slots, those of one family side by side

It is inferred, printed, saved as JSON, and read back: what a person writes there goes before what the cells suggest.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config
from tfvae.datasets.tables.column import Column, Family, LeftOut, Slot
from tfvae.datasets.tables.guess import KINDS, guess

MISSING = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "None", "NULL", "null", "<NA>", "NaT")


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
    def of(cls, frame: pd.DataFrame, given: Mapping[str, Any] | None = None) -> "Schema":
        """Returns the schema that a table of text suggests.

        Args:
            frame: the table, as `reading.read` returns it.
            given: what a person says of it, as `to_dict` writes it: any columns, any of their fields.

        Raises:
            InvalidInput: if what is given does not fit the table.
        """
        given, names = dict(given or {}), list(frame.columns)
        said = _said(given, names)
        schema = cls((), tuple(given.get("missing", MISSING)))
        columns = [_column(name, schema.cells(frame[name]), said.get(name, {})) for name in names]
        if all(isinstance(column, LeftOut) for column in columns):
            why = "; ".join(f"{column.name}: {column.why}" for column in columns[:5])
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

    def encode(self, frame: pd.DataFrame, rng: np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns x, `[N, D]` float32, and which of it was observed, `[N, D]`.

        Args:
            frame: the table.
            rng: of noise as wide as the resolution of numbers, for training.

        Raises:
            InvalidInput: as `numbers` does.
        """
        numbers = self.numbers(frame)
        slots = [c.encode(numbers[c.name], rng) if c.slots else np.empty([len(frame), 0]) for c in self.columns]
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
        """Returns a table of text with its columns of numbers as numbers."""
        numeric = [column.name for column in self.columns if column.numeric and column.name in frame]
        return frame.assign(**{name: pd.to_numeric(frame[name], errors="coerce") for name in numeric})

    def without(self, name: str) -> "Schema":
        """Returns the schema less a column.

        Raises:
            InvalidInput: if there is none of that name.
        """
        if name not in self.names:
            raise InvalidInput(f"one of {', '.join(self.names)}", f"{name!r}", "Name a column of the table.")
        return dataclasses.replace(self, columns=tuple(c for c in self.columns if c.name != name))

    def __getitem__(self, name: str) -> Column:
        """Returns a column."""
        return next(column for column in self.columns if column.name == name)

    def to_dict(self) -> Config:
        """Returns the schema for JSON."""
        return {"columns": [column.to_dict() for column in self.columns], "missing": list(self.missing)}

    @classmethod
    def from_dict(cls, config: Config) -> "Schema":
        """Returns the schema that `to_dict` wrote."""
        columns = []
        for entry in config["columns"]:
            fields = {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items() if key != "kind"}
            columns.append(KINDS[entry["kind"]](**fields))
        return cls(tuple(columns), tuple(config["missing"]))

    def __str__(self) -> str:
        """Returns the schema as a person reads it, a line a column."""
        width = max(len(column.name) for column in self.columns)
        return "\n".join(f"  {column.name:{width}}  {column}" for column in self.columns)


def _said(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, Config]:
    """Returns what is given of each column, by its name."""
    said = {}
    for entry in given.get("columns", []):
        name, kind = entry.get("name"), entry.get("kind")
        if name not in names:
            raise InvalidInput(f"columns of the table, {', '.join(names)}", f"{name!r} in the schema", "Correct it.")
        if kind is not None and kind not in KINDS:
            raise InvalidInput(f"kind of {name} to be one of {', '.join(KINDS)}", f"{kind!r}", "Choose one of them.")
        known = {field.name for field in dataclasses.fields(KINDS[kind])} if kind else {"why"}
        unknown = entry.keys() - known - {"name", "kind"}
        if unknown:
            expected = f"fields of the kind {kind}: {', '.join(sorted(known))}"
            raise InvalidInput(expected, f"{sorted(unknown)[0]!r} in column {name}", "Correct or remove it.")
        said[name] = {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items() if key != "name"}
    return said


def _column(name: str, cells: pd.Series, said: Config) -> Column:
    """Returns the column that the cells suggest, but for what is said of it."""
    found, why = guess(cells)
    kind = KINDS[said["kind"]] if "kind" in said else found
    fields = {"why": why if kind is found else ""} | {key: value for key, value in said.items() if key != "kind"}
    return kind.of(name, cells, **fields)
