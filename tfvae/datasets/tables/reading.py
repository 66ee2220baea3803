"""Tables as people have them, as frames of text, in blocks of as many rows: what stands in a cell is kept to the byte.

.csv .tsv (.gz)     UTF-8; tab between cells of .tsv, else comma, semicolon or tab, whichever the header has most
.parquet            values as text
a folder            of such files, with the same columns: shards of one table, in the order of their names
a frame             of pandas, or whatever speaks Arrow's protocol (polars): values as text

The text of a value follows from the type of its column; where pandas has none that says it (whole numbers with gaps,
days), from all values of the column, so that it is the same in blocks of whatever size.
"""

import codecs
import contextlib
import gzip
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

from tfvae.core.errors import InvalidInput
from tfvae.datasets.sources import TABLES

ROWS = 100_000  # of a block
BYTES = 16 * 2**20  # read at once
UNNAMED = re.compile(r"__index_level_\d+__")  # what pandas calls an index without a name in Parquet
QUOTED = re.compile(r'"[^"]*("|$)')
RAGGED = re.compile(r"Expected (\d+) columns, got (\d+): (.*)")


def read(source: Any) -> pd.DataFrame:
    """Returns a table whole, as text, `None` where a frame has no value.

    Args:
        source: a file, or a frame.

    Raises:
        InvalidInput: if it cannot be read as a table with a name for each column, or has no rows.
    """
    return pd.concat(list(blocks(source)))


def blocks(source: Any, rows: int = ROWS, skip: int = 0) -> Iterator[pd.DataFrame]:
    """Yields a table block by block, as text; all blocks but the last have `rows` rows.

    Args:
        source: a file or a folder, whose rows the index counts from 0, or a frame, whose index is kept.
        rows: of a block.
        skip: how many rows to leave out at the start.

    Raises:
        InvalidInput: as `read` does, when the block is reached.
    """
    if not isinstance(source, (str, os.PathLike)):
        frame = _frame(source)
        for at in range(skip, len(frame), rows):
            yield frame.iloc[at : at + rows]
        return
    path, at = Path(source), 0
    for table in _even(pieces(path), rows):
        at += len(table)
        if at > skip:
            frame = as_text(table)
            frame.index = pd.RangeIndex(at - len(table), at)
            yield frame.iloc[max(skip - at + len(table), 0) :]
    if not at:
        raise InvalidInput(f"a table with rows in {path}", "none", "Add rows below the names of the columns.")


def pieces(path: Path) -> Iterator[pa.Table]:
    """Yields the pieces of a file, or of the files of a folder, as they are read.

    Raises:
        InvalidInput: as `read` does, or if shards have other columns than the first, when they are reached.
    """
    first = None
    for file in shards(path):
        with _refused(file):
            for batch in _parquet(file) if file.suffix.lower() == ".parquet" else _text(file):
                table = _plain(batch)
                first = table.schema if first is None else first
                if table.schema != first:
                    raise _other_columns(file, table.schema, first)
                yield table


def _plain(batch: pa.RecordBatch) -> pa.Table:
    """Returns a piece whose text is of one type, whoever wrote it."""
    text = (pa.string(), pa.large_string())
    held = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in batch.schema]
    fields = [f.with_type(pa.string()) if own in text else f for f, own in zip(batch.schema, held, strict=True)]
    return pa.Table.from_batches([batch]).cast(pa.schema(fields))


def shards(path: Path) -> list[Path]:
    """Returns the files of a table: itself, or those of a folder in the order of their names.

    Raises:
        InvalidInput: if there is none.
    """
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.name.lower().endswith(TABLES))
        if not found:
            expected = f"a file with a table at {path}, or a folder of files that end in {', '.join(TABLES)}"
            raise InvalidInput(expected, "a folder without any", "Check the name.")
        return found
    if not path.is_file():
        raise InvalidInput(f"a file with a table at {path}", "none", "Check the name.")
    return [path]


def as_text(table: pa.Table) -> pd.DataFrame:
    """Returns a table of Arrow's as a frame of text."""
    return _as_text(table.to_pandas(integer_object_nulls=True, ignore_metadata=True), typed=True)


def separator(path: Path) -> str:
    """Returns what stands between the cells of a file of text: in .tsv a tab, else what its header has most.

    Raises:
        InvalidInput: if the header is no text in UTF-8.
    """
    with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
        line = file.readline(2**20)
    try:
        header = QUOTED.sub("", codecs.getincrementaldecoder("utf-8")().decode(line))
    except UnicodeDecodeError as error:
        raise _other_bytes(path, "utf-16" if b"\0" in line else "latin1") from error
    return "\t" if ".tsv" in path.suffixes and "\t" in header else max(",;\t", key=header.count)


def _as_text(frame: pd.DataFrame, typed: bool) -> pd.DataFrame:
    """Returns a frame whose cells are text, `None` where they have no value; text stays as it is.

    Args:
        frame: whole, unless it is `typed`.
        typed: whether the types of its columns say all: 2.0 is then no whole number, nor midnight a day.
    """
    columns = {str(name): _texts(column, typed) for name, column in frame.items()}
    return pd.DataFrame(columns, index=frame.index, dtype=object)


def _texts(column: pd.Series, typed: bool) -> pd.Series:
    known = column.notna().to_numpy()
    values = column[known]
    if column.dtype.kind == "f":
        numbers = values.to_numpy(np.float32 if column.dtype.itemsize <= 4 else np.float64)
        whole = bool((numbers == np.round(numbers)).all() and (np.abs(numbers) < 2**53).all())
        had_gaps = whole and not typed and not known.all()
        texts = [str(int(number)) if had_gaps else str(number) for number in numbers]
    elif column.dtype.kind == "M":
        values = values if values.dt.tz is None else values.dt.tz_convert("UTC")  # where no hour is twice or missing
        days = not typed and bool((values.dt.normalize() == values).all())
        texts = values.dt.strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M:%S").tolist()
    else:
        texts = [value if isinstance(value, str) else str(value) for value in values.astype(object)]
    cells = np.full(len(column), None, dtype=object)
    cells[known] = texts
    return pd.Series(cells, index=column.index, dtype=object)


def _frame(source: Any) -> pd.DataFrame:
    """Returns a frame as text, whole."""
    if isinstance(source, pd.DataFrame):
        _check_names([str(name) for name in source.columns], "the frame")
        text = _as_text(source, typed=False)
    elif hasattr(source, "__arrow_c_stream__") and not isinstance(source, pd.Series):
        table = pa.table(source)
        _check_names(table.column_names, "the frame")
        text = as_text(table)
    else:
        remedy = "Pass a pandas or polars DataFrame, or the path of a .csv or .parquet file."
        raise InvalidInput("a table", f"a {type(source).__name__}", remedy)
    if not len(text):
        raise InvalidInput("a table with rows in the frame", "none", "Add rows.")
    return text


def _text(path: Path) -> Iterator[pa.RecordBatch]:
    delimiter, batch = separator(path), None
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=True)
    names = csv.open_csv(_opened(path), csv.ReadOptions(block_size=BYTES), parse).schema.names
    _check_names(names, str(path))
    convert = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    for batch in csv.open_csv(_opened(path), csv.ReadOptions(block_size=BYTES), parse, convert):
        yield batch
    lines = batch.column(len(names) - 1)[-1].as_py().splitlines()[1:] if batch is not None and len(batch) else []
    if lines and all(line.count(delimiter) == len(names) - 1 for line in lines):
        received = f"one without in the last row, a cell that holds {len(lines)} more"
        raise InvalidInput(f"a second double quote of each cell in {path}", received, 'Write "" for a quote in a cell.')


def _opened(path: Path) -> pa.NativeFile:
    return pa.input_stream(str(path), compression="gzip" if path.suffix.lower() == ".gz" else None)


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    file = parquet.ParquetFile(path)
    names = [name for name in file.schema_arrow.names if not UNNAMED.fullmatch(name)]
    _check_names(names, str(path))
    yield from file.iter_batches(columns=names)


def _even(pieces: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yields the same rows in tables of `rows` rows; the last has what is left."""
    held = None
    for piece in pieces:
        held = piece if held is None else pa.concat_tables([held, piece])
        while held.num_rows >= rows:
            yield held.slice(0, rows)
            held = held.slice(rows)
    if held is not None and held.num_rows:
        yield held


def _check_names(names: list[str], where: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not all(name.strip() for name in names) or not names:
        received = f"{twice[0]!r} twice" if twice and twice[0].strip() else "a column without one"
        raise InvalidInput(f"another name for each column in {where}", received, "Name the columns in the first row.")


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Refuses a file that cannot be read."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: Exception) -> InvalidInput:
    """Returns what to say of a file that cannot be read."""
    text = _printable(str(error))
    ragged = RAGGED.search(text)
    if "UTF8" in text and path.suffix.lower() != ".parquet":
        return _other_bytes(path, "latin1")
    if ragged:
        expected, found, row = ragged.groups()
        received = f"{found} in the row that begins {row:.60}"
        return InvalidInput(
            f"{expected} cells in each row of {path}, as in the first",
            received,
            "A cell with a separator in it stands in quotes.",
        )
    if "Empty CSV" in text:
        remedy = "Write names of columns in the first row, and rows below."
        return InvalidInput(f"a table with rows in {path}", "none", remedy)
    return InvalidInput(
        f"a table in {path}", f"{text.rstrip('.'):.200}", "Write or copy the file again: it may not be whole."
    )


def _other_columns(file: Path, schema: pa.Schema, first: pa.Schema) -> InvalidInput:
    """Returns what to say of a shard whose columns are not those of the first."""
    (own, theirs) = ([f"{field.name} ({field.type})" for field in fields] for fields in (schema, first))
    received = ", ".join(sorted(set(own) - set(theirs))) or "another order or number of them"
    expected = f"the columns of the first shard, {', '.join(theirs)}, in {file}"
    return InvalidInput(expected, received, "Write all shards alike, or move other files out of the folder.")


def _other_bytes(path: Path, encoding: str) -> InvalidInput:
    remedy = f"If it is {encoding}, convert it: iconv -f {encoding} -t utf-8 {path.name} > new.csv"
    return InvalidInput(f"text in UTF-8 in {path}", "other bytes", remedy)


def _printable(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
