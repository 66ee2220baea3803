"""The seal of a folder: size and SHA-256 of its files, which show whether one was damaged, lost or changed later.

What is added to a sealed folder afterwards is no damage: the seal speaks of the files that were there.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tfvae.core.errors import InvalidInput
from tfvae.files.reading import read_json
from tfvae.files.whole import is_leftover, write_json

SEAL = "seal.json"


def seal(folder: str | os.PathLike, names: Iterable[str] | None = None) -> None:
    """Records size and SHA-256 of files of `folder` in it.

    Args:
        folder: the folder.
        names: which of its files and folders to seal, where they are there; by default all.
    """
    folder = Path(folder)
    names = sorted(path.name for path in folder.iterdir()) if names is None else names
    files = (path for name in names if name != SEAL for path in _files(folder / name))
    write_json(folder / SEAL, {path.relative_to(folder).as_posix(): _fingerprint(path) for path in files})


def sealed(folder: str | os.PathLike, names: Iterable[str] | None = None) -> dict[str, object]:
    """Returns the sealed files of a folder, path within it to size and SHA-256; nothing without a readable seal.

    Args:
        folder: the folder.
        names: of which of its files and folders; by default of all.
    """
    try:
        found = read_json(Path(folder, SEAL))
    except InvalidInput:
        return {}
    if not isinstance(found, dict) or not all(map(_is_inside, found)):
        return {}
    return found if names is None else {name: was for name, was in found.items() if Path(name).parts[0] in names}


def remove_sealed(folder: str | os.PathLike, names: Iterable[str]) -> None:
    """Removes sealed files of a folder, then the folders in it that are empty, then the seal; other files stay."""
    folder = Path(folder)
    for name in sealed(folder, names):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for top in names:
        for path in sorted((p for p in (folder / top).rglob("*") if p.is_dir()), reverse=True):
            with contextlib.suppress(OSError):  # it holds other files
                path.rmdir()
    (folder / SEAL).unlink(missing_ok=True)


def is_sealed(folder: str | os.PathLike) -> bool:
    """Returns whether a folder has a seal that can be read."""
    return bool(sealed(folder))


def damaged(folder: str | os.PathLike, names: Iterable[str] | None = None) -> list[str]:
    """Returns which sealed files of a folder, by default of all of it, are not as they were sealed."""
    return [name for name, was in sealed(folder, names).items() if _fingerprint(Path(folder, name)) != was]


def is_whole(folder: str | os.PathLike) -> bool:
    """Returns whether a folder is sealed and each sealed file holds the bytes that it was sealed with."""
    return is_sealed(folder) and not damaged(folder)


def _is_inside(name: str) -> bool:
    path = Path(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _files(path: Path) -> list[Path]:
    """Returns a file, or those of a folder, but what a killed process left."""
    if path.is_file():
        return [] if is_leftover(path) else [path]
    found = sorted(path.rglob("*")) if path.is_dir() else []
    return [each for each in found if each.is_file() and not any(map(is_leftover, [each, *each.parents]))]


def _fingerprint(path: Path) -> dict[str, int | str] | None:
    """Returns size and SHA-256 of a file; `None` if it cannot be read."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return {"bytes": os.fstat(file.fileno()).st_size, "sha256": digest}
    except OSError:
        return None
