"""The command line of the benchmark of a law in the decoder.

    python -m benchmarks.physics arms [--arms law network both "both, near"] [--seeds 0 1 2] [--on test]
    python -m benchmarks.physics damping [--seeds 0 1 2]      the law with and without damping, unforced swings
    python -m benchmarks.physics near [--weights 1 10 100]        the term's weight, scored on validation swings
    python -m benchmarks.physics speed                            compile time, ms a step
    python -m benchmarks.physics table                            the figures of what was run
    python -m benchmarks.physics all --smoke                      all of it, tiny

A training that was stopped goes on where its last epoch ended. Results go to `--out`, one file a model.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.reproduce.__main__ import use_threads

OUT, RUNS = Path("benchmarks/results/physics"), Path("runs/physics")
FOUR = ("law", "network", "both", "both, near")
JOBS = ("arms", "damping", "near", "speed", "table")


def main(arguments: list[str] | None = None) -> int:
    """Runs jobs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*JOBS, "all"])
    parser.add_argument("--arms", nargs="+", default=list(FOUR), choices=FOUR)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0, 10.0, 100.0])
    parser.add_argument("--on", default="test", choices=("valid", "test"))
    parser.add_argument("--updates", type=int, default=3000)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--smoke", action="store_true")
    said = parser.parse_args(arguments)
    if said.smoke:
        said.out = said.runs = Path(tempfile.mkdtemp(prefix="physics-"))
        said.updates, said.samples, said.seeds = 20, 5, [0]
        said.arms, said.weights = ["both, near"], []  # it has all that the other forced ones have
    use_threads(said.threads)
    from benchmarks.physics import run, speed, table

    wanted, folders = JOBS if said.name == "all" else (said.name,), (said.out, said.runs)
    for seed in said.seeds:
        for arm in said.arms if "arms" in wanted else ():
            run.run(arm, seed, said.updates, said.samples, said.on, folders)
        for arm in ("law", "undamped") if "damping" in wanted else ():
            run.run(arm, seed, said.updates, said.samples, f"{said.on}-free", folders)
    for near in said.weights if "near" in wanted else ():
        run.run("both, near", said.seeds[0], said.updates, said.samples, "valid", folders, near=near)
    if "speed" in wanted:
        speed.run(said.out, said.smoke)
    if "table" in wanted:
        print(table.made(said.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
