"""One small case of every likelihood, data in its support, and its hardest points, for the tests of likelihoods."""

import functools

import numpy as np
import tensorflow as tf

from tfvae import likelihoods, scales, warps


def warped(event, network=None):
    """Returns log-normals whose logarithm counts twice above zero: u = max(log x, 2 log x), each column with it."""
    knots, values = (np.tile(points, [np.prod(event), 1]) for points in ([-1, 0, 1], [-1, 0, 2]))
    warp = warps.Chained(warps.Logarithm(), warps.Piecewise(knots, values))
    return likelihoods.Warped(likelihoods.Normal(event, scale=scales.PerDimension(0.5)), warp, network=network)


MAKE = {
    "Normal": lambda *a, **k: likelihoods.Normal(*a, **k, scale=scales.Predicted()),
    "Laplace": lambda *a, **k: likelihoods.Laplace(*a, **k, scale=scales.PerDimension(0.7)),
    "StudentT": likelihoods.StudentT,
    "ContinuousBernoulli": likelihoods.ContinuousBernoulli,
    "Bernoulli": likelihoods.Bernoulli,
    "Categorical": functools.partial(likelihoods.Categorical, num_categories=4),
    "Poisson": likelihoods.Poisson,
    "NegativeBinomial": functools.partial(likelihoods.NegativeBinomial, inverse_dispersion=3.0),
    "ZeroInflatedNegativeBinomial": lambda *a, **k: likelihoods.ZeroInflatedNegativeBinomial(
        *a, **k, inverse_dispersion=scales.Predicted()
    ),
    "DiscretizedLogistic": likelihoods.DiscretizedLogistic,
    "DiscretizedLogisticMixture": functools.partial(likelihoods.DiscretizedLogisticMixture, num_components=3),
    "Warped": warped,
}
ANY_EVENT = [name for name in MAKE if name != "Warped"]  # those over images and other events of several dimensions
SCALED = ["Normal", "Laplace", "StudentT", "NegativeBinomial", "ZeroInflatedNegativeBinomial", "DiscretizedLogistic"]
HARD = {"Normal": [-1e4, 0, 1e4], "ContinuousBernoulli": [0, 0.5, 1], "Bernoulli": [0, 1], "Categorical": [0, 3]}
HARD |= dict.fromkeys(["Laplace", "StudentT"], HARD["Normal"])
HARD |= dict.fromkeys(["Poisson", "NegativeBinomial", "ZeroInflatedNegativeBinomial"], [0, 1, 10_000])
HARD |= dict.fromkeys(["DiscretizedLogistic", "DiscretizedLogisticMixture"], [0, 1, 128, 254, 255])
HARD["Warped"] = [1e-4, 1, 1e4]


def built(name, event=(1,), **options):
    likelihood = MAKE[name](event, **options)
    likelihood.build((None, 2))
    return likelihood


def columns(network=None):
    parts = [likelihoods.Normal(2), likelihoods.Bernoulli(1), likelihoods.Categorical(2, num_categories=3)]
    return likelihoods.Columns([*parts, likelihoods.Poisson(1)], network=network)


def random_parameters(likelihood, batch=12, seed=0):
    """Returns the distribution's parameters from standard normal outputs of the head, lead shape [batch]."""
    rng = np.random.default_rng(seed)
    shapes = likelihood.head_shapes().items()
    return likelihood.constrain(**{k: tf.constant(rng.normal(size=[batch, *s]), tf.float32) for k, s in shapes})


def data(name, size=(60, 4), seed=3):
    """Returns data in the likelihood's support, whose dimensions have different means, float32."""
    rng, level = np.random.default_rng(seed), np.linspace(0.15, 0.8, size[-1])
    continuous = rng.normal(10 * level, level, size)
    draws = {
        "ContinuousBernoulli": lambda: rng.beta(3 * level, 3 * (1 - level), size),
        "Bernoulli": lambda: rng.uniform(size=size) < level,
        "Categorical": lambda: rng.binomial(3, level, size),
        "Poisson": lambda: rng.poisson(20 * level, size),
        "NegativeBinomial": lambda: rng.negative_binomial(3, 0.3 + level / 2, size),
        "ZeroInflatedNegativeBinomial": lambda: rng.negative_binomial(3, 0.3, size) * (rng.uniform(size=size) < level),
        "DiscretizedLogistic": lambda: np.clip(np.round(rng.normal(300 * level - 20, 60, size)), 0, 255),
        "DiscretizedLogisticMixture": lambda: np.clip(np.round(rng.normal(300 * level - 20, 60, size)), 0, 255),
        "Warped": lambda: rng.lognormal(2 * level - 1, level, size),
    }
    return np.asarray(draws.get(name, lambda: continuous)(), np.float32)
