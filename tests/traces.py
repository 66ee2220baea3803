"""What a test may change for all that follow it, and how it is undone: settings of Keras, and what is registered."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf
from keras.src.saving import object_registration

from tfvae.recipes import RECIPES

SETTINGS = {  # how to set each, and how to read it
    keras.config.set_dtype_policy: keras.config.dtype_policy,
    keras.config.set_floatx: keras.config.floatx,
    keras.config.set_epsilon: keras.config.epsilon,
    keras.config.set_image_data_format: keras.config.image_data_format,
    keras.config.set_max_epochs: keras.config.max_epochs,
    keras.config.set_max_steps_per_epoch: keras.config.max_steps_per_epoch,
    tf.config.run_functions_eagerly: tf.config.functions_run_eagerly,
}
REGISTRIES = (
    keras.saving.get_custom_objects(),  # name to class
    object_registration.GLOBAL_CUSTOM_NAMES,  # class to name
    RECIPES,
)


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Puts every setting and registry back as it was."""
    settings = {write: read() for write, read in SETTINGS.items()}
    registries = [dict(registry) for registry in REGISTRIES]
    try:
        yield
    finally:
        for write, value in settings.items():
            if SETTINGS[write]() != value:
                write(value)
        for registry, before in zip(REGISTRIES, registries, strict=True):
            if registry != before:
                registry.clear()
                registry.update(before)
