"""The commands behind the words; `tfvae_cli` has the words and the start.

    train evaluate sample export                `tfvae.app.run`
    score impute encode compare                 `tfvae.app.rows`, `tfvae.app.compare`: of tables

Results go to standard output, each failure is one line on standard error.
"""

import argparse
import dataclasses
import datetime
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from tfvae.app import run as runs
from tfvae.app.budget import within_minutes
from tfvae.app.choices import described, drawn, overfitted, settled
from tfvae.app.compare import compared
from tfvae.app.folder import ARTIFACTS
from tfvae.app.options import Options
from tfvae.app.progress import ERASE, Counter
from tfvae.callbacks import Diverged
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.datasets.table_source import is_table
from tfvae_cli import LEVEL, SILENT, main

WRONG_PATH = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)


def run(arguments: argparse.Namespace, line: str) -> int:
    """Runs one command.

    Args:
        arguments: what the parser has read.
        line: the command line, for the record.

    Returns:
        The exit code.
    """
    arguments.line = line
    if os.environ.get(LEVEL) == SILENT:
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # Python's half of what `tfvae_cli.quiet` hides
    try:
        COMMANDS[arguments.command](arguments)
        return 0
    except KeyboardInterrupt:
        return _fail(130, "interrupted." + _how_to_go_on(arguments))
    except (InvalidInput, *WRONG_PATH) as error:
        return _fail(2, _reason(error), arguments)
    except Diverged as error:
        return _fail(1, f"{_reason(error)} Options are changed by another run: give another --out.", arguments)
    except OSError as error:
        return _fail(1, _reason(error) + _how_to_go_on(arguments), arguments)


def _train(arguments: argparse.Namespace) -> None:
    given = {f.name: getattr(arguments, f.name) for f in dataclasses.fields(Options) if hasattr(arguments, f.name)}
    verbose = 1 if sys.stdout.isatty() else 2
    if arguments.resume is not None:
        arguments.folder = arguments.resume
        if arguments.out is not None and Path(arguments.out).resolve() != Path(arguments.resume).resolve():
            remedy = "Leave --out out: a run is completed in its own folder."
            raise InvalidInput(f"--out {arguments.resume}, the run to resume", f"--out {arguments.out}", remedy)
        report = runs.resume(arguments.resume, given, verbose)
    else:
        if "source" not in given:
            raise InvalidInput("SOURCE, or --resume RUN", "neither", "Try: tfvae train digits")
        options = Options.of(**given)
        arguments.folder, table = arguments.out or _default_folder(options.source), is_table(options.source)
        runs.refuse_occupied(Path(arguments.folder))
        data = options.load_data()
        if table:
            _say(described(data))
            options, _ = settled(options, data, given)
        elif not {"binarization", "likelihood"} & given.keys() and (text := drawn(options, data)):
            _say(text)
        if options.minutes is not None:
            _say("measuring the speed of a step ...")
            options, text = within_minutes(options, data)
            _say(text)
            given["epochs"] = options.epochs  # of which what is chosen may be a share
        if table:
            options, chosen = settled(options, data, given)
            _say(chosen)
        report = runs.train(options, arguments.folder, arguments.line, verbose, data)
        if options.patience is None and (text := overfitted(arguments.folder)):
            _say(text)
    _say(f"test: {report}")
    made = [artifact.name for artifact in ARTIFACTS if Path(arguments.folder, artifact.name).exists()]
    _say(f"files in {arguments.folder}: {', '.join(made)}")


def _evaluate(arguments: argparse.Namespace) -> None:
    verbose = sys.stdout.isatty()
    if arguments.out is not None and not Path(arguments.out).parent.is_dir():
        raise InvalidInput(f"an existing folder {Path(arguments.out).parent}", "none", "Create it first.")
    chosen = (arguments.split, arguments.num_samples, arguments.seed, arguments.gaps)
    report, page = runs.evaluate(arguments.run, *chosen, verbose=verbose)
    _say(f"{arguments.split}: {report}")
    if page:
        _say(f"page in {page}")
    if arguments.out is not None:
        report.save(arguments.out)
        _say(f"report in {arguments.out}")


def _sample(arguments: argparse.Namespace) -> None:
    out = arguments.out or str(Path(arguments.run, "samples.png"))
    if out.endswith(".csv"):
        rows().sampled(arguments.run, out, arguments.count, arguments.seed, arguments.condition)
        _say(f"{arguments.count} rows{f' given {arguments.condition}' if arguments.condition else ''} in {out}")
        return
    runs.sample(arguments.run, out, arguments.count, arguments.seed, arguments.condition)
    _say(f"{arguments.count} samples{f' given {arguments.condition}' if arguments.condition else ''} in {out}")


def _export(arguments: argparse.Namespace) -> None:
    _say(f"SavedModel in {runs.export(arguments.run, arguments.directory)}")


def _score(arguments: argparse.Namespace) -> None:
    rate, contributions = arguments.false_positive_rate, arguments.contributions
    answer = rows().scores(rate, contributions)
    _write_rows(arguments, arguments.out, answer, false_positive_rate=rate, contributions=contributions)


def _impute(arguments: argparse.Namespace) -> None:
    draws = arguments.draws
    if arguments.stddev is not None:
        spread = rows().writable(arguments.stddev, arguments.rows).resolve()
        if spread == Path(arguments.out).resolve():
            raise InvalidInput("another file for --stddev than for --out", arguments.stddev, "Give another one.")
    answer = rows().filled if draws is None else rows().drawn(positive_integer("--draws", draws))
    _write_rows(arguments, arguments.out, answer, draws=draws)
    if arguments.stddev is not None:
        _write_rows(arguments, arguments.stddev, rows().spreads)


def _encode(arguments: argparse.Namespace) -> None:
    _write_rows(arguments, arguments.out, rows().codes)


def _write_rows(arguments: argparse.Namespace, out: str, answer: Callable, **said: Any) -> None:
    counter = Counter(sys.stdout.isatty())
    number = rows().answered(arguments.run, arguments.rows, out, answer, said, counter.show)
    counter.clear()
    _say(f"{number} rows in {out}")


def _compare(arguments: argparse.Namespace) -> None:
    _say(compared(arguments.runs))


COMMANDS = {
    "train": _train, "evaluate": _evaluate, "sample": _sample, "export": _export,
    "score": _score, "impute": _impute, "encode": _encode, "compare": _compare,
}  # fmt: skip


def rows() -> ModuleType:
    """Returns `tfvae.app.rows`, which needs the extra `tables`."""
    try:
        from tfvae.app import rows as found
    except ImportError as error:
        raise InvalidInput("pandas and pyarrow, for tables", str(error), "pip install 'tfvae[tables]'") from error
    return found


def _default_folder(source: str) -> str:
    name = re.sub(r"\W+", "-", source.removesuffix(Path(source).suffix).rpartition("/")[2])
    return f"runs/{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def _how_to_go_on(arguments: argparse.Namespace) -> str:
    started = arguments.folder and Path(arguments.folder, "config.json").exists()
    return f" Go on with: tfvae train --resume {arguments.folder}" if started else ""


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = ": ".join(str(part) for part in (error.strerror, error.filename) if part is not None) + "."
    return " ".join(text.split())


def _fail(code: int, reason: str, arguments: argparse.Namespace | None = None) -> int:
    if arguments and arguments.debug:
        raise  # noqa: PLE0704 - called while the error is handled
    sys.stderr.write(f"{ERASE * sys.stderr.isatty()}tfvae: {reason}\n")
    return code


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
