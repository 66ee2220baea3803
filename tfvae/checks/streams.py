"""Streams of batches: what brings them, their first batch, how many examples they hold.

A stream is a `tf.data.Dataset`, a `keras.utils.PyDataset`, a generator, or anything else that yields batches.
"""

import itertools
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from tfvae.core.errors import InvalidInput
from tfvae.core.observed import Observed, num_rows, of_keras, pack
from tfvae.core.reading import Order, RowBatches, is_read_in_parts, is_sparse
from tfvae.core.types import Given


def is_stream(x: Given) -> bool:
    """Tells whether x brings batches, and is not an array."""
    return isinstance(x, (tf.data.Dataset, keras.utils.PyDataset, Iterator)) or not (
        hasattr(x, "__array__") or tf.is_tensor(x) or is_sparse(x) or isinstance(x, (list, tuple, dict))
    )


def peek(stream: Given) -> tuple[Given, Given]:
    """Returns the first batch of a stream, and the stream with that batch still in it.

    Raises:
        InvalidInput: if it is empty, or is not a stream.
    """
    if isinstance(stream, keras.utils.PyDataset):
        first = None if stream.num_batches == 0 else stream[0]
    elif isinstance(stream, tf.data.Dataset):
        first = next(iter(stream.take(1)), None)
    elif isinstance(stream, Iterator):
        first = next(stream, None)
        stream = _batches(first, stream)
    elif hasattr(stream, "__iter__"):
        first = next(iter(stream), None)
    else:
        raise InvalidInput("arrays, a tf.data.Dataset or a PyDataset", f"{stream!r}", "Pass x as an array.")
    if first is None:
        raise InvalidInput("at least one batch", "an empty stream", "Check the path and the filters of the pipeline.")
    return first, stream


def in_batches(
    x: Given, y: Given, sample_weight: Given, batch_size: int | None, order: Order | None = None
) -> tuple[Given, Given, Given]:
    """Returns x, y and sample_weight, or in the place of x a stream of all, if one of them is to be read in parts.

    Args:
        x: as given, perhaps a dict.
        y: likewise.
        sample_weight: likewise.
        batch_size: of the stream; by default Keras' 32.
        order: of the rows in each epoch.
    """
    given = pack(x, target=y, weight=sample_weight)
    if not any(map(is_read_in_parts, tf.nest.flatten(given))):
        return x, y, sample_weight
    parts = {
        key: tf.nest.map_structure(_in_rows, part) if isinstance(part, Mapping) else _in_rows(part)
        for key, part in given.items()
    }
    rows = parts["x"].shape[0] if "x" in parts else 0
    if "mask" in parts and not is_read_in_parts(parts["mask"]) and parts["mask"].shape[:1] != (rows,):
        parts["mask"] = _as_large(parts["mask"], parts["x"].shape)
    shapes = [(key, part.shape) for key, some in parts.items() for part in tf.nest.flatten(some)]
    unlike = [f"{key} of shape {shape}" for key, shape in shapes if shape[:1] != (rows,)]
    if unlike:
        received = unlike[0]
        raise InvalidInput(f"{rows} rows of all, as x has", received, "Pass one row for each example.")
    if isinstance(x, Mapping):
        return RowBatches((parts,), batch_size or 32, order), None, None
    target = parts.get("target", parts["x"])  # Keras drops weights of x alone
    data = (parts["x"], target, parts["weight"]) if "weight" in parts else tuple(parts.values())
    return RowBatches(data, batch_size or 32, order), None, None


def _as_large(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a mask that broadcasts to x as large as x, without a copy; any other as it is."""
    try:
        return np.broadcast_to(mask, shape)
    except ValueError:
        return mask


def _in_rows(part: Given) -> Given:
    return part if is_read_in_parts(part) else np.asarray(part)


def num_examples(data: Given, steps_per_epoch: int | None = None) -> int | None:
    """Returns the number of examples N in the data, or `None` where a stream does not know it.

    Args:
        data: an `Observed` of arrays, an array, or a stream of batches, of which the first one's size stands for all.
        steps_per_epoch: batches that count as one pass over an endless stream.
    """
    if not is_stream(data):
        return num_rows(data)
    if isinstance(data, RowBatches):
        return data.rows
    batches = steps_per_epoch or (data.num_batches if isinstance(data, keras.utils.PyDataset) else None)
    if isinstance(data, tf.data.Dataset):
        batches = batches or max(int(data.cardinality()), 0)
    if not batches or isinstance(data, Iterator):
        return None
    return batches * num_rows(of_keras(peek(data)[0]))


def split(data: Given, share: float) -> tuple[Observed, Observed]:
    """Returns the first rows of arrays, and the last `share` of them for validation, as Keras has it.

    Raises:
        InvalidInput: if the data are a stream, or one side would be empty.
    """
    remedy = "Pass validation_data."
    if not isinstance(data, Mapping):
        kind = "data that are read in parts" if isinstance(data, RowBatches) else f"a {type(data).__name__}"
        raise InvalidInput("arrays, to split off validation data", kind, remedy)
    total = num_rows(data)
    rows = int(total * (1.0 - share))
    if not 0 < rows < total:
        raise InvalidInput("validation_split to leave rows on both sides", f"{share} of {total} rows", remedy)
    sides = slice(rows), slice(rows, None)
    train, held = (tf.nest.map_structure(lambda part, side=side: part[side], data) for side in sides)
    return train, held


def _batches(first: Given, rest: Iterator) -> Iterator:
    """Yields the first batch, then the rest, each as the tuple that Keras wants of a generator."""
    for batch in itertools.chain([first], rest):
        yield batch if isinstance(batch, tuple) else (batch,)
