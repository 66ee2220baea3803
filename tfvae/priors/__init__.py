"""Priors p(z): a distribution over the latent z, without a context.

real vectors        StandardNormal, DiagonalNormal (learned), MixtureOfNormals, Flow
unit vectors        HypersphericalUniform
one-hot vectors     UniformCategorical; RelaxedCategorical inside the simplex
the posterior's     VampPrior
"""

from tfvae.priors.base import Prior
from tfvae.priors.categorical import RelaxedCategorical, UniformCategorical
from tfvae.priors.flow import Flow
from tfvae.priors.normal import DiagonalNormal, MixtureOfNormals, StandardNormal
from tfvae.priors.spherical import HypersphericalUniform
from tfvae.priors.vamp import Interval, VampPrior

__all__ = [
    "DiagonalNormal",
    "Flow",
    "HypersphericalUniform",
    "Interval",
    "MixtureOfNormals",
    "Prior",
    "RelaxedCategorical",
    "StandardNormal",
    "UniformCategorical",
    "VampPrior",
]


def __dir__() -> list[str]:
    return __all__
