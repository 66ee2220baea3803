"""Numbers and links of the documents: each figure stands in a source that its paragraph names, and no link is dead.

The page of results is made of the result files, which is tested here; other pages may quote it, the decisions, the
design or the notes of the measurements.
"""

import json
import re

import pytest
from documents import DOCUMENTS, ROOT

from benchmarks.page import __main__ as page
from benchmarks.page.origin import Age, age, origin, values
from benchmarks.page.sections import PAGE, RESULTS, SECTIONS, written
from benchmarks.reproduce import table

SOURCES = ("docs/results.md", "docs/decisions.md", "docs/design.md", "docs/distribution.md", "benchmarks/NOTES.md")
QUOTING = [name for name in DOCUMENTS if name not in SOURCES and name != "CONTRIBUTING.md"]
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HIDDEN = re.compile(r"^    .*$|`[^`\n]*`|\]\([^)]*\)", re.MULTILINE)
VERSION = re.compile(r"(Python |TensorFlow |TFP |Keras |Apache-)\d[\d.]*( to \d[\d.]*)?")
FIGURE = re.compile(r"(?<![\w.,])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+\.\d+)(?![\w.]*\w)")


def prose(document: str) -> str:
    """Returns the text of a document without its fenced blocks."""
    return FENCED.sub("", (ROOT / document).read_text())


def paragraphs(text: str) -> list[str]:
    """Returns the paragraphs, list items and rows of tables."""
    return re.split(r"\n\s*\n|\n(?=[|-])", text)


def figures(paragraph: str) -> list[str]:
    """Returns the numbers with decimals or thousands, without those of code, links and versions."""
    return [figure.lstrip("+-") for figure in FIGURE.findall(VERSION.sub("", HIDDEN.sub("", paragraph)))]


def linked(document: str, text: str) -> list[str]:
    """Returns the paths in the project that links lead to, anchors left out."""
    links = re.findall(r"\]\((?!\w+:)([^)#\s]+)", text)
    folder = (ROOT / document).parent
    return [str((folder / link).resolve().relative_to(ROOT)) for link in links]


@pytest.mark.parametrize("document", QUOTING)
def test_each_figure_stands_in_a_source_that_its_paragraph_names(document):
    wrong = []
    for paragraph in paragraphs(prose(document)):
        sources = [name for name in linked(document, paragraph) if name in SOURCES]
        known = "\n".join((ROOT / name).read_text() for name in sources)
        wrong += [f for f in figures(paragraph) if not re.search(rf"(?<![\d.,]){re.escape(f)}(?!\d)", known)]
    assert not wrong


def test_a_figure_without_a_source_is_found():
    assert figures("of 12.5 nats, `0.1`, [x](y-1.5), Python 3.11 to 3.13, +0.30 +- 0.02, 18,342 and 3280") == [
        *("12.5", "0.30", "0.02", "18,342")
    ]


def test_the_page_of_results_is_what_its_files_say():
    """All tables; every result file is in one of them."""
    text = PAGE.read_text()
    assert written(text) == text
    assert all(f"<!-- results: {name} -->\n|" in text for name in SECTIONS)
    shown = {path for section in SECTIONS.values() for path in section.paths()}
    assert {*RESULTS.rglob("*.json")} - shown == {RESULTS / "reproduce.json"}
    summary = table.summary(table.read(RESULTS / "reproduce"))
    assert json.loads((RESULTS / "reproduce.json").read_text()) == json.loads(json.dumps(summary))


def test_no_result_names_a_place_on_the_machine_that_made_it():
    places = r"(^|[ =\"])(/|~/|[A-Z]:\\)\w"
    commands = {path: [*values(json.loads(path.read_text()), "command")] for path in RESULTS.rglob("*.json")}
    assert sum(map(len, commands.values())) > 50
    assert not {str(path): told for path, told in commands.items() if re.search(places, "\n".join(told), re.M)}


def test_a_table_that_differs_is_named(tmp_path, monkeypatch, capsys):
    changed = PAGE.read_text().replace("87.03 +- 0.23", "86.03 +- 0.23")
    (tmp_path / "results.md").write_text(changed)
    monkeypatch.setattr(page, "PAGE", tmp_path / "results.md")
    assert page.main(["--check"]) == 1 and "quality differs" in capsys.readouterr().out
    assert page.main([]) == 0 and (tmp_path / "results.md").read_text() == PAGE.read_text()
    assert page.main(["--check"]) == 0


def test_where_results_come_from_is_said_as_far_as_the_files_say_it():
    files = {
        "a": {
            "at": "2026-11-21T10:00",
            "machine": "2 cores",
            "versions": {"tensorflow": "2.21.0"},
            "commit": "0123456789",
        }
    }
    said = "*Made 2026-11-21 on 2 cores, TensorFlow 2.21.0, commit 0123456. File: `benchmarks/results/a.json`.*"
    assert origin("a.json", files) == said
    assert "a day that is not noted, machine not noted" in origin("a.json", {"a": {"rows": []}})


def test_results_older_than_their_code_are_listed(monkeypatch, capsys):
    monkeypatch.setattr(page, "age", lambda paths, code: Age("2026-11-21 abcdef0", int("speed" in code), 7))
    assert page.main(["--stale"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "older than its code" in line] == ["speed", "bfloat16"]
    assert age([ROOT / "nothing.json"], ("speed",)) == Age("not committed", 0, 0)


@pytest.mark.parametrize("document", [*DOCUMENTS, "benchmarks/NOTES.md", "CHANGELOG.md"])
def test_links_lead_to_files_of_the_project(document):
    """Notebooks that are still being written are left out, as long as there are fewer than twelve."""
    complete = len(list(ROOT.glob("notebooks/[0-9]*.ipynb"))) >= 12
    links = [link for link in linked(document, prose(document)) if complete or not link.endswith(".ipynb")]
    made = {"docs/reference/tfvae.md"}  # of the site alone
    assert not [link for link in links if not (ROOT / link).exists() and link not in made]


def test_statements_of_the_theory_have_their_tests():
    found = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs" / "theory.md").read_text())
    assert len(found) > 20
    assert not [pair for pair in found if f"def {pair[1]}(" not in (ROOT / "tests" / pair[0]).read_text()]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 140
