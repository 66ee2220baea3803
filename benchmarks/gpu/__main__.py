"""The command line of the GPU suite.

    python -m benchmarks.gpu export [--out build/gpu]                 on any machine with this library; minutes
    python -m benchmarks.gpu measure [--jobs-from build/gpu] [--out FOLDER]     on the GPU's, with jax and perhaps torch
    python -m benchmarks.gpu --smoke                                 exports the smallest job; where jax is, measures it

`measure` needs the folder `benchmarks` and the exported files, 20 MB, and ends by itself after `--budget` seconds.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gpu.carried import WORK

JOBS = Path("build/gpu")
SMALLEST = "digits32"
FEW = 3  # steps


def read(arguments: list[str] | None) -> argparse.Namespace:
    """Returns what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=["export", "measure"])
    parser.add_argument("--jobs", nargs="+", default=list(WORK), choices=list(WORK))
    parser.add_argument("--jobs-from", type=Path, default=JOBS, help="folder of the exported files")
    parser.add_argument("--out", type=Path, default=None, help="folder of what is written")
    parser.add_argument("--seconds", type=float, default=4.0, help="spent on TensorFlow's own time of a job")
    parser.add_argument("--precision", nargs="+", choices=["tf32", "fp32"], default=["tf32", "fp32"])
    parser.add_argument("--only", nargs="+", default=(), help="words in the names of the contenders wanted")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sample", type=float, default=0.15, help="seconds that one sample takes, at least")
    parser.add_argument("--budget", type=float, default=190.0, help="seconds after which nothing new is begun")
    parser.add_argument("--steps", type=int, default=None, help="in a call, if not all that were exported")
    parser.add_argument("--smoke", action="store_true", help="a tiny version on a CPU, whose times mean nothing")
    said = parser.parse_args(arguments)
    if not (said.command or said.smoke):
        parser.error("export or measure?")
    return said


def export(names: list[str], out: Path, seconds: float) -> None:
    """Writes the files of jobs."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    from benchmarks.gpu.export import export as exported

    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        started = time.monotonic()
        line = exported(*WORK[name], out / f"{name}.npz", seconds)
        print(f"{line} ({time.monotonic() - started:.0f} s)", flush=True)


def measure(said: argparse.Namespace) -> None:
    """Measures the jobs whose files are there."""
    if importlib.util.find_spec("jax") is None:
        raise SystemExit("benchmarks.gpu measure needs jax, and for the peers of PyTorch torch.")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs memory, too
    import jax

    if not said.smoke and jax.default_backend() != "gpu":
        raise SystemExit(f"JAX has no GPU here, only {jax.devices()}; --smoke runs on a CPU.")
    paths = [said.jobs_from / f"{name}.npz" for name in said.jobs]
    found = [path for path in paths if path.exists()]
    if not found:
        raise SystemExit(f"no exported job in {said.jobs_from}: python -m benchmarks.gpu export --out {said.jobs_from}")
    from benchmarks.gpu.measure import Measurement, Settings

    out = said.out or Path(os.environ.get("OUT", said.jobs_from))
    out.mkdir(parents=True, exist_ok=True)
    how = {"budget": said.budget, "rounds": said.rounds, "sample": said.sample, "only": tuple(said.only)}
    Measurement(Settings(out, quick=said.smoke, **how)).run(found, said.precision, said.steps)


def main(arguments: list[str] | None = None) -> int:
    """Exports or measures."""
    said = read(arguments)
    if said.smoke:
        said.jobs, said.rounds, said.sample, said.steps = [SMALLEST], 2, 0.0, FEW
        said.precision, said.seconds = ["fp32"], 0.0  # a CPU has no other
    if said.command == "export":
        export(said.jobs, said.out or JOBS, said.seconds)
    elif said.command == "measure":
        measure(said)
    else:
        with tempfile.TemporaryDirectory() as folder:
            said.jobs_from = Path(folder)
            export(said.jobs, said.jobs_from, said.seconds)
            if importlib.util.find_spec("jax"):
                measure(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
