"""Two versions of the package side by side, each in a folder that holds nothing else, and processes that import one.

folder/tfvae    copied from a revision or a folder;    cwd = folder, PYTHONPATH = this repository

Python looks into the working folder first, so `tfvae` is the version's, and everything else, this benchmark included,
is the same for both. Only what both versions offer may be used: `VAE`, `compile`, `fit`, ...
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def place(version: str, folder: Path) -> Path:
    """Copies the package of a version into a new folder; returns the folder.

    Args:
        version: a folder with `tfvae/` in it, or a revision of this repository.
        folder: to be made.

    Raises:
        SystemExit: if it is neither.
    """
    folder.mkdir(parents=True)
    if Path(version, "tfvae").is_dir():
        shutil.copytree(Path(version, "tfvae"), folder / "tfvae", ignore=shutil.ignore_patterns("__pycache__"))
        return folder
    archive = subprocess.run(["git", "archive", version, "tfvae"], cwd=ROOT, capture_output=True)
    if archive.returncode:
        sys.exit(f"{version} is neither a folder with tfvae/ nor a revision: {archive.stderr.decode().strip()}")
    with tempfile.TemporaryFile() as file:
        file.write(archive.stdout)
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            tar.extractall(folder, filter="data")
    return folder


def environment() -> dict[str, str]:
    """Returns the environment of a process that works in a tree."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}


def command(module: str, *words: object) -> list[str]:
    """Returns the command that runs a module of this benchmark."""
    return [sys.executable, "-m", f"benchmarks.unchanged.{module}", *map(str, words)]


def work(tree: Path, module: str, *words: object) -> None:
    """Runs a module in a tree; raises `RuntimeError` with the end of what it said if it fails."""
    done = subprocess.run(
        command(module, *words), cwd=tree, env=environment(), stdout=sys.stderr, stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{module} {words} failed:\n{done.stderr[-3000:]}")


def check_import(package: str) -> None:
    """Raises `RuntimeError` if this process has imported another tfvae than that of its working folder."""
    if Path(package).parents[1] != Path.cwd():
        raise RuntimeError(f"tfvae came from {package}, not from {Path.cwd()}")
