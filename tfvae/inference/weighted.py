"""The posterior p(z | x) as weighted draws of q(z | x).

    w_s = p(x, z_s) / q(z_s | x) / sum_r p(x, z_r) / q(z_r | x),    z_s ~ q(z | x)
    E[f(z) | x] ~ sum_s w_s f(z_s)                effective sample size = 1 / sum_s w_s^2

Under a mask x is what was observed of it. The draws are those of log p(x) with the same seed (`inference.importance`);
all of them are kept, S B D numbers. (Owen 2013, chapter 9; Rubin 1988 for draws by their weights.)
"""

import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, sample_count
from tfvae.core.model import Model
from tfvae.core.observed import Known
from tfvae.core.types import Given, Tree
from tfvae.inference.accumulators import Kept, accumulate
from tfvae.inference.importance import by_rows, sampler


class Weighted(NamedTuple):
    """S weighted draws of z for each of B examples, which stand for p(z | x).

    Attributes:
        z: the draws, `[S, B, *latent]`, of several latents by name.
        log_weight: normalised, `[S, B]`: log sum_s exp = 0.
        effective_sample_size: how many equally weighted draws carry as much information, `[B]`, from 1 to S; where
            values are enumerated, S is n draws times K values in a row, and this at most n.

    Example:
        >>> posterior = vae.infer(x, num_samples=1000, seed=0)
        >>> mean = posterior.mean()
        >>> low, high = posterior.quantile(0.05), posterior.quantile(0.95)
        >>> share_above = posterior.mean(lambda z: tf.cast(z > 0, tf.float32))
    """

    z: Tree
    log_weight: tf.Tensor
    effective_sample_size: tf.Tensor

    def mean(self, f: Callable[[Tree], Tree] = lambda z: z) -> Tree:
        """Returns E[f(z) | x] ~ sum_s w_s f(z_s), `[B, ...]`, of each tensor that f gives.

        Args:
            f: from z, `[S, B, *latent]`, to `[S, B, ...]`; by default z itself.
        """
        weight = tf.exp(self.log_weight)
        return tf.nest.map_structure(lambda values: weighted_sum(weight, values), f(self.z))

    def quantile(self, q: float, f: Callable[[Tree], Tree] = lambda z: z) -> Tree:
        """Returns the smallest f(z_s) at or below which a share q of the weight lies, elementwise, `[B, ...]`.

        Args:
            q: the share, from 0 to 1.
            f: from z, `[S, B, *latent]`, to `[S, B, ...]`; by default z itself.

        Raises:
            InvalidInput: if q is not a number from 0 to 1.
        """
        if isinstance(q, bool) or not isinstance(q, numbers.Real) or not 0 <= q <= 1:
            raise InvalidInput("q to be a number from 0 to 1", f"q={q!r}", "Pass for example 0.5, the median.")
        return tf.nest.map_structure(lambda values: weighted_quantile(self.log_weight, values, q), f(self.z))

    def sample(self, num_samples: int, seed: int | tf.Tensor | None = None) -> Tree:
        """Returns z that are drawn by their weights, with replacement, `[num_samples, B, *latent]`.

        Args:
            num_samples: how many for each example.
            seed: an integer or int32 scalar for repeatable draws; `None` draws afresh.

        Raises:
            InvalidInput: if `num_samples` is not a whole number of at least 1.
        """
        return chosen(self.z, self.log_weight, sample_count(num_samples), seeds.as_seed(seed))


def weighted_rows(vae: Model, x: Given, num_samples: int, seed: tf.Tensor) -> Weighted:
    """Returns weighted draws for raw x, `[B, ...]`, an `Observed` of arrays, or a stream; see `importance.by_rows`."""
    z, log_weight = by_rows(vae, _rows_first, x, num_samples, seed, weighted_specs(vae, num_samples))
    return with_size(z, log_weight, vae.latents.atoms)


def weighted_specs(vae: Model, num_samples: int) -> tuple[Any, tf.TensorSpec]:
    """Returns the specs of z and log w, rows first, `[B, S, ...]`."""
    number = num_samples * vae.latents.atoms
    z = {name: tf.TensorSpec([None, number, *shape]) for name, shape in vae.latents.shapes.items()}
    return vae.latents.outside(z), tf.TensorSpec([None, number])


def with_size(z: Tree, log_weight: tf.Tensor, atoms: int) -> Weighted:
    """Returns weighted draws of normalised log weights, both rows first, `[B, S, ...]`; `atoms` K of them are one."""
    log_weight = swapped(log_weight)
    return Weighted(tf.nest.map_structure(swapped, z), log_weight, effective_size(log_weight, atoms))


def effective_size(log_weight: tf.Tensor, atoms: int) -> tf.Tensor:
    """Returns 1 / sum of squared weights, `[B]`, of normalised `[S, B]`, of which `atoms` K in a row are one draw."""
    return tf.exp(-tf.reduce_logsumexp(2 * of_draws(log_weight, atoms), axis=0))


def of_draws(log_weight: tf.Tensor, atoms: int) -> tf.Tensor:
    """Returns the log weights of draws, `[S / K, B]`, from those of their K values, `[S, B]`."""
    if atoms == 1:
        return log_weight
    return tf.reduce_logsumexp(tf.reshape(log_weight, tf.stack([-1, atoms, tf.shape(log_weight)[1]])), axis=1)


def block_weighted(
    vae: Model,
    known: Known,
    num_samples: int | tf.Tensor,
    chunk: int | tf.Tensor,
    seed: tf.Tensor,
    jit_compile: bool = False,
) -> tuple[Tree, tf.Tensor]:
    """Returns z, `[S, R, *latent]`, and normalised log weights, `[S, R]`, of one block of examples, inside a graph.

    Args:
        vae: the model.
        known: of the examples, in normal form.
        num_samples: number of draws, at least 1; S of them, times the number of values that are enumerated.
        chunk: draws at a time.
        seed: int32 pair.
        jit_compile: compile the densities with XLA.
    """
    draw, atoms = sampler(vae, known, jit_compile), vae.latents.atoms

    def drawn(size: int | tf.Tensor, stream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        draws = draw(size // atoms, stream)
        return draws.log_weight_of_values, *vae.latents.named(draws.z).values()

    kept, rows = Kept(*vae.latents.shapes.values()), tf.shape(known["x"])[0]
    values: tuple[tf.Tensor, ...] = accumulate(drawn, [kept], rows, num_samples * atoms, chunk * atoms, seed)[0]
    log_weight, *found = values
    z = vae.latents.outside(dict(zip(vae.latents.names, found, strict=True)))
    return z, log_weight - tf.reduce_logsumexp(log_weight, axis=0)


def weighted_sum(weight: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns sum_s w_s v_s, `[B, ...]`, of `[S, B]` and `[S, B, ...]`; what has no weight may be infinite."""
    return tf.reduce_sum(weighted(weight, values), axis=0)


def weighted(weight: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns w_s v_s, `[S, B, ...]`, which is zero where there is no weight."""
    return tf.math.multiply_no_nan(values, _beside(weight, values))


def weighted_quantile(log_weight: tf.Tensor, values: tf.Tensor, q: float) -> tf.Tensor:
    """Returns the smallest of values `[S, B, ...]` at or below which a share q of the weight lies, `[B, ...]`."""
    take, order = tf.experimental.numpy.take_along_axis, tf.argsort(values, axis=0)
    weight = tf.cast(tf.exp(tf.broadcast_to(_beside(log_weight, values), tf.shape(values))), tf.float64)
    below = tf.cumsum(take(weight, order, axis=0), axis=0)
    place = tf.reduce_sum(tf.cast(below < q * below[-1:], tf.int32), axis=0, keepdims=True)
    return take(take(values, order, axis=0), place, axis=0)[0]


def chosen(z: Tree, log_weight: tf.Tensor, number: int | tf.Tensor, seed: tf.Tensor) -> Tree:
    """Returns z, `[number, B, ...]`, that are drawn by their weights from S of them."""
    below = tf.cumsum(swapped(tf.exp(log_weight)), axis=1)
    height = below[:, -1:] * seeds.uniform([tf.shape(below)[0], number], seed)
    place = tf.minimum(tf.searchsorted(below, height, side="right"), tf.shape(below)[1] - 1)
    return tf.nest.map_structure(lambda values: swapped(tf.gather(swapped(values), place, batch_dims=1)), z)


def swapped(values: tf.Tensor) -> tf.Tensor:
    """Returns `[S, B, ...]` of `[B, S, ...]`, and the other way round."""
    return tf.transpose(values, [1, 0, *range(2, values.shape.rank)])


def _rows_first(*inputs: Given, **settings: Given) -> tuple[Tree, tf.Tensor]:
    return tf.nest.map_structure(swapped, block_weighted(*inputs, **settings))


def _beside(weight: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns weights `[S, B]` with as many axes as the values, `[S, B, 1, ...]`."""
    return tf.reshape(weight, tf.concat([tf.shape(weight), [1] * (values.shape.rank - 2)], axis=0))
