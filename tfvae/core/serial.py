"""Configurations back into objects: the one way in which parts, objectives and flows are read from a file."""

from typing import Any, TypeVar

import keras

from tfvae.core.types import Config

T = TypeVar("T")


def deserialized(value: object) -> Any:
    """Returns the object that a serialised Keras object describes, the list of those in a list, or the value itself."""
    if isinstance(value, list):
        return [deserialized(item) for item in value]
    serialized = isinstance(value, dict) and "class_name" in value
    return keras.saving.deserialize_keras_object(value) if serialized else value


def made(kind: type[T], config: Config) -> T:
    """Returns `kind(**config)`, every argument that is serialised made an object first."""
    return kind(**{name: deserialized(value) for name, value in config.items()})
