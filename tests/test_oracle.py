"""Oracles: models whose log p(x), posterior and gradients are known exactly.

Most use the linear-Gaussian VAE of `linear_gaussian`.
Statistical tests use the mean over repeats and its standard error s.e.; a bound of z s.e. has the false-alarm rate of
the normal tail (3 s.e.: 0.13% one-sided), and the smallest error it sees is about 2 z s.e., which each test prints.
"""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from linear_gaussian import SIGMA, D, N, data, exact_log_prob, inverse_softplus_scale, linear_vae, set_exact
from tiny import tiny_vae

import tfvae
from tfvae.core.conditional import SCALE_FLOOR
from tfvae.distributions.binary import Bernoulli
from tfvae.distributions.normal import MultivariateNormalDiag


def test_exact_posterior_makes_every_log_weight_the_log_marginal():
    vae, x = set_exact(linear_vae()), data(20, seed=2)
    evidence = vae.evidence(vae.known({"x": x}), 50, tfvae.seeds.as_seed(0))
    assert evidence.log_weight.shape == (50, 20)
    error = np.abs(evidence.log_weight - exact_log_prob(x)).max()
    print(f"largest difference between a log-weight and log p(x): {error:.2e} nats")
    assert error < 1e-4
    np.testing.assert_allclose(vae.log_prob(x, num_samples=3, seed=1), exact_log_prob(x), atol=1e-4)


def test_exact_posterior_has_no_gap_in_closed_form():
    """ELBO = log p(x) at the exact posterior: E_q log p(x|z) in closed form against the model's rate and distortion."""
    vae, x = set_exact(linear_vae()), data(20, seed=2)
    evidence = vae.evidence(vae.known({"x": x}), 4000, tfvae.seeds.as_seed(0))
    elbo = evidence.log_likelihood.numpy() - evidence.rate.numpy()
    standard_error = elbo.std(axis=0) / math.sqrt(4000)
    assert np.all(np.abs(elbo.mean(axis=0) - exact_log_prob(x)) < 4.5 * standard_error)  # 20 x 7e-6 false alarms


def test_bounds_are_ordered():
    """ELBO <= IWAE_5 <= IWAE_50 <= log p(x), each within 3 s.e. of the mean over 400 repeats (DESIGN 4)."""
    vae, x = set_exact(linear_vae(), stretch=1.3, shift=0.15), data(30, seed=3)
    repeats = 400

    def mean_bound(objective: tfvae.objectives.Objective, seed: int) -> tuple[float, float]:
        samples = objective.num_samples
        evidence = vae.evidence(vae.known({"x": x}), samples * repeats, tfvae.seeds.as_seed(seed))
        log_weight = tf.reshape(evidence.log_weight, [repeats, samples, -1])
        values = tf.reduce_logsumexp(log_weight, axis=1) - math.log(samples)
        per_repeat = tf.reduce_mean(values, axis=1).numpy()
        return per_repeat.mean(), per_repeat.std(ddof=1) / math.sqrt(repeats)

    truth = exact_log_prob(x).mean()
    bounds = {k: mean_bound(tfvae.objectives.IWAE(k), seed=k) for k in (1, 5, 50)}
    print(f"log p(x) {truth:.4f};", ", ".join(f"IWAE_{k} {m:.4f} +- {s:.4f}" for k, (m, s) in bounds.items()))
    for mean, error in bounds.values():
        assert mean < truth + 3 * error
    for low, high in ((1, 5), (5, 50)):
        assert bounds[high][0] - bounds[low][0] > -3 * math.hypot(bounds[low][1], bounds[high][1])
    assert bounds[1][0] < truth - 10 * bounds[1][1]  # the gap of this posterior is far above the error: a real bound
    elbo = vae.elbo(x, num_samples=4000, seed=1)
    assert abs(np.mean(elbo) - bounds[1][0]) < 5 * bounds[1][1]  # closed-form KL and sampled KL agree


def test_objectives_give_the_bounds_of_their_evidence():
    """The objective's value is the formula on the log-weights (a softmax or a wrong sign would show)."""
    vae, x = set_exact(linear_vae(), stretch=1.5), data(7, seed=4)
    evidence = vae.evidence(vae.known({"x": x}), 5, tfvae.seeds.as_seed(0))
    weights = evidence.log_weight.numpy().astype("float64")
    np.testing.assert_allclose(tfvae.objectives.IWAE(5)(evidence), np.log(np.exp(weights).mean(0)), rtol=1e-5)
    kl = evidence.kl.numpy()
    for beta in (0.0, 1.0, 4.0):
        expected = evidence.log_likelihood.numpy().mean(0) - beta * kl
        np.testing.assert_allclose(tfvae.objectives.ELBO(beta)(evidence), expected, rtol=1e-5)
    q = evidence.posterior
    exact_kl = 0.5 * (q.stddev() ** 2 + q.mean() ** 2 - 1 - 2 * np.log(q.stddev())).numpy().sum(-1)
    np.testing.assert_allclose(kl, exact_kl, rtol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(evidence.kl_per_dimension, -1), kl, rtol=1e-6)


def test_bound_on_subsets_rises_with_k():
    """On one fixed set of weights the log-mean over all k-subsets, averaged, rises with k (Burda et al., theorem 1)."""
    import itertools

    vae, x = set_exact(linear_vae(), stretch=1.5, shift=0.3), data(5, seed=5)
    evidence = vae.evidence(vae.known({"x": x}), 8, tfvae.seeds.as_seed(0))
    averages = []
    for k in range(1, 9):
        subsets = np.array(list(itertools.combinations(range(8), k)))
        weights = tf.gather(evidence.log_weight, subsets)  # [subsets, k, B]
        averages.append(np.mean(tf.reduce_logsumexp(weights, axis=1) - math.log(k), axis=0))
    assert np.all(np.diff(averages, axis=0) > 0)


def exact_elbo(x: np.ndarray, theta: dict[str, tf.Tensor]) -> tf.Tensor:
    """ELBO of the linear-Gaussian model in closed form, float64: no samples, no code of the package."""
    loc = x @ theta["encoder_kernel"][:, :D] + theta["encoder_bias"][:D]
    raw = x @ theta["encoder_kernel"][:, D:] + theta["encoder_bias"][D:]
    scale = SCALE_FLOOR + tf.math.softplus(raw + math.log(math.e - 1))
    residual = x - loc @ theta["decoder_kernel"] - theta["decoder_bias"]
    spread = tf.reduce_sum(scale[:, :, None] ** 2 * theta["decoder_kernel"][None] ** 2, axis=(1, 2))
    log_likelihood = -0.5 * N * math.log(2 * math.pi * SIGMA**2) - 0.5 / SIGMA**2 * (
        tf.reduce_sum(residual**2, 1) + spread
    )
    kl = 0.5 * tf.reduce_sum(scale**2 + loc**2 - 1 - 2 * tf.math.log(scale), 1)
    return tf.reduce_mean(log_likelihood - kl)


def test_gradient_of_the_elbo_is_exact():
    """The pathwise gradient of the train step, averaged over draws, equals the gradient of the closed form.

    400 draws of 25 samples; 5 s.e. over about 37 numbers: false-alarm rate 2e-5. The step is taken by SGD with rate 1,
    so the test sees what `fit` does, signs and divisors included.
    """
    vae, x = set_exact(linear_vae(), stretch=1.4, shift=0.2), data(16, seed=6)
    vae.compile(keras.optimizers.SGD(1.0), objective=tfvae.objectives.ELBO(num_samples=25))
    names = ("encoder_kernel", "encoder_bias", "decoder_kernel", "decoder_bias")
    start = [w.copy() for w in [w.numpy() for w in vae.trainable_weights]]
    theta = {name: tf.constant(value, tf.float64) for name, value in zip(names, start, strict=True)}
    with tf.GradientTape() as tape:
        tape.watch(theta)
        value = exact_elbo(x.astype("float64"), theta)
    exact = tape.gradient(value, theta)
    draws = []
    for _ in range(400):
        vae.train_on_batch(x)
        draws.append(
            [after - before for before, after in zip(start, [w.numpy() for w in vae.trainable_weights], strict=True)]
        )
        for variable, before in zip(vae.trainable_variables, start, strict=True):
            variable.assign(before)
    for name, *columns in zip(names, *draws, strict=True):
        sampled = np.array(columns, dtype="float64")
        error = np.abs(sampled.mean(0) - exact[name].numpy())
        standard_error = sampled.std(0, ddof=1) / math.sqrt(400) + 1e-6
        print(
            f"{name}: largest error {np.max(error / standard_error):.1f} s.e.; sees {10 * standard_error.min():.1e} up"
        )
        assert np.all(error < 5 * standard_error)


def test_training_reaches_the_best_possible_elbo():
    """Learned from scratch with `fit`, the ELBO is within 0.05 nats of the best possible, the maximum likelihood.

    Tipping and Bishop 1999: where log p is largest over (W, b, sigma), sigma^2 is the mean of the discarded eigenvalues
    and W has orthogonal columns, so that a diagonal posterior closes the gap.
    """
    keras.utils.set_random_seed(0)
    x = data(2000, seed=7)
    vae = linear_vae(scale=tfvae.scales.Shared())
    vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 30 * 40)))
    vae.fit(x, batch_size=50, epochs=30, verbose=0)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(x.T, bias=True)))[::-1]
    noise = eigenvalues[D:].mean()
    best = -0.5 * (
        N * math.log(2 * math.pi) + np.log(eigenvalues[:D]).sum() + (N - D) * math.log(noise) + N
    )  # the mean log-likelihood at the maximum
    elbo = np.mean(vae.elbo(x, num_samples=200, seed=0))
    print(f"best possible {best:.4f}, reached {elbo:.4f} nats; sigma^2 {noise:.4f}")
    assert best - 0.05 < elbo < best + 0.02
    assert abs(vae.likelihood.scale.value() ** 2 / noise - 1) < 0.1


def test_log_prob_is_the_exact_marginal():
    """Importance sampling with q twice the posterior's variance: within 4 of its own standard errors for 40 examples.

    False-alarm rate about 40 x 6e-5; sees errors above 8 s.e., about 0.05 nats here (printed).
    """
    vae, x = set_exact(linear_vae(), stretch=math.sqrt(2)), data(40, seed=8)
    estimate = vae.estimate_log_prob(x, num_samples=5000, seed=0)
    error = np.abs(estimate.log_prob - exact_log_prob(x))
    print(f"largest error {error.max():.4f} nats, {np.max(error / estimate.standard_error):.1f} s.e.")
    assert np.all(error < 4 * estimate.standard_error)
    assert np.all(estimate.standard_error < 0.02)
    expected_size = 5000 * (3 / 4) ** (D / 2 * 1)  # E[w]^2/E[w^2] for variance ratio 2: (sqrt(3)/2)^D
    np.testing.assert_allclose(estimate.effective_sample_size, expected_size, rtol=0.05)


def test_standard_error_covers():
    """The 95% interval covers the truth in 95 +- 3.5 % of 400 independent repeats (3.2 s.e. of the coverage)."""
    vae, x = set_exact(linear_vae(), stretch=1.2, shift=0.1), data(1, seed=9)
    estimate = vae.estimate_log_prob(np.repeat(x, 400, axis=0), num_samples=500, seed=0)
    inside = np.abs(estimate.log_prob - exact_log_prob(x)) < 1.96 * estimate.standard_error
    print(f"coverage {np.mean(inside):.3f}")
    assert 0.915 < np.mean(inside) < 0.985


@pytest.mark.parametrize("num_samples", [1, 7, 50, 51, 120])
def test_log_prob_uses_exactly_the_samples_asked_for(num_samples):
    """The streamed estimate equals the log-mean of the same weights drawn at once, whatever the chunks do."""
    vae, x = set_exact(linear_vae(), stretch=1.5), data(4, seed=10)
    seed = tfvae.seeds.as_seed(5)
    estimate = vae.estimate_log_prob(x, num_samples, seed=5)
    q = vae.encode(x)
    weights = []
    chunk = tfvae.inference.importance.chunk_size(vae, num_samples)
    for index in range(math.ceil(num_samples / chunk)):
        stream = tfvae.seeds.fold(seed, 0, index, tfvae.seeds.POSTERIOR)
        z = q.sample(chunk, seed=stream)
        weights.append(vae.decode(z).log_prob(x) + vae.prior().log_prob(z) - q.log_prob(z))
    weights = tf.concat(weights, axis=0)[:num_samples].numpy().astype("float64")
    np.testing.assert_allclose(estimate.log_prob, np.log(np.exp(weights).mean(0)), rtol=1e-5)
    scaled = np.exp(weights - weights.max(0))
    np.testing.assert_allclose(estimate.effective_sample_size, scaled.sum(0) ** 2 / (scaled**2).sum(0), rtol=1e-4)
    if num_samples > 1:
        relative = scaled.std(0, ddof=1) / scaled.mean(0) / math.sqrt(num_samples)
        np.testing.assert_allclose(estimate.standard_error, relative, rtol=1e-3, atol=1e-5)
    else:
        assert np.all(np.isnan(estimate.standard_error))


def test_log_prob_agrees_with_grid_integration():
    """Two-dimensional z and a non-linear Bernoulli decoder at random weights: quadrature on a 401 x 401 grid."""
    keras.utils.set_random_seed(3)
    encoder, decoder = (tfvae.networks.mlp([16], activation="tanh") for _ in range(2))
    vae = tiny_vae(tfvae.likelihoods.Bernoulli((3, 4), network=decoder), network=encoder, seed=0, compiled=False)
    for variable in vae.likelihood.trainable_variables:
        variable.assign(variable * 2.0 + 0.3 * tf.random.stateless_normal(variable.shape, [1, 2]))
    kernel, _ = vae.posterior.head.dense.get_weights()  # wider than the prior, so that the weights have finite variance
    vae.posterior.head.dense.set_weights([0.2 * kernel, np.append([0, 0], inverse_softplus_scale(np.full(2, 1.2)))])
    x = tf.cast(tf.random.stateless_uniform([12, 3, 4], [3, 4]) < 0.5, tf.float32)
    axis = np.linspace(-6, 6, 401, dtype="float32")
    z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 1, 2)
    log_joint = vae.joint_log_prob(x, z)  # [points, B]
    truth = tf.reduce_logsumexp(log_joint, axis=0) + 2 * math.log(axis[1] - axis[0])
    estimate = vae.estimate_log_prob(x, num_samples=20000, seed=0)
    error = np.abs(estimate.log_prob - truth)
    print(f"largest error {error.max():.4f} nats, {np.max(error / estimate.standard_error):.1f} s.e.")
    assert np.all(error < 4 * estimate.standard_error + 1e-4)  # 12 x 6e-5 false alarms; 1e-4 for the grid
    assert np.max(estimate.standard_error) < 0.05


def test_fused_distributions_are_tfp_s():
    """The fused density and sampler agree with TFP's own general route, on batches of samples and an empty batch."""
    tfd = tfp.distributions
    loc, scale = np.random.RandomState(0).randn(3, 4).astype("float32"), np.full((3, 4), 0.3, "float32")
    ours = MultivariateNormalDiag(loc, scale)
    theirs = tfd.MultivariateNormalDiag(loc, scale)
    z = ours.sample(2000, seed=[1, 2])
    assert isinstance(ours, tfd.MultivariateNormalDiag) and z.shape == (2000, 3, 4)
    np.testing.assert_allclose(ours.log_prob(z), theirs.log_prob(z), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.mean(), loc)
    moment_error = 5 * 0.3 / math.sqrt(2000)  # 5 s.e. over 12 means
    assert np.abs(np.mean(z, axis=0) - loc).max() < moment_error
    assert np.abs(np.std(z, axis=0) - 0.3).max() < moment_error
    other = tfd.MultivariateNormalTriL(loc[0], tf.eye(4))
    np.testing.assert_allclose(tfd.kl_divergence(ours, other), tfd.kl_divergence(theirs, other), rtol=1e-5)
    empty = tf.function(lambda m: MultivariateNormalDiag(m, tf.ones_like(m)).sample(seed=[1, 2]))
    assert empty(tf.zeros([0, 4])).shape == (0, 4)
    logits = tf.random.stateless_normal([5, 3, 4, 2], [1, 2]) * 5
    ours = tfd.Independent(Bernoulli(logits=logits, dtype=tf.float32), 2)
    x = tf.cast(tf.random.stateless_uniform([3, 4, 2], [3, 4]) < 0.5, tf.float32)
    np.testing.assert_allclose(ours.log_prob(x), tfd.Independent(tfd.Bernoulli(logits), 2).log_prob(x), rtol=1e-5)
    assert ours.log_prob(x).shape == (5, 3) and ours.sample(7, seed=[0, 1]).shape == (7, 5, 3, 4, 2)
