"""Recipes about the codes of all data together, the aggregated posterior q(z) = 1/N sum_n q(z | x_n)."""

from typing import Unpack

from tfvae.objectives import ELBO, DensityRatio, MaximumMeanDiscrepancy, MomentMatching, TotalCorrelation
from tfvae.recipes.compose import AnyLikelihood, Shape, composed, recipe
from tfvae.vae import VAE


@recipe
def beta_tcvae(event_shape: Shape, beta: float = 6.0, **common: Unpack[AnyLikelihood]) -> VAE:
    """beta-TCVAE: of the three parts of the rate, the total correlation alone has the weight beta.

    Args:
        event_shape: shape of one example.
        beta: weight of the total correlation, at least 1.
        **common: see `AnyLikelihood`.

    Reference:
        Chen et al. 2018, "Isolating Sources of Disentanglement in Variational Autoencoders"
    """
    return composed(event_shape, objective=TotalCorrelation(ELBO(), weight=beta - 1), **common)


@recipe
def factor_vae(event_shape: Shape, gamma: float = 10.0, **common: Unpack[AnyLikelihood]) -> VAE:
    """FactorVAE: a penalty on the total correlation, which a critic estimates.

    Args:
        event_shape: shape of one example.
        gamma: weight of the total correlation.
        **common: see `AnyLikelihood`.

    Reference:
        Kim and Mnih 2018, "Disentangling by Factorising"
    """
    return composed(event_shape, objective=DensityRatio(ELBO(), weight=gamma), **common)


@recipe
def dip_vae_i(event_shape: Shape, weight: float = 10.0, **common: Unpack[AnyLikelihood]) -> VAE:
    """DIP-VAE-I: the covariance of the codes' means is drawn towards the identity.

    Args:
        event_shape: shape of one example.
        weight: of the covariances; that of the variances is ten times it.
        **common: see `AnyLikelihood`.

    Reference:
        Kumar, Sattigeri and Balakrishnan 2018, "Variational Inference of Disentangled Latent Concepts"
    """
    objective = MomentMatching(ELBO(), weight=weight, diagonal_ratio=10.0, of_means=True)
    return composed(event_shape, objective=objective, **common)


@recipe
def dip_vae_ii(event_shape: Shape, weight: float = 10.0, **common: Unpack[AnyLikelihood]) -> VAE:
    """DIP-VAE-II: the covariance of the codes themselves is drawn towards the identity.

    Args:
        event_shape: shape of one example.
        weight: of covariances and variances.
        **common: see `AnyLikelihood`.

    Reference:
        Kumar, Sattigeri and Balakrishnan 2018, "Variational Inference of Disentangled Latent Concepts"
    """
    return composed(event_shape, objective=MomentMatching(ELBO(), weight=weight), **common)


@recipe
def info_vae(event_shape: Shape, alpha: float = 0.5, weight: float = 10.0, **common: Unpack[AnyLikelihood]) -> VAE:
    """InfoVAE: the rate has less weight, and a kernel distance draws q(z) towards the prior.

    Args:
        event_shape: shape of one example.
        alpha: share of the mutual information that is free, in [0, 1].
        weight: of the divergence from q(z) to p(z) (lambda in the paper).
        **common: see `AnyLikelihood`.

    Reference:
        Zhao, Song and Ermon 2019, "InfoVAE: Balancing Learning and Inference in Variational Autoencoders"
    """
    objective = MaximumMeanDiscrepancy(ELBO(beta=1 - alpha), weight=alpha + weight - 1)
    return composed(event_shape, objective=objective, **common)


@recipe
def wae_mmd(event_shape: Shape, weight: float = 10.0, **common: Unpack[AnyLikelihood]) -> VAE:
    """WAE-MMD: the rate has weight zero, and a kernel distance draws q(z) to the prior; not a bound on log p(x).

    Args:
        event_shape: shape of one example.
        weight: of the kernel distance.
        **common: see `AnyLikelihood`.

    Reference:
        Tolstikhin et al. 2018, "Wasserstein Auto-Encoders"
    """
    return composed(event_shape, objective=MaximumMeanDiscrepancy(ELBO(beta=0.0), weight=weight), **common)
