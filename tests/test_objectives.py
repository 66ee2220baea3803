"""Objectives, terms and schedules against their formulas, in NumPy or by quadrature."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from evidence_cases import evidence_of, random_posterior
from tiny import tiny_vae

import tfvae
from tfvae import objectives, schedules
from tfvae.distributions.kl import kl_per_dimension
from tfvae.distributions.normal import MultivariateNormalDiag
from tfvae.objectives.terms import MinibatchWeighted, decomposition

tfd = tfp.distributions


@pytest.mark.parametrize(
    "objective, formula",
    [
        (objectives.IWAE(6), lambda w: np.log(w.mean(0))),
        (objectives.MIWAE(3, 2), lambda w: np.log(w.reshape(3, 2, -1).mean(1)).mean(0)),
        (objectives.PIWAE(3, 2), lambda w: np.log(w.mean(0))),
        (objectives.CIWAE(0.25, 6), lambda w: 0.25 * np.log(w).mean(0) + 0.75 * np.log(w.mean(0))),
        (objectives.Renyi(0.5, 6), lambda w: 2 * np.log(np.sqrt(w).mean(0))),
        (objectives.Renyi(-1.0, 6), lambda w: 0.5 * np.log((w**2).mean(0))),
        (objectives.Renyi(1.0, 6), lambda w: np.log(w).mean(0)),
        (objectives.ELBO(num_samples=6), lambda w: np.log(w).mean(0)),
    ],
    ids=lambda value: repr(value) if isinstance(value, objectives.Objective) else "",
)
def test_bound_of_log_weights_is_its_formula(objective, formula):
    log_weight = np.random.RandomState(0).randn(6, 4) * 2
    np.testing.assert_allclose(
        objective.of_log_weight(tf.constant(log_weight)), formula(np.exp(log_weight)), rtol=1e-10
    )
    assert objective.num_samples == 6
    again = type(objective).from_config(objective.get_config())
    assert repr(again) == repr(objective)


def test_free_bits_and_capacity():
    q = random_posterior()
    evidence = evidence_of(q, q.sample(1, seed=[0, 1]))
    kl = evidence.kl_per_dimension.numpy()
    free = objectives.ELBO(free_bits=1.0)(evidence)
    np.testing.assert_allclose(free, np.full(6, -np.maximum(1.0, kl.mean(0)).sum()), rtol=1e-5)
    capacity = objectives.ELBO(beta=10.0, capacity=3.0)(evidence)
    np.testing.assert_allclose(capacity, np.full(6, -10 * abs(kl.sum(1).mean() - 3.0)), rtol=1e-5)
    np.testing.assert_allclose(evidence.elbo, -kl.sum(1), rtol=1e-5)  # the log stays the plain bound


STEPS = np.array([0, 1, 24, 25, 50, 75, 99, 100, 130, 399, 400, 1000])


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (schedules.Constant(0.3), np.full(len(STEPS), 0.3)),
        (schedules.LinearWarmup(100, start=0.2, end=1.0), 0.2 + 0.8 * np.minimum(STEPS / 100, 1)),
        (schedules.Cyclical(100, cycles=4), np.where(STEPS >= 400, 1, np.minimum(STEPS % 100 / 100 / 0.5, 1))),
        (
            schedules.Cyclical(60, cycles=2, ratio=0.8, start=0.3, end=2.0),
            np.where(STEPS >= 120, 2.0, 0.3 + 1.7 * np.minimum(STEPS % 60 / 60 / 0.8, 1)),
        ),
        (schedules.Sigmoid(30, 25, start=2.0, end=0.5), 2.0 - 1.5 / (1 + np.exp(-(STEPS - 30) / 25))),
        (schedules.Sigmoid(50, 10), 1 / (1 + np.exp(-(STEPS - 50) / 10))),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, schedules.Schedule) else "",
)
def test_schedules_are_their_formulas(schedule, values):
    np.testing.assert_allclose([schedule(tf.constant(t, tf.float32)) for t in STEPS], values, atol=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert repr(again) == repr(schedule) and again.final == schedule.final


def test_a_warm_up_does_not_start_below_zero():
    with pytest.raises(tfvae.InvalidInput, match="start"):
        schedules.LinearWarmup(100, start=-1.0)


@pytest.mark.parametrize(
    ("peak", "steps", "warmup", "rising"), [(2e-3, 1000, 0.1, 100), (1.0, 7, 0.3, 2), (0.5, 9, 0.1, 0), (1.0, 50, 0, 0)]
)
def test_warmup_cosine_is_its_formula(peak, steps, warmup, rising):
    t = np.arange(steps + 3)
    falling = peak * 0.5 * (1 + np.cos(np.pi * np.clip((t - rising) / (steps - rising), 0, 1)))
    expected = np.where(t < rising, peak * t / max(rising, 1), falling)
    rate = schedules.warmup_cosine(peak, steps, warmup)
    np.testing.assert_allclose([float(rate(i)) for i in t], expected, atol=1e-6 * peak)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [((-1.0, 10), "peak"), ((1.0, 0), "steps"), ((1.0, 10, 1.0), "warmup"), ((np.nan, 10), "peak")],
)
def test_warmup_cosine_refuses_what_it_cannot_follow(wrong, words):
    with pytest.raises(tfvae.InvalidInput, match=words):
        schedules.warmup_cosine(*wrong)


def test_warm_up_counts_steps_is_logged_saved_and_final_in_evaluation(tmp_path):
    x = np.random.RandomState(0).randn(40, 3).astype("float32")
    warm = objectives.ELBO(beta=schedules.LinearWarmup(8))
    vae = tiny_vae(tfvae.likelihoods.Normal, 3, units=None, seed=0, optimizer="sgd", objective=warm)
    logs = vae.fit(x, batch_size=10, epochs=1, validation_data=x, verbose=0).history
    np.testing.assert_allclose(logs["beta"], [np.mean([0, 1, 2, 3]) / 8], rtol=1e-6)
    assert logs["val_beta"] == [1.0] and logs["val_objective"] == pytest.approx(logs["val_elbo"])
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert loaded.fit(x, batch_size=10, epochs=1, verbose=0).history["beta"] == [
        pytest.approx(np.mean([4, 5, 6, 7]) / 8)
    ]


def quadrature(q: MultivariateNormalDiag) -> dict[str, float]:
    """The three parts of the mean rate for a data set of B examples, on a 2-D grid, in float64."""
    axis = np.linspace(-6, 6, 601)
    area = (axis[1] - axis[0]) ** 2
    loc, scale = q.mean().numpy().astype(float), q.stddev().numpy().astype(float)
    factor = np.exp(-0.5 * ((axis[:, None, None] - loc) / scale) ** 2) / scale / math.sqrt(2 * math.pi)  # [G, B, 2]
    each = factor[:, None, :, 0] * factor[None, :, :, 1]  # [G, G, B]
    joint = each.mean(-1)
    marginal = factor.mean(1)  # [G, 2]
    product = marginal[:, None, 0] * marginal[None, :, 1]
    prior = np.exp(-0.5 * axis**2) / math.sqrt(2 * math.pi)

    def expectation(density: np.ndarray, ratio: np.ndarray) -> float:
        return float(np.sum(density * np.log(np.maximum(ratio, 1e-300)), where=density > 1e-30) * area)

    information = np.mean(
        [expectation(each[..., i], each[..., i] / np.maximum(joint, 1e-300)) for i in range(each.shape[-1])]
    )
    return {
        "mutual_information": information,
        "total_correlation": expectation(joint, joint / np.maximum(product, 1e-300)),
        "dimension_wise_kl": expectation(joint, product / (prior[:, None] * prior[None, :])),
    }


def test_each_part_of_the_rate_agrees_with_quadrature():
    """Index-code mutual information, total correlation and dimension-wise KL apart, full batch, stratified estimator.

    3000 draws of z for each of 6 examples; 4 s.e.: false-alarm rate 2e-4 in all; sees about 0.05 nats.
    """
    q = random_posterior()
    exact = quadrature(q)
    z = q.sample(3000, seed=[0, 1])
    parts = dict.fromkeys(exact, tf.float32)
    of_one = lambda one: decomposition(evidence_of(q, one[tf.newaxis], num_data=6))  # noqa: E731
    draws = tf.function(lambda z: tf.map_fn(of_one, z, fn_output_signature=parts))(z)
    for name, value in exact.items():
        mean, error = np.mean(draws[name]), np.std(draws[name]) / math.sqrt(3000)
        print(f"{name}: quadrature {value:.4f}, estimate {mean:.4f} +- {error:.4f}")
        assert abs(mean - value) < 4 * error
        assert error < 0.02
    total = sum(exact.values())
    kl = float(tf.reduce_mean(tf.reduce_sum(kl_per_dimension(q, evidence_of(q, z[:1]).prior), -1)))
    assert abs(total - kl) < 1e-3  # the quadrature itself


def test_stratified_weights_are_unbiased_for_the_aggregate_density():
    """Mean over all batches of 3 of 6 examples that hold the first one: exactly q(z) = 1/6 sum_n q(z | x_n)."""
    import itertools

    q = random_posterior()
    z = q.sample(seed=[0, 1])[0]
    density = tfd.Independent(tfd.Normal(q.mean(), q.stddev()), 1).prob(z).numpy()  # q(z | x_n), [6]
    weights = np.exp(objectives.terms.Stratified.log_weights(tf.ones(3), tf.constant(6.0)))[0]
    estimates = [weights @ density[[0, *others]] for others in itertools.combinations(range(1, 6), 2)]
    np.testing.assert_allclose(np.mean(estimates), density.mean(), rtol=1e-5)


def test_bias_of_the_minibatch_weighted_estimator_is_printed():
    """Chen et al. 2018: log q(z) is low by up to log N; the bias in total correlation shrinks with the batch."""
    q = random_posterior(batch=64, seed=1)
    exact = float(
        np.mean([decomposition(evidence_of(q, q.sample(1, seed=[0, s]), 64))["total_correlation"] for s in range(12)])
    )
    biases = {}
    for batch in (8, 16, 64):
        values = []
        for s in range(12):
            rows = np.random.RandomState(s).choice(64, batch, replace=False)
            part = MultivariateNormalDiag(tf.gather(q.mean(), rows), tf.gather(q.stddev(), rows))
            evidence = evidence_of(part, part.sample(1, seed=[1, s]), num_data=64)
            values.append(
                [
                    float(decomposition(evidence, w)["total_correlation"])
                    for w in (MinibatchWeighted, objectives.terms.Stratified)
                ]
            )
        biases[batch] = np.mean(values, axis=0) - exact
    for batch, (weighted, stratified) in biases.items():
        print(f"batch {batch:3d} of 64: bias of TC, minibatch-weighted {weighted:+.2f}, stratified {stratified:+.2f}")
    # with a full batch, both densities are low by log N: the two dimensions' logs outweigh the joint one's once
    np.testing.assert_allclose(biases[64][0], math.log(64), atol=0.1)
    assert all(abs(s) < abs(w) for w, s in biases.values())


def test_total_correlation_needs_the_size_of_the_data_set():
    q = random_posterior()
    with pytest.raises(tfvae.InvalidInput, match="size N"):
        objectives.TotalCorrelation(objectives.ELBO()).terms(evidence_of(q, q.sample(1, seed=[0, 1])))


def test_mmd_is_zero_for_the_prior_and_grows_away_from_it():
    """U-statistic: mean zero for z ~ prior (5 s.e. of 200 draws), rising with a shift; NumPy's double loop agrees."""
    term = objectives.MaximumMeanDiscrepancy(objectives.ELBO(beta=0.0))

    @tf.function
    def penalty(shift: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        q = MultivariateNormalDiag(tf.fill([40, 2], shift), tf.ones([40, 2]))
        return term.penalty(evidence_of(q, q.sample(1, seed=[seed, 9]), seed=tf.stack([seed, 3])))

    def value(shift: float, seed: int) -> float:
        return float(penalty(tf.constant(shift), tf.constant(seed)))

    at_prior = [value(0.0, s) for s in range(200)]
    assert abs(np.mean(at_prior)) < 5 * np.std(at_prior) / math.sqrt(200)
    assert (
        np.mean([value(1.0, s) for s in range(20)]) > np.mean([value(0.5, s) for s in range(20)]) > 3 * np.std(at_prior)
    )
    a, b = np.random.RandomState(0).randn(2, 3, 2)
    kernel = [[sum(4 * s / (4 * s + np.sum((u - v) ** 2)) for s in term.scales) for v in b] for u in a]
    np.testing.assert_allclose(term.kernel(tf.constant(a), tf.constant(b)), kernel, rtol=1e-6)


@pytest.mark.parametrize("of_means", [True, False])
def test_moment_matching_is_its_formula(of_means):
    q = random_posterior(batch=50, dimensions=3)
    term = objectives.MomentMatching(objectives.ELBO(), weight=2.0, diagonal_ratio=10.0, of_means=of_means)
    covariance = np.cov(q.mean().numpy().T, bias=True)
    if not of_means:
        covariance += np.diag((q.stddev().numpy() ** 2).mean(0))
    off = covariance - np.diag(np.diag(covariance))
    expected = 2.0 * ((off**2).sum() + 10.0 * ((np.diag(covariance) - 1) ** 2).sum())
    assert float(term.terms(evidence_of(q, q.sample(1, seed=[0, 1])))["moments"]) == pytest.approx(expected, rel=1e-4)


def test_the_critic_has_the_papers_optimizer():
    """Adam(1e-4, 0.5, 0.9): Kim and Mnih 2018, appendix A."""
    optimizer = objectives.DensityRatio(objectives.ELBO()).critic.optimizer
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert float(optimizer.learning_rate) == pytest.approx(1e-4)
    assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.9)


def test_critic_learns_the_total_correlation_of_a_correlated_normal():
    """KL(N(0, [[1, r], [r, 1]]) || N(0, I)) = -1/2 log(1 - r^2): after 600 steps within 0.1 nats."""
    rho = 0.8
    root = np.linalg.cholesky([[1, rho], [rho, 1]]).astype("float32")
    term = objectives.DensityRatio(objectives.ELBO(), units=(64, 64), learning_rate=3e-3)
    term.build({"z": (2,)})
    q = random_posterior(batch=512)

    @tf.function
    def step(seed: tf.Tensor) -> tf.Tensor:
        z = tf.random.stateless_normal([1, 512, 2], seed) @ tf.transpose(root)
        evidence = dataclasses.replace(evidence_of(q, z), seed=seed)
        term.update(evidence)
        return term.penalty(evidence)

    values = [float(step(tf.constant([s, 1]))) for s in range(600)]
    exact = -0.5 * math.log(1 - rho**2)
    print(f"total correlation {exact:.3f}, critic {np.mean(values[-100:]):.3f} nats")
    assert abs(np.mean(values[-100:]) - exact) < 0.1


def test_terms_are_in_loss_and_logs_and_state_is_saved(tmp_path):
    """loss = -objective + terms; the critic trains beside the model, is not the optimizer's, and is saved."""
    x = np.random.RandomState(0).randn(60, 4).astype("float32")
    inner = objectives.TotalCorrelation(objectives.ELBO(), weight=3.0)
    outer = objectives.DensityRatio(inner, weight=schedules.LinearWarmup(10), units=(8,))
    vae = tiny_vae(tfvae.likelihoods.Normal, 4, units=None, seed=0, optimizer="adam", objective=outer)
    history = vae.fit(x, batch_size=20, epochs=2, verbose=0).history
    loss = -np.array(history["objective"]) + history["total_correlation"] + np.array(history["density_ratio"])
    np.testing.assert_allclose(history["loss"], loss, rtol=1e-5)
    assert history["density_ratio_weight"][1] > history["density_ratio_weight"][0]
    critic = vae.objective.critic
    assert critic.optimizer.iterations == 6 and len(vae.part_variables) == len(vae.trainable_variables) - 4
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    for saved, read in zip(critic.get_weights(), loaded.objective.critic.get_weights(), strict=True):
        np.testing.assert_array_equal(saved, read)
    assert loaded.objective.critic.optimizer.iterations == 6 and loaded.optimizer.iterations == 6
    again, first = (m.fit(x, batch_size=20, epochs=1, shuffle=False, verbose=0).history["loss"] for m in (loaded, vae))
    assert again == first


def test_geco_reaches_its_target():
    """On linear data the distortion settles at the target, from either side."""
    rng = np.random.RandomState(0)
    x = (rng.randn(400, 2) @ rng.randn(2, 6) + 0.1 * rng.randn(400, 6)).astype("float32")
    target = 2.0
    geco = objectives.GECO(target, initial=0.1, speed=0.003, decay=0.9)
    likelihood = tfvae.likelihoods.Normal(6, scale=0.3)
    vae = tiny_vae(likelihood, units=None, initial=0, seed=0, optimizer=0.03, objective=geco)
    history = vae.fit(x, batch_size=40, epochs=75, verbose=0).history
    distortion = np.mean(history["distortion"][-25:])  # one epoch's swings by 0.3 nats around the target
    print(f"target {target}, distortion {distortion:.3f}, rate {history['rate'][-1]:.2f} nats")
    assert abs(distortion - target) < 0.15
