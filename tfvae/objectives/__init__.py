"""Objectives: what training maximises, a function of the evidence (`tfvae.core.evidence`), in nats an example.

Bounds, `[B]`:
    ELBO                      E_q log p(x | z) - beta KL(q(z | x) || p(z)), with free bits or a capacity
    IWAE                      log 1/k sum_i w_i,  the importance-weighted bound
    MIWAE                     mean of m importance-weighted bounds of k samples
    PIWAE                     IWAE for the decoder, MIWAE for the encoder
    CIWAE                     beta ELBO + (1 - beta) IWAE
    Renyi                     1/(1 - alpha) log 1/k sum_i w_i^(1 - alpha)
    GECO                      the rate subject to a bound on the distortion, with a learned multiplier

Terms, which wrap an objective and add a scalar of the batch to the loss:
    TotalCorrelation          KL(q(z) || prod_d q(z_d)), estimated from the batch (beta-TCVAE)
    DensityRatio              the same, estimated by a critic (FactorVAE)
    MaximumMeanDiscrepancy    a kernel distance between q(z) and p(z) (WAE-MMD, InfoVAE)
    MomentMatching            the distance of the covariance of q(z) from the identity (DIP-VAE)
    Classification            the cross-entropy of a latent whose labels are known for some examples (M2)

Interface:
    Objective                 the base class; an objective of your own is a subclass
    decomposition             splits the rate into mutual information, total correlation and dimension-wise KL
"""

from tfvae.objectives.adaptive import GECO, DensityRatio
from tfvae.objectives.base import Objective
from tfvae.objectives.bounds import CIWAE, ELBO, IWAE, MIWAE, PIWAE, Renyi
from tfvae.objectives.classification import Classification
from tfvae.objectives.terms import MaximumMeanDiscrepancy, MomentMatching, TotalCorrelation, decomposition

__all__ = [
    "CIWAE",
    "Classification",
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
