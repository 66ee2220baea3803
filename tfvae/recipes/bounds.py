"""Recipes about the bound on log p(x) and the estimator of its gradient; w_i = p(x, z_i) / q(z_i | x)."""

from typing import Unpack

from tfvae import estimators, objectives
from tfvae.recipes.compose import AnyLikelihood, Shape, composed, recipe
from tfvae.vae import VAE


@recipe
def iwae(event_shape: Shape, num_samples: int = 50, **common: Unpack[AnyLikelihood]) -> VAE:
    """IWAE: the importance-weighted bound, closer to log p(x) with each sample.

    Args:
        event_shape: shape of one example.
        num_samples: samples of z for each example.
        **common: see `AnyLikelihood`.

    Reference:
        Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders"
    """
    return composed(event_shape, objective=objectives.IWAE(num_samples), **common)


@recipe
def miwae(event_shape: Shape, m: int = 8, k: int = 8, **common: Unpack[AnyLikelihood]) -> VAE:
    """MIWAE: the mean of m importance-weighted bounds of k samples, with a stronger signal for the encoder.

    Args:
        event_shape: shape of one example.
        m: number of bounds.
        k: samples of each.
        **common: see `AnyLikelihood`.

    Reference:
        Rainforth et al. 2018, "Tighter Variational Bounds are Not Necessarily Better"
    """
    return composed(event_shape, objective=objectives.MIWAE(m, k), **common)


@recipe
def piwae(event_shape: Shape, m: int = 8, k: int = 8, **common: Unpack[AnyLikelihood]) -> VAE:
    """PIWAE: the decoder follows IWAE with m k samples, the encoder MIWAE with the same samples.

    Args:
        event_shape: shape of one example.
        m: number of bounds on the encoder's side.
        k: samples of each.
        **common: see `AnyLikelihood`.

    Reference:
        Rainforth et al. 2018, "Tighter Variational Bounds are Not Necessarily Better"
    """
    return composed(event_shape, objective=objectives.PIWAE(m, k), **common)


@recipe
def ciwae(event_shape: Shape, beta: float = 0.5, num_samples: int = 50, **common: Unpack[AnyLikelihood]) -> VAE:
    """CIWAE: between the ELBO and the importance-weighted bound.

    Args:
        event_shape: shape of one example.
        beta: share of the ELBO.
        num_samples: samples of z for each example.
        **common: see `AnyLikelihood`.

    Reference:
        Rainforth et al. 2018, "Tighter Variational Bounds are Not Necessarily Better"
    """
    return composed(event_shape, objective=objectives.CIWAE(beta, num_samples), **common)


@recipe
def renyi(event_shape: Shape, alpha: float = 0.5, num_samples: int = 50, **common: Unpack[AnyLikelihood]) -> VAE:
    """The variational Renyi bound, from the ELBO (alpha 1) over IWAE (0) to upper bounds (below 0).

    Args:
        event_shape: shape of one example.
        alpha: order of the divergence.
        num_samples: samples of z for each example.
        **common: see `AnyLikelihood`.

    Reference:
        Li and Turner 2016, "Renyi Divergence Variational Inference"
    """
    return composed(event_shape, objective=objectives.Renyi(alpha, num_samples), **common)


@recipe
def stl(event_shape: Shape, num_samples: int = 1, **common: Unpack[AnyLikelihood]) -> VAE:
    """Sticking the landing: an ELBO gradient without noise where the posterior is exact.

    Args:
        event_shape: shape of one example.
        num_samples: samples of z for each example.
        **common: see `AnyLikelihood`.

    Reference:
        Roeder, Wu and Duvenaud 2017, "Sticking the Landing"
    """
    objective, estimator = objectives.ELBO(num_samples=num_samples), estimators.StickingTheLanding()
    return composed(event_shape, objective=objective, estimator=estimator, **common)


@recipe
def dreg(event_shape: Shape, num_samples: int = 50, **common: Unpack[AnyLikelihood]) -> VAE:
    """DReG: IWAE with a gradient whose signal for the encoder grows with the samples.

    Args:
        event_shape: shape of one example.
        num_samples: samples of z for each example.
        **common: see `AnyLikelihood`.

    Reference:
        Tucker et al. 2019, "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives"
    """
    objective, estimator = objectives.IWAE(num_samples), estimators.DoublyReparameterized()
    return composed(event_shape, objective=objective, estimator=estimator, **common)
