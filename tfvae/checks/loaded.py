"""What may be read: a model file that asks for no more memory than a file of its size could fill.

bytes of all variables <= max(256 MiB, 100 * bytes of the file)
"""

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfvae import files
from tfvae.core.errors import InvalidInput


def load_model(path: str | os.PathLike) -> keras.Model:
    """Returns the model in a `.keras` file.

    Args:
        path: the file.

    Raises:
        InvalidInput: if it cannot be read, runs code of its own, or describes a model that is far bigger than the file.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            files.check_expansion(path, archive)
        with variables_of_at_most(files.most_bytes(path)):
            return keras.saving.load_model(path)
    except Exception as error:  # Keras raises many types for a damaged or foreign file
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise InvalidInput(f"a whole model at {path}", reason, "Restore the file from a copy.") from error


@contextlib.contextmanager
def variables_of_at_most(num_bytes: int) -> Iterator[None]:
    """Raises `InvalidInput` where the variables that are made within take more, before memory is taken for them."""
    left = num_bytes

    def create(next_creator: Callable, **given: Any) -> tf.Variable:
        nonlocal left
        left -= _size(given["initial_value"])
        if left < 0:
            raise InvalidInput(f"a model of at most {num_bytes} bytes", "a bigger one", "Make its layers smaller.")
        return next_creator(**given)

    with tf.variable_creator_scope(create):
        yield


def _size(value: Any) -> int:
    """Returns the bytes of an initial value; one that is a function is traced and not run."""
    if callable(value):
        value = tf.function(value).get_concrete_function().structured_outputs
    value = value if hasattr(value, "dtype") and hasattr(value, "shape") else tf.convert_to_tensor(value)
    return tf.TensorShape(value.shape).num_elements() * tf.as_dtype(value.dtype).size
