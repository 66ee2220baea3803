"""Resume: a fit that was stopped at any moment and goes on ends where one that was never stopped ends."""

import functools
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from killed import Killed, difference
from tiny import tiny_vae

import tfvae
from tfvae.callbacks import Checkpoint, HistoryFile, read_history
from tfvae.core.errors import InvalidInput

EPOCHS = 6
X = np.random.default_rng(0).integers(0, 2, size=(70, 5)).astype("float32")
STREAM = tf.data.Dataset.from_tensor_slices(X).batch(20)


class Killer(keras.callbacks.Callback):
    """Ends training in the middle of an epoch, or as the last thing of it."""

    def __init__(self, epoch, moment):
        super().__init__()
        self.target, self.moment = epoch, moment

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._kill("batch", self.epoch)

    def on_epoch_end(self, epoch, logs=None):
        self._kill("end", epoch)

    def on_train_end(self, logs=None):
        self._kill("train end", self.epoch)

    def _kill(self, moment, epoch):
        if (moment, epoch) == (self.moment, self.target):
            raise Killed


class Counter(keras.callbacks.Callback):
    """A user's own callback with a state."""

    def __init__(self):
        super().__init__()
        self.epochs_seen, self.trace = 0, np.zeros(2)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs_seen += 1
        self.trace = self.trace * 0.5 + logs["loss"]

    def get_state(self):
        return {"epochs_seen": self.epochs_seen, "trace": self.trace}

    def set_state(self, state):
        self.epochs_seen, self.trace = state["epochs_seen"], state["trace"]


def make_vae(learning_rate=0.05):
    return tiny_vae(units=None, initial=1, optimizer=learning_rate)


def fit(vae, callbacks, **options):
    return vae.fit(STREAM, validation_data=STREAM, epochs=EPOCHS, verbose=0, callbacks=callbacks, **options)


def early_stopping():
    return keras.callbacks.EarlyStopping("val_elbo", mode="max", patience=2, min_delta=0.05, restore_best_weights=True)


CALLBACKS = {
    "none": lambda: [],
    "early stopping": lambda: [early_stopping()],
    "stopped early": lambda: [
        keras.callbacks.EarlyStopping("val_elbo", mode="min", patience=3, restore_best_weights=True)
    ],
    "plateau": lambda: [
        keras.callbacks.ReduceLROnPlateau("val_elbo", mode="max", factor=0.5, patience=1, min_delta=0.3, cooldown=1)
    ],
    "own": lambda: [Counter()],
    "rate by epoch": lambda: [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7)],
}
STATE = ("wait", "stopped_epoch", "best", "best_epoch", "cooldown_counter", "epochs_seen")


@functools.cache
def uninterrupted(name):
    vae, callbacks = make_vae(), CALLBACKS[name]()
    return vae, callbacks, fit(vae, callbacks)


@pytest.mark.parametrize(
    ("name", "epoch", "moment"),
    [
        ("none", 0, "batch"),
        ("none", 2, "batch"),
        ("none", EPOCHS - 1, "train end"),
        ("early stopping", 3, "end"),
        ("stopped early", 2, "batch"),
        ("stopped early", 3, "train end"),
        ("plateau", 2, "batch"),
        ("plateau", 4, "end"),
        ("own", 3, "batch"),
        ("rate by epoch", 3, "batch"),
    ],
)
def test_interrupted_and_resumed_equals_uninterrupted(name, epoch, moment, tmp_path):
    whole, expected_callbacks, expected = uninterrupted(name)

    first = [*CALLBACKS[name](), Checkpoint(tmp_path)]
    first[-1].watch(first)
    with pytest.raises(Killed):  # Keras' own fit, so that the killer may come after the checkpoint
        keras.Model.fit(
            make_vae(),
            STREAM,
            validation_data=STREAM,
            epochs=EPOCHS,
            verbose=0,
            callbacks=[*first, Killer(epoch, moment)],
        )

    checkpoint, callbacks = Checkpoint(tmp_path), CALLBACKS[name]()
    vae = checkpoint.restore() or make_vae()
    assert checkpoint.initial_epoch == (epoch if moment == "batch" else epoch + 1)
    history = fit(vae, [*callbacks, checkpoint])

    assert difference(vae, whole) <= 1e-6
    assert history.epoch == expected.epoch
    assert history.history == expected.history
    for a, b in zip(callbacks, expected_callbacks, strict=True):
        assert [getattr(a, s, None) for s in STATE] == [getattr(b, s, None) for s in STATE]


PLATEAU = [1.0, 2.0, 1.5, 1.6, 1.7, 1.8, 1.9, 3.0, 2.9]  # a value an epoch


def watch_epochs(folder, best, epochs):
    """Runs the callbacks of a run, without its steps, from its newest checkpoint on; returns what each epoch did.

    That is the learning rate after it, and whether a model better than all before was saved.
    """
    checkpoint = Checkpoint(folder)
    model = checkpoint.restore()
    if model is None:
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1.0), "mse")
    callbacks = [
        keras.callbacks.ReduceLROnPlateau("value", mode="max", factor=0.5, patience=2, cooldown=2, min_lr=0),
        keras.callbacks.ModelCheckpoint(best, "value", mode="max", save_best_only=True),
        checkpoint,
    ]
    checkpoint.watch(callbacks)
    run, done = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs), []
    run.on_train_begin()
    for epoch in range(checkpoint.initial_epoch, epochs):
        run.on_epoch_begin(epoch)
        run.on_epoch_end(epoch, {"value": PLATEAU[epoch]})
        done.append((float(model.optimizer.learning_rate), best.exists()))
        best.unlink(missing_ok=True)
    run.on_train_end()
    return done


def test_wait_best_value_and_cooldown_go_over_a_stop(tmp_path):
    """Where the run stops, they are not what fresh callbacks have: after 4 and 5 epochs there is a cooldown left.

    It counts two epochs after each fall of the rate, of which the second is waited in again.
    """
    best, last = tmp_path / "best.keras", len(PLATEAU)
    whole = watch_epochs(tmp_path / "whole", best, last)
    rates, saved = zip(*whole, strict=True)
    assert rates == (1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25)
    assert [epoch for epoch in range(last) if saved[epoch]] == [0, 1, 7]
    for stop in (2, 4, 5, 6):
        folder = tmp_path / f"stopped-{stop}"
        assert watch_epochs(folder, best, stop) + watch_epochs(folder, best, last) == whole, stop


def test_early_stopping_that_had_ended_training_trains_no_more(tmp_path):
    _, _, history = uninterrupted("stopped early")
    assert len(history.epoch) == 4 < EPOCHS


@pytest.mark.parametrize("damage", ["truncated", "missing", "changed", "half written"])
def test_a_damaged_checkpoint_is_never_taken(damage, tmp_path, caplog):
    whole, _, _ = uninterrupted("none")
    checkpoint = Checkpoint(tmp_path)
    fit(make_vae(), [checkpoint])
    newest = tmp_path / f"epoch-{EPOCHS:06d}"
    model = newest / "model.keras"
    content = model.read_bytes()
    if damage == "missing":
        model.unlink()
    elif damage == "half written":
        newest.rename(tmp_path / f".tmp-1-{newest.name}")
    else:
        model.write_bytes(content[:-100] if damage == "truncated" else content[:-1] + b"x")

    checkpoint = Checkpoint(tmp_path)
    vae = checkpoint.restore()
    assert checkpoint.initial_epoch == EPOCHS - 1
    assert ("damaged" in caplog.text) == (damage != "half written")
    fit(vae, [checkpoint])
    assert difference(vae, whole) <= 1e-6
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"epoch-{e:06d}" for e in (EPOCHS - 1, EPOCHS)]


def test_a_folder_without_a_checkpoint_restores_nothing(tmp_path):
    checkpoint = Checkpoint(tmp_path / "new")
    assert checkpoint.restore() is None
    assert checkpoint.initial_epoch == 0


def test_checkpoints_of_another_run_are_refused(tmp_path):
    fit(make_vae(), [Checkpoint(tmp_path)])
    with pytest.raises(InvalidInput, match=r"restore\(\)"):
        fit(make_vae(), [Checkpoint(tmp_path)])
    checkpoint = Checkpoint(tmp_path)
    checkpoint.restore()
    with pytest.raises(InvalidInput, match="another model"):
        fit(make_vae(), [checkpoint])


def test_fit_goes_on_in_the_same_process(tmp_path):
    checkpoint, vae = Checkpoint(tmp_path), make_vae()
    vae.fit(STREAM, validation_data=STREAM, epochs=2, verbose=0, callbacks=[checkpoint])
    history = fit(vae, [checkpoint])
    assert history.epoch == list(range(EPOCHS))
    assert difference(vae, uninterrupted("none")[0]) <= 1e-6


class Noted(keras.callbacks.Callback):
    """Puts values of its own into the logs, as a user may."""

    def on_epoch_end(self, epoch, logs=None):
        logs |= {"number": np.float32(1.5), "tensor": tf.constant(2), "note": "fine"}


def test_what_a_callback_puts_into_the_logs_is_read_again(tmp_path):
    vae, first = make_vae(), Checkpoint(tmp_path)
    vae.fit(STREAM, epochs=2, verbose=0, callbacks=[Noted(), first])
    again = Checkpoint(tmp_path)
    assert again.restore() is not None
    assert again.history == first.history
    assert {name: again.history[name] for name in ("number", "tensor", "note")} == {
        "number": [1.5, 1.5], "tensor": [2.0, 2.0], "note": ["fine", "fine"]
    }  # fmt: skip


def test_dropout_goes_on_with_the_noise_of_a_fit_that_was_never_stopped(tmp_path):
    """Its generator has a state that Keras' files leave out."""

    def made():
        keras.utils.set_random_seed(0)
        encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(8), keras.layers.Dropout(0.5)])
        return tfvae.recipes.vae((5,), latent_dim=2, encoder=encoder, decoder=tfvae.networks.mlp([4]), seed=0)

    whole = made()
    whole.fit(X, epochs=4, verbose=0)
    made().fit(X, epochs=2, verbose=0, callbacks=[Checkpoint(tmp_path)])
    checkpoint = Checkpoint(tmp_path)
    resumed = checkpoint.restore()
    resumed.fit(X, epochs=4, verbose=0, callbacks=[checkpoint])
    assert difference(whole, resumed) == 0


def test_a_fit_that_begins_later_has_the_numbers_of_its_epochs(tmp_path):
    vae = make_vae()
    vae.fit(STREAM, initial_epoch=3, epochs=5, verbose=0, callbacks=[Checkpoint(tmp_path)])
    checkpoint = Checkpoint(tmp_path)
    history = checkpoint.restore().fit(STREAM, epochs=7, verbose=0, callbacks=[checkpoint])
    assert history.epoch == [3, 4, 5, 6] and len(history.history["elbo"]) == 4


def test_a_later_callback_with_a_state_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="EarlyStopping after it"):
        fit(make_vae(), [Checkpoint(tmp_path), early_stopping()])
    assert not any(tmp_path.iterdir())


def test_callbacks_that_cannot_be_resumed_are_named_in_one_warning(tmp_path, caplog):
    class Own(keras.callbacks.Callback):
        pass

    stateless = [keras.callbacks.TerminateOnNaN(), HistoryFile(tmp_path / "history.csv")]
    with caplog.at_level(logging.WARNING, "tfvae"):
        callbacks = [*stateless, Own(), Counter(), Own(), early_stopping(), Checkpoint(tmp_path)]
        callbacks[-1].watch(callbacks)
    assert [r.getMessage().count("Own") for r in caplog.records] == [2]
    assert "Counter" not in caplog.text and "EarlyStopping" not in caplog.text


@pytest.mark.slow
def test_history_file_continues_without_doubled_or_missing_rows(tmp_path):
    expected = tmp_path / "whole.csv"
    fit(make_vae(), [HistoryFile(expected)])
    path = tmp_path / "history.csv"
    first = [HistoryFile(path), Checkpoint(tmp_path / "checkpoints")]
    with pytest.raises(Killed):  # the file already has the row of the epoch that has no checkpoint yet
        fit(make_vae(), [first[0], Killer(3, "end"), first[1]])
    assert [row["epoch"] for row in read_history(path)] == [1, 2, 3, 4]

    checkpoint = Checkpoint(tmp_path / "checkpoints")
    vae = checkpoint.restore()
    assert checkpoint.initial_epoch == 3
    fit(vae, [HistoryFile(path), checkpoint])
    assert path.read_bytes() == expected.read_bytes()
    assert set(read_history(path)[0]) >= {"epoch", "learning_rate", "elbo", "rate", "distortion", "val_elbo"}
