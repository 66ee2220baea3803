"""What may be written: a file that can be read again, in a form that holds the model, with weights worth keeping."""

import os

import keras
import numpy as np

from tfvae.core.errors import InvalidInput


def check_saved(path: str | os.PathLike, model: keras.Model) -> None:
    """Raises `InvalidInput` for a file of which no model could be read again, or weights that nobody wants to read."""
    if str(path).endswith((".h5", ".hdf5")):
        remedy = 'Use the suffix .keras; weights alone go to "x.weights.h5" by save_weights.'
        raise InvalidInput("a file in Keras' own format", f"{path}, which could not be loaded again", remedy)
    check_finite(model)


def check_finite(model: keras.Model) -> None:
    """Raises `InvalidInput` if a weight of the model is not finite."""
    bad = [weight.path for weight in model.weights if not np.isfinite(weight.numpy()).all()]
    if bad:
        remedy = "Train again from the last good file; tfvae.callbacks.FirstAid() stops before a weight is lost."
        raise InvalidInput("weights that are finite", f"nan or infinity in {', '.join(bad[:3])}", remedy)


def check_format(name: str) -> None:
    """Raises `InvalidInput` for a form of export other than a SavedModel."""
    if name != "tf_saved_model":
        remedy = (
            "Export a SavedModel, and convert its signatures encode, decode and reconstruct "
            f'(docs/guides/serving.md, "On a phone"); sample, elbo and log_prob draw noise from a seed, which {name} '
            "cannot hold."
        )
        raise InvalidInput('format="tf_saved_model"', f"format={name!r}", remedy)
