"""A table as a data set: its rows cut into train, valid and test, its cells as x and a mask.

What the table is (kinds, words, resolution) is inferred from all rows; what a model learns, from those of train alone.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfvae.conditions import Labels, Real
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Array, Config
from tfvae.datasets.cut import NOISE, STREAMS, Fractions, checksum, complete, generator
from tfvae.datasets.sources import TABLES, Source
from tfvae.datasets.split import Data, Split
from tfvae.datasets.told import Told

FIELDS = {"columns", "missing"}


def is_table(source: object) -> bool:
    """Says whether a source is a table: a file that is called so, or a frame."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source).lower().endswith(TABLES)
    return hasattr(source, "__arrow_c_stream__") or (hasattr(source, "iloc") and hasattr(source, "columns"))


def load_table(
    source: Any,
    seed: int,
    fractions: Fractions,
    condition: str | None = None,
    given: Mapping[str, Any] | None = None,
    others: Sequence[str] = (),
) -> Data:
    """Returns a table as disjoint train, valid and test splits.

    Numbers of train are moved by noise as wide as their resolution, once: a density could else stand on single values.

    Args:
        source: a file or a frame.
        seed: of the split and of the noise.
        fractions: of valid and test, `None` for a sixth.
        condition: the column that a model is told, which is then not a part of x.
        given: what a person says of the columns.
        others: arguments that a table has no use for.

    Raises:
        InvalidInput: if the table cannot be read, what is given does not fit it, or an argument means nothing here.
    """
    if others:
        received = f"{', '.join(others)} beside a table"
        raise InvalidInput("a table alone", received, "Leave it out: the schema says what columns are.")
    tables = _tables()
    frame = tables.read(source)
    schema = tables.Schema.of(frame, given)
    name, origin = _names(source)
    rows = Source(name, origin, {"train": {"x": np.arange(len(frame))[:, np.newaxis]}}, {"train": "rows"})
    cut, how = complete(rows, fractions, generator(seed, STREAMS["split"]))
    frames = {split: frame.iloc[part["x"][:, 0]] for split, part in cut.items()}
    told, values = (None, {}) if condition is None else told_column(schema, condition, frames)
    explained = schema if condition is None else schema.without(condition)
    noise = {"train": generator(seed, NOISE)}
    found = {split: explained.encode(part, noise.get(split)) for split, part in frames.items()}
    protocol = {
        "source": origin,
        "sizes": {split: len(part) for split, part in frames.items()},
        "splits": how,
        "binarization": "none",
        "scale": 1.0,
        "seed": seed,
        "examples": f"float32 ({len(explained.slots)},)",
        "crc32": {split: checksum(np.where(mask, x, np.nan)) for split, (x, mask) in found.items()},
        "labels": dict.fromkeys(found),
        "missing": {split: round(1 - float(mask.mean()), 6) for split, (_, mask) in found.items()},
        "schema": schema.to_dict(),
    }
    if told is not None:
        protocol["condition"] = {**told.protocol, "crc32": {split: checksum(v) for split, v in values.items()}}
    parts = {
        split: Split(split, x, condition=values.get(split), mask=mask, index=frames[split].index.to_numpy())
        for split, (x, mask) in found.items()
    }
    return Data(**parts, preprocessing=[], name=name, protocol=protocol, told=told, schema=explained)


def told_column(schema: Any, name: str, frames: Mapping[str, Any]) -> tuple[Told, dict[str, Array]]:
    """Returns what a column means as a condition, and its values: words as labels, numbers in units of their spread.

    Args:
        schema: of the table.
        name: of the column.
        frames: the rows of each split, train among them.

    Raises:
        InvalidInput: if there is no such column, or a cell of it is missing.
    """
    schema.without(name)
    column = schema[name]
    numbers = {split: column.numbers(schema.cells(frame[name])) for split, frame in frames.items()}
    for split, values in numbers.items():
        if np.isnan(values).any():
            row = frames[split].index[int(np.argmax(np.isnan(values)))]
            remedy = "Remove such rows, or condition on another column."
            raise InvalidInput(f"a value of {name}, the condition, in each row", f"none in row {row}", remedy)
    words = getattr(column, "values", None)
    if words is not None:
        return Told(name, Labels(len(words)), words), {split: v.astype(np.int32) for split, v in numbers.items()}
    mean, spread = float(numbers["train"].mean()), float(numbers["train"].std()) or 1.0
    scaled = {split: ((v - mean) / spread).astype(np.float32)[:, np.newaxis] for split, v in numbers.items()}
    return Told(name, Real(1), units=(mean, spread)), scaled


def read_schema(path: str) -> Config:
    """Returns what a file says of a table.

    Raises:
        InvalidInput: if it is not JSON with columns.
    """
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (ValueError, OSError) as error:
        received = f"{type(error).__name__}: {error}"
        raise InvalidInput(f"a schema in JSON at {path}", received, "Start from schema.json of a run.") from error
    if not isinstance(found, dict) or not found.keys() <= FIELDS:
        expected = f"an object with {' and '.join(sorted(FIELDS))} in {path}"
        raise InvalidInput(expected, f"{str(found):.80}", "Start from schema.json of a run.")
    return found


def _names(source: Any) -> tuple[str, str]:
    """Returns the name of a table, and where it comes from."""
    if not isinstance(source, (str, os.PathLike)):
        return "table", "a frame"
    path = os.fspath(source)
    file = os.path.basename(path)
    end = next(end for end in sorted(TABLES, key=len, reverse=True) if file.lower().endswith(end))
    return file[: -len(end)], path


def _tables() -> Any:
    """Returns the package of tables; it needs more than the library does."""
    try:
        from tfvae.datasets import tables
    except ImportError as error:
        raise InvalidInput("pandas and pyarrow, to read a table", str(error), "pip install 'tfvae[tables]'") from error
    return tables
