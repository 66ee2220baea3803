"""Whether importance weights can be trusted: the Pareto shape of their upper tail.

    w - u  given  w > u   ~  generalised Pareto (sigma, k)        u: the (M + 1)-th largest of S weights
    M = min(S / 5, 3 sqrt(S))            moments of w up to order 1 / k exist: the variance for k < 1/2
    trusted  iff  k < min(1 - 1 / log10(S), 0.7)

Above 0.7 both the mean of w and its error bar depend on samples so rare that S draws contain none of them: both look
better than they are. (Vehtari, Simpson, Gelman, Yao and Gabry 2024; the fit is that of Zhang and Stephens 2009.)
"""

import math

import numpy as np

LARGEST_TRUSTED = 0.7
SMALLEST_TAIL = 5  # weights that a fit needs
RESOLUTION = 1e-4  # nats: log weights in float32 that differ by less are equal but for rounding
PRIOR_SHAPE, PRIOR_WEIGHT = 0.5, 10  # of Vehtari et al. 2024: counts as 10 observations of shape 1/2


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Returns the mean of independent values, `[N]`, and its standard error, NaN for a single one."""
    values = np.asarray(values, dtype=np.float64)
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return float(values.mean()), float(error)


def tail_size(num_samples: int) -> int:
    """Returns how many of the largest of S weights are taken as their tail, M."""
    return int(min(num_samples / 5, 3 * math.sqrt(num_samples)))


def threshold(num_samples: int) -> float:
    """Returns the shape above which S weights cannot be trusted; NaN where S is too small to tell."""
    if tail_size(num_samples) < SMALLEST_TAIL:
        return math.nan
    return min(1 - 1 / math.log10(num_samples), LARGEST_TRUSTED)


def share_untrusted(shapes: np.ndarray, num_samples: int) -> float:
    """Returns the share of shapes, `[N]`, that are above the threshold or unknown; NaN where S is too small."""
    limit = threshold(num_samples)
    return math.nan if math.isnan(limit) else float(np.mean(~(np.asarray(shapes) <= limit)))


def pareto_shape(largest: np.ndarray) -> float:
    """Returns the Pareto shape k of the upper tail of importance weights.

    Args:
        largest: the M + 1 largest log weights, `[M + 1]`, in any order.

    Returns:
        k: the larger, the heavier the tail. NaN for fewer than 5 weights or none that is finite; -inf where all of
        them are equal but for rounding, as at the exact posterior, so that they have no tail.

    Reference:
        Vehtari, Simpson, Gelman, Yao and Gabry 2024, "Pareto Smoothed Importance Sampling", section 3.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> bool(pareto_shape(np.sort(0.9 * rng.exponential(size=10_000))[-301:]) > 0.7)
        True
    """
    log_weights = np.sort(np.asarray(largest, dtype=np.float64))
    size = len(log_weights) - 1
    cutoff, top = log_weights[0], log_weights[-1]
    if size < SMALLEST_TAIL or not math.isfinite(top):
        return math.nan
    if not top - cutoff > RESOLUTION:
        return -math.inf
    excess = np.exp(log_weights[1:] - top) - np.exp(cutoff - top)
    excess = np.maximum(excess, excess[-1] * np.finfo(np.float64).eps)
    return (size * fit_shape(excess) + PRIOR_WEIGHT * PRIOR_SHAPE) / (size + PRIOR_WEIGHT)


def fit_shape(excess: np.ndarray) -> float:
    """Returns the shape k of a generalised Pareto distribution, density (1 + k y / sigma)^(-1 - 1/k) / sigma.

        theta = -k / sigma,   k(theta) = mean log(1 - theta y),   l(theta) = M (log(-theta / k(theta)) - k(theta) - 1)
        theta^ = sum_j theta_j exp l(theta_j) / sum_j exp l(theta_j) on a grid of quantiles of a prior for theta

    Args:
        excess: positive observations y in increasing order, `[M]`.

    Reference:
        Zhang and Stephens 2009, "A New and Efficient Estimation Method for the Generalized Pareto Distribution"; the
        sign of k is that of Vehtari et al. 2024.
    """
    size = len(excess)
    points = 30 + math.isqrt(size)
    quartile = excess[int(size / 4 + 0.5) - 1]
    spread = 1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    theta = 1 / excess[-1] + spread / (3 * quartile)  # below 1 / max y, where the density lives
    shape = np.mean(np.log1p(-theta[:, np.newaxis] * excess), axis=1)
    likelihood = size * (np.log(-theta / shape) - shape - 1)
    weights = np.exp(likelihood - likelihood.max())
    return float(np.mean(np.log1p(-(weights @ theta) / weights.sum() * excess)))
