"""Counts: mass functions to float32 against float64, and noise that is used once."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions import counts

tfd = tfp.distributions
NUMBERS = np.array([0, 1, 2, 5, 7, 8, 9, 10, 12, 15, 20, 50, 1000, 10**5], np.float32)


def test_poisson_at_its_mean_is_stirlings_rest():
    """log P(x; x) = -(log x! - x log x + x), within 1.5e-6: the third term of the series is 5.4e-6 at x = 8."""
    x = NUMBERS.astype(np.float64)
    exact = -(scipy.special.gammaln(x + 1) - scipy.special.xlogy(x, x) + x)
    found = counts.Poisson(log_rate=tf.math.log(tf.maximum(NUMBERS, 1e-30))).log_prob(NUMBERS)
    np.testing.assert_allclose(found, exact, rtol=2e-7, atol=1.5e-6)


@pytest.mark.parametrize("r", [0.05, 3.0, 8.0, 9.5, 400.0])
def test_negative_binomial_at_its_mean_is_scipys(r):
    """Within 5e-6 and 2e-6 of itself: two series with opposite signs, and rounding."""
    mean = np.maximum(NUMBERS.astype(np.float64), 0.5)
    q = counts.NegativeBinomial(tf.fill([len(mean)], r), tf.constant(np.log(mean / r), tf.float32))
    exact = scipy.stats.nbinom.logpmf(NUMBERS.astype(np.float64), r, r / (r + mean))
    np.testing.assert_allclose(q.log_prob(NUMBERS), exact, rtol=2e-6, atol=5e-6)


def test_each_draw_of_a_count_has_noise_of_its_own(monkeypatch):
    """The rate, the count and the extra zeros: with one seed for two of them a count would follow its own rate."""
    seen = []

    def watched(sample):
        def wrapper(self, *args, seed=None):
            seen.append(tuple(np.array(seed)))
            return sample(self, *args, seed=seed)

        return wrapper

    for kind in (tfd.Gamma, tfd.Poisson, tfd.Bernoulli):
        monkeypatch.setattr(kind, "sample", watched(kind.sample))
    overdispersed = counts.NegativeBinomial(tf.constant([3.0]), tf.constant([0.5]))
    for count, number in ((overdispersed, 3), (tfd.Poisson(tf.constant([2.0])), 2)):
        seen.clear()
        counts.ZeroInflated(count, tf.constant([0.0])).sample(5, seed=[1, 2])
        assert len(seen) == len(set(seen)) == number
