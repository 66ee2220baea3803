"""What is known of B examples: one plain dict, in which whatever is not known is absent.

    observed = {"x": [B, ...], "mask": [B, ...], "condition": [B, ...], "labels": {name: [B]}, "target": [B, ...],
                "weight": [B]}
    known    = vae.known(observed)            the same as the parts see it; x is the one required key

Keras, tf.data and tf.function hand on a plain dict unchanged, but not NamedTuples or a None inside. Rows are gathered,
split and copied by `tf.nest.map_structure` alone, so that another key needs no other code.
"""

from collections.abc import Mapping
from typing import NotRequired, TypedDict, TypeVar, cast

import keras
import numpy as np
import tensorflow as tf

from tfvae.core.evidence import Label
from tfvae.core.types import Array, Given


class Observed(TypedDict, total=False):
    """What is known of B examples.

    Attributes:
        x: raw examples, `[B, ...]`.
        mask: bool or 0 and 1, broadcasts to `[B, ...]`; true where x is observed, and where it is not x may be NaN.
        condition: what is known beside x, `[B, ...]`, or name to it where a model has several conditions.
        labels: what is known of latents, name to `[B]`, -1 where it is not; of real ones `[B, *latent]` and NaN.
        target: what p(x | z) explains, raw, `[B, ...]`; by default x.
        weight: of each example, `[B]`; by default 1.
    """

    x: Array
    mask: Array
    condition: Array | Mapping[str, Array]
    labels: Array | Mapping[str, Array]
    target: Array
    weight: Array


class Known(TypedDict):
    """The normal form: what is known of B examples as the parts see it.

    Attributes:
        x: preprocessed, what the posterior sees, `[B, ...]`; zero where it is not observed.
        target: preprocessed, what the likelihood explains, `[B, ...]`; zero likewise.
        condition: name to the condition as parts see it, `[B, ...]`; empty if the model has none.
        weight: of each example, `[B]`.
        mask: bool, `[B, ...]`, true where x and target are observed; absent where all are.
        labels: name to what is known of a latent; absent where that is nothing.
    """

    x: tf.Tensor
    target: tf.Tensor
    condition: dict[str, tf.Tensor]
    weight: tf.Tensor
    mask: NotRequired[tf.Tensor]
    labels: NotRequired[dict[str, Label]]


Told = TypeVar("Told", Observed, Known)


def pack(x: Given, **given: Given) -> Observed:
    """Returns x with those of the other things that are not None; an x that is an `Observed` keeps what it has.

    A masked array of NumPy's means the mask of what is observed; of all of it, too, so that batches are alike.
    """
    found = x if isinstance(x, dict) else {"x": x}
    found = found | {key: value for key, value in given.items() if value is not None}
    if "mask" not in found and np.ma.isMaskedArray(found.get("x")):
        found |= {"x": found["x"].data, "mask": ~np.ma.getmaskarray(found["x"])}
    return cast(Observed, found)


def with_known(x: Given, **given: Given) -> Given:
    """Returns x as it is if nothing else is known, else an `Observed` with those things that are not None."""
    return pack(x, **given) if any(value is not None for value in given.values()) else x


def of_keras(data: Given) -> Observed:
    """Returns what Keras carried: an `Observed`, or `x`, `(x,)`, `(x, y)` or `(x, y, weight)` with y as the target."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    return pack(x, target=y, weight=weight)


def known_of(observed: Observed) -> Observed:
    """Returns x and what is known with it, without target and weight."""
    return cast(Observed, {key: part for key, part in observed.items() if key in ("x", "mask", "condition")})


def conditions_of(observed: Observed) -> Mapping[str, Array]:
    """Returns the conditions of a checked `Observed` by name, none where the model has none."""
    return cast(Mapping[str, Array], observed.get("condition", {}))


def labels_of(observed: Observed) -> Mapping[str, Array]:
    """Returns the labels of a checked `Observed` by name, none where nothing is known of latents."""
    return cast(Mapping[str, Array], observed.get("labels", {}))


def alone(observed: Given) -> Given:
    """Returns x where nothing else is known, as Keras' users have it; anything else as it is."""
    return observed["x"] if isinstance(observed, dict) and observed.keys() == {"x"} else observed


def without_weight(observed: Given) -> Given:
    """Returns data without the weights of a dict; anything else as it is."""
    return {key: v for key, v in observed.items() if key != "weight"} if isinstance(observed, dict) else observed


def without_labels(observed: Told) -> Told:
    """Returns what is known of examples but of their latents, so that no score sees a label."""
    return cast(Told, {key: part for key, part in observed.items() if key != "labels"})


def num_rows(observed: Observed) -> int:
    """Returns the number of examples B of arrays."""
    x = observed.get("x") if isinstance(observed, Mapping) else None
    return len(tf.nest.flatten(observed)[0] if x is None else x)
