"""The one walk over examples: an array or a stream of batches, checked, in normal form, block by block.

block i = examples i R ... (i + 1) R - 1,    R at most the size asked for

Memory is that of a block. With `same_size` the last block is filled up by repeating its last example, so that what is
compiled is compiled once.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import keras
import numpy as np
import tensorflow as tf

from tfvae.checks.data import given
from tfvae.checks.known import is_condition
from tfvae.checks.streams import in_batches
from tfvae.checks.values import check_all_values
from tfvae.core.errors import InvalidInput
from tfvae.core.model import Model
from tfvae.core.observed import Known, Observed, num_rows, of_keras, pack, without_labels
from tfvae.core.reading import RowBatches
from tfvae.core.sets import ValueSet
from tfvae.core.types import Given

T = TypeVar("T")


class Piece(NamedTuple):
    """Some of the examples, raw.

    Attributes:
        index: which block, from 0.
        first_row: place of its first example in the data.
        observed: what is known of the examples, `[R, ...]` each.
        size: most rows of any block of these data.
    """

    index: int  # type: ignore[assignment]  # the method of tuples that it hides is not used
    first_row: int
    observed: Observed
    size: int


class Block(NamedTuple):
    """Some of the examples.

    Attributes:
        index: which block, from 0.
        first_row: place of its first example in the data.
        observed: what is known of those that count, raw, `[rows, ...]` each.
        known: the same in normal form, `[R, ...]`, without labels: what is asked of blocks is a score of x.
        rows: how many of them count, from 1 to R; the others repeat the last one.
    """

    index: int  # type: ignore[assignment]  # the method of tuples that it hides is not used
    first_row: int
    observed: Observed
    known: Known
    rows: int

    @property
    def where(self) -> np.ndarray:
        """The places of all of `known` in the data, `[R]`."""
        return self.first_row + _places(self.rows, len(self.known["x"]))

    def counted(self, values: T) -> T:
        """Returns nested tensors `[R, ...]` without the rows that do not count."""
        return tf.nest.map_structure(lambda value: value[: self.rows], values)


def blocks(
    vae: Model,
    data: Given,
    size: int,
    support: ValueSet | None = None,
    same_size: bool = False,
    streams: bool = False,
    refuse_empty: bool = False,
    verbose: bool = False,
) -> Iterator[Block]:
    """Yields data, checked and preprocessed, in blocks of at most `size` rows; of empty data nothing.

    Args:
        vae: the model.
        data: raw examples, `[B, ...]`, or an `Observed` of arrays.
        size: most rows of a block.
        support: the set that preprocessed x must lie in; by default the likelihood's.
        same_size: fill the last block up, so that all have `min(size, B)` rows.
        streams: take batches of raw examples of any size as well, for example a `tf.data.Dataset` of x or of (x, y).
        refuse_empty: raise an error if the data hold no example.
        verbose: show a progress bar over the blocks.

    Raises:
        InvalidInput: if x has a wrong shape, or values that are not finite or outside the support; if a stream is
            endless or brings weights.
    """
    support = vae.support if support is None else support
    for index, first_row, observed, most in pieces(vae, data, size, streams, refuse_empty, verbose):
        check_all_values(vae, observed, first_row, support)
        rows, filled = num_rows(observed), observed
        if same_size:
            places = _places(rows, most)
            filled = tf.nest.map_structure(lambda part, places=places: tf.gather(part, places), observed)
        yield Block(index, first_row, observed, vae.known(without_labels(filled)), rows)


def pieces(
    vae: Model, data: Given, size: int, streams: bool = False, refuse_empty: bool = False, verbose: bool = False
) -> Iterator[Piece]:
    """Yields data in blocks of at most `size` rows, neither checked nor preprocessed; arguments as for `blocks`."""
    data = in_batches(data, None, None, size)[0]
    whole = not isinstance(data, RowBatches) and (not streams or is_array(data))
    arrays = given(vae, data) if whole else None
    batches = _batches(vae, data) if arrays is None else [arrays]
    rows = None if arrays is None else num_rows(arrays)
    size = size if rows is None else max(min(size, rows), 1)
    first_row, index = 0, -1
    for index, some in enumerate(progress(_cut(batches, size), None if rows is None else -(-rows // size), verbose)):
        yield Piece(index, first_row, some, size)
        first_row += num_rows(some)
    if refuse_empty and index < 0:
        received = "an empty x" if whole else "empty data"
        raise InvalidInput("at least one example", received, "Pass data with one row or more.")


def slices(number: int, size: int) -> Iterator[slice]:
    """Yields the slices of at most `size` that make up `number` rows of anything."""
    for start in range(0, number, size):
        yield slice(start, start + size)


def joined(*results: T) -> T:
    """Returns nested tensors, each `[R, ...]`, of several blocks in one, `[B, ...]`."""
    return tf.nest.map_structure(lambda *values: tf.concat(values, axis=0), *results)


def progress(blocks: Iterable[T], number: int | None, verbose: bool) -> Iterator[T]:
    """Yields blocks; a progress bar moves when the next one is asked for.

    Args:
        blocks: anything.
        number: of them, or `None` where it is unknown.
        verbose: whether there is a progress bar.
    """
    bar = keras.utils.Progbar(number, unit_name="block") if verbose else None
    done = 0
    for done, block in enumerate(blocks, start=1):
        yield block
        if bar:
            bar.update(done)
    if bar and number is None:
        bar.update(done, finalize=True)


def is_array(data: Given) -> bool:
    """Says whether the data are one array (or what `event_batch` refuses in its place), not a stream of batches."""
    return hasattr(data, "__array__") or not hasattr(data, "__iter__") or isinstance(data, (list, tuple, dict))


def _cut(batches: Iterable[Observed], size: int) -> Iterator[Observed]:
    """Yields what batches of any size hold, R rows at a time, R as in one array."""
    rest = None
    for batch in batches:
        some = batch if rest is None else tf.nest.map_structure(lambda *parts: np.concatenate(parts), rest, batch)
        rows = num_rows(some)
        whole = rows - rows % size
        yield from (_part(some, part) for part in slices(whole, size))
        rest = _part(some, slice(whole, None))
    if rest is not None and num_rows(rest):
        yield rest


def _part(observed: Observed, rows: slice) -> Observed:
    return tf.nest.map_structure(lambda part: part[rows], observed)


def _batches(vae: Model, data: Given) -> Iterator[Observed]:
    """Yields what each batch of a stream brings."""
    if isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InvalidInput("data with an end", "an endless tf.data.Dataset", "Pass data.take(number_of_batches).")
    if isinstance(data, keras.utils.PyDataset):  # which has no end of its own
        data = map(data.__getitem__, range(data.num_batches))
    for batch in data:
        found = of_keras(batch)
        if not isinstance(batch, Mapping):
            y = found.pop("target", None)  # one that is not the condition is for training alone
            found = pack(found, condition=y if is_condition(vae, y) else None)
        yield tf.nest.map_structure(np.asarray, given(vae, found))


def _places(rows: int, size: int) -> np.ndarray:
    """Returns the rows of a block of `size`, the last one again and again where there are too few."""
    return np.minimum(np.arange(size), rows - 1)
