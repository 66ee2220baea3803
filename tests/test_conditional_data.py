"""What data sets say beside x: labels, words and numbers become the condition of every split, row by row."""

import numpy as np
import pytest
from tiny import tiny_vae

from tfvae import InvalidInput, datasets, likelihoods
from tfvae.conditions import Labels, Real
from tfvae.evaluation import without_z

ROWS = np.arange(60)
X = np.stack([ROWS, ROWS * 2, ROWS**2], axis=1).astype("float32") / 3600  # each row says which one it is
KINDS = {
    "labels": (ROWS % 4, Labels(4)),
    "a column of labels": (ROWS[:, np.newaxis] % 3, Labels(3)),
    "two answers": (ROWS % 2 == 0, Labels(2)),
    "words": (np.array(["fox", "ant", "cow"])[ROWS % 3], Labels(3)),
    "bytes": (np.array([b"fox", b"ant"])[ROWS % 2], Labels(2)),
    "numbers": (ROWS / 60, Real(1)),
    "vectors": (np.stack([ROWS, -ROWS], axis=1) / 60, Real(2)),
    "whole numbers that are no labels": (np.stack([ROWS % 5, ROWS % 7], axis=1), Real(2)),
    "pictures": (np.tile(ROWS[:, np.newaxis, np.newaxis] / 60, [1, 2, 3]), Real((2, 3))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_split_keeps_the_condition_of_its_rows(kind):
    values, part = KINDS[kind]
    data = datasets.load({"x": X, "kind": values}, condition="kind")
    assert repr(data.condition) == repr({"kind": part}) and data.protocol["condition"]["kind"] == repr(part)
    for split in (data.train, data.valid, data.test):
        rows = np.rint(split.x[:, 0] * 3600).astype(int)
        assert split.condition.shape == (len(rows), *part.raw_shape)
        if data.told.words:
            assert [data.told.words[label] for label in split.condition] == values[rows].astype(str).tolist()
        else:
            np.testing.assert_allclose(split.condition, values[rows].reshape(split.condition.shape))
        assert split.observed.keys() == {"x", "condition"} and len(split.observed["condition"]) == len(split)
    assert list(data.told.words) == sorted(data.told.words)


@pytest.mark.parametrize("name", ["y", "label", "labels"])
def test_the_labels_of_a_source_go_by_three_names(name):
    data, plain = datasets.load("digits", condition=name), datasets.load("digits")
    np.testing.assert_array_equal(data.test.condition, plain.test.y)
    assert list(data.condition) == ["condition" if name == "labels" else name]  # a name that a model has for itself
    assert {k: v for k, v in data.protocol.items() if k != "condition"} == plain.protocol
    assert plain.condition == {} and plain.test.observed is plain.test.x


def test_a_file_has_an_array_of_that_name_for_each_split(tmp_path):
    parts = {"x_train": X, "x_valid": X[:5], "x_test": X[5:9], "y_train": ROWS}
    ages = {f"age_{split}": X[: len(parts[f"x_{split}"]), :1] for split in ("train", "valid", "test")}
    np.savez(tmp_path / "data.npz", **parts, **ages)
    data = datasets.load(tmp_path / "data.npz", condition="age")
    np.testing.assert_array_equal(data.valid.condition, X[:5, :1])
    assert data.train.y.tolist() == ROWS.tolist() and data.valid.y is None
    assert data.protocol["condition"]["crc32"].keys() == {"train", "valid", "test"}


@pytest.mark.parametrize("shuffle_seed", [None, 0])
def test_batches_carry_it(shuffle_seed):
    split = datasets.load({"x": X, "y": ROWS % 4}, condition="y").train
    batches = list(split.batches(7, shuffle_seed).take(split.num_batches(7)))
    rows = np.rint(np.concatenate([batch["x"][:, 0] for batch in batches]) * 3600).astype(int)
    np.testing.assert_array_equal(np.concatenate([batch["condition"] for batch in batches]), rows % 4)
    assert len(set(rows)) == len(split)


@pytest.mark.parametrize(
    ("values", "name", "message"),
    [
        (ROWS % 4 - 1, "kind", r"labels 0 ... K - 1. Received values from -1 to 2"),
        (ROWS * 1000, "kind", "Number the labels"),
        (ROWS * 0, "kind", "two labels or more"),
        (np.array(["a"] * 60), "kind", "two labels or more"),
        (ROWS % 4, "age", "age of each example in x of arrays. Received no labels"),
        (ROWS % 4, "x", "another array than x"),
        (ROWS % 4, 3, "another array than x"),
        (ROWS[:30], "kind", "x and condition of the same length"),
        (np.full(60, np.nan), "kind", "finite"),
        (np.array([["a", "b"]] * 60), "kind", "one label for each example"),
    ],
)
def test_what_cannot_be_a_condition_is_named(values, name, message):
    with pytest.raises(InvalidInput, match=message):
        datasets.load({"x": X, "kind": values}, condition=name)


@pytest.mark.parametrize("values", [np.array(["a", "b", "c"]), np.arange(3)])
def test_a_label_that_training_never_saw_is_named(values):
    splits = {"x_train": X, "kind_train": values[ROWS % 2], "x_valid": X[:9], "kind_valid": values[[0] * 9]}
    splits |= {"x_test": X[:4], "kind_test": values[[0, 1, 2, 0]]}
    with pytest.raises(InvalidInput, match=f"kind in test with labels that train has. Received {values[2]} in row 2"):
        datasets.load(splits, condition="kind")


def test_large_numbers_are_told_to_be_brought_to_order_one(caplog):
    datasets.load({"x": X, "age": ROWS.astype(float)}, condition="age")
    assert "age has values from" in caplog.text and "bring them to order one" in caplog.text


def test_baselines_do_not_look_at_the_condition():
    """The conditions of training rows are there to be checked alone: log p of x is the same without them."""
    vae = tiny_vae(event=3)
    told = tiny_vae(likelihoods.Bernoulli(3, given=("z", "condition")), condition=Labels(2))
    x = (X > 0.3).astype("float32")
    found = without_z.baselines(told, {"x": x, "condition": ROWS % 2}, {"x": x, "condition": ROWS % 2})
    alone = without_z.baselines(vae, x, x)
    for name, values in alone.log_prob.items():
        np.testing.assert_array_equal(found.log_prob[name], values)
