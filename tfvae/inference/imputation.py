"""Missing cells, given those that were observed: their mean, its error, their spread, and draws of them.

    E[x_mis | x_obs]   ~ sum_s w_s m_s,                m_s = E[x_mis | z_s],  w_s the weights of p(z | x_obs)
    standard error     ~ sqrt(S / (S - 1) sum_s w_s^2 (m_s - mean)^2)                             delta method
    Var[x_mis | x_obs] ~ sum_s w_s Var[x_mis | z_s] + sum_s w_s (m_s - mean)^2           law of total variance

Given z the elements of x are independent, as they are in every likelihood that sums over its cells. The weighted draws
of z are kept (`inference.weighted`), what is explained by them comes in chunks of 50. (Mattei and Frellsen 2019,
"MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", section 3; Owen 2013, equation 9.9.)
"""

import dataclasses
import math
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, sample_count
from tfvae.core.model import Model
from tfvae.core.observed import Known
from tfvae.core.types import Given, Tensor, Tree
from tfvae.inference.importance import NUMBER, ROWS_PER_BLOCK, SAMPLES_PER_CHUNK, by_rows
from tfvae.inference.requests import run
from tfvae.inference.rows import slices
from tfvae.inference.weighted import (
    Weighted,
    block_weighted,
    chosen,
    effective_size,
    swapped,
    weighted,
    weighted_specs,
    weighted_sum,
    with_size,
)

NUMBERS_AT_ONCE = 10**7  # of draws that an interval is taken from


@dataclasses.dataclass(frozen=True, eq=False)
class Imputation:
    """What missing cells probably are, for each of B examples, in units of preprocessed data.

    Attributes:
        mean: observed cells as given, of the others E[x | observed], `[B, *event]`; of labels the most probable one.
        standard_error: of `mean`, by the finite number of samples, `[B, *event]`; of labels that of the probability of
            the one in `mean`. Zero where x is observed, NaN for a single sample.
        effective_sample_size: how many equally weighted samples carry as much information, `[B]`, from 1 to S.
        stddev: of the cells given what was observed, `[B, *event]`: zero where x is observed, NaN for labels.
        posterior: the weighted draws of z.
        vae: the model.
        mask: bool, `[B, *event]`, true where x is observed.
        told: conditions as parts see them, name to `[B, ...]`.

    Example:
        >>> holes = np.where(np.random.default_rng(0).random(x.shape) < 0.2, np.nan, x)
        >>> found = vae.impute(holes, num_samples=200, seed=0, mask=~np.isnan(holes))
        >>> filled = found.mean
        >>> draws = found.sample(10, seed=0)
        >>> low, high = found.interval(0.9, seed=0)
    """

    mean: Tensor
    standard_error: Tensor
    effective_sample_size: Tensor
    stddev: Tensor
    posterior: Weighted = dataclasses.field(repr=False)
    vae: Model = dataclasses.field(repr=False)
    mask: Tensor = dataclasses.field(repr=False)
    told: dict[str, Tensor] = dataclasses.field(repr=False)

    def sample(self, num_samples: int, seed: int | Tensor | None = None) -> Tensor:
        """Returns completed examples, x_mis ~ p(x_mis | x_obs), observed cells as given, `[num_samples, B, *event]`.

        Each draws one of the S z by its weight, and x from p(x | z): with few effective samples the same z come again.

        Args:
            num_samples: how many for each example.
            seed: an integer or int32 scalar for repeatable draws; `None` draws afresh.

        Raises:
            InvalidInput: if `num_samples` is not a whole number of at least 1.
        """
        number, seed = sample_count(num_samples), seeds.as_seed(seed)
        blocks = slices(self.mean.shape[0], ROWS_PER_BLOCK)
        drawn = [self._drawn(rows, number, seeds.fold(seed, index)) for index, rows in enumerate(blocks)]
        return tf.concat([tf.zeros([number, 0, *self.mean.shape[1:]]), *drawn], axis=1)

    def interval(
        self, level: float = 0.9, num_samples: int = 1000, seed: int | Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns the ends of central intervals that hold each cell with this probability, `[B, *event]` each.

        They are quantiles of draws, as `sample` makes them: a share (1 - level) / 2 lies below, and as many above.
        Where x is observed both ends are the cell itself. Labels do not have an order, so that theirs say nothing.

        Args:
            level: the probability, between 0 and 1.
            num_samples: draws for each cell; the share they hold has a standard deviation of
                sqrt(level (1 - level) / num_samples).
            seed: an integer or int32 scalar for repeatable draws; `None` draws afresh.

        Raises:
            InvalidInput: if `level` is not a number between 0 and 1, or `num_samples` not a whole number of at least 1.
        """
        if isinstance(level, bool) or not isinstance(level, numbers.Real) or not 0 < level < 1:
            raise InvalidInput("level to be a number between 0 and 1", f"level={level!r}", "Pass for example 0.9.")
        number, seed = sample_count(num_samples), seeds.as_seed(seed)
        size = max(NUMBERS_AT_ONCE // (number * math.prod(self.mean.shape[1:])), 1)
        ends = [tf.zeros([2, 0, *self.mean.shape[1:]])]
        for index, rows in enumerate(slices(self.mean.shape[0], size)):
            drawn, tail = self._drawn(rows, number, seeds.fold(seed, index)), 50 * (1 - level)
            ends.append(tfp.stats.percentile(drawn, [tail, 100 - tail], axis=0, interpolation="nearest"))
        low, high = tf.unstack(tf.concat(ends, axis=1))
        return low, high

    def _drawn(self, rows: slice, number: int, seed: Tensor) -> Tensor:
        """Returns completed examples of some rows, `[number, R, *event]`."""
        told = tf.nest.map_structure(lambda value: value[rows], self.told)
        z, log_weight = tf.nest.map_structure(lambda value: value[:, rows], self.posterior[:2])
        given = (self.mean[rows], self.mask[rows], z, log_weight, told)
        parts = enumerate(slices(number, SAMPLES_PER_CHUNK))
        chunks = [
            run(self.vae, _completed, *given, tf.constant(min(SAMPLES_PER_CHUNK, number - part.start)), stream)
            for part, stream in ((part, seeds.fold(seed, index)) for index, part in parts)
        ]
        return tf.concat(chunks, axis=0)


class Imputed(NamedTuple):
    """What an `Imputation` is made of, for one block or for all examples.

    Attributes:
        mean: observed cells as given, `[R, *event]`.
        standard_error: of it.
        effective_sample_size: `[R]`.
        stddev: of the cells, `[R, *event]`.
        drawn: z and normalised log w, rows first, `[R, S, ...]`.
        mask: bool, `[R, *event]`.
        told: conditions as parts see them, name to `[R, ...]`.
    """

    mean: Tensor
    standard_error: Tensor
    effective_sample_size: Tensor
    stddev: Tensor
    drawn: tuple[Tree, Tensor]
    mask: Tensor
    told: dict[str, Tensor]


def imputed_rows(vae: Model, x: Given, num_samples: int, seed: Tensor) -> Imputation:
    """Returns the imputation of raw x, an `Observed` of arrays or a stream; see `importance.by_rows`."""
    cells = tf.TensorSpec([None, *vae.event_shape])
    specs = Imputed(
        mean=cells,
        standard_error=cells,
        effective_sample_size=NUMBER,
        stddev=cells,
        drawn=weighted_specs(vae, num_samples),
        mask=tf.TensorSpec(cells.shape, tf.bool),
        told={name: tf.TensorSpec([None, *part.shape]) for name, part in vae.conditions.items()},
    )
    found = by_rows(vae, block_imputed, x, num_samples, seed, specs)
    cells = (found.mean, found.standard_error, found.effective_sample_size, found.stddev)
    return Imputation(*cells, with_size(found.drawn[0], found.drawn[1], vae.latents.atoms), vae, found.mask, found.told)


def block_imputed(
    vae: Model,
    known: Known,
    num_samples: int | Tensor,
    chunk: int | Tensor,
    seed: Tensor,
    jit_compile: bool = False,
) -> Imputed:
    """Returns what missing cells are for one block of examples, inside a graph; arguments as for `block_weighted`.

    Raises:
        InvalidInput: if no mask says which cells are missing.
    """
    if "mask" not in known:
        remedy = 'Pass mask=~np.isnan(x), true where x is observed; in a stream {"x": x, "mask": ~np.isnan(x)}.'
        raise InvalidInput("a mask that says which cells are missing", "none", remedy)
    z, log_weight = block_weighted(vae, known, num_samples, chunk, seed, jit_compile)
    weight, context = tf.exp(log_weight), vae.context({"condition": known["condition"]})

    def explained(z: Tree, index: Tensor) -> tuple:
        p = vae.hidden(
            context.with_(**vae.latents.named(z)), seeds.fold(seed, index, seeds.MISSING)
        )  # the points that were weighed
        return vae.likelihood.averaged(p), vae.likelihood.deviation(p)

    atoms = vae.latents.atoms
    average, variance, error, within = moments(explained, z, weight, chunk * atoms, atoms)
    mean, variance, error = vae.likelihood.predicted(average, variance, error)
    number, observed = tf.cast(num_samples, tf.float32), known["mask"]
    return Imputed(
        mean=tf.where(observed, known["target"], mean),
        standard_error=tf.where(observed, 0.0, tf.sqrt(error * (number / (number - 1)))),
        effective_sample_size=effective_size(log_weight, atoms),
        stddev=tf.where(observed, 0.0, tf.sqrt(within + variance)),
        drawn=tf.nest.map_structure(swapped, (z, log_weight)),
        mask=observed,
        told=known["condition"],
    )


def moments(
    explained: Callable[[Tree, Tensor], tuple], z: Tree, weight: Tensor, chunk: int | Tensor, atoms: int = 1
) -> tuple[Any, Any, Any, Tensor]:
    """Returns sum w f, sum w (f - mean)^2, sum w^2 (f - mean)^2, each `[R, ...]` as f is nested, and sum w s^2.

    One walk in chunks over the samples, about f at the heaviest of them, so that no digits cancel. Where `atoms` values
    in a row are one draw, the third sum is over draws, of the square of what each has: its values are not independent.

    Args:
        explained: from z, `[C, R, *latent]`, and the number of the chunk to f and s, `[C, R, ...]`.
        z: `[S, R, *latent]`.
        weight: normalised, `[S, R]`.
        chunk: samples at a time, whole draws.
        atoms: how many samples are one draw.
    """
    each, heaviest = tf.nest.map_structure, tf.argmax(weight, axis=0)[:, tf.newaxis]
    start = each(lambda values: swapped(tf.gather(swapped(values), heaviest, batch_dims=1)), z)
    about, noise = explained(start, tf.constant(0))

    def in_draws(values: Tensor) -> Tensor:
        grouped = tf.reshape(values, tf.concat([[-1, atoms], tf.shape(values)[1:]], axis=0))
        return tf.reduce_sum(grouped, axis=1)

    def of_draws(i: int, j: int) -> Callable[[Tensor, Tensor], Tensor]:
        if i == 1 or atoms == 1:
            return lambda w, d: weighted_sum(w**i, d**j)
        if j == 1:
            return lambda w, d: weighted_sum(in_draws(w), in_draws(weighted(w, d)))
        return lambda w, d: tf.reduce_sum(in_draws(weighted(w, d)) ** 2, axis=0)

    powers = [of_draws(i, j) for i, j in POWERS]

    def step(start: Tensor, sums: tuple) -> tuple:
        w = weight[start : start + chunk]
        values, noise = explained(each(lambda draws: draws[start : start + chunk], z), start // chunk)
        away = each(tf.subtract, values, about)
        of_powers = [each(lambda d, power=power: power(w, d), away) for power in powers]
        more = (*of_powers, weighted_sum(w, noise**2))
        return start + chunk, each(tf.add, sums, more)

    nothing = (*[each(lambda value: tf.zeros_like(value[0]), about) for _ in POWERS], tf.zeros_like(noise[0]))
    number = tf.shape(weight)[0]
    _, sums = tf.while_loop(lambda start, _: start < number, step, (tf.constant(0), nothing))
    once, square, twice, square_twice, within = sums
    total = tf.reduce_sum(in_draws(weight) ** 2, axis=0)

    def error(d: Tensor, ww_d: Tensor, ww_dd: Tensor) -> Tensor:
        ww = tf.reshape(total, [-1] + [1] * (d.shape.rank - 1))
        return tf.maximum(ww_dd - 2 * d * ww_d + d**2 * ww, 0.0)

    mean = each(lambda start, d: start[0] + d, about, once)
    variance = each(lambda d, dd: tf.maximum(dd - d**2, 0.0), once, square)
    return mean, variance, each(error, once, twice, square_twice), within


POWERS = ((1, 1), (1, 2), (2, 1), (2, 2))  # of the weight and of the difference


def _completed(
    vae: Model,
    mean: Tensor,
    mask: Tensor,
    z: Tree,
    log_weight: Tensor,
    told: dict[str, Tensor],
    number: Tensor,
    seed: Tensor,
) -> Tensor:
    """Returns draws, `[number, R, *event]`, for one block of examples."""
    drawn = chosen(z, log_weight, number, seeds.fold(seed, seeds.POSTERIOR))
    context = vae.context({"condition": told}).with_(**vae.latents.named(drawn))
    p = vae.hidden(context, seeds.fold(seed, seeds.MISSING))
    return tf.where(mask, mean, p.sample(seed=seeds.fold(seed, seeds.LIKELIHOOD)))
