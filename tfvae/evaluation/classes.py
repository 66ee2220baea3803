"""How well a latent that is one of K classes is told from x, on examples whose label is known.

    error = mean of [argmax_k p_k != y]             p = q(y | x), or p(y | x) by importance weights
    cross-entropy = mean of -log p_y
    calibration error = sum_bins n_bin / N |accuracy_bin - confidence_bin|,     15 bins of the confidence max_k p_k

Examples without a label, -1, are left out. (Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural
Networks"; Kingma et al. 2014, "Semi-supervised Learning with Deep Generative Models".)
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfvae.checks.labels import classes
from tfvae.checks.values import check_all_values
from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, sample_count
from tfvae.core.graphs import compiled_for
from tfvae.core.model import Model
from tfvae.core.observed import Known, Observed, labels_of, with_known, without_labels
from tfvae.core.sets import REAL
from tfvae.core.types import Array, Config, Given, Tensor
from tfvae.evaluation.entries import Estimate
from tfvae.evaluation.words import as_html, as_text, count, number, with_error
from tfvae.inference.classes import class_of, class_spec
from tfvae.inference.importance import by_rows
from tfvae.inference.requests import answers, encoded
from tfvae.inference.rows import pieces
from tfvae.inference.weighted import block_weighted
from tfvae.vae import VAE

BINS = 15
ROWS_PER_BLOCK = 1000


class Bin(NamedTuple):
    """The examples whose largest probability lies in one of 15 equal parts of (0, 1].

    Attributes:
        confidence: mean of their largest probability.
        accuracy: share of them whose most probable class is their label.
        count: how many.
    """

    confidence: float
    accuracy: float
    count: int


class ClassReport(NamedTuple):
    """How well a latent that is a class is told from x; prints as a table.

    Attributes:
        name: of the latent.
        examples: how many have a label.
        num_samples: importance samples behind p(y | x); `None`: the probabilities are q(y | x), the encoder's.
        error: share of examples whose most probable class is another than their label.
        cross_entropy: mean of -log of the label's probability, nats; infinite where a label has none.
        calibration_error: mean difference of accuracy and confidence of a bin, by its examples; from 0 to 1.
        bins: of the reliability curve, the least confident first; those without an example are left out.
        confusion: number of examples of each label (row) for which each class (column) is the most probable, `[K, K]`.
    """

    name: str
    examples: int
    num_samples: int | None
    error: Estimate
    cross_entropy: Estimate
    calibration_error: float
    bins: tuple[Bin, ...]
    confusion: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, name: str, log_p: np.ndarray, labels: np.ndarray, num_samples: int | None = None) -> "ClassReport":
        """Returns the report of log-probabilities, `[N, K]`, and labels, `[N]`, all of them known."""
        log_p, labels, classes = np.asarray(log_p, np.float64), np.asarray(labels).astype(int), log_p.shape[1]
        found, confidence = log_p.argmax(axis=1), np.exp(log_p.max(axis=1))
        right = found == labels
        bins = tuple(_bins(confidence, right))
        apart = sum(one.count * abs(one.accuracy - one.confidence) for one in bins) / len(labels)
        table = np.bincount(labels * classes + found, minlength=classes**2).reshape(classes, classes)
        cross_entropy = Estimate.of(-np.take_along_axis(log_p, labels[:, np.newaxis], axis=1)[:, 0])
        rows = tuple(tuple(row) for row in table.tolist())
        return cls(name, len(labels), num_samples, Estimate.of(~right), cross_entropy, float(apart), bins, rows)

    @classmethod
    def from_dict(cls, values: Config) -> "ClassReport":
        """Returns the report of plain numbers, lists and dictionaries, as a file has them."""
        estimates = {name: Estimate(**values[name]) for name in ("error", "cross_entropy")}
        bins, rows = tuple(Bin(**one) for one in values["bins"]), tuple(map(tuple, values["confusion"]))
        return cls(**{**values, **estimates, "bins": bins, "confusion": rows})

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yields label, value and note of each row of the table."""
        name, samples = self.name, self.num_samples
        by = f"q({name} | x)" if samples is None else f"p({name} | x), {count(samples, 'sample')} each"
        yield f"error of {name}", with_error(self.error), f"of {count(self.examples, 'label')}, by {by}"
        yield "  cross-entropy", with_error(self.cross_entropy), "nats a label"
        yield "  calibration error", number(self.calibration_error, 3), f"of {BINS} bins of the largest probability"

    def __str__(self) -> str:
        """Returns the table and, of at most 20 classes, the confusion matrix."""
        return "\n".join([as_text(self._title(), self.rows()), *self._matrix()])

    def _repr_html_(self) -> str:
        """Returns the table as HTML, which notebooks show."""
        return as_html(self._title(), self.rows())

    def _title(self) -> str:
        return f"{self.name}, one of {len(self.confusion)} classes; means +- standard error"

    def _matrix(self) -> Iterator[str]:
        if len(self.confusion) <= 20:
            width = max(len(str(cell)) for row in self.confusion for cell in (*row, len(self.confusion) - 1)) + 1
            yield f"label    most probable {self.name}"
            yield " " * 5 + "".join(f"{k:{width}d}" for k in range(len(self.confusion)))
            yield from (f"{k:5d}" + "".join(f"{n:{width}d}" for n in row) for k, row in enumerate(self.confusion))


def classification(
    vae: VAE,
    x: Given,
    labels: Given = None,
    num_samples: int | None = None,
    seed: int | None = 0,
    of: str | None = None,
    condition: Given = None,
    mask: Given = None,
) -> ClassReport:
    """Says how well a latent that is one of K classes is told from x: error, calibration, confusion matrix.

        q(y | x)         by default: what the encoder says, latents above y at their centers
        p(y | x)         with `num_samples`: by importance weights, Bayes' rule under the model

    Args:
        vae: the model.
        x: raw examples, `[N, ...]`, an `Observed` of arrays, or a stream of batches of `Observed` with their labels.
        labels: `[N]`, 0 to K - 1, -1 where it is not known, or name to it; by default those that x brings.
        num_samples: importance samples for each example; `None` asks the encoder.
        seed: of them.
        of: the name of the latent, where several are classes.
        condition: what the model was declared to be told, `[N, ...]`, or name to it.
        mask: broadcasts to x; true where x is observed.

    Raises:
        InvalidInput: if no latent is one of K classes, or several and none is named, or no example has a label, or
            labels are not such as the latent can have (the row is named); and as for `vae.encode`.

    Reference:
        Guo et al. 2017, "On Calibration of Modern Neural Networks".

    Example:
        >>> print(classification(vae, x, labels=y))
    """
    name, number = class_of(vae, of), None if num_samples is None else sample_count(num_samples)
    own = {name: labels} if labels is not None and not isinstance(labels, Mapping) else labels
    observed, known = labelled_only(vae, with_known(x, labels=own, condition=condition, mask=mask), name)
    if number is None:
        log_p = answers(vae, _encoded(name), observed)
    else:
        log_p = by_rows(vae, _weighted(name), observed, number, seeds.as_seed(seed), class_spec(vae, name))
    return ClassReport.of(name, log_p.numpy(), known, number)


def labelled_only(vae: Model, data: Given, name: str) -> tuple[Observed, np.ndarray]:
    """Returns the examples whose label is known, without it, and the labels, `[n]`; raises if there are none."""
    found, labels = [], []
    for piece in pieces(vae, data, ROWS_PER_BLOCK, streams=True, refuse_empty=True):
        check_all_values(vae, piece.observed, piece.first_row, REAL)
        own = np.asarray(labels_of(piece.observed).get(name, ()))
        rows = np.flatnonzero(own >= 0)
        labels.append(own[rows])
        found.append(tf.nest.map_structure(lambda part, rows=rows: np.asarray(part)[rows], piece.observed))
    observed = tf.nest.map_structure(lambda *parts: np.concatenate(parts), *map(without_labels, found))
    known = np.concatenate(labels)
    if not len(known):
        remedy = f"Pass labels={{{name!r}: y}}, whole numbers, -1 where they are not known."
        raise InvalidInput(f"labels of {name} for some examples", "none", remedy)
    return observed, known


class Classified:
    """What blocks of examples say of the latents that are classes, for those examples whose label is known.

    Args:
        vae: the model.
    """

    def __init__(self, vae: Model) -> None:
        self.vae, self.found = vae, {name: ([], []) for name in classes(vae)}

    def add(self, known: Known, labels: Mapping[str, Array]) -> None:
        """Takes a block into account; `known` has no labels in it."""
        for name in labels.keys() & self.found.keys():
            rows = np.flatnonzero(np.asarray(labels[name]) >= 0)
            if not len(rows):
                continue
            log_q = compiled_for(self.vae, _encoded(name), reduce_retracing=True)(known).numpy()
            for part, values in zip(self.found[name], (log_q, np.asarray(labels[name])), strict=True):
                part.append(values[rows])

    def reports(self) -> tuple[ClassReport, ...]:
        """Returns the report of each latent of which a label is known."""
        joined = {name: [np.concatenate(part) for part in parts] for name, parts in self.found.items() if parts[0]}
        return tuple(ClassReport.of(name, *parts) for name, parts in joined.items())


def entry(report: object, of: str | None = None) -> ClassReport:
    """Returns the entry of a class latent: the report itself, or that of an evaluation with this or its only name.

    Raises:
        InvalidInput: if there is none, or several and none is named.
    """
    if isinstance(report, ClassReport):
        return report
    found = {one.name: one for one in getattr(report, "classes", ())}
    if of in found or (of is None and len(found) == 1):
        return found[of] if of in found else next(iter(found.values()))
    remedy = (
        f"Pass of={next(iter(found))!r}."
        if found
        else "Pass evaluate(vae, {'x': x, 'labels': y}), or classification(vae, x, y)."
    )
    received = f"of={of!r}" if found else "one without"
    raise InvalidInput(f"a report with classes{''.join(f', {name}' for name in found)}", received, remedy)


def _bins(confidence: np.ndarray, right: np.ndarray) -> Iterator[Bin]:
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)  # (i / 15, (i + 1) / 15]
    for index in np.unique(place):
        of = place == index
        yield Bin(float(confidence[of].mean()), float(right[of].mean()), int(of.sum()))


@functools.cache  # one function a name, which is the key of its graph
def _encoded(name: str) -> Callable[[Model, Known], Tensor]:
    """Returns the function of a block of examples that gives log q(y | x), `[R, K]`: log(0) is not among them."""

    def log_probabilities(vae: Model, known: Known) -> Tensor:
        part = vae.latents.posterior[name]
        values = tf.eye(part.latent_shape[-1])[:, tf.newaxis, tf.newaxis]
        return tf.transpose(part.distribution(**encoded(vae, known)[name]).log_prob(values))

    return log_probabilities


@functools.cache
def _weighted(name: str) -> Callable[..., Tensor]:
    """Returns the function of a block, as `importance.by_rows` calls it, that gives log p(y | x), `[R, K]`."""

    def log_probabilities(vae: Model, *inputs: Given, **settings: Given) -> Tensor:
        z, log_weight = block_weighted(vae, *inputs, **settings)
        taken = vae.latents.named(z)[name][:, :, 0] > 0.5  # [S, R, K]
        return tf.reduce_logsumexp(tf.where(taken, log_weight[..., tf.newaxis], -float("inf")), axis=0)

    return log_probabilities
