"""What the tests of first aid share: likelihoods that fail, and a fit that is stopped."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from sklearn.datasets import load_digits
from tiny import tiny_vae

import tfvae
from tfvae.callbacks import Checkpoint, Diverged, FirstAid, HistoryFile, read_history

tfd = tfp.distributions
GREY = (load_digits().data[:256] / 16).astype(np.float32)
BINARY = (GREY > 0.5).astype(np.float32)
TARGET, WEIGHT = BINARY.copy(), np.linspace(0, 1, len(BINARY))


class WithoutFloor(tfvae.likelihoods.Likelihood):
    """A user's own likelihood: pixels that are always blank drive its scale to zero, for exp underflows."""

    def head_shapes(self):
        return {"loc": self.event_shape, "log_scale": self.event_shape}

    def constrain(self, loc, log_scale):
        return {"loc": tf.nn.relu(loc), "scale": tf.exp(8.0 * log_scale)}

    def distribution(self, loc, scale):
        return tfd.Independent(tfd.Normal(loc, scale), 1)


class WithRoot(WithoutFloor):
    """A finite density whose gradient is not: the derivative of a square root at zero."""

    def constrain(self, loc, log_scale):
        return {"loc": loc, "scale": 0.01 + tf.sqrt(tf.nn.relu(log_scale))}


for kind in (WithoutFloor, WithRoot):
    keras.saving.register_keras_serializable(package="test_first_aid")(kind)


def make(likelihood=tfvae.likelihoods.Bernoulli, optimizer=1e-3, **options):
    return tiny_vae(likelihood, 64, latent=4, units=[16], initial=0, seed=0, optimizer=optimizer, **options)


def state(vae):
    return [np.array(v.numpy()) for v in [*vae.weights, *vae.optimizer.variables]]


def is_same(a, b):
    return len(a) == len(b) and all(np.array_equal(v, w) for v, w in zip(a, b, strict=True))


class Copy(keras.callbacks.Callback):
    """Copies weights and optimizer at the start and after each epoch that ended."""

    def on_train_begin(self, logs=None):
        self.last = state(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self.last = state(self.model)


def fail(vae, data, error=Diverged, folder=None, epochs=60, more=(), **options):
    """Fits until first aid stops it; memory and disk must hold the last good weights, bit for bit."""
    copy, saving = Copy(), [] if folder is None else [HistoryFile(folder / "history.csv"), Checkpoint(folder / "c")]
    copy.get_state, copy.set_state = dict, dict
    options = {"shuffle": False, "verbose": 0, **options}
    with pytest.raises(error) as caught:
        vae.fit(data, epochs=epochs, callbacks=[FirstAid(), copy, *saving, *more], **options)
    print(f"\n{caught.value}")
    assert is_same(state(vae), copy.last)
    assert all(np.isfinite(value).all() for value in copy.last)
    if folder is not None:
        restored = Checkpoint(folder / "c").restore()
        if restored is None:
            assert "before training" in str(caught.value)
        else:
            assert is_same(state(restored), copy.last)
            done = len(read_history(folder / "history.csv"))
            assert f"as it was after epoch {done}" in str(caught.value)
        print("weights and optimizer in memory and on disk equal the last good ones bit for bit")
    return caught.value


def stream(x, first_bad_epoch, row, value):
    """Batches of 32 whose row `row` of batch 3 (from 0) becomes bad in an epoch, from 0."""
    epochs = iter(range(1000))

    def batches():
        bad = next(epochs) > first_bad_epoch  # `fit` looks at one batch before it begins
        for index in range(0, len(x), 32):
            rows = x[index : index + 32].copy()
            if bad and index == 96:
                rows[row, 7] = value
            yield rows

    return tf.data.Dataset.from_generator(batches, output_signature=tf.TensorSpec([None, 64]))
