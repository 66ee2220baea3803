"""The command line of the benchmarks of few labels.

    python -m benchmarks.labels digits [--draws 0 1 2 3 4]                      a minute; ships with scikit-learn
    python -m benchmarks.labels m2 --labels 100 --draws 0 [--epochs 100]                     hours on two cores
    python -m benchmarks.labels m1m2 --labels 100 --draws 0 [--epochs 20] [--rate 1e-2]
    python -m benchmarks.labels all --smoke                                     each of them, tiny, on the digits

A training of M2 that was stopped goes on where its last epoch ended. `--on test` scores test images, once settings are
chosen; without it the errors are those of validation images.
"""

import argparse
import importlib.metadata
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.reproduce.__main__ import use_threads
from benchmarks.speed.__main__ import machine

OUT, RUNS = Path("benchmarks/results/labels"), Path("runs/labels")
JOBS = ("digits", "m2", "m1m2")


def read(arguments: list[str] | None) -> argparse.Namespace:
    """Returns what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*JOBS, "all"], metavar="NAME", help=f"all, {', '.join(JOBS)}")
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--draws", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--multiplier", type=float, default=20_000.0, help="of the loss of each labelled image")
    parser.add_argument("--rate", type=float, default=1e-2, help="Adam's at the start")
    parser.add_argument("--sampled", action="store_true", help="draw a label in M2 in place of the sum over ten")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="of a training of M2, which then waits")
    parser.add_argument("--on", choices=("valid", "test"), default="valid")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of mnist.npz")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--smoke", action="store_true")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Runs jobs, and writes one file for each draw."""
    said = read(arguments)
    if said.smoke:
        said.out = said.runs = Path(tempfile.mkdtemp(prefix="labels-"))
    use_threads(said.threads)
    from benchmarks.labels import data, digits, stacked, training

    images = data.digits() if said.smoke else data.mnist(said.data) if said.name != "digits" else data.digits()
    x, y = getattr(images, said.on)

    def save(key: str, **found: object) -> None:
        about = {"job": key, "on": said.on, "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "machine": machine()}
        versions = {"versions": {"tensorflow": importlib.metadata.version("tensorflow")}}
        said.out.mkdir(parents=True, exist_ok=True)
        (said.out / f"{key}.json").write_text(json.dumps(about | versions | found, indent=1) + "\n")

    if said.name in ("digits", "all"):
        few = {"epochs": 1, "epochs_alone": 2} if said.smoke else {}
        found = [digits.errors(draw, **few) for draw in said.draws]
        gain = digits.gains(found) if len(found) > 1 else None
        print(f"errors on digits: {found}; gain {gain}")
        save("digits", errors=found, gain=gain)
    if said.name in ("m2", "all"):
        for draw in said.draws:
            kind = "m2-sampled" if said.sampled else "m2"
            key, epochs = f"{kind}-{said.labels}-{draw}", 1 if said.smoke else said.epochs or 100
            options = {"multiplier": said.multiplier, "rate": said.rate, "minutes": said.minutes}
            options |= {"enumerated": not said.sampled}
            vae, curve = training.trained(images, said.labels, draw, epochs, said.runs / key, **options)
            alone = training.alone(images, said.labels, draw, 2 if said.smoke else 2000)
            beside = training.error(alone[said.on == "test"], y)
            error = training.error(training.probabilities(vae, x), y)
            which = {"model": kind, "labels": said.labels, "draw": draw, "minutes": training.minutes(curve)}
            settings = {"epochs": epochs, "multiplier": said.multiplier, "rate": said.rate}
            save(key, **which, error=error, alone=beside, **settings, curve=curve[9::10] or curve)
    if said.name in ("m1m2", "all"):
        m1 = stacked.first(images, 1 if said.smoke else 50, said.runs)
        for draw in said.draws:
            epochs = 1 if said.smoke else said.epochs or 100
            points, vae = stacked.stacked(images, m1, said.labels, draw, epochs, said.multiplier, said.rate)
            mean = np.asarray(stacked.codes(m1, x)[0])
            error = training.error(training.probabilities(vae, mean), y)
            which = {"model": "m1m2", "labels": said.labels, "draw": draw}
            settings = {"epochs": epochs, "multiplier": said.multiplier, "rate": said.rate}
            save(f"m1m2-{said.labels}-{draw}", **which, error=error, **settings, curve=points)
    return 0


if __name__ == "__main__":
    sys.exit(main())
