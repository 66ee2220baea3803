"""A word that names data: what is here is never taken for the name of a set elsewhere."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import tfvae
from tfvae import datasets
from tfvae.app.options import Options
from tfvae.datasets import sources

HERE = {
    "mnist": None,
    "faces": None,
    "wine.xlsx": "a,b\n1,2\n",
    "text": "1 2\n",
    "data/table.txt": "1 2\n",
    "x.tar.gz": "",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with files, and folders of pictures, that TensorFlow Datasets must not be asked for."""
    monkeypatch.chdir(tmp_path)
    for name, content in HERE.items():
        path = tmp_path / name
        (path if content is None else path.parent).mkdir(exist_ok=True)
        (path / "a.png" if content is None else path).write_text(content or "")
    monkeypatch.setattr(datasets, "read_tfds", lambda name, *_: pytest.fail(f"TFDS was asked for {name}"))
    return tmp_path


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("spelt", ["{name}", "./{name}", "{here}/{name}"])
def test_what_is_here_is_refused_with_a_way_that_works(name, spelt, here):
    with pytest.raises(tfvae.InvalidInput) as error:
        datasets.load(spelt.format(name=name, here=here))
    kind = "a folder" if HERE[name] is None else "a file of another kind"
    said = str(error.value)
    assert f"Received {kind}." in said and (f"'{name}:*.*.*'" in said) == ("." not in name)
    written = re.search(r"numpy\.savez\('(.*)', x=\.\.\.\)", said)[1]
    np.savez(written, x=np.ones([20, 2]))
    assert datasets.load(written).event_shape == (2,)


@pytest.mark.parametrize(
    "word", ["none.xlsx", "./none", "/none/x", "../none", "~/x.npz", "none.npz", "a/none.npz", "a/NONE.NPY", "."]
)
def test_what_cannot_be_a_name_is_a_path_that_does_not_exist(word, here):
    with pytest.raises(
        tfvae.InvalidInput, match="an .npz or .npy file at .* (Received no such file.*working folder|Received a folder)"
    ):
        datasets.load(word)


@pytest.mark.parametrize("name", ["x.NPZ", "x.Npy", "X.npz"])
def test_the_case_of_an_ending_does_not_count(name, here):
    x = np.random.default_rng(0).normal(size=(20, 2))
    with open(name, "wb") as file:
        np.save(file, x) if name.lower().endswith("npy") else np.savez(file, x=x)
    assert datasets.load(name).event_shape == (2,)
    assert Options.of(name, likelihood="normal").source == os.path.realpath(name)


@pytest.mark.parametrize(
    "name", ["mnits", "mnist:*.*.*", "mnist:3.0.1", "emnist/letters", "fashion-mnist", "c4/en.noclean"]
)
def test_a_name_is_left_to_tensorflow_datasets(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    assert not sources.is_path(name) and Options.of(name).source == name


def test_the_digits_stay_the_digits(here):
    (here / "digits").mkdir()
    assert datasets.load("digits").event_shape == (8, 8, 1)


@pytest.mark.slow
def test_a_process_says_it_in_one_line(here):
    words = [sys.executable, "-m", "tfvae_cli", "train", "mnist"]
    root = os.path.dirname(os.path.dirname(tfvae.__file__))
    ended = subprocess.run(words, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1 and "Received a folder." in ended.stderr
