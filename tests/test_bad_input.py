"""Bad input: each gets one clear error, which says what was expected, what came and what to do; nothing is touched.

`refusals` is the table: name, what the user does, words that the message must hold, exception. `pytest -s` prints it.
"""

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_vae as make_vae

import tfvae
from tfvae import likelihoods, networks, objectives, posteriors, preprocessing, priors, scales
from tfvae.checks import data

Refused = tfvae.InvalidInput
NAN, INF = float("nan"), float("inf")
X = np.random.default_rng(1).integers(0, 2, [11, 5]).astype(np.float32)
NORMAL = posteriors.DiagonalNormal
BERNOULLI = likelihoods.Bernoulli


def spoiled(value, x=X, at=(7, 2), dtype=np.float32):
    """Returns x with one value replaced."""
    x = np.array(x, dtype)
    x[at] = value
    return x


def stream(*parts, batch=4):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0]).batch(batch)


@dataclasses.dataclass
class Models:
    """Two compiled models, of binary and of real data, that every row of the table is free to misuse."""

    vae: tfvae.VAE
    real: tfvae.VAE
    path: Any

    def state(self):
        """Returns everything that a refused call must leave alone."""
        models = (self.vae, self.real)
        state = [w.numpy() for m in models for w in m.weights + m.optimizer.variables + m.violations.variables]
        return [*state, *(repr(m.objective) for m in models), sorted(p.name for p in self.path.rglob("*"))]


@dataclasses.dataclass
class Row:
    """One line of the table."""

    name: str
    call: Callable[[Models], Any]
    words: tuple[str, ...]
    error: type[Exception] = Refused


def refusals():
    """Yields the rows."""
    range_01 = "from 0 to 1"
    for name, value in (("NaN", NAN), ("infinity", INF), ("minus infinity", -INF)):
        x, at = spoiled(value), (f"{value:g} at x[7, 2]", range_01, "Remove or fill")
        yield Row(f"{name} in x", lambda m, x=x: m.vae.fit(x), at)
        yield Row(f"{name} in real x", lambda m, x=x: m.real.fit(x), at)
    x = spoiled(NAN)
    at = ("y with values that are finite", "nan at y[7, 2]")
    yield Row("NaN in the target", lambda m: m.vae.fit(X, x), at)
    yield Row("NaN in the noisy input", lambda m: m.vae.fit(x, X), ("x with values that are finite", "nan at x[7, 2]"))
    yield Row("NaN in validation_data", lambda m: m.vae.fit(X, validation_data=x), ("nan at x[7, 2]",))
    yield Row("NaN in the validation target", lambda m: m.vae.fit(X, validation_data=(X, x)), at)
    yield Row("NaN in evaluate", lambda m: m.vae.evaluate(x), ("nan at x[7, 2]",))
    yield Row("NaN in predict", lambda m: m.vae.predict(x), ("nan at x[7, 2]",))
    yield Row("NaN in encode", lambda m: m.vae.encode(x), ("nan at x[7, 2]",))
    yield Row("NaN in reconstruct", lambda m: m.vae.reconstruct(x), ("nan at x[7, 2]",))
    yield Row("NaN in log_prob", lambda m: m.vae.log_prob(x, 5), ("nan at x[7, 2]",))
    yield Row("NaN in row 150 of log_prob", lambda m: m.vae.log_prob(spoiled(NAN, np.zeros([200, 5]), (150, 1)), 5), (
        "nan at x[150, 1]",))  # fmt: skip
    yield Row("NaN in elbo", lambda m: m.vae.elbo(x), ("nan at x[7, 2]",))
    yield Row("NaN in joint_log_prob", lambda m: m.vae.joint_log_prob(x, np.zeros([11, 2])), ("nan at x[7, 2]",))
    yield Row("NaN in the first batch of a stream", lambda m: m.vae.fit(stream(x[7:])), ("nan at x[0, 2]",))
    yield Row("float64 that overflows float32", lambda m: m.real.fit(spoiled(1e300, dtype=np.float64)), (
        "finite as float32", "1e+300 at x[7, 2]"))  # fmt: skip

    fits = ("{0, 1}, the support of Bernoulli", "Likelihoods that fit these data: ", "Normal", "StochasticBinarization")
    yield Row("grey 0.5 for a Bernoulli", lambda m: m.vae.fit(spoiled(0.5)), ("0.5 at x[7, 2]", range_01, *fits))
    yield Row("255 for a Bernoulli", lambda m: m.vae.fit(spoiled(255)), ("255 at x[7, 2]", "from 0 to 255", *fits))
    yield Row("-1 for a Bernoulli", lambda m: m.vae.fit(spoiled(-1)), ("-1 at x[7, 2]", "from -1 to 1", *fits))
    yield Row("uint8 images for a Bernoulli", lambda m: m.vae.fit(spoiled(255, dtype=np.uint8)), (
        "255 at x[7, 2]", *fits))  # fmt: skip
    yield Row("0.5 in log_prob", lambda m: m.vae.log_prob(spoiled(0.5), 5), ("0.5 at x[7, 2]", *fits))
    yield Row("0.5 in the target", lambda m: m.vae.fit(X, spoiled(0.5)), ("0.5 at y[7, 2]", *fits))
    yield Row("0.5 in evaluate", lambda m: m.vae.evaluate(spoiled(0.5)), ("0.5 at x[7, 2]", *fits))
    yield Row("0.5 in validation_data", lambda m: m.vae.fit(X, validation_data=stream(spoiled(0.5)[4:])), (
        "0.5 at x[3, 2]", *fits))  # fmt: skip
    binarising = lambda m: make_vae(preprocessing=[preprocessing.StochasticBinarization()])  # noqa: E731
    yield Row("255 for a binarisation", lambda m: binarising(m).fit(spoiled(255)), (
        "255 at x[7, 2]", "[0, 1], the input of StochasticBinarization", "Rescale"))  # fmt: skip

    shape, single = (
        ("x of shape ('B', 5)", "event_shape of your data, (4,)"),
        ("One example is x[None]", "data.batch(128)"),
    )
    yield Row("wrong width", lambda m: m.vae.fit(X[:, :4]), (*shape, "shape (11, 4)"))
    yield Row("one example without a batch", lambda m: m.vae.encode(X[0]), (*single, "shape (5,)"))
    yield Row("a stream without batches", lambda m: m.vae.fit(tf.data.Dataset.from_tensor_slices(X)), (*single, "(5,)"))
    yield Row("a missing channel", lambda m: images().fit(np.zeros([3, 4, 6], np.float32)), (
        "('B', 4, 6, 1)", "shape (3, 4, 6)", "x[..., None]"))  # fmt: skip
    yield Row("a missing channel in a call", lambda m: images()(np.zeros([3, 4, 6], np.float32)), (
        "('B', 4, 6, 1)", "shape (3, 4, 6)"))  # fmt: skip
    yield Row("channels first", lambda m: images().predict(np.zeros([3, 1, 4, 6])), (
        "shape (3, 1, 4, 6)", "numpy.moveaxis(x, 1, -1)"))  # fmt: skip
    yield Row("wrong width in log_prob", lambda m: m.vae.log_prob(X[:, :4], 5), shape)
    yield Row("wrong width of z", lambda m: m.vae.decode(np.zeros([3, 4])), ("z of shape ('B', 2)", "(3, 4)"))
    yield Row("z without a batch", lambda m: m.vae.decode(np.zeros(2)), ("z of shape ('B', 2)", "(2,)"))
    yield Row("a string z", lambda m: m.vae.decode("z"), ("Cast string to float is not supported",), Exception)
    yield Row("NaN in z", lambda m: m.vae.decode(np.full([1, 2], NAN)), ("z", "finite", "nan"))

    yield Row("an empty array", lambda m: m.vae.fit(X[:0]), ("at least one example", "empty"))
    yield Row("an empty array in evaluate", lambda m: m.vae.evaluate(X[:0]), ("at least one example",))
    yield Row("an empty array in predict", lambda m: m.vae.predict(X[:0]), ("at least one example",))
    yield Row("an empty stream", lambda m: m.vae.fit(stream(X).take(0)), ("at least one batch", "empty stream"))
    yield Row("an empty generator", lambda m: m.vae.fit(iter(())), ("at least one batch",))
    yield Row("empty validation_data", lambda m: m.vae.fit(X, validation_data=X[:0]), ("at least one example",))
    array = ("x to be one array of shape ('B', 5)",)
    yield Row("no data", lambda m: m.vae.fit(), ("data", "x=None"))
    yield Row("encode(None)", lambda m: m.vae.encode(None), (*array, "NoneType"))
    yield Row("a list", lambda m: m.vae.fit([[0, 1, 0, 1, 0]]), (*array, "a list", "Stack the examples"))
    yield Row("a dictionary", lambda m: m.vae.fit({"image": X}), (*array, "a dict with keys ['image']"))
    yield Row("a stream of dictionaries", lambda m: m.vae.fit(stream(X).map(lambda x: {"image": x, "label": 0})), (
        *array, "keys ['image', 'label']", "as_supervised=True"))  # fmt: skip
    yield Row("a name in place of data", lambda m: m.vae.fit("mnist"), (*array, "a str"))
    yield Row("a number in place of data", lambda m: m.vae.fit(3.0), ("3.0", "array"))
    yield Row("strings", lambda m: m.vae.fit(X.astype(str)), ("x to be numbers", "dtype <U", "float32"))
    yield Row("objects", lambda m: m.vae.fit(X.astype(object)), ("x to be numbers", "dtype object"))
    yield Row("complex numbers", lambda m: m.real.fit(X + 1j), ("real numbers", "complex"))
    yield Row("a sparse tensor", lambda m: m.vae.fit(tf.sparse.from_dense(X)), (*array, "SparseTensor"))
    yield Row("a ragged tensor", lambda m: m.vae.fit(tf.ragged.constant([[1.0], [1.0, 0.0]])), (*array, "RaggedTensor"))
    yield Row("a symbolic input", lambda m: m.vae.log_prob(keras.Input((5,)), 5), ("symbolic keras.Input",))

    target = ("y to be a reconstruction target of shape ('B', 5), labels", "Leave y out")
    yield Row("a target of another width", lambda m: m.vae.fit(X, np.zeros([11, 3])), (*target, "(11, 3)", "float64"))
    yield Row("the same in a stream", lambda m: m.vae.fit(stream(X, np.zeros([11, 3]))), (*target, "(4, 3)"))
    yield Row("a list of labels", lambda m: m.vae.fit(X, [0] * 11), (*target, "a list"))
    yield Row("a shorter y", lambda m: m.vae.fit(X, X[:10]), ("y with 11 rows", "10"))
    yield Row("fewer labels", lambda m: m.vae.fit(X, np.arange(10)), ("y with 11 rows", "10"))
    weight = ("sample_weight to be finite and not negative", "weight 0")
    yield Row("a negative weight", lambda m: m.vae.fit(X, sample_weight=spoiled(-1, np.ones(11), 3)), (*weight, "-1"))
    yield Row("a NaN weight", lambda m: m.vae.evaluate(X, sample_weight=spoiled(NAN, np.ones(11), 3)), (*weight, "nan"))
    yield Row(
        "too few weights", lambda m: m.vae.fit(X, sample_weight=np.ones(10)), ("sample_weight with 11 rows", "10")
    )
    yield Row("weights of pixels", lambda m: m.vae.fit(X, sample_weight=X), ("sample_weight", "('B',)", "(11, 5)"))
    yield Row("class_weight without labels", lambda m: m.vae.fit(X, class_weight={0: 2.0}), ("labels", "sample_weight"))
    yield Row("class_weight without labels in a stream", lambda m: m.vae.fit(stream(X), class_weight={0: 2.0}), (
        "labels",))  # fmt: skip

    for value in (0, -1, 2.5, True, "3", None, NAN, np.float32(2)):
        whole = ("num_samples to be a whole number of at least 1", f"num_samples={value!r}", "Pass 1 or more")
        yield Row(f"log_prob with {value!r} samples", lambda m, k=value: m.vae.log_prob(X, k), whole)
        yield Row(f"elbo with {value!r} samples", lambda m, k=value: m.vae.elbo(X, k), whole)
        yield Row(f"sample with {value!r} samples", lambda m, k=value: m.vae.sample(k), whole)
        yield Row(f"ELBO of {value!r} samples", lambda m, k=value: objectives.ELBO(num_samples=k), whole)
        yield Row(f"IWAE of {value!r} samples", lambda m, k=value: objectives.IWAE(k), whole)
    for value in (-1, NAN, INF, "1", None, True, 1j):
        yield Row(f"beta {value!r}", lambda m, beta=value: objectives.ELBO(beta=beta), (
            "beta to be a finite number of at least 0", f"beta={value!r}"))  # fmt: skip
    for value in (-0.001, NAN, INF):
        rate = ("a learning rate that is finite and not negative", f"{value}")
        yield Row(f"learning rate {value}", lambda m, r=value: m.vae.compile(keras.optimizers.SGD(r)), rate)
    schedule = keras.optimizers.schedules.ExponentialDecay(-0.1, 10, 0.9)
    yield Row(
        "a negative schedule", lambda m: m.vae.compile(keras.optimizers.Adam(schedule)), ("learning rate", "-0.1")
    )
    yield Row("no optimizer", lambda m: m.vae.compile(None), ("a Keras optimizer", "None", "adam"))
    yield Row("an unknown optimizer", lambda m: m.vae.compile("adamm"), ("adamm",), ValueError)
    objective = ("compile(optimizer, objective=...)", "objective=tfvae.objectives.ELBO()")
    yield Row("a Keras loss", lambda m: m.vae.compile("adam", loss="mse"), (*objective, "loss"))
    yield Row("Keras metrics", lambda m: m.vae.compile("adam", metrics=["mae"]), (*objective, "metrics"))
    yield Row("an objective's name", lambda m: m.vae.compile("adam", objective="elbo"), (*objective, "'elbo'"))
    yield Row(
        "an objective's class", lambda m: m.vae.compile("adam", objective=objectives.ELBO), (*objective, "ELBO'>")
    )
    yield Row("a loss in place of the objective", lambda m: m.vae.compile("adam", "mse"), (*objective, "'mse'"))

    three = priors.StandardNormal(3)
    yield Row("posterior and prior of two sizes", lambda m: tfvae.VAE(NORMAL(2), BERNOULLI(5), three), (
        "posterior and prior of one latent_dim", "posterior 2, prior 3", "StandardNormal(2)"))  # fmt: skip
    yield Row("a posterior as the likelihood", lambda m: tfvae.VAE(NORMAL(2), NORMAL(2)), (
        "likelihood to be a tfvae Likelihood", "DiagonalNormal", "tfvae.likelihoods.Bernoulli"))  # fmt: skip
    yield Row("parts the wrong way round", lambda m: tfvae.VAE(BERNOULLI(5), NORMAL(2)), ("posterior to be a tfvae",))
    yield Row("a network as the posterior", lambda m: tfvae.VAE(networks.mlp([3]), BERNOULLI(5)), ("posterior to be",))
    yield Row(
        "a class as the likelihood", lambda m: tfvae.VAE(NORMAL(2), BERNOULLI), ("likelihood to be", "Bernoulli'>")
    )
    yield Row("a number as the prior", lambda m: tfvae.VAE(NORMAL(2), BERNOULLI(5), 3), ("prior to be", "3"))
    yield Row("a function as preprocessing", lambda m: tfvae.VAE(NORMAL(2), BERNOULLI(5), preprocessing=[np.log]), (
        "preprocessing to be", "log", "Rescaling"))  # fmt: skip
    yield Row("a list as the network", lambda m: NORMAL(2, network=[200, 200]), ("network to be a Keras model", "mlp"))
    yield Row("a function as the network", lambda m: NORMAL(2, network=tf.nn.relu), ("network to be a Keras model",))
    wrong = keras.Sequential([keras.Input((7,)), keras.layers.Dense(3)])
    yield Row("a network of another input size", lambda m: tfvae.VAE(NORMAL(2, network=wrong), BERNOULLI(5)), (
        "the network of DiagonalNormal to take inputs of shape (None, 5)", "axis -1 of input shape to have value 7",
        "let it be built by the part"))  # fmt: skip
    for value in (0, -2, 2.5, "2", None, True, (2,)):
        size = ("latent_dim to be a whole number of at least 1", f"latent_dim={value!r}")
        yield Row(f"latent_dim {value!r}", lambda m, d=value: NORMAL(d), size)
        yield Row(f"prior of latent_dim {value!r}", lambda m, d=value: priors.StandardNormal(d), size)
    for value in (0, -1, 2.5, (0,), (2.5,), (3, -1), (None, 3), "33"):
        yield Row(f"event_shape {value!r}", lambda m, s=value: BERNOULLI(s), ("event_shape", "whole number"))
    yield Row("event_shape ()", lambda m: BERNOULLI(()), ("at least one dimension", "Use (1,)"))
    for value in (0, -0.5, NAN, INF, "1", True, 1e-9):
        positive = ("a finite scale above 1e-05", f"{value!r}")
        yield Row(f"scale {value!r}", lambda m, s=value: likelihoods.Normal(5, scale=s), positive)
        yield Row(f"shared scale {value!r}", lambda m, s=value: scales.Shared(s), positive)
    yield Row("no width", lambda m: networks.mlp([0]), ("units to be a whole number",))
    yield Row("fractional filters", lambda m: networks.conv([2.5]), ("filters to be a whole number",))
    yield Row(
        "filters for a vector",
        lambda m: networks.conv_transpose((5,), [3]),
        ("an image shape (H, W, C) or a seq",),
    )
    yield Row("no levels", lambda m: preprocessing.UniformDequantization(0), ("levels to be a whole number",))
    for value in (1.5, "a", [1, 2, 3]):
        yield Row(f"seed {value!r}", lambda m, s=value: m.vae.elbo(X, seed=s), ("seed", f"{value!r}"[:8], "seed=0"))
    yield Row("a fractional seed of the model", lambda m: tfvae.VAE(NORMAL(2), BERNOULLI(5), seed=1.5), ("seed", "1.5"))
    none = ("no condition: this model has none", "Leave it out, or declare it")
    yield Row("encode with a condition", lambda m: m.vae.encode(X, condition=X), none)
    yield Row("log_prob with a condition", lambda m: m.vae.log_prob(X, 5, condition=X), none)
    yield Row("sample with a condition", lambda m: m.vae.sample(5, condition=1), none)
    yield Row("decode with a condition", lambda m: m.vae.decode(np.zeros([1, 2]), condition=1), none)
    yield Row("export of something else", lambda m: tfvae.export("vae", m.path / "model"), ("a tfvae.VAE", "'vae'"))

    yield Row("fit before compile", lambda m: uncompiled().fit(X), ("compile()",), ValueError)
    yield Row("evaluate before compile", lambda m: uncompiled().evaluate(X), ("compile()",), ValueError)
    load = keras.saving.load_model
    yield Row("a file that is not there", lambda m: load(m.path / "no.keras"), ("no.keras", "not found"), ValueError)
    yield Row("a truncated file", lambda m: load(m.path / "truncated.keras"), ("truncated.keras",), ValueError)
    yield Row("a foreign file", lambda m: load(m.path / "foreign.keras"), ("foreign.keras",), ValueError)
    other = "other.weights.h5"
    yield Row("weights of another model", lambda m: make_vae().load_weights(m.path / other), (
        "could not be loaded",), ValueError)  # fmt: skip


def images():
    return make_vae(likelihoods.Bernoulli((4, 6, 1)))


def uncompiled():
    return make_vae(units=None, compiled=False)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    path = tmp_path_factory.mktemp("files")
    vae, real = make_vae(), make_vae(likelihoods.Normal)
    whole = path / "whole.keras"
    vae.save(whole)
    (path / "truncated.keras").write_bytes(whole.read_bytes()[:1000])
    (path / "foreign.keras").write_bytes(b"not a model")
    make_vae(units=(7,)).save_weights(path / "other.weights.h5")
    return Models(vae, real, path)


def message(row, models):
    """Returns the class and text of the error that a row raises, or what came in its place."""
    try:
        result = row.call(models)
    except Exception as error:
        return type(error), str(error)
    return None, f"no error, but {result!r}"


@pytest.mark.parametrize("row", list(refusals()), ids=lambda row: row.name)
def test_bad_input_is_refused_clearly_and_touches_nothing(models, row):
    before = models.state()
    error, text = message(row, models)
    print(f"\n| {row.name} | {text.splitlines()[0]} |")
    assert error is not None and issubclass(error, row.error), text
    for words in row.words:
        assert words in text, text
    assert len(text) < 1000, "a message, not a traceback"
    for old, new in zip(before, models.state(), strict=True):
        assert np.array_equal(old, new, equal_nan=True) if isinstance(old, np.ndarray) else old == new


# Streams: what the first batch did not show.


def long_stream(x=None, weight=None):
    """Returns five batches of four; the third one holds row 9."""
    x = np.tile(X, [2, 1])[:20] if x is None else x
    weight = np.ones(20, np.float32) if weight is None else weight
    return stream(x, x, weight)


LONG = np.tile(X, [2, 1])[:20]
LATER = {
    "NaN": (long_stream(spoiled(NAN, LONG, (9, 1))), "1 not finite"),
    "out of support": (long_stream(spoiled(0.5, LONG, (9, 1))), r"\{0, 1\}.*1 outside \(for example 0.5\)"),
    "negative weight": (
        long_stream(weight=spoiled(-1, np.ones(20), 9)),
        "sample_weight.*1 sample weights that are neg",
    ),
    "NaN weight": (long_stream(weight=spoiled(NAN, np.ones(20), 9)), "sample_weight.*1 sample weights"),
    "NaN noise": (stream(spoiled(NAN, LONG, (9, 1)), LONG), "1 not finite"),
}


@pytest.mark.parametrize(("jit_compile", "steps"), [(False, 1), (False, 4), (True, 4)])
def test_a_stream_that_goes_bad_is_refused_at_the_end_of_its_block(jit_compile, steps, subtests):
    """Three steps ran, or the block of four; the bad row moved nothing: it counted as a row of weight 0."""
    options = {"jit_compile": jit_compile, "steps_per_execution": steps}
    for name, (bad, words) in LATER.items():
        if steps > 1 and name != "NaN":
            continue
        with subtests.test(name):
            keras.utils.set_random_seed(0)
            vae = make_vae(**options, optimizer=keras.optimizers.SGD(0.1))
            keras.utils.set_random_seed(0)
            twin = make_vae(**options, optimizer=keras.optimizers.SGD(0.1))
            with pytest.raises(Refused, match=words):
                vae.fit(bad, verbose=0)
            done = 3 if steps == 1 else 4
            assert int(vae.optimizer.iterations) == done
            twin.fit(long_stream(weight=spoiled(0, np.ones(20), 9)).take(done), verbose=0)
            for one, other in zip(vae.get_weights(), twin.get_weights(), strict=True):
                np.testing.assert_allclose(one, other, atol=1e-6)
            assert np.isfinite(vae.fit(X, verbose=0).history["loss"][0])


def test_a_later_bad_batch_is_refused_in_evaluation_too_and_shows_in_predictions():
    vae, (bad, words) = make_vae(), LATER["NaN"]
    with pytest.raises(Refused, match=words):
        vae.evaluate(bad, verbose=0)
    with pytest.raises(Refused, match=words):
        vae.fit(X, validation_data=bad, verbose=0)
    with pytest.raises(Refused, match="not finite"):
        vae.train_on_batch(spoiled(NAN))
    predictions = vae.predict(bad, verbose=0)
    np.testing.assert_array_equal(np.isnan(predictions).all(axis=1), np.arange(20) == 9)
    assert np.isfinite(vae.evaluate(X, verbose=0, return_dict=True)["loss"])


# What is allowed, and what is said about it.


@pytest.mark.parametrize("name", ["x", "y"])
def test_the_row_of_a_target_or_an_example_is_named_beyond_the_first_scan(name, monkeypatch):
    """Arrays are scanned in pieces, here of 4 rows: row 7 is the last of the second."""
    monkeypatch.setattr(data, "ROWS_PER_SCAN", 4)
    parts = {"x": X, "y": X[::-1], name: spoiled(NAN)}
    with pytest.raises(Refused, match=rf"nan at {name}\[7, 2\]"):
        make_vae().fit(*parts.values(), verbose=0)


def test_an_uncompiled_model_is_a_model():
    vae = uncompiled()
    assert vae.encode(X).mean().shape == (11, 2) and vae(X).shape == vae.sample(11).shape == X.shape
    assert vae.log_prob(X, num_samples=2).shape == vae.elbo(X).shape == (11,)
    assert vae.joint_log_prob(X, np.zeros([11, 2])).shape == (11,)
    assert vae.decode([[0.0, 1.0]]).mean().shape == (1, 5)
    assert vae.log_prob(X[:0], num_samples=2).shape == (0,)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.float16, np.float64])
def test_other_number_types_are_converted_and_integers_are_said_once(dtype, caplog):
    vae = make_vae(run_eagerly=True)
    expected = vae.evaluate(X, verbose=0)
    assert vae.evaluate(X.astype(dtype), verbose=0) == vae.evaluate(tf.constant(X.astype(dtype)), verbose=0) == expected
    np.testing.assert_array_equal(vae.encode(X.astype(dtype)).mean(), vae.encode(X).mean())
    said = [r.message for r in caplog.records if r.name == "tfvae"]
    number = 0 if np.issubdtype(dtype, np.floating) else 1
    assert len(said) == number and all("is converted to float32" in text for text in said)


def test_labels_that_are_not_used_are_said_once(caplog):
    vae = make_vae(run_eagerly=True)
    for y in (np.arange(11), np.arange(11)[:, None]):
        assert (
            vae.evaluate(X, y, verbose=0)
            == vae.evaluate(stream(X, y, batch=11), verbose=0)
            == vae.evaluate(X, verbose=0)
        )
    assert len([r for r in caplog.records if "labels in y are not used" in r.message]) == 1


def test_the_error_travels_between_processes():
    error = Refused("a", "b", "C.")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "Expected a. Received b. C."
    assert isinstance(error, ValueError)
