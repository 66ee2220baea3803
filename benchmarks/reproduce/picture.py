"""Validation NLL against minutes of training: the recipe `strong` and models as they were published, dynamic MNIST.

Each line is a run with a schedule of its own, so that it is at its best at its end.
"""

from pathlib import Path
from typing import Any

from benchmarks.quality.report import by_minutes

Result = dict[str, Any]
COLOURS = {
    "strong": "tab:orange", "vae-published": "tab:blue", "iwae-5-published": "tab:green", "iwae-50-published": "tab:red"
}  # fmt: skip


def drawn(results: list[Result]) -> list[Result]:
    """Returns the runs that a picture shows: those of the recipe and of the papers' schedules with a time to end in."""
    return [r for r in results if r["name"] in COLOURS and r["budget_minutes"] and len(r["curve"]) > 1]


def picture(results: list[Result], path: Path) -> None:
    """Draws the runs, if there are any; lines of one model have one colour and one name."""
    shown = drawn(results)
    if not shown:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    named = set()
    for result in shown:
        minutes = [point["minutes"] for point in result["curve"]]
        nll = [-point["log_prob"] for point in result["curve"]]
        label = None if result["name"] in named else result["title"]
        named.add(result["name"])
        axes.plot(minutes, nll, ".-", lw=1.2, color=COLOURS[result["name"]], label=label)
    best = min(-point["log_prob"] for result in shown for point in result["curve"])
    axes.set_ylim(best - 1, best + 25)
    axes.set_title("Dynamically binarised MNIST, held-out training images", fontsize=10)
    by_minutes(axes, "minutes of training on one core, by the clock")
    figure.savefig(path, dpi=120)
    plt.close(figure)
