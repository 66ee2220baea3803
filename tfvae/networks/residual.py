"""Residual convolutional networks with group normalisation, for deep encoders and decoders.

    step:    h <- K * h + b, stride 2;   then `depth` times   h <- h + f(h)
    f(h) = K'' * act(norm(K' * act(norm(h)) + b')) + b''                    norm: over the pixels of a group of channels

The activation comes before each convolution, so that the sum is an identity where f is zero, and group normalisation
does the same in training and evaluation, for any batch.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfvae.core import serial
from tfvae.core.errors import positive_integer
from tfvae.core.types import Config
from tfvae.networks.convolutions import DOWN, UP, checked_rank, decoder, strided
from tfvae.networks.dense import Activation


def residual_conv(
    filters: Sequence[int],
    kernel_size: int = 3,
    activation: Activation = "silu",
    depth: int = 1,
    group_size: int = 16,
    rank: int = 2,
) -> keras.Sequential:
    """Returns an encoder whose steps halve the space, each followed by residual blocks.

        h <- K * h + b, stride 2;    then `depth` times  h <- h + K'' * act(norm(K' * act(norm(h)) + b')) + b''

    Args:
        filters: channels of each step.
        kernel_size: height and width of each kernel, pixels, or its length, steps.
        activation: any Keras activation.
        depth: residual blocks in each step.
        group_size: channels that are normalised together; all of them where it does not divide their number.
        rank: dimensions of the space: 2 for images, 1 for sequences.

    Returns:
        A Keras model `[B, H, W, C] -> [B, ceil(H / 2^n), ceil(W / 2^n), filters[-1]]` for n steps, or
        `[B, L, C] -> [B, ceil(L / 2^n), filters[-1]]`.

    Raises:
        InvalidInput: if a size is not a whole number of at least 1, or `rank` is not 1 or 2.

    Reference:
        He, Zhang, Ren and Sun 2016, "Identity Mappings in Deep Residual Networks", figure 4e; Wu and He 2018, "Group
        Normalization".

    Example:
        >>> residual_conv([32, 64])(keras.ops.zeros([3, 28, 28, 1])).shape
        TensorShape([3, 7, 7, 64])
    """
    kind = DOWN[checked_rank(rank)]
    steps = [step(kind, rank, n, kernel_size, activation, depth, group_size) for n in filters]
    last = normalized(filters[-1], activation, group_size) if filters else []
    return keras.Sequential([layer for layers in [*steps, last] for layer in layers])


def residual_conv_transpose(
    event_shape: Sequence[int],
    filters: Sequence[int],
    kernel_size: int = 3,
    activation: Activation = "silu",
    depth: int = 1,
    group_size: int = 16,
) -> keras.Sequential:
    """Returns a decoder whose steps double the space up to the event's, each followed by residual blocks.

        h <- K^T * h + b, stride 2;    then `depth` times  h <- h + K'' * act(norm(K' * act(norm(h)) + b')) + b''

    Args:
        event_shape: the image `(H, W, C)` or the sequence `(L, C)`.
        filters: channels of each step.
        kernel_size: height and width of each kernel, pixels, or its length, steps.
        activation: any Keras activation.
        depth: residual blocks in each step.
        group_size: channels that are normalised together; all of them where it does not divide their number.

    Returns:
        A Keras model `[B, D] -> [B, H, W, filters[-1]]`, or `[B, D] -> [B, L, filters[-1]]`.

    Raises:
        InvalidInput: if `event_shape` is not that of an image or a sequence, or a size is not a whole number of at
            least 1.

    Reference:
        He, Zhang, Ren and Sun 2016, "Identity Mappings in Deep Residual Networks", figure 4e; Wu and He 2018, "Group
        Normalization".

    Example:
        >>> residual_conv_transpose((28, 28, 1), [64, 32])(keras.ops.zeros([3, 16])).shape
        TensorShape([3, 28, 28, 32])
    """
    rank = len(event_shape) - 1
    last = normalized(filters[-1], activation, group_size) if filters else []
    return decoder(
        event_shape,
        filters,
        None,
        lambda n: step(UP[rank], rank, n, kernel_size, activation, depth, group_size),
        last,
    )


def step(
    kind: type[keras.layers.Layer],
    rank: int,
    filters: int,
    kernel_size: int,
    activation: Activation,
    depth: int,
    group_size: int,
) -> list[keras.layers.Layer]:
    """Returns a convolution of stride 2, of class `kind`, and the residual blocks after it."""

    def normalized_convolution() -> list[keras.layers.Layer]:
        own = DOWN[rank](filters, positive_integer("kernel_size", kernel_size), padding="same")
        return [*normalized(filters, activation, group_size), own]

    blocks = range(positive_integer("depth", depth))
    return [
        strided(kind, filters, kernel_size, None),
        *(Residual([*normalized_convolution(), *normalized_convolution()]) for _ in blocks),
    ]


def normalized(filters: int, activation: Activation, group_size: int) -> list[keras.layers.Layer]:
    """Returns a group normalisation of so many channels, and the activation."""
    filters, size = positive_integer("filters", filters), positive_integer("group_size", group_size)
    groups = 1 if filters % size else filters // size
    return [keras.layers.GroupNormalization(groups), keras.layers.Activation(activation)]


@keras.saving.register_keras_serializable(package="tfvae")
class Residual(keras.layers.Layer):
    """What some layers add to their input.

        h -> h + f(h)

    Args:
        layers: Keras layers, one after the other f; they keep the shape of h.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer], **kwargs: Config) -> None:
        super().__init__(**kwargs)
        self.inner = keras.Sequential(layers, name="inner")

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights of the layers; idempotent."""
        if not self.built:
            self.inner.build(input_shape)

    def call(self, h: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the sum, of the shape of h, `[B, ..., C]`."""
        return h + self.inner(h, training=training)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of h."""
        return tuple(input_shape)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "layers": list(self.inner.layers)}

    @classmethod
    def from_config(cls, config: Config) -> "Residual":
        """Returns the layer that `get_config` described."""
        return serial.made(cls, config)
