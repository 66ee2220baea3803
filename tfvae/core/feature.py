"""Features: named values that several parts share, computed once of what is known or drawn.

h = network(x)        VAE(DiagonalNormal(2, given=("h", "condition")), ..., features={"h": Feature(network)})
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfvae.core import serial
from tfvae.core.context import Context, merged, names
from tfvae.core.errors import InvalidInput
from tfvae.core.network import answered, answered_zeros, checked_network
from tfvae.core.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="tfvae")
class Feature(keras.layers.Layer):
    """A deterministic value with a name, which the model owns and any parts are given.

    Args:
        network: a Keras model from what it is given to one tensor `[B, ...]`; of several names it gets a dict.
        given: the name or names of what it is given: x, mask, conditions, z or other features.

    Raises:
        InvalidInput: if `network` is not a Keras layer or model, or `given` is empty.

    Example:
        >>> feature = Feature(keras.layers.Dense(8), given=("x", "condition"))
    """

    def __init__(self, network: keras.layers.Layer, given: str | Sequence[str] = "x", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network, self.given = checked_network(network), names(given)
        if network is None or not self.given:
            received = "network=None" if network is None else "given=()"
            raise InvalidInput("a feature with a network that reads something", received, "Pass both.")

    def build(self, shapes: Mapping[str, Shape]) -> None:
        """Creates the network's weights; idempotent.

        Args:
            shapes: name to the shape of one value, of all names that the feature is given.
        """
        if not self.built:
            self.shapes = {name: tuple(shapes[name]) for name in self.given}
            output = answered_zeros(self, self.network, self.shapes)
            if not tf.is_tensor(output):
                remedy = "Make a feature of each output."
                raise InvalidInput("the network of a feature to return one tensor", f"{type(output).__name__}", remedy)
            self.shape: Shape = tuple(output.shape[1:])

    def value(self, context: Context, training: bool = False) -> Tensor:
        """Returns the feature, of the lead of what it is given, float32."""
        found = merged(context, self.shapes)
        return found.restored(tf.cast(answered(self.network, found.inputs, training), tf.float32))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "network": self.network, "given": list(self.given)}

    @classmethod
    def from_config(cls, config: Config) -> "Feature":
        """Returns the feature that `get_config` described."""
        return serial.made(cls, config)
