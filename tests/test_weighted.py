"""The posterior p(z | x) as weighted draws: `vae.infer` against the closed form, and against sums by hand."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from conditional_cases import HOLES, MASK, X, Y, conditional, masked
from linear_gaussian import SIGMA, B, D, M, W, data, linear_vae, set_exact

from tfvae.inference import Weighted


def weighted(samples=40, rows=3, latent=(2,), seed=0) -> Weighted:
    rng = np.random.default_rng(seed)
    log_weight = rng.normal(size=[samples, rows]) * 2
    log_weight[5] = -np.inf
    log_weight -= scipy.special.logsumexp(log_weight, axis=0)
    z = rng.normal(size=[samples, rows, *latent])
    return Weighted(*(tf.constant(part, tf.float32) for part in (z, log_weight, np.exp(-2 * log_weight[0]))))


CASES = {
    "plain": (lambda: set_exact(linear_vae(), stretch=1.5), data(7, seed=1), {}),
    "mask": (masked, HOLES[:7], {"mask": MASK[:7]}),
    "condition": (conditional, X[:7], {"condition": Y[:7]}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_weights_are_those_of_log_prob(case):
    """With one seed, of one, one and three chunks: they sum to one, and before they were normalised to p(x)."""
    make, x, more = CASES[case]
    vae = make()
    for num_samples in (1, 50, 120):
        found = vae.infer(x, num_samples, seed=3, **more)
        log_q = vae.encode(x, **more).log_prob(found.z)
        log_weight = (vae.joint_log_prob(x, found.z, **more) - log_q).numpy().astype(np.float64)
        estimate = vae.estimate_log_prob(x, num_samples, seed=3, **more)
        total = scipy.special.logsumexp(log_weight, axis=0)
        np.testing.assert_allclose(total - np.log(num_samples), estimate.log_prob, rtol=1e-5)
        np.testing.assert_allclose(found.log_weight, log_weight - total, atol=1e-4)
        np.testing.assert_allclose(scipy.special.logsumexp(found.log_weight, axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(found.effective_sample_size, estimate.effective_sample_size, rtol=1e-4)
        assert found.z.shape == (num_samples, 7, D)


def test_two_blocks_are_those_of_log_prob():
    """130 rows, the first 100 of which go through XLA; an empty batch has no rows."""
    vae, x = set_exact(linear_vae(), stretch=1.5), data(130, seed=1)
    found, estimate = vae.infer(x, 60, seed=3), vae.estimate_log_prob(x, 60, seed=3)
    log_weight = vae.joint_log_prob(x, found.z) - vae.encode(x).log_prob(found.z)
    np.testing.assert_allclose(tf.reduce_logsumexp(log_weight, axis=0) - np.log(60), estimate.log_prob, rtol=1e-5)
    assert vae.infer(x[:0], 60).z.shape == (60, 0, D)


def test_mean_and_quantiles_are_those_of_the_exact_posterior():
    """p(z | x) = N(M^-1 W^T (x - b), sigma^2 M^-1) under a q of twice its width beside it: 5 standard errors each."""
    vae, x = set_exact(linear_vae(), stretch=2.0, shift=0.3), data(20, seed=2)
    found = vae.infer(x, 20000, seed=0)
    mean, stddev = (x - B) @ W @ np.linalg.inv(M), SIGMA * np.sqrt(np.diag(np.linalg.inv(M)))
    root = np.sqrt(found.effective_sample_size.numpy())[:, None]
    assert np.all(np.abs(found.mean() - mean) < 5 * stddev / root)
    variance = found.mean(tf.square) - found.mean() ** 2
    assert np.all(np.abs(variance / stddev**2 - 1) < 5 * np.sqrt(2) / root)
    for q in (0.05, 0.5, 0.9):
        exact = mean + stddev * scipy.stats.norm.ppf(q)
        error = stddev * np.sqrt(q * (1 - q)) / scipy.stats.norm.pdf(scipy.stats.norm.ppf(q)) / root
        assert np.all(np.abs(found.quantile(q) - exact) < 5 * error)


@pytest.mark.parametrize("latent", [(), (2,), (2, 3)])
@pytest.mark.parametrize("q", [0, 0.1, 0.5, 1])
def test_quantiles_by_hand(latent, q):
    """The smallest value at or below which a share q of the weight lies: each number on its own, in float64."""
    found = weighted(latent=latent)
    values, weight = -2 * np.asarray(found.z, np.float64), np.exp(np.asarray(found.log_weight, np.float64))
    result = found.quantile(q, lambda z: -2 * z).numpy()
    assert result.shape == (3, *latent) == found.quantile(q).shape
    for place in np.ndindex(*result.shape):
        column, w = values[(slice(None), *place)], weight[:, place[0]]
        order = np.argsort(column)
        below = np.cumsum(w[order]) / w.sum()
        assert result[place] == column[order][np.argmax(below >= q - 1e-6 * (q == 1))]


def test_a_function_of_z_is_averaged_not_z():
    found = weighted()
    weight = np.exp(found.log_weight)
    np.testing.assert_allclose(found.mean(tf.exp), np.einsum("sb,sbd->bd", weight, np.exp(found.z)), rtol=1e-5)
    infinite = tf.where(tf.exp(found.log_weight)[..., None] > 0, found.z, float("inf"))
    np.testing.assert_array_equal(found._replace(z=infinite).mean(), found.mean())  # what has no weight may be anything


def test_draws_come_by_their_weights():
    """Counts of 20000 draws against the weights: chi-square at a false-alarm rate of 1e-4 a row."""
    found = weighted(samples=12)
    drawn, weight = found.sample(20000, seed=0).numpy(), np.exp(found.log_weight)
    assert drawn.shape == (20000, 3, 2)
    for row in range(3):
        counts = np.array([np.all(drawn[:, row] == z, axis=-1).sum() for z in found.z.numpy()[:, row]])
        assert counts.sum() == 20000 and counts[5] == 0
        some = weight[:, row] > 1e-3
        chi = np.sum((counts - 20000 * weight[:, row])[some] ** 2 / (20000 * weight[some, row]))
        assert chi < scipy.stats.chi2.ppf(1 - 1e-4, some.sum())
