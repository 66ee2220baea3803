"""VampPrior: the model's own posterior at learned pseudo-inputs, with weights that are shared and saved once."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from latent_cases import EVENT, POSTERIORS, noise, pair, randomised

import tfvae
from tfvae import posteriors, priors
from tfvae.posteriors.base import stopped


@pytest.mark.parametrize("name", POSTERIORS)
def test_vamp_prior_is_the_mixture_of_the_posterior_at_the_pseudo_inputs(name):
    model = pair(name, "VampPrior")
    z = model.posterior(noise(6, EVENT)).sample(seed=[1, 2])
    inputs = tf.convert_to_tensor(model.prior.pseudo_inputs)
    each = [model.posterior(inputs[k : k + 1]).log_prob(z) for k in range(4)]
    explicit = tf.reduce_logsumexp(tf.stack(each), axis=0) - np.log(4)
    p = model.prior.distribution(**model.prior.parameters())
    np.testing.assert_allclose(p.log_prob(z), explicit, rtol=1e-3, atol=1e-3)
    assert model.prior.space == model.posterior.space and model.prior.latent_shape == model.posterior.latent_shape
    assert p.sample(5, seed=[1, 2]).shape == (5, *model.prior.latent_shape)


def test_vamp_prior_gives_gradients_to_the_encoder_and_counts_no_weight_twice():
    model = pair("DiagonalNormal", "VampPrior")
    assert [w.path.split("/")[-1] for w in model.prior.weights] == ["pseudo_inputs"]
    assert len(model.trainable_variables) == len(model.posterior.trainable_variables) + 1
    z = noise(6, 3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model.prior.distribution(**model.prior.parameters()).log_prob(z))
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(np.any(g != 0) for g in gradients)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model.prior.distribution(**stopped(model.prior.parameters())).log_prob(z))
    assert all(g is None for g in tape.gradient(loss, model.trainable_variables))


def test_vamp_prior_adapts_to_training_rows_inside_its_interval():
    prior = priors.VampPrior(2, 3, constraint=priors.Interval(0.0, 1.0))
    prior.bind(randomised(posteriors.DiagonalNormal(2)), (EVENT,))
    prior.build()
    x = noise(10, EVENT).numpy()
    prior.adapt(x, seed=0)
    rows = prior.pseudo_inputs.numpy()
    matches = (rows[:, None] == np.clip(x, 0, 1)).all(-1)
    assert matches.sum(1).tolist() == [1, 1, 1] and matches.any(0).sum() == 3  # three different rows
    optimizer = keras.optimizers.SGD(100.0)
    optimizer.build(prior.trainable_variables)
    optimizer.apply([tf.random.normal(rows.shape)])
    assert prior.pseudo_inputs.numpy().min() == 0 and prior.pseudo_inputs.numpy().max() == 1
    prior.adapt(x[:2], seed=0)  # fewer than it has: the last one stays
    after = prior.pseudo_inputs.numpy()
    assert sorted(after[:2].tolist()) == sorted(np.clip(x[:2], 0, 1).tolist())
    assert after[2].min() == 0 and after[2].max() == 1
    with pytest.raises(tfvae.InvalidInput, match="x of shape"):
        prior.adapt(x[:, :4])
