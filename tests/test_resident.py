"""Arrays stay on the device: the same numbers as batch by batch, for every way to watch and to stop."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from resident_cases import WEIGHT, X, Y, assert_close, make, stream

import tfvae
from tfvae.callbacks import Checkpoint
from tfvae.training import program
from tfvae.training.call import watchers
from tfvae.training.epochs import Epochs, Resident
from tfvae.training.step import Carried


class Batches(keras.callbacks.Callback):
    """Watches every batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(("end", batch, int(self.model.optimizer.iterations)))


@pytest.mark.parametrize("steps_per_execution", [1, 3])
@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(
    ("arrays", "batches", "options"),
    [
        ((X,), (X,), {}),
        ((X, Y), (X, Y), {}),
        ((X,), (X, X, WEIGHT), {"sample_weight": WEIGHT}),
        (((255 * X).astype(np.uint8),), ((255 * X).astype(np.uint8),), {}),
    ],
    ids=["x", "denoising", "weight", "bytes"],
)
def test_arrays_train_as_the_same_batches_of_a_stream_do(arrays, batches, options, watched, steps_per_execution):
    preprocessing = [keras.layers.Rescaling(1 / 255)] if arrays[0].dtype == np.uint8 else []
    preprocessing = [*preprocessing, tfvae.preprocessing.StochasticBinarization()]
    one, other = (make(preprocessing, steps_per_execution=steps_per_execution) for _ in range(2))
    common = {"epochs": 3, "verbose": 0, "callbacks": [Batches()] if watched else []}
    validation = {"validation_data": (X[:20], Y[:20]), "validation_batch_size": 16}
    history = one.fit(*arrays, batch_size=16, shuffle=False, **options, **common, **validation).history
    expected = other.fit(stream(*batches), **common, validation_data=stream(X[:20], Y[:20])).history
    assert history.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-5, err_msg=name)
    assert_close(one, other)


class Counting(keras.callbacks.Callback):
    """What a callback may do in the middle of a fit."""

    def __init__(self):
        super().__init__()
        self.found = []

    def on_epoch_end(self, epoch, logs=None):
        vae, taken = self.model, int(self.model.optimizer.iterations)
        predicted = vae.predict(X, batch_size=8, verbose=0).shape
        vae.evaluate(stream(X).repeat(), steps=2, verbose=0)
        evaluated = float(vae.log_table.weight("loss"))
        vae.train_on_batch(X[:4])
        self.found.append((predicted, evaluated, int(vae.optimizer.iterations) - taken))


def test_a_callback_may_predict_evaluate_and_train_in_the_middle():
    vae, counting = make(), Counting()
    vae.predict(X, batch_size=8, verbose=0)
    vae.fit(X, batch_size=16, epochs=2, verbose=0, callbacks=[counting])
    assert counting.found == [((70, 6), 32.0, 1)] * 2


class TestBatches(keras.callbacks.Callback):
    """Watches validation batch by batch."""

    __test__ = False

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(batch)


@pytest.mark.parametrize(
    ("options", "rows", "batches"),
    [
        ({"validation_data": X[:40]}, 40, [0, 1, 2]),
        ({"validation_data": X[:40], "validation_steps": 2}, 32, [0, 1]),
        ({"validation_data": X[:40], "validation_batch_size": np.int64(8)}, 40, [0, 1, 2, 3, 4]),
        ({"validation_data": X[:40], "validation_freq": 2}, 40, [0, 1, 2]),
        ({"validation_data": stream(X).repeat(), "validation_steps": 3}, 48, [0, 1, 2]),
    ],
    ids=lambda value: "" if not isinstance(value, dict) else ",".join(value),
)
@pytest.mark.parametrize("watched", [False, True])
def test_validation_takes_the_rows_that_were_asked_for(options, rows, batches, watched):
    vae, watcher = make(), TestBatches()
    epochs = options.get("validation_freq", 1)
    vae.fit(X, batch_size=np.int64(16), epochs=epochs, verbose=0, callbacks=[watcher] if watched else [], **options)
    assert float(vae.log_table.weight("loss")) == rows
    assert watcher.seen == (batches if watched else [])
    assert vae.steps_per_execution == 1


@pytest.mark.slow
def test_validation_that_was_stopped_starts_at_its_first_row_the_next_time():
    class Stop(TestBatches):
        def on_test_batch_end(self, batch, logs=None):
            self.model.stop_evaluating = not self.seen
            super().on_test_batch_end(batch, logs)

    vae = make(optimizer=keras.optimizers.SGD(0.0))
    history = vae.fit(X, batch_size=16, epochs=2, verbose=0, validation_data=X[:40], callbacks=[Stop()]).history
    assert history["val_loss"][1] == pytest.approx(vae.evaluate(X[:40], batch_size=16, verbose=0)[0], rel=1e-6)


@pytest.mark.parametrize("name", ["batch_size", "validation_batch_size"])
@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_a_batch_size_that_is_none_is_refused(size, name):
    with pytest.raises(tfvae.InvalidInput, match=name):
        make().fit(X, verbose=0, **{name: size})


@pytest.mark.slow
def test_gradients_accumulate_with_noise_of_their_own_as_in_a_stream():
    adam = lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2)  # noqa: E731
    one, other = make(optimizer=adam()), make(optimizer=adam())
    one.fit(X, batch_size=16, shuffle=False, epochs=2, verbose=0)
    other.fit(stream(X), epochs=2, verbose=0)
    assert_close(one, other)
    assert int(one.step_count) == 10 and int(one.optimizer.iterations) == 5


class Extra(tfvae.VAE):
    """A user's own step."""

    def train_step(self, data):
        return {**super().train_step(data), "extra": tf.constant(7.0)}


def test_a_step_of_ones_own_keeps_its_logs():
    vae = make(kind=Extra)
    assert vae.fit(X, verbose=0).history["extra"] == [7.0]


@pytest.mark.parametrize(
    "scope", [tf.distribute.OneDeviceStrategy("/cpu:0"), tf.distribute.MirroredStrategy(["/cpu:0"])]
)
def test_fit_within_a_scope_of_one_replica(scope):
    with scope.scope():
        vae = make()
        vae.fit(X, batch_size=16, verbose=0)
    assert int(keras.ops.convert_to_numpy(vae.optimizer.iterations)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("variable", [tf.Variable, keras.Variable])
def test_a_variable_is_an_array_too(variable):
    arrays, variables, how = make(), make(), {"batch_size": 16, "epochs": 2, "verbose": 0}
    arrays.fit(X, Y, validation_data=(X, Y), **how)
    variables.fit(variable(X), variable(Y), validation_data=(variable(X), variable(Y)), **how)
    assert_close(arrays, variables)
    assert variables.evaluate(variable(X), verbose=0) == pytest.approx(arrays.evaluate(X, verbose=0), rel=1e-5)
    np.testing.assert_allclose(variables.predict(variable(X), verbose=0), arrays.predict(X, verbose=0), atol=1e-5)


@pytest.mark.slow
def test_another_seed_is_other_noise():
    one, other = (make(optimizer=keras.optimizers.SGD(0.0)) for _ in range(2))
    first = one.fit(X, verbose=0, shuffle=False).history["loss"]
    one.seed = 99
    assert one.fit(X, verbose=0, shuffle=False).history["loss"] != first
    other.optimizer.iterations.assign(3)
    other.seed = 99
    assert other.fit(X, verbose=0, shuffle=False).history["loss"] == pytest.approx(
        [float(one.logs["loss"].result())], rel=1e-6
    )


def test_metrics_start_again_one_by_one_too():
    vae = make()
    vae.evaluate(X, verbose=0)
    before = vae.get_metrics_result()
    vae.logs["elbo"].reset_state()
    after = vae.get_metrics_result()
    assert after.pop("elbo") == 0.0 and before.pop("elbo") != 0.0 and after == before


def test_a_log_adds_a_mean_by_its_weight_and_leaves_the_others_alone():
    vae = make()
    vae.fit(X, verbose=0)
    before = vae.get_metrics_result()
    vae.logs["rate"].reset_state()
    vae.logs["rate"].update_state(2.0, sample_weight=3.0)
    vae.logs["rate"].update_state(6.0)
    after = vae.get_metrics_result()
    assert after.pop("rate") == pytest.approx((3 * 2 + 6) / 4)
    assert after == {name: value for name, value in before.items() if name != "rate"}


def test_shuffling_shows_every_row_once_an_epoch_in_a_new_order():
    vae, seen = make(), []

    class Steps:
        allowance = 10

        def run(self, data, order, first, count):
            return self.run_remainder(data, order)

        def run_remainder(self, data, order):
            seen.append(np.asarray(order))
            return Carried({"loss": 0.0}, [0.0] * 4)

    epochs = Epochs(vae, Steps, Resident(vae, {"x": X}, 16, shuffle=True), training=True)
    orders = []
    for step in (0, 5, 0):
        vae.optimizer.iterations.assign(step)
        seen.clear()
        epochs.advance()
        orders.append(np.concatenate([seen[0].ravel(), seen[-1].ravel()]))
    assert all(np.array_equal(np.sort(order), np.arange(70)) for order in orders)
    assert np.array_equal(orders[0], orders[2]) and not np.array_equal(orders[0], orders[1])
    assert np.mean(orders[0] == np.arange(70)) < 0.2


@pytest.mark.slow
def test_a_resumed_run_goes_on_bit_for_bit_shuffled_too(tmp_path):
    whole = make()
    whole.fit(X, batch_size=16, epochs=4, verbose=0)
    half = make()
    half.fit(X, batch_size=16, epochs=2, verbose=0, callbacks=[Checkpoint(tmp_path)])
    resumed = Checkpoint(tmp_path).restore()
    resumed.fit(X, batch_size=16, initial_epoch=2, epochs=4, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))


def test_a_callback_that_watches_batches_sees_each_and_it_is_said_once(caplog):
    vae, batches = make(), Batches()
    with caplog.at_level(logging.WARNING, "tfvae"):
        vae.fit(X, batch_size=16, epochs=2, verbose=0, callbacks=[batches])
        vae.fit(X, batch_size=16, verbose=0, callbacks=[batches])
    steps = [(("begin", i), ("end", i, 5 * epoch + i + 1)) for epoch in range(3) for i in range(5)]
    assert batches.seen == [event for step in steps for event in step]
    assert caplog.text.count("Batches watches every batch") == 1


@pytest.mark.parametrize(
    "callback",
    [
        lambda path: keras.callbacks.ModelCheckpoint(path / "m.keras"),
        lambda path: keras.callbacks.BackupAndRestore(path / "b"),
        lambda path: keras.callbacks.TerminateOnNaN(),
        lambda path: keras.callbacks.EarlyStopping("loss"),
        lambda path: keras.callbacks.ReduceLROnPlateau("loss"),
        lambda path: keras.callbacks.CSVLogger(path / "h.csv"),
        lambda path: keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: None),
        lambda path: tfvae.callbacks.FirstAid(),
        lambda path: tfvae.callbacks.CollapseAlarm(X),
        lambda path: Checkpoint(path / "c"),
        lambda path: tfvae.callbacks.HistoryFile(path / "history.csv"),
    ],
)
def test_callbacks_that_act_once_an_epoch_do_not_slow_it_down(callback, tmp_path):
    assert watchers([callback(tmp_path)], "train") == []


@pytest.mark.parametrize(
    "callback",
    [
        Batches(),
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_: None),
        keras.callbacks.ModelCheckpoint("m.keras", save_freq=7),
        keras.callbacks.TensorBoard("logs", profile_batch=2),
        type("OwnBoard", (keras.callbacks.TensorBoard,), {"on_train_batch_end": lambda *_: None})("logs"),
    ],
)
def test_callbacks_that_act_on_batches_are_known(callback):
    assert watchers([callback], "train") == [type(callback).__name__]


@pytest.mark.parametrize(
    ("phase", "hook"),
    [
        *(("train", f"on_{name}_{end}") for name in ("batch", "train_batch") for end in ("begin", "end")),
        *(("test", f"on_test_batch_{end}") for end in ("begin", "end")),
    ],
)
def test_each_hook_of_a_batch_is_one_that_watches(phase, hook):
    """All that Keras calls around a batch, alone in a callback; those of the other phase do not count."""
    callback = type("Watcher", (keras.callbacks.Callback,), {hook: lambda *_: None})()
    assert watchers([callback], phase) == ["Watcher"]
    assert watchers([callback], {"train": "test", "test": "train"}[phase]) == []


@pytest.mark.slow
def test_the_progress_bar_moves_within_an_epoch(monkeypatch):
    monkeypatch.setattr(program, "PATIENCE", 0.0)  # one step a call
    moved = []

    class Bar(keras.callbacks.ProgbarLogger):
        def on_train_batch_end(self, batch, logs=None):
            moved.append(batch)
            super().on_train_batch_end(batch, logs)

    make().fit(X, batch_size=16, verbose=1, callbacks=[Bar()])
    assert moved == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_training_can_be_stopped_within_an_epoch(monkeypatch):
    monkeypatch.setattr(program, "PATIENCE", 0.0)

    class Stop(keras.callbacks.ProgbarLogger):
        async_safe = False

        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training |= batch == 2

    vae = make()
    vae.fit(X, batch_size=16, epochs=3, verbose=0, callbacks=[Stop()])
    assert int(vae.optimizer.iterations) == 3
    vae.fit(X, batch_size=16, verbose=0)
    assert int(vae.optimizer.iterations) == 8


def test_an_interrupt_leaves_an_ordinary_model():
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    vae, before = make(), make().evaluate(X, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        vae.fit(X, verbose=0, validation_data=X[:9], callbacks=[Interrupt()])
    assert vae.guard is None and vae.steps_per_execution == 1
    assert vae.evaluate(X, verbose=0)[0] < before[0]
    vae.fit(stream(X), verbose=0)


@pytest.mark.slow
def test_a_callback_may_evaluate_other_data():
    found = []

    class Other(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            found.append((logs, self.model.evaluate(X[:30], batch_size=16, verbose=0, return_dict=True)))

    vae = make(optimizer=keras.optimizers.SGD(0.0))
    vae.fit(X, batch_size=16, epochs=2, verbose=0, validation_data=X[30:], callbacks=[Other()])
    held = vae.evaluate(X[30:], batch_size=16, verbose=0, return_dict=True)
    for logs, other in found:
        assert other == vae.evaluate(X[:30], batch_size=16, verbose=0, return_dict=True)
        assert {f"val_{name}": value for name, value in held.items()}.items() <= logs.items()


def test_what_cannot_stay_on_the_device_passes_through_streams_and_it_is_said_once(caplog):
    vae = make()
    labels = np.arange(70) % 2
    with caplog.at_level(logging.WARNING, "tfvae"):
        for _ in range(2):
            vae.fit(X, labels, class_weight={0: 1.0, 1: 2.0}, epochs=2, verbose=0)
    assert caplog.text.count("class_weight: the data pass through tf.data") == 1
    assert int(vae.optimizer.iterations) == 12


@pytest.mark.slow
def test_validation_split_takes_the_last_rows():
    one, other = make(), make()
    options = {"batch_size": 16, "shuffle": False, "verbose": 0}
    split = one.fit(X, validation_split=0.3, **options).history
    given = other.fit(X[:49], validation_data=X[49:], **options).history
    assert split == given and one.num_data == 49
    with pytest.raises(tfvae.InvalidInput, match="leave rows on both sides"):
        one.fit(X[:3], validation_split=0.999, verbose=0)
