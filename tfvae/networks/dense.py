"""Dense networks, which flatten their input, and put several side by side.

mlp           h -> act(A h + a)                            for each hidden layer
gated_mlp     h -> (A h + a) * sigmoid(B h + b)            Dauphin et al. 2017; Tomczak and Welling 2018
residual_mlp  h -> h + act(norm(A h + a))                  He et al. 2016; Ba, Kiros and Hinton 2016
"""

import abc
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from tfvae.core.errors import positive_integer
from tfvae.core.network import Inputs, side_by_side
from tfvae.core.types import BatchShape, Config

Activation = str | Callable
Shapes = BatchShape | Mapping[str, BatchShape]


def mlp(units: Sequence[int], activation: Activation = "relu") -> keras.Sequential:
    """Returns a multi-layer perceptron that flattens its input.

        h -> act(A h + a)

    Several inputs, a dict of them by name, stand side by side in the order of their names.

    Args:
        units: width of each hidden layer; `[]` is the identity on the flattened input.
        activation: any Keras activation.

    Returns:
        A Keras model `[B, ...] -> [B, units[-1]]`.

    Raises:
        InvalidInput: if a width is not a whole number of at least 1.

    Example:
        >>> mlp([200, 200])(keras.ops.zeros([3, 28, 28, 1])).shape
        TensorShape([3, 200])
    """
    hidden = [keras.layers.Dense(positive_integer("units", n), activation=activation) for n in units]
    return keras.Sequential([SideBySide(), *hidden])


def gated_mlp(units: Sequence[int], activation: Activation = "linear") -> keras.Sequential:
    """Returns a multi-layer perceptron of gated linear units that flattens its input.

        h -> act(A h + a) * sigmoid(B h + b)

    Args:
        units: width of each hidden layer; `[]` is the identity on the flattened input.
        activation: any Keras activation, of the factor that is not the gate; the papers have none.

    Returns:
        A Keras model `[B, ...] -> [B, units[-1]]`, with twice the weights of `mlp(units)`.

    Raises:
        InvalidInput: if a width is not a whole number of at least 1.

    Reference:
        Dauphin, Fan, Auli and Grangier 2017, "Language Modeling with Gated Convolutional Networks", equation 1; Tomczak
        and Welling 2018, "VAE with a VampPrior", section 4.

    Example:
        >>> gated_mlp([300, 300])(keras.ops.zeros([3, 28, 28, 1])).shape
        TensorShape([3, 300])
    """
    return keras.Sequential([SideBySide(), *(GatedDense(n, activation) for n in units)])


def residual_mlp(units: Sequence[int], activation: Activation = "silu") -> keras.Sequential:
    """Returns a multi-layer perceptron of normalised residual layers that flattens its input.

        h -> h + act(norm(A h + a))        where the width stays, else   h -> act(norm(A h + a))

    norm makes mean zero and variance one over the units of an example, and learns a scale and a shift of each.

    Args:
        units: width of each hidden layer; `[]` is the identity on the flattened input.
        activation: any Keras activation.

    Returns:
        A Keras model `[B, ...] -> [B, units[-1]]`.

    Raises:
        InvalidInput: if a width is not a whole number of at least 1.

    Reference:
        He, Zhang, Ren and Sun 2016, "Deep Residual Learning for Image Recognition"; Ba, Kiros and Hinton 2016, "Layer
        Normalization".

    Example:
        >>> residual_mlp([500, 500])(keras.ops.zeros([3, 28, 28, 1])).shape
        TensorShape([3, 500])
    """
    return keras.Sequential([SideBySide(), *(ResidualDense(n, activation) for n in units)])


@keras.saving.register_keras_serializable(package="tfvae")
class SideBySide(keras.layers.Flatten):
    """Flattens one tensor, `[B, ...] -> [B, n]`, or several by name, side by side in the order of their names."""

    def __init__(self, **kwargs: Config) -> None:
        super().__init__(**kwargs)
        self.input_spec = None  # Keras' is of one tensor

    def call(self, inputs: Inputs) -> tf.Tensor:
        """Returns the flattened inputs, `[B, n]`."""
        return side_by_side(inputs) if isinstance(inputs, Mapping) else super().call(inputs)

    def compute_output_shape(self, input_shape: Shapes) -> BatchShape:
        """Returns the shape of the flattened inputs."""
        if not isinstance(input_shape, Mapping):
            return super().compute_output_shape(input_shape)
        flat = [super(SideBySide, self).compute_output_shape(shape) for shape in input_shape.values()]
        return (flat[0][0], sum(shape[1] for shape in flat))

    def compute_output_spec(self, inputs: Inputs) -> keras.KerasTensor:
        """Returns shape and dtype of the flattened inputs."""
        if not isinstance(inputs, Mapping):
            return super().compute_output_spec(inputs)
        shape = self.compute_output_shape({name: value.shape for name, value in inputs.items()})
        return keras.KerasTensor(shape, next(iter(inputs.values())).dtype)


class Units(keras.layers.Layer, abc.ABC):
    """A layer of some units with an activation, `[..., n] -> [..., units]`.

    Args:
        units: width.
        activation: any Keras activation.

    Raises:
        InvalidInput: if `units` is not a whole number of at least 1.
    """

    def __init__(self, units: int, activation: Activation, **kwargs: Config) -> None:
        super().__init__(**kwargs)
        self.units, self.activation = positive_integer("units", units), keras.activations.get(activation)

    @abc.abstractmethod
    def call(self, h: tf.Tensor) -> tf.Tensor:
        """Returns the units, `[..., units]`, of h `[..., n]`."""

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the units."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation}


@keras.saving.register_keras_serializable(package="tfvae")
class GatedDense(Units):
    """A gated linear unit: a dense layer times a gate of the same width.

        h -> act(A h + a) * sigmoid(B h + b)

    Args:
        units: width.
        activation: any Keras activation.
    """

    def __init__(self, units: int, activation: Activation = "linear", **kwargs: Config) -> None:
        super().__init__(units, activation, **kwargs)
        policy = self.dtype_policy
        self.linear = keras.layers.Dense(units, activation=activation, dtype=policy, name="linear")
        self.gate = keras.layers.Dense(units, activation="sigmoid", dtype=policy, name="gate")

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights of both factors; idempotent."""
        if not self.built:
            self.linear.build(input_shape)
            self.gate.build(input_shape)

    def call(self, h: tf.Tensor) -> tf.Tensor:
        """Returns the product, `[..., units]`, of h `[..., n]`."""
        return self.linear(h) * self.gate(h)


@keras.saving.register_keras_serializable(package="tfvae")
class ResidualDense(Units):
    """A dense layer that is normalised and added to its input where their widths agree.

        h -> h + act(norm(A h + a))

    Args:
        units: width.
        activation: any Keras activation.
    """

    def __init__(self, units: int, activation: Activation = "silu", **kwargs: Config) -> None:
        super().__init__(units, activation, **kwargs)
        policy = self.dtype_policy
        self.linear = keras.layers.Dense(units, dtype=policy, name="linear")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype=policy, name="norm")

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights; idempotent."""
        if not self.built:
            self.linear.build(input_shape)
            self.norm.build(self.compute_output_shape(input_shape))

    def call(self, h: tf.Tensor) -> tf.Tensor:
        """Returns the sum, `[..., units]`, of h `[..., n]`."""
        change = self.activation(self.norm(self.linear(h)))
        return h + change if h.shape[-1] == self.units else change
