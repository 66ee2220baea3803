"""Plotting: the pictures that a person looks at first. Each function returns a `matplotlib.figure.Figure`.

    learning_curves    elbo = -(distortion + rate), nats per example, against the epoch
    reconstructions    x above the mean of p(x | z) at z = E q(z | x)
    samples            means of p(x | z) with z ~ p(z)
    latent_plane       E q(z | x), projected on its two leading principal components when D > 2

Images, `(H, W)`, `(H, W, 1)` or `(H, W, 3)`, are shown as such, any other event as a profile over its dimensions.
Nothing here touches pyplot or a display. matplotlib is imported at the first call: `pip install tfvae[plots]`.
"""

import functools
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae import inputs, seeds
from tfvae.errors import InvalidInput, positive_integer
from tfvae.model import VAE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = {"elbo": "ELBO", "rate": "rate", "distortion": "distortion"}
FIRST, SECOND = "#0072b2", "#d55e00"  # blue and orange that colour-blind readers tell apart
MAX_CATEGORIES = 20  # colours of the largest qualitative map
ROWS_PER_BLOCK = 1024


def learning_curves(history: Mapping[str, Sequence[float]]) -> "Figure":
    """Draws ELBO, rate and distortion against the epoch, for training and validation.

    Args:
        history: name to one value an epoch, nats per example: `elbo`, `rate`, `distortion` and, where there was
            validation, the same with `val_`. Values that are not finite leave a gap.

    Returns:
        A figure of three panels; the legends tell the last values.

    Raises:
        InvalidInput: if `history` is no mapping, lacks one of the three, or has no epoch.

    Example:
        >>> figure = learning_curves({"elbo": [-9.0, -7.5], "rate": [1.0, 1.5], "distortion": [8.0, 6.0]})
    """
    if not isinstance(history, Mapping) or any(len(history.get(name, ())) == 0 for name in CURVES):
        received = f"keys {sorted(history)}" if isinstance(history, Mapping) else f"a {type(history).__name__}"
        remedy = "Pass vae.fit(...).history, after one epoch or more."
        raise InvalidInput("a history with values of elbo, rate and distortion", received, remedy)
    figure = _figure(10.5, 3.2)
    for axes, (name, title) in zip(figure.subplots(1, len(CURVES)), CURVES.items(), strict=True):
        epochs = len(history[name])
        for key, label, color in ((name, "training", FIRST), ("val_" + name, "validation", SECOND)):
            values = np.asarray(history.get(key, ()), dtype=float)
            if len(values) == 0:
                continue
            every = max(epochs // len(values), 1)  # Keras may validate every k-th epoch only: k, 2k, ...
            finite = np.where(np.isfinite(values), values, np.nan)
            x = every * np.arange(1, len(values) + 1)
            style = {"color": color, "linewidth": 1.5, "markersize": 6 if epochs <= 40 else 2}
            axes.plot(x, finite, ".-", label=f"{label}, last {values[-1]:.2f}", **style)
        axes.set(title=title, xlabel="epoch", ylabel="nats per example", xlim=(0.5, epochs + 0.5))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.get_layout_engine().set(wspace=0.05)
    return figure


def reconstructions(vae: VAE, x: Any, max_examples: int = 10) -> "Figure":
    """Draws examples above their reconstructions.

    Where preprocessing changes more than the scale (binarisation, for example), what it makes of the examples, which
    is what the model sees, is drawn between the two.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`.
        max_examples: how many to draw, from the first on.

    Returns:
        A figure with one column an example; of an event that is no image, one panel an example.

    Raises:
        InvalidInput: if x is empty, has a wrong shape or values that are not finite, or `max_examples` is below 1.

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> reconstructions(vae, np.zeros([3, 8, 8, 1])).savefig("reconstructions.png")
    """
    raw = np.asarray(_examples(vae, x)[: positive_integer("max_examples", max_examples)], dtype=float)
    x, mean = vae.preprocess(raw).numpy(), vae.reconstruct(raw).numpy()
    if not _is_image(vae.event_shape):
        return _profiles(x, mean)
    rows = {"original": _grey(x), "reconstruction": _grey(mean, like=x)}
    if not np.allclose(_stretched(raw), _stretched(x), atol=0.03):
        rows = {"original": _grey(raw), "model's input": _grey(x), "reconstruction": _grey(mean, like=x)}
    return _mosaic(np.concatenate(list(rows.values())), columns=len(x), names=list(rows))


def samples(vae: VAE, num_samples: int = 64, seed: Any = 0) -> "Figure":
    """Draws decoded means: the mean of p(x | z) for draws z from the prior, those of `vae.sample(num_samples, seed)`.

    Args:
        vae: the model.
        num_samples: how many.
        seed: an integer or int32 scalar for repeatable draws; `None` draws afresh.

    Returns:
        A figure with a square grid of images; of an event that is no image, a heat map with one row a sample.

    Raises:
        InvalidInput: if `num_samples` is not a whole number of at least 1.

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> samples(vae, num_samples=16).savefig("samples.png")
    """
    _, likelihood, _ = vae.sample_likelihood(positive_integer("num_samples", num_samples), seeds.as_seed(seed))
    mean = likelihood.mean().numpy()
    if _is_image(vae.event_shape):
        return _mosaic(_grey(mean), columns=math.ceil(math.sqrt(len(mean))))
    figure = _figure(6.5, 4.5)
    axes = figure.subplots()
    mean = mean.reshape(len(mean), -1)
    extent = (0.5, mean.shape[1] + 0.5, len(mean) + 0.5, 0.5)
    image = axes.imshow(mean, aspect="auto", cmap="viridis", interpolation="nearest", extent=extent)
    axes.set(xlabel="dimension of x", ylabel="sample")
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    figure.colorbar(image, ax=axes, label="mean of p(x | z)")
    return figure


def latent_plane(vae: VAE, x: Any, labels: Any = None) -> "Figure":
    """Draws the posterior mean of each example (its center, where it has no mean), coloured by label.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`.
        labels: `[B]`; whole numbers or words of at most 20 kinds get a legend, anything else a colour bar.

    Returns:
        A figure: the plane of z, or of its two leading principal components if D > 2; if D = 1 a histogram,
            for which labels that need a colour bar are left out.

    Raises:
        InvalidInput: if x is empty, has a wrong shape or values that are not finite, `labels` do not match x, or the
            posterior means are not finite.

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> latent_plane(vae, np.zeros([3, 8, 8, 1]), labels=[0, 1, 1]).savefig("latent_plane.png")
    """
    x = _examples(vae, x)
    labels = None if labels is None else _checked_labels(labels, len(x))
    z = np.concatenate([_centers(vae, x[i : i + ROWS_PER_BLOCK]) for i in range(0, len(x), ROWS_PER_BLOCK)])
    if not np.all(np.isfinite(z)):
        remedy = "The model's weights are damaged: train it again, with a lower learning rate."
        raise InvalidInput("a model with finite posterior means", f"{np.sum(~np.isfinite(z))} that are not", remedy)
    kind = "means" if vae.posterior.has_mean else "centers"
    names, title = [f"z{d + 1}" for d in range(z.shape[1])], f"posterior {kind}, D = {z.shape[1]}"
    if z.shape[1] > 2:
        z, names = _principal_plane(z)
    figure = _figure(6.4, 5.0)
    axes = figure.subplots()
    (_histogram if z.shape[1] == 1 else _scatter)(axes, z, labels)
    axes.set(title=title, xlabel=names[0], ylabel="number of examples" if len(names) == 1 else names[1])
    return figure


def _centers(vae: VAE, x: np.ndarray) -> np.ndarray:
    """Returns the z that stands for each example, `[B, D]`; one-hot vectors in one row."""
    return np.reshape(vae.posterior.center(vae.posterior.parameters(vae.preprocess(x))), [len(x), -1])


def _figure(width: float, height: float, layout: Any = "constrained") -> "Figure":
    """Returns an empty figure, sizes in inches, that a notebook shows when a cell ends with it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        remedy = "Install it: pip install tfvae[plots]"
        raise InvalidInput("matplotlib, which draws the pictures", "an environment without it", remedy) from error
    figure = Figure(figsize=(width, height), dpi=150, layout=layout)
    figure._repr_png_ = functools.partial(_png, figure)  # IPython asks for it where pyplot is not in use
    return figure


def _png(figure: "Figure") -> bytes:
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=100)
        return file.getvalue()


def _examples(vae: VAE, x: Any) -> Any:
    x = inputs.event_batch(x, vae.event_shape)
    if len(x) == 0:
        raise InvalidInput("at least one example", "an empty x", "Pass data with one row or more.")
    return x


def _checked_labels(labels: Any, examples: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape not in ((examples,), (examples, 1)):
        remedy = "Pass one label for each example, or none."
        raise InvalidInput(f"labels of shape ({examples},)", f"shape {labels.shape}", remedy)
    return labels.reshape(examples)


def _is_image(event_shape: tuple[int, ...]) -> bool:
    return len(event_shape) == 2 or (len(event_shape) == 3 and event_shape[2] in (1, 3))


def _grey(images: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Returns images on the scale from 0, black, to 1, white; of data that are clearly on another scale the extremes.

    Args:
        images: any values, `[N, ...]`.
        like: images that define the scale; by default these.
    """
    scale = images if like is None else like
    if scale.min() >= -0.5 and scale.max() <= 1.5:
        return np.clip(images, 0.0, 1.0)
    return np.clip((images - scale.min()) / (np.ptp(scale) or 1.0), 0.0, 1.0)


def _stretched(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (np.ptp(values) or 1.0)


def _mosaic(images: np.ndarray, columns: int, names: Sequence[str] = ()) -> "Figure":
    """Draws images with values in [0, 1], `[N, H, W]` or `[N, H, W, C]`, in rows of `columns`, `names` beside them."""
    images = images.reshape(*images.shape[:3], -1)
    rows, gap = math.ceil(len(images) / columns), max(1, images.shape[1] // 14)
    tiles = np.ones([rows * columns, images.shape[1] + gap, images.shape[2] + gap, images.shape[3]])
    tiles[: len(images), gap:, gap:] = images
    _, height, width, channels = tiles.shape
    canvas = tiles.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    canvas = canvas.reshape(rows * height, columns * width, channels)
    canvas = np.pad(canvas, ((0, gap), (0, gap), (0, 0)), constant_values=1.0)
    inch, margin = 0.8 / max(height, width), 1.3 if names else 0.0
    figure = _figure(canvas.shape[1] * inch + margin, canvas.shape[0] * inch, layout=None)
    left = margin / figure.get_figwidth()
    axes = figure.add_axes((left, 0.0, 1.0 - left, 1.0), frameon=False, xticks=[])
    extent = (0, canvas.shape[1], canvas.shape[0], 0)
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation="nearest", extent=extent)
    axes.set_yticks([(row + 0.5) * height + gap / 2 for row in range(len(names))], names)
    axes.tick_params(length=0)
    return figure


def _profiles(x: np.ndarray, mean: np.ndarray) -> "Figure":
    """Draws events that are no images, `[B, ...]`: one panel an example, x and its reconstruction over each other."""
    columns = min(len(x), 5)
    rows = math.ceil(len(x) / columns)
    figure = _figure(max(2.1 * columns, 4.2), 1.7 * rows + 0.5)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    dimensions = np.arange(1, math.prod(x.shape[1:]) + 1)
    for index, axes in enumerate(panels):
        if index >= len(x):
            axes.set_axis_off()
            continue
        original, reconstruction = x[index].ravel(), mean[index].ravel()
        if len(dimensions) <= 30:
            first = axes.bar(dimensions, original, color=FIRST, alpha=0.4)
            (second,) = axes.plot(dimensions, reconstruction, "_", color=SECOND, markersize=6, markeredgewidth=2)
        else:
            (first,) = axes.plot(dimensions, original, color=FIRST, linewidth=1.5)
            (second,) = axes.plot(dimensions, reconstruction, "--", color=SECOND, linewidth=1.5)
        axes.set_xlim(0.5, len(dimensions) + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.tick_params(labelbottom=index + columns >= len(x))
        axes.grid(alpha=0.3)
    figure.supxlabel("dimension of x", fontsize="medium")
    words = ["original", "reconstruction"]
    figure.legend([first, second], words, loc="outside upper center", ncols=2, frameon=False)
    return figure


def _principal_plane(z: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Returns z, `[B, D]`, on its two leading principal components, `[B, 2]`, and what the axes are."""
    z = z.astype(float) - z.mean(axis=0)
    _, variances, directions = np.linalg.svd(z.T @ z)
    shares = variances / max(variances.sum(), np.finfo(float).tiny)
    names = [f"principal component {i + 1} ({shares[i]:.0%} of the variance)" for i in range(2)]
    return z @ directions[:2].T, names


def _groups(labels: np.ndarray | None) -> list[tuple[str, Any, np.ndarray]]:
    """Returns name, colour and rows of each kind of label; none of them if the labels are a scale."""
    import matplotlib

    if labels is None:
        return []
    kinds = np.unique(labels)
    if np.issubdtype(labels.dtype, np.inexact) or len(kinds) > MAX_CATEGORIES:
        return []
    colors = matplotlib.colormaps["tab10" if len(kinds) <= 10 else "tab20"]
    return [(str(kind), colors(index), labels == kind) for index, kind in enumerate(kinds)]


def _scatter(axes: "Axes", z: np.ndarray, labels: np.ndarray | None) -> None:
    """Draws points z, `[B, 2]`."""
    style = {"s": min(300 / math.sqrt(len(z)) + 2, 40), "alpha": 0.7, "linewidths": 0}
    groups = _groups(labels)
    for name, color, rows in groups:
        axes.scatter(*z[rows].T, color=color, label=name, **style)
    if groups:
        legend = axes.figure.legend(title="label", loc="outside right upper", frameon=False)
        for handle in legend.legend_handles:
            handle.set(sizes=[30], alpha=1)
    elif labels is None:
        axes.scatter(*z.T, color=FIRST, **style)
    else:
        axes.figure.colorbar(axes.scatter(*z.T, c=labels, cmap="viridis", **style), ax=axes, label="label")
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(alpha=0.3)


def _histogram(axes: "Axes", z: np.ndarray, labels: np.ndarray | None) -> None:
    """Draws the counts of z, `[B, 1]`, stacked by label."""
    groups = _groups(labels)
    if not groups:
        axes.hist(z[:, 0], bins=40, color=FIRST)
        return
    names, colors, rows = zip(*groups, strict=True)
    axes.hist([z[r, 0] for r in rows], bins=40, stacked=True, color=colors, label=names)
    axes.figure.legend(title="label", loc="outside right upper", frameon=False)
