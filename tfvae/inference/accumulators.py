"""Statistics of a stream of importance weights, in memory that does not grow with the number of samples.

    state' = update(state, chunk)        result(state) = the statistic of exactly k samples

    Marginal      log 1/k sum_i w_i, its standard error and the effective sample size: a running maximum and two sums
    GroupBound    mean over groups of k' samples of log 1/k' sum w
    Largest       the largest log w
    Mean          1/k sum_i v_i of any v_i that was drawn along
    Kept          all log w, and z: the one whose memory grows with the number of samples

The samples are drawn in chunks; of each chunk only what an `Accumulator` keeps stays. Exactly k samples enter: what the
last chunk has too many is masked out. (Burda, Grosse and Salakhutdinov 2016, section 5; Kong 1992.)
"""

import abc
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from tfvae.core.seeds import fold
from tfvae.core.types import Shape


class MarginalEstimate(NamedTuple):
    """An importance-sampled log p(x) for each of B examples; prints as one line.

    Attributes:
        log_prob: log p(x) in nats, `[B]`; its expectation is a lower bound that rises with the number of samples.
        standard_error: of `log_prob`, in nats, `[B]`; NaN for a single sample, which says nothing about its error.
        effective_sample_size: how many equally weighted samples carry as much information, `[B]`, from 1 to k.
    """

    log_prob: tf.Tensor
    standard_error: tf.Tensor
    effective_sample_size: tf.Tensor

    def __repr__(self) -> str:
        """Returns means over the examples, in one line."""
        return described(self)


Statistic: TypeAlias = MarginalEstimate | tf.Tensor  # of each of B examples


class Chunk(NamedTuple):
    """C of the samples of each of B examples.

    Attributes:
        first: number of samples before these.
        last: number of samples up to and including the last one that counts.
        used: which of them count, `[C, 1]`; false only at the end of the last chunk.
        log_weight: log importance weights, `[C, B]`, -inf where they do not count.
        others: whatever was drawn along, each `[C, B, ...]`.
    """

    first: tf.Tensor
    last: tf.Tensor
    used: tf.Tensor
    log_weight: tf.Tensor
    others: tuple[tf.Tensor, ...]


class Accumulator(abc.ABC):
    """A statistic of a stream of samples, in memory that does not grow with their number."""

    @abc.abstractmethod
    def start(self, batch_size: int | tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the state before the first sample."""

    @abc.abstractmethod
    def update(self, state: tuple[tf.Tensor, ...], chunk: Chunk) -> tuple[tf.Tensor, ...]:
        """Returns the state after one more chunk."""

    @abc.abstractmethod
    def result(self, state: tuple[tf.Tensor, ...], num_samples: int | tf.Tensor) -> Statistic:
        """Returns the statistic of `num_samples` samples."""


class Marginal(Accumulator):
    """The `MarginalEstimate`: a running maximum, sum w and sum w^2."""

    def start(self, batch_size: int | tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the largest log weight and both sums relative to it, each `[B]`."""
        zeros = tf.zeros([batch_size])
        return zeros - float("inf"), zeros, zeros

    def update(self, state: tuple[tf.Tensor, ...], chunk: Chunk) -> tuple[tf.Tensor, ...]:
        """Adds a chunk to both sums."""
        top, total, squares = state
        new_top = tf.maximum(top, tf.reduce_max(chunk.log_weight, axis=0))
        shift = tf.where(tf.math.is_finite(new_top), new_top, 0.0)
        scaled = tf.exp(chunk.log_weight - shift)
        decay = tf.exp(top - shift)
        total = total * decay + tf.reduce_sum(scaled, axis=0)
        return new_top, total, squares * decay**2 + tf.reduce_sum(scaled**2, axis=0)

    def result(self, state: tuple[tf.Tensor, ...], num_samples: int | tf.Tensor) -> MarginalEstimate:
        """Returns log p(x), its standard error and the effective sample size, each `[B]`."""
        top, total, squares = state
        k = tf.cast(num_samples, tf.float32)
        variance = tf.maximum(k * squares / total**2 - 1.0, 0.0) / (k - 1.0)
        return MarginalEstimate(top + tf.math.log(total) - tf.math.log(k), tf.sqrt(variance), total**2 / squares)


class GroupBound(Accumulator):
    """The bound of k samples, mean of log 1/k sum w over disjoint groups of k; what fills no group is left out.

    Args:
        size: number of samples k in a group.

    Reference:
        Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders", equation 8; k = 1 is the ELBO.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def start(self, batch_size: int | tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns log sum w of the group that is being filled and the sum of those of full groups, each `[B]`."""
        zeros = tf.zeros([batch_size])
        return zeros - float("inf"), tf.cast(zeros, tf.float64)

    def update(self, state: tuple[tf.Tensor, ...], chunk: Chunk) -> tuple[tf.Tensor, ...]:
        """Goes on filling the open group, and opens as many as it takes."""
        filling, full = state
        count = tf.shape(chunk.log_weight)[0]
        before, groups = chunk.first // self.size, count // self.size + 2
        group = (chunk.first + tf.range(count)) // self.size - before
        values = tf.concat([filling[tf.newaxis], chunk.log_weight], axis=0)
        sums = _log_sums(values, tf.concat([[0], group], axis=0), groups)
        closed = chunk.last // self.size - before
        finished = tf.cast(tf.reduce_sum(sums[:closed], axis=0), tf.float64)
        return sums[closed], full + finished

    def result(self, state: tuple[tf.Tensor, ...], num_samples: int | tf.Tensor) -> tf.Tensor:
        """Returns the bound, `[B]`, NaN where there are fewer than k samples."""
        groups = tf.cast(num_samples // self.size, tf.float64)
        return tf.cast(state[1] / groups - math.log(self.size), tf.float32)


class Largest(Accumulator):
    """The largest log weights.

    Args:
        count: how many to keep.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def start(self, batch_size: int | tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns `[B, count]` of -inf."""
        return (tf.fill([batch_size, self.count], -float("inf")),)

    def update(self, state: tuple[tf.Tensor, ...], chunk: Chunk) -> tuple[tf.Tensor, ...]:
        """Keeps the largest of old and new."""
        candidates = tf.concat([state[0], tf.transpose(chunk.log_weight)], axis=1)
        return (tf.math.top_k(candidates, self.count).values,)

    def result(self, state: tuple[tf.Tensor, ...], num_samples: int | tf.Tensor) -> tf.Tensor:
        """Returns the log weights, `[B, count]`, largest first; -inf beyond `num_samples`."""
        del num_samples
        return state[0]


class Mean(Accumulator):
    """The mean of what was drawn along with the weights.

    Args:
        index: which of `Chunk.others`.
    """

    def __init__(self, index: int = 0) -> None:
        self.index = index

    def start(self, batch_size: int | tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the sum, `[B]`."""
        return (tf.zeros([batch_size], tf.float64),)

    def update(self, state: tuple[tf.Tensor, ...], chunk: Chunk) -> tuple[tf.Tensor, ...]:
        """Adds the values that count."""
        values = tf.where(chunk.used, chunk.others[self.index], 0.0)
        return (state[0] + tf.cast(tf.reduce_sum(values, axis=0), tf.float64),)

    def result(self, state: tuple[tf.Tensor, ...], num_samples: int | tf.Tensor) -> tf.Tensor:
        """Returns the mean, `[B]`."""
        return tf.cast(state[0] / tf.cast(num_samples, tf.float64), tf.float32)


class Kept(Accumulator):
    """The log weights and what was drawn along, as they are.

    Args:
        *shapes: of one value of each of `Chunk.others`.
    """

    def __init__(self, *shapes: Shape) -> None:
        self.shapes = [(), *shapes]

    def start(self, batch_size: int | tf.Tensor) -> tuple[tf.TensorArray, ...]:
        """Returns an array of chunks for each, still empty."""
        del batch_size
        more = {"size": 0, "dynamic_size": True, "infer_shape": False}
        return tuple(tf.TensorArray(tf.float32, element_shape=[None, None, *s], **more) for s in self.shapes)

    def update(self, state: tuple[tf.TensorArray, ...], chunk: Chunk) -> tuple[tf.TensorArray, ...]:
        """Writes the chunk behind the others."""
        values = (chunk.log_weight, *chunk.others)
        return tuple(array.write(array.size(), value) for array, value in zip(state, values, strict=True))

    def result(self, state: tuple[tf.TensorArray, ...], num_samples: int | tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns log weights and the others, `[num_samples, B, ...]`."""
        return tuple(array.concat()[:num_samples] for array in state)


def described(estimate: NamedTuple) -> str:
    """Returns a number of examples and the mean of each field, `[B]`; inside a graph, and of specs, the fields."""
    fields, name = estimate._asdict(), type(estimate).__name__
    if not all(tf.is_tensor(value) and hasattr(value, "numpy") for value in fields.values()):
        return f"{name}({', '.join(f'{field}={value!r}' for field, value in fields.items())})"
    means = ", ".join(f"{field} {tf.reduce_mean(value).numpy():.3f}" for field, value in fields.items())
    return f"{name} of {tf.size(next(iter(fields.values())))} examples, means: {means}"


def accumulate(
    draw: Callable[[int | tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]],
    accumulators: Sequence[Accumulator],
    batch_size: int | tf.Tensor,
    num_samples: int | tf.Tensor,
    chunk: int | tf.Tensor,
    seed: tf.Tensor,
    stream: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = fold,
) -> list[Statistic]:
    """Returns what each accumulator makes of exactly `num_samples` samples for each example, drawn once.

    Args:
        draw: `(chunk, seed) -> (log_weight, *others)`, each `[chunk, B, ...]`, of fresh samples.
        accumulators: the statistics.
        batch_size: number of examples B.
        num_samples: number of samples k, at least 1.
        chunk: samples drawn at a time; memory is that of one chunk.
        seed: int32 pair.
        stream: `(seed, index) -> seed` of a chunk.
    """

    def step(index: tf.Tensor, states: list) -> tuple:
        log_weight, *others = draw(chunk, stream(seed, index))
        first = index * chunk
        used = (first + tf.range(chunk) < num_samples)[:, tf.newaxis]
        log_weight = tf.where(used, log_weight, -float("inf"))
        part = Chunk(first, tf.minimum(first + chunk, num_samples), used, log_weight, tuple(others))
        return index + 1, [a.update(state, part) for a, state in zip(accumulators, states, strict=True)]

    chunks = (num_samples + chunk - 1) // chunk
    start = (tf.constant(0), [a.start(batch_size) for a in accumulators])
    _, states = tf.while_loop(lambda index, _: index < chunks, step, start)
    return [a.result(state, num_samples) for a, state in zip(accumulators, states, strict=True)]


def _log_sums(values: tf.Tensor, segment: tf.Tensor, segments: int | tf.Tensor) -> tf.Tensor:
    """Returns log sum exp of the values, `[C, B]`, of each segment, `[segments, B]`; -inf of an empty one."""
    top = tf.math.unsorted_segment_max(values, segment, segments)
    top = tf.where(tf.math.is_finite(top), top, 0.0)
    return top + tf.math.log(tf.math.unsorted_segment_sum(tf.exp(values - tf.gather(top, segment)), segment, segments))
