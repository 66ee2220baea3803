"""Imputation: cells of mixed columns that are hidden at random, filled by a model that saw such rows alone.

    adult    30 % of all cells hidden, of the rows to train on and of those to fill
    words    share of the hidden words that are right
    numbers  root mean square error in standard deviations of the training rows' observed cells
    within   share of the hidden numbers between the 5 % and the 95 % quantiles of 100 draws, ends included

Beside the model: the most frequent word and the median; scikit-learn's IterativeImputer (Bayesian ridge, 10 rounds) on
standardised numbers and on words as whole numbers in the order of the alphabet, rounded. All learn from the rows to
train on, and fill others. Numbers are filled by the mean, and wdbc is filled through the command line:

    wdbc     50 % hidden; `tfvae train wdbc.csv`, `tfvae impute`; the rows are those that it was trained on, as MIWAE's
             authors have it; mean square error in units of `benchmarks.missing`
"""

import contextlib
import functools
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from benchmarks.missing import tables as missing
from benchmarks.missing.results import say
from benchmarks.tables import sets
from benchmarks.tables.common import Clock, Options, opened
from benchmarks.tables.synthetic import numbers
from tfvae import tables
from tfvae.app.cli import main

HIDDEN, FILLED, AT_ONCE, DRAWS = 0.3, 2000, 500, 100
LEVEL = 0.9


def hidden(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Returns rows without 30 % of their cells."""
    return frame.mask(np.random.default_rng([seed, len(frame)]).random(frame.shape) < HIDDEN)


def constant(train: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Returns rows filled with the median of numbers and the most frequent word."""
    known = numbers(train)
    return rows.fillna({n: train[n].median() if n in known else train[n].mode()[0] for n in train})


def iterative(train: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Returns rows that scikit-learn's IterativeImputer fills."""
    known = numbers(train)
    words = {name: sorted(train[name].dropna().unique()) for name in train if name not in known}
    mean, spread = train[known].mean(), train[known].std()

    def coded(frame: pd.DataFrame) -> np.ndarray:
        codes = {n: frame[n].map({word: float(i) for i, word in enumerate(found)}) for n, found in words.items()}
        return frame.assign(**(frame[known] - mean) / spread, **codes).to_numpy(np.float64)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = IterativeImputer(random_state=0).fit(coded(train)).transform(coded(rows))
    filled = pd.DataFrame(found, columns=train.columns, index=rows.index)
    back = {n: np.array(w, object)[filled[n].round().clip(0, len(w) - 1).astype(int)] for n, w in words.items()}
    return filled.assign(**(filled[known] * spread + mean), **back)


def by_parts(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """Returns some rows at a time, since all draws of a call are kept."""
    return [frame.iloc[at : at + AT_ONCE] for at in range(0, len(frame), AT_ONCE)]


def judged(truth: pd.DataFrame, rows: pd.DataFrame, filled: pd.DataFrame, spread: pd.Series) -> dict[str, Any]:
    """Returns accuracy of words and error of numbers over the hidden cells, in all and by column."""
    right, wrong = {}, {}
    for name in truth:
        cells = (rows[name].isna() & truth[name].notna()).to_numpy()
        if name in spread.index:
            away = (pd.to_numeric(filled[name]) - truth[name]).to_numpy(np.float64)[cells]
            wrong[name] = away / spread[name]
        else:
            right[name] = (filled[name] == truth[name]).to_numpy()[cells]
    rms = {name: round(float(np.sqrt(np.mean(w**2))), 4) for name, w in wrong.items()}
    accuracy = {name: round(float(np.mean(r)), 4) for name, r in right.items()}
    every_right, every_wrong = (np.concatenate(list(part.values())) for part in (right, wrong))
    return {
        "accuracy": float(every_right.mean()),
        "accuracy_error": float(every_right.std() / np.sqrt(len(every_right))),
        "rmse": float(np.sqrt(np.mean(every_wrong**2))),
        "by_column": accuracy | rms,
    }


def within(model: tables.TableModel, truth: pd.DataFrame, rows: pd.DataFrame) -> dict[str, float]:
    """Returns which share of the hidden numbers lies between quantiles of draws, by column and in all."""
    found: dict[str, np.ndarray] = {}
    for part in by_parts(rows):
        draws = model.imputed_draws(part, DRAWS)
        for name in numbers(truth):
            cells = part[name].isna().to_numpy()
            values = np.stack([pd.to_numeric(draw[name]).to_numpy(np.float64)[cells] for draw in draws])
            low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
            own = truth.loc[part.index, name].to_numpy(np.float64)[cells]
            found[name] = np.append(found.get(name, []), (low <= own) & (own <= high))
    whole = np.concatenate(list(found.values()))
    error = float(whole.std() / np.sqrt(len(whole)))
    return {"all": float(whole.mean()), "error": error} | {n: round(float(v.mean()), 4) for n, v in found.items()}


def mixed(name: str, split: int, options: Options) -> dict[str, Any]:
    """Returns the figures of each way on one table."""
    cut = sets.mixed(options.data, name, split)
    whole = pd.concat([cut["train"], cut["valid"]], ignore_index=True)
    truth = cut["test"].iloc[: 20 if options.smoke else FILLED]
    train, rows = hidden(whole, split), hidden(truth, split + 1000)
    spread = train[numbers(train)].std()
    given: dict[str, Any] = {"epochs": 2, "hidden": (8,), "eval_samples": 5} if options.smoke else {"jit_compile": True}
    clock = Clock()
    model = tables.fit(train, seed=split, **given)
    facts = clock.read()
    filled = {
        "tfvae": pd.concat([model.impute(part) for part in by_parts(rows)]),
        "constant": constant(train, rows),
        "iterative": iterative(train, rows),
    }
    ways = {way: judged(truth, rows, found, spread) for way, found in filled.items()}
    return {**facts, "filled_rows": len(rows), "ways": ways, "within": within(model, truth, rows)}


def through_the_command_line(name: str, seed: int, options: Options) -> dict[str, Any]:
    """Returns the errors of a table of numbers that was trained on and filled by two commands."""
    table = missing.at_random(name, options.data, seed)
    values = np.where(table.mask, missing.raw(name, options.data), np.nan)
    small = ["--epochs", "2", "--hidden", "8", "--eval-samples", "10"] if options.smoke else []
    with tempfile.TemporaryDirectory() as folder:
        csv, run, out = (Path(folder) / part for part in ("table.csv", "run", "filled.csv"))
        columns = [f"x{i}" for i in range(values.shape[1])]
        pd.DataFrame(values, columns=columns).to_csv(csv, index=False)
        clock = Clock()
        for words in (["train", csv, "--out", run, "--seed", seed, *small], ["impute", run, csv, "--out", out]):
            with contextlib.redirect_stdout(io.StringIO()):
                if main([str(word) for word in words]):
                    raise RuntimeError(f"tfvae {words[0]} failed; what it says stands above")
        filled = pd.read_csv(out).to_numpy(np.float64)
    observed = np.ma.masked_array(values, ~table.mask)
    scaled = (filled - np.asarray(observed.mean(axis=0))) / np.asarray(observed.std(axis=0))
    ways = {"tfvae": scaled, "iterative": missing.iterative(table), "column_mean": missing.column_mean(table)}
    seconds = clock.read()["wall_seconds"]
    return {"ways": {way: missing.errors(table, found) for way, found in ways.items()}, "wall_seconds": seconds}


def run(options: Options) -> None:
    """Writes `imputation.json`: a row of the table of numbers a split, and one of the mixed table."""
    results = opened("imputation", __doc__, options, hidden=HIDDEN, draws=DRAWS)
    alone, other = ("smoke", "flowers") if options.smoke else ("wdbc", "adult")
    for split in options.splits[:1] if options.smoke else options.splits:
        made = functools.partial(through_the_command_line, alone, split, options)
        row = results.row({"table": alone, "split": split}, made)
        say(f"{alone}, mask {split}: " + ", ".join(f"{way} {one['mse']:.3f}" for way, one in row["ways"].items()))
    split = options.splits[0]
    row = results.row({"table": other, "split": split}, functools.partial(mixed, other, split, options))
    for way, one in row["ways"].items():
        say(f"{other}, {way}: words {one['accuracy']:.3f}, numbers {one['rmse']:.3f}")
    say(f"{other}: {row['within']['all']:.3f} within 90 %")
    results.write()
