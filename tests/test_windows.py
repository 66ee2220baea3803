"""Windows of what is read in parts: the batches, weights, refusals and resumed runs are those of whole arrays."""

import keras
import numpy as np
import pytest
import scipy.sparse
from tiny import tiny_vae

import tfvae
from tfvae.callbacks import Checkpoint, FirstAid
from tfvae.core import reading
from tfvae.core.reading import RowBatches
from tfvae.training import windows
from tfvae.training.epochs import Epochs
from tfvae.training.windows import Windows

X = np.random.default_rng(0).normal(size=(70, 5)).astype("float32")
MASK = np.random.default_rng(1).random((70, 5)) < 0.7
WEIGHT = np.linspace(0.5, 1.5, 70, dtype="float32")
BATCH = 8


@pytest.fixture(autouse=True)
def three_batches_a_window(monkeypatch):
    monkeypatch.setattr(reading, "LARGE", 0)
    monkeypatch.setattr(windows, "BYTES", 3 * BATCH * 4 * 11)


@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def make():
    keras.utils.set_random_seed(0)
    return tiny_vae(tfvae.likelihoods.Normal, seed=3)


def reversed_by(rows, before):
    return np.roll(np.arange(rows)[::-1], before)


@pytest.mark.parametrize("rows", [70, 72, 7, 8])
def test_windows_hold_the_batches_of_the_stream_each_once(rows):
    data = ({"x": X[:rows] if rows <= 70 else np.concatenate([X, X[:2]]), "weight": np.arange(rows, dtype="float32")},)
    batches = RowBatches(data, BATCH, reversed_by)
    vae = make()
    source, shapes = Windows(vae, RowBatches(data, BATCH, reversed_by)), set()
    epochs = Epochs(vae, None, source, training=True)
    for epoch in range(2):
        source.begin()
        for index in range(batches.num_batches):
            held = source.held(index)
            places = held.full[index - held.first] if index < rows // BATCH else held.remainder[0]
            expected = batches[index][0]
            for key in ("x", "weight"):
                np.testing.assert_array_equal(np.asarray(held.data[key])[places.numpy()], expected[key], err_msg=epoch)
            np.testing.assert_array_equal(epochs.batch(index)["x"], expected["x"])
            shapes.add((tuple(held.data["x"].shape), tuple(held.full.shape)))
    assert len(shapes) <= 2 and max(shape[0][0] for shape in shapes) <= 5 * BATCH


GIVEN = {
    "x": lambda x: (x, {}),
    "with weights": lambda x: (x, {"sample_weight": WEIGHT}),
    "denoising": lambda x: (x, {"y": X[::-1].copy()}),
    "mask": lambda x: ({"x": x, "mask": MASK}, {}),
}


@pytest.mark.parametrize("given", GIVEN)
def test_weights_and_history_are_those_of_the_batches_as_a_stream(mapped, given):
    x, beside = GIVEN[given](mapped)
    data = {"batch_size": BATCH, "epochs": 2, "verbose": 0}
    ours, theirs = make(), make()
    history = ours.fit(x, **beside, **data, validation_data=x).history
    expected = theirs.fit(x, **beside, **data, validation_data=x, steps_per_epoch=9).history  # through tf.data
    assert history.keys() == expected.keys()
    for name, values in history.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_resumed_run_goes_on_bit_for_bit(mapped, tmp_path):
    whole = make()
    whole.fit(mapped, batch_size=BATCH, epochs=4, verbose=0)
    make().fit(mapped, batch_size=BATCH, epochs=2, verbose=0, callbacks=[Checkpoint(tmp_path / "kept")])
    resumed = Checkpoint(tmp_path / "kept").restore()
    resumed.fit(mapped, batch_size=BATCH, initial_epoch=2, epochs=4, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))


@pytest.mark.parametrize("row", [1, 69])
def test_a_value_that_must_be_refused_is_found_in_any_window(tmp_path, row):
    bad = X.copy()
    bad[row, 2] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    with pytest.raises(tfvae.InvalidInput, match="finite"):
        make().fit(np.load(tmp_path / "bad.npy", mmap_mode="r"), batch_size=BATCH, verbose=0)


def test_first_aid_ends_a_fit_that_is_read_in_parts(mapped):
    vae = make()
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([4], [1e-3, 1e30])
    vae.compile(keras.optimizers.SGD(rate))
    with pytest.raises(tfvae.callbacks.Diverged):
        vae.fit(mapped, batch_size=BATCH, epochs=3, verbose=0, callbacks=[FirstAid()])


def test_a_container_is_asked_for_few_places_at_a_time():
    class Kept:
        asked = []

        def __getitem__(self, rows):
            self.asked.append(len(rows))
            return X[rows % 70]

    rows = np.arange(2500)
    np.testing.assert_array_equal(reading.read(Kept(), rows), X[rows % 70])
    assert Kept.asked == [1000, 1000, 500]


def test_no_more_than_two_windows_are_dense(monkeypatch):
    seen, dense = [], scipy.sparse.csr_matrix.toarray
    monkeypatch.setattr(scipy.sparse.csr_matrix, "toarray", lambda self: seen.append(self.shape[0]) or dense(self))
    vae = make()
    vae.scaling.adapted.assign(1.0)
    vae.fit(scipy.sparse.csr_matrix(X), batch_size=BATCH, verbose=0)
    assert max(seen) <= 7 * BATCH
