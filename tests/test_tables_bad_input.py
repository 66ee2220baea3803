"""Tables that cannot be, and commands that do not go with one: a line on standard error, and exit code 2.

Each line says what was expected, what was received, and what to do; nothing is written.
"""

import gzip
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from run_folder import contents

from tfvae_cli import main

ROWS = [f"{i % 7},x{i % 3},{i * 1.5}" for i in range(60)]
GOOD = "\n".join(["a,b,c", *ROWS]) + "\n"


def rows(*more, header="a,b,c", of=ROWS):
    return "\n".join([header, *of, *more]) + "\n"


def numbers(*cells):
    """Sixty different numbers and other cells, beside a column of words."""
    return rows(*(f"{cell},x" for cell in cells), header="a,b", of=[f"{i / 7:.3f},x{i % 3}" for i in range(60)])


def parquet():
    file = io.BytesIO()
    pd.DataFrame({"a": np.arange(60), "b": list("xyz") * 20}).to_parquet(file)
    return file.getvalue()


def folder(path):
    path.mkdir()


# What the file t.csv, or another, holds, and what is said of it.
FILES = {
    "no file": ("t.csv", None, "a file with a table.*Check the name"),
    "a folder": ("t.csv", folder, "a file with a table.*Check the name"),
    "an empty file": ("t.csv", "", "a table with rows.*none.*names of columns in the first row"),
    "empty lines": ("t.csv", "\n\n\n", "a table with rows.*none"),
    "a header alone": ("t.csv", "a,b,c\n", "a table with rows.*none"),
    "a header without an end": ("t.csv", "a,b,c", "a table with rows.*none"),
    "a short row": ("t.csv", rows("1,x"), "3 cells in each row.*2 in the row that begins 1,x.*quotes"),
    "a long row": ("t.csv", rows("1,x,2,3"), "3 cells in each row.*4 in the row that begins 1,x,2,3"),
    "a short row, zipped": ("t.csv.gz", gzip.compress(rows("1,x").encode(), mtime=0), "3 cells in each row"),
    "a quote without its second": ("t.csv", rows('1,x,"2', *ROWS), "second double quote.*60 more"),
    "latin1": ("t.csv", rows("1,é,2").encode("latin1"), "UTF-8.*iconv -f latin1 -t utf-8 t.csv"),
    "latin1 in a name": ("t.csv", rows(header="a,é,c").encode("latin1"), "UTF-8.*iconv -f latin1"),
    "utf-16": ("t.csv", GOOD.encode("utf-16"), "UTF-8.*iconv -f utf-16"),
    "garbage": ("t.csv", np.random.default_rng(0).bytes(5000), "UTF-8"),
    "a name twice": ("t.csv", rows(header="a,b,a"), "another name for each column.*'a' twice"),
    "no name": ("t.csv", rows(header="a,,c"), "another name for each column.*a column without one"),
    "a blank name": ("t.csv", rows(header="a, ,c"), "a column without one"),
    "a comma at the end": ("t.csv", GOOD.replace("\n", ",\n"), "a column without one"),
    "not zipped": ("t.csv.gz", GOOD, "Not a gzipped file.*copy the file again"),
    "zipped in part": ("t.csv.gz", gzip.compress(GOOD.encode(), mtime=0)[:-30], "Truncated.*copy the file again"),
    "zipped and damaged": ("t.csv.gz", gzip.compress(GOOD.encode(), mtime=0)[:-8] + b"\0" * 8, "copy the file again"),
    "no parquet": ("t.parquet", GOOD, "Parquet magic bytes.*copy the file again"),
    "parquet in part": ("t.parquet", parquet()[:-50], "Parquet magic bytes.*copy the file again"),
    "missing cells alone": ("t.csv", "a,b\n" + ",\n" * 60, "that a model can learn from.*missing in every row"),
    "constants alone": ("t.csv", "a,b\n" + "1,x\n" * 60, "learn from. Received a: the same in every row; b: the same"),
    "10,000 words": ("t.csv", "a\n" + "".join(f"w{i % 10000}\n" for i in range(20000)), "10000 different words.*kinds"),
    "names alone": ("t.csv", "a\n" + "".join(f"w{i}\n" for i in range(60)), "an identifier or free text"),
    "one row": ("t.csv", "a,b\n1,2\n", "learn from"),
    "three rows": ("t.csv", "a,b\n1,2\n2,3\n3,1\n", "one example for every split.*3 examples"),
    "inf": ("t.csv", numbers("inf"), "numbers in column a. Received 'inf' in row 60. Correct them, or say in --schema"),
    "1e400": ("t.csv", numbers("1e400"), "'1e400' in row 60"),
    "1e300": ("t.csv", numbers("1e300"), "finite numbers up to 1e.30 in column a. Received '1e300' in row 60"),
    "a typo": ("t.csv", numbers("1.2.3", "o.5"), "'1.2.3' in row 60, 'o.5' in row 61"),
    "a dash for a gap": ("t.csv", numbers("-", "-"), '\'-\' in row 60.*{"missing": \\["", ...\\]}'),
    "thousands": ("t.csv", "a\n" + "".join(f'"{i},{i:03d}"\n' for i in range(60)), "without commas.*'0,000' in row 0"),
    "decimal commas": ("t.csv", "a;b\n" + "".join(f"{i},5;x{i % 3}\n" for i in range(60)), "1234.5, without commas"),
    "two layouts of dates": (
        "t.csv", "a,b\n" + "".join(f"2020-01-{i:02d},x\n{i:02d}.02.2020,y\n" for i in range(1, 29)),
        "dates or times as %.* in column a. Received '.*in row .*Correct them",
    ),
    "30 February": (
        "t.csv", "a,b\n" + "".join(f"2020-02-{i % 29 + 1:02d},x{i % 2}\n" for i in range(60)) + "2020-02-30,x1\n",
        "as %Y-%m-%d in column a. Received '2020-02-30' in row 60",
    ),
    "not known to anybody": ("t.csvx", GOOD, "t.csvx"),
}  # fmt: skip


def write(path, content):
    if callable(content):
        content(path)
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def refused(words, message, here, capsys):
    """Runs a command that must be refused."""
    before = contents(here)
    capsys.readouterr()
    assert main([word.replace("{here}", str(here)) for word in words]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and said.startswith("tfvae: Expected ") and " Received " in said, said
    assert "Traceback" not in said and said.strip("\n").isprintable()
    assert re.search(message, said), said
    assert contents(here) == before


@pytest.mark.parametrize("row", FILES)
def test_a_file_that_is_no_table_is_one_line(row, tmp_path, capsys):
    name, content, message = FILES[row]
    write(tmp_path / name, content)
    refused(["train", f"{{here}}/{name}", "--out", "{here}/run"], message, tmp_path, capsys)


# What a person says of it: the content of s.json.
SCHEMAS = {
    "no file": (None, "a schema in JSON at .*s.json.*Start from schema.json"),
    "no JSON": ("columns: a", "a schema in JSON.*JSONDecodeError"),
    "half of it": ('{"columns": [', "a schema in JSON.*JSONDecodeError"),
    "other bytes": (b"\xff\xfe\x00", "a schema in JSON.*UnicodeDecodeError"),
    "a list": ([{"name": "a"}], "an object with columns and missing"),
    "another part": ({"colums": []}, "an object with columns and missing.*colums"),
    "a number for columns": ({"columns": 3}, "a schema.*'columns': 3"),
    "another name": ({"columns": [{"name": "z"}]}, "columns of the table, a, b, c. Received 'z'"),
    "another kind": ({"columns": [{"name": "a", "kind": "number"}]}, "kind of a to be one of real, .*'number'"),
    "another field": ({"columns": [{"name": "b", "kind": "category", "step": 1}]}, "of the kind category.*'step'"),
    "a word for a number": ({"columns": [{"name": "c", "kind": "real", "step": "one"}]}, "step of column c to be"),
    "words that are numbers": ({"columns": [{"name": "b", "kind": "real"}]}, "finite numbers.*'x0' in row 0"),
    "yes, no, perhaps": ({"columns": [{"name": "b", "kind": "yes/no"}]}, "two words.*3: x0, x1, x2.*another kind"),
    "too few words": ({"columns": [{"name": "b", "kind": "category", "values": ["x0", "x1"]}]}, "'x2' in row 2.*other"),
    "missing is a word": ({"missing": "NA"}, "'missing': NA"),
    "nothing left": ({"columns": [{"name": n, "kind": "left out"} for n in "abc"]}, "a column that a model can learn"),
}  # fmt: skip


@pytest.mark.parametrize("row", SCHEMAS)
def test_a_schema_that_cannot_be_is_one_line(row, tmp_path, capsys):
    content, message = SCHEMAS[row]
    write(tmp_path / "t.csv", GOOD)
    write(tmp_path / "s.json", json.dumps(content) if isinstance(content, (dict, list)) else content)
    words = ["train", "{here}/t.csv", "--schema", "{here}/s.json", "--out", "{here}/run"]
    refused(words, message, tmp_path, capsys)


# Commands beside t.csv, whose column gap has gaps and whose column id names the rows; no run is needed to refuse them.
COMMANDS = {
    "a schema of digits": ("train digits --schema {here}/s.json", "a table beside --schema"),
    "a schema of arrays": ("train {here}/x.npz --schema {here}/s.json", "a table beside --schema"),
    "a likelihood": ("train {here}/t.csv --likelihood normal", "a schema that says what columns are.*--likelihood"),
    "a binarisation": ("train {here}/t.csv --binarization static", "a schema that says.*--binarization"),
    "a scale": ("train {here}/t.csv --scale 2", "a schema that says.*--scale"),
    "a folder of data sets": ("train {here}/t.csv --data-dir {here}", "a schema that says.*--data-dir"),
    "labels": ("train {here}/t.csv --labels y", "--labels beside"),
    "a convolution": ("train {here}/t.csv --network conv", "--network mlp"),
    "a recipe of its own": ("train {here}/t.csv --recipe counts", "a recipe for mixed columns.*--recipe counts"),
    "a condition of no column": ("train {here}/t.csv --condition z", "one of a, b, c, gap. Received 'z'"),
    "a condition with gaps": ("train {here}/t.csv --condition gap", "a value of gap.*none in row.*Remove such rows"),
    "a condition of names": ("train {here}/t.csv --condition id", "one of a, b, c, gap. Received 'id'"),
    "a condition alone": ("train {here}/two.csv --condition b", "another column beside b"),
    "no epoch": ("train {here}/t.csv --epochs 0", "epochs=0"),
    "half a batch": ("train {here}/t.csv --batch-size 0", "batch_size=0"),
    "scores of arrays": ("score {here}/run {here}/x.npz --out {here}/o.csv", "a table, .csv or .parquet"),
    "scores of no file": ("score {here}/run {here}/no.csv --out {here}/o.csv", "a finished run on a table|a file with"),
    "scores as text": ("score {here}/run {here}/t.csv --out {here}/o.txt", "ends in .csv. Received .*o.txt"),
    "scores as parquet": ("score {here}/run {here}/t.csv --out {here}/o.parquet", "ends in .csv"),
    "scores in no folder": ("score {here}/run {here}/t.csv --out {here}/no/o.csv", "an existing folder"),
    "scores over the rows": ("score {here}/run {here}/t.csv --out {here}/t.csv", "another file than the one with"),
    "scores over a link": ("score {here}/run {here}/link.csv --out {here}/t.csv", "another file than the one with"),
    "a run that is none": ("score {here} {here}/t.csv --out {here}/o.csv", "a finished run on a table"),
    "codes as text": ("encode {here}/run {here}/t.csv --out {here}/o", "ends in .csv"),
    "filled over the rows": ("impute {here}/run {here}/t.csv --out {here}/t.csv", "another file"),
    "no draws": ("impute {here}/run {here}/t.csv --out {here}/o.csv --draws 0", "--draws to be a whole number"),
    "spreads over what is filled": (
        "impute {here}/run {here}/t.csv --out {here}/o.csv --stddev {here}/../{name}/o.csv", "another file for"),
    "spreads over the rows": (
        "impute {here}/run {here}/t.csv --out {here}/o.csv --stddev {here}/t.csv", "another file"),
    "draws of no run": ("sample {here}/run --out {here}/o.csv", "a finished run on a table"),
    "one run": ("compare {here}/run", "two runs or more"),
    "runs that are none": ("compare {here}/run {here}/two", "a run folder"),
}  # fmt: skip


@pytest.mark.parametrize("row", COMMANDS)
def test_a_command_that_does_not_go_with_a_table_is_one_line(row, tmp_path, capsys):
    words, message = COMMANDS[row]
    table = pd.read_csv(io.StringIO(GOOD)).assign(
        gap=np.where(np.arange(60) % 9, "u", ""), id=[f"w{i}" for i in range(60)]
    )
    table.loc[::2, "gap"] = "v"
    table.to_csv(tmp_path / "t.csv", index=False)
    table[["b", "id"]].to_csv(tmp_path / "two.csv", index=False)
    np.savez(tmp_path / "x.npz", x=np.ones([60, 3]))
    write(tmp_path / "s.json", "{}")
    (tmp_path / "link.csv").symlink_to(tmp_path / "t.csv")
    command = words.replace("{name}", tmp_path.name).split()
    refused([*command, *(["--out", "{here}/run"] if command[0] == "train" else [])], message, tmp_path, capsys)


def test_there_are_many():
    assert len(FILES) + len(SCHEMAS) + len(COMMANDS) >= 80
