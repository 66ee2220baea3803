"""Anomalies: ROC-AUC of -log p(row), of a model that was trained on rows without labels, beside PyOD's detectors.

    settings    of each, the mean log p of rows held out of the 60 % of split 0; one is chosen for all sets, by it alone
    anomalies   with that one, five splits of each of eight sets

Settings compare by nats a column, so that a set counts as much as another. The error of a difference between detectors
is over the sets, of means over the splits; that over all pairs of set and split stands beside it.
"""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks.missing.results import mean_and_error, say
from benchmarks.tables import sets
from benchmarks.tables.common import Clock, Options, by_peers, opened
from tfvae import tables


@dataclasses.dataclass(frozen=True)
class Setting:
    """How a model is made.

    Attributes:
        given: to `tables.fit`.
        patience: epochs without a better ELBO of the watched rows, after which the best weights are taken; `None` for
            all epochs and the last weights.
        real: every column is a number; else the schema is inferred.
    """

    given: dict[str, Any] = dataclasses.field(default_factory=dict)
    patience: int | None = 30
    real: bool = True

    def fit(self, train: pd.DataFrame, seed: int, held_out: float) -> tables.TableModel:
        """Returns the model of rows without labels."""
        stop = keras.callbacks.EarlyStopping("val_loss", patience=self.patience or 0, restore_best_weights=True)
        schema = {"columns": [{"name": name, "kind": "real"} for name in train]} if self.real else None
        callbacks = [] if self.patience is None else [stop]
        compiled = len(train) > 400  # compiling takes longer than the steps of fewer rows
        more = {"schema": schema, "callbacks": callbacks, "jit_compile": compiled}
        return tables.fit(train, seed=seed, held_out=held_out, **more, **self.given)


SETTINGS = {
    "stopped": Setting(),
    "2 latents": Setting({"latent_dim": 2}),
    "32 units": Setting({"hidden": (32, 32)}),
    "inferred kinds": Setting(real=False),
    "all epochs": Setting(patience=None),
}
CHOSEN = "stopped"
HELD_OUT = {"settings": 0.2, "anomalies": 0.1}
PEERS = ("iforest", "mcd", "vae")


def frames(cut: sets.Anomalies) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the rows to train on and those to score, less the columns that do not vary."""
    moving = cut.train.std(axis=0) > 0
    names = [f"x{i}" for i in np.flatnonzero(moving)]
    return pd.DataFrame(cut.train[:, moving], columns=names), pd.DataFrame(cut.test[:, moving], columns=names)


def settings(options: Options) -> None:
    """Writes `settings.json`, one row a setting and set; no label is read."""
    results = opened("settings", __doc__, options, held_out=HELD_OUT["settings"])
    names = ("stopped",) if options.smoke else SETTINGS
    for setting in names:
        for name in ("smoke",) if options.smoke else sets.ANOMALIES:

            def made(setting: str = setting, name: str = name) -> dict[str, Any]:
                train, _ = frames(sets.anomalies(options.data, name, 0))
                chosen = dataclasses.replace(SETTINGS[setting], **smoke(options))
                found = chosen.fit(train, 0, HELD_OUT["settings"]).held_out
                return {"columns": train.shape[1], "rows": len(found), "held_out": float(np.mean(found))}

            row = results.row({"setting": setting, "set": name}, made)
            say(f"{setting}, {name}: {row['held_out']:.2f} nats over {row['columns']} columns, {row['seconds']} s")
    results.write()


def smoke(options: Options) -> dict[str, Any]:
    """Returns what makes a setting small."""
    return {"given": {"epochs": 2, "hidden": (8,), "eval_samples": 5}} if options.smoke else {}


def run(options: Options) -> None:
    """Writes `anomalies.json`, one row a set and split, and the summary."""
    setting = dataclasses.replace(SETTINGS[CHOSEN], **smoke(options))
    results = opened("anomalies", __doc__, options, setting={"name": CHOSEN, **dataclasses.asdict(setting)})
    for split in options.splits[:1] if options.smoke else options.splits:
        for name in ("smoke",) if options.smoke else sets.ANOMALIES:

            def made(name: str = name, split: int = split) -> dict[str, Any]:
                return one(name, split, setting, options)

            row = results.row({"set": name, "split": split}, made)
            say(f"{name}, split {split}: " + ", ".join(f"{way} {area:.3f}" for way, area in row["areas"].items()))
            results.write(summary=summary(results.rows))


def one(name: str, split: int, setting: Setting, options: Options) -> dict[str, Any]:
    """Returns the areas of one split, ours and the peers', and the share of ordinary rows that a flag of 5 % names."""
    cut = sets.anomalies(options.data, name, split)
    train, test = frames(cut)
    clock = Clock()
    model = setting.fit(train, split, HELD_OUT["anomalies"])
    scores = model.log_prob(test)
    seconds = clock.read()
    areas = {"tfvae": float(roc_auc_score(cut.labels, -scores))}
    if options.with_peers:
        with tempfile.TemporaryDirectory() as folder:
            given, found = Path(folder) / "split.npz", Path(folder) / "scores.npz"
            np.savez(given, train=train, test=test)
            by_peers(options, "detectors", given, found, str(split))
            with np.load(found) as file:
                areas |= {way: float(roc_auc_score(cut.labels, np.nan_to_num(file[way]))) for way in PEERS}
    return {"areas": areas, "held_out": float(np.mean(model.held_out)), "flag": flagged(model, scores, cut), **seconds}


def flagged(model: tables.TableModel, scores: np.ndarray, cut: sets.Anomalies, rate: float = 0.05) -> dict[str, Any]:
    """Returns which share of the rows without an anomaly, and of all rows, has a p-value of at most the rate."""
    named = model.p_values(scores) <= rate
    return {"rate": rate, "ordinary": float(named[cut.labels == 0].mean()), "all": float(named.mean())}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns means over the sets of means over the splits, and differences from ours, paired."""
    ways = [way for way in ("tfvae", *PEERS) if all(way in row["areas"] for row in rows)]
    names = list(dict.fromkeys(row["set"] for row in rows))
    by_set = {way: [mean(rows, name, way) for name in names] for way in ways}
    found: dict[str, Any] = {"sets": names, "by_set": by_set, "mean": {w: float(np.mean(by_set[w])) for w in ways}}
    for way in ways[1:]:
        over_sets = np.subtract(by_set["tfvae"], by_set[way])
        pairs = [row["areas"]["tfvae"] - row["areas"][way] for row in rows]
        found[f"ours_less_{way}"] = {"sets": mean_and_error(list(over_sets)), "pairs": mean_and_error(pairs)}
    return found


def mean(rows: list[dict[str, Any]], name: str, way: str) -> float:
    """Returns the mean area of a set over its splits."""
    return float(np.mean([row["areas"][way] for row in rows if row["set"] == name]))
