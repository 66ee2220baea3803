"""Per-example inference and the gaps it measures, against closed forms of the linear-Gaussian model.

Log p(x) - ELBO(q) = KL(q || posterior), which two normals have in closed form; the best diagonal q of a correlated
posterior has the posterior's mean and the diagonal of its precision. Bounds are 3 standard errors (a false alarm in
0.3% of seeds; the seeds are fixed) plus 2e-3 nats for what Adam leaves.
"""

import sys

import numpy as np
import parts
import pytest
import tensorflow as tf
from linear_gaussian import SIGMA, B, D, N, W, data, exact_log_prob, linear_vae, set_exact
from tiny import tiny_vae

import tfvae
from tfvae import evaluation, inference
from tfvae.core import seeds
from tfvae.core.conditional import positive_inverse
from tfvae.inference import importance, trust
from tfvae.inference.refine import _bounds
from tfvae.inference.rows import blocks
from tfvae.inference.target import Draws, Target

ROTATION = np.array([[0.8, -0.6], [0.6, 0.8]])
MIXED = W @ ROTATION  # columns that are not orthogonal: the same p(x), a correlated posterior
PRECISION = MIXED.T @ MIXED / SIGMA**2 + np.eye(D)
LEFT = 2e-3  # nats


def posterior_mean(x) -> np.ndarray:
    return (x - B) @ MIXED @ np.linalg.inv(PRECISION) / SIGMA**2


def correlated_vae() -> tfvae.VAE:
    """Returns a model with a correlated posterior, and an encoder with its mean off by 0.3 and deviations of 0.5."""
    likelihood = tfvae.likelihoods.Normal(N, network=tfvae.networks.mlp([]), scale=SIGMA)
    vae = tiny_vae(likelihood, latent=D, units=None, seed=None, compiled=False)
    vae.likelihood.head.dense.set_weights([MIXED.T, B])
    encoder = np.linalg.inv(PRECISION) @ MIXED.T / SIGMA**2
    bias = np.concatenate([0.3 - encoder @ B, positive_inverse(np.full(D, 0.5))])
    vae.posterior.head.dense.set_weights([np.concatenate([encoder.T, np.zeros((N, D))], axis=1), bias])
    return vae


def diagonal_kl(loc, scale, x) -> np.ndarray:
    """Returns KL(N(loc, diag(scale)^2) || exact posterior) of the correlated model, `[B]`."""
    away = loc - posterior_mean(x)
    quadratic = np.einsum("bi,ij,bj->b", away, PRECISION, away) + scale**2 @ np.diag(PRECISION) - D
    return 0.5 * (quadratic - np.linalg.slogdet(PRECISION)[1]) - np.log(scale).sum(1)


def check(gap, exact, name):
    exact = np.mean(exact)
    print(f"{name:60s} {gap.mean:9.4f} +- {gap.mean_error:.4f}, exactly {exact:9.4f} nats")
    assert abs(gap.mean - exact) < 3 * gap.mean_error + LEFT


# The gaps.


@pytest.mark.parametrize(("stretch", "shift"), [(3.0, 2.0), pytest.param(0.4, 0.5, marks=pytest.mark.slow)])
def test_gaps_of_a_deliberately_bad_encoder_are_exact(stretch, shift):
    """The family holds the posterior: all is amortisation gap, sum_d (s^2 - 1) / 2 - log s + shift_d^2 / (2 var_d)."""
    vae, x = set_exact(linear_vae(), stretch, shift), data(60, 3)
    gaps = evaluation.inference_gaps(vae, x, num_samples=1000, seed=0)
    variance = SIGMA**2 / np.diag(W.T @ W + SIGMA**2 * np.eye(D))
    exact = np.sum((stretch**2 - 1) / 2 - np.log(stretch) + shift**2 / (2 * variance))
    print()
    check(gaps.amortisation_gap, exact, f"amortisation gap of an encoder {stretch} times as wide, off by {shift}")
    check(gaps.approximation_gap, 0.0, "approximation gap")
    check(gaps.variational_gap, exact, "variational gap")
    assert abs(gaps.log_prob.mean - exact_log_prob(x).mean()) < 3 * gaps.log_prob.mean_error + LEFT


@pytest.mark.slow
def test_gaps_of_a_diagonal_q_on_a_correlated_posterior_are_exact():
    """With a bad encoder on top; by importance sampling, then by annealing."""
    vae, x = correlated_vae(), data(60, 3)
    q = vae.encode(x)
    variational = diagonal_kl(q.loc.numpy().astype(float), q.stddev().numpy().astype(float), x)
    approximation = diagonal_kl(posterior_mean(x), np.tile(np.diag(PRECISION) ** -0.5, [len(x), 1]), x)
    annealed = evaluation.annealed_log_prob(vae, x, 200, num_chains=16, seed=0)
    print()
    for log_prob, name in ((None, "importance sampling"), (annealed, "AnnealedEstimate")):
        gaps = evaluation.inference_gaps(vae, x, num_samples=2000, log_prob=log_prob, seed=0)
        check(gaps.approximation_gap, approximation, f"approximation gap of a diagonal q, {name}")
        check(gaps.amortisation_gap, variational - approximation, "amortisation gap of its encoder")
        check(gaps.variational_gap, variational, "variational gap")
        assert name in gaps.method and name in str(gaps)
    print(gaps)


def test_an_estimate_prints_as_one_line_outside_and_inside_a_graph():
    found = tfvae.MarginalEstimate(tf.constant([-1.0, -2.0]), tf.constant([0.5, 0.25]), tf.constant([3.0, 5.0]))
    means = "log_prob -1.500, standard_error 0.375, effective_sample_size 4.000"
    assert repr(found) == f"MarginalEstimate of 2 examples, means: {means}"
    specs = tf.nest.map_structure(tf.TensorSpec.from_tensor, found)
    assert repr(specs).startswith("MarginalEstimate(log_prob=TensorSpec(shape=(2,)")


@pytest.mark.slow
def test_gaps_add_up_and_print():
    """For each example; the table has a row for each field."""
    gaps = evaluation.inference_gaps(correlated_vae(), data(5, 4), steps=20, num_samples=50, seed=0)
    total = gaps.approximation_gap.value + gaps.amortisation_gap.value
    np.testing.assert_allclose(gaps.variational_gap.value, total, atol=1e-4)
    np.testing.assert_allclose(gaps.variational_gap.value, gaps.log_prob.value - gaps.elbo.value)
    assert all(gap.value.shape == gap.standard_error.shape == (5,) for gap in gaps[:6])
    assert len(str(gaps).splitlines()) == 8
    one = evaluation.inference_gaps(correlated_vae(), data(1, 4), steps=20, num_samples=50, seed=0)
    assert np.isnan(one.elbo.spread_error) and np.isfinite(one.elbo.mean_error)


@pytest.mark.slow
def test_no_approximation_gap_is_negative_by_noise():
    """Log p(x) and ELBO(q*) of the same weights: Jensen's inequality holds for each example, if of 20 samples only."""
    gaps = evaluation.inference_gaps(correlated_vae(), data(60, 4), steps=100, num_samples=20, seed=0)
    assert gaps.approximation_gap.value.min() > -1e-5
    exact = set_exact(linear_vae(), 2.0)  # the family holds the posterior: next to no gap
    gaps = evaluation.inference_gaps(exact, data(60, 4), num_samples=20, seed=0)
    assert -1e-5 < gaps.approximation_gap.value.min() and gaps.approximation_gap.value.max() < 5e-3


def test_standard_errors_of_the_gaps_are_their_spread():
    """200 copies of one example: the spread is known to 5%, the window is 4 of these and a bias of the delta method.

    The errors of the approximation gap and of the variational gap are bounds: their two sides rise together.
    """
    gaps = evaluation.inference_gaps(
        correlated_vae(), np.tile(data(1, 4), [200, 1]), steps=100, num_samples=200, seed=0
    )
    print()
    for name in ("log_prob", "elbo", "refined_elbo", "variational_gap", "amortisation_gap", "approximation_gap"):
        values, errors = getattr(gaps, name)
        spread, stated = values.std(ddof=1), np.sqrt(np.mean(errors**2))
        print(f"{name:18s} stated {stated:.4f}, spread {spread:.4f} nats")
        assert spread < 1.25 * stated
        assert name in ("approximation_gap", "variational_gap") or stated < 1.25 * spread


@pytest.mark.slow
def test_gaps_say_where_log_p_cannot_be_trusted():
    """Almost parallel columns of W: along the ridge the best diagonal q has 1/20 of the posterior's variance."""
    vae, x = correlated_vae(), data(30, 4)
    gaps = evaluation.inference_gaps(vae, x, steps=200, num_samples=1000, seed=0)
    assert gaps.untrusted < 0.1 and "cannot be trusted" in str(gaps)
    ridge = np.outer([1, 1], MIXED[:, 0] / np.linalg.norm(MIXED[:, 0]) * 2.2) + 0.05 * MIXED.T
    vae.likelihood.head.dense.set_weights([ridge, B])
    gaps = evaluation.inference_gaps(vae, x, steps=500, num_samples=1000, seed=0)
    print(f"\n{gaps}")
    assert gaps.untrusted > 0.5 and f"weights of {gaps.untrusted:.1%} cannot be trusted" in str(gaps)
    assert np.isnan(evaluation.inference_gaps(vae, x, steps=2, num_samples=20, seed=0).untrusted)


def test_log_prob_of_other_examples_is_refused():
    estimate = linear_vae().estimate_log_prob(data(4, 0), 10)
    with pytest.raises(tfvae.InvalidInput, match="one of 4 examples"):
        evaluation.inference_gaps(linear_vae(), data(5, 0), log_prob=estimate)


# Refinement.


def test_finds_the_best_diagonal_normal():
    """Mean and standard deviation of each of 130 q, in blocks of 100: to 0.03, of standard deviations around 0.35."""
    vae, x = correlated_vae(), data(130, 5)
    refined = inference.refine(vae, x, steps=800, seed=0)
    q = refined.distribution
    np.testing.assert_allclose(q.loc, posterior_mean(x), atol=0.03)
    np.testing.assert_allclose(q.stddev(), np.tile(np.diag(PRECISION) ** -0.5, [130, 1]), atol=0.03)
    assert refined.history.shape == (800,) and refined.history[-1] > refined.history[0] + 0.3
    assert np.all(refined.gain > 0) and refined.elbo.shape == (130,)


def test_refined_q_repairs_importance_sampling():
    vae, x = set_exact(linear_vae(), stretch=0.3, shift=2.0), data(20, 6)
    truth, refined = exact_log_prob(x), inference.refine(vae, x, seed=0)
    assert np.mean(vae.log_prob(x, 500, seed=0) - truth) < -10
    found = refined.estimate_log_prob(500, seed=0)
    np.testing.assert_allclose(found.log_prob, truth, atol=2e-3)
    np.testing.assert_allclose(found.effective_sample_size, 500, rtol=1e-3)
    np.testing.assert_array_equal(refined.log_prob(500, seed=0), found.log_prob)


@pytest.mark.parametrize("learning_rate", [1e-6, 50.0])
def test_never_worse_than_the_start(learning_rate):
    """With a learning rate that destroys q, the encoder's stays, to the last bit."""
    vae, x = set_exact(linear_vae(), stretch=1.2), data(20, 7)
    refined = inference.refine(vae, x, steps=20, learning_rate=learning_rate, seed=0)
    assert np.all(refined.gain >= -4 * refined.gain_standard_error)
    if learning_rate > 1:
        for name, value in vae.posterior.raw_parameters(x).items():
            np.testing.assert_array_equal(refined.raw[name], value)
        assert not np.any(refined.gain)


def test_bounds_are_those_of_the_two_q():
    """From 20000 samples of fresh noise, against the model's own ELBO and the exact KL."""
    vae, x = set_exact(linear_vae(), stretch=1.5, shift=0.2), data(5, 8)
    refined = inference.refine(vae, x, steps=100, seed=0, evaluation_samples=1001)
    variance = SIGMA**2 / np.diag(W.T @ W + SIGMA**2 * np.eye(D))
    exact = exact_log_prob(x) - np.sum((1.5**2 - 1) / 2 - np.log(1.5) + 0.2**2 / (2 * variance))
    assert np.all(np.abs(refined.start_elbo - exact) < 4 * refined.start_standard_error)
    np.testing.assert_allclose(refined.gain, refined.elbo - refined.start_elbo, atol=1e-5)
    log_weight = vae.joint_log_prob(x, z := vae.encode(x).sample(20_000, seed=[0, 1])) - vae.encode(x).log_prob(z)
    spread = np.std(log_weight, axis=0) / np.sqrt(1001)
    np.testing.assert_allclose(refined.start_standard_error, spread, rtol=0.15)


def test_bounds_take_exactly_the_samples_asked_for(monkeypatch):
    """51 of them are 0, 1 ... 49 of the first chunk, and 0 of the second."""

    def ranges(self, q, size, seed):
        log_weight = q.top["z"]["loc"][:, 0] * tf.range(float(size))[:, tf.newaxis]
        return Draws(
            z=None,
            log_likelihood=log_weight,
            log_p={"z": 0 * log_weight},
            log_q={"z": 0.0},
            log_mass=None,
            num_draws=None,
        )

    monkeypatch.setattr(Target, "draw", ranges)
    vae, raw = linear_vae(), {"scale": tf.zeros([3, 2])}
    one, two = ({**raw, "loc": tf.fill([3, 2], value)} for value in (1.0, 3.0))
    target = Target(vae, vae.known({"x": tf.zeros([3, 5])}))
    mean, error = _bounds(target, one, two, 51, tf.constant([0, 1]))
    values = np.array([*range(50), 0])
    np.testing.assert_allclose(mean[:, 0], values.mean() * np.array([1, 3, 2]), rtol=1e-5)
    np.testing.assert_allclose(error[:, 0], values.std(ddof=1) / np.sqrt(51) * np.array([1, 3, 2]), rtol=1e-5)


@pytest.mark.parametrize("name", [name for name, (kind, _, _) in parts.POSTERIORS.items() if kind.reparameterized])
def test_any_reparameterised_posterior(name):
    """It gains on an encoder of random weights; the model's weights stay as they are."""
    vae = parts.randomise(parts.make_vae(name), spread=0.2)
    before = [weight.numpy() for weight in vae.weights]
    x = parts.examples("Normal")[:3]
    raw = vae.posterior.raw_parameters(x)
    assert {key: value.shape[1:] for key, value in raw.items()} == vae.posterior.head_shapes()
    refined = inference.refine(vae, x, steps=30, seed=0, evaluation_samples=100)
    assert refined.distribution.batch_shape == (3,) and refined.distribution.sample(seed=[0, 1]).shape[0] == 3
    assert np.mean(refined.gain) > 0 and np.all(np.isfinite(refined.estimate_log_prob(7, seed=0).log_prob))
    assert all(np.array_equal(one, two) for one, two in zip(before, vae.weights, strict=True))


def test_posterior_without_gradients_is_refused():
    with pytest.raises(tfvae.InvalidInput, match="Categorical.*reparameterised"):
        inference.refine(parts.make_vae("Categorical"), np.zeros([2, 4], "float32"))


def test_warns_if_it_has_not_settled(caplog):
    vae = set_exact(linear_vae(), shift=4.0)
    inference.refine(vae, data(5, 9), steps=40, learning_rate=0.01, seed=0)
    assert "has not settled" in caplog.text and "learning_rate" in caplog.text
    caplog.clear()
    inference.refine(vae, data(5, 9), steps=400, seed=0)
    assert "settled" not in caplog.text


# Shapes, noise, mistakes.


@pytest.mark.slow
def test_a_seed_repeats_and_no_seed_does_not():
    vae, x = set_exact(linear_vae(), 1.5), data(3, 9)
    one, same, fresh = (inference.refine(vae, x, steps=3, seed=seed, evaluation_samples=5) for seed in (1, 1, None))
    assert np.array_equal(one.elbo, same.elbo) and np.array_equal(one.raw["loc"], same.raw["loc"])
    assert not np.array_equal(one.elbo, fresh.elbo)


def test_one_row_one_step_one_sample():
    refined = inference.refine(linear_vae(), data(1, 9), steps=1, num_samples=1, seed=0, evaluation_samples=1)
    assert refined.elbo.shape == (1,) and np.isnan(refined.standard_error[0]) and refined.history.shape == (1,)


@pytest.mark.parametrize(("x", "options", "words"), [
    (np.zeros([0, 5], "float32"), {}, "at least one example"),
    (np.zeros([2, 4], "float32"), {}, "shape"),
    (np.full([2, 5], np.nan, "float32"), {}, "finite"),
    (np.zeros([2, 5], "float32"), {"steps": 0}, "steps"),
    (np.zeros([2, 5], "float32"), {"num_samples": 1.5}, "num_samples"),
    (np.zeros([2, 5], "float32"), {"learning_rate": -1}, "learning_rate"),
    (np.zeros([2, 5], "float32"), {"seed": "a"}, "seed"),
])  # fmt: skip
def test_wrong_input_is_refused(x, options, words):
    with pytest.raises(tfvae.InvalidInput, match=words):
        inference.refine(linear_vae(), x, **options)
    with pytest.raises(tfvae.InvalidInput, match=words):
        evaluation.inference_gaps(linear_vae(), x, **options)


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 25])
def test_blocks_hold_each_example_once(rows):
    vae, x, seen = linear_vae(), data(rows, 10), []
    for block in blocks(vae, x, 10, same_size=True):
        assert block.known["x"].shape == (min(10, rows), 5)
        np.testing.assert_array_equal(block.known["x"], x[block.where])
        np.testing.assert_array_equal(block.observed["x"], block.counted(block.known)["target"])
        seen += list(block.where[: block.rows])
    assert seen == list(range(rows))


def test_a_bad_value_is_named_by_its_row():
    x = data(25, 10)
    x[23, 2] = np.inf
    with pytest.raises(tfvae.InvalidInput, match=r"x\[23, 2\]"):
        list(blocks(linear_vae(), x, 10))


# Standard errors and tails.


@pytest.mark.parametrize("num_samples", [2, 3, 7])
def test_standard_error_of_log_p_is_the_delta_methods(num_samples):
    """std(w) / (mean(w) sqrt(k)), the variance with k - 1: to float32's rounding, 1e-5."""
    log_weight = np.random.default_rng(0).normal(size=[num_samples, 4]).astype(np.float32)
    found = importance.estimate(lambda *_: log_weight, 4, num_samples, num_samples, seeds.as_seed(0))
    w = np.exp(log_weight.astype(np.float64))
    expected = w.std(axis=0, ddof=1) / w.mean(axis=0) / np.sqrt(num_samples)
    np.testing.assert_allclose(found.standard_error, expected, rtol=1e-5)
    np.testing.assert_allclose(found.log_prob, np.log(w.mean(axis=0)), rtol=1e-5, atol=1e-6)


def generalized_pareto_shape(excess):
    """Returns the fit of Zhang and Stephens 2009, section 3, written as there, with k of their sign."""
    n, theta, likelihood = len(excess), [], []
    m = 30 + int(np.floor(np.sqrt(n)))
    quartile = excess[int(np.floor(n / 4 + 0.5)) - 1]  # counted from one
    for j in range(1, m + 1):
        theta.append(1 / excess[n - 1] + (1 - np.sqrt(m / (j - 0.5))) / (3 * quartile))
        k = -np.mean(np.log(1 - theta[-1] * excess))
        likelihood.append(n * (np.log(theta[-1] / k) + k - 1))
    weights = [1 / np.sum(np.exp(np.array(likelihood) - own)) for own in likelihood]
    return np.mean(np.log(1 - np.sum(np.array(theta) * weights) * excess))


@pytest.mark.parametrize("size", [5, 6, 7, 8, 30])
def test_pareto_shape_is_that_of_the_paper(size):
    """Sizes of every remainder by 4, where the quartile is rounded."""
    log_weights = np.random.default_rng(size).exponential(size=size + 1)
    excess = np.sort(np.exp(log_weights) - np.exp(log_weights.min()))[1:]
    expected = generalized_pareto_shape(excess)
    assert trust.fit_shape(excess) == pytest.approx(expected, rel=1e-9)
    assert trust.pareto_shape(log_weights) == pytest.approx((size * expected + 10 * 0.5) / (size + 10), rel=1e-9)


def test_the_tail_of_all_weights_is_fitted(monkeypatch):
    """Of 100 weights the 20 largest, above the 21st, whoever asks: the evaluation and the gaps."""

    class Asked(Exception):
        """With what was asked for."""

    def compiled_for(*_, **settings):
        raise Asked(settings["largest"])

    vae, x = set_exact(linear_vae()), data(3, 0)
    monkeypatch.setattr(sys.modules["tfvae.evaluation.scoring"], "compiled_for", compiled_for)
    with pytest.raises(Asked, match="21"):
        evaluation.evaluate(vae, x, 100, seed=0)
    seen, shape = [], trust.pareto_shape
    monkeypatch.setattr(trust, "pareto_shape", lambda largest: seen.append(len(largest)) or shape(largest))
    evaluation.inference_gaps(vae, x, steps=1, num_samples=100, seed=0)
    assert seen == [21] * 3
