"""Numbers x whose increasing image u = g(x) has a known distribution.

log p(x) = log p_U(g(x)) + log g'(x)        E f(x) ~ sum_j w_j f(g^-1(Q_U(Phi(t_j)))),  Gauss and Hermite's t_j, w_j

Of a normal u the nodes are loc + scale t_j; of other distributions they stand at the same quantiles.
"""

from typing import Any, Protocol

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

tfd, tfb = tfp.distributions, tfp.bijectors

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(8)
LEVELS, WEIGHTS = stats.norm.cdf(NODES), WEIGHTS / WEIGHTS.sum()


class Map(Protocol):
    """An increasing map of numbers; see `tfvae.warps.Warp`."""

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        """Returns u."""

    def inverse(self, u: tf.Tensor) -> tf.Tensor:
        """Returns x."""

    def log_slope(self, x: tf.Tensor) -> tf.Tensor:
        """Returns log g'(x)."""


class Warped(tfd.TransformedDistribution):
    """The distribution of g^-1(u), element by element.

    Args:
        distribution: of u, a number each.
        warp: g.
    """

    def __init__(self, distribution: tfd.Distribution, warp: Map) -> None:
        self.warp = warp
        parameters = {"distribution": distribution, "warp": warp}
        super().__init__(distribution, _Unwarp(warp), parameters=parameters, name="Warped")

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict[str, tfp.util.ParameterProperties]:
        return {"distribution": tfp.util.BatchedComponentProperties()}

    def expected(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and standard deviation by 8 points of u, within some hundredths of the latter."""
        shape = tf.concat([[len(LEVELS)], tf.ones_like(self.distribution.batch_shape_tensor())], axis=0)
        x = self.warp.inverse(self.distribution.quantile(tf.reshape(tf.constant(LEVELS, self.dtype), shape)))
        weights = tf.constant(WEIGHTS, self.dtype)
        mean = tf.tensordot(weights, x, 1)
        return mean, tf.sqrt(tf.tensordot(weights, tf.square(x - mean), 1))

    def image_of_mean(self) -> tf.Tensor:
        """Returns g^-1(E u): of a symmetric u the median of x."""
        return self.warp.inverse(self.distribution.mean())

    def half_width(self) -> tf.Tensor:
        """Returns half the distance of the images of E u less and plus a standard deviation; none where u has none."""
        mean, stddev = self.distribution.mean(), self.distribution.stddev()
        half = (self.warp.inverse(mean + stddev) - self.warp.inverse(mean - stddev)) / 2
        return tf.where(tf.math.is_finite(stddev), half, stddev)


class _Unwarp(tfb.Bijector):
    """u to x."""

    def __init__(self, warp: Map) -> None:
        self.warp = warp
        super().__init__(forward_min_event_ndims=0, name="unwarp", parameters={})

    @classmethod
    def _is_increasing(cls) -> bool:
        return True

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, tfp.util.ParameterProperties]:
        return {}

    def _forward(self, u: tf.Tensor) -> tf.Tensor:
        return self.warp.inverse(u)

    def _inverse(self, x: tf.Tensor) -> tf.Tensor:
        return self.warp.forward(x)

    def _inverse_log_det_jacobian(self, x: tf.Tensor) -> tf.Tensor:
        return self.warp.log_slope(x)
