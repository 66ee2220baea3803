"""Recipes about the data: a likelihood of real values, values in [0, 1], counts and tables; what is known beside x."""

from collections.abc import Sequence
from functools import partial
from typing import Unpack

import keras

from tfvae import conditions, likelihoods, priors, scales
from tfvae.core.errors import InvalidInput
from tfvae.recipes.compose import AnyBoth, AnyObjective, Common, Shape, bound_of, composed, of_columns, recipe, unwarped
from tfvae.vae import VAE


@recipe
def sigma_vae(event_shape: Shape, **common: Unpack[AnyObjective]) -> VAE:
    """sigma-VAE: real data with one learned scale, which balances distortion and rate.

    Args:
        event_shape: shape of one example.
        **common: see `AnyObjective`.

    Reference:
        Rybkin, Daniilidis and Levine 2021, "Simple and Effective VAE Training with Calibrated Decoders"
    """
    return composed(event_shape, likelihood=partial(likelihoods.Normal, scale=scales.Shared()), **common)


@recipe
def robust(event_shape: Shape, **common: Unpack[AnyObjective]) -> VAE:
    """Real data with outliers: Student's t in place of the normal distribution, one learned scale for each dimension.

    Args:
        event_shape: shape of one example.
        **common: see `AnyObjective`.

    Reference:
        Takahashi et al. 2018, "Student-t Variational Autoencoder for Robust Density Estimation"
    """
    return composed(event_shape, likelihood=partial(likelihoods.StudentT, scale=scales.PerDimension()), **common)


@recipe
def continuous_bernoulli(event_shape: Shape, **common: Unpack[AnyObjective]) -> VAE:
    """Grey values in [0, 1] with a continuous Bernoulli density, which is normalised on them.

    Args:
        event_shape: shape of one example.
        **common: see `AnyObjective`.

    Reference:
        Loaiza-Ganem and Cunningham 2019, "The continuous Bernoulli: fixing a pervasive error in VAEs"
    """
    return composed(event_shape, likelihood=likelihoods.ContinuousBernoulli, **common)


@recipe
def counts(event_shape: Shape, **common: Unpack[AnyObjective]) -> VAE:
    """Counts that vary more than a Poisson's: a negative binomial likelihood, one dispersion for each dimension.

    Args:
        event_shape: shape of one example.
        **common: see `AnyObjective`.

    Reference:
        Gronbech et al. 2020, "scVAE: Variational auto-encoders for single-cell gene expression data"
    """
    return composed(event_shape, likelihood=likelihoods.NegativeBinomial, **common)


@recipe
def sparse_counts(event_shape: Shape, **common: Unpack[AnyObjective]) -> VAE:
    """Counts with more zeros than a negative binomial has: a zero-inflated negative binomial likelihood.

    Args:
        event_shape: shape of one example.
        **common: see `AnyObjective`.

    Reference:
        Lopez et al. 2018, "Deep generative modeling for single-cell transcriptomics" (scVI)
    """
    return composed(event_shape, likelihood=likelihoods.ZeroInflatedNegativeBinomial, **common)


@recipe
def tabular(
    event_shape: Shape, columns: Sequence[likelihoods.Likelihood] | None = None, **common: Unpack[AnyObjective]
) -> VAE:
    """A table: each column has a likelihood, by default a normal one with a scale of its own.

    Args:
        event_shape: shape of one row.
        columns: likelihoods of neighbouring columns, in order, for example `[Normal(3), Bernoulli(2)]`.
        **common: see `AnyObjective`.

    Reference:
        Nazabal et al. 2020, "Handling Incomplete Heterogeneous Data using VAEs"
    """
    return composed(event_shape, likelihood=of_columns(columns), **common)


@recipe
def mixed_table(
    event_shape: Shape,
    columns: Sequence[likelihoods.Likelihood] | None = None,
    num_samples: int = 5,
    **common: Unpack[Common],
) -> VAE:
    """A table of mixed columns with gaps: the importance-weighted bound and its doubly reparameterised gradient.

    Args:
        event_shape: shape of one row.
        columns: as for `tabular`, by default normal ones.
        num_samples: samples k of the bound.
        **common: see `Common`.

    Reference:
        Mattei and Frellsen 2019, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets"
    """
    return composed(event_shape, likelihood=of_columns(columns), **bound_of(num_samples), **common)


@recipe
def robust_table(
    event_shape: Shape,
    columns: Sequence[likelihoods.Likelihood] | None = None,
    num_samples: int = 5,
    **common: Unpack[Common],
) -> VAE:
    """A table whose strange rows are looked for: numbers follow Student's t in their own units, not warped normals.

    A warp takes a number far out for the next quantile; here it stays as improbable as it is far from its mean given z.

    Args:
        event_shape: shape of one row.
        columns: as for `mixed_table`; those that are warped are Student's t, with one learned scale each.
        num_samples: as for `mixed_table`.
        **common: see `Common`.

    Reference:
        Takahashi et al. 2018, "Student-t Variational Autoencoder for Robust Density Estimation"
    """
    student = likelihoods.StudentT
    columns = of_columns(unwarped(columns, student), student)
    return composed(event_shape, likelihood=columns, **bound_of(num_samples), **common)


@recipe
def conditional(
    event_shape: Shape,
    condition: conditions.Declared,
    prior_network: keras.layers.Layer | None = None,
    **common: Unpack[AnyBoth],
) -> VAE:
    """Data with labels or other known values c: log p(x | c), by encoder, decoder and prior p(z | c) that are told c.

    Args:
        event_shape: shape of one example.
        condition: what is known, `conditions.Labels(K)`, `conditions.Real(shape)`, a shape, or name to one of these.
        prior_network: Keras model from it to features; without one p(z | c) is linear in c: of labels, a normal each.
        **common: see `AnyBoth`.

    Raises:
        InvalidInput: if `condition` is `None`.

    Reference:
        Sohn, Lee and Yan 2015, "Learning Structured Output Representation using Deep Conditional Generative Models"
    """
    told = conditions.declared(condition)
    if not told:
        raise InvalidInput("something known beside x", "condition=None", "Pass for example conditions.Labels(10).")
    prior = partial(priors.DiagonalNormal, network=prior_network, given=tuple(told))
    return composed(event_shape, prior=prior, condition=told, **common)
