"""Examples that are read a few rows at a time: sparse matrices, and what lies on a disk.

    read(x, rows) -> [R, ...] dense        RowBatches: such containers as the batches that Keras takes

Large memory maps, HDF5 data sets and Zarr arrays have rows to slice; a sparse matrix becomes dense by a batch. None of
them is ever whole in memory.
"""

from collections.abc import Callable
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tfvae.core.types import Array, Given

LARGE = 2**28  # bytes, from which on what lies on a disk is not read whole
SOME = 10_000  # rows are enough for a mean
AT_ONCE = 1000  # places that a container is asked for: the time that HDF5 takes grows with their square
Order: TypeAlias = Callable[[int, int], np.ndarray]


def is_sparse(x: Given) -> bool:
    """Tells whether x is a sparse matrix of SciPy."""
    return hasattr(x, "tocsr")


def is_read_in_parts(x: Given) -> bool:
    """Tells whether x holds examples of which only a few rows are to be in memory at a time."""
    if is_sparse(x):
        return True
    in_memory = (isinstance(x, np.ndarray) and not isinstance(x, np.memmap)) or tf.is_tensor(x)
    has_rows = all(hasattr(x, name) for name in ("shape", "nbytes", "__getitem__")) and not hasattr(x, "iloc")
    if in_memory or not has_rows or isinstance(x, (tf.Variable, keras.Variable, keras.KerasTensor)):
        return False
    return int(x.nbytes) > LARGE


def read(x: Given, rows: slice | np.ndarray) -> Array:
    """Returns some rows of x, dense, `[R, ...]`; an array of places must rise, since HDF5 wants that."""
    if is_sparse(x):
        return x.tocsr()[rows].toarray()
    if isinstance(rows, slice) or isinstance(x, np.ndarray) or len(rows) <= AT_ONCE:
        return np.asarray(x[rows])
    return np.concatenate([np.asarray(x[rows[at : at + AT_ONCE]]) for at in range(0, len(rows), AT_ONCE)])


def some_rows(x: Given, most: int = SOME) -> Array:
    """Returns at most so many rows of x, evenly spaced."""
    return read(x, np.unique(np.linspace(0, x.shape[0] - 1, most).astype(int)))


class RowBatches(keras.utils.PyDataset):
    """The batches of containers of N examples.

    Args:
        data: x, (x, y), (x, y, weight) or a dict; containers of N rows.
        batch_size: B.
        order: gives the order of the rows, `[N]`, in a pass that starts so many batches after the first one, or
            `None` for the order that they have.
    """

    def __init__(self, data: Given, batch_size: int, order: Order | None = None) -> None:
        super().__init__()
        self.data = tf.nest.map_structure(lambda part: part.tocsr() if is_sparse(part) else part, data)
        self.rows = tf.nest.flatten(data)[0].shape[0]
        self.batch_size, self.order = batch_size, order
        self.batches_before, self.ended = 0, False
        self.places = self.ordered(0)

    @property
    def num_batches(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.rows // self.batch_size)

    def some(self) -> Given:
        """Returns some thousand examples, evenly spaced."""
        return tf.nest.map_structure(some_rows, self.data)

    def ordered(self, batches_before: int) -> np.ndarray:
        """Returns the rows of a pass that starts so many batches after the first one, in their order, `[N]`."""
        return np.arange(self.rows) if self.order is None else self.order(self.rows, batches_before)

    def __getitem__(self, index: int) -> Given:
        """Returns a batch; the first one after the last begins another pass, whenever Keras asks for it."""
        if index == 0 and self.ended:
            self.batches_before += self.num_batches
            self.places = self.ordered(self.batches_before)
        self.ended = index == self.num_batches - 1
        rows = np.sort(self.places[index * self.batch_size : (index + 1) * self.batch_size])
        return tf.nest.map_structure(lambda part: read(part, rows), self.data)
