"""Recipes about the weight of the rate: L = E_q log p(x | z) - beta KL(q(z | x) || p(z)), and what moves beta."""

import math
from typing import Unpack

from tfvae import objectives, schedules
from tfvae.recipes.compose import AnyLikelihood, Common, Shape, composed, recipe, warmed_up
from tfvae.vae import VAE


@recipe
def vae(
    event_shape: Shape,
    num_samples: int = 1,
    objective: objectives.Objective | None = None,
    **common: Unpack[AnyLikelihood],
) -> VAE:
    """The variational autoencoder: the ELBO, a normal posterior, a standard normal prior.

    Args:
        event_shape: shape of one example.
        num_samples: samples of z for each example in the ELBO.
        objective: another bound to maximise, with samples of its own.
        **common: see `AnyLikelihood`.

    Reference:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes"
    """
    objective = objectives.ELBO(num_samples=num_samples) if objective is None else objective
    return composed(event_shape, objective=objective, **common)


@recipe
def beta_vae(event_shape: Shape, beta: float = 4.0, **common: Unpack[AnyLikelihood]) -> VAE:
    """beta-VAE: the rate has the weight beta, for codes that are disentangled.

    Args:
        event_shape: shape of one example.
        beta: weight of the rate.
        **common: see `AnyLikelihood`.

    Reference:
        Higgins et al. 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework"
    """
    return composed(event_shape, objective=objectives.ELBO(beta=beta), **common)


@recipe
def annealed(event_shape: Shape, beta: float = 1.0, num_steps: int = 10_000, **common: Unpack[AnyLikelihood]) -> VAE:
    """Warm-up: the weight of the rate rises from zero to beta over the first tenth of the training.

    Args:
        event_shape: shape of one example.
        beta: weight of the rate after the warm-up.
        num_steps: gradient steps of the whole training, the first tenth of which warms up.
        **common: see `AnyLikelihood`.

    Reference:
        Sonderby et al. 2016, "Ladder Variational Autoencoders"
    """
    return composed(event_shape, objective=warmed_up(num_steps, beta), **common)


@recipe
def cyclical(event_shape: Shape, cycles: int = 4, num_steps: int = 10_000, **common: Unpack[AnyLikelihood]) -> VAE:
    """Cyclical annealing: several warm-ups one after the other, against collapse of the posterior.

    Args:
        event_shape: shape of one example.
        cycles: number of warm-ups.
        num_steps: gradient steps of the whole training.
        **common: see `AnyLikelihood`.

    Reference:
        Fu et al. 2019, "Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing"
    """
    beta = schedules.Cyclical(period=math.ceil(num_steps / cycles), cycles=cycles)
    return composed(event_shape, objective=objectives.ELBO(beta=beta), **common)


@recipe
def free_bits(event_shape: Shape, nats: float = 0.125, **common: Unpack[AnyLikelihood]) -> VAE:
    """Free bits: each latent dimension may use a number of nats without a penalty.

    Args:
        event_shape: shape of one example.
        nats: free for each dimension.
        **common: see `AnyLikelihood`.

    Reference:
        Kingma et al. 2016, "Improved Variational Inference with Inverse Autoregressive Flow", section C.8
    """
    return composed(event_shape, objective=objectives.ELBO(free_bits=nats), **common)


@recipe
def capacity(
    event_shape: Shape, nats: float = 25.0, beta: float = 30.0, num_steps: int = 10_000, **common: Unpack[AnyLikelihood]
) -> VAE:
    """Controlled capacity: the rate is drawn towards a target that rises over the training.

    Args:
        event_shape: shape of one example.
        nats: the rate to end on.
        beta: weight of the distance to it (gamma in the paper, 30 to 1000).
        num_steps: gradient steps of the whole training.
        **common: see `AnyLikelihood`.

    Reference:
        Burgess et al. 2018, "Understanding disentangling in beta-VAE"
    """
    target = schedules.LinearWarmup(steps=num_steps, end=nats)
    return composed(event_shape, objective=objectives.ELBO(beta=beta, capacity=target), **common)


@recipe
def geco(event_shape: Shape, nats_per_dimension: float = 0.3, **common: Unpack[Common]) -> VAE:
    """GECO: the rate is minimised subject to a bound on the distortion, with a learned multiplier.

    Args:
        event_shape: shape of one example.
        nats_per_dimension: distortion to reach, for each dimension of x.
        **common: see `Common`.

    Reference:
        Rezende and Viola 2018, "Taming VAEs"
    """
    dimensions = math.prod(event_shape) if isinstance(event_shape, tuple) else event_shape
    return composed(event_shape, objective=objectives.GECO(target=nats_per_dimension * dimensions), **common)
