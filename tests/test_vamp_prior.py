"""VampPrior: the model's own posterior at learned pseudo-inputs, with weights that are shared and saved once."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from latent_cases import EVENT, POSTERIORS, noise, pair, randomised

import tfvae
from tfvae import posteriors, priors
from tfvae.core.chain import stopped


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


def test_pseudo_inputs_start_near_zero_or_on_rows_of_the_seeds_choice():
    """Of 20 seeds each of ten rows is some seed's; it misses a row with probability 0.7^20 = 8e-4, ten times."""
    prior = priors.VampPrior(2, 3)
    prior.bind(randomised(posteriors.DiagonalNormal(2)), (EVENT,))
    wide = priors.VampPrior(2, 400)
    wide.bind(prior.posterior, (EVENT,))
    wide.build()
    start = wide.pseudo_inputs.numpy()  # 2000 numbers: 4.5 standard errors of a mean and of a standard deviation
    assert abs(start.mean()) < 4.5 * 0.05 / np.sqrt(2000) and abs(start.std() - 0.05) < 4.5 * 0.05 / np.sqrt(4000)
    x = np.repeat(np.arange(10.0), EVENT).reshape(10, EVENT)

    def chosen(seed):
        prior.adapt(x, seed=seed)
        return prior.pseudo_inputs.numpy()[:, 0].tolist()

    found = [chosen(seed) for seed in range(20)]
    assert found[3] == chosen(3) and set(sum(found, [])) == set(range(10))
    keras.utils.set_random_seed(1)
    first, second = chosen(None), chosen(None)
    keras.utils.set_random_seed(1)
    assert chosen(None) == first != second


@pytest.mark.parametrize("moved", [False, True], ids=["alone", "under a flow"])
def test_a_model_adapts_its_prior_to_preprocessed_and_scaled_rows(moved):
    prior = priors.VampPrior(2, 4)
    whole = priors.Flow(2, base=prior) if moved else prior
    preprocessing = [keras.layers.Rescaling(1 / 4, offset=1.0)]
    vae = tfvae.VAE(posteriors.DiagonalNormal(2), tfvae.likelihoods.Normal(EVENT), whole, preprocessing)
    x = noise(6, EVENT).numpy()
    vae.adapt(x, seed=2)
    rows = x / 4 + 1
    expected = ((rows - rows.mean(0)) / rows.std(0))[np.random.default_rng(2).permutation(6)[:4]]
    np.testing.assert_allclose(prior.pseudo_inputs, expected, rtol=1e-4, atol=1e-5)
