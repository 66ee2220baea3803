"""The entries of an evaluation report, each a few numbers with a name; all means are over examples, in nats.

`Report` (in `tfvae.evaluation.report`) holds them.
"""

from typing import NamedTuple

import numpy as np

from tfvae.evaluation.latents import AggregatedPosterior
from tfvae.inference.trust import mean_and_error

USED = 0.1  # nats of rate below which z is hardly used


class Estimate(NamedTuple):
    """A mean over examples, in nats.

    Attributes:
        mean: the mean.
        standard_error: of the mean over examples; NaN for a single one.
    """

    mean: float
    standard_error: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Estimate":
        """Returns the mean of one value an example, `[N]`."""
        return cls(*mean_and_error(values))


class GapMeans(NamedTuple):
    """The variational gap and its two parts, `tfvae.evaluation.inference_gaps`, as means over some of the examples.

    Attributes:
        examples: how many.
        variational_gap: log p(x) - ELBO(q), log p(x) from the refined q.
        approximation_gap: log p(x) - ELBO(q*), what the family of q loses.
        amortisation_gap: ELBO(q*) - ELBO(q), what the encoder loses within the family.
        untrusted: share of these examples whose weights with the refined q cannot be trusted.
    """

    examples: int
    variational_gap: Estimate
    approximation_gap: Estimate
    amortisation_gap: Estimate
    untrusted: float


class Baseline(NamedTuple):
    """A model without z beside the one that was scored, on the same examples; see `tfvae.evaluation.baselines`.

    Attributes:
        name: what it is.
        log_prob: its log p(x).
        difference: the model's log p(x) less that, example by example.
    """

    name: str
    log_prob: Estimate
    difference: Estimate


class Bound(NamedTuple):
    """The lower bound of k samples on log p(x), a rung of the ladder.

    Attributes:
        samples: k.
        groups: how many disjoint groups of k samples it is the mean of, for each example; what fills no group is left
            out.
        bound: mean over examples, nats.
    """

    samples: int
    groups: int
    bound: Estimate


class LatentReport(NamedTuple):
    """What one of several latents carries.

    Attributes:
        name: of the latent.
        above: the latents that its posterior hangs on.
        prior_above: those that its prior hangs on.
        rate: E KL(q(z_f | x, above) || p(z_f | above)), in closed form where neither hangs on another latent.
        unit_activity: as in the report, of the mean of q with the latents above at their centers, beside the variance
            of the marginal prior, which is that of ancestral draws where it hangs on other latents.
        aggregated: I(x; z_f), and KL(q(z_f) || p(z_f)) or, where the prior hangs on other latents, the rate less that;
            `None` where the posterior hangs on others: it is a mixture then, whose density is not known.
    """

    name: str
    above: tuple[str, ...]
    prior_above: tuple[str, ...]
    rate: Estimate
    unit_activity: tuple[float, ...]
    aggregated: AggregatedPosterior | None

    @property
    def used(self) -> bool:
        """Whether it has a rate of 0.1 nats or more."""
        return self.rate.mean >= USED
