"""Files that are whole or absent, whatever moment the process is killed at.

A file or folder is made in a temporary folder beside its target, synced to the disk, and then renamed, which POSIX
makes atomic. The process that makes it holds a lock on the temporary folder; a killed process lets go by itself, and
then the next one that writes there removes the folder.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from tfvae.core.errors import InvalidInput

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PREFIX = ".tmp-"
LEFTOVER = re.compile(rf"{re.escape(PREFIX)}[0-9a-f]+-.+|\.\d+-[0-9a-f]{{32}}\.partial")  # the second of version 0.1
SYSTEM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)  # what may keep a file from being written
FULL = 64 * 2**10  # bytes left on a disk that is full


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary path to write to; at the end of the block it takes the place of `path` in one step.

    Args:
        path: the file to create or replace; its folder exists.

    Yields:
        The path to write to, with the name of `path`.

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
    with _temporary(path) as folder:
        yield folder / path.name
        _sync(folder / path.name)
        os.replace(folder / path.name, path)
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
    with _temporary(path) as temporary:
        yield temporary
        for folder, _, files in os.walk(temporary):
            for name in files:
                _sync(Path(folder, name))
            _sync(Path(folder))
        os.rename(temporary, path)
    _sync(path.parent)


def write_json(path: str | os.PathLike, value: object) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def check_space(folder: str | os.PathLike, num_bytes: int) -> None:
    """Raises `OSError` unless a file of so many bytes can be written in an existing folder."""
    with _temporary(Path(folder, "space")) as temporary:
        descriptor = os.open(temporary / "space", os.O_WRONLY | os.O_CREAT)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, max(1, num_bytes))
        finally:
            os.close(descriptor)


def is_leftover(path: Path) -> bool:
    """Returns whether a file or folder has a temporary name."""
    return LEFTOVER.fullmatch(path.name) is not None


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Removes what killed processes left half-written in `folder`, not what a running one is writing."""
    for path in filter(is_leftover, _children(folder)):
        with contextlib.suppress(OSError):
            if path.is_dir():
                with _alone(path):
                    shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def sole_user(folder: str | os.PathLike) -> Iterator[None]:
    """Holds `folder` for this process alone for the length of the block; a killed process lets go by itself.

    Args:
        folder: an existing folder.

    Raises:
        InvalidInput: if another process holds it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_alone(folder))
        except BlockingIOError as error:
            raise InvalidInput(
                f"a run that no other process is writing, at {folder}", "one that is in use", "Wait until it has ended."
            ) from error
        yield


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Gives a folder beside `path`, held by this process, and gone after the block; errors name `path`."""
    remove_leftovers(path.parent)
    temporary, descriptor = None, None
    try:
        temporary, descriptor = _held(path)
        yield temporary
    except OSError as error:
        if error.filename is not None and temporary and str(temporary) not in str(error.filename):
            raise  # of another file
        raise _about(path, error) from error
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
            if descriptor is not None:
                os.close(descriptor)


def _held(path: Path) -> tuple[Path, int | None]:
    """Makes a temporary folder beside `path`; returns it and what holds it."""
    while True:
        temporary = path.with_name(f"{PREFIX}{uuid.uuid4().hex[:12]}-{path.name}")
        temporary.mkdir()
        if not fcntl:
            return temporary, None
        descriptor = os.open(temporary, os.O_RDONLY)
        with contextlib.suppress(OSError):  # a disk without locks, from which nobody removes leftovers
            _lock(descriptor)
        if temporary.is_dir():  # else another process took it for a leftover before it was held
            return temporary, descriptor
        os.close(descriptor)


def _about(path: Path, error: OSError) -> OSError:
    """Returns the error as one that says what is wrong with which file, for libraries often leave out either."""
    text = error.strerror or str(error)
    named = [code for code in SYSTEM if os.strerror(code) in str(error)]
    if error.errno is None and not named and shutil.disk_usage(path.parent).free < FULL:
        named = [errno.ENOSPC]  # NumPy says how many values it wrote, and not why
    code = named[0] if named else error.errno
    return OSError(code, os.strerror(code) if named else text, str(path))


@contextlib.contextmanager
def _alone(folder: str | os.PathLike) -> Iterator[None]:
    """Holds a folder for the length of the block; raises `BlockingIOError` if another process does."""
    if not fcntl:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Holds a folder until its descriptor is closed; raises `BlockingIOError` if another process does."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _children(folder: str | os.PathLike) -> list[Path]:
    try:
        return list(Path(folder).iterdir())
    except OSError:
        return []


def _sync(path: Path) -> None:
    if not fcntl:  # Windows opens neither folders nor, for this, files that are read
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
