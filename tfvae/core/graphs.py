"""Functions as graphs: compiled when they are first called, and kept where they are called again.

compiled(f)(*tensors) = f(*tensors)        compiled_for(model, f, **settings)(*tensors) = f(model, *tensors, **settings)
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
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


class Graphs:
    """The graphs that were made for one model, as long as its layers are those that they were made with.

    A model holds them in its attribute `graphs`. As a plain object they are neither tracked nor saved by Keras, and a
    copy of the model, which Keras makes of its configuration and its weights, starts with none.
    """

    def __init__(self) -> None:
        self.made: dict[tuple, Callable] = {}
        self.layers: tuple[keras.layers.Layer, ...] = ()

    def get(self, key: tuple, layers: tuple[keras.layers.Layer, ...], make: Callable[[], Callable]) -> Callable:
        """Returns the graph of this key; all are forgotten when the model's layers are others than before.

        Args:
            key: what tells a graph from the others of the model.
            layers: of the model, as they are now.
            make: makes the graph.
        """
        if self.layers != layers:
            self.made, self.layers = {}, layers
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]


def compiled_for(model: "Model", function: Callable, reduce_retracing: bool = False, **settings: Any) -> Callable:
    """Returns `function(model, ..., **settings)` as a graph, made once for each setting; it goes with the model.

    Args:
        model: whose weights the function reads; where a part of it is replaced, the graph is made anew.
        function: of the model and tensors.
        reduce_retracing: a second shape makes a graph of any shape, a third one then none.
        **settings: Python values, which have no part in the tensors' shapes.
    """
    bound = functools.partial(function, model, **settings)
    make = functools.partial(compiled, bound, reduce_retracing=reduce_retracing, autograph=False)
    return model.graphs.get((function, *settings.items()), keras_private.layers_now(model), make)
