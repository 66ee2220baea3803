"""A run folder in use: data that changed, damaged files, two commands at once, a place that cannot be written."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import damage
import numpy as np
import pytest

from tfvae import VAE, files
from tfvae.app import folder, provenance, run
from tfvae.app.cli import main
from tfvae.app.folder import ARTIFACTS
from tfvae.callbacks import Checkpoint, HistoryFile
from tfvae.core.errors import InvalidInput

LOST = {"history.csv", "alarms.json", "model.keras"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Holds a finished run, a stopped one, and their data."""
    place = tmp_path_factory.mktemp("place")
    damage.make(place)
    return place


@pytest.fixture
def copy(place, tmp_path):
    return shutil.copytree(place / "run", tmp_path / "run")


@pytest.fixture
def stopped(place, tmp_path):
    return shutil.copytree(place / "stopped", tmp_path / "run")


@pytest.fixture
def unfinished(stopped, monkeypatch):
    """A run that has an epoch left, which must not be reached."""
    shutil.rmtree(stopped / "checkpoints" / "epoch-000002")
    monkeypatch.setattr(HistoryFile, "on_epoch_end", lambda *_: pytest.fail("an epoch was trained"))
    return stopped


@pytest.fixture
def without_pictures(monkeypatch):
    """Runs of this process end with their figures."""
    names = [artifact.name for artifact in ARTIFACTS]
    monkeypatch.setattr(folder, "ARTIFACTS", ARTIFACTS[: names.index("metrics.json") + 1])


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


# Data that changed.


@pytest.fixture
def data(place):
    path = place / "data.npy"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


CHANGED = {
    "a row more": (lambda x: np.vstack([x, x[:1]]), "sizes"),
    "a value": (lambda x: np.where(np.arange(len(x))[:, None] == 5, 1 - x, x), "crc32"),
    "columns permuted": (lambda x: x[:, ::-1], "crc32"),
    "rows permuted": (lambda x: np.roll(x, 1, axis=0), "crc32"),
    "another shape": (lambda x: x.reshape(60, 2, 2), "examples float32 (4,)"),
    "another shape, another number": (lambda x: x.reshape(30, 8), "examples float32 (4,)"),
    "another dtype": (lambda x: x.astype("uint8"), "examples float32 (4,)"),
    "labels": (lambda x: {"x": x, "y": np.arange(60)}, "source|labels"),
}


@pytest.mark.parametrize("change", CHANGED)
def test_data_that_changed_since_the_training_are_not_scored(place, data, change, capsys):
    how, named = CHANGED[change]
    new = how(np.load(data))
    if isinstance(new, dict):
        np.savez(data.with_suffix(""), **new)
        shutil.move(data.with_suffix("").with_suffix(".npz"), data)
    else:
        np.save(data, new)
    for words in (["evaluate", str(place / "run")], ["evaluate", str(place / "run"), "--split", "train"]):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert re.search(f"Expected data with (?:{named.replace('(', '[(]').replace(')', '[)]')})", said), said
        assert "as at the start of this run" in said and len(said.splitlines()) == 1
    assert main(["train", "--resume", str(place / "run")]) == 2


def test_a_run_of_the_version_before_is_compared_by_what_it_wrote(place):
    """Its protocol has neither the kind of the examples nor the labels."""
    config, _ = provenance.read_config(place / "run")
    was = config["data"]
    old = {name: value for name, value in was.items() if name not in provenance.ADDED}
    provenance.check_data({"data": old}, was)
    for gone in old:
        with pytest.raises(InvalidInput, match=f"data with {gone} None"):
            provenance.check_data({"data": {n: v for n, v in old.items() if n != gone}}, was)
    with pytest.raises(InvalidInput, match="data with source mnist/3.0.1"):
        provenance.check_data({"data": {**old, "source": "mnist/3.0.1"}}, was)


# Files that were damaged.


def add_own(folder):
    """Adds what people add: notes, a drawing, an exported version, a page of an evaluation."""
    for name in (
        "notes.txt",
        "samples.png",
        "report-test-9-9.html",
        "pictures/mine.png",
        "saved_model/2/saved_model.pb",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")


def test_what_people_add_is_no_damage(copy, caplog):
    add_own(copy)
    before = contents(copy)
    assert main(["train", "--resume", str(copy)]) == 0
    assert contents(copy) == before and not caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_what_was_damaged_is_made_again_and_nothing_else(copy, how, caplog):
    before = contents(copy)
    add_own(copy)
    names = [
        "scores.npz",
        "metrics.json",
        "report.html",
        "card.md",
        "pictures/samples.png",
        "saved_model/1/saved_model.pb",
    ]
    for name in names:
        (copy / name).unlink() if how == "gone" else (copy / name).write_bytes(before[name][:-9])
    kept = {name: (copy / name).stat().st_ino for name in (*LOST, "config.json", "notes.txt")}
    assert main(["train", "--resume", str(copy)]) == 0
    assert all(name.split("/")[0] in caplog.text for name in names)
    assert {name: (copy / name).stat().st_ino for name in kept} == kept
    after = contents(copy)
    for name in set(before) - {"scores.npz", files.SEAL} - {n for n in before if n.startswith("saved_model")}:
        assert after[name] == before[name], name
    assert (copy / "saved_model/2/saved_model.pb").read_text() == (copy / "pictures/mine.png").read_text() == "mine"
    assert files.is_whole(copy)
    caplog.clear()
    assert main(["train", "--resume", str(copy)]) == 0 and not caplog.text


@pytest.mark.parametrize("how", ["cut", "gone", "a folder"])
@pytest.mark.parametrize("name", sorted(LOST))
def test_what_only_training_makes_is_refused_by_name(copy, name, how, capsys):
    was = (copy / name).read_bytes()
    (copy / name).unlink()
    if how != "gone":
        (copy / name).write_bytes(was[:-1]) if how == "cut" else (copy / name).mkdir()
    (copy / "card.md").write_text("damaged")
    before = contents(copy)
    assert main(["train", "--resume", str(copy)]) == 2
    said = capsys.readouterr().err
    assert f"Expected {name} in {copy} as training left it." in said and "another --out" in said
    assert contents(copy) == before
    if how == "a folder":
        (copy / name).rmdir()
    (copy / name).write_bytes(was)
    assert main(["train", "--resume", str(copy)]) == 0


@pytest.mark.parametrize("words", [["evaluate"], ["sample"], ["export", "served"]])
def test_a_model_that_was_changed_is_not_used(copy, words, capsys, monkeypatch, tmp_path):
    """Also where it could be loaded: Keras does not see a bit that was flipped in a weight."""
    monkeypatch.chdir(tmp_path)
    model = copy / "model.keras"
    model.write_bytes(model.read_bytes() + b"x")
    assert main([words[0], str(copy), *words[1:]]) == 2
    assert "the whole model that training left" in capsys.readouterr().err


def test_a_changed_config_is_said(copy, caplog):
    text = (copy / "config.json").read_text()
    (copy / "config.json").write_text(text.replace('"command": "', '"command": "nice ').replace("null", "null "))
    assert main(["train", "--resume", str(copy)]) == 0
    assert "config.json is not what it was" in caplog.text


def test_a_run_of_the_version_before_gets_its_seal(copy, caplog):
    (copy / files.SEAL).unlink()
    before = contents(copy)
    assert main(["train", "--resume", str(copy)]) == 0
    assert not caplog.text and files.is_whole(copy)
    assert {name: text for name, text in contents(copy).items() if name != files.SEAL} == before


@pytest.mark.parametrize("name", ["scores.npz", "metrics.json"])
@pytest.mark.parametrize("content", [b"PK\x03\x04", b"", b"{}", b"[1]", ...])
def test_figures_that_cannot_be_read_are_scored_again_without_a_seal_too(copy, name, content, without_pictures):
    """... stands for the arrays, or the report, of another run."""
    (copy / files.SEAL).unlink()
    before = (copy / "metrics.json").read_bytes()
    if content is ... and name == "metrics.json":
        content = before.replace(b'"examples": 10', b'"examples": 11')
    elif content is ...:
        np.savez(copy / name, log_prob=np.zeros(3))
    if content is not ...:
        (copy / name).write_bytes(content)
    assert main(["train", "--resume", str(copy)]) == 0
    assert (copy / "metrics.json").read_bytes() == before
    assert files.read_arrays(copy / "scores.npz")["log_prob"].shape == (10,)


# Damaged options, checkpoints, models.

OPTIONS = {
    "a list": {"source": ["digits"]}, "a number": {"source": 7}, "nested": {"hidden": [[4]]},
    "no list": {"hidden": "4"},
    "beyond floats": {"beta": 10**400}, "a word": {"latent_dim": "2"}, "half": {"epochs": 2.5}, "true": {"seed": True},
    "infinite": {"seed": float("inf")}, "a dict": {"likelihood": {}}, "no bool": {"jit": 1},
    "NUL": {"source": "\0.npy"},
    "unknown": {"depth": 2}, "unknown word": {"network": "mpl"}, "folder": {"data_dir": 5},
}  # fmt: skip


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_of_another_kind_are_refused_by_name(place, kind, tmp_path):
    found = json.loads((place / "run" / "config.json").read_text())
    found["options"] |= OPTIONS[kind]
    (tmp_path / "config.json").write_text(json.dumps(found))
    with pytest.raises(InvalidInput, match=next(iter(OPTIONS[kind]))):
        provenance.read_config(tmp_path)[1].load_data()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("versions", {"keras": 3}),
        ("versions", []),
        ("data", None),
        ("options", 3),
        ("command", 5),
        ("git_revision", {}),
        ("created", None),
    ],
)
def test_a_config_of_another_kind_is_refused_by_name(place, part, value, tmp_path):
    found = json.loads((place / "run" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**found, part: value}))
    with pytest.raises(InvalidInput, match=part):
        provenance.read_config(tmp_path)


STATES = {
    "no state": b"[]", "no JSON": b"{", "other kinds": b'{"epoch": "2", "stopped": 0, "history": {}, "callbacks": {}}',
    "another epoch": b'{"epoch": 7, "stopped": false, "history": {}, "callbacks": {}}',
    "no array": b'{"epoch": {"__array__": "x"}, "stopped": false, "history": {}, "callbacks": {}}',
}  # fmt: skip


@pytest.mark.parametrize("file", ["model.keras", "arrays.npz", *STATES])
def test_a_sealed_checkpoint_with_bad_content_gives_way_to_an_older_one(stopped, file, caplog):
    newest = stopped / "checkpoints" / "epoch-000002"
    (newest / ("state.json" if file in STATES else file)).write_bytes(STATES.get(file, b"PK\x03\x04"))
    files.seal(newest)
    checkpoint = Checkpoint(stopped / "checkpoints")
    assert isinstance(checkpoint.restore(), VAE) and checkpoint.initial_epoch == 1
    assert f"{newest} is damaged and is left out" in caplog.text and not newest.exists()


def test_checkpoints_of_which_none_can_be_read_all_stay(stopped, capsys):
    """They may be whole: a class that was not imported looks the same."""
    for path in (stopped / "checkpoints").iterdir():
        (path / "model.keras").write_bytes(b"PK\x03\x04")
        files.seal(path)
    assert main(["train", "--resume", str(stopped)]) == 2
    assert "a whole model at" in capsys.readouterr().err
    assert len(list((stopped / "checkpoints").iterdir())) == 2


# Two commands, and places that cannot be written.


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_second_of_two_that_make_one_folder_is_refused(place, moment, tmp_path, monkeypatch, capsys):
    """The first made it while the second was reading the data; its config is there, or other files."""
    target, real = tmp_path / "run", folder.start

    def late(second):
        shutil.copytree(place / "run", target)
        if moment == "before":
            (target / "config.json").rename(target / "other")
        real(second)

    monkeypatch.setattr(run, "start", late)
    assert main(["train", str(place / "data.npy"), "--out", str(target), "--hidden", "4", "--epochs", "1"]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "another --out" in said
    assert not list(tmp_path.glob(".tmp-*"))


@pytest.mark.parametrize("name", ["checkpoints", "history.csv", "alarms.json"])
def test_what_stands_in_the_place_of_a_file_is_seen_before_an_epoch(unfinished, name, capsys):
    shutil.rmtree(unfinished / name) if name == "checkpoints" else (unfinished / name).unlink(missing_ok=True)
    (unfinished / name).mkdir() if "." in name else (unfinished / name).touch()
    assert main(["train", "--resume", str(unfinished)]) == 2
    assert str(unfinished / name) in capsys.readouterr().err


@pytest.mark.parametrize("where", ["remount,ro", "full"])
def test_a_disk_that_cannot_be_written_is_seen_before_an_epoch(unfinished, where, tmp_path, capsys, monkeypatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        shutil.copytree(unfinished, disk / "run")
        if where == "full":
            (disk / "ballast").write_bytes(
                bytes(2**20 - 4096 * 4 - sum(map(len, contents(disk).values())) // 4096 * 4096 - 2**16)
            )
            monkeypatch.setattr("tfvae.callbacks.checkpoint._size", lambda variable: 2**20)
        else:
            subprocess.run(["mount", "-o", where, str(disk)], check=True)
        assert main(["train", "--resume", str(disk / "run")]) == 1
        said = capsys.readouterr().err
        text = "No space left on device" if where == "full" else "Read-only file system"
        assert re.search(
            rf"^tfvae: {text}: {disk}/\S+\. Go on with: tfvae train --resume {disk}/run$", said, re.MULTILINE
        ), said
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], capture_output=True)
