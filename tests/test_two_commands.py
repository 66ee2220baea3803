"""Two commands in one folder at the same time, real processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tfvae

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tfvae.__file__).parents[1])}
SMALL = "--epochs 2 --hidden 4 --latent-dim 2 --eval-samples 2".split()


def started(*words):
    command = [sys.executable, "-m", "tfvae.app.cli", *words]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 1])
def test_of_two_that_train_into_one_folder_one_ends_and_one_is_refused(seconds, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 2, [60, 4]))
    words = ["train", str(tmp_path / "x.npy"), "--out", str(tmp_path / "run"), *SMALL]
    first = started(*words)
    time.sleep(seconds)
    second = started(*words)
    said = {process.communicate(timeout=500)[1].splitlines()[-1]: process.returncode for process in (first, second)}
    assert sorted(said.values()) == [0, 2]
    refused = next(line for line, code in said.items() if code == 2)
    assert refused.startswith("tfvae: Expected") and ("another --out" in refused or "in use" in refused)
    assert (tmp_path / "run" / "card.md").exists() and not list(tmp_path.glob(".tmp-*"))


@pytest.mark.slow
def test_of_two_that_resume_one_run_one_ends_and_one_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 2, [60, 4]))
    run = str(tmp_path / "run")
    assert started("train", str(tmp_path / "x.npy"), "--out", run, *SMALL).wait() == 0
    for name in ("scores.npz", "report.html", "card.md"):
        (tmp_path / "run" / name).unlink()
    processes = [started("train", "--resume", run) for _ in range(3)]
    codes = [process.wait() for process in processes]
    assert set(codes) <= {0, 2} and 0 in codes
    assert started("train", "--resume", run).wait() == 0
