"""The lists of posteriors and priors that the laws of test_latents run over, and what integrates over their spaces."""

import itertools

import keras
import numpy as np
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import flows, posteriors, priors
from tfvae.core import sets

tfd = tfp.distributions
EVENT = 5


def stack(kind, element=flows.Affine):
    return flows.stack(kind([6], element()), kind([6], element()))


POSTERIORS = {  # name to (class, arguments after latent_dim, latent_dims that a grid can integrate)
    "DiagonalNormal": (posteriors.DiagonalNormal, {}, (1, 2)),
    "LowRankNormal": (posteriors.LowRankNormal, {"rank": 1}, (1, 2)),
    "FullNormal": (posteriors.FullNormal, {}, (1, 2)),
    "Flow-InverseAutoregressive": (posteriors.Flow, {"transform": lambda: stack(flows.InverseAutoregressive)}, (1, 2)),
    "Flow-RealNVP": (posteriors.Flow, {"transform": lambda: stack(flows.Coupling)}, (2,)),
    "Flow-Spline": (posteriors.Flow, {"transform": lambda: stack(flows.Coupling, flows.Spline)}, (2,)),
    "LogNormal": (posteriors.LogNormal, {"loc": 0.3, "scale": 0.7}, (1, 2)),
    "LogitNormal": (posteriors.LogitNormal, {"low": -1.0, "high": 2.0}, (1, 2)),
    "VonMisesFisher": (posteriors.VonMisesFisher, {}, (2, 3)),
    "PowerSpherical": (posteriors.PowerSpherical, {}, (2, 3)),
    "RelaxedCategorical": (posteriors.RelaxedCategorical, {"num_categories": 3}, (1,)),
    "Categorical": (posteriors.Categorical, {"num_categories": 3}, (1, 2)),
}
ON_A_LADDER = {"PrecisionWeighted"}  # is given a prior's word: the laws of test_joint are of it
PRIORS = {
    "StandardNormal": (priors.StandardNormal, {}, (1, 2)),
    "DiagonalNormal": (priors.DiagonalNormal, {}, (1, 2)),
    "MixtureOfNormals": (priors.MixtureOfNormals, {"num_components": 3}, (1, 2)),
    "VampPrior": (priors.VampPrior, {"num_components": 4}, (1, 2)),
    "Flow-MaskedAutoregressive": (priors.Flow, {"transform": lambda: stack(flows.MaskedAutoregressive)}, (1, 2)),
    "Flow-RealNVP": (priors.Flow, {"transform": lambda: stack(flows.Coupling)}, (2,)),
    "Flow-Spline": (priors.Flow, {"transform": lambda: stack(flows.MaskedAutoregressive, flows.Spline)}, (1, 2)),
    "LogNormal": (priors.LogNormal, {"loc": -0.2}, (1, 2)),
    "LogitNormal": (priors.LogitNormal, {"low": -1.0, "high": 2.0, "scale": 1.5}, (1, 2)),
    "HypersphericalUniform": (priors.HypersphericalUniform, {}, (2, 3)),
    "UniformCategorical": (priors.UniformCategorical, {"num_categories": 3}, (1, 2)),
    "Categorical": (priors.Categorical, {"num_categories": 3}, (1, 2)),
    "RelaxedCategorical": (priors.RelaxedCategorical, {"num_categories": 3}, (1,)),
}
PARTS = {**{f"posterior {k}": v for k, v in POSTERIORS.items()}, **{f"prior {k}": v for k, v in PRIORS.items()}}
CASES = [(name, dim) for name, (_, _, dims) in PARTS.items() for dim in dims]
PRIOR_OF = {  # of each space, priors whose KL divergence is asked for
    sets.REAL: lambda dim: [randomised(priors.DiagonalNormal(dim)), priors.StandardNormal(dim)],
    sets.POSITIVE: lambda dim: [randomised(priors.LogNormal(dim, loc=-0.2))],
    sets.interval(-1, 2): lambda dim: [randomised(priors.LogitNormal(dim, -1, 2))],
    sets.SPHERE: lambda dim: [priors.HypersphericalUniform(dim)],
    sets.ONE_HOT: lambda dim: [priors.UniformCategorical(dim, 3), randomised(priors.Categorical(dim, 3))],
    sets.SIMPLEX: lambda dim: [],
}


MAPS = {  # of each set that the real line is carried onto, the map and its slope
    sets.REAL: (lambda u: u, np.ones_like),
    sets.POSITIVE: (np.exp, np.exp),
    sets.interval(-1, 2): (lambda u: 3 * _sigmoid(u) - 1, lambda u: 3 * _sigmoid(u) * _sigmoid(-u)),
}


def _sigmoid(u):
    return scipy.special.expit(u)


def noise(*shape: int, seed: int = 1, scale: float = 1.0) -> tf.Tensor:
    return tf.constant(scale * np.random.RandomState(seed).normal(size=shape), tf.float32)


def randomised(part, spread: float = 0.2):
    """Builds the part and gives it weights that are not its initial ones."""
    part.build((None, EVENT) if isinstance(part, posteriors.Posterior) else (None,))
    for index, weight in enumerate(part.weights):
        weight.assign(noise(*weight.shape, seed=index, scale=spread))
    return part


def make(name: str, dim: int):
    """Returns a part of the list with random weights; a VampPrior with a posterior of its own."""
    kind, arguments, _ = PARTS[name]
    part = kind(dim, **{k: v() if callable(v) else v for k, v in arguments.items()})
    if isinstance(part, priors.VampPrior):
        part.bind(randomised(posteriors.DiagonalNormal(dim)), (EVENT,))
    return randomised(part)


def distribution(part) -> tfd.Distribution:
    """Returns the prior, or the posterior of one example with the batch dimension taken off."""
    if isinstance(part, priors.Prior):
        return part.distribution(**part.parameters())
    return part.distribution(**part.parameters(noise(1, EVENT)))


def grid(space: sets.ValueSet, shape: tuple[int, ...]) -> tuple[tf.Tensor, np.ndarray]:
    """Returns points `[N, 1, *latent]` and their measure `[N]`: a quadrature rule for the whole space."""
    if space in MAPS:
        value, slope = MAPS[space]
        axis = np.linspace(-11, 11, {1: 4001, 2: 481}[shape[0]])
        u = np.stack(np.meshgrid(*[axis] * shape[0]), -1).reshape(-1, *shape)
        z, measure = value(u), np.prod(slope(u), axis=-1) * (axis[1] - axis[0]) ** shape[0]
    elif space == sets.SPHERE:
        angle = np.arange(2000) * (2 * np.pi / 2000)
        circle, measure = np.stack([np.cos(angle), np.sin(angle)], -1), 2 * np.pi / 2000
        if shape == (3,):
            circle, (height, weight) = circle[::10], np.polynomial.legendre.leggauss(200)
            radius = np.sqrt(1 - height**2)[:, None, None] * np.ones([1, 200, 1])
            z = np.concatenate([radius * circle, height[:, None, None] * np.ones([1, 200, 1])], -1)
            circle, measure = z.reshape(-1, 3), np.repeat(weight, 200) * 2 * np.pi / 200
        z = circle
    elif space == sets.SIMPLEX:
        axis = np.linspace(-30, 30, 801)
        logits = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        z = scipy.special.softmax(np.concatenate([logits, np.zeros([len(logits), 1])], -1), axis=-1)[:, None]
        measure = z.prod((1, 2)) * (axis[1] - axis[0]) ** 2
    else:
        z, measure = np.stack([np.eye(3)[list(k)] for k in itertools.product(range(3), repeat=shape[0])]), 1.0
    return tf.constant(z[:, None], tf.float32), np.broadcast_to(measure, len(z)).astype(np.float64)


def masses(p: tfd.Distribution, z: tf.Tensor, measure: np.ndarray) -> np.ndarray:
    return np.exp(tf.reshape(p.log_prob(z), [-1]).numpy().astype(np.float64)) * measure


@keras.saving.register_keras_serializable(package="test")
class Pair(keras.Model):
    """A posterior and a prior that are saved together, as a VAE does."""

    def __init__(self, posterior, prior, **kwargs):
        super().__init__(**kwargs)
        self.posterior, self.prior = posterior, prior
        prior.bind(posterior, (EVENT,))
        posterior.build((None, EVENT))
        prior.build((None,))
        self.built = True

    def call(self, x):
        z = self.posterior(x).sample(seed=[1, 2])
        return self.prior.distribution(**self.prior.parameters()).log_prob(z)

    def get_config(self):
        return {**super().get_config(), "posterior": self.posterior, "prior": self.prior}

    @classmethod
    def from_config(cls, config):
        parts = {k: keras.saving.deserialize_keras_object(config.pop(k)) for k in ("posterior", "prior")}
        return cls(**config, **parts)


PAIRS = [
    ("DiagonalNormal", "DiagonalNormal"),
    ("LowRankNormal", "MixtureOfNormals"),
    ("FullNormal", "VampPrior"),
    ("Flow-InverseAutoregressive", "Flow-MaskedAutoregressive"),
    ("Flow-Spline", "Flow-Spline"),
    ("LogNormal", "LogNormal"),
    ("LogitNormal", "LogitNormal"),
    ("LogitNormal", "VampPrior"),
    ("VonMisesFisher", "HypersphericalUniform"),
    ("PowerSpherical", "VampPrior"),
    ("RelaxedCategorical", "RelaxedCategorical"),
    ("Categorical", "UniformCategorical"),
    ("Flow-RealNVP", "VampPrior"),
    ("Categorical", "VampPrior"),
]


def pair(posterior: str, prior: str, dim: int = 3) -> Pair:
    model = Pair(*(PARTS[n][0](dim, **{k: v() if callable(v) else v for k, v in PARTS[n][1].items()})
                   for n in (f"posterior {posterior}", f"prior {prior}")))  # fmt: skip
    for index, weight in enumerate(model.weights):
        weight.assign(noise(*weight.shape, seed=index, scale=0.2))
    return model
