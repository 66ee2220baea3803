"""What the jobs share: a condition under which rows are scored, paired differences, the result file.

    log p(x) = logsumexp_c (log p(x | c) + log p(c))                honest: the condition is summed out, not told
             = log p(x | c) + log p(c) - log p(c | x)               the same: many samples for the own label alone
    difference_n = a_n - b_n,    mean +- std / sqrt(N)              paired: both models score the same rows

All models that are compared have the same rows, batch, schedule, number of updates and noise of the score.
"""

import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reproduce.rows import Row
from benchmarks.reproduce.run import Options, estimates, summed_up, trained, versions
from tfvae.datasets import Data, Split
from tfvae.vae import VAE

Result = dict[str, Any]


def sayer(name: str) -> Any:
    """Returns what prints a line of progress."""

    def say(words: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {name}: {words}", flush=True)

    return say


def under_each(vae: VAE, split: Split, num_categories: int, num_samples: int, say: Any) -> np.ndarray:
    """Returns log p(x | c) of each example under each label c, `[N, K]`; all labels of an example share their noise."""
    columns = []
    for label in range(num_categories):
        told = dataclasses.replace(split, condition=np.full(len(split), label, np.int32))
        columns.append(estimates(vae, told, num_samples)[0])
        say(f"log p(x | {label}) {columns[-1].mean():.2f}")
    return np.stack(columns, axis=1)


def summed_out(by_label: np.ndarray, log_frequencies: np.ndarray) -> np.ndarray:
    """Returns log p(x) = logsumexp_c (log p(x | c) + log p(c)), `[N]`."""
    return np.logaddexp.reduce(by_label + log_frequencies, axis=1)


def moments(values: np.ndarray) -> dict[str, float]:
    """Returns the mean and its standard error over examples."""
    return {"mean": float(values.mean()), "standard_error": float(values.std(ddof=1) / math.sqrt(len(values)))}


def told_or_not(
    given: np.ndarray, by_label: np.ndarray, labels: np.ndarray, log_frequencies: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns log p(x), log p(c | x) of the own label, and whether Bayes' rule finds another one, each `[N]`.

    Args:
        given: log p(x | c) under the own label, `[N]`.
        by_label: the same under each label, `[N, K]`, of fewer samples.
        labels: the own label, `[N]`.
        log_frequencies: log p(c), `[K]`.
    """
    own = (by_label + log_frequencies)[np.arange(len(labels)), labels]
    log_label = own - summed_out(by_label, log_frequencies)
    return {
        "log_prob": given + log_frequencies[labels] - log_label,
        "log_prob_few": summed_out(by_label, log_frequencies),
        "log_label": log_label,
        "error": (np.argmax(by_label + log_frequencies, axis=1) != labels).astype(np.float64),
    }


def compared(
    key: str,
    models: dict[str, tuple[Row, Data]],
    test: Split,
    log_frequencies: np.ndarray,
    each: int,
    seed: int,
    options: Options,
) -> tuple[dict[str, Result], dict[str, VAE]]:
    """Trains models and scores them on the same rows with the same noise, those that are told a label beside the first.

    Args:
        key: of folders and lines of progress.
        models: name to the model and its data; the first one is told nothing.
        test: rows with their true labels.
        log_frequencies: log p(c), `[K]`.
        each: importance samples of an example under each label, which is K times the work of its own label.
        seed: of initial weights and training noise.
        options: of training.

    Returns:
        What became of each model: `given` is log p(x | c) under the own label, of a model that is told nothing its
        log p(x); `log_prob_few` is log p(x) with `each` samples; and the trained models.
    """
    scores, found, vaes = {}, {}, {}
    for name, (row, data) in models.items():
        say, num_samples = sayer(f"{key} {name}"), options.of("test_samples", row)
        vaes[name], curve, plan = trained(row, data, options, seed, options.runs / f"{key}-{name}", say)
        rows = test if data.told else dataclasses.replace(test, condition=None)
        given, errors = estimates(vaes[name], rows, num_samples, say)
        scores[name] = {"given": given}
        if data.told:
            by_label = under_each(vaes[name], test, len(log_frequencies), each, say)
            scores[name] |= told_or_not(given, by_label, test.condition, log_frequencies)
        else:
            scores[name] |= {"log_prob": given, "log_prob_few": estimates(vaes[name], rows, each, say)[0]}
        found[name] = {part: moments(values) for part, values in scores[name].items()}
        found[name] |= {"sampling_error": summed_up(given, errors)["sampling_error"], "minutes": curve.minutes}
        found[name] |= {"weights": vaes[name].count_params(), "plan": plan, "curve": curve.points}
        say(", ".join(f"{part} {values.mean():.3f}" for part, values in scores[name].items()))
    first, *others = models
    for name in others:
        for part in ("given", "log_prob", "log_prob_few"):
            found[name][f"{part}_beside_{first}"] = moments(scores[name][part] - scores[first][part])
    return found, vaes


def write(path: Path, options: Options, command: str, **found: Any) -> Result:
    """Writes a result file, with what made it."""
    made = {"threads": options.threads, "jit_compile": options.jit_compile, "smoke": options.smoke}
    at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    result = {**found, **made, "command": command, "at": at, "versions": versions()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    return result
