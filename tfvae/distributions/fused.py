"""TFP's distributions where the general route is slow or incomplete: the same class, density and sampler fused.

    MultivariateNormalDiag   z = loc + scale * eps,   log q(z) = -1/2 sum_d (eps_d^2 + log 2 pi) - sum_d log scale_d
    IndependentBernoulli     log p(x) = sum (x l - log(1 + exp l))        over the event, l the logits
    ContinuousBernoulli      log p(x) = x l - log((exp l - 1) / l)
    DiscretizedLogistic      log P(x) = log sigmoid(b) + log sigmoid(-a) + log(1 - exp(a - b))
    Labels                   log P(x) = l_x - log sum_k exp l_k,          without TFP's mean of the labels
    Concatenated             log p(x) = sum_i log p_i(x_i)                over groups of columns, x = (x_1, x_2, ...)

All but the last are subclasses of TFP's own, so `isinstance`, the registered KL divergences and every other method
hold. TFP's diagonal normal goes through a linear operator: 279 graph operations a sample, and a division by zero on an
empty batch; its Bernoulli writes two softplus over the event, its continuous Bernoulli three, and its quantised
logistic has no mean. Counts have a file of their own, `tfvae.distributions.counts`.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import seeds

tfd = tfp.distributions


class MultivariateNormalDiag(tfd.MultivariateNormalDiag):
    """`tfd.MultivariateNormalDiag(loc, scale_diag)` with a fused sampler and density; both parameters `[..., D]`."""

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor):
        loc, scale = self.loc, self.parameters["scale_diag"]
        shape = tf.broadcast_dynamic_shape(tf.shape(loc), tf.shape(scale))
        shape = tf.concat([tf.reshape(tf.cast(sample_shape, tf.int32), [-1]), shape], axis=0)
        eps = seeds.normal(shape, tfp.random.sanitize_seed(seed), self.dtype)
        return tf.ensure_shape(loc + scale * eps, [None] * (shape.shape[0] - 1) + [loc.shape[-1]]), eps

    def _call_sample_n(self, sample_shape: tf.Tensor, seed: tf.Tensor, **kwargs: Any):
        return self._draw(sample_shape, seed)[0]

    def _sample_and_log_prob(self, sample_shape: tf.Tensor, seed: tf.Tensor):
        z, eps = self._draw(sample_shape, seed)
        return z, self._log_density(eps)

    def _log_prob(self, z: tf.Tensor):
        return self._log_density((z - self.loc) / self.parameters["scale_diag"])

    def _log_density(self, eps: tf.Tensor):
        log_scale = tf.math.log(self.parameters["scale_diag"])
        return -0.5 * tf.reduce_sum(tf.square(eps) + math.log(2 * math.pi), -1) - tf.reduce_sum(log_scale, -1)


class IndependentBernoulli(tfd.Independent):
    """`tfd.Independent(tfd.Bernoulli(logits))` with a fused mass function."""

    def _log_prob(self, x: tf.Tensor):
        logits = self.distribution.logits
        axes = list(range(-int(self.parameters["reinterpreted_batch_ndims"]), 0))
        return tf.reduce_sum(x * logits - tf.math.softplus(logits), axis=axes)


class ContinuousBernoulli(tfd.ContinuousBernoulli):
    """`tfd.ContinuousBernoulli(logits)` with a fused density; a series takes over around logits of zero."""

    def _log_prob(self, x: tf.Tensor):
        size, square = tf.abs(self.logits), tf.square(self.logits)
        large = tf.maximum(size, 0.5)
        outer = tf.nn.relu(self.logits) + tf.math.log(-tf.math.expm1(-large) / large)
        inner = 0.5 * self.logits + square * (1 / 24 - square * (1 / 2880 - square / 181440))
        return x * self.logits - tf.where(size < 0.5, inner, outer)


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


class Labels(tfd.Categorical):
    """`tfd.Categorical(logits)` whose values are labels, so that it has a mode and probabilities but no mean."""

    def _mean(self):
        raise NotImplementedError("Labels have no mean: use mode() or probs_parameter().")


class Concatenated(tfd.Distribution):
    """Independent distributions over groups of columns, together one over rows `[D]`.

    `tfd.Blockwise` does the same through a joint distribution; it has no mode, and no batch of data `[B, D]` against
    parameters `[S, B, ...]`.

    Args:
        distributions: one for each group, of one batch shape, each over `[d_i]` with d_i known.
        name: of the distribution.
    """

    def __init__(self, distributions: Sequence[tfd.Distribution], name: str = "Concatenated") -> None:
        parameters = dict(locals())
        self.distributions = list(distributions)
        self.sizes = [part.event_shape[0] for part in self.distributions]
        kinds = {part.reparameterization_type for part in self.distributions}
        super().__init__(
            dtype=self.distributions[0].dtype,
            reparameterization_type=kinds.pop() if len(kinds) == 1 else tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: tf.DType, num_classes: int | None = None) -> dict:
        components = tfp.util.BatchedComponentProperties(event_ndims=lambda self: [0] * len(self.distributions))
        return {"distributions": components}

    def _event_shape(self):
        return tf.TensorShape([sum(self.sizes)])

    def _event_shape_tensor(self):
        return tf.constant([sum(self.sizes)])

    def _log_prob(self, x: tf.Tensor):
        columns = tf.split(x, self.sizes, axis=-1)
        return tf.add_n([part.log_prob(c) for part, c in zip(self.distributions, columns, strict=True)])

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None):
        streams = tfp.random.split_seed(seed, n=len(self.sizes))
        parts = zip(self.distributions, tf.unstack(streams), strict=True)
        return tf.concat([part.sample(n, seed=stream) for part, stream in parts], axis=-1)

    def _mean(self):
        return tf.concat([part.mean() for part in self.distributions], axis=-1)

    def _mode(self):
        return tf.concat([part.mode() for part in self.distributions], axis=-1)


@functools.singledispatch
def factors(distribution: tfd.Distribution) -> tfd.Distribution | None:
    """Returns the distribution of the independent dimensions, batch shape `[..., D]`, or `None` if they are coupled."""
    del distribution


@factors.register
def _(distribution: tfd.MultivariateNormalDiag) -> tfd.Distribution:
    return tfd.Normal(distribution.loc, distribution.parameters["scale_diag"])


@factors.register
def _(distribution: tfd.Independent) -> tfd.Distribution | None:
    return distribution.distribution if distribution.parameters["reinterpreted_batch_ndims"] == 1 else None


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
