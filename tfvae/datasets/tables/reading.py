"""Tables as people have them, as frames of text, in blocks of as many rows: what stands in a cell is kept to the byte.

.csv .tsv (.gz)     UTF-8; comma, semicolon or tab between cells, whichever the header has most
.parquet            values as text
a frame             of pandas, or whatever speaks Arrow's protocol (polars): values as text
"""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

from tfvae.core.errors import InvalidInput

ROWS = 100_000  # of a block
BYTES = 16 * 2**20  # read at once


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
        source: a file, whose rows the index counts from 0, or a frame, whose index is kept.
        rows: of a block.
        skip: how many rows to leave out at the start.

    Raises:
        InvalidInput: as `read` does, when the block is reached.
    """
    if not isinstance(source, (str, Path)):
        frame = _frame(source)
        _check(frame, "the frame")
        for at in range(skip, len(frame), rows):
            yield as_text(frame.iloc[at : at + rows])
        return
    path, at = Path(source), 0
    for table in _even(_batches(path), rows):
        frame = table.to_pandas(strings_to_categorical=False)
        frame.index = pd.RangeIndex(at, at + len(frame))
        at += len(frame)
        if at > skip:
            yield as_text(frame.iloc[max(skip - at + len(frame), 0) :])
    if not at:
        raise InvalidInput(f"a table with rows in {path}", "none", "Add rows below the names of the columns.")


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a frame whose cells are text, `None` where they have no value; text stays as it is."""
    columns = {str(name): _texts(column) for name, column in frame.items()}
    return pd.DataFrame(columns, index=frame.index, dtype=object)


def separator(path: Path) -> str:
    """Returns what stands between the cells of a file of text: of comma, semicolon and tab what its header has most."""
    with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
        header = file.readline(2**20).decode("utf-8", "replace")
    return max(",;\t", key=header.count)


def _texts(column: pd.Series) -> pd.Series:
    known = column.notna().to_numpy()
    values = column[known]
    if column.dtype.kind == "f":
        had_gaps = bool((values == values.round()).all() and not known.all() and (values.abs() < 2**53).all())
        texts = [str(int(value)) if had_gaps else repr(float(value)) for value in values]
    elif column.dtype.kind == "M":
        midnight = bool((values.dt.normalize() == values).all())
        texts = values.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M:%S").tolist()
    else:
        texts = [value if isinstance(value, str) else str(value) for value in values.astype(object)]
    cells = np.full(len(column), None, dtype=object)
    cells[known] = texts
    return pd.Series(cells, index=column.index, dtype=object)


def _frame(source: Any) -> pd.DataFrame:
    if isinstance(source, pd.DataFrame):
        return source
    if hasattr(source, "__arrow_c_stream__"):
        return pa.table(source).to_pandas()
    remedy = "Pass a pandas or polars DataFrame, or the path of a .csv or .parquet file."
    raise InvalidInput("a table", f"a {type(source).__name__}", remedy)


def _batches(path: Path) -> Iterator[pa.Table]:
    """Yields the pieces of a file as they are read."""
    if not path.is_file():
        raise InvalidInput(f"a file with a table at {path}", "none", "Check the name.")
    try:
        batches = _parquet(path) if path.suffix.lower() == ".parquet" else _text(path)
        for batch in batches:
            yield pa.Table.from_batches([batch])
    except (pa.ArrowInvalid, OSError, EOFError, UnicodeDecodeError) as error:
        text = re.sub(r"^CSV parse error: ", "", " ".join(str(error).split())).rstrip(".")
        if "UTF8" in text or isinstance(error, UnicodeDecodeError):
            remedy = f"Convert it: iconv -f latin1 -t utf-8 {path.name} > new.csv"
            raise InvalidInput(f"text in UTF-8 in {path}", "other bytes", remedy) from error
        remedy = "Each row needs as many cells as the first one; a cell with a separator in it stands in double quotes."
        raise InvalidInput(f"a table in {path}", f"{text:.300}", remedy) from error


def _text(path: Path) -> Iterator[pa.RecordBatch]:
    parse = csv.ParseOptions(delimiter=separator(path), newlines_in_values=True, ignore_empty_lines=True)
    names = csv.open_csv(path, csv.ReadOptions(block_size=BYTES), parse).schema.names
    _check_names(names, str(path))
    convert = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    yield from csv.open_csv(path, csv.ReadOptions(block_size=BYTES), parse, convert)


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    file = parquet.ParquetFile(path)
    _check_names(file.schema_arrow.names, str(path))
    yield from file.iter_batches()


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


def _check(frame: pd.DataFrame, where: str) -> None:
    _check_names([str(name) for name in frame.columns], where)
    if not len(frame):
        raise InvalidInput(f"a table with rows in {where}", "none", "Add rows.")


def _check_names(names: list[str], where: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not all(name.strip() for name in names) or not names:
        received = f"{twice[0]!r} twice" if twice and twice[0].strip() else "a column without a name"
        raise InvalidInput(f"another name for each column in {where}", received, "Name the columns in the first row.")
