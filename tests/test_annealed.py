"""Annealed importance sampling against exact marginals: the linear-Gaussian model, and a grid over a 2-D latent.

Where a test is statistical, its bound is 3 standard errors: a false alarm in 0.3% of seeds for a two-sided check and
0.14% for a one-sided one; the seeds are fixed.
"""

import numpy as np
import parts
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from linear_gaussian import SIGMA, B, W, data, exact_log_prob, linear_vae, set_exact
from tiny import tiny_vae

import tfvae
from tfvae import evaluation
from tfvae.inference import annealed, annealing


def mean_error(values) -> tuple[float, float]:
    values = np.asarray(values, np.float64)
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


# The sandwich.


@pytest.mark.slow
@pytest.mark.parametrize(("temperatures", "examples"), [((10, 30, 100), 300), ((10, 30, 100, 300, 1000), 1000)])
def test_bounds_enclose_the_truth_and_meet_as_temperatures_grow(temperatures, examples, monkeypatch):
    """On the oracle; the simulated examples are the same ones at each number of temperatures."""
    monkeypatch.setattr(annealed, "ROWS_PER_BLOCK", 1000)
    vae, gaps = set_exact(linear_vae()), []
    print("\ntemperatures   lower - truth        upper - truth        gap                  (nats, mean +- s.e.)")
    for number in temperatures:
        found = evaluation.bidirectional(vae, examples, number, num_chains=4, num_leapfrog=5, seed=2)
        truth = exact_log_prob(found.x.numpy())
        (low, low_error), (high, high_error) = mean_error(found.lower - truth), mean_error(found.upper - truth)
        gaps.append(found.mean_gap())
        columns = [(low, low_error), (high, high_error), gaps[-1]]
        print(f"{number:12d}   " + "   ".join("{:8.4f} +- {:.4f}".format(*column) for column in columns))
        assert low - 3 * low_error <= 0 <= high + 3 * high_error
    assert all(late < early for (early, _), (late, _) in zip(gaps, gaps[1:], strict=False))
    assert gaps[0][0] > 0.3 and abs(gaps[-1][0]) < 20 / temperatures[-1]


@pytest.mark.parametrize(("from_posterior", "scale"), [(False, 2.0), (True, SIGMA)])
def test_weights_are_unbiased_in_both_directions(from_posterior, scale, monkeypatch):
    """E[w] = p(x) up, E[1 / w] = 1 / p(x) down, however few the temperatures: it is no matter of convergence.

    Ratios to the truth over 4000 examples of one chain each, in blocks of 1000. Starts are within a factor of 2 of the
    posterior's variance (a noisy decoder for the prior, an encoder 1.2 times too wide), so both ratios have one.
    """
    monkeypatch.setattr(annealed, "ROWS_PER_BLOCK", 1000)
    vae = set_exact(linear_vae(scale=scale), stretch=1.2, shift=0.1)
    found = evaluation.bidirectional(vae, 4000, 6, num_chains=1, num_leapfrog=3, seed=3, from_posterior=from_posterior)
    truth = scipy.stats.multivariate_normal(B, W @ W.T + scale**2 * np.eye(5)).logpdf(found.x)
    for name, ratio in (("w / p(x)", np.exp(found.lower - truth)), ("p(x) / w", np.exp(truth - found.upper))):
        mean, error = mean_error(ratio)
        print(f"{name}, from_posterior={from_posterior}: {mean:.4f} +- {error:.4f}")
        assert abs(mean - 1) < 3 * error < 0.06


def test_simulated_examples_are_the_models():
    found = evaluation.bidirectional(set_exact(linear_vae()), 130, 2, num_chains=1, seed=0)
    assert found.x.shape == (130, 5) and found.lower.shape == found.gap.shape == found.upper_standard_error.shape == 130
    mean, error = found.x.numpy().mean(0) - B, np.sqrt(np.diag(W @ W.T + 0.25 * np.eye(5)) / 130)
    assert np.all(np.abs(mean) < 4 * error)
    assert len(np.unique(found.x.numpy()[:, 0])) == 130
    assert "lower" in str(found) and "gap" in str(found) and "130" in str(found)


# Against importance sampling.


def test_holds_where_importance_sampling_with_a_bad_encoder_fails():
    """q far from the posterior and too narrow: importance sampling is off by nats and does not say so."""
    vae, x = set_exact(linear_vae(), stretch=0.3, shift=2.0), data(50, 4)
    truth = exact_log_prob(x)
    sampled = vae.estimate_log_prob(x, 5000, seed=0)
    found = evaluation.annealed_log_prob(vae, x, 300, num_chains=16, seed=0)
    error = np.sqrt(np.sum(np.square(found.standard_error))) / len(x)
    print(f"\nmean over {len(x)} examples of log p(x) - truth, nats: "
          f"importance sampling {np.mean(sampled.log_prob - truth):.3f} (states {np.mean(sampled.standard_error):.3f} "
          f"each), annealed {np.mean(found.log_prob - truth):.4f} +- {error:.4f}")  # fmt: skip
    assert np.mean(sampled.log_prob - truth) < -5
    assert abs(np.mean(found.log_prob - truth)) < 3 * error < 0.05


@pytest.mark.slow
def test_agrees_with_a_grid_for_a_non_linear_decoder():
    """Bernoulli pixels from a random two-layer network: posteriors of two dimensions that are no normals.

    The mean over 40 examples within 3 standard errors, each single one within 5.
    """
    likelihood = tfvae.likelihoods.Bernoulli(12, network=tfvae.networks.mlp([16], activation="tanh"))
    vae = tiny_vae(likelihood, units=None, seed=None, compiled=False)
    parts.randomise(vae, spread=1.5)
    x = vae.sample(40, seed=1).numpy()
    axis = np.linspace(-6, 6, 241)
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2).astype("float32")
    log_joint = np.concatenate([vae.joint_log_prob(x, part) for part in np.array_split(z, 20)])
    truth = scipy.special.logsumexp(log_joint.astype(np.float64), axis=0) + 2 * np.log(axis[1] - axis[0])
    found = evaluation.annealed_log_prob(vae, x, 200, num_chains=16, seed=0)
    error = np.sqrt(np.sum(np.square(found.standard_error))) / len(x)
    difference = found.log_prob - truth
    print(f"\nannealed - grid: {np.mean(difference):.4f} +- {error:.4f}, largest {np.max(np.abs(difference)):.3f} nats")
    assert abs(np.mean(difference)) < 3 * error < 0.1
    assert np.all(np.abs(difference) < 5 * found.standard_error + 1e-3)


def test_every_weight_is_log_p_where_the_chains_start_at_the_posterior():
    """No statistics: f_t is the posterior at every temperature."""
    vae, x = set_exact(linear_vae()), data(5, 5)
    found = evaluation.annealed_log_prob(vae, x, 7, num_chains=3, seed=0, from_posterior=True)
    np.testing.assert_allclose(found.log_prob, exact_log_prob(x), atol=1e-4)
    np.testing.assert_allclose(found.standard_error, 0, atol=1e-4)
    np.testing.assert_allclose(found.effective_sample_size, 3, rtol=1e-4)


@pytest.mark.slow
def test_one_temperature_is_importance_sampling_from_the_prior():
    """Its mean weight over 5000 chains is p(x); no transition, so that there is no acceptance rate."""
    vae, x = set_exact(linear_vae()), data(3, 6)
    found = evaluation.annealed_log_prob(vae, x, 1, num_chains=5000, seed=0)
    assert np.all(np.isnan(found.acceptance))
    assert np.all(np.abs(found.log_prob - exact_log_prob(x)) < 3 * found.standard_error)


# The transitions.


def test_each_temperature_has_its_own_step_size_both_ways(monkeypatch):
    """The transitions at b_1 ... b_{T-1}, up and down, of one block whose tuned sizes differ from each other."""
    ways, own = [], annealing.Annealing.estimate

    def estimate(self, known, start, betas, steps, seed):
        ways.append(dict(zip(np.ravel(betas)[1:-1].tolist(), np.asarray(steps)[:, 0].tolist(), strict=True)))
        return own(self, known, start, betas, steps, seed)

    monkeypatch.setattr(annealing.Annealing, "estimate", estimate)
    evaluation.bidirectional(set_exact(linear_vae()), 2, 4, num_chains=1, num_leapfrog=1, seed=0)
    up, down = ways
    assert up == down and len(set(up.values())) == 3


@pytest.mark.parametrize("step_size", [0.02, 5.0])
def test_step_size_finds_the_target_acceptance(step_size):
    """From far below and far above, for examples of one decoder; the mean over examples and temperatures."""
    found = evaluation.annealed_log_prob(set_exact(linear_vae()), data(20, 7), 100, 4, seed=0, step_size=step_size)
    print(f"acceptance from step size {step_size}: {np.mean(found.acceptance):.3f}")
    assert 0.55 < np.mean(found.acceptance) < 0.8


@pytest.mark.parametrize("temperatures", [1, 2, 1000])
def test_schedule_runs_from_zero_to_one(temperatures):
    betas = annealing.schedule(temperatures).numpy()
    assert len(betas) == temperatures + 1 and betas[0] == 0 and betas[-1] == 1 and np.all(np.diff(betas) > 0)


# Shapes, memory, noise.


def test_all_rows_and_exactly_the_chains_asked_for():
    """Blocks of 100 rows, the last one short; 51 chains in two chunks. Equal weights: the sample size is 51."""
    vae, x = set_exact(linear_vae()), data(130, 8)
    found = evaluation.annealed_log_prob(vae, x, 2, num_chains=51, seed=0, from_posterior=True)
    np.testing.assert_allclose(found.log_prob, exact_log_prob(x), atol=1e-4)
    np.testing.assert_allclose(found.effective_sample_size, 51, rtol=1e-4)
    assert all(value.shape == (130,) for value in found)


def test_memory_is_that_of_one_block(monkeypatch):
    shapes, run = set(), annealing.Annealing.run

    def spy(self, x, z, *arguments):
        shapes.add(tuple(z.shape))
        return run(self, x, z, *arguments)

    monkeypatch.setattr(annealing.Annealing, "run", spy)
    evaluation.annealed_log_prob(set_exact(linear_vae()), data(230, 8), 2, num_chains=120, seed=0)
    assert shapes == {(4, 100, 2), (40, 100, 2)}  # the pilot's and one of three chunks


def test_a_seed_repeats_and_no_seed_does_not():
    vae, x = set_exact(linear_vae()), data(3, 9)
    one, same, fresh = (
        evaluation.annealed_log_prob(vae, x, 5, num_chains=2, seed=seed).log_prob.numpy() for seed in (1, 1, None)
    )
    assert np.array_equal(one, same) and not np.array_equal(one, fresh)


def test_one_row_and_none():
    vae = set_exact(linear_vae())
    one = evaluation.annealed_log_prob(vae, data(1, 9), 5, num_chains=1, seed=0)
    assert one.log_prob.shape == (1,) and np.isnan(one.standard_error[0])
    none = evaluation.annealed_log_prob(vae, data(1, 9)[:0], 5, num_chains=2, seed=0)
    assert all(value.shape == (0,) for value in none)


@pytest.mark.slow
@pytest.mark.parametrize(("posterior", "prior", "likelihood"), [
    ("FullNormal", "MixtureOfNormals", "Bernoulli"),
    ("Flow-RealNVP", "VampPrior", "Normal"),
    ("LowRankNormal", "Flow-MaskedAutoregressive", "Poisson"),
    ("Flow-InverseAutoregressive", "DiagonalNormal", "Normal"),
])  # fmt: skip
def test_any_part_with_real_latents(posterior, prior, likelihood):
    """From the encoder and from the prior, the same log p(x) within 4 joint standard errors, two examples.

    The errors are themselves estimates, of 32 chains each: as a t of 62 degrees of freedom, a false alarm in 2e-4 of
    seeds for each example (8 chains would make it 1e-3, and the weights are no normals on top).
    """
    vae = parts.randomise(parts.make_vae(posterior, prior, likelihood), spread=0.1)
    x = parts.examples(likelihood)[:2]
    first, second = (
        evaluation.annealed_log_prob(vae, x, 10, num_chains=32, seed=0, from_posterior=flag) for flag in (False, True)
    )
    assert np.all(np.abs(first.log_prob - second.log_prob) < 4 * np.hypot(*[e.standard_error for e in (first, second)]))


@pytest.mark.parametrize("posterior", ["Categorical", "RelaxedCategorical", "VonMisesFisher"])
def test_other_latents_are_refused_by_name(posterior):
    with pytest.raises(tfvae.InvalidInput, match=f"{posterior}.*estimate_log_prob"):
        evaluation.annealed_log_prob(parts.make_vae(posterior), np.zeros([2, 4], "float32"), 2)
    with pytest.raises(tfvae.InvalidInput, match=posterior):
        evaluation.bidirectional(parts.make_vae(posterior), 2, 2)


@pytest.mark.parametrize(("x", "options", "words"), [
    (np.zeros([2, 4], "float32"), {}, "shape"),
    (np.full([2, 5], np.nan, "float32"), {}, "finite"),
    (np.zeros([2, 5], "float32"), {"num_temperatures": 0}, "num_temperatures"),
    (np.zeros([2, 5], "float32"), {"num_chains": 2.0}, "num_chains"),
    (np.zeros([2, 5], "float32"), {"step_size": 0.0}, "step_size"),
    (np.zeros([2, 5], "float32"), {"num_leapfrog": 0}, "num_leapfrog"),
    (np.zeros([2, 5], "float32"), {"seed": 0.5}, "seed"),
])  # fmt: skip
def test_wrong_input_is_refused(x, options, words):
    with pytest.raises(tfvae.InvalidInput, match=words):
        evaluation.annealed_log_prob(linear_vae(), x, **options)


@pytest.mark.parametrize("verbose", [False, True])
def test_progress_bar_only_if_asked(capsys, verbose):
    evaluation.annealed_log_prob(set_exact(linear_vae()), data(2, 9), 2, num_chains=1, seed=0, verbose=verbose)
    assert ("1/1" in capsys.readouterr().out) == verbose


def test_diverging_trajectories_are_rejected_not_propagated():
    """A decoder with weights of 1e3 and a step size of 100: all finite."""
    vae = set_exact(linear_vae())
    vae.likelihood.head.dense.set_weights([1e3 * W.T, B])
    found = evaluation.annealed_log_prob(vae, tf.zeros([2, 5]), 20, num_chains=2, seed=0, step_size=100.0)
    assert np.all(np.isfinite(found.log_prob)) and np.all(np.isfinite(found.acceptance))
