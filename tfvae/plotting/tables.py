"""Pictures of a synthetic table: each column of the real beside the synthetic rows, and the scores of pairs.

columns: the share of rows in each bin of a number, and of each category
pairs: score of each pair of columns; on the diagonal that of each column
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfvae.core.errors import positive_integer
from tfvae.evaluation.table_cells import Cells, cells
from tfvae.evaluation.table_scores import ColumnScore, column_scores
from tfvae.evaluation.tables import TableQuality
from tfvae.plotting import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

PANELS = 4  # in a row
BINS, BARS = 30, 10  # of a number, of a category
TAIL = 0.005  # share of the real cells at either end of a number that the outermost bins hold
MAX_WRITTEN, LONGEST = 15, 20  # columns up to which each pair has its score; letters of a name


def columns(real: "DataFrame", synthetic: "DataFrame", numeric: Sequence[str], max_columns: int = 24) -> "Figure":
    """Draws one panel a column: the distribution of the real rows, filled, and of the synthetic rows, as a line.

    A number has at most 30 bins between the 0.5% and the 99.5% quantile of the real rows; the outermost ones hold what
    lies beyond. Where numbers have few digits, each bin holds as many of them. Of a category the ten most frequent of
    the real rows have bars, the others one together. Shares are of the cells that are not missing; the title says how
    many are.

    Args:
        real: real rows, a pandas DataFrame.
        synthetic: rows of the generator, with the same columns.
        numeric: the columns that are numbers or datetimes; every other is a category.
        max_columns: of more columns those of the lowest scores are drawn, at most so many.

    Returns:
        A figure whose titles have the score of each column, see `tfvae.evaluation.synthetic_quality`.

    Raises:
        InvalidInput: as `synthetic_quality`.

    Example:
        >>> columns(real, synthetic, numeric=["age", "fare"]).savefig("columns.png")
    """
    of_real, of_synthetic = cells({"real": real, "synthetic": synthetic}, numeric)
    scores = column_scores(of_real, of_synthetic, ())
    worst = sorted(scores, key=lambda name: scores[name].score)[: positive_integer("max_columns", max_columns)]
    drawn = [name for name in scores if name in worst]
    across = min(PANELS, len(drawn))
    down = math.ceil(len(drawn) / across)
    figure = canvas.empty_figure(2.6 * across + 0.4, 2.1 * down + 0.4)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, name in zip(panels, drawn, strict=False):
        draw = _number if name in of_real.numbers else _category
        draw(axes, name, of_real, of_synthetic)
        axes.set_title(_title(name, scores[name]), fontsize="small")
        if name in of_real.numbers and _is_of_time(real, name):
            canvas.as_dates(axes)
        axes.tick_params(labelsize="x-small")
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    figure.supxlabel("share of the cells that are not missing; in the titles 1 - distance", fontsize="small")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False)
    return figure


def pairs(quality: TableQuality) -> "Figure":
    """Draws the score of each pair of columns, and on the diagonal that of each column.

    Args:
        quality: of `tfvae.evaluation.synthetic_quality`.

    Returns:
        A figure with one row and one column for each column of the table; up to 15 each pair has its score. The scale
        starts at the lowest tenth. A score that is unknown is left white.

    Example:
        >>> pairs(synthetic_quality(real, synthetic, numeric=["age"])).savefig("pairs.png")
    """
    names = list(quality.columns)
    place, size = {name: index for index, name in enumerate(names)}, len(names)
    scores = np.diag([one.score for one in quality.columns.values()]).astype(float)
    for (one, other), pair in quality.pairs.items():
        scores[place[one], place[other]] = scores[place[other], place[one]] = pair.score
    side = max(3.6, min(0.42 * size + 2.0, 10.0))
    figure = canvas.empty_figure(side + 0.9, side)
    axes = figure.subplots()
    lowest = max(math.floor(10 * np.nanmin(scores) - 1e-9) / 10, 0.0)
    image = axes.imshow(scores, vmin=lowest, vmax=1, cmap=canvas.SCALE, interpolation="nearest")
    for row, column in np.argwhere(np.isfinite(scores)) if size <= MAX_WRITTEN else ():
        bright = (scores[row, column] - lowest) / (1 - lowest) > 0.6
        style = {"ha": "center", "va": "center", "fontsize": 6, "color": "black" if bright else "white"}
        axes.text(column, row, f"{scores[row, column]:.2f}", **style)
    axes.set_xticks(range(size), [_short(name) for name in names], rotation=90, fontsize="small")
    axes.set_yticks(range(size), [_short(name) for name in names], fontsize="small")
    title = f"mean score of pairs {quality.pair_score:.3f}, of columns {quality.column_score:.3f}"
    axes.set_title(title, fontsize="medium")
    figure.colorbar(image, ax=axes, label="score, 1 - distance", shrink=0.8)
    return figure


def _title(name: str, score: ColumnScore) -> str:
    real, synthetic = score.missing
    missing = f"\nmissing {real:.1%}, synthetic {synthetic:.1%}" if real or synthetic else ""
    return f"{_short(name)}: {score.score:.3f}{missing}"


def _number(axes: "Axes", name: str, real: Cells, synthetic: Cells) -> None:
    """Draws histograms of a number."""
    values = [table.numbers[name] for table in (real, synthetic)]
    values = [x[~np.isnan(x)] for x in values]
    edges = _edges(next((x for x in values if len(x)), np.zeros(1)))
    shares = [np.histogram(np.clip(x, edges[0], edges[-1]), edges)[0] / max(len(x), 1) for x in values]
    axes.stairs(shares[0], edges, fill=True, color=canvas.QUIET, alpha=0.6, label="real rows")
    axes.stairs(shares[1], edges, color=canvas.SECOND, linewidth=1.3, label="synthetic rows")
    axes.set_ylim(bottom=0)


def _edges(values: np.ndarray) -> np.ndarray:
    """Returns the edges of bins that are as many steps wide, a step being the least difference of two values."""
    low, high = np.quantile(values, [TAIL, 1 - TAIL], method="nearest")
    gaps = np.diff(np.unique(values[(values >= low) & (values <= high)]))
    step = max(gaps.min(), (high - low) * 1e-9) if len(gaps) else 1.0
    steps = round((high - low) / step) + 1
    width = math.ceil(steps / BINS)
    return low - step / 2 + width * step * np.arange(math.ceil(steps / width) + 1)


def _category(axes: "Axes", name: str, real: Cells, synthetic: Cells) -> None:
    """Draws bars of the most frequent categories, the first at the top."""
    codes = [table.codes[name] for table in (real, synthetic)]
    codes = [code[code > 0] - 1 for code in codes]
    counts = [np.bincount(code, minlength=len(real.words[name])) for code in codes]
    order = np.argsort(-counts[0], kind="stable")
    first, others = order[:BARS], order[BARS:]
    shares = [np.append(n[first], [n[others].sum()] if len(others) else []) / max(n.sum(), 1) for n in counts]
    labels = [_short(str(real.words[name][code])) for code in first]
    labels += [f"{len(others)} others"] if len(others) else []
    places = np.arange(len(labels))
    axes.barh(places, shares[0], height=0.8, color=canvas.QUIET, alpha=0.6, label="real rows")
    axes.barh(
        places, shares[1], height=0.5, color="none", edgecolor=canvas.SECOND, linewidth=1.3, label="synthetic rows"
    )
    axes.set_yticks(places, labels)
    axes.invert_yaxis()


def _is_of_time(table: "DataFrame", name: str) -> bool:
    return next(column.dtype.kind == "M" for own, column in table.items() if str(own) == name)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."
