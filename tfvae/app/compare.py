"""Runs on the same data side by side: log p(x) of the held-out examples, and the difference to the best, paired.

difference = mean_n (log p_best(x_n) - log p(x_n)),    its standard error = std of these differences / sqrt(N)
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfvae import files
from tfvae.app.provenance import read_config
from tfvae.core.errors import InvalidInput

SAME = ("source", "sizes", "splits", "seed")  # of the data protocols, so that rows are the same


def compared(folders: Sequence[str]) -> str:
    """Returns the comparison as a table, the best run first.

    Args:
        folders: two run folders or more.

    Raises:
        InvalidInput: if there is one alone, one without scores, or one on other data or other columns.
    """
    if len(folders) < 2:
        raise InvalidInput("two runs or more", f"{len(folders)}", "Name them: tfvae compare RUN RUN")
    first, scores = read_config(folders[0])[0]["data"], {}
    for folder in folders:
        data, path = read_config(folder)[0]["data"], Path(folder, "scores.npz")
        if not path.exists():
            raise InvalidInput(f"scores in {folder}", "none", f"Complete the run: tfvae train --resume {folder}")
        other = next((name for name in SAME if data.get(name) != first.get(name)), None)
        if other or _columns(data) != _columns(first):
            received = f"other {other or 'columns'} in {folder}"
            raise InvalidInput(f"runs on the same examples as {folders[0]}", received, "Compare runs on one data set.")
        scores[folder] = np.asarray(files.read_arrays(path)["log_prob"], np.float64)
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


def _columns(data: dict) -> list | None:
    """Returns the columns that a run on a table explains, and which of their values are atoms, with a mass."""
    told = (data.get("condition") or {}).get("name")
    entries = data["schema"]["columns"] if "schema" in data else None
    return entries and [(e["name"], e.get("atoms")) for e in entries if e["kind"] != "left out" and e["name"] != told]


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
