"""The temperature of relaxed categories: a number that may be set anew at any time, or a schedule over steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from latent_cases import noise

import tfvae
from tfvae import likelihoods, posteriors, priors, schedules

X = noise(8, 4).numpy()
COOLING = schedules.LinearWarmup(4, start=2.0, end=0.5)


def relaxed(temperature, of_prior=None, prior=None) -> tfvae.VAE:
    """Returns a model with weights that are the same for every temperature."""
    prior = prior or priors.RelaxedCategorical(2, 3, temperature=of_prior or temperature)
    vae = tfvae.VAE(posteriors.RelaxedCategorical(2, 3, temperature), likelihoods.Normal(4), prior, seed=1)
    for index, weight in enumerate(vae.trainable_weights):
        weight.assign(noise(*weight.shape, seed=index, scale=0.5))
    vae.compile(keras.optimizers.SGD(0.0))
    return vae


def answers(vae) -> dict[str, np.ndarray]:
    """Returns what a model says by each road, compiled or not."""
    return {
        "log_prob": vae.log_prob(X, 3, seed=5),
        "evaluate": vae.test_on_batch(X),
        "train": vae.train_on_batch(X),
        "sample": vae.sample(3, seed=5),
        "reconstruct": vae.reconstruct(X),
    }


@pytest.mark.slow
def test_a_temperature_set_anew_holds_from_the_next_call_on(tmp_path):
    """By every road: the model says what one that was made with the new temperatures says, and so does its export."""
    vae = relaxed(2.0)
    old = answers(vae)
    vae.posterior.temperature, vae.prior.temperature = 0.7, 0.4
    fresh = relaxed(0.7, of_prior=0.4)
    fresh.optimizer.iterations.assign(vae.optimizer.iterations)
    found, expected = answers(vae), answers(fresh)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)
        assert name == "reconstruct" or not np.allclose(old[name], value, rtol=1e-3), name
    assert vae.graphs.made.keys() == fresh.graphs.made.keys()  # those of a temperature that has passed are dropped
    served, asked = tf.saved_model.load(tfvae.export(vae, tmp_path / "1")).signatures["log_prob"], tf.constant
    answer = served(x=asked(X), num_samples=asked(3), seed=asked(5))["log_prob"]
    np.testing.assert_allclose(answer, expected["log_prob"], rtol=1e-5)


def test_the_center_is_the_softmax_of_the_logits_at_every_temperature():
    for temperature in (0.1, 3.0):
        posterior = relaxed(temperature).posterior
        parameters = posterior.parameters(X)
        exp = np.exp(parameters["logits"].numpy())
        np.testing.assert_allclose(posterior.center(parameters), exp / exp.sum(axis=-1, keepdims=True), rtol=1e-5)


class Cool(keras.callbacks.Callback):
    """Sets before each epoch, of one step, the temperature that a schedule has there."""

    def on_epoch_begin(self, epoch, logs=None):
        temperature = float(COOLING(epoch))
        self.model.posterior.temperature = self.model.prior.temperature = temperature


@pytest.mark.parametrize("stream", [False, True])
def test_a_schedule_is_what_a_callback_would_set_and_evaluation_takes_its_end(stream):
    data = tf.data.Dataset.from_tensor_slices(X).batch(8) if stream else X
    scheduled, by_hand = relaxed(COOLING), relaxed(7.0)
    options = {"batch_size": None if stream else 8, "verbose": 0, "epochs": 2, "shuffle": False}
    expected = by_hand.fit(data, callbacks=[Cool()], **options).history["loss"]
    np.testing.assert_allclose(scheduled.fit(data, **options).history["loss"], expected, rtol=1e-5)
    assert abs(expected[1] - expected[0]) > 1e-2
    by_hand.posterior.temperature = by_hand.prior.temperature = 0.5
    assert scheduled.evaluate(X, verbose=0) == pytest.approx(by_hand.evaluate(X, verbose=0), rel=1e-6)


def test_every_density_of_a_step_has_the_temperature_of_that_step():
    """The pseudo-inputs' of a VampPrior too."""
    known, seed = {"x": X, "target": X, "condition": {}, "weight": tf.ones([8])}, tf.constant([1, 2])
    for made in (lambda: None, lambda: priors.VampPrior(2, 4)):
        vae, number = relaxed(COOLING, prior=made()), relaxed(float(COOLING(1)), prior=made())
        one, other = vae.evidence(known, 3, seed, step=tf.constant(1)), number.evidence(known, 3, seed)
        np.testing.assert_allclose(one.log_weight, other.log_weight, rtol=1e-5)
        assert not np.allclose(vae.evidence(known, 3, seed).log_weight, other.log_weight, rtol=1e-2)


def test_a_schedule_is_saved_and_a_file_has_no_weight_for_it(tmp_path):
    vae = relaxed(COOLING, of_prior=0.4)
    vae.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert repr(again.posterior.temperature) == repr(COOLING) and again.prior.temperature == 0.4
    assert len(again.weights) == len(relaxed(1.0).weights)
    np.testing.assert_allclose(again.elbo(X, 3, seed=5), vae.elbo(X, 3, seed=5), rtol=1e-6)
    np.testing.assert_allclose(vae.elbo(X, 3, seed=5), relaxed(0.5, 0.4).elbo(X, 3, seed=5), rtol=1e-6)


@pytest.mark.parametrize("part", [posteriors.RelaxedCategorical, priors.RelaxedCategorical])
@pytest.mark.parametrize("value", [0.0, -1, float("nan"), "warm", True, schedules.LinearWarmup(4, 1.0, 0.0)])
def test_a_temperature_that_is_not_positive_is_refused_when_made_and_when_set(part, value):
    made = part(2, 3)
    with pytest.raises(tfvae.InvalidInput, match="temperature"):
        part(2, 3, temperature=value)
    with pytest.raises(tfvae.InvalidInput, match="temperature"):
        made.temperature = value
