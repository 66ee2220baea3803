"""Containers: every method takes each of them, or refuses it by name with advice, and the advice works."""

import re

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
from tiny import tiny_vae

import tfvae
from tfvae.core import reading
from tfvae.training import windows

X = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")
MASKED = np.ma.masked_greater(X, 1.0)
WORDS = np.concatenate([X[:, :4].astype(object), np.array([["a", "b"] * 20], object).T], axis=1)
LABELS = np.arange(40) % 3


class Batches(keras.utils.PyDataset):
    num_batches = 2

    def __getitem__(self, index):
        return (X[20 * index : 20 * (index + 1)],)


def on_disk(folder):
    with h5py.File(folder / "x.h5", "w") as file:
        file["x"] = X
    return h5py.File(folder / "x.h5")["x"]


def mapped(folder):
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r")


def stream(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays[0] if len(arrays) == 1 else arrays)


WHOLE = {  # which every method takes
    "float64": lambda folder: X.astype("float64"),
    "integers": lambda folder: np.round(X).astype("int64"),
    "tensor": lambda folder: tf.constant(X),
    "tf.Variable": lambda folder: tf.Variable(X),
    "keras.Variable": lambda folder: keras.Variable(X),
    "nothing masked": lambda folder: np.ma.masked_array(X),
    "small memory map": mapped,
    "small HDF5": on_disk,
}
PIECES = {  # which every method takes that gives numbers of all rows; the others want one batch
    "csr": lambda folder: scipy.sparse.csr_matrix(X),
    "coo array": lambda folder: scipy.sparse.coo_array(X),
    "stream": lambda folder: stream(X).batch(16),
    "stream of (x, y)": lambda folder: stream(X, LABELS).batch(16),
    "PyDataset": lambda folder: Batches(),
    "generator": lambda folder: iter([X[:30], X[30:]]),
}
LOSSY = {  # which no method takes: what the message says, and the advice
    "words": (WORDS, "'a' in column 4.*numpy.unique", None),
    "strings": (X.astype(str), 'astype\\("float32"\\)', lambda x: x.astype("float32")),
    "objects": (X.astype(object), 'astype\\("float32"\\)', lambda x: x.astype("float32")),
    "list": (X.tolist(), "a list.*Stack the examples", np.array),
    "one row": (X[0], r"x\[None\]", lambda x: x[None]),
    "unbatched stream": (stream(X), r"data.batch\(128\)|one batch at a time", lambda data: data.batch(128)),
    "a dimension too many": (X[:, None], r"x.reshape\(\(-1, 5\)\)", lambda x: x.reshape((-1, 5))),
    "another width": (X[:, :4], r"event_shape of your data, \(4,\)", None),
}
OF_ALL_ROWS = {
    "fit": lambda vae, x: vae.fit(x, verbose=0),
    "evaluate": lambda vae, x: vae.evaluate(x, verbose=0),
    "predict": lambda vae, x: vae.predict(x, verbose=0),
    "adapt": lambda vae, x: vae.adapt(x),
    "reconstruct": lambda vae, x: vae.reconstruct(x),
    "elbo": lambda vae, x: vae.elbo(x),
    "log_prob": lambda vae, x: vae.log_prob(x, num_samples=2),
    "evaluation": lambda vae, x: tfvae.evaluation.evaluate(vae, x, num_samples=2, verbose=False),
}
OF_A_BATCH = {
    "encode": lambda vae, x: vae.encode(x),
    "joint_log_prob": lambda vae, x: vae.joint_log_prob(x, np.zeros((1, 1, 2), "float32")),
    "call": lambda vae, x: vae(x),
    "train_on_batch": lambda vae, x: vae.train_on_batch(x),
}
METHODS = OF_ALL_ROWS | OF_A_BATCH
SOME = ("csr", "stream", "small HDF5")  # the others are slow


@pytest.fixture(scope="module")
def vae():
    return tiny_vae(tfvae.likelihoods.Normal)


@pytest.fixture
def eagerly():
    """Nothing is traced: what is asked is which containers come through."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def table(kinds, methods):
    def marks(kind, method):
        return [] if kind in SOME or method in ("elbo", "encode") else [pytest.mark.slow]

    pairs = [(kind, method) for kind in kinds for method in methods]
    return [pytest.param(*pair, id="-".join(pair), marks=marks(*pair)) for pair in pairs]


@pytest.mark.parametrize(("kind", "method"), [*table(WHOLE, METHODS), *table(PIECES, OF_ALL_ROWS)])
@pytest.mark.usefixtures("eagerly")
def test_every_container_is_taken(vae, kind, method, tmp_path):
    METHODS[method](vae, (WHOLE | PIECES)[kind](tmp_path))


@pytest.mark.parametrize(("kind", "method"), table(PIECES, OF_A_BATCH))
def test_what_wants_one_batch_says_so(vae, kind, method, tmp_path):
    with pytest.raises(tfvae.InvalidInput, match="one batch at a time|x.toarray()"):
        METHODS[method](vae, PIECES[kind](tmp_path))


@pytest.mark.parametrize(("kind", "method"), table(LOSSY, METHODS))
def test_lossy_containers_are_refused_by_every_method(vae, kind, method):
    x, message, _ = LOSSY[kind]
    with pytest.raises(tfvae.InvalidInput, match=message):
        METHODS[method](vae, x)


@pytest.mark.parametrize("kind", [kind for kind, (_, _, advice) in LOSSY.items() if advice])
def test_the_advice_works(vae, kind):
    x, _, advice = LOSSY[kind]
    assert np.isfinite(vae.elbo(advice(x), seed=0)).all()


@pytest.mark.slow
def test_the_advice_for_words_works():
    coded = np.column_stack([*WORDS[:, :4].T, np.unique(WORDS[:, 4], return_inverse=True)[1]]).astype("float32")
    likelihood = tfvae.likelihoods.Columns(
        [tfvae.likelihoods.Normal(4), tfvae.likelihoods.Categorical(1, num_categories=2)]
    )
    assert np.isfinite(tiny_vae(likelihood).fit(coded, verbose=0).history["loss"]).all()


IMAGES = np.zeros((4, 6, 6, 3), "float32")


@pytest.mark.parametrize(
    ("event", "x", "advice"),
    [
        ((6, 6, 3), np.moveaxis(IMAGES, -1, 1), lambda x: np.moveaxis(x, 1, -1)),
        ((6, 6, 1), IMAGES[..., 0], lambda x: x[..., None]),
        ((6, 6, 3), IMAGES.reshape(4, -1), lambda x: x.reshape((-1, 6, 6, 3))),
        ((6,), np.eye(3)[np.zeros((4, 6), int)], lambda x: x.argmax(-1)),
        ((7, 3), np.arange(84.0).reshape(4, 3, 7), lambda x: np.swapaxes(x, 1, 2)),
        ((6, 5, 3), np.arange(360.0).reshape(4, 5, 6, 3), lambda x: np.swapaxes(x, 1, 2)),
        ((1,), pd.Series(np.arange(4.0)), lambda x: x.to_numpy()[:, None]),
    ],
    ids=["channels first", "without channels", "flat", "one-hot", "a series, time last", "width first", "a column"],
)
def test_the_advice_for_a_shape_is_the_code_that_mends_it(event, x, advice):
    vae = tfvae.VAE(tfvae.posteriors.DiagonalNormal(2, network=keras.layers.Flatten()), tfvae.likelihoods.Normal(event))
    with pytest.raises(tfvae.InvalidInput) as refusal:
        vae.elbo(x)
    code = re.search(r"(numpy\.|x\.|x\[).*?[\])](?=[.,;])", str(refusal.value))[0]
    np.testing.assert_array_equal(eval(code, {"numpy": np, "x": x}), advice(x))
    assert vae.elbo(advice(x)).shape == (4,)


def test_the_column_of_a_frame_that_holds_words_is_named():
    vae = tiny_vae(tfvae.likelihoods.Normal, 2)
    frame = pd.DataFrame({"age": [30.0, 40.0, 50.0], "city": [1.0, 2.0, "Bern"]})
    with pytest.raises(tfvae.InvalidInput, match="'Bern' in column 'city'. tfvae.tables.fit"):
        vae.fit(frame, verbose=0)
    assert vae.elbo(frame[["age", "age"]]).shape == (3,)
    gaps = pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": [1.0, 2.0, 3.0]})
    with pytest.raises(tfvae.InvalidInput, match=r'x.to_numpy\("float32", na_value=numpy.nan\)'):
        vae.fit(gaps, verbose=0)


@pytest.mark.parametrize(
    "y",
    [
        LABELS,
        LABELS[:, None],
        LABELS.astype("float32"),
        np.eye(3, dtype="float32")[LABELS],
        np.eye(3, dtype=int)[LABELS],
    ],
    ids=["integers", "a column", "floats", "one-hot floats", "one-hot integers"],
)
def test_labels_are_dropped_with_a_note_in_any_form(y, caplog):
    tiny_vae(tfvae.likelihoods.Normal).evaluate(X, y, verbose=0)
    assert "the labels in y are not used" in caplog.text


def test_a_target_of_a_wrong_width_is_not_taken_for_labels(vae):
    with pytest.raises(tfvae.InvalidInput, match="y to be a reconstruction target"):
        vae.evaluate(X, X[:, :4], verbose=0)


# What is read in parts.


@pytest.fixture
def all_are_large(monkeypatch):
    monkeypatch.setattr(reading, "LARGE", 0)


@pytest.mark.parametrize("container", [mapped, on_disk, PIECES["csr"]], ids=["memory map", "HDF5", "csr"])
def test_numbers_are_those_of_the_array(all_are_large, container, tmp_path):
    vae, x = tiny_vae(tfvae.likelihoods.Normal), container(tmp_path)
    np.testing.assert_allclose(vae.log_prob(x, 3, seed=1), vae.log_prob(X, 3, seed=1), rtol=1e-6)
    np.testing.assert_allclose(vae.predict(x, verbose=0), vae.reconstruct(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(vae.evaluate(x, verbose=0), vae.evaluate(X, verbose=0), rtol=1e-5)
    vae.adapt(x)
    adapted = tiny_vae(tfvae.likelihoods.Normal)
    adapted.adapt(X)
    np.testing.assert_array_equal(vae.scaling.mean, adapted.scaling.mean)


def test_every_row_is_seen_once_an_epoch_in_an_order_of_the_seed_and_the_step(monkeypatch):
    seen = []
    monkeypatch.setattr(windows, "read", lambda x, rows: seen.append(rows) or reading.read(x, rows))
    monkeypatch.setattr(windows, "BYTES", 0)  # a window a batch

    def orders(initial_epoch, epochs):
        vae = tiny_vae(tfvae.likelihoods.Normal, seed=3)
        vae.optimizer.iterations.assign(3 * initial_epoch)
        seen.clear()
        sparse = scipy.sparse.csr_matrix(X)
        weight, held = np.ones(40, "float32"), (sparse[:8], None, np.ones(8, "float32"))
        vae.fit(
            sparse, sample_weight=weight, batch_size=16, epochs=epochs, initial_epoch=initial_epoch, verbose=0,
            validation_data=held,
        )  # fmt: skip
        return [tuple(rows) for rows in seen if len(rows) == 16 and not isinstance(rows, slice)]

    whole = orders(0, 2)
    assert len({*whole}) > 2
    assert orders(1, 2)[-2:] == whole[-2:]


def test_a_sparse_matrix_is_never_dense_as_a_whole(monkeypatch):
    x = scipy.sparse.csr_matrix(X)
    most, dense = [], scipy.sparse.csr_matrix.toarray
    monkeypatch.setattr(scipy.sparse.csr_matrix, "toarray", lambda self: most.append(self.shape[0]) or dense(self))
    vae = tiny_vae(tfvae.likelihoods.Normal)
    vae.scaling.adapted.assign(1.0)
    for method in ("fit", "evaluate", "predict"):
        OF_ALL_ROWS[method](vae, x)
    assert max(most) == 32


@pytest.mark.parametrize(("largest", "said"), [(2**24, "values unchanged"), (2**24 + 3, "rounds whole numbers above")])
def test_the_note_on_integers_is_true(largest, said, caplog):
    counts = np.array([[largest, 3, 1, 0, 2]] * 4)
    tiny_vae(tfvae.likelihoods.Poisson).evaluate(counts, verbose=0)
    assert said in caplog.text
    assert (int(tf.cast(largest, tf.float32)) == largest) == ("unchanged" in said)


# What stands beside data that are read in parts.

SPARSE = scipy.sparse.csr_matrix(X)
WEIGHT = np.arange(40, dtype="float32") ** 2


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "given",
    [
        lambda x: {"sample_weight": WEIGHT},
        lambda x: {"sample_weight": WEIGHT.tolist()},
        lambda x: {"y": tf.constant(X), "sample_weight": WEIGHT},
    ],
    ids=["weights", "a list of weights", "a tensor as target"],
)
def test_what_stands_beside_a_sparse_matrix_counts(given):
    vae = tiny_vae(tfvae.likelihoods.Normal)
    expected = vae.evaluate(X, **given(X), verbose=0)
    np.testing.assert_allclose(vae.evaluate(SPARSE, **given(SPARSE), verbose=0), expected, rtol=1e-4)
    assert abs(vae.evaluate(X, verbose=0)[0] - expected[0]) > 1


@pytest.mark.slow
def test_validation_data_may_be_a_sparse_matrix_with_weights_or_without():
    vae = tiny_vae(tfvae.likelihoods.Normal)
    alone = vae.fit(SPARSE, validation_data=SPARSE, verbose=0).history["val_loss"]
    assert np.isfinite(alone).all()
    weighted = vae.fit(X, validation_data=(SPARSE, None, np.zeros(40, "float32")), verbose=0).history["val_loss"]
    assert weighted == [0.0]


@pytest.mark.parametrize("rows", [39, 41])
def test_another_number_of_rows_beside_a_sparse_matrix_is_refused(vae, rows):
    with pytest.raises(tfvae.InvalidInput, match="40 rows of all, as x has"):
        vae.evaluate(SPARSE, sample_weight=np.ones(rows), verbose=0)


def test_a_validation_split_of_a_sparse_matrix_says_what_to_pass(vae):
    with pytest.raises(tfvae.InvalidInput, match="data that are read in parts. Pass validation_data"):
        vae.fit(SPARSE, validation_split=0.5, verbose=0)


def test_a_pass_begins_at_the_first_batch_after_the_last_and_not_where_keras_looks_ahead():
    batches = reading.RowBatches((X,), 16, lambda rows, before: np.roll(np.arange(rows), before))
    first = [batches[0][0], batches[0][0], batches[1][0], batches[2][0]]
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(np.concatenate(first[1:]), X)
    np.testing.assert_array_equal(batches[0][0], X[np.sort(np.roll(np.arange(40), 3)[:16])])
