"""Data sets in memory: disjoint splits, the statistics of each protocol, batches in a repeatable order."""

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from dataset_cases import NUMBERED, SPLITS, arrays, images, refused
from sklearn.datasets import load_digits

from tfvae import datasets
from tfvae.datasets.binarization import PROTOCOLS

# Splits


def test_digits_are_the_real_ones():
    data = datasets.load("digits", seed=3)
    assert data.name == "digits" and data.event_shape == (8, 8, 1)
    assert [len(getattr(data, name)) for name in SPLITS] == [1297, 250, 250]
    original = load_digits()
    known = sorted((*x.astype(int).ravel(), y) for x, y in zip(original.images, original.target, strict=True))
    parts = [getattr(data, name) for name in SPLITS]
    assert [part.name for part in parts] == list(SPLITS)
    assert sorted((*x.ravel(), y) for part in parts for x, y in zip(part.x, part.y, strict=True)) == known
    assert {part.x.dtype for part in parts} == {np.dtype(np.uint8)} and data.protocol["scale"] == 16


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({}, (40, 10, 10)),
        ({"valid_fraction": 0.1}, (44, 6, 10)),
        ({"valid_fraction": 0.25, "test_fraction": 0.5}, (15, 15, 30)),
    ],
)
def test_cut_splits_are_disjoint_and_whole(options, sizes):
    data = datasets.load((NUMBERED, np.arange(60)), **options)
    assert tuple(len(getattr(data, name)) for name in SPLITS) == sizes
    rows = [x.ravel().tolist() for x in arrays(data).values()]
    assert sorted(sum(rows, [])) == list(range(60))
    for name in SPLITS:
        np.testing.assert_array_equal(getattr(data, name).x[:, 0], getattr(data, name).y)


def test_a_sixth_of_train_but_at_most_10000_is_held_out():
    data = datasets.load(np.zeros((70_000, 1)))
    assert [len(x) for x in arrays(data).values()] == [50_000, 10_000, 10_000]


@pytest.mark.parametrize(("rows", "held_out"), [(6, 1), (45, 4), (200, 20), (120_000, 10_000)])
def test_a_tenth_of_a_table_but_at_most_10000_rows_is_held_out(rows, held_out):
    data = datasets.load(pd.DataFrame({"a": np.random.default_rng(0).normal(size=rows)}))
    assert [len(x) for x in arrays(data).values()] == [rows - 2 * held_out, held_out, held_out]


def test_splits_depend_on_the_seed_alone():
    first, again, other, negative = (arrays(datasets.load(NUMBERED, seed=seed)) for seed in (5, 5, 6, -5))
    for name in SPLITS:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name]) and not np.array_equal(first[name], negative[name])


def test_official_splits_are_kept():
    source = {"x_train": NUMBERED[:40], "x_test": NUMBERED[40:], "y_test": np.arange(20), "unrelated": "ignored"}
    data = datasets.load(source)
    np.testing.assert_array_equal(data.test.x, NUMBERED[40:])
    assert sorted([*data.train.x[:, 0], *data.valid.x[:, 0]]) == list(range(40)) and len(data.valid) == 6
    assert data.valid.y is None and data.test.y.tolist() == list(range(20))
    whole = datasets.load({"x_train": NUMBERED[:40], "x_valid": NUMBERED[40:50], "x_test": NUMBERED[50:]})
    assert [x.ravel()[0] for x in arrays(whole).values()] == [0, 40, 50]
    refused(["valid_fraction", "split of its own"], datasets.load, source | {"x_valid": NUMBERED}, valid_fraction=0.1)


def test_protocol_says_how_and_is_json():
    data = datasets.load({"x_train": images(30), "x_test": images(9, seed=1)}, binarization="static", seed=4)
    protocol = json.loads(json.dumps(data.protocol))
    assert protocol["sizes"] == {"train": 25, "valid": 5, "test": 9}
    assert protocol["splits"]["valid"] == "5 of 30 x_train, permuted with the seed"
    assert protocol["splits"]["test"] == "the source's own split x_test"
    assert (protocol["binarization"], protocol["scale"], protocol["seed"]) == ("static", 255, 4)
    changed = images(30)
    changed[0, 0, 0] ^= 255
    other = datasets.load({"x_train": changed, "x_test": images(9, seed=1)}, binarization="static", seed=4).protocol
    assert other["crc32"] != protocol["crc32"] and other["crc32"]["test"] == protocol["crc32"]["test"]


@pytest.mark.parametrize(
    ("x", "scale", "event", "dtype"),
    [
        (images(12), 255, (6, 5, 1), np.uint8),
        (images(12)[..., None], 255, (6, 5, 1), np.uint8),
        (images(12) % 2, 1, (6, 5, 1), np.uint8),
        (images(12) > 99, 1, (6, 5, 1), np.uint8),
        (images(12).reshape(12, 30), 1, (30,), np.uint8),
        (images(12, dtype=np.float64), 1, (6, 5, 1), np.float64),
        (images(12).tolist(), 1, (6, 5, 1), np.int64),
        (tf.constant(images(12)), 255, (6, 5, 1), np.uint8),
    ],
)
def test_scale_channel_and_dtype(x, scale, event, dtype):
    data = datasets.load(x)
    assert data.protocol["scale"] == scale and data.event_shape == event and data.train.x.dtype == dtype
    assert len(data.preprocessing) == (scale != 1)
    assert datasets.load(x, scale=300).protocol["scale"] == 300


# Protocols


def test_static_and_dynamic_draws_have_the_grey_values_as_their_means():
    """Each of the 17 grey levels in 5 drawn splits, |z| < 5: false alarm in 5e-5 of runs; sees a mean off by 0.02."""
    grey = datasets.load("digits")
    drawn = {("static", name): x for name, x in arrays(datasets.load("digits", binarization="static")).items()}
    dynamic = arrays(datasets.load("digits", binarization="dynamic"))
    drawn |= {("dynamic", name): dynamic[name] / 16 for name in ("valid", "test")}
    for (_, name), bits in drawn.items():
        levels = getattr(grey, name).x
        assert set(np.unique(bits)) == {0, 1}
        assert np.all(bits[levels == 0] == 0) and np.all(bits[levels == 16] == 1)
        for level in range(1, 16):
            at = bits[levels == level]
            standard_error = np.sqrt(level / 16 * (1 - level / 16) / len(at))
            assert abs(at.mean() - level / 16) < 5 * standard_error


def test_static_draws_are_repeatable_and_differ_between_splits_and_seeds():
    same = {f"x_{name}": images(20) for name in SPLITS}
    first, again, other = (arrays(datasets.load(same, binarization="static", seed=seed)) for seed in (1, 1, 2))
    assert all(x.dtype == np.uint8 for x in first.values())
    for name in SPLITS:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])
    assert not np.array_equal(first["train"], first["valid"]) and not np.array_equal(first["valid"], first["test"])
    dynamic = arrays(datasets.load(same, binarization="dynamic", seed=1))
    for name in ("valid", "test"):  # the same stream, whatever else was drawn
        np.testing.assert_array_equal(dynamic[name], 255 * first[name])


@pytest.mark.parametrize("scale", [1.0, 41.0, 255.0])  # 1 / 41 is not exact
@pytest.mark.parametrize("u", [0, 1 - 2**-24])
def test_black_and_white_are_certain_at_the_ends_of_the_uniform_numbers(u, scale):
    class Ends:
        def random(self, shape, dtype):
            return np.full(shape, u, dtype)

    x = {"train": np.array([[0, scale]], np.float32)}
    assert PROTOCOLS["static"](x, scale, {"train": Ends()})[0]["train"].tolist() == [[0, 1]]


def test_threshold_is_half_the_scale():
    data = datasets.load(np.array([[0, 7], [8, 16]] * 6, np.uint8), binarization="threshold", scale=16)
    assert data.preprocessing == [] and data.train.x.dtype == np.uint8
    assert {tuple(row) for x in arrays(data).values() for row in x} == {(0, 0), (1, 1)}


def test_dynamic_keeps_train_grey_and_one_preprocessing_fits_all():
    data, grey = datasets.load("digits", binarization="dynamic"), datasets.load("digits")
    np.testing.assert_array_equal(data.train.x, grey.train.x)
    rescaling, binarization = data.preprocessing

    def preprocess(x):
        return binarization(rescaling(x), training=True).numpy()

    first, second = preprocess(data.train.x), preprocess(data.train.x)
    assert set(np.unique(first)) == {0, 1} and not np.array_equal(first, second)
    for name in ("valid", "test"):
        x = getattr(data, name).x
        assert x.dtype == np.uint8 and set(np.unique(x)) == {0, 16}
        np.testing.assert_array_equal(preprocess(x), x / 16)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("scale", [1, 16, 255])
def test_dynamic_stores_the_scale_in_the_dtype_of_the_data(dtype, scale):
    x = np.random.default_rng(0).integers(0, scale + 1, (30, 9)).astype(dtype)
    data = datasets.load(x, binarization="dynamic", scale=scale)
    assert {part.dtype for part in arrays(data).values()} == {np.dtype(dtype)}
    assert set(np.unique(data.valid.x)) == {0, scale} and len(data.preprocessing) == 1 + (scale != 1)


@pytest.mark.parametrize("scale", [2.5, 1000])
def test_a_scale_that_the_dtype_cannot_hold(scale):
    data = datasets.load(np.full((30, 3), 2, np.uint8), binarization="dynamic", scale=scale)
    assert set(np.unique(data.valid.x)) <= {0, scale}
    draws = datasets.load(np.full((30_000, 3), 2, np.uint8), binarization="static", scale=scale).train.x
    mean = 2 / scale  # |z| < 5: false alarm in 6e-7 of runs
    assert abs(draws.mean() - mean) < 5 * np.sqrt(mean * (1 - mean) / draws.size)


@pytest.mark.parametrize("binarization", ["threshold", "static", "dynamic"])
@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("value", [-0.25, 1.5])
def test_every_split_is_checked_before_it_is_made_binary(binarization, name, value):
    """A value outside [0, scale] has no probability, wherever it stands."""
    source = {f"x_{split}": np.full((6, 3), 0.5, np.float32) for split in SPLITS}
    source[f"x_{name}"][4, 1] = value
    refused([f"{name} values from", f"{value:g}"], datasets.load, source, binarization=binarization)


@pytest.mark.parametrize("binarization", ["none", "threshold", "static", "dynamic"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool])
def test_every_protocol_leaves_binary_data_alone(binarization, dtype):
    x = np.random.default_rng(0).integers(0, 2, (1500, 4, 4)).astype(dtype)
    data = datasets.load({"x_train": x, "x_valid": x, "x_test": x}, binarization=binarization)
    for part in arrays(data).values():
        for layer in data.preprocessing:
            part = layer(part.astype(np.float32), training=True)
        np.testing.assert_array_equal(part, x[..., None])


@pytest.mark.slow
def test_data_train_a_vae(make_vae):
    data = datasets.load("digits", binarization="dynamic")
    vae = make_vae(event=data.event_shape, preprocessing=data.preprocessing)
    steps = data.train.num_batches(200)
    history = vae.fit(
        data.train.batches(200, shuffle_seed=0),
        steps_per_epoch=steps,
        epochs=2,
        validation_data=data.valid.batches(200),
        shuffle=False,
        verbose=0,
    ).history
    assert steps == 7 and history["loss"][1] < history["loss"][0] < 50
    assert np.isfinite(history["val_elbo"]).all()


# Batches


def numbered(**options):
    return [batch.numpy()[:, 0].tolist() for batch in datasets.Split("train", NUMBERED[:11]).batches(4, **options)]


def epochs(count, **options):
    split = datasets.Split("train", NUMBERED[:11])
    stream = split.batches(4, **options)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    batches = [batch.numpy()[:, 0].tolist() for batch in stream.take(count * split.num_batches(4))]
    return [batches[i : i + 3] for i in range(0, len(batches), 3)]


def test_without_a_seed_one_pass_in_order():
    assert numbered() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    split = datasets.Split("train", images(10))
    stream = split.batches(4)
    assert stream.cardinality() == split.num_batches(4) == 3 and stream.element_spec.dtype == tf.uint8
    assert stream.element_spec.shape.as_list() == [None, 6, 5]
    assert split.num_batches(5) == 2 and split.num_batches(100) == 1 and len(split) == 10


def test_each_epoch_is_a_permutation_of_its_own_with_a_short_last_batch():
    passes = epochs(5, shuffle_seed=7)
    assert all([len(batch) for batch in batches] == [4, 4, 3] for batches in passes)
    orders = [sum(batches, []) for batches in passes]
    assert all(sorted(order) == list(range(11)) for order in orders)
    assert len({tuple(order) for order in [*orders, list(range(11))]}) == 6  # 11! orders: no two alike by chance


def test_order_depends_on_the_seed_and_the_epoch_alone():
    whole = epochs(6, shuffle_seed=7)
    tf.random.set_seed(123)
    assert epochs(6, shuffle_seed=7) == whole
    for first in (1, 4):
        assert epochs(6 - first, shuffle_seed=7, first_epoch=first) == whole[first:]
    assert epochs(6, shuffle_seed=8) != whole


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, ["batch_size", "0"]),
        ({"batch_size": 2.5}, ["batch_size", "2.5"]),
        ({"batch_size": 4, "shuffle_seed": 0, "first_epoch": -1}, ["first_epoch", "-1"]),
        ({"batch_size": 4, "shuffle_seed": 0, "first_epoch": 1.5}, ["first_epoch", "1.5"]),
    ],
)
def test_bad_batches(arguments, words):
    refused(words, datasets.Split("train", NUMBERED).batches, **arguments)
