"""Objectives: what training maximises, a function of the evidence.

bounds      ELBO, IWAE, MIWAE, PIWAE, CIWAE, Renyi                          `[B]` in nats
terms       TotalCorrelation, MaximumMeanDiscrepancy, MomentMatching        wrap an objective, add a batch scalar
adaptive    DensityRatio (a term with a critic), GECO                       have a state of their own
"""

from tfvae.objectives.adaptive import GECO, DensityRatio
from tfvae.objectives.base import Objective
from tfvae.objectives.bounds import CIWAE, ELBO, IWAE, MIWAE, PIWAE, Renyi
from tfvae.objectives.terms import MaximumMeanDiscrepancy, MomentMatching, TotalCorrelation, decomposition

__all__ = [
    "CIWAE",
    "DensityRatio",
    "ELBO",
    "GECO",
    "IWAE",
    "MIWAE",
    "MaximumMeanDiscrepancy",
    "MomentMatching",
    "Objective",
    "PIWAE",
    "Renyi",
    "TotalCorrelation",
    "decomposition",
]


def __dir__() -> list[str]:
    return __all__
