"""Categories: the relaxed one-hot distribution (Concrete, Gumbel-softmax), finite where TFP's is not, and labels.

    z = softmax((logits + g) / tau),  g_k Gumbel
    log q(z) = log (K-1)! + (K-1) log tau + sum_k (logit_k - (tau + 1) log z_k) - K log sum_k exp(logit_k - tau log z_k)
    log P(x) = l_x - log sum_k exp l_k                                                              x a label

At low temperatures some z_k underflow to zero, where the density is undefined in float32: log z_k is held above -80.
(Maddison, Mnih and Teh 2017; Jang, Gu and Poole 2017.)
"""

import math
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import seeds

tfd = tfp.distributions

LOG_SMALLEST = -80.0  # exp of it, and of its negative, are normal float32 numbers


class RelaxedOneHotCategorical(tfd.RelaxedOneHotCategorical):
    """`tfd.RelaxedOneHotCategorical(temperature, logits)` with a fused sampler and density; `[...]` and `[..., K]`."""

    def _call_sample_n(self, sample_shape: tf.Tensor, seed: tf.Tensor, **kwargs: Any):
        logits = self.logits
        shape = tf.concat([tf.reshape(tf.cast(sample_shape, tf.int32), [-1]), tf.shape(logits)], axis=0)
        seed = tfp.random.sanitize_seed(seed)
        uniform = tf.maximum(seeds.uniform(shape, seed), 1e-20)
        gumbel = -tf.math.log(-tf.math.log(uniform))
        log_z = tf.nn.log_softmax((logits + gumbel) / self.temperature[..., tf.newaxis])
        return tf.exp(tf.maximum(log_z, LOG_SMALLEST))

    def _sample_and_log_prob(self, sample_shape: tf.Tensor, seed: tf.Tensor):
        z = self._call_sample_n(sample_shape, seed)
        return z, self._log_prob(z)

    def _log_prob(self, z: tf.Tensor):
        size, tau = z.shape[-1], self.temperature
        log_z = tf.math.log(tf.maximum(z, math.exp(LOG_SMALLEST)))
        score = tf.nn.log_softmax(self.logits - tau[..., tf.newaxis] * log_z)
        return math.lgamma(size) + (size - 1) * tf.math.log(tau) + tf.reduce_sum(score - log_z, axis=-1)


def one_hot_vectors(logits: tf.Tensor) -> tfd.Independent:
    """Returns the distribution of D independent one-hot vectors of K categories; logits `[..., D, K]`."""
    return tfd.Independent(tfd.OneHotCategorical(logits=logits, dtype=tf.float32), 1)


class Labels(tfd.Categorical):
    """`tfd.Categorical(logits)` whose values are labels, with a mode and probabilities: neither mean nor variance."""

    def _mean(self):
        raise NotImplementedError("Labels do not have a mean: use mode() or probs_parameter().")

    def _variance(self):
        raise NotImplementedError("Labels do not have a variance: use probs_parameter().")
