"""The last layer of every part: from features to the named groups of raw numbers that the part asked for.

Head    groups = split(W features + b)     after a convolution channel by channel, else of the flattened features
Named   groups = what the network gives    of a part with head=False
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae.core.errors import InvalidInput
from tfvae.core.types import BatchShape, Shape


class Head(keras.layers.Layer):
    """One dense layer from features to named groups of numbers, float32.

    Features `[B, *space, C]` that already have the spatial shape of every group are mapped channel by channel (after a
    convolution), all others are flattened first.

    Args:
        shapes: name to shape of each group, in order.

    Attributes:
        space: the spatial shape over which a bias is shared; empty unless mapped channel by channel.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.shapes = dict(shapes)

    def build(self, features_shape: BatchShape) -> None:
        """Creates the kernel for features of shape `features_shape`."""
        _, *sizes = features_shape
        space = tuple(sizes[:-1])
        fits = all(len(shape) > len(space) and shape[: len(space)] == space for shape in self.shapes.values())
        self.space = space if fits else ()
        self.sizes = [math.prod(shape[len(self.space) :]) for shape in self.shapes.values()]
        self.dense = keras.layers.Dense(sum(self.sizes), dtype="float32", name="dense")
        self.dense.build(features_shape if self.space else (None, math.prod(sizes)))

    def call(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the groups, name to `[B, *shape]`."""
        if not self.space and features.shape.rank != 2:
            features = tf.reshape(features, [-1, math.prod(features.shape[1:])])
        groups = tf.split(self.dense(features), self.sizes, axis=-1)
        return {
            name: group if group.shape[1:] == shape else tf.reshape(group, [-1, *shape])
            for (name, shape), group in zip(self.shapes.items(), groups, strict=True)
        }

    def set_biases(self, biases: Mapping[str, np.ndarray]) -> None:
        """Sets what the groups are where the features are zero; groups that are not named keep theirs.

        Args:
            biases: name to value, which broadcasts to the group's shape with ones in place of `space`.
        """
        self.dense.bias.assign(self._with(biases, self.dense.bias.numpy()))

    def set_reach(self, reach: Mapping[str, np.ndarray]) -> None:
        """Sets how far the groups vary with features of order one, at first and where the kernel's size says so.

        A column of the kernel gets the size that Glorot's initialisation has, times its reach; groups that are not
        named, and columns of zeros, keep theirs.

        Args:
            reach: name to value, which broadcasts as a bias does.
        """
        kernel = self.dense.kernel.numpy().astype(np.float64)
        size = np.sqrt(np.mean(np.square(kernel), axis=0))
        wanted = self._with({name: math.sqrt(2 / sum(kernel.shape)) * value for name, value in reach.items()}, size)
        self.dense.kernel.assign(kernel * np.divide(wanted, size, out=np.ones_like(size), where=size > 0))

    def _with(self, values: Mapping[str, np.ndarray], present: np.ndarray) -> np.ndarray:
        """Returns numbers of all outputs, `[sum of sizes]`, with those of some groups replaced."""
        parts = np.split(present, np.cumsum(self.sizes)[:-1])
        for index, (name, shape) in enumerate(self.shapes.items()):
            if name in values:
                ones = (1,) * len(self.space) + shape[len(self.space) :]
                parts[index] = np.broadcast_to(values[name], ones).reshape(-1)
        return np.concatenate(parts)


class Named:
    """In the place of a head where the network itself gives the groups: a dict of them, or one tensor if there is one.

    Args:
        owner: the part, for messages.
        shapes: name to shape of each group.
    """

    space: Shape = ()

    def __init__(self, owner: object, shapes: Mapping[str, Shape]) -> None:
        self.owner, self.shapes = type(owner).__name__, dict(shapes)

    def build(self, outputs: Any) -> None:
        """Checks what the network gave of one example.

        Raises:
            InvalidInput: if names or shapes are not those of the groups.
        """
        received = {name: tuple(v.shape[1:]) for name, v in self._by_name(outputs).items()}
        if received != self.shapes:
            remedy = f"Return {{{', '.join(f'{name!r}: ...' for name in self.shapes)}}}, or leave head=False out."
            expected = f"the network of {self.owner} with head=False to return {_described(self.shapes)}"
            raise InvalidInput(expected, _described(received), remedy)

    def __call__(self, outputs: Any) -> dict[str, tf.Tensor]:
        """Returns the groups, name to `[N, *shape]`, float32."""
        return {name: tf.cast(value, tf.float32) for name, value in self._by_name(outputs).items()}

    def set_biases(self, biases: Mapping[str, np.ndarray]) -> None:
        """Refuses: a network that ends in the groups has no head that could be set.

        Raises:
            InvalidInput: always.
        """
        remedy = "Leave head=False out, or start the network's last layer yourself."
        raise InvalidInput(f"a {self.owner} with a head, which adapt sets", "head=False", remedy)

    set_reach = set_biases

    def _by_name(self, outputs: Any) -> dict[str, Any]:
        if isinstance(outputs, Mapping):
            return dict(outputs)
        names = list(self.shapes) if len(self.shapes) == 1 else ["one tensor"]
        return dict(zip(names, [outputs], strict=True))


def _described(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name} of shape {('N', *shape)}" for name, shape in shapes.items())
