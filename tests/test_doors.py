"""Keras' own doors: export, save, early stopping, encoders as in Keras' examples, another backend."""

import importlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from documents import ROOT
from tiny import tiny_vae

import tfvae
from tfvae import callbacks, evaluation
from tfvae.core import backend


def test_export_of_keras_writes_what_tfvae_exports(binary, tmp_path):
    vae = tiny_vae()
    vae.export(tmp_path / "one")
    served = tf.saved_model.load(tmp_path / "one" / "1").signatures
    assert {"encode", "decode", "reconstruct", "sample", "elbo", "log_prob", "serving_default"} == set(served)
    np.testing.assert_allclose(
        served["reconstruct"](x=tf.constant(binary))["mean"], vae.predict(binary, verbose=0), rtol=1e-5
    )


@pytest.mark.parametrize("form", ["onnx", "litert", "openvino"])
def test_other_forms_of_export_are_refused_with_the_way_there(form, tmp_path):
    with pytest.raises(tfvae.InvalidInput, match=f"encode, decode and reconstruct .*{form} cannot hold") as refused:
        tiny_vae().export(tmp_path / "one", format=form)
    page, heading = re.search(r'\((\S+), "(.+?)"\)', str(refused.value)).groups()
    assert f"## {heading}\n" in (ROOT / page).read_text()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.h5", "x.hdf5"])
def test_a_file_that_could_not_be_loaded_is_not_written(name, tmp_path):
    with pytest.raises(tfvae.InvalidInput, match="suffix .keras"):
        tiny_vae().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_weights_files_are_written_and_read(tmp_path):
    vae, other = tiny_vae(), tiny_vae(initial=7)
    vae.save_weights(tmp_path / "x.weights.h5")
    other.load_weights(tmp_path / "x.weights.h5")
    for mine, theirs in zip(other.weights, vae.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_neither_saved_nor_exported(value, tmp_path):
    vae = tiny_vae()
    kernel = vae.posterior.head.dense.kernel
    kernel.assign(tf.where(tf.range(kernel.shape[1]) == 1, value, kernel))
    for write in (lambda: vae.save(tmp_path / "x.keras"), lambda: tfvae.export(vae, tmp_path / "1")):
        with pytest.raises(tfvae.InvalidInput, match="head.*dense/kernel.*FirstAid"):
            write()
    assert not list(tmp_path.iterdir())


def test_early_stopping_knows_that_more_is_better(binary):
    """With Keras' own and no mode, `val_elbo` is refused or taken the wrong way round."""

    class Elbo(keras.callbacks.Callback):
        values = iter([-5.0, -4.0, -3.0, -3.5, -3.6, -3.7])

        def on_epoch_end(self, epoch, logs=None):
            logs["val_elbo"] = next(self.values)
            self.weights = getattr(self, "weights", []) + [self.model.get_weights()]

    vae, elbo = tiny_vae(), Elbo()
    history = vae.fit(binary, epochs=6, verbose=0, callbacks=[elbo, callbacks.EarlyStopping(patience=2)])
    assert len(history.epoch) == 5
    for now, best in zip(vae.get_weights(), elbo.weights[2], strict=True):
        np.testing.assert_array_equal(now, best)


@pytest.mark.parametrize("count", [2, 3])
def test_an_encoder_with_several_outputs_is_told_to_stop_before_them(count):
    """Keras' VAE example returns mean, log-variance and z."""
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8)(inputs)
    encoder = keras.Model(inputs, [keras.layers.Dense(2)(hidden) for _ in range(count)])
    with pytest.raises(tfvae.InvalidInput, match=f"{count} outputs.*the layer before them.*loc, scale"):
        tfvae.VAE(tfvae.posteriors.DiagonalNormal(2, network=encoder), tfvae.likelihoods.Normal(4))


def test_another_backend_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ImportError, match="KERAS_BACKEND=tensorflow"):
        importlib.reload(backend)
    monkeypatch.undo()
    importlib.reload(backend)


def test_anomaly_does_not_print_a_share_that_nobody_knows(binary):
    """Pareto k needs some hundred samples."""
    vae = tiny_vae()
    text = str(evaluation.anomaly(vae, binary[:6], binary[6:], num_samples=5, seed=0))
    assert "nan" not in text and "untrusted" not in text
    text = str(evaluation.anomaly(vae, binary[:6], binary[6:], num_samples=200, seed=0))
    assert "untrusted" in text and "nan" not in text
