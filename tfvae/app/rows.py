"""Answers about the rows of a file, written beside it: block by block, in bounded memory, as if never interrupted.

    a block of rows  ->  its answer  ->  appended to FILE.part, whose length is noted  ->  ...  ->  FILE

The noise of a block is a function of the seed and of its number, so that a command which was killed and given again
ends with the same file. A file that changes while it is read is refused; one that had changed before the command was
given again is answered from its start, as it is for another model or another word of the command.
"""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tfvae import tables
from tfvae.core.errors import InvalidInput
from tfvae.core.kinds import fits
from tfvae.core.types import Config
from tfvae.datasets.table_source import is_table
from tfvae.datasets.tables import blocks
from tfvae.datasets.tables.reading import shards
from tfvae.files import read_json, whole_file, write_json
from tfvae.tables import TableModel

ROWS = 20_000  # of a block
Answer = Callable[[TableModel, pd.DataFrame], pd.DataFrame]


def answered(run: str, source: str, out: str, answer: Answer, said: Config, show: Callable[[int], None]) -> int:
    """Writes an answer for each row of a file into another, and returns how many rows there were.

    Args:
        run: the run folder, of a table.
        source: the file with rows.
        out: the file to write, .csv.
        answer: gives rows that stand beside those of a block.
        said: what the command was told, which must be the same when it goes on.
        show: is told the number of rows that are done.

    Raises:
        InvalidInput: for files that cannot be, rows that the model cannot have, or a file that changes meanwhile.
    """
    source_path, out_path = Path(source), writable(out, source)
    model = tables.load(run)
    trained = (Path(run) / "model.keras").stat().st_mtime_ns
    before = {**said, "answer": answer.__qualname__, "run": str(Path(run).resolve()), "trained": trained}
    before |= {"source": str(source_path.resolve()), **_state(source_path)}
    part, note = out_path.with_name(out_path.name + ".part"), out_path.with_name(out_path.name + ".part.json")
    done = _noted(note, part, before)
    with part.open("r+b" if done["rows"] else "wb") as file:
        file.truncate(done["bytes"])
        file.seek(done["bytes"])
        for block in blocks(source_path, ROWS, skip=done["rows"]):
            number = done["rows"] // ROWS
            found = answer(dataclasses.replace(model, seed=model.seed + number), block)
            file.write(found.to_csv(index=False, header=not done["rows"], lineterminator="\n").encode())
            file.flush()
            os.fsync(file.fileno())
            done = {"rows": done["rows"] + len(block), "bytes": file.tell()}
            _check_same(source_path, before)
            write_json(note, {**before, **done})
            show(done["rows"])
    os.replace(part, out_path)
    note.unlink(missing_ok=True)
    return int(done["rows"])


def scores(rate: float, contributions: bool) -> Answer:
    """Returns the answer of `tfvae score`: the number of each row, and what `TableModel.score` says of it."""

    def answer(model: TableModel, block: pd.DataFrame) -> pd.DataFrame:
        found = model.score(block, rate, contributions)
        rows = pd.Series(np.asarray(block.index), found.index, name="row")
        return pd.concat([rows, found.assign(flag=found["flag"].astype(int))], axis=1).round(6)

    return answer


def filled(model: TableModel, block: pd.DataFrame) -> pd.DataFrame:
    """Returns the answer of `tfvae impute`."""
    return model.impute(block)


def spreads(model: TableModel, block: pd.DataFrame) -> pd.DataFrame:
    """Returns the answer of `tfvae impute --stddev`."""
    return model.imputed_stddev(block)


def drawn(draws: int) -> Answer:
    """Returns the answer of `tfvae impute --draws`: each row that many times, with the number of the draw before it."""

    def answer(model: TableModel, block: pd.DataFrame) -> pd.DataFrame:
        found = model.imputed_draws(block, draws, model.seed)
        name = "draw" if "draw" not in block else "number of the draw"
        numbered = [frame.assign(**{name: i})[[name, *frame.columns]] for i, frame in enumerate(found)]
        return pd.concat(numbered).sort_index(kind="stable")

    return answer


def codes(model: TableModel, block: pd.DataFrame) -> pd.DataFrame:
    """Returns the answer of `tfvae encode`."""
    found = model.encode(block)
    found.insert(0, "row", np.asarray(block.index))
    return found


def sampled(run: str, out: str, count: int, seed: int, condition: str | None) -> None:
    """Writes rows that a model draws, in columns, words and number format of its table.

    Args:
        run: the run folder, of a table.
        out: the file to write, .csv.
        count: how many rows.
        seed: of the draws.
        condition: "NAME=VALUE", of a model that is told a column.
    """
    path, model = writable(out), tables.load(run)
    name, _, value = (condition or "").partition("=")
    if condition is not None and (name != model.condition or not value):
        expected = f"--condition {model.condition}=VALUE" if model.condition else "no --condition: this model has none"
        raise InvalidInput(expected, condition, "Give it so." if model.condition else "Leave it out.")
    value = value[1:-1] if len(value) > 2 and value[0] == value[-1] == '"' else value
    drawn = model.sample(count, seed, value if condition else None)
    with whole_file(path) as temporary:
        drawn.to_csv(temporary, index=False, lineterminator="\n")


def writable(out: str, source: str | None = None) -> Path:
    """Returns the path of a file to write, of answers about rows of a source.

    Raises:
        InvalidInput: if it is not a .csv file in a folder that is there, or the file with the rows itself.
    """
    path = Path(out)
    if path.suffix != ".csv":
        raise InvalidInput("a file that ends in .csv", out, "Name the file so.")
    if not path.parent.is_dir():
        raise InvalidInput(f"an existing folder {path.parent}", "none", "Create it first.")
    if source is not None and Path(source).resolve() in (path.resolve(), path.parent.resolve()):
        expected = "another file than the one with the rows, and none among their shards"
        raise InvalidInput(expected, out, "Give another --out.")
    if source is not None and not is_table(source):
        remedy = "Write the rows as a CSV file with a header; arrays are scored in Python, by vae.estimate_log_prob(x)."
        raise InvalidInput("a table, .csv or .parquet", source, remedy)
    return path


def _state(path: Path) -> Config:
    """Returns what changes when a file, or one of a folder, is written to."""
    found = [file.stat() for file in shards(path)]
    return {"size": sum(file.st_size for file in found), "changed": max(file.st_mtime_ns for file in found)}


def _check_same(path: Path, before: Config) -> None:
    now = _state(path)
    if now != {name: before[name] for name in now}:
        raise InvalidInput(
            f"{path} as it was at the start", "a file that changes", "Wait until it is whole; try again."
        )


def _noted(note: Path, part: Path, before: Config) -> Config:
    """Returns how many rows and bytes are done, where the same command was stopped; else none."""
    found = read_json(note) if note.exists() and part.exists() else None
    if isinstance(found, dict):
        done = {name: found.pop(name, None) for name in ("rows", "bytes")}
        if found == before and fits(done, dict[str, int]) and part.stat().st_size >= done["bytes"]:
            return done
    return {"rows": 0, "bytes": 0}
