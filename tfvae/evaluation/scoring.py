"""One pass over data and samples, from which every number of a `Report` comes.

w_i = p(x, z_i) / q(z_i | x),  z_i ~ q(z | x),  i = 1 ... S
ELBO = 1/S sum_i log w_i      log p(x) = log 1/S sum_i w_i      bound of k: mean over groups of k of log 1/k sum w
rate = KL(q(z | x) || p(z)), in closed form or 1/S sum_i log q(z_i | x) - log p(z_i)      distortion = -ELBO - rate

All of it for each example, then averaged over examples: so ELBO = -distortion - rate, ELBO <= log p(x) for every one
of them, and log p(x) is that of `vae.estimate_log_prob` with the same seed.

Memory: one block of examples, one chunk of samples, a few numbers and the latent mean of each example, and the
examples of which I(x; z) is taken.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from tfvae.checks.data import check_arrays, given
from tfvae.core import seeds
from tfvae.core.chain import Chain
from tfvae.core.errors import InvalidInput, positive_integer, sample_count
from tfvae.core.graphs import compiled_for
from tfvae.core.observed import Known, Observed, labels_of, num_rows
from tfvae.core.reading import is_read_in_parts
from tfvae.core.types import ArrayLike
from tfvae.distributions.kl import closed_form_kl
from tfvae.distributions.kl import kl_per_dimension as dimension_kl
from tfvae.evaluation import codes, latents
from tfvae.evaluation.classes import Classified
from tfvae.evaluation.entries import Bound, Estimate, GapMeans, LatentReport
from tfvae.evaluation.gaps import inference_gaps
from tfvae.evaluation.report import Report
from tfvae.evaluation.without_z import fitted, joined, scored
from tfvae.inference import trust
from tfvae.inference.accumulators import GroupBound, Largest, Marginal, MarginalEstimate, Mean, accumulate
from tfvae.inference.importance import ROWS_PER_BLOCK, chunk_size
from tfvae.inference.refine import check_posterior
from tfvae.inference.rows import blocks, is_array
from tfvae.inference.target import Target
from tfvae.vae import VAE

Examples: TypeAlias = ArrayLike | Iterable  # an array, or batches such as those of a tf.data.Dataset
RATE = "rate_{}"  # of one of several latents, as in the logs of training
LADDER = (1, 10, 100, 1000, 5000)


class Scores(NamedTuple):
    """What S samples say about each of B examples; nats.

    Attributes:
        marginal: log p(x), its standard error and the effective sample size, each `[B]`.
        largest: the largest log weights, `[B, M + 1]`.
        log_ratio: mean of log q - log p of each latent, `[B]`.
        bounds: the bound of each rung of the ladder below S, each `[B]`; the first is the ELBO.
        kl: KL(q || p) of each latent in closed form, `[B]`, or `None`.
        kl_per_dimension: the same for each dimension of a model of one latent, `[B, D]`, or `None` where it does not
            factorise.
        log_likelihood: mean of log p(x | z), `[B]`, where values of a latent are enumerated: the bound of one draw sums
            them out, and so is not the ELBO; else `None`.
    """

    marginal: MarginalEstimate
    largest: tf.Tensor
    log_ratio: list[tf.Tensor]
    bounds: list[tf.Tensor]
    kl: list[tf.Tensor | None]
    kl_per_dimension: tf.Tensor | None
    log_likelihood: tf.Tensor | None


def evaluate(
    vae: VAE,
    data: Examples,
    num_samples: int = 1000,
    seed: int | None = 0,
    ladder: Sequence[int] = LADDER,
    per_example: bool = False,
    verbose: bool = True,
    mixture_examples: int = 2000,
    gap_examples: int = 0,
    baselines_from: Examples | None = None,
) -> Report:
    """Scores a model on a data set: likelihood with error bars, whether to trust it, and what the latents carry.

    Args:
        vae: the model.
        data: raw examples `[N, ...]`, an `Observed` of arrays (x, condition, mask, labels), or batches of them, for
            example a `tf.data.Dataset` of x or of (x, y); y is used if it is the condition. No score of x sees a label:
            with them the report says how well the latents that are classes are told (`ClassReport`).
        num_samples: importance samples S for each example.
        seed: of all noise; `None` draws one, which the report states.
        ladder: numbers of samples k of which the bound is shown, above S only S itself; 1 and S are always on it.
        per_example: keep the numbers of each example in the report.
        verbose: show a progress bar over blocks of examples.
        mixture_examples: I(x; z) and KL(q(z) || p(z)) are taken of at most so many examples, drawn at random, since
            they need the density of each one's z under each one's posterior. I(x; z) cannot exceed the log of it.
        gap_examples: at most so many random examples get a posterior of their own, refined in 500 steps, which splits
            their variational gap into approximation and amortisation gap (`inference_gaps`); 0 leaves that out.
        baselines_from: training examples, to which models without z are fitted that stand beside log p(x)
            (`tfvae.evaluation.baselines`); `None` leaves that out.

    Returns:
        The report: `print(report)`, `report.log_prob.mean`, `report.save("report.json")`. Of several latents it has
        rate and active units of each; I(x; z_f) only where q(z_f | x) hangs on no other latent, since it is a mixture
        else, whose density is not known.

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
    num_samples = sample_count(num_samples)
    rungs = sorted({1, num_samples, *(min(positive_integer("ladder", k), num_samples) for k in ladder)})
    seed = seeds.draw() if seed is None else seeds.integer(seed)
    sample = _RandomRows(positive_integer("mixture_examples", mixture_examples), seed)
    refined = _RandomRows(positive_integer("gap_examples", gap_examples) if gap_examples else 0, seed)
    if refined.limit:
        check_posterior(vae)
    chunk, groups, tail = chunk_size(vae, num_samples), (1, *rungs[1:-1]), trust.tail_size(num_samples)
    if is_array(data) and not any(map(is_read_in_parts, tf.nest.flatten(data))):
        check_arrays(vae, given(vae, data))  # before the first sample, not after the last
    score = compiled_for(vae, _score, reduce_retracing=True, chunk=chunk, groups=groups, largest=tail + 1)
    names, parts = vae.latents.names, []
    mean = compiled_for(vae, latents.posterior_mean, reduce_retracing=True, names=names)
    without_z, below = {} if baselines_from is None else fitted(vae, baselines_from, seed), []
    classified = Classified(vae)
    # Rows as in `vae.estimate_log_prob`, and so the same noise.
    for block in blocks(vae, data, ROWS_PER_BLOCK, streams=True, refuse_empty=True, verbose=verbose):
        stream = seeds.fold(seeds.as_seed(seed), block.index)
        scores = score(block.known, tf.constant(num_samples), stream)
        found = _per_example(vae, scores, num_samples)
        parts.append({**found, "latent_mean": mean(block.known, stream).numpy(), "gaps": _gaps(block.known)})
        if without_z and "mask" in block.known:
            raise InvalidInput("complete data beside baselines", "a mask", "Leave baselines_from out.")
        below.append(scored(without_z, block.known["x"]))
        classified.add(block.known, labels_of(block.observed))
        for rows in (sample, refined):
            rows.add(block.observed, block.rows)
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    gaps = values.pop("gaps")
    by_latent = _latents(vae, values, sample.joined(), seed)
    alone = None if vae.latents.several else by_latent[0]
    bounds = [(k, num_samples // k, values["bounds"][:, i]) for i, k in enumerate(rungs)]
    return Report(
        examples=len(values["log_prob"]),
        num_samples=num_samples,
        seed=seed,
        dimensions=int(np.prod(vae.event_shape)) - (float(gaps.mean()) if gaps.any() else 0),
        discrete=vae.support.discrete,
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
        unit_activity=tuple(activity for latent in by_latent for activity in latent.unit_activity),
        aggregated=None if alone is None else alone.aggregated,
        gaps=_gap_means(vae, refined.joined(), num_samples, seed, verbose) if refined.limit else None,
        baselines=joined(below).beside(values["log_prob"]),
        condition=tuple(vae.conditions),
        missingness=vae.missingness is not None,
        latents=() if alone else tuple(by_latent),
        classes=classified.reports(),
        per_example=values if per_example else None,
    )


def _gaps(known: Known) -> np.ndarray:
    """Returns how many elements of each example are missing, `[B]`."""
    observed = known.get("mask", tf.ones_like(known["x"], tf.bool)).numpy()
    return np.sum(~observed.reshape(len(observed), -1), axis=1)


class _RandomRows:
    """At most `limit` rows of a stream of unknown length, each with the same chance (Vitter 1985, algorithm R)."""

    def __init__(self, limit: int, seed: int) -> None:
        self.limit, self.rows, self.seen = limit, [], 0
        self.random = np.random.default_rng(abs(seed))

    def add(self, observed: Observed, number: int) -> None:
        """Takes the rows of arrays into account."""
        for index in range(number):
            self.seen += 1
            slot = self.random.integers(self.seen)
            if len(self.rows) < self.limit:
                self.rows.append(_row(observed, index))
            elif slot < self.limit:
                self.rows[slot] = _row(observed, index)

    def joined(self) -> Observed:
        """Returns the rows as arrays."""
        return tf.nest.map_structure(lambda *parts: np.stack(parts), *self.rows)


def _latents(vae: VAE, values: dict[str, np.ndarray], sample: Observed, seed: int) -> list[LatentReport]:
    """Returns what each latent carries, I(x; z) of some of the examples; of one latent under any name."""
    known, told = vae.latents, bool(vae.latents.told)
    means = codes.by_name(vae, values["latent_mean"], known.names)

    def of(name: str) -> LatentReport:
        own = latents.posterior_means(vae, sample, latent=name) if told else means[name]
        return LatentReport(
            name,
            above=tuple(sorted(known.above[name])),
            prior_above=tuple(sorted(known.prior_above[name])),
            rate=Estimate.of(values[RATE.format(name) if known.several else "rate"]),
            unit_activity=tuple(latents.relative_activity(vae, own, sample, name).tolist()),
            aggregated=None if known.above[name] else latents.mutual_information(vae, sample, seed=seed, latent=name),
        )

    return [of(name) for name in known.names]


def _row(observed: Observed, index: int) -> Observed:
    """Returns one row; a view would keep its whole batch."""
    return tf.nest.map_structure(lambda part: np.array(part[index]), observed)


def _score(
    vae: VAE, known: Known, num_samples: tf.Tensor, seed: tf.Tensor, chunk: int, groups: tuple[int, ...], largest: int
) -> Scores:
    """Returns the scores of examples in normal form; as in `log_prob`, only the densities go through XLA."""
    target = Target(vae, known, jit_compile=True)
    q = target.amortised()

    def draw(size: int | tf.Tensor, stream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        draws = target.of_chunk(q, size, stream)
        ratios = (draws.expected(draws.log_q[name] - draws.log_p[name]) for name in vae.latents.names)
        return draws.log_weight, *ratios, *((draws.expected(draws.log_likelihood),) if vae.latents.enumerated else ())

    number = len(vae.latents.names)
    means = [Mean(index) for index in range(number + bool(vae.latents.enumerated))]
    kept = [Marginal(), Largest(largest), *map(GroupBound, groups), *means]
    results = accumulate(draw, kept, tf.shape(known["x"])[0], num_samples, chunk, seed)
    bounds, found = results[2 : 2 + len(groups)], results[2 + len(groups) :]
    return Scores(*results[:2], found[:number], bounds, *_closed_forms(vae, target, q), *(found[number:] or [None]))


def _closed_forms(vae: VAE, target: Target, q: Chain) -> tuple[list[tf.Tensor | None], tf.Tensor | None]:
    """Returns KL(q || p), `[B]`, of each latent that hangs on none, and of one latent that of each dimension."""

    def pair(name: str) -> tuple:
        of_q = vae.latents.posterior[name].distribution(**q.top[name])
        return of_q, vae.latents.prior[name].distribution(**target.prior[name])

    alone = [pair(name) if name in q.top and name in target.prior else None for name in vae.latents.names]
    several = [None if each is None else closed_form_kl(*each) for each in alone]
    return several, None if vae.latents.several else dimension_kl(*alone[0])


def _per_example(vae: VAE, scores: Scores, num_samples: int) -> dict[str, np.ndarray]:
    """Returns name to `[B]`, `[B, D]` or, of the ladder's bounds, `[B, rungs]`, in float64."""
    scores = tf.nest.map_structure(lambda v: None if v is None else np.asarray(v, np.float64), scores)
    each = [sampled if kl is None else kl for kl, sampled in zip(scores.kl, scores.log_ratio, strict=True)]
    rate = sum(each[1:], each[0]) if scores.kl_per_dimension is None else scores.kl_per_dimension.sum(axis=1)
    elbo = scores.bounds[0] if scores.log_likelihood is None else scores.log_likelihood - rate
    rungs = scores.bounds if num_samples == 1 else [*scores.bounds, scores.marginal.log_prob]
    values = {
        "elbo": elbo,
        "distortion": -elbo - rate,
        "rate": rate,
        **scores.marginal._asdict(),
        "pareto_shape": np.array([trust.pareto_shape(row) for row in scores.largest]),
        "bounds": np.stack(rungs, axis=1),
        "kl_per_dimension": scores.kl_per_dimension,
        **{RATE.format(name): of for name, of in zip(vae.latents.names, each, strict=True) if vae.latents.several},
    }
    return {name: value for name, value in values.items() if value is not None}


def _gap_means(vae: VAE, rows: Observed, num_samples: int, seed: int, verbose: bool) -> GapMeans:
    gaps = inference_gaps(vae, rows, num_samples=num_samples, seed=seed, verbose=verbose)
    means = (Estimate.of(gap.value) for gap in (gaps.variational_gap, gaps.approximation_gap, gaps.amortisation_gap))
    return GapMeans(num_rows(rows), *means, gaps.untrusted)


def _means(values: np.ndarray | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values.mean(axis=0).tolist())
