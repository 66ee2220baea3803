"""Approximate posteriors q(z | x): x -> distribution over the latent z.

real vectors        DiagonalNormal, LowRankNormal, FullNormal, Flow
unit vectors        VonMisesFisher, PowerSpherical
one-hot vectors     Categorical; RelaxedCategorical inside the simplex
"""

from tfvae.posteriors.base import Posterior
from tfvae.posteriors.categorical import Categorical, RelaxedCategorical
from tfvae.posteriors.flow import Flow
from tfvae.posteriors.normal import DiagonalNormal, FullNormal, LowRankNormal
from tfvae.posteriors.spherical import PowerSpherical, VonMisesFisher

__all__ = [
    "Categorical",
    "DiagonalNormal",
    "Flow",
    "FullNormal",
    "LowRankNormal",
    "Posterior",
    "PowerSpherical",
    "RelaxedCategorical",
    "VonMisesFisher",
]


def __dir__() -> list[str]:
    return __all__
