"""How well missing cells are imputed: some that were observed are hidden on purpose, and compared with what was there.

    error = sqrt(mean over hidden cells of ((x_d - imputed_d) / s_d)^2)       s_d, m_d: of dimension d, over shown cells

beside the same of m_d in place of what the model says, and the share of hidden cells within their intervals.
"""

from typing import NamedTuple

import numpy as np

from tfvae.checks.data import given
from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.observed import num_rows, without_labels
from tfvae.core.types import Array, Given
from tfvae.evaluation.entries import Estimate
from tfvae.plotting.latents import some
from tfvae.vae import VAE

LEVELS = (0.5, 0.9)


class HiddenCells(NamedTuple):
    """How well cells are imputed that were hidden on purpose.

    Attributes:
        cells: how many were hidden.
        missing: share of all cells that is missing without them.
        error: root mean square error of the imputed means, in standard deviations of each dimension.
        error_of_mean: the same of the mean of each dimension's shown cells.
        gain: mean over rows of the square error of the mean less that of the model, with its standard error.
        within: level to the share of hidden cells within their central interval of that probability.
    """

    cells: int
    missing: float
    error: float
    error_of_mean: float
    gain: Estimate
    within: dict[float, float]


def hidden_cells(
    vae: VAE, x: Given, share: float = 0.1, num_samples: int = 200, seed: int = 0, examples: int = 500
) -> HiddenCells:
    """Hides cells that were observed, imputes them, and says how far off that is.

    The cells are hidden at random, which a model with a missingness would not believe: it is refused. Labels of latents
    are left out, so that the error is that of x alone.

    Args:
        vae: a model whose likelihood takes a mask and has a mean.
        x: raw examples with or without a mask, `[N, ...]`, or an `Observed` dict; better not those of training.
        share: of the observed cells that are hidden, between 0 and 1.
        num_samples: draws of z for each example, and for each interval.
        seed: of the choice of rows and cells and of the draws, an integer.
        examples: at most so many rows are taken, at random.

    Raises:
        InvalidInput: if nothing would be hidden, labels are imputed, the model has a missingness, or its likelihood
            does not take a mask.

    Example:
        >>> found = hidden_cells(vae, x, share=0.2, num_samples=50)
        >>> found.error < 2 * found.error_of_mean
        True
    """
    if not vae.likelihood.has_mean:
        remedy = "Compare vae.impute(...).mean with the labels that were there."
        raise InvalidInput("a likelihood that has a mean", type(vae.likelihood).__name__, remedy)
    if vae.missingness is not None:
        received = f"{type(vae.missingness).__name__}, by which hidden cells have other values than shown ones"
        raise InvalidInput("a model whose cells are missing at random", received, "Hide cells as the mechanism does.")
    observed, rng = without_labels(given(vae, x)), np.random.default_rng(seeds.integer(seed))
    rows = np.sort(rng.permutation(num_rows(observed))[: positive_integer("examples", examples)])
    observed = some(observed, rows)
    x, mask = _cells(vae, observed)
    hidden = mask & (rng.random(mask.shape) < share)
    if not hidden.any():
        received = f"share={share} of {int(mask.sum())} cells"
        raise InvalidInput("a share that hides a cell or more", received, "Pass for example 0.1, or more examples.")
    shown = np.ma.masked_array(x, ~mask | hidden)
    mean, spread = np.ma.filled(shown.mean(axis=0), 0), np.ma.filled(shown.std(axis=0), 0)
    spread = np.where(spread > 0, spread, 1)
    found = vae.impute({**observed, "mask": mask & ~hidden}, num_samples, seed)
    square, of_mean = (np.where(hidden, (x - guess) / spread, 0) ** 2 for guess in (found.mean.numpy(), mean))
    inside = {level: _within(found.interval(level, num_samples, seed), x, hidden) for level in LEVELS}
    gains, count = _by_row(of_mean - square, hidden), int(hidden.sum())
    error, error_of_mean = (float(np.sqrt(values.sum() / count)) for values in (square, of_mean))
    return HiddenCells(count, 1 - float(mask.mean()), error, error_of_mean, gains, inside)


def _cells(vae: VAE, observed: Given) -> tuple[np.ndarray, np.ndarray]:
    """Returns preprocessed x, zero where it is missing, and the mask, `[R, ...]` both."""
    known = vae.known(observed)
    x = known["x"].numpy()
    return x, known["mask"].numpy() if "mask" in known else np.ones(x.shape, bool)


def _by_row(values: np.ndarray, hidden: np.ndarray) -> Estimate:
    """Returns the mean over hidden cells of each row that has any, and over these rows."""
    cells = hidden.reshape(len(hidden), -1).sum(axis=1)
    sums = values.reshape(len(values), -1).sum(axis=1)
    return Estimate.of(sums[cells > 0] / cells[cells > 0])


def _within(ends: tuple[Array, Array], x: np.ndarray, hidden: np.ndarray) -> float:
    low, high = (end.numpy() for end in ends)
    return float(((low <= x) & (x <= high))[hidden].mean())
