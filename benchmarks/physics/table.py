"""The figures of what was run, as tables: means over seeds, in brackets the least and the most."""

import json
import math
from pathlib import Path

import numpy as np

from benchmarks.conditional.common import Result, moments


def results(folder: Path) -> list[Result]:
    """Returns the results of all models in a folder, without the times."""
    paths = sorted(path for path in folder.glob("*.json") if path.name != "speed.json")
    return [json.loads(path.read_text()) for path in paths]


def over(found: list[Result], *keys: str, digits: int = 3) -> str:
    """Returns the mean of a number over seeds with its range."""
    values = []
    for value in found:
        for key in keys:
            value = None if value is None else value[key]
        values += [] if value is None else [value]
    if not values:
        return "-"
    mean, low, high = (f"{f(values):.{digits}f}" for f in (np.mean, min, max))
    return mean if len(values) == 1 else f"{mean} ({low} to {high})"


def made(folder: Path) -> str:
    """Returns the tables of forced and of free swings."""
    found, lines = results(folder), []
    names = [
        "omega",
        "of draws of q",
        "gamma",
        "rmse to 2.5 s",
        "to 5 s",
        "trusted",
        "covers omega",
        "gamma ",
        "log p(x)",
    ]
    columns = [
        ("omega", "error", "mean"), ("omega", "error_q", "mean"), ("gamma", "error", "mean"), ("rmse_within",),
        ("rmse_beyond",), ("trusted",), ("omega", "coverage", "mean"), ("gamma", "coverage", "mean"),
        ("log_prob", "mean"),
    ]  # fmt: skip
    key = {(one["on"], one["arm"], one.get("near", "")) for one in found}
    lines += [f"| on | arm | seeds | {' | '.join(names)} | scale |", "|" + " --- |" * (len(names) + 4)]
    for on, arm, near in sorted(key, key=str):
        own = [one for one in found if (one["on"], one["arm"], one.get("near", "")) == (on, arm, near)]
        cells = [over(own, *column) for column in [*columns, ("scale",)]]
        lines.append(f"| {on} | {arm}{f' {near:g}' if near else ''} | {len(own)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *damping(found)])


def damping(found: list[Result]) -> list[str]:
    """Returns how much better each seed's law with damping explains free swings than the one without."""
    by = {(one["arm"], one["seed"]): np.array(one["log_probs"]) for one in found if one["on"].endswith("-free")}
    lines = []
    for arm, seed in by:
        if arm == "law" and ("undamped", seed) in by:
            gain = moments(by[arm, seed] - by["undamped", seed])
            sigmas = gain["mean"] / gain["standard_error"] if gain["standard_error"] else math.inf
            words = f"{gain['mean']:.2f} +- {gain['standard_error']:.2f} nats a swing ({sigmas:.0f} standard errors)"
            lines.append(f"seed {seed}: log p(x) with damping less without {words}")
    return lines
