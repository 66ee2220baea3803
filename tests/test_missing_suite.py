"""The benchmark of missing cells: what it hides, in which units, what it counts; the figures take hours, not tests."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from benchmarks.missing import __main__ as command
from benchmarks.missing import calibration, results, tables


@pytest.fixture
def table(monkeypatch):
    values = np.random.default_rng(0).normal(5.0, [1.0, 3.0, 0.2, 7.0], size=[100, 4])
    monkeypatch.setattr(tables, "raw", lambda name, folder: values)
    return tables.at_random("made", None, seed=1)


def test_units_are_those_of_the_observed_cells_and_go_over_into_those_of_all(table):
    np.testing.assert_allclose(np.nanmean(table.x, axis=0), 0.0, atol=1e-6)  # float32
    np.testing.assert_allclose(np.nanstd(table.x, axis=0), 1.0, atol=1e-6)
    np.testing.assert_allclose((table.truth * table.to_full).std(axis=0), 1.0, rtol=1e-12)
    wrong = tables.errors(table, table.truth + 2.0)
    assert wrong["mse"] == pytest.approx(4.0)
    hidden = ~table.mask
    assert wrong["mse_full"] == pytest.approx(4 * (hidden * table.to_full**2).sum() / hidden.sum())


def test_nothing_that_fills_looks_at_a_hidden_cell(table):
    other = dataclasses.replace(table, truth=np.where(table.mask, table.truth, 99.0))
    for fill in (tables.column_mean, tables.mirrored, tables.iterative):
        np.testing.assert_array_equal(fill(table), fill(other))
    held, chosen = table.held_out(0.1, seed=0)
    assert not (chosen & ~table.mask).any() and not (held.mask & chosen).any()
    assert chosen.sum() == pytest.approx(0.1 * table.mask.sum(), rel=0.5)


@pytest.mark.parametrize("scale, rms", [(1.0, 1.0), (2.0, 0.5)])
def test_calibration_of_normal_cells_is_what_their_intervals_hold(scale, rms):
    """Cells of a row share an error, so that the error by row is larger than the binomial one."""
    rng = np.random.default_rng(0)
    truth = (rng.normal(size=[3000, 1]) + rng.normal(size=[3000, 6])) / np.sqrt(2)
    seen = tables.Table("made", truth, rng.random(truth.shape) < 0.5, np.ones(6))

    def interval(level, seed):
        end = tf.fill(truth.shape, tf.constant(scale * stats.norm.ppf((1 + level) / 2)))
        return -end, end

    found = types.SimpleNamespace(mean=tf.zeros(truth.shape), stddev=tf.fill(truth.shape, scale), interval=interval)
    said = calibration.summary(calibration.counts(seen, found))
    for level in calibration.LEVELS:
        share = said["within"][f"{level:g}"]
        right = 2 * stats.norm.cdf(scale * stats.norm.ppf((1 + level) / 2)) - 1
        assert abs(share["share"] - right) < 4 * share["error_by_row"]
        assert scale > 1 or share["error_by_row"] > 1.1 * share["error_binomial"]
    assert abs(said["rms"] - rms) < 4 * said["rms_error_by_row"]


def test_a_row_that_is_done_is_not_made_again(tmp_path):
    options, made = results.Options(tmp_path, out=tmp_path), []

    def make():
        made.append(1)
        return {"mse": 0.25}

    for expected in (1, 1):
        row = results.Results("job", "protocol", options).row({"table": "a", "mask": 0}, make)
        assert row["mse"] == 0.25 and len(made) == expected
    results.Results("job", "protocol", dataclasses.replace(options, again=True)).row({"table": "a", "mask": 0}, make)
    assert len(made) == 2


def test_a_result_does_not_name_a_folder_of_this_machine(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("benchmarks.missing.at_random.run", seen.append)
    assert command.main(["random", "--data", "/somewhere/else", "--out", str(tmp_path)]) == 0
    assert seen[0].command == "python -m benchmarks.missing random --data FOLDER --out FOLDER"
