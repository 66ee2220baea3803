"""What the tests of pictures share: a history, a model of images, and how to read a figure."""

import io

import numpy as np
from tiny import tiny_vae

import tfvae

HISTORY = {
    "elbo": [-9.0, -8.0, -7.5, -7.25],
    "rate": [1.0, 1.5, 1.75, 2.0],
    "distortion": [8.0, 6.5, 5.75, 5.25],
    "val_elbo": [-9.5, -8.5, -8.0, -7.75],
}


def image_vae(event=(6, 4, 1), latent=2, likelihood=tfvae.likelihoods.Bernoulli, **kwargs):
    return tiny_vae(likelihood, event, latent, units=[8], compiled=False, **{"seed": None, **kwargs})


def examples(*shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def png(figure):
    with io.BytesIO() as file:
        figure.savefig(file, format="png")
        return file.getvalue()


def tiles(figure, event, columns):
    """Cuts the one picture of a mosaic into its images, `[rows, columns, H, W, C]`; the gap is one pixel here."""
    (axes,) = figure.axes
    canvas = np.asarray(axes.images[0].get_array())
    canvas = canvas.reshape(*canvas.shape[:2], -1)
    height, width = event[0] + 1, event[1] + 1
    rows = (canvas.shape[0] - 1) // height
    assert canvas.shape[:2] == (rows * height + 1, columns * width + 1)
    cut = canvas[:-1, :-1].reshape(rows, height, columns, width, -1).swapaxes(1, 2)
    assert np.all(cut[:, :, 0] == 1) and np.all(cut[:, :, :, 0] == 1)
    return cut[:, :, 1:, 1:]
