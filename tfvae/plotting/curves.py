"""Numbers as curves and bars: a training's history, and the parts of an evaluation report.

elbo = -(distortion + rate)        rate = sum_d KL_d        ELBO = L_1 <= L_k <= log p(x)        all in nats an example
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfvae.core.errors import InvalidInput
from tfvae.evaluation.entries import USED
from tfvae.evaluation.latents import ACTIVE
from tfvae.evaluation.report import Report
from tfvae.plotting import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NATS = "nats per example"
CURVES = {"elbo": ("ELBO", NATS), "rate": ("rate", NATS), "distortion": ("distortion", NATS)}
HEALTH = {"active_units": ("active units", "dimensions of z"), "mutual_information": ("I(x; z)", "nats")}
EACH = "rate_"  # before the name of one of several latents
MAX_NAMES = 40  # dimensions of z up to which each bar has its name


def learning_curves(history: Mapping[str, Sequence[float]], validation_freq: int | None = None) -> "Figure":
    """Draws ELBO, rate and distortion against the epoch, for training and validation, and the training's health.

    Args:
        history: name to one value an epoch, nats per example: `elbo`, `rate`, `distortion` and, where there was
            validation, the same with `val_`; where a `tfvae.callbacks.CollapseAlarm` watched, `active_units` and
            `mutual_information` of its probe; of several latents `rate_<name>` of each. Values that are not finite
            leave a gap.
        validation_freq: epochs from one validation to the next, as `fit` was told; by default the largest that gives as
            many values.

    Returns:
        A figure of one panel each; the legends tell the last values.

    Raises:
        InvalidInput: if `history` is not a mapping, lacks one of the three, or has no epoch.

    Example:
        >>> figure = learning_curves({"elbo": [-9.0, -7.5], "rate": [1.0, 1.5], "distortion": [8.0, 6.0]})
    """
    if not isinstance(history, Mapping) or any(len(history.get(name, ())) == 0 for name in CURVES):
        received = f"keys {sorted(history)}" if isinstance(history, Mapping) else f"a {type(history).__name__}"
        remedy = "Pass vae.fit(...).history, after one epoch or more."
        raise InvalidInput("a history with values of elbo, rate and distortion", received, remedy)
    panels = {**CURVES, **{name: words for name, words in HEALTH.items() if len(history.get(name, ())) > 0}}
    each = {name.removeprefix(EACH): values for name, values in history.items() if name.startswith(EACH)}
    number, epochs = len(panels) + bool(each), len(history["elbo"])
    rows = math.ceil(number / 3)
    figure = canvas.empty_figure(10.5, 3.2 * rows)
    places = figure.subplots(rows, 3, squeeze=False).flat
    for axes, (name, (title, unit)) in zip(places, panels.items(), strict=False):
        of = "probe" if name in HEALTH else "training"
        for key, label, color in ((name, of, canvas.FIRST), ("val_" + name, "validation", canvas.SECOND)):
            values = np.asarray(history.get(key, ()), dtype=float)
            if len(values) == 0:
                continue
            every = max(epochs // len(values), 1)  # Keras may validate every k-th epoch only: k, 2k, ...
            every = validation_freq if validation_freq and key.startswith("val_") else every
            finite = np.where(np.isfinite(values), values, np.nan)
            x = every * np.arange(1, len(values) + 1)
            style = {"color": color, "linewidth": 1.5, "markersize": 6 if epochs <= 40 else 2}
            axes.plot(x, finite, ".-", label=f"{label}, last {values[-1]:.2f}", **style)
        axes.set(title=title, xlabel="epoch", ylabel=unit, xlim=(0.5, epochs + 0.5))
        canvas.whole_numbers(axes.xaxis)
        if name == "active_units":
            canvas.whole_numbers(axes.yaxis)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    if each:
        _rates_by_epoch(figure.axes[len(panels)], each)
    for axes in figure.axes[number:]:
        axes.remove()
    figure.get_layout_engine().set(wspace=0.05)
    return figure


def _rates_by_epoch(axes: "Axes", rates: Mapping[str, Sequence[float]]) -> None:
    """Draws the rate of each latent against the epoch."""
    for (name, values), color in zip(rates.items(), itertools.cycle(canvas.KINDS), strict=False):
        finite = np.where(np.isfinite(values), values, np.nan)
        axes.plot(np.arange(1, len(values) + 1), finite, ".-", color=color, label=f"{name}, last {values[-1]:.2f}")
    axes.set(title="rate of each latent", xlabel="epoch", ylabel=NATS)
    canvas.whole_numbers(axes.xaxis)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def kl_per_dimension(report: Report) -> "Figure":
    """Draws what each latent dimension costs, largest first; those that are active stand out.

    Of several latents what each of them costs, those at the top of the prior first; those that are used stand out.

    Args:
        report: of `tfvae.evaluation.evaluate`.

    Returns:
        A figure of one bar a dimension, or a latent, nats per example; the bars add up to the rate.

    Raises:
        InvalidInput: if the KL of the model does not fall into dimensions.

    Example:
        >>> report = tfvae.evaluation.evaluate(vae, x)
        >>> kl_per_dimension(report).savefig("kl_per_dimension.png")
    """
    if report.latents:
        return _rates(report)
    if report.kl_per_dimension is None:
        remedy = "Posterior and prior of independent dimensions have one; plotting.aggregated_posterior works for all."
        raise InvalidInput("a report with a KL for each dimension", "one without", remedy)
    kl = np.array(report.kl_per_dimension)
    order = np.argsort(-kl, kind="stable")
    active, known = np.array(report.unit_activity)[order] > ACTIVE, report.active_units is not None
    figure = canvas.empty_figure(5.8, 3.5)
    axes = figure.subplots()
    places = np.arange(len(kl))
    groups = [(f"active, Var E[z] above {ACTIVE}", active, canvas.FIRST), ("not active", ~active, canvas.QUIET)]
    for label, chosen, color in groups if known else [("activity unknown", places >= 0, canvas.FIRST)]:
        if chosen.any():
            axes.bar(places[chosen], kl[order][chosen], color=color, label=f"{label}: {chosen.sum()}")
    few = len(kl) <= MAX_NAMES
    axes.set_xticks(places if few else [], order if few else [], rotation=0 if len(kl) <= 20 else 90)
    axes.set(xlabel="d, dimension of z, largest KL first", ylabel=f"KL of z[d], {NATS}")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(frameon=False)
    return figure


def _rates(report: Report) -> "Figure":
    """Draws the rate of each latent with its standard error."""
    figure = canvas.empty_figure(5.8, 3.5)
    axes = figure.subplots()
    used, means, errors = np.array([(latent.used, *latent.rate) for latent in report.latents]).T
    used, places = used.astype(bool), np.arange(len(means))
    for label, chosen, color in [(f"rate of {USED} nats or more", used, canvas.FIRST), ("less", ~used, canvas.QUIET)]:
        if chosen.any():
            style = {"color": color, "capsize": 3, "label": f"{label}: {chosen.sum()}"}
            axes.bar(places[chosen], means[chosen], yerr=np.nan_to_num(errors[chosen]), **style)
    axes.set_xticks(places, [latent.name for latent in report.latents])
    axes.set(xlabel="latent, the top of the prior first", ylabel=f"rate, {NATS}")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(frameon=False)
    return figure


def bound_ladder(report: Report) -> "Figure":
    """Draws the lower bounds of k samples on log p(x) against k: how much is gained by one more sample.

    Args:
        report: of `tfvae.evaluation.evaluate`.

    Returns:
        A figure; the error bars are standard errors of the mean over examples.

    Reference:
        Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders", theorem 1.

    Example:
        >>> report = tfvae.evaluation.evaluate(vae, x)
        >>> bound_ladder(report).savefig("bound_ladder.png")
    """
    figure = canvas.empty_figure(5.8, 3.5)
    axes = figure.subplots()
    k = [rung.samples for rung in report.ladder]
    means, errors = np.array([rung.bound for rung in report.ladder], dtype=float).T
    errors = np.nan_to_num(errors)
    style = {"color": canvas.FIRST, "capsize": 3, "label": "bound of k samples"}
    axes.errorbar(k, means, errors, fmt="o-", **style)
    level, error = report.log_prob
    label = f"{report.level} estimate {level:.2f} +- {error:.2f}"
    axes.axhline(level, color=canvas.SECOND, linestyle="--", label=label)
    axes.set_xscale("log")
    axes.set_xticks(k, [str(samples) for samples in k])
    axes.minorticks_off()
    axes.set(xlabel="k, samples an example", ylabel=NATS)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    return figure
