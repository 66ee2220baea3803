"""Walking over examples in blocks of one size: what is compiled is compiled once, and memory is that of a block.

block i = examples i R ... (i + 1) R - 1,    the last one filled up by repeating the last example
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfvae.checks import data as inputs

if TYPE_CHECKING:
    from tfvae.vae import VAE


class Block(NamedTuple):
    """Some of the examples.

    Attributes:
        index: which block, from 0.
        x: preprocessed examples, `[R, ...]`.
        rows: how many of them count, from 1 to R; the others repeat the last one.
        where: their places in the data, `[R]`.
    """

    index: int
    x: tf.Tensor
    rows: int
    where: np.ndarray


def of_examples(vae: "VAE", x: Any, size: int, verbose: bool = False) -> Iterator[Block]:
    """Yields raw x, `[B, ...]`, checked and preprocessed, in blocks of `min(size, B)` rows; of an empty x nothing.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`.
        size: most rows of a block.
        verbose: show a progress bar over the blocks.

    Raises:
        InvalidInput: if x has a wrong shape, or values that are not finite or outside the likelihood's support.
    """
    x = inputs.event_batch(x, vae.event_shape)
    size = max(min(size, len(x)), 1)
    starts = range(0, len(x), size)
    bar = keras.utils.Progbar(len(starts), unit_name="block") if verbose else None
    for index, start in enumerate(starts):
        rows = x[start : start + size]
        inputs.check_values(vae, rows, "x", start, vae.support)
        places = np.minimum(np.arange(size), len(rows) - 1)
        yield Block(index, vae.preprocess(tf.gather(rows, places)), len(rows), start + places)
        if bar:
            bar.update(index + 1)


def compiled(function: Callable) -> Callable:
    """Returns the function of tensors compiled for blocks of one size: traced at the first call, and never again."""
    traced = []

    def call(*arguments: Any) -> Any:
        if not traced:
            traced.append(tf.function(function).get_concrete_function(*arguments))
        return traced[0](*arguments)

    return call
