"""The marginal likelihood by importance sampling, streaming over samples and examples in bounded memory.

    log p(x) ~ log 1/k sum_{i=1..k} w_i,    w_i = p(x, z_i) / q(z_i | x),    z_i ~ q(z | x)
    standard error ~ sqrt((k sum w_i^2 / (sum w_i)^2 - 1) / (k - 1))          delta method, nats
    effective sample size = (sum w_i)^2 / sum w_i^2

The samples are drawn in chunks; of each chunk only the running maximum and two sums are kept. Exactly k samples
enter the sums: what the last chunk has too many is masked out. (Burda et al. 2016, section 5; Kong 1992.)
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfvae.seeds import fold

SAMPLES_PER_CHUNK = 50
ROWS_PER_BLOCK = 100


class MarginalEstimate(NamedTuple):
    """An importance-sampled log p(x) for each of B examples.

    Attributes:
        log_prob: log p(x) in nats, `[B]`; its expectation is a lower bound that rises with the number of samples.
        standard_error: of `log_prob`, in nats, `[B]`; NaN for a single sample, which says nothing about its error.
        effective_sample_size: how many equally weighted samples carry as much information, `[B]`, from 1 to k.
    """

    log_prob: tf.Tensor
    standard_error: tf.Tensor
    effective_sample_size: tf.Tensor


def chunk_size(num_samples: int | tf.Tensor) -> int | tf.Tensor:
    """Returns how many samples are drawn at a time."""
    return (
        min(SAMPLES_PER_CHUNK, num_samples)
        if isinstance(num_samples, int)
        else tf.minimum(SAMPLES_PER_CHUNK, num_samples)
    )


def estimate(
    log_weight: Callable[[int | tf.Tensor, tf.Tensor], tf.Tensor],
    batch_size: int | tf.Tensor,
    num_samples: int | tf.Tensor,
    chunk: int | tf.Tensor,
    seed: tf.Tensor,
) -> MarginalEstimate:
    """Returns the estimate from exactly `num_samples` importance weights for each example.

    Args:
        log_weight: `(chunk, seed) -> [chunk, B]`, fresh log importance weights.
        batch_size: number of examples B.
        num_samples: number of samples k, at least 1.
        chunk: samples drawn at a time; memory is that of one chunk.
        seed: int32 pair.
    """

    def step(index: tf.Tensor, top: tf.Tensor, total: tf.Tensor, squares: tf.Tensor) -> tuple:
        weights = log_weight(chunk, fold(seed, index))
        used = index * chunk + tf.range(chunk) < num_samples
        weights = tf.where(used[:, tf.newaxis], weights, -float("inf"))
        new_top = tf.maximum(top, tf.reduce_max(weights, axis=0))
        shift = tf.where(tf.math.is_finite(new_top), new_top, 0.0)
        scaled = tf.exp(weights - shift)
        decay = tf.exp(top - shift)
        total = total * decay + tf.reduce_sum(scaled, axis=0)
        return index + 1, new_top, total, squares * decay**2 + tf.reduce_sum(scaled**2, axis=0)

    zeros = tf.zeros([batch_size])
    chunks = (num_samples + chunk - 1) // chunk
    state = (tf.constant(0), zeros - float("inf"), zeros, zeros)
    _, top, total, squares = tf.while_loop(lambda index, *_: index < chunks, step, state)
    k = tf.cast(num_samples, tf.float32)
    relative_variance = tf.maximum(k * squares / total**2 - 1.0, 0.0) / (k - 1.0)
    return MarginalEstimate(top + tf.math.log(total) - tf.math.log(k), tf.sqrt(relative_variance), total**2 / squares)


def estimate_blocks(
    block: Callable[[tf.Tensor, tf.Tensor], MarginalEstimate], x: tf.Tensor, seed: tf.Tensor
) -> MarginalEstimate:
    """Returns the estimate for all of x, `[B, ...]`, block of rows by block of rows, inside a graph.

    Args:
        block: `(rows, seed) -> MarginalEstimate` for at most `ROWS_PER_BLOCK` rows.
        x: the examples, `[B, ...]`; B may be unknown until run time, and zero.
        seed: int32 pair; block i uses `fold(seed, i)`, as `VAE.estimate_log_prob` does.
    """
    rows = tf.shape(x)[0]
    blocks = (rows + ROWS_PER_BLOCK - 1) // ROWS_PER_BLOCK
    arrays = [tf.TensorArray(tf.float32, blocks, element_shape=[None], infer_shape=False) for _ in range(3)]

    def step(index: tf.Tensor, arrays: list) -> tuple:
        part = x[index * ROWS_PER_BLOCK : (index + 1) * ROWS_PER_BLOCK]
        results = block(part, fold(seed, index))
        return index + 1, [array.write(index, value) for array, value in zip(arrays, results, strict=True)]

    _, arrays = tf.while_loop(lambda index, _: index < blocks, step, (tf.constant(0), arrays))
    return MarginalEstimate(*(array.concat() for array in arrays))
