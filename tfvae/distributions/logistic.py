"""A logistic variable rounded to whole numbers; TFP's lacks a mean, and loses digits at tiny and huge scales.

DiscretizedLogistic      log P(x) = log sigmoid(b) + log sigmoid(-a) + log(1 - exp(a - b))
"""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class DiscretizedLogistic(tfd.QuantizedDistribution):
    """A logistic variable rounded to the whole numbers `low` to `high`, the end values taking the tails.

        P(x) = F(x) - F(x - 1) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)),   a, b = (x - 1 - loc) / scale, a + 1 / scale

    Everything stays a product, so nothing cancels at tiny or huge scales; `distribution` is `tfd.Logistic(loc, scale)`,
    and its location lies half a step below the centre.
    """

    def _log_prob(self, x: tf.Tensor):
        loc, scale = self.distribution.loc, self.distribution.scale
        above, below = tf.math.softplus((loc - x) / scale), tf.math.softplus((x - 1 - loc) / scale)
        width = tf.math.log(-tf.math.expm1(-1 / scale))
        not_first, not_last = x > self.low, x < self.high
        in_between = tf.where(not_first & not_last, width, 0.0)
        return in_between - tf.where(not_last, above, 0.0) - tf.where(not_first, below, 0.0)

    def _mean(self):
        # E x = low + sum of P(x > e) over e = low ... high - 1, one level at a time: memory is that of one event
        loc, scale = self.distribution.loc, self.distribution.scale
        start = tf.zeros(tf.broadcast_dynamic_shape(tf.shape(loc), tf.shape(scale))) + self.low
        edges = tf.range(self.low, self.high)
        mean = tf.foldl(lambda total, edge: total + tf.math.sigmoid((loc - edge) / scale), edges, start)
        return tf.ensure_shape(mean, tf.broadcast_static_shape(loc.shape, scale.shape))
