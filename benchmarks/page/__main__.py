"""The command line of the page of results.

    python -m benchmarks.page            makes the tables of docs/results.md anew
    python -m benchmarks.page --check    says which differ from their files, and fails if one does
    python -m benchmarks.page --stale    lists the results that are older than the code that makes them

No table is ever written by hand.
"""

import argparse
import sys

from benchmarks.page.origin import age
from benchmarks.page.sections import BETWEEN, PAGE, SECTIONS, written


def main(arguments: list[str] | None = None) -> int:
    """Writes, checks or lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--stale", action="store_true")
    said = parser.parse_args(arguments)
    if said.stale:
        return stale()
    text = PAGE.read_text()
    new = written(text)
    changed = [a[2] for a, b in zip(BETWEEN.finditer(text), BETWEEN.finditer(new), strict=True) if a[0] != b[0]]
    print(f"{PAGE}: {', '.join(changed) or 'no table'} differs from the result files")
    if not said.check:
        PAGE.write_text(new)
    return int(said.check and bool(changed))


def stale() -> int:
    """Prints, for each table, when its newest file was committed and how many commits changed its code since."""
    print(f"{'table':12s} {'committed':20s} {'its code since':>14s} {'tfvae since':>12s}")
    for section in SECTIONS.values():
        found = age(section.paths(), section.code)
        mark = "  older than its code" if found.own else ""
        print(f"{section.name:12s} {found.made:20s} {found.own:14d} {found.library:12d}{mark}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
