"""The parts of recipes whose examples are of a class y, which few of them tell: summed over, or known."""

from collections.abc import Sequence
from typing import NamedTuple

import keras

from tfvae import networks, posteriors, priors
from tfvae.core.feature import Feature
from tfvae.core.joint import Joint
from tfvae.recipes.rungs import LEAST

UNITS = 200  # of the networks that no argument gives


class Styles(NamedTuple):
    """q(y | x) q(z | h(x), y) and p(y) p(z): a class, and a style within it.

    Attributes:
        num_classes: K.
        classifier: network of q(y | x).
    """

    num_classes: int
    classifier: keras.layers.Layer

    def features(self, network: keras.layers.Layer, given: Sequence[str]) -> dict[str, Feature]:
        """Returns h, what the encoder makes of x: once, for all classes."""
        return {"h": Feature(network, given=given)}

    def posterior(self, latent_dim: int, network: keras.layers.Layer, given: Sequence[str] = ("x",)) -> Joint:
        """Returns q of the class, and of the style given the class."""
        del network  # the feature has it
        y = posteriors.Categorical(1, self.num_classes, self.classifier, enumerated=True, given=given)
        return Joint(y=y, z=posteriors.DiagonalNormal(latent_dim, networks.mlp([UNITS]), given=("h", "y")))

    def prior(self, latent_dim: int) -> Joint:
        """Returns p of both, on their own."""
        return Joint(y=priors.UniformCategorical(1, self.num_classes), z=priors.StandardNormal(latent_dim))


class Stacked(NamedTuple):
    """q(z1 | x) q(y | z1) q(z2 | z1, y) and p(y) p(z2) p(z1 | y, z2): class and style of a code of x.

    Attributes:
        num_classes: K.
    """

    num_classes: int

    def posterior(self, latent_dim: int, network: keras.layers.Layer, given: Sequence[str] = ("x",)) -> Joint:
        """Returns q of the code, of its class, and of the style."""
        z1 = posteriors.DiagonalNormal(latent_dim, network, given=given)
        y = posteriors.Categorical(1, self.num_classes, networks.mlp([UNITS]), enumerated=True, given="z1")
        return Joint(z1=z1, y=y, z2=posteriors.DiagonalNormal(latent_dim, networks.mlp([UNITS]), given=("z1", "y")))

    def prior(self, latent_dim: int) -> Joint:
        """Returns p of class and style, and of the code given both."""
        z1 = priors.DiagonalNormal(latent_dim, networks.mlp([UNITS]), given=("y", "z2"), min_scale=LEAST)
        return Joint(y=priors.UniformCategorical(1, self.num_classes), z2=priors.StandardNormal(latent_dim), z1=z1)
