"""Normal vectors whose elements are carried onto other sets by a monotone map: z = f(u), u ~ N(loc, diag(scale)^2).

LogNormal      z = exp(u)                                  positive numbers
LogitNormal    z = low + (high - low) / (1 + exp(-u))      between two ends

log q(z) = log N(f^-1(z); loc, diag(scale)^2) - sum_d log f'(f^-1(z)_d)       KL with the same f = that of the normals

u is held within `reach`, so that z in float32 is never an end, zero or infinity. The density of a sample is that at z
as it was rounded, so that p and q see one u: near an end float32 has few numbers, and their slopes would not cancel.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.kl import factors
from tfvae.distributions.normal import MultivariateNormalDiag

tfd, tfb = tfp.distributions, tfp.bijectors

VECTOR, NUMBER = (tfp.util.ParameterProperties(event_ndims=n) for n in (1, 0))  # for TFP's copies and slices


class _Mapped:
    """Independent normal dimensions, each carried by the same monotone map; loc and scale `[..., D]`.

    A class has `reach`, how far from zero u may be, `_forward`, `_inverse` and `_log_slope`, the logarithm of f'.
    """

    reach: float

    def __init__(self, loc: tf.Tensor, scale_diag: tf.Tensor, bijector: tfb.Bijector, **parameters: Any) -> None:
        normal = MultivariateNormalDiag(loc=loc, scale_diag=scale_diag)
        parameters |= {"loc": loc, "scale_diag": scale_diag}
        super().__init__(normal, bijector, parameters=parameters, name=type(self).__name__)

    @property
    def loc(self) -> tf.Tensor:
        """Location of u, `[..., D]`."""
        return self.distribution.loc

    @property
    def scale_diag(self) -> tf.Tensor:
        """Scale of u, `[..., D]`."""
        return self.distribution.parameters["scale_diag"]

    def median(self) -> tf.Tensor:
        """Returns f(loc), the median of each dimension, `[..., D]`."""
        return self._forward(self.loc)

    def _call_sample_n(self, sample_shape: tf.Tensor, seed: tf.Tensor, **kwargs: Any):
        u = self.distribution.sample(sample_shape, seed=seed)
        return self._forward(tf.clip_by_value(u, -self.reach, self.reach))

    def _sample_and_log_prob(self, sample_shape: tf.Tensor, seed: tf.Tensor, **kwargs: Any):
        z = self._call_sample_n(sample_shape, seed)
        return z, self._log_prob(z)

    def _log_prob(self, z: tf.Tensor, **kwargs: Any):
        u = self._inverse(z)
        return self.distribution.log_prob(u) - tf.reduce_sum(self._log_slope(u), axis=-1)


class LogNormal(_Mapped, tfd.TransformedDistribution):
    """The distribution of exp(u); both parameters are those of u = log z, `[..., D]`."""

    reach = 80.0  # exp(80) = 5.5e34: float32 ends at 3.4e38, and at 1.2e-38 below

    def __init__(self, loc: tf.Tensor, scale_diag: tf.Tensor) -> None:
        super().__init__(loc, scale_diag, tfb.Exp())

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict[str, tfp.util.ParameterProperties]:
        return {"loc": VECTOR, "scale_diag": VECTOR}

    def _forward(self, u: tf.Tensor):
        return tf.exp(u)

    def _inverse(self, z: tf.Tensor):
        return tf.math.log(z)

    def _log_slope(self, u: tf.Tensor):
        return u

    def _mean(self):
        return self._moment(0.0)

    def _stddev(self):
        """exp(loc + s^2 / 2) sqrt(exp(s^2) - 1), the root in a form that does not overflow."""
        variance = tf.square(self.scale_diag)
        return self._moment(0.5 * (variance + tf.math.log1p(-tf.exp(-variance))))

    def _moment(self, more: tf.Tensor | float):
        exponent = self.loc + 0.5 * tf.square(self.scale_diag) + more
        return tf.exp(tf.clip_by_value(exponent, -self.reach, self.reach))


class LogitNormal(_Mapped, tfd.TransformedDistribution):
    """The distribution of low + (high - low) sigmoid(u); loc and scale are those of u, `[..., D]`."""

    def __init__(self, loc: tf.Tensor, scale_diag: tf.Tensor, low: float, high: float) -> None:
        self.low, self.high, self.reach = low, high, log_steps(low, high) - math.log(4)  # 4 steps from either end
        super().__init__(loc, scale_diag, tfb.Sigmoid(low, high), low=low, high=high)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict[str, tfp.util.ParameterProperties]:
        return {"loc": VECTOR, "scale_diag": VECTOR, "low": NUMBER, "high": NUMBER}

    def _forward(self, u: tf.Tensor):
        wide = self.high - self.low
        return tf.where(u < 0, self.low + wide * tf.sigmoid(u), self.high - wide * tf.sigmoid(-u))

    def _inverse(self, z: tf.Tensor):
        return tf.math.log(z - self.low) - tf.math.log(self.high - z)

    def _log_slope(self, u: tf.Tensor):
        return math.log(self.high - self.low) - tf.math.softplus(u) - tf.math.softplus(-u)


def log_steps(low: float, high: float) -> float:
    """Returns the logarithm of how many steps of float32, as wide as at the larger end, an interval has."""
    return math.log((high - low) / float(np.spacing(np.float32(max(abs(low), abs(high))))))


@factors.register(LogNormal)
@factors.register(LogitNormal)
def _(distribution: tfd.TransformedDistribution) -> tfd.Distribution:
    return tfd.TransformedDistribution(factors(distribution.distribution), distribution.bijector)
