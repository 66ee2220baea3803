"""Training against a plain NumPy computation in float64: losses, logs, gradients, noise, and how often steps trace.

    loss = sum_b w_b (-objective_b) / B + regularisation        logs = sum_b w_b m_b / sum_b w_b

The model under test is linear, so that NumPy needs six lines for it; the samples' standard normal noise is read off
the model's own draw, everything else is computed again.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import objectives
from tfvae.core import seeds

RELATIVE = 2e-6
LABELS = np.arange(11) % 3
WEIGHTS = np.linspace(0.0, 2.0, 11).astype(np.float32)


@pytest.fixture
def linear_vae(make_vae):
    """A VAE with no hidden layer, its weights away from their initial values, learning rate 0."""

    def make(**options):
        vae = make_vae(units=(), **{"optimizer": keras.optimizers.SGD(0.0), **options})
        rng = np.random.default_rng(5)
        vae.set_weights([rng.normal(scale=0.7, size=w.shape) for w in vae.get_weights()])
        return vae

    return make


# The model again, in NumPy.


def softplus(a):
    return np.logaddexp(0.0, a)


def densities(weights, x, target, eps):
    """Returns log p(x | z), log p(z), log q(z | x), each [S, B], and KL(q || p), [B], for noise eps, [S, B, D]."""
    (w_q, b_q, w_p, b_p), half_log_2pi = weights, 0.5 * np.log(2 * np.pi)
    loc, raw = np.split(x @ w_q + b_q, 2, axis=-1)
    scale = 1e-5 + softplus(raw + np.log(np.e - 1))
    z = loc + scale * eps
    logits = z @ w_p + b_p
    log_likelihood = np.sum(target * logits - softplus(logits), axis=-1)
    log_prior = -np.sum(z**2 / 2 + half_log_2pi, axis=-1)
    log_posterior = -np.sum(eps**2 / 2 + half_log_2pi + np.log(scale), axis=-1)
    return log_likelihood, log_prior, log_posterior, np.sum(scale**2 + loc**2 - 1 - 2 * np.log(scale), axis=-1) / 2


def terms(objective, weights, x, target, eps):
    """Returns the logs of each example, name to [B]."""
    log_likelihood, log_prior, log_posterior, kl = densities(weights, x, target, eps)
    distortion = -log_likelihood.mean(axis=0)
    if isinstance(objective, objectives.IWAE):
        log_weight = log_likelihood + log_prior - log_posterior
        bound = np.log(np.mean(np.exp(log_weight), axis=0))
    else:
        bound = -distortion - objective.beta * kl
    return {"objective": bound, "elbo": -distortion - kl, "distortion": distortion, "rate": kl}


def noise(vae, x, *counters):
    """Returns the standard normal noise that the model draws for this batch in this step, [S, B, D]."""
    seed = seeds.fold(vae.make_step(training=False).stream(*counters), seeds.POSTERIOR)
    parameters = vae.posterior.parameters(x)
    z = vae.posterior.distribution(**parameters).sample(vae.objective.num_samples, seed=seed)
    return ((z - parameters["loc"]) / parameters["scale"]).numpy().astype(np.float64)


def reference(vae, x, target=None, weight=None, step=0, batch=4, evaluation=False, regularisation=0.0):
    """Returns an epoch's logs with all weights held fixed, computed in NumPy batch by batch."""
    target = x if target is None else target
    weight = np.ones(len(x)) if weight is None else weight
    weights = [w.astype(np.float64) for w in vae.get_weights()]
    rows, loss = [], 0.0
    for i, start in enumerate(range(0, len(x), batch)):
        part = slice(start, start + batch)
        eps = noise(vae, x[part], *((seeds.EVALUATION, start) if evaluation else (seeds.TRAINING, step + i)))
        rows.append(terms(vae.objective, weights, x[part], target[part], eps))
        loss += np.sum(weight[part] * -rows[-1]["objective"])
    logs = {name: np.concatenate([row[name] for row in rows]) @ weight / np.sum(weight) for name in rows[0]}
    return {"loss": loss / len(x) + regularisation, **logs}


def assert_logs(logs, expected, prefix=""):
    for name, value in expected.items():
        np.testing.assert_allclose(logs[prefix + name], value, rtol=RELATIVE, err_msg=name)


# Every form of data gives the loss and the logs as they are defined.


def stream(*parts):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0]).batch(4)


NOISY = np.random.default_rng(3).normal(size=[11, 5]).astype(np.float32)
FORMS = {
    "array": (lambda x: ((x,), {}), {}),
    "x and x": (lambda x: ((x, x), {}), {}),
    "denoising": (lambda x: ((NOISY, x), {}), {"noisy": True}),
    "sample weight": (lambda x: ((x,), {"sample_weight": WEIGHTS}), {"weight": WEIGHTS}),
    "denoising, sample weight": (
        lambda x: ((NOISY, x), {"sample_weight": WEIGHTS}),
        {"noisy": True, "weight": WEIGHTS},
    ),
    "image and label stream": (lambda x: ((stream(x, LABELS),), {}), {}),
    "stream with weights": (lambda x: ((stream(x, LABELS, WEIGHTS),), {}), {"weight": WEIGHTS}),
    "stream, denoising": (lambda x: ((stream(NOISY, x),), {}), {"noisy": True}),
    "class weight": (
        lambda x: ((x, LABELS), {"class_weight": {0: 1.0, 1: 0.5, 2: 3.0}}),
        {"weight": np.array([1.0, 0.5, 3.0])[LABELS]},
    ),
}


RICHEST = ("denoising, sample weight", "stream with weights")


@pytest.mark.parametrize("objective", [objectives.ELBO(beta=3.0, num_samples=2), objectives.IWAE(5)], ids=str)
def test_fit_and_evaluate_log_what_numpy_computes(linear_vae, binary, objective, subtests):
    vae = linear_vae(objective=objective)
    every = isinstance(objective, objectives.ELBO)  # the form of the data does not meet the objective: two are enough
    for name, (form, options) in FORMS.items() if every else [(name, FORMS[name]) for name in RICHEST]:
        with subtests.test(name):
            x, weight = (NOISY if options.get("noisy") else binary), options.get("weight")
            (args, kwargs), step = form(binary), int(vae.optimizer.iterations)
            validation = args[0] if len(args) == 1 else args
            history = vae.fit(
                *args, **kwargs, batch_size=4, shuffle=False, validation_data=validation, verbose=0
            ).history
            logs = {key: values[-1] for key, values in history.items()}
            assert_logs(logs, reference(vae, x, binary, weight, step))
            in_stream = weight if name == "stream with weights" else None
            expected = reference(vae, x, binary, in_stream, evaluation=True)
            assert_logs(logs, expected, "val_")
            kwargs.pop("class_weight", None)
            again = vae.evaluate(*args, **kwargs, batch_size=4, verbose=0, return_dict=True)
            weight = None if name == "class weight" else weight
            assert_logs(again, reference(vae, x, binary, weight, evaluation=True))


def test_logs_of_beta_other_than_one_keep_the_plain_bound(linear_vae, binary):
    logs = linear_vae(objective=objectives.ELBO(beta=7.0)).evaluate(binary, verbose=0, return_dict=True)
    assert logs["elbo"] == pytest.approx(-logs["distortion"] - logs["rate"], rel=RELATIVE)
    assert logs["objective"] == pytest.approx(-logs["distortion"] - 7 * logs["rate"], rel=RELATIVE)
    assert logs["loss"] == pytest.approx(-logs["objective"], rel=RELATIVE)


@keras.saving.register_keras_serializable(package="test_training")
class NoClosedForm(tfvae.posteriors.DiagonalNormal):
    """The same q(z | x), as a distribution for which TFP knows no closed-form KL to the prior."""

    def distribution(self, loc, scale):
        normal = tfp.distributions.Independent(tfp.distributions.Normal(loc, scale), 1)
        return tfp.distributions.TransformedDistribution(normal, tfp.bijectors.Identity())


def test_iwae_of_one_sample_is_the_elbo_without_closed_form(linear_vae, binary):
    vae = linear_vae(posterior=NoClosedForm(2, network=tfvae.networks.mlp([])), objective=objectives.IWAE(1))
    iwae = vae.evaluate(binary, batch_size=4, verbose=0, return_dict=True)
    assert iwae["objective"] == pytest.approx(iwae["elbo"], rel=RELATIVE)
    vae.compile(optimizer="sgd", objective=objectives.ELBO())
    assert_logs(vae.evaluate(binary, batch_size=4, verbose=0, return_dict=True), iwae)
    weights = [w.astype(np.float64) for w in vae.get_weights()]
    eps = noise(vae, binary[:4], seeds.EVALUATION, 0)
    _, log_prior, log_posterior, _ = densities(weights, binary[:4], binary[:4], eps)
    logs = vae.evaluate(binary[:4], verbose=0, return_dict=True)
    assert logs["rate"] == pytest.approx(np.mean(log_posterior - log_prior), rel=RELATIVE)


# Gradients.


@pytest.mark.parametrize(
    "objective", [objectives.ELBO(), objectives.ELBO(beta=0.5, num_samples=3), objectives.IWAE(4)], ids=str
)
def test_one_sgd_step_is_the_gradient_of_the_loss(linear_vae, binary, objective):
    """Central differences of the NumPy loss, float64: right to about 1e-8; the float32 step to about 1e-6."""
    vae = linear_vae(optimizer=keras.optimizers.SGD(1.0), objective=objective)
    before = [w.astype(np.float64) for w in vae.get_weights()]
    eps, h = noise(vae, binary, seeds.TRAINING, 0), 1e-5

    def loss():
        return np.sum(WEIGHTS * -terms(objective, before, binary, binary, eps)["objective"]) / len(binary)

    expected = []
    for w in before:
        gradient = np.zeros_like(w)
        for index in np.ndindex(w.shape):
            value = w[index]
            w[index] = value + h
            up = loss()
            w[index] = value - h
            gradient[index] = (up - loss()) / (2 * h)
            w[index] = value
        expected.append(gradient)
    vae.fit(binary, sample_weight=WEIGHTS, batch_size=11, shuffle=False, verbose=0)
    for w, old, gradient in zip(vae.get_weights(), before, expected, strict=True):
        assert np.abs(gradient).max() > 1e-3
        np.testing.assert_allclose(old - w, gradient, atol=5e-6)


class AddsLoss(keras.layers.Layer):
    """The identity; adds the mean square of its input to the loss."""

    def call(self, x):
        self.add_loss(tf.reduce_mean(x**2))
        return x


def regularised(**options):
    """Returns a network that is the identity at first: one dense layer with a penalty, after one with a loss."""
    dense = keras.layers.Dense(5, use_bias=False, kernel_initializer="identity", **options)
    return keras.Sequential([AddsLoss(), dense])


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_regularisation_is_part_of_the_loss_alone(linear_vae, binary, run_eagerly):
    network = regularised(kernel_regularizer=keras.regularizers.L2(0.1))
    vae, plain = linear_vae(network=network, run_eagerly=run_eagerly), linear_vae()
    vae.set_weights([np.eye(5), *plain.get_weights()])
    extra = np.mean(binary**2) + 0.1 * 5
    logs = vae.fit(binary, batch_size=4, shuffle=False, epochs=2, verbose=0).history
    assert_logs({k: v[0] for k, v in logs.items()}, reference(plain, binary, regularisation=extra))
    assert_logs({k: v[1] for k, v in logs.items()}, reference(plain, binary, step=3, regularisation=extra))
    logs = vae.evaluate(binary, batch_size=4, verbose=0, return_dict=True)
    assert_logs(logs, reference(plain, binary, evaluation=True, regularisation=extra))


def test_regularisation_is_part_of_the_gradient(linear_vae, binary):
    kernels = []
    for options in ({}, {"kernel_regularizer": keras.regularizers.L2(0.1)}):
        keras.utils.set_random_seed(0)
        vae = linear_vae(network=regularised(**options), optimizer=keras.optimizers.SGD(1.0))
        vae.set_weights([np.eye(5), *vae.get_weights()[1:]])
        vae.train_on_batch(binary)
        kernels.append(vae.get_weights()[0])
    np.testing.assert_allclose(kernels[0] - kernels[1], 0.2 * np.eye(5), atol=1e-6)


# Steps: how often they trace, what they move, what they draw.


class Counts(keras.layers.Layer):
    """The identity; counts how often Python runs it, and keeps what it saw where it runs eagerly."""

    def __init__(self):
        super().__init__()
        self.calls, self.seen = [], []

    def call(self, x):
        self.calls.append(tuple(x.shape))
        if tf.executing_eagerly():
            self.seen.append(x.numpy())
        return x


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_fit_traces_the_train_step_at_most_twice_and_each_network_once_a_step(
    make_vae, binary, monkeypatch, steps_per_execution
):
    encoder, decoder, traces = Counts(), Counts(), []
    step = tfvae.VAE.train_step
    monkeypatch.setattr(tfvae.VAE, "train_step", lambda self, data: [traces.append(1), step(self, data)][1])
    likelihood = tfvae.likelihoods.Bernoulli(5, network=keras.Sequential([decoder]))
    vae = make_vae(likelihood, network=keras.Sequential([encoder]), steps_per_execution=steps_per_execution)
    encoder.calls.clear(), decoder.calls.clear()
    vae.fit(binary, batch_size=4, epochs=3, verbose=0)
    assert int(vae.optimizer.iterations) == 9
    assert 1 <= len(traces) <= 2
    assert len(encoder.calls) == len(decoder.calls) == len(traces)


def test_one_forward_pass_a_step_moves_batch_normalisation_once(make_vae, real):
    network = keras.Sequential([keras.layers.BatchNormalization(momentum=0.5)])
    vae = make_vae(tfvae.likelihoods.Normal, network=network)
    vae.adapt(real + 1)  # else the mean that it sees is zero
    vae.fit(real, batch_size=11, verbose=0)
    moved = network.layers[0].moving_mean.numpy()
    np.testing.assert_allclose(moved, 0.5 * vae.scaling(real).numpy().mean(axis=0), rtol=1e-5)
    vae.evaluate(real, verbose=0)
    vae.log_prob(real, num_samples=3)
    np.testing.assert_array_equal(network.layers[0].moving_mean.numpy(), moved)


def test_evaluation_is_deterministic_and_is_what_fit_validates(make_vae, binary):
    vae = make_vae(optimizer=keras.optimizers.Adam(0.01), objective=objectives.IWAE(3))
    history = vae.fit(binary, batch_size=4, epochs=2, validation_data=binary, verbose=0).history
    vae.train_on_batch(binary[:3]), vae.optimizer.learning_rate.assign(0.0)
    weights = vae.get_weights()
    first = vae.evaluate(binary, batch_size=4, verbose=0, return_dict=True)
    assert vae.evaluate(stream(binary), verbose=0, return_dict=True) == first
    history = vae.fit(binary, batch_size=4, epochs=2, validation_data=binary, verbose=0).history
    assert [history["val_" + name][-1] for name in first] == list(first.values())
    assert [history["val_" + name][0] for name in first] == list(first.values())
    for before, after in zip(weights, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_eager_and_compiled_steps_give_the_same_numbers(make_vae, binary):
    runs = []
    for run_eagerly in (False, True):
        keras.utils.set_random_seed(4)
        vae = make_vae(optimizer=keras.optimizers.SGD(0.1), run_eagerly=run_eagerly)
        history = vae.fit(binary, batch_size=4, epochs=3, validation_data=binary, verbose=0).history
        runs.append([*history.values(), *vae.get_weights()])
    for compiled, eager in zip(*runs, strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-5, atol=1e-6)


GREY = np.random.default_rng(6).uniform(size=[6, 5]).astype(np.float32)


def test_dynamic_binarisation_is_drawn_again_at_each_training_visit_and_once_for_evaluation(make_vae):
    spy = Counts()
    binarise = tfvae.preprocessing.StochasticBinarization(seed=2)
    vae = make_vae(preprocessing=[binarise, spy], run_eagerly=True)
    spy.seen.clear()
    vae.fit(GREY, batch_size=6, shuffle=False, epochs=15, verbose=0)
    checked, *visits = spy.seen
    visits = np.stack(visits)
    assert visits.shape == (15, 6, 5) and set(np.unique(visits)) == {0.0, 1.0}
    assert len(np.unique(visits.reshape(15, -1), axis=0)) == 15
    # The mean squared z-score of 30 means is 1 with standard error sqrt(2 / 30): 5 of these miss once in 10^6 runs.
    z = (visits.mean(axis=0) - GREY) / np.sqrt(GREY * (1 - GREY) / 15)
    assert np.mean(z**2) < 1 + 5 * np.sqrt(2 / 30)
    spy.seen.clear()
    vae.evaluate(GREY, batch_size=2, verbose=0)
    vae.evaluate(GREY[::-1].copy(), batch_size=6, verbose=0)
    scanned, *small, scanned_again, large = spy.seen
    np.testing.assert_array_equal(np.concatenate(small), large[::-1])
    np.testing.assert_array_equal(scanned, large[::-1])
    np.testing.assert_array_equal(checked, scanned)


def test_x_as_its_own_target_is_binarised_alike(make_vae):
    losses = []
    for data in ((GREY,), (GREY, GREY)):
        keras.utils.set_random_seed(4)
        vae = make_vae(preprocessing=[tfvae.preprocessing.StochasticBinarization()])
        losses.append(vae.fit(*data, batch_size=3, epochs=3, verbose=0).history["loss"])
    assert losses[0] == losses[1]


def test_noise_follows_the_seed_and_the_step(linear_vae, binary):
    histories = [linear_vae(seed=seed).fit(binary, epochs=2, verbose=0).history["loss"] for seed in (1, 1, 2)]
    assert histories[0] == histories[1]
    assert len({*histories[0], *histories[2]}) == 4


@pytest.mark.parametrize("jit_compile", [False, True])
def test_logs_are_the_same_whichever_estimator_drives_the_gradient(linear_vae, binary, jit_compile):
    """The number that is logged is the bound and no estimator's surrogate: to 1e-6, as XLA fuses them differently."""
    logs = {}
    for name in ("Pathwise", "DoublyReparameterized", "ScoreFunction"):
        vae = linear_vae(objective=objectives.IWAE(5))
        vae.compile(
            keras.optimizers.SGD(0.0), objectives.IWAE(5), getattr(tfvae.estimators, name)(), jit_compile=jit_compile
        )
        logs[name] = vae.fit(binary, batch_size=4, shuffle=False, verbose=0).history
    for name, values in logs.items():
        assert values.keys() == logs["Pathwise"].keys()
        for log, value in values.items():
            np.testing.assert_allclose(value, logs["Pathwise"][log], rtol=1e-6, err_msg=f"{name}: {log}")


# Validation.


@pytest.mark.parametrize("as_stream", [False, True])
def test_validation_weighs_its_examples_and_takes_schedules_at_their_end(linear_vae, binary, as_stream):
    """A decoder that ignores z, so that nothing is random: the bound is log p(x) - KL, and beta is 1 at the end.

    To float32's rounding of a mean over 11 examples, 1e-5.
    """
    objective = objectives.ELBO(beta=tfvae.schedules.LinearWarmup(1000))
    vae = linear_vae(objective=objective, run_eagerly=True)
    vae.likelihood.set_weights([0 * vae.likelihood.get_weights()[0], vae.likelihood.get_weights()[1]])
    elbo = vae.elbo(binary).numpy()
    held = (binary, binary, WEIGHTS)
    if as_stream:
        held = tf.data.Dataset.from_tensor_slices(held).batch(4)
    history = vae.fit(binary, batch_size=4, epochs=2, validation_data=held, verbose=0).history
    expected = np.average(elbo, weights=WEIGHTS)
    np.testing.assert_allclose(history["val_objective"], expected, rtol=1e-5)
    assert abs(expected - elbo.mean()) > 1e-2 and abs(history["objective"][-1] - elbo.mean()) > 1e-2
