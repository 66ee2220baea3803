"""Networks: ordinary Keras models from a context to features. Any Keras model of your own does as well.

mlp(units)                 [B, ...] -> [B, units[-1]]
conv(filters)              [B, H, W, C] -> [B, ceil(H / 2^n), ceil(W / 2^n), filters[-1]]         encoder
conv_transpose(shape, filters)    [B, D] -> [B, H, W, filters[-1]]                                decoder
"""

import math
from collections.abc import Callable, Sequence

import keras

from tfvae.core.errors import InvalidInput, positive_integer

__all__ = ["conv", "conv_transpose", "mlp"]


def __dir__() -> list[str]:
    return __all__


Activation = str | Callable


def mlp(units: Sequence[int], activation: Activation = "relu") -> keras.Sequential:
    """Returns a multi-layer perceptron that flattens its input.

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
    return keras.Sequential([keras.layers.Flatten(), *hidden])


def conv(filters: Sequence[int], kernel_size: int = 3, activation: Activation = "relu") -> keras.Sequential:
    """Returns an encoder of convolutions, each of which halves height and width.

    Args:
        filters: channels of each convolution.
        kernel_size: height and width of each kernel, pixels.
        activation: any Keras activation.

    Returns:
        A Keras model `[B, H, W, C] -> [B, ceil(H / 2^n), ceil(W / 2^n), filters[-1]]` for n convolutions.

    Raises:
        InvalidInput: if a number of filters or the kernel size is not a whole number of at least 1.

    Example:
        >>> conv([32, 64])(keras.ops.zeros([3, 28, 28, 1])).shape
        TensorShape([3, 7, 7, 64])
    """
    return keras.Sequential([_convolution(keras.layers.Conv2D, n, kernel_size, activation) for n in filters])


def conv_transpose(
    event_shape: Sequence[int], filters: Sequence[int], kernel_size: int = 3, activation: Activation = "relu"
) -> keras.Sequential:
    """Returns a decoder of transposed convolutions, each of which doubles height and width up to the image's.

    Args:
        event_shape: the image `(H, W, C)`.
        filters: channels of each transposed convolution.
        kernel_size: height and width of each kernel, pixels.
        activation: any Keras activation.

    Returns:
        A Keras model `[B, D] -> [B, H, W, filters[-1]]`.

    Raises:
        InvalidInput: if `event_shape` is not an image, or a number of filters is not a whole number of at least 1.

    Example:
        >>> conv_transpose((28, 28, 1), [64, 32])(keras.ops.zeros([3, 16])).shape
        TensorShape([3, 28, 28, 32])
    """
    if len(event_shape) != 3 or not filters:
        raise InvalidInput(
            "an image shape (H, W, C) and at least one number of filters",
            f"event_shape={tuple(event_shape)}, filters={list(filters)}",
            "Use networks.mlp for data that are not images.",
        )
    height, width = event_shape[:2]
    factor = 2 ** len(filters)
    start = (math.ceil(height / factor), math.ceil(width / factor), positive_integer("filters", filters[0]))
    return keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(math.prod(start), activation=activation),
            keras.layers.Reshape(start),
            *[_convolution(keras.layers.Conv2DTranspose, n, kernel_size, activation) for n in filters],
            keras.layers.Cropping2D(((0, start[0] * factor - height), (0, start[1] * factor - width))),
        ]
    )


def _convolution(layer: type[keras.layers.Layer], filters: int, kernel_size: int, activation: Activation):
    return layer(
        positive_integer("filters", filters),
        positive_integer("kernel_size", kernel_size),
        strides=2,
        padding="same",
        activation=activation,
    )
