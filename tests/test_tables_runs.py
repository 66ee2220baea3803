"""A run on a table, from the command line: scores, filled cells, codes and new rows in the table's own terms."""

import dataclasses
import functools
import io
import json
import os
import re
import shutil
import types

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from killed import Killed
from run_folder import SMALL, contents
from tables_of_text import ROWS, every_kind

import tfvae
from tfvae import InvalidInput, files, tables
from tfvae.app import folder as app_folder
from tfvae.app import rows
from tfvae.app.report_page.table import TablePart
from tfvae.datasets.tables.column import LeftOut
from tfvae.tables import TableModel
from tfvae.tables import model as table_model
from tfvae_cli import main

BLOCK = 40  # rows that all answers are given for at once, so that each is compiled once: the table is three of them
EXPLAINED = ["height", "income", "price", "visits", "grade", "member", "city", "joined"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two epochs without its pages, its table, and its model, which all commands of this file share."""
    here = tmp_path_factory.mktemp("tables")
    table = every_kind()
    table.to_csv(here / "people.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        names = [artifact.name for artifact in app_folder.ARTIFACTS]
        patch.setattr(app_folder, "ARTIFACTS", app_folder.ARTIFACTS[: names.index("metrics.json") + 1])
        assert main(["train", str(here / "people.csv"), "--out", str(here / "run"), *SMALL]) == 0
        patch.setattr(tables, "load", functools.cache(tables.load))
        patch.setattr(rows, "ROWS", BLOCK)
        patch.setattr(table_model, "USUAL", BLOCK)
        model = tables.load(str(here / "run"))
        parts = {"table": table, "block": table.iloc[:BLOCK], "model": model}
        yield types.SimpleNamespace(folder=here / "run", file=here / "people.csv", **parts)


def command(name, run, out, *more, file=None):
    assert main([name, str(run.folder), str(file or run.file), "--out", str(out), *more]) == 0
    return cells(out)


def cells(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def is_missing(run):
    return run.table[EXPLAINED] == ""


def same(one, other):
    return np.array_equal(one.to_numpy(dtype=object), other.to_numpy(dtype=object))


# Scores.


def test_scores_are_those_of_the_model_row_by_row(run, tmp_path):
    command("score", run, tmp_path / "s.csv")
    found = pd.read_csv(tmp_path / "s.csv")
    assert found["row"].tolist() == list(range(ROWS))
    for i in range(3):  # a block has noise of its own, that of the next seed
        model, part = dataclasses.replace(run.model, seed=i), slice(i * BLOCK, (i + 1) * BLOCK)
        expected = model.score(run.table.iloc[part])
        assert list(found)[1:] == list(expected)
        for name in [*list(expected)[:3], "flag", *list(expected)[4:-1]]:
            np.testing.assert_allclose(found[name][part], expected[name].astype(float), atol=1e-5)
        np.testing.assert_allclose(expected["log_prob"], model.log_prob(run.table.iloc[part]))
    surprises = found[[f"surprise_{name}" for name in EXPLAINED]]
    assert same(surprises.isna(), is_missing(run))


def test_a_p_value_counts_held_out_rows_that_score_no_higher(run, caplog):
    held_out = np.load(run.folder / "scores.npz")["log_prob"]
    found = run.model.score(run.block, false_positive_rate=0.2, contributions=False)
    expected = [(1 + np.sum(held_out <= score)) / (1 + len(held_out)) for score in found["log_prob"]]
    np.testing.assert_allclose(found["p_value"], expected)
    assert (found["flag"] == (found["p_value"] <= 0.2)).all() and 0 < found["flag"].sum() < BLOCK
    assert not caplog.records
    model = dataclasses.replace(run.model, warned=set())
    for _ in range(2):
        model.score(run.block, false_positive_rate=0.01, contributions=False)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "no row gets a flag at 0.01: among 12 held-out rows the smallest p-value is 0.0769" in said


def test_the_reason_is_the_column_that_was_made_strange(run):
    strange = run.block.assign(height="999.9")
    found = run.model.score(strange, false_positive_rate=0.9)
    assert found["flag"].all() and set(found["why"]) == {"height"}


def test_a_cell_far_out_is_the_reason_and_nothing_is_said_of_the_others(run):
    """Their surprises were differences of two numbers of 1e20 nats."""
    found = run.model.score(run.block.assign(height="1e12", income="", price="", member="yes"), 0.999)
    assert set(found["why"]) == {"height"} and (found["surprise_height"] > 1e6).all()
    assert found[["surprise_visits", "surprise_member", "surprise_price"]].isna().all(axis=None)
    two = run.model.score(run.block.assign(height="1e12", price="1e9"), 0.999)
    assert set(two["why"]) <= {"height", "price"} and two["surprise_visits"].isna().all()


def test_order_of_columns_others_and_the_index_do_not_matter(run):
    expected = run.model.log_prob(run.block)
    other = run.block[run.block.columns[::-1]].drop(columns=["id", "unit"]).assign(more="x")
    np.testing.assert_array_equal(run.model.log_prob(other), expected)
    shuffled = run.block.sample(frac=1, random_state=0)
    found = run.model.score(shuffled, contributions=False)
    assert found.index.tolist() == shuffled.index.tolist()


@pytest.mark.slow
def test_frames_with_types_score_as_the_file(run):
    """Numbers with and without gaps, categories, dates as pandas has them."""
    table, number = run.block, pd.to_numeric
    frame = pd.DataFrame(
        {
            "height": number(table["height"]),
            "income": number(table["income"]).astype("Int64"),
            "price": number(table["price"]).astype("Float64"),
            "visits": number(table["visits"]),
            "grade": pd.Categorical(number(table["grade"])),
            "member": pd.Categorical(table["member"].replace("", None), categories=["yes", "no"]),
            "city": table["city"].astype("string"),
            "joined": pd.to_datetime(table["joined"].replace("", None), format="%d.%m.%Y"),
        },
    )
    np.testing.assert_array_equal(run.model.log_prob(frame), run.model.log_prob(table))
    filled, expected = run.model.impute(frame), run.model.impute(table)
    assert (filled.dtypes == frame.dtypes).all() and not filled.isna().any().any()
    for name in ("height", "income", "price", "visits", "grade"):
        assert filled[name].astype(float).tolist() == expected[name].astype(float).tolist()
    assert filled["joined"].dt.strftime("%d.%m.%Y").tolist() == expected["joined"].tolist()
    assert filled["member"].tolist() == expected["member"].tolist()
    assert filled["city"].tolist() == expected["city"].tolist()


@pytest.mark.parametrize(
    "change, message",
    {
        "a column is missing": (lambda t: t.drop(columns="city"), "column city. Received a table with id, height"),
        "columns are missing": (lambda t: t.drop(columns=["city", "price"]), "columns price, city"),
        "another word": (
            lambda t: t.assign(city=["Rom"] * 2 + list(t["city"][2:])),
            "one of Bern, .* city. Received 'Rom' in row 0, 'Rom' in row 1. Correct the cells; or train again with",
        ),
        "a number for a word": (
            lambda t: t.assign(member="1"),
            "one of no, yes in column member. Received '1' in row 0",
        ),
        "a word for a number": (lambda t: t.assign(height="tall"), "finite numbers.*'tall' in row 0.*and 35 more"),
        "a fraction": (lambda t: t.assign(visits="1.5"), "whole numbers from 0 in column visits"),
        "zero": (lambda t: t.assign(price="0"), "numbers above 0.*real"),
        "no date": (lambda t: t.assign(joined="31.02.2020"), "dates or times as %d.%m.%Y in column joined"),
        "another layout": (lambda t: t.assign(joined="02/28/2020"), "dates or times as %d.%m.%Y in column joined"),
    }.values(),
)
def test_rows_that_the_model_cannot_have_are_refused_in_words(run, change, message):
    with pytest.raises(InvalidInput, match=message):
        run.model.score(change(run.block))


def test_other_takes_new_words(run):
    columns = tuple(
        dataclasses.replace(column, other="Bern, BE") if column.name == "city" else column
        for column in run.model.schema.columns
    )
    model = dataclasses.replace(run.model, schema=dataclasses.replace(run.model.schema, columns=columns))
    found = model.log_prob(run.block.assign(city="Rom"))
    np.testing.assert_array_equal(found, run.model.log_prob(run.block.assign(city="Bern, BE")))


def test_units_that_are_not_those_of_training_are_warned_of_once(run, caplog):
    model = dataclasses.replace(run.model, warned=set())
    model.log_prob(run.block)
    assert not caplog.records
    cents = [cell and f"{100 * float(cell):.2f}" for cell in run.block["price"]]
    for seed in range(2):
        dataclasses.replace(model, seed=seed).log_prob(run.block.assign(price=cents, joined="01.01.2090"))
    said = sorted(record.getMessage() for record in caplog.records)
    assert len(said) == 2
    assert re.search(
        r"column joined is far .* at 01.01.2090 or beyond, where \d\d.\d\d.2020 to \d\d.\d\d.2022", said[0]
    )
    assert re.search(r"column price is far .* at \d\d\d.\d\d or beyond, where \d.\d\d to \d+.\d\d is usual", said[1])


def test_dates_are_compared_as_numbers_and_drawn_as_dates(run):
    rows = run.table[EXPLAINED]
    part = TablePart(run.model, rows, np.zeros(len(rows)))
    (columns, _) = part.pictures
    figure = columns.draw()
    figure.draw_without_rendering()
    (axes,) = [axes for axes in figure.axes if axes.get_title().startswith("joined")]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert {"2021", "2022"} <= set(labels) and part.quality.columns["joined"].score > 0


@pytest.mark.parametrize("text", ['{"columns": []}', "{"])
def test_a_schema_that_was_edited_beside_its_run_is_not_taken_silently(run, tmp_path, monkeypatch, caplog, text):
    monkeypatch.setattr(tables, "load", tables.load.__wrapped__)
    folder = shutil.copytree(run.folder, tmp_path / "run")
    tables.load(folder)
    assert not caplog.records
    (folder / "schema.json").write_text(text)
    assert tables.load(folder).schema == run.model.schema
    (said,) = [record.getMessage() for record in caplog.records]
    assert "keeps the schema that it was trained with" in said and f"--schema {folder / 'schema.json'}" in said


def test_a_constant_that_is_another_one_is_warned_of_once(run, caplog):
    model = dataclasses.replace(run.model, warned=set())
    fives = LeftOut("five", value="5.00")
    numbers = dataclasses.replace(
        model, schema=dataclasses.replace(model.schema, columns=(*model.schema.columns, fives))
    )
    numbers.log_prob(run.block.assign(five=5.0))
    assert not caplog.records  # the same number, otherwise written
    for _ in range(2):
        model.log_prob(run.block.assign(unit=["cm"] * (len(run.block) - 1) + ["inch"]))
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("tfvae: column unit was 'cm' in every row") and f"'inch' in row {len(run.block) - 1}" in said


@pytest.mark.filterwarnings("error")
def test_scores_of_many_columns_are_one_frame(run, monkeypatch):
    """Pandas warns of a frame to which a hundred columns were added one by one."""
    names = [f"c{i}" for i in range(120)]
    model = dataclasses.replace(run.model, kept={"usual": np.zeros(len(names))})
    monkeypatch.setattr(type(model.schema), "names", property(lambda schema: names))
    monkeypatch.setattr(type(model.schema), "places", lambda schema, name: [0])
    monkeypatch.setattr(TableModel, "_known", lambda *_: {"x": 0, "mask": np.ones([len(run.block), 1], bool)})
    monkeypatch.setattr(TableModel, "_surprises", lambda *_: np.zeros([len(run.block), len(names)]))
    estimate = types.SimpleNamespace(log_prob=tf.zeros(len(run.block)), standard_error=tf.zeros(len(run.block)))
    monkeypatch.setattr(type(model.vae), "estimate_log_prob", lambda *_, **__: estimate)
    found = rows.scores(0.1, True)(model, run.block)
    assert list(found)[:2] == ["row", "log_prob"] and len(found.columns) == 126 and list(found)[-1] == "why"


# Filled cells.


def test_observed_cells_are_kept_to_the_byte_and_all_others_filled(run, tmp_path):
    """Columns that the model does not know stay as they are, where they stand."""
    given = run.table.copy()
    given.insert(3, "note", [f'a "note", {i}\nof two lines' for i in range(ROWS)])
    given.loc[0, "height"] = " 171.20 "  # as nobody writes it
    given.to_csv(tmp_path / "given.csv", index=False)
    found = command("impute", run, tmp_path / "o.csv", file=tmp_path / "given.csv")
    assert list(found) == list(given)
    assert same(found.where(given != "", ""), given) and (found[EXPLAINED] != "").all().all()
    assert set(found["member"]) == {"yes", "no"} and set(found["city"]) == set(run.table["city"]) - {""}
    assert set(found["grade"]) == set("1234") and found["visits"].str.fullmatch(r"\d+").all()
    assert found["price"].str.fullmatch(r"\d+\.\d\d").all()
    dates = pd.to_datetime(found["joined"], format="%d.%m.%Y")
    assert dates.min() >= pd.Timestamp("2020-01-01") and dates.max() < pd.Timestamp("2022-06-20")


def test_a_word_is_filled_by_the_more_probable_one(run):
    """Not by the one below: a probability of 0.9 is a yes."""
    member = run.model.schema["member"]
    assert member.words(np.array([0.4, 0.6, np.nan])).tolist() == ["no", "yes", ""]


def test_spreads_are_those_of_missing_numbers(run, tmp_path):
    found = command("impute", run, tmp_path / "o.csv", "--stddev", str(tmp_path / "spread.csv"))
    spread, missing = cells(tmp_path / "spread.csv"), is_missing(run)
    assert list(spread) == EXPLAINED and len(spread) == len(found) == ROWS
    of_numbers = [name not in ("grade", "member", "city") for name in EXPLAINED]
    assert ((spread != "").to_numpy() == (missing & of_numbers).to_numpy()).all()
    assert (pd.to_numeric(spread["height"]).dropna() > 0.1).all() and (
        pd.to_numeric(spread["height"]).dropna() < 50
    ).all()


def test_draws_are_rows_with_their_number(run, tmp_path):
    found = command("impute", run, tmp_path / "o.csv", "--draws", "3")
    assert list(found) == ["draw", *run.table] and found["draw"].tolist() == ["0", "1", "2"] * ROWS
    missing = is_missing(run)
    pieces = [found[found["draw"] == str(i)].drop(columns="draw").reset_index(drop=True) for i in range(3)]
    for piece in pieces:
        assert same(piece.where(run.table != "", ""), run.table) and (piece[EXPLAINED] != "").all().all()
    apart = [pieces[0][name][missing[name]] != pieces[1][name][missing[name]] for name in ("height", "price", "joined")]
    assert np.mean(np.concatenate(apart)) > 0.9  # of some thirty cells of numbers two draws are hardly ever the same


def test_a_column_called_draw_stays(run):
    found = rows.drawn(2)(run.model, run.block.assign(draw="7"))
    assert found.columns.is_unique and set(found["draw"]) == {"7"} and found.iloc[:, 0].tolist() == [0, 1] * BLOCK


# Codes and new rows.


def test_codes_are_the_posterior_mean(run, tmp_path):
    found = command("encode", run, tmp_path / "o.csv").astype(float)
    assert list(found) == ["row", "z0", "z1", "z2"]
    mean = np.concatenate(
        [run.model.encode(run.table.iloc[at : at + BLOCK]).to_numpy() for at in range(0, ROWS, BLOCK)]
    )
    known = run.model.known(run.block)
    np.testing.assert_allclose(mean[:BLOCK], run.model.vae.encode(known).mean().numpy(), atol=1e-5)
    np.testing.assert_allclose(found.to_numpy()[:, 1:], mean, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("iaf", ["z0", "z1"]),
        ("two-layer", ["z2_0", "z2_1", *(f"z1_{d}" for d in range(4))]),
        ("categorical-latents", ["z0_0", "z0_1", "z0_2", "z1_0", "z1_1", "z1_2"]),
    ],
)
def test_codes_of_any_posterior_have_columns_of_their_own(run, name, columns):
    """Of one without a mean in closed form, of several latents, and of classes."""
    options = {"categorical-latents": {"num_categories": 3}}
    own = {"likelihood": tfvae.likelihoods.Normal, "latent_dim": 2, **options.get(name, {})}
    vae = tfvae.recipes.RECIPES[name](run.model.vae.event_shape, **own)
    found = dataclasses.replace(run.model, vae=vae, kept={}).encode(run.block)
    assert list(found) == columns and found.index.equals(run.block.index)
    means = tfvae.evaluation.posterior_means(vae, run.model.known(run.block), seed=run.model.seed)
    np.testing.assert_allclose(found.to_numpy(), means.reshape(len(found), -1), atol=1e-5)


def test_new_rows_are_in_the_words_of_the_table(run, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        words = [
            "sample",
            str(run.folder),
            "--count",
            "300",
            "--out",
            str(tmp_path / f"{name}.csv"),
            "--seed",
            str(seed),
        ]
        assert main(words) == 0
    found = cells(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes() != (tmp_path / "c.csv").read_bytes()
    assert list(found) == list(run.table) and len(found) == 300
    assert found["id"].tolist() == [str(i + 1) for i in range(300)] and set(found["unit"]) == {"cm"}
    assert set(found["city"]) <= set(run.table["city"]) and set(found["member"]) == {"yes", "no"}
    assert set(found["grade"]) <= set("1234")
    assert found["height"].str.fullmatch(r"-?\d+\.\d").all() and found["price"].str.fullmatch(r"\d+\.\d\d").all()
    assert (found["price"].astype(float) > 0).all() and (found["income"].astype(int) >= 0).all()
    assert 0.05 < (found["income"] == "0").mean() < 0.7  # the mass of the atom; of the others none is below zero
    assert pd.to_datetime(found["joined"], format="%d.%m.%Y").notna().all()
    again, was = pd.read_csv(tmp_path / "a.csv"), pd.read_csv(run.file)
    of_numbers = [name for name in was if pd.api.types.is_numeric_dtype(was[name])]
    assert [name for name in again if pd.api.types.is_numeric_dtype(again[name])] == ["id", *of_numbers]
    assert np.isfinite(run.model.log_prob(found.iloc[:BLOCK])).all()  # they are rows of the same table


@pytest.mark.parametrize(
    "words, message",
    [
        ("sample {run} --out {here}/o.csv --condition city=Bern", "no --condition: this model has none"),
        ("sample {run} --out {here}/o.csv --count 0", "count=0"),
        ("sample {run} --out {here}/no/o.csv", "an existing folder"),
        ("score {run} {file} --out {here}/o.csv --false-positive-rate 2", "false_positive_rate between 0 and 1"),
        ("score {here}/other {file} --out {here}/o.csv", "a run on a table at .*one on digits"),
        ("score {here}/broken {file} --out {here}/o.csv", "a whole config.json"),
        ("score {here}/changed {file} --out {here}/o.csv", "model.keras in .*changed since"),
        ("score {here}/unfinished {file} --out {here}/o.csv", "one without model.keras.*--resume"),
        ("score {run} {here}/more.csv --out {here}/o.csv", "columns height"),
        ("compare {run} {here}/unfinished", "scores in .*--resume"),
    ],
)
def test_wrong_use_of_a_run_is_one_line(run, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.setattr(tables, "load", tables.load.__wrapped__)
    pd.DataFrame({"a": ["1"]}).to_csv(tmp_path / "more.csv", index=False)
    for name in ("other", "broken", "changed", "unfinished"):
        shutil.copytree(run.folder, tmp_path / name)
    config = files.read_json(run.folder / "config.json")
    data = {name: value for name, value in config["data"].items() if name != "schema"} | {"source": "digits"}
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "data": data}))
    (tmp_path / "broken" / "config.json").write_text("[]")
    model = bytearray((run.folder / "model.keras").read_bytes())
    model[len(model) // 2] ^= 1
    (tmp_path / "changed" / "model.keras").write_bytes(bytes(model))
    for name in ("model.keras", "scores.npz"):
        (tmp_path / "unfinished" / name).unlink()
    before = contents(tmp_path)
    capsys.readouterr()
    assert main([word.format(run=run.folder, here=tmp_path, file=run.file) for word in words.split()]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and said.startswith("tfvae: Expected ") and re.search(message, said), said
    assert {name for name in contents(tmp_path) if ".part" not in name} == set(before)


# Killed at any moment, and given again.


def killed(run, out, monkeypatch, at, name="score", do=None, more=()):
    """Gives a command that is killed in a block, or where something else happens there."""
    seen, method = [], getattr(TableModel, name)

    def counted(self, *arguments):
        seen.append(1)
        if len(seen) == at:
            (do or kill)()
        return method(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(TableModel, name, counted)
        return main([name, str(run.folder), str(run.file), "--out", str(out), *more])


def kill():
    raise Killed


@pytest.mark.parametrize("name", ["score", "impute"])
def test_killed_and_given_again_it_ends_with_the_same_file(run, tmp_path, monkeypatch, name):
    """Also where a part of the last block had been written already; only that block is answered again."""
    command(name, run, tmp_path / "whole.csv")
    with pytest.raises(Killed):
        killed(run, tmp_path / "o.csv", monkeypatch, 3, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.csv.part", "o.csv.part.json", "whole.csv"]
    part = tmp_path / "o.csv.part"
    part.write_bytes(part.read_bytes() + b"half a row, whose length nobody had noted")
    method, calls = getattr(TableModel, name), []
    monkeypatch.setattr(TableModel, name, lambda self, *given: calls.append(self.seed) or method(self, *given))
    assert len(command(name, run, tmp_path / "o.csv")) == ROWS and calls == [2]
    assert (tmp_path / "o.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.csv", "whole.csv"]


CHANGES = {
    "another rate": lambda file, model, table: None,
    "other rows": lambda file, model, table: table.iloc[::-1].to_csv(file, index=False),
    "another model": lambda file, model, table: os.utime(model, ns=(0, model.stat().st_mtime_ns + 1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_answered_of_something_else_is_not_gone_on_with(run, tmp_path, monkeypatch, change):
    """The command that was killed had a rate of its own, the one after it has the other or the same."""
    file, folder = shutil.copy(run.file, tmp_path / "people.csv"), shutil.copytree(run.folder, tmp_path / "run")
    own = types.SimpleNamespace(file=file, folder=folder)
    monkeypatch.setattr(tables, "load", lambda folder: run.model)
    more = ["--no-contributions", "--false-positive-rate", "0.5" if change == "another rate" else "0.4"]
    with pytest.raises(Killed):
        killed(own, tmp_path / "o.csv", monkeypatch, 2, more=["--no-contributions", "--false-positive-rate", "0.4"])
    CHANGES[change](file, folder / "model.keras", run.table)
    method, calls = TableModel.score, []
    monkeypatch.setattr(TableModel, "score", lambda self, *given: calls.append(self.seed) or method(self, *given))
    assert len(command("score", own, tmp_path / "o.csv", *more)) == ROWS and calls == [0, 1, 2]


def test_another_command_starts_anew(run, tmp_path, monkeypatch):
    with pytest.raises(Killed):
        killed(run, tmp_path / "o.csv", monkeypatch, 2)
    filled = command("impute", run, tmp_path / "o.csv")
    assert list(filled) == list(run.table) and filled.equals(command("impute", run, tmp_path / "whole.csv"))


def test_answers_do_not_go_among_the_shards_that_they_are_about(tmp_path):
    with pytest.raises(InvalidInput, match="none among their shards"):
        rows.writable(str(tmp_path / "00.csv"), str(tmp_path))


def test_what_columns_add_is_beside_the_same_in_all_blocks(run):
    later = dataclasses.replace(run.model, seed=run.model.seed + 1)
    np.testing.assert_array_equal(later._usual, run.model._usual)


def test_a_column_that_no_row_has_is_warned_of_once(run, caplog):
    block = run.block.assign(height="")
    for _ in range(2):
        run.model.score(block, contributions=False)
    assert [r.getMessage() for r in caplog.records if "in every row" in r.getMessage()] == [
        "tfvae: column height is missing in every row: p-values and flags compare with held-out rows that have it"
    ]


def test_a_note_that_was_damaged_is_refused(run, tmp_path, monkeypatch, capsys):
    with pytest.raises(Killed):
        killed(run, tmp_path / "o.csv", monkeypatch, 2)
    (tmp_path / "o.csv.part.json").write_text('{"rows": 40')
    assert main(["score", str(run.folder), str(run.file), "--out", str(tmp_path / "o.csv")]) == 2
    assert "a readable JSON file at" in capsys.readouterr().err


def test_a_file_that_changes_while_it_is_read_is_refused(run, tmp_path, monkeypatch, capsys):
    file = shutil.copy(run.file, tmp_path / "people.csv")
    own = types.SimpleNamespace(file=file, folder=run.folder)
    later = os.stat(file).st_mtime_ns + 10**9
    assert killed(own, tmp_path / "o.csv", monkeypatch, 2, do=lambda: os.utime(file, ns=(later, later))) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "a file that changes" in said and not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("name", ["t.csv.gz", "t.parquet"])
def test_other_files_have_the_same_answers(run, tmp_path, name):
    whole = command("score", run, tmp_path / "whole.csv", "--no-contributions")
    if name.endswith("gz"):
        run.table.to_csv(tmp_path / name, index=False)
    else:
        run.table.replace("", None).to_parquet(tmp_path / name)
    assert command("score", run, tmp_path / "o.csv", "--no-contributions", file=tmp_path / name).equals(whole)


# The run itself.


def test_the_folder_says_what_the_columns_are(run):
    schema = files.read_json(run.folder / "schema.json")
    assert schema == files.read_json(run.folder / "config.json")["data"]["schema"]
    assert [column["name"] for column in schema["columns"]] == list(run.table)
    assert json.loads(json.dumps(run.model.schema.to_dict())) == schema and run.model.schema.names == EXPLAINED


@pytest.mark.slow
def test_a_run_that_lost_its_scores_has_the_same_again(run, tmp_path):
    copy = shutil.copytree(run.folder, tmp_path / "run")
    before = contents(copy)
    for name in ("scores.npz", "metrics.json", files.SEAL):
        (copy / name).unlink()
    assert main(["train", "--resume", str(copy)]) == 0
    again, was = np.load(copy / "scores.npz"), np.load(io.BytesIO(before["scores.npz"]))
    np.testing.assert_array_equal(again["log_prob"], was["log_prob"])
    assert (copy / "metrics.json").read_bytes() == before["metrics.json"]


def test_a_run_is_not_resumed_on_another_table(run, tmp_path, capsys):
    copy = shutil.copytree(run.folder, tmp_path / "run")
    config = files.read_json(copy / "config.json")
    config["options"]["source"] = str(tmp_path / "people.csv")
    (copy / "config.json").write_text(json.dumps(config))
    run.table.iloc[::-1].to_csv(tmp_path / "people.csv", index=False)
    assert main(["train", "--resume", str(copy)]) == 2
    assert "as at the start of this run" in capsys.readouterr().err


def test_runs_are_compared_by_paired_differences(run, tmp_path, capsys):
    """A copy whose scores are lower by known amounts: the mean, and its error from their spread."""
    lower = shutil.copytree(run.folder, tmp_path / "lower")
    scores = np.load(run.folder / "scores.npz")["log_prob"].astype(np.float64)
    less = np.linspace(0.1, 0.9, len(scores))
    np.savez(lower / "scores.npz", log_prob=scores - less)
    assert main(["compare", str(lower), str(run.folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[0] == str(run.folder) and f"{scores.mean():.3f}" in lines[1]
    error = less.std(ddof=1) / np.sqrt(len(less))
    assert lines[2].split()[0] == str(lower) and lines[2].endswith(f"0.500 +- {error:.3f}")


OTHER_EVENTS = {
    "a column": (lambda data, own: own["height"].update(kind="left out"), "another column height"),
    "words": (lambda data, own: own["city"].update(values=["here", "other"], other="other"), "another column city"),
    "steps": (lambda data, own: own["income"].update(step=1e-9), "another column income"),
    "gaps": (lambda data, own: data["schema"].update(missing=[]), "another list of what is missing"),
    "rows": (lambda data, own: data["sizes"].update(test=1), "another sizes"),
    "values": (lambda data, own: data["crc32"].update(test="0"), "other values"),
}


@pytest.mark.parametrize("what", OTHER_EVENTS)
def test_runs_on_other_events_are_not_compared(run, tmp_path, capsys, what):
    change, words = OTHER_EVENTS[what]
    other = shutil.copytree(run.folder, tmp_path / "other")
    config = files.read_json(other / "config.json")
    change(config["data"], {column["name"]: column for column in config["data"]["schema"]["columns"]})
    (other / "config.json").write_text(json.dumps(config))
    assert main(["compare", str(run.folder), str(other)]) == 2
    assert f"{words} in" in capsys.readouterr().err
