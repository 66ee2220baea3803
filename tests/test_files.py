"""Files: whole or absent, sealed, read with care, and errors that name them."""

import errno
import io
import os
import pickle
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import tfvae
from tfvae import files
from tfvae.app import provenance
from tfvae.core.errors import InvalidInput
from tfvae.core.kinds import fits, misfit
from tfvae.files import reading

HELD = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print(flush=True)
input()
"""


# Leftovers.

WRITERS = {
    "whole_file": lambda here: write(here / "a.txt"),
    "write_json": lambda here: files.write_json(here / "a.json", 1),
    "whole_folder": lambda here: make(here / "a"),
    "check_space": lambda here: files.check_space(here, 1),
    "remove_leftovers": files.remove_leftovers,
}


def write(path):
    with files.whole_file(path) as temporary:
        temporary.write_text("whole")


def make(path):
    with files.whole_folder(path) as temporary:
        (temporary / "a").touch()


@pytest.mark.parametrize("writer", WRITERS)
def test_what_killed_processes_left_is_removed_by_the_next_one_that_writes_there(writer, tmp_path):
    for name in (".tmp-0a1b2c3d4e5f-run", f".3-{'0' * 32}.partial"):
        (tmp_path / name / "variables").mkdir(parents=True)
        (tmp_path / name / "variables" / "half").touch()
    (tmp_path / ".tmp-0a1b2c3d4e5f-model.keras").touch()  # of version 0.1
    for name in (".tmp", ".tmp-notes", ".partial", "3.partial", ".3-x.partial", ".tmp-0a1b"):  # not ours
        (tmp_path / name).touch()
    WRITERS[writer](tmp_path)
    left = {path.name for path in tmp_path.iterdir()} - {"a.txt", "a.json", "a"}
    assert left == {".tmp", ".tmp-notes", ".partial", "3.partial", ".3-x.partial", ".tmp-0a1b"}


def test_what_a_running_process_is_writing_is_left_alone(tmp_path):
    with files.whole_folder(tmp_path / "a") as folder, files.whole_file(tmp_path / "b") as file:
        file.write_text("b")
        for writer in WRITERS.values():
            writer(tmp_path / "a") if writer is files.remove_leftovers else writer(tmp_path)
            shutil.rmtree(tmp_path / "a", ignore_errors=True)
        assert folder.is_dir() and file.read_text() == "b"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "a.txt", "a.json"}


def test_what_another_process_holds_is_left_until_it_dies(tmp_path):
    leftover = tmp_path / ".tmp-0a1b2c3d4e5f-run"
    leftover.mkdir()
    words = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HELD, str(leftover)], **words) as process:
        process.stdout.readline()
        files.remove_leftovers(tmp_path)
        assert leftover.is_dir()
        process.kill()
    files.remove_leftovers(tmp_path)
    assert not leftover.exists()


# Errors.


@pytest.mark.parametrize(
    ("raised", "free", "code", "text"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1e9, errno.ENOSPC, "No space left on device"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", None), 1e9, errno.EDQUOT, "Disk quota exceeded"),
        (OSError("[Errno 28] Unable to write ('No space left on device')"), 1e9, errno.ENOSPC, "No space"),
        (OSError("16384 requested and 12272 written"), 0, errno.ENOSPC, "No space left on device"),
        (OSError("16384 requested and 12272 written"), 1e9, None, "16384 requested"),
        (OSError("RESOURCE_EXHAUSTED: x; No space left on device"), 1e9, errno.ENOSPC, "No space left on device"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("whole", [files.whole_file, files.whole_folder])
def test_an_error_of_the_system_says_what_and_names_the_file(whole, raised, free, code, text, tmp_path, monkeypatch):
    class Usage(NamedTuple):
        free: float

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free))
    with pytest.raises(OSError) as caught, whole(tmp_path / "model.keras"):
        raise raised
    assert (caught.value.errno, caught.value.filename) == (code, str(tmp_path / "model.keras"))
    assert caught.value.strerror.startswith(text)
    assert not list(tmp_path.iterdir())


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, files.whole_file(tmp_path / "a"):
        (tmp_path / "other").read_text()
    assert caught.value.filename == str(tmp_path / "other")


def test_space_is_looked_for_before_it_is_needed(tmp_path):
    files.check_space(tmp_path, 10**6)
    for folder, num_bytes in ((tmp_path, 2**61), (tmp_path / "none", 1)):
        with pytest.raises(OSError) as caught:
            files.check_space(folder, num_bytes)
        assert str(folder) in caught.value.filename
    assert not list(tmp_path.iterdir())


# The seal.


@pytest.fixture
def sealed(tmp_path):
    for name in ("a.txt", "model/1/deep", "pictures/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "notes.txt").write_text("mine")
    files.seal(tmp_path, ["a.txt", "model", "pictures", "none"])
    return tmp_path


DAMAGE = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "a bit": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "gone": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["a.txt", "model/1/deep"])
def test_a_seal_shows_which_file_was_damaged_and_no_other(sealed, name, damage):
    assert files.is_whole(sealed) and files.damaged(sealed) == []
    for own in ("notes.txt", "samples.png", "pictures/mine.png", "model/2"):  # what people add is no damage
        (sealed / own).write_text("other")
    assert files.is_whole(sealed)
    DAMAGE[damage](sealed / name)
    assert files.damaged(sealed) == [name] and not files.is_whole(sealed)
    assert files.damaged(sealed, ["pictures"]) == []
    files.remove_sealed(sealed, [name.partition("/")[0]])
    assert not (sealed / name).exists() and (sealed / "notes.txt").exists() and (sealed / "model/2").exists()
    assert not files.is_sealed(sealed)


@pytest.mark.parametrize(
    "text", ["", "[]", "7", '{"../a": 1}', '{"/etc/passwd": 1}', '{"a\\u0000": 1}', '{"": 1}', "{" * 99]
)
def test_a_seal_that_cannot_be_one_is_none(sealed, text):
    (sealed / files.SEAL).write_text(text)
    assert files.sealed(sealed) == {} and files.damaged(sealed) == [] and not files.is_whole(sealed)


# Reading.


class Payload:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def header(shape, dtype="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def objects(path):
    file = io.BytesIO()
    np.save(file, np.array([Payload(path)], object), allow_pickle=True)
    return file.getvalue()


HOSTILE = {
    "terabytes": lambda path: header((2**40,)),
    "too few": lambda path: header((9,)) + bytes(64),
    "too many": lambda path: header((9,)) + bytes(80),
    "negative": lambda path: header((-1, -9)) + bytes(72),
    "beyond 64 bits": lambda path: header((2**62, 2**62)),
    "objects": objects,
    "a pickle": lambda path: pickle.dumps(Payload(path)),
    "empty": lambda path: b"",
    "half a header": lambda path: header((9,))[:20],
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_declared_sizes_are_compared_before_memory_is_taken(name, zipped, tmp_path):
    path, planted = tmp_path / "x.npz", tmp_path / "planted"
    content = HOSTILE[name](planted)
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", content)
    else:
        path.write_bytes(content)
    tracemalloc.start()
    for read in (files.read_arrays, tfvae.datasets.load):
        with pytest.raises(InvalidInput, match="readable .npz or .npy file"):
            read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6 and not planted.exists()


def test_an_archive_that_unpacks_to_far_more_is_refused_first_and_the_advice_works(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "HARMLESS", 2**20)
    x = np.zeros([2**18, 16], np.float32)  # 16 MiB become 16 kB
    np.savez_compressed(tmp_path / "x.npz", x=x)
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="uncompressed, with numpy.savez"):
        files.read_arrays(tmp_path / "x.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6
    np.savez(tmp_path / "x.npz", x=x)
    np.testing.assert_array_equal(files.read_arrays(tmp_path / "x.npz")["x"], x)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_every_kind_are_read_as_numpy_reads_them(save, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.normal(size=(3, 2)), "empty": np.empty((0, 4)), "scalar": np.float32(2), "words": np.array(["a", "b"]),
        "fortran": np.asfortranarray(rng.integers(0, 9, (4, 5))), "bits": rng.random(9) > 0.5,
    }  # fmt: skip
    save(tmp_path / "x.npz", **arrays)
    found = files.read_arrays(tmp_path / "x.npz")
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        np.save(tmp_path / "x.npy", array)
        np.testing.assert_array_equal(files.read_arrays(tmp_path / "x.npy"), array)
    assert files.read_arrays(tmp_path / "x.npz", ["x"])["words"] is None


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[" * 10**5, b'{"a": ' + b"9" * 5000 + b"}", b'"\\ud800"', b"\0", ...]
)
def test_json_that_is_none_is_refused(content, tmp_path):
    path = tmp_path / "a.json"
    path.mkdir() if content is ... else path.write_bytes(content)
    with pytest.raises(InvalidInput, match="a readable JSON file"):
        files.read_json(path)


# Kinds, and git.


class Point(NamedTuple):
    x: float
    names: tuple[str, ...] | None = None


@pytest.mark.parametrize(
    ("value", "kind", "whether"),
    [
        (1, int, True), (True, int, False), (1.0, int, False), (np.int64(1), int, True), (1, float, True),
        (10**400, float, False), ("1", float, False), (float("nan"), float, True), (1, bool, False), (True, bool, True),
        (None, str | None, True), (1, str | None, False), ([1, 2], tuple[int, ...], True),
        ([1, "2"], tuple[int, ...], False),
        ([[1]], tuple[int, ...], False), ({"a": 1}, dict[str, int], True), ({"a": "1"}, dict[str, int], False),
        (Point(1.0), Point, True), (Point("1"), Point, False), (Point(1, ("a", 2)), Point, False),
        ((1.0,), Point, False),
    ],
)  # fmt: skip
def test_a_value_fits_its_kind(value, kind, whether):
    assert fits(value, kind) is whether


def test_the_first_attribute_that_does_not_fit_is_named():
    assert misfit(Point(1, "a"), Point.__annotations__) == "names"
    assert misfit(Point(1), Point.__annotations__) is None


def test_the_revision_is_read_without_touching_the_repository(tmp_path):
    """`git status` writes a fresh index where it can, and takes a lock for it."""

    def git(*words):
        subprocess.run(
            ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *words],
            check=True,
            capture_output=True,
        )

    (tmp_path / "tfvae").mkdir()
    (tmp_path / "tfvae" / "a.py").write_text("1")
    for words in (["init"], ["add", "."], ["commit", "-m", "a"]):
        git(*words)
    os.utime(tmp_path / "tfvae" / "a.py", (1, 1))  # the index is out of date, the content is not
    index = tmp_path / ".git" / "index"
    before = index.read_bytes()
    revision = provenance.git_revision(tmp_path)
    assert len(revision) == 40 and index.read_bytes() == before
    (tmp_path / "tfvae" / "a.py").write_text("2")
    assert provenance.git_revision(tmp_path) == revision + "+changes"
    assert provenance.git_revision(tmp_path / "tfvae") is None
