"""What the tests of scikit-learn's shape share: small estimators that are trained in a second, and a table.

The shape does not depend on what is maximised, nor on how it is compiled, which is what takes the time: so `quick`
trains the plain ELBO, and runs it step by step.
"""

import contextlib
import functools
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfvae import recipes
from tfvae.sklearn import VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer, base

SMALL = {"latent_dim": 2, "hidden": (4,), "epochs": 1, "batch_size": 200, "num_samples": 5}
RATE = {"held_out": 0.3, "false_positive_rate": 0.3}  # so that ten rows are enough
CLASSES = (VAETransformer, VAEImputer, VAEDensity, VAEOutlierDetector)


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Trains the plain ELBO, step by step."""
    eagerly = tf.config.functions_run_eagerly()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "fit", functools.partial(base.fit, recipe=recipes.tabular))
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(eagerly)


def small(kind, **given):
    """Returns a small estimator."""
    more = RATE if kind is VAEOutlierDetector else {}
    return kind(**SMALL | more | {"random_state": 0} | given)


def table(rows=60, seed=0):
    """A frame of many types with gaps, and an index of words."""
    rng = np.random.default_rng(seed)
    day = pd.Timestamp("2020-01-01", tz="Europe/Berlin")
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=rows).round(2),
            "whole": rng.integers(-5, 50, rows),
            "word": rng.choice(["a", "b", "c"], rows),
            "level": pd.Categorical(rng.choice([10, 20, 30], rows)),
            "day": day + pd.to_timedelta(rng.integers(0, 300, rows), "D"),
            "count": pd.array(rng.integers(0, 9, rows), dtype="Int64"),
            "yes": pd.array(rng.random(rows) < 0.5, dtype="boolean"),
            "any": (rng.random(rows) < 0.5).astype(object),
            "row": np.arange(rows),
        },
        index=[f"row {i}" for i in range(rows)],
    )
    for place, name in enumerate(("number", "word", "level", "day", "count", "yes", "any")):
        frame.loc[frame.index[rng.permutation(rows)[: 5 + place]], name] = None
    return frame
