"""Which pictures stand on the report page, in which order, and the sentence that says what to look for in each.

training -> reconstructions, best and worst by log p(x) -> samples -> latent code -> likelihood
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfvae import plotting
from tfvae.app.report_page import given
from tfvae.app.report_page.picture import Picture
from tfvae.core import sets
from tfvae.core.observed import Observed, num_rows
from tfvae.core.types import Given
from tfvae.evaluation.classes import ClassReport
from tfvae.evaluation.report import Report
from tfvae.plotting import latents
from tfvae.vae import VAE

if TYPE_CHECKING:
    from tfvae.app.report_page.table import TablePart  # which needs pandas

EXTREMES, PAIRS = 8, 4
UNLABELLED = ", though the model never saw a label"
MAX_EXAMPLES = 2000  # in pictures of the latent code


def pictures(
    vae: VAE,
    report: Report,
    x: Observed,
    labels: Any = None,
    shown: Given = None,
    history: Mapping[str, Sequence[float]] | None = None,
    words: Sequence[str] = (),
    table: "TablePart | None" = None,
) -> Iterator[Picture]:
    """Yields the pictures of a model; for the arguments see `tfvae.app.report_page.write`."""
    level = report.level
    some = latents.some(x, slice(MAX_EXAMPLES))
    some_labels = None if labels is None else np.asarray(labels)[:MAX_EXAMPLES]
    if history:
        yield Picture(
            "Training",
            "Curves of ELBO, rate and distortion against the epoch, for training and validation data.",
            "A validation ELBO that falls while the training ELBO rises is overfitting; a rate near zero is a collapsed"
            " code; curves that still climb at the end want more epochs.",
            lambda: plotting.learning_curves(history),
        )
    yield from _of_examples(vae, report, x, shown, words) if table is None else table.pictures
    for latent in vae.latents.several or (None,):
        walks = [] if table is not None else list(_of_walks(vae, some, latent, words))
        yield from (*walks[:1], _plane(vae, some, some_labels, latent), *walks[1:])
    unit, order, which = (
        ("latent", "the top first", "latent") if report.latents else ("dimension", "largest first", "latent dimension")
    )
    yield Picture(
        f"KL per {unit}",
        f"Bars of the KL divergence of each {which} in nats, {order}.",
        "A few tall bars and many at zero mean that a smaller code would do; all at zero is collapse.",
        lambda: plotting.kl_per_dimension(report),
    )
    for latent in vae.latents.several or (None,):
        yield _against_prior(vae, some, latent)
    for one in report.classes:
        yield from _of_class(one)
    yield Picture(
        "Ladder of bounds",
        f"The lower bounds of k samples on {level} against k.",
        f"A ladder that is flat at its right end has converged; one that still rises says that {level} is higher than"
        " stated.",
        lambda: plotting.bound_ladder(report),
    )


def _of_examples(vae: VAE, report: Report, x: Observed, shown: Given, words: Sequence[str]) -> Iterator[Picture]:
    """Yields the pictures of examples: reconstructed, least and most likely, drawn, and between two of them."""
    number, level = num_rows(x), report.level
    yield Picture(
        "Reconstructions",
        f"{len(given.first_of_each(vae, x))} examples above their reconstructions{_each(vae)}.",
        "A reconstruction should be its own example, less noise; if all look alike, the decoder ignores the code.",
        lambda: given.reconstructions(vae, x if shown is None else shown, words),
    )
    if report.per_example is not None:
        log_prob = report.per_example["log_prob"]
        order = np.argsort(np.nan_to_num(log_prob, nan=-np.inf))
        worst, best = order[:EXTREMES], order[::-1][:EXTREMES]
        sentence = {
            "Least likely examples": "These are what the model has not understood, or what does not belong to the data:"
            " look for outliers, wrong labels and rare kinds.",
            "Most likely examples": "These are what the model finds easy; often simple or frequent rather than good.",
        }
        for (title, look_for), rows in zip(sentence.items(), (worst, best), strict=True):
            yield _extreme(vae, latents.some(x, rows), log_prob, rows, title, look_for, level)
    yield Picture(
        "Samples",
        f"Decoded means of codes drawn from the prior{_each(vae)}.",
        "Samples should look like the data and differ from each other; blurred mixtures of kinds come from codes that"
        " no example has.",
        lambda: given.samples(vae, x, words),
    )
    pairs = min(PAIRS, number // 2)
    if pairs:
        yield Picture(
            f"Interpolation{_of(_moving(vae))}",
            f"Decoded means on the way between the codes of {pairs} pairs of examples.",
            "A smooth change through plausible examples says that the code has no holes between these two.",
            lambda: plotting.interpolation(
                vae,
                *(latents.some(x, rows) for rows in (slice(pairs), slice(pairs, 2 * pairs))),
                latent=_moving(vae),
            ),
        )


def _of_walks(vae: VAE, some: Observed, latent: str | None, words: Sequence[str]) -> Iterator[Picture]:
    """Yields the pictures of decoded codes of one latent, under one condition of a model that is told some."""
    of, one = _of(latent), {name: values[:1] for name, values in given.conditions(vae, some).items()}
    told = _text(one, words) if one else ""
    yield Picture(
        f"Manifold{of}",
        f"Decoded means on a grid in a plane of the latent space{f', given {told}' if told else ''}.",
        "Neighbours should resemble each other and every kind of example have its region.",
        lambda: plotting.manifold(vae, some, condition=one or None, latent=latent),
    )
    yield Picture(
        f"Latent traversals{of}",
        "Decoded means as one latent dimension moves and the others stay, the most active dimensions first.",
        "Each row shows what one dimension stands for; a row that does not change belongs to a dimension that is not"
        " used.",
        lambda: plotting.latent_traversals(vae, some, latent=latent),
    )


def _plane(vae: VAE, some: Observed, labels: Any, latent: str | None) -> Picture:
    return Picture(
        f"Latent plane{_of(latent)}",
        "The code of each example as a point, coloured by its label if it has one.",
        f"Kinds that form separate clouds are told apart by the code{'' if vae.conditions else UNLABELLED}; in a"
        " projection, clouds that overlap may still be apart.",
        lambda: plotting.latent_plane(vae, some, labels, latent),
    )


def _of_class(found: ClassReport) -> Iterator[Picture]:
    """Yields the pictures of a latent that is a class, on the examples whose label is known."""
    yield Picture(
        f"Reliability of {found.name}",
        f"The share of examples whose most probable {found.name} is right, against how probable it is.",
        "Below the diagonal the model is surer than it is right; where a bin has few examples, its error bar is long.",
        lambda: plotting.reliability(found),
    )
    yield Picture(
        f"Confusion of {found.name}",
        f"A table of labels against the most probable {found.name}, {found.examples} examples.",
        "Beside the diagonal stand the labels that are taken for each other; an empty column is a class that is never"
        " told, as where classes went to the wrong place.",
        lambda: plotting.confusion(found),
    )


def _against_prior(vae: VAE, some: Observed, latent: str | None) -> Picture:
    of = _of(latent)
    return Picture(
        f"Aggregated posterior{of}",
        "Histograms of the codes of the data against the prior, for the most active dimensions.",
        "Where the prior has mass and the codes have none, samples are decoded from codes that training never visited.",
        lambda: plotting.aggregated_posterior(vae, some, latent=latent),
    )


def _of(latent: str | None) -> str:
    return "" if latent is None else f" of {latent}"


def _moving(vae: VAE) -> str | None:
    """Returns the latent that moves in interpolations: all, or where classes cannot the last one that x hangs on."""
    spaces = {name: vae.latents.posterior[name].space for name in vae.latents.several}
    free = [name for name, space in spaces.items() if space != sets.ONE_HOT and name in vae.likelihood.given]
    return free[-1] if sets.ONE_HOT in spaces.values() and free else None


def _each(vae: VAE) -> str:
    return f", by {' and '.join(vae.conditions)}" if vae.conditions else ""


def _text(told: latents.Told, words: Sequence[str]) -> str:
    return "".join(given.in_words(told, words)) or "the condition of the first example"


def _extreme(
    vae: VAE, x: Observed, log_prob: np.ndarray, rows: np.ndarray, title: str, look_for: str, level: str
) -> Picture:
    values = [f"{log_prob[row]:.1f}" for row in rows]
    titles = [f"row {row}\n{value}" for row, value in zip(rows, values, strict=True)]
    return Picture(
        title,
        f"{len(rows)} examples above their reconstructions, {level} from {values[0]} to {values[-1]} nats.",
        f"{look_for} At each stand its row in this split, counted from 0, and its {level} in nats.",
        lambda: plotting.reconstructions(vae, x, len(rows), titles=titles),
    )
