"""Configurations back into objects: the one way in which parts, objectives and flows are read from a file."""

from typing import Any

import keras


def deserialized(value: Any) -> Any:
    """Returns the object that a serialised Keras object describes, the list of those in a list, or the value itself."""
    if isinstance(value, list):
        return [deserialized(item) for item in value]
    serialized = isinstance(value, dict) and "class_name" in value
    return keras.saving.deserialize_keras_object(value) if serialized else value


def made(kind: type, config: dict[str, Any]) -> Any:
    """Returns `kind(**config)`, every argument that is serialised made an object first."""
    return kind(**{name: deserialized(value) for name, value in config.items()})
