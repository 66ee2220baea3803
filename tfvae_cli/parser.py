"""What a person may type: the commands, their options, and the help.

    tfvae train | recipes | evaluate | sample | export             words of the library: table.json
    tfvae score | impute | encode | compare                        of tables

Nothing here imports the library.
"""

import argparse
import functools
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

PATH = Path(__file__).with_name("table.json")
TYPES = {"int": int, "float": float, "str": str}
EXAMPLES = {
    None: "example:\n  tfvae train digits --out runs/first && tfvae sample runs/first\n\n"
    "TF_CPP_MIN_LOG_LEVEL=0 in the environment shows what TensorFlow says when it starts, which is hidden else.",
    "train": "examples:\n  tfvae train digits\n  tfvae train mnist --latent-dim 20 --hidden 500 500 --patience 10\n"
    "  tfvae train faces.npz --likelihood normal --network conv --hidden 32 64\n"
    "  tfvae train digits --recipe vamp-prior --latent-dim 10\n"
    "  tfvae train digits --condition y --latent-dim 10\n"
    "  tfvae train people.csv --condition income\n"
    "  tfvae train --resume runs/digits-20260131-120000\n\n"
    "Of a table (.csv, .parquet, a folder of shards) other defaults hold: recipe mixed-table with missing cells, and\n"
    "sizes, epochs, patience and samples by its rows and columns, which are printed before the training.",
    "recipes": "example:\n  tfvae recipes && tfvae train digits --recipe beta-vae --beta 6",
    "evaluate": "example:\n  tfvae evaluate runs/first --num-samples 5000 --split valid",
    "sample": "examples:\n  tfvae sample runs/first --count 100 --seed 7 --out draws.npz\n"
    "  tfvae sample runs/first --count 20 --condition y=3    (after tfvae train digits --condition y)",
    "score": "example:\n  tfvae train people.csv --out runs/people && tfvae score runs/people new.csv --out scores.csv",
    "impute": "example:\n  tfvae impute runs/people gaps.csv --out filled.csv --stddev spread.csv",
    "encode": "example:\n  tfvae encode runs/people new.csv --out codes.csv",
    "compare": "example:\n  tfvae train people.csv --latent-dim 8 --out runs/8 && tfvae compare runs/people runs/8",
    "export": "example:\n  tfvae export runs/first models/digits    (writes models/digits/1)",
}


@functools.cache
def table() -> dict[str, Any]:
    """Returns what the library offers, as `tfvae.app.table` has written it down."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def recipes() -> str:
    """Returns each recipe with its line and its paper, as text."""
    found = table()["recipes"]
    width = max(map(len, found))
    return "".join(f"{name:{width}}  {line}\n{'':{width}}  {paper}\n" for name, (line, paper) in found.items())


def versions() -> str:
    """Returns the versions of tfvae, Python and the packages that its numbers depend on, as text."""
    installed = [f"{name} {metadata.version(name)}" for name in table()["packages"]]
    return f"tfvae {table()['version']} ({', '.join([f'python {platform.python_version()}', *installed])})"


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line; `command` is the name of the command."""
    whole = _Parser(
        prog="tfvae",
        description="Variational autoencoders: train one on your data, score it in nats, draw from it, serve it.",
        epilog=EXAMPLES[None],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=versions())
    commands = whole.add_subparsers(metavar="COMMAND", required=True)

    train = _command(commands, "train", "train a model; its run folder gets weights, pictures, and figures in nats")
    train.add_argument(
        "source", nargs="?", default=argparse.SUPPRESS, metavar="SOURCE",
        help="'digits' (built in), a TensorFlow Datasets name such as 'mnist', a .npz or .npy file, "
        "or a table (.csv, .parquet)",
    )  # fmt: skip
    train.add_argument("--out", metavar="DIR", help="run folder to create (default: runs/SOURCE-TIME)")
    train.add_argument("--resume", metavar="RUN", help="complete this run, with the options it was started with")
    for name, option in table()["options"].items():
        _add_option(train, name, **option)

    _command(commands, "recipes", "list the papers that `tfvae train --recipe NAME` repeats")

    evaluate = _command(
        commands, "evaluate", "score a trained model in nats: log p(x), bounds, codes; as a table and a page"
    )
    evaluate.add_argument("run", metavar="RUN", help="run folder")
    evaluate.add_argument("--num-samples", type=int, metavar="K", help="importance samples each (default: the run's)")
    splits = table()["splits"]
    evaluate.add_argument("--split", choices=splits, default="test", help="which data (default: test)")
    evaluate.add_argument("--seed", type=int, help="of the importance samples (default: the run's)")
    evaluate.add_argument(
        "--gaps", type=int, default=0, metavar="K",
        help="split the variational gap of K random examples into approximation and amortisation gap (default: none)",
    )  # fmt: skip
    evaluate.add_argument("--out", metavar="FILE", help="write the report as JSON, too")

    sample = _command(commands, "sample", "draw from a trained model")
    sample.add_argument("run", metavar="RUN", help="run folder")
    sample.add_argument("--count", type=int, default=64, metavar="N", help="how many (default: 64)")
    sample.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    sample.add_argument(
        "--condition", metavar="NAME=VALUE", help="what a model that was trained with --condition is told, such as y=3"
    )
    sample.add_argument(
        "--out",
        metavar="FILE",
        help=".png: decoded means; .npz, .npy: draws from p(x); .csv: rows of a table (default: RUN/samples.png)",
    )
    _add_rows(commands)

    export = _command(commands, "export", "write a trained model as a SavedModel for TensorFlow Serving")
    export.add_argument("run", metavar="RUN", help="run folder")
    export.add_argument("directory", metavar="DIR", help="the next version is written below this folder")
    return whole


def _add_rows(commands: Any) -> None:
    """Adds the commands that answer for each row of a table."""
    score = _of_rows(commands, "score", "write log p, p-value and reason for each row of a table")
    score.add_argument(
        "--false-positive-rate", type=float, default=0.01, metavar="RATE",
        help="share of ordinary rows that are flagged (default: 0.01)",
    )  # fmt: skip
    score.add_argument(
        "--contributions", action=argparse.BooleanOptionalAction, default=True,
        help="say what each column adds, which takes a pass for each (default: yes)",
    )  # fmt: skip
    impute = _of_rows(commands, "impute", "fill the missing cells of a table; the others stay as they are")
    impute.add_argument("--stddev", metavar="FILE", help="write the standard deviation of each filled number, too")
    impute.add_argument("--draws", type=int, metavar="M", help="draw the cells M times, each row M times in FILE")
    _of_rows(commands, "encode", "write the code of each row of a table, E[z | row]")
    compare = _command(commands, "compare", "compare runs on the same data by log p(x) of their held-out examples")
    compare.add_argument("runs", nargs="+", metavar="RUN", help="run folders")


def _of_rows(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    command = _command(commands, name, text)
    command.add_argument("run", metavar="RUN", help="run folder of tfvae train FILE.csv")
    command.add_argument("rows", metavar="FILE", help="table with rows, .csv or .parquet, or a folder of such files")
    command.add_argument("--out", required=True, metavar="OUT", help="file to write, .csv")
    return command


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=EXAMPLES[name],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(command=name, folder=None)
    command.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    return command


def _add_option(parser: argparse.ArgumentParser, name: str, type: str, **argument: Any) -> None:
    kind = {"action": argparse.BooleanOptionalAction} if type == "bool" else {"type": TYPES[type]}
    parser.add_argument("--" + name.replace("_", "-"), default=argparse.SUPPRESS, **kind, **argument)
