"""Encoder and decoder by one word, as the command line and tables choose them.

mlp         dense layers, relu
mlp-tanh    dense layers, tanh: smooth, and better where rows are few
residual    dense layers, normalised, each added to what it gets
conv        convolutions that halve an image or a sequence, and others that double it

The decoder's layers have the encoder's sizes in reverse.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras

from tfvae.networks.convolutions import conv, conv_transpose
from tfvae.networks.dense import mlp, residual_mlp


class Pair(NamedTuple):
    """What a word means.

    Attributes:
        sizes: units or filters of the encoder's layers where none are given.
        make: makes encoder and decoder from the event's shape and such sizes.
    """

    sizes: tuple[int, ...]
    make: Callable[[tuple[int, ...], Sequence[int]], tuple[keras.Model, keras.Model]]


PAIRS = {
    "mlp": Pair((200, 200), lambda shape, sizes: (mlp(sizes), mlp(sizes[::-1]))),
    "mlp-tanh": Pair((200, 200), lambda shape, sizes: (mlp(sizes, "tanh"), mlp(sizes[::-1], "tanh"))),
    "residual": Pair((500, 500), lambda shape, sizes: (residual_mlp(sizes), residual_mlp(sizes[::-1]))),
    "conv": Pair((32, 64), lambda shape, sizes: (conv(sizes), conv_transpose(shape, sizes[::-1]))),
}
