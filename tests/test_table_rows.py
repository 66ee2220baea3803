"""Whole rows of synthetic tables: copies, beside distances by hand; what trees learn, beside scikit-learn; pictures."""

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from table_cases import NUMBERS, frame, quality

from tfvae import plotting
from tfvae.evaluation import table_rows
from tfvae.evaluation.table_cells import cells
from tfvae.evaluation.table_rows import closest, f1, r2

# The closest record.


def test_the_distance_to_the_closest_row_by_hand():
    """F of 0, 10, 10, 30 is 1/8, 4/8, 7/8, and a line between; the fifth number is not there."""
    train = pd.DataFrame({"x": [0.0, 10.0, 10.0, 30.0, np.nan], "w": ["a", "a", "b", None, "c"]})
    rows = pd.DataFrame({"x": [10.0, 15.0, 30.0, 99.0, np.nan, np.nan], "w": ["a", "b", "b", None, "b", "c"]})
    rows, train = cells({"rows": rows, "train": train}, ["x"])
    np.testing.assert_allclose(closest(rows, train), [0, (3 / 8) / 4 / 2, (3 / 8) / 2, 0, 1 / 2, 0])


def test_blocks_give_what_one_comparison_gives(monkeypatch):
    rows, train = cells({"rows": frame(50), "train": frame(70, seed=1)}, NUMBERS)
    whole = closest(rows, train)
    monkeypatch.setattr(table_rows, "BLOCK", 7)
    monkeypatch.setattr(table_rows, "CHUNK", 16)
    np.testing.assert_array_equal(closest(rows, train), whole)
    assert 0 < whole.min() < whole.max() < 1


def test_the_unit_of_a_number_does_not_matter_to_distances():
    rows, train = frame(50), frame(70, seed=1)
    found = [closest(*cells({"r": r, "t": t}, NUMBERS)) for r, t in ((rows, train), (dearer(rows), dearer(train)))]
    np.testing.assert_allclose(*found, atol=1e-6)


def dearer(table):
    return table.assign(income=1000 * table["income"] + 7)


def test_copies_have_ratio_zero_near_copies_too_and_new_rows_one():
    real, train, new = (frame(400, seed) for seed in range(3))
    copies = train.sample(300, random_state=1)
    near = copies.assign(income=copies["income"] * (1 + 1e-9))
    found = [quality(real, rows, train).closest for rows in (copies, near, new)]
    assert found[0].ratio == (0, 0) and found[0].copies == 1 and found[0].held_out_copies == 0
    assert found[1].ratio.value < 1e-3 and found[1].copies == 0
    ratio, error = found[2].ratio
    assert 0.01 < error < 0.2 and abs(ratio - 1) < 4 * error and found[2].copies == 0
    assert "repeats" in quality(real, copies, train).warnings[0] and not quality(real, new, train).warnings


def test_equal_rows_are_found_whatever_stands_for_nothing():
    """And -0.0 is 0.0, and NaN has a sign; that more rows than training rows are copies does not matter."""
    train = pd.DataFrame({"x": [0.0, np.nan, 2.0], "w": ["a", None, "b"]})
    rows = pd.DataFrame({"x": [-0.0, -np.nan, 2.0, 2.0], "w": ["a", np.nan, "b", "a"]})
    found = quality(pd.DataFrame({"x": [5.0, 6.0], "w": ["a", "b"]}), rows, train, numeric=["x"]).closest
    assert found.copies == 0.75 and found.held_out_copies == 0


def test_held_out_rows_that_are_training_rows_are_told():
    real = frame()
    found = quality(real, frame(seed=1), real)
    assert np.isnan(found.closest_record_ratio) and "at least half of the held-out" in found.warnings[0].lower()
    assert "unknown" in str(found)


def test_at_most_so_many_rows_are_compared(monkeypatch):
    seen = []
    monkeypatch.setattr(table_rows, "closest", lambda rows, train: seen.append(len(rows)) or np.ones(len(rows)))
    quality(frame(30), frame(40), frame(50), max_rows=35)
    assert seen == [35, 30]


# Usefulness.


def test_measures_are_scikit_learns():
    rng = np.random.default_rng(0)
    y, guess = rng.integers(1, 5, [2, 60])
    assert f1(y, guess, np.arange(1, 5)) == pytest.approx(sklearn.metrics.f1_score(y, guess, average="macro"))
    assert f1(y, guess, np.array([2])) == pytest.approx(sklearn.metrics.f1_score(y == 2, guess == 2))
    assert f1(y, np.full(60, 9), np.array([2])) == 0
    x, guess = rng.normal(size=[2, 60])
    assert r2(x, guess) == pytest.approx(sklearn.metrics.r2_score(x, guess))


@pytest.mark.parametrize(("target", "measure"), [("income", "R2"), ("yes", "F1 of True"), ("kind", "macro F1")])
def test_training_rows_teach_what_training_rows_teach_and_mixed_up_ones_less(target, measure):
    real, train = frame(300), frame(300, seed=1)
    same = quality(real, train, train, target=target).usefulness
    assert same.target == target and same.measure == measure and same.synthetic.value == same.real.value > 0.25
    assert 0.01 < same.real.standard_error < 0.15
    mixed = train.assign(**{target: train[target].sample(frac=1, random_state=1).to_numpy()})
    lost = quality(real, mixed, train, target=target).usefulness
    assert lost.real == same.real and lost.synthetic.value < same.real.value - 2 * same.real.standard_error
    assert quality(real, mixed, target=target).usefulness == lost._replace(real=None)


def test_what_trees_cannot_take_is_no_obstacle():
    """Hundreds of categories, a column without a value, one kind alone, a kind of no real row."""
    real, train = frame(400), frame(500, seed=1)
    many = [table.assign(place=[f"place {n % 350}" for n in range(len(table))]) for table in (real, train)]
    assert quality(*many, many[1], target="income").usefulness.real.value > 0.4
    nothing = quality(real, train.assign(age=np.nan), train, target="income").usefulness
    assert 0.2 < nothing.synthetic.value < nothing.real.value
    assert quality(real, train.assign(yes=False), target="yes").usefulness.synthetic.value == 0
    assert quality(real, train.assign(kind="e"), target="kind").usefulness.synthetic.value == 0


@pytest.mark.parametrize("target", ["age", "kind"])
def test_rows_whose_target_is_missing_are_left_out(target):
    tables = [frame(150, seed) for seed in range(3)]
    found, without = (
        quality(*some, target=target).usefulness
        for some in (tables, [table.dropna(subset=[target]) for table in tables])
    )
    assert found == without


# Pictures.


def test_panels_show_the_shares_of_both_tables():
    real, synthetic = frame(400), frame(300, seed=1)
    figure = plotting.columns(real, synthetic, NUMBERS)
    panels = {axes.get_title().split(":")[0]: axes for axes in figure.axes if axes.get_visible()}
    assert list(panels) == list(real)
    steps = [patch.get_data().values for patch in panels["age"].patches]
    np.testing.assert_allclose([one.sum() for one in steps], 1)
    assert f"missing {real['age'].isna().mean():.1%}" in panels["age"].get_title()
    found = quality(real, synthetic).columns
    assert panels["income"].get_title() == f"income: {found['income'].score:.3f}"
    widths = [[bar.get_width() for bar in part] for part in panels["yes"].containers]
    shares = [[1 - table["yes"].mean(), table["yes"].mean()] for table in (real, synthetic)]
    np.testing.assert_allclose(widths, shares)
    assert [label.get_text() for label in panels["yes"].get_yticklabels()] == ["False", "True"]
    edges = panels["rooms"].patches[0].get_data().edges
    np.testing.assert_array_equal(edges, np.arange(len(edges)) - 0.5)


def test_the_outermost_bins_hold_the_tails_and_few_bars_the_many_words():
    x = np.append(np.linspace(0, 1, 999), 1e9)
    words = [f"word {n % 30 if n % 2 else 0}" for n in range(1000)]
    real = pd.DataFrame({"x": x, "w": words})
    number, words = plotting.columns(real, real.assign(x=1e9), ["x"]).axes
    assert number.patches[0].get_data().edges[-1] < 1.01 and number.patches[1].get_data().values[-1] == 1
    assert len(words.containers[0]) == 11 and words.get_yticklabels()[-1].get_text() == "6 others"
    assert sum(bar.get_width() for bar in words.containers[0]) == pytest.approx(1)


@pytest.mark.parametrize("step", [1, 0.1, 25])
def test_each_bin_holds_as_many_of_the_values_there_are(step):
    """Else a flat distribution of 73 values in 30 bins would look like a comb."""
    table = pd.DataFrame({"x": np.repeat(np.arange(73), 7) * step})
    steps = plotting.columns(table, table, ["x"]).axes[0].patches[0].get_data().values
    assert len(steps) == 25 and steps[:24] == pytest.approx(np.full(24, 3 / 73))


def test_of_many_columns_the_worst_are_drawn():
    real = frame(200)
    synthetic = frame(200, seed=1).assign(rooms=99, yes=True)
    figure = plotting.columns(real, synthetic, NUMBERS, max_columns=2)
    assert [axes.get_title().split(":")[0] for axes in figure.axes] == ["rooms", "yes"]


def test_an_empty_or_constant_column_has_a_panel():
    table = pd.DataFrame({"x": [np.nan] * 4, "y": [2.5] * 4, "w": pd.Series([None] * 4, dtype=object)})
    figure = plotting.columns(table, table, ["x", "y"])
    assert len(figure.axes) == 3
    figure.draw_without_rendering()


def test_the_map_has_the_score_of_each_pair():
    real = frame(200)
    found = quality(real, frame(200, seed=1).assign(age=np.nan))
    axes, bar = plotting.pairs(found).axes
    drawn, names = np.asarray(axes.images[0].get_array().filled(np.nan)), list(real)
    np.testing.assert_array_equal(drawn, drawn.T)
    np.testing.assert_allclose(np.diag(drawn), [found.columns[name].score for name in names])
    assert drawn[1, 2] == found.pairs["income", "kind"].score and np.isnan(drawn[0, 1])
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert sum(text.get_text() != "" for text in axes.texts) == np.isfinite(drawn).sum()
    many = pd.DataFrame(np.random.default_rng(0).normal(size=[20, 17]))
    assert not plotting.pairs(quality(many, many, numeric=list(many))).axes[0].texts
