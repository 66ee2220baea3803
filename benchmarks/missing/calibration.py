"""Whether hidden cells lie where a model says: share within intervals, and the size of standardised errors.

    share(level) = mean of [low_i <= x_i <= high_i],    sd^2 = sum_r (c_r - share n_r)^2 / (sum_r n_r)^2     by row
    rms = sqrt(mean of ((x_i - mean_i) / stddev_i)^2),  1 where means and deviations are right

Cells of one row are wrong together, so the error counts rows r, with n_r hidden cells of which c_r are within; the
binomial one, which takes cells for independent, stands beside it.
"""

import dataclasses
from typing import Any

import numpy as np

from benchmarks.missing.tables import Table
from tfvae.inference.imputation import Imputation

LEVELS = (0.5, 0.9)


@dataclasses.dataclass
class Counts:
    """What is counted for each row of a table: hidden cells, those within each interval, squared errors."""

    hidden: np.ndarray
    within: dict[float, np.ndarray]
    squares: np.ndarray


def counts(table: Table, found: Imputation, seed: int = 0) -> Counts:
    """Returns the counts of each row."""
    hidden, within = ~table.mask, {}
    for level in LEVELS:
        low, high = (end.numpy() for end in found.interval(level, seed=seed))
        within[level] = (hidden & (low <= table.truth) & (table.truth <= high)).sum(axis=1)
    wrong = (found.mean.numpy() - table.truth) / np.where(hidden, found.stddev.numpy(), 1.0)
    return Counts(hidden.sum(axis=1), within, np.where(hidden, wrong**2, 0.0).sum(axis=1))


def joined(parts: list[Counts]) -> Counts:
    """Returns the counts of rows that follow each other."""
    within = {level: np.concatenate([part.within[level] for part in parts]) for level in LEVELS}
    hidden, squares = (np.concatenate([getattr(part, name) for part in parts]) for name in ("hidden", "squares"))
    return Counts(hidden, within, squares)


def summary(found: Counts) -> dict[str, Any]:
    """Returns the shares with both errors, and the root mean square of standardised errors with that by row."""
    total = found.hidden.sum()

    def by_row(sums: np.ndarray) -> tuple[float, float]:
        share = sums.sum() / total
        return float(share), float(np.sqrt(np.sum((sums - share * found.hidden) ** 2)) / total)

    square, error = by_row(found.squares)
    rms = float(np.sqrt(square))
    shares = {}
    for level, within in found.within.items():
        share, by_rows = by_row(within)
        shares[f"{level:g}"] = {
            "share": share,
            "error_by_row": by_rows,
            "error_binomial": float(np.sqrt(share * (1 - share) / total)),
        }
    return {"hidden_cells": int(total), "within": shares, "rms": rms, "rms_error_by_row": error / (2 * rms)}
