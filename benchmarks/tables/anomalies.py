"""Anomalies: ROC-AUC of -log p(row), of a model that was trained on rows without labels, beside PyOD's detectors.

    settings    of each, the mean log p of rows held out of the 60 % of split 0; one is chosen for all sets, by it alone
    anomalies   with that one, five splits of each of eight sets

Settings compare by nats a column, so that a set counts as much as another. The error of a difference between detectors
is over the sets, of means over the splits; that over all pairs of set and split stands beside it.

"tfvae, detector" is what `tfvae.sklearn.VAEOutlierDetector` trains: numbers follow Student's t in their own units. It
was chosen by log p of held-out rows, on inner splits of the 60 % of splits 0 and 1 (`docs/decisions.md`).

"tfvae" is the density that `tfvae.tables.fit` trains, of warped numbers. It depends on the resolution: where cells
repeat, it adds masses of single values to densities of others, and rows of many such cells are likely or not by the
column's unit. "tfvae, coarse" takes every number at a fifth of its spread, without single values. Held-out log p does
not choose a resolution; that one was tried comes from the area on split 0 of ionosphere.
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
from tfvae.recipes import RECIPES


@dataclasses.dataclass(frozen=True)
class Setting:
    """How a model is made.

    Attributes:
        given: to `tables.fit`.
        recipe: of the model.
        patience: epochs without a better ELBO of the watched rows, after which the best weights are taken; `None` for
            all epochs and the last weights.
        real: every column is a number; else the schema is inferred.
        step: resolution of the numbers, in spreads; `None` for that of the cells.
        atoms: whether single values that are frequent have a mass of their own; not where a resolution is given.
    """

    given: dict[str, Any] = dataclasses.field(default_factory=dict)
    recipe: str = "mixed-table"
    patience: int | None = 30
    real: bool = True
    step: float | None = None
    atoms: bool = True

    def fit(self, train: pd.DataFrame, seed: int, held_out: float) -> tables.TableModel:
        """Returns the model of rows without labels."""
        stop = keras.callbacks.EarlyStopping("val_loss", patience=self.patience or 0, restore_best_weights=True)
        numbers = [{"name": name, "kind": "real", **self.resolution(column)} for name, column in train.items()]
        schema = {"columns": numbers} if self.real else None
        callbacks = [] if self.patience is None else [stop]
        compiled = len(train) > 400  # compiling takes longer than the steps of fewer rows
        more = {"schema": schema, "callbacks": callbacks, "recipe": RECIPES[self.recipe], "jit_compile": compiled}
        return tables.fit(train, seed=seed, held_out=held_out, **more, **self.given)

    def resolution(self, column: pd.Series) -> dict[str, Any]:
        """Returns what the schema says of a column's resolution."""
        atoms: dict[str, Any] = {} if self.atoms and self.step is None else {"atoms": []}
        return atoms if self.step is None else {**atoms, "step": self.step * float(column.std())}


SETTINGS = {
    "stopped": Setting(),
    "2 latents": Setting({"latent_dim": 2}),
    "32 units": Setting({"hidden": (32, 32)}),
    "inferred kinds": Setting(real=False),
    "all epochs": Setting(patience=None),
}
CHOSEN = SETTINGS["stopped"]
DETECTOR = Setting(recipe="robust-table", patience=None, atoms=False)
OURS = {"tfvae, detector": DETECTOR, "tfvae": CHOSEN, "tfvae, coarse": dataclasses.replace(CHOSEN, step=0.2)}
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
        chosen = small(SETTINGS[setting]) if options.smoke else SETTINGS[setting]
        row = results.row({"setting": setting, "set": name}, functools.partial(held_out, chosen, name, options))
        say(f"{setting}, {name}: {row['held_out']:.2f} nats over {row['columns']} columns")
    results.write()


def held_out(setting: Setting, name: str, options: Options) -> dict[str, Any]:
    """Returns the mean log p of rows held out of the 60 % of split 0."""
    train, _ = frames(sets.anomalies(options.data, name, 0))
    found = setting.fit(train, 0, HELD_OUT["settings"]).held_out
    return {"columns": train.shape[1], "rows": len(found), "held_out": float(np.mean(found))}


def small(setting: Setting) -> Setting:
    """Returns a setting whose training takes seconds."""
    return dataclasses.replace(setting, given=setting.given | {"epochs": 2, "hidden": (8,), "eval_samples": 5})


def run(options: Options) -> None:
    """Writes `anomalies.json`, one row a set, split and way, those of the peers together, and the summary."""
    own = {"tfvae, detector": small(DETECTOR)} if options.smoke else OURS
    results = opened("anomalies", __doc__, options, settings={w: dataclasses.asdict(s) for w, s in own.items()})
    names = ("smoke",) if options.smoke else sets.ANOMALIES
    ways = {way: functools.partial(by_us, setting, way) for way, setting in own.items()}
    ways |= {"peers": functools.partial(by_others, options)} if options.with_peers else {}
    for split, name in itertools.product(options.splits[:1] if options.smoke else options.splits, names):
        cut = sets.anomalies(options.data, name, split)
        for way, made in ways.items():
            row = results.row({"set": name, "split": split, "way": way}, functools.partial(made, cut, split))
            say(f"{name}, split {split}: " + ", ".join(f"{way} {area:.3f}" for way, area in row["areas"].items()))
        results.write(summary=summary(results.rows))


def by_us(setting: Setting, way: str, cut: sets.Anomalies, split: int) -> dict[str, Any]:
    """Returns the area of one of our models on a split, and what a flag of 5 % names."""
    (train, test), clock = frames(cut), Clock()
    model = setting.fit(train, split, HELD_OUT["anomalies"])
    scores = model.log_prob(test)
    facts = clock.read()
    areas = {way: float(roc_auc_score(cut.labels, -scores))}
    return {"areas": areas, "held_out": float(np.mean(model.held_out)), "flag": flagged(model, scores, cut), **facts}


def by_others(options: Options, cut: sets.Anomalies, split: int) -> dict[str, Any]:
    """Returns the areas of the peers on a split."""
    train, test = frames(cut)
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "split.npz", Path(folder) / "scores.npz"
        np.savez(given, train=train, test=test)
        by_peers(options, "detectors", given, found, str(split))
        with np.load(found) as file:
            return {"areas": {way: float(roc_auc_score(cut.labels, np.nan_to_num(file[way]))) for way in PEERS}}


def flagged(model: tables.TableModel, scores: np.ndarray, cut: sets.Anomalies, rate: float = 0.05) -> dict[str, Any]:
    """Returns which share of the rows without an anomaly, and of all rows, has a p-value of at most the rate."""
    named = model.p_values(scores) <= rate
    return {"rate": rate, "ordinary": float(named[cut.labels == 0].mean()), "all": float(named.mean())}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns means over the sets of means over the splits, and differences from the first of ours, paired."""
    areas: dict[str, dict[tuple[str, int], float]] = {}
    for row in rows:
        for way, area in row["areas"].items():
            areas.setdefault(way, {})[row["set"], row["split"]] = area
    names, pairs = list(dict.fromkeys(row["set"] for row in rows)), {(row["set"], row["split"]) for row in rows}
    first, *others = [way for way in (*OURS, *PEERS) if areas.get(way, {}).keys() == pairs]
    by_set = {way: [_mean(areas[way], name) for name in names] for way in (first, *others)}
    found: dict[str, Any] = {"sets": names, "by_set": by_set, "mean": {w: float(np.mean(by_set[w])) for w in by_set}}
    for way in others:
        over_sets = np.subtract(by_set[first], by_set[way])
        each = [areas[first][pair] - areas[way][pair] for pair in sorted(pairs)]
        found[f"ours_less_{way}"] = {"sets": mean_and_error(list(over_sets)), "pairs": mean_and_error(each)}
    return found


def _mean(areas: dict[tuple[str, int], float], name: str) -> float:
    """Returns the mean area of a set over its splits."""
    return float(np.mean([area for (own, _), area in areas.items() if own == name]))
