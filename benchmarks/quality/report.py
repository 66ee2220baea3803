"""What is made of the curves: when validation data say that a target is reached, and what the test set says then."""

from pathlib import Path
from typing import Any

TARGETS = (90.0, 88.0, 86.76)  # nats; the last is Burda et al. 2016's VAE, k = 1, after 3280 epochs
COLOURS = ("tab:orange", "tab:blue", "tab:green", "tab:red")


def table(results: dict[str, dict]) -> str:
    """Returns one row for each contender, as Markdown."""
    targets = list(dict.fromkeys(target for result in results.values() for target in result["targets"]))
    heads = [f"minutes to {target} (test NLL then)" for target in targets]
    lines = [
        f"| | {' | '.join(heads)} | last validation NLL | test NLL | passes | minutes |",
        "| --- " * (len(targets) + 5) + "|",
    ]
    for name, result in results.items():
        if not result["curve"]:
            lines.append(f"| {name} | " + "failed | " * len(targets) + "| | | |")
            continue
        cells = [_cell(result["targets"].get(target)) for target in targets]
        end, test = result["curve"][-1], result["end"]
        scores = f"{end['nll']:.2f} | {test['nll']:.2f} +- {test['error']:.2f}"
        best = f"{scores} | {end['epoch']} | {end['seconds'] / 60:.1f}"
        lines.append(f"| {name} | {' | '.join(cells)} | {best} |")
    return "\n".join(lines)


def _cell(reached: dict | None) -> str:
    if reached is None:
        return "not reached"
    test = reached["test"]
    return f"{test['seconds'] / 60:.1f} ({test['nll']:.2f} +- {test['error']:.2f})"


def picture(results: dict[str, dict], path: Path) -> None:
    """Draws validation NLL against minutes of training; a ring marks the first weights that reach a target."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    targets = dict.fromkeys(float(target) for result in results.values() for target in result["targets"])
    for colour, (name, result) in zip(COLOURS, results.items(), strict=False):
        minutes = [point["seconds"] / 60 for point in result["curve"]]
        axes.plot(minutes, [point["nll"] for point in result["curve"]], ".-", color=colour, label=name)
        for reached in filter(None, result["targets"].values()):
            point = reached["valid"]
            axes.plot(point["seconds"] / 60, point["nll"], "o", ms=11, mfc="none", color=colour)
    for target in targets:
        axes.axhline(target, color="grey", lw=0.8, ls="--")
        axes.annotate(f"{target:g}", (1.005, target), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    lowest = min(*targets, *(point["nll"] for result in results.values() for point in result["curve"]))
    axes.set_ylim(lowest - 1, max(targets) + 25)
    axes.set_title("Dynamically binarised MNIST, 784-200-200-50", fontsize=10)
    by_minutes(axes, "minutes of training")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def by_minutes(axes: Any, label: str) -> None:
    """Makes axes those of validation NLL against minutes on a logarithmic scale, with their legend."""
    from matplotlib import ticker

    axes.set(xscale="log", xlabel=label, ylabel="validation NLL, nats")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.legend(fontsize=8, loc="upper right")
    axes.figure.tight_layout()
