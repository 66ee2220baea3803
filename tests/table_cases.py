"""What the tests of synthetic tables share: a table of each kind of column, and its quality."""

import numpy as np
import pandas as pd

from tfvae.evaluation import synthetic_quality

WORDS = np.array(["a", "b", "c", "d"])


def frame(rows=300, seed=0):
    """A table of each kind of column, some of them missing, some that hang on each other."""
    rng = np.random.default_rng(seed)
    age, kind = rng.normal(40, 10, rows), rng.integers(0, 4, rows)
    income = np.exp(0.05 * age + kind + 0.3 * rng.normal(size=rows))
    words = WORDS[kind].astype(object)
    words[rng.random(rows) < 0.1] = None
    age[rng.random(rows) < 0.2] = np.nan
    yes = rng.random(rows) < 0.1 + 0.2 * kind
    return pd.DataFrame({"age": age, "income": income, "kind": words, "rooms": rng.poisson(2, rows), "yes": yes})


NUMBERS = ["age", "income", "rooms"]


def quality(real, synthetic, train=None, numeric=NUMBERS, **rest):
    return synthetic_quality(real, synthetic, train, numeric=numeric, **rest)
