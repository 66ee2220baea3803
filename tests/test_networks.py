"""Networks: each has the shapes and the formula that it states, learns, is saved and serves; over the list of parts."""

import importlib

import keras
import numpy as np
import parts
import pytest
import tensorflow as tf
from latent_cases import noise

import tfvae
from tfvae import likelihoods, networks, posteriors

exporting = importlib.import_module("tfvae.export")  # the name in tfvae is the function
PAIRS = [
    ("mlp", "mlp"),
    ("gated_mlp", "gated_mlp"),
    ("residual_mlp", "residual_mlp"),
    ("conv", "conv_transpose"),
    ("conv-sequence", "conv_transpose-sequence"),
    ("residual_conv", "residual_conv_transpose"),
    ("residual_conv-sequence", "residual_conv_transpose-sequence"),
]


def made(name: str) -> tuple[keras.Model, tf.Tensor]:
    """Returns a network with weights that are not its initial ones, and four inputs."""
    make, inputs, _ = parts.NETWORKS[name]
    network, x = make(), noise(4, *inputs)
    network(x)
    for index, weight in enumerate(network.weights):
        weight.assign(noise(*weight.shape, seed=index, scale=0.5))
    return network, x


def test_no_network_is_missing_from_the_list():
    paths = {"Path", "conv_path", "dense_path"}  # several networks each, see test_layers.py
    assert {name.split("-")[0] for name in parts.NETWORKS} == set(networks.__all__) - paths
    assert {name for pair in PAIRS for name in pair} == set(parts.NETWORKS)


@pytest.mark.parametrize("name", parts.NETWORKS)
def test_shape_gradients_and_configuration(name):
    """A loaded configuration with the same weights gives the same features; every weight moves them."""
    network, x = made(name)
    with tf.GradientTape() as tape:
        features = network(x)
        loss = tf.reduce_sum(tf.square(features - 1))
    assert features.shape == (4, *parts.NETWORKS[name][2])
    for weight, gradient in zip(network.weights, tape.gradient(loss, network.weights), strict=True):
        assert np.isfinite(gradient).all() and np.any(gradient != 0), weight.path
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network))
    again(x)
    again.set_weights(network.get_weights())
    assert np.array_equal(again(x), features)
    assert np.allclose(network(x[:1]), features[:1], atol=1e-5)  # examples do not see each other


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
def test_a_model_learns_is_saved_and_serves(encoder, decoder, tmp_path, monkeypatch):
    """Four steps lower the loss; the file and the SavedModel reconstruct as the model does."""
    keras.utils.set_random_seed(0)
    (encode, shape, _), (decode, inputs, _) = parts.NETWORKS[encoder], parts.NETWORKS[decoder]
    likelihood = likelihoods.Normal(shape, scale=1.0, network=decode())
    vae = tfvae.VAE(posteriors.DiagonalNormal(int(np.prod(inputs)), network=encode()), likelihood, seed=1)
    vae.compile(keras.optimizers.Adam(0.02), run_eagerly=True)
    x = tf.tanh(noise(16, *shape) + 2.0)
    history = vae.fit(x, batch_size=16, epochs=4, verbose=0).history["loss"]
    assert history[-1] < history[0]
    expected = vae.reconstruct(x)
    vae.save(tmp_path / "model.keras")
    assert np.array_equal(keras.saving.load_model(tmp_path / "model.keras").reconstruct(x), expected)
    reconstruct = {"reconstruct": exporting.endpoints(vae)["reconstruct"]}
    monkeypatch.setattr(exporting, "endpoints", lambda vae, max_samples: reconstruct)
    served = tf.saved_model.load(exporting.export(vae, tmp_path / "1")).signatures["reconstruct"]
    np.testing.assert_allclose(served(x=x)["mean"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", parts.NETWORKS)
def test_mixed_precision_is_the_policy_it_was_made_under(name):
    keras.config.set_dtype_policy("mixed_float16")
    network, x = made(name)
    features = network(x)
    assert features.dtype == tf.float16 and {w.dtype for w in network.weights} <= {"float32"}
    keras.config.set_dtype_policy("float32")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network))
    assert again(x).dtype == tf.float16


# Formulas.


def test_a_gated_layer_is_its_formula():
    network, x = made("gated_mlp")
    h = x.numpy().reshape(4, -1)
    for layer in network.layers[1:]:
        a, b, gate, bias = layer.get_weights()
        h = (h @ a + b) / (1 + np.exp(-(h @ gate + bias)))
    np.testing.assert_allclose(network(x), h, rtol=1e-5, atol=1e-6)
    tanh = networks.gated_mlp([5], activation="tanh")
    tanh(x)
    a, b, gate, bias = tanh.get_weights()
    flat = x.numpy().reshape(4, -1)
    np.testing.assert_allclose(tanh(x), np.tanh(flat @ a + b) / (1 + np.exp(-(flat @ gate + bias))), rtol=1e-5)


def silu(h):
    return h / (1 + np.exp(-h))


@pytest.mark.parametrize("units", [[6, 6], [4, 5, 5]])
def test_a_residual_layer_is_its_formula(units):
    """It adds where the width stays; norm is over the units of one example."""
    network, x = networks.residual_mlp(units), noise(4, 6)
    network(x)
    for index, weight in enumerate(network.weights):
        weight.assign(noise(*weight.shape, seed=index))
    h = x.numpy()
    for layer in network.layers[1:]:
        a, b, scale, shift = layer.get_weights()
        f = h @ a + b
        f = (f - f.mean(1, keepdims=True)) / np.sqrt(f.var(1, keepdims=True) + 1e-5) * scale + shift
        h = silu(f) + (h if h.shape == f.shape else 0)
    np.testing.assert_allclose(network(x), h, rtol=1e-4, atol=1e-5)


def normalized(h: np.ndarray, size: int, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Returns h `[B, L, C]` with mean 0 and variance 1 over the steps and channels of each group, then scaled."""
    groups = h.reshape(*h.shape[:2], -1, size)
    spread = np.sqrt(groups.var((1, 3), keepdims=True) + 1e-3)
    return ((groups - groups.mean((1, 3), keepdims=True)) / spread).reshape(h.shape) * scale + shift


@pytest.mark.parametrize(("group_size", "actual"), [(2, 2), (4, 4), (16, 4)])
def test_a_residual_step_is_its_formula(group_size, actual):
    """With kernels of one step a convolution is a matrix; one that halves takes each second step."""
    network, x = networks.residual_conv([4], 1, depth=2, group_size=group_size, rank=1), noise(3, 6, 2)
    network(x)
    for index, weight in enumerate(network.weights):
        weight.assign(noise(*weight.shape, seed=index))
    w = iter(network.get_weights())
    h = x.numpy()[:, ::2] @ next(w)[0] + next(w)
    for _ in range(2):
        f = silu(normalized(h, actual, next(w), next(w))) @ next(w)[0] + next(w)
        h = h + silu(normalized(f, actual, next(w), next(w))) @ next(w)[0] + next(w)
    np.testing.assert_allclose(network(x), silu(normalized(h, actual, next(w), next(w))), rtol=1e-3, atol=1e-4)
    assert not list(w)


def test_a_sequence_is_an_image_of_one_column():
    """The middle columns of the image's kernels are the sequence's."""
    for sequence, image, shape in (
        (networks.conv([3, 4], rank=1), networks.conv([3, 4]), (7, 2)),
        (networks.conv_transpose((7, 2), [4, 3]), networks.conv_transpose((7, 1, 2), [4, 3]), (3,)),
    ):
        x = noise(2, *shape)
        column = x[:, :, tf.newaxis] if len(shape) == 2 else x
        sequence(x), image(column)
        for layer, other in zip(sequence.layers, image.layers, strict=True):
            if "conv" in layer.name:
                kernel, bias = layer.get_weights()
                wide = np.zeros(other.kernel.shape)
                wide[:, 1 if len(shape) == 2 else 0] = kernel
                other.set_weights([wide, bias])
            elif layer.weights:
                start = layer.get_weights()
                wide = np.zeros([w.shape for w in other.weights][0]), np.zeros(other.weights[1].shape)
                other.set_weights(start if start[0].shape == wide[0].shape else wide)
        np.testing.assert_allclose(image(column)[:, :, 0], sequence(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: networks.gated_mlp([0]), "units"),
        (lambda: networks.residual_mlp([0]), "units"),
        (lambda: networks.conv([3], rank=3), "rank 1 or 2"),
        (lambda: networks.residual_conv([3], rank=0), "rank 1 or 2"),
        (lambda: networks.residual_conv([3], depth=0), "depth"),
        (lambda: networks.residual_conv([3], group_size=0), "group_size"),
        (lambda: networks.residual_conv([2.5]), "filters"),
        (lambda: networks.residual_conv_transpose((5,), [3]), "an image shape .* or a sequence shape"),
        (lambda: networks.conv_transpose((7, 2), []), "at least one number of filters"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(tfvae.InvalidInput, match=message):
        make()
