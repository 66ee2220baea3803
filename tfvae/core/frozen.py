"""Frozen layers: which layers of a model are not trained, through configurations and whatever is made later.

    paths(model)  ->  ["posterior.head", "likelihood.scale"]  ->  freeze(copy, paths)

Keras keeps `trainable` in the configuration of each layer. Layers that a part makes itself when it is built, such as
its head, have no configuration, and are made after their part was frozen.
"""

from collections.abc import Iterable, Iterator

import keras

from tfvae.core import keras_private


def paths(layer: keras.layers.Layer) -> list[str]:
    """Returns the attributes, dotted, that lead to frozen layers; what is within a frozen layer is frozen with it."""
    found = []
    for name, inner in _inner(layer):
        found += [f"{name}.{path}" for path in paths(inner)] if inner.trainable else [name]
    return found


def freeze(layer: keras.layers.Layer, paths: Iterable[str]) -> None:
    """Freezes the layers at these paths; one that is not there any more is left out."""
    for path in paths:
        inner: keras.layers.Layer | None = layer
        for name in path.split("."):
            inner = dict(_inner(inner)).get(name) if inner is not None else None
        if inner is not None:
            inner.trainable = False


def spread(layer: keras.layers.Layer) -> None:
    """Freezes what was made within a layer after it was frozen: Keras does so for what was there before."""
    for inner in keras_private.all_layers(layer, include_self=False):
        if not inner.trainable:
            inner.trainable = True  # a value that is there already would not reach what is within
            inner.trainable = False


def _inner(layer: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yields the layers that public attributes hold, alone, in lists or dicts; Keras' own keep their flags."""
    if type(layer).__module__.startswith("keras."):
        return
    for name, value in vars(layer).items():
        if name.startswith("_"):
            continue
        if isinstance(value, keras.layers.Layer):
            yield name, value
        elif isinstance(value, list | tuple | dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}[{i}]", item) for i, item in items if isinstance(item, keras.layers.Layer))
