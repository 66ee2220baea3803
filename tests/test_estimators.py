"""Estimators on a model whose gradients are known by quadrature, for the posterior's and the generative side apart.

One latent dimension, linear decoder, two samples: E over (eps_1, eps_2) of any bound of log w_1, log w_2 is a 64 x 64
Gauss-Hermite sum, whose gradient is exact to rounding. Each estimator's mean over 60 batches of 4000 draws must agree
within 5 standard errors in each of 8 parameters: false-alarm rate 5e-6 a case; what a case can see is printed.
"""

import logging
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_vae

import tfvae
from tfvae import estimators, objectives
from tfvae.core.evidence import Evidence, Factor

N, SIGMA = 2, 0.6
X = np.array([[0.7, -0.4]], "float32")


def model(posterior: tfvae.posteriors.DiagonalNormal | None = None) -> tfvae.VAE:
    likelihood = tfvae.likelihoods.Normal(N, network=tfvae.networks.mlp([]), scale=SIGMA)
    vae = tiny_vae(likelihood, latent=1, units=[], posterior=posterior, initial=2, seed=0, compiled=False)
    vae.posterior.head.dense.set_weights([np.array([[0.3, 0.2], [-0.2, 0.1]]), np.array([0.1, -0.4])])
    vae.likelihood.head.dense.set_weights([np.array([[0.9, -0.7]]), np.array([0.1, 0.2])])
    return vae


def by_quadrature(vae: tfvae.VAE, objective: objectives.Objective) -> list[np.ndarray]:
    """Returns the exact gradient of the expected bound, encoder's weights first."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    weights = weights / weights.sum()
    with tf.GradientTape() as tape:
        q = vae.posterior(tf.constant(X))
        eps = tf.constant(np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2).T[..., None], tf.float32)
        z = q.mean() + q.stddev() * eps  # [2, 4096, 1]
        beta = objective.beta if isinstance(objective, objectives.ELBO) else 1.0
        log_weight = vae.likelihood(z).log_prob(X) + beta * (vae.prior().log_prob(z) - q.log_prob(z))
        values = objective.of_log_weight(log_weight)
        value = tf.reduce_sum(values * tf.constant(np.outer(weights, weights).ravel(), tf.float32))
    return tape.gradient(value, vae.trainable_variables)


def sampled(vae: tfvae.VAE, objective: objectives.Objective, estimator: estimators.Estimator) -> list[np.ndarray]:
    """Returns 60 independent gradients, each the mean over 4000 draws, for each weight."""
    x = tf.constant(np.repeat(X, 4000, axis=0))

    @tf.function
    def gradient(seed: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            evidence = vae.evidence(
                vae.known({"x": x}), objective.num_samples, seed, estimator=estimator, objective=objective
            )
            gain = tf.reduce_mean(estimator.surrogate(objective, evidence, objective(evidence)))
        return tape.gradient(gain, vae.trainable_variables)

    draws = [gradient(tf.constant([i, 7])) for i in range(60)]
    return [np.stack(column) for column in zip(*draws, strict=True)]


CASES = [
    (objectives.ELBO(num_samples=2), estimators.Pathwise()),
    (objectives.ELBO(num_samples=2), estimators.StickingTheLanding()),
    (objectives.ELBO(num_samples=2), estimators.DoublyReparameterized()),
    (objectives.ELBO(num_samples=2), estimators.ScoreFunction()),
    (objectives.ELBO(beta=0.3, num_samples=2), estimators.StickingTheLanding()),
    (objectives.ELBO(beta=0.3, num_samples=2), estimators.DoublyReparameterized()),
    (objectives.ELBO(beta=0.3, num_samples=2), estimators.ScoreFunction()),
    (objectives.IWAE(2), estimators.Pathwise()),
    (objectives.IWAE(2), estimators.DoublyReparameterized()),
    (objectives.IWAE(2), estimators.ScoreFunction()),
    (objectives.MIWAE(1, 2), estimators.DoublyReparameterized()),
    (objectives.CIWAE(0.3, 2), estimators.Pathwise()),
    (objectives.CIWAE(0.3, 2), estimators.DoublyReparameterized()),
    (objectives.Renyi(0.5, 2), estimators.DoublyReparameterized()),
    (objectives.Renyi(-1.0, 2), estimators.ScoreFunction()),
    (objectives.PIWAE(2, 1), estimators.Pathwise()),
    (objectives.PIWAE(2, 1), estimators.DoublyReparameterized()),
]


@pytest.mark.parametrize("objective, estimator", CASES, ids=repr)
def test_mean_is_the_exact_gradient(objective, estimator):
    vae = model()
    inference, generative = by_quadrature(vae, objective.inference)[:2], by_quadrature(vae, objective)[2:]
    draws = sampled(vae, objective, estimator)
    for name, exact, column in zip(
        ("q kernel", "q bias", "p kernel", "p bias"), inference + generative, draws, strict=True
    ):
        standard_error = column.std(axis=0, ddof=1) / math.sqrt(len(column)) + 1e-6
        error = np.abs(column.mean(axis=0) - exact)
        print(f"{name}: {np.max(error / standard_error):.1f} s.e., sees {10 * standard_error.max():.1e} up")
        assert np.all(error < 5 * standard_error)


@pytest.mark.parametrize(
    "objective", [objectives.ELBO(num_samples=3), objectives.IWAE(3), objectives.PIWAE(3, 1)], ids=repr
)
def test_value_is_the_same_bit_for_bit(objective):
    """The logged number comes from one function that no estimator touches; the noise is the same."""
    vae, x = model(), tf.constant(np.repeat(X, 5, axis=0))
    values = []
    for estimator in (estimators.Pathwise(), estimators.DoublyReparameterized(), estimators.ScoreFunction()):
        evidence = vae.evidence(vae.known({"x": x}), objective.num_samples, tf.constant([1, 2]), estimator=estimator)
        values.append(objective(evidence).numpy())
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])


@pytest.mark.parametrize("objective", [objectives.IWAE(3), objectives.ELBO(num_samples=3)], ids=repr)
def test_the_score_is_weighed_by_what_a_sample_adds(objective):
    """L - L_-i, log w_i replaced by the mean of the other two: no mean over draws shows a baseline that is wrong."""
    log_weight = np.array([[0.3, -1.0], [1.2, 0.5], [-0.4, 2.0]])

    def bound(values):
        return np.log(np.mean(np.exp(values), 0)) if isinstance(objective, objectives.IWAE) else np.mean(values, 0)

    signal, value = np.zeros([3, 2]), bound(log_weight)
    for i in range(3):
        others = np.delete(log_weight, i, axis=0)
        signal[i] = value - bound(np.vstack([others, others.mean(0, keepdims=True)]))
    log_posterior = tf.constant(np.zeros([3, 2]), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(log_posterior)
        factor = Factor(None, None, None, log_posterior, tf.zeros([3, 2]), None, None)
        evidence = Evidence(tf.constant(log_weight, tf.float32), {"z": factor}, None)
        surrogate = estimators.ScoreFunction().surrogate(objective, evidence, None)
    weights = np.exp(log_weight) / np.exp(log_weight).sum(0) if isinstance(objective, objectives.IWAE) else 1 / 3
    np.testing.assert_allclose(tape.gradient(surrogate, log_posterior), signal - weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(surrogate, value, rtol=1e-5)


def test_sticking_the_landing_is_silent_at_the_exact_posterior():
    vae = model()
    kernel = vae.likelihood.head.dense.get_weights()[0]
    precision = float((kernel @ kernel.T)[0, 0] / SIGMA**2 + 1)
    encoder = kernel.T / SIGMA**2 / precision
    offset = -float((np.array([0.1, 0.2]) @ encoder).item())
    raw = math.log(math.expm1(precision**-0.5 - 1e-5)) - math.log(math.e - 1)
    vae.posterior.head.dense.set_weights([np.hstack([encoder, np.zeros((2, 1))]), np.array([offset, raw])])
    x = tf.random.stateless_normal([50, 2], [1, 2])
    largest = {}
    for estimator in (estimators.StickingTheLanding(), estimators.DoublyReparameterized(), estimators.Pathwise()):
        for objective in (objectives.ELBO(), *([objectives.IWAE(5)] if "Doubly" in repr(estimator) else [])):
            with tf.GradientTape() as tape:
                evidence = vae.evidence(
                    vae.known({"x": x}), objective.num_samples, tf.constant([1, 2]), estimator=estimator
                )
                gain = tf.reduce_mean(estimator.surrogate(objective, evidence, objective(evidence)))
            gradient = tape.gradient(gain, vae.posterior.trainable_variables)
            largest[repr(estimator), repr(objective)] = max(float(tf.reduce_max(tf.abs(g))) for g in gradient)
    print(largest)
    assert all((value < 1e-4) == ("Pathwise" not in name) for (name, _), value in largest.items())


def test_signal_to_noise_rises_with_k_for_dreg_and_falls_for_pathwise():
    """Rainforth et al. 2018: pathwise IWAE's encoder signal falls as 1/sqrt(k); Tucker et al. 2019: DReG's rises.

    1500 draws a cell; the signal-to-noise ratio |mean|/std of a draw, averaged over the encoder's weights.
    """
    vae, table = model(), {}
    x = tf.constant(np.repeat(X, 1500, axis=0))
    for estimator in (estimators.Pathwise(), estimators.DoublyReparameterized()):
        for k in (1, 8, 64):
            objective = objectives.IWAE(k)
            with tf.GradientTape() as tape:
                parameters = vae.posterior.parameters(x)
                tape.watch(parameters)  # per-draw gradients with respect to q's own parameters, [1500, 1] each
                vae.posterior.parameters, plain = (lambda *_, p=parameters, **__: p), vae.posterior.parameters
                evidence = vae.evidence(vae.known({"x": x}), k, tf.constant([3, k]), estimator=estimator)
                vae.posterior.parameters = plain
                gain = tf.reduce_sum(estimator.surrogate(objective, evidence, objective(evidence)))
            draws = tape.gradient(gain, parameters)
            ratios = [float(tf.abs(tf.reduce_mean(g)) / tf.math.reduce_std(g)) for g in draws.values()]
            table[type(estimator).__name__, k] = np.mean(ratios)
    for (name, k), ratio in table.items():
        print(f"{name:22s} k={k:3d}  signal-to-noise {ratio:.3f}")
    assert table["Pathwise", 64] < 0.6 * table["Pathwise", 1]
    assert table["DoublyReparameterized", 64] > 1.2 * table["DoublyReparameterized", 1]


@pytest.mark.parametrize(
    "objective, estimator",
    [
        (objectives.IWAE(5), estimators.StickingTheLanding()),
        (objectives.CIWAE(0.99, 2), estimators.StickingTheLanding()),  # nearly linear is not linear
        (objectives.ELBO(free_bits=0.5), estimators.StickingTheLanding()),
        (objectives.ELBO(capacity=5.0), estimators.DoublyReparameterized()),
        (objectives.MomentMatching(objectives.ELBO()), estimators.DoublyReparameterized()),
        (objectives.PIWAE(2, 2), estimators.ScoreFunction()),
    ],
    ids=repr,
)
def test_outside_its_scope_an_estimator_is_refused_with_the_reason(objective, estimator):
    with pytest.raises(tfvae.InvalidInput, match="Expected .* Received .* [A-Z]"):
        model().compile("sgd", objective=objective, estimator=estimator)


class MeanLogWeight(objectives.Objective):
    """A user's bound, which is a function of the log-weights but does not say so."""

    num_samples = 2

    def __call__(self, evidence):
        return tf.reduce_mean(evidence.log_weight, axis=0)

    def get_config(self):
        return {}


class Said(MeanLogWeight):
    """The same, which says so."""

    def of_log_weight(self, log_weight):
        return tf.reduce_mean(log_weight, axis=0)


@pytest.mark.parametrize("name", ["StickingTheLanding", "DoublyReparameterized", "ScoreFunction"])
def test_a_bound_of_ones_own_is_told_to_define_its_form(name):
    estimator, vae = getattr(estimators, name)(), model()
    form = r"Define MeanLogWeight.of_log_weight\(log_weight, log_mass=None\)"
    message = rf"Expected .*of_log_weight.* Received MeanLogWeight.* {form}"
    with pytest.raises(tfvae.InvalidInput, match=message):
        vae.compile("sgd", objective=MeanLogWeight(), estimator=estimator)
    vae.compile("sgd", objective=MeanLogWeight())  # the pathwise estimator does not need it
    vae.compile("sgd", objective=Said(), estimator=estimator)


def test_fit_uses_the_estimator_and_saves_it(tmp_path):
    vae = model()
    vae.compile("sgd", objective=objectives.IWAE(4), estimator=estimators.DoublyReparameterized())
    vae.fit(np.repeat(X, 32, axis=0), epochs=1, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert repr(loaded.estimator) == "DoublyReparameterized()" and repr(loaded.objective) == "IWAE(num_samples=4)"


def test_double_reparameterisation_is_compiled_again_without_a_warning_of_traces(caplog):
    """A model of a table is compiled once, and again at each reading of its file; TensorFlow warns from five traces."""
    tf.get_logger().propagate = True
    with caplog.at_level(logging.WARNING, tf.get_logger().name):
        for _ in range(4):
            model().compile("adam", objectives.IWAE(2), estimators.DoublyReparameterized())
    assert "retracing" not in caplog.text
