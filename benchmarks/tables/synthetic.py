"""Synthetic rows: ours beside ctgan's TVAE, with its defaults and with our minutes, by what they are good for.

    R2, F1          of boosted trees that learned from synthetic rows, on real ones; from real ones beside it
    column, pair    mean scores, from 0 to 1, with what as many real rows score
    closest record  ratio of the distances to the training rows, synthetic by held-out: 0.9 or more is no copying

As many rows are drawn as were trained on; real rows to compare with are those of test. A missing cell of adult is a
word here, "?", for all: TVAE takes none, and our own rows would have none. Our minutes are seconds of the processor, as
the machine is shared.
"""

import functools
import itertools
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.missing.results import Results, say
from benchmarks.tables import sets
from benchmarks.tables.common import Clock, Options, by_peers, opened
from tfvae import tables
from tfvae.evaluation import TableQuality, synthetic_quality

Made = tuple[pd.DataFrame, dict[str, Any]]  # rows of a generator, and what they took

TARGETS = {"california": "value", "adult": "income", "smoke": "target"}
EPOCHS = 300  # TVAE's default
MISSING = "?"
WORST = 5


def numbers(frame: pd.DataFrame) -> list[str]:
    """Returns the columns that are numbers."""
    return [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]


def ours(train: pd.DataFrame, split: int, options: Options) -> Made:
    """Returns rows of our model, and what it took."""
    given: dict[str, Any] = {"epochs": 2, "hidden": (8,), "eval_samples": 5} if options.smoke else {"jit_compile": True}
    clock = Clock()
    model = tables.fit(train, schema={"missing": []}, seed=split, **given)
    facts = clock.read()
    rows = model.sample(len(train), seed=split)
    rows = rows.assign(**{name: pd.to_numeric(rows[name]) for name in numbers(train)})
    held_out, epochs = float(model.held_out.mean()), len(model.vae.history.history["loss"])
    return rows, {**facts, "epochs": epochs, "held_out": held_out}


def theirs(train: pd.DataFrame, split: int, epochs: int, options: Options) -> Made:
    """Returns rows of TVAE, and what it took."""
    discrete = [name for name in train if name not in numbers(train)]
    asked = {"discrete": discrete, "epochs": epochs, "count": len(train), "seed": split}
    with tempfile.TemporaryDirectory() as folder:
        given, out, about = (Path(folder) / name for name in ("train.csv", "out.csv", "about.json"))
        train.to_csv(given, index=False)
        about.write_text(json.dumps(asked))
        by_peers(options, "tvae", given, out, about)
        rows = pd.read_csv(out, dtype=dict.fromkeys(discrete, str), keep_default_na=False)
        took = json.loads(about.read_text())
    return rows, {name: round(took[name], 1) for name in ("processor_seconds", "wall_seconds")} | {"epochs": epochs}


def said(found: TableQuality) -> dict[str, Any]:
    """Returns the figures of a table, and the columns and pairs that score worst."""
    values, useful = found.to_dict(), found.to_dict()["usefulness"]
    names = ("column_score", "column_noise", "pair_score", "pair_noise")
    worst = {name: round(one.score, 3) for name, one in lowest(found.columns)}
    pairs = {", ".join(pair): round(one.score, 3) for pair, one in lowest(found.pairs)}
    return {**{n: values[n] for n in names}, **useful, "closest": values["closest"], "columns": worst, "pairs": pairs}


def lowest(scores: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """Returns the entries of the lowest scores."""
    return sorted(scores.items(), key=lambda item: item[1].score)[:WORST]


def run(options: Options) -> None:
    """Writes `synthetic.json`, one row a table, split and generator."""
    results = opened("synthetic", __doc__, options)
    names = ("smoke",) if options.smoke else ("california", "adult")
    for split, name in itertools.product(options.splits[:1] if options.smoke else options.splits, names):
        found = sets.mixed(options.data, name, split)
        cut = {key: frame.fillna(MISSING) for key, frame in found.items()}
        own = functools.partial(done, results, cut, name, split)
        first = own("tfvae", functools.partial(ours, cut["train"], split, options))
        if options.with_peers:
            peer = functools.partial(theirs, cut["train"], split, options=options)
            full = own("TVAE", functools.partial(peer, EPOCHS))
            epochs = max(round(EPOCHS * first["processor_seconds"] / full["processor_seconds"]), 1)
            own("TVAE, our minutes", functools.partial(peer, epochs))
    results.write()


def done(
    results: Results, cut: dict[str, pd.DataFrame], name: str, split: int, way: str, make: Callable[[], Made]
) -> dict[str, Any]:
    """Returns the row of one generator, made or from the file, and prints it."""

    def judged() -> dict[str, Any]:
        rows, facts = make()
        numeric, target = numbers(cut["train"]), TARGETS[name]
        return {**facts, **said(synthetic_quality(cut["test"], rows, cut["train"], numeric=numeric, target=target))}

    row = results.row({"table": name, "split": split, "way": way}, judged)
    scores = f"columns {row['column_score']:.3f}, pairs {row['pair_score']:.3f}"
    useful = f"{row['measure']} {row['synthetic']['value']:.3f} (real {row['real']['value']:.3f})"
    say(f"{name}, {way}: {useful}, {scores}, closest {row['closest']['ratio']['value']:.3f}")
    return row
