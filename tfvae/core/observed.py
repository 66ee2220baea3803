"""What is known of B examples: one plain dict, in which whatever is not known is absent.

    observed = {"x": [B, ...], "target": [B, ...], "weight": [B]}        x is the one required key
    known    = vae.known(observed)                                       the same preprocessed, with every key there

Keras, tf.data and tf.function hand on a plain dict unchanged, but not NamedTuples or a None inside. Rows are gathered,
split and copied by `tf.nest.map_structure` alone, so that another key needs no other code.
"""

from typing import TypedDict, cast

import keras
import tensorflow as tf

from tfvae.core.types import Array, Given


class Observed(TypedDict, total=False):
    """What is known of B examples.

    Attributes:
        x: raw examples, `[B, ...]`.
        target: what p(x | z) explains, raw, `[B, ...]`; by default x.
        weight: of each example, `[B]`; by default 1.
    """

    x: Array
    target: Array
    weight: Array


class Known(TypedDict):
    """The normal form: what is known of B examples as the parts see it; every key is there.

    Attributes:
        x: preprocessed, what the posterior sees, `[B, ...]`.
        target: preprocessed, what the likelihood explains, `[B, ...]`.
        weight: of each example, `[B]`.
    """

    x: tf.Tensor
    target: tf.Tensor
    weight: tf.Tensor


def pack(x: Given, **given: Given) -> Observed:
    """Returns x with those of the other things that are not None; an x that is an `Observed` keeps what it has."""
    found = x if isinstance(x, dict) else {"x": x}
    return cast(Observed, found | {key: value for key, value in given.items() if value is not None})


def of_keras(data: Given) -> Observed:
    """Returns what Keras carried: an `Observed`, or `x`, `(x,)`, `(x, y)` or `(x, y, weight)` with y as the target."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    return pack(x, target=y, weight=weight)


def alone(observed: Given) -> Given:
    """Returns x where nothing else is known, as Keras' users have it; anything else as it is."""
    return observed["x"] if isinstance(observed, dict) and observed.keys() == {"x"} else observed


def num_rows(observed: Observed) -> int:
    """Returns the number of examples B of arrays."""
    return len(tf.nest.flatten(observed)[0])
