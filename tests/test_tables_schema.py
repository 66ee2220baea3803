"""Tables become numbers and words again: kinds are inferred as said, cells come back to the byte, files as frames."""

import datetime
import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from tables_of_text import every_kind

from tfvae import InvalidInput
from tfvae.datasets.tables import Family, Schema, blocks, read
from tfvae.datasets.tables.numbers import LAYOUTS
from tfvae.datasets.tables.reading import as_text
from tfvae.tables.filling import mixed

ROWS = 200


def text(columns):
    return pd.DataFrame(columns, dtype=object)


def schema(cells, **said):
    """The schema of one column, beside one that a model can learn from, so that the column may be left out."""
    frame = text({"c": cells, "beside": [str(i % 2) for i in range(len(cells))]})
    return Schema.of(frame, {"columns": [{"name": "c", **said}]} if said else None)


def column(cells, **said):
    return schema(cells, **said)["c"]


def kind(cells):
    return column(cells).kind


def times(rng, layout, rows=ROWS):
    start = datetime.datetime(1950, 1, 1)
    return [(start + datetime.timedelta(seconds=int(s))).strftime(layout) for s in rng.integers(0, 4 * 10**9, rows)]


# Kinds, each rule of guess.py with what just misses it.

RNG = np.random.default_rng(0)
KINDS = {
    "missing alone": ([""] * 30, "left out"),
    "one value": (["7", "", "7"] * 10, "left out"),
    "no word twice": ([f"w{i}" for i in range(20)], "left out"),
    "few words, none twice": ([f"w{i}" for i in range(19)], "category"),
    "rows counted": ([str(i) for i in range(5, 35)], "left out"),
    "rows counted in another order": ([str(i) for i in RNG.permutation(30)], "left out"),
    "rows counted but for one": ([str(i) for i in range(29)] + ["30"], "real"),
    "two words": (["a", "b"] * 10, "yes/no"),
    "two numbers": (["0", "1"] * 10, "yes/no"),
    "two words and a gap": (["a", "b", "?"] * 10, "yes/no"),
    "dates": (["2020-01-31", "2020-02-01", "1999-12-31"] * 9, "date"),
    "a day that no month has": (["2020-01-31", "2020-02-30", "1999-12-31"] * 9, "category"),
    "one to four": (["1", "2", "3", "4"] * 9, "ordered"),
    "one to four without three": (["1", "2", "4"] * 9, "real"),
    "one to twenty": ([str(i + 1) for i in range(20)] * 3, "ordered"),
    "one to twenty-one": ([str(i + 1) for i in range(21)] * 3, "real"),
    "counts": (["0", "1", "3", "12"] * 9, "count"),
    "counts with decimals": (["0.0", "1.0", "3.0"] * 9, "count"),
    "whole numbers of a large mean": (["0", "11", "30"] * 9, "real"),
    "whole numbers with a negative one": (["0", "-1", "3"] * 9, "real"),
    "halves": (["0", "0.5", "3"] * 9, "real"),
    "skewed above zero": ([f"{v:.2f}" for v in RNG.lognormal(2, 1, 60)], "positive"),
    "skewed with a zero": (["0.00"] + [f"{v:.2f}" for v in RNG.lognormal(2, 1, 60)], "real"),
    "skewed the other way": ([f"{-v:.2f}" for v in RNG.lognormal(2, 1, 60)], "real"),
    "around a hundred": ([f"{v:.2f}" for v in RNG.normal(100, 1, 60)], "real"),
    "words": (["a", "b", "c"] * 9, "category"),
    "as many words as a third of the rows": ([f"w{i % 30}" for i in range(100)], "category"),
    "more words than that": ([f"w{i % 31}" for i in range(100)], "left out"),
    "500 words": ([f"w{i % 500}" for i in range(2000)], "category"),
    "501 words": ([f"w{i % 501}" for i in range(2000)], "left out"),
    "codes": (["007", "123", "042"] * 9, "category"),
    "codes of another length": (["07", "123"] * 9 + ["1"], "category"),
    "numbers from 0.5": (["0.5", "0.7", "12.5"] * 9, "real"),
    "exponents": ([f"{v:.3e}" for v in RNG.normal(0, 1e-9, 60)], "real"),
}


@pytest.mark.parametrize("case", KINDS)
def test_each_kind_is_inferred_as_the_rules_say(case):
    cells, expected = KINDS[case]
    assert kind(cells) == expected


# Cells -> numbers -> slots -> numbers -> cells.

ROUND_TRIPS = {
    **{f"{d} decimals": lambda rng, d=d: [f"{v:.{d}f}" for v in rng.normal(3, 50, ROWS)] for d in range(1, 5)},
    "0 decimals": lambda rng: [str(int(v)) for v in rng.normal(3, 50, ROWS)],
    "22.0": lambda rng: [f"{v:.1f}" for v in rng.integers(-50, 50, ROWS)],
    "as many decimals as it takes": lambda rng: [f"{round(v, 3):.8g}" for v in rng.normal(0, 5, ROWS) + 9],
    "negative": lambda rng: [f"{-v:.2f}" for v in rng.lognormal(3, 1, ROWS)],
    "seconds since 1970": lambda rng: [str(int(v)) for v in 1.7e9 + rng.integers(0, 10**6, ROWS)],
    "far from zero, with cents": lambda rng: [f"{1.7e9 + v:.2f}" for v in rng.normal(0, 1000, ROWS)],
    "far below zero": lambda rng: [f"{-1.7e9 + v:.1f}" for v in rng.normal(0, 1000, ROWS)],
    "hundreds": lambda rng: [str(int(v) * 100) for v in rng.normal(0, 1000, ROWS)],
    "quarters": lambda rng: [f"{v / 4:.2f}" for v in rng.integers(-99, 99, ROWS)],
    "odd numbers": lambda rng: [str(2 * v + 1) for v in rng.integers(-99, 99, ROWS)],
    "positive odd numbers": lambda rng: [str(2 * int(v) + 1) for v in rng.lognormal(5, 1.5, ROWS)],
    "positive": lambda rng: [f"{v:.2f}" for v in rng.lognormal(3, 1.5, ROWS) + 0.01],
    "an atom": lambda rng: ["0" if v < 2000 else str(int(v)) for v in rng.lognormal(8, 1, ROWS)],
    "two atoms": lambda rng: ["0.0" if v < 45 else "99.0" if v > 55 else f"{v:.1f}" for v in rng.normal(50, 9, ROWS)],
    "fifteen decimals": lambda rng: [f"{v:.15f}".rstrip("0") for v in rng.integers(1, 10**5, ROWS) * 1e-11],
    "counts": lambda rng: ["0", *map(str, rng.poisson(3, ROWS - 1))],
    "counts with a decimal": lambda rng: ["0.0", *(f"{v}.0" for v in rng.poisson(3, ROWS - 1))],
    "yes/no": lambda rng: rng.choice(["yes", "no, never"], ROWS).tolist(),
    "bits with a decimal": lambda rng: rng.choice(["0.0", "1.0"], ROWS).tolist(),
    "words with commas and quotes": lambda rng: rng.choice(["a, b", 'the "c"', "d;e", "é\nf", '"'], ROWS).tolist(),
    "ordered": lambda rng: ["1", "2", "3", "4", *map(str, rng.integers(1, 5, ROWS - 4))],
    "levels with a decimal": lambda rng: ["1.0", "2.0", "3.0", *(f"{v}.0" for v in rng.integers(1, 4, ROWS - 3))],
    "codes": lambda rng: [f"{v:03d}" for v in rng.integers(0, 40, ROWS)],
    "days from 1600 on": lambda rng: [str(np.datetime64("1600-01-01") + int(v)) for v in rng.integers(0, 10**6, ROWS)],
    **{layout: lambda rng, layout=layout: times(rng, layout) for layout in LAYOUTS},
}  # fmt: skip


@pytest.mark.parametrize("case", ROUND_TRIPS)
@pytest.mark.parametrize("seed", range(3))
def test_observed_cells_come_back_to_the_byte(case, seed):
    """Of each observed cell; a cell that is missing comes back empty, though another word may have stood there."""
    rng = np.random.default_rng(seed)
    cells = [cell if rng.random() > 0.1 else rng.choice(["", "?", "NA"]) for cell in ROUND_TRIPS[case](rng)]
    found = schema(cells)
    own = found["c"]
    assert own.slots
    observed = found.cells(pd.Series(cells, dtype=object)).fillna("")
    slots = own.encode(own.numbers(observed.where(observed != "", None)))
    assert own.words(own.decode(slots)).tolist() == observed.tolist()
    assert Schema.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_numbers_with_an_exponent_come_back_as_the_same_numbers():
    """To the 12 digits that are written, from 1e-20 to 1e20, also within one column."""
    rng = np.random.default_rng(0)
    for cells in ([f"{v:.6e}" for v in rng.lognormal(0, 10, ROWS)], [f"{v:.6e}" for v in rng.normal(0, 1e-20, ROWS)]):
        own = column(cells)
        back = own.words(own.decode(own.encode(own.numbers(pd.Series(cells, dtype=object)))))
        np.testing.assert_allclose(back.astype(float), np.array(cells, float), rtol=1e-11)


@pytest.mark.parametrize("seed", range(3))
def test_a_table_of_every_kind_becomes_x_and_a_mask_and_a_table_again(seed):
    """x is float32: its cells are the table's, where 24 bits hold the number less the origin."""
    table = every_kind(seed=seed)
    found = Schema.of(table)
    assert {c.kind for c in found.columns} == {
        "left out", "real", "positive", "count", "ordered", "yes/no", "category", "date"
    }  # fmt: skip
    x, mask = found.encode(table)
    assert x.dtype == np.float32 and mask.dtype == bool and x.shape == mask.shape == (len(table), len(found.slots))
    assert np.isfinite(x).all()
    back = found.decode(np.where(mask, x, np.nan))
    assert list(back) == list(table)
    for name in found.names:
        assert back[name].tolist() == table[name].tolist()
    assert back["id"].tolist() == [str(i + 1) for i in range(len(table))] and set(back["unit"]) == {"cm"}
    missing = np.mean([table[name] == "" for name in found.names])
    assert 0.05 < missing < 0.15
    for name in found.names:
        first = mask[:, found.places(name)[0]]
        assert (first == (table[name] != "").to_numpy()).all()


def test_neighbours_in_x_are_of_one_family():
    found = Schema.of(every_kind())
    families = [slot.family for slot in found.slots]
    assert families == sorted(families, key=lambda family: family.value)
    assert [found.slots[place].family for place in found.places("income")] == [Family.CATEGORY, Family.REAL]
    assert sorted(place for name in found.names for place in found.places(name)) == list(range(len(families)))


# Atoms.


def test_an_atom_has_a_mass_and_the_others_a_density():
    cells = ["0"] * 80 + [str(i) for i in range(1000, 1100)] + [""] * 20
    own = column(cells)
    assert own.atoms == (0.0,) and [(s.family, s.size) for s in own.slots] == [(Family.CATEGORY, 2), (Family.REAL, 0)]
    slots = own.encode(own.numbers(pd.Series([None if not cell else cell for cell in cells], dtype=object)))
    np.testing.assert_array_equal(slots[:, 0], [1] * 80 + [0] * 100 + [np.nan] * 20)
    np.testing.assert_array_equal(slots[:, 1], [np.nan] * 80 + list(range(1000, 1100)) + [np.nan] * 20)
    np.testing.assert_array_equal(own.decode(np.array([[1.0, 1050.0], [0.0, 1050.2], [1.0, np.nan]])), [0, 1050, 0])


def test_what_is_a_little_more_often_than_its_neighbours_is_not_an_atom():
    cells = [str(v) for v in range(100) for _ in range(5)] + ["50"] * 20
    assert column(cells).atoms == ()


def test_a_cell_between_the_numbers_of_the_grid_is_not_an_atom():
    """Sixty zeros beside hundreds: the grid is wide, and 30 is not on it."""
    own = column(["0"] * 60 + [str(100 * i) for i in range(1, 200)])
    assert (own.step, own.atoms) == (100.0, (0.0,))
    np.testing.assert_array_equal(own.encode(np.array([30.0, -49.0, 0.0])), [[0, 30], [0, -49], [1, np.nan]])


def test_a_new_number_below_the_grid_stays_as_it_is():
    salaries = column([f"{1000 * round(v)}" for v in np.random.default_rng(0).lognormal(3, 1, 300) + 1])
    assert (salaries.kind, salaries.step) == ("positive", 1000.0)
    np.testing.assert_array_equal(salaries.encode(np.array([12.0])), [[12.0]])


def test_neighbours_on_a_grid_of_halves_are_seen():
    """17.5, 22.5, ...: a smooth top of their distribution is not an atom."""
    tails = np.random.default_rng(0).standard_t(2, 4000)
    assert column([f"{17.5 + 5 * round(1.5 * v)}" for v in tails], kind="real").atoms == ()


def test_noise_for_training_is_as_wide_as_the_resolution_and_stays_above_zero():
    """A thousand draws at each value: uniform within half a step (Kolmogorov-Smirnov by its largest gap, 0.07)."""
    rng = np.random.default_rng(0)
    own = column([f"{v:.1f}" for v in rng.integers(1, 50, 300) / 10 + 7])
    noise = (own.encode(np.full(1000, 7.3), rng) - own.encode(np.full(1000, 7.3)))[:, 0]
    assert own.step == pytest.approx(0.1) and np.abs(noise).max() <= 0.05 + 1e-12
    assert np.abs(np.sort(noise) / 0.1 + 0.5 - np.arange(1000) / 1000).max() < 0.07
    positive = column([f"{v:.2f}" for v in rng.lognormal(0, 1, 300) + 0.01])
    assert positive.kind == "positive" and positive.encode(np.full(1000, 0.01), rng).min() > 0


def test_what_is_decoded_stays_where_numbers_can_be():
    numbers = column(["0.5", "0.7", "12.5"] * 9)
    assert numbers.decode(np.array([[-3.0]])).tolist() == [0.0]
    signed = column(["-0.5", "0.6", "12.5"] * 9)
    assert signed.decode(np.array([[-3.0]])).tolist() == [-3.0]
    dates = column(["01.02.2020", "05.03.2020", "09.04.2021"] * 9)
    assert dates.words(dates.decode(np.array([[-1e12], [1e12]]))).tolist() == ["01.02.2020", "09.04.2021"]


# A schema that a person has edited.


def test_a_person_may_say_any_part_of_it():
    cells = [f"{v:.2f}" for v in np.random.default_rng(0).lognormal(2, 1, 60)]
    assert column(cells).kind == "positive" and column(cells, kind="real").kind == "real"
    assert column(cells, decimals=[0, 3]).decimals == (0, 3) and column(cells, decimals=[0, 3]).kind == "positive"
    assert column(cells, kind="real", atoms=[1, 2]).atoms == (1.0, 2.0)
    assert column(["1", "3", "5", "9"] * 9, kind="real", origin=0).step == 1
    assert column(["1", "3", "5", "9"] * 9, kind="real", origin=1).step == 2
    assert column(cells, kind="category").kind == "category" and column(cells, kind="left out").slots == []
    assert column(["1", "2", "3"] * 9, kind="ordered", values=[3, 2, 1]).values == ("3", "2", "1")
    assert column(["0", "1", "2"] * 9, kind="real").kind == "real"
    assert column(["05|06", "07|08", "01|01"] * 9, kind="date", layout="%d|%m").kind == "date"
    assert column(["a"] * 9, kind="yes/no", values=["a", "b"]).values == ("a", "b")


def test_what_is_inferred_saved_and_given_again_is_the_same():
    table = every_kind()
    found = Schema.of(table)
    assert Schema.of(table, found.to_dict()) == found
    assert Schema.of(table, json.loads(json.dumps(found.to_dict()))) == found


def test_words_keep_the_blank_that_a_file_writes_before_them():
    """Files with ", " between cells: a filled gap would else be another word than its neighbours."""
    cells = [f" {word}" for word in ["yes", "no", "maybe"] * 9] + [" ?", None]
    found = schema(cells)
    own = found["c"]
    assert own.values == ("maybe", "no", "yes") and own.words(np.array([2.0, np.nan])).tolist() == [" yes", ""]
    again = Schema.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found and again["c"].words(np.array([0.0])).tolist() == [" maybe"]
    texts, gaps = pd.Series([" yes", None], dtype=object), np.array([False, True])
    assert mixed(texts, gaps, own.words(np.array([1.0, 1.0])), own).tolist() == [" yes", " no"]
    assert column(["yes", *cells]).blank == "" and "blank" not in schema(["yes", "no"] * 9).to_dict()["columns"][0]


def test_other_takes_the_words_that_are_not_there():
    own = column(["a", "b", "c"] * 9, other="else")
    assert own.values == ("a", "b", "c", "else")
    assert own.numbers(pd.Series(["a", "z", None, "else"], dtype=object)).tolist()[:2] == [0, 3]
    assert np.isnan(own.numbers(pd.Series(["a", "z", None], dtype=object))[2])
    assert column(["a", "b"] * 9, other="else").kind == "category"  # of two words and more to come
    named = column(["a", "b", "c"] * 9, kind="category", values=["a", "b"], other="b")
    assert named.numbers(pd.Series(["c"], dtype=object)).tolist() == [1]


def test_words_of_missing_cells_are_those_that_a_person_names_and_the_empty_one():
    frame = text({"c": ["1.5", "-999", "NA", "", "2.5", "3.5"] * 9, "b": ["x", "y", "z"] * 18})
    with pytest.raises(InvalidInput, match="'NA'"):
        Schema.of(frame, {"missing": ["-999"], "columns": [{"name": "c", "kind": "real"}]})
    own = Schema.of(frame, {"missing": [-999, "NA", "z"]})
    assert own.missing == ("", "-999", "NA", "z") and own["c"].low == 1.5 and own["b"].kind == "yes/no"
    assert own.encode(frame)[1].mean(axis=0).tolist() == pytest.approx([0.5, 2 / 3])


BAD_SCHEMAS = {
    "a list": (["c"], "a schema"),
    "columns in no list": ({"columns": {"name": "c"}}, "a schema"),
    "a word in place of a column": ({"columns": ["c"]}, "a schema"),
    "nothing": ({"columns": None}, "a schema"),
    "an unknown part": ({"colums": []}, "'colums'"),
    "one word of missing cells": ({"missing": "NA"}, "'missing': NA"),
    "missing cells yes or no": ({"missing": [True]}, "'missing'"),
    "no name": ({"columns": [{"kind": "real"}]}, "None in the schema"),
    "another name": ({"columns": [{"name": "d"}]}, "'d' in the schema"),
    "a name twice": ({"columns": [{"name": "c"}, {"name": "c"}]}, "'c' twice"),
    "another kind": ({"columns": [{"name": "c", "kind": "numeric"}]}, "one of real, positive, date"),
    "kinds": ({"columns": [{"name": "c", "kind": ["real"]}]}, r"Received \['real'\]"),
    "another field": ({"columns": [{"name": "c", "kind": "real", "valeus": []}]}, "'valeus' in column c"),
    "a field of another kind": ({"columns": [{"name": "c", "kind": "real", "other": "x"}]}, "fields of the kind real"),
    "text for a number": ({"columns": [{"name": "c", "kind": "real", "step": "x"}]}, "step of column c to be float"),
    "a number for a list": ({"columns": [{"name": "c", "kind": "real", "atoms": 3}]}, "atoms of column c"),
    "words for numbers": ({"columns": [{"name": "c", "kind": "real", "atoms": ["a"]}]}, "atoms of column c"),
    "a word for words": ({"columns": [{"name": "c", "kind": "category", "values": "abc"}]}, "values of column c"),
    "no step": ({"columns": [{"name": "c", "kind": "real", "step": 0}]}, "a step above 0"),
    "a step of nan": ({"columns": [{"name": "c", "kind": "real", "step": float("nan")}]}, "a step above 0"),
    "decimals the wrong way": ({"columns": [{"name": "c", "kind": "real", "decimals": [3, 0]}]}, "Received 3 and 0"),
    "one of the decimals": ({"columns": [{"name": "c", "kind": "real", "decimals": [3]}]}, "the fewest and the most"),
    "decimals below zero": ({"columns": [{"name": "c", "kind": "real", "decimals": [-1, 2]}]}, "from 0 to"),
    "one word": ({"columns": [{"name": "c", "kind": "category", "values": ["1"]}]}, "Received 1: 1"),
    "a word twice": ({"columns": [{"name": "c", "kind": "category", "values": ["1", "1", "2"]}]}, "'1' twice"),
    "yes, no and more": ({"columns": [{"name": "c", "kind": "yes/no"}]}, "two words.*Received 3"),
    "yes, no and other": ({"columns": [{"name": "b", "kind": "yes/no", "other": "z"}]}, "two words.*Received 3"),
    "no number": ({"columns": [{"name": "b", "kind": "real"}]}, "finite numbers .* in column b. Received 'x' in row 0"),
    "no count": ({"columns": [{"name": "c", "kind": "count"}]}, "whole numbers from 0 in column c. Received '2.5'"),
    "not above zero": ({"columns": [{"name": "c", "kind": "positive"}]}, "numbers above 0.*'0' in row 0"),
    "no date": ({"columns": [{"name": "b", "kind": "date"}]}, "no known layout"),
    "another layout": ({"columns": [{"name": "b", "kind": "date", "layout": "%Y"}]}, "as %Y in column b"),
    "a layout that is none": ({"columns": [{"name": "b", "kind": "date", "layout": "%q"}]}, "'%q'"),
    "nothing to learn": ({"columns": [{"name": n, "kind": "left out"} for n in "cb"]}, "a column that a model can"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_SCHEMAS)
def test_a_schema_that_cannot_be_is_refused_in_words(case):
    given, words = BAD_SCHEMAS[case]
    with pytest.raises(InvalidInput, match=words):
        Schema.of(text({"c": ["0", "1", "2.5"] * 9, "b": ["x", "y"] * 13 + ["x"]}), given)


DAMAGES = (
    lambda config: config["columns"][1].pop("kind"),
    lambda config: config["columns"][1].update(step="x"),
    lambda config: config["columns"][7].update(values=["a"]),
    lambda config: config.update(columns=3),
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_saved_schema_that_was_damaged_is_refused(damage):
    config = json.loads(json.dumps(Schema.of(every_kind()).to_dict()))
    damage(config)
    with pytest.raises(InvalidInput):
        Schema.from_dict(config)


# Columns that would be something else for a few cells.

NEARLY = {
    "a letter": ([f"{i / 7:.3f}" for i in range(60)] + ["1.5x"], "numbers in column c. Received '1.5x' in row 60"),
    "inf": ([f"{i / 7:.3f}" for i in range(60)] + ["inf"], "'inf' in row 60"),
    "1e400": ([f"{i / 7:.3f}" for i in range(60)] + ["1e400"], "'1e400' in row 60"),
    "-": ([f"{i / 7:.3f}" if i % 2 else "-" for i in range(60)], "'-' in row 0.*and 25 more.*missing"),
    "thousands": ([f"{i},{i:03d}" for i in range(60)], "without commas.*'0,000' in row 0"),
    "some thousands": ([f"{i * 50:,}" for i in range(60)], "without commas.*'1,000' in row 20"),
    "decimal commas": ([f"{i},5" for i in range(60)], "without commas"),
    "a day that is none": ([f"2020-02-{i % 29 + 1:02d}" for i in range(60)] + ["2020-02-30"], "'2020-02-30' in row 60"),
    "two layouts": ([f"{i % 28 + 1:02d}.03.2020" for i in range(60)] + [f"2020-03-{i:02d}" for i in range(1, 20)],
                    "dates or times as %d.%m.%Y in column c. Received '2020-03-01' in row 60"),
    "too large": ([f"{i}e299" for i in range(60)], "finite numbers up to 1e.30"),
}  # fmt: skip


@pytest.mark.parametrize("case", NEARLY)
def test_a_few_cells_do_not_make_words_of_a_column_unseen(case):
    cells, words = NEARLY[case]
    with pytest.raises(InvalidInput, match=words):
        column(cells)
    assert column(cells, kind="left out").kind == "left out"  # as the error says


def test_words_among_which_are_numbers_stay_words():
    assert kind(["A/5 21171", "113803", "PC 17599"] * 30) == "category"
    assert kind(["0", "1", "2", "3+"] * 20) == "category"
    assert kind(["1,2", "1,3", "2,3"] * 20) == "category"


# What training saw, and what is far from it.


def test_a_hundredfold_is_far_and_new_draws_are_not():
    """Normal, log-normal of a spread of 2, counts, dates, with an atom; a false alarm takes half of 500 cells."""
    rng = np.random.default_rng(0)
    makes = {
        "normal": lambda scale: [f"{scale * v:.2f}" for v in rng.normal(50, 10, 500)],
        "log-normal": lambda scale: [f"{scale * v:.4f}" for v in rng.lognormal(2, 2, 500)],
        "counts": lambda scale: [str(int(scale * v)) for v in [0, *rng.poisson(4, 499)]],
        "an atom": lambda scale: ["0" if v < 45 else f"{scale * v:.1f}" for v in rng.normal(50, 10, 500)],
        "dates": lambda scale: [str(np.datetime64("2020-01-01") + scale * int(v)) for v in rng.integers(1, 300, 500)],
    }
    for name, make in makes.items():
        own = column(make(1))
        assert own.far(own.numbers(pd.Series(make(1), dtype=object))) < 0.15, name
        assert own.far(own.numbers(pd.Series(make(100), dtype=object))) > 0.5, name
        assert own.far(own.numbers(pd.Series(make(100)[:9], dtype=object))) == 0.0, name  # nine cells say little
    found = schema(makes["dates"](1))
    said = found.far({"c": found["c"].numbers(pd.Series(makes["dates"](100), dtype=object))})
    assert list(said) == ["c"] and "2020-10" in said["c"] and "20" in said["c"].split(" or beyond")[0]


# Reading.

BODY = 'a,b,"c, d"\n1,x,"p\nq"\n2,"the ""y""",r\n,NA,""\n'
CELLS = [["1", "x", "p\nq"], ["2", 'the "y"', "r"], ["", "NA", ""]]


@pytest.mark.parametrize(
    "name, content",
    {
        "t.csv": BODY.encode(),
        "t.CSV": BODY.encode(),
        "t.csv.gz": gzip.compress(BODY.encode(), mtime=0),
        "T.CSV.GZ": gzip.compress(BODY.encode(), mtime=0),
        "bom.csv": b"\xef\xbb\xbf" + BODY.encode(),
        "crlf.csv": BODY.replace("\n", "\r\n").replace("p\r\nq", "p\nq").encode(),
        "empty lines.csv": BODY.encode() + b"\n\n",
        "unended.csv": BODY.encode()[:-1],
        "semicolons.csv": b'a;b;"c, d"\n1;x;"p\nq"\n2;"the ""y""";r\n;NA;""\n',
        "t.tsv": b'a\tb\t"c, d"\n1\tx\t"p\nq"\n2\t"the ""y"""\tr\n\tNA\t""\n',
        "t.tsv.gz": gzip.compress(b'a\tb\tc, d\n1\tx\t"p\nq"\n2\t"the ""y"""\tr\n\tNA\t\n', mtime=0),
    }.items(),
)
def test_files_of_text_are_read_to_the_byte(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    found = read(path)
    assert list(found) == ["a", "b", "c, d"] and found.to_numpy().tolist() == CELLS
    assert found.index.tolist() == [0, 1, 2] and read(str(path)).equals(found)


def test_a_separator_in_a_quoted_name_does_not_count(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbf"a;b;c","d"\n1,2\n')
    assert list(read(path)) == ["a;b;c", "d"]


def typed_frame():
    return pd.DataFrame(
        {
            "int": [1, 2, 3, 4, 5],
            "float": [1.5, 2.0, np.nan, 3.0, 4.0],
            "whole with gaps": [1.0, 2.0, np.nan, 3.0, 4.0],
            "float32": np.array([0.1, 0.25, np.nan, 1, 2], np.float32),
            "bool": [True, False, True, True, False],
            "category": pd.Categorical(["a", "b", None, "a", "b"]),
            "numbers as categories": pd.Categorical([3, 1, 3, 1, 3]),
            "string": pd.array(["x", None, "", "NA", "y z"], dtype="string"),
            "object": ["x", None, 3, 2.5, True],
            "days": pd.to_datetime(["2020-01-31", "2020-02-01", None, "1999-12-31", "2001-01-01"]),
            "times": pd.to_datetime(["2020-01-31 10:00:01", "2020-02-01 00:00:00", None, None, "2001-01-01 00:00:00"]),
            "Int64": pd.array([1, None, 3, 4, 5], dtype="Int64"),
            "boolean": pd.array([True, None, False, True, True], dtype="boolean"),
            "Float64": pd.array([1.5, None, 3.0, 4.0, 5.0], dtype="Float64"),
        },
        index=[7, 7, 3, 1, 9],
    )


@pytest.mark.parametrize("first", [True, False])
def test_two_days_are_the_same_words_in_a_frame_and_in_a_file_of_types(first):
    """A frame writes its midnights as days, Arrow and Parquet with the hour."""
    frame = pd.DataFrame({"d": pd.to_datetime(["2020-01-01", "2021-01-01", "2020-01-01"])})
    tables = [read(frame), as_text(pa.Table.from_pandas(frame))][:: 1 if first else -1]
    own = Schema.of(tables[0])["d"]
    np.testing.assert_array_equal(own.numbers(tables[1]["d"]), [0, 1, 0])
    with pytest.raises(InvalidInput, match="one of"):
        own.numbers(pd.Series(["2022-01-01 00:00:00"]))


TYPED = {
    "int": ["1", "2", "3", "4", "5"],
    "float": ["1.5", "2.0", None, "3.0", "4.0"],
    "whole with gaps": ["1", "2", None, "3", "4"],
    "float32": ["0.1", "0.25", None, "1.0", "2.0"],
    "bool": ["True", "False", "True", "True", "False"],
    "category": ["a", "b", None, "a", "b"],
    "numbers as categories": ["3", "1", "3", "1", "3"],
    "string": ["x", None, "", "NA", "y z"],
    "object": ["x", None, "3", "2.5", "True"],
    "days": ["2020-01-31", "2020-02-01", None, "1999-12-31", "2001-01-01"],
    "times": ["2020-01-31 10:00:01", "2020-02-01 00:00:00", None, None, "2001-01-01 00:00:00"],
    "Int64": ["1", None, "3", "4", "5"],
    "boolean": ["True", None, "False", "True", "True"],
    "Float64": ["1.5", None, "3.0", "4.0", "5.0"],
}


class Stranger:
    """A frame of another library, which speaks Arrow's protocol alone, as polars does."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def test_a_frame_of_every_type_is_text_and_keeps_its_index():
    found = read(typed_frame())
    assert {name: found[name].tolist() for name in found} == TYPED and found.index.tolist() == [7, 7, 3, 1, 9]


def test_parquet_and_arrow_have_types_that_say_all(tmp_path):
    """Whole numbers with gaps are whole, floats are none, and a time at midnight is a time; a day is a day."""
    frame = (
        typed_frame()
        .drop(columns="object")
        .assign(day=[datetime.date(2020, 1, 31), None, *[datetime.date(1999, 1, 1)] * 3])
    )
    expected = {**TYPED, "day": ["2020-01-31", None, *["1999-01-01"] * 3]}
    expected["whole with gaps"] = ["1.0", "2.0", None, "3.0", "4.0"]
    expected["days"] = [cell and f"{cell} 00:00:00" for cell in TYPED["days"]]
    del expected["object"]
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (tmp_path / "t.parquet", Stranger(pa.Table.from_pandas(frame, preserve_index=False))):
        found = read(source)
        assert {name: found[name].tolist() for name in found} == expected and found.index.tolist() == [0, 1, 2, 3, 4]


def test_blocks_of_any_size_have_the_same_rows(tmp_path):
    """Also of a Parquet file whose pieces are smaller, and where one block has gaps and another has none."""
    frame = typed_frame().reset_index(drop=True)
    parquet.write_table(pa.Table.from_pandas(frame.drop(columns="object")), tmp_path / "t.parquet", row_group_size=2)
    (tmp_path / "t.csv").write_text(BODY)
    for source in (frame, tmp_path / "t.parquet", tmp_path / "t.csv"):
        whole = read(source)
        for rows in (1, 2, 3, 4, 5, 100):
            for skip in range(len(whole)):
                pieces = list(blocks(source, rows, skip))
                assert pd.concat(pieces).equals(whole.iloc[skip:])
            sizes = [len(piece) for piece in blocks(source, rows)]
            assert set(sizes[:-1]) <= {rows} and sum(sizes) == len(whole)


def test_words_that_are_the_same_number_are_the_same_word():
    """A frame with gaps has 1, one without has 1.0."""
    own = column(["1", "2", "3"] * 9)
    assert own.numbers(pd.Series(["1.0", "3", None], dtype=object)).tolist()[:2] == [0, 2]
    with pytest.raises(InvalidInput, match=r"one of 1, 2, 3 in column c. Received '4.0' in row 0. Correct the cells"):
        own.numbers(pd.Series(["4.0"], dtype=object))
    codes = column(["01", "1", "001"] * 9)
    with pytest.raises(InvalidInput, match="'1.0'"):
        codes.numbers(pd.Series(["1.0"], dtype=object))


def test_real_tables_come_back():
    """Of a column with as many words as there are, none is lost (sizes of the loops above are small)."""
    rng = np.random.default_rng(0)
    words = [f"word {i}" for i in range(400)]
    cells = rng.permutation(np.repeat(words, 5)).tolist()
    own = column(cells)
    assert set(own.values) == set(words) and own.words(own.numbers(pd.Series(cells, dtype=object))).tolist() == cells
