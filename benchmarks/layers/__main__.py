"""The command line of the benchmarks of several layers.

    python -m benchmarks.layers two_layer [--k 1] [--seeds 0 1] [--budget 10] [--threads 1]
    python -m benchmarks.layers ladder [--seeds 0] [--budget 60] [--layer-free-bits 0.5] [--test-examples 10000]
    python -m benchmarks.layers all --smoke                       each of them, tiny, on made data; needs no files

Minutes are those of training, of each model. A training that was stopped goes on where its last epoch ended.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from benchmarks.page.origin import recorded
from benchmarks.reproduce.__main__ import add_options, lacking, tiny, use_threads
from benchmarks.reproduce.run import Options

OUT, RUNS = Path("benchmarks/results/layers"), Path("runs/layers")
JOBS = ("two_layer", "ladder")


def read(arguments: list[str] | None) -> tuple[argparse.Namespace, Options]:
    """Returns what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*JOBS, "all"], metavar="NAME", help=f"all, {', '.join(JOBS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--k", type=int, default=1, help="samples of the bound of `two_layer`; 1 is the ELBO")
    parser.add_argument("--layer-free-bits", type=float, default=0.5, help="nats of each layer of the ladder")
    add_options(parser)
    parser.set_defaults(out=OUT, runs=RUNS, budget=10.0)
    said = parser.parse_args(arguments)
    options = Options(**{field.name: getattr(said, field.name) for field in dataclasses.fields(Options)})
    if options.smoke:
        options = dataclasses.replace(tiny(options, "layers-"), updates=2, test_samples=5)
    return said, options


def main(arguments: list[str] | None = None) -> int:
    """Runs jobs."""
    words = sys.argv[1:] if arguments is None else arguments
    said, options = read(arguments)
    missing = lacking(said, options)
    if missing:
        raise SystemExit(f"benchmarks.layers needs {'; '.join(missing)}.")
    use_threads(options.threads)
    from benchmarks.layers import ladder, two_layer

    command = recorded("layers", words)
    for seed in said.seeds:
        if said.name in ("two_layer", "all"):
            two_layer.run(seed, said.k, options, command)
        if said.name in ("ladder", "all"):
            ladder.run(seed, list(ladder.MODELS), said.layer_free_bits, options, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
