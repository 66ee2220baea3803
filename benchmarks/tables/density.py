"""Density: log p(row) of two columns that are known, beside the truth.

    log amount ~ N(0.5, 0.75),    kind | amount ~ softmax_k(a_k + b_k log amount)

    gap = mean held-out [log p(row) - log p_true(row)], paired by row: above -0.02 nats is the goal; at best 0
    integral = sum over kinds of the integral over amounts of p(amount, kind), by the trapezium rule in log amount

Amounts are rounded to four decimals, kinds are three words. The truth is the density of the amount.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from benchmarks.missing.results import mean_and_error, say
from benchmarks.tables.common import Clock, Options, opened
from tfvae import tables

KINDS = np.array(["blue", "green", "red"], dtype=object)
MEAN, SPREAD = 0.5, 0.75
A, B = np.array([0.0, 0.5, -1.0]), np.array([-1.0, 0.0, 1.5])
ROWS, TESTED, GRID = 20_000, 5_000, 2_001
WIDTH = 8.0  # spreads of log amount to either side, where the truth has all but 1e-15


def log_kinds(u: np.ndarray) -> np.ndarray:
    """Returns log P(kind | log amount = u), `[N, kinds]`."""
    return special.log_softmax(A + B * u[:, np.newaxis], axis=1)


def drawn(rows: int, seed: int) -> pd.DataFrame:
    """Returns rows of the truth."""
    rng = np.random.default_rng(seed)
    amount = np.maximum(np.round(np.exp(rng.normal(MEAN, SPREAD, rows)), 4), 1e-4)
    below = rng.random((rows, 1)) > np.exp(log_kinds(np.log(amount))).cumsum(axis=1)
    return pd.DataFrame({"amount": amount, "kind": KINDS[below.sum(axis=1)]})


def log_truth(frame: pd.DataFrame) -> np.ndarray:
    """Returns log p_true(row), `[N]`."""
    u, kinds = np.log(frame["amount"].to_numpy()), np.searchsorted(KINDS.astype(str), frame["kind"].astype(str))
    return stats.norm.logpdf(u, MEAN, SPREAD) - u + log_kinds(u)[np.arange(len(u)), kinds]


def integral(model: tables.TableModel, points: int) -> float:
    """Returns the sum over kinds of the integral of the model's density."""
    u = np.linspace(MEAN - WIDTH * SPREAD, MEAN + WIDTH * SPREAD, points)
    rows = [pd.DataFrame({"amount": np.exp(u), "kind": kind}) for kind in KINDS]
    density = sum(np.exp(model.log_prob(frame) + u) for frame in rows)  # of u: times the amount
    return float(np.trapezoid(density, u))


def one(seed: int, options: Options) -> dict[str, Any]:
    """Returns the gap and the integral of one draw of the data."""
    small = options.smoke
    rows, tested, points = (400, 200, 101) if small else (ROWS, TESTED, GRID)
    given: dict[str, Any] = {"epochs": 5, "hidden": (8,), "eval_samples": 20} if small else {"jit_compile": True}
    test, clock = drawn(tested, seed + 1000), Clock()
    model = tables.fit(drawn(rows, seed), seed=seed, **given)
    facts = clock.read()
    score, truth = model.log_prob(test), log_truth(test)
    kind = model.log_prob(test.assign(amount=np.nan))
    kind_truth = np.log(np.bincount(np.searchsorted(KINDS.astype(str), test["kind"].astype(str))) / tested)
    own = kind_truth[np.searchsorted(KINDS.astype(str), test["kind"].astype(str))]
    return {
        **facts,
        "epochs": len(model.vae.history.history["loss"]),
        "score": mean_and_error(list(score)),
        "truth": mean_and_error(list(truth)),
        "gap": mean_and_error(list(score - truth)),
        "gap_of_kind_alone": mean_and_error(list(kind - own)),
        "integral": integral(model, points),
    }


def run(options: Options) -> None:
    """Writes `density.json`, one row a draw of the data."""
    results = opened("density", __doc__, options, rows=ROWS, tested=TESTED)
    for seed in options.splits[:1]:
        row = results.row({"seed": seed}, lambda seed=seed: one(seed, options))
        say(f"density: {row['gap']['mean']:+.4f} +- {row['gap']['standard_error']:.4f} nats, {row['integral']:.4f}")
