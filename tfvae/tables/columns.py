"""Likelihoods of the columns of a table, chosen by their kind; where numbers are warped, by the training rows.

real, positive     a normal of u = g(x), u about N(0, 1) over the training rows; of positive numbers g begins with log
count              negative binomial
yes/no             Bernoulli
category           categorical
"""

import itertools
from collections.abc import Sequence

import numpy as np

from tfvae import scales, warps
from tfvae.core.reading import some_rows
from tfvae.datasets.tables import Family, Slot
from tfvae.likelihoods import Bernoulli, Categorical, Likelihood, NegativeBinomial, Normal, Warped

MOST = 200_000  # rows


def column_likelihoods(slots: Sequence[Slot], x: np.ndarray, mask: np.ndarray) -> list[Likelihood]:
    """Returns the likelihoods of neighbouring columns of x, for `Columns` or the recipe `mixed_table`.

    Args:
        slots: what each column of x is, those of one family side by side.
        x: training rows, `[N, D]`; some of very many are enough.
        mask: which cells were observed, `[N, D]`.
    """
    x, mask = some_rows(x, MOST), some_rows(mask, MOST)
    found, at = [], 0
    for (family, size), group in itertools.groupby(slots, key=lambda slot: (slot.family, slot.size)):
        number = len(list(group))
        own = np.where(mask, x, np.nan)[:, at : at + number].astype(np.float64)
        found += LIKELIHOODS[family](own, size)
        at += number
    return found


def _normal(x: np.ndarray, warp: warps.Warp) -> list[Likelihood]:
    return [Warped(Normal(x.shape[1], scale=scales.Predicted()), warp)]


LIKELIHOODS = {
    Family.REAL: lambda x, _: _normal(x, warps.normal_scores(x)),
    Family.POSITIVE: lambda x, _: _normal(x, warps.Chained(warps.Logarithm(), warps.normal_scores(np.log(x)))),
    Family.COUNT: lambda x, _: [NegativeBinomial(x.shape[1], inverse_dispersion=scales.PerDimension())],
    Family.YES_NO: lambda x, _: [Bernoulli(x.shape[1])],
    Family.CATEGORY: lambda x, size: [Categorical(1, num_categories=size) for _ in range(x.shape[1])],
}
