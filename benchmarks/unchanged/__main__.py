"""Compares two versions of tfvae on one machine: numbers to the last bit, compiled programs, speed.

    python -m benchmarks.unchanged                        the parent commit against the working tree
    python -m benchmarks.unchanged 87edc82 --after HEAD   any two revisions, or folders that hold tfvae/
    python -m benchmarks.unchanged --only programs speed --jobs a e --pairs 30 --out unchanged.json

Exit code 0 if all numbers and programs are the same, else 1; the speed is for the reader to judge.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.speed.driver import say
from benchmarks.unchanged import program, speed
from benchmarks.unchanged.trees import ROOT, place, work

NUMBERS = ("fits", "scores", "files")  # of the module `histories`
PARTS = ("histories", *NUMBERS, "programs", "speed")
JOBS = ("a", "b20", "e", "d")


def histories(trees: list[Path], parts: list[str], smoke: bool) -> dict[str, dict[str, dict]]:
    """Returns, for each kind of numbers, line to what `difference` says of it."""
    lines: dict[str, dict[str, list[dict]]] = {}
    for side, tree in enumerate(trees):
        say(f"  histories {tree.name}")
        out = tree.with_name(f"{tree.name}.npz")
        work(tree, "histories", out, *parts, *(["--smoke"] if smoke else []))
        with np.load(out) as found:
            for key, value in found.items():
                part, line, name = key.split("/", 2) if key.count("/") > 1 else (*key.split("/"), "value")
                lines.setdefault(part, {}).setdefault(line, [{}, {}])[side][name] = value
    return {part: {line: difference(*pair) for line, pair in rows.items()} for part, rows in lines.items()}


def difference(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> dict:
    """Returns whether two sets of named arrays are equal to the last bit, and the largest difference.

    Returns:
        `equal`; `numbers`, how many; `largest`, relative to the largest number of its array, with its name `where`;
        `unlike`, the arrays that only one has or whose shapes or words differ; `words`, what a refusal said.
    """
    unlike, largest, where = sorted(before.keys() ^ after.keys()), 0.0, None
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        if old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes():
            continue
        if old.shape != new.shape or old.dtype.kind in "US" or new.dtype.kind in "US":
            unlike.append(name)
            continue
        old, new = (np.nan_to_num(np.asarray(v, np.float64), posinf=1e300, neginf=-1e300) for v in (old, new))
        relative = float(np.max(np.abs(new - old), initial=0) / max(np.max(np.abs(old), initial=0), 1e-30))
        if where is None or relative > largest:
            largest, where = relative, name
    refused = [str(side["refused"]) for side in (before, after) if "refused" in side]
    return {
        "equal": where is None and not unlike, "numbers": sum(v.size for v in before.values()),
        "largest": largest, "where": where, "unlike": unlike, "words": refused,
    }  # fmt: skip


def programs(trees: list[Path], jobs: list[str]) -> dict[str, dict]:
    """Returns, for each job, how XLA's programs and TensorFlow's graphs compare."""
    results, folders = {}, [tree.with_name(f"{tree.name}-programs") for tree in trees]
    for tree, folder in zip(trees, folders, strict=True):
        say(f"  programs {tree.name}")
        work(tree, "program", folder, *jobs)
    for job in jobs:
        texts = [program.programs(folder / job) for folder in folders]
        nodes = [program.Counter(json.loads((folder / job / "nodes").read_text())) for folder in folders]
        results[f"{job}, XLA"] = program.compare(*texts)
        if any(nodes):
            changed = program.changes(*nodes)
            results[f"{job}, graph without XLA"] = {
                "equal": not changed,
                "verdict": "DIFFERENT" if changed else "same numbers of nodes",
                "instructions": [sum(found.values()) for found in nodes],
                "changed": changed,
            }
    return results


def show(title: str, rows: dict[str, dict], cells: Callable[[dict], list[str]]) -> None:
    """Prints a table; further lines of a cell list stand below their row."""
    width = max(map(len, rows), default=0)
    print(f"\n{title}\n")
    for name, row in rows.items():
        first, *more = cells(row)
        print(f"  {name:{width}}  {first}")
        for line in more:
            print(f"    {line}")


def of_numbers(row: dict) -> list[str]:
    """Returns what the table says of `difference`."""
    words = [f"refused: {word.splitlines()[0][:120]}" for word in row["words"]]
    if row["equal"]:
        return [f"bit-equal ({row['numbers']} numbers)", *words[:1]]
    worst = f"DIFFERENT by {row['largest']:.1e} in {row['where']}" if row["where"] else "DIFFERENT"
    return [worst + (f"; unlike: {', '.join(row['unlike'][:5])}" if row["unlike"] else ""), *words]


def of_program(row: dict) -> list[str]:
    """Returns what the table says of `program.compare`."""
    was, now = row["instructions"]
    return [f"{row['verdict']} ({was if was == now else f'{was} before, {now} after'})", *program.describe(row)]


def of_speed(row: dict) -> list[str]:
    """Returns what the table says of `speed.summary`."""
    low, high = row["interval"]
    seconds = " and ".join(f"{s:.2f}" for s in row["seconds"])
    loss = "" if row["same_loss"] else "; OTHER LOSS"
    return [f"{row['ratio']:.3f}  [{low:.3f}, {high:.3f}]  {row['pairs']} pairs of {seconds} s{loss}"]


def main() -> int:
    """Compares; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unchanged", description=__doc__.splitlines()[0])
    parser.add_argument("before", nargs="?", help="revision or folder (default: the parent commit)")
    parser.add_argument("--after", default=str(ROOT), help="revision or folder (default: the working tree)")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="histories: fits, scores and files (default: all)"
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=JOBS, help="of benchmarks/speed/jobs.py, for "
                        "programs and speed; d is log_prob (default: all)")  # fmt: skip
    parser.add_argument("--pairs", type=int, default=15, help="calls of each version in a measured ratio")
    parser.add_argument("--out", type=Path, help="write everything as JSON, too")
    parser.add_argument("--smoke", action="store_true", help="a little of each, the working tree against itself")
    given = parser.parse_args()
    jobs, pairs = (["e"], 2) if given.smoke else (list(given.jobs), given.pairs)
    before = given.before or (str(ROOT) if given.smoke else "HEAD~1")
    with tempfile.TemporaryDirectory() as scratch:
        trees = [place(*side) for side in ((before, Path(scratch, "before")), (given.after, Path(scratch, "after")))]
        found = {"before": before, "after": given.after}
        parts = [part for part in NUMBERS if part in given.only or "histories" in given.only]
        if parts:
            found["histories"] = histories(trees, parts, given.smoke)
            for part, rows in found["histories"].items():
                show(f"{part}: before against after", rows, of_numbers)
        if "programs" in given.only:
            found["programs"] = programs(trees, jobs)
            show("programs: instructions or nodes", found["programs"], of_program)
        if "speed" in given.only:
            found["speed"] = speed.measure(trees, pairs, jobs, given.smoke)
            show("speed: time after / before, 95% interval", found["speed"], of_speed)
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    tables = (*found.get("histories", {}).values(), found.get("programs", {}))
    same = [row["equal"] for rows in tables for row in rows.values()]
    print(f"\n{sum(same)} of {len(same)} comparisons are equal")
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
