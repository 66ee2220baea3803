"""What the pictures are drawn on: figures without pyplot, mosaics of images, panels of profiles, colours.

tile (r, c) of a mosaic = image r C + c          panel r of a gallery = profiles r 0 ... r C-1
"""

import functools
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae.core.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Annotation

FIRST, SECOND, QUIET = "#0072b2", "#d55e00", "#9a9a9a"  # Okabe and Ito: colour-blind readers tell them apart
SCALE = "viridis"
# Ten colours by Paul Tol, his "muted" ones, that colour-blind readers tell apart; black in place of his pale grey.
KINDS = ("#332288", "#cc6677", "#ddcc77", "#117733", "#88ccee", "#882255", "#44aa99", "#999933", "#aa4499", "#000000")
TILE, LINE = 0.8, 0.2  # inches: an image, a line of text
MOVES = 1000  # of names that cover each other
MAX_BARS = 30  # dimensions of x up to which each is a mark of its own


def empty_figure(width: float, height: float, layout: str | None = "constrained") -> "Figure":
    """Returns an empty figure, sizes in inches, that a notebook shows when a cell ends with it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        remedy = "Install it: pip install tfvae[plots]"
        raise InvalidInput("matplotlib, which draws the pictures", "an environment without it", remedy) from error
    figure = Figure(figsize=(width, height), dpi=150, layout=layout)
    figure._repr_png_ = functools.partial(png, figure, dpi=100)  # IPython asks for it where pyplot is not in use
    return figure


def png(figure: "Figure", dpi: int = 150) -> bytes:
    """Returns the figure as a PNG file, the same bytes for the same picture."""
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=dpi)
        return file.getvalue()


def whole_numbers(axis: "Axis") -> None:
    """Lets an axis have ticks at whole numbers only."""
    axis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def as_dates(axes: "Axes") -> None:
    """Writes days since 1970 along the horizontal axis as dates, or as times where they lie within a day."""
    from matplotlib import dates

    locator = dates.AutoDateLocator(minticks=2, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))


def apart(axes: "Axes", notes: Sequence["Annotation"]) -> None:
    """Moves boxed names, as little as it takes, until none covers another; a line leads to what each one names."""
    axes.figure.draw_without_rendering()
    boxes = [note.get_bbox_patch().get_window_extent() for note in notes]
    sizes = np.array([(box.width, box.height) for box in boxes])
    places = axes.transData.transform([note.xy for note in notes])
    low, high = axes.bbox.min + sizes / 2, axes.bbox.max - sizes / 2
    order = np.sign(np.arange(len(notes))[:, np.newaxis] - np.arange(len(notes)))[..., np.newaxis]
    for _ in range(MOVES):
        away = places[:, np.newaxis] - places
        covered = (sizes[:, np.newaxis] + sizes) / 2 + 1 - np.abs(away)  # pixels, [name, other, axis]
        hit = np.all(covered > 0, axis=-1, keepdims=True) & (order != 0)
        if not hit.any():
            break
        shorter = covered == covered.min(axis=-1, keepdims=True)
        push = np.where(away == 0, order, np.sign(away)) * covered / 3
        places = np.clip(places + np.sum(np.where(hit & shorter, push, 0), axis=1), low, high)
    for note, place in zip(notes, axes.transData.inverted().transform(places), strict=True):
        note.set_position(place)


def is_image(event_shape: tuple[int, ...]) -> bool:
    """Says whether events of this shape are drawn as images."""
    return len(event_shape) == 2 or (len(event_shape) == 3 and event_shape[2] in (1, 3))


def grey(images: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Returns images on the scale from 0, black, to 1, white; of data that are clearly on another scale the extremes.

    Args:
        images: any values, `[N, ...]`.
        like: images that define the scale; by default these.
    """
    scale = images if like is None else like
    if scale.min() >= -0.5 and scale.max() <= 1.5:
        return np.clip(images, 0.0, 1.0)
    return np.clip((images - scale.min()) / (np.ptp(scale) or 1.0), 0.0, 1.0)


def mosaic(
    images: np.ndarray,
    columns: int,
    names: Sequence[str] = (),
    titles: Sequence[str] = (),
    xlabel: str = "",
    ylabel: str = "",
    tile: float = TILE,
) -> "Figure":
    """Draws images with values in [0, 1], `[N, H, W]` or `[N, H, W, C]`, in rows of `columns`.

    Args:
        images: the tiles, row by row.
        columns: how many stand in a row.
        names: of the rows, at their left.
        titles: of the columns, below them.
        xlabel: below all.
        ylabel: at the left of all.
        tile: inches of the longer side of an image.
    """
    images = images.reshape(*images.shape[:3], -1)
    rows, gap = math.ceil(len(images) / columns), max(1, images.shape[1] // 14)
    tiles = np.ones([rows * columns, images.shape[1] + gap, images.shape[2] + gap, images.shape[3]])
    tiles[: len(images), gap:, gap:] = images
    _, height, width, channels = tiles.shape
    canvas = tiles.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    canvas = canvas.reshape(rows * height, columns * width, channels)
    canvas = np.pad(canvas, ((0, gap), (0, gap), (0, 0)), constant_values=1.0)
    inch = tile / max(height, width)
    margin = max((0.35 + 0.075 * len(line) for name in names for line in name.split("\n")), default=0.0)
    lines = max((1 + title.count("\n") for title in titles), default=0)
    margin, below = margin + LINE * bool(ylabel), 0.1 * bool(titles) + LINE * (lines + 1.3 * bool(xlabel))
    size = canvas.shape[1] * inch + margin, canvas.shape[0] * inch + below
    figure = empty_figure(*size, layout=None)
    area = (margin / size[0], below / size[1], 1 - margin / size[0], 1 - below / size[1])
    axes = figure.add_axes(area, frameon=False, xticks=[])
    extent = (0, canvas.shape[1], canvas.shape[0], 0)
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest", extent=extent)
    axes.set_xticks([(column + 0.5) * width + gap / 2 for column in range(len(titles))], titles)
    axes.set_yticks([(row + 0.5) * height + gap / 2 for row in range(len(names))], names)
    axes.tick_params(length=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure


def profile(axes: "Axes", values: np.ndarray, **style: Any) -> "Line2D":
    """Draws one event, `[...]`, over its dimensions, counted from 0; returns what a legend takes."""
    values = values.ravel()
    marks = {"marker": ".", "markersize": 5} if len(values) <= MAX_BARS else {}
    (line,) = axes.plot(np.arange(len(values)), values, **{"linewidth": 1.5, **marks, **style})
    return line


def gallery(
    events: np.ndarray, names: Sequence[str], titles: Sequence[str], xlabel: str, scale: tuple[float, float]
) -> "Figure":
    """Draws rows of events, `[R, C, ...]`: images side by side, others over each other in one panel a row.

    Args:
        events: each row is a walk of C steps.
        names: of the R rows.
        titles: of the C columns, or none; of images only.
        xlabel: what changes along a row.
        scale: what the first and the last column are on the colour bar of profiles.
    """
    rows, columns, *event = events.shape
    if is_image(tuple(event)):
        return mosaic(grey(events.reshape(-1, *event)), columns, names, titles, xlabel)
    from matplotlib import cm, colormaps, colors

    figure = empty_figure(6.5, 1.5 * rows + 0.9)
    panels = figure.subplots(rows, 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    shades = colormaps[SCALE](np.linspace(0, 1, columns))
    for axes, name, walk in zip(panels, names, events, strict=True):
        for values, shade in zip(walk, shades, strict=True):
            profile(axes, values, color=shade, linewidth=1)
        axes.set_ylabel(name, rotation=0, labelpad=10, horizontalalignment="right", verticalalignment="center")
        axes.grid(alpha=0.3)
    whole_numbers(panels[-1].xaxis)
    panels[-1].set_xlabel("dimension of x")
    shade = cm.ScalarMappable(colors.Normalize(*scale), SCALE)
    figure.colorbar(shade, ax=list(panels), label=xlabel, location="top", aspect=40, shrink=0.8)
    return figure


def glyphs(events: np.ndarray, titles: Sequence[str], names: Sequence[str], xlabel: str, ylabel: str) -> "Figure":
    """Draws profiles, `[R, C, K]`, on one scale, each in its own cell of a grid; names of rows from the top."""
    from matplotlib.collections import LineCollection

    rows, columns, size = events.shape
    figure = empty_figure(6.5, 6.0)
    axes = figure.subplots()
    across = np.linspace(-0.42, 0.42, size) if size > 1 else np.zeros(1)
    heights = 0.84 * (events - events.min()) / (np.ptp(events) or 1.0) - 0.42
    cells = np.indices([rows, columns])
    x = np.broadcast_to(cells[1][..., np.newaxis] + across, events.shape)
    y = np.broadcast_to((rows - 1 - cells[0])[..., np.newaxis] + heights, events.shape)
    lines = np.stack([x, y], axis=-1).reshape(-1, size, 2)
    axes.add_collection(LineCollection(lines, colors=FIRST, linewidths=1))
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(-0.5, rows - 0.5), xlabel=xlabel, ylabel=ylabel)
    title = f"profiles over the dimensions of x, from {events.min():.3g} to {events.max():.3g}"
    axes.set_title(title, fontsize="medium")
    axes.set_xticks(range(columns), titles)
    axes.set_yticks(range(rows), names[::-1])
    return figure
