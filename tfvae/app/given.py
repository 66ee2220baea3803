"""What a person says that samples are given: the words `y=3` become the values of a model's condition.

y=3, y=cat        a label by its number, or by the word that the data had in its place
pose=0.5,-1       numbers
"""

import numpy as np

from tfvae.conditions import Labels
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Array, Config
from tfvae.vae import VAE


def given(vae: VAE, protocol: Config, text: str | None) -> Array | None:
    """Returns the condition, `[1, ...]`, that a person typed; `None` of a model that is told nothing.

    Args:
        vae: the model of a run, with at most one condition.
        protocol: of the run's data.
        text: NAME=VALUE, or `None`.

    Raises:
        InvalidInput: if it is missing or of another name, or the condition cannot have the value.
    """
    if not vae.conditions:
        if text is not None:
            name = text.partition("=")[0]
            remedy = f"Leave it out, or train a model that is told {name}: tfvae train SOURCE --condition {name}"
            raise InvalidInput("no --condition: this model has none", f"--condition {text}", remedy)
        return None
    ((own, part),) = vae.conditions.items()
    told = protocol.get("condition") or {}
    name, words = told.get("name", own), told.get("words") or []
    labels = isinstance(part, Labels)
    example = f"--condition {name}={words[0] if words else '0' if labels else ','.join(['0.5'] * _size(part.shape))}"
    kinds = f"0..{part.num_categories - 1}" if labels else f"{_size(part.shape)} finite numbers with commas between"
    kinds += f" or {', '.join(words)}" if words else ""
    expected = f"--condition {name}=VALUE, of {kinds}"
    if text is None:
        raise InvalidInput(f"{expected}, which this model is told", "none", f"Give for example {example}.")
    typed, _, value = text.partition("=")
    if typed not in (name, own) or not value:
        raise InvalidInput(expected, text, f"Give for example {example}.")
    found = words.index(value) if value in words else _number(value) if labels else _numbers(value, part.shape)
    if found is None or (labels and not 0 <= found < part.num_categories):
        raise InvalidInput(expected, text, f"Give for example {example}.")
    return np.array([found], np.int32 if labels else np.float32)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def _numbers(text: str, shape: tuple[int, ...]) -> Array | None:
    try:
        values = np.array([float(word) for word in text.split(",")], np.float32)
    except ValueError:
        return None
    return values.reshape(shape) if len(values) == _size(shape) and np.isfinite(values).all() else None
