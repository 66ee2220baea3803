"""What objectives make of the weights of examples, of the training step and of noise, on evidence made by hand.

A weight of 2 is the example twice, a weight of 0 is the example absent, and no number is taken from the package: the
expected ones are NumPy's.
"""

import dataclasses
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from evidence_cases import changed, evidence_of, random_posterior, repeated

import tfvae
from tfvae import objectives, recipes, schedules
from tfvae.objectives.adaptive import Critic, Multiplier, by_weight
from tfvae.objectives.terms import MinibatchWeighted, Stratified, decomposition

COUNTS = [1, 2, 0, 3]
WEIGHT = tf.constant(COUNTS, tf.float32)


def weighted(batch: int = 4, **options):
    q = random_posterior(batch, **options)
    return evidence_of(q, q.sample(1, seed=[0, 1]), batch, weight=WEIGHT)


def with_z(evidence, row: int, value: float):
    """The evidence with another sample of one example."""
    z = evidence.z.numpy()
    z[0, row] = value
    return changed(evidence, z=tf.constant(z))


# Weights of examples.


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 2, 2)], ids=str)
def test_the_mean_of_evidence_is_the_average_by_weight(shape):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    evidence = weighted()
    np.testing.assert_allclose(evidence.mean(tf.constant(values)), np.average(values, 0, COUNTS), rtol=1e-5)
    np.testing.assert_allclose(evidence.mean(tf.constant(values)), np.repeat(values, COUNTS, 0).mean(0), rtol=1e-5)
    plain = dataclasses.replace(evidence, weight=None)
    np.testing.assert_allclose(plain.mean(tf.constant(values)), values.mean(0), rtol=1e-5)
    nothing = dataclasses.replace(evidence, weight=tf.zeros(4))
    np.testing.assert_array_equal(nothing.mean(tf.constant(values)), np.zeros(shape[1:]))


@pytest.mark.parametrize("of_means", [True, False])
def test_moments_of_weighted_examples_are_those_of_repeated_ones(of_means):
    """Centred by the weighted mean: the unweighted one differs here by half a unit."""
    term = objectives.MomentMatching(objectives.ELBO(), of_means=of_means)
    evidence = weighted(dimensions=3)
    assert float(term.penalty(evidence)) == pytest.approx(float(term.penalty(repeated(evidence, COUNTS, 4))), rel=1e-5)


@pytest.mark.parametrize("kind", [Stratified, MinibatchWeighted])
def test_total_correlation_of_weighted_examples_is_that_of_repeated_ones(kind):
    """The stratified estimate is exact for a full batch, so N counts repetitions; the other one has N as a factor."""
    evidence = weighted()
    found = decomposition(evidence, kind)
    expected = decomposition(repeated(evidence, COUNTS, 6 if kind is Stratified else 4), kind)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-5), name


@pytest.mark.parametrize("weight", [[2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.1, 0.2, 0.0, 0.3]], ids=str)
@pytest.mark.parametrize("name", ["TotalCorrelation", "MaximumMeanDiscrepancy", "MomentMatching", "DensityRatio"])
def test_penalties_and_their_gradients_are_finite_whatever_the_weights(name, weight):
    options = {"units": (4,)} if name == "DensityRatio" else {}
    term = getattr(objectives, name)(objectives.ELBO(), **options)
    term.build({"z": (2,)})
    evidence = dataclasses.replace(weighted(), weight=tf.constant(weight))
    with tf.GradientTape() as tape:
        tape.watch(evidence.z)
        penalty = term.penalty(evidence)
    gradient = tape.gradient(penalty, evidence.z)
    assert np.isfinite(penalty) and (gradient is None or np.isfinite(gradient).all())
    term.update(evidence)
    assert all(np.isfinite(w).all() for layer in term.layers for w in layer.get_weights())


def test_discrepancy_of_weighted_examples_is_its_formula():
    """In a loop over pairs; an example of weight zero may be anything."""
    term, evidence = objectives.MaximumMeanDiscrepancy(objectives.ELBO()), weighted()
    seed = tfvae.seeds.fold(evidence.seed, tfvae.seeds.PRIOR)
    z, u, w = evidence.z[0].numpy().astype(float), evidence.prior.sample(4, seed=seed).numpy().astype(float), COUNTS

    def k(a, b):
        return sum(4 * s / (4 * s + np.sum((a - b) ** 2)) for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))

    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    within_z = sum(w[i] * w[j] * k(z[i], z[j]) for i, j in pairs) / sum(w[i] * w[j] for i, j in pairs)
    within_u = sum(k(u[i], u[j]) for i, j in pairs) / 12
    across = sum(w[i] * k(z[i], u[j]) for i in range(4) for j in range(4)) / (4 * sum(w))
    assert float(term.penalty(evidence)) == pytest.approx(within_z + within_u - 2 * across, rel=1e-4)
    assert float(term.penalty(with_z(evidence, 2, 9.0))) == float(term.penalty(evidence))
    plain = [dataclasses.replace(evidence, weight=weight) for weight in (None, tf.ones(4), tf.fill([4], 0.5))]
    assert len({round(float(term.penalty(one)), 5) for one in plain}) == 1


class Remembering:
    """A prior that keeps what was drawn from it."""

    def __init__(self, prior):
        self.prior, self.batch_shape = prior, prior.batch_shape

    def sample(self, *args, **kwargs):
        self.drawn = self.prior.sample(*args, **kwargs)
        return self.drawn


def test_the_prior_is_drawn_with_noise_of_its_own():
    """In a model whose q(z | x) is the prior, z and u are uncorrelated (5 s.e.); with q's own noise they are equal."""
    vae = tfvae.VAE(tfvae.posteriors.DiagonalNormal(2, network=tfvae.networks.mlp([])), tfvae.likelihoods.Normal(3))
    vae.posterior.head.dense.set_weights([np.zeros([3, 4]), np.zeros(4)])
    evidence = vae.evidence(vae.known({"x": tf.zeros([60, 3])}), 1, tf.constant([0, 5]))
    prior = Remembering(evidence.prior)
    objectives.MaximumMeanDiscrepancy(objectives.ELBO()).penalty(changed(evidence, p=prior))
    correlation = np.corrcoef(np.ravel(evidence.z), np.ravel(prior.drawn))[0, 1]
    assert abs(correlation) < 5 / np.sqrt(120)


# The critic and the multiplier.


def test_the_critic_takes_steps_of_its_own_adam_on_weighted_examples():
    """Logistic regression, four steps in NumPy: rate 0.01, moments with 0.5 and 0.9 as in the paper, epsilon 1e-7."""
    rng = np.random.default_rng(0)
    joint, shuffled = rng.normal(size=[2, 4, 2]).astype(np.float32)
    critic = Critic((), 0.01)
    critic.build((None, 2))
    weight = np.append(critic.network.layers[0].get_weights()[0][:, 0].astype(float), 0.0)
    first, second, relative = np.zeros(3), np.zeros(3), 4 * np.array(COUNTS) / 6
    for step in range(1, 5):
        critic.learn(tf.constant(joint), tf.constant(shuffled), WEIGHT)
        a, b = (np.append(z, np.ones([4, 1]), axis=1) for z in (joint, shuffled))
        gradient = -(relative / (1 + np.exp(a @ weight))) @ a / 4 + (1 / (1 + np.exp(-b @ weight))) @ b / 4
        first, second = 0.5 * first + 0.5 * gradient, 0.9 * second + 0.1 * gradient**2
        weight -= 0.01 * first / (1 - 0.5**step) / (np.sqrt(second / (1 - 0.9**step)) + 1e-7)
        kernel, bias = critic.network.layers[0].get_weights()
        np.testing.assert_allclose(np.append(kernel[:, 0], bias), weight, rtol=1e-4, atol=1e-6)


def test_the_critic_does_not_see_an_example_of_weight_zero():
    weights = []
    for value in (0.0, 50.0):
        keras.utils.set_random_seed(0)
        term = objectives.DensityRatio(objectives.ELBO(), units=(4,), learning_rate=0.1)
        term.build({"z": (2,)})
        term.update(with_z(weighted(), 2, value))
        weights.append(np.concatenate([w.ravel() for w in term.critic.get_weights()]))
        penalty = np.average(term.critic(weighted().z[0]), weights=COUNTS)
        assert float(term.penalty(weighted())) == pytest.approx(penalty, rel=1e-5)
    np.testing.assert_array_equal(*weights)


def test_rows_come_as_often_as_their_weights_say():
    rows = tf.range(6.0)
    np.testing.assert_array_equal(by_weight(rows, tf.ones(6)), rows)
    np.testing.assert_array_equal(by_weight(rows, tf.fill([6], 0.3)), rows)
    np.testing.assert_array_equal(by_weight(rows, tf.constant([1.0, 0, 3, 0, 2, 0])), [0, 2, 2, 2, 4, 4])
    many = by_weight(tf.range(1000.0), tf.constant(np.linspace(0, 2, 1000), tf.float32))
    np.testing.assert_allclose(np.mean(many), np.average(np.arange(1000), weights=np.linspace(0, 2, 1000)), atol=1)


def test_the_multiplier_follows_the_average_of_the_constraint():
    """C <- 0.9 C + 0.1 c, then lambda <- lambda exp(0.01 C); growth of at most 10 % a step, lambda in [1e-3, 1e3]."""
    multiplier = Multiplier(0.5)
    multiplier.build(None)
    average, value = 0.0, 0.5
    for constraint in (3.0, -1.0, 4.0, 200.0, -500.0):
        multiplier.move(tf.constant(constraint), decay=0.9, speed=0.01)
        average = 0.9 * average + 0.1 * constraint
        value *= np.exp(np.clip(0.01 * average, -0.1, 0.1))
        assert float(multiplier.average) == pytest.approx(average, rel=1e-5)
        assert float(multiplier.value) == pytest.approx(value, rel=1e-5)
    for _ in range(100):
        multiplier.move(tf.constant(1e6), decay=0.9, speed=1.0)
    assert float(multiplier.value) == pytest.approx(1e3)


def test_geco_is_its_lagrangian_and_counts_examples_by_weight():
    distortion = np.array([1.0, 5.0, 100.0, 2.0])
    evidence = dataclasses.replace(weighted(), log_likelihood=-tf.constant(distortion, tf.float32)[tf.newaxis])
    geco = objectives.GECO(target=2.0, initial=0.7, decay=0.9, speed=0.01)
    geco.build((2,))
    np.testing.assert_allclose(geco(evidence), -evidence.rate - 0.7 * (distortion - 2.0), rtol=1e-5)
    geco.update(evidence)
    constraint = (1 * 1.0 + 2 * 5.0 + 3 * 2.0) / 6 - 2.0
    assert float(geco.controller.average) == pytest.approx(0.1 * constraint, rel=1e-5)
    assert float(geco.controller.value) == pytest.approx(0.7 * np.exp(0.001 * constraint), rel=1e-5)


# Numbers that follow a schedule, and the loss.


@pytest.mark.parametrize(("step", "part"), [(5, 0.5), (0, 0.0), (10, 1.0), (None, 1.0)])
def test_every_number_is_that_of_the_step(step, part):
    """At step 5 of a warm-up of 10 it is half the final one, in evaluation (no step) the final one."""
    q = random_posterior()
    evidence = evidence_of(q, q.sample(1, seed=[0, 1]), step=None if step is None else tf.constant(step))
    kl = evidence.kl_per_dimension.numpy()

    def rising(end):
        return schedules.LinearWarmup(10, end=end)

    np.testing.assert_allclose(objectives.ELBO(rising(3.0))(evidence), -3 * part * kl.sum(1), rtol=1e-5)
    log_weight = objectives.ELBO(rising(3.0)).log_weight(evidence)
    np.testing.assert_allclose(log_weight, 3 * part * (evidence.log_prior - evidence.log_posterior), rtol=1e-5)
    free = objectives.ELBO(free_bits=rising(2.0))(evidence)
    np.testing.assert_allclose(free, np.full(6, -np.maximum(2 * part, kl.mean(0)).sum()), rtol=1e-5)
    capacity = objectives.ELBO(capacity=rising(7.0))(evidence)
    np.testing.assert_allclose(capacity, np.full(6, -abs(kl.sum(1).mean() - 7 * part)), rtol=1e-4)
    term = objectives.MomentMatching(objectives.ELBO(), weight=rising(4.0))
    fixed = objectives.MomentMatching(objectives.ELBO(), weight=1.0)
    expected = 4 * part * float(fixed.terms(evidence)["moments"])
    assert float(term.terms(evidence)["moments"]) == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_the_negative_bound_plus_each_weighted_penalty():
    """One step of a model by hand: mean_B (distortion + 2 rate) + 3 moments + 2.5 discrepancy."""
    x = np.random.default_rng(0).normal(size=[8, 4]).astype(np.float32)
    vae = tfvae.VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Normal(4), seed=0)
    inner = objectives.MomentMatching(objectives.ELBO(beta=2.0), weight=3.0)
    mmd = objectives.MaximumMeanDiscrepancy(inner, weight=schedules.Constant(2.5))
    vae.compile(keras.optimizers.SGD(0.1), objective=mmd, run_eagerly=True)
    loss, evidence, bound, terms = vae.make_step(training=True).loss({"x": tf.constant(x)})
    kl = np.sum(evidence.posterior.variance() + evidence.posterior.mean() ** 2 - 1, axis=1) / 2
    kl -= np.sum(np.log(evidence.posterior.stddev()), axis=1)
    residual = np.square(x - vae.decode(evidence.z[0]).mean().numpy()) / vae.decode(evidence.z[0]).variance().numpy()
    deviation = vae.decode(evidence.z[0]).stddev().numpy() * np.ones([8, 4])
    distortion = np.sum(residual / 2 + np.log(deviation) + 0.5 * np.log(2 * np.pi), axis=1)
    covariance = np.cov(evidence.posterior.mean().numpy().T, bias=True)
    covariance += np.diag(np.mean(evidence.posterior.variance(), axis=0))
    moments = np.sum((covariance - np.eye(2)) ** 2)
    discrepancy = float(objectives.MaximumMeanDiscrepancy(objectives.ELBO()).penalty(evidence))
    np.testing.assert_allclose(bound, -distortion - 2 * kl, rtol=1e-4)
    expected = np.mean(distortion + 2 * kl) + 3 * moments + 2.5 * discrepancy
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    logs = vae.train_on_batch(x, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["moments"] == pytest.approx(3 * moments, rel=1e-4)


# What the documentation says of numbers that nobody passed.


@pytest.mark.parametrize(
    ("made", "numbers"),
    [
        (objectives.GECO, {"num_samples": 1, "initial": 1.0, "decay": 0.99, "speed": 1e-4}),
        (objectives.DensityRatio, {"weight": 1.0, "units": (256, 256, 256), "learning_rate": 1e-4}),
        (objectives.MomentMatching, {"weight": 1.0, "diagonal_ratio": 1.0, "of_means": False}),
        (objectives.TotalCorrelation, {"weight": 1.0, "minibatch_weighted": False}),
        (objectives.ELBO, {"beta": 1.0, "num_samples": 1, "free_bits": 0.0, "capacity": None}),
        (schedules.Cyclical, {"cycles": 4, "ratio": 0.5, "start": 0.0, "end": 1.0}),
        (schedules.warmup_cosine, {"warmup": 0.1}),
        (recipes.beta_vae, {"beta": 4.0}),
        (recipes.beta_tcvae, {"beta": 6.0}),
        (recipes.info_vae, {"alpha": 0.5, "weight": 10.0}),
        (recipes.capacity, {"nats": 25.0, "beta": 30.0, "num_steps": 10_000}),
        (recipes.free_bits, {"nats": 0.125}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_defaults_are_the_documented_ones(made, numbers):
    given = {name: parameter.default for name, parameter in inspect.signature(made).parameters.items()}
    assert {name: given[name] for name in numbers} == numbers
