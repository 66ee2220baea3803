"""What is known of latents: labels by name, whole numbers of a one-hot latent or the values of a real one.

labels = {"y": [B]}             0 ... K - 1, -1 where it is not known
labels = {"z": [B, *latent]}    NaN where it is not known
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfvae.core.errors import InvalidInput
from tfvae.core.reading import RowBatches
from tfvae.core.types import Array, Given, Tensor

if TYPE_CHECKING:
    from tfvae.core.model import Model
    from tfvae.posteriors import Posterior


def takes_labels(vae: "Model") -> dict[str, "Posterior"]:
    """Returns the parts whose latent may be told, by name."""
    return {name: part for name, part in vae.latents.posterior.items() if part.label_shape is not None}


def classes(vae: "Model") -> dict[str, "Posterior"]:
    """Returns those of them that are one of K classes."""
    return {name: part for name, part in takes_labels(vae).items() if part.space.discrete}


def labelled(vae: "Model", labels: Given, x: Array) -> dict[str, Array]:
    """Returns labels by name, `[B]` or `[B, *latent]` each.

    Args:
        vae: the model.
        labels: a dict of arrays by name, or an array where one latent alone is one of K classes.
        x: the examples that they belong to.

    Raises:
        InvalidInput: for a name that is not a latent which can be told, or a wrong type, shape or number of rows.
    """
    parts, own = takes_labels(vae), list(classes(vae))
    example = f"labels={{{(own or list(parts) or ['y'])[0]!r}: y}}"
    if not parts:
        remedy = "Leave them out, or make a model with posteriors.Categorical(1, K, enumerated=True) in a tfvae.Joint."
        raise InvalidInput("no labels: no latent of this model can be told", "labels", remedy)
    if not isinstance(labels, Mapping):
        if len(own) != 1:
            raise InvalidInput(f"labels by name: {', '.join(parts)}", "one array", f"Pass {example}.")
        labels = {own[0]: labels}
    unknown = [str(name) for name in labels if name not in parts]
    if unknown:
        told = ", ".join(parts)
        raise InvalidInput(f"labels of latents that can be told: {told}", f"{unknown[0]!r}", f"Pass {example}.")
    return {name: _values(name, value, parts[name], x) for name, value in labels.items()}


def _values(name: str, value: Given, part: "Posterior", x: Array) -> Array:
    value = value if tf.is_tensor(value) else np.asarray(value)
    kind = np.dtype(value.dtype.as_numpy_dtype if tf.is_tensor(value) else value.dtype).kind
    shape, unknown = part.label_shape, "-1" if part.space.discrete else "NaN"
    expected = f"labels of {name} of shape {('B', *shape)}, {unknown} where they are not known"
    if kind not in "biuf":
        remedy = f"Number them: np.unique(values, return_inverse=True)[1], and {unknown} where they are not known."
        raise InvalidInput(expected, f"dtype {value.dtype}", remedy)
    if tf.is_tensor(value) and value.shape.rank is None:
        return tf.ensure_shape(value, (None, *shape))
    if shape == () and tuple(value.shape[1:]) == (1,):
        value = value[:, 0]
    if len(value.shape) != len(shape) + 1 or any(
        have is not None and have != want for have, want in zip(value.shape[1:], shape, strict=True)
    ):
        one_hot = tuple(value.shape[1:]) == part.latent_shape[-1:] and shape == ()
        remedy = "Pass whole numbers: np.argmax(labels, axis=1)." if one_hot else "Pass one label for each example."
        raise InvalidInput(expected, f"shape {tuple(value.shape)}", remedy)
    if None not in (value.shape[0], x.shape[0]) and value.shape[0] != x.shape[0]:
        remedy = f"Pass one for each example, {unknown} where it is not known."
        raise InvalidInput(f"labels of {name} with {x.shape[0]} rows, as x has", f"{value.shape[0]}", remedy)
    return value


def check_labels(vae: "Model", labels: Mapping[str, Array], first_row: int = 0) -> None:
    """Raises `InvalidInput` for values that labels cannot have, naming the first one and its row."""
    for name, value in labels.items():
        part = vae.latents.posterior[name]
        fine = np.asarray(part.good_labels(tf.cast(value, tf.float32)))
        if not fine.all():
            row = int(np.argmin(fine))
            received = np.asarray(value)[row]
            shown = f"{float(received):g}" if received.ndim == 0 else f"{received.tolist()}"
            if part.space.discrete:
                wanted = f"0 to {part.latent_shape[-1] - 1}, or -1 where it is not known"
                remedy = "Labels count from 0: np.unique(values, return_inverse=True)[1]."
            else:
                wanted = f"{part.space.description}, or NaN in all of a row where it is not known"
                remedy = "Give all of a row or nothing of it."
            raise InvalidInput(f"labels of {name} from {wanted}", f"{shown} in row {first_row + row}", remedy)


def good_labels(vae: "Model", labels: Mapping[str, Array]) -> list[Tensor]:
    """Returns for each latent which rows have labels such as it can have, `[B]`."""
    parts = vae.latents.posterior
    return [parts[name].good_labels(tf.cast(value, tf.float32)) for name, value in labels.items()]


def num_known(vae: "Model", data: Given) -> dict[str, float]:
    """Returns name to the number of examples whose label is known; of a stream nothing, which does not say it.

    Where examples have weights it is their share by weight, times the number of examples.
    """
    found = data.data[0] if isinstance(data, RowBatches) else data
    labels = found.get("labels", {}) if isinstance(found, Mapping) else {}
    parts, weight = vae.latents.posterior, found.get("weight") if labels else None

    def count(name: str, value: Array) -> float:
        known = np.asarray(parts[name].label(tf.cast(np.asarray(value), tf.float32)).known)
        return int(known.sum()) if weight is None else len(known) * float(np.average(known, weights=weight))

    return {name: count(name, value) for name, value in labels.items()}
