"""Walks through the latent space, and what the decoder makes of every step.

traversal       z_d in [m_d - a s_d, m_d + a s_d], m and s mean and deviation of q(z); the rest of z an example's
interpolation   z(t) = (1 - t) z_0 + t z_1,   on the sphere (sin((1 - t) w) z_0 + sin(t w) z_1) / sin w, cos w = z_0.z_1
manifold        z on a grid of quantiles (i + 1/2) / n of two coordinates         Kingma and Welling 2014, figure 4

Of several latents one moves, `latent`, and the others are held where an example has them.

A unit vector stays one: as z_d moves, its other entries keep their proportions, which is a great circle. A one-hot
vector goes through its categories, one after the other.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfvae.core import sets
from tfvae.core.errors import InvalidInput, positive_integer, positive_number
from tfvae.core.observed import num_rows
from tfvae.core.types import Given
from tfvae.evaluation.codes import explaining
from tfvae.plotting import canvas, latents
from tfvae.vae import VAE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_DIMENSIONS = 10
PRIOR_DRAWS = 10_000
NO_ANGLE = 1e-6


def latent_traversals(
    vae: VAE,
    x: Given,
    dimensions: Sequence[int] | None = None,
    example: int = 0,
    steps: int = 9,
    spread: float = 2.0,
    seed: int | None = 0,
    latent: str | None = None,
) -> "Figure":
    """Draws decoded means as one latent dimension moves over the range of q(z) and the others stay.

        z_d in [m_d - spread s_d, m_d + spread s_d],    m_d, s_d: mean and standard deviation of q(z)

    Of a single example, whose code has no spread, those of the prior p(z) take their place. Latents on the sphere keep
    their length; one-hot vectors go through their categories, one step each.

    Args:
        vae: the model.
        x: raw examples that q(z) is taken over, `[B, ...]`, or an `Observed` of what is known of them.
        dimensions: which rows to draw, counted from 0; by default at most 10, the largest Var_x E[z_d] first.
        example: row of x at whose code the other dimensions stay, and whose condition the decoder is told.
        steps: how many values of z_d.
        spread: how far to go to either side, in standard deviations of q(z_d).
        seed: of the draws from q(z).
        latent: of several latents the name of the one whose dimensions move, the others being held at the code of the
            example; by default the one at the bottom of the prior. The likelihood must be given it.

    Returns:
        A figure with one row a dimension, named by its KL in nats (or its activity, where the KL does not factorise).

    Raises:
        InvalidInput: if x is empty, has a wrong shape or values that are not finite, a dimension, the example or the
            latent does not exist, the latent reaches x through others alone, or `steps` or `spread` is not positive.

    Reference:
        Higgins et al. 2017, "beta-VAE", figure 1.

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> latent_traversals(vae, np.zeros([3, 8, 8, 1])).savefig("latent_traversals.png")
    """
    steps, spread = positive_integer("steps", steps), positive_number("spread", spread)
    x, name = latents.examples(vae, x), explaining(vae, latent)
    space, title = vae.latents.posterior[name].space, name if vae.latents.several else "z"
    found, notes = latents.activity(vae, x, name)
    dimensions = latents.most_active(found, MAX_DIMENSIONS) if dimensions is None else list(dimensions)
    size = vae.latents.posterior[name].latent_dim
    for word, number, below in [*(("dimension", d, size) for d in dimensions), ("example", example, num_rows(x))]:
        if number not in range(below):
            raise InvalidInput(f"{word} from 0 to {below - 1}", f"{number!r}", "Pass one that exists.")
    if not dimensions:
        raise InvalidInput("at least one dimension", "none", "Leave dimensions out to draw the most active ones.")
    start = latents.some(x, slice(example, example + 1))
    codes, told = latents.codes(vae, start), latents.told(start)
    z = vae.latents.named(codes)[name][0]
    if space in (sets.ONE_HOT, sets.SIMPLEX):
        categories = np.eye(z.shape[-1])
        walks = np.stack([_replaced(z, d, categories) for d in dimensions])
        names = [f"{title}[{d}]\n{notes[d]}" for d in dimensions]
        titles, xlabel = [str(category) for category in range(len(categories))], f"category of {title}[d]"
        events = latents.decoded(vae, _held(vae, codes, name, walks), told)
        return canvas.gallery(events, names, titles, xlabel, (0, len(categories) - 1))
    single = num_rows(x) == 1
    points = latents.prior_draws(vae, PRIOR_DRAWS, seed, told) if single else latents.draws(vae, x, seed)
    low, high = _range(vae.latents.named(points)[name], spread, space)
    move = _turned if space == sets.SPHERE else _replaced
    walks = np.stack([move(z, d, np.linspace(low[d], high[d], steps)) for d in dimensions])
    names = [f"{title}[{d}]: {low[d]:z.1f} to {high[d]:z.1f}\n{notes[d]}" for d in dimensions]
    over = f"{'p' if single else 'q'}({title}[d])"
    xlabel = f"{title}[d], {spread:g} standard deviations of {over} to either side of its mean"
    events = latents.decoded(vae, _held(vae, codes, name, walks), told)
    return canvas.gallery(events, names, (), xlabel, (-spread, spread))


def interpolation(vae: VAE, x_start: Given, x_end: Given, steps: int = 9, latent: str | None = None) -> "Figure":
    """Draws decoded means on the way between the codes of two examples: a line, on the sphere an arc.

        z(t) = (1 - t) z_0 + t z_1                                        on the sphere, with cos w = z_0.z_1:
        z(t) = (sin((1 - t) w) z_0 + sin(t w) z_1) / sin w

    Args:
        vae: the model.
        x_start: raw examples to start from, `[B, ...]`, or an `Observed`: the decoder is told its condition throughout.
        x_end: raw examples to end at, `[B, ...]`, or an `Observed`.
        steps: how many t from 0 to 1, ends included.
        latent: of several latents the name of the only one that moves, the others being held at the start; by default
            all of them move. The likelihood must be given it.

    Returns:
        A figure with one row a pair; images stand between the two examples themselves.

    Raises:
        InvalidInput: if the examples are empty, of different numbers, of a wrong shape or not finite, `steps` is below
            2, the latent does not exist or reaches x through others alone, or is one-hot, so that nothing lies between
            two codes.

    Reference:
        Shoemake 1985, "Animating Rotation with Quaternion Curves" (slerp).

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> interpolation(vae, np.zeros([3, 8, 8, 1]), np.ones([3, 8, 8, 1])).savefig("interpolation.png")
    """
    moving = vae.latents.names if latent is None else (explaining(vae, latent),)
    spaces = {name: vae.latents.posterior[name].space for name in vae.latents.names}
    fixed = [name for name in moving if spaces[name] == sets.ONE_HOT]
    if fixed:
        remedy = "Use latent_traversals, which goes through the categories."
        free = [name for name in vae.latents.names if spaces[name] != sets.ONE_HOT]
        if free:
            remedy = f'Pass latent="{free[-1]}", so that {fixed[0]} is held, or use latent_traversals.'
        received = "one-hot vectors" + (f", {fixed[0]}" if vae.latents.several else "")
        raise InvalidInput("a latent space with points between two codes", received, remedy)
    if positive_integer("steps", steps) < 2:
        raise InvalidInput("steps of at least 2, the two ends", f"steps={steps}", "Pass for example 9.")
    start, end = latents.examples(vae, x_start), latents.examples(vae, x_end)
    if num_rows(start) != num_rows(end):
        received = f"{num_rows(start)} starts, {num_rows(end)} ends"
        raise InvalidInput("as many ends as starts", received, "Pass pairs.")
    first, last = (vae.latents.named(latents.codes(vae, x)) for x in (start, end))
    t = np.linspace(0, 1, steps)

    def way(name: str) -> np.ndarray:
        if name not in moving:
            return np.repeat(first[name][:, np.newaxis], steps, axis=1)
        along, between = (
            t.reshape(-1, *[1] * len(vae.latents.shapes[name])),
            _arc if spaces[name] == sets.SPHERE else _line,
        )
        return np.stack([between(*pair, along) for pair in zip(first[name], last[name], strict=True)])

    ways = vae.latents.outside({name: way(name) for name in vae.latents.names})
    events = latents.decoded(vae, ways, latents.told(start))
    names, times = [f"pair {pair}" for pair in range(len(events))], [f"{float(value):.2g}" for value in t]
    if not canvas.is_image(vae.event_shape):
        return canvas.gallery(events, names, times, "t, from start to end", (0, 1))
    ends = [vae.known(x)["x"].numpy()[:, np.newaxis] for x in (start, end)]
    events = np.concatenate([ends[0], events, ends[1]], axis=1)
    return canvas.gallery(events, names, ["start", *times, "end"], "t, between the decoded codes", (0, 1))


def manifold(
    vae: VAE,
    x: Given = None,
    steps: int = 15,
    seed: int | None = 0,
    condition: Given = None,
    latent: str | None = None,
) -> "Figure":
    """Draws decoded means on a grid in a plane of z, its lines at quantiles (i + 1/2) / steps.

    For D = 2 the grid is that of the prior's quantiles in z[0] and z[1]: the learned manifold. For D > 2 it spans the
    plane through the mean of the codes of x along their two principal components, at the codes' own quantiles.

    Args:
        vae: the model; its latents are real vectors.
        x: raw examples, `[B, ...]`, or an `Observed` of what is known of them, for D > 2 and of several latents.
        steps: quantiles along each axis.
        seed: of the draws from the prior that its quantiles are taken from, for D = 2.
        condition: of a model that is told one, the one for the whole grid, `[1, ...]` or name to it.
        latent: of several latents the name of the one in whose plane the grid lies, the others being held at the code
            of the first example; by default the one at the bottom of the prior. The likelihood must be given it.

    Returns:
        A figure with a grid of images; events that are not images are small profiles at their place in the plane.

    Raises:
        InvalidInput: if z is not a real vector of two dimensions or more, x is missing for D > 2 or several latents, is
            empty, has a wrong shape or values that are not finite, `steps` is below 1, the condition is missing or
            there are several, or the latent does not exist or reaches x through others alone.

    Reference:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes", figure 4.

    Example:
        >>> vae = VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli((8, 8, 1)))
        >>> manifold(vae, steps=5).savefig("manifold.png")
    """
    steps, name = positive_integer("steps", steps), explaining(vae, latent)
    part, title = vae.latents.posterior[name], name if vae.latents.several else "z"
    dim = part.latent_dim
    if part.space != sets.REAL or dim < 2:
        received = f"{part.space.description}, D = {dim}"
        raise InvalidInput("real latent vectors of two dimensions or more", received, "Use latent_traversals.")
    told = vae.told(condition)
    if any(len(values) != 1 for values in told.values()):
        received = f"{len(next(iter(told.values())))} of them"
        raise InvalidInput("one condition for the whole grid", received, "Draw a grid for each: condition[:1].")
    if x is None and vae.latents.several:
        raise InvalidInput("examples x for several latents", "none", "Pass x: the others are held at its first code.")
    if x is None and dim > 2:
        remedy = "Pass x: the plane is that of the principal components of its codes."
        raise InvalidInput(f"examples x for D = {dim}", "none", remedy)
    codes = latents.codes(vae, x) if dim > 2 or vae.latents.several else None
    if dim == 2:
        center, directions = np.zeros(2), np.eye(2)
        names = [f"{title}[{d}], at quantiles of p({title})" for d in range(2)]
        points = vae.latents.named(latents.prior_draws(vae, PRIOR_DRAWS, seed, told))[name]
    else:
        z = vae.latents.named(codes)[name]
        center, (directions, names) = z.mean(axis=0), latents.principal_directions(z)
        points = (z - center) @ directions.T
    across, up = np.quantile(points, (np.arange(steps) + 0.5) / steps, axis=0).T
    plane = np.stack(np.meshgrid(across, up[::-1]), axis=-1)  # rows from the top down, as images stand
    events = latents.decoded(vae, _held(vae, codes, name, center + plane @ directions), told)
    marked = [index in (0, steps // 2, steps - 1) for index in range(steps)]
    axes = (across, up[::-1])
    titles, rows = ([f"{v:z.1f}" if mark else "" for v, mark in zip(axis, marked, strict=True)] for axis in axes)
    if canvas.is_image(vae.event_shape):
        images = canvas.grey(events.reshape(-1, *vae.event_shape))
        return canvas.mosaic(images, steps, rows, titles, *names, tile=min(canvas.TILE, 6.5 / steps))
    return canvas.glyphs(events.reshape(steps, steps, -1), titles, rows, *names)


def _held(vae: VAE, codes: latents.Codes | None, name: str, walks: np.ndarray) -> latents.Codes:
    """Returns z of one latent that moves, `[R, steps, *latent]`, and beside it the first example's of those held."""
    held = vae.latents.named(codes) if vae.latents.several else {}
    still = {other: np.broadcast_to(z[0], (*walks.shape[:2], *z.shape[1:])) for other, z in held.items()}
    return vae.latents.outside({**still, name: walks})


def _range(z: np.ndarray, spread: float, space: sets.ValueSet) -> tuple[np.ndarray, np.ndarray]:
    """Returns where each dimension's walk begins and ends, both `[D]`, from draws, `[B, D]`."""
    mean, deviation = z.mean(axis=0), z.std(axis=0)
    return np.clip(mean - spread * deviation, *space.ends), np.clip(mean + spread * deviation, *space.ends)


def _replaced(z: np.ndarray, dimension: int, values: np.ndarray) -> np.ndarray:
    """Returns z with one entry replaced by each of the values, `[steps, *latent]`."""
    walk = np.repeat(z[np.newaxis], len(values), axis=0)
    walk[:, dimension] = values
    return walk


def _turned(z: np.ndarray, dimension: int, values: np.ndarray) -> np.ndarray:
    """Returns unit vectors, `[steps, D]`: one entry is each of the values, the others are in proportion as in z."""
    rest = np.delete(z, dimension)
    length = np.linalg.norm(rest)
    rest = rest / length if length > NO_ANGLE else np.full(len(rest), len(rest) ** -0.5)
    others = np.sqrt(np.clip(1 - values**2, 0, None))[:, np.newaxis] * rest
    return np.insert(others, dimension, values, axis=1)


def _line(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    return (1 - t) * start + t * end


def _arc(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Returns the shorter great circle between unit vectors; of opposite ones, any."""
    start, end = start.astype(float), end.astype(float)
    cosine = np.clip(start @ end, -1, 1)
    aside = end - cosine * start
    if np.linalg.norm(aside) < NO_ANGLE:
        axis = np.eye(len(start))[np.argmin(np.abs(start))]
        aside = axis - (axis @ start) * start
    aside, angle = aside / np.linalg.norm(aside), np.arccos(cosine)
    return np.cos(t * angle) * start + np.sin(t * angle) * aside
