"""Recipes of few labels: z says how an example looks, y which class it is, known for some examples and summed out else.

    M2       q(y | x) q(z | x, y)                    p(x | y, z) p(y) p(z)
    M1+M2    q(z1 | x) q(y | z1) q(z2 | z1, y)       p(x | z1) p(z1 | y, z2) p(y) p(z2)

`vae.fit(x, labels={"y": y})` with -1 where a label is not known; `vae.classify(x)` says q(y | x).
"""

from typing import Unpack

import keras

from tfvae import networks, objectives
from tfvae.recipes.classed import UNITS, Stacked, Styles
from tfvae.recipes.compose import AnyLikelihood, Shape, composed, recipe
from tfvae.vae import VAE


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
    styles = Styles(num_classes, networks.mlp([UNITS, UNITS]) if classifier is None else classifier)
    parts = {"posterior": styles.posterior, "prior": styles.prior, "features": styles.features, "below": ("y", "z")}
    objective = objectives.Classification(objectives.ELBO(), of="y", weight=weight)
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
    stacked = Stacked(num_classes)
    objective = objectives.Classification(objectives.ELBO(), of="y", weight=weight)
    pair = {"posterior": stacked.posterior, "prior": stacked.prior, "below": ("z1",)}
    return composed(event_shape, objective=objective, **pair, **common)
