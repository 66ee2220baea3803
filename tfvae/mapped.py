"""What posteriors and priors of positive and of bounded numbers have in common: a normal u, and a monotone map.

z = f(u),    u ~ N(loc, diag(scale)^2),    loc = R tanh(raw / R + atanh(loc_0 / R)),    scale = floor + softplus(...)

Where the raw numbers are zero, at the start, u ~ N(loc_0, scale_0^2). R keeps the median so far inside the set that
float32 has z finer than the narrowest scale: beyond that, densities are rounding, and an objective that takes them from
samples would find its best value there.
"""

import math
import numbers
from typing import Any

import tensorflow as tf

from tfvae.core import sets
from tfvae.core.conditional import positive, positive_inverse
from tfvae.core.errors import InvalidInput, positive_number
from tfvae.core.latent import Latent
from tfvae.core.types import Config, Parameters
from tfvae.distributions import mapped

FLOOR = 1e-4  # smallest scale of u: that of z is about this share of z, or of the interval
FEWEST = 2.0  # how far from zero the median's u must be able to go


class MappedNormal(Latent):
    """A normal distribution of each dimension, carried onto the positive numbers, or onto those between two ends.

    Args:
        latent_dim: number of latent dimensions D.
        *args: as for the class that this one is mixed into.
        ends: the two ends; `None` for the positive numbers.
        loc: location of u at first.
        scale: scale of u at first.
        **kwargs: as `*args`.

    Attributes:
        reach: R, how far from zero the location of u can be.
    """

    space = sets.POSITIVE
    reach = mapped.LogNormal.reach / 2

    def __init__(
        self,
        latent_dim: int,
        *args: Any,
        ends: tuple[float, float] | None = None,
        loc: float = 0.0,
        scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(latent_dim, *args, **kwargs)
        self.ends = ends and _checked(*ends)
        if self.ends:
            self.space, self.reach = sets.interval(*self.ends), _reach(*self.ends)
        self.start = _number("loc", loc), positive_number("scale", scale)
        if not abs(self.start[0]) < self.reach or not self.start[1] > FLOOR:
            expected = f"loc between {-self.reach:.3g} and {self.reach:.3g}, scale above {FLOOR:g}"
            remedy = "Choose the latent's unit, or the ends, so that the median is well inside."
            raise InvalidInput(expected, f"loc={loc!r}, scale={scale!r}", remedy)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the raw location and scale."""
        return {"loc": self.latent_shape, "scale": self.latent_shape}

    def constrain(self, loc: tf.Tensor, scale: tf.Tensor) -> Parameters:
        """Returns location and positive scale of u, both `[..., D]`."""
        start, width = self.start
        return {
            "loc": self.reach * tf.tanh(loc / self.reach + math.atanh(start / self.reach)),
            "scale": positive(scale + positive_inverse(width, FLOOR), FLOOR),
        }

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        ends = dict(zip(("low", "high"), self.ends or (), strict=False))
        return {**super().get_config(), **ends, "loc": self.start[0], "scale": self.start[1]}


def _checked(low: float, high: float) -> tuple[float, float]:
    """Returns the ends of an interval; raises `InvalidInput` unless float32 can tell enough numbers between them."""
    low, high, received = _number("low", low), _number("high", high), f"low={low!r}, high={high!r}"
    if not low < high:
        raise InvalidInput("low below high", received, "Of a positive number without an upper end, use LogNormal.")
    if _reach(low, high) < FEWEST:
        remedy = "Let the latent be what is above low, and add low in the decoder's network."
        raise InvalidInput("an interval of at least one per cent of its larger end", received, remedy)
    return low, high


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise InvalidInput(f"{name} to be a finite number", f"{name}={value!r}", "Pass for example 0.0.")
    return float(value)


def _reach(low: float, high: float) -> float:
    """Returns how far from zero the median's u may be: steps of float32 are then no wider than `FLOOR` in u."""
    return mapped.log_steps(low, high) + math.log(FLOOR)
