"""Wrong use of the command line, and a disk that fails: one line, and no trace."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from run_folder import PICTURES, SMALL, contents

import tfvae
from tfvae import callbacks, evaluation, files
from tfvae.app import folder as app_folder
from tfvae.app import provenance, run
from tfvae.app.options import WORDS, Options
from tfvae_cli import LEVEL, main

# How it refuses. Each row: words (with {run}, a complete run, {here}, an empty folder), what the one line says.


def damaged(run_folder, name, content):
    (run_folder / name).write_bytes(content)


def foreign_model(run_folder, here):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save(run_folder / "model.keras")
    (run_folder / files.SEAL).unlink()


def array(name, value):
    return lambda run_folder, here: np.save(here / name, value)


WRONG_USE = {
    "no command": ("", None, "required: COMMAND"),
    "unknown command": ("fly", None, "invalid choice: 'fly'"),
    "no source": ("train", None, "SOURCE"),
    "unknown data set": ("train nosuchdata", None, "nosuchdata"),
    "no epoch": ("train digits --epochs 0", None, "epochs=0"),
    "half an epoch": ("train digits --epochs 2.5", None, "invalid int value: '2.5'"),
    "negative beta": ("train digits --beta -1", None, "beta=-1.0"),
    "beta nan": ("train digits --beta nan", None, "beta=nan"),
    "negative learning rate": ("train digits --learning-rate -0.1", None, "learning rate"),
    "learning rate nan": ("train digits --learning-rate nan", None, "learning rate"),
    "constant learning rate nan": ("train digits --learning-rate nan --schedule constant", None, "learning rate"),
    "no latent dimension": ("train digits --latent-dim 0", None, "latent_dim=0"),
    "no hidden units": ("train digits --hidden 0", None, "units=0"),
    "negative batch size": ("train digits --batch-size -3", None, "batch_size=-3"),
    "no patience": ("train digits --patience 0", None, "patience=0"),
    "beta of iwae": ("train digits --objective iwae --beta 2", None, "beside --objective iwae.*--num-samples only"),
    "samples of miwae": ("train digits --objective miwae --num-samples 9", None, "no --num-samples beside"),
    "columns": ("train digits --likelihood columns", None, "--recipe tabular"),
    "target of geco": ("train digits --objective geco", None, "needs target.*--recipe geco"),
    "no samples": ("train digits --objective iwae --num-samples 0", None, "num_samples=0"),
    "unknown word": ("train digits --binarization maybe", None, "invalid choice: 'maybe'"),
    "grey values for Bernoulli": ("train digits --binarization none", None, "support of Bernoulli"),
    "missing file": ("train {here}/x.npy", None, "no such file"),
    "truncated file": ("train {here}/x.npz", lambda r, here: (here / "x.npz").write_bytes(b"PK\x03\x04"), "readable"),
    "nan in data": ("train {here}/x.npy --likelihood normal", array("x.npy", np.full([99, 3], np.nan)), "NaN"),
    "convolution of a table": (
        "train {here}/x.npy --likelihood normal --network conv", array("x.npy", np.ones([99, 3])), "an image shape"
    ),
    "folder with a run": ("train digits --out {run}", None, "--resume .*another --out"),
    "folder with files": ("train digits --out {here}", lambda r, here: (here / "a").touch(), "Give another --out"),
    "folder is a file": ("train digits --out {here}/a", lambda r, here: (here / "a").touch(), "Give another --out"),
    "folder below a file": ("train digits --out {here}/a/b", lambda r, here: (here / "a").touch(), "{here}/a"),
    "resume nothing": ("train --resume {here}/none", None, "no such folder"),
    "resume a foreign folder": ("train --resume {here}", None, "without config.json"),
    "truncated config": ("train --resume {run}", lambda r, h: damaged(r, "config.json", b'{"form'), "not JSON"),
    "foreign config": ("train --resume {run}", lambda r, h: damaged(r, "config.json", b'{"a": 1}'), "something else"),
    "config of a list": ("evaluate {run}", lambda r, h: damaged(r, "config.json", b"[]"), "something else"),
    "binary config": ("evaluate {run}", lambda r, h: damaged(r, "config.json", b"\xff\x00"), "not JSON"),
    "unknown option in config": (
        "evaluate {run}", lambda r, h: (r / "config.json").write_text(
            (r / "config.json").read_text().replace('"beta"', '"gamma"')), "gamma"
    ),
    "resume with another option": ("train --resume {run} --latent-dim 4", None, "--latent-dim 3.* 4"),
    "resume with another source": ("train mnist --resume {run}", None, "digits.* mnist"),
    "resume elsewhere": ("train --resume {run} --out {here}/b", None, "Leave --out out"),
    "evaluate nothing": ("evaluate {here}/none", None, "no such folder"),
    "evaluate without samples": ("evaluate {run} --num-samples 0", None, "num_samples=0"),
    "evaluate an unknown split": ("evaluate {run} --split all", None, "invalid choice: 'all'"),
    "unfinished run": ("evaluate {run}", lambda r, h: (r / "model.keras").unlink(), "--resume"),
    "truncated model": ("sample {run}", lambda r, h: damaged(r, "model.keras", b"PK\x03\x04"), "whole model"),
    "foreign model": ("export {run} {here}/b", foreign_model, "tfvae.VAE"),
    "no draws": ("sample {run} --count 0", None, "count=0"),
    "unknown kind of file": ("sample {run} --out {here}/x.jpg", None, ".png, .npy, .npz"),
    "draws into a missing folder": ("sample {run} --out {here}/b/x.png", None, "existing folder"),
    "version that exists": ("export {run} {run}/saved_model/1", None, "does not exist yet"),
}  # fmt: skip


@pytest.mark.parametrize("row", WRONG_USE)
def test_wrong_use_is_one_line_and_leaves_no_trace(row, copy, tmp_path, capsys, monkeypatch):
    words, prepare, message = WRONG_USE[row]
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    if prepare:
        prepare(copy, here)
    before = contents(tmp_path)
    capsys.readouterr()

    assert main([word.format(run=copy, here=here) for word in words.split()]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and said.startswith("tfvae")
    assert "Traceback" not in said
    assert re.search(message.replace("{here}", str(here)), said), said
    assert contents(tmp_path) == before
    assert not (here / "runs").exists()


def test_a_run_in_use_is_refused(copy, capsys):
    with files.sole_user(copy):
        assert main(["train", "--resume", str(copy)]) == 2
    assert "in use" in capsys.readouterr().err


def test_data_that_changed_since_are_refused(tmp_path, capsys, without_pages):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(90, 3)))
    words = ["train", str(tmp_path / "x.npy"), "--likelihood", "normal", "--out", str(tmp_path / "run"), *SMALL]
    assert main(words) == 0
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(90, 3)))
    assert main(["train", "--resume", str(tmp_path / "run")]) == 2
    assert "as at the start of this run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("was", "now", "changed"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1}, {}, [("a", 1, None)]),
        ({}, {"a": 1}, [("a", None, 1)]),
        ({"a": 1, "b": 2, "c": 3}, {"b": 4, "c": 3}, [("a", 1, None), ("b", 2, 4)]),
    ],
)
def test_a_change_is_an_entry_that_is_gone_new_or_different(was, now, changed):
    assert provenance.changes(was, now) == changed


def test_other_versions_than_at_the_start_are_named(copy, caplog):
    text = (copy / "config.json").read_text()
    (copy / "config.json").write_text(text.replace(f'"tfvae": "{tfvae.__version__}"', '"tfvae": "0.0.1"'))
    run.resume(copy)
    assert f"tfvae 0.0.1 -> {tfvae.__version__}" in caplog.text


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_refused_from_python_too(word):
    with pytest.raises(tfvae.InvalidInput, match=f"{word}='none of them'"):
        Options.of("digits", **{word: "none of them"})


def test_the_same_from_python_is_refused_too(trained, tmp_path):
    with pytest.raises(tfvae.InvalidInput, match="split to be one of train, valid, test"):
        run.evaluate(trained, split="all")
    (tmp_path / "history.csv").write_text("epoch,elbo\n1,low\n")
    for path in (tmp_path / "history.csv", tmp_path / "none.csv"):
        with pytest.raises(tfvae.InvalidInput, match="a history file at"):
            callbacks.read_history(path)


def test_an_interrupted_run_says_how_to_go_on(copy, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    (copy / "metrics.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "evaluate", interrupt)
        assert main(["train", "--resume", str(copy)]) == 130
    said = capsys.readouterr().err
    assert said == f"tfvae: interrupted. Go on with: tfvae train --resume {copy}\n"
    assert main(said.split("tfvae ")[-1].split()) == 0


def test_divergence_is_one_line(tmp_path, capsys):
    words = "--learning-rate 1e30 --schedule constant".split()
    words = ["train", "digits", "--out", str(tmp_path / "run"), *SMALL, *words]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert re.search(r"not finite.*under a learning rate of 1e\+30: lower it", said) and len(said.splitlines()) == 1
    assert "another --out" in said and "--resume" not in said
    assert main(["train", "--resume", str(tmp_path / "run")]) == 1
    assert not (tmp_path / "run" / "model.keras").exists()


def test_pictures_wait_for_matplotlib(copy, caplog, monkeypatch):
    shutil.rmtree(copy / "pictures")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        assert main(["train", "--resume", str(copy)]) == 0
    assert "pip install tfvae[plots]" in caplog.text and not (copy / "pictures").exists()
    assert main(["train", "--resume", str(copy)]) == 0
    assert {path.name for path in (copy / "pictures").iterdir()} == PICTURES


def test_debug_shows_the_traceback(copy):
    (copy / "model.keras").unlink()
    with pytest.raises(tfvae.InvalidInput):
        main(["evaluate", str(copy), "--debug"])


def test_a_mistake_of_ours_shows_its_traceback(copy, monkeypatch):
    monkeypatch.setattr(evaluation, "evaluate", lambda *arguments, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["evaluate", str(copy)])


@pytest.fixture
def disk(tmp_path):
    """Mounts a small disk of its own: call it with the options of mount."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(place)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
        return place

    yield mount
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True)


def test_a_read_only_disk_is_one_line(trained, disk, capsys):
    place = disk("ro,size=1m")
    for words in (
        ["train", "digits", "--out", str(place / "run"), *SMALL],
        ["sample", str(trained), "--out", str(place / "x.png")],
        ["export", str(trained), str(place / "served")],
    ):
        assert main(words) == 1, words
        said = capsys.readouterr().err
        assert "Read-only file system" in said and len(said.splitlines()) == 1


def fill(disk, kilobytes, capsys):
    place = disk(f"size={kilobytes}k")
    assert main(["train", "digits", "--out", str(place / "run"), *SMALL]) == 1
    said = capsys.readouterr().err
    assert "No space left" in said and len(said.splitlines()) == 1 and "--resume" in said and "None" not in said, said
    left = {path.name for path in (place / "run").iterdir()}
    disk("remount,size=64m")
    assert main(["train", "--resume", str(place / "run")]) == 0
    made = {artifact.name for artifact in app_folder.ARTIFACTS}
    assert {path.name for path in (place / "run").iterdir()} == made | {files.SEAL} > left - {"checkpoints"}


@pytest.mark.parametrize("kilobytes", [8, 300])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_space(kilobytes, disk, capsys, without_pages):
    """It is full in the first epoch, or when training has ended."""
    fill(disk, kilobytes, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [40, 200, 400, 800])
def test_a_disk_that_is_full_at_any_moment_is_one_line(kilobytes, disk, capsys):
    """Also in a checkpoint, in the SavedModel and in the page."""
    fill(disk, kilobytes, capsys)


def test_a_real_process_ends_with_its_exit_code(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "tfvae_cli", "evaluate", "none"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != LEVEL}
        | {"PYTHONPATH": str(Path(tfvae.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2 and ended.stdout == ""
    assert re.fullmatch("tfvae: Expected a run folder at none.*\n", ended.stderr)
