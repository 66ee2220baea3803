"""The documentation site: what its pages are made of, and the checks that fail its build.

The build itself is `make docs`; nothing here needs MkDocs.
"""

import importlib
import re
import sys

import pytest
from documents import ROOT

import tfvae

sys.path.insert(0, str(ROOT / "docs" / "hooks"))

import checks  # noqa: E402
import pages  # noqa: E402


def test_the_reference_has_every_public_name():
    """The names are read from the source; here they are asked of the modules themselves."""
    modules = {m for n in tfvae.__all__ if (m := f"tfvae.{n}") in sys.modules and n != "export"}
    modules |= {"tfvae.seeds", "tfvae.sets"}
    by_name = {"tfvae.tables", "tfvae.sklearn"}  # of the extras, which `import tfvae` leaves out
    assert {"tfvae", *modules, *by_name} == set(pages.public_modules())
    text = {title: page for _, title, page in pages.reference()}
    for module in pages.public_modules():
        found = importlib.import_module(re.sub(r"^tfvae\.(seeds|sets)$", r"tfvae.core.\1", module))
        names = {n for n in found.__all__ if not n.startswith("__") and f"{module}.{n}" not in pages.public_modules()}
        assert {name for owner, name in pages.documented() if owner == module} == names
        assert not [name for name in names if not re.search(rf'"{name}"|::: \S+\.{name}\n', text[module])]
    assert not [name for name in pages.METHODS if not callable(getattr(tfvae.VAE, name))]


@pytest.fixture
def site(tmp_path):
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "a.html").write_text('<h2 id="m.there"></h2><h2 id="m.fit.fit"></h2><a href="#m.there">')
    (tmp_path / "index.html").write_text(
        '<a href="reference/a.html#m.there">x</a><a href="https://elsewhere.org/">y</a>'
    )
    return tmp_path


def test_a_site_without_faults_has_none(site):
    found = checks.read(site)
    assert not [*checks.missing(found, [("m", "there"), ("m", "fit")]), *checks.dead(found), *checks.foreign(found)]


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ('<a href="gone.html">', "index.html leads to gone.html, which is not there"),
        ('<a href="reference/a.html#gone">', "index.html leads to reference/a.html#gone, which is not there"),
        ('<img src="gone.png">', "index.html leads to gone.png, which is not there"),
        ('<script src="https://cdn.org/x.js">', "index.html fetches https://cdn.org/x.js"),
        ('<link href="//fonts.org/x.css">', "index.html fetches //fonts.org/x.css"),
    ],
)
def test_a_link_that_is_dead_or_leaves_the_site_is_named(site, link, said):
    (site / "index.html").write_text(link)
    found = checks.read(site)
    assert [*checks.dead(found), *checks.foreign(found)] == [said]


def test_a_name_that_the_reference_lacks_is_named(site):
    assert list(checks.missing(checks.read(site), [("m", "gone")])) == [
        "m.gone is public, and the reference does not have it"
    ]


def test_a_notebook_is_a_page_with_its_code_and_what_it_drew(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text(
        '{"cells": [{"cell_type": "markdown", "source": ["# Title\\n", "text"]},'
        '{"cell_type": "code", "source": ["1 + 1"], "outputs": [{"data": {"text/plain": ["2"]}}]},'
        '{"cell_type": "code", "source": "draw()", "outputs": [{"data": {"image/png": "AAAA", "text/plain": "f"}}]}]}'
    )
    text = pages.notebook(path)
    assert text.startswith("# Title\ntext\n\n```py\n1 + 1\n```\n\n```text\n2\n```\n\n```py\ndraw()")
    assert "data:image/png;base64,AAAA" in text


def test_equations_and_badges_of_a_notebook_are_those_of_a_page():
    text = "[![Open](https://a.org/b.svg)](https://a.org/n) $x_1$ and `$PATH`:\n$$\ny\n$$\n"
    assert pages.of_a_page(text) == "[Open](https://a.org/n) $`x_1`$ and `$PATH`:\n\n```math\ny\n```\n\n"
