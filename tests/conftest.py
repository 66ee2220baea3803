"""Fixtures shared by the tests: a clean Keras for each test, tiny data, and the builder of tiny VAEs."""

import gc
import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest
import traces
from run_folder import SMALL
from slow_cases import COLLECTED, is_slow
from tiny import tiny_vae
from xdist.scheduler import LoadFileScheduling

pytest.register_assert_rewrite("dataset_cases", "first_aid_cases", "parts", "pictures", "resident_cases")


ONE_RUN = ("tests/test_cli.py", "tests/test_cli_refusals.py")  # go to one process, which makes `trained` once


class Together(LoadFileScheduling):
    """Gives each file to one process, and the files that share a run to the same one."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return ONE_RUN[0] if file in ONE_RUN else file


@pytest.hookimpl(optionalhook=True)  # of xdist, which `-p no:xdist` leaves out
def pytest_xdist_make_scheduler(config, log):
    return Together(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(config, items):
    """Marks the cases that `slow_cases` leaves to the slow run, and keeps the names of all."""
    config.stash[COLLECTED] = [item.nodeid for item in items]
    for item in items:
        if is_slow(item.nodeid):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish():
    """What TensorFlow and the tests' modules are made of stays: a collection of garbage need not walk it each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="module", autouse=True)
def clean_after_a_file():
    """Puts Keras back as it was after the fixtures that the tests of a file share."""
    with traces.undone():
        yield


@pytest.fixture(autouse=True)
def clean_keras(clean_after_a_file):
    """Fixes every global seed before a test and puts Keras back as it was after it."""
    keras.utils.set_random_seed(0)
    with traces.undone():
        yield


@pytest.fixture
def binary() -> np.ndarray:
    """Eleven examples of five binary values: in batches of four, the last one is short."""
    return np.random.default_rng(1).integers(0, 2, [11, 5]).astype(np.float32)


@pytest.fixture
def real() -> np.ndarray:
    """Eleven examples of five real values."""
    return np.random.default_rng(2).normal(size=[11, 5]).astype(np.float32)


@pytest.fixture
def make_vae():
    """Returns `tiny_vae`, for tests that need one VAE after another."""
    return tiny_vae


@pytest.fixture
def without_pages(monkeypatch):
    """Runs of this process end with their figures: what is exported, drawn and written of them comes after."""
    from tfvae.app import folder

    names = [artifact.name for artifact in folder.ARTIFACTS]
    monkeypatch.setattr(folder, "ARTIFACTS", folder.ARTIFACTS[: names.index("metrics.json") + 1])


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A complete run, which a test leaves as it is."""
    from tfvae.app.cli import main

    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "digits", "--out", str(folder), *SMALL]) == 0
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    """A run folder that a test may damage."""
    return shutil.copytree(trained, tmp_path / "run")
