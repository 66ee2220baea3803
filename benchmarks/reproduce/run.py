"""One training run: a budget becomes a number of updates, over which the learning rate goes as `rates` say.

    updates = (60 budget - seconds to compile) / seconds an update, measured on a throw-away model

Training is plain `vae.fit(x)` on the array. An epoch is a whole pass; where the budget is under four passes, it is
an eighth of the updates, on rows of its own (Keras ends an epoch where an array ends, whatever `steps_per_epoch` says).
After epochs 1, 2, 4, 8, ... and the last one, log p of some validation images is taken, with the minutes of training so
far (evaluation and checkpoints left out). The test images are scored once, at the end.
"""

import dataclasses
import json
import math
import platform
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.reproduce import protocol, rates
from benchmarks.reproduce.rows import ROWS, Row
from tfvae.callbacks import Checkpoint
from tfvae.datasets import Data, Split
from tfvae.vae import VAE

EVERY = 20.0  # seconds from one line of progress to the next, at least
SECONDS_OF_PROBE = 5.0  # of the run that measures an update
ROWS_FOR_BIAS = 10_000


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line says; `None` stands for the row's own value."""

    budget: float = 4.0
    updates: int | None = None
    data: Path = protocol.FOLDER
    out: Path = Path("benchmarks/results/reproduce")
    runs: Path = Path("runs/reproduce")
    batch: int | None = None
    learning_rate: float | None = None
    jit_compile: str = "auto"
    valid_examples: int = 500
    valid_samples: int = 200
    test_examples: int | None = None
    test_samples: int | None = None
    threads: int | None = None
    again: bool = False
    smoke: bool = False

    def of(self, name: str, row: Row) -> Any:
        """Returns the option of that name, or the row's value if it is not given."""
        given = getattr(self, name)
        return getattr(row, name, None) if given is None else given


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch of training."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts the clock."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stops the clock."""
        self.seconds.append(time.perf_counter() - self.start)


class Curve(Clock):
    """Validation log p(x) after epochs 1, 2, 4, ... and the last, by minutes and updates; goes through a resume."""

    def __init__(self, valid: Split, num_samples: int, last: int, say: Any) -> None:
        super().__init__()
        self.valid, self.num_samples, self.last, self.say = valid, num_samples, last, say
        self.points, self.said = [], 0.0

    @property
    def minutes(self) -> float:
        """Minutes of training so far, evaluation and checkpoints left out."""
        return sum(self.seconds) / 60

    def get_state(self) -> dict[str, Any]:
        """Returns what a checkpoint keeps."""
        return {"seconds": self.seconds, "points": self.points}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes what a checkpoint kept."""
        self.seconds, self.points = state["seconds"], state["points"]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stops the clock; evaluates at powers of two and at the end."""
        super().on_epoch_end(epoch, logs)
        done, updates = epoch + 1, int(self.model.optimizer.iterations)
        words, due = f"objective {logs['objective']:.2f}", done == self.last or done & (done - 1) == 0
        if due:
            found = scored(self.model, self.valid, self.num_samples)
            point = {"updates": updates, "minutes": self.minutes, "epochs": done, "log_prob": found["log_prob"]}
            self.points.append(point)
            words += f", valid log p(x) {found['log_prob']:.2f}"
        if due or time.perf_counter() - self.said > EVERY:
            self.said = time.perf_counter()
            self.say(f"epoch {done}/{self.last}, {updates} updates, {self.minutes:.1f} min: {words}")


def estimates(vae: VAE, split: Split, num_samples: int, say: Any = None, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Returns log p(x) of each example, with a condition log p(x | c), and the error of importance sampling, `[N]`."""
    said, values, errors = time.perf_counter(), [], []
    for start in range(0, len(split), 100):
        estimate = vae.estimate_log_prob(split.rows(slice(start, start + 100)), num_samples, seed=seed + start)
        values.append(estimate.log_prob.numpy().astype(np.float64))
        errors.append(estimate.standard_error.numpy().astype(np.float64))
        if say and time.perf_counter() - said > EVERY:
            said = time.perf_counter()
            say(f"{start + 100} of {len(split)} test images, log p(x) so far {np.concatenate(values).mean():.2f}")
    return np.concatenate(values), np.concatenate(errors)


def scored(vae: VAE, split: Split, num_samples: int, say: Any = None, seed: int = 0) -> dict[str, float]:
    """Returns the mean log p(x) of x, its standard error over examples, and the error of importance sampling alone."""
    return summed_up(*estimates(vae, split, num_samples, say, seed))


def summed_up(values: np.ndarray, errors: np.ndarray) -> dict[str, float]:
    """Returns the mean of log p(x), its standard error over examples, and the error of importance sampling alone."""
    return {
        "log_prob": float(values.mean()),
        "standard_error": float(values.std(ddof=1) / math.sqrt(len(values))),
        "sampling_error": float(np.sqrt(np.sum(errors**2)) / len(values)),
    }


def some(split: Split, rows: slice | np.ndarray) -> Split:
    """Returns some of the examples, with what is known of them."""
    parts = {name: getattr(split, name) for name in ("x", "y", "condition")}
    return dataclasses.replace(split, **{name: part[rows] for name, part in parts.items() if part is not None})


def model(row: Row, data: Data, options: Options, seed: int, updates: int) -> VAE:
    """Returns the row's model, compiled for so many updates, at its start."""
    keras.utils.set_random_seed(seed)
    rate = row.rate(options.of("learning_rate", row), updates)
    jit = {"on": True, "off": False}.get(options.jit_compile, options.jit_compile)
    extra = {"num_steps": updates} if row.warm_up else {}
    extra |= {"condition": data.condition} if data.condition else {}
    given = {"learning_rate": rate, "preprocessing": data.preprocessing, "seed": seed, "jit_compile": jit}
    vae = row.make(data.event_shape, **given, **extra)
    rows = some(data.train, slice(ROWS_FOR_BIAS))
    vae.adapt(rows.x, seed=seed, condition=rows.condition)  # a VampPrior takes training images as its pseudo-inputs
    if row.output_bias:
        vae.likelihood.adapt(vae.preprocess(rows.x))
    return vae


def speed(row: Row, data: Data, options: Options) -> tuple[float, float]:
    """Returns seconds to compile and seconds an update, of a model that is thrown away."""
    batch = options.of("batch", row)
    vae, most = model(row, data, options, seed=0, updates=1000), len(data.train) // batch

    def seconds(steps: int) -> list[float]:
        clock = Clock()
        vae.fit(data.train.rows(slice(steps * batch)), batch_size=batch, epochs=2, callbacks=[clock], verbose=0)
        return clock.seconds

    few = min(25, most)
    first, second = seconds(few)
    many = min(max(int(SECONDS_OF_PROBE * few / second), few), most)
    return max(first - second, 0.0), seconds(many)[1] / many


def plan(row: Row, data: Data, options: Options) -> dict[str, Any]:
    """Returns how long to train: `updates`, in `epochs` of `steps_per_epoch` (`None`: a pass)."""
    batch = options.of("batch", row)
    found = {
        "batch": batch,
        "learning_rate": options.of("learning_rate", row),
        "schedule": rates.title(row.rate),
    }
    updates = options.updates
    if updates is None:
        compiling, update = speed(row, data, options)
        updates = max(int((60 * options.budget - compiling) / update), 8)
        found |= {"seconds_to_compile": compiling, "updates_per_second": 1 / update}
    one_pass = math.ceil(len(data.train) / batch)
    steps = one_pass if updates >= 4 * one_pass else max(updates // 8, 1)
    epochs = max(round(updates / steps), 1)
    return found | {
        "updates": epochs * steps,
        "epochs": epochs,
        "steps_per_epoch": None if steps == one_pass else steps,
        "passes": epochs * steps * batch / len(data.train),
    }


def trained(
    row: Row, data: Data, options: Options, seed: int, folder: Path, say: Any, more: Sequence[Any] = ()
) -> tuple[VAE, Curve, dict]:
    """Returns the model after training, its curve and its plan; goes on from the checkpoints in the folder.

    `more` are callbacks that run beside the curve, whose time does not count.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.json"
    asked = {key: options.of(key, row) for key in ("budget", "updates", "batch", "learning_rate")}
    begun = json.loads(path.read_text()) if path.exists() else {"asked": asked, "plan": plan(row, data, options)}
    if begun["asked"] != asked:
        raise SystemExit(f"{folder} holds an unfinished run of {begun['asked']}, not of {asked}: --again drops it.")
    path.write_text(json.dumps(begun))
    found = begun["plan"]
    say(", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in found.items()))
    curve = Curve(some(data.valid, slice(options.valid_examples)), options.valid_samples, found["epochs"], say)
    checkpoint = Checkpoint(folder / "checkpoints", keep=1)
    vae = checkpoint.restore() or model(row, data, options, seed, found["updates"])
    if checkpoint.initial_epoch:
        say(f"goes on after epoch {checkpoint.initial_epoch}")
    steps, last = found["steps_per_epoch"], found["epochs"]
    for epoch in range(min(checkpoint.initial_epoch, last - 1), last) if steps else [last - 1]:
        rows = part(len(data.train), epoch, steps * found["batch"], seed) if steps else slice(None)
        how = {"batch_size": found["batch"], "shuffle": not steps, "verbose": 0}
        vae.fit(data.train.rows(rows), epochs=epoch + 1, callbacks=[curve, *more, checkpoint], **how)
    return vae, curve, found


def part(size: int, number: int, rows: int, seed: int) -> np.ndarray:
    """Returns the rows, so many, in the part of that number of endless passes, each in an order of its own."""
    at = np.arange(number * rows, (number + 1) * rows)
    passes = range(at[0] // size, at[-1] // size + 1)
    orders = np.concatenate([np.random.default_rng([seed, index]).permutation(size) for index in passes])
    return orders[at - passes[0] * size]


def versions() -> dict[str, str]:
    """Returns the versions of what computes."""
    return {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}


def tested(test: Split, number: int) -> Split:
    """Returns a fixed random choice of test examples; static MNIST is sorted by digit."""
    return some(test, np.random.default_rng(0).permutation(len(test))[:number])


def run(name: str, seed: int, options: Options, command: str = "") -> dict[str, Any]:
    """Returns the result of one row and seed, from its file if it is there, and else trains, scores and writes it."""
    row = ROWS[name]
    key = f"{name}-{seed}-" + (str(options.updates) if options.updates else f"{options.budget:g}min")
    path, folder = options.out / f"{key}.json", options.runs / key
    if options.again:
        shutil.rmtree(folder, ignore_errors=True)
        path.unlink(missing_ok=True)
    start = time.strftime("%Y-%m-%dT%H:%M:%S%z")

    def say(words: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {key}: {words}", flush=True)

    if path.exists():
        say(f"is done, see {path}; --again does it anew")
        return json.loads(path.read_text())
    data = protocol.data(row.data, options.data, options.smoke)
    vae, curve, found = trained(row, data, options, seed, folder, say)
    num_samples, start_test = options.of("test_samples", row), time.perf_counter()
    examples = tested(data.test, options.of("test_examples", row))
    test = scored(vae, examples, num_samples, say)
    result = {
        "name": name,
        "title": row.title,
        "seed": seed,
        "nll": -test["log_prob"],
        "standard_error": test["standard_error"],
        "sampling_error": test["sampling_error"],
        "test_examples": len(examples),
        "test_samples": num_samples,
        "test_minutes": (time.perf_counter() - start_test) / 60,
        "paper": row.paper,
        "rerun": row.rerun,
        "source": row.source,
        "data": {"protocol": protocol.WORDS[row.data], **data.protocol, "source": data.name},
        "budget_minutes": None if options.updates else options.budget,
        "minutes": curve.minutes,
        "plan": found,
        "valid_examples": len(curve.valid),
        "valid_samples": options.valid_samples,
        "curve": curve.points,
        "weights": vae.count_params(),
        "jit_compile": options.jit_compile,
        "threads": options.threads,
        "smoke": options.smoke,
        "command": command,
        "at": start,
        "versions": versions(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    shutil.rmtree(folder)
    say(f"NLL {result['nll']:.2f} +- {result['standard_error']:.2f} on {len(examples)} test images; {path}")
    return result
