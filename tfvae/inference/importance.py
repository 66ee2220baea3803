"""The marginal likelihood by importance sampling, streaming over samples and examples in bounded memory.

    log p(x) ~ log 1/k sum_{i=1..k} w_i,    w_i = p(x, z_i) / q(z_i | x),    z_i ~ q(z | x)
    standard error ~ sqrt((k sum w_i^2 / (sum w_i)^2 - 1) / (k - 1))          delta method, nats
    effective sample size = (sum w_i)^2 / sum w_i^2

Examples come in blocks of 100, samples in chunks of 50, in the model and in a SavedModel alike: so the noise has the
same layout, and the memory is that of one block and one chunk. (Burda, Grosse and Salakhutdinov 2016, section 5; Kong
1992.)
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfvae.checks.data import given
from tfvae.core.model import Model
from tfvae.core.observed import Known, num_rows
from tfvae.core.seeds import POSTERIOR, fold
from tfvae.core.types import ArrayLike
from tfvae.inference.accumulators import Marginal, MarginalEstimate, accumulate
from tfvae.inference.requests import answer
from tfvae.inference.rows import joined, pieces
from tfvae.inference.target import Target

SAMPLES_PER_CHUNK = 50
ROWS_PER_BLOCK = 100


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

    def draw(size: int | tf.Tensor, stream: tf.Tensor) -> tuple[tf.Tensor]:
        return (log_weight(size, stream),)

    return accumulate(draw, [Marginal()], batch_size, num_samples, chunk, seed)[0]


def block_estimate(
    vae: Model,
    known: Known,
    num_samples: int | tf.Tensor,
    chunk: int | tf.Tensor,
    seed: tf.Tensor,
    jit_compile: bool = False,
) -> MarginalEstimate:
    """Returns the estimate for one block of examples, inside a graph.

    Args:
        vae: the model.
        known: of the examples, in normal form.
        num_samples: number of samples k, at least 1.
        chunk: samples drawn at a time.
        seed: int32 pair.
        jit_compile: compile the densities with XLA.
    """
    target = Target(vae, known, anew=True, jit_compile=jit_compile)
    q = target.amortised()

    def log_weight(size: int | tf.Tensor, stream: tf.Tensor) -> tf.Tensor:
        return target.draw(q, size, fold(stream, POSTERIOR)).log_weight

    return estimate(log_weight, tf.shape(known["x"])[0], num_samples, chunk, seed)


def estimate_rows(
    vae: Model, x: ArrayLike, num_samples: int, seed: tf.Tensor, verbose: bool = False
) -> MarginalEstimate:
    """Returns the estimate for raw x, `[B, ...]`; eagerly each block is one call of a graph.

    The densities of a full block are compiled with XLA; those of fewer rows are not, since to compile them for each
    number of rows takes longer than it saves.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`, an `Observed` of arrays, or a stream of batches of either.
        num_samples: number of samples k, at least 1.
        seed: int32 pair; block i uses `fold(seed, i)`.
        verbose: show a progress bar over the blocks of examples.

    Raises:
        InvalidInput: if x has a wrong shape or wrong values.
    """
    if not tf.executing_eagerly():
        return estimate_in_graph(vae, vae.known(given(vae, x)), num_samples, seed)
    numbers = tf.constant(num_samples), tf.constant(chunk_size(num_samples))
    results = [
        answer(
            vae, block_estimate, piece.observed, *numbers, fold(seed, piece.index),
            of_data=True, first_row=piece.first_row, jit_compile=num_rows(piece.observed) == ROWS_PER_BLOCK,
        )
        for piece in pieces(vae, x, ROWS_PER_BLOCK, streams=True, verbose=verbose)
    ]  # fmt: skip
    return joined(MarginalEstimate(*[tf.zeros([0])] * 3), *results)


def estimate_in_graph(vae: Model, known: Known, num_samples: int | tf.Tensor, seed: tf.Tensor) -> MarginalEstimate:
    """Returns the estimate for all of B examples, whose number may be unknown until run time, inside a graph.

    Args:
        vae: the model.
        known: of the examples, in normal form.
        num_samples: number of samples k, at least 1.
        seed: int32 pair; block i uses `fold(seed, i)`, as in `estimate_rows`.
    """
    chunk = chunk_size(num_samples)

    def block(index: tf.Tensor, part: Known) -> MarginalEstimate:
        return block_estimate(vae, part, num_samples, chunk, fold(seed, index))

    return MarginalEstimate(*by_blocks(block, known, 3))


def by_blocks(block: Callable[[tf.Tensor, Known], Sequence[tf.Tensor]], known: Known, results: int) -> list[tf.Tensor]:
    """Returns what a function gives of each block of the examples, one after the other, inside a graph.

    The loop over blocks is part of the graph. It cannot check values or show progress, as `rows.pieces` does.

    Args:
        block: `(index, known) -> results`, each `[R]`.
        known: of the examples, in normal form.
        results: how many the function gives.
    """
    count = (tf.shape(known["x"])[0] + ROWS_PER_BLOCK - 1) // ROWS_PER_BLOCK
    arrays = [tf.TensorArray(tf.float32, count, element_shape=[None], infer_shape=False) for _ in range(results)]

    def step(index: tf.Tensor, arrays: list) -> tuple:
        rows = slice(index * ROWS_PER_BLOCK, (index + 1) * ROWS_PER_BLOCK)
        values = block(index, tf.nest.map_structure(lambda part: part[rows], known))
        return index + 1, [array.write(index, value) for array, value in zip(arrays, values, strict=True)]

    _, arrays = tf.while_loop(lambda index, _: index < count, step, (tf.constant(0), arrays))
    return [array.concat() for array in arrays]
