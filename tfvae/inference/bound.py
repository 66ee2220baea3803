"""The evidence lower bound of each example, in bounded memory.

    ELBO(x) = 1/S sum_s log p(x | z_s) - KL(q(z | x) || p(z)),    z_s ~ q(z | x)

KL is a sum over latents, each in closed form where there is one, else the samples' mean of log q - log p. Examples come
in blocks and samples in chunks as for log p(x) (`tfvae.inference.importance`). The first block and the first chunk have
the seed itself, so that what fits into one of each has the noise of `vae.evidence`.
"""

import tensorflow as tf

from tfvae.checks.data import given
from tfvae.core.evidence import expected_in_draws, total
from tfvae.core.model import Model
from tfvae.core.observed import Known
from tfvae.core.seeds import fold
from tfvae.core.types import ArrayLike
from tfvae.inference.accumulators import Mean, accumulate
from tfvae.inference.importance import NUMBER, ROWS_PER_BLOCK, by_blocks, chunk_size
from tfvae.inference.requests import answer
from tfvae.inference.rows import pieces


def elbo_rows(vae: Model, x: ArrayLike, num_samples: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns the ELBO of raw x, `[B]` in nats; eagerly each block is one call of a graph.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`, an `Observed` of arrays, or a stream of batches of either.
        num_samples: number of samples S, at least 1.
        seed: int32 pair.

    Raises:
        InvalidInput: if x has a wrong shape or wrong values.
    """
    if not tf.executing_eagerly():
        observed = given(vae, x)
        known, rows = vae.known(observed), observed["x"].shape[0] or ROWS_PER_BLOCK + 1
        if isinstance(num_samples, int) and num_samples <= chunk_size(vae, num_samples) and rows <= ROWS_PER_BLOCK:
            return vae.evidence(known, num_samples, seed).elbo  # without loops, which XLA does not take
        return elbo_in_graph(vae, known, num_samples, seed)
    numbers = tf.constant(num_samples), tf.constant(chunk_size(vae, num_samples))
    bounds = [
        answer(
            vae,
            block_elbo,
            piece.observed,
            *numbers,
            piece_seed(seed, piece.index),
            of_data=True,
            first_row=piece.first_row,
        )  # fmt: skip
        for piece in pieces(vae, x, ROWS_PER_BLOCK, streams=True)
    ]
    return tf.concat([tf.zeros([0]), *bounds], axis=0)


def elbo_in_graph(vae: Model, known: Known, num_samples: int | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns the ELBO of all of B examples, whose number may be unknown until run time, inside a graph."""
    chunk = chunk_size(vae, num_samples)

    def block(index: tf.Tensor, part: Known) -> tf.Tensor:
        return block_elbo(vae, part, num_samples, chunk, piece_seed(seed, index))

    return by_blocks(block, known, NUMBER)


def block_elbo(
    vae: Model, known: Known, num_samples: int | tf.Tensor, chunk: int | tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Returns the ELBO for one block of examples, `[B]`, inside a graph.

    Args:
        vae: the model.
        known: of the examples, in normal form.
        num_samples: number of samples S, at least 1.
        chunk: samples drawn at a time.
        seed: int32 pair.
    """

    def draw(size: int | tf.Tensor, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        evidence = vae.evidence(known, size, stream)
        rate = total(f.log_q - f.log_p if f.kl is None else f.kl for f in evidence.factors.values())
        values = expected_in_draws(evidence.log_likelihood - rate, evidence.log_mass, size)
        return values, values

    return accumulate(draw, [Mean()], tf.shape(known["x"])[0], num_samples, chunk, seed, piece_seed)[0]


def piece_seed(seed: tf.Tensor, index: int | tf.Tensor) -> tf.Tensor:
    """Returns the seed of a block or chunk: of the first one the seed itself, of others one of their own."""
    return tf.where(tf.equal(index, 0), seed, fold(seed, index))
