"""Recipes of tables in which cells are missing: at random, or for what would stand in them."""

from functools import partial
from typing import Unpack

from tfvae import likelihoods, objectives, scales
from tfvae.missingness import SelfMasking
from tfvae.recipes.compose import Common, Shape, composed, recipe
from tfvae.vae import VAE


@recipe
def miwae_imputation(event_shape: Shape, num_samples: int = 20, **common: Unpack[Common]) -> VAE:
    """Real values of which cells are missing at random: Student's t likelihood, IWAE, an encoder that sees the mask.

    Args:
        event_shape: shape of one row.
        num_samples: samples k of the bound.
        **common: see `Common`.

    Reference:
        Mattei and Frellsen 2019, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets"
    """
    table, common["missing"] = partial(likelihoods.StudentT, scale=scales.PerDimension()), True
    return composed(event_shape, likelihood=table, objective=objectives.IWAE(num_samples), **common)


@recipe
def not_miwae(event_shape: Shape, num_samples: int = 20, sign: int | None = None, **common: Unpack[Common]) -> VAE:
    """Real values of which cells are missing for what would stand in them: p(x, mask), logistic in each cell's value.

    Args:
        event_shape: shape of one row.
        num_samples: samples k of the bound.
        sign: +1 if large values are missing, -1 if small ones are, `None` if that is not known.
        **common: see `Common`.

    Reference:
        Ipsen, Mattei and Frellsen 2021, "not-MIWAE: Deep Generative Modelling with Missing not at Random Data"
    """
    parts = {"likelihood": partial(likelihoods.Normal, scale=scales.Shared()), "missingness": SelfMasking(sign)}
    common["missing"] = True
    return composed(event_shape, objective=objectives.IWAE(num_samples), **parts, **common)
