"""Small models that are told something: what several tests of conditions and masks stand on."""

import keras
import numpy as np
from tiny import tiny_vae

import tfvae
from tfvae.networks import mlp

EVENT, CLASSES = 6, 3
TOLD = ("z", "condition")
RNG = np.random.default_rng(0)
Y = RNG.integers(0, CLASSES, 70)
X = (RNG.random([70, EVENT]) < np.array([0.1, 0.5, 0.9])[Y][:, None]).astype(np.float32)
MASK = RNG.random(X.shape) < 0.6
HOLES = np.where(MASK, X, np.nan).astype(np.float32)


def conditional(**options) -> tfvae.VAE:
    """Returns a compiled model of binary data whose three parts are told a label; words as for `tiny_vae`."""
    keras.utils.set_random_seed(0)
    parts = {
        "likelihood": tfvae.likelihoods.Bernoulli(EVENT, network=mlp([8]), given=TOLD),
        "posterior": tfvae.posteriors.DiagonalNormal(2, network=mlp([8]), given=("x", "condition")),
        "prior": tfvae.priors.DiagonalNormal(2, network=mlp([4]), given="condition"),
        "condition": tfvae.conditions.Labels(CLASSES),
    }
    return tiny_vae(**{**parts, "optimizer": 0.01, **options})


def masked(**options) -> tfvae.VAE:
    """Returns a compiled model of binary data whose posterior sees the mask."""
    keras.utils.set_random_seed(0)
    posterior = tfvae.posteriors.DiagonalNormal(2, network=mlp([8]), given=("x", "mask"))
    return tiny_vae(event=EVENT, units=[8], posterior=posterior, optimizer=0.01, **options)


def both(**options) -> tfvae.VAE:
    """Returns a compiled model that is told a label and two numbers, and whose posterior sees the mask."""
    keras.utils.set_random_seed(0)
    names = ("x", "mask", "label", "age")
    return conditional(
        posterior=tfvae.posteriors.DiagonalNormal(2, network=mlp([8]), given=names),
        likelihood=tfvae.likelihoods.Bernoulli(EVENT, network=mlp([8]), given=("z", "label")),
        prior=tfvae.priors.DiagonalNormal(2, network=mlp([4]), given=("age", "label")),
        condition={"label": tfvae.conditions.Labels(CLASSES), "age": tfvae.conditions.Real(2)},
        **options,
    )


AGE = RNG.normal(size=[70, 2]).astype(np.float32)
OBSERVED = {
    "conditional": (conditional, {"x": X, "condition": Y}),
    "masked": (masked, {"x": HOLES, "mask": MASK}),
    "both": (both, {"x": HOLES, "mask": MASK, "condition": {"label": Y, "age": AGE}}),
}
