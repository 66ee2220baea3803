"""Priors p(z): a distribution over the latent z; some may be given a condition, p(z | c).

Prior                   what all of them are, and what one of your own extends
StandardNormal          real vectors: N(0, I)
DiagonalNormal          real vectors: a normal distribution with learned location and scale
MixtureOfNormals        real vectors: K of them with learned weights
Flow                    real vectors: a simple prior moved by invertible maps
LogNormal               positive numbers: as DiagonalNormal, of their logarithms
LogitNormal             numbers between two ends
HypersphericalUniform   unit vectors: all equally likely
UniformCategorical      one-hot vectors: all equally likely
Categorical             one-hot vectors: with learned weights
RelaxedCategorical      vectors inside the simplex, for the posterior of that name
VampPrior               where the posterior lives: the posterior itself at learned pseudo-inputs
Interval                a Keras constraint for the pseudo-inputs
"""

from tfvae.priors.base import Prior
from tfvae.priors.categorical import Categorical, RelaxedCategorical, UniformCategorical
from tfvae.priors.flow import Flow
from tfvae.priors.normal import DiagonalNormal, MixtureOfNormals, StandardNormal
from tfvae.priors.positive import LogitNormal, LogNormal
from tfvae.priors.spherical import HypersphericalUniform
from tfvae.priors.vamp import Interval, VampPrior

__all__ = [
    "Categorical",
    "DiagonalNormal",
    "Flow",
    "HypersphericalUniform",
    "Interval",
    "LogNormal",
    "LogitNormal",
    "MixtureOfNormals",
    "Prior",
    "RelaxedCategorical",
    "StandardNormal",
    "UniformCategorical",
    "VampPrior",
]


def __dir__() -> list[str]:
    return __all__
