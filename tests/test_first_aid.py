"""First aid: stop at the first step that is not finite, go back to the last good weights, name the culprit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from first_aid_cases import (
    BINARY,
    GREY,
    TARGET,
    WEIGHT,
    Copy,
    WithoutFloor,
    WithRoot,
    fail,
    is_same,
    make,
    state,
    stream,
)
from tiny import tiny_vae

import tfvae
from tfvae import objectives
from tfvae.callbacks import Checkpoint, Diverged, FirstAid, first_aid
from tfvae.callbacks.diagnosis import Diagnosis, diagnose
from tfvae.core.errors import InvalidInput


def test_a_nan_row_of_a_stream_is_named(tmp_path):
    error = fail(make(), stream(BINARY, 2, 5, np.nan), InvalidInput, tmp_path)
    assert "in epoch 3, batch 4: row 5 (from 0) of 32" in str(error)
    assert "input from 0 to 1 and 1 nan or infinite, the others from 0 to 1" in str(error)
    assert "as it was after epoch 2" in str(error)


def test_a_value_outside_the_support_is_named(tmp_path):
    error = fail(make(), stream(BINARY, 1, 9, 7.0), InvalidInput, tmp_path)
    assert "row 9 (from 0) of 32, input from 0 to 7" in str(error) and "(for example 7)" in str(error)


def test_an_exploding_learning_rate_is_named(tmp_path):
    error = fail(make(optimizer=1e6, run_eagerly=True), BINARY, folder=tmp_path)
    assert "weights grew since then" in str(error)
    assert "under a learning rate of 1e+06: lower it" in str(error)


@pytest.mark.slow
def test_a_learning_rate_that_explodes_later_keeps_the_epochs_before(tmp_path):
    vae = make()

    class Jump(keras.callbacks.Callback):
        get_state, set_state = dict, dict

        def on_epoch_begin(self, epoch, logs=None):
            vae.optimizer.learning_rate = 1e7 if epoch == 2 else 1e-3

    copy, jump, checkpoint = Copy(), Jump(), Checkpoint(tmp_path)
    copy.get_state, copy.set_state = dict, dict
    with pytest.raises(Diverged, match="as it was after epoch 2") as caught:
        vae.fit(BINARY, epochs=5, verbose=0, callbacks=[jump, FirstAid(), copy, checkpoint])
    print(f"\n{caught.value}")
    assert is_same(state(vae), copy.last) and is_same(state(Checkpoint(tmp_path).restore()), copy.last)


@pytest.mark.slow
def test_a_scale_driven_to_zero_is_named(tmp_path):
    error = fail(make(WithoutFloor, 0.03), GREY, folder=tmp_path)
    assert "likelihood.scale fell to 0" in str(error) and "log-likelihood" in str(error)


def test_a_diagnosis_names_scales_by_what_the_parts_declare():
    """Of a step that is not finite: the triangle of a full normal holds zeros, which are not vanished scales."""
    for silent in (False, True):
        vae = tfvae.VAE(
            tfvae.posteriors.FullNormal(2), tfvae.likelihoods.NegativeBinomial(64), tfvae.priors.VampPrior(2, 3), seed=1
        )
        vae.compile()
        kernel = np.zeros([64, 5], "float32")  # location, then the triangle, whose diagonal is its ends
        kernel[:, [2, 4]] = -10.0 * silent  # at the rows, not at the pseudo-inputs, which are near zero
        vae.posterior.head.dense.set_weights([kernel, np.zeros(5)])
        vae.likelihood.scale.raw.assign(np.full(64, -1e4 if silent else 0.0))
        vae.likelihood.head.dense.bias.assign(np.full(64, np.nan))
        found = diagnose(vae, {"x": BINARY[:4]})
        assert found.what == "loss" and found.parameters == ("likelihood.log_mean",)
        vanished = ["likelihood.inverse_dispersion", "posterior.scale_tril"]
        assert sorted(found.vanished) == (vanished if silent else [])


@pytest.mark.slow
def test_the_scales_of_the_package_have_floors():
    scale = tfvae.scales.PerDimension()
    vae = make(lambda *args, **kwargs: tfvae.likelihoods.Normal(*args, scale=scale, **kwargs))
    scale.raw.assign(np.full(64, -1e4))  # as far as training could drive it
    history = vae.fit(0 * GREY, epochs=2, verbose=0, callbacks=[FirstAid()]).history  # data without spread
    smallest = float(tf.reduce_min(scale.value()))
    print(f"\nsmallest scale {smallest:.3g}, loss {history['loss'][-1]:.4g}")
    assert smallest == pytest.approx(1e-5) and np.isfinite(history["loss"]).all()


def test_an_outlier_is_named_with_its_range(tmp_path):
    x = GREY.copy()
    x[100] = 1e25  # finite, so that it is not refused
    error = fail(make(tfvae.likelihoods.Normal, run_eagerly=True), x, folder=tmp_path)
    assert "batch 4" in str(error) and "row 4 (from 0) of 32, input from 1e+25 to 1e+25, the others from 0" in str(
        error
    )
    assert "far outside" in str(error)
    assert list(error.diagnosis.rows) == [4] and "log-likelihood" in error.diagnosis.terms


@pytest.mark.parametrize("execution", [{}, {"run_eagerly": True}])
def test_a_gradient_that_is_not_finite_is_named_before_it_reaches_the_weights(execution):
    vae = make(WithRoot, **execution)
    vae.scaling.adapt(lambda: iter([GREY]))  # which the fit would do before its first step
    start = state(vae)
    error = fail(vae, GREY)
    assert "in epoch 1, batch 1: the gradient is not finite, of log-likelihood" in str(error)
    assert "(Head) of the likelihood" in error.diagnosis.layer
    assert is_same(state(vae), start)


def test_the_layer_is_the_first_that_is_not_finite():
    vae = make(run_eagerly=True)
    network = vae.likelihood.network
    network.layers[-1].kernel.assign(np.full_like(network.layers[-1].kernel, 3e38))
    error = fail(vae, BINARY)
    assert network.layers[-1].name in error.diagnosis.layer and "of the likelihood" in error.diagnosis.layer
    assert error.diagnosis.terms == ("log-likelihood",)


def test_a_term_of_the_objective_is_named_in_the_epoch_that_fails():
    """Steps count from 0 and 8 make an epoch, batches count from 1: step 11 is batch 4 of epoch 2."""

    class Broken(objectives.MaximumMeanDiscrepancy):
        name = "broken"

        def penalty(self, evidence):
            return tf.cond(evidence.step < 11, lambda: 0.0, lambda: float("inf")) if evidence.step is not None else 0.0

    error = fail(make(objective=Broken(objectives.ELBO()), run_eagerly=True), BINARY)
    assert error.diagnosis.terms == ("term broken",) and "in epoch 2, batch 4:" in str(error)


@pytest.mark.slow
def test_the_state_of_an_objective_goes_back_too():
    objective = objectives.GECO(target=10.0)
    vae = make(optimizer=1e6, objective=objective)
    fail(vae, BINARY)
    assert float(objective.controller.value) == 1.0 and float(objective.controller.average) == 0.0


def test_the_last_step_of_an_epoch_is_looked_at_before_a_checkpoint(tmp_path):
    vae = make(run_eagerly=True)

    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(vae.optimizer.iterations) == 16:  # as the update of epoch 2's last step might
                vae.posterior.head.dense.kernel.assign(np.full_like(vae.posterior.head.dense.kernel, 1e38))

    with pytest.raises(Diverged, match="end of epoch 2.*as it was after epoch 1"):
        vae.fit(BINARY, epochs=4, verbose=0, callbacks=[Spoil(), FirstAid(), Checkpoint(tmp_path)])
    assert is_same(state(Checkpoint(tmp_path).restore()), state(vae))


def test_several_steps_an_execution_stop_at_the_first_that_fails_and_say_what_is_unknown():
    error = fail(make(steps_per_execution=4), stream(BINARY, 0, 5, np.nan), InvalidInput)
    assert "batches 1 to 4: row 5" in str(error)  # the last of its block, which is known
    x = GREY.copy()
    x[70] = 1e25
    error = fail(make(tfvae.likelihoods.Normal, steps_per_execution=4), stream(x, 0, 0, x[0, 0]))
    assert "steps_per_execution=1 names it" in str(error) and "batches 1 to 4" in str(error)


@pytest.mark.parametrize("more", [[], [keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_: None)]])
def test_of_arrays_the_batch_is_known_however_many_steps_a_call_takes(more):
    x = GREY.copy()
    x[70] = 1e25
    vae = make(tfvae.likelihoods.Normal, steps_per_execution=4)
    error = fail(vae, x, more=more)
    assert "batch 3:" in str(error) and list(error.diagnosis.rows) == [6]  # 32 rows a batch


@pytest.mark.slow
def test_overflow_under_loss_scaling_is_no_failure():
    keras.config.set_dtype_policy("mixed_float16")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3), initial_scale=2.0**50)
    vae = make(optimizer=optimizer)
    vae.fit(BINARY, epochs=8, batch_size=32, verbose=0, callbacks=[FirstAid()])
    skipped = 64 - int(optimizer.iterations)
    print(f"\n{skipped} of 64 steps skipped, loss scale 2^50 -> 2^{np.log2(float(optimizer.dynamic_scale)):g}")
    assert skipped > 10


def test_loss_scaling_does_not_skip_for_ever():
    keras.config.set_dtype_policy("mixed_float16")
    error = fail(make(WithRoot), GREY, batch_size=16)
    assert "the gradient is not finite" in str(error) and "batch 16" in str(error)  # 2^15 halved to 1


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 3}])
def test_a_healthy_run_is_the_same_with_first_aid(options):
    plain, aided = make(**options), make(**options)
    histories = [
        vae.fit(BINARY, validation_data=BINARY, shuffle=False, epochs=2, batch_size=60, verbose=0, callbacks=callbacks)
        for vae, callbacks in ((plain, []), (aided, [FirstAid()]))
    ]
    assert_same_logs(*histories)
    assert is_same(state(plain), state(aided))


def assert_same_logs(one, other):
    """The update is the same to the last bit; TensorFlow sums a loss in another order beside other operations."""
    for name, values in one.history.items():
        np.testing.assert_allclose(values, other.history[name], rtol=1e-6, err_msg=name)


def make_noisy():
    """A model whose forward pass in training changes it: BatchNorm's averages, Dropout's generator."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    noisy = keras.Sequential([layers.Dense(16, "relu"), layers.BatchNormalization(), layers.Dropout(0.3)])
    return tiny_vae(event=64, latent=4, units=[16], network=noisy, seed=0, optimizer=1e-3)


@pytest.mark.parametrize("validation", [None, BINARY[:60]])
def test_a_healthy_run_with_batchnorm_and_dropout_is_the_same_with_first_aid(validation):
    plain, aided = make_noisy(), make_noisy()
    options = {"validation_data": validation, "shuffle": False, "epochs": 3, "batch_size": 60, "verbose": 0}
    histories = [vae.fit(BINARY, callbacks=calls, **options) for vae, calls in ((plain, []), (aided, [FirstAid()]))]
    assert_same_logs(*histories)
    pairs = zip(plain.variables, aided.variables, strict=True)
    assert all(np.allclose(one.numpy(), other.numpy(), rtol=1e-6) for one, other in pairs)  # metrics and generators too
    assert is_same(state(plain), state(aided))


class EagerCalls(keras.layers.Layer):
    """Counts its calls outside a graph: a diagnosis takes its step eagerly, whatever it is called."""

    count = 0

    def call(self, x):
        EagerCalls.count += tf.executing_eagerly()
        return x


@pytest.mark.slow
def test_an_epoch_of_a_healthy_run_takes_no_diagnosis():
    class Begin(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            EagerCalls.count = 0  # the model was built and rehearsed eagerly

    vae = tiny_vae(event=64, latent=4, network=keras.Sequential([keras.layers.Dense(16), EagerCalls()]))
    vae.fit(BINARY, epochs=2, verbose=0, callbacks=[Begin(), FirstAid()])
    assert EagerCalls.count == 0
    diagnose(vae, {"x": tf.constant(BINARY)})
    assert EagerCalls.count == 1


def test_a_diagnosis_changes_nothing_of_the_model():
    vae = make_noisy()
    vae.fit(BINARY, verbose=0)
    before = [np.array(v.numpy()) for v in vae.variables]
    diagnose(vae, {"x": tf.constant(BINARY)})
    assert is_same([v.numpy() for v in vae.variables], before)


def test_a_step_that_is_finite_when_taken_again_names_dropout(monkeypatch):
    monkeypatch.setattr(first_aid, "diagnose", lambda *_: Diagnosis())
    assert "dropout" in str(fail(make(optimizer=1e6, run_eagerly=True), BINARY))


@pytest.mark.parametrize(
    "given", [{}, {"sample_weight": WEIGHT}, {"y": TARGET}, {"y": TARGET, "sample_weight": WEIGHT}]
)
def test_the_batch_is_carried_out_of_the_step_as_it_was_given(given):
    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.carried = aid._batch

    aid, look = FirstAid(), Look()
    make(run_eagerly=True).fit(BINARY, verbose=0, callbacks=[aid, look], **given)
    names = {"y": "target", "sample_weight": "weight"}
    assert look.carried.keys() == {"x", *(names[key] for key in given)}


def test_a_sample_weight_reaches_the_diagnosis():
    x, weight = GREY.copy(), np.ones(len(GREY))
    x[100], x[200], weight[100] = 1e25, 1e25, 0.0  # 0 * inf: the loss fails all the same
    error = fail(make(tfvae.likelihoods.Normal, run_eagerly=True), x, sample_weight=weight)
    assert "batch 4" in str(error) and list(error.diagnosis.rows) == [4]


@pytest.mark.parametrize("rate", [1e-3, 1e6])
def test_training_goes_on_without_the_guard_after_a_fit(rate):
    vae, aid = make(optimizer=rate), FirstAid()
    if rate > 1:
        fail(vae, BINARY)
        with pytest.raises(Diverged):
            vae.fit(BINARY, epochs=60, verbose=0, callbacks=[aid])
    else:
        vae.fit(BINARY, verbose=0, callbacks=[aid])
    vae.optimizer.learning_rate = 1e-3
    step = int(vae.optimizer.iterations)
    assert np.isfinite(vae.train_on_batch(BINARY[:32])).all()
    assert vae.guard is None and aid._batch is None and not bool(aid._failed)
    assert np.isfinite(vae.fit(BINARY, verbose=0).history["loss"]).all()
    assert int(vae.optimizer.iterations) == step + 9  # each step was made
    assert aid._cure(None).startswith("Lower the learning rate")


def test_two_guards_are_refused():
    with pytest.raises(InvalidInput, match="at most one.*FirstAid, FirstAid"):
        make().fit(BINARY, verbose=0, callbacks=[FirstAid(), FirstAid()])


@pytest.mark.slow
def test_the_next_fit_may_do_without_and_with_again():
    vae, aid = make(), FirstAid()
    for callbacks in ([aid], [], [aid], [FirstAid()]):
        vae.fit(BINARY, verbose=0, callbacks=callbacks)
    vae.optimizer.learning_rate = 1e6
    fail(vae, BINARY)
    vae.optimizer.learning_rate = 1e-3
    assert np.isfinite(vae.fit(BINARY, verbose=0, callbacks=[aid]).history["loss"]).all()


@pytest.mark.parametrize(
    ("saver", "words"),
    [
        (Checkpoint, "FirstAid after it"),
        (lambda folder: keras.callbacks.ModelCheckpoint(folder / "best.keras"), "ModelCheckpoint first"),
    ],
)
def test_savers_before_first_aid_are_refused(saver, words, tmp_path):
    with pytest.raises(InvalidInput, match=words):
        make().fit(BINARY, verbose=0, callbacks=[saver(tmp_path), FirstAid()])


@pytest.mark.slow
def test_xla_has_the_same_guard():
    error = fail(make(optimizer=1e6, jit_compile=True), BINARY)
    assert "learning rate of 1e+06" in str(error)


@pytest.mark.slow
def test_a_validation_loss_that_is_not_finite_stops_before_the_checkpoint(tmp_path):
    vae = make(tfvae.likelihoods.Normal, run_eagerly=True)
    valid = GREY.copy()
    valid[3] = 1e25
    with pytest.raises(Diverged, match="val_loss is not finite.*before training"):
        vae.fit(GREY, validation_data=valid, verbose=0, callbacks=[FirstAid(), Checkpoint(tmp_path)])
    assert Checkpoint(tmp_path).restore() is None


@pytest.mark.slow
def test_a_resumed_run_fails_at_the_same_step_again(tmp_path):
    def options(checkpoint):
        batches = tfvae.datasets.Split("train", BINARY, None).batches(32, 0, checkpoint.initial_epoch)
        return {"x": batches, "steps_per_epoch": 8, "epochs": 50, "verbose": 0, "callbacks": [FirstAid(), checkpoint]}

    messages = []
    vae = make(optimizer=keras.optimizers.SGD(keras.optimizers.schedules.PiecewiseConstantDecay([20], [1e-3, 1e9])))
    for _ in range(2):
        checkpoint = Checkpoint(tmp_path)
        vae = checkpoint.restore() or vae
        with pytest.raises(Diverged, match="as it was after epoch 2") as caught:
            vae.fit(**options(checkpoint))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert is_same(state(Checkpoint(tmp_path).restore()), state(vae))
