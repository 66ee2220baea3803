"""The benchmark of several layers: what counts as alive, the best epoch, the control; the figures take hours."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from benchmarks.layers import __main__ as command
from benchmarks.layers import common, two_layer

tfd = tfp.distributions


def test_spread_is_the_variance_of_means_without_the_noise_of_the_draws():
    """Of 4000 rows its standard error is sqrt(2 / 4000) of itself, 0.09 for the first unit: four of these."""
    x = np.random.default_rng(0).normal(size=[4000, 1]).astype("float32")
    encoded = lambda x: tfd.Normal(x * np.float32([2.0, 0.0]), np.float32([1.0, 1.0]))  # noqa: E731
    found = common.spreads(types.SimpleNamespace(encode=encoded), x)["z"]
    assert found[0] == pytest.approx(4.0, abs=0.36) and abs(found[1]) < 0.01 < 1 / common.DRAWS


def test_the_best_epoch_is_kept_and_goes_through_a_resume(tmp_path):
    elbos, saved = iter([-3.0, -1.0, -2.0]), []
    model = types.SimpleNamespace(elbo=lambda x, seed: np.array([next(elbos)]), save=saved.append)
    valid = types.SimpleNamespace(x=np.zeros([1, 1]))
    best = common.Best(tmp_path / "best.keras", valid, lambda words: None)
    best.set_model(model)
    best.on_epoch_end(0)
    again = common.Best(tmp_path / "best.keras", valid, lambda words: None)
    again.set_model(model)
    again.set_state(best.get_state())
    again.on_epoch_end(1)
    again.on_epoch_end(2)
    assert again.epoch == 2 and again.values == [-3.0, -1.0, -2.0] and len(saved) == 2


def test_the_control_has_the_net_of_two_layers_and_a_first_layer_that_knows_nothing_of_the_second():
    keras.utils.set_random_seed(0)
    made = {name: two_layer.MODELS[name]((4, 4, 1), k=1, seed=0) for name in ("two", "cut")}
    z2 = tf.constant(np.random.default_rng(0).normal(size=[3, 50]), tf.float32)
    for name, vae in made.items():
        z1 = vae.prior.parts["z1"](vae.context({"condition": {}}).with_(z2=z2)).mean()
        assert vae.posterior.parts["z2"].given == ("z1",)
        assert (z1.shape == (3, 100)) == (name == "two")  # of the control it is one for all, [100]


def test_results_are_compared_on_the_same_images():
    found = {"one": {}, "two": {}}
    common.beside("one", found, {"one": np.array([1.0, 2.0]), "two": np.array([2.0, 5.0])})
    assert found["two"]["log_prob_beside_one"]["mean"] == 2.0 and found["one"] == {}


def test_the_command_names_its_folders():
    said, options = command.read(["two_layer", "--k", "5", "--seeds", "0", "1"])
    assert (said.k, said.seeds, options.out, options.budget) == (5, [0, 1], command.OUT, 10.0)
