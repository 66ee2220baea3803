"""A table in shards, larger than memory: its rows are encoded once, block by block, into memory maps.

first pass     all rows, as Arrow has them: N, and a sample of them that has each word      ->  schema
second pass    all rows as numbers: of train x [N, D] and mask [N, D] on the disk, valid and test beside them

What was encoded stands in a folder of the cache that is called after the shards' names, sizes and times and after what
was asked; it appears whole or not at all, and is used again. The rows held out are those of one file with all rows.
"""

import hashlib
import json
import logging
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tfvae import files
from tfvae.core.types import Array, Config
from tfvae.datasets.cut import NOISE, STREAMS, Fractions, cut_table, generator
from tfvae.datasets.sources import SPLITS
from tfvae.datasets.split import Split
from tfvae.datasets.table_source import told_numbers
from tfvae.datasets.tables import Schema, blocks
from tfvae.datasets.tables.reading import as_text, pieces, shards
from tfvae.datasets.told import Told

logger = logging.getLogger("tfvae")

SAMPLE = 200_000  # rows that say what the columns are
MOST_WORDS = 1000  # of a column, for each of which the sample has a row
SECONDS = 10.0  # between two lines on what is done
HOME = "~/.cache/tfvae"
FORMAT = 2  # of what is encoded; older folders of the cache are not read


def looked_at(path: Path) -> tuple[int, pd.DataFrame]:
    """Returns the number of rows N, and some as text by their numbers: all, or random ones and a row with each word.

    Args:
        path: of the folder.

    Raises:
        InvalidInput: if a shard cannot be read, or has other columns than the first.
    """
    rng, limit, count = generator(0, STREAMS["split"]), 1.0, 0
    known: dict[str, set] = {}
    kept: list[pa.Table] = []
    keys, places = np.empty(0), np.empty(0, np.int64)
    for piece in _counted("read", pieces(path)):
        key = rng.random(len(piece))
        key[_with_new_words(piece, known)] = -1.0
        kept.append(piece.filter(pa.array(key < limit)))
        places = np.concatenate([places, count + np.flatnonzero(key < limit)])
        keys = np.concatenate([keys, key[key < limit]])
        count += len(piece)
        if len(keys) > 2 * SAMPLE:
            limit = float(np.partition(keys, SAMPLE)[SAMPLE])
            few = keys < limit
            kept, keys, places = [pa.concat_tables(kept).filter(pa.array(few))], keys[few], places[few]
    few = keys < (np.partition(keys, SAMPLE)[SAMPLE] if len(keys) > SAMPLE else 1.0)
    return count, as_text(pa.concat_tables(kept).filter(pa.array(few))).set_axis(places[few])


def encoded(
    path: Path,
    schema: Schema,
    told: Told | None,
    rows: int,
    fractions: Fractions,
    seed: int,
    cache: str | os.PathLike | None,
) -> tuple[dict[str, Split], dict[str, str], Config]:
    """Returns the splits, in words where each comes from, and checksums, name of an array to those of the splits.

    Args:
        path: of the folder.
        schema: of the table.
        told: the column that a model is told, or `None`.
        rows: their number.
        fractions: of valid and test, `None` for a tenth.
        seed: of the split and of the noise.
        cache: folder for what is encoded.

    Raises:
        InvalidInput: if a cell cannot be what its column says.
    """
    places, how = cut_table(rows, fractions, seed)
    state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in shards(path)]
    asked = [FORMAT, str(path.resolve()), state, schema.to_dict(), told and told.protocol, fractions, seed]
    name = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    folder = Path(cache or os.environ.get("TFVAE_CACHE") or HOME).expanduser() / f"{path.name}-{name}"
    if not folder.exists():
        try:
            with files.whole_folder(folder) as temporary:
                _encode(path, temporary, schema, told, places, seed)
        except OSError:
            if not folder.exists():  # else another process has made it meanwhile
                raise
        size = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
        logger.warning("tfvae: %d rows are encoded in %s, %.0f MB; it may be deleted.", rows, folder, size)
    sums = files.read_json(folder / "crc32.json")
    crc32 = {name: {split: sums[split][name] for split in SPLITS} for name in sums["train"]}
    return {split: _split(folder, split) for split in SPLITS}, how, crc32


def _encode(
    path: Path, folder: Path, schema: Schema, told: Told | None, places: dict[str, np.ndarray], seed: int
) -> None:
    """Writes each split as arrays of its rows, in the order of the shards."""
    explained = schema if told is None else schema.without(told.name)
    of_split = np.empty(sum(map(len, places.values())), np.int8)
    for number, split in enumerate(SPLITS):
        of_split[places[split]] = number
    writers = {split: _Writer(folder, split, len(places[split])) for split in SPLITS}
    noise = generator(seed, NOISE)
    for block in _counted("encoded", blocks(path), len(of_split)):
        numbers = explained.numbers(block)
        values = {} if told is None else {"condition": told.values(told_numbers(schema, told.name, block))}
        own = of_split[block.index.to_numpy()]
        for number, (split, writer) in enumerate(writers.items()):
            chosen = own == number
            some = {name: column[chosen] for name, column in numbers.items()}
            x, mask = explained.encoded(some, noise if split == "train" else None)
            more = {name: value[chosen] for name, value in values.items()}
            writer.write({"x": x, "mask": mask, "index": block.index.to_numpy()[chosen], **more})
    files.write_json(folder / "crc32.json", {split: writer.crc32 for split, writer in writers.items()})


class _Writer:
    """Arrays of a split, which are written a block at a time."""

    def __init__(self, folder: Path, split: str, rows: int) -> None:
        self.folder, self.split, self.rows, self.at = folder, split, rows, 0
        self.arrays: dict[str, np.memmap] = {}
        self.crc32: dict[str, str] = {}

    def write(self, arrays: dict[str, Array]) -> None:
        """Appends rows."""
        for name, values in arrays.items():
            if name not in self.arrays:
                file, shape = self.folder / f"{self.split}-{name}.npy", (self.rows, *values.shape[1:])
                self.arrays[name] = np.lib.format.open_memmap(file, "w+", values.dtype, shape)
            self.arrays[name][self.at : self.at + len(values)] = values
            seen = np.where(arrays["mask"], values, np.nan) if name == "x" else values
            before = int(self.crc32.get(name, "0"), 16)
            self.crc32[name] = f"{zlib.crc32(np.ascontiguousarray(seen), before):08x}"
        self.at += len(arrays["x"])


def _split(folder: Path, name: str) -> Split:
    found = {file.stem.partition("-")[2]: np.load(file, mmap_mode="r") for file in folder.glob(f"{name}-*.npy")}
    return Split(name, **(found if name == "train" else {key: np.array(values) for key, values in found.items()}))


def _with_new_words(piece: pa.Table, known: dict[str, set]) -> np.ndarray:
    """Returns the first row with each word that `known` lacks, of columns of text with few; it is then known."""
    rows = [np.empty(0, np.int64)]
    for name, column in zip(piece.column_names, piece.columns, strict=True):
        seen = known.setdefault(name, set())
        if len(seen) > MOST_WORDS or not pa.types.is_string(column.type):
            continue
        coded = column.combine_chunks().dictionary_encode()
        words, places = np.unique(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), return_index=True)
        new = [(int(word), place) for word, place in zip(words, places, strict=True) if word >= 0]
        new = [(text, place) for word, place in new if (text := coded.dictionary[word].as_py()) not in seen]
        seen.update(text for text, _ in new)
        if len(seen) <= MOST_WORDS:
            rows.append(np.array([place for _, place in new], np.int64))
    return np.concatenate(rows)


def _counted(what: str, parts: Iterator[Any], rows: int | None = None) -> Iterator[Any]:
    """Yields what it is given; says from time to time how many rows have gone by."""
    count, said = 0, time.monotonic()
    for part in parts:
        yield part
        count += len(part)
        if time.monotonic() - said > SECONDS:
            logger.warning("tfvae: %d rows %s%s", count, f"of {rows} " if rows else "", what)
            said = time.monotonic()
