"""Scales: where a positive parameter of a likelihood comes from, such as the standard deviation of a normal.

Fixed          sigma = value
Shared         sigma = softplus(s), one learned number
PerDimension   sigma_i = softplus(s_i), one learned number a dimension
Predicted      sigma = softplus(s(z)), from the likelihood's network
"""

import abc
import math
import numbers
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae.core.conditional import SCALE_FLOOR, positive, positive_inverse
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config

__all__ = ["Fixed", "PerDimension", "Predicted", "Scale", "Shared"]


def __dir__() -> list[str]:
    return __all__


ADAPTED_FLOOR = 1e-3  # the smallest start that `adapt` gives a scale; for data that are constant it keeps its own
NONE = 1e-9  # a spread that is no more than rounding
Estimate = Callable[[tuple[int, ...] | None], np.ndarray]


class Scale(keras.layers.Layer, abc.ABC):
    """A positive scale for an event; subclasses define `value` and what they need from the head.

    Args:
        initial: the scale before training, in the units that the likelihood states.

    Raises:
        InvalidInput: if `initial` is not a finite number above the floor of 1e-5.
    """

    def __init__(self, initial: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        number = isinstance(initial, numbers.Real) and not isinstance(initial, bool)
        if not number or not SCALE_FLOOR < initial < math.inf:
            raise InvalidInput(
                f"a finite scale above {SCALE_FLOOR:g}",
                f"{initial!r}",
                "Pass a positive number, for a normal the noise's standard deviation.",
            )
        self.initial = float(initial)

    def build(self, event_shape: tuple[int, ...]) -> None:
        """Creates the variable, if the scale has one; idempotent."""
        del event_shape

    def head_shapes(self, event_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Returns what the likelihood's head must predict, name to shape."""
        del event_shape
        return {}

    @abc.abstractmethod
    def value(self, **raw: tf.Tensor) -> tf.Tensor:
        """Returns the scale, of a shape that broadcasts against `[..., *event]`."""

    def adapt(self, estimate: Estimate, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Starts the scale at the data's own; a fixed scale stays as it is.

        Args:
            estimate: gives the scale of data `[N, *event]`, pooled over the given axes (kept with length one, the
                first one dropped) or, for `None`, over all of them.
            axes: the axes over which one output of the head is shared.

        Returns:
            The biases that the head must get, name to value: empty unless the scale is predicted.
        """
        del estimate, axes
        return {}

    def start(self, estimate: np.ndarray) -> np.ndarray:
        """Returns where a scale starts, given that of the data: `initial` where these do not vary."""
        return np.where(estimate > NONE, np.maximum(estimate, ADAPTED_FLOOR), self.initial)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = {**super().get_config(), "initial": self.initial}
        config.pop("dtype")
        return config


@keras.saving.register_keras_serializable(package="tfvae", name="FixedScale")
class Fixed(Scale):
    """A scale that is given: sigma = initial."""

    def value(self) -> tf.Tensor:
        """Returns the scale, `[]`."""
        return tf.constant(self.initial)


class _Learned(Scale):
    pooled_over: tuple[int, ...] | None

    @abc.abstractmethod
    def variable_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the variable's shape for an event of shape `event_shape`."""

    def build(self, event_shape: tuple[int, ...]) -> None:
        """Creates the variable; idempotent."""
        if not self.built:
            self.raw = self.add_weight(
                shape=self.variable_shape(tuple(event_shape)),
                initializer=keras.initializers.Constant(positive_inverse(self.initial)),
                name="raw",
            )

    def value(self) -> tf.Tensor:
        """Returns the scale, of the variable's shape."""
        return positive(tf.convert_to_tensor(self.raw))

    def adapt(self, estimate: Estimate, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Starts the variable at the scale of the data; returns an empty dict."""
        raw = positive_inverse(self.start(estimate(self.pooled_over)))
        self.raw.assign(np.broadcast_to(raw if self.raw.shape else np.mean(raw), self.raw.shape))
        return {}


@keras.saving.register_keras_serializable(package="tfvae", name="SharedScale")
class Shared(_Learned):
    """One learned scale for all dimensions (sigma-VAE, Rybkin et al. 2021)."""

    pooled_over = None

    def variable_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of a scalar."""
        return ()


@keras.saving.register_keras_serializable(package="tfvae", name="PerDimensionScale")
class PerDimension(_Learned):
    """One learned scale for each dimension of the event."""

    pooled_over = (0,)

    def variable_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of the event."""
        return event_shape


@keras.saving.register_keras_serializable(package="tfvae", name="PredictedScale")
class Predicted(Scale):
    """A scale for each dimension of the event, predicted from z."""

    def head_shapes(self, event_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the raw scale, that of the event."""
        return {"scale": event_shape}

    def value(self, scale: tf.Tensor) -> tf.Tensor:
        """Returns the scale, `[..., *event]`."""
        return positive(scale + positive_inverse(self.initial))

    def adapt(self, estimate: Estimate, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns the bias at which the scale is that of the data."""
        raw = positive_inverse(self.start(estimate(axes)))
        return {"scale": raw - positive_inverse(self.initial)}
