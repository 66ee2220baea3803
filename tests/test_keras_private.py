"""Each private name of Keras and TensorFlow still does what `tfvae.core.keras_private` says of it."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.core import keras_private


def small_model():
    model = keras.Sequential([keras.Input((2,)), keras.Sequential([keras.layers.Dense(1)])])
    model.compile("sgd", "mse")
    return model


def test_a_trace_for_xla_is_told_from_others():
    found = []

    def traced():
        found.append(keras_private.is_traced_for_xla())
        return tf.constant(0)

    tf.function(traced)(), tf.function(traced, jit_compile=True)(), traced()
    assert found == [False, True, False]


def test_all_layers_are_found_at_any_depth():
    model = small_model()
    kinds = [type(layer).__name__ for layer in keras_private.all_layers(model)]
    assert kinds.count("Sequential") == 2 and kinds.count("Dense") == 1
    assert model not in list(keras_private.all_layers(model, include_self=False))
    assert not any(isinstance(layer, keras.layers.Dense) for layer in model.layers)  # why `layers` does not serve


@pytest.mark.parametrize("scaled", [False, True])
def test_steps_are_counted_where_updates_are_not(scaled):
    inner = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    optimizer = keras.optimizers.LossScaleOptimizer(inner) if scaled else inner
    weight = keras.Variable(1.0)
    optimizer.build([weight])
    for _ in range(3):
        optimizer.apply([tf.constant(1.0)], [weight])
    assert int(keras_private.num_steps(optimizer)) == 3
    assert int(inner.iterations) == 1


def test_a_function_of_a_step_takes_steps_per_execution_of_them_and_hands_on_what_they_return():
    model, seen = small_model(), []
    model.compile("sgd", "mse", steps_per_execution=2, run_eagerly=True)

    def step(batch):
        seen.append(batch.numpy().tolist())
        return {"last": batch, "pair": (batch, ())}

    function = keras_private.function_of(model, step)
    result = function(iter(tf.data.Dataset.range(5).batch(1)))
    assert seen == [[0], [1]]
    assert result["last"].numpy().tolist() == [1] and result["pair"][1] == ()
    with pytest.raises(StopIteration):
        function(iter(tf.data.Dataset.range(0).batch(1)))


def test_the_validation_of_a_fit_is_told_from_an_evaluate_of_ones_own():
    found = []

    class Spy(keras.Sequential):
        def evaluate(self, *args, **kwargs):
            found.append(keras_private.is_validation_of_fit(kwargs))
            return super().evaluate(*args, **kwargs)

    model = Spy([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = np.ones([2, 1])
    model.fit(data, data, validation_data=(data, data), verbose=0)
    model.evaluate(data, data, verbose=0)
    assert found == [True, False]


@pytest.mark.parametrize("without", [False, True], ids=["Keras' own", "without"])
def test_a_model_without_symbolic_build_is_not_asked_for_a_batch(without):
    asked = []

    class Plain(keras.Model):
        def call(self, x):
            asked.append(x)
            return x

    kind = keras_private.without_symbolic_build(type("Built", (Plain,), {})) if without else Plain
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        model = kind()
        model.compile(loss="mse")
    asked.clear()
    model._maybe_symbolic_build(data_batch=(np.ones([2, 1]), np.ones([2, 1]), None))
    assert bool(asked) == (not without)


def test_a_profiler_of_batches_is_known(tmp_path):
    board = keras.callbacks.TensorBoard
    assert keras_private.traces_batches(board(tmp_path, profile_batch=2))
    assert not keras_private.traces_batches(board(tmp_path)) and not keras_private.traces_batches(object())


def test_a_callback_may_say_at_which_epoch_a_fit_goes_on():
    class GoOn(keras.callbacks.Callback):
        epochs = ()

        def on_train_begin(self, logs=None):
            keras_private.set_first_epoch(self.model, 2)

        def on_epoch_begin(self, epoch, logs=None):
            keras_private.set_first_epoch(self.model, None)
            self.epochs += (epoch,)

    callback, data = GoOn(), np.ones([2, 2])
    small_model().fit(data, data[:, :1], epochs=4, verbose=0, callbacks=[callback])
    assert callback.epochs == (2, 3)


def test_a_function_that_is_called_seldom_is_not_warned_of(caplog):
    def trace_often(function):
        for size in range(8):
            function(tf.zeros([size]))
        return caplog.text.count("retracing")

    tf.get_logger().propagate = True
    with caplog.at_level(logging.WARNING, tf.get_logger().name):  # whatever ran before in this process
        assert trace_often(keras_private.called_seldom(tf.function(lambda x: x))) == 0
        assert trace_often(tf.function(lambda x: x + 1)) > 0


@pytest.mark.parametrize("kind", keras_private.CALLBACK_STATE, ids=lambda kind: kind.__name__)
def test_what_callbacks_carry_has_the_names_that_a_checkpoint_saves(kind, tmp_path):
    made = {keras.callbacks.ModelCheckpoint: lambda: kind(tmp_path / "m.keras"), keras.callbacks.SwapEMAWeights: kind}
    callback = made.get(kind, lambda: kind("loss"))()
    model, data = small_model(), np.ones([4, 2])
    model.compile(keras.optimizers.SGD(use_ema=True), "mse")
    model.fit(data, data[:, :1], epochs=2, verbose=0, callbacks=[callback])
    assert all(hasattr(callback, name) for name in keras_private.CALLBACK_STATE[kind])
