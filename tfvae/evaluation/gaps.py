"""What the ELBO loses by the family of q, and what by the one network that makes q for all x.

log p(x) - ELBO(q)   =   [log p(x) - ELBO(q*)]   +   [ELBO(q*) - ELBO(q)]         q = encoder's, q* = refined for x
 variational gap            approximation gap          amortisation gap           (Cremer, Li and Duvenaud 2018)
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from tfvae.checks.data import given
from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, sample_count
from tfvae.core.observed import num_rows
from tfvae.core.types import ArrayLike
from tfvae.inference import trust
from tfvae.inference.accumulators import GroupBound, Largest, Marginal
from tfvae.inference.refine import refine
from tfvae.inference.trust import mean_and_error

if TYPE_CHECKING:
    from tfvae.inference.accumulators import MarginalEstimate
    from tfvae.inference.annealed import AnnealedEstimate
    from tfvae.vae import VAE


class Gap(NamedTuple):
    """One row of the table, in nats.

    Attributes:
        value: for each example, `[B]`, float64.
        standard_error: of each value, from the noise of the estimate, `[B]`.
    """

    value: np.ndarray
    standard_error: np.ndarray

    @property
    def mean(self) -> float:
        """Mean over examples."""
        return float(self.value.mean())

    @property
    def mean_error(self) -> float:
        """Standard error of the mean from the noise of the estimates, the examples being what they are."""
        return float(np.sqrt(np.sum(self.standard_error**2)) / len(self.value))

    @property
    def spread_error(self) -> float:
        """Standard error of the mean as an average over the population of examples; NaN for a single one."""
        return mean_and_error(self.value)[1]


class Gaps(NamedTuple):
    """Log p(x), two bounds and the three gaps between them, of B examples; prints as a table.

    Attributes:
        log_prob: log p(x), by the estimate named in `method`.
        elbo: the bound with the encoder's q.
        refined_elbo: the bound with the refined q.
        variational_gap: `log_prob - elbo`.
        approximation_gap: `log_prob - refined_elbo`: what the family of q loses, and what refinement left.
        amortisation_gap: `refined_elbo - elbo`: what the encoder loses within the family.
        method: which estimate of log p(x) was used.
        untrusted: share of examples whose importance weights cannot be trusted (Pareto k, `tfvae.inference.trust`):
            there log p(x), and with it the approximation gap, is likely to be larger than stated. NaN where log p(x)
            was passed, or the samples are too few to tell.
    """

    log_prob: Gap
    elbo: Gap
    refined_elbo: Gap
    variational_gap: Gap
    approximation_gap: Gap
    amortisation_gap: Gap
    method: str
    untrusted: float

    def __str__(self) -> str:
        """Returns the table, means over examples in nats."""
        rows = [f"{'nats, mean over examples':24s}{'mean':>12s}{'s.e. noise':>12s}{'s.e. examples':>15s}"]
        for name, gap in self._asdict().items():
            if isinstance(gap, Gap):
                label = name.replace("_", " ")
                rows.append(f"{label:24s}{gap.mean:12.4f}{gap.mean_error:12.4f}{gap.spread_error:15.4f}")
        trusted = "" if math.isnan(self.untrusted) else f"; weights of {self.untrusted:.1%} cannot be trusted"
        return "\n".join([*rows, f"log p(x) of {len(self.elbo.value)} examples by {self.method}{trusted}"])


def inference_gaps(
    vae: "VAE",
    x: ArrayLike,
    steps: int = 500,
    learning_rate: float = 0.05,
    num_samples: int = 1000,
    log_prob: "AnnealedEstimate | MarginalEstimate | None" = None,
    seed: int | tf.Tensor | None = None,
    verbose: bool = False,
) -> Gaps:
    """Splits log p(x) - ELBO into the gap of the family of q and the gap of the encoder.

        approximation gap = log p(x) - ELBO(q*),    amortisation gap = ELBO(q*) - ELBO(q)

    Both bounds and, unless given, log p(x) take `num_samples` samples; log p(x) is importance sampled with the refined
    q*, so that a bad encoder does not spoil it, and from the same weights as ELBO(q*), so that no approximation gap is
    negative but for rounding. (Its standard error is then an upper bound: both go up with the weights.) The
    amortisation gap is from pairs of samples with common noise. Too few steps count as approximation gap.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`, or an `Observed` of arrays.
        steps: of `tfvae.inference.refine`.
        learning_rate: of `tfvae.inference.refine`.
        num_samples: samples for each example.
        log_prob: log p(x) of x from elsewhere, with fields `log_prob` and `standard_error`, each `[B]`, for example
            `annealed_log_prob(vae, x)`.
        seed: an integer for repeatable noise; `None` draws afresh.
        verbose: show a progress bar over the blocks of examples.

    Returns:
        The gaps, for each example and in the mean.

    Raises:
        InvalidInput: as `tfvae.inference.refine`, or if `log_prob` is of another number of examples.

    Reference:
        Cremer, Li and Duvenaud 2018, "Inference Suboptimality in Variational Autoencoders", equation 3.

    Example:
        >>> gaps = inference_gaps(vae, x[:4], steps=10, num_samples=100, seed=0)
        >>> gaps.amortisation_gap.value.shape
        (4,)
    """
    num_samples, seed = sample_count(num_samples), seeds.as_seed(seed)
    observed = given(vae, x)
    number = num_rows(observed)
    if log_prob is not None and len(log_prob.log_prob) != number:
        received = f"one of {len(log_prob.log_prob)} examples"
        raise InvalidInput(f"log_prob of the {number} examples in x", received, "Estimate it for the same x.")
    stream = seeds.fold(seed, seeds.REFINEMENT)
    refined = refine(vae, observed, steps, learning_rate, seed=stream, evaluation_samples=num_samples, verbose=verbose)
    method, bound, untrusted = f"the {type(log_prob).__name__} that was passed", refined.elbo, math.nan
    if log_prob is None:
        method = f"importance sampling with {num_samples} samples of the refined q"
        kept = Marginal(), GroupBound(1), Largest(trust.tail_size(num_samples) + 1)
        stream = seeds.fold(seed, seeds.MARGINAL)
        log_prob, bound, largest = refined.accumulate(kept, num_samples, stream, verbose)
        shapes = [trust.pareto_shape(row) for row in largest.numpy()]
        untrusted = trust.share_untrusted(shapes, num_samples)
    marginal = Gap(_array(log_prob.log_prob), _array(log_prob.standard_error))
    best = Gap(_array(bound), _array(refined.standard_error))
    amortisation = Gap(_array(refined.gain), _array(refined.gain_standard_error))
    elbo = _minus(best, amortisation)
    return Gaps(marginal, elbo, best, _minus(marginal, elbo), _minus(marginal, best), amortisation, method, untrusted)


def _minus(first: Gap, second: Gap) -> Gap:
    """Returns a difference; its error is exact for independent estimates and too large for ones that rise together."""
    return Gap(first.value - second.value, np.hypot(first.standard_error, second.standard_error))


def _array(values: ArrayLike) -> np.ndarray:
    return np.asarray(values, np.float64)
