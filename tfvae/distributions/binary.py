"""Bernoulli distributions with one softplus where TFP has two, and their continuous relative, where it has three.

Bernoulli                log p(x) = x l - log(1 + exp l)              l the logits
ContinuousBernoulli      log p(x) = x l - log((exp l - 1) / l)
"""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Bernoulli(tfd.Bernoulli):
    """`tfd.Bernoulli(logits)` with a fused mass function."""

    def _log_prob(self, x: tf.Tensor):
        return x * self.logits - tf.math.softplus(self.logits)


class ContinuousBernoulli(tfd.ContinuousBernoulli):
    """`tfd.ContinuousBernoulli(logits)` with a fused density; a series takes over around logits of zero."""

    def _log_prob(self, x: tf.Tensor):
        size, square = tf.abs(self.logits), tf.square(self.logits)
        large = tf.maximum(size, 0.5)
        outer = tf.nn.relu(self.logits) + tf.math.log(-tf.math.expm1(-large) / large)
        inner = 0.5 * self.logits + square * (1 / 24 - square * (1 / 2880 - square / 181440))
        return x * self.logits - tf.where(size < 0.5, inner, outer)
