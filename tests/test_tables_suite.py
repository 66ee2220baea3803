"""The benchmark of tables: what is known of the truth, what is hidden, counted and compared; the figures take hours."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.tables import __main__ as command
from benchmarks.tables import anomalies, common, density, imputation, report, sets


def test_the_truth_is_a_density_and_rows_follow_it():
    """The integral is exact to rounding; a share of 20,000 rows has an error of at most 0.0036: four of these."""
    u = np.linspace(-6.0, 7.0, 4001)
    amounts = [pd.DataFrame({"amount": np.exp(u), "kind": kind}) for kind in density.KINDS]
    whole = sum(np.trapezoid(np.exp(density.log_truth(frame) + u), u) for frame in amounts)
    assert whole == pytest.approx(1.0, abs=1e-6)
    frame = density.drawn(20_000, seed=0)
    shares = [np.trapezoid(np.exp(density.log_truth(one) + u), u) for one in amounts]
    found = [(frame["kind"] == kind).mean() for kind in density.KINDS]
    np.testing.assert_allclose(found, shares, atol=4 * 0.0036)
    assert stats.kstest(np.log(frame["amount"]), "norm", (density.MEAN, density.SPREAD)).pvalue > 0.001


def test_splits_part_the_rows_and_keep_the_order_of_labels():
    cut = sets.anomalies(sets.FOLDER, "smoke", 3)
    assert (len(cut.train), len(cut.test)) == (72, 48) and set(cut.labels) == {0, 1}
    other = sets.anomalies(sets.FOLDER, "smoke", 4)
    assert not np.array_equal(cut.test, other.test)
    assert cut.test[cut.labels == 1][:, 2].max() < 2 < cut.test[cut.labels == 0][:, 2].min()  # length of petals


def test_differences_are_paired_by_set_and_by_split():
    areas = {("a", 0): (0.9, 0.8), ("a", 1): (0.7, 0.8), ("b", 0): (0.6, 0.5), ("b", 1): (0.8, 0.3)}
    rows = [{"set": s, "split": i, "areas": {"tfvae": a}} for (s, i), (a, _) in areas.items()]
    rows += [{"set": s, "split": i, "areas": {"mcd": b}} for (s, i), (_, b) in areas.items()]
    found = anomalies.summary(rows)
    assert found["mean"] == pytest.approx({"tfvae": 0.75, "mcd": 0.6})
    assert found["ours_less_mcd"]["sets"] == pytest.approx({"mean": 0.15, "standard_error": 0.15})
    error = np.std([0.1, -0.1, 0.1, 0.5], ddof=1) / 2
    assert found["ours_less_mcd"]["pairs"] == pytest.approx({"mean": 0.15, "standard_error": error})


def test_filled_cells_are_judged_where_they_were_hidden_and_known():
    truth = pd.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "w": ["a", "b", None, "a"]})
    rows = pd.DataFrame({"n": [np.nan, 2.0, np.nan, 4.0], "w": [None, None, None, "a"]})
    filled = pd.DataFrame({"n": [3.0, 9.0, 3.0, 4.0], "w": ["a", "a", "a", "b"]})
    found = imputation.judged(truth, rows, filled, pd.Series({"n": 2.0}))
    assert found["accuracy"] == 0.5 and found["rmse"] == pytest.approx(np.sqrt(0.5))  # errors 1 and 0 spreads


def test_other_ways_fill_words_with_words_and_numbers_in_their_units():
    rng = np.random.default_rng(0)
    n = rng.normal(50.0, 10.0, 300)
    train = pd.DataFrame({"n": n, "twice": 2 * n, "w": np.where(n > 50, "large", "small")})
    rows = pd.DataFrame({"n": [60.0, np.nan], "twice": [np.nan, 80.0], "w": [None, "small"]})
    found = imputation.iterative(train, rows)
    assert found["twice"].iloc[0] == pytest.approx(120.0, abs=3.0) and found["n"].iloc[1] == pytest.approx(40.0, abs=3)
    assert list(found["w"]) == ["large", "small"]
    plain = imputation.constant(train, rows)
    assert plain["n"].iloc[1] == train["n"].median() and plain["w"].iloc[0] == train["w"].mode()[0]


def test_hidden_cells_are_three_in_ten_and_nothing_else_changes():
    frame = pd.DataFrame({"n": np.arange(2000.0), "w": ["word"] * 2000})
    found = imputation.hidden(frame, seed=0)
    assert found.isna().to_numpy().mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 4000))
    known = found.notna()
    assert (found.where(known) == frame.where(known))[known].sum().sum() == known.sum().sum()


@pytest.mark.parametrize(
    ("found", "says"),
    [({"identical": True}, "the same file"), ({"identical": False}, "ANOTHER FILE"), ({}, "not tried")],
)
def test_a_table_of_many_rows_says_whether_a_process_was_killed_and_resumed(found, says):
    """A tiny run kills none."""
    row = {"rows": 2000, "shards": {"megabytes": 1.0}, "train": {"megabytes": 2.0}} | found
    row |= {"speed": {"ratio": 1.0, "least": 1.0, "largest": 1.0}, "score": {"rows_a_second": 3, "megabytes": 4.0}}
    assert report.large({"rows": [row]}).splitlines()[-1].endswith(f"| {says} |")


@pytest.mark.slow
def test_the_suite_runs(monkeypatch):
    made = []
    kept = lambda self, **more: made.append({**self.head, **more, "rows": self.rows})  # noqa: E731
    monkeypatch.setattr(common.results.Results, "write", kept)
    assert command.main(["all", "--smoke", "--data", "/nowhere"]) == 0
    last = {found["name"]: found for found in json.loads(json.dumps(made))}
    assert last.keys() == report.TABLES.keys()
    assert all(found["command"] == "python -m benchmarks.tables all --smoke --data FOLDER" for found in last.values())
    for name, table in report.TABLES.items():
        assert table(last[name]).startswith("| ")
