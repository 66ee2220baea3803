"""Half of the cells of five tables are hidden at random, under five masks: MIWAE, IterativeImputer, the column's mean.

    mse = mean over hidden cells of (x_i - E[x_i | x_obs])^2          gain = mse of the other - mse of MIWAE, by mask

Units are standard deviations of a column's observed cells; `mse_full` is in those of all cells, as the papers have it
(they standardise before they hide, which tells a model the hidden cells' mean and spread). Errors are over masks.
Nothing is chosen here: the settings, one for all tables, were chosen on a tenth of the observed cells of other masks.
Rows are imputed by the model that was trained on their observed cells, as in the authors' notebook.
"""

import dataclasses
from typing import Any

from benchmarks.missing import calibration, miwae, tables
from benchmarks.missing.results import Options, Results, mean_and_error, say

MASKS = (0, 1, 2, 3, 4)
NUM_SAMPLES = {"wdbc": 10_000, "smoke": 10}  # of z for each row, as the authors have it; 1000 for the other tables
UNITS = ("mse", "mse_full")
WAYS = ("miwae", "iterative", "column_mean")


def one(table: tables.Table, settings: miwae.Settings, seed: int) -> dict[str, Any]:
    """Returns the errors of each way under one mask, and what the model's intervals hold."""
    vae, seconds = miwae.trained(table, settings, seed)
    imputed = miwae.imputed(vae, table, NUM_SAMPLES.get(table.name, 1000), seed)
    return {
        "miwae": tables.errors(table, imputed.mean),
        "iterative": tables.errors(table, tables.iterative(table)),
        "column_mean": tables.errors(table, tables.column_mean(table)),
        "calibration": calibration.summary(imputed.counts),
        "training_seconds": round(seconds, 1),
        **imputed.facts,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns means over the masks of one table with their errors, and the paired gains over the other ways."""

    def over_masks(value: Any) -> dict[str, float]:
        return mean_and_error([value(row) for row in rows])

    found = {w: {u: over_masks(lambda row, w=w, u=u: row[w][u]) for u in UNITS} for w in WAYS}
    for w in WAYS[1:]:
        found[f"gain_over_{w}"] = {u: over_masks(lambda row, w=w, u=u: row[w][u] - row["miwae"][u]) for u in UNITS}
    for level in calibration.LEVELS:
        within = over_masks(lambda row, level=level: row["calibration"]["within"][f"{level:g}"]["share"])
        found[f"within_{level:g}"] = within
    found["rms"] = over_masks(lambda row: row["calibration"]["rms"])
    cells = sum(row["calibration"]["hidden_cells"] for row in rows)
    return {"table": rows[0]["table"], "masks": len(rows), "hidden_cells": cells, **found}


def run(options: Options) -> None:
    """Writes `random.json`, one row a table and mask: wdbc first, then mask by mask the others."""
    settings = miwae.Settings(updates=20, num_samples=2) if options.smoke else miwae.Settings()
    results = Results("random", __doc__, options, settings=dataclasses.asdict(settings))
    others = [(name, mask) for mask in MASKS for name in tables.NAMES[1:]]
    pairs = [("smoke", 0)] if options.smoke else [("wdbc", mask) for mask in MASKS] + others
    for name, mask in pairs:

        def made(name: str = name, mask: int = mask) -> dict[str, Any]:
            return one(tables.at_random(name, options.data, mask), settings, mask)

        row = results.row({"table": name, "mask": mask}, made)
        say(f"{name}, mask {mask}: " + ", ".join(f"{way} {row[way]['mse']:.4f}" for way in WAYS))
        own = [[row for row in results.rows if row["table"] == name] for name in ("smoke", *tables.NAMES)]
        results.write(tables=[summary(rows) for rows in own if rows])
    print(markdown([summary(rows) for rows in own if rows]))


def markdown(found: list[dict[str, Any]]) -> str:
    """Returns the two tables of NOTES.md."""

    def said(value: dict[str, float], digits: int = 3, sign: str = "") -> str:
        return f"{value['mean']:{sign}.{digits}f} +- {value['standard_error']:.{digits}f}"

    lines = [
        "| table | MIWAE | IterativeImputer | column mean | gain over IterativeImputer | MIWAE, units of all cells |",
        "| --- " * 6 + "|",
    ]
    for row in found:
        gain, full = said(row["gain_over_iterative"]["mse"], sign="+"), said(row["miwae"]["mse_full"])
        lines.append(f"| {row['table']} | {' | '.join(said(row[way]['mse']) for way in WAYS)} | {gain} | {full} |")
    lines += ["", "| table | hidden cells | within 50% | within 90% | rms of standardised errors |", "| --- " * 5 + "|"]
    for row in found:
        shares = " | ".join(said(row[f"within_{level:g}"]) for level in calibration.LEVELS)
        lines.append(f"| {row['table']} | {row['hidden_cells']:,} | {shares} | {said(row['rms'])} |")
    return "\n".join(lines)
