"""Distributions on the unit sphere of R^D, D >= 2: around a direction mu, at the angle theta from it.

    q(z) ~ exp(kappa s(theta)),    p(theta) ~ sin(theta)^(D-2) exp(kappa s(theta)),    cos(theta) = mu.z

    VonMisesFisher   s = cos(theta) - 1                q(z) ~ exp(kappa mu.z)           Davidson et al. 2018
    PowerSpherical   s = log (1 + cos(theta)) / 2      q(z) ~ (1 + mu.z)^kappa          De Cao and Aziz 2020

Both are subclasses of TFP's, whose KL divergences hold; one sampler with pathwise gradients to mu and kappa serves
them, eagerly and under XLA. (TFP's von Mises-Fisher is not reparameterised; its PowerSpherical has NaN gradients where
cos(theta) rounds to 1, and draws other numbers eagerly than in a graph.)

Sampler. theta by rejection in one dimension, then z = H(mu) (cos(theta), sin(theta) v): v uniform on the sphere of
R^(D-1), H a Householder reflection. Proposals are tan(theta/2)^2 = b e / (1 - e), e ~ Beta(a, a), a = (D-1)/2 (Wood
1994 for the von Mises-Fisher). For both, the b that accepts most is the tangent^2 at which target and proposal touch.

Gradient. With F the distribution function of theta, implicit differentiation (Figurnov et al. 2018) gives

    dtheta/dkappa = - dF/dkappa / p(theta) = - 1/p(theta) int_0^theta (s(t) - E s) p(t) dt,

one smooth integral of one dimension, done by Gauss-Legendre quadrature as are the normaliser and E s. Davidson et al.
correct the gradient of their accepted proposal by a score-function term, which needs the objective's value; this needs
none, so that every objective and estimator may take it.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import seeds

tfd = tfp.distributions

PROPOSALS = (
    16  # each is accepted with probability 0.65 at least: all are refused once in 10^7 draws, then the first stays
)
NODES, WEIGHTS = (a.astype(np.float32) for a in np.polynomial.legendre.leggauss(64))
REACH = 10.0  # standard deviations of theta around its mode that hold all its mass in float32


class _Angular:
    """What both share, given `_statistic(sin(theta/2)^2) = s` and `_tangent(a, kappa)`, the b of the proposals."""

    @property
    def reparameterization_type(self):
        return tfd.FULLY_REPARAMETERIZED

    def _log_prob(self, z: tf.Tensor):
        # |z - mu|^2 = 4 sin(theta/2)^2, without the cancellation of 1 - mu.z near mu.
        fall = 0.25 * tf.reduce_sum(tf.math.squared_difference(z, self.mean_direction), axis=-1)
        return self.concentration * self._statistic(fall) - self._log_mass()

    def _entropy(self):
        entropy = self._log_mass() - self.concentration * self._expected(self._statistic)
        return tf.broadcast_to(entropy, self.batch_shape_tensor())

    def _mean(self):
        return (1 - 2 * self._expected(tf.identity))[..., tf.newaxis] * self.mean_direction

    def _covariance(self):
        mu, dim = self.mean_direction, self.event_shape[-1]
        mean, square = (self._expected(lambda fall, power=power: (1 - 2 * fall) ** power) for power in (1, 2))
        across = ((1 - square) / (dim - 1))[..., tf.newaxis, tf.newaxis]
        along = (square - mean**2)[..., tf.newaxis, tf.newaxis]
        return across * tf.eye(dim) + (along - across) * mu[..., :, tf.newaxis] * mu[..., tf.newaxis, :]

    def _variance(self):
        return tf.linalg.diag_part(self._covariance())

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None):
        angle_seed, direction_seed = tf.unstack(tfp.random.split_seed(seed))
        kappa = tf.broadcast_to(self.concentration, self.batch_shape_tensor())
        constant = tf.stop_gradient(kappa)
        angle = tf.stop_gradient(self._accepted_angle(n, constant, angle_seed))
        angle += tf.stop_gradient(self._angle_gradient(angle, constant)) * (kappa - constant)
        return rotated(self.mean_direction, angle, direction_seed)

    # The angle's distribution, by quadrature.

    def _log_density(self, angle: tf.Tensor, kappa: tf.Tensor):
        """Returns the log-density of theta up to its normaliser."""
        dim = self.event_shape[-1]
        around = (dim - 2) * tf.math.log(tf.sin(angle)) if dim > 2 else 0.0
        return around + kappa * self._statistic(tf.sin(0.5 * angle) ** 2)

    def _bounds(self, kappa: tf.Tensor):
        """Returns the interval of theta that holds all mass: its mode, give or take `REACH` standard deviations."""
        dim = self.event_shape[-1]
        mode = 2 * tf.atan(tf.sqrt(self._tangent(0.5 * (dim - 2), kappa)))
        curvature = (dim - 2) / tf.maximum(tf.sin(mode) ** 2, 1e-20) + 0.5 * kappa
        reach = REACH * tf.math.rsqrt(curvature)
        return tf.maximum(mode - reach, 0.0), tf.minimum(mode + reach, math.pi)

    def _quadrature(self):
        """Returns nodes and log masses up to the normaliser, `[..., N]`."""
        nodes, log_weights = _nodes(*self._bounds(tf.stop_gradient(self.concentration)))
        return nodes, self._log_density(nodes, self.concentration[..., tf.newaxis]) + log_weights

    def _log_mass(self):
        """Returns the log of the integral of exp(kappa s) over the sphere."""
        dim = self.event_shape[-1]
        ring = math.log(2) + 0.5 * (dim - 1) * math.log(math.pi) - math.lgamma(0.5 * (dim - 1))
        return ring + tf.reduce_logsumexp(self._quadrature()[1], axis=-1)

    def _expected(self, function: Callable[[tf.Tensor], tf.Tensor]):
        """Returns E function(sin(theta/2)^2), `[...]`."""
        nodes, log_masses = self._quadrature()
        return tf.reduce_sum(tf.nn.softmax(log_masses) * function(tf.sin(0.5 * nodes) ** 2), axis=-1)

    def _angle_gradient(self, angle: tf.Tensor, kappa: tf.Tensor):
        """Returns dtheta/dkappa at a fixed value of the distribution function, `[S, ...]`."""
        expected = self._expected(self._statistic)
        low, high = self._bounds(kappa)
        # The integral over all angles is zero: take the side on which s - E s has one sign.
        near = self._statistic(tf.sin(0.5 * angle) ** 2) > expected
        left = tf.where(near, tf.minimum(low, angle), angle)
        right = tf.where(near, angle, tf.maximum(high, angle))
        nodes, log_weights = _nodes(left, right)
        log_ratio = self._log_density(nodes, kappa[..., tf.newaxis]) - self._log_density(angle, kappa)[..., tf.newaxis]
        excess = self._statistic(tf.sin(0.5 * nodes) ** 2) - expected[..., tf.newaxis]
        return -tf.reduce_sum(tf.abs(excess) * tf.exp(log_ratio + log_weights), axis=-1)

    def _accepted_angle(self, n: tf.Tensor, kappa: tf.Tensor, seed: tf.Tensor):
        """Returns exact draws of theta, `[n, ...]`: of `PROPOSALS` the first that is accepted."""
        dim = self.event_shape[-1]
        a = 0.5 * (dim - 1)
        b = self._tangent(a, kappa)
        shape = tf.concat([[3, PROPOSALS], [n], tf.shape(kappa)], axis=0)
        first, second, third = tf.unstack(seeds.uniform(shape, seed))
        radius = tf.sqrt(1 - first ** (2 / (dim - 2))) if dim > 2 else 1.0
        cosine = radius * tf.cos(2 * math.pi * second)  # symmetric beta variables on [-1, 1] (Devroye 1986, IX.3)
        odds = (1 + cosine) / (1 - cosine)
        tangent = b * odds
        log_ratio = 2 * a * (tf.math.log((1 + odds) / 2) - tf.math.log((1 + tangent) / (1 + b)))
        log_ratio += kappa * (self._statistic(tangent / (1 + tangent)) - self._statistic(b / (1 + b)))
        accepted = tf.cast(log_ratio >= tf.math.log(third), tf.int32)
        chosen = tf.one_hot(tf.argmax(accepted, axis=0), PROPOSALS, on_value=True, off_value=False, axis=0)
        return tf.reduce_sum(tf.where(chosen, 2 * tf.atan(tf.sqrt(tangent)), 0.0), axis=0)


class VonMisesFisher(_Angular, tfd.VonMisesFisher):
    """`tfd.VonMisesFisher(mean_direction, concentration)`, reparameterised; `[..., D]` and `[...]`.

    Reference:
        Davidson, Falorsi, De Cao, Kipf and Tomczak 2018, "Hyperspherical Variational Auto-Encoders"; Wood 1994.
    """

    def _statistic(self, fall: tf.Tensor):
        return -2 * fall

    def _tangent(self, a: float, kappa: tf.Tensor):
        return a / (kappa + tf.sqrt(kappa**2 + a**2))


class PowerSpherical(_Angular, tfd.PowerSpherical):
    """`tfd.PowerSpherical(mean_direction, concentration)`, safe at its mode; `[..., D]` and `[...]`.

    Reference:
        De Cao and Aziz 2020, "The Power Spherical distribution".
    """

    def _statistic(self, fall: tf.Tensor):
        return tf.math.log1p(-tf.minimum(fall, 1 - 1e-6))

    def _tangent(self, a: float, kappa: tf.Tensor):
        return a / (a + kappa)


def unit(raw: tf.Tensor) -> tf.Tensor:
    """Returns `raw`, `[..., D]`, divided by its length; the first axis for a vector without a direction."""
    tiny = tf.reduce_max(tf.abs(raw), axis=-1, keepdims=True) < 1e-12
    length = tf.linalg.norm(tf.where(tiny, 1.0, raw), axis=-1, keepdims=True)
    return tf.where(tiny, tf.one_hot(0, raw.shape[-1]), raw / length)


def rotated(direction: tf.Tensor, angle: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns unit vectors `[S, ..., D]` at `angle` `[S, ...]` from `direction` `[..., D]`, uniformly around it."""
    dim = direction.shape[-1]
    noise = seeds.normal(tf.concat([tf.shape(angle), [dim - 1]], axis=0), seed)
    around = tf.math.l2_normalize(tf.ensure_shape(noise, [*angle.shape, dim - 1]), axis=-1)
    angle = angle[..., tf.newaxis]
    z = tf.concat([tf.cos(angle), tf.sin(angle) * around], axis=-1)
    # The reflection takes the first axis to -sign mu: of the two such reflections the one that never divides by zero.
    sign = tf.where(direction[..., :1] < 0, -1.0, 1.0)
    normal = direction + sign * tf.one_hot(0, dim)
    half_square = 1 + tf.abs(direction[..., :1])  # |normal|^2 / 2
    along = tf.reduce_sum(z * normal, axis=-1, keepdims=True) / half_square
    return sign * (along * normal - z)


def _nodes(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns nodes and log weights of the quadrature on each interval, `[..., N]`."""
    half = 0.5 * (high - low)[..., tf.newaxis]
    return low[..., tf.newaxis] + half * (1 + NODES), tf.math.log(half) + np.log(WEIGHTS)
