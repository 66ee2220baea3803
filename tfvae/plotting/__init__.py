"""Plotting: the pictures that a person looks at. Each function returns a `matplotlib.figure.Figure`.

    learning_curves         elbo = -(distortion + rate) and the training's health, against the epoch
    reconstructions         x above the mean of p(x | z) at the z that stands for q(z | x)
    samples                 means of p(x | z) with z ~ p(z)
    latent_plane            E q(z | x), projected on its two leading principal components when D > 2
    latent_traversals       means of p(x | z) while one dimension of z moves over the range of q(z)
    interpolation           means of p(x | z) on the way from one example to another
    manifold                means of p(x | z) on a grid of quantiles in a plane of z
    aggregated_posterior    q(z) = E q(z | x) against p(z), dimension by dimension
    kl_per_dimension        what each dimension of z costs, or each of several latents, from an evaluation report
    reliability             how often the most probable class is right, against how probable it is, from a report
    confusion               which class is the most probable for the examples of each label, from a report
    columns                 each column of a synthetic table beside that of the real one
    pairs                   the score of each pair of its columns, from `evaluation.synthetic_quality`
    bound_ladder            the lower bounds of k samples on log p(x), from an evaluation report

Of a model that is told a condition, examples are an `Observed` dict, {"x": x, "condition": condition}; `samples` and
`manifold`, which take no examples or few, have `condition=`.

Of several latents a picture of codes has `latent=`, the name of one; in walks the others are held where an example has
them.

Images, `(H, W)`, `(H, W, 1)` or `(H, W, 3)`, are shown as such, any other event as a profile over its dimensions. z[d]
is the dimension that Python calls `z[..., d]`. Of labels, which have no mean, p(x | z)'s mode is drawn. Nothing here
touches pyplot or a display. matplotlib is imported at the first call: `pip install tfvae[plots]`.
"""

from tfvae.plotting.classes import confusion, reliability
from tfvae.plotting.codes import aggregated_posterior, latent_plane
from tfvae.plotting.curves import bound_ladder, kl_per_dimension, learning_curves
from tfvae.plotting.events import reconstructions, samples
from tfvae.plotting.tables import columns, pairs
from tfvae.plotting.walks import interpolation, latent_traversals, manifold

__all__ = [
    "aggregated_posterior",
    "bound_ladder",
    "columns",
    "confusion",
    "interpolation",
    "kl_per_dimension",
    "latent_plane",
    "latent_traversals",
    "learning_curves",
    "manifold",
    "pairs",
    "reconstructions",
    "reliability",
    "samples",
]


def __dir__() -> list[str]:
    return __all__
