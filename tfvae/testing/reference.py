"""Points with a known density that cover a distribution: what a law integrates over, whatever the set of values.

    integral p(x) dx  =  E_r p(x) / r(x)  ~  mean w_i,       w_i = p(x_i) / r(x_i),    x_i ~ r
    E_p f             ~  sum w_i f(x_i) / sum w_i

A reference r is made from samples of p and is wider than they are, so that a density with mass where no sample falls is
found out. Sets of few values are listed whole; then the sums are exact.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy.special
import scipy.stats
import tensorflow as tf

from tfvae.core import sets
from tfvae.testing.report import NotTried

POINTS = 40_000
CENTRES = 100  # of the kernels that follow the samples
LISTED = 20_000  # at most so many values are listed whole
HIGHEST = 70_000  # where a bounded set of whole numbers must have ended


class Reference(NamedTuple):
    """Points `[N, *event]`, their log-density `[N]` under the reference, and whether they are the whole set."""

    points: np.ndarray
    log_density: np.ndarray
    whole: bool = False


OfOne: TypeAlias = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def reference(space: sets.ValueSet, samples: np.ndarray, seed: int) -> Reference:
    """Returns points that cover the distribution which `samples`, `[M, *event]`, were drawn from.

    Raises:
        NotTried: if no reference is known for the set of values.
    """
    rng, event = np.random.default_rng(seed), samples.shape[1:]
    if space == sets.ONE_HOT:
        return _one_hot(event)
    if space == sets.SIMPLEX:
        return _simplex(samples, rng)
    if space == sets.SPHERE:
        return _sphere(event, rng)
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    if space == sets.UNIT_INTERVAL:
        points, log_density = _elements(flat, _unit, rng)
    elif isinstance(space.inner, tuple):
        raise NotTried(f"no reference is known for {space.description}")
    elif not space.discrete:
        points, log_density = _real(flat, rng)
    elif space.bounded:
        values = np.flatnonzero(space.contains(tf.range(HIGHEST, dtype=tf.float32)))
        if len(values) ** flat.shape[1] <= LISTED:
            points = np.array(list(itertools.product(values, repeat=flat.shape[1])), np.float64)
            return _listed(points.reshape(-1, *event))
        points, log_density = _elements(flat, lambda x, rng: _whole(x, len(values), rng), rng)
    else:
        points, log_density = _elements(flat, _counts, rng)
    return Reference(points.reshape(-1, *event), log_density)


def _listed(points: np.ndarray) -> Reference:
    return Reference(points, np.full(len(points), -math.log(len(points))), whole=True)


def _one_hot(event: tuple[int, ...]) -> Reference:
    size, categories = event
    if categories**size > LISTED:
        raise NotTried(f"{categories}^{size} values are too many to list; check a smaller part")
    return _listed(np.stack([np.eye(categories)[list(k)] for k in itertools.product(range(categories), repeat=size)]))


def _sphere(event: tuple[int, ...], rng: np.random.Generator) -> Reference:
    """The uniform distribution, of density 1 / area."""
    points, half = rng.normal(size=[POINTS, *event]), event[-1] / 2
    area = math.log(2) + half * math.log(math.pi) - math.lgamma(half)
    return Reference(points / np.linalg.norm(points, axis=-1, keepdims=True), np.full(POINTS, -area))


def _simplex(samples: np.ndarray, rng: np.random.Generator) -> Reference:
    """Reals y, of which z = softmax(y, 0): r(z) = r(y) / prod z."""
    log_z = np.log(np.maximum(samples.astype(np.float64), 1e-30))
    y = (log_z[..., :-1] - log_z[..., -1:]).reshape(len(samples), -1)
    points, log_density = _real(y, rng)
    y = points.reshape(-1, *samples.shape[1:-1], samples.shape[-1] - 1)
    log_z = scipy.special.log_softmax(np.concatenate([y, np.zeros([*y.shape[:-1], 1])], -1), axis=-1)
    return Reference(np.exp(log_z), log_density - log_z.sum(axis=tuple(range(1, log_z.ndim))))


def _real(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half normal kernels at samples, half Student's t with heavy tails, in each dimension of x `[M, n]`."""
    middle = np.median(x, axis=0)
    spread = np.maximum(np.subtract(*np.quantile(x, [0.84, 0.16], axis=0)) / 2, 1e-6)
    centres, width = x[:CENTRES], spread * CENTRES ** (-1 / (x.shape[1] + 4))
    wide = middle + 2 * spread * rng.standard_t(2, size=[POINTS // 2, x.shape[1]])
    near = centres[rng.integers(len(centres), size=POINTS - len(wide))]
    points = np.concatenate([wide, near + width * rng.normal(size=near.shape)]).astype(np.float32).astype(np.float64)
    tails = scipy.stats.t.logpdf((points - middle) / (2 * spread), 2) - np.log(2 * spread)
    distance = ((points[:, None] - centres) / width) ** 2
    constant = np.sum(np.log(width)) + x.shape[1] / 2 * math.log(2 * math.pi)
    kernels = scipy.special.logsumexp(-0.5 * distance.sum(-1), axis=1) - math.log(len(centres)) - constant
    return points, np.logaddexp(tails.sum(-1), kernels) - math.log(2)


def _elements(x: np.ndarray, of_one: OfOne, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns points and log-density of independent elements, each covered by `of_one`."""
    drawn = [of_one(column, rng) for column in x.T]
    return np.stack([points for points, _ in drawn], 1), sum(log_density for _, log_density in drawn)


def _unit(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half uniform, half the beta distribution with the samples' mean and variance."""
    mean, variance = np.clip(x.mean(), 0.01, 0.99), max(x.var(), 1e-4)
    total = max(mean * (1 - mean) / variance - 1, 1.0)
    fitted = scipy.stats.beta(max(mean * total, 0.5), max((1 - mean) * total, 0.5))
    near = fitted.rvs(POINTS // 2, random_state=rng)
    points = rng.permutation(np.concatenate([rng.uniform(size=POINTS - len(near)), near])).astype(np.float32)
    points = np.clip(points.astype(np.float64), 1e-6, 1 - 1e-6)
    return points, np.logaddexp(fitted.logpdf(points), 0.0) - math.log(2)


def _whole(x: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half uniform over `size` whole numbers, half as often as among the samples."""
    mass = 0.5 / size + 0.5 * np.bincount(x.astype(int), minlength=size)[:size] / len(x)
    points = rng.choice(size, size=POINTS, p=mass / mass.sum())
    return points.astype(np.float64), np.log(mass[points])


def _counts(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half a geometric distribution with a longer tail, half as often as among the samples."""
    often = np.bincount(x.astype(int)) / len(x)
    tail = scipy.stats.geom(1 / (6 + 2 * x.mean()), loc=-1)  # from 0 on
    points = np.where(rng.uniform(size=POINTS) < 0.5, rng.choice(x, POINTS), tail.rvs(POINTS, random_state=rng))
    seen = np.where(points < len(often), often[np.minimum(points, len(often) - 1).astype(int)], 0.0)
    return points, np.log(0.5 * seen + 0.5 * tail.pmf(points))
