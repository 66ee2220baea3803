"""Count distributions whose mass function keeps its digits in float32, from one count to millions.

    log Poisson(x; m)  =  D(x, m) - s(x)                                    D(x, m) = x log(m / x) + x - m  <=  0
    log NB(x; m, r)    =  D(r, r u) + D(x, m u) + log r / (x + r) + s(x + r) - s(r) - s(x),      u = (x + r) / (m + r)

The textbook forms subtract numbers of the size of log x! (82108 at x = 10000, where float32 has steps of 0.008); these,
after Loader, subtract nothing large: D is the deviance and s(y) = log y! - y log y + y grows like log(2 pi y) / 2.

Reference:
    Loader 2000, "Fast and Accurate Computation of Binomial Probabilities".
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
SERIES_FROM = 8.0  # from here on three terms of Stirling's series are exact in float32


def _log_factorial_rest(y: tf.Tensor) -> tf.Tensor:
    """Returns s(y) = log y! - y log y + y for y >= 0; zero at zero."""
    small, large = tf.minimum(y, SERIES_FROM), tf.maximum(y, SERIES_FROM)
    exact = tf.math.lgamma(small + 1) - tf.math.xlogy(small, small) + small
    inverse = 1 / large
    series = 0.5 * tf.math.log(2 * math.pi * large) + inverse * (1 / 12 - tf.square(inverse) / 360)
    return tf.where(y < SERIES_FROM, exact, series)


def _deviance(log_mean: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Returns D(x, m) = x log(m / x) + x - m for whole numbers x; -m at zero, zero at x = m."""
    positive = tf.maximum(x, 1.0)
    log_ratio = log_mean - tf.math.log(positive)
    ratio_minus_one = tf.math.expm1(log_ratio)  # one exponential serves both branches
    return tf.where(x > 0, -positive * (ratio_minus_one - log_ratio), -1.0 - ratio_minus_one)


class Poisson(tfd.Poisson):
    """`tfd.Poisson(log_rate=...)` with an exact mass function."""

    def _log_prob(self, x: tf.Tensor):
        return _deviance(self.log_rate, x) - _log_factorial_rest(x)


class NegativeBinomial(tfd.NegativeBinomial):
    """`tfd.NegativeBinomial(total_count, logits)` with an exact mass function and a sampler that compiles.

    In terms of the mean m and the inverse dispersion r: `total_count = r`, `logits = log m - log r`; the variance is
    m + m^2 / r.
    """

    def _log_prob(self, x: tf.Tensor):
        r, log_r = self.total_count, tf.math.log(self.total_count)
        log_mean = self.logits + log_r
        log_u = tf.math.log(x + r) - tf.math.log(r + tf.exp(log_mean))
        fit = -r * (tf.math.expm1(log_u) - log_u) + _deviance(log_mean + log_u, x)
        rest = log_r - tf.math.log(x + r) + _log_factorial_rest(x + r) - _log_factorial_rest(r)
        return fit + rest - _log_factorial_rest(x)

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None):
        rate_seed, count_seed = tfp.random.split_seed(seed, n=2)
        rate = tfd.Gamma(self.total_count, tf.exp(-self.logits)).sample(n, seed=rate_seed)
        return tfd.Poisson(rate).sample(seed=count_seed)


class ZeroInflated(tfd.Distribution):
    """A count that is zero with probability sigmoid(logits), else drawn from `distribution`.

        log p(0) = log(pi + (1 - pi) q(0)),    log p(x) = log(1 - pi) + log q(x)  for x > 0

    `tfd.ZeroInflatedNegativeBinomial` reads its logits as half the log-odds (TFP 0.25), and lacks a fused form.

    Args:
        distribution: q, with scalar events that contain zero.
        logits: log-odds of the extra zeros, of q's batch shape.
        name: of the distribution.
    """

    def __init__(self, distribution: tfd.Distribution, logits: tf.Tensor, name: str = "ZeroInflated") -> None:
        parameters = dict(locals())
        self.distribution, self.logits = distribution, tf.convert_to_tensor(logits)
        super().__init__(
            dtype=distribution.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: tf.DType, num_classes: int | None = None) -> dict:
        properties = tfp.util.ParameterProperties
        return {"distribution": tfp.util.BatchedComponentProperties(), "logits": properties()}

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _log_prob(self, x: tf.Tensor):
        log_q = self.distribution.log_prob(x)
        at_zero = tf.math.softplus(log_q - self.logits) - tf.math.softplus(-self.logits)
        return tf.where(tf.equal(x, 0.0), at_zero, log_q - tf.math.softplus(self.logits))

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None):
        zero_seed, count_seed = tfp.random.split_seed(seed, n=2)
        kept = tfd.Bernoulli(logits=-self.logits, dtype=self.dtype).sample(n, seed=zero_seed)
        return kept * self.distribution.sample(n, seed=count_seed)

    def _mean(self):
        return tf.math.sigmoid(-self.logits) * self.distribution.mean()
