"""The sections of the page: the result files of each, the code that made them, and the table.

A section stands between two comments, `<!-- results: NAME -->` and `<!-- end of results: NAME -->`.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import defaults, disentanglement
from benchmarks.missing import at_random, by_value
from benchmarks.page import tables
from benchmarks.page.origin import origin
from benchmarks.physics import table as physics
from benchmarks.quality import report as quality
from benchmarks.speed import short
from benchmarks.tables import report as of_tables

RESULTS = Path(__file__).parents[1] / "results"
PAGE = RESULTS.parents[1] / "docs" / "results.md"


@dataclasses.dataclass(frozen=True)
class Section:
    """A table of the page.

    Args:
        name: in the comments around it.
        files: pattern of the result files, below `benchmarks/results`.
        code: what made them, below `benchmarks`.
        table: from the contents of the files, by name without `.json`, to Markdown.
    """

    name: str
    files: str
    code: tuple[str, ...]
    table: Callable[[dict[str, Any]], str]

    def paths(self) -> list[Path]:
        """Returns the result files."""
        return sorted(RESULTS.glob(self.files))

    def markdown(self) -> str:
        """Returns the table and where it comes from."""
        found = {path.stem: json.loads(path.read_text()) for path in self.paths()}
        return f"{self.table(found).strip()}\n\n{origin(self.files, found)}"


def only(table: Callable[[Any], str], *keys: str) -> Callable[[dict[str, Any]], str]:
    """Returns a table of a single file, or of what it has under these keys."""

    def made(found: dict[str, Any]) -> str:
        (value,) = found.values()
        for key in keys:
            value = value[key]
        return table(value)

    return made


SECTIONS = {
    section.name: section
    for section in [
        Section("speed", "speed.json", ("speed",), only(tables.speed)),
        Section("short-fits", "short-fits.json", ("speed/short.py",), only(short.table, "rows")),
        Section("bfloat16", "bfloat16/*.json", ("speed",), tables.halved),
        Section("quality", "quality.json", ("quality",), only(quality.table)),
        Section("reproduce", "reproduce/*.json", ("reproduce",), tables.reproduced),
        Section("defaults", "defaults.json", ("defaults.py",), only(defaults.table, "rows")),
        Section("labels", "conditional/labels-*.json", ("conditional",), tables.told),
        Section("smfish", "conditional/smfish-*.json", ("conditional",), tables.told),
        Section("quadrants", "conditional/quadrants-*.json", ("conditional",), tables.quadrants),
        Section("ladder", "layers/ladder-*.json", ("layers",), tables.layered),
        Section("few-labels", "labels/*.json", ("labels",), tables.few_labels),
        Section("at-random", "missing/random.json", ("missing",), only(at_random.markdown, "tables")),
        Section("by-value", "missing/by-value.json", ("missing",), only(by_value.markdown, "rows")),
        Section("pixels", "missing/pixels-*.json", ("missing",), tables.pixels),
        Section("density", "tables/density.json", ("tables",), only(of_tables.density)),
        Section("imputation", "tables/imputation.json", ("tables",), only(of_tables.imputation)),
        Section("synthetic", "tables/synthetic.json", ("tables",), only(of_tables.synthetic)),
        Section("settings", "tables/settings.json", ("tables",), only(of_tables.settings)),
        Section("anomalies", "tables/anomalies.json", ("tables",), only(of_tables.anomalies)),
        Section("large", "tables/large.json", ("tables",), only(of_tables.large)),
        Section("images", "anomaly.json", ("anomaly.py",), only(tables.images, "rows")),
        Section("physics", "physics/*.json", ("physics",), lambda _: physics.made(RESULTS / "physics")),
        Section("factors", "disentanglement.json", ("disentanglement.py",), only(disentanglement.table, "rows")),
    ]
}
BETWEEN = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end of results: \2 -->)", re.DOTALL)


def written(text: str) -> str:
    """Returns the page with its tables made anew."""
    return BETWEEN.sub(lambda m: m[1] + SECTIONS[m[2]].markdown() + "\n" + m[3], text)
