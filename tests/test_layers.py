"""Recipes of several layers: sizes of the papers, what is told what, and networks of a ladder of images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import networks, recipes
from tfvae.networks.paths import Onto

GENERATOR = np.random.default_rng(0)


def noise(*shape):
    return tf.constant(GENERATOR.normal(size=shape), tf.float32)


def dense(*sizes):
    return sum((before + 1) * after for before, after in zip(sizes, sizes[1:], strict=False))


def test_two_layers_have_the_sizes_of_the_paper():
    """784-200-200-100 and 100-100-100-50, each latent with location and scale, and back."""
    vae = recipes.two_layer((28, 28, 1), latent_dim=50, seed=0)
    upwards = dense(784, 200, 200, 200) + dense(100, 100, 100, 100)
    downwards = dense(50, 100, 100, 200) + dense(100, 200, 200, 784)
    assert vae.count_params() == upwards + downwards
    activations = {layer.activation.__name__ for layer in vae.posterior.parts["z2"].network.layers[1:]}
    assert activations == {"tanh"}


def test_a_ladder_has_the_layers_that_are_asked_for():
    doubled = recipes.ladder((6,), layers=3, latent_dim=2, seed=0)
    assert {name: part.latent_dim for name, part in doubled.posterior.parts.items()} == {"z1": 8, "z2": 4, "z3": 2}
    stated = recipes.ladder((6,), layers=[3, 5], seed=0, layer_free_bits=0.25)
    assert {name: part.latent_dim for name, part in stated.prior.parts.items()} == {"z1": 3, "z2": 5}
    assert stated.objective.layer_free_bits == 0.25 and [float(stated.objective.beta(step)) for step in (0, 1000)] == [
        0,
        1,
    ]
    assert recipes.ladder((6,), layers=1, latent_dim=2, seed=0).likelihood.given == ("z1",)
    with pytest.raises(tfvae.InvalidInput, match="layers"):
        recipes.ladder((6,), layers=0)


def test_each_layer_of_a_ladder_hears_of_the_one_above_by_its_state():
    """The state d1 hangs on z2 and, through d2, on z3; the likelihood sees z1 and d1."""
    vae = recipes.ladder((6,), layers=3, latent_dim=2, seed=0)
    assert {name: feature.given for name, feature in vae.features.items()} == {
        "h1": ("x",), "h2": ("h1",), "h3": ("h2",), "d1": ("z2", "d2"), "d2": ("z3",),
    }  # fmt: skip
    assert {name: part.given for name, part in vae.prior.parts.items()} == {"z3": (), "z2": ("d2",), "z1": ("d1",)}
    given = {name: part.given for name, part in vae.posterior.parts.items()}
    assert given == {"z1": ("h1", "z1_prior"), "z2": ("h2", "z2_prior"), "z3": ("h3",)}
    codes = {"z1": noise(4, 8), "z2": noise(4, 4), "z3": noise(4, 2)}
    means = vae.decode(codes).mean()
    for name in codes:
        assert not np.allclose(vae.decode({**codes, name: codes[name] + 1}).mean(), means)


def test_networks_of_images_halve_and_double_and_start_without_their_blocks():
    shape, filters = (10, 7, 2), (4, 6)
    path = networks.conv_path(shape, filters, stem=(3,), blocks=2)
    h1 = path.encoder(noise(3, *shape))
    h2 = path.up[0](h1)
    d1 = path.down[0](noise(3, 5))
    assert (h1.shape[1:], h2.shape[1:], d1.shape[1:]) == ((3, 2, 4), (2, 1, 6), (3, 2, 4))
    assert path.decoder({"z1": noise(3, 5), "d1": d1}).shape[1:3] == shape[:2]
    assert np.array_equal(path.up[0].layers[0](h1), h2)  # residual blocks end in zeros
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(path.down[0]))
    again(noise(3, 5))
    again.set_weights(path.down[0].get_weights())
    z = noise(3, 5)
    assert np.array_equal(again(z), path.down[0](z))


def test_what_goes_onto_a_space_is_added():
    layer, vector, small = Onto((5, 3), 2), noise(4, 6), noise(4, 3, 2, 1)
    both = layer({"z": vector, "d": small})
    assert both.shape == (4, 5, 3, 2)
    of_map = both - layer({"z": vector, "d": 0 * small}) + layer({"z": 0 * vector, "d": 0 * small})
    assert np.allclose(of_map, layer({"z": 0 * vector, "d": small}), atol=1e-5)  # linear in each, float32
    assert np.allclose(of_map[:, 0:2, 0:2], of_map[:, :1, :1], atol=1e-5)  # of small maps each pixel is doubled


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: networks.dense_path([]), "at least one layer"),
        (lambda: networks.conv_path((28, 28, 1), []), "at least one layer"),
        (lambda: networks.conv_path((28,)), "an image shape"),
        (lambda: networks.conv_path((28, 28, 1), blocks=0), "blocks"),
        (lambda: networks.dense_path([4], depth=0), "depth"),
    ],
)
def test_paths_that_cannot_be_are_refused(make, message):
    with pytest.raises(tfvae.InvalidInput, match=message):
        make()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"layers": 2, "path": networks.dense_path([4, 4, 4])}, "Expected a path of 2 layers. Received one of 3"),
        ({"layers": [3, 5], "latent_dim": 7}, "once. Received layers=.3, 5. and latent_dim=7"),
    ],
)
def test_a_ladder_is_described_once(given, words):
    with pytest.raises(tfvae.InvalidInput, match=words):
        recipes.ladder((6,), **given)
