"""Random preprocessing: its formula, and what it does not let pass."""

import numpy as np
import pytest
import tensorflow as tf

from tfvae import InvalidInput, preprocessing


@pytest.mark.parametrize("training", [True, False])
def test_dequantised_values_lie_within_their_level(training):
    """x = (x + u) / levels with u in [0, 1): floor(levels x) is the level again."""
    x = np.repeat(np.arange(8, dtype=np.float32), 40).reshape(40, 8)
    out = preprocessing.UniformDequantization(levels=8)(x, training=training).numpy()
    np.testing.assert_array_equal(np.floor(8 * out), x)
    u = 8 * out - x
    assert abs(u.mean() - 0.5) < 4 * np.sqrt(1 / 12 / u.size)  # false-alarm rate 6e-5


def test_what_lies_outside_its_levels_becomes_nan(make_vae):
    layer = preprocessing.UniformDequantization(levels=8)
    out = layer(tf.constant([[0.0, 7.0], [8.0, -1.0], [np.nan, 7.5]]))
    np.testing.assert_array_equal(np.isfinite(out), [[True, True], [False, False], [False, False]])
    vae = make_vae(preprocessing=[layer])
    with pytest.raises(InvalidInput, match=r"\[0, 7\].*8 at x\[0, 2\]"):
        vae.fit(np.float32([[0, 1, 8, 2, 3]]), verbose=0)


def test_binary_draws_follow_the_grey_value():
    x = np.tile(np.float32([0.0, 0.2, 0.7, 1.0]), [4000, 1])
    out = preprocessing.StochasticBinarization()(x, training=True).numpy()
    assert set(np.unique(out)) == {0.0, 1.0}
    np.testing.assert_allclose(out.mean(0), x[0], atol=4 * 0.5 / np.sqrt(4000))  # 4 s.e.
    assert np.all(out[:, 0] == 0) and np.all(out[:, 3] == 1)
