"""What the package says of itself where it is installed: its metadata, its files, and what it asks for."""

import ast
import re
import shutil
import subprocess
import sys
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import tfvae

ROOT = Path(__file__).parents[1]
PACKAGES = ("tfvae", "tfvae_cli")
PROJECTS = {"sklearn": "scikit-learn"}  # where a project's name is not that of its module


@pytest.fixture(scope="module")
def described(tmp_path_factory) -> tuple[Message, list[str]]:
    """The metadata, and the files of a source archive, of a copy of the project."""
    folder = tmp_path_factory.mktemp("project")
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    words = [sys.executable, "setup.py", "-q", "egg_info"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    metadata = Parser().parsestr((folder / "tfvae.egg-info" / "PKG-INFO").read_text())
    return metadata, (folder / "tfvae.egg-info" / "SOURCES.txt").read_text().splitlines()


def project(requirement: str) -> str:
    """Returns the name of a requirement's project, as an index compares it."""
    return re.sub("[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def test_the_metadata_describe_the_package(described):
    metadata, _ = described
    assert metadata["Name"] == "tfvae" and metadata["Version"] == tfvae.__version__
    assert metadata["License"] == "Apache-2.0" and metadata["License-File"] == "LICENSE"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert (ROOT / "README.md").read_text() in metadata.as_string()
    classifiers = metadata.get_all("Classifier")
    pythons = [f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)]
    assert set(pythons) <= set(classifiers) and metadata["Requires-Python"] == ">=3.11,<3.14"
    assert "Typing :: Typed" in classifiers and (ROOT / "tfvae" / "py.typed").exists()


def test_each_project_is_asked_for_once_and_what_is_imported_is_asked_for(described):
    metadata, _ = described
    names = [project(line) for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    extras = {project(line) for line in metadata.get_all("Requires-Dist") if "extra ==" in line}
    assert len(names) == len(set(names)), names
    pinned = [project(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    assert len(pinned) == len(set(pinned)) and set(names) <= set(pinned)
    optional = {"matplotlib", "pandas", "pyarrow"}
    assert imported() - optional <= set(names) and optional <= extras


def imported() -> set[str]:
    """Returns the projects outside the standard library that the files of the package import."""
    found = set()
    for path in (path for name in PACKAGES for path in (ROOT / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.partition(".")[0])
    return {project(PROJECTS.get(name, name)) for name in found - {*PACKAGES, *sys.stdlib_module_names}}


def test_the_source_archive_holds_the_package_and_not_its_tests(described):
    _, files = described
    shipped = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    shipped |= {"tfvae_cli/table.json"}
    assert shipped | {"LICENSE", "README.md", "CHANGELOG.md", "setup.py", "tfvae/py.typed"} <= set(files)
    assert not [name for name in files if name.startswith(("tests/", "benchmarks/"))]


@pytest.mark.parametrize("name", ["callbacks", "datasets", "evaluation", "plotting"])
def test_the_help_of_a_package_is_one_screen_with_every_public_name(name):
    package = getattr(tfvae, name)
    text = package.__doc__
    assert not [public for public in package.__all__ if not re.search(rf"\b{public}\b", text)]
    assert text.count("\n") < 50
