"""Pictures of how well a latent that is a class is told: whether its probabilities are right, and what is mistaken.

reliability: accuracy of the examples in a bin against their confidence, max_k p_k; calibrated on the diagonal
confusion: share of the examples of each label for which each class is the most probable
"""

from typing import TYPE_CHECKING

import numpy as np

from tfvae.evaluation.classes import BINS, ClassReport, entry
from tfvae.evaluation.report import Report
from tfvae.plotting import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_WRITTEN = 20  # classes up to which each cell has its number


def reliability(report: Report | ClassReport, of: str | None = None) -> "Figure":
    """Draws accuracy against confidence, and below it how many examples have it.

    A bin below the diagonal is too sure of itself. The error bars are standard errors of an accuracy; their size is
    that of a calibrated bin's, sqrt(c (1 - c) / n), so that one example alone has one, too.

    Args:
        report: of `tfvae.evaluation.classification`, or of `evaluate` on data with labels.
        of: the name of the latent, where an evaluation tells of several.

    Returns:
        A figure of two panels, with the calibration error in its title.

    Raises:
        InvalidInput: if the report tells of no class, or of several and none is named.

    Reference:
        Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks", figure 1.

    Example:
        >>> reliability(tfvae.evaluation.classification(vae, x, labels=y)).savefig("reliability.png")
    """
    found = entry(report, of)
    confidence, accuracy, count = np.array(found.bins, dtype=float).T
    figure = canvas.empty_figure(4.6, 5.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    error = np.sqrt(np.clip(confidence * (1 - confidence), 0, None) / count)
    above.plot([0, 1], [0, 1], "--", color=canvas.QUIET, label="calibrated")
    label = "examples of a bin" if len(found.bins) > 1 else "all examples"
    above.errorbar(confidence, accuracy, error, fmt="o-", color=canvas.FIRST, capsize=3, label=label)
    above.set(ylabel="share whose class is right", ylim=(-0.03, 1.03))
    above.set_title(f"{found.name}: calibration error {found.calibration_error:.3f}", fontsize="medium")
    above.legend(frameon=False, loc="upper left")
    edges = np.clip(np.ceil(confidence * BINS) - 0.5, 0.5, None) / BINS
    below.bar(edges, count, width=1 / BINS, color=canvas.FIRST, alpha=0.5)
    below.set(xlabel=f"largest probability of {found.name}", ylabel="examples", xlim=(0, 1))
    canvas.whole_numbers(below.yaxis)
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return figure


def confusion(report: Report | ClassReport, of: str | None = None) -> "Figure":
    """Draws which class is the most probable for the examples of each label; a row adds up to one.

    Args:
        report: of `tfvae.evaluation.classification`, or of `evaluate` on data with labels.
        of: the name of the latent, where an evaluation tells of several.

    Returns:
        A figure with one row a label, the first at the top; up to 20 classes each cell has its number of examples.

    Raises:
        InvalidInput: if the report tells of no class, or of several and none is named.

    Example:
        >>> confusion(tfvae.evaluation.classification(vae, x, labels=y)).savefig("confusion.png")
    """
    found = entry(report, of)
    counts = np.array(found.confusion, dtype=float)
    shares, size = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), len(counts)
    figure = canvas.empty_figure(*(max(4.2, min(0.42 * size + 1.8, 9.0)) + extra for extra in (0.8, 0.0)))
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap=canvas.SCALE, interpolation="nearest")
    for row, column in np.argwhere(counts > 0) if size <= MAX_WRITTEN else ():
        color = "black" if shares[row, column] > 0.6 else "white"  # viridis is bright at its upper end
        middle = {"ha": "center", "va": "center", "fontsize": "small", "color": color}
        axes.text(column, row, f"{counts[row, column]:.0f}", **middle)
    axes.set(xlabel=f"most probable {found.name}", ylabel="label")
    axes.set_title(f"{found.name}: error {found.error.mean:.1%} of {found.examples} labels", fontsize="medium")
    for axis in (axes.xaxis, axes.yaxis):
        canvas.whole_numbers(axis)
        if size <= MAX_WRITTEN:
            axis.set_ticks(range(size))
    figure.colorbar(image, ax=axes, label="share of the examples of a label")
    return figure
