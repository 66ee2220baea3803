"""Recipes about the latent: which posterior q(z | x), which prior p(z), in which space."""

from functools import partial
from typing import Unpack

from tfvae import estimators, flows, objectives, posteriors, priors
from tfvae.recipes.compose import AnyBoth, AnyLikelihood, Common, Shape, composed, recipe, warmed_up
from tfvae.vae import VAE

SPHERE_SHARE = 0.5  # of a training, in which the rate of a sphere warms up: at a tenth the posterior collapses


@recipe
def full_covariance(event_shape: Shape, **common: Unpack[AnyBoth]) -> VAE:
    """A normal posterior whose dimensions depend on each other.

    Args:
        event_shape: shape of one example.
        **common: see `AnyBoth`.

    Reference:
        Kingma and Welling 2019, "An Introduction to Variational Autoencoders", section 2.5.1
    """
    return composed(event_shape, posterior=posteriors.FullNormal, **common)


@recipe
def iaf(event_shape: Shape, num_flows: int = 2, units: int = 64, **common: Unpack[AnyBoth]) -> VAE:
    """IAF: a normal posterior transformed by inverse autoregressive flows.

    Args:
        event_shape: shape of one example.
        num_flows: number of transforms.
        units: width of their two hidden layers, at least `latent_dim`.
        **common: see `AnyBoth`.

    Reference:
        Kingma et al. 2016, "Improved Variational Inference with Inverse Autoregressive Flow"
    """
    chain = flows.stack(*(flows.InverseAutoregressive([units, units]) for _ in range(num_flows)))
    return composed(event_shape, posterior=partial(posteriors.Flow, transform=chain), **common)


@recipe
def spline_flow(event_shape: Shape, num_flows: int = 2, num_bins: int = 8, **common: Unpack[AnyBoth]) -> VAE:
    """A normal posterior transformed by rational-quadratic splines in coupling layers.

    Args:
        event_shape: shape of one example.
        num_flows: number of couplings.
        num_bins: pieces of each spline.
        **common: see `AnyBoth`.

    Reference:
        Durkan et al. 2019, "Neural Spline Flows"
    """
    chain = flows.stack(*(flows.Coupling(element=flows.Spline(num_bins)) for _ in range(num_flows)))
    return composed(event_shape, posterior=partial(posteriors.Flow, transform=chain), **common)


@recipe
def vamp_prior(event_shape: Shape, num_components: int = 500, num_steps: int = 10_000, **common: Unpack[Common]) -> VAE:
    """VampPrior: the prior is the mean of the posterior over learned pseudo-inputs in [0, 1]; warm-up as in the paper.

    Args:
        event_shape: shape of one example.
        num_components: number of pseudo-inputs.
        num_steps: gradient steps of the whole training, the first tenth of which warms up.
        **common: see `Common`.

    Reference:
        Tomczak and Welling 2018, "VAE with a VampPrior"
    """
    prior = partial(priors.VampPrior, num_components=num_components, constraint=priors.Interval(0.0, 1.0))
    return composed(event_shape, prior=prior, objective=warmed_up(num_steps), **common)


@recipe
def mixture_prior(event_shape: Shape, num_components: int = 10, **common: Unpack[AnyBoth]) -> VAE:
    """A prior that is a learned mixture of normal distributions.

    Args:
        event_shape: shape of one example.
        num_components: number of normal distributions.
        **common: see `AnyBoth`.

    Reference:
        Dilokthanakul et al. 2016, "Deep Unsupervised Clustering with Gaussian Mixture Variational Autoencoders"
    """
    return composed(event_shape, prior=partial(priors.MixtureOfNormals, num_components=num_components), **common)


@recipe
def flow_prior(event_shape: Shape, num_flows: int = 4, units: int = 64, **common: Unpack[AnyBoth]) -> VAE:
    """A learned prior: a masked autoregressive flow.

    Args:
        event_shape: shape of one example.
        num_flows: number of transforms.
        units: width of their two hidden layers, at least `latent_dim`.
        **common: see `AnyBoth`.

    Reference:
        Chen et al. 2017, "Variational Lossy Autoencoder"
    """
    chain = flows.stack(*(flows.MaskedAutoregressive([units, units]) for _ in range(num_flows)))
    return composed(event_shape, prior=partial(priors.Flow, transform=chain), **common)


@recipe
def coupling_prior(event_shape: Shape, num_flows: int = 4, units: int = 64, **common: Unpack[AnyBoth]) -> VAE:
    """A learned prior that is as fast to sample as to score: RealNVP.

    Args:
        event_shape: shape of one example.
        num_flows: number of couplings.
        units: width of their two hidden layers.
        **common: see `AnyBoth`.

    Reference:
        Dinh, Sohl-Dickstein and Bengio 2017, "Density Estimation using Real NVP"
    """
    chain = flows.stack(*(flows.Coupling([units, units]) for _ in range(num_flows)))
    return composed(event_shape, prior=partial(priors.Flow, transform=chain), **common)


@recipe
def hyperspherical(event_shape: Shape, num_steps: int = 10_000, **common: Unpack[AnyLikelihood]) -> VAE:
    """S-VAE: codes on the unit sphere, von Mises-Fisher posterior, uniform prior, warm-up.

    Args:
        event_shape: shape of one example.
        num_steps: gradient steps of the whole training, the first half of which warms up.
        **common: see `AnyLikelihood`; `latent_dim` is that of the space around the sphere.

    Reference:
        Davidson et al. 2018, "Hyperspherical Variational Auto-Encoders"
    """
    sphere = {"posterior": posteriors.VonMisesFisher, "prior": priors.HypersphericalUniform}
    return composed(event_shape, **sphere, objective=warmed_up(num_steps, share=SPHERE_SHARE), **common)


@recipe
def power_spherical(event_shape: Shape, num_steps: int = 10_000, **common: Unpack[AnyLikelihood]) -> VAE:
    """Codes on the unit sphere from a posterior that is sampled without rejection, with a warm-up.

    Args:
        event_shape: shape of one example.
        num_steps: gradient steps of the whole training, the first half of which warms up.
        **common: see `AnyLikelihood`; `latent_dim` is that of the space around the sphere.

    Reference:
        De Cao and Aziz 2020, "The Power Spherical Distribution"
    """
    sphere = {"posterior": posteriors.PowerSpherical, "prior": priors.HypersphericalUniform}
    return composed(event_shape, **sphere, objective=warmed_up(num_steps, share=SPHERE_SHARE), **common)


@recipe
def categorical_latents(
    event_shape: Shape, num_categories: int = 10, num_samples: int = 10, **common: Unpack[AnyLikelihood]
) -> VAE:
    """One-hot codes, trained on the ELBO by the score function with a leave-one-out baseline.

    Args:
        event_shape: shape of one example.
        num_categories: length of each one-hot vector; `latent_dim` is their number.
        num_samples: samples of z for each example; the mean of the others is the baseline of each.
        **common: see `AnyLikelihood`.

    Reference:
        Kool, van Hoof and Welling 2019, "Buy 4 REINFORCE Samples, Get a Baseline for Free!"
    """
    q = partial(posteriors.Categorical, num_categories=num_categories)
    p = partial(priors.UniformCategorical, num_categories=num_categories)
    objective, estimator = objectives.ELBO(num_samples=num_samples), estimators.ScoreFunction()
    return composed(event_shape, posterior=q, prior=p, objective=objective, estimator=estimator, **common)


@recipe
def vimco(event_shape: Shape, num_categories: int = 10, num_samples: int = 10, **common: Unpack[AnyLikelihood]) -> VAE:
    """VIMCO: one-hot codes, trained on the importance-weighted bound with a baseline for each sample.

    Args:
        event_shape: shape of one example.
        num_categories: length of each one-hot vector; `latent_dim` is their number.
        num_samples: samples of z for each example.
        **common: see `AnyLikelihood`.

    Reference:
        Mnih and Rezende 2016, "Variational Inference for Monte Carlo Objectives"
    """
    q = partial(posteriors.Categorical, num_categories=num_categories)
    p = partial(priors.UniformCategorical, num_categories=num_categories)
    objective, estimator = objectives.IWAE(num_samples), estimators.ScoreFunction()
    return composed(event_shape, posterior=q, prior=p, objective=objective, estimator=estimator, **common)


@recipe
def relaxed_categorical(
    event_shape: Shape, num_categories: int = 10, temperature: float = 2 / 3, **common: Unpack[AnyBoth]
) -> VAE:
    """Gumbel-softmax: relaxed one-hot codes with pathwise gradients; log p(x) is that of the relaxed model.

    Args:
        event_shape: shape of one example.
        num_categories: length of each relaxed vector; `latent_dim` is their number.
        temperature: of the posterior; the prior's is 0.5.
        **common: see `AnyBoth`.

    Reference:
        Maddison, Mnih and Teh 2017, "The Concrete Distribution"; Jang, Gu and Poole 2017
    """
    q = partial(posteriors.RelaxedCategorical, num_categories=num_categories, temperature=temperature)
    p = partial(priors.RelaxedCategorical, num_categories=num_categories)
    return composed(event_shape, posterior=q, prior=p, **common)
