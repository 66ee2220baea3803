"""Units of data: columns that lie far from where the likelihood starts, or never vary, are named before training.

far      sqrt((m_i - loc_i)^2 + s_i^2) > 100 scale_i        m, s: mean and spread of column i of x
narrow   0 < s_i < scale_i / 1000                           loc, scale: of p(x | z) at first, at z = 0 or inside

Of images and series, whose cells are of one kind, `far` alone is said: a corner of an image may well never vary.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfvae.checks.data import note_once
from tfvae.core.observed import Observed
from tfvae.core.types import Tensor

if TYPE_CHECKING:
    from tfvae.core.model import Model

FAR, NARROW = 100.0, 1e-3
MOST_ROWS, MOST_NUMBERS, NAMED = 5000, 5 * 10**6, 5
KEY = "units"
REMEDY = "call vae.adapt(x) before fit, give each column a scale of its own (tfvae.scales.PerDimension), or rescale x"


def note_units(vae: "Model", observed: Observed) -> None:
    """Names once the columns of raw x, `[N, ...]`, in units that a likelihood which was not trained yet is far from."""
    if not vae.event_shape or vae.support.bounded:
        return
    told = {name: tf.zeros([1, *part.shape]) for name, part in vae.conditions.items()}
    inner = {name: part.space.inner for name, part in vae.latents.prior.items()}
    z = {name: tf.fill([1, *shape], inner[name]) for name, shape in vae.latents.shapes.items()}
    context = vae.context({"condition": told}).with_(**z)
    p = vae.likelihood.distribution(**vae.likelihood.parameters(context))
    table, size = len(vae.event_shape) == 1, math.prod(vae.event_shape)
    most = MOST_ROWS if table else max(1, min(MOST_ROWS, MOST_NUMBERS // size))
    every = -(-len(observed["x"]) // most)
    x = vae.seen({key: observed[key][::every] for key in ("x", "mask") if key in observed})
    try:
        found = vae.likelihood.measured(p, x)
    except NotImplementedError:  # of a distribution with neither mean nor mode nothing can be said
        return
    x, measured, loc, scale = (np.asarray(value, np.float64) for value in (x, *found))
    loc, scale = loc[0], np.where(np.isfinite(scale), scale, np.nan)[0]  # none, or of a t of two degrees or fewer
    x, measured = np.ma.masked_invalid(x), np.ma.masked_invalid(measured)
    mean, spread = measured.mean(axis=0).filled(np.nan), measured.std(axis=0).filled(np.nan)
    constant = (x.max(axis=0) == x.min(axis=0)).filled(False)
    far = np.hypot(mean - loc, spread) > FAR * scale
    narrow = ~constant & (spread < NARROW * scale) & table
    columns = list(zip(*np.nonzero(far | narrow), strict=True))
    if columns:
        at = columns[0]
        here, there = (f"{m[at]:.3g} +- {s[at]:.3g}" for m, s in ((mean, spread), (loc, scale)))
        kind = "column" if table else "cell"
        named, lies = _named(columns, "is", "are", kind), f"{_place(at)} lies at {here}, where it starts at {there}"
        note_once(vae, KEY, f"{named} in other units than the likelihood starts in ({kind} {lies}): {REMEDY}.")
    if table and constant.any() and not vae.support.discrete:
        named = _named([(at,) for at in np.flatnonzero(constant)], "does", "do")
        note_once(
            vae, "constant", f"{named} not vary: what says nothing counts in a density all the same; leave it out."
        )


def note_not_finite(vae: "Model", loss: Tensor | float, learning_rate: Callable[[], Tensor]) -> None:
    """Says once that the loss of a fit that nobody guards is not finite, and what fits the cause."""
    if not math.isfinite(float(loss)):
        rate = float(tf.convert_to_tensor(learning_rate()))  # of several replicas a variable that is not a number
        lower = f"lower the learning rate, now {rate:g}, or give the optimizer clipnorm=1.0"
        note_once(
            vae,
            "not finite",
            "the loss is not finite any more, and the weights are of no use: make the model again and"
            f" {REMEDY if KEY in vae.notes else lower}. callbacks=[tfvae.callbacks.FirstAid()] stops at the first such"
            " step, says why and keeps the last good weights.",
        )


def note_not_compiled(vae: "Model", reason: str) -> None:
    """Says once that XLA was to compile the training of a model, and does not."""
    note_once(vae, "xla", f"XLA does not compile this model ({reason}); training goes on without it.")


def _place(at: tuple[int, ...]) -> str:
    return f"{at[0]}" if len(at) == 1 else f"{tuple(map(int, at))}"


def _named(columns: list[tuple[int, ...]], one: str, several: str, kind: str = "column") -> str:
    *first, last = map(_place, columns[:NAMED])
    if len(columns) > NAMED:
        return f"{len(columns)} {kind}s ({', '.join([*first, last])}, ...) {several}"
    return f"{kind}s {', '.join(first)} and {last} {several}" if first else f"{kind} {last} {one}"
