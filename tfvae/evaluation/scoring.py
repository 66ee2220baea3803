"""One pass over data and samples, from which every number of a `Report` comes.

w_i = p(x, z_i) / q(z_i | x),  z_i ~ q(z | x),  i = 1 ... S
ELBO = 1/S sum_i log w_i      log p(x) = log 1/S sum_i w_i      bound of k: mean over groups of k of log 1/k sum w
rate = KL(q(z | x) || p(z)), in closed form or 1/S sum_i log q(z_i | x) - log p(z_i)      distortion = -ELBO - rate

All of it for each example, then averaged over examples: so ELBO = -distortion - rate, ELBO <= log p(x) for every one
of them, and log p(x) is that of `vae.estimate_log_prob` with the same seed.

Memory: one block of examples, one chunk of samples, a few numbers and the latent mean of each example, and the
examples of which I(x; z) is taken.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfvae.checks import data as inputs
from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.distributions.kl import closed_form_kl
from tfvae.distributions.kl import kl_per_dimension as dimension_kl
from tfvae.evaluation import latents
from tfvae.evaluation.gaps import inference_gaps
from tfvae.evaluation.report import Bound, Estimate, GapMeans, Report
from tfvae.inference import importance, trust
from tfvae.inference import refine as inference
from tfvae.vae import VAE

LADDER = (1, 10, 100, 1000, 5000)
ROWS_PER_BLOCK = importance.ROWS_PER_BLOCK  # as `vae.estimate_log_prob`, and so the same noise


class Scores(NamedTuple):
    """What S samples say about each of B examples; nats.

    Attributes:
        marginal: log p(x), its standard error and the effective sample size, each `[B]`.
        largest: the largest log weights, `[B, M + 1]`.
        log_ratio: mean of log q(z | x) - log p(z), `[B]`.
        bounds: the bound of each rung of the ladder below S, each `[B]`; the first is the ELBO.
        kl: KL(q || p) in closed form, `[B]`, or `None`.
        kl_per_dimension: the same for each dimension, `[B, D]`, or `None` where it does not factorise.
    """

    marginal: importance.MarginalEstimate
    largest: tf.Tensor
    log_ratio: tf.Tensor
    bounds: list[tf.Tensor]
    kl: tf.Tensor | None
    kl_per_dimension: tf.Tensor | None


def evaluate(
    vae: VAE,
    data: Any,
    num_samples: int = 1000,
    seed: int | None = 0,
    ladder: Sequence[int] = LADDER,
    per_example: bool = False,
    verbose: bool = True,
    mixture_examples: int = 2000,
    gap_examples: int = 0,
) -> Report:
    """Scores a model on a data set: likelihood with error bars, whether to trust it, and what the latents carry.

    Args:
        vae: the model.
        data: raw examples `[N, ...]`, or batches of them, for example a `tf.data.Dataset` of x or of (x, y); y is not
            used.
        num_samples: importance samples S for each example.
        seed: of all noise; `None` draws one, which the report states.
        ladder: numbers of samples k of which the bound is shown, above S only S itself; 1 and S are always on it.
        per_example: keep the numbers of each example in the report.
        verbose: show a progress bar over blocks of examples.
        mixture_examples: I(x; z) and KL(q(z) || p(z)) are taken of at most so many examples, drawn at random, since
            they need the density of each one's z under each one's posterior. I(x; z) cannot exceed the log of it.
        gap_examples: at most so many random examples get a posterior of their own, refined in 500 steps, which splits
            their variational gap into approximation and amortisation gap (`inference_gaps`); 0 leaves that out.

    Returns:
        The report: `print(report)`, `report.log_prob.mean`, `report.save("report.json")`.

    Raises:
        InvalidInput: if the data are empty or endless, have a wrong shape, or values that are not finite or outside
            the likelihood's support (the row is named), or a number is not a whole number of at least 1; if gaps are
            asked for and the posterior is not reparameterised.

    Example:
        >>> report = evaluate(vae, x, num_samples=1000)
        >>> report.elbo.mean <= report.log_prob.mean
        True
    """
    if not isinstance(vae, VAE):
        raise InvalidInput("a tfvae.VAE", f"{vae!r}", "Pass the model that tfvae.VAE(...) returned.")
    num_samples = positive_integer("num_samples", num_samples)
    rungs = sorted({1, num_samples, *(min(positive_integer("ladder", k), num_samples) for k in ladder)})
    seed = seeds.draw() if seed is None else seeds.integer(seed)
    sample = _RandomRows(positive_integer("mixture_examples", mixture_examples), seed)
    refined = _RandomRows(positive_integer("gap_examples", gap_examples) if gap_examples else 0, seed)
    if refined.limit:
        inference.check_posterior(vae)
    chunk, groups, tail = importance.chunk_size(num_samples), (1, *rungs[1:-1]), trust.tail_size(num_samples)
    if _is_array(data):
        inputs.check_arrays(vae, data)  # before the first sample, not after the last
    score = latents.compiled(vae, _score, chunk=chunk, groups=groups, largest=tail + 1)
    mean = latents.compiled(vae, latents.posterior_mean)
    bar = keras.utils.Progbar(_num_blocks(data), unit_name="block") if verbose else None
    parts = []
    for index, (first_row, rows) in enumerate(blocks(data, vae.event_shape)):
        inputs.check_values(vae, rows, "x", first_row, vae.support)
        x, block_seed = vae.preprocess(rows), seeds.fold(seeds.as_seed(seed), index)
        scores = score(x, tf.constant(num_samples), block_seed)
        parts.append({**_per_example(scores, num_samples), "latent_mean": mean(x, block_seed).numpy()})
        sample.add(rows)
        refined.add(rows)
        if bar:
            bar.update(index + 1)
    if bar and bar.target is None:
        bar.update(len(parts), finalize=True)
    if not parts:
        raise InvalidInput("at least one example", "empty data", "Pass data with one row or more.")
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    mixture = latents.mutual_information(vae, np.stack(sample.rows), seed=seed)
    bounds = [(k, num_samples // k, values["bounds"][:, i]) for i, k in enumerate(rungs)]
    return Report(
        examples=len(values["log_prob"]),
        num_samples=num_samples,
        seed=seed,
        dimensions=int(np.prod(vae.event_shape)),
        discrete=_is_discrete(vae),
        **{name: Estimate.of(values[name]) for name in ("elbo", "distortion", "rate", "log_prob")},
        variational_gap=Estimate.of(values["log_prob"] - values["elbo"]),
        sampling_error=float(np.sqrt(np.sum(values["standard_error"] ** 2)) / len(values["log_prob"])),
        ladder=tuple(Bound(k, groups, Estimate.of(values)) for k, groups, values in bounds),
        effective_sample_size=float(values["effective_sample_size"].mean()),
        smallest_effective_sample_size=float(values["effective_sample_size"].min()),
        largest_pareto_shape=float(values["pareto_shape"].max()),
        pareto_threshold=trust.threshold(num_samples),
        untrusted=trust.share_untrusted(values["pareto_shape"], num_samples),
        kl_per_dimension=_means(values.get("kl_per_dimension")),
        unit_activity=tuple(latents.relative_activity(vae, values["latent_mean"]).tolist()),
        aggregated=mixture,
        gaps=_gap_means(vae, refined.rows, num_samples, seed, verbose) if refined.limit else None,
        per_example=values if per_example else None,
    )


def blocks(data: Any, event_shape: tuple[int, ...]) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (first row, rows `[R, ...]`) of an array or of a stream of batches of any size, R as in an array.

    Raises:
        InvalidInput: if the stream is endless, or what it holds has a wrong shape or weights.
    """
    rest, first_row = None, 0
    for batch in _batches(data):
        x = np.asarray(inputs.event_batch(batch, event_shape))
        x = x if rest is None else np.concatenate([rest, x])
        whole = len(x) - len(x) % ROWS_PER_BLOCK
        for start in range(0, whole, ROWS_PER_BLOCK):
            yield first_row, x[start : start + ROWS_PER_BLOCK]
            first_row += ROWS_PER_BLOCK
        rest = x[whole:]
    if rest is not None and len(rest):
        yield first_row, rest


class _RandomRows:
    """At most `limit` rows of a stream of unknown length, each with the same chance (Vitter 1985, algorithm R)."""

    def __init__(self, limit: int, seed: int) -> None:
        self.limit, self.rows, self.seen = limit, [], 0
        self.random = np.random.default_rng(abs(seed))

    def add(self, rows: np.ndarray) -> None:
        for row in rows:
            self.seen += 1
            slot = self.random.integers(self.seen)
            if len(self.rows) < self.limit:
                self.rows.append(row.copy())  # a view would keep its whole batch
            elif slot < self.limit:
                self.rows[slot] = row.copy()


def _score(
    vae: VAE, x: tf.Tensor, num_samples: tf.Tensor, seed: tf.Tensor, chunk: int, groups: tuple[int, ...], largest: int
) -> Scores:
    """Returns the scores of preprocessed x, `[B, ...]`; as in `log_prob`, only the densities go through XLA."""
    parameters, prior = vae.posterior.parameters(x), vae.prior.parameters()
    densities = tf.function(vae.log_densities, jit_compile=True)

    def draw(size: int | tf.Tensor, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        z, log_q = vae.posterior.sample_and_log_prob(parameters, size, seeds.fold(stream, seeds.POSTERIOR))
        log_likelihood, log_prior = densities(x, z, prior)
        return log_likelihood + log_prior - log_q, log_q - log_prior

    kept = [importance.Marginal(), importance.Largest(largest), importance.Mean(), *map(importance.GroupBound, groups)]
    results = importance.accumulate(draw, kept, tf.shape(x)[0], num_samples, chunk, seed)
    q, p = vae.posterior.distribution(**parameters), vae.prior()
    return Scores(*results[:3], results[3:], closed_form_kl(q, p), dimension_kl(q, p))


def _per_example(scores: Scores, num_samples: int) -> dict[str, np.ndarray]:
    """Returns name to `[B]`, `[B, D]` or, of the ladder's bounds, `[B, rungs]`, in float64."""
    scores = tf.nest.map_structure(lambda v: None if v is None else np.asarray(v, np.float64), scores)
    elbo, rate = scores.bounds[0], scores.log_ratio
    if scores.kl_per_dimension is not None:
        rate = scores.kl_per_dimension.sum(axis=1)
    elif scores.kl is not None:
        rate = scores.kl
    rungs = scores.bounds if num_samples == 1 else [*scores.bounds, scores.marginal.log_prob]
    values = {
        "elbo": elbo,
        "distortion": -elbo - rate,
        "rate": rate,
        **scores.marginal._asdict(),
        "pareto_shape": np.array([trust.pareto_shape(row) for row in scores.largest]),
        "bounds": np.stack(rungs, axis=1),
        "kl_per_dimension": scores.kl_per_dimension,
    }
    return {name: value for name, value in values.items() if value is not None}


def _gap_means(vae: VAE, rows: list[np.ndarray], num_samples: int, seed: int, verbose: bool) -> GapMeans:
    gaps = inference_gaps(vae, np.stack(rows), num_samples=num_samples, seed=seed, verbose=verbose)
    means = (Estimate.of(gap.value) for gap in (gaps.variational_gap, gaps.approximation_gap, gaps.amortisation_gap))
    return GapMeans(len(rows), *means, gaps.untrusted)


def _batches(data: Any) -> Iterable[Any]:
    if isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InvalidInput("data with an end", "an endless tf.data.Dataset", "Pass data.take(number_of_batches).")
    if isinstance(data, keras.utils.PyDataset):  # which has no end of its own
        data = map(data.__getitem__, range(data.num_batches))
    if _is_array(data):
        yield data
        return
    for batch in data:
        x, _, weight = keras.utils.unpack_x_y_sample_weight(batch)
        if weight is not None:
            remedy = "Pass batches of x or of (x, y): averages here are over examples."
            raise InvalidInput("data without sample weights", "batches of (x, y, sample_weight)", remedy)
        yield x


def _num_blocks(data: Any) -> int | None:
    return -(-len(data) // ROWS_PER_BLOCK) if _is_array(data) else None


def _is_array(data: Any) -> bool:
    """Says whether the data are one array (or what `event_batch` refuses in its place), not a stream of batches."""
    return hasattr(data, "__array__") or not hasattr(data, "__iter__") or isinstance(data, (list, tuple, dict))


def _is_discrete(vae: VAE) -> bool:
    """Says whether p(x | z) is a mass function: no value between two whole numbers is in its support."""
    between = tf.broadcast_to(tf.constant(vae.support.inner) + 0.5, [1, *vae.event_shape])
    return not bool(tf.reduce_any(vae.support.contains(between)))


def _means(values: np.ndarray | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values.mean(axis=0).tolist())
