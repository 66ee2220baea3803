"""Pictures of where the model puts the data in its latent space.

plane: E q(z | x), on its principal components if D > 2         aggregated posterior: q(z) = E_x q(z | x) against p(z)
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tfvae.core import sets
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.observed import num_rows
from tfvae.core.types import ArrayLike, Given
from tfvae.evaluation.codes import one
from tfvae.plotting import canvas, latents
from tfvae.vae import VAE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

MAX_CATEGORIES = 20  # colours of the largest qualitative map
PRIOR_DRAWS = 20_000
MAX_CONDITIONS = 500  # whose mean density a conditional prior's contours are of
MASS = (0.95, 0.5)  # of the prior, inside the contours


def latent_plane(vae: VAE, x: Given, labels: ArrayLike | None = None, latent: str | None = None) -> "Figure":
    """Draws the posterior mean of each example (its center, where it has no mean), coloured by label.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`, or an `Observed` of what is known of them.
        labels: `[B]`; whole numbers or words of at most 20 kinds get a legend, anything else a colour bar.
        latent: of several latents the name of one; by default the one at the bottom of the prior. Those above it are
            at their centers.

    Returns:
        A figure: the plane of z, or of its two leading principal components if D > 2; if D = 1 a histogram,
            for which labels that need a colour bar are left out.

    Raises:
        InvalidInput: if x is empty, has a wrong shape or values that are not finite, `labels` do not match x, the
            latent does not exist, or the posterior means are not finite.

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> latent_plane(vae, np.zeros([3, 8, 8, 1]), labels=[0, 1, 1]).savefig("latent_plane.png")
    """
    x, name = latents.examples(vae, x), one(vae, latent)
    title = name if vae.latents.several else "z"
    labels = None if labels is None else _checked_labels(labels, num_rows(x))
    z = latents.places(vae, x, name).reshape(num_rows(x), -1)  # one-hot vectors in one row
    kind = "means" if vae.latents.posterior[name].has_mean else "centers"
    kind = f"posterior {kind}{f' of {name}' if vae.latents.several else ''}, D = {z.shape[1]}"
    names = [f"{title}[{d}]" for d in range(z.shape[1])]
    if z.shape[1] > 2:
        directions, names = latents.principal_directions(z)
        z = (z - z.mean(axis=0, dtype=float)) @ directions.T
    figure = canvas.empty_figure(6.0, 4.7)
    axes = figure.subplots()
    (_histogram if z.shape[1] == 1 else _scatter)(axes, z, labels)
    axes.set(title=kind, xlabel=names[0], ylabel="number of examples" if len(names) == 1 else names[1])
    if axes.texts:
        canvas.apart(axes, axes.texts)
    return figure


def aggregated_posterior(
    vae: VAE, x: Given, max_dimensions: int = 6, seed: int | None = 0, latent: str | None = None
) -> "Figure":
    """Draws q(z) = E_x q(z | x) against p(z): where they differ, samples come from codes that no example has.

    One draw from q(z | x) for each example, beside the prior's marginal (of many draws): a histogram for each of the
    most active dimensions and, of two real dimensions, the plane with contours of p(z); of one-hot vectors, relaxed or
    not, the mean of each category.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`, or an `Observed` of what is known of them; of a prior that is told a condition p(z)
            is then the mean of p(z | c) over theirs.
        max_dimensions: how many dimensions to draw, those with the largest Var_x E[z_d] first.
        seed: of the draws.
        latent: of several latents the name of one; by default the one at the bottom of the prior. Both q(z) and p(z)
            are its marginals: those above it are drawn.

    Returns:
        A figure with one panel a dimension, named by its KL in nats (or its activity, where the KL does not factorise).

    Raises:
        InvalidInput: if x is empty, has a wrong shape or values that are not finite, `max_dimensions` is below 1, or
            the latent does not exist.

    Reference:
        Hoffman and Johnson 2016, "ELBO surgery"; Rosca et al. 2018, "Distribution Matching in Variational Inference".

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> aggregated_posterior(vae, np.zeros([3, 8, 8, 1])).savefig("aggregated_posterior.png")
    """
    x, name = latents.examples(vae, x), one(vae, latent)
    title = name if vae.latents.several else "z"
    found, notes = latents.activity(vae, x, name)
    dimensions = latents.most_active(found, positive_integer("max_dimensions", max_dimensions))
    z = vae.latents.named(latents.draws(vae, x, seed))[name]
    prior = vae.latents.named(latents.prior_draws(vae, PRIOR_DRAWS, seed, latents.told(x)))[name]
    plane = vae.latents.posterior[name].space == sets.REAL and z.shape[1:] == (2,)
    columns = min(len(dimensions) + plane, 3)
    rows = math.ceil((len(dimensions) + plane) / columns)
    figure = canvas.empty_figure(max(3.4 * columns, 4.0), 2.9 * rows + 0.4)
    places = iter(figure.subplots(rows, columns, squeeze=False).flat)
    if plane:
        told = latents.told(latents.some(x, slice(MAX_CONDITIONS)))
        _contours(next(places), z, prior, lambda z: latents.log_prior(vae, z, told, name), title)
    compare = _frequencies if z.ndim == 3 else _marginals
    for d, axes in zip(dimensions, places, strict=False):
        compare(axes, z[:, d], prior[:, d])
        axes.set_title(f"{title}[{d}]: {notes[d]}", fontsize="medium")
        shown = axes.get_legend_handles_labels()
    for axes in places:
        axes.set_axis_off()
    figure.legend(*shown, loc="outside upper center", ncols=2, frameon=False)
    return figure


def _checked_labels(labels: ArrayLike, examples: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape not in ((examples,), (examples, 1)):
        remedy = "Pass one label for each example, or none."
        raise InvalidInput(f"labels of shape ({examples},)", f"shape {labels.shape}", remedy)
    return labels.reshape(examples)


def _groups(labels: np.ndarray | None) -> list[tuple[str, str | tuple[float, ...], np.ndarray]]:
    """Returns name, colour and rows of each kind of label; none of them if the labels are a scale."""
    import matplotlib

    if labels is None:
        return []
    kinds = np.unique(labels)
    if np.issubdtype(labels.dtype, np.inexact) or len(kinds) > MAX_CATEGORIES:
        return []
    colors = canvas.KINDS if len(kinds) <= len(canvas.KINDS) else matplotlib.colormaps["tab20"].colors
    return [(str(kind), color, labels == kind) for kind, color in zip(kinds, colors, strict=False)]


def _scatter(axes: "Axes", z: np.ndarray, labels: np.ndarray | None) -> None:
    """Draws points z, `[B, 2]`; the name of each kind of label stands in its middle."""
    style = {"s": min(300 / math.sqrt(len(z)) + 2, 40), "alpha": 0.7, "linewidths": 0}
    groups = _groups(labels)
    for name, color, rows in groups:
        axes.scatter(*z[rows].T, color=color, label=name, **style)
        box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": color, "alpha": 0.8}
        placed = {"ha": "center", "va": "center", "fontsize": "small", "parse_math": False}
        middle, line = np.median(z[rows], axis=0), {"arrowstyle": "-", "color": color}
        axes.annotate(name, middle, middle, bbox=box, arrowprops=line, **placed)
    if groups:
        for handle in _legend(axes).legend_handles:
            handle.set(sizes=[30], alpha=1)
    elif labels is None:
        axes.scatter(*z.T, color=canvas.FIRST, **style)
    else:
        axes.figure.colorbar(axes.scatter(*z.T, c=labels, cmap=canvas.SCALE, **style), ax=axes, label="label")
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(alpha=0.3)


def _histogram(axes: "Axes", z: np.ndarray, labels: np.ndarray | None) -> None:
    """Draws the counts of z, `[B, 1]`, stacked by label."""
    groups = _groups(labels)
    if not groups:
        axes.hist(z[:, 0], bins=40, color=canvas.FIRST)
        return
    names, colors, rows = zip(*groups, strict=True)
    axes.hist([z[r, 0] for r in rows], bins=40, stacked=True, color=colors, label=names)
    _legend(axes)


def _legend(axes: "Axes") -> "Legend":
    legend = axes.figure.legend(title="label", loc="outside right upper", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a label is not a formula
    return legend


def _marginals(axes: "Axes", z: np.ndarray, prior: np.ndarray) -> None:
    """Draws the densities of draws from q(z_d) and p(z_d), both `[B]`, over the range that holds nearly all of both."""
    low, high = np.quantile(np.concatenate([z, prior]), [0.001, 0.999])
    low, high = min(low, z.min()), max(high, z.max())
    bins = np.linspace(low, high, 2 + min(math.isqrt(len(z)), 40)) if high > low else 10
    axes.hist(z, bins, density=True, color=canvas.FIRST, alpha=0.5, label="q(z), one draw an example")
    axes.hist(prior, bins, density=True, histtype="step", color=canvas.SECOND, linewidth=1.5, label="p(z)")
    axes.set_ylabel("density")


def _frequencies(axes: "Axes", z: np.ndarray, prior: np.ndarray) -> None:
    """Draws the mean of one-hot vectors from q(z_d) and p(z_d), both `[B, K]`."""
    categories = np.arange(z.shape[1])
    axes.bar(categories, z.mean(axis=0), color=canvas.FIRST, alpha=0.5, label="q(z), one draw an example")
    style = {"color": canvas.SECOND, "markersize": 12, "markeredgewidth": 2}
    axes.plot(categories, prior.mean(axis=0), "_", label="p(z)", **style)
    axes.set(xlabel="category", ylabel="mean")
    canvas.whole_numbers(axes.xaxis)


def _contours(axes: "Axes", z: np.ndarray, prior: np.ndarray, log_prior: Callable, title: str) -> None:
    """Draws points of q(z), `[B, 2]`, under the contours inside which half and 95% of the prior's mass lie."""
    axes.scatter(*z.T, s=min(300 / math.sqrt(len(z)) + 2, 20), color=canvas.FIRST, alpha=0.5, linewidths=0)
    low, high = np.quantile(np.concatenate([z, prior[:: len(prior) // 1000]]), [0, 1], axis=0)
    axis = [np.linspace(low[d], high[d], 80, dtype=np.float32) for d in range(2)]
    grid = np.stack(np.meshgrid(*axis), axis=-1)
    log_p = log_prior(grid.reshape(-1, 2)).reshape(80, 80)
    levels = np.quantile(log_prior(prior), [1 - mass for mass in MASS])
    if levels[0] < levels[1]:
        axes.contour(*axis, log_p, levels, colors=canvas.SECOND, linestyles=["--", "-"])
    axes.set_title("draws of q(z), 50% and 95% of p(z)", fontsize="medium")
    axes.set(xlabel=f"{title}[0]", ylabel=f"{title}[1]")
