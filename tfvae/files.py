"""Files that are whole or absent, whatever moment the process is killed at.

A file or folder is written under a temporary name beside its target, synced to the disk, and then renamed, which
POSIX makes atomic. A folder may carry a seal, the size and SHA-256 of every file in it, that shows later damage.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfvae.core.errors import InvalidInput

PREFIX = ".tmp-"
SEAL = "seal.json"


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary path to write to; at the end of the block it takes the place of `path` in one step.

    Args:
        path: the file to create or replace; its folder exists.

    Yields:
        The path to write to, with the suffix of `path`.

    Raises:
        OSError: if the folder does not exist, or the disk is full or read-only; `path` is then as it was.

    Example:
        >>> with whole_file("notes.txt") as temporary:
        ...     _ = temporary.write_text("whole")
        >>> Path("notes.txt").read_text()
        'whole'
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder", str(path.parent))
    temporary = _temporary(path)
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary folder to fill; at the end of the block it takes the name `path` in one step.

    Args:
        path: the folder to create; it is missing or empty.

    Yields:
        An empty folder beside `path`.

    Raises:
        OSError: if the disk is full or read-only, or `path` is not empty; `path` is then as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        temporary.mkdir()
        yield temporary
        for folder, _, files in os.walk(temporary):
            for name in files:
                _sync(Path(folder, name))
            _sync(Path(folder))
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync(path.parent)


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Removes what killed processes left half-written in `folder`."""
    for path in Path(folder).glob(PREFIX + "*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, value: object) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Returns the value in a JSON file.

    Args:
        path: the file.

    Raises:
        InvalidInput: if the file is missing, unreadable, truncated or not JSON.
    """
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not JSON: {error}"
        raise InvalidInput(f"a readable JSON file at {path}", reason, "Restore the file from a copy.") from error


def seal(folder: str | os.PathLike) -> None:
    """Records size and SHA-256 of every file of `folder` in it."""
    write_json(Path(folder, SEAL), _contents(folder))


def is_whole(folder: str | os.PathLike) -> bool:
    """Returns whether a sealed folder holds exactly the bytes that it was sealed with."""
    try:
        return read_json(Path(folder, SEAL)) == _contents(folder)
    except (InvalidInput, OSError):
        return False


@contextlib.contextmanager
def sole_user(folder: str | os.PathLike) -> Iterator[None]:
    """Holds `folder` for this process alone for the length of the block; a killed process lets go by itself.

    Args:
        folder: an existing folder.

    Raises:
        InvalidInput: if another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise InvalidInput(
            f"a run that no other process is writing, at {folder}", "one that is in use", "Wait until it has ended."
        ) from error
    finally:
        os.close(descriptor)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{PREFIX}{uuid.uuid4().hex[:12]}-{path.name}")


def _contents(folder: str | os.PathLike) -> dict[str, dict[str, int | str]]:
    contents = {}
    for path in sorted(p for p in Path(folder).iterdir() if p.name != SEAL):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        contents[path.name] = {"bytes": path.stat().st_size, "sha256": digest}
    return contents


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
