"""Two uses of a model: labels read from its codes by a linear probe, and anomalies told by its likelihood.

    linear probe     accuracy of multinomial logistic regression, codes -> labels, on held-out examples
    area under the ROC curve = P(s_outlier > s_inlier) + P(s_outlier = s_inlier) / 2,     s = -ELBO(x) or -log p(x)

A likelihood is a density of the training data, not a test of membership: simple images can be more likely than the
data that the model was trained on (Nalisnick et al. 2019). Where an area is below 1/2, a warning says so.
"""

import dataclasses
import logging
from typing import NamedTuple

import numpy as np

from tfvae.core.errors import InvalidInput
from tfvae.core.types import ArrayLike
from tfvae.evaluation import learners
from tfvae.evaluation.report import Report
from tfvae.evaluation.scoring import Examples, evaluate
from tfvae.vae import VAE


class LinearProbe(NamedTuple):
    """What a linear classifier reads from codes.

    Attributes:
        accuracy: on held-out examples.
        standard_error: of the accuracy, from the number of held-out examples.
        chance: accuracy of always saying the most frequent label.
        train_accuracy: on the examples that it was fitted to; far above `accuracy`: too few examples.
        num_train: examples fitted to.
        num_test: examples held out.
    """

    accuracy: float
    standard_error: float
    chance: float
    train_accuracy: float
    num_train: int
    num_test: int


class Area(NamedTuple):
    """An area under the ROC curve.

    Attributes:
        value: 1 if every outlier scores above every inlier, 1/2 by chance.
        standard_error: of the value, over examples (DeLong et al. 1988); NaN where no example differs from the others
            of its kind, as at an area of 1 or 0: how near to it the population's area is, these scores do not show.
    """

    value: float
    standard_error: float


@dataclasses.dataclass(frozen=True)
class Anomaly:
    """How well a model's likelihood tells outliers from inliers; prints as a table with its caveat.

    Attributes:
        elbo: area under the ROC curve by -ELBO.
        log_prob: area under the ROC curve by -log p(x).
        inliers: the evaluation of the inliers, with the scores of each in `per_example`.
        outliers: the same of the outliers, whose importance weights are often the worse ones, see `untrusted`.
    """

    elbo: Area
    log_prob: Area
    inliers: Report
    outliers: Report

    @property
    def caveat(self) -> str:
        """What the areas do not say, one sentence; a stronger one where the likelihood fails."""
        failed = [name for name in ("elbo", "log_prob") if getattr(self, name).value < 0.5]
        if failed:
            return (
                f"Likelihood fails here: by {' and by '.join(failed)} the outliers are more likely than the inliers "
                "(area below 1/2). High likelihood does not mean that data are like the training data, see Nalisnick "
                "et al. 2019; use another score."
            )
        return (
            "These outliers are less likely than the inliers; others, simple images above all, may be more likely "
            "(Nalisnick et al. 2019)."
        )

    def __str__(self) -> str:
        """Returns the areas, the mean scores, and the caveat."""
        lines = [f"{'score':10s}{'ROC-AUC':>9s}{'s.e.':>8s}{'inliers':>11s}{'outliers':>11s}   mean, nats"]
        for name in ("elbo", "log_prob"):
            area, means = getattr(self, name), [getattr(report, name).mean for report in (self.inliers, self.outliers)]
            error = "?" if np.isnan(area.standard_error) else f"{area.standard_error:.4f}"
            lines.append(f"{name:10s}{area.value:9.4f}{error:>8s}{means[0]:11.2f}{means[1]:11.2f}")
        untrusted = self.inliers.untrusted, self.outliers.untrusted
        if not np.isnan(untrusted).any():  # with few samples nobody knows
            shares = "".join(f"{share:11.1%}" for share in untrusted)
            lines.append(f"{'untrusted':27s}{shares}   log p(x) of so many is likely to be higher than stated")
        return "\n".join([*lines, self.caveat])


def linear_probe(codes: ArrayLike, labels: ArrayLike, test_share: float = 0.2, seed: int | None = 0) -> LinearProbe:
    """Returns how many labels a linear classifier on the codes gets right.

    Multinomial logistic regression (L2 penalty, C = 1) on standardised codes, fitted on a random part of the examples
    and scored on the rest, of which each label has its share.

    Args:
        codes: `[N, D]`, for example `vae.encode(x).mean()`.
        labels: `[N]`, at least two different ones, each of at least two examples.
        test_share: share of the examples that are held out.
        seed: of the split.

    Raises:
        InvalidInput: if codes and labels do not match, or cannot be split.

    Reference:
        Alain and Bengio 2017, "Understanding Intermediate Layers Using Linear Classifier Probes".
    """
    from sklearn.model_selection import train_test_split

    codes, labels = np.asarray(codes, np.float64), np.asarray(labels)
    if codes.ndim != 2 or labels.shape != codes.shape[:1] or not np.all(np.isfinite(codes)):
        received = f"codes of shape {codes.shape}, labels of shape {labels.shape}"
        raise InvalidInput("finite codes [N, D] and labels [N]", received, "Flatten each code; one label an example.")
    try:
        parts = train_test_split(codes, labels, test_size=test_share, random_state=seed, stratify=labels)
        train, test, train_labels, test_labels = parts
        probe = learners.logistic_regression().fit(train, train_labels)
    except ValueError as error:
        raise InvalidInput(
            "at least two labels that can be split", str(error), "Pass more examples a label."
        ) from error
    accuracy, most = probe.score(test, test_labels), np.unique(train_labels, return_counts=True)
    return LinearProbe(
        accuracy=float(accuracy),
        standard_error=float(np.sqrt(accuracy * (1 - accuracy) / len(test))),
        chance=float(np.mean(test_labels == most[0][most[1].argmax()])),
        train_accuracy=float(probe.score(train, train_labels)),
        num_train=len(train),
        num_test=len(test),
    )


def roc_auc(inliers: ArrayLike, outliers: ArrayLike) -> Area:
    """Returns the area under the ROC curve of scores that should be higher for outliers, and its standard error.

        area = 1/(N M) sum_ij [s_j > s_i] + [s_j = s_i] / 2
        variance = Var_i(mean_j [...]) / N + Var_j(mean_i [...]) / M

    A variance of zero, as at an area of 1, is not certainty: the standard error is then NaN.

    Args:
        inliers: scores, `[N]`.
        outliers: scores, `[M]`.

    Raises:
        InvalidInput: if either has fewer than two scores, or one is NaN.

    Reference:
        DeLong, DeLong and Clarke-Pearson 1988.

    Example:
        >>> roc_auc([0.0, 1.0], [2.0, 3.0]).value
        1.0
    """
    inliers, outliers = np.asarray(inliers, np.float64), np.asarray(outliers, np.float64)
    if inliers.ndim != 1 or outliers.ndim != 1 or min(len(inliers), len(outliers)) < 2:
        received = f"shapes {inliers.shape} and {outliers.shape}"
        raise InvalidInput("at least two scores of either kind", received, "Pass one number an example.")
    if np.isnan(inliers).any() or np.isnan(outliers).any():
        raise InvalidInput("scores", "nan", "Remove those examples first.")
    above = _share_below(inliers, outliers)
    below = 1 - _share_below(outliers, inliers)
    variance = above.var(ddof=1) / len(outliers) + below.var(ddof=1) / len(inliers)
    return Area(float(above.mean()), float(np.sqrt(variance)) if variance > 0 else float("nan"))


def _share_below(reference: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Returns for each value the share of the reference that is below it, equal ones counting half."""
    reference = np.sort(reference)
    sides = [np.searchsorted(reference, values, side=side) for side in ("left", "right")]
    return (sides[0] + sides[1]) / (2 * len(reference))


def anomaly(
    vae: VAE, inliers: Examples, outliers: Examples, num_samples: int, seed: int | None = 0, verbose: bool = False
) -> Anomaly:
    """Returns how well ELBO and log p(x) tell outliers from inliers.

    Args:
        vae: the model.
        inliers: raw examples like the training data, but not among them, `[N, ...]`, or batches of them.
        outliers: raw examples of another kind.
        num_samples: samples of z behind each ELBO and each log p(x).
        seed: an integer for repeatable noise; `None` draws afresh.
        verbose: show a progress bar over blocks of examples.

    Returns:
        Areas under the ROC curve and both evaluations. Where an area is below 1/2, a warning is logged.

    Raises:
        InvalidInput: see `evaluate`; if either kind has fewer than two examples.

    Reference:
        Nalisnick et al. 2019, "Do Deep Generative Models Know What They Don't Know?".
    """
    reports = [
        evaluate(vae, x, num_samples, seed, ladder=(), per_example=True, verbose=verbose, mixture_examples=1)
        for x in (inliers, outliers)
    ]
    scores = [report.per_example for report in reports]
    areas = {name: roc_auc(-scores[0][name], -scores[1][name]) for name in ("elbo", "log_prob")}
    result = Anomaly(**areas, inliers=reports[0], outliers=reports[1])
    if min(area.value for area in areas.values()) < 0.5:
        logging.getLogger("tfvae").warning(result.caveat)
    return result
