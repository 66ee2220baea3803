"""Quality of synthetic tables: scores beside closed forms and SciPy, missing cells, the record, refusals."""

import datetime
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from table_cases import NUMBERS, WORDS, frame, quality

import tfvae
from tfvae import plotting
from tfvae.evaluation import TableQuality
from tfvae.evaluation.table_cells import cells


def of_two(one, other, numeric=()):
    """The scores of a table of one column, or of two."""
    found = quality(pd.DataFrame(one), pd.DataFrame(other), numeric=numeric)
    return [entry.score for entry in [*found.columns.values(), *found.pairs.values()]]


# Columns and pairs.


def test_a_table_beside_itself_scores_one_everywhere():
    real = frame()
    found = quality(real, real.sample(frac=1, random_state=1)[real.columns[::-1]])
    scores = [one.score for one in [*found.columns.values(), *found.pairs.values()]]
    assert scores == pytest.approx([1] * 15, abs=1e-12)
    assert list(found.columns) == list(real) and len(found.pairs) == 10
    assert found.column_score == 1 and found.usefulness is found.closest is None
    assert all(one.missing[0] == one.missing[1] for one in found.columns.values())
    assert 0.1 < found.columns["age"].missing[0] < 0.3 and found.columns["income"].missing == (0, 0)


@pytest.mark.parametrize("shift", [0.0, 0.25, -0.375, 2.0])
def test_a_shifted_uniform_has_the_distance_of_its_shift(shift):
    x = np.arange(1024) / 1024  # sums are exact
    assert of_two({"x": x}, {"x": x + shift}, ["x"]) == [1 - min(abs(shift), 1)]


def test_shares_of_words_give_their_total_variation():
    real, synthetic = np.repeat(WORDS, [40, 30, 20, 10]), np.repeat(["a", "b", "e"], [10, 70, 20])
    assert of_two({"x": real}, {"x": synthetic}) == pytest.approx([1 - (0.3 + 0.4 + 0.2 + 0.1 + 0.2) / 2])


def test_distances_are_scipys_on_samples_with_ties():
    rng = np.random.default_rng(1)
    x, y = rng.poisson(3, [200, 2]).astype(float), rng.poisson(3.5, [120, 2]).astype(float)
    y[:, 1] += y[:, 0]
    one, other, pair = of_two(dict(zip("ab", x.T, strict=True)), dict(zip("ab", y.T, strict=True)), ["a", "b"])
    expected = [1 - scipy.stats.ks_2samp(x[:, i], y[:, i]).statistic for i in range(2)]
    assert [one, other] == pytest.approx(expected)
    assert pair == pytest.approx(1 - abs(np.corrcoef(x.T)[0, 1] - np.corrcoef(y.T)[0, 1]) / 2)


def test_the_scale_of_a_number_does_not_matter_to_a_correlation():
    x = np.random.default_rng(0).normal(size=[50, 2])
    y = x[:, ::-1] + 0.5 * x
    wanted = of_two({"a": x[:, 0], "b": x[:, 1]}, {"a": y[:, 0], "b": y[:, 1]}, ["a", "b"])
    for scale in (1e-170, 1e170):
        found = of_two({"a": x[:, 0] * scale, "b": x[:, 1]}, {"a": y[:, 0] * scale, "b": y[:, 1]}, ["a", "b"])
        assert found == pytest.approx(wanted)


def test_pairs_that_hang_on_each_other_beside_pairs_that_do_not():
    """Of K equal cells on the diagonal a table of K^2 equal ones has the total variation 1 - 1/K; its columns agree."""
    one, other = (np.ravel(axis) for axis in np.meshgrid(np.arange(20), np.arange(20)))
    for numeric, score in (((), 1 / 20), (["a"], 1 / 10), (["a", "b"], 1 / 2)):
        assert of_two(
            {"a": one, "b": one // 2 if numeric == ["a"] else one},
            {"a": one, "b": other // 2 if numeric == ["a"] else other},
            numeric,
        ) == pytest.approx([1, 1, score])
    against = of_two({"a": one, "b": one}, {"a": one, "b": -one}, ["a", "b"])
    assert against[-1] == pytest.approx(0)


def test_bins_are_those_of_the_real_rows_and_hold_a_point_mass_together():
    zeros = pd.DataFrame({"gain": [0.0] * 95 + [5.0, 6.0, 7.0, 8.0, 9.0]})
    real, other = cells({"real": zeros, "synthetic": zeros + 1}, ["gain"])
    assert len(set(real.codes["gain"][:95])) == 1 and real.codes["gain"][0] != real.codes["gain"][-1]
    assert set(other.codes["gain"]) == {real.codes["gain"][-1]}


def test_a_column_that_never_varies_is_correlated_with_nothing():
    x = np.arange(10.0)
    assert of_two({"a": x, "b": x}, {"a": x, "b": x * 0 + 0.1}, ["a", "b"])[-1] == 0.5
    assert of_two({"a": x, "b": x * 0}, {"a": x, "b": x * 0}, ["a", "b"])[-1] == 1


@pytest.mark.parametrize(("real", "synthetic"), [(4000, 4000), (6000, 1500), (1500, 6000)])
def test_noise_is_the_distance_of_samples_of_these_sizes(real, synthetic):
    """Beside the limits of Kolmogorov's law and of fair coins.

    A mean over 60 tables of 10 splits: the distance of a split has a standard deviation of 0.3 and 0.75 of its mean,
    so that 6 standard errors are 7% and 19%. Half as many rows as these bring Kolmogorov's limit within 2%.
    """
    rate = np.sqrt(1 / real + 1 / synthetic)
    expected = np.array([np.sqrt(np.pi / 2) * np.log(2), np.sqrt(2 / np.pi) / 2]) * rate
    rng, found = np.random.default_rng(3), []
    for seed in range(60):
        tables = [{"x": rng.normal(size=n), "coin": rng.choice(["a", "b"], n)} for n in (real, synthetic)]
        scores = quality(*map(pd.DataFrame, tables), numeric=["x"], seed=seed)
        found.append([scores.columns[name].noise for name in ("x", "coin")])
    assert list(np.mean(found, axis=0) / expected) == [pytest.approx(1, abs=0.07), pytest.approx(1, abs=0.19)]


def test_perfect_rows_score_what_the_noise_says():
    """Rows of the same law: mean column score and pair score lie within 0.025 of 1 - noise, 5 of their spreads."""
    found = quality(frame(2000, seed=1), frame(1000, seed=2))
    assert abs(1 - found.column_noise - found.column_score) < 0.025 > abs(1 - found.pair_noise - found.pair_score)
    assert 0.01 < found.column_noise < found.pair_noise < 0.06


# Missing cells.


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_word_is_a_category_whatever_stands_for_it(nothing):
    real = {"x": ["a"] * 6 + [None] * 4}
    assert of_two(real, {"x": pd.Series(["a"] * 6 + [nothing] * 4, dtype=object)}) == [1]
    assert of_two(real, {"x": pd.Series(["a"] * 8 + [nothing] * 2, dtype="category")}) == pytest.approx([0.8])
    found = quality(pd.DataFrame(real), pd.DataFrame({"x": ["a"] * 10}), numeric=[])
    assert found.columns["x"].missing == (0.4, 0.0) and found.columns["x"].score == pytest.approx(0.6)


@pytest.mark.parametrize("dtype", ["float64", "Float64", object])
def test_a_missing_number_is_left_out_and_its_share_stands_beside(dtype):
    x = np.arange(100.0)
    gaps = pd.Series(np.where(np.arange(100) % 4 == 0, np.nan, x)).astype(dtype)
    found = quality(pd.DataFrame({"x": x, "y": x}), pd.DataFrame({"x": gaps, "y": x}), numeric=["x", "y"])
    assert found.columns["x"].missing == (0, 0.25) and found.columns["x"].score > 0.98
    assert found.pairs["x", "y"].score == pytest.approx(1)


def test_a_number_without_a_value_scores_nothing_unless_both_have_none():
    x, none = np.arange(10.0), np.full(10, np.nan)
    assert of_two({"x": x}, {"x": none}, ["x"]) == [0] == of_two({"x": none}, {"x": x}, ["x"])
    assert of_two({"x": none}, {"x": none}, ["x"]) == [1]
    unknown = quality(pd.DataFrame({"x": x, "y": none}), pd.DataFrame({"x": x, "y": none}), numeric=["x", "y"])
    assert np.isnan(unknown.pairs["x", "y"].score) and np.isnan(unknown.pair_score) and unknown.column_score == 1
    assert "unknown" in str(unknown)


def test_a_missing_number_has_a_bin_of_its_own_beside_a_category():
    """Missing exactly where the word is b: against missing in half of each word, half of the table moves."""
    word, x = np.repeat(["a", "b"], 100), np.zeros(200)
    hangs, does_not = np.where(word == "b", np.nan, x), np.where(np.arange(200) % 2 == 0, np.nan, x)
    found = of_two({"w": word, "x": hangs}, {"w": word, "x": does_not}, ["x"])
    assert found == pytest.approx([1, 1, 0.5])


# The record.


def test_datetimes_are_numbers_of_days():
    days = np.array([0, 1, 1.5, np.nan, 20000])
    dates = pd.DataFrame({"at": pd.to_datetime(days * 86400, unit="s")})
    (found,) = cells({"real": dates}, ["at"])
    np.testing.assert_array_equal(found.numbers["at"], days)
    shifted = quality(dates, dates + pd.Timedelta(days=50_000), numeric=["at"])
    assert quality(dates, dates, numeric=["at"]).columns["at"].score == 1 and shifted.columns["at"].score == 0
    axes = plotting.columns(dates, dates, numeric=["at"]).axes[0]
    axes.figure.draw_without_rendering()
    assert "2000" in [label.get_text() for label in axes.get_xticklabels()]


def test_it_prints_the_worst_columns_first():
    real, train = frame(), frame(seed=1)
    synthetic = frame(seed=2).assign(rooms=lambda t: t["rooms"] + 9, age=lambda t: t["age"] + 10)
    found = quality(real, synthetic, train, target="yes")
    lines = str(found).splitlines()
    assert "300 synthetic rows beside 300 real rows" in lines[0] and lines[1].startswith("mean of columns")
    assert [line.split()[0] for line in lines[2:7]] == sorted(found.columns, key=lambda n: found.columns[n].score)
    assert lines[2].split()[:2] == ["rooms", "0.000"] and f"missing {synthetic['age'].isna().mean():.1%}" in lines[3]
    for word in ("mean of pairs", "yes, predicted", "F1 of True", "closest-record ratio", "exact copies"):
        assert word in str(found)
    assert (
        "<table>" in found._repr_html_()
        and "&lt;"
        in quality(
            real.rename(columns={"age": "<"}), synthetic.rename(columns={"age": "<"}), numeric=["<", "income", "rooms"]
        )._repr_html_()
    )


def test_many_columns_are_told_in_short():
    table = pd.DataFrame(np.random.default_rng(0).normal(size=[20, 25]))
    text = str(quality(table, table, numeric=list(table)))
    assert "5 more columns" in text and "290 more pairs" in text


@pytest.mark.parametrize("whole", [True, False])
def test_it_travels_as_json(whole):
    real, train = frame(60), frame(60, seed=1)
    rest = {"train": real, "target": "income"} if whole else {}
    found = quality(real, train.assign(age=np.nan), **rest)
    again = TableQuality.from_dict(json.loads(json.dumps(found.to_dict())))
    assert str(again) == str(found) and again.columns == found.columns
    assert found.to_dict()["pair_score"] == found.pair_score and found.to_dict()["pairs"][0]["columns"] == [
        "age",
        "income",
    ]
    for key in ("columns", "pairs", "closest"):
        with pytest.raises(tfvae.InvalidInput, match="fields of a table"):
            TableQuality.from_dict({**found.to_dict(), key: 3})


def test_a_seed_repeats_all_and_tables_stay_as_they_were():
    tables = [frame(200, seed) for seed in range(3)]
    before = [table.copy(deep=True) for table in tables]
    found = [quality(*tables, target="yes", seed=seed, max_rows=100).to_dict() for seed in (4, 4, 5)]
    assert found[0] == found[1] != found[2] and found[0]["column_score"] == found[2]["column_score"]
    for table, copy in zip(tables, before, strict=True):
        pd.testing.assert_frame_equal(table, copy)
    quality(*tables, seed=None)


# Refusals.

GOOD = frame(20)
REFUSED = {
    "a list": (lambda: quality([1, 2], GOOD), ("real to be a pandas DataFrame", "a list")),
    "an array": (lambda: quality(GOOD, GOOD.to_numpy()), ("synthetic to be a pandas DataFrame", "ndarray")),
    "no rows": (lambda: quality(GOOD, GOOD.head(0)), ("2 rows in synthetic", "0 of 5 columns")),
    "one row": (lambda: quality(GOOD, GOOD, GOOD.head(1)), ("2 rows in train", "1 of 5 columns")),
    "no columns": (lambda: quality(GOOD[[]], GOOD[[]]), ("rows in real", "20 of 0 columns")),
    "no common columns": (
        lambda: quality(GOOD, GOOD.rename(columns=str.upper)),
        ("synthetic with the columns of real", "without age, income, kind, rooms, yes and with AGE", "have none"),
    ),
    "a column lacks": (
        lambda: quality(GOOD, GOOD.drop(columns="kind")),
        ("one without kind", "both have: age, income"),
    ),
    "one more in train": (lambda: quality(GOOD, GOOD, GOOD.assign(id=1)), ("train with the", "one with id besides")),
    "twice the same": (lambda: quality(GOOD[[*GOOD, "age"]], GOOD), ("columns of real", "age more than once")),
    "a name as numeric": (lambda: quality(GOOD, GOOD, numeric="age"), ("list of names", "'age'", "Pass ['age']")),
    "unknown numeric": (lambda: quality(GOOD, GOOD, numeric=["agee"]), ("agee besides", "There are age, income")),
    "words as numbers": (lambda: quality(GOOD, GOOD, numeric=["kind"]), ("numbers in column 'kind' of real", "in row")),
    "one word among numbers": (
        lambda: quality(GOOD, GOOD.astype({"rooms": object}).replace({"rooms": {2: "two"}})),
        ("column 'rooms' of synthetic", "'two' in row", "pandas.to_numeric(synthetic['rooms'])"),
    ),
    "digits as text": (lambda: quality(GOOD, GOOD.astype({"rooms": str})), ("numbers in column 'rooms'", "in row 0")),
    "a date as a number": (
        lambda: quality(GOOD.assign(rooms=datetime.date(2020, 1, 1)), GOOD),
        ("datetime.date(2020, 1, 1)", "row 0", "of dates pandas.to_datetime(real['rooms'])"),
    ),
    "dates in one table alone": (
        lambda: quality(GOOD.assign(rooms=pd.Timestamp("2020-01-01")), GOOD),
        ("datetimes in all tables", "int64 in synthetic", "pandas.to_datetime"),
    ),
    "infinity": (lambda: quality(GOOD, GOOD.assign(age=np.inf)), ("finite numbers in column 'age'", "inf in row 0")),
    "numbers as words": (
        lambda: quality(GOOD, GOOD.assign(kind=1)),
        ("words in column 'kind' of synthetic, as in real", "numbers, 1 for example", "column.astype(str)"),
    ),
    "lists as words": (lambda: quality(GOOD.assign(kind=[[1]] * 20), GOOD), ("words or numbers in column 'kind'",)),
    "unknown target": (lambda: quality(GOOD, GOOD, target="ag"), ("target, one of several columns", "'ag' of age")),
    "target alone": (
        lambda: quality(GOOD[["age"]], GOOD[["age"]], numeric=["age"], target="age"),
        ("one of several columns",),
    ),
    "target of one value": (lambda: quality(GOOD.assign(yes=1), GOOD, target="yes"), ("'yes' of 1 in real",)),
    "constant target": (lambda: quality(GOOD.assign(rooms=1), GOOD, target="rooms"), ("'rooms' of 1 in real",)),
    "target of names": (
        lambda: quality(frame(300).assign(kind=lambda t: [f"w{i}" for i in t.index]), GOOD, target="kind"),
        ("2 to 255 categories", "'kind' of 300"),
    ),
    "unknown throughout": (
        lambda: quality(GOOD, GOOD.assign(income=np.nan), target="income"),
        ("2 rows or more of synthetic whose 'income' is known", "Received 0"),
    ),
    "max_rows": (lambda: quality(GOOD, GOOD, max_rows=0), ("max_rows",)),
    "max_columns": (lambda: plotting.columns(GOOD, GOOD, NUMBERS, max_columns=0), ("max_columns",)),
    "a picture of others": (lambda: plotting.columns(GOOD, GOOD, ["x"]), ("numeric, names of columns",)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_told_in_words(name):
    call, words = REFUSED[name]
    with pytest.raises(tfvae.InvalidInput) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.slow
def test_the_library_imports_without_pandas():
    code = "import sys; sys.modules['pandas'] = None; import tfvae; tfvae.evaluation.synthetic_quality; tfvae.plotting"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
