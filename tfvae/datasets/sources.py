"""Sources that need no network: the embedded digits, files of NumPy arrays, and arrays.

x, (x, y), {x, y}              one set of examples, to be cut into train, valid and test
{x_train, x_valid, x_test}     splits of the source's own, with y_train, y_valid, y_test beside them
"""

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfvae import files
from tfvae.core.errors import InvalidInput
from tfvae.core.types import ArrayLike

SPLITS = ("train", "valid", "test")
KINDS = (".npz", ".npy")
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
KEYS = {f"{letter}_{split}" for letter in "xy" for split in SPLITS} | {"x", "y"}
LABELS = ("y", "label", "labels")  # names of a source's labels, where it has no other array of that name
Rows = dict[str, np.ndarray]  # x, `[N, ...]`, and perhaps y and condition, of the same examples
Arrays = ArrayLike | tuple[ArrayLike, ArrayLike] | Mapping[str, ArrayLike]  # x, (x, y), or a mapping
HOLES = "Fill those cells or remove those examples; or say that they are missing: --missing, load(..., missing=True)."
LAYOUT = "x_train, x_valid, x_test (y_train, ... beside them), or x and y"


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """What a source holds, checked: examples that are real, finite numbers, as many labels, one shape and one dtype.

    Attributes:
        name: of the data set.
        origin: where it comes from, in words.
        splits: x, and perhaps y and condition, of train and of whatever other split there is.
        own_names: what the source itself calls a split.
        scale: the value that becomes 1; `None` if the data must tell.
        held_out: default number of examples of a split that is cut from train; `None` if their number must tell.

    Raises:
        InvalidInput: naming the array that is not as it should be.
    """

    name: str
    origin: str
    splits: dict[str, Rows]
    own_names: dict[str, str] = dataclasses.field(default_factory=dict)
    scale: float | None = None
    held_out: int | None = None

    def __post_init__(self) -> None:
        """Converts to arrays, and checks them."""
        for split, rows in self.splits.items():
            self.splits[split] = _checked(rows, self.where(split))
        first, *others = [rows["x"] for rows in self.splits.values()]
        for split, other in zip(list(self.splits)[1:], others, strict=True):
            if (other.shape[1:], other.dtype) != (first.shape[1:], first.dtype):
                received = f"{first.dtype} {first.shape[1:]} in train and {other.dtype} {other.shape[1:]} in {split}"
                remedy = "Convert them to the same kind of example."
                raise InvalidInput(f"one shape and dtype in all splits of {self.origin}", received, remedy)

    def check_complete(self) -> None:
        """Raises `InvalidInput` if a cell of x is NaN."""
        for split, rows in self.splits.items():
            if rows["x"].dtype.kind == "f":
                _refuse(np.isnan(rows["x"]), "x", self.where(split), HOLES)

    def where(self, split: str) -> str:
        """Returns what to call a split in a message."""
        return f"{self.own_names.get(split, split)} of {self.origin}"

    def told(self, name: str) -> dict[str, np.ndarray]:
        """Returns the values of a name in each split: its array, or what are labels to the source.

        Raises:
            InvalidInput: if a split has none.
        """
        found = {}
        for split, rows in self.splits.items():
            key = "condition" if "condition" in rows else "y"
            if key not in rows or (key == "y" and name not in LABELS):
                has = "labels, which are called y" if "y" in rows else "no labels"
                remedy = "Ask for y." if "y" in rows else "Write them beside x, or leave the condition out."
                raise InvalidInput(f"{name} of each example in {self.where(split)}", has, remedy)
            found[split] = rows[key]
        return found


def read_digits() -> Source:
    """Returns the 1797 real handwritten digits that come with scikit-learn: `[1797, 8, 8]`, uint8, 0 to 16."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = {"x": digits.images.astype(np.uint8), "y": digits.target}
    splits, own_names = {"train": rows}, {"train": "images"}
    return Source("digits", "digits (scikit-learn)", splits, own_names, scale=16.0, held_out=250)


EMBEDDED = {"digits": read_digits}


def is_path(source: str) -> bool:
    """Says whether a word means a path: what is there, and what no data set is called, as ./x, /x, ~/x, x.csv."""
    like_one = source.lower().endswith(KINDS) or re.match(r"[./~]|[^/:]*\.", source)
    return source not in EMBEDDED and bool(like_one or os.path.exists(source))


def read_file(path: str | os.PathLike, condition: str | None = None) -> Source:
    """Returns what an `.npz` or `.npy` file holds.

    Args:
        path: of the file.
        condition: as for `read_arrays`.

    Raises:
        InvalidInput: if it cannot be read, or holds other arrays than `read_arrays` wants.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() and path.name.lower().endswith(KINDS)):
        received = "a file of another kind" if path.is_file() else "a folder" if path.is_dir() else "not a file"
        remedy = f"Read it in Python, and write its numbers with numpy.savez({path.name + '.npz'!r}, x=...)."
        if re.fullmatch(r"\w+", path.name):
            remedy += f" If you mean the set of TensorFlow Datasets: '{path.name}:*.*.*'."
        raise InvalidInput(f"an .npz or .npy file at {path}", received, remedy)
    wanted = KEYS | {f"{condition}{end}" for end in ("", *(f"_{split}" for split in SPLITS))}
    return read_arrays(files.read_arrays(path, wanted), path.stem, str(path), condition)


def read_arrays(source: Arrays, name: str = "arrays", origin: str = "arrays", condition: str | None = None) -> Source:
    """Returns arrays that are given as x, as a tuple (x, y), or as a mapping.

    Args:
        source: the arrays; x is `[N, D]` or `[N, H, W]` or `[N, H, W, C]`, y is `[N]`.
        name: of the data set.
        origin: where the arrays come from, in words.
        condition: the name of another array of a mapping, of each split with its end, that is read as the condition.

    Raises:
        InvalidInput: if they are not arrays of numbers under the known keys.
    """
    if source is None or isinstance(source, tf.data.Dataset):
        remedy = "A tf.data pipeline goes to fit directly." if source is not None else 'Try "digits".'
        raise InvalidInput("a name, a path or arrays", f"a {type(source).__name__}", remedy)
    if not isinstance(source, Mapping):
        x, y = source if isinstance(source, tuple) and len(source) == 2 else (source, None)
        return Source(name, origin, {"train": {"x": x} if y is None else {"x": x, "y": y}}, {"train": "x"})
    keys = {key for key in source if isinstance(key, str)}
    has_splits = "x_train" in keys
    unknown = {key for key in keys - KEYS if key.startswith(("x_", "y_"))}
    if has_splits == ("x" in keys) or unknown:
        found = f"{', '.join(sorted(map(str, source))) or 'no arrays'}"
        raise InvalidInput(f"{origin} with the arrays {LAYOUT}", found, "Name the arrays so.")
    names = {split: f"_{split}" if has_splits else "" for split in (SPLITS if has_splits else ("train",))}
    arrays = {"x": "x", "y": "y"} if condition is None else {"x": "x", "y": "y", "condition": condition}
    splits = {
        split: {key: source[array + end] for key, array in arrays.items() if source.get(array + end) is not None}
        for split, end in names.items()
        if "x" + end in source
    }
    own_names = {split: "x" + end for split, end in names.items()}
    orphans = {key for key in keys & KEYS if key.startswith("y")} - {"y" + names[split] for split in splits}
    if orphans:
        received = f"{', '.join(sorted(orphans))} without the x that belongs to it"
        raise InvalidInput(f"{origin} with the arrays {LAYOUT}", received, "Add the examples, or remove the labels.")
    return Source(name, origin, splits, own_names)


def _checked(rows: Mapping[str, ArrayLike], where: str) -> Rows:
    names = {"x": where, "y": f"labels of {where}", "condition": f"the condition of {where}"}
    found = {key: _array(value, names[key]) for key, value in rows.items()}
    x = found["x"]
    if x.dtype.kind not in "iuf":
        raise InvalidInput(f"{where} to hold real numbers", f"dtype {x.dtype}", "Convert it, for example to float32.")
    if x.ndim < 2:
        remedy = "Put examples on the first axis; one number each is x[:, None]."
        raise InvalidInput(f"{where} of shape [N, D] or [N, H, W] or [N, H, W, C]", f"shape {x.shape}", remedy)
    if x.size == 0:
        raise InvalidInput(
            f"{where} to hold examples", f"an empty array of shape {x.shape}", "Pass data with a row or more."
        )
    for name, array in found.items():
        if array.shape[:1] != x.shape[:1]:
            received = f"x of shape {x.shape} and {name} of shape {array.shape}"
            remedy = f"Pass x and {name} of the same length."
            raise InvalidInput(f"one label for each example in {where}", received, remedy)
        if array.dtype.kind == "f":
            _refuse(np.isinf(array) if name == "x" else ~np.isfinite(array), name, where)
    return found


def _refuse(bad: np.ndarray, name: str, where: str, remedy: str = "Remove or fill those examples first.") -> None:
    if bad.any():
        at = np.argwhere(bad)
        received = f"{len(at)} values that are NaN or infinite, the first at {name}[{', '.join(map(str, at[0]))}]"
        raise InvalidInput(f"finite numbers in {where}", received, remedy)


def _array(value: ArrayLike, where: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except Exception as error:  # ragged lists, tensors on other devices, foreign __array__ methods
        raise InvalidInput(f"{where} to be an array", _in_words(error), "Pass x, (x, y), or a mapping.") from error
    if array.dtype == object:
        received = f"{'a ' + type(value).__name__ + ' that becomes ' if array is not value else ''}an array of objects"
        raise InvalidInput(
            f"{where} to be an array of numbers", received, "Stack examples of one shape into one array."
        )
    return array.astype(np.uint8) if array.dtype == bool else array


def _in_words(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
