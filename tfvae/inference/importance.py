"""The marginal likelihood by importance sampling, streaming over samples and examples in bounded memory.

    log p(x) ~ log 1/k sum_{i=1..k} w_i,    w_i = p(x, z_i) / q(z_i | x),    z_i ~ q(z | x)
    standard error ~ sqrt((k sum w_i^2 / (sum w_i)^2 - 1) / (k - 1))          delta method, nats
    effective sample size = (sum w_i)^2 / sum w_i^2

Examples come in blocks of 100, samples in chunks of 50, in the model and in a SavedModel alike: so the noise has the
same layout, and the memory is that of one block and one chunk. (Burda, Grosse and Salakhutdinov 2016, section 5; Kong
1992.)
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf

from tfvae.checks.data import given
from tfvae.core.model import Model
from tfvae.core.observed import Known, num_rows
from tfvae.core.seeds import fold
from tfvae.core.types import Given
from tfvae.inference.accumulators import Marginal, MarginalEstimate, accumulate
from tfvae.inference.requests import answer
from tfvae.inference.rows import joined, pieces
from tfvae.inference.target import Draws, Target

SAMPLES_PER_CHUNK = 50
ROWS_PER_BLOCK = 100
Specs: TypeAlias = Any  # nested `tf.TensorSpec`s: what a function gives of B examples, `[None, ...]` each
NUMBER = tf.TensorSpec([None])
ESTIMATE = MarginalEstimate(NUMBER, NUMBER, NUMBER)


def chunk_size(vae: Model, num_samples: int | tf.Tensor) -> int | tf.Tensor:
    """Returns how many samples are drawn at a time: as many as are 50 points together with their enumerated values."""
    most = max(SAMPLES_PER_CHUNK // vae.latents.atoms, 1)
    return min(most, num_samples) if isinstance(num_samples, int) else tf.minimum(most, num_samples)


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
    draw = sampler(vae, known, jit_compile)
    rows = tf.shape(known["x"])[0]
    return estimate(lambda size, stream: draw(size, stream).log_weight, rows, num_samples, chunk, seed)


def sampler(vae: Model, known: Known, jit_compile: bool = False) -> Callable[[int | tf.Tensor, tf.Tensor], Draws]:
    """Returns the function `(S, seed) -> draws` of z ~ q(z | x) and their densities, inside a graph.

    Args:
        vae: the model.
        known: of the examples, in normal form.
        jit_compile: compile the densities with XLA.
    """
    target = Target(vae, known, anew=True, jit_compile=jit_compile)
    q = target.amortised()
    return lambda size, stream: target.of_chunk(q, size, stream)


def estimate_rows(vae: Model, x: Given, num_samples: int, seed: tf.Tensor, verbose: bool = False) -> MarginalEstimate:
    """Returns the estimate for raw x, `[B, ...]`, an `Observed` of arrays, or a stream; see `by_rows`."""
    return by_rows(vae, block_estimate, x, num_samples, seed, ESTIMATE, verbose)


def by_rows(
    vae: Model,
    block: Callable,
    x: Given,
    num_samples: int,
    seed: tf.Tensor,
    specs: Specs,
    verbose: bool = False,
) -> Any:
    """Returns what a function gives of raw x, `[B, ...]`; eagerly each block of examples is one call of a graph.

    The densities of a full block are compiled with XLA; those of fewer rows are not, since to compile them for each
    number of rows takes longer than it saves.

    Args:
        vae: the model.
        block: `(vae, known, num_samples, chunk, seed, jit_compile) -> results`, for example `block_estimate`.
        x: raw examples, `[B, ...]`, an `Observed` of arrays, or a stream of batches of either.
        num_samples: number of samples k, at least 1.
        seed: int32 pair; block i uses `fold(seed, i)`.
        specs: of the results.
        verbose: show a progress bar over the blocks of examples.

    Raises:
        InvalidInput: if x has a wrong shape or wrong values.
    """
    if not tf.executing_eagerly():
        return by_rows_in_graph(vae, block, vae.known(given(vae, x)), num_samples, seed, specs)
    numbers = tf.constant(num_samples), tf.constant(chunk_size(vae, num_samples))
    results = [
        answer(
            vae, block, piece.observed, *numbers, fold(seed, piece.index),
            of_data=True, first_row=piece.first_row, jit_compile=num_rows(piece.observed) == ROWS_PER_BLOCK,
        )
        for piece in pieces(vae, x, ROWS_PER_BLOCK, streams=True, verbose=verbose)
    ]  # fmt: skip
    nothing = tf.nest.map_structure(lambda spec: tf.zeros([0, *(n or 0 for n in spec.shape[1:])], spec.dtype), specs)
    return joined(*(results or [nothing]))


def by_rows_in_graph(
    vae: Model, block: Callable, known: Known, num_samples: int | tf.Tensor, seed: tf.Tensor, specs: Specs
) -> Any:
    """Returns the same of all of B examples, whose number may be unknown until run time, inside a graph.

    Args:
        vae: the model.
        block: as for `by_rows`.
        known: of the examples, in normal form.
        num_samples: number of samples k, at least 1.
        seed: int32 pair; block i uses `fold(seed, i)`, as in `by_rows`.
        specs: of the results.
    """
    chunk = chunk_size(vae, num_samples)
    return by_blocks(lambda index, part: block(vae, part, num_samples, chunk, fold(seed, index)), known, specs)


def by_blocks(block: Callable[[tf.Tensor, Known], Any], known: Known, specs: Specs) -> Any:
    """Returns what a function gives of each block of the examples, one after the other, inside a graph.

    The loop over blocks is part of the graph. It cannot check values or show progress, as `rows.pieces` does.

    Args:
        block: `(index, known) -> results`, each `[R, ...]`.
        known: of the examples, in normal form.
        specs: of the results.
    """
    count = (tf.shape(known["x"])[0] + ROWS_PER_BLOCK - 1) // ROWS_PER_BLOCK
    arrays = [
        tf.TensorArray(spec.dtype, count, element_shape=spec.shape, infer_shape=False)
        for spec in tf.nest.flatten(specs)
    ]

    def step(index: tf.Tensor, arrays: list) -> tuple:
        rows = slice(index * ROWS_PER_BLOCK, (index + 1) * ROWS_PER_BLOCK)
        values = tf.nest.flatten(block(index, tf.nest.map_structure(lambda part: part[rows], known)))
        return index + 1, [array.write(index, value) for array, value in zip(arrays, values, strict=True)]

    _, arrays = tf.while_loop(lambda index, _: index < count, step, (tf.constant(0), arrays))
    return tf.nest.pack_sequence_as(specs, [array.concat() for array in arrays])
