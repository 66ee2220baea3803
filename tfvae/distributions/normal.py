"""Normal distributions: TFP's, with a fused sampler that takes empty batches.

MultivariateNormalDiag      z = loc + scale * eps,              log q(z) = -1/2 sum (eps^2 + log 2 pi) - sum log scale
MultivariateNormalTriL      z = loc + L eps,                        L lower triangular, `[..., D, D]`
MultivariateNormalLowRank   z = loc + scale * eps_1 + U eps_2,      U of few columns, `[..., D, R]`

KL(N(m, C) || N(m', diag(s')^2)) = 1/2 (sum_d ((C_dd + (m_d - m'_d)^2) / s'_d^2 - 1 + log s'_d^2) - log det C)
with C = diag(scale)^2 + U U^T, and log det C by the matrix determinant lemma

TFP's diagonal normal goes through a linear operator: 279 graph operations a sample, and a division by zero on an empty
batch.
"""

import math
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

    def _mean(self):
        return self.loc + tf.zeros_like(self.parameters["scale_diag"])

    def _stddev(self):
        return self.parameters["scale_diag"] + tf.zeros_like(self.loc)

    def _log_prob(self, z: tf.Tensor):
        return self._log_density((z - self.loc) / self.parameters["scale_diag"])

    def _log_density(self, eps: tf.Tensor):
        log_scale = tf.math.log(self.parameters["scale_diag"])
        return -0.5 * tf.reduce_sum(tf.square(eps) + math.log(2 * math.pi), -1) - tf.reduce_sum(log_scale, -1)


class MultivariateNormalTriL(tfd.MultivariateNormalTriL):
    """`tfd.MultivariateNormalTriL(loc, scale_tril)`; `[..., D]` and `[..., D, D]`."""

    def _draw(self, sample_shape: tf.Tensor, seed: tf.Tensor):
        loc, factor = self.loc, self.parameters["scale_tril"]
        moved, eps = _linear_noise(factor, sample_shape, seed)
        return loc + moved, eps

    def _call_sample_n(self, sample_shape: tf.Tensor, seed: tf.Tensor, **kwargs: Any):
        return self._draw(sample_shape, seed)[0]

    def _sample_and_log_prob(self, sample_shape: tf.Tensor, seed: tf.Tensor):
        z, eps = self._draw(sample_shape, seed)
        log_scale = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(self.parameters["scale_tril"])), axis=-1)
        return z, tf.reduce_sum(tfd.Normal(0.0, 1.0).log_prob(eps), axis=-1) - log_scale


class MultivariateNormalLowRank(tfd.MultivariateNormalDiagPlusLowRankCovariance):
    """`tfd.MultivariateNormalDiagPlusLowRankCovariance` given by a scale; `[..., D]`, `[..., D]` and `[..., D, R]`."""

    def __init__(self, loc: tf.Tensor, scale_diag: tf.Tensor, factor: tf.Tensor, name: str = "LowRankNormal") -> None:
        super().__init__(loc=loc, cov_diag_factor=scale_diag**2, cov_perturb_factor=factor, name=name)
        self.scale_diag, self.factor = scale_diag, factor

    def _call_sample_n(self, sample_shape: tf.Tensor, seed: tf.Tensor, **kwargs: Any):
        first, second = tf.unstack(tfp.random.split_seed(seed))
        moved, _ = _linear_noise(self.factor, sample_shape, first)
        eps = seeds.normal(tf.shape(moved), second)
        return self.loc + self.scale_diag * eps + moved

    def _scaled_factor(self):
        """Returns W = U / scale and the Cholesky factor of I + W^T W, `[..., D, R]` and `[..., R, R]`."""
        scaled = self.factor / self.scale_diag[..., tf.newaxis]
        inner = tf.eye(self.factor.shape[-1]) + tf.matmul(scaled, scaled, transpose_a=True)
        return scaled, tf.linalg.cholesky(inner)

    def log_determinant(self) -> tf.Tensor:
        """Returns log det of the covariance, `[...]`, by the matrix determinant lemma."""
        diagonal = tf.linalg.diag_part(self._scaled_factor()[1])
        return 2 * (tf.reduce_sum(tf.math.log(self.scale_diag), -1) + tf.reduce_sum(tf.math.log(diagonal), -1))

    def _log_prob(self, z: tf.Tensor):
        # u^T (I - W K^-1 W^T) u = |u - W t|^2 + |t|^2 with K = I + W^T W, t = K^-1 W^T u: a sum, nothing cancels.
        scaled, cholesky = self._scaled_factor()
        u = (z - self.loc) / self.scale_diag
        inverse = tf.linalg.cholesky_solve(cholesky, tf.eye(self.factor.shape[-1], batch_shape=tf.shape(cholesky)[:-2]))
        t = tf.linalg.matvec(inverse, tf.linalg.matvec(scaled, u, transpose_a=True))
        squares = tf.reduce_sum((u - tf.linalg.matvec(scaled, t)) ** 2, -1) + tf.reduce_sum(t**2, -1)
        return -0.5 * (squares + self.log_determinant() + u.shape[-1] * math.log(2 * math.pi))


@tfd.RegisterKL(MultivariateNormalLowRank, tfd.MultivariateNormalDiag)
def _kl_low_rank_diagonal(q: MultivariateNormalLowRank, p: tfd.MultivariateNormalDiag, name: str | None = None):
    del name
    scale = p.parameters["scale_diag"]
    variance = q.scale_diag**2 + tf.reduce_sum(q.factor**2, axis=-1)
    terms = (variance + (q.loc - p.loc) ** 2) / scale**2 - 1 + 2 * tf.math.log(scale)
    return 0.5 * (tf.reduce_sum(terms, axis=-1) - q.log_determinant())


def _linear_noise(factor: tf.Tensor, sample_shape: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns factor @ eps and eps, `[*sample, *batch, D]` and `[*sample, *batch, R]`, one product a batch member."""
    sample_shape = tf.reshape(tf.cast(sample_shape, tf.int32), [-1])
    shape = tf.concat([sample_shape, tf.shape(factor)[:-2], tf.shape(factor)[-1:]], axis=0)
    eps = seeds.normal(shape, tfp.random.sanitize_seed(seed))
    batch = factor.shape.rank - 2
    flat = tf.reshape(eps, tf.concat([[tf.reduce_prod(sample_shape)], tf.shape(eps)[-batch - 1 :]], axis=0))
    columns = tf.transpose(flat, [*range(1, batch + 2), 0])  # [*batch, R, S]
    moved = tf.transpose(tf.matmul(factor, columns), [batch + 1, *range(batch + 1)])
    return tf.reshape(moved, tf.concat([sample_shape, tf.shape(moved)[1:]], axis=0)), eps
