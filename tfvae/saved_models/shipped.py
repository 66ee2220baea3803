"""A shipped model: its newest version, after its seal was compared, and its card.

saved_models/NAME/1             the SavedModel, by version
saved_models/NAME/README.md     the card: data, protocol, figures with errors, command, licence of the data
saved_models/NAME/figures.json  the same figures for a program
saved_models/NAME/seal.json     size and SHA-256 of each file
"""

import os
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfvae import files
from tfvae.core.errors import InvalidInput

FOLDER = Path(__file__).parents[2] / "saved_models"
CARD = "README.md"


def names(folder: str | os.PathLike | None = None) -> list[str]:
    """Returns the names of the models that are there.

    Args:
        folder: that holds them; by default `saved_models` of the clone that tfvae runs from.

    Raises:
        InvalidInput: if there is no such folder, as where tfvae was installed from a wheel.
    """
    where = FOLDER if folder is None else Path(folder)
    found = sorted(path.parent.name for path in where.glob(f"*/{CARD}"))
    if not found:
        remedy = "The wheel does not carry them: clone tfvae, or copy saved_models/ of it and pass folder=."
        raise InvalidInput(f"trained models in {where}", "none", remedy)
    return found


def load(name: str, folder: str | os.PathLike | None = None) -> Any:
    """Returns a trained model as `tf.saved_model.load` gives it; its `signatures` are those of `tfvae.export`.

    Args:
        name: one of `names()`.
        folder: as for `names`.

    Raises:
        InvalidInput: if there is no model of that name, or its files are not those that were shipped.

    Example:
        >>> served = tfvae.saved_models.load("digits")
        >>> served.signatures["sample"](num_samples=tf.constant(16), seed=tf.constant(0))["mean"].shape
        TensorShape([16, 8, 8, 1])
    """
    where = _place(name, folder)
    changed = files.damaged(where) if files.is_sealed(where) else [files.SEAL]
    if changed:
        remedy = f"Restore them: git checkout -- {where}"
        raise InvalidInput(f"the files of {where} as they were shipped", f"changes in {', '.join(changed)}", remedy)
    version = max((child for child in where.iterdir() if child.name.isdecimal()), key=lambda child: int(child.name))
    return tf.saved_model.load(str(version))


def card(name: str, folder: str | os.PathLike | None = None) -> str:
    """Returns the card of a trained model, Markdown.

    Args:
        name: one of `names()`.
        folder: as for `names`.

    Raises:
        InvalidInput: if there is no model of that name.
    """
    return (_place(name, folder) / CARD).read_text()


def _place(name: str, folder: str | os.PathLike | None) -> Path:
    known = names(folder)
    if name not in known:
        raise InvalidInput(f"one of {', '.join(known)}", f"{name!r}", "Name one of them.")
    return (FOLDER if folder is None else Path(folder)) / name
