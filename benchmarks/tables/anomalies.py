"""Anomalies: ROC-AUC of -log p(row), of a model that was trained on rows without labels, beside PyOD's detectors.

    five splits of each of eight sets; one setting for all of them, chosen by log p of rows held out of the 60 %
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks.tables import sets
from tfvae import tables

SETTINGS: dict[str, dict[str, Any]] = {"default": {}}


def frame(x: np.ndarray) -> pd.DataFrame:
    """Returns columns of an array under names."""
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])


def real(width: int) -> dict[str, Any]:
    """Returns a schema of numbers alone."""
    return {"columns": [{"name": f"x{i}", "kind": "real"} for i in range(width)]}


def scored(folder: Path, name: str, split: int, setting: str) -> dict[str, float]:
    """Returns the area of one split, and the mean log p of the held-out training rows, by which one chooses."""
    cut = sets.anomalies(folder, name, split)
    moving = cut.train.std(axis=0) > 0
    train, test = frame(cut.train[:, moving]), frame(cut.test[:, moving])
    model = tables.fit(train, schema=real(train.shape[1]), seed=split, **SETTINGS[setting])
    found = model.log_prob(test)
    return {"area": float(roc_auc_score(cut.labels, -found)), "held_out": float(np.mean(model.held_out))}
