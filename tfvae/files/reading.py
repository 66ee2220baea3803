"""Reads JSON files and arrays of which nothing is believed.

declared(array) = prod(shape) * bytes an element        must be the bytes that the file, or the member of it, has left
declared(zip)   = sum of its members unpacked           must be at most max(256 MiB, 100 * bytes of the file)

So a header of a few bytes cannot ask for terabytes, and nothing that is pickled is ever unpacked.
"""

import json
import math
import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import numpy as np

from tfvae.core.errors import InvalidInput

HARMLESS = 256 * 2**20  # bytes that any file may become
EXPANSION = 100  # times its own size that a bigger one may become; deflate reaches a thousand
REWRITE = "It is damaged, foreign, or holds pickled objects: write it anew with numpy.savez(path, x_train=..., ...)."


def read_json(path: str | os.PathLike) -> Any:
    """Returns the value in a JSON file.

    Args:
        path: the file.

    Raises:
        InvalidInput: if the file is missing, unreadable, truncated or not JSON.
    """
    try:
        found = json.loads(Path(path).read_text())
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair could not be written again
        return found
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not JSON: {error}"
        raise InvalidInput(f"a readable JSON file at {path}", reason, "Restore the file from a copy.") from error


def most_bytes(path: str | os.PathLike) -> int:
    """Returns how many bytes the content of a file may take in memory before it counts as hostile."""
    return max(HARMLESS, EXPANSION * Path(path).stat().st_size)


def read_arrays(path: str | os.PathLike, wanted: Collection[str] | None = None) -> np.ndarray | dict[str, np.ndarray]:
    """Returns the array of an `.npy` file, or those of an `.npz` file by name.

    Args:
        path: the file.
        wanted: the names to read of an `.npz` file, by default all; others have `None` in their place.

    Raises:
        InvalidInput: if it is missing, damaged or something else, holds objects, or declares sizes that it does not
            have.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if not _is_archive(file):
                return _array(file, path.stat().st_size)
            with zipfile.ZipFile(file) as archive:
                check_expansion(path, archive)
                named = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
                return {
                    name: _member(archive, member) if wanted is None or name in wanted else None
                    for name, member in named.items()
                }
    except FileNotFoundError as error:
        remedy = f"Check the path; the working folder is {Path.cwd()}."
        raise InvalidInput(f"an .npz or .npy file at {path}", "no such file", remedy) from error
    except InvalidInput:
        raise
    except Exception as error:  # NumPy, zipfile and zlib have no common error for a damaged file
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        received = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        raise InvalidInput(f"{path} to be a readable .npz or .npy file", received, REWRITE) from error


def check_expansion(path: Path, archive: zipfile.ZipFile) -> None:
    """Raises `InvalidInput` if the members of an archive would be far bigger than the archive."""
    declared = sum(member.file_size for member in archive.infolist())
    if declared > most_bytes(path):
        received = f"{declared} of them in {path.stat().st_size} bytes"
        remedy = "If that is meant, write it uncompressed, with numpy.savez."
        raise InvalidInput(f"{path} to unpack to at most {most_bytes(path)} bytes", received, remedy)


def _is_archive(file: IO[bytes]) -> bool:
    start = file.read(2)
    file.seek(0)
    return start == b"PK"


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return _array(file, member.file_size)


def _array(file: IO[bytes], size: int) -> np.ndarray:
    """Reads an array from the start of a file of so many bytes, once its header fits them."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded, since they may run code")
    declared, left = math.prod(shape) * dtype.itemsize, size - file.tell()
    if declared != left:
        raise ValueError(f"The header declares shape {shape}, {declared} bytes, and {left} follow it")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
