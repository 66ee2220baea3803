"""Recipes: a paper as a function of at most about ten lines that returns a composed VAE, ready to fit.

    vae = tfvae.recipes.beta_vae((8, 8, 1), beta=4.0, latent_dim=10)
    vae.fit(x)

The weight of the rate
    vae, beta_vae                     beta = 1, another beta
    annealed, cyclical                beta warms up, once or several times
    free_bits, capacity, geco         nats without a penalty, a target for the rate, a target for the distortion
The bound and the estimator of its gradient
    iwae, miwae, piwae, ciwae, renyi  importance-weighted bounds
    stl, dreg                         sticking the landing, doubly reparameterised
The aggregated posterior q(z)
    beta_tcvae, factor_vae            total correlation, from the batch or by a critic
    dip_vae_i, dip_vae_ii             covariance of the means, or of z
    info_vae, wae_mmd                 kernel distance to the prior, beside a rate of less weight or of none
The latent
    full_covariance, iaf, spline_flow                         posteriors
    vamp_prior, mixture_prior, flow_prior, coupling_prior     priors
    hyperspherical, power_spherical                           codes on the unit sphere
    categorical_latents, vimco, relaxed_categorical           one-hot codes
    two_layer, ladder                                         several layers of latents
    strong                                                    the best for little compute: layers, prior, gradient
The data
    sigma_vae, robust                 real values; with outliers
    continuous_bernoulli              grey values in [0, 1]
    counts, sparse_counts             counts; with many zeros
    tabular                           a table with mixed columns
    mixed_table                       the same with gaps, by the importance-weighted bound
    robust_table                      a mixed table whose strange rows are looked for
    conditional                       with labels or other known values: log p(x | c)
    m2, m1_m2                         with labels for a few examples: a class beside a style
    miwae_imputation, not_miwae       cells that are missing: at random, for their own values
What recipes are made of
    Common, AnyLikelihood, AnyObjective, AnyBoth      what each recipe takes beside what its paper adds
    composed                          the VAE of given parts, with plain ones for the rest
    Recipe, RECIPES                   the type, and the table of all recipes by name
    arguments, description            what a recipe takes, and its line and paper
"""

import inspect
import re

from tfvae.recipes.bounds import ciwae, dreg, iwae, miwae, piwae, renyi, stl
from tfvae.recipes.codes import beta_tcvae, dip_vae_i, dip_vae_ii, factor_vae, info_vae, wae_mmd
from tfvae.recipes.compose import RECIPES, AnyBoth, AnyLikelihood, AnyObjective, Common, Recipe, arguments, composed
from tfvae.recipes.data import (
    conditional,
    continuous_bernoulli,
    counts,
    mixed_table,
    robust,
    robust_table,
    sigma_vae,
    sparse_counts,
    tabular,
)
from tfvae.recipes.labels import m1_m2, m2
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
from tfvae.recipes.layers import ladder, two_layer
from tfvae.recipes.little_compute import strong
from tfvae.recipes.missing import miwae_imputation, not_miwae
from tfvae.recipes.rate import annealed, beta_vae, capacity, cyclical, free_bits, geco, vae

__all__ = [
    "RECIPES",
    "AnyBoth",
    "AnyLikelihood",
    "AnyObjective",
    "Common",
    "Recipe",
    "annealed",
    "arguments",
    "beta_tcvae",
    "beta_vae",
    "capacity",
    "categorical_latents",
    "ciwae",
    "composed",
    "conditional",
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
    "ladder",
    "m1_m2",
    "m2",
    "miwae",
    "miwae_imputation",
    "mixed_table",
    "mixture_prior",
    "not_miwae",
    "piwae",
    "power_spherical",
    "relaxed_categorical",
    "renyi",
    "robust",
    "robust_table",
    "sigma_vae",
    "sparse_counts",
    "spline_flow",
    "stl",
    "strong",
    "tabular",
    "two_layer",
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
