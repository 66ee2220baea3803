"""Which program `fit` makes of arrays: XLA or a graph, with which noise."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from resident_cases import X, assert_close, make, stream

import tfvae
from tfvae.core import seeds
from tfvae.training import device


def test_long_fits_on_a_cpu_go_through_xla_and_short_ones_or_convolutions_do_not():
    enough, most = device.SMALL_XLA_FROM, device.XLA_FROM

    def mode(vae, steps, batch_size=1):
        return device.mode_of(vae, steps, batch_size)

    assert mode(make(), enough) == "xla" and mode(make(), enough - 1) == "graph"
    large = make(posterior=tfvae.posteriors.DiagonalNormal(2, tfvae.networks.mlp([400, 400])))
    assert mode(large, most) == "xla" and mode(large, most - 1) == "graph"
    assert mode(make(jit_compile=True), 1) == "xla" and mode(make(jit_compile=False), enough) == "graph"
    assert mode(make(run_eagerly=True), enough) == "eager"
    assert mode(make(posterior=convolutional()), enough) == "graph"
    assert mode(make(posterior=convolutional(), jit_compile=True), 1) == "xla steps"


@pytest.mark.parametrize("asked", ["mixed_bfloat16", "products"])
def test_products_in_bfloat16_do_not_go_through_xla_on_a_cpu(asked):
    """XLA for CPUs takes them with float32's instructions; TensorFlow's own kernels have the processor's."""
    before, options = keras.config.dtype_policy(), tf.config.optimizer.get_experimental_options()
    try:
        if asked == "products":
            tf.config.optimizer.set_experimental_options({device.BFLOAT16_PRODUCTS: True})
        else:
            keras.config.set_dtype_policy(asked)
        modes = [device.mode_of(make(jit_compile=jit), device.SMALL_XLA_FROM, 1) for jit in ("auto", True)]
    finally:
        keras.config.set_dtype_policy(before)
        tf.config.optimizer.set_experimental_options({device.BFLOAT16_PRODUCTS: False, **options})
    assert modes == ["graph", "xla"]


def test_heavy_steps_go_through_xla_when_they_are_few():
    """The products of a step are its examples times samples times weights, counted roughly."""
    vae = make(objective=tfvae.objectives.IWAE(5))
    batch = 100_000
    few = int(-(-device.XLA_FROM_PRODUCTS // (batch * 5 * vae.count_params())))
    assert few < device.SMALL_XLA_FROM
    assert [device.mode_of(vae, few + extra, batch) for extra in (0, -1)] == ["xla", "graph"]


def convolutional():
    network = keras.Sequential([keras.layers.Reshape([6, 1]), keras.layers.Conv1D(2, 2), keras.layers.Flatten()])
    return tfvae.posteriors.DiagonalNormal(2, network)


@pytest.mark.slow
def test_convolutions_go_through_xla_step_by_step():
    one, other = (make(posterior=convolutional(), jit_compile=True) for _ in range(2))
    other.set_weights(one.get_weights())
    one.fit(X, batch_size=35, shuffle=False, epochs=2, verbose=0)
    other.fit(tf.data.Dataset.from_tensor_slices(X).batch(35), epochs=2, verbose=0)
    assert_close(one, other)  # the same noise: the stream's steps go through XLA as well


class Refused(keras.layers.Layer):
    """What XLA cannot compile."""

    def call(self, x):
        return x + tf.ensure_shape(tf.py_function(lambda: 0.0, [], tf.float32), [])


def test_noise_comes_from_the_generator_that_is_fast_there(seed=(5, 6)):
    """Threefry within all that XLA compiles, Philox elsewhere, where TensorFlow has a kernel of it alone."""
    traced = []

    def noise():
        traced.append(seeds.algorithm())
        return seeds.normal([20_000], seed), seeds.uniform([20_000], seed)

    def nested():
        step = tf.function(noise, jit_compile=True)
        start = (0, tf.zeros([20_000]), tf.zeros([20_000]))
        return tf.while_loop(lambda i, *_: i < 1, lambda i, *_: (i + 1, *step()), start)[1:]

    drawn = [noise(), tf.function(noise)(), tf.function(noise, jit_compile=True)(), tf.function(nested)()]
    assert traced == ["philox", "philox", "threefry", "threefry"]
    for normal, uniform in drawn:
        assert abs(np.mean(normal)) < 4 / 20_000**0.5 and abs(np.var(normal) - 1) < 4 * (2 / 20_000) ** 0.5
        assert abs(np.mean(uniform) - 0.5) < 4 * (1 / 12 / 20_000) ** 0.5
        assert np.min(uniform) >= 0 and np.max(uniform) < 1
    for one, other in ((0, 1), (2, 3)):
        np.testing.assert_array_equal(drawn[one][0], drawn[other][0])


@pytest.mark.slow
def test_arrays_and_streams_see_the_same_noise_under_xla():
    arrays, batches = make(jit_compile=True), make(jit_compile=True)
    arrays.fit(X[:64], batch_size=16, epochs=2, shuffle=False, verbose=0)  # a smaller last batch runs without XLA
    batches.fit(stream(X[:64]), epochs=2, verbose=0)
    assert_close(arrays, batches)


def test_a_model_that_xla_refuses_trains_without_it_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(device, "SMALL_XLA_FROM", 0)
    plain, one = make(), make()
    network = keras.Sequential([tfvae.networks.mlp([8]), Refused()])
    vae = make(posterior=tfvae.posteriors.DiagonalNormal(2, network))
    with caplog.at_level(logging.WARNING, "tfvae"):
        vae.fit(X, batch_size=16, epochs=2, verbose=0)
    assert caplog.text.count("XLA does not compile this model") == 1
    assert int(vae.optimizer.iterations) == 10
    one.fit(X, batch_size=16, verbose=0)
    monkeypatch.undo()
    plain.fit(X, batch_size=16, verbose=0)
    assert not np.array_equal(plain.get_weights()[0], one.get_weights()[0])  # XLA did run: it draws other noise


@pytest.mark.parametrize("jit_compile", [False, True])
def test_values_of_arrays_are_checked_before_training_alone(jit_compile):
    """The step leaves the checks out; what a user's own preprocessing makes of the data is still checked in it."""

    class Shift(tfvae.preprocessing.RandomPreprocessing):
        support = tfvae.core.sets.REAL

        def call(self, x, seed=None, training=False):
            return super().call(x, seed, training) if training else x

        def transform(self, x, u):
            return x + tf.where(u > 0.99, 2.0, 0.0)

    with pytest.raises(tfvae.InvalidInput, match="outside"):
        make([Shift()], jit_compile=jit_compile).fit(np.tile(X, [4, 1]), epochs=3, verbose=0)
