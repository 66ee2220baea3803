"""Keras' callbacks see the same fit of arrays, many steps in a program, as of a stream, which is Keras' own loop."""

import csv
import functools

import keras
import numpy as np
import pytest
from resident_cases import X, make, stream

EPOCHS = 4
HOOKS = ("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_test_begin", "on_test_end")


def callbacks(folder):
    """Returns ten of Keras' callbacks, each of which acts."""
    kinds, board = keras.callbacks, folder / "board"
    return [
        kinds.ModelCheckpoint(folder / "m.weights.h5", monitor="val_loss", save_best_only=True, save_weights_only=True),
        kinds.BackupAndRestore(folder / "backup", delete_checkpoint=False),
        kinds.TerminateOnNaN(),
        kinds.EarlyStopping("val_elbo", mode="max", patience=EPOCHS, restore_best_weights=True),
        kinds.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100.0),
        kinds.LearningRateScheduler(lambda epoch, rate: 0.9 * rate),
        kinds.CSVLogger(folder / "log.csv"),
        kinds.LambdaCallback(on_epoch_end=lambda epoch, logs: logs["loss"]),
        kinds.TensorBoard(board, write_graph=False),
        kinds.SwapEMAWeights(swap_on_epoch=False),
    ]


def watched(callback, seen):
    """Notes what a callback is told, by hook, before it acts on it."""

    def note(hook, act, *given):
        seen.append((type(callback).__name__, hook, given[:-1], dict(given[-1] or {})))
        return act(*given)

    for hook in HOOKS:
        setattr(callback, hook, functools.partial(note, hook, getattr(callback, hook)))
    return callback


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What ten callbacks were told in both loops, and the folders with what they wrote."""
    found = {}
    for loop, data in (("arrays", X), ("stream", stream(X))):
        folder, seen, vae = tmp_path_factory.mktemp(loop), [], make(optimizer=keras.optimizers.Adam(0.01, use_ema=True))
        how = {"batch_size": 16, "shuffle": False} if loop == "arrays" else {}
        beside = [watched(callback, seen) for callback in callbacks(folder)]
        vae.fit(data, epochs=EPOCHS, validation_data=data, verbose=0, callbacks=beside, **how)
        found[loop] = (seen, folder, vae)
    return found


def test_each_of_ten_callbacks_is_told_the_same(told):
    arrays, batches = told["arrays"][0], told["stream"][0]
    assert len({name for name, *_ in arrays}) == 10 and len(arrays) == len(batches)
    for one, other in zip(arrays, batches, strict=True):
        assert one[:3] == other[:3] and one[3].keys() == other[3].keys(), (one[:3], other[:3])
        np.testing.assert_allclose(list(one[3].values()), list(other[3].values()), rtol=1e-5, err_msg=str(one[:3]))
    ends = [logs for name, hook, _, logs in arrays if (name, hook) == ("CSVLogger", "on_epoch_end")]
    assert len(ends) == EPOCHS and {"loss", "elbo", "val_elbo", "learning_rate"} <= ends[0].keys()


def test_what_they_write_is_the_same(told):
    rows = []
    for _, folder, _ in told.values():
        with open(folder / "log.csv") as file:
            rows.append([[float(cell) for cell in row.values()] for row in csv.DictReader(file)])
        assert (folder / "m.weights.h5").exists() and any((folder / "board").rglob("events*"))
    np.testing.assert_allclose(*rows, rtol=1e-5)


def test_what_they_do_to_the_model_is_the_same(told):
    """Rates that were cut, best weights that were restored, averages that were swapped in."""
    one, other = (vae for _, _, vae in told.values())
    assert float(one.optimizer.learning_rate) == pytest.approx(float(other.optimizer.learning_rate), rel=1e-6)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
