"""Pictures of what the model makes of x: reconstructions of examples, and samples.

reconstruction = mean of p(x | z) at the z that stands for q(z | x)        sample = mean of p(x | z), z ~ p(z)
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfvae.checks.known import observed_only
from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import Given, Seed
from tfvae.plotting import canvas, latents
from tfvae.vae import VAE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reconstructions(vae: VAE, x: Given, max_examples: int = 10, titles: Sequence[str] = ()) -> "Figure":
    """Draws examples above their reconstructions.

    Where preprocessing changes more than the scale (binarisation, for example), what it makes of the examples, which
    is what the model sees, is drawn between the two. Missing pixels are grey, of other events missing cells are empty.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`, or an `Observed` of what is known of them.
        max_examples: how many to draw, from the first on.
        titles: a short text for each example that is drawn, or none, which are the conditions of a model that has some.

    Returns:
        A figure with one column an example; of an event that is not an image, one panel an example.

    Raises:
        InvalidInput: if x is empty, has a wrong shape or values that are not finite, `max_examples` is below 1, or
            there is another number of titles than of examples.

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> reconstructions(vae, np.zeros([3, 8, 8, 1])).savefig("reconstructions.png")
    """
    observed = latents.some(latents.examples(vae, x), slice(positive_integer("max_examples", max_examples)))
    raw = np.asarray(observed_only(observed["x"], observed.get("mask")), dtype=float)
    if len(titles) not in (0, len(raw)):
        raise InvalidInput(f"{len(raw)} titles", f"{len(titles)}", "Pass one for each example that is drawn, or none.")
    titles = titles or latents.names(latents.told(observed))
    known, mean = vae.known({**observed, "x": raw}), vae.reconstruct({**observed, "x": raw}).numpy()
    x, mask = known["x"].numpy(), known.get("mask", True)
    if not canvas.is_image(vae.event_shape):
        x, mean = (latents.one_scale(vae, events) for events in (x, mean))
        return _profiles(np.where(mask, x, np.nan), mean, titles, latents.axis_of_values(vae))
    seen, changed = canvas.grey(x), not np.allclose(_stretched(raw), _stretched(x), atol=0.03)
    rows = {"original": canvas.grey(raw), "model's input": seen} if changed else {"original": seen}
    rows = {name: np.where(mask, events, 0.5) for name, events in rows.items()}
    rows["reconstruction"] = canvas.grey(mean, like=x)
    return canvas.mosaic(np.concatenate(list(rows.values())), len(x), list(rows), titles)


def samples(
    vae: VAE,
    num_samples: int | None = None,
    seed: int | Seed | None = 0,
    condition: Given = None,
    names: Sequence[str] = (),
) -> "Figure":
    """Draws decoded means: the mean of p(x | z) for draws z from the prior, those of `vae.sample(num_samples, seed)`.

    Args:
        vae: the model.
        num_samples: how many, for each condition; by default 64, or 10 under each of several.
        seed: an integer or int32 scalar for repeatable draws; `None` draws afresh.
        condition: of a model that is told one, `[B, ...]` or name to it: B rows of samples, for example one a label.
        names: of these rows; by default the conditions themselves.

    Returns:
        A figure with a square grid of images; of an event that is not an image, a heat map with one row a sample. Of
        several conditions a row of images each, or a panel of profiles.

    Raises:
        InvalidInput: if `num_samples` is not a whole number of at least 1, the condition is missing or of a wrong kind,
            or there is another number of names than of conditions.

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> samples(vae, num_samples=16).savefig("samples.png")
    """
    told = vae.told(condition)
    rows = len(next(iter(told.values()))) if told else 1
    number = positive_integer("num_samples", (10 if rows > 1 else 64) if num_samples is None else num_samples)
    _, likelihood, _ = vae.sample_likelihood(number, seeds.as_seed(seed), vae.encoded_conditions(told))
    mean = vae.likelihood.point(likelihood).numpy()
    if rows > 1:
        return _rows_of_samples(vae, mean.swapaxes(0, 1), names or latents.names(told))
    mean = mean.reshape(number, *vae.event_shape)
    if canvas.is_image(vae.event_shape):
        return canvas.mosaic(canvas.grey(mean), columns=math.ceil(math.sqrt(len(mean))))
    figure = canvas.empty_figure(6.5, 4.5)
    axes = figure.subplots()
    mean = latents.one_scale(vae, mean).reshape(len(mean), -1)
    image = axes.imshow(mean, aspect="auto", cmap=canvas.SCALE, interpolation="nearest")
    axes.set(xlabel="dimension of x", ylabel="sample")
    for axis in (axes.xaxis, axes.yaxis):
        canvas.whole_numbers(axis)
    kind = "mean" if vae.likelihood.has_mean else "mode"
    figure.colorbar(image, ax=axes, label=f"{kind} of p({latents.axis_of_values(vae)} | z)")
    return figure


def _rows_of_samples(vae: VAE, means: np.ndarray, names: Sequence[str]) -> "Figure":
    """Draws decoded means, `[B, n, ...]`, a row for each of B conditions."""
    names = names or [f"condition {row}" for row in range(len(means))]
    if len(names) != len(means):
        raise InvalidInput(f"{len(means)} names", f"{len(names)}", "Pass one for each condition, or none.")
    return canvas.gallery(latents.one_scale(vae, means), names, (), "sample", (1, means.shape[1]))


def _stretched(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (np.ptp(values) or 1.0)


def _profiles(x: np.ndarray, mean: np.ndarray, titles: Sequence[str], ylabel: str) -> "Figure":
    """Draws events that are not images, `[B, ...]`: one panel an example, x and its reconstruction over each other."""
    columns = min(len(x), 5)
    rows = math.ceil(len(x) / columns)
    figure = canvas.empty_figure(max(2.1 * columns, 4.2), 1.7 * rows + 0.5)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    dimensions = np.arange(math.prod(x.shape[1:]))
    for index, axes in enumerate(panels):
        if index >= len(x):
            axes.set_axis_off()
            continue
        original, reconstruction = x[index].ravel(), mean[index].ravel()
        if len(dimensions) <= canvas.MAX_BARS:
            first = axes.bar(dimensions, original, color=canvas.FIRST, alpha=0.4)
            style = {"color": canvas.SECOND, "markersize": 6, "markeredgewidth": 2}
            (second,) = axes.plot(dimensions, reconstruction, "_", **style)
        else:
            first = canvas.profile(axes, original, color=canvas.FIRST)
            second = canvas.profile(axes, reconstruction, color=canvas.SECOND, linestyle="--")
        axes.set_xlim(-0.5, len(dimensions) - 0.5)
        axes.set_title(titles[index] if titles else "", fontsize="medium")
        canvas.whole_numbers(axes.xaxis)
        axes.tick_params(labelbottom=index + columns >= len(x))
        axes.grid(alpha=0.3)
    figure.supxlabel("dimension of x", fontsize="medium")
    figure.supylabel(ylabel, fontsize="medium")
    words = ["original", "reconstruction"]
    figure.legend([first, second], words, loc="outside upper center", ncols=2, frameon=False)
    return figure
