"""The epochs of what is read in parts: windows of it, one after the other, are on the device.

order      = permutation of the N rows, a function of the model's seed and of the step that the epoch starts at
window k   holds the rows order[k W B : (k + 1) W B] of W batches, and is read while the one before it is trained on

The batches are those of `RowBatches`, which Keras takes where it must have a stream.
"""

import math
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfvae.checks.data import element
from tfvae.core.reading import RowBatches, read
from tfvae.training.epochs import Held, on_device

if TYPE_CHECKING:
    from tfvae.training.trainer import Trainer

BYTES = 2**26  # of a window, of which two are in memory


class Windows:
    """What is read in parts, a window at a time.

    Args:
        model: that is trained.
        batches: the containers, the size of a batch and the order of the rows.
    """

    def __init__(self, model: "Trainer", batches: RowBatches) -> None:
        self.model, self.batches = model, batches
        self.rows, self.batch_size = batches.rows, batches.batch_size
        self.full = self.rows // self.batch_size
        self.parts = {id(part): part for part in tf.nest.flatten(batches.data)}  # x may stand there as the target, too
        row = sum(4 * math.prod(part.shape[1:]) for part in self.parts.values())
        number = -(-self.full // max(BYTES // (row * self.batch_size), 1))  # of windows
        self.size = -(-self.full // number) if number else 0
        self._epochs = 0
        self._reader = ThreadPoolExecutor(1)
        self._windows: dict[int, Future[Held]] = {}

    def begin(self) -> None:
        """Orders the rows."""
        self._places = self.batches.ordered(self._epochs * self.batches.num_batches)
        self._epochs += 1
        self._windows = {}

    def held(self, index: int) -> Held:
        """Returns the window of a batch. All have W full batches; the last, smaller batch is alone."""
        first = self._first(index)
        after = self._first(min(first + max(self.size, 1), self.batches.num_batches - 1))
        self._windows = {at: self._windows.get(at) or self._reader.submit(self._read, at) for at in (first, after)}
        return self._windows[first].result()

    def _first(self, index: int) -> int:
        """Returns the first batch of the window of a batch; the last window begins early enough to be as large."""
        return index if index >= self.full else min(index // self.size * self.size, self.full - self.size)

    def _read(self, first: int) -> Held:
        """Returns the window that begins with a batch, read in the order that the rows stand in."""
        whole = first < self.full
        start = first * self.batch_size
        places = self._places[start : start + self.size * self.batch_size if whole else None]
        rows = np.argsort(places)
        found = {name: read(part, places[rows]) for name, part in self.parts.items()}
        data = tf.nest.map_structure(lambda part: found[id(part)], self.batches.data)
        batches = np.argsort(rows).reshape([self.size if whole else 1, -1])
        order = tf.constant(np.sort(batches, axis=1), tf.int32)  # each as `RowBatches` has it
        nothing = order[:0]
        known = tf.nest.map_structure(on_device, element(self.model, data))
        return Held(known, order, nothing, first) if whole else Held(known, nothing, order, first)
