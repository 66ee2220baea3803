"""Convolutional networks for images `[B, H, W, C]` and sequences `[B, L, C]`.

conv             h_k = act(K_k * h_{k-1} + b_k),    each of n steps halves the space: L -> ceil(L / 2^n)
conv_transpose   h_k = act(K_k^T * h_{k-1} + b_k),  each doubles it, from ceil(L / 2^n) up to L
"""

import math
from collections.abc import Callable, Sequence

import keras

from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.networks.dense import Activation, SideBySide

Step = Callable[[int], list[keras.layers.Layer]]  # from a number of channels to the layers of one step
DOWN = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D}
UP = {1: keras.layers.Conv1DTranspose, 2: keras.layers.Conv2DTranspose}
CROP = {1: keras.layers.Cropping1D, 2: keras.layers.Cropping2D}


def conv(
    filters: Sequence[int], kernel_size: int = 3, activation: Activation = "relu", rank: int = 2
) -> keras.Sequential:
    """Returns an encoder of convolutions, each of which halves height and width, or the length of a sequence.

        h_k = act(K_k * h_{k-1} + b_k),    stride 2

    Args:
        filters: channels of each convolution.
        kernel_size: height and width of each kernel, pixels, or its length, steps.
        activation: any Keras activation.
        rank: dimensions of the space: 2 for images, 1 for sequences.

    Returns:
        A Keras model `[B, H, W, C] -> [B, ceil(H / 2^n), ceil(W / 2^n), filters[-1]]` for n convolutions, or
        `[B, L, C] -> [B, ceil(L / 2^n), filters[-1]]`.

    Raises:
        InvalidInput: if a number of filters or the kernel size is not a whole number of at least 1, or `rank` is not 1
            or 2.

    Example:
        >>> conv([32, 64])(keras.ops.zeros([3, 28, 28, 1])).shape
        TensorShape([3, 7, 7, 64])
        >>> conv([32, 64], rank=1)(keras.ops.zeros([3, 100, 2])).shape
        TensorShape([3, 25, 64])
    """
    return keras.Sequential([strided(DOWN[checked_rank(rank)], n, kernel_size, activation) for n in filters])


def conv_transpose(
    event_shape: Sequence[int], filters: Sequence[int], kernel_size: int = 3, activation: Activation = "relu"
) -> keras.Sequential:
    """Returns a decoder of transposed convolutions, each of which doubles the space up to the event's.

        h_k = act(K_k^T * h_{k-1} + b_k),    stride 2

    Args:
        event_shape: the image `(H, W, C)` or the sequence `(L, C)`.
        filters: channels of each transposed convolution.
        kernel_size: height and width of each kernel, pixels, or its length, steps.
        activation: any Keras activation.

    Returns:
        A Keras model `[B, D] -> [B, H, W, filters[-1]]`, or `[B, D] -> [B, L, filters[-1]]`.

    Raises:
        InvalidInput: if `event_shape` is not that of an image or a sequence, or a number of filters is not a whole
            number of at least 1.

    Example:
        >>> conv_transpose((28, 28, 1), [64, 32])(keras.ops.zeros([3, 16])).shape
        TensorShape([3, 28, 28, 32])
        >>> conv_transpose((100, 2), [64, 32])(keras.ops.zeros([3, 16])).shape
        TensorShape([3, 100, 32])
    """
    up = UP.get(len(event_shape) - 1)
    return decoder(event_shape, filters, activation, lambda n: [strided(up, n, kernel_size, activation)])


def decoder(
    event_shape: Sequence[int],
    filters: Sequence[int],
    activation: Activation,
    step: Step,
    last: Sequence[keras.layers.Layer] = (),
) -> keras.Sequential:
    """Returns a dense layer to the smallest space, steps that double it, and the crop to the event's space.

    Args:
        event_shape: the image `(H, W, C)` or the sequence `(L, C)`.
        filters: channels of each step.
        activation: of the dense layer.
        step: makes the layers of one step.
        last: layers after the steps.

    Raises:
        InvalidInput: if `event_shape` is not that of an image or a sequence, or a number of filters is not a whole
            number of at least 1.
    """
    space = tuple(event_shape[:-1])
    if len(space) not in UP or not filters:
        raise InvalidInput(
            "an image shape (H, W, C) or a sequence shape (L, C), and at least one number of filters",
            f"event_shape={tuple(event_shape)}, filters={list(filters)}",
            "Use networks.mlp for data that are neither.",
        )
    factor = 2 ** len(filters)
    smallest = tuple(math.ceil(size / factor) for size in space)
    start = (*smallest, positive_integer("filters", filters[0]))
    crop = tuple((0, few * factor - size) for few, size in zip(smallest, space, strict=True))
    return keras.Sequential(
        [
            SideBySide(),
            keras.layers.Dense(math.prod(start), activation=activation),
            keras.layers.Reshape(start),
            *(layer for n in filters for layer in step(n)),
            *last,
            CROP[len(space)](crop if len(space) > 1 else crop[0]),
        ]
    )


def strided(
    kind: type[keras.layers.Layer], filters: int, kernel_size: int, activation: Activation | None
) -> keras.layers.Layer:
    """Returns a convolution of stride 2, of one of Keras' classes."""
    return kind(
        positive_integer("filters", filters),
        positive_integer("kernel_size", kernel_size),
        strides=2,
        padding="same",
        activation=activation,
    )


def checked_rank(rank: int) -> int:
    """Returns the number of dimensions of a space; raises `InvalidInput` unless it is 1 or 2."""
    if rank not in DOWN:
        raise InvalidInput("rank 1 or 2", f"rank={rank!r}", "Pass 2 for images (H, W, C), 1 for sequences (L, C).")
    return rank
