"""The networks of a ladder: from x up to the top layer, and from there down to x.

    h_1 = encoder(x)            h_{l+1} = up_l(h_l)                         what the posterior of z_l is given
    d_l = down_l(z_{l+1}, d_{l+1}), at the top of z_L alone                 what the prior of z_l is given
    features of x = decoder(z_1, d_1)

Each network downwards sees the state above beside z, so that what was decided there need not be told again.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.network import Inputs
from tfvae.core.types import BatchShape, Config
from tfvae.networks.convolutions import CROP, UP, strided
from tfvae.networks.dense import Activation, Shapes, mlp
from tfvae.networks.residual import Residual


class Path(NamedTuple):
    """The networks of a ladder of L layers, those between layers from x upwards.

    Attributes:
        encoder: from x to h_1.
        decoder: from z_1 and d_1 to features of x.
        up: from h_l to h_{l+1}, L - 1 of them.
        down: from z_{l+1} and d_{l+1} to d_l, L - 1 of them.
    """

    encoder: keras.layers.Layer
    decoder: keras.layers.Layer
    up: Sequence[keras.layers.Layer]
    down: Sequence[keras.layers.Layer]


def dense_path(units: Sequence[int], depth: int = 2, activation: Activation = "leaky_relu") -> Path:
    """Returns multi-layer perceptrons for a ladder, all of one layer as wide.

    Args:
        units: width at each layer of the ladder, from x upwards.
        depth: hidden layers of each network.
        activation: any Keras activation.

    Raises:
        InvalidInput: if `units` is empty, or a number is not a whole number of at least 1.

    Reference:
        Sonderby et al. 2016, "Ladder Variational Autoencoders": 512, 256, 128, 64 and 64 units.

    Example:
        >>> [len(networks) for networks in dense_path([512, 256, 128])[2:]]
        [2, 2]
    """
    check_layers(units)

    def network(width: int) -> keras.Sequential:
        return mlp([width] * positive_integer("depth", depth), activation)

    below, above = units[:-1], units[1:]
    return Path(network(units[0]), network(units[0]), [network(n) for n in above], [network(n) for n in below])


def conv_path(
    event_shape: Sequence[int],
    filters: Sequence[int] = (64, 64, 64),
    stem: Sequence[int] = (32,),
    blocks: int = 1,
    kernel_size: int = 3,
    activation: Activation = "elu",
) -> Path:
    """Returns residual convolutions for a ladder of images, each layer of half the size of the one below.

        h <- h + K'' * act(K' * act(h) + b') + b'',    K'' zero at first

    Args:
        event_shape: the image `(H, W, C)`.
        filters: channels at each layer of the ladder, from x upwards.
        stem: channels of the convolutions that halve the image before the first layer, which halves it again.
        blocks: residual blocks in each network.
        kernel_size: height and width of each kernel, pixels.
        activation: any Keras activation.

    Raises:
        InvalidInput: if `event_shape` is not that of an image, `filters` is empty, or a size is not a whole number of
            at least 1.

    Reference:
        Sonderby et al. 2016, "Ladder Variational Autoencoders"; He, Zhang, Ren and Sun 2016, "Identity Mappings in Deep
        Residual Networks"; Zhang, Dauphin and Ma 2019, "Fixup Initialization" (the zeros).

    Example:
        >>> path = conv_path((28, 28, 1))
        >>> path.encoder(keras.ops.zeros([3, 28, 28, 1])).shape
        TensorShape([3, 7, 7, 64])
    """
    if len(event_shape) != 3:
        remedy = "Use networks.dense_path for data that are no images."
        raise InvalidInput("an image shape (H, W, C)", f"event_shape={tuple(event_shape)}", remedy)
    check_layers(filters)
    kind = keras.layers.Conv2D

    def residual(channels: int) -> list[keras.layers.Layer]:
        def block() -> Residual:
            act, again = (keras.layers.Activation(activation) for _ in range(2))
            first = kind(channels, kernel_size, padding="same")
            return Residual(
                [act, first, again, kind(channels, kernel_size, padding="same", kernel_initializer="zeros")]
            )

        return [block() for _ in range(positive_integer("blocks", blocks))]

    def halved(channels: int) -> list[keras.layers.Layer]:
        return [strided(kind, channels, kernel_size, None), *residual(channels)]

    def space(steps: int) -> tuple[int, ...]:
        return tuple(math.ceil(size / 2**steps) for size in event_shape[:2])

    def down(layer: int) -> list[keras.layers.Layer]:
        return [Onto(space(len(stem) + layer + 1), filters[layer]), *residual(filters[layer])]

    widths = [max([*stem, *filters][0] // 2, 1), *stem]  # of the image, and of what lies between it and the first layer
    doubled = [strided(UP[2], n, kernel_size, activation) for n in reversed(widths)]
    few = zip(space(len(widths)), event_shape, strict=False)
    crop = tuple((0, size * 2 ** len(widths) - wanted) for size, wanted in few)
    return Path(
        encoder=keras.Sequential([*(strided(kind, n, kernel_size, activation) for n in stem), *halved(filters[0])]),
        decoder=keras.Sequential([*down(0), keras.layers.Activation(activation), *doubled, CROP[2](crop)]),
        up=[keras.Sequential(halved(n)) for n in filters[1:]],
        down=[keras.Sequential(down(layer)) for layer in range(len(filters) - 1)],
    )


def check_layers(sizes: Sequence[int]) -> None:
    """Raises `InvalidInput` unless a ladder has layers."""
    if not sizes:
        raise InvalidInput("a ladder of at least one layer", "none", "Give one size for each layer.")


@keras.saving.register_keras_serializable(package="tfvae")
class Onto(keras.layers.Layer):
    """Brings inputs onto one space and adds them: a vector by a dense layer, a smaller map by a convolution, doubled.

        h = sum_i enlarged(K_i * input_i + b_i)

    Args:
        space: height and width.
        filters: channels C.
    """

    def __init__(self, space: Sequence[int], filters: int, **kwargs: Config) -> None:
        super().__init__(**kwargs)
        self.space, self.filters = tuple(space), positive_integer("filters", filters)

    def build(self, input_shape: Shapes) -> None:
        """Creates the weights; idempotent."""
        if self.built:
            return
        shapes = input_shape if isinstance(input_shape, Mapping) else {"": input_shape}
        self.maps = [self._map(shapes[name]) for name in sorted(shapes)]

    def call(self, inputs: Inputs) -> tf.Tensor:
        """Returns the sum, `[B, *space, C]`, of one input or of several by name."""
        values = [inputs[name] for name in sorted(inputs)] if isinstance(inputs, Mapping) else [inputs]
        return sum(layer(value) for layer, value in zip(self.maps, values, strict=True))

    def _map(self, shape: BatchShape) -> keras.Sequential:
        height, width = self.space
        if len(shape) == 2:
            layers = [
                keras.layers.Dense(height * width * self.filters),
                keras.layers.Reshape((*self.space, self.filters)),
            ]
        else:
            factor = [-(-size // small) for size, small in zip(self.space, shape[1:], strict=False)]
            crop = tuple(
                (0, small * times - size) for size, small, times in zip(self.space, shape[1:], factor, strict=False)
            )
            layers = [
                keras.layers.Conv2D(self.filters, 3, padding="same"),
                keras.layers.UpSampling2D(factor),
                CROP[2](crop),
            ]
        made = keras.Sequential(layers)
        made.build(shape)
        return made

    def compute_output_shape(self, input_shape: Shapes) -> BatchShape:
        """Returns the shape of the sum."""
        first = next(iter(input_shape.values())) if isinstance(input_shape, Mapping) else input_shape
        return (first[0], *self.space, self.filters)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "space": list(self.space), "filters": self.filters}
