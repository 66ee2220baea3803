"""The epochs of arrays: which rows make a batch, and how many steps a call takes.

step i of an epoch sees the rows order[i B : (i + 1) B];    the last N mod B rows are a batch of their own

Where the rows stand is said by a `Source`: arrays that are on the device whole, or windows of what is read in parts.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from tfvae.core import seeds
from tfvae.core.graphs import compiled
from tfvae.core.observed import Observed, num_rows
from tfvae.training.program import Present
from tfvae.training.step import Carried

if TYPE_CHECKING:
    from tfvae.training.trainer import Trainer

ALIGNED = 64  # bytes: TensorFlow ends the process where a tensor starts elsewhere
COMPACT_ON_GPU = (tf.bool, tf.float16, tf.bfloat16)  # tf.gather has no GPU kernel for the other small types
COMPACT = (tf.bool, tf.uint8, tf.int8, tf.float16, tf.bfloat16, tf.uint16, tf.int16)  # all others become float32


class Held(NamedTuple):
    """Examples on the device, and the batches that they make.

    Attributes:
        data: what is known of them, `[R, ...]`.
        full: which of them make each full batch, `[K, B]`.
        remainder: which make the last batch of the epoch, `[1, N mod B]`.
        first: number of the first of the K batches in the epoch.
    """

    data: Observed
    full: tf.Tensor
    remainder: tf.Tensor
    first: int = 0


class Source(Protocol):
    """Where the examples of an epoch stand.

    Attributes:
        rows: number of examples N.
        batch_size: B.
    """

    rows: int
    batch_size: int

    def begin(self) -> None:
        """Starts an epoch."""

    def held(self, index: int) -> Held:
        """Returns examples that contain a batch, and as many of those after it as there is room for."""


class Epochs:
    """The epochs of a source: where Keras' train or test function takes its next steps.

    Args:
        model: that is trained.
        program: of its steps, as the model is now.
        source: of the N examples.
        training: whether the steps are train steps.
        most: batches in an epoch, if not all.

    Attributes:
        steps: batches in an epoch.
        block: steps that one call takes.
        tick: called between blocks of a call with the index of the last batch and the logs, if anything.
    """

    def __init__(
        self, model: "Trainer", program: Present, source: Source, *, training: bool, most: int | None = None
    ) -> None:
        self.model, self.program, self.source, self.training = model, program, source, training
        self.full = source.rows // source.batch_size
        self.steps = min(-(-source.rows // source.batch_size), most or source.rows)
        self.block, self.position = self.steps, 0
        self.tick: Callable[[int, dict], None] | None = None

    def advance(self) -> dict[str, tf.Tensor]:
        """Takes the next `block` of steps, or what is left of the epoch; returns the logs after them."""
        self.position %= self.steps
        if self.position == 0:
            self.source.begin()
        end = min(self.position + self.block, self.steps)
        while True:
            logs = self.model.inspected(self._carried(end), self.training, self.batch)
            if self.position < end and self.tick:
                self.tick(self.position - 1, logs)
            if self.position == end or (self.training and self.model.stop_training):
                return logs

    def batch(self, index: int) -> Observed:
        """Returns what is known of a batch of the present epoch."""
        held = self.source.held(index)
        rows = held.full[index - held.first] if index < self.full else held.remainder[0]
        return tf.nest.map_structure(lambda part: tf.gather(part, rows), held.data)

    def _carried(self, end: int) -> Carried:
        held, program = self.source.held(self.position), self.program()
        count = min(end, self.full, held.first + len(held.full)) - self.position
        if count <= 0:
            self.position += 1
            return program.run_remainder(held.data, held.remainder)
        count = min(count, program.allowance)
        carried = program.run(held.data, held.full, self.position - held.first, count)
        self.position += count
        return carried


class Resident:
    """Arrays that stay on the device.

    order = permutation of the N rows, a function of the model's seed and of the step that the epoch starts at

    Args:
        model: that is trained.
        data: what is known of the N examples.
        batch_size: B.
        shuffle: anew in every epoch.
    """

    def __init__(self, model: "Trainer", data: Observed, batch_size: int, *, shuffle: bool) -> None:
        self.model, self.shuffle = model, shuffle
        self.rows, self.batch_size = num_rows(data), batch_size
        self._held = Held(tf.nest.map_structure(on_device, data), *_cut(tf.range(self.rows), batch_size))

    def begin(self) -> None:
        """Shuffles the rows."""
        if self.shuffle:
            order = _shuffled(self.rows, self.batch_size, seeds.as_seed(self.model.seed), self.model.step_count)
            self._held = Held(self._held.data, *order)

    def held(self, index: int) -> Held:
        """Returns all of them."""
        del index
        return self._held


def held_type(part: np.ndarray | tf.Tensor) -> tf.DType:
    """Returns the type that the device holds an array in: its own if that is small and can be gathered there."""
    dtype, on_gpu = tf.as_dtype(part.dtype), bool(tf.config.list_logical_devices("GPU"))
    return dtype if dtype in (COMPACT_ON_GPU if on_gpu else COMPACT) else tf.float32


def on_device(part: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Returns an array as a tensor, in its own type if that is small."""
    part = part if tf.is_tensor(part) else np.asarray(part)
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    if tf.is_tensor(part) or on_gpu or part.dtype.kind not in "biuf":
        return tf.cast(part, held_type(part))
    return copied(part, np.dtype(held_type(part).as_numpy_dtype))


def copied(array: np.ndarray, dtype: np.dtype) -> tf.Tensor:
    """Returns a tensor on a CPU that holds the one copy of an array; `tf.convert_to_tensor` would make two."""
    size = array.size * dtype.itemsize
    memory = np.empty(size + ALIGNED, np.uint8)
    start = -memory.ctypes.data % ALIGNED
    copy = memory[start : start + size].view(dtype).reshape(array.shape)
    np.copyto(copy, array, casting="unsafe")
    return tf.experimental.dlpack.from_dlpack(copy.__dlpack__())


def _cut(order: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the rows of the full batches, `[N // B, B]`, and of the last one, `[1, N mod B]`."""
    full = len(order) // size
    return tf.reshape(order[: full * size], [full, size]), order[tf.newaxis, full * size :]


@compiled
def _shuffled(rows: int, size: int, seed: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    seed = seeds.fold(seed, seeds.SHUFFLE, step)
    order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed, alg=seeds.ALGORITHM)
    return _cut(tf.ensure_shape(order, [rows]), size)
