"""What the tests of arrays on the device share."""

import numpy as np
import tensorflow as tf
from tiny import tiny_vae

X = (np.random.default_rng(0).random([70, 6]) < 0.4).astype(np.float32)
Y = (np.random.default_rng(1).random([70, 6]) < 0.4).astype(np.float32)
WEIGHT = np.linspace(0.1, 2, 70).astype(np.float32)


def make(preprocessing=(), **options):
    return tiny_vae(event=6, units=[8], initial=0, preprocessing=preprocessing, **{"optimizer": 0.01, **options})


def stream(*parts):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0]).batch(16)


def assert_close(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # the same operations, in another program
