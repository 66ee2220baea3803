"""The VAE behaves as Keras users expect: every form of data, every common callback, precision, XLA."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae

LOGS = {"loss", "objective", "elbo", "distortion", "rate"}
WORSE = 5.0


def fitted(vae, *args, **kwargs):
    return vae.fit(*args, **{"batch_size": 4, "verbose": 0, **kwargs}).history


# Data.


class Batches(keras.utils.PyDataset):
    """Batches of four as a PyDataset; `infinite` ones know no length."""

    def __init__(self, x, infinite=False):
        super().__init__()
        self.x, self.infinite = x, infinite

    @property
    def num_batches(self):
        return None if self.infinite else math.ceil(len(self.x) / 4)

    def __getitem__(self, index):
        start = 4 * index % len(self.x)
        return (self.x[start : start + 4],)


def forever(x):
    while True:
        yield x[:4]


def test_fit_evaluate_and_predict_take_every_form_of_data(make_vae, binary, subtests):
    vae = make_vae(optimizer=keras.optimizers.SGD(0.0))
    dataset = tf.data.Dataset.from_tensor_slices(binary).batch(4)
    unknown = tf.data.Dataset.from_generator(lambda: iter(np.split(binary, [4, 8])), output_types=tf.float32)
    forms = {  # name to (x, options of fit, validation_data)
        "array": (lambda: binary, {}, lambda: binary),
        "tensor": (lambda: tf.constant(binary), {}, lambda: (tf.constant(binary),)),
        "validation triple": (lambda: binary, {}, lambda: (binary, binary, np.ones(11))),
        "validation weights alone": (lambda: binary, {}, lambda: (binary, None, np.ones(11))),
        "tf.data": (lambda: dataset, {"batch_size": None}, lambda: dataset),
        "tf.data of unknown shape": (lambda: unknown, {"batch_size": None}, lambda: unknown),
        "PyDataset": (lambda: Batches(binary), {"batch_size": None}, lambda: Batches(binary)),
        "finite generator": (lambda: (b for b in dataset), {"batch_size": None}, lambda: dataset),
    }
    expected = vae.evaluate(binary, batch_size=4, verbose=0, return_dict=True)
    for name, (x, options, validation) in forms.items():
        with subtests.test(name):
            history = fitted(vae, x(), **options, validation_data=validation())
            assert set(history) == LOGS | {f"val_{log}" for log in LOGS}
            for log, value in expected.items():
                assert history["val_" + log] == [pytest.approx(value, rel=1e-6)], log
            batch_size = options.get("batch_size", 4)
            assert vae.evaluate(x(), batch_size=batch_size, verbose=0, return_dict=True) == pytest.approx(expected)
            np.testing.assert_allclose(vae.predict(x(), verbose=0), vae.reconstruct(binary), rtol=1e-5)
    endless = {
        "generator": (lambda: forever(binary), {}),
        "infinite PyDataset": (lambda: Batches(binary, True), {}),
        "infinite tf.data": (lambda: dataset.repeat(), {}),
    }
    for name, (x, _) in endless.items():
        with subtests.test(name):
            options = {"batch_size": None, "steps_per_epoch": 3, "epochs": 2, "validation_steps": 2}
            before = int(vae.optimizer.iterations)
            history = fitted(vae, x(), **options, validation_data=x())
            assert int(vae.optimizer.iterations) - before == 6
            assert all(len(values) == 2 and np.all(np.isfinite(values)) for values in history.values())


def test_validation_split_holds_out_the_last_rows(make_vae, binary):
    vae = make_vae(optimizer=keras.optimizers.SGD(0.0))
    weight = np.linspace(0.5, 1.5, 11)
    history = fitted(vae, binary, sample_weight=weight, validation_split=0.3)
    held_out = vae.evaluate(binary[7:], sample_weight=weight[7:], batch_size=4, verbose=0)
    assert history["val_loss"][0] == pytest.approx(held_out[0], rel=1e-6)


def test_batch_methods(make_vae, binary):
    vae = make_vae(optimizer=keras.optimizers.SGD(0.1))
    before = vae.get_weights()
    logs = vae.train_on_batch(binary, return_dict=True)
    assert set(logs) == LOGS
    assert any(np.any(old != new) for old, new in zip(before, vae.get_weights(), strict=True))
    assert vae.test_on_batch(binary) == vae.test_on_batch(binary)
    weight = np.arange(11.0)
    weighted = vae.test_on_batch(binary, sample_weight=weight, return_dict=True)
    assert weighted["loss"] == pytest.approx(-weighted["objective"] * weight.sum() / 11, rel=1e-5)
    np.testing.assert_allclose(vae.predict_on_batch(binary), vae(binary), rtol=1e-6)


# Callbacks.


class Spoil(keras.callbacks.Callback):
    """Moves every weight away after the first epoch, so that it stays the best one."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            self.model.set_weights([w + WORSE for w in self.model.get_weights()])


def test_callbacks(make_vae, binary, tmp_path):
    vae = make_vae(optimizer=keras.optimizers.SGD(1e-3))
    best, every = tmp_path / "best.keras", str(tmp_path / "epoch-{epoch}.weights.h5")
    bound = {"monitor": "val_elbo", "mode": "max"}
    history = fitted(
        vae,
        binary,
        epochs=10,
        validation_data=binary,
        callbacks=[
            keras.callbacks.EarlyStopping(**bound, patience=3, restore_best_weights=True),
            keras.callbacks.ModelCheckpoint(best, **bound, save_best_only=True),
            keras.callbacks.ModelCheckpoint(every, save_weights_only=True),
            keras.callbacks.ReduceLROnPlateau(**bound, patience=1, factor=0.5, min_delta=0.0),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TensorBoard(tmp_path / "board", histogram_freq=1),
            keras.callbacks.TerminateOnNaN(),
            Spoil(),
        ],
    )
    assert len(history["loss"]) == 4
    assert max(history["val_elbo"]) == history["val_elbo"][0]
    assert float(vae.optimizer.learning_rate) == pytest.approx(1e-3 / 8)
    loaded = keras.saving.load_model(best)
    for kept, saved in zip(vae.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, saved)
    assert vae.evaluate(binary, batch_size=4, verbose=0, return_dict=True)["elbo"] == history["val_elbo"][0]
    columns = (tmp_path / "log.csv").read_text().splitlines()[0].split(",")
    assert {"epoch", "learning_rate", *history} == {*columns, "learning_rate"}
    assert list((tmp_path / "board").rglob("events*"))
    loaded.load_weights(every.format(epoch=1))
    np.testing.assert_array_equal(loaded.get_weights()[0], vae.get_weights()[0])


class Interrupt(keras.callbacks.Callback):
    """Fails in the third epoch."""

    def on_train_batch_begin(self, batch, logs=None):
        if self.params["epochs"] == 4 and int(self.model.optimizer.iterations) == 7:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_backup_and_restore_goes_on_to_the_same_weights(make_vae, binary, tmp_path):
    options = {"epochs": 4, "shuffle": False}
    make = lambda: make_vae(optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 12)))  # noqa: E731
    keras.utils.set_random_seed(1)
    whole = make()
    fitted(whole, binary, **options)
    keras.utils.set_random_seed(1)
    first, backup = make(), keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        fitted(first, binary, **options, callbacks=[backup, Interrupt()])
    keras.utils.set_random_seed(2)
    second = make()
    history = fitted(second, binary, **options, callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "backup")])
    assert len(history["loss"]) == 2
    for expected, resumed in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(expected, resumed)


# Optimizers, compilation, seeds.


def test_schedules_clipping_and_frozen_parts(make_vae, binary):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [1.0, 0.0])
    vae = make_vae(optimizer=keras.optimizers.SGD(schedule, global_clipnorm=0.01))
    start = vae.get_weights()
    vae.train_on_batch(binary)
    clipped = vae.get_weights()
    norm = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(start, clipped, strict=True)))
    assert norm == pytest.approx(0.01, rel=1e-3)
    vae.train_on_batch(binary)
    for before, after in zip(clipped, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    vae.posterior.trainable = False
    vae.compile(optimizer=keras.optimizers.SGD(1.0))
    decoder = vae.likelihood.get_weights()
    vae.train_on_batch(binary)
    for before, after in zip(clipped, vae.posterior.get_weights(), strict=False):
        np.testing.assert_array_equal(before, after)
    assert all(np.any(old != new) for old, new in zip(decoder, vae.likelihood.get_weights(), strict=True))


@pytest.mark.slow
def test_two_runs_with_the_same_random_seed_are_bit_equal(make_vae, binary):
    runs = []
    for global_seed in (7, 7, 8):
        keras.utils.set_random_seed(global_seed)
        vae = make_vae(seed=None)
        history = fitted(vae, binary, epochs=2)
        runs.append((history["loss"], vae.sample(2).numpy().tolist(), vae.elbo(binary).numpy().tolist()))
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[2][0]


@pytest.mark.slow
def test_steps_per_execution_changes_no_number(make_vae, binary):
    runs = []
    for steps in (1, 2):
        keras.utils.set_random_seed(1)
        vae = make_vae(steps_per_execution=steps)
        history = fitted(vae, binary, epochs=2, validation_data=binary)
        runs.append((int(vae.optimizer.iterations), history))
    assert runs[0] == runs[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "objective", [tfvae.objectives.ELBO(), pytest.param(tfvae.objectives.IWAE(3), marks=pytest.mark.slow)], ids=repr
)
def test_jit_compiled_fit_learns(make_vae, objective):
    """XLA draws other numbers from the same seed, so that only what the numbers mean can be compared."""
    ones = np.ones([8, 5], np.uint8)
    options = {"objective": objective, "jit_compile": True, "steps_per_execution": 2}
    vae = make_vae(optimizer=keras.optimizers.Adam(0.1), **options)
    history = fitted(vae, ones, epochs=15)
    assert int(vae.optimizer.iterations) == 30
    assert history["elbo"][-1] > history["elbo"][0] + 1


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_densities_in_float32(make_vae, binary, policy):
    reference = make_vae(optimizer=keras.optimizers.SGD(1.0))
    keras.config.set_dtype_policy(policy)
    vae = make_vae(optimizer=keras.optimizers.SGD(1.0))
    before = reference.get_weights()
    vae.set_weights(before)
    assert vae.train_on_batch(binary) == pytest.approx(reference.train_on_batch(binary), rel=2e-2)
    assert isinstance(vae.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    for start, single, half in zip(before, reference.get_weights(), vae.get_weights(), strict=True):
        assert np.abs(single - start).max() > 0.05
        np.testing.assert_allclose(half, single, atol=0.02)
    assert vae.posterior.network.layers[1].compute_dtype == policy.removeprefix("mixed_")
    assert {w.dtype for w in vae.weights} == {"float32"}
    z = vae.prior().sample(2)
    densities = (vae.log_prob(binary, 3), vae.joint_log_prob(binary[:2], z), vae.elbo(binary), vae.prior().log_prob(z))
    tensors = (vae.encode(binary).mean(), vae.encode(binary).stddev(), vae.decode(z).mean(), vae.sample(2), *densities)
    assert {tensor.dtype for tensor in tensors} == {tf.float32}
    assert vae.predict(binary, verbose=0).dtype == np.float32


# The VAE among other Keras models.


class OwnNetwork(keras.Model):
    """A subclassed network that builds its layers when it is first called."""

    def __init__(self):
        super().__init__()
        self.hidden, self.dropout = keras.layers.Dense(3, activation="tanh"), keras.layers.Dropout(0.5)

    def call(self, x, training=False):
        return self.dropout(self.hidden(x), training=training)


def functional_network(size):
    inputs = keras.Input((size,))
    hidden = keras.layers.Dense(3, activation="tanh")(inputs)
    return keras.Model(inputs, keras.layers.Concatenate()([inputs, hidden]))


OWN = {
    "functional": (functional_network(5), functional_network(2)),
    "subclassed": (OwnNetwork(), OwnNetwork()),
    "sequential": (
        keras.Sequential([keras.Input((5,)), keras.layers.LayerNormalization()]),
        keras.Sequential([keras.layers.Dense(3)]),
    ),
    "one layer, and none": (keras.layers.Dense(3), None),
}


@pytest.mark.parametrize("name", OWN)
def test_own_networks(make_vae, binary, name):
    encoder, decoder = OWN[name]
    vae = make_vae(tfvae.likelihoods.Bernoulli(5, network=decoder), network=encoder)
    before = [w.copy() for w in vae.get_weights()]
    assert np.all(np.isfinite(fitted(vae, binary)["loss"]))
    for old, weight in zip(before, vae.trainable_weights, strict=True):
        assert np.any(old != weight.numpy()), weight.path
    assert vae.elbo(binary, num_samples=4).shape == (11,)


def test_convolutional_networks_on_images_of_odd_size(make_vae):
    shape, images = (7, 6, 2), np.random.default_rng(0).integers(0, 2, [5, 7, 6, 2], np.uint8)
    networks = tfvae.networks
    decoder = networks.conv_transpose(shape, [4, 3])
    vae = make_vae(tfvae.likelihoods.Bernoulli(shape, network=decoder), network=networks.conv([3, 4]))
    assert np.all(np.isfinite(fitted(vae, images)["loss"]))
    assert vae.predict(images, verbose=0).shape == vae.sample(5).shape == images.shape
    assert vae.decode(vae.prior().sample([3, 5])).log_prob(images.astype(np.float32)).shape == (3, 5)


def test_inside_a_functional_model_and_in_a_summary(make_vae, binary):
    vae, lines = make_vae(), []
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.layers.Dense(1)(vae(inputs)))
    assert model.predict(binary, verbose=0).shape == (11, 1)
    model.compile("sgd", "mse")
    model.fit(binary, np.zeros(11), verbose=0)
    assert {id(w) for w in vae.trainable_weights} < {id(w) for w in model.trainable_weights}
    vae.summary(print_fn=lambda line, **_: lines.append(line))
    assert "diagonal_normal" in "".join(lines) and f"{vae.count_params()}" in "".join(lines)


@pytest.mark.parametrize("call", [lambda vae: vae.posterior, lambda vae: vae.encode, lambda vae: vae.likelihood])
def test_a_distribution_of_a_symbolic_input_is_refused(make_vae, call):
    with pytest.raises(tfvae.InvalidInput, match="symbolic keras.Input.*the VAE itself"):
        call(make_vae())(keras.Input((5,)))
