"""Approximate posteriors q(z | x): x -> distribution over the latent z.

Posterior            what all of them are, and what one of your own extends
DiagonalNormal       real vectors: independent dimensions
LowRankNormal        real vectors: dimensions that a few factors correlate
FullNormal           real vectors: any covariance
PrecisionWeighted    real vectors: in a ladder, the encoder's word and the prior's, weighed by precision
Flow                 real vectors: a simple posterior moved by invertible maps
LogNormal            positive numbers
LogitNormal          numbers between two ends
VonMisesFisher       unit vectors
PowerSpherical       unit vectors: close to VonMisesFisher, zero opposite to the mean direction
Categorical          one-hot vectors, for `estimators.ScoreFunction`
RelaxedCategorical   vectors inside the simplex, at a low temperature close to one-hot ones
"""

from tfvae.posteriors.base import Posterior
from tfvae.posteriors.categorical import Categorical, RelaxedCategorical
from tfvae.posteriors.flow import Flow
from tfvae.posteriors.normal import DiagonalNormal, FullNormal, LowRankNormal
from tfvae.posteriors.positive import LogitNormal, LogNormal
from tfvae.posteriors.precision import PrecisionWeighted
from tfvae.posteriors.spherical import PowerSpherical, VonMisesFisher

__all__ = [
    "Categorical",
    "DiagonalNormal",
    "Flow",
    "FullNormal",
    "LogNormal",
    "LogitNormal",
    "LowRankNormal",
    "Posterior",
    "PowerSpherical",
    "PrecisionWeighted",
    "RelaxedCategorical",
    "VonMisesFisher",
]


def __dir__() -> list[str]:
    return __all__
