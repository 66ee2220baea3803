"""Examples that are read a few rows at a time: sparse matrices, and what lies on a disk.

    read(x, rows) -> [R, ...] dense        RowBatches: such containers as the batches that Keras takes

Large memory maps, HDF5 data sets and Zarr arrays have rows to slice; a sparse matrix becomes dense by a batch. None of
them is ever whole in memory.
"""

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfvae.core.types import Array, Given

LARGE = 2**28  # bytes, from which on what lies on a disk is not read whole
SOME = 10_000  # rows are enough for a mean


def is_sparse(x: Given) -> bool:
    """Tells whether x is a sparse matrix of SciPy."""
    return hasattr(x, "tocsr")


def is_read_in_parts(x: Given) -> bool:
    """Tells whether x holds examples of which only a few rows are to be in memory at a time."""
    if is_sparse(x):
        return True
    in_memory = (isinstance(x, np.ndarray) and not isinstance(x, np.memmap)) or tf.is_tensor(x)
    has_rows = all(hasattr(x, name) for name in ("shape", "dtype", "__getitem__")) and not hasattr(x, "iloc")
    if in_memory or not has_rows or isinstance(x, (tf.Variable, keras.Variable, keras.KerasTensor)):
        return False
    return math.prod(x.shape) * np.dtype(x.dtype).itemsize > LARGE


def read(x: Given, rows: slice | np.ndarray) -> Array:
    """Returns some rows of x, dense, `[R, ...]`; an array of places must rise, since HDF5 wants that."""
    return x.tocsr()[rows].toarray() if is_sparse(x) else np.asarray(x[rows])


def some_rows(x: Given, most: int = SOME) -> Array:
    """Returns at most so many rows of x, evenly spaced."""
    return read(x, np.unique(np.linspace(0, x.shape[0] - 1, most).astype(int)))


class RowBatches(keras.utils.PyDataset):
    """The batches of containers of N examples.

    Args:
        data: x, (x, y), (x, y, weight) or a dict; containers of N rows.
        batch_size: B.
        order: gives the order of the rows in the next epoch, `[N]`, or `None` for the one that they have.
    """

    def __init__(self, data: Given, batch_size: int, order: Callable[[int], np.ndarray] | None = None) -> None:
        super().__init__()
        self.data = tf.nest.map_structure(lambda part: part.tocsr() if is_sparse(part) else part, data)
        self.rows = tf.nest.flatten(data)[0].shape[0]
        self.batch_size, self.order = batch_size, order
        self.on_epoch_begin()

    @property
    def num_batches(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.rows // self.batch_size)

    def some(self) -> Given:
        """Returns some thousand examples, evenly spaced."""
        return tf.nest.map_structure(some_rows, self.data)

    def on_epoch_begin(self) -> None:
        """Draws the order of the epoch."""
        self.places = np.arange(self.rows) if self.order is None else self.order(self.rows)

    def __getitem__(self, index: int) -> Given:
        """Returns a batch."""
        rows = np.sort(self.places[index * self.batch_size : (index + 1) * self.batch_size])
        return tf.nest.map_structure(lambda part: read(part, rows), self.data)
