"""A recipe that no paper has: what gave most nats for little compute on binary images (`benchmarks/NOTES.md`)."""

from functools import partial
from typing import Unpack

import keras

from tfvae import estimators, flows, networks, priors
from tfvae.recipes.compose import AnyBoth, Shape, composed, recipe
from tfvae.vae import VAE

UNITS = (500, 500)
CLIP_NORM = 100.0  # of gradients that are of length 8 to 50 but in the first steps, where they are of 200


@recipe
def strong(
    event_shape: Shape,
    num_flows: int = 4,
    units: int = 128,
    latent_dim: int = 40,
    encoder: keras.layers.Layer | None = None,
    decoder: keras.layers.Layer | None = None,
    **common: Unpack[AnyBoth],
) -> VAE:
    """A strong model for little compute: normalised residual layers, a RealNVP prior, path gradients.

    Train it in batches of 250 with Adam at 4e-3, warmed up and brought to zero along a cosine. The estimator takes the
    ELBO and importance-weighted bounds; on the ELBO it is sticking the landing. Gradients longer than 100 are clipped:
    the inverse of RealNVP can throw a single example so far that its gradient would undo the training.

    Args:
        event_shape: shape of one example.
        num_flows: couplings of the prior.
        units: width of their two hidden layers.
        latent_dim: number of latent dimensions D.
        encoder: Keras model from x to features; by default `networks.residual_mlp([500, 500])`, as the decoder.
        decoder: Keras model from z to features.
        **common: see `AnyBoth`.

    Reference:
        Chen et al. 2017, "Variational Lossy Autoencoder", for a prior that is a flow; Tucker et al. 2019, "Doubly
        Reparameterized Gradient Estimators for Monte Carlo Objectives", for path gradients
    """
    chain = flows.stack(*(flows.Coupling([units, units], activation="silu") for _ in range(num_flows)))
    nets = [networks.residual_mlp(UNITS) if net is None else net for net in (encoder, decoder)]
    parts = {"prior": partial(priors.Flow, transform=chain), "estimator": estimators.DoublyReparameterized()}
    sizes = {"latent_dim": latent_dim, "clip_norm": CLIP_NORM}
    return composed(event_shape, encoder=nets[0], decoder=nets[1], **sizes, **parts, **common)
