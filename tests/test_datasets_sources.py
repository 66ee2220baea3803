"""Where data come from: files, arrays, TensorFlow Datasets; every bad source gets one clear error."""

import http.server
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from dataset_cases import NUMBERED, arrays, images, refused

from tfvae import datasets
from tfvae.datasets import tfds_source

# Files


def test_files(tmp_path):
    x, y = images(24), np.arange(24)
    np.savez(tmp_path / "xy.npz", x=x, y=y)
    np.savez_compressed(tmp_path / "splits.npz", x_train=x, y_train=y, x_valid=x[:5], x_test=x[:3], names=["a"])
    np.save(tmp_path / "x.npy", x)
    xy = datasets.load(tmp_path / "xy.npz")
    assert xy.name == "xy" and xy.protocol["source"] == str(tmp_path / "xy.npz") and xy.event_shape == (6, 5, 1)
    np.testing.assert_array_equal(x[xy.test.y][..., None], xy.test.x)
    splits = datasets.load(str(tmp_path / "splits.npz"))
    assert [len(part) for part in arrays(splits).values()] == [24, 5, 3] and splits.valid.y is None
    np.testing.assert_array_equal(datasets.load(str(tmp_path / "x.npy")).train.x, xy.train.x)


def bad_files(folder):
    """Returns (file, words of the message)."""
    x = images(24)
    np.savez(folder / "whole.npz", x_train=x)
    whole = (folder / "whole.npz").read_bytes()
    (folder / "truncated.npz").write_bytes(whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 255
    (folder / "flipped.npz").write_bytes(flipped)
    (folder / "empty.npz").write_bytes(b"")
    (folder / "foreign.npz").write_text("a,b\n1,2\n")
    (folder / "folder.npz").mkdir()
    np.savez(folder / "objects.npz", x=np.array([1, "a", None], dtype=object))
    np.savez(folder / "keys.npz", images=x, labels=np.arange(24))
    np.savez(folder / "typo.npz", x_train=x, x_val=x)
    np.savez(folder / "only_test.npz", x_test=x)
    np.savez(folder / "labels.npz", x_train=x, y_test=np.arange(24))
    np.savez(folder / "lengths.npz", x=x, y=np.arange(23))
    np.savez(folder / "nan.npz", x=np.array([[0, 1], [np.nan, 0]]))
    np.savez(folder / "mixed.npz", x_train=x, x_test=x / 255)
    np.save(folder / "truncated.npy", x)
    (folder / "truncated.npy").write_bytes((folder / "truncated.npy").read_bytes()[:-50])
    return [
        ("missing.npz", ["missing.npz", "no such file"]),
        ("truncated.npz", ["truncated.npz", "not a zip file", "damaged"]),
        ("flipped.npz", ["flipped.npz", "Bad CRC"]),
        ("empty.npz", ["empty.npz", "EOF"]),
        ("foreign.npz", ["foreign.npz", "foreign"]),
        ("folder.npz", ["folder.npz", "a folder"]),
        ("truncated.npy", ["truncated.npy", "(24, 6, 5)"]),
        ("objects.npz", ["objects.npz", "pickled objects"]),
        ("keys.npz", ["keys.npz", "x_train", "images, labels"]),
        ("typo.npz", ["typo.npz", "x_valid", "x_val"]),
        ("only_test.npz", ["only_test.npz", "x_test", "x_train"]),
        ("labels.npz", ["labels.npz", "y_test without the x"]),
        ("lengths.npz", ["lengths.npz", "(24, 6, 5)", "(23,)"]),
        ("nan.npz", ["nan.npz", "1 values that are NaN or infinite", "x[1, 0]"]),
        ("mixed.npz", ["mixed.npz", "uint8", "float64", "one shape and dtype"]),
    ]


def test_bad_files(tmp_path):
    for name, words in bad_files(tmp_path):
        refused(words, datasets.load, tmp_path / name)


# Bad arguments and arrays


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("digits", {"binarization": "dynmic"}, ["'dynmic'", '"static", "dynamic"']),
        ("digits", {"seed": 1.5}, ["seed", "1.5"]),
        ("digits", {"valid_fraction": 0.0}, ["valid_fraction in (0, 1)", "0.0"]),
        ("digits", {"test_fraction": 1.0}, ["test_fraction in (0, 1)", "1.0"]),
        ("digits", {"test_fraction": "half"}, ["test_fraction", "'half'"]),
        ("digits", {"test_fraction": 0.5, "valid_fraction": 0.6}, ["1797 examples", "898 for test, 1078 for valid"]),
        ("digits", {"scale": 0}, ["scale > 0", "scale=0"]),
        ("digits", {"scale": float("nan")}, ["scale > 0", "nan"]),
        ("digits", {"scale": 8, "binarization": "static"}, ["[0, 8]", "from 0 to 16", "scale="]),
        (images(12).reshape(12, 30), {"binarization": "dynamic"}, ["[0, 1]", "to 25", "scale="]),
        (-NUMBERED, {"binarization": "threshold", "scale": 60}, ["[0, 60]", "-59"]),
        (np.zeros((0, 4)), {}, ["to hold examples", "(0, 4)"]),
        (NUMBERED[:5], {}, ["at least one example for every split", "5 examples"]),
        (NUMBERED[:, 0], {}, ["[N, D]", "(60,)"]),
        (np.full((9, 3), np.inf), {}, ["finite", "27 values"]),
        ((NUMBERED, np.full(60, np.nan)), {}, ["finite", "y[0]"]),
        ((NUMBERED, np.arange(59)), {}, ["(60, 1)", "(59,)"]),
        (np.array([{}, {}, {}]), {}, ["objects"]),
        ([[1, 2], [3]], {}, ["to be an array", "ValueError"]),
        (((images(9), np.arange(9)), (images(5), np.arange(5))), {}, ["to be an array", "mapping"]),
        (np.array([["a", "b"]] * 9), {}, ["real numbers", "<U1"]),
        (NUMBERED + 1j, {}, ["real numbers", "complex"]),
        ({}, {}, ["x_train", "no arrays"]),
        ({"x": NUMBERED, "x_train": NUMBERED}, {}, ["x_train", "x, x_train"]),
        ({"x_train": NUMBERED, "x_test": np.zeros((9, 2), np.float32)}, {}, ["(1,) in train", "(2,) in test"]),
        (None, {}, ["NoneType", "digits"]),
        (tf.data.Dataset.range(3), {}, ["tf.data pipeline goes to fit"]),
        (7, {}, ["[N, D]", "shape ()"]),
    ],
)
def test_bad_input(source, options, words):
    refused(words, datasets.load, source, **options)


# TensorFlow Datasets: real record files, written by TFDS itself


class ThreeSplits(tfds.core.GeneratorBasedBuilder):
    """A registered set with official splits, and names of its own for image and label."""

    VERSION = tfds.core.Version("1.2.0")

    def _info(self):
        features = {
            "picture": tfds.features.Image(shape=(6, 5, 1)),
            "digit": tfds.features.ClassLabel(num_classes=10),
            "text": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=("picture", "digit")
        )

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(n) for name, n in (("train", 30), ("validation", 7), ("test", 5))}

    def _generate_examples(self, count):
        for number, image in enumerate(images(count, seed=count)):
            yield number, {"picture": image[..., None], "digit": number % 10, "text": "x"}


class Failing(ThreeSplits):
    """A set whose generation fails half way."""

    def _generate_examples(self, count):
        yield from list(super()._generate_examples(count))[:3]
        raise RuntimeError("the source\nis gone")


class Downloaded(ThreeSplits):
    """A set whose files come from a server; `url_infos` is what TFDS reads from a set's list of checksums."""

    url_infos = {}

    def _split_generators(self, dl_manager):
        dl_manager.download(list(self.url_infos))
        return super()._split_generators(dl_manager)


def store(folder, name, features, splits, **kwargs):
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={split: list(enumerate(examples)) for split, examples in splits.items()},
        data_dir=folder,
        **kwargs,
    )


def examples(count, **image):
    return [{"image": x[..., None], "label": i % 10} for i, x in enumerate(images(count, **image))]


IMAGE = {"image": tfds.features.Image(shape=(6, 5, 1)), "label": tfds.features.ClassLabel(num_classes=10)}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    tfds.disable_progress_bar()
    folder = tmp_path_factory.mktemp("tfds")
    store(folder, "two_splits", IMAGE, {"train": examples(30), "test": examples(8, seed=1)})
    store(folder, "configured", IMAGE, {"train": examples(12)}, config="small")
    binary = {"image": tfds.features.Tensor(shape=(3, 3), dtype=np.bool_)}
    store(folder, "no_labels", binary, {"train": [{"image": np.eye(3, dtype=bool)}] * 12})
    store(folder, "words", {"text": tfds.features.Text()}, {"train": [{"text": "a"}]})
    store(folder, "no_train", IMAGE, {"test": examples(3)})
    sizes = {**IMAGE, "image": tfds.features.Image(shape=(None, None, 1))}
    store(folder, "sizes", sizes, {"train": examples(2) + examples(2, height=7)})
    store(folder, "damaged", IMAGE, {"train": examples(9)})
    record = next(folder.glob("damaged/1.0.0/*tfrecord*"))
    record.write_bytes(record.read_bytes()[:-30])
    store(folder, "metadata", IMAGE, {"train": examples(9)})
    (folder / "metadata/1.0.0/dataset_info.json").write_text("{")
    ThreeSplits(data_dir=folder).download_and_prepare()
    return folder


def rows(x, y):
    return sorted((*image.ravel(), label) for image, label in zip(x, y, strict=True))


def test_tfds_with_train_and_test(data_dir):
    data = datasets.load("two_splits", data_dir=data_dir, binarization="dynamic")
    assert data.name == "two_splits" and "two_splits/1.0.0" in data.protocol["source"]
    assert data.protocol["sizes"] == {"train": 25, "valid": 5, "test": 8} and data.protocol["scale"] == 255
    grey = datasets.load("two_splits", data_dir=str(data_dir))
    assert rows(grey.test.x, grey.test.y) == rows(images(8, seed=1), np.arange(8))
    x, y = (np.concatenate([getattr(grey.train, letter), getattr(grey.valid, letter)]) for letter in "xy")
    assert rows(x, y) == rows(images(30), np.arange(30) % 10)
    assert data.protocol["crc32"]["train"] == datasets.load("two_splits", data_dir=data_dir).protocol["crc32"]["train"]


@pytest.mark.parametrize("name", ["three_splits", "three_splits:1.2.0", "three_splits:1.*.*"])
def test_tfds_with_splits_and_keys_of_its_own(data_dir, name):
    data = datasets.load(name, data_dir=data_dir)
    for split, count in (("train", 30), ("valid", 7), ("test", 5)):
        part = getattr(data, split)
        assert rows(part.x, part.y) == rows(images(count, seed=count), np.arange(count) % 10)
    assert data.protocol["splits"]["valid"] == "the source's own split validation"
    refused(["no test_fraction"], datasets.load, name, data_dir=data_dir, test_fraction=0.2)


@pytest.mark.parametrize("name", ["digit", "label", "y"])
def test_tfds_features_are_conditions_by_their_names(data_dir, name):
    data = datasets.load("three_splits", data_dir=data_dir, condition=name)
    assert repr(data.condition) == f"{{'{name}': Labels(10)}}"
    for split in (data.train, data.valid, data.test):
        np.testing.assert_array_equal(split.condition, split.y)
    refused(
        ["text of each example", "labels, which are called y"],
        datasets.load,
        "three_splits",
        data_dir=data_dir,
        condition="text",
    )


def test_tfds_config_and_binary_images_without_labels(data_dir, monkeypatch):
    assert datasets.load("configured/small", data_dir=data_dir).train.x.shape == (8, 6, 5, 1)
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    data = datasets.load("no_labels", binarization="static")
    assert data.train.y is None and data.train.x.dtype == np.uint8 and data.event_shape == (3, 3, 1)
    np.testing.assert_array_equal(data.train.x[0, :, :, 0], np.eye(3))


def test_tfds_prepares_what_is_not_prepared(tmp_path, data_dir):
    data = datasets.load("three_splits", data_dir=tmp_path)
    assert data.protocol == datasets.load("three_splits", data_dir=data_dir).protocol
    refused(
        ["failing", "RuntimeError: the source is gone", "embedded: digits"], datasets.load, "failing", data_dir=tmp_path
    )
    assert not list(tmp_path.glob("failing/*"))


def test_tfds_reads_an_older_version_that_is_prepared(tmp_path):
    store(tmp_path, "three_splits", IMAGE, {"train": examples(12)})
    assert "three_splits/1.0.0" in datasets.load("three_splits", data_dir=tmp_path).protocol["source"]
    assert [folder.name for folder in tmp_path.glob("three_splits/*")] == ["1.0.0"]


def test_tfds_downloads_when_a_server_answers(tmp_path, monkeypatch):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"content")

        def log_message(self, *args):
            pass

    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(Downloaded, "url_infos", {f"http://127.0.0.1:{server.server_port}/file": None})
        assert len(datasets.load("downloaded", data_dir=tmp_path).train) == 30
        server.shutdown()
    assert b"content" in [file.read_bytes() for file in tmp_path.glob("downloads/**/*") if file.is_file()]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("words", ["words/1.0.0", "image and label", "features text", "tf.data"]),
        ("no_train", ["no_train/1.0.0", "train split", "splits test"]),
        ("sizes", ["sizes/1.0.0", "different shapes", "tf.data"]),
        ("damaged", ["damaged/1.0.0", "readable records", "fetch it anew"]),
        ("metadata", ["metadata", "ParseError", "fetch it again"]),
        ("two_split", ["'two_split'", "digits", "prepared in", "two_splits:1.0.0, ", "list_builders"]),
        ("mnits", ["'mnits'", "close to it: mnist", ".npz or .npy"]),
        ("emnist/letterz", ["'emnist/letterz'", "letterz not found"]),
        ("mnist:9.9.9", ["9.9.9", "only: 3.0.1"]),
        ("no name", ["'no name'", "embedded: digits"]),
        ("", ["''", "embedded: digits"]),
    ],
)
def test_bad_tfds(data_dir, name, words):
    refused(words, datasets.load, name, data_dir=data_dir)


def test_tfds_too_large_for_memory(data_dir, monkeypatch):
    monkeypatch.setattr(tfds_source, "MAX_BYTES", 38 * 30 - 1)  # decoded: 38 images of 30 bytes, labels aside
    monkeypatch.setattr(tfds.core.DatasetInfo, "dataset_size", 0)
    refused(["4 GiB", "two_splits/1.0.0", "tf.data pipeline to fit"], datasets.load, "two_splits", data_dir=data_dir)
    monkeypatch.setattr(tfds_source, "MAX_BYTES", 38 * 30)
    assert len(datasets.load("two_splits", data_dir=data_dir).test) == 8


def test_a_real_name_without_a_network(tmp_path, monkeypatch):
    """Every connection is refused by a proxy that does not exist, so that this holds with a network as well."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    folder = tmp_path / "not_there"
    begin = time.monotonic()
    refused(
        [
            "mnist to be prepared in",
            "no answer from storage.googleapis.com",
            "embedded: digits",
            "none",
            "tfds.builder('mnist', data_dir='tfds').download_and_prepare()",
            'data_dir="tfds"',
        ],
        datasets.load,
        "mnist",
        data_dir=folder,
    )
    assert time.monotonic() - begin < 30 and not folder.exists()
