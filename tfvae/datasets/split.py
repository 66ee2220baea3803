"""One part of a data set, and the three parts together.

    order of epoch e = shuffle(0 .. N-1; seed, e)        batches = rows of x at that order, B at a time

Since the order is a pure function of the seed and the number of the epoch, a run that stopped after epoch e goes on
with `first_epoch=e` as if it had never stopped.
"""

import dataclasses
import functools
import numbers
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfvae.conditions import Condition
from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.observed import with_known
from tfvae.core.types import Config, Given
from tfvae.datasets.told import Told

if TYPE_CHECKING:
    from tfvae.datasets.tables import Schema  # which needs pandas

CLASS = "y"  # the latent that recipes of few labels have


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set, in memory.

    Attributes:
        name: `"train"`, `"valid"` or `"test"`.
        x: examples, `[N, ...]`.
        y: labels, `[N]`, or `None`.
        condition: what the examples are known by, `[N, ...]`, or `None`.
        mask: true where x is observed, `[N, ...]`, or `None` if all of it is.
        labels: which class each example is, `[N]`, -1 where that is not known, for the latent y; `None` without one.
        index: of a table, the numbers of its rows in the file, `[N]`.

    Example:
        >>> split = Split("train", np.eye(5, dtype="uint8"))
        >>> [batch.shape[0] for batch in split.batches(2)]
        [2, 2, 1]
    """

    name: str
    x: np.ndarray
    y: np.ndarray | None = None
    condition: np.ndarray | None = None
    mask: np.ndarray | None = None
    labels: np.ndarray | None = None
    index: np.ndarray | None = None

    def __len__(self) -> int:
        """Returns the number of examples, N."""
        return len(self.x)

    @property
    def observed(self) -> Given:
        """x, or with condition, mask or labels what is known, `{"x": x, "condition": condition}`; for `fit`."""
        labels = None if self.labels is None else {CLASS: self.labels}
        return with_known(self.x, condition=self.condition, mask=self.mask, labels=labels)

    def rows(self, rows: slice | np.ndarray) -> Given:
        """Returns what is known of some of the examples, as `observed`."""
        return tf.nest.map_structure(lambda part: part[rows], self.observed)

    def num_batches(self, batch_size: int) -> int:
        """Returns the number of batches in one pass, the short last one included.

        Args:
            batch_size: examples in a batch.

        Raises:
            InvalidInput: if `batch_size` is not a whole number of at least 1.
        """
        return -(-len(self) // positive_integer("batch_size", batch_size))

    def batches(self, batch_size: int, shuffle_seed: int | None = None, first_epoch: int = 0) -> tf.data.Dataset:
        """Returns the batches of `observed` as a stream, the short last batch of a pass included.

        Args:
            batch_size: examples in a batch, B.
            shuffle_seed: `None` for one pass in the order of x; an integer for passes without end, each in an order of
                its own that depends on (`shuffle_seed`, number of the epoch) alone. `fit` then wants
                `steps_per_epoch=split.num_batches(batch_size)`.
            first_epoch: the epoch to begin with, as `initial_epoch` of `fit`.

        Returns:
            A dataset of tensors `[B, ...]` in the dtype of x, with a condition or a mask of dicts of tensors.

        Raises:
            InvalidInput: if `batch_size` is not a whole number of at least 1, or `first_epoch` one of at least 0.

        Example:
            >>> stream = Split("train", np.arange(6)).batches(3, shuffle_seed=0)
            >>> sorted(np.concatenate([batch.numpy() for batch in stream.take(2)]).tolist())
            [0, 1, 2, 3, 4, 5]
        """
        batch_size, size = positive_integer("batch_size", batch_size), len(self)
        if isinstance(first_epoch, bool) or not isinstance(first_epoch, numbers.Integral) or first_epoch < 0:
            received = f"first_epoch={first_epoch!r}"
            raise InvalidInput("first_epoch to be a whole number of at least 0", received, "Count epochs from 0.")
        tensors = self._tensors
        starts = tf.data.Dataset.range(0, size, batch_size)
        if shuffle_seed is None:
            passed = starts.map(lambda at: tf.nest.map_structure(lambda part: part[at : at + batch_size], tensors))
            return passed.prefetch(tf.data.AUTOTUNE)
        seed = seeds.as_seed(shuffle_seed)

        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(
                tf.range(size), seed=seeds.fold(seed, number), alg="philox"
            )
            rows = starts.map(lambda start: order[start : start + batch_size])
            return rows.map(lambda rows: tf.nest.map_structure(lambda part: tf.gather(part, rows), tensors))

        epochs = tf.data.Dataset.range(first_epoch, tf.int32.max).flat_map(epoch)
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        return epochs.apply(endless).prefetch(tf.data.AUTOTUNE)

    @functools.cached_property
    def _tensors(self) -> Given:
        """`observed` as eager tensors, for all streams: their functions capture them, so that no graph holds a copy."""
        with tf.device("CPU"), tf.init_scope():
            return tf.nest.map_structure(tf.constant, self.observed)


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """A data set in memory: three disjoint splits, and what the model does to raw x.

    Attributes:
        train: what the model learns from.
        valid: what choices are made on.
        test: what is scored once.
        preprocessing: Keras layers for `VAE(preprocessing=...)`.
        name: of the data set.
        protocol: how the data came about, for JSON: source, sizes, splits, binarization, scale, seed, kind of the
            examples, crc32 of each x and y.
        told: what the examples are known by, or `None`.
        classes: number of classes K of the labels that a latent is told, or `None`.
        schema: of a table, what its columns are; or `None`.
    """

    train: Split
    valid: Split
    test: Split
    preprocessing: list
    name: str
    protocol: Config
    told: Told | None = None
    classes: int | None = None
    schema: "Schema | None" = None

    @property
    def condition(self) -> dict[str, Condition]:
        """What a model is declared to be told, for `VAE(condition=...)`; empty where there is nothing."""
        return self.told.declared if self.told else {}

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.train.x.shape[1:]
