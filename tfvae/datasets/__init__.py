"""Data in memory: named, disjoint splits, a named binarisation protocol, and batches in a reproducible order.

    load    returns the splits of a source: digits, TensorFlow Datasets, a file, or arrays
    Data    the splits train, valid and test, and `preprocessing`, the layers for VAE(preprocessing=...)
    Split   one of them: name, x [N, ...], y [N] or None, condition, mask, labels; `batches` makes a stream of it

Every random number is a pure function of `seed`: one stream cuts the splits, one each binarises train, valid and test.
"""

import numbers
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfvae.core.errors import InvalidInput
from tfvae.datasets.binarization import PROTOCOLS
from tfvae.datasets.cut import FEW, STREAMS, checksum, complete, generator
from tfvae.datasets.labels import few
from tfvae.datasets.labels import labels as numbered
from tfvae.datasets.sources import EMBEDDED, LABELS, SPLITS, Arrays, Source, is_path, read_arrays, read_file
from tfvae.datasets.split import Data, Split
from tfvae.datasets.table_source import is_table, load_table
from tfvae.datasets.tfds_source import read_tfds
from tfvae.datasets.told import told

__all__ = ["Data", "Split", "load"]


def __dir__() -> list[str]:
    return __all__


Given = str | os.PathLike | Arrays


def load(
    source: Given,
    *,
    binarization: str = "none",
    seed: int = 0,
    valid_fraction: float | None = None,
    test_fraction: float | None = None,
    data_dir: str | os.PathLike | None = None,
    scale: float | None = None,
    condition: str | None = None,
    missing: bool = False,
    labels: str | None = None,
    classes: int | None = None,
    num_labels: int | None = None,
    schema: Mapping[str, Any] | None = None,
) -> Data:
    """Returns the data of a source as disjoint train, valid and test splits, held in memory.

    Splits that the source has are kept. A missing one is cut from train by a permutation of `seed`: by default 10000
    examples or a sixth of train, of a table a tenth, whichever is smaller (250 of the 1797 embedded digits). Images
    without a channel axis, `[N, H, W]`, get one; `[N, D]` stays.

    Protocols of binarisation (m = x / scale is a pixel's mean):

    - `"none"`: x as it is; `Rescaling(1/scale)` in the model.
    - `"threshold"`: 1 where m >= 0.5, in every split.
    - `"static"`: every split drawn once from Bernoulli(m) with `seed`.
    - `"dynamic"`: train keeps its grey values and is drawn by the model at every visit; valid and test are drawn once
      with `seed`, as {0, scale}, so that one preprocessing fits all three.

    Args:
        source: `"digits"` (8x8 handwritten digits that come with scikit-learn); the name of a TensorFlow Datasets set,
            `"name[/config][:version]"`; the path of an `.npz` or `.npy` file, which goes first where both are there;
            a table, that is a .csv or .parquet file, a folder of such files as shards of one table, or a frame of
            pandas or polars;
            or arrays: x, a tuple (x, y), a mapping.
            Files and mappings have the keys x_train, x_valid, x_test (y_train, ... beside them), or x and y.
        binarization: the name of a protocol.
        seed: of the split and of the draws, an integer.
        valid_fraction: share of train, in (0, 1), to cut off as valid where the source has no such split.
        test_fraction: the same for test.
        data_dir: folder of TensorFlow Datasets' files; its own default is the variable TFDS_DATA_DIR, else
            `~/tensorflow_datasets`. Of shards, where their encoded rows are kept; TFVAE_CACHE, `~/.cache/tfvae`. Other
            sources do not look at it.
        scale: the value that becomes 1; by default 16 for the digits, 255 for uint8 images with values above 1, else 1.
        condition: what the examples are known by: "y" for the labels (or "label", "labels"), or the name of another
            array of a file, a mapping or a TFDS set, with the ends _train, _valid, _test where x has them. Words and
            whole numbers, one each, become `Labels(K)`, other numbers `Real(shape)`.
        missing: take NaN in x as cells that are missing: each split then has a mask.
        labels: "y" for labels that a latent y is told: whole numbers, -1 where they are not known.
        classes: number of classes K of these; by default one more than the largest of train.
        num_labels: how many of train's labels to keep, as many of each class; by default all.
        schema: what to take for granted of the columns of a table, as `data.schema.to_dict()` has them.

    Returns:
        The data; x keeps its dtype, binarised x is uint8 0 or 1.

    Raises:
        InvalidInput: for an unknown source, protocol or fraction, an unreadable file, data that are empty or not finite
            or of unequal lengths, or values to binarise that lie outside [0, scale]; if there is no such condition, or
            no such labels.

    Example:
        >>> data = load("digits", binarization="dynamic")
        >>> data.train.x.shape, data.valid.x.shape, data.event_shape
        ((1297, 8, 8, 1), (250, 8, 8, 1), (8, 8, 1))
    """
    if binarization not in PROTOCOLS:
        known = ", ".join(f'"{name}"' for name in PROTOCOLS)
        raise InvalidInput(f"binarization to be one of {known}", f"{binarization!r}", "Choose one of them.")
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise InvalidInput(
            "seed to be an integer", f"seed={seed!r}", "Pass a whole number; the same one repeats the data."
        )
    if not (condition is None or (isinstance(condition, str) and condition != "x")):
        remedy = 'Pass for example "y".'
        raise InvalidInput("condition to be the name of another array than x", f"{condition!r}", remedy)
    if labels not in (None, *LABELS):
        raise InvalidInput(
            "labels to be y, the labels of the source", f"{labels!r}", "Call them y, or y_train and so on."
        )
    fractions = {"test": test_fraction, "valid": valid_fraction}
    for name, fraction in fractions.items():
        if fraction is not None and not (isinstance(fraction, numbers.Real) and 0 < fraction < 1):
            received = f"{name}_fraction={fraction!r}"
            raise InvalidInput(f"{name}_fraction in (0, 1)", received, "Pass a share of train, for example 0.1.")
    if is_table(source):
        others = {"binarization": binarization != "none", "scale": scale is not None, "labels": labels is not None}
        unused = [name for name in others if others[name]]
        return load_table(source, int(seed), fractions, condition, schema, unused, data_dir)

    raw = _read(source, data_dir, condition)
    if not missing:
        raw.check_complete()
    for split, values in ({} if condition is None else raw.told(condition)).items():
        raw.splits[split]["condition"] = values
    scale = _scale(raw, scale)
    generators = {name: generator(int(seed), stream) for name, stream in STREAMS.items()}
    splits, how = complete(raw, fractions, generators["split"])
    images = {name: rows["x"][..., None] if rows["x"].ndim == 3 else rows["x"] for name, rows in splits.items()}
    masks = {name: ~np.isnan(x) for name, x in images.items()} if missing else {}
    filled = {name: np.where(masks[name], x, x.dtype.type(0)) if missing else x for name, x in images.items()}
    arrays, preprocessing = PROTOCOLS[binarization](filled, scale, generators)
    arrays = {name: _with_holes(x, masks[name]) if missing else x for name, x in arrays.items()}
    protocol = {
        "source": raw.origin,
        "sizes": {name: len(x) for name, x in arrays.items()},
        "splits": how,
        "binarization": binarization,
        "scale": scale,
        "seed": int(seed),
        "examples": f"{arrays['train'].dtype} {arrays['train'].shape[1:]}",
        "crc32": {name: checksum(x) for name, x in arrays.items()},
        "labels": {name: checksum(rows["y"]) if "y" in rows else None for name, rows in splits.items()},
    }
    if missing:
        protocol["missing"] = {name: round(1 - float(mask.mean()), 6) for name, mask in masks.items()}
    known, values = None, {}
    if condition is not None:
        known, values = told(condition, {name: rows["condition"] for name, rows in splits.items()})
        protocol["condition"] = {**known.protocol, "crc32": {name: checksum(part) for name, part in values.items()}}
    told_classes: dict[str, np.ndarray] = {}
    if labels is not None:
        lacking = [name for name, rows in splits.items() if "y" not in rows]
        if lacking:
            raise InvalidInput(f"labels y of each example in {raw.where(lacking[0])}", "none", "Write them beside x.")
        classes, told_classes = numbered({name: rows["y"] for name, rows in splits.items()}, classes)
        if num_labels is not None:
            told_classes["train"] = few(told_classes["train"], num_labels, generator(int(seed), FEW))
        number = {name: int(np.sum(part >= 0)) for name, part in told_classes.items()}
        protocol["classes"] = {"number": classes, "labels": number}
    parts = {
        name: Split(
            name, arrays[name], splits[name].get("y"), values.get(name), masks.get(name), told_classes.get(name)
        ) for name in SPLITS
    }  # fmt: skip
    more = {"told": known, "classes": classes if told_classes else None}
    return Data(**parts, preprocessing=preprocessing, name=raw.name, protocol=protocol, **more)


def _with_holes(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns x with NaN where the mask is false; of a dtype that has it."""
    return np.where(mask, x, (x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)).type(np.nan))


def _read(source: Given, data_dir: str | os.PathLike | None, condition: str | None) -> Source:
    if isinstance(source, os.PathLike) or (isinstance(source, str) and is_path(source)):
        return read_file(source, condition)
    if not isinstance(source, str):
        return read_arrays(source, condition=condition)
    return EMBEDDED[source]() if source in EMBEDDED else read_tfds(source, data_dir, condition)


def _scale(raw: Source, scale: float | None) -> float:
    if scale is not None:
        if isinstance(scale, bool) or not (isinstance(scale, numbers.Real) and 0 < scale < float("inf")):
            raise InvalidInput(
                "scale > 0", f"scale={scale!r}", "Pass the value that white has in the data, such as 255."
            )
        return float(scale)
    if raw.scale is not None:
        return raw.scale
    x = [rows["x"] for rows in raw.splits.values()]
    is_8_bit_image = x[0].dtype == np.uint8 and x[0].ndim >= 3 and max(part.max() for part in x) > 1
    return 255.0 if is_8_bit_image else 1.0
