"""The command line of the reproduction suite.

    python -m benchmarks.reproduce NAME [--budget MINUTES] [--seeds 0 1]     one row; a run that was stopped goes on
    python -m benchmarks.reproduce NAME --updates N                          the same at a fixed number of updates
    python -m benchmarks.reproduce all
    python -m benchmarks.reproduce table                                     to reproduce.json and docs/results.md
    python -m benchmarks.reproduce all --smoke                               two rows, tiny, on digits; needs no files

A result that is there is left alone (`--again` does it anew). Minutes are those of training: evaluation comes on top.
"""

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

from benchmarks.page.origin import recorded
from benchmarks.reproduce.run import Options

TINY = {"valid_examples": 50, "valid_samples": 5, "test_examples": 100, "test_samples": 10, "budget": 0.02}
SMOKE_ROWS = ("iwae-5", "gated-normal")


def read(arguments: list[str] | None) -> tuple[argparse.Namespace, Options]:
    """Returns what the command line says."""
    from benchmarks.reproduce.rows import ROWS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*ROWS, "all", "table"], metavar="NAME", help=f"all, table, {', '.join(ROWS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"), help="where `table` puts the table")
    add_options(parser)
    said = parser.parse_args(arguments)
    options = Options(**{field.name: getattr(said, field.name) for field in dataclasses.fields(Options)})
    if options.smoke:
        options = tiny(options, "reproduce-")
    said.rows = [said.name] if said.name in ROWS else list(SMOKE_ROWS if options.smoke else ROWS)
    return said, options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds an argument for each field of `Options`."""
    for field in dataclasses.fields(Options):
        kind = {"budget": float, "learning_rate": float, "jit_compile": str}.get(field.name, int)
        kind = Path if isinstance(field.default, Path) else kind
        flag = {"action": "store_true"} if field.default is False else {"type": kind, "default": field.default}
        flag |= {"choices": ["auto", "on", "off"]} if field.name == "jit_compile" else {}
        parser.add_argument("--" + field.name.replace("_", "-"), **flag)


def tiny(options: Options, prefix: str) -> Options:
    """Returns the options of a smoke run, which writes into a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    return dataclasses.replace(options, **TINY, out=folder / "results", runs=folder / "runs")


def use_threads(number: int | None) -> None:
    """Limits TensorFlow to so many threads; before it computes anything."""
    if number:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(number)
        tf.config.threading.set_inter_op_parallelism_threads(number)


def lacking(said: argparse.Namespace, options: Options) -> list[str]:
    """Returns what a command needs and does not find, each with how to have it."""
    found = []
    if not options.smoke and not options.out.parent.is_dir():
        found.append(f"the folder {options.out.parent}: stand in a checkout of tfvae, or pass --out")
    if said.name == "table" and not said.page.is_file():
        found.append(f"the file {said.page}: stand in a checkout of tfvae, or pass --page")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Trains rows, or makes the table."""
    from benchmarks.reproduce import table
    from benchmarks.reproduce.run import run

    words = sys.argv[1:] if arguments is None else arguments
    said, options = read(arguments)
    missing = lacking(said, options)
    if missing:
        raise SystemExit(f"benchmarks.reproduce needs {'; '.join(missing)}.")
    if said.name == "table":
        return table.write(options.out, said.page)
    use_threads(options.threads)
    for name in said.rows:
        for seed in said.seeds:
            run(name, seed, options, recorded("reproduce", words))
    if options.smoke:
        print(table.markdown(table.summary(table.read(options.out))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
