"""Whole runs that are killed as processes are, and resumed: they end as one that was never killed."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed import Killed, difference

import tfvae
from tfvae.app import run
from tfvae.app.cli import main
from tfvae.evaluation import Report

OPTIONS = "--epochs 12 --hidden 32 --latent-dim 3 --schedule cosine --patience 2 --eval-samples 20".split()
COMMAND = [sys.executable, "-m", "tfvae.app.cli", "train"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tfvae.__file__).parents[1])}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main(["train", "digits", "--out", str(folder), *OPTIONS]) == 0
    return folder


def check_equal(folder, whole_run):
    largest = difference(run.load_model(folder), run.load_model(whole_run))
    print(f"largest difference of the final weights: {largest:g}")
    assert largest <= 1e-6
    assert (folder / "history.csv").read_bytes() == (whole_run / "history.csv").read_bytes()
    names = [sorted(str(p.relative_to(f)) for p in f.rglob("*")) for f in (folder, whole_run)]
    assert names[0] == names[1]
    reports = [Report.from_dict(json.loads((f / "metrics.json").read_text())["test"]) for f in (folder, whole_run)]
    for name in ("log_prob", "elbo", "distortion", "rate", "unit_activity", "kl_per_dimension"):
        assert getattr(reports[0], name) == pytest.approx(getattr(reports[1], name), abs=1e-4)


def kill_after(words, folder, ready, seconds):
    """Starts a run, waits until it holds its folder and `ready()`, then some seconds, and kills it."""
    process = subprocess.Popen(
        [*COMMAND, *words], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None and not (holds(process.pid, folder) and ready()):
            time.sleep(0.01)
        time.sleep(seconds)
    finally:
        process.kill()
    return process.wait() == -signal.SIGKILL


def holds(pid, folder):
    links = []
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            links.append(os.readlink(path))
    return str(folder) in links


only_linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at /proc to time its kills")


@only_linux
def test_a_killed_run_ends_as_one_never_killed(without_pages, tmp_path):
    folder, whole = tmp_path / "run", tmp_path / "whole"
    assert main(["train", "digits", "--out", str(whole), *OPTIONS]) == 0
    second = folder / "checkpoints" / "epoch-000002"
    assert kill_after(["digits", "--out", str(folder), *OPTIONS], folder, second.exists, seconds=0)
    assert not (folder / "model.keras").exists()
    assert main(["train", "digits", "--resume", str(folder), *OPTIONS]) == 0
    check_equal(folder, whole)


@only_linux
@pytest.mark.slow
def test_a_run_killed_at_five_random_moments_ends_as_one_never_killed(whole_run, tmp_path):
    folder, moments = tmp_path / "run", random.Random(0)
    epochs = sorted(moments.sample(range(1, 12), 4))
    targets = [*(f"checkpoints/epoch-{epoch:06d}" for epoch in epochs), "metrics.json"]
    for target in targets:
        words = ["--resume", str(folder)] if folder.exists() else ["digits", "--out", str(folder), *OPTIONS]
        killed = kill_after(words, folder, (folder / target).exists, moments.uniform(0, 0.2))
        found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        print(f"{'killed' if killed else 'ended'} after {target}, leaving {', '.join(found)}")
    assert main(["train", "--resume", str(folder)]) == 0
    check_equal(folder, whole_run)


class Disk:
    """Stands for a process that dies just before it renames a file to a name for the first time."""

    def __init__(self, monkeypatch):
        self.names, self.dead = set(), False
        for module, name in ((os, "replace"), (os, "rename")):
            monkeypatch.setattr(module, name, self.renaming(getattr(module, name)))
        for module, name in ((shutil, "rmtree"), (Path, "unlink")):
            monkeypatch.setattr(module, name, self.removing(getattr(module, name)))

    def renaming(self, real):
        def rename(source, target, **options):
            if (name := Path(target).name) not in self.names:
                self.names.add(name)
                self.dead = True
                raise Killed
            return real(source, target, **options)

        return rename

    def removing(self, real):
        return lambda *arguments, **options: None if self.dead else real(*arguments, **options)


@pytest.mark.slow
def test_a_run_killed_before_every_rename_ends_as_one_never_killed(whole_run, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        disk = Disk(patch)
        for _ in range(40):
            disk.dead = False
            started = (folder / "config.json").exists()
            words = ["--resume", str(folder)] if started else ["digits", "--out", str(folder), *OPTIONS]
            try:
                assert main(["train", *words]) == 0
                break
            except Killed:
                continue
    assert {
        "run",
        "epoch-000001",
        "epoch-000012",
        "model.keras",
        "1",
        "samples.png",
        "card.md",
        "seal.json",
    } <= disk.names
    check_equal(folder, whole_run)
