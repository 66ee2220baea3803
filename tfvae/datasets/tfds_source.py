"""Sources that TensorFlow Datasets (TFDS) reads: record files prepared before, else a download.

    name[/config][:version]  ->  prepared under data_dir?  ->  read          else download, prepare, read

Without a network the answer comes within seconds, leaves nothing behind, and says how to fetch the set elsewhere.
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import tensorflow as tf

from tfvae.core.errors import InvalidInput
from tfvae.datasets.sources import EMBEDDED, Rows, Source

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

SPLIT_NAMES = {"train": ("train",), "valid": ("validation", "valid", "val", "dev"), "test": ("test",)}
MAX_BYTES = 4 * 2**30
ROWS_PER_READ = 1024
MAX_NAMES = 20  # in a message
SECONDS_TO_CONNECT = 5


def read_tfds(name: str, data_dir: str | os.PathLike | None = None, condition: str | None = None) -> Source:
    """Returns the images and labels of a TFDS data set, after downloading and preparing it where that is not done yet.

    Args:
        name: `"name"`, `"name/config"`, with `":version"` or without; of several prepared versions the latest is read.
        data_dir: where the record files are; `None` for TFDS' own default.
        condition: the feature that is read as the condition, beside those that are x and y.

    Raises:
        InvalidInput: if TFDS has no such set, cannot fetch it, or it is not a set of images that fits in memory.
    """
    import tensorflow_datasets as tfds

    data_dir = os.path.expanduser(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    try:
        # With any version asked for, TFDS looks for prepared files before it looks at its code.
        builder = tfds.builder(name if ":" in name or "=" in name else f"{name}:*.*.*", data_dir=data_dir)
    except Exception as error:  # not found, no valid name, no such config, damaged metadata, a package that is missing
        raise _unknown(name, data_dir, error) from error
    if not builder.is_prepared():
        _prepare(builder, name, data_dir)
    info, origin = builder.info, f"{builder.info.full_name} (TensorFlow Datasets)"
    keys = _keys(info, origin)
    if condition != keys["x"] and condition in info.features and _is_numeric(info.features[condition]):
        keys["condition"] = condition
    own_names = {ours: own for ours, names in SPLIT_NAMES.items() for own in names[::-1] if own in info.splits}
    if "train" not in own_names:
        remedy = "Build a tf.data pipeline from one of its splits and pass that to fit."
        raise InvalidInput(f"{origin} with a train split", f"splits {', '.join(info.splits)}", remedy)
    _check_size(info, keys["x"], own_names.values(), origin)
    try:
        splits = {ours: _read(builder, own, keys) for ours, own in own_names.items()}
    except tf.errors.OpError as error:
        remedy = "The files are damaged, or images differ in size: fetch it anew, or map it and pass tf.data to fit."
        reason = re.sub(r"{{.*?}}|\[Op:.*", "", str(error.message)).strip().rstrip(".")
        raise InvalidInput(f"readable records of {origin}", reason, remedy) from error
    return Source(info.name, origin, splits, own_names)


def _read(builder: "tfds.core.DatasetBuilder", split: str, keys: Mapping[str, str]) -> Rows:
    import tensorflow_datasets as tfds

    examples = builder.as_dataset(split=split, shuffle_files=False)
    stream = examples.map(lambda example: {key: example[key] for key in set(keys.values())}).batch(ROWS_PER_READ)
    batches = list(tfds.as_numpy(stream))
    return {name: np.concatenate([batch[key] for batch in batches] or [np.empty((0, 0))]) for name, key in keys.items()}


def _keys(info: "tfds.core.DatasetInfo", origin: str) -> dict[str, str]:
    """Returns which feature is x and, where there is one number a label, which is y."""
    features = dict(info.features.items()) if hasattr(info.features, "items") else {}
    x, y, *_ = (*(info.supervised_keys or ("image", "label")), None)
    if not (isinstance(x, str) and _is_numeric(features.get(x))):
        x, y = "image", "label"
    if not _is_numeric(features.get(x)):
        raise InvalidInput(
            f"{origin} with supervised keys or features named image and label",
            f"features {', '.join(features) or info.features}",
            "Load it with tensorflow_datasets, map each example to x and pass the tf.data pipeline to fit.",
        )
    has_labels = isinstance(y, str) and y != x and _is_numeric(features.get(y)) and features[y].shape == ()
    return {"x": x, "y": y} if has_labels else {"x": x}


def _is_numeric(feature: "tfds.features.FeatureConnector | None") -> bool:
    try:
        return np.dtype(feature.np_dtype).kind in "biuf"
    except (AttributeError, TypeError):  # no feature, or a nested one
        return False


def _check_size(info: "tfds.core.DatasetInfo", key: str, splits: Iterable[str], origin: str) -> None:
    feature, examples = info.features[key], sum(info.splits[split].num_examples for split in splits)
    decoded = examples * np.dtype(feature.np_dtype).itemsize * int(np.prod([size or 1 for size in feature.shape]))
    size = max(int(info.dataset_size), decoded)
    if size > MAX_BYTES:
        remedy = "Load it with tensorflow_datasets and pass the tf.data pipeline to fit."
        raise InvalidInput(
            "a data set of at most 4 GiB, to hold in memory", f"{origin}, {size / 2**30:.1f} GiB", remedy
        )


def _prepare(builder: "tfds.core.DatasetBuilder", name: str, data_dir: str) -> None:
    _check_online(builder, name, data_dir)
    try:
        builder.download_and_prepare()
    except Exception as error:  # a network, disk, checksum or licence problem, or a package that TFDS misses
        raise _unfetched(name, data_dir, f"{type(error).__name__}: {error}") from error


def _check_online(builder: "tfds.core.DatasetBuilder", name: str, data_dir: str) -> None:
    """Asks each host of the set's files for an answer once: TFDS itself would try for minutes."""
    import requests

    urls = {urlsplit(url).netloc: url for url in (builder.url_infos or {}) if url.startswith("http")}
    for url in urls.values():
        try:
            requests.head(url, timeout=SECONDS_TO_CONNECT)
            return
        except requests.RequestException:
            continue
    if urls:
        raise _unfetched(name, data_dir, f"no answer from {', '.join(urls)}")


def _unfetched(name: str, data_dir: str, reason: str) -> InvalidInput:
    command = f"import tensorflow_datasets as tfds; tfds.builder('{name}', data_dir='tfds').download_and_prepare()"
    return InvalidInput(
        f"{name} to be prepared in {data_dir}, or a network to download it",
        f"{' '.join(reason.split())[:400]} ({_available(data_dir)})",
        f'Where there is a network run: python -c "{command}"; copy the folder tfds here, pass data_dir="tfds".',
    )


def _unknown(name: str, data_dir: str, error: Exception) -> InvalidInput:
    import tensorflow_datasets as tfds

    reason = " ".join(str(error).split())[:300].rstrip(".")
    if not isinstance(error, (ValueError, AssertionError)):
        remedy = "Install what is missing; if a file is damaged, delete the folder of this set and fetch it again."
        return InvalidInput(f"TFDS to open {name} in {data_dir}", f"{type(error).__name__}: {reason}", remedy)
    known = tfds.list_builders()
    word = re.split("[/:]", name)[0].lower()
    detail = f"TFDS says: {reason}" if word in known else f"TFDS names close to it: {_close(word, known)}"
    return InvalidInput(
        f"{', '.join(map(repr, EMBEDDED))}, the name of a TensorFlow Datasets set, a path that ends in .npz or .npy,"
        " or arrays",
        f"{name!r}, which is not a path here ({_available(data_dir)}; {detail})",
        "Choose one of these (tensorflow_datasets.list_builders() lists every TFDS name), or pass the data_dir that"
        " has it.",
    )


def _close(word: str, known: list[str]) -> str:
    return ", ".join(difflib.get_close_matches(word, known, n=5)) or "none"


def _available(data_dir: str) -> str:
    """Returns in words which sets can be had here without a network."""
    import tensorflow_datasets as tfds

    root = tfds.core.Path(data_dir)
    found = [
        file.parent.relative_to(root).parts
        for depth in ("*/*", "*/*/*")
        for file in root.glob(f"{depth}/dataset_info.json")
    ]
    names = sorted(f"{'/'.join(parts[:-1])}:{parts[-1]}" for parts in found)
    names[MAX_NAMES:] = ["..."] * (len(names) > MAX_NAMES)
    return f"embedded: {', '.join(EMBEDDED)}; prepared in {data_dir}: {', '.join(names) or 'none'}"
