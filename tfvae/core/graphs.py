"""Functions as graphs: compiled when they are first called, and kept where they are called again.

compiled(f)(*tensors) = f(*tensors)        compiled_for(model, f, **settings)(*tensors) = f(model, *tensors, **settings)
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfvae.core import keras_private

if TYPE_CHECKING:
    from tfvae.core.model import Model


def compiled(function: Callable, **options: Any) -> Callable:
    """Returns a `tf.function` that is called seldom, which TensorFlow would take for too many traces, and warn.

    Args:
        function: of tensors; it is traced once for each shape of them.
        **options: of `tf.function`.
    """
    return keras_private.called_seldom(tf.function(function, **options))


class Same:
    """An object that equals another one only if it is the same."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        """Tells whether both are of one object."""
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        """Returns the hash of the object's identity."""
        return id(self.value)


class Graphs:
    """The graphs that were made for one model, as long as it holds what they were made with.

    A model holds them in its attribute `graphs`. As a plain object they are neither tracked nor saved by Keras, and a
    copy of the model, which Keras makes of its configuration and its weights, starts with none.
    """

    def __init__(self) -> None:
        self.made: dict[tuple, Callable] = {}
        self.held: tuple = ()

    def get(self, key: tuple, held: tuple, make: Callable[[], Callable]) -> Callable:
        """Returns the graph of this key; all are forgotten when the model holds something else than before.

        Args:
            key: what tells a graph from the others of the model.
            held: the model's layers and constants, as they are now.
            make: makes the graph.
        """
        if self.held != held:
            self.made, self.held = {}, held
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]


def compiled_for(
    model: "Model", function: Callable, /, reduce_retracing: bool = False, tensors: Any = (), **settings: Any
) -> Callable:
    """Returns `function(model, ..., **settings)` as a graph, made once for each setting; it goes with the model.

    A graph keeps the numbers that `model.constants` names, and what preprocessing layers hold beside their weights
    (such as the mean of a `Normalization`): where one of them is another, the graphs are made again.

    Args:
        model: whose weights the function reads; where a part of it is replaced, the graph is made anew.
        function: of the model and tensors.
        reduce_retracing: a second shape makes a graph of any shape, a third one then none.
        tensors: what it is called with, where its ranks may differ: each has a graph of its own, since a graph for
            `[B, D]` and `[S, B, D]` alike would not know the rank.
        **settings: Python values, which have no part in the tensors' shapes.
    """
    bound = functools.partial(function, model, **settings)
    make = functools.partial(compiled, bound, reduce_retracing=reduce_retracing, autograph=False)
    layers = [layer for outer in model.preprocessing for layer in keras_private.all_layers(outer)]
    kept = tuple(Same(value) for layer in layers for name, value in vars(layer).items() if not _is_of_keras(name))
    held = (keras_private.layers_now(model), model.constants, kept)
    ranks = tuple(np.ndim(tensor) for tensor in tf.nest.flatten(tensors))
    return model.graphs.get((function, ranks, *settings.items()), held, make)


def _is_of_keras(name: str) -> bool:
    """Tells whether an attribute of a layer changes when it is first called, which makes no other layer of it."""
    return name.startswith("_") or name == "built"
