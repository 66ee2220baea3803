"""TFP's distributions where the general route is slow or incomplete: the same class, density and sampler fused.

    MultivariateNormalDiag   z = loc + scale * eps,   log q(z) = -1/2 sum_d (eps_d^2 + log 2 pi) - sum_d log scale_d
    IndependentBernoulli     log p(x) = sum (x l - log(1 + exp l))        over the event, l the logits

Both are subclasses of TFP's own, so `isinstance`, the registered KL divergences and every other method hold. TFP's
diagonal normal goes through a linear operator: 279 graph operations a sample, and a division by zero on an empty
batch; its Bernoulli writes two softplus over the event.
"""

import functools
import math
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class MultivariateNormalDiag(tfd.MultivariateNormalDiag):
    """`tfd.MultivariateNormalDiag(loc, scale_diag)` with a fused sampler and density; both parameters `[..., D]`."""

    def _call_sample_n(self, sample_shape: Any, seed: Any, **kwargs: Any) -> tf.Tensor:
        loc, scale = self.loc, self.parameters["scale_diag"]
        shape = tf.broadcast_dynamic_shape(tf.shape(loc), tf.shape(scale))
        shape = tf.concat([tf.reshape(tf.cast(sample_shape, tf.int32), [-1]), shape], axis=0)
        eps = tf.random.stateless_normal(shape, seed=tfp.random.sanitize_seed(seed), dtype=self.dtype)
        return tf.ensure_shape(loc + scale * eps, [None] * (shape.shape[0] - 1) + [loc.shape[-1]])

    def _log_prob(self, z: tf.Tensor) -> tf.Tensor:
        scale = self.parameters["scale_diag"]
        eps = (z - self.loc) / scale
        return -0.5 * tf.reduce_sum(tf.square(eps) + math.log(2 * math.pi), -1) - tf.reduce_sum(tf.math.log(scale), -1)


class IndependentBernoulli(tfd.Independent):
    """`tfd.Independent(tfd.Bernoulli(logits))` with a fused mass function."""

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        logits = self.distribution.logits
        axes = list(range(-int(self.parameters["reinterpreted_batch_ndims"]), 0))
        return tf.reduce_sum(x * logits - tf.math.softplus(logits), axis=axes)


@functools.singledispatch
def factors(distribution: tfd.Distribution) -> tfd.Distribution | None:
    """Returns the distribution of the independent dimensions, batch shape `[..., D]`, or `None` if they are coupled."""
    del distribution


@factors.register
def _(distribution: tfd.MultivariateNormalDiag) -> tfd.Distribution:
    return tfd.Normal(distribution.loc, distribution.parameters["scale_diag"])


def kl_per_dimension(q: tfd.Distribution, p: tfd.Distribution) -> tf.Tensor | None:
    """Returns KL(q_d || p_d) in nats, `[B, D]`, where both factorise and TFP knows the closed form; else `None`."""
    q, p = factors(q), factors(p)
    return None if q is None or p is None else closed_form_kl(q, p)


def closed_form_kl(q: tfd.Distribution, p: tfd.Distribution) -> tf.Tensor | None:
    """Returns KL(q || p) in nats, of q's batch shape, where TFP has it registered; else `None`."""
    try:
        return tfd.kl_divergence(q, p)
    except NotImplementedError:
        return None
