"""A simulator as the decoder's network: gradients, loops under XLA, files, and what is said where it breaks down."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from simulators import DT, STEPS, Spring, spring_vae

import tfvae
from tfvae import posteriors, priors
from tfvae.callbacks import FirstAid
from tfvae.callbacks.first_aid import Diverged
from tfvae.checks import units
from tfvae.training import device

X = np.random.default_rng(0).normal(size=[16, STEPS]).astype("float32")
REAL = (posteriors.DiagonalNormal(1), priors.StandardNormal(1))
SCALES = {
    "fixed": tfvae.scales.Fixed(0.2),
    "shared": tfvae.scales.Shared(0.2),
    "each": tfvae.scales.PerDimension(0.2),
}


def latents(seed=0, *lead):
    rng = np.random.default_rng(seed)
    low, high = {"k": 0.5, "c": 0.1, "start": -1.0}, {"k": 3.0, "c": 0.9, "start": 1.0}
    return {name: tf.constant(rng.uniform(low[name], high[name], [*lead, 1]), tf.float32) for name in low}


@pytest.mark.parametrize("loop", ["scan", "while"])
def test_gradients_are_finite_differences(loop):
    """Of log p(x | z) in each latent, by central differences of 1e-2 in float32: to 1%."""
    vae, z, x = spring_vae(Spring(loop)), latents(0, 4), X[:4]

    def log_prob(z):
        return vae.decode(z).log_prob(x / 10)

    with tf.GradientTape() as tape:
        tape.watch(z)
        value = log_prob(z)
    gradient = tape.gradient(value, z)
    for name in z:
        above, below = ({**z, name: z[name] + step} for step in (1e-2, -1e-2))
        numbers = (log_prob(above) - log_prob(below)) / 2e-2
        np.testing.assert_allclose(gradient[name][:, 0], numbers, rtol=0.01, atol=0.02)


def test_a_simulator_sees_one_batch_axis_and_gives_back_the_lead():
    """`[S, B]` latents are those of S times B rows, and their mean the exact swing of c = 0 to the step's error."""
    vae, z = spring_vae(), latents(1, 3, 2)
    loc = vae.likelihood.parameters(z)["loc"]
    assert loc.shape == (3, 2, STEPS)
    row = {name: value[2, 1][tf.newaxis] for name, value in z.items()}
    np.testing.assert_allclose(vae.likelihood.parameters(row)["loc"][0], loc[2, 1], rtol=1e-5)
    free = {"k": tf.ones([1, 1]), "c": tf.zeros([1, 1]), "start": tf.ones([1, 1])}
    exact = np.cos(DT * np.arange(STEPS))
    np.testing.assert_allclose(vae.decode(free).mean()[0], exact, atol=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(("loop", "compiles"), [("scan", True), ("while", True), ("open", False)])
def test_loops_with_a_bound_compile_and_others_train_without_xla(loop, compiles, monkeypatch, caplog):
    """Under "auto", of a fit that is long enough; `open` is a while_loop without maximum_iterations."""
    monkeypatch.setattr(device, "SMALL_XLA_FROM", 1)
    vae = spring_vae(Spring(loop))
    assert np.isfinite(vae.fit(X, batch_size=16, epochs=2, verbose=0).history["loss"]).all()
    assert ("XLA does not compile this model" in caplog.text) is not compiles


@pytest.mark.parametrize("loop", ["scan", "while"])
def test_a_loop_gives_the_same_swing_under_xla(loop):
    network, z = Spring(loop), latents(2, 5)
    compiled = tf.function(network, jit_compile=True)(z)["loc"]
    np.testing.assert_allclose(compiled, network(z)["loc"], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("scale", SCALES)
def test_files_and_servers_answer_as_python_does(scale, tmp_path):
    vae = spring_vae(scale=SCALES[scale])
    vae.fit(X, batch_size=16, verbose=0)
    vae.save(tmp_path / "vae.keras")
    score, mean = vae.log_prob(X, num_samples=5, seed=1), vae.infer(X, num_samples=50, seed=1).mean()
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(loaded.log_prob(X, num_samples=5, seed=1), score, rtol=1e-5)
    served = tf.saved_model.load(tfvae.export(vae, tmp_path / "served")).signatures
    words = {"x": tf.constant(X), "seed": tf.constant(1)}
    found = served["log_prob"](num_samples=tf.constant(5), **words)["log_prob"]
    np.testing.assert_allclose(found, score, rtol=1e-4)
    inferred = served["infer"](num_samples=tf.constant(50), **words)
    assert all(np.allclose(inferred[name], mean[name], rtol=1e-3, atol=1e-4) for name in mean)
    encoded = served["encode"](x=tf.constant(X))
    assert {"k_mean", "k_stddev", "c_center", "start_mean", "start_stddev"} == encoded.keys()


def test_a_predicted_scale_is_asked_of_the_simulator():
    with pytest.raises(
        tfvae.InvalidInput, match=r"to return loc of shape \('N', 8\), scale of shape.*leave head=False"
    ):
        spring_vae(scale=tfvae.scales.Predicted(0.2))


# Where it breaks down.


@keras.saving.register_keras_serializable(package="test")
class Given(keras.layers.Layer):
    """A simulator that is a formula of k and start."""

    def __init__(self, formula, **kwargs):
        super().__init__(**kwargs)
        self.formula = formula

    def call(self, latents):
        return {"loc": self.formula(latents["k"], latents["start"]) * tf.ones([1, STEPS])}


STIFF = (posteriors.LogNormal(1, loc=30.0, scale=3.0), priors.LogNormal(1, loc=30.0, scale=3.0))
BREAKS = {  # name to (simulator, parts of k, what is not finite, where k is then)
    "a rate that is far too large": (None, STIFF, "loss", lambda k: k > 1e9),
    "division by zero": (lambda k, x: x / tf.nn.relu(k), REAL, "loss", lambda k: k <= 0),
    "root of a negative number": (lambda k, x: tf.sqrt(k) * x, REAL, "loss", lambda k: k < 0),
    "logarithm of a negative number": (lambda k, x: tf.math.log(k) * x, REAL, "loss", lambda k: k < 0),
    "growth": (lambda k, x: x * tf.exp(200 * k), REAL, "loss", lambda k: k > 0),
    "a square that overflows": (lambda k, x: 1e25 * k + x, REAL, "loss", lambda k: k != 0),
    "slope of a root at zero": (lambda k, x: tf.sqrt(tf.nn.relu(k)) + x, REAL, "gradient", lambda k: k < 0),
}


@pytest.mark.parametrize("case", BREAKS)
def test_first_aid_names_the_simulator_the_latents_and_the_way_out(case):
    formula, k, what, there = BREAKS[case]
    vae = spring_vae(formula and Given(formula), k=k, run_eagerly=True)
    with pytest.raises(Diverged) as caught:
        vae.fit(X, batch_size=16, verbose=0, callbacks=[FirstAid()])
    found, said = caught.value.diagnosis, str(caught.value)
    assert found.what == what and found.points.keys() == {"k", "c", "start"}
    bad, good = found.points["k"]
    assert len(bad) and there(bad).all() and not there(good).any()
    assert "of the likelihood" in said or case == "a square that overflows"
    assert "p(x | z)" in said and "where k is from" in said and "LogitNormal" in said and "learning rate" not in said


def test_bounded_latents_are_the_way_out():
    """The remedy works: the stiff spring trains as soon as k is between 0 and 10."""
    k = (posteriors.LogitNormal(1, 0, 10, loc=3.0, scale=3.0), priors.LogitNormal(1, 0, 10))
    history = spring_vae(k=k, run_eagerly=True).fit(X, batch_size=16, verbose=0, callbacks=[FirstAid()]).history
    assert np.isfinite(history["loss"]).all()


def test_units_are_compared_at_a_latent_that_can_be(caplog):
    """At z = 0 this simulator divides by zero, and nothing could be said of columns in other units."""
    k = (posteriors.LogNormal(1), priors.LogNormal(1))
    vae = spring_vae(Given(lambda k, x: x / k), k=k)
    units.note_units(vae, {"x": X + 1e6})
    assert "in other units than the likelihood starts in" in caplog.text
