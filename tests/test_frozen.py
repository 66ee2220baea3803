"""Frozen layers stay frozen: whenever they were frozen, at whatever depth, through files, pickles and copies."""

import pickle

import keras
import numpy as np
import parts
import pytest

import tfvae
from tfvae import networks, posteriors
from tfvae.core import keras_private

MODELS = [
    *((name, None, "Normal") for name in parts.POSTERIORS),
    *(("DiagonalNormal", name, "Normal") for name in ("MixtureOfNormals", "VampPrior", "Flow-MaskedAutoregressive")),
    *(("DiagonalNormal", None, name) for name in parts.LIKELIHOODS),
]


def trained(vae):
    """Returns which of the weights are trained, in order."""
    own = {id(weight) for weight in vae.trainable_weights}
    return [id(weight) in own for weight in vae.weights]


def layers(vae):
    """Returns the layers that have weights of their own or within, the model itself left out."""
    return [layer for layer in keras_private.all_layers(vae, include_self=False) if layer.weights]


SOME = [MODELS[0], ("Flow-Spline", None, "Normal"), ("DiagonalNormal", "VampPrior", "Normal"), MODELS[-1]]
ROWS = [pytest.param(names, marks=[] if names in SOME else pytest.mark.slow) for names in dict.fromkeys(MODELS)]


@pytest.mark.parametrize("names", ROWS, ids=lambda names: "-".join(map(str, names)))
def test_each_layer_alone_comes_back_frozen(names):
    """From the configuration, which files, pickles and `clone_model` are made of."""
    vae = parts.make_vae(*names)
    assert len(layers(vae)) > 3
    for layer in layers(vae):
        layer.trainable = False
        assert trained(tfvae.VAE.from_config(vae.get_config())) == trained(vae), layer.path
        layer.trainable = True


def save_and_load(vae, folder):
    vae.save(folder / "vae.keras")
    return keras.saving.load_model(folder / "vae.keras")


@pytest.mark.parametrize(
    "again",
    [save_and_load, lambda vae, _: pickle.loads(pickle.dumps(vae)), lambda vae, _: keras.models.clone_model(vae)],
    ids=["file", "pickle", "clone"],
)
def test_what_is_frozen_after_the_model_was_made(again, tmp_path):
    vae = parts.make_vae()
    vae.posterior.trainable = vae.likelihood.head.trainable = False
    assert trained(again(vae, tmp_path)) == trained(vae) and not all(trained(vae))


@pytest.mark.parametrize("built", [False, True])
def test_what_is_frozen_before_the_model_is_made(built):
    """With its head and the layers of its network, which are made later."""
    posterior = posteriors.DiagonalNormal(2, network=networks.mlp([4]))
    if built:
        posterior.build((None, 4))
    posterior.trainable = False
    vae = tfvae.VAE(posterior, parts.likelihood("Normal"))
    assert posterior.trainable_weights == [] and len(posterior.weights) == 4
    before = posterior.get_weights()
    vae.compile("adam")
    vae.fit(parts.examples("Normal"), verbose=0)
    for was, now in zip(before, posterior.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_a_frozen_part_that_thaws_trains_again():
    vae = parts.make_vae()
    vae.posterior.trainable = False
    copy = tfvae.VAE.from_config(vae.get_config())
    copy.posterior.trainable = True
    assert all(trained(copy)) == all(trained(parts.make_vae()))
