"""Recipes of few labels: z says how an example looks, y which class it is, known for some examples and summed out else.

    M2       q(y | x) q(z | x, y)                    p(x | y, z) p(y) p(z)
    M1+M2    q(z1 | x) q(y | z1) q(z2 | z1, y)       p(x | z1) p(z1 | y, z2) p(y) p(z2)

`vae.fit(x, labels={"y": y})` with -1 where a label is not known; `vae.classify(x)` says q(y | x).
"""

from collections.abc import Sequence
from typing import Unpack

import keras

from tfvae import networks, objectives, posteriors, priors
from tfvae.core.feature import Feature
from tfvae.core.joint import Joint
from tfvae.recipes.compose import AnyLikelihood, Shape, composed, recipe
from tfvae.vae import VAE

UNITS = 200  # of the networks that no argument gives


@recipe
def m2(
    event_shape: Shape,
    num_classes: int = 10,
    weight: float = 1.0,
    classifier: keras.layers.Layer | None = None,
    **common: Unpack[AnyLikelihood],
) -> VAE:
    """M2: a class y, known for some examples and summed out of the others, beside a code z of the style.

    Args:
        event_shape: shape of one example.
        num_classes: K.
        weight: of the cross-entropy of known labels, in nats an example; 0.1 in the paper.
        classifier: Keras model from x, `[B, ...]`, to features, of q(y | x); by default `networks.mlp([200, 200])`.
        **common: see `AnyLikelihood`; what the encoder makes of x is computed once for all classes.

    Reference:
        Kingma, Rezende, Mohamed and Welling 2014, "Semi-supervised Learning with Deep Generative Models"
    """
    judge = networks.mlp([UNITS, UNITS]) if classifier is None else classifier

    def posterior(latent_dim: int, network: keras.layers.Layer, given: Sequence[str] = ("x",)) -> Joint:
        del network  # the feature has it
        y = posteriors.Categorical(1, num_classes, judge, enumerated=True, given=given)
        return Joint(y=y, z=posteriors.DiagonalNormal(latent_dim, networks.mlp([UNITS]), given=("h", "y")))

    def prior(latent_dim: int) -> Joint:
        return Joint(y=priors.UniformCategorical(1, num_classes), z=priors.StandardNormal(latent_dim))

    objective = objectives.Classification(objectives.ELBO(), of="y", weight=weight)
    parts = {"posterior": posterior, "prior": prior, "features": seen, "below": ("y", "z")}
    return composed(event_shape, objective=objective, **parts, **common)


@recipe
def m1_m2(event_shape: Shape, num_classes: int = 10, weight: float = 1.0, **common: Unpack[AnyLikelihood]) -> VAE:
    """M1+M2: a class and a style above a code of x, all trained together.

    The paper trains the code first and alone: `vae`, then `m2` on its codes, with `likelihoods.Normal`.

    Args:
        event_shape: shape of one example.
        num_classes: K.
        weight: of the cross-entropy of known labels, in nats an example.
        **common: see `AnyLikelihood`; `latent_dim` is that of z1, which the decoder is given, and of z2.

    Reference:
        Kingma, Rezende, Mohamed and Welling 2014, "Semi-supervised Learning with Deep Generative Models", section 2.3
    """

    def posterior(latent_dim: int, network: keras.layers.Layer, given: Sequence[str] = ("x",)) -> Joint:
        z1 = posteriors.DiagonalNormal(latent_dim, network, given=given)
        y = posteriors.Categorical(1, num_classes, networks.mlp([UNITS]), enumerated=True, given="z1")
        return Joint(z1=z1, y=y, z2=posteriors.DiagonalNormal(latent_dim, networks.mlp([UNITS]), given=("z1", "y")))

    def prior(latent_dim: int) -> Joint:
        y, z2 = priors.UniformCategorical(1, num_classes), priors.StandardNormal(latent_dim)
        return Joint(
            y=y, z2=z2, z1=priors.DiagonalNormal(latent_dim, networks.mlp([UNITS]), given=("y", "z2"), min_scale=0.1)
        )

    objective = objectives.Classification(objectives.ELBO(), of="y", weight=weight)
    return composed(event_shape, posterior=posterior, prior=prior, below=("z1",), objective=objective, **common)


def seen(network: keras.layers.Layer, given: Sequence[str]) -> dict[str, Feature]:
    """Returns what the encoder makes of x: the style of each class is read from it."""
    return {"h": Feature(network, given=given)}
