"""A table as a data set: its rows cut into train, valid and test, its cells as x and a mask.

What the table is (kinds, words, resolution) is inferred from all rows, of shards from a sample of them; what a model
learns, from those of train alone.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tfvae.conditions import Labels, Real
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config
from tfvae.datasets.cut import NOISE, Fractions, checksum, cut_table, generator
from tfvae.datasets.sources import SPLITS, TABLES
from tfvae.datasets.split import Data, Split
from tfvae.datasets.told import Told

if TYPE_CHECKING:
    import pandas as pd

    from tfvae.datasets.tables import Schema

FIELDS = {"columns", "missing"}


class Found(NamedTuple):
    """A table as it was read.

    Attributes:
        schema: of all columns.
        told: the column that a model is told, or `None`.
        parts: its splits.
        how: in words, where each comes from.
        crc32: of x and of the condition, name to split to checksum.
    """

    schema: "Schema"
    told: Told | None
    parts: dict[str, Split]
    how: dict[str, str]
    crc32: dict[str, dict[str, str]]


def is_table(source: object) -> bool:
    """Says whether a source is a table: a file that is called so, a folder of such files, or a frame."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source).lower().endswith(TABLES) or is_folder(source)
    return hasattr(source, "__arrow_c_stream__") or (hasattr(source, "iloc") and hasattr(source, "columns"))


def is_folder(source: object) -> bool:
    """Says whether a source is a folder of shards of a table."""
    if not isinstance(source, (str, os.PathLike)) or not os.path.isdir(source):
        return False
    return any(name.lower().endswith(TABLES) for name in os.listdir(source))


def load_table(
    source: Any,
    seed: int,
    fractions: Fractions,
    condition: str | None = None,
    given: Mapping[str, Any] | None = None,
    others: Sequence[str] = (),
    data_dir: str | os.PathLike | None = None,
) -> Data:
    """Returns a table as disjoint train, valid and test splits; of a folder of shards train is on the disk.

    Numbers of train are moved by noise as wide as their resolution, once: a density could else stand on single values.

    Args:
        source: a file, a folder of shards, or a frame.
        seed: of the split and of the noise.
        fractions: of valid and test, `None` for a tenth.
        condition: the column that a model is told, which is then not a part of x.
        given: what a person says of the columns.
        others: arguments that a table has no use for.
        data_dir: folder for the encoded rows of shards.

    Raises:
        InvalidInput: if the table cannot be read, what is given does not fit it, or an argument means nothing here.
    """
    if others:
        received = f"{', '.join(others)} beside a table"
        raise InvalidInput("a table alone", received, "Leave it out: the schema says what columns are.")
    _check_readers()
    if is_folder(source):
        found = _in_shards(Path(source), seed, fractions, condition, given, data_dir)
    else:
        found = _in_memory(source, seed, fractions, condition, given)
    (name, origin), told, parts = _names(source), found.told, found.parts
    explained = found.schema if told is None else found.schema.without(told.name)
    protocol = {
        "source": origin,
        "sizes": {split: len(part) for split, part in parts.items()},
        "splits": found.how,
        "binarization": "none",
        "scale": 1.0,
        "seed": seed,
        "examples": f"float32 ({len(explained.slots)},)",
        "crc32": found.crc32["x"],
        "labels": dict.fromkeys(parts),
        "missing": {split: round(1 - float(part.mask.mean()), 6) for split, part in parts.items()},
        "schema": found.schema.to_dict(),
    }
    if told is not None:
        protocol["condition"] = {**told.protocol, "crc32": found.crc32["condition"]}
    return Data(**parts, preprocessing=[], name=name, protocol=protocol, told=told, schema=explained)


def _in_memory(
    source: Any, seed: int, fractions: Fractions, condition: str | None, given: Mapping[str, Any] | None
) -> Found:
    from tfvae.datasets.tables import Schema, read

    frame = read(source)
    schema = Schema.of(frame, given)
    places, how = cut_table(len(frame), fractions, seed)
    frames = {split: frame.iloc[places[split]] for split in SPLITS}
    told = None if condition is None else told_column(schema, condition, frames["train"])
    explained, noise = (schema if told is None else schema.without(told.name)), generator(seed, NOISE)
    parts = {}
    for split, own in frames.items():
        x, mask = explained.encode(own, noise if split == "train" else None)
        values = None if told is None else told.values(told_numbers(schema, told.name, own))
        parts[split] = Split(split, x, condition=values, mask=mask, index=own.index.to_numpy())
    crc32 = {"x": {split: checksum(np.where(part.mask, part.x, np.nan)) for split, part in parts.items()}}
    if told is not None:
        crc32["condition"] = {split: checksum(part.condition) for split, part in parts.items()}
    return Found(schema, told, parts, how, crc32)


def _in_shards(
    path: Path,
    seed: int,
    fractions: Fractions,
    condition: str | None,
    given: Mapping[str, Any] | None,
    data_dir: str | os.PathLike | None,
) -> Found:
    from tfvae.datasets.shard_source import encoded, looked_at
    from tfvae.datasets.tables import Schema

    rows, sample = looked_at(path)
    schema = Schema.of(sample, given, rows)
    places, _ = cut_table(rows, fractions, seed)
    of_train = sample.index.isin(places["train"])
    told = None if condition is None else told_column(schema, condition, sample[of_train])
    parts, how, crc32 = encoded(path, schema, told, rows, fractions, seed, data_dir)
    return Found(schema, told, parts, how, crc32)


def told_column(schema: "Schema", name: str, frame: "pd.DataFrame") -> Told:
    """Returns what a column means as a condition: words as labels, numbers in units of their spread.

    Args:
        schema: of the table.
        name: of the column.
        frame: rows of train.

    Raises:
        InvalidInput: if there is no such column, or a cell of it is missing.
    """
    schema.without(name)
    numbers, words = told_numbers(schema, name, frame), getattr(schema[name], "values", None)
    if words is not None:
        return Told(name, Labels(len(words)), words)
    return Told(name, Real(1), units=(float(numbers.mean()), float(numbers.std()) or 1.0))


def told_numbers(schema: "Schema", name: str, frame: "pd.DataFrame") -> np.ndarray:
    """Returns the numbers of the column that a model is told, `[N]`.

    Raises:
        InvalidInput: if a cell of it is missing.
    """
    numbers = schema[name].numbers(schema.cells(frame[name]))
    if np.isnan(numbers).any():
        row = frame.index[int(np.argmax(np.isnan(numbers)))]
        remedy = "Remove such rows, or condition on another column."
        raise InvalidInput(f"a value of {name}, the condition, in each row", f"none in row {row}", remedy)
    return numbers


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
    file = os.path.basename(os.path.normpath(path))
    end = next((end for end in sorted(TABLES, key=len, reverse=True) if file.lower().endswith(end)), "")
    return file[: len(file) - len(end)], path


def _check_readers() -> None:
    """Refuses where what reads tables is not installed: it needs more than the library does."""
    try:
        from tfvae.datasets import tables  # noqa: F401
    except ImportError as error:
        raise InvalidInput("pandas and pyarrow, to read a table", str(error), "pip install 'tfvae[tables]'") from error
