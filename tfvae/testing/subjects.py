"""What the laws look at: a part with random weights, its distribution, and a model around it.

A posterior is given five numbers, a likelihood two, unless their networks take something else. The neighbours in the
model are the library's plainest parts on the same set of values.
"""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import estimators, likelihoods, networks, objectives, posteriors, priors
from tfvae.core import sets
from tfvae.core.conditional import ConditionalDistribution
from tfvae.core.graphs import compiled
from tfvae.likelihoods.base import Likelihood
from tfvae.posteriors.base import Posterior
from tfvae.priors.base import Prior
from tfvae.testing.report import NotTried
from tfvae.vae import VAE

EVENT, LATENT, ROWS, DRAWS = (5,), 2, 4, 20_000
POSTERIOR_ON = {
    sets.REAL: lambda shape, **k: posteriors.DiagonalNormal(*shape, **k),
    sets.SPHERE: lambda shape, **k: posteriors.PowerSpherical(*shape, **k),
    sets.ONE_HOT: lambda shape, **k: posteriors.Categorical(*shape, **k),
    sets.SIMPLEX: lambda shape, **k: posteriors.RelaxedCategorical(*shape, **k),
}
PRIOR_ON = {
    sets.REAL: lambda shape: priors.StandardNormal(*shape),
    sets.SPHERE: lambda shape: priors.HypersphericalUniform(*shape),
    sets.ONE_HOT: lambda shape: priors.UniformCategorical(*shape),
    sets.SIMPLEX: lambda shape: priors.RelaxedCategorical(*shape),
}


def noise(shape: tuple[int, ...], seed: int, scale: float = 1.0) -> tf.Tensor:
    """Returns repeatable normal noise."""
    return tf.constant(scale * np.random.default_rng(seed).normal(size=shape), tf.float32)


def randomise(weights: list[keras.Variable], seed: int) -> None:
    """Moves all weights off their initial values, which symmetries and zeros make too easy."""
    for index, weight in enumerate(weights):
        weight.assign_add(noise(weight.shape, seed + index, scale=0.3))


class Part:
    """A posterior, prior or likelihood with random weights, in a model with plain neighbours.

    Args:
        part: the part; it is built, and its weights are overwritten.
        context_shape: of one x for a posterior, of one z for a likelihood; by default what its network takes.
        seed: of weights, context and draws.
    """

    def __init__(self, part: ConditionalDistribution, context_shape: tuple[int, ...] | None, seed: int) -> None:
        self.part, self.seed = part, seed
        self.context_shape = context_shape or input_shape(part)
        self.vae = self.model()
        randomise(self.vae.weights, seed)

    @property
    def space(self) -> sets.ValueSet:
        """The set of values that the part is a distribution on."""
        return self.part.support if isinstance(self.part, Likelihood) else self.part.space

    @property
    def event(self) -> tuple[int, ...]:
        """Shape of one value."""
        return self.part.event_shape if isinstance(self.part, Likelihood) else self.part.latent_shape

    def context(self, rows: int = 1) -> tf.Tensor | None:
        """Returns what the distribution is conditioned on, `[rows, *context]`; of a prior nothing."""
        return None if isinstance(self.part, Prior) else noise((rows, *self.context_shape), self.seed)

    def distribution(self, part: ConditionalDistribution | None = None) -> Any:
        """Returns the distribution of the part, or of a copy of it, given one context."""
        part = part or self.part
        return part.distribution(**part.parameters(self.context()))

    def log_prob(self, values: Any, part: ConditionalDistribution | None = None) -> tf.Tensor:
        """Returns the log-density of values `[N, *event]`, `[N]` in nats."""
        values = tf.cast(values, tf.float32)
        if not isinstance(self.part, Prior):
            values = values[:, tf.newaxis]
        return tf.reshape(self.distribution(part).log_prob(values), [-1])

    @functools.cached_property
    def samples(self) -> np.ndarray:
        """Draws `[M, *event]` of the distribution."""
        draw = compiled(lambda: self.distribution().sample(DRAWS, seed=tf.constant([self.seed, 1])))
        return np.reshape(draw(), [-1, *self.event])

    @functools.cached_property
    def neighbour(self) -> Posterior | Prior:
        """What stands on the other side of z: for a posterior a prior, else a posterior."""
        mlp = networks.mlp([4], activation="tanh")
        if isinstance(self.part, Likelihood):
            return posteriors.DiagonalNormal(*self.context_shape, network=mlp)
        if self.part.space not in PRIOR_ON:
            raise NotTried(f"no neighbour is known on {self.part.space.description}")
        if isinstance(self.part, Prior):
            return POSTERIOR_ON[self.part.space](self.part.latent_shape, network=mlp)
        return PRIOR_ON[self.part.space](self.part.latent_shape)

    def model(self, part: ConditionalDistribution | None = None) -> VAE:
        """Returns a VAE of the part, or of a copy of it, and plain neighbours."""
        part = part or self.part
        if isinstance(part, Likelihood):
            return VAE(self.neighbour, part, seed=self.seed)
        pair = (self.neighbour, part) if isinstance(part, Prior) else (part, self.neighbour)
        event = self.context_shape if isinstance(part, Posterior) else EVENT
        likelihood = likelihoods.Normal(event, network=networks.mlp([4], activation="tanh"))
        return VAE(pair[0], likelihood, pair[1], seed=self.seed)

    @functools.cached_property
    def data(self) -> np.ndarray:
        """Examples `[ROWS, *event]` for the model: of a likelihood its own draws."""
        if not isinstance(self.part, Likelihood):
            return noise((ROWS, *self.vae.event_shape), self.seed + 1).numpy()
        given = self.part(self.context(ROWS))
        return compiled(lambda: given.sample(seed=tf.constant([self.seed, 2])))().numpy()

    @property
    def estimator(self) -> estimators.Estimator:
        """The estimator that the posterior of the model allows."""
        return estimators.Pathwise() if self.vae.posterior.reparameterized else estimators.ScoreFunction()

    @property
    def objective(self) -> objectives.Objective:
        """A bound that weighs every density."""
        return objectives.IWAE(3)


def input_shape(part: ConditionalDistribution) -> tuple[int, ...]:
    """Returns the shape of one context that the part's network takes, or a small one where it takes any."""
    default = (LATENT,) if isinstance(part, Likelihood) else EVENT
    network = part.network
    if network is None or not network.built:
        return default
    return tuple(getattr(network, "input_shape", (None, *default))[1:])
