"""Runs on the same data side by side: log p(x) of the held-out examples, and the difference to the best, paired.

difference = mean_n (log p_best(x_n) - log p(x_n)),    its standard error = std of these differences / sqrt(N)
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfvae import files
from tfvae.app.provenance import read_config
from tfvae.core.errors import InvalidInput

EVENTS = ("atoms", "values", "other", "step", "layout")  # of a column: what tells one cell from another
KIND = "kind of likelihood: masses in one, densities in the other"
SAME = ("source", "sizes", "splits", "seed", "condition", KIND)  # of runs, so that log p is of the same


def compared(folders: Sequence[str]) -> str:
    """Returns the comparison as a table, the best run first.

    Args:
        folders: two run folders or more.

    Raises:
        InvalidInput: if there is one alone, one without scores, or one on other data or other columns.
    """
    if len(folders) < 2:
        raise InvalidInput("two runs or more", f"{len(folders)}", "Name them: tfvae compare RUN RUN")
    first, scores = _explained(folders[0]), {}
    for folder in folders:
        other = _difference(first, _explained(folder))
        if other:
            remedy = "Compare runs on one data set, with one --schema as far as it says what a cell is."
            raise InvalidInput(f"runs on the same examples as {folders[0]}", f"{other} in {folder}", remedy)
        scores[folder] = np.asarray(files.read_arrays(Path(folder, "scores.npz"))["log_prob"], np.float64)
    order = sorted(scores, key=lambda folder: -scores[folder].mean())
    best, width = scores[order[0]], max(map(len, order))
    lines = [f"{'run':{width}}  {'log p(x)':>18}  behind the best"]
    for folder in order:
        behind = best - scores[folder]
        shown = "" if folder == order[0] else f"{behind.mean():.3f} +- {_error(behind):.3f}"
        lines.append(
            f"{folder:{width}}  {scores[folder].mean():9.3f} +- {_error(scores[folder]):.3f}  {shown}".rstrip()
        )
    return "\n".join([*lines, f"nats an example, {len(best)} held-out examples"])


def _explained(folder: str) -> dict:
    """Returns the data protocol of a run, and whether its scores are of masses."""
    data, metrics = read_config(folder)[0]["data"], Path(folder, "metrics.json")
    if not (metrics.exists() and Path(folder, "scores.npz").exists()):
        raise InvalidInput(f"scores in {folder}", "none", f"Complete the run: tfvae train --resume {folder}")
    return {**data, KIND: files.read_json(metrics).get("test", {}).get("discrete")}


def _difference(first: dict, data: dict) -> str | None:
    """Returns what differs in what two runs explain, or nothing."""
    here, there = ({name: run.get(name) for name in SAME} | _units(run) | _events(run) for run in (first, data))
    differs = next((name for name in here | there if here.get(name) != there.get(name)), None)
    alike = data.get("schema") == first.get("schema")  # else the same rows are other numbers
    values = [(run.get("crc32") or {}).get("test") for run in (first, data)]
    return f"another {differs}" if differs else "other values" if alike and values[0] != values[1] else None


def _units(data: dict) -> dict:
    """Returns the value that is 1 to a model of numbers as they are: a density is of x in units of it."""
    return {"scale": data.get("scale")} if data.get("binarization") == "none" and not data[KIND] else {}


def _events(data: dict) -> dict:
    """Returns what a run on a table explains: which cells are missing, and of each column what tells cells apart.

    Merged words, coarser numbers and other atoms are other events, of which log p does not compare.
    """
    if "schema" not in data:
        return {}
    told = (data.get("condition") or {}).get("name")
    entries = [e for e in data["schema"]["columns"] if e["kind"] != "left out" and e["name"] != told]
    columns = {f"column {entry['name']}": [entry.get(key) for key in EVENTS] for entry in entries}
    missing = (data.get("missing") or {}).get("test")
    return {**columns, "list of what is missing": data["schema"]["missing"], "share of missing cells": missing}


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
