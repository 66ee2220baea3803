"""A convolutional ladder of three layers beside one latent under the same networks, static MNIST, equal minutes.

    ladder   z1, z2, z3 of 64, 32, 16 dimensions at 7x7, 4x4, 2x2 pixels
    flat     one latent of 64 dimensions at the top: the networks upwards one after the other, and those downwards

Both warm up over the first tenth of the updates. The epoch is chosen by the ELBO of validation images.
"""

import keras

from benchmarks.conditional.common import Result, write
from benchmarks.layers.common import beside, job
from benchmarks.reproduce import protocol
from benchmarks.reproduce.rows import Row
from benchmarks.reproduce.run import Options
from tfvae import networks, recipes
from tfvae.vae import VAE

SIZES, FILTERS, STEM = (64, 32, 16), (48, 64, 64), (24,)
PUBLISHED = {
    "-ELBO": 82.14,
    "-log p(x)": 79.24,
    "source": "addtt/ladder-vae-pytorch, 3 layers of 64 channels and 32 latents a pixel, free bits 0.5; GPU hours",
}


def ladder(shape: tuple[int, ...], layer_free_bits: float, **shared) -> VAE:
    """Returns the ladder."""
    path = networks.conv_path(shape, FILTERS, STEM)
    return recipes.ladder(shape, SIZES, path, layer_free_bits, **shared)


def flat(shape: tuple[int, ...], layer_free_bits: float, **shared) -> VAE:
    """Returns the model with one latent under the networks of the ladder."""
    path = networks.conv_path(shape, FILTERS, STEM)
    nets = {"encoder": [path.encoder, *path.up], "decoder": [*path.down[::-1], path.decoder]}
    del layer_free_bits
    return recipes.annealed(
        shape, latent_dim=64, **{name: keras.Sequential(own) for name, own in nets.items()}, **shared
    )


MODELS = {"ladder": ladder, "flat": flat}


def row(name: str, layer_free_bits: float) -> Row:
    """Returns a model as a row of the reproduction suite, whose training this is."""

    def made(shape: tuple[int, ...], **shared) -> VAE:
        return MODELS[name](shape, layer_free_bits, **shared)

    how = {"warm_up": True, "batch": 100, "learning_rate": 1e-3, "test_samples": 1000, "test_examples": 2000}
    return Row(f"{name}, convolutional", "static", made, None, None, "", **how)


def run(seed: int, names: list[str], layer_free_bits: float, options: Options, command: str) -> Result:
    """Trains and scores the models, one after the other, and writes the result."""
    key, found, scores = f"ladder-{seed}", {}, {}
    data = protocol.data("static", options.data, options.smoke)
    for name in names:
        found[name], scores[name] = job(f"{key}-{name}", row(name, layer_free_bits), data, seed, options, best=True)
    beside("flat", found, scores)
    return write(
        options.out / f"{key}.json", options, command, name="ladder", seed=seed, layer_free_bits=layer_free_bits,
        data={"protocol": protocol.WORDS["static"], **data.protocol, "source": data.name},
        budget_minutes=options.budget, published=PUBLISHED, models=found,
    )  # fmt: skip
