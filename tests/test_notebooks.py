"""The notebooks' form, as they stand in the files, and what `notebooks/run.py` says of one that fails.

Whether their claims hold is what `make notebooks` finds out, by executing them.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}
each = pytest.mark.parametrize("name", NOTEBOOKS)

MOST_BYTES = 700_000
COLAB = "https://colab.research.google.com/github/tfvae/tfvae/blob/main/notebooks/"
OF_MACHINES = re.compile(r"(?<![\w.])/(home|root|work|tmp|usr|opt|Users|content|mnt|var)/|[A-Z]:\\\\|\bobject at 0x")
CLAIM = re.compile(r"^\*\*Claim: .*\d.*\*\*$", re.MULTILINE)


def code(name):
    return [cell for cell in NOTEBOOKS[name].cells if cell.cell_type == "code"]


def prose(name):
    return [cell.source for cell in NOTEBOOKS[name].cells if cell.cell_type == "markdown"]


def texts(cell):
    """What a cell shows as text, one string an output."""
    for output in cell.outputs:
        yield output.get("text", "")
        yield from (value for kind, value in output.get("data", {}).items() if kind.startswith("text/"))


def test_there_are_notebooks_and_each_is_in_the_table():
    assert PATHS
    table = (FOLDER / "README.md").read_text()
    assert [path.name for path in PATHS if f"({path.name})" not in table] == []
    assert [link for link in re.findall(r"\((\w+\.ipynb)\)", table) if not (FOLDER / link).exists()] == []


@each
def test_the_top_is_a_question_a_badge_and_a_claim_in_numbers(name):
    top = prose(name)[0]
    title = top.splitlines()[0]
    assert title.startswith("# ") and title.endswith("?")
    assert f"({COLAB}{name}.ipynb)" in top
    assert CLAIM.search(top), "a bold sentence that begins with Claim: and holds a number"


@each
def test_the_setup_cell_is_the_same_everywhere(name):
    first = code(name)[0].source
    assert first == code(PATHS[0].stem)[0].source
    assert "%pip install" in first and "import tfvae" in first


@each
def test_claims_are_asserted_and_repeated_at_the_end(name):
    sources = [cell.source for cell in code(name)]
    assert re.search(r"^\s*(assert |np\.testing\.assert_)", "\n".join(sources), re.MULTILINE)
    assert "print(" in sources[-1] and code(name)[-1].outputs, "the last cell says what was measured"
    assert "Where next" in prose(name)[-1] and re.search(r"^\*\*.*\*\*", prose(name)[-1], re.MULTILINE)


@each
def test_it_was_executed_from_top_to_bottom_and_nothing_failed_or_warned(name):
    cells = code(name)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs), "a picture"


@each
def test_outputs_do_not_tell_of_the_machine(name):
    found = [text for cell in code(name) for text in texts(cell) if OF_MACHINES.search(text)]
    assert found == []
    assert all(cell.metadata == {} for cell in NOTEBOOKS[name].cells)
    assert set(NOTEBOOKS[name].metadata) <= {"kernelspec", "language_info"}
    assert set(NOTEBOOKS[name].metadata.language_info) == {"name"}


@each
def test_links_lead_to_notebooks_and_the_file_is_small(name):
    links = re.findall(r"\]\((?!https?://)([^)#]+)", "\n".join(prose(name)))
    assert [link for link in links if not (FOLDER / link).exists()] == []
    assert (FOLDER / f"{name}.ipynb").stat().st_size < MOST_BYTES


@pytest.mark.parametrize(
    "text", ["a file in /tmp/x", "saved to '/home/me/runs'", "C:\\\\Users\\\\me", "<Figure object at 0x7f>"]
)
def test_paths_and_addresses_are_found(text):
    assert OF_MACHINES.search(text)


def test_a_notebook_that_fails_is_named_with_its_cell(tmp_path):
    """Two small ones, of which one asserts what does not hold; the other's outputs are kept, by `--write`."""
    for name, source in {"01_holds": "print(1 + 1)", "02_fails": "assert 1 + 1 == 3, 'sum'"}.items():
        cells = [nbformat.v4.new_code_cell("x = 0", id="setup"), nbformat.v4.new_code_cell(source, id="claim")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    command = [sys.executable, FOLDER / "run.py", "--folder", tmp_path, "--write"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert re.search(r"01_holds\.ipynb +\d+\.\d s  ok", done.stdout) and "FAILED" in done.stdout
    assert "02_fails.ipynb, claim: AssertionError: sum" in done.stderr
    held, failed = (json.loads((tmp_path / f"{name}.ipynb").read_text()) for name in ("01_holds", "02_fails"))
    assert held["cells"][1]["outputs"][0]["text"] == ["2\n"] and held["cells"][1]["metadata"] == {}
    assert not failed["cells"][1]["outputs"]
