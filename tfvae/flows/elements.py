"""Elements: increasing maps of the line with parameters, applied to each dimension of z by a flow.

    Affine    v -> v exp(s) + t, s bounded                                              Dinh et al. 2017
    Spline    v -> rational-quadratic inside [-bound, bound], the identity outside     Durkan et al. 2019

`forward(v, parameters) -> (value, log slope)`, `inverse` likewise; zero parameters make the identity.
"""

import abc

import keras
import numpy as np
import tensorflow as tf

from tfvae.core.errors import InvalidInput, positive_integer, positive_number
from tfvae.core.types import Config

SMALLEST_BIN = 1e-2  # as a fraction of the interval: keeps slopes and their inverses inside float32
SMALLEST_SLOPE = 1e-2


class Element(abc.ABC):
    """An increasing map of the line, which `num_parameters` numbers describe."""

    num_parameters: int

    @abc.abstractmethod
    def forward(self, v: tf.Tensor, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the map's value and log slope at v, each `[..., D]`, for parameters `[..., D, P]`."""

    @abc.abstractmethod
    def inverse(self, v: tf.Tensor, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the inverse map's value and log slope at v, each `[..., D]`."""

    @abc.abstractmethod
    def get_config(self) -> Config:
        """Returns the constructor's arguments."""

    @classmethod
    def from_config(cls, config: Config) -> "Element":
        """Returns the element that `get_config` described."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="tfvae", name="AffineElement")
class Affine(Element):
    """A shift and a positive scale: v -> v exp(s) + t, with s = bound tanh(raw / bound).

    The bound keeps a flow and its inverse finite at any weights.

    Args:
        bound: largest absolute log scale.

    Raises:
        InvalidInput: if `bound` is not a positive number.
    """

    num_parameters = 2

    def __init__(self, bound: float = 2.0) -> None:
        self.bound = positive_number("bound", bound)

    def forward(self, v: tf.Tensor, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns value and log slope at v, each `[..., D]`."""
        shift, log_scale = self._constrained(parameters)
        return v * tf.exp(log_scale) + shift, log_scale

    def inverse(self, v: tf.Tensor, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the inverse's value and log slope at v, each `[..., D]`."""
        shift, log_scale = self._constrained(parameters)
        return (v - shift) * tf.exp(-log_scale), -log_scale

    def _constrained(self, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shift, raw = tf.unstack(parameters, axis=-1)
        return shift, self.bound * tf.tanh(raw / self.bound)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"bound": self.bound}


@keras.saving.register_keras_serializable(package="tfvae", name="SplineElement")
class Spline(Element):
    """A monotone rational-quadratic spline on [-bound, bound], the identity outside.

        y = y_k + h (s u^2 + d_k u (1 - u)) / (s + (d_{k+1} + d_k - 2 s) u (1 - u)),    u = (v - x_k) / w,   s = h / w

    The map and its slope are continuous; its parameters are K widths w, K heights h and K - 1 inner slopes d.

    Args:
        num_bins: number of pieces K.
        bound: half the interval's length, in units of z.

    Raises:
        InvalidInput: if `num_bins` is not between 2 and 50, or `bound` is not a positive number.

    Reference:
        Durkan, Bekasov, Murray and Papamakarios 2019, "Neural Spline Flows", section 3.1.
    """

    def __init__(self, num_bins: int = 8, bound: float = 5.0) -> None:
        self.num_bins, self.bound = positive_integer("num_bins", num_bins), positive_number("bound", bound)
        if not 2 <= num_bins <= 50:
            raise InvalidInput("num_bins between 2 and 50", f"num_bins={num_bins}", "8 is the paper's choice.")
        self.num_parameters = 3 * num_bins - 1

    def forward(self, v: tf.Tensor, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns value and log slope at v, each `[..., D]`."""
        inside, v_in, (x, w, y, h, s, d0, d1) = self._bin(v, parameters, by_height=False)
        u = (v_in - x) / w
        value = y + h * (s * u**2 + d0 * u * (1 - u)) / (s + (d0 + d1 - 2 * s) * u * (1 - u))
        return tf.where(inside, value, v), tf.where(inside, _log_slope(u, s, d0, d1), 0.0)

    def inverse(self, v: tf.Tensor, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the inverse's value and log slope at v, each `[..., D]`."""
        inside, v_in, (x, w, y, h, s, d0, d1) = self._bin(v, parameters, by_height=True)
        rise = v_in - y
        bend = rise * (d0 + d1 - 2 * s)
        a, b, c = h * (s - d0) + bend, h * d0 - bend, -s * rise
        u = 2 * c / (-b - tf.sqrt(tf.maximum(b**2 - 4 * a * c, 1e-20)))  # the root that stays stable as a vanishes
        return tf.where(inside, x + u * w, v), tf.where(inside, -_log_slope(u, s, d0, d1), 0.0)

    def _bin(self, v: tf.Tensor, parameters: tf.Tensor, by_height: bool) -> tuple:
        """Returns whether v is inside, v moved inside, and left end, size, slope and knot slopes of its bin."""
        k = self.num_bins
        widths, heights = (self._sizes(parameters[..., i * k : (i + 1) * k]) for i in range(2))
        inner = SMALLEST_SLOPE + tf.math.softplus(parameters[..., 2 * k :] + _SLOPE_ONE)
        ones = tf.ones_like(inner[..., :1])
        slopes = tf.concat([ones, inner, ones], axis=-1)
        xs, ys = (tf.cumsum(sizes, axis=-1, exclusive=True) - self.bound for sizes in (widths, heights))
        inside = tf.abs(v) < self.bound
        v_in = tf.where(inside, v, 0.0)
        knots = ys if by_height else xs
        beyond = tf.cast(v_in[..., tf.newaxis] >= knots[..., 1:], tf.float32)  # 1 1 .. 1 0 .. 0: knots left of v
        padding = tf.ones_like(beyond[..., :1])
        chosen = tf.concat([padding, beyond], axis=-1) - tf.concat([beyond, 0 * padding], axis=-1)
        parts = (xs, widths, ys, heights, heights / widths, slopes[..., :-1], slopes[..., 1:])
        return inside, v_in, [tf.reduce_sum(chosen * part, axis=-1) for part in parts]

    def _sizes(self, raw: tf.Tensor) -> tf.Tensor:
        free = 1 - self.num_bins * SMALLEST_BIN
        return 2 * self.bound * (SMALLEST_BIN + free * tf.nn.softmax(raw))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"num_bins": self.num_bins, "bound": self.bound}


_SLOPE_ONE = float(np.log(np.expm1(1 - SMALLEST_SLOPE)))  # softplus of it is 1 minus the floor


def _log_slope(u: tf.Tensor, s: tf.Tensor, d0: tf.Tensor, d1: tf.Tensor) -> tf.Tensor:
    bow = u * (1 - u)
    numerator = d1 * u**2 + 2 * s * bow + d0 * (1 - u) ** 2
    return 2 * tf.math.log(s) + tf.math.log(numerator) - 2 * tf.math.log(s + (d0 + d1 - 2 * s) * bow)
