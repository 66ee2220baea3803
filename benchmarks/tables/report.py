"""The tables of the result files, in Markdown."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.missing.results import mean_and_error
from benchmarks.tables.anomalies import SETTINGS
from benchmarks.tables.common import Options, markdown, said

Result = dict[str, Any]


def density(found: Result) -> str:
    """Returns the gap to the truth of each draw of the data."""
    head = ["draw", "mean held-out score less the truth's", "of the word alone", "integral", "score", "truth"]
    return markdown(
        head,
        [
            [
                str(row["seed"]),
                said(row["gap"], 4, "+"),
                said(row["gap_of_kind_alone"], 4, "+"),
                f"{row['integral']:.5f}",
                said(row["score"]),
                said(row["truth"]),
            ]
            for row in found["rows"]
        ],
    )


def imputation(found: Result) -> str:
    """Returns the errors of numbers alone, and of mixed columns."""
    alone = [row for row in found["rows"] if "within" not in row]
    mixed = [row for row in found["rows"] if "within" in row]
    first = [
        [f"{row['table']}, {row['split']}", way, f"{one['mse']:.4f}", f"{one['mse_full']:.4f}"]
        for row in alone
        for way, one in row["ways"].items()
    ]
    if len(alone) > 1:
        units = ("mse", "mse_full")
        for way in alone[0]["ways"]:
            means = [said(mean_and_error([row["ways"][way][unit] for row in alone]), 4) for unit in units]
            first.append([f"{alone[0]['table']}, mean of {len(alone)}", way, *means])
    second = [
        [
            f"{row['table']}, {row['split']}",
            way,
            f"{one['accuracy']:.4f} +- {one['accuracy_error']:.4f}",
            f"{one['rmse']:.4f}",
            f"{row['within']['all']:.3f} +- {row['within']['error']:.3f}" if way == "tfvae" else "",
        ]
        for row in mixed
        for way, one in row["ways"].items()
    ]
    both = (["table, mask", "", "mse", "mse, units of all cells"], first)
    return "\n\n".join(
        [markdown(*both), markdown(["table, split", "", "words right", "RMSE of numbers", "within 90 %"], second)]
    )


def settings(found: Result) -> str:
    """Returns nats a column by setting, less those of the first setting, and their mean over the sets."""
    names = list(dict.fromkeys(row["set"] for row in found["rows"]))
    nats = {(row["setting"], row["set"]): row["held_out"] / row["columns"] for row in found["rows"]}
    first = next(iter(SETTINGS))
    rows = []
    for setting in SETTINGS:
        less = [nats[setting, n] - nats[first, n] if (setting, n) in nats else np.nan for n in names]
        rows.append([setting, *("" if np.isnan(value) else f"{value:+.3f}" for value in [*less, np.mean(less)])])
    return markdown(["nats a column beside " + first, *names, "mean"], rows)


def anomalies(found: Result) -> str:
    """Returns areas by set, their means, and paired differences."""
    told = found["summary"]
    ways = list(told["by_set"])
    rows = [[name, *(f"{told['by_set'][way][i]:.3f}" for way in ways)] for i, name in enumerate(told["sets"])]
    rows.append(["mean", *(f"{told['mean'][way]:.4f}" for way in ways)])
    lines = [markdown(["set", *ways], rows), ""]
    head = [f"{ways[0]}, less", "over sets", "over sets and splits"]
    less = {way: told[f"ours_less_{way}"] for way in ways[1:]}
    rows = [[way, said(d["sets"], 4, "+"), said(d["pairs"], 4, "+")] for way, d in less.items()]
    flags = [row["flag"] for row in found["rows"] if row["way"] == ways[0]]
    share = np.mean([flag["ordinary"] for flag in flags])
    flagged = (
        f"Ordinary rows that a flag of {flags[0]['rate']:.0%} by {ways[0]} names: {share:.1%} over sets and splits."
    )
    return "\n".join([*lines, markdown(head, rows), "", flagged])


def synthetic(found: Result) -> str:
    """Returns the five figures of each table and generator."""
    head = ["table, split", "", "R2 or F1 (from real rows)", "columns", "pairs", "closest record", "processor s"]
    rows = [
        [
            f"{row['table']}, {row['split']}",
            f"{row['way']}, {row['epochs']} epochs",
            f"{row['synthetic']['value']:.3f} ({row['real']['value']:.3f})",
            f"{row['column_score']:.4f} (real {1 - row['column_noise']:.4f})",
            f"{row['pair_score']:.4f} (real {1 - row['pair_noise']:.4f})",
            f"{row['closest']['ratio']['value']:.3f}",
            f"{row['processor_seconds']:.0f}",
        ]
        for row in found["rows"]
    ]
    return markdown(head, rows)


def large(found: Result) -> str:
    """Returns speed and memory by number of rows."""
    head = ["rows", "shards, MB", "training: largest MB", "epochs on shards to memory", "scored a second", "largest MB",
            "killed and resumed"]  # fmt: skip
    rows = [
        [
            f"{row['rows']:,}",
            f"{row['shards']['megabytes']:.0f}",
            f"{row['train']['megabytes']:.0f}",
            f"{row['speed']['ratio']:.2f} ({row['speed']['least']:.2f} to {row['speed']['largest']:.2f})",
            f"{row['score']['rows_a_second']:,}",
            f"{row['score']['megabytes']:.0f}",
            {True: "the same file", False: "ANOTHER FILE", None: "not tried"}[row.get("identical")],
        ]
        for row in found["rows"]
    ]
    return markdown(head, rows)


TABLES: dict[str, Callable[[Result], str]] = {
    each.__name__: each for each in (density, imputation, settings, anomalies, synthetic, large)
}


def run(options: Options) -> None:
    """Prints the tables of those result files that there are."""
    for name, table in TABLES.items():
        path = options.out / f"{name}.json"
        if path.exists():
            print(f"### {name}\n\n{table(json.loads(path.read_text()))}\n")
