"""Networks of parts: how one is asked, and what one must give.

answered(network, inputs) = network(inputs)        without a network the inputs themselves, side by side
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfvae.core.context import Context, merged
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Shape, Tensor

Inputs = Tensor | Mapping[str, Tensor]


def checked_network(network: keras.layers.Layer | None) -> keras.layers.Layer | None:
    """Returns a network; raises `InvalidInput` for anything else."""
    if network is not None and not isinstance(network, keras.layers.Layer):
        remedy = "Pass for example tfvae.networks.mlp([200, 200])."
        raise InvalidInput("network to be a Keras model", f"{network!r}", remedy)
    return network


def answered(network: keras.layers.Layer | None, inputs: Inputs, training: bool = False) -> Any:
    """Returns what a network gives of inputs, `[N, ...]` each; without one the inputs side by side."""
    return side_by_side(inputs) if network is None else network(inputs, training=training)


def answered_zeros(owner: object, network: keras.layers.Layer | None, shapes: Mapping[str, Shape]) -> Any:
    """Returns what a network gives of one example of zeros; raises `InvalidInput` if it does not take it.

    Args:
        owner: whose network it is, for the message.
        network: a Keras model, which is built by this, or `None`.
        shapes: name to the shape of one value.
    """
    inputs = merged(Context({name: tf.zeros((1, *shape)) for name, shape in shapes.items()}), shapes).inputs
    try:
        return side_by_side(inputs) if network is None else network(inputs)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        reason = str(error).split("\x1b[1m")[-1].split("\x1b[0m")[0]  # what Keras prints in bold
        wanted = [str((None, *shape)) for shape in shapes.values()]
        several = f"a dict of {', '.join(shapes)}, of shapes" if len(wanted) > 1 else "inputs of shape"
        one = "Give it that input shape, or let it be built by the part."
        many = "Use a functional model with inputs of these names, or networks.mlp, which puts them side by side."
        raise InvalidInput(
            f"the network of {type(owner).__name__} to take {several} {', '.join(wanted)}",
            f"{network!r}, which answered: {reason.splitlines()[0]}",
            many if len(wanted) > 1 else one,
        ) from error


def side_by_side(inputs: Inputs) -> Tensor:
    """Returns one tensor as it is, several by name flattened and side by side, `[N, n]`, in the order of their names.

    Keras hands on a dict without its order.
    """
    if not isinstance(inputs, Mapping):
        return inputs
    flat = [tf.reshape(inputs[name], [-1, math.prod(inputs[name].shape[1:])]) for name in sorted(inputs)]
    return tf.concat([tf.cast(part, flat[0].dtype) for part in flat], axis=1)
