"""The evaluation report: numbers with error bars that print as a table and travel as JSON.

log p(x) = ELBO + variational gap,   ELBO = -distortion - rate,   rate = I(x; z) + KL(q(z) || p(z))
bits/dim = -nats / (log 2 * dimensions)

`evaluate` (in `tfvae.evaluation`) makes it.
"""

import dataclasses
import html
import json
import math
import os
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfvae import files
from tfvae.core.errors import InvalidInput
from tfvae.core.kinds import misfit
from tfvae.core.types import Config
from tfvae.evaluation.classes import ClassReport
from tfvae.evaluation.entries import USED, Baseline, Bound, Estimate, GapMeans, LatentReport
from tfvae.evaluation.latents import ACTIVE, AggregatedPosterior, active_units
from tfvae.evaluation.plain import plain, read
from tfvae.evaluation.words import as_html, as_text, count, number, percent, with_error

TOLERATED = 0.05  # share of examples whose Pareto shape may exceed the threshold by chance
NEAR = 1.0  # nats below log N where I(x; z) of N examples says only "at least"
UNTRUSTED = (
    "The importance weights of {share:.1%} of the examples cannot be trusted (Pareto k above {threshold:.2f}): there"
    " log p(x) is likely to be higher, and the error larger, than stated. Take more samples, refine the posterior for"
    " each example (tfvae.inference.refine), or use annealed importance sampling (tfvae.evaluation.annealed_log_prob)."
)
UNTESTED = "Whether the importance weights can be trusted is unknown: that takes 25 samples for each example or more."
SATURATED = (
    "I(x; {z}) is near its ceiling log {examples} = {ceiling:.2f} nats: read it as a lower bound, and"
    " KL(q({z}) || p({z})) as an upper one, or raise mixture_examples."
)
UNUSED = (
    "The rate of {name} is {rate:.2f} nats: the model hardly uses it. Train with free bits for each latent"
    " (objectives.ELBO(layer_free_bits=0.5)) or with a warm-up of beta, or leave this latent out."
)
COLLAPSED = (
    "The rate is {rate:.2f} nats: the decoder hardly uses z. Train with a warm-up of beta or with free bits, or with a"
    " weaker decoder."
)
BELOW = "{level} is {below:.2f} nats below that of {name}, which knows no z: {remedy}."
REMEDIES = {  # by whether the data are discrete
    False: (
        "start in the units of the data (vae.adapt(x) before fit), leave out columns that never vary, give each column"
        " a scale of its own (tfvae.scales.PerDimension, or tfvae train --recipe tabular), or train longer"
    ),
    True: "train longer, start in the units of the data (vae.adapt(x) before fit) or let scales differ by column",
}
SURELY = 2.0  # standard errors of the difference from which a model is said to be below a baseline
BESIDE_X = ("condition", "missingness", "latents", "classes")  # entries that are left out where they say nothing


@dataclasses.dataclass(frozen=True)
class Report:
    """How good a model is on a data set; all means are over examples, in nats.

    Attributes:
        examples: number of examples N.
        num_samples: importance samples S for each.
        seed: of all noise.
        dimensions: number of elements of one example; of data with gaps the mean number of those that are observed.
        discrete: p(x | z) is a mass function, so that bits/dim are a code length; else it is a density, whose nats and
            bits depend on the unit of the preprocessed data.
        elbo: mean of log w over the samples.
        distortion: -E log p(x | z).
        rate: KL(q(z | x) || p(z)).
        log_prob: log p(x) by importance sampling; in expectation a lower bound, see `ladder`.
        variational_gap: log p(x) - ELBO.
        sampling_error: the part of log p(x)'s standard error that more samples would remove; NaN for a single sample.
        ladder: the bounds of 1 (the ELBO; where values are enumerated a sum over them, above it) to S samples
            (log p(x)), from the same weights.
        effective_sample_size: mean over examples, from 1 to S.
        smallest_effective_sample_size: of all examples.
        largest_pareto_shape: of all examples; NaN where S is too small, -inf where no weights differ.
        pareto_threshold: above it, weights cannot be trusted.
        untrusted: share of examples above it.
        kl_per_dimension: the rate of each latent dimension, D numbers, or `None` where it does not factorise and of
            several latents, see `rates`.
        unit_activity: Var_x E_q(z|x)[z_d] / Var_p(z_d), D numbers, for a prior N(0, I) that of Burda et al.; NaN for a
            single example. Where q has no mean in closed form, of the means of 1000 samples. Of several latents those
            of all, in their order.
        aggregated: I(x; z) and KL(q(z) || p(z)), with the number of examples that they are taken of; of several latents
            `None`, see `latents`.
        gaps: the variational gap split into approximation and amortisation gap, or `None` if that was not asked for.
        baselines: models without z on the same examples; empty if no training data were given.
        condition: names of what the model is told: log_prob is then log p(x | condition), and so is every bound.
        missingness: whether the model says why cells are missing: log_prob is then that of values and mask.
        latents: of several latents what each carries, those at the top of the prior first; empty for one.
        classes: of latents that are classes how well they are told, where the data bring labels; else empty.
        per_example: name to one value (or row) for each example, or `None` if they were not kept.
    """

    examples: int
    num_samples: int
    seed: int
    dimensions: float
    discrete: bool
    elbo: Estimate
    distortion: Estimate
    rate: Estimate
    log_prob: Estimate
    variational_gap: Estimate
    sampling_error: float
    ladder: tuple[Bound, ...]
    effective_sample_size: float
    smallest_effective_sample_size: float
    largest_pareto_shape: float
    pareto_threshold: float
    untrusted: float
    kl_per_dimension: tuple[float, ...] | None
    unit_activity: tuple[float, ...]
    aggregated: AggregatedPosterior | None
    gaps: GapMeans | None = None
    baselines: tuple[Baseline, ...] = ()
    condition: tuple[str, ...] = ()
    missingness: bool = False
    latents: tuple[LatentReport, ...] = ()
    classes: tuple[ClassReport, ...] = ()
    per_example: dict[str, np.ndarray] | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def level(self) -> str:
        """What `log_prob` is: "log p(x)", "log p(x | y)" of a model told y, "log p(x, mask)" with a missingness."""
        given = f" | {', '.join(self.condition)}" if self.condition else ""
        return f"log p(x{', mask' if self.missingness else ''}{given})"

    @property
    def active_units(self) -> int | None:
        """Number of latent dimensions with a (relative) activity above 0.01; `None` for a single example."""
        return None if math.isnan(self.unit_activity[0]) else active_units(self.unit_activity)

    @property
    def rates(self) -> dict[str, Estimate]:
        """The rate of each of several latents by name, whose means add up to the rate; of one latent nothing."""
        return {latent.name: latent.rate for latent in self.latents}

    @property
    def information(self) -> dict[str, AggregatedPosterior]:
        """What is known of I(x; z): under "z", or by name of those of several latents of which it can be known."""
        found = {latent.name: latent.aggregated for latent in self.latents} or {"z": self.aggregated}
        return {name: aggregated for name, aggregated in found.items() if aggregated is not None}

    @property
    def warnings(self) -> list[str]:
        """Sentences on what not to believe, and what to do."""
        found = []
        lowest = min(self.baselines, key=lambda baseline: baseline.difference.mean, default=None)
        if lowest is not None and lowest.difference.mean < -SURELY * lowest.difference.standard_error:
            remedy = REMEDIES[self.discrete]
            found.append(BELOW.format(level=self.level, below=-lowest.difference.mean, name=lowest.name, remedy=remedy))
        if self.rate.mean < USED:
            found.append(COLLAPSED.format(rate=self.rate.mean))
        else:
            unused = [latent for latent in self.latents if not latent.used]
            found += [UNUSED.format(name=latent.name, rate=latent.rate.mean) for latent in unused]
        if self.untrusted > TOLERATED:
            found.append(UNTRUSTED.format(share=self.untrusted, threshold=self.pareto_threshold))
        if math.isnan(self.untrusted):
            found.append(UNTESTED)
        for name, aggregated in self.information.items():
            if aggregated.mutual_information > aggregated.ceiling - NEAR and aggregated.num_examples > 1:
                found.append(SATURATED.format(z=name, examples=aggregated.num_examples, ceiling=aggregated.ceiling))
        return found

    def bits_per_dimension(self, nats: float) -> float:
        """Returns -nats / (log 2 * dimensions)."""
        return -nats / (math.log(2) * self.dimensions)

    # As text.

    def __str__(self) -> str:
        """Returns the table and the warnings."""
        warnings = (f"WARNING: {text}" for text in self.warnings)
        return "\n".join([as_text(self._title(), self._rows()), *warnings])

    def _repr_html_(self) -> str:
        """Returns the same as HTML, which notebooks show."""
        warnings = "".join(f"<p><b>Warning:</b> {html.escape(text)}</p>" for text in self.warnings)
        return as_html(self._title(), self._rows()) + warnings

    def _title(self) -> str:
        examples, samples = count(self.examples, "example"), count(self.num_samples, "sample")
        return f"{examples}, {samples} each, seed {self.seed}; nats +- standard error of the mean"

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        meaning = "" if self.discrete else ", of a density: in other units of x it is another number"
        yield self.level, with_error(self.log_prob), self._bits(self.log_prob) + meaning
        for name, level, difference in self.baselines:
            yield f"  {name}", with_error(level), f"{self.level} less that: {with_error(difference)}"
        yield "ELBO", with_error(self.elbo), self._bits(self.elbo)
        yield "  distortion", with_error(self.distortion), ""
        yield "  rate", with_error(self.rate), ""
        for latent in self.latents:
            yield f"    of {latent.name}", with_error(latent.rate), "" if latent.used else "hardly used"
        yield "variational gap", with_error(self.variational_gap), ""
        yield "  sampling error", number(self.sampling_error, 4), f"of {self.level}: what more samples would remove"
        for samples, groups, bound in self.ladder:
            yield f"  bound of {samples}", with_error(bound), f"{count(groups, 'group')} an example"
        if self.gaps is not None:
            gaps, untrusted = self.gaps, f"log p(x) of {percent(self.gaps.untrusted)} of them cannot be trusted"
            yield f"gaps of {count(gaps.examples, 'example')}", "", untrusted
            yield "  variational gap", with_error(gaps.variational_gap), "the sum of both"
            yield "  approximation gap", with_error(gaps.approximation_gap), "what the family of q loses"
            yield "  amortisation gap", with_error(gaps.amortisation_gap), "what the encoder loses within the family"
        smallest = f"mean over examples; smallest {number(self.smallest_effective_sample_size, 1)}"
        yield "effective sample size", number(self.effective_sample_size, 1), smallest
        above = f"largest; above {number(self.pareto_threshold, 2)} in {percent(self.untrusted)} of the examples"
        shape = self.largest_pareto_shape
        yield "Pareto k", "equal weights" if shape == -math.inf else number(shape, 2), above
        if self.aggregated is not None:
            yield from _carried("z", self.aggregated, self.condition)
        for latent in self.latents:
            yield from _carried(latent.name, latent.aggregated, (*self.condition, *latent.prior_above), latent.above)
        known, active = len(self.unit_activity), self.active_units
        above = f"of {known}: Var E[z] above {ACTIVE} of the prior's variance"
        yield "active units", "unknown" if active is None else str(active), above
        for latent in self.latents:
            units = "unknown" if active is None else str(active_units(latent.unit_activity))
            yield f"  of {latent.name}", units, f"of {len(latent.unit_activity)}"
        if self.kl_per_dimension is not None:
            largest = sorted(self.kl_per_dimension, reverse=True)
            shown = " ".join(f"{kl:.2f}" for kl in largest[:10]) + (" ..." if known > 10 else "")
            yield "KL per dimension", f"{sum(kl > 0.01 for kl in largest)} above 0.01", f"largest first: {shown}"
        for one in self.classes:
            yield from one.rows()

    def _bits(self, estimate: Estimate) -> str:
        return f"{number(self.bits_per_dimension(estimate.mean), 4)} bits/dim"

    # As JSON.

    def to_dict(self) -> Config:
        """Returns plain numbers, lists and dictionaries; what is not finite is written as a string, "nan" or "inf"."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return plain({name: value for name, value in values.items() if name not in BESIDE_X or value})

    @classmethod
    def from_dict(cls, values: Config) -> "Report":
        """Returns the report that `to_dict` described.

        Raises:
            InvalidInput: if a field is missing or unknown.
        """
        try:
            values = {name: read(value) for name, value in values.items()}
            estimates = ("elbo", "distortion", "rate", "log_prob", "variational_gap")
            kl, gaps, per_example = values["kl_per_dimension"], values.get("gaps"), values["per_example"]
            report = cls(
                **{
                    **values,
                    **{name: Estimate(**values[name]) for name in estimates},
                    "ladder": tuple(Bound(**{**rung, "bound": Estimate(**rung["bound"])}) for rung in values["ladder"]),
                    "aggregated": _aggregated(values["aggregated"]),
                    "gaps": None if gaps is None else _named_estimates(GapMeans, gaps),
                    "baselines": tuple(_named_estimates(Baseline, one) for one in values.get("baselines", ())),
                    "kl_per_dimension": None if kl is None else tuple(kl),
                    "unit_activity": tuple(values["unit_activity"]),
                    "condition": tuple(values.get("condition", ())),
                    "missingness": values.get("missingness", False),
                    "latents": tuple(_latent(one) for one in values.get("latents", ())),
                    "classes": tuple(map(ClassReport.from_dict, values.get("classes", ()))),
                    "per_example": None if per_example is None else {k: np.array(v) for k, v in per_example.items()},
                }
            )
            odd = misfit(report, typing.get_type_hints(cls))
            if odd:
                raise TypeError(f"{odd} is {getattr(report, odd)!r:.60}")
            return report
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            remedy = "Evaluate again with this version of tfvae."
            raise InvalidInput("the fields of an evaluation report", f"others ({error})", remedy) from error

    def to_json(self) -> str:
        """Returns the report as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Returns the report that `to_json` wrote; raises `InvalidInput` if it is not one."""
        try:
            return cls.from_dict(json.loads(text))
        except ValueError as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput("a report as JSON text", f"other text ({error})", "Pass what to_json wrote.") from error

    def save(self, path: str | os.PathLike) -> None:
        """Writes the report as JSON, whole or not at all."""
        with files.whole_file(path) as temporary:
            Path(temporary).write_text(self.to_json() + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Report":
        """Returns the report that `save` wrote; raises `InvalidInput` if the file is missing or not one."""
        return cls.from_dict(files.read_json(path))


def _carried(
    z: str, aggregated: AggregatedPosterior | None, told: Sequence[str], above: Sequence[str] = ()
) -> Iterator[tuple[str, str, str]]:
    """Yields the rows on I(x; z) of one latent, whose prior is told something, and whose posterior hangs on others."""
    if aggregated is None:
        yield f"I(x; {z})", "left out", f"q({z} | x) is a mixture over {', '.join(above)}, of unknown density"
        return
    source = f"from {count(aggregated.num_examples, 'example')}"
    information = Estimate(aggregated.mutual_information, aggregated.mutual_information_error)
    marginal = Estimate(aggregated.marginal_kl, aggregated.marginal_kl_error)
    yield f"I(x; {z})", with_error(information), f"{source}, so at most {aggregated.ceiling:.2f}"
    if told:
        beside = f"E log q({z}) - log p({z} | {', '.join(told)}), which may be below zero"
        yield f"rate less I(x; {z})", with_error(marginal), beside
    else:
        yield f"KL(q({z}) || p({z}))", with_error(marginal), source


def _aggregated(values: Config | None) -> AggregatedPosterior | None:
    return None if values is None else AggregatedPosterior(**values)


def _latent(values: Config) -> LatentReport:
    found = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    own = {"rate": Estimate(**values["rate"]), "aggregated": _aggregated(values["aggregated"])}
    return LatentReport(**{**found, **own})


def _named_estimates(kind: type, values: Config) -> NamedTuple:
    return kind(**{name: Estimate(**value) if isinstance(value, dict) else value for name, value in values.items()})
