"""What is made of the results: one row a model over its seeds, the papers' orderings, and the table of docs/results.md.

    spread = largest - smallest NLL over training seeds        distance = mean NLL - rerun (or paper)
    an ordering "a < b" holds with difference d = NLL_a - NLL_b < 0, seed by seed

At equal minutes the runs with one `--budget` are compared, at equal updates those with one `--updates`, each at the end
of its own schedule. Where there are no such runs, the curves of the former are read at the updates that both have,
where the faster one's learning rate is still high: that is said.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.page.origin import origin
from benchmarks.reproduce.picture import picture
from benchmarks.reproduce.rows import ORDERINGS, ROWS

START, END = "<!-- results: reproduce -->", "<!-- end of results: reproduce -->"
Result = dict[str, Any]


def read(folder: Path) -> list[Result]:
    """Returns the results in a folder, in the order of the rows."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return ordered(results)


def ordered(results: list[Result]) -> list[Result]:
    """Returns results in the order of the rows."""
    return sorted(results, key=lambda r: (list(ROWS).index(r["name"]), r["budget_minutes"] or 0, r["seed"]))


def summary(results: list[Result]) -> dict[str, Any]:
    """Returns the table's rows, those of fixed numbers of updates, and what became of the orderings."""

    def rows(timed: bool) -> list[dict[str, Any]]:
        groups = {}
        for result in results:
            if (result["budget_minutes"] is not None) == timed:
                groups.setdefault((result["name"], result["budget_minutes"]), []).append(result)
        return [of_row(group) for group in groups.values()]

    pairs = [pair for chain in ORDERINGS for pair in zip(chain[:-1], chain[1:], strict=True)]
    found = [o for a, b in pairs for o in orderings(results, a, b)]
    minutes = to_papers(rows(timed=True))
    return {"rows": rows(timed=True), "rows_of_updates": rows(timed=False), "orderings": found, "to_papers": minutes}


def to_papers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns for each figure of a paper the least minutes in which the recipe `strong` was trained to reach it."""
    strong = sorted((r for r in rows if r["name"].startswith("strong")), key=lambda r: r["budget_minutes"])
    found = []
    for row in {r["name"]: r for r in rows if r["paper"] and not r["name"].startswith("strong")}.values():
        same = [r for r in strong if r["data"] == row["data"] and r["nll"] <= row["paper"]]
        if same and not row["name"].endswith("-published"):
            minutes, name = same[0]["budget_minutes"], f"{row['name']}-published"
            as_long = [r for r in rows if r["name"] == name and r["budget_minutes"] >= minutes]
            own = sorted(as_long, key=lambda r: r["budget_minutes"])[:1]
            keys = ("nll", "standard_error", "minutes", "seeds")
            shown = {key: [r[key] for r in (same[0], *own)] for key in keys}
            shown["published_minutes"] = own[0]["budget_minutes"] if own else None
            found.append({"title": row["title"], "paper": row["paper"], "budget_minutes": minutes, **shown})
    return found


def of_row(results: list[Result]) -> dict[str, Any]:
    """Returns one row from the results of its seeds."""
    first, nll = results[0], [r["nll"] for r in results]
    reference = first["rerun"] if first["rerun"] is not None else first["paper"]
    same = ("name", "title", "paper", "rerun", "source", "test_samples", "test_examples", "smoke")
    return {key: first[key] for key in same} | {
        "data": first["data"]["protocol"],
        "train_rows": first["data"]["sizes"]["train"],
        "seeds": [r["seed"] for r in results],
        "nll": sum(nll) / len(nll),
        "spread": max(nll) - min(nll),
        "standard_error": first["standard_error"],
        "distance": None if reference is None else sum(nll) / len(nll) - reference,
        "batch": first["plan"]["batch"],
        "updates": [r["plan"]["updates"] for r in results],
        "passes": [r["plan"]["passes"] for r in results],
        "minutes": [r["minutes"] for r in results],
        "budget_minutes": first["budget_minutes"],
        "command": command(first, [r["seed"] for r in results]),
    }


def command(result: Result, seeds: list[int]) -> str:
    """Returns the command that makes a row's results."""
    row, minutes = ROWS[result["name"]], result["budget_minutes"]
    options = {"updates": result["plan"]["updates"]} if minutes is None else {"budget": f"{minutes:g}"}
    options |= {"threads": result["threads"]} if result["threads"] else {}
    options |= {} if result["jit_compile"] == "auto" else {"jit-compile": result["jit_compile"]}
    for key in ("test_examples", "test_samples"):
        options |= {} if result[key] == getattr(row, key) else {key.replace("_", "-"): result[key]}
    said = "".join(f" --{key} {value}" for key, value in options.items())
    return f"python -m benchmarks.reproduce {result['name']}{said} --seeds {' '.join(map(str, seeds))}"


def orderings(results: list[Result], better: str, worse: str) -> list[dict[str, Any]]:
    """Returns NLL(better) - NLL(worse) for each seed that both have: at equal minutes and at equal updates."""

    def compared(at: str, key: Callable[[Result], Any], value: Callable[[Result, Result], float]) -> list[dict]:
        ours = {(key(r), r["seed"]): r for r in results if r["name"] == better and key(r)}
        theirs = {(key(r), r["seed"]): r for r in results if r["name"] == worse and key(r)}
        found = {}
        for both in [k for k in ours if k in theirs]:
            found.setdefault(both[0], []).append(value(ours[both], theirs[both]))
        words = [at.format(k) for k in found]
        return [{"better": better, "worse": worse, "at": w, "differences": d, "holds": max(d) < 0}
                for w, d in zip(words, found.values(), strict=True)]  # fmt: skip

    def final(a: Result, b: Result) -> float:
        return a["nll"] - b["nll"]

    minutes = compared("{:g} minutes, test", lambda r: r["budget_minutes"], final)
    updates = compared("{} updates, test", lambda r: None if r["budget_minutes"] else r["plan"]["updates"], final)
    words = "shared updates of the {:g} minutes' curves, validation, the faster one's learning rate still high"
    curves = compared(words, lambda r: r["budget_minutes"], on_curve)
    return minutes + (updates or curves)


def on_curve(a: Result, b: Result) -> float:
    """Returns the difference of validation NLL at the most updates that both curves have."""
    at = min(a["curve"][-1]["updates"], b["curve"][-1]["updates"])
    return -interpolated(a["curve"], at) + interpolated(b["curve"], at)


def interpolated(curve: list[dict], updates: int) -> float:
    """Returns log p(x) on the curve, linear in log updates."""
    for left, right in zip(curve[:1] + curve, curve, strict=False):
        if updates <= right["updates"]:
            if left["updates"] == right["updates"]:
                return right["log_prob"]
            share = math.log(updates / left["updates"]) / math.log(right["updates"] / left["updates"])
            return left["log_prob"] + share * (right["log_prob"] - left["log_prob"])
    return curve[-1]["log_prob"]


def markdown(found: dict[str, Any]) -> str:
    """Returns the tables and the orderings, as Markdown."""
    rows, of_updates = found["rows"], found["rows_of_updates"]
    lines = [*table_of(rows), ""] + [f"- {words}: {', '.join(titles)}." for words, titles in protocols(rows).items()]
    if of_updates:
        lines += ["", "At equal updates:", "", *table_of(of_updates), ""]
    for o in found["orderings"]:
        a, b = (ROWS[o[key]].title for key in ("better", "worse"))
        differences = ", ".join(f"{d:+.2f}" for d in o["differences"])
        lines.append(f"- {a} < {b} {'holds' if o['holds'] else 'does NOT hold'} at {o['at']}: {differences} nats.")
    words = "Minutes to the papers' figures on one core, of the budgets in the table, each with a schedule of its own:"
    lines += ["", words, "", *minutes_of(found["to_papers"])] if found["to_papers"] else []
    lines += ["", "```", *(row["command"] for row in [*rows, *of_updates]), "```"]
    return "\n".join(lines)


def minutes_of(found: list[dict[str, Any]]) -> list[str]:
    """Returns the lines of the table of minutes to the papers' figures."""
    head = ["figure of", "paper", "least minutes of `strong`", "its test NLL", "as published, in as many minutes"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for row in found:
        figures = zip(row["nll"], row["standard_error"], row["seeds"], strict=True)
        ours, theirs, *_ = [
            *(f"{nll:.2f} +- {error:.2f}{seeds(numbers)}" for nll, error, numbers in figures),
            "not run",
        ]
        if row["published_minutes"] not in (None, row["budget_minutes"]):
            theirs += f" in {row['published_minutes']:g}"
        minutes = f"{row['budget_minutes']:g} (by the clock {between(row['minutes'][0])})"
        lines.append(f"| {row['title']} | {row['paper']:.2f} | {minutes} | {ours} | {theirs} |")
    return lines


def seeds(numbers: list[int]) -> str:
    """Returns how many seeds a mean is of, if of several."""
    return f" ({len(numbers)} seeds)" if len(numbers) > 1 else ""


def table_of(rows: list[dict]) -> list[str]:
    """Returns the lines of a table."""
    lines = [
        "| model | test NLL | spread (seeds) | paper | rerun | to the reference | our schedule | theirs | minutes |",
        "| --- " * 9 + "|",
    ]
    for row in rows:
        spread = f"{row['spread']:.2f} ({len(row['seeds'])})" if len(row["seeds"]) > 1 else "one seed"
        references = " | ".join("" if v is None else f"{v:.2f}" for v in (row["paper"], row["rerun"]))
        distance = "" if row["distance"] is None else f"{row['distance']:+.2f}"
        passes, updates = (between(row[key]) for key in ("passes", "updates"))
        lines.append(
            f"| {row['title']} | {row['nll']:.2f} +- {row['standard_error']:.2f} | {spread} | {references} "
            f"| {distance} | {updates} updates of batch {row['batch']} ({passes} epochs) "
            f"| {row['source']} | {between(row['minutes'])} |"
        )
    return lines


def protocols(rows: list[dict]) -> dict[str, list[str]]:
    """Returns data and test protocol in words to the titles of the rows that have it."""
    found = {}
    for row in rows:
        words = f"{row['data']}; {row['train_rows']} training rows; {row['test_samples']} importance samples"
        words += f" on {row['test_examples']} test images" + ("; NOT a result: a smoke run" if row["smoke"] else "")
        found.setdefault(words, {})[row["title"]] = None  # once, of several budgets
    return {words: list(titles) for words, titles in found.items()}


def between(values: list[float]) -> str:
    """Returns one number, or the smallest and the largest, in few digits."""
    least, most = (f"{v:,.0f}" if v >= 10 or isinstance(v, int) else f"{v:.1f}" for v in (min(values), max(values)))
    return least if least == most else f"{least} to {most}"


def write(results: Path, page: Path) -> int:
    """Writes `reproduce.json` and `reproduce.png` beside the folder of results, and the table into the page."""
    found = summary(read(results))
    picture(read(results), results.parent / "reproduce.png")
    path = results.parent / "reproduce.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    before, start, rest = page.read_text().partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        print(f"{page} lacks the lines {START} and {END}.")
        return 1
    made = origin("reproduce/*.json", {path.stem: json.loads(path.read_text()) for path in results.glob("*.json")})
    text = f"{markdown(json.loads(path.read_text()))}\n\n{made}"
    page.write_text(f"{before}{START}\n{text}\n{END}{after}")
    print(f"{text}\n\n{path}, {page}")
    return 0
