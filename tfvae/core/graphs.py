"""Functions as graphs: compiled when they are first called, and kept where they are called again.

compiled(f)(*tensors) = f(*tensors)        compiled_for(model, f, **settings)(*tensors) = f(model, *tensors, **settings)
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfvae.core import keras_private


def compiled(function: Callable, **options: Any) -> Callable:
    """Returns a `tf.function` that is called seldom, which TensorFlow would take for too many traces, and warn.

    Args:
        function: of tensors; it is traced once for each shape of them.
        **options: of `tf.function`.
    """
    return keras_private.called_seldom(tf.function(function, **options))


def compiled_for(model: Any, function: Callable, reduce_retracing: bool = False, **settings: Any) -> Callable:
    """Returns `function(model, ..., **settings)` as a graph, made once for each setting; it goes with the model.

    Args:
        model: the Keras model whose weights the function reads.
        function: of the model and tensors.
        reduce_retracing: a second shape makes a graph of any shape, a third one then none.
        **settings: Python values, which have no part in the tensors' shapes.
    """
    graphs = vars(model).setdefault("_graphs", {})  # not by setattr, with which Keras would track it
    key = function, *settings.items()
    if key not in graphs:
        bound = functools.partial(function, model, **settings)
        graphs[key] = compiled(bound, reduce_retracing=reduce_retracing, autograph=False)
    return graphs[key]
