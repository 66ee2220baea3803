"""Recipes of several layers of latents: z_L at the top is drawn first, and z_1 makes x.

    p(x, z) = p(x | z_1) p(z_1 | z_2) ... p(z_{L-1} | z_L) p(z_L)

two_layer    q(z_1 | x) q(z_2 | z_1): from x upwards
ladder       q(z_L | x) ... q(z_1 | z_2, ..., x): downwards, on the prior's own path
"""

from collections.abc import Sequence
from typing import Unpack

import tensorflow as tf

from tfvae import networks
from tfvae.estimators import Estimator
from tfvae.recipes.compose import AnyBoth, AnyLikelihood, Shape, composed, recipe, warmed_up
from tfvae.recipes.rungs import Rungs, downwards, upwards
from tfvae.vae import VAE


@recipe
def two_layer(event_shape: Shape, estimator: Estimator | None = None, **common: Unpack[AnyBoth]) -> VAE:
    """Two layers of latents: q(z1 | x) q(z2 | z1) against p(x | z1) p(z1 | z2), tanh networks.

    p(z1 | z2) starts as the standard normal, whatever z2 is: a random one costs nats that training pays in units of z1.

    Args:
        event_shape: shape of one example.
        estimator: of the objective's gradient; pathwise by default.
        **common: see `AnyBoth`; `latent_dim` is that of z2, 50 in the paper; z1 and the two layers of each network
            between them have twice as many.

    Reference:
        Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders", section 5
    """
    for name in ("encoder", "decoder"):
        common[name] = common.get(name) or networks.mlp([200, 200], "tanh")
    pair = {"posterior": upwards, "prior": downwards, "below": ("z1",)}
    vae = composed(event_shape, estimator=estimator, **pair, **common)
    kernel = vae.prior.parts["z1"].head.dense.kernel
    kernel.assign(tf.zeros_like(kernel))
    return vae


@recipe
def ladder(
    event_shape: Shape,
    layers: int | Sequence[int] = 3,
    path: networks.Path | None = None,
    layer_free_bits: float = 0.0,
    num_steps: int = 10_000,
    **common: Unpack[AnyLikelihood],
) -> VAE:
    """Ladder: several layers, whose posterior goes down the prior's path and weighs both by their precisions; warm-up.

    Args:
        event_shape: shape of one example.
        layers: the dimensions of each latent, from x upwards; or the number of layers, of which the top one has
            `latent_dim` dimensions and each one below twice as many.
        path: networks between the layers; by default `networks.dense_path`, 8 units a dimension; for images
            `networks.conv_path`. An `encoder` or `decoder` that is given takes the place of the path's own.
        layer_free_bits: nats that each layer may use without a penalty.
        num_steps: gradient steps of the whole training, the first tenth of which warms up.
        **common: see `AnyLikelihood`.

    Raises:
        InvalidInput: if the path has another number of layers, or the dimensions are given twice.

    Reference:
        Sonderby et al. 2016, "Ladder Variational Autoencoders"
    """
    rungs = Rungs.of(layers, path, common.get("latent_dim"))
    for name in ("encoder", "decoder"):
        common[name] = common.get(name) or getattr(rungs.path, name)
    parts = {"posterior": rungs.posterior, "prior": rungs.prior, "features": rungs.features, "below": rungs.state(1)}
    objective = warmed_up(num_steps, layer_free_bits=layer_free_bits)
    return composed(event_shape, objective=objective, **parts, **common)
