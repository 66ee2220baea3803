"""The command line of the time-to-quality suite.

    python -m benchmarks.quality [--budget 12] [--only NAME ...] [--threads 2] [--parallel 1] [--peers FOLDER]
                                 [--data FILE] [--passes 280] [--test-samples 1000] [--out FOLDER] [--smoke]

Contenders train one after the other (`--parallel 2`: two at a time, each on cores of its own), each in a process of its
own. Choose `--passes` so that our schedule just fits into the budget. Afterwards one scorer judges what they wrote down
on validation data; the first weights that reach a target, and the last ones, are scored on the test set, once.
Contenders of a run replace those of the same name in the JSON.
"""

import argparse
import concurrent.futures
import dataclasses
import datetime
import json
import os
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.quality import report, task
from benchmarks.speed.__main__ import machine
from benchmarks.speed.contenders import DEFAULT_FOLDER

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "mnist.npz"
VALID_SAMPLES = 300


@dataclasses.dataclass(frozen=True)
class Contender:
    """One way to train.

    Attributes:
        name: in tables.
        module: its file in `contenders`.
        settings: their name in the task; Pythae has its own.
        environment: where it runs; `None` for that of the suite.
    """

    name: str
    module: str
    settings: str
    environment: str | None = None

    def python(self, folder: Path) -> Path:
        """Returns the interpreter of its environment."""
        return Path(sys.executable) if self.environment is None else folder / self.environment / "bin" / "python"


CONTENDERS = (
    Contender("tfvae", "tfvae_fit", "ours"),
    Contender("JAX, our settings", "jax_by_hand", "ours", "jax"),
    Contender("JAX, the paper's settings", "jax_by_hand", "paper", "jax"),
    Contender("Pythae, its defaults", "pythae_trainer", "ours", "pythae"),
)


def train(contender: Contender, options: argparse.Namespace, folder: Path, cores: list[int]) -> str | None:
    """Trains a contender in a process of its own on the given cores; returns why it failed, or nothing."""
    folder.mkdir(parents=True)
    asked = {
        "folder": str(folder),
        "minutes": options.budget,
        "first": 1 if options.smoke else 10,
        "settings": contender.settings,
        "passes": passes_of(contender, options),
        "changes": {"batch": 20} if options.smoke else {},
        "data": options.data and str(options.data),
        "seed": options.seed,
    }
    print(f"{contender.name}: {options.budget:g} minutes on cores {cores}", file=sys.stderr, flush=True)
    with (folder / "log").open("w") as log:
        code = subprocess.call(
            [contender.python(options.peers), "-m", f"benchmarks.quality.contenders.{contender.module}",
             json.dumps(asked)],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1",
                 "OMP_NUM_THREADS": str(len(cores))},
            stdout=log,
            stderr=log,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )  # fmt: skip
    return f"exit status {code}, see {folder / 'log'}" if code else None


def passes_of(contender: Contender, options: argparse.Namespace) -> int | None:
    """Returns how many passes are asked for; of the paper's settings, those of the paper."""
    return options.passes if contender.settings == "ours" else None


def train_all(contenders: list[Contender], options: argparse.Namespace, folder: Path) -> dict[str, str | None]:
    """Trains all, so many at a time; returns why each failed."""
    slots, cores = queue.Queue(), sorted(os.sched_getaffinity(0))
    for slot in range(options.parallel):
        slots.put([cores[(slot * options.threads + i) % len(cores)] for i in range(options.threads)])

    def one(number: int) -> str | None:
        own = slots.get()
        try:
            return train(contenders[number], options, folder / str(number), own)
        finally:
            slots.put(own)

    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        return dict(zip((c.name for c in contenders), pool.map(one, range(len(contenders))), strict=True))


def judge(score: Callable, folder: Path, data: dict, targets: tuple, samples: int, test_samples: int) -> dict:
    """Returns the contender's curve on validation data, for each target what reached it first, and the last weights."""
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        return {"curve": [], "targets": {}, "end": None}
    curve = [score(path, data["valid"], samples) for path in paths]
    first = {target: next((i for i, s in enumerate(curve) if s["nll"] <= target), None) for target in targets}
    last = len(paths) - 1
    test = {i: score(paths[i], data["test"], test_samples) for i in {*first.values(), last} - {None}}
    reached = {f"{t:g}": None if i is None else {"valid": curve[i], "test": test[i]} for t, i in first.items()}
    return {"curve": curve, "targets": reached, "end": test[last]}


def main(arguments: list[str] | None = None) -> int:
    """Trains, judges, reports; returns 1 if a contender failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=12, help="minutes of training for each contender")
    parser.add_argument("--passes", type=int, help="after which our learning rate has fallen; by default 280")
    parser.add_argument("--only", nargs="+", help="contenders whose names contain one of these words")
    parser.add_argument("--peers", type=Path, default=DEFAULT_FOLDER, help="folder of the peers' environments")
    parser.add_argument("--data", type=Path, default=DATA, help="mnist.npz with x_train and x_test")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="cores for each contender")
    parser.add_argument("--parallel", type=int, default=1, help="contenders that train at the same time")
    parser.add_argument("--test-samples", type=int, default=1000, help="for each test image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="seconds on made-up data, whose figures mean nothing")
    parser.add_argument("--out", type=Path, default=None, help="folder of quality.json and quality.png")
    options = parser.parse_args(arguments)
    options.peers = options.peers.absolute()
    samples, targets = VALID_SAMPLES, report.TARGETS
    if options.smoke:
        options.budget, options.data, options.test_samples, samples, targets = 0.03, None, 20, 20, (600, 100)
    elif not options.data.exists():
        parser.error(f"no file {options.data}: pass --data mnist.npz, with x_train and x_test")
    chosen = [c for c in CONTENDERS if not options.only or any(w.lower() in c.name.lower() for w in options.only)]
    for contender in chosen:
        if not contender.python(options.peers).exists():
            print(f"skipped, not installed: {contender.name} (python -m benchmarks.speed setup --peers FOLDER)")
    chosen = [c for c in chosen if c.python(options.peers).exists()]
    folder, start, load = Path(tempfile.mkdtemp(prefix="quality-")), time.time(), os.getloadavg()[0]
    failures, data = train_all(chosen, options, folder), task.load(options.data and str(options.data))
    measured = {
        "machine": machine(),
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load": [load, os.getloadavg()[0]],
        **{
            name: getattr(options, name) for name in ("budget", "passes", "threads", "parallel", "seed", "test_samples")
        },
        "valid": [len(data["valid"]), samples],
        "test_images": len(data["test"]),
    }
    from benchmarks.quality.scorer import Scorer  # imports TensorFlow, after the training

    results, score = {}, Scorer()
    for number, contender in enumerate(chosen):
        results[contender.name] = {"measured": measured, "failed": failures[contender.name]}
        if contender.environment != "pythae":
            settings = task.SETTINGS[contender.settings].stretched(passes_of(contender, options))
            results[contender.name]["settings"] = dataclasses.asdict(settings)
        results[contender.name].update(judge(score, folder / str(number), data, targets, samples, options.test_samples))
        print(f"{contender.name}: scored", file=sys.stderr, flush=True)
    out = options.out or (Path(tempfile.mkdtemp()) if options.smoke else Path("benchmarks/results"))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "quality.json"
    everything = {**(json.loads(path.read_text()) if path.exists() else {}), **results}
    path.write_text(json.dumps(everything, indent=1) + "\n")
    report.picture(everything, out / "quality.png")
    print(f"\n{report.table(everything)}\n\n{time.time() - start:.0f} s; {path}; weights and logs: {folder}")
    for name, reason in failures.items():
        if reason:
            print(f"failed: {name}: {reason}")
    return int(any(failures.values()))


if __name__ == "__main__":
    sys.exit(main())
