"""The command line of the benchmarks of tables.

    python -m benchmarks.tables setup [--peers FOLDER]              the environment of PyOD and ctgan
    python -m benchmarks.tables density                             two columns whose density is known
    python -m benchmarks.tables imputation [--data FOLDER]          adult and wdbc, cells hidden at random
    python -m benchmarks.tables settings [--data FOLDER]            held-out log p by setting, for anomalies
    python -m benchmarks.tables anomalies [--data FOLDER] [--peers FOLDER] [--splits 0 1 2 3 4]
    python -m benchmarks.tables synthetic [--data FOLDER] [--peers FOLDER] [--splits 0]
    python -m benchmarks.tables large                               ten million rows: training, scoring, memory
    python -m benchmarks.tables report                              the tables of the result files
    python -m benchmarks.tables all --smoke                         all of them, tiny; needs no files and no peers

Rows that are in a result file are left alone (`--again` does them anew).
"""

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

from benchmarks.page.origin import recorded
from benchmarks.speed.contenders import set_up
from benchmarks.tables import sets
from benchmarks.tables.common import ENVIRONMENT, Options


def main(arguments: list[str] | None = None) -> int:
    """Runs one job, or all of them."""
    from benchmarks.tables import anomalies, density, imputation, large, report, synthetic

    runs = {"density": density.run, "imputation": imputation.run, "settings": anomalies.settings}
    runs |= {"anomalies": anomalies.run, "synthetic": synthetic.run, "large": large.run, "report": report.run}
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["setup", *runs, "all"], metavar="JOB")
    parser.add_argument("--data", type=Path, default=sets.FOLDER)
    parser.add_argument("--out", type=Path, default=Options.out)
    parser.add_argument("--peers", type=Path, default=Options.peers)
    parser.add_argument("--splits", type=int, nargs="+", default=list(Options.splits))
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    said = vars(parser.parse_args(arguments))
    name, said["splits"] = said.pop("name"), tuple(said["splits"])
    options = Options(**said, command=recorded("tables", words))
    if name == "setup":
        set_up(options.peers.resolve(), ENVIRONMENT)
        return 0
    if options.smoke:
        options = dataclasses.replace(options, out=Path(tempfile.mkdtemp(prefix="tables-")))
    for job in runs if name == "all" else [name]:
        runs[job](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
