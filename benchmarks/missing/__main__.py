"""The command line of the benchmarks of missing cells.

    python -m benchmarks.missing random [--data FOLDER]       half of the cells of five tables, five masks each
    python -m benchmarks.missing by-value [--data FOLDER]     cells that are missing because they are large
    python -m benchmarks.missing half [--data FOLDER]         digits without half of their pixels
    python -m benchmarks.missing quadrant [--data FOLDER]     digits without a quadrant
    python -m benchmarks.missing all --smoke                  all of them, tiny; needs no files

Rows that are in the result file are left alone (`--again` does them anew).
"""

import argparse
import dataclasses
import functools
import sys
import tempfile
from pathlib import Path

from benchmarks.missing import tables
from benchmarks.missing.results import Options
from benchmarks.page.origin import recorded


def main(arguments: list[str] | None = None) -> int:
    """Runs one job, or all of them."""
    from benchmarks.missing import at_random, by_value, pixels

    half, quadrant = (functools.partial(pixels.run, name) for name in pixels.MASKS)
    runs = {"random": at_random.run, "by-value": by_value.run, "half": half, "quadrant": quadrant}
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*runs, "all"], metavar="NAME", help=f"all, {', '.join(runs)}")
    parser.add_argument("--data", type=Path, default=tables.FOLDER)
    parser.add_argument("--out", type=Path, default=Options.out)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    said = vars(parser.parse_args(arguments))
    name = said.pop("name")
    options = Options(**said, command=recorded("missing", words))
    if options.smoke:
        options = dataclasses.replace(options, out=Path(tempfile.mkdtemp(prefix="missing-")))
    for job in runs if name == "all" else [name]:
        runs[job](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
