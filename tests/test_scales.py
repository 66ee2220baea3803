"""Scales: each starts at `initial`, stays above the floor, and starts at the data's spread where it is adapted."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import likelihoods, scales
from tfvae.core.conditional import positive, positive_inverse

KINDS = {"Fixed": (), "Shared": (), "PerDimension": (3,), "Predicted": (3,)}


def value(scale) -> np.ndarray:
    """Returns a scale of three dimensions where the head's outputs are zero."""
    scale.build((3,))
    return scale.value(**{name: tf.zeros(shape) for name, shape in scale.head_shapes((3,)).items()}).numpy()


def test_no_scale_is_missing_from_the_list():
    assert {*KINDS, "Scale"} == set(scales.__all__)


def test_positive_is_one_at_zero_has_a_floor_and_an_inverse():
    """floor + softplus(raw + log(e - 1)), the floor 1e-5."""
    raw = np.array([-1e4, -5.0, 0.0, 0.3, 40.0], np.float32)
    expected = 1e-5 + np.logaddexp(0, raw.astype(np.float64) + np.log(np.e - 1))
    np.testing.assert_allclose(positive(tf.constant(raw)), expected, rtol=1e-5)
    np.testing.assert_allclose([expected[0], expected[2]], [1e-5, 1 + 1e-5])
    np.testing.assert_allclose(positive_inverse(expected[1:]), raw[1:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("initial", [1.0, 0.03, 7.0])
def test_a_scale_starts_at_its_initial_value(name, initial):
    kind = getattr(scales, name)
    found = value(kind(initial))
    assert found.shape == KINDS[name]
    np.testing.assert_allclose(found, np.full(KINDS[name], initial), rtol=1e-5)
    np.testing.assert_allclose(value(kind()), np.ones(KINDS[name]), rtol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(kind(initial)))
    assert type(again) is kind and again.initial == initial


def test_a_predicted_scale_follows_the_head_and_is_initial_at_zero():
    """sigma = softplus(s + s_0), where softplus(s_0) is the initial scale."""
    raw = tf.constant([-0.5, 0.0, 2.0])
    expected = 1e-5 + np.logaddexp(0, raw.numpy() + np.log(np.expm1(0.5 - 1e-5)))
    np.testing.assert_allclose(scales.Predicted(0.5).value(raw), expected, rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_an_adapted_scale_is_the_datas_spread_and_at_least_a_thousandth(name):
    """The second dimension is constant: its scale stays; the fourth hardly varies; one for all is the pooled one."""
    rng = np.random.default_rng(0)
    columns = [rng.normal(1, 2, 4000), np.full(4000, 5.0), rng.normal(0, 0.5, 4000), rng.normal(0, 1e-5, 4000)]
    x = np.stack(columns, 1).astype("float32")
    part = likelihoods.Normal(4, scale=getattr(scales, name)(0.3))
    part.build((None, 2))
    part.adapt(x)
    spread = x.astype(np.float64).std(axis=0)
    pooled = np.sqrt(np.mean(spread**2))
    each = np.where(spread > 0, np.maximum(spread, 1e-3), 0.3)
    expected = {"Fixed": np.full(4, 0.3), "Shared": np.full(4, pooled)}.get(name, each)
    np.testing.assert_allclose(part(tf.zeros([1, 2])).stddev()[0], expected, rtol=1e-3)


@pytest.mark.parametrize("initial", [0, 1e-5, -1.0, float("inf"), float("nan"), True, "1"])
@pytest.mark.parametrize("name", KINDS)
def test_a_scale_at_or_below_the_floor_is_refused(name, initial):
    with pytest.raises(tfvae.InvalidInput, match="a finite scale above 1e-05"):
        getattr(scales, name)(initial)
