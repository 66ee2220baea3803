"""The command line of the conditional benchmarks.

    python -m benchmarks.conditional labels [--k 5] [--updates 29500] [--seeds 0 1] [--control]
    python -m benchmarks.conditional quadrants [--given 1 2 3] [--seeds 0]
    python -m benchmarks.conditional smfish [--seeds 0 1 2]
    python -m benchmarks.conditional all --smoke                  each of them, tiny, on made data; needs no files

A training that was stopped goes on where its last epoch ended. Results and pictures go to `--out`.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from benchmarks.page.origin import recorded
from benchmarks.reproduce.__main__ import add_options, lacking, tiny, use_threads
from benchmarks.reproduce.run import Options

OUT, RUNS = Path("benchmarks/results/conditional"), Path("runs/conditional")
JOBS = ("labels", "quadrants", "smfish")


def read(arguments: list[str] | None) -> tuple[argparse.Namespace, Options]:
    """Returns what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*JOBS, "all"], metavar="NAME", help=f"all, {', '.join(JOBS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--k", type=int, default=5, help="samples of the bound of `labels`; 1 is the ELBO")
    parser.add_argument("--control", action="store_true", help="`labels` also trains on shuffled labels")
    parser.add_argument("--given", type=int, nargs="+", default=[1, 2, 3], help="quadrants that are shown")
    add_options(parser)
    parser.set_defaults(out=OUT, runs=RUNS)
    said = parser.parse_args(arguments)
    options = Options(**{field.name: getattr(said, field.name) for field in dataclasses.fields(Options)})
    if options.smoke:
        options, said.given = dataclasses.replace(tiny(options, "conditional-"), updates=8, test_samples=5), [2]
    return said, options


def main(arguments: list[str] | None = None) -> int:
    """Runs jobs."""
    words = sys.argv[1:] if arguments is None else arguments
    said, options = read(arguments)
    missing = lacking(said, options)
    if missing:
        raise SystemExit(f"benchmarks.conditional needs {'; '.join(missing)}.")
    use_threads(options.threads)
    from benchmarks.conditional import labels, quadrants, smfish

    command = recorded("conditional", words)
    names = labels.MODELS if said.control else labels.MODELS[1:2] if options.smoke else labels.MODELS[:2]
    for seed in said.seeds:
        if said.name in ("labels", "all"):
            labels.run(seed, said.k, names, options, command)
        for given in said.given if said.name in ("quadrants", "all") else ():
            quadrants.run(given, seed, options, command)
        if said.name in ("smfish", "all"):
            smfish.run(seed, options, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
