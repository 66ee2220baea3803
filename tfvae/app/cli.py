"""The command line: `tfvae train | recipes | evaluate | sample | export`.

    exit code 0    done
              1    failed for a reason outside the command: full or read-only disk, training that diverged
              2    wrong use
              130  interrupted (Ctrl-C)

Results go to standard output, each failure is one line on standard error. The work is done by `tfvae.app.run`.
"""

import argparse
import dataclasses
import datetime
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tfvae import __version__, recipes
from tfvae.app import provenance, run
from tfvae.app.folder import ARTIFACTS
from tfvae.app.options import Options
from tfvae.callbacks import Diverged
from tfvae.core.errors import InvalidInput

WRONG_PATH = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
EXAMPLES = {
    None: "example:\n  tfvae train digits --out runs/first && tfvae sample runs/first",
    "train": "examples:\n  tfvae train digits\n  tfvae train mnist --latent-dim 20 --hidden 500 500 --patience 10\n"
    "  tfvae train faces.npz --likelihood normal --network conv --hidden 32 64\n"
    "  tfvae train digits --recipe vamp-prior --latent-dim 10\n"
    "  tfvae train --resume runs/digits-20260131-120000",
    "recipes": "example:\n  tfvae recipes && tfvae train digits --recipe beta-vae --beta 6",
    "evaluate": "example:\n  tfvae evaluate runs/first --num-samples 5000 --split valid",
    "sample": "example:\n  tfvae sample runs/first --count 100 --seed 7 --out draws.npz",
    "export": "example:\n  tfvae export runs/first models/digits    (writes models/digits/1)",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after `tfvae`; by default those of this process.

    Returns:
        The exit code.

    Example:
        >>> main(["train", "digits", "--epochs", "0"])
        2
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    arguments.line = " ".join(["tfvae", *argv])
    try:
        arguments.command(arguments)
        return 0
    except KeyboardInterrupt:
        return _fail(130, "interrupted." + _how_to_go_on(arguments))
    except (InvalidInput, *WRONG_PATH) as error:
        return _fail(2, _reason(error), arguments)
    except Diverged as error:
        return _fail(1, f"{_reason(error)} Options are changed by another run: give another --out.", arguments)
    except OSError as error:
        return _fail(1, _reason(error) + _how_to_go_on(arguments), arguments)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tfvae",
        description="Variational autoencoders: train one on your data, score it in nats, draw from it, serve it.",
        epilog=EXAMPLES[None],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions().items() if name != "tfvae")
    parser.add_argument("--version", action="version", version=f"tfvae {__version__} ({versions})")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    train = _command(
        commands, "train", _train, "train a model; its run folder gets weights, pictures, and figures in nats"
    )
    train.add_argument(
        "source", nargs="?", default=argparse.SUPPRESS, metavar="SOURCE",
        help="'digits' (built in), a TensorFlow Datasets name such as 'mnist', or a .npz or .npy file",
    )  # fmt: skip
    train.add_argument("--out", metavar="DIR", help="run folder to create (default: runs/SOURCE-TIME)")
    train.add_argument("--resume", metavar="RUN", help="complete this run, with the options it was started with")
    for field in dataclasses.fields(Options):
        if field.metadata:
            _add_option(train, field)

    _command(commands, "recipes", _recipes, "list the papers that `tfvae train --recipe NAME` repeats")

    evaluate = _command(
        commands,
        "evaluate",
        _evaluate,
        "score a trained model in nats: log p(x), bounds, codes; as a table and a page",
    )
    evaluate.add_argument("run", metavar="RUN", help="run folder")
    evaluate.add_argument("--num-samples", type=int, metavar="K", help="importance samples each (default: the run's)")
    evaluate.add_argument("--split", choices=run.SPLITS, default="test", help="which data (default: test)")
    evaluate.add_argument("--seed", type=int, help="of the importance samples (default: the run's)")
    evaluate.add_argument(
        "--gaps", type=int, default=0, metavar="K",
        help="split the variational gap of K random examples into approximation and amortisation gap (default: none)",
    )  # fmt: skip
    evaluate.add_argument("--out", metavar="FILE", help="write the report as JSON, too")

    sample = _command(commands, "sample", _sample, "draw from a trained model")
    sample.add_argument("run", metavar="RUN", help="run folder")
    sample.add_argument("--count", type=int, default=64, metavar="N", help="how many (default: 64)")
    sample.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    sample.add_argument(
        "--out", metavar="FILE", help=".png: decoded means; .npz, .npy: draws from p(x) (default: RUN/samples.png)"
    )

    export = _command(commands, "export", _export, "write a trained model as a SavedModel for TensorFlow Serving")
    export.add_argument("run", metavar="RUN", help="run folder")
    export.add_argument("directory", metavar="DIR", help="the next version is written below this folder")
    return parser


def _command(commands: Any, name: str, function: Callable, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=EXAMPLES[name],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(command=function, folder=None)
    command.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    return command


def _add_option(parser: argparse.ArgumentParser, field: dataclasses.Field) -> None:
    argument = {"action": argparse.BooleanOptionalAction} if field.type is bool else field.metadata["argument"]
    flag, text = "--" + field.name.replace("_", "-"), field.metadata["help"]
    parser.add_argument(flag, default=argparse.SUPPRESS, help=text, **argument)


def _train(arguments: argparse.Namespace) -> None:
    given = {f.name: getattr(arguments, f.name) for f in dataclasses.fields(Options) if hasattr(arguments, f.name)}
    verbose = 1 if sys.stdout.isatty() else 2
    if arguments.resume is not None:
        arguments.folder = arguments.resume
        if arguments.out is not None and Path(arguments.out).resolve() != Path(arguments.resume).resolve():
            remedy = "Leave --out out: a run is completed in its own folder."
            raise InvalidInput(f"--out {arguments.resume}, the run to resume", f"--out {arguments.out}", remedy)
        report = run.resume(arguments.resume, given, verbose)
    else:
        if "source" not in given:
            raise InvalidInput("SOURCE, or --resume RUN", "neither", "Try: tfvae train digits")
        options = Options.of(**given)
        arguments.folder = arguments.out or _default_folder(options.source)
        report = run.train(options, arguments.folder, arguments.line, verbose)
    _say(f"test: {report}")
    made = [artifact.name for artifact in ARTIFACTS if Path(arguments.folder, artifact.name).exists()]
    _say(f"files in {arguments.folder}: {', '.join(made)}")


def _recipes(arguments: argparse.Namespace) -> None:
    width = max(map(len, recipes.RECIPES))
    for name, recipe in sorted(recipes.RECIPES.items()):
        line, paper = recipes.description(recipe)
        _say(f"{name:{width}}  {line}\n{'':{width}}  {paper}")


def _evaluate(arguments: argparse.Namespace) -> None:
    verbose = sys.stdout.isatty()
    if arguments.out is not None and not Path(arguments.out).parent.is_dir():
        raise InvalidInput(f"an existing folder {Path(arguments.out).parent}", "none", "Create it first.")
    chosen = (arguments.split, arguments.num_samples, arguments.seed, arguments.gaps)
    report, page = run.evaluate(arguments.run, *chosen, verbose=verbose)
    _say(f"{arguments.split}: {report}")
    if page:
        _say(f"page in {page}")
    if arguments.out is not None:
        report.save(arguments.out)
        _say(f"report in {arguments.out}")


def _sample(arguments: argparse.Namespace) -> None:
    out = arguments.out or str(Path(arguments.run, "samples.png"))
    run.sample(arguments.run, out, arguments.count, arguments.seed)
    _say(f"{arguments.count} samples in {out}")


def _export(arguments: argparse.Namespace) -> None:
    _say(f"SavedModel in {run.export(arguments.run, arguments.directory)}")


def _default_folder(source: str) -> str:
    name = re.sub(r"\W+", "-", source.removesuffix(Path(source).suffix).rpartition("/")[2])
    return f"runs/{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def _how_to_go_on(arguments: argparse.Namespace) -> str:
    started = arguments.folder and Path(arguments.folder, "config.json").exists()
    return f" Go on with: tfvae train --resume {arguments.folder}" if started else ""


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = ": ".join(str(part) for part in (error.strerror, error.filename) if part is not None)
    return " ".join(text.split())


def _fail(code: int, reason: str, arguments: argparse.Namespace | None = None) -> int:
    if arguments and arguments.debug:
        raise  # noqa: PLE0704 - called while the error is handled
    sys.stderr.write(f"tfvae: {reason}\n")
    return code


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
