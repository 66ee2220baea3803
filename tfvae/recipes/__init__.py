"""Recipes: a paper as a function of at most about ten lines that returns a composed VAE, ready to fit.

rate         vae, beta_vae, annealed, cyclical, free_bits, capacity, geco           what the rate costs
bounds       iwae, miwae, piwae, ciwae, renyi, stl, dreg                            which bound, which gradient
codes        beta_tcvae, factor_vae, dip_vae_i, dip_vae_ii, info_vae, wae_mmd       what the codes look like together
latents      full_covariance, iaf, spline_flow, vamp_prior, mixture_prior, flow_prior, coupling_prior, hyperspherical,
             power_spherical, categorical_latents, relaxed_categorical, vimco      which q(z | x) and p(z)
data         sigma_vae, robust, continuous_bernoulli, counts, sparse_counts, tabular    which p(x | z)

    vae = tfvae.recipes.beta_vae((8, 8, 1), beta=4.0, latent_dim=10)
    vae.fit(x)

Each takes `event_shape`, what the paper adds, what all take (`Common`) and, where the paper leaves it open, a
likelihood or an objective (`AnyLikelihood`, `AnyObjective`, `AnyBoth`). `RECIPES` has them by name, and `arguments`
says what one takes.
"""

import inspect
import re

from tfvae.recipes.bounds import ciwae, dreg, iwae, miwae, piwae, renyi, stl
from tfvae.recipes.codes import beta_tcvae, dip_vae_i, dip_vae_ii, factor_vae, info_vae, wae_mmd
from tfvae.recipes.compose import RECIPES, AnyBoth, AnyLikelihood, AnyObjective, Common, Recipe, arguments, composed
from tfvae.recipes.data import continuous_bernoulli, counts, robust, sigma_vae, sparse_counts, tabular
from tfvae.recipes.latents import (
    categorical_latents,
    coupling_prior,
    flow_prior,
    full_covariance,
    hyperspherical,
    iaf,
    mixture_prior,
    power_spherical,
    relaxed_categorical,
    spline_flow,
    vamp_prior,
    vimco,
)
from tfvae.recipes.rate import annealed, beta_vae, capacity, cyclical, free_bits, geco, vae

__all__ = [
    "AnyBoth",
    "AnyLikelihood",
    "AnyObjective",
    "Common",
    "RECIPES",
    "Recipe",
    "annealed",
    "arguments",
    "beta_tcvae",
    "beta_vae",
    "capacity",
    "categorical_latents",
    "ciwae",
    "composed",
    "continuous_bernoulli",
    "counts",
    "coupling_prior",
    "cyclical",
    "description",
    "dip_vae_i",
    "dip_vae_ii",
    "dreg",
    "factor_vae",
    "flow_prior",
    "free_bits",
    "full_covariance",
    "geco",
    "hyperspherical",
    "iaf",
    "info_vae",
    "iwae",
    "miwae",
    "mixture_prior",
    "piwae",
    "power_spherical",
    "relaxed_categorical",
    "renyi",
    "robust",
    "sigma_vae",
    "sparse_counts",
    "spline_flow",
    "stl",
    "tabular",
    "vae",
    "vamp_prior",
    "vimco",
    "wae_mmd",
]


def __dir__() -> list[str]:
    return __all__


def description(recipe: Recipe) -> tuple[str, str]:
    """Returns what a recipe is, in one line, and its paper, both from the docstring."""
    text = inspect.getdoc(recipe)
    paper = re.search(r"^Reference:\n((?:    .+\n?)+)", text, re.MULTILINE)
    return text.partition("\n")[0], " ".join(paper[1].split())
