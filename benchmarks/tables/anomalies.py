"""Anomalies: ROC-AUC of -log p(row), of a model that was trained on rows without labels, beside PyOD's detectors.

    settings    of each, the mean log p of rows held out of the 60 % of split 0; one is chosen for all sets, by it alone
    anomalies   with that one, five splits of each of eight sets

Settings compare by nats a column, so that a set counts as much as another. The error of a difference between detectors
is over the sets, of means over the splits; that over all pairs of set and split stands beside it.

log p depends on the resolution of numbers: where cells repeat, it adds masses of single values to densities of others,
and rows of many such cells are likely or not by the column's unit. "tfvae, coarse" takes every number at a fifth of its
spread, without single values. Held-out log p does not choose a resolution, so that it stands beside "tfvae", for all
sets; that it was tried comes from the area on split 0 of ionosphere.
"""

import dataclasses
import functools
import itertools
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
        step: resolution of the numbers, in spreads; `None` for that of the cells, with single values that are frequent.
    """

    given: dict[str, Any] = dataclasses.field(default_factory=dict)
    patience: int | None = 30
    real: bool = True
    step: float | None = None

    def fit(self, train: pd.DataFrame, seed: int, held_out: float) -> tables.TableModel:
        """Returns the model of rows without labels."""
        stop = keras.callbacks.EarlyStopping("val_loss", patience=self.patience or 0, restore_best_weights=True)
        numbers = [{"name": name, "kind": "real", **self.resolution(column)} for name, column in train.items()]
        schema = {"columns": numbers} if self.real else None
        callbacks = [] if self.patience is None else [stop]
        compiled = len(train) > 400  # compiling takes longer than the steps of fewer rows
        more = {"schema": schema, "callbacks": callbacks, "jit_compile": compiled}
        return tables.fit(train, seed=seed, held_out=held_out, **more, **self.given)

    def resolution(self, column: pd.Series) -> dict[str, Any]:
        """Returns what the schema says of a column's resolution."""
        return {} if self.step is None else {"atoms": [], "step": self.step * float(column.std())}


SETTINGS = {
    "stopped": Setting(),
    "2 latents": Setting({"latent_dim": 2}),
    "32 units": Setting({"hidden": (32, 32)}),
    "inferred kinds": Setting(real=False),
    "all epochs": Setting(patience=None),
}
CHOSEN = SETTINGS["stopped"]
OURS = {"tfvae": CHOSEN, "tfvae, coarse": dataclasses.replace(CHOSEN, step=0.2)}
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
    for setting, name in itertools.product(names, ("smoke",) if options.smoke else sets.ANOMALIES):
        chosen = dataclasses.replace(SETTINGS[setting], **smoke(options))
        row = results.row({"setting": setting, "set": name}, functools.partial(held_out, chosen, name, options))
        say(f"{setting}, {name}: {row['held_out']:.2f} nats over {row['columns']} columns")
    results.write()


def held_out(setting: Setting, name: str, options: Options) -> dict[str, Any]:
    """Returns the mean log p of rows held out of the 60 % of split 0."""
    train, _ = frames(sets.anomalies(options.data, name, 0))
    found = setting.fit(train, 0, HELD_OUT["settings"]).held_out
    return {"columns": train.shape[1], "rows": len(found), "held_out": float(np.mean(found))}


def smoke(options: Options) -> dict[str, Any]:
    """Returns what makes a setting small."""
    return {"given": {"epochs": 2, "hidden": (8,), "eval_samples": 5}} if options.smoke else {}


def run(options: Options) -> None:
    """Writes `anomalies.json`, one row a set and split, and the summary."""
    own = {way: dataclasses.replace(setting, **smoke(options)) for way, setting in OURS.items()}
    results = opened("anomalies", __doc__, options, settings={w: dataclasses.asdict(s) for w, s in own.items()})
    names = ("smoke",) if options.smoke else sets.ANOMALIES
    for split, name in itertools.product(options.splits[:1] if options.smoke else options.splits, names):
        made = functools.partial(one, name, split, own, options)
        row = results.row({"set": name, "split": split}, made)
        say(f"{name}, split {split}: " + ", ".join(f"{way} {area:.3f}" for way, area in row["areas"].items()))
        results.write(summary=summary(results.rows))


def one(name: str, split: int, own: dict[str, Setting], options: Options) -> dict[str, Any]:
    """Returns the areas of one split, ours and the peers', and what a flag of 5 % names by our models."""
    cut = sets.anomalies(options.data, name, split)
    (train, test), clock = frames(cut), Clock()
    models = {way: setting.fit(train, split, HELD_OUT["anomalies"]) for way, setting in own.items()}
    scores = {way: model.log_prob(test) for way, model in models.items()}
    facts = clock.read()
    areas = {way: float(roc_auc_score(cut.labels, -score)) for way, score in scores.items()}
    if options.with_peers:
        with tempfile.TemporaryDirectory() as folder:
            given, found = Path(folder) / "split.npz", Path(folder) / "scores.npz"
            np.savez(given, train=train, test=test)
            by_peers(options, "detectors", given, found, str(split))
            with np.load(found) as file:
                areas |= {way: float(roc_auc_score(cut.labels, np.nan_to_num(file[way]))) for way in PEERS}
    held_out = {way: float(np.mean(model.held_out)) for way, model in models.items()}
    flags = {way: flagged(model, scores[way], cut) for way, model in models.items()}
    return {"areas": areas, "held_out": held_out, "flags": flags, **facts}


def flagged(model: tables.TableModel, scores: np.ndarray, cut: sets.Anomalies, rate: float = 0.05) -> dict[str, Any]:
    """Returns which share of the rows without an anomaly, and of all rows, has a p-value of at most the rate."""
    named = model.p_values(scores) <= rate
    return {"rate": rate, "ordinary": float(named[cut.labels == 0].mean()), "all": float(named.mean())}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns means over the sets of means over the splits, and differences from ours, paired."""
    ways = [way for way in (*OURS, *PEERS) if all(way in row["areas"] for row in rows)]
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
