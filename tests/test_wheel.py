"""The wheel, installed into an empty environment: it needs nothing of the clone.

Its dependencies are those of the environment that runs the tests, so that nothing is downloaded.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from documents import BLOCKS, ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The programs of an environment that has the wheel, and of tfvae nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("tfvae", "tfvae_cli"):
        shutil.copytree(ROOT / name, folder / "project" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "README.md", "LICENSE", "MANIFEST.in", "pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, folder / "project")
    words = "-m pip --disable-pip-version-check --quiet".split()
    subprocess.run(
        [
            sys.executable,
            *words,
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(folder),
            str(folder / "project"),
        ],
        check=True,
    )
    subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True)
    programs = folder / "env" / "bin"
    (wheel,) = folder.glob("tfvae-*.whl")
    subprocess.run([programs / "python", *words, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    (site,) = folder.glob("env/lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return programs


def run(folder: Path, *words: str | Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_the_example_of_the_readme_runs(installed, tmp_path):
    code = BLOCKS["README.md", "Fit, score, save, serve"].replace("epochs=20", "epochs=1")
    said = run(tmp_path, installed / "python", "-c", f"{code}\nprint(tfvae.__file__)")
    assert Path(said.splitlines()[-1]).is_relative_to(installed.parent)
    assert (tmp_path / "digits.keras").exists() and (tmp_path / "exported/digits/1/saved_model.pb").exists()


@pytest.mark.slow
def test_the_command_line_trains(installed, tmp_path):
    run(tmp_path, installed / "tfvae", *"train digits --epochs 1 --hidden 8 --eval-samples 5 --out run".split())
    assert (tmp_path / "run" / "report.html").exists()
