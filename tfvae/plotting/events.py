"""Pictures of what the model makes of x: reconstructions of examples, and samples.

reconstruction = mean of p(x | z) at the z that stands for q(z | x)        sample = mean of p(x | z), z ~ p(z)
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import ArrayLike, Seed
from tfvae.plotting import canvas, latents
from tfvae.plotting.latents import examples
from tfvae.vae import VAE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reconstructions(vae: VAE, x: ArrayLike, max_examples: int = 10, titles: Sequence[str] = ()) -> "Figure":
    """Draws examples above their reconstructions.

    Where preprocessing changes more than the scale (binarisation, for example), what it makes of the examples, which
    is what the model sees, is drawn between the two.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`.
        max_examples: how many to draw, from the first on.
        titles: a short text for each example that is drawn, or none.

    Returns:
        A figure with one column an example; of an event that is not an image, one panel an example.

    Raises:
        InvalidInput: if x is empty, has a wrong shape or values that are not finite, `max_examples` is below 1, or
            there is another number of titles than of examples.

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> reconstructions(vae, np.zeros([3, 8, 8, 1])).savefig("reconstructions.png")
    """
    raw = np.asarray(examples(vae, x)[: positive_integer("max_examples", max_examples)], dtype=float)
    if len(titles) not in (0, len(raw)):
        raise InvalidInput(f"{len(raw)} titles", f"{len(titles)}", "Pass one for each example that is drawn, or none.")
    x, mean = vae.known({"x": raw})["x"].numpy(), vae.reconstruct(raw).numpy()
    if not canvas.is_image(vae.event_shape):
        x, mean = (latents.one_scale(vae, events) for events in (x, mean))
        return _profiles(x, mean, titles, latents.axis_of_values(vae))
    seen, changed = canvas.grey(x), not np.allclose(_stretched(raw), _stretched(x), atol=0.03)
    rows = {"original": canvas.grey(raw), "model's input": seen} if changed else {"original": seen}
    rows["reconstruction"] = canvas.grey(mean, like=x)
    return canvas.mosaic(np.concatenate(list(rows.values())), len(x), list(rows), titles)


def samples(vae: VAE, num_samples: int = 64, seed: int | Seed | None = 0) -> "Figure":
    """Draws decoded means: the mean of p(x | z) for draws z from the prior, those of `vae.sample(num_samples, seed)`.

    Args:
        vae: the model.
        num_samples: how many.
        seed: an integer or int32 scalar for repeatable draws; `None` draws afresh.

    Returns:
        A figure with a square grid of images; of an event that is not an image, a heat map with one row a sample.

    Raises:
        InvalidInput: if `num_samples` is not a whole number of at least 1.

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> samples(vae, num_samples=16).savefig("samples.png")
    """
    _, likelihood, _ = vae.sample_likelihood(positive_integer("num_samples", num_samples), seeds.as_seed(seed))
    mean = vae.likelihood.point(likelihood).numpy()
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
