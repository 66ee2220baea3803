"""What is made of the samples; no JAX, no TensorFlow.

x peer   milliseconds of the best contender that is not tfvae's / own      medians
share    operations of the matrix products a second / those of one large product of the same precision
starts   operations that the body of the loop starts: nearly the kernels that a step launches
"""

import re
import statistics
from typing import Any

from benchmarks.speed.jobs import Job
from benchmarks.speed.peers.products import operations

APART = {"fp32": 2e-3, "tf32": 0.2}  # of the first steps, relative: Adam makes a whole step of a tiny gradient's sign
ALIKE = 0.03  # of the losses, relative: they differ by noise
SILENT = {"parameter", "tuple", "get-tuple-element", "bitcast", "constant", "after-all"}


def judge(job: Job, rows: list[dict[str, Any]], rate: float) -> None:
    """Adds to the rows of one job what their samples say.

    Args:
        job: what was trained.
        rows: of its contenders in one precision.
        rate: operations a second of a large product.
    """
    good = [row for row in rows if row.get("ms") and "failed" not in row]
    if not good:
        return
    middle = statistics.median(row["loss"] for row in good)
    peers = [statistics.median(row["ms"]) for row in good if not row["contender"].startswith("tfvae")]
    for row in good:
        median = statistics.median(row["ms"])
        row |= {"median_ms": median, "least_ms": min(row["ms"]), "most_ms": max(row["ms"])}
        row["examples_per_s"] = 1e3 * job.batch / median
        row["share"] = None if job.conv else 1e3 * operations(job) / job.steps / median / rate
        row["against_peer"] = min(peers) / median if peers else None
        apart = row["checked"].get("update_apart", 0.0)
        row["right"] = abs(row["loss"] - middle) <= ALIKE * abs(middle) and apart <= APART[row["precision"]]


def starts(text: str) -> int | None:
    """Returns the number of operations in the body of a program's largest loop, calls followed; `None` without one."""
    bodies: dict[str, list[str]] = {}
    current = None
    for line in text.splitlines():
        if line.endswith("{") and not line.startswith(" "):
            current = bodies.setdefault(line.replace("ENTRY ", "").split()[0].lstrip("%"), [])
        elif current is not None and " = " in line:
            current.append(line)

    def count(name: str) -> int:
        total = 0
        for line in bodies.get(name, []):
            code = re.search(r" = (?:\([^=]*?\)|\S+) ([\w-]+)\(", line)
            called = re.search(r"to_apply=%?([\w.-]+)", line)
            if code and code[1] == "call" and called:
                total += count(called[1])
            elif code and code[1] not in SILENT:
                total += 1
        return total

    lines = [line for body in bodies.values() for line in body]
    loops = [match[1] for line in lines for match in re.finditer(r"body=%?([\w.-]+)", line)]
    return max((count(name) for name in loops), default=None)


def table(found: dict[str, Any]) -> str:
    """Returns the results as Markdown."""
    rates = ", ".join(f"{name} {rate / 1e12:.2f}" for name, rate in found["rates"].items())
    lines = [
        f"{found['about']['device']}; a large matrix product, TFLOP/s: {rates}",
        "",
        "| job | precision | contender | ms a step (range) | examples/s | x peer | share | MB | starts | loss |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["rows"]:
        start = f"| {row['job']} | {row['precision']} | {row['contender']} |"
        if "median_ms" not in row:
            lines.append(f"{start} {row.get('failed', 'not finished')} | | | | | | |")
            continue
        peer = "" if row["against_peer"] is None else f"{row['against_peer']:.2f}"
        share = "" if row["share"] is None else f"{row['share']:.1%}"
        size = "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.0f}"
        apart = "".join(f", {name} {value:.1e}" for name, value in row["checked"].items())
        lines.append(
            f"{start} {row['median_ms']:.4f} ({row['least_ms']:.4f} to {row['most_ms']:.4f}) | "
            f"{row['examples_per_s']:.0f} | {peer} | {share} | {size} | {row.get('starts') or ''} | "
            f"{row['loss']:.2f}{apart}{'' if row['right'] else ' **WRONG**'} |"
        )
    return "\n".join(lines)
