"""What the latents carry, relative to the prior; the gaps of a report; and what importing the evaluation costs."""

import math
import subprocess
import sys

import numpy as np
import pytest
from linear_gaussian import SIGMA, D, M, data, linear_vae, set_exact
from parts import POSTERIORS, PRIORS, examples, make_vae, partner, randomise
from tiny import tiny_vae

import tfvae
from tfvae.evaluation import Report, evaluate, mutual_information
from tfvae.evaluation.latents import (
    active_units,
    kl_per_dimension,
    posterior_means,
    prior_variance,
    relative_activity,
    unit_activity,
)
from tfvae.evaluation.scoring import _RandomRows


@pytest.fixture(scope="module")
def vae():
    return set_exact(linear_vae(), 1.3)


def quiet(vae, x, num_samples=60, **options):
    return evaluate(vae, x, num_samples, verbose=False, **options)


def test_unit_activity_and_active_units():
    means = np.array([[0.0, 1.0, 0.1], [2.0, 1.0, 0.3]])
    np.testing.assert_allclose(unit_activity(means), [2.0, 0.0, 0.02])
    assert active_units(unit_activity(means)) == 2 and active_units(np.array([0.02, 0.03]), threshold=0.025) == 1
    one_hot = np.eye(2)[[[0, 0], [1, 0]]]  # the first vector always changes, the second never
    np.testing.assert_allclose(unit_activity(one_hot), [1.0, 0.0])
    assert np.all(np.isnan(unit_activity(means[:1])))


LONG = ("Flow-RealNVP", "Flow-Spline")  # to trace


@pytest.mark.parametrize("name", [pytest.param(p, marks=pytest.mark.slow if p in LONG else ()) for p in PRIORS])
def test_prior_variance_is_that_of_its_draws(name):
    """Of 40 000 draws; 10% where the prior itself is known by 10 000 draws (heavy tails of a flow), else 5%.

    The variance of as many draws of a log-normal has an error of 5% itself: there beside (e^(s^2) - 1) e^(2 m + s^2).
    """
    posterior = next((p for p in POSTERIORS if partner(p) == name), name if name in POSTERIORS else "DiagonalNormal")
    vae = randomise(make_vae(posterior, name))
    draws = vae.prior().sample(40_000, seed=[3, 4])
    if name == "LogNormal":
        loc, square = vae.prior().loc, vae.prior().scale_diag ** 2
        np.testing.assert_allclose(prior_variance(vae), np.expm1(square) * np.exp(2 * loc + square), rtol=1e-5)
    else:
        np.testing.assert_allclose(prior_variance(vae), unit_activity(draws), rtol=0.1 if "Flow" in name else 0.05)
    np.testing.assert_array_equal(prior_variance(vae), prior_variance(vae))


@pytest.mark.parametrize("dim", [3, 100, 128])
def test_all_units_of_a_code_on_the_sphere_are_active(dim):
    """Codes spread over the whole unit sphere: Var z_d = 1 / D is below 0.01 from D = 101 on; relative to it, 1."""
    posterior = tfvae.posteriors.PowerSpherical(dim, network=tfvae.networks.mlp([]))
    prior = tfvae.priors.HypersphericalUniform(dim)
    vae = tiny_vae(tfvae.likelihoods.Normal(4), posterior=posterior, prior=prior, seed=0, compiled=False)
    np.testing.assert_allclose(prior_variance(vae), 1 / dim, rtol=5 * math.sqrt(2 / 10_000))  # of its draws
    means = np.random.default_rng(0).normal(size=(2000, dim))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    activity = relative_activity(vae, means)
    np.testing.assert_allclose(activity, 1.0, atol=5 * math.sqrt(2 / 2000 + 2 / 10_000))
    print(f"D = {dim}: active {active_units(activity)}, by Var E[z] alone {active_units(unit_activity(means))}")
    assert active_units(activity) == dim and active_units(relative_activity(vae, 0.05 * means)) == 0


def test_activity_is_that_of_burda_for_a_standard_normal(vae):
    means = posterior_means(vae, data(50, seed=41))
    np.testing.assert_allclose(relative_activity(vae, means), unit_activity(means), rtol=1e-12)
    assert np.all(np.isnan(relative_activity(vae, means[:1])))


# Gaps.


@pytest.mark.slow
def test_report_splits_the_variational_gap():
    """The encoder is 3 times as wide as the posterior and off by 2: all is amortisation gap, in closed form.

    The standard errors are over examples, that of the approximation gap too: 0 but for what Adam leaves.
    """
    vae, x = set_exact(linear_vae(), 3.0, 2.0), data(150, seed=42)
    report = quiet(vae, x, 500, gap_examples=30)
    variance = SIGMA**2 / np.diag(M)
    exact = np.sum((3.0**2 - 1) / 2 - np.log(3.0) + 2.0**2 / (2 * variance))
    gaps = report.gaps
    print(f"\nexactly {exact:.3f}\n{report}")
    assert gaps.examples == 30 and gaps.untrusted == 0.0
    assert gaps.amortisation_gap.mean == pytest.approx(exact, rel=0.05)
    assert -1e-5 < gaps.approximation_gap.mean < 2e-3
    total = gaps.approximation_gap.mean + gaps.amortisation_gap.mean
    assert gaps.variational_gap.mean == pytest.approx(total, rel=1e-6)
    assert all(f"  {name} gap" in str(report) for name in ("variational", "approximation", "amortisation"))
    assert "gaps of 30 examples" in str(report) and "0.0% of them cannot be trusted" in str(report)
    assert Report.from_json(report.to_json()) == report and str(Report.from_json(report.to_json())) == str(report)
    assert quiet(vae, x[:5], 10, gap_examples=30).gaps.examples == 5


def test_no_gaps_unless_asked_for(vae):
    report = quiet(vae, data(3, seed=43), 30)
    assert report.gaps is None and "amortisation" not in str(report)
    older = {name: value for name, value in report.to_dict().items() if name != "gaps"}
    assert Report.from_dict(older) == report


def test_gaps_that_cannot_be_had_are_refused_before_the_first_sample(vae, monkeypatch):
    monkeypatch.setattr(tfvae.VAE, "preprocess", lambda *_, **__: pytest.fail("sampled before the refusal"))
    with pytest.raises(tfvae.InvalidInput, match="Categorical.*reparameterised"):
        quiet(make_vae("Categorical"), examples("Normal"), gap_examples=2)
    for wrong in (-1, 1.5):
        with pytest.raises(tfvae.InvalidInput, match="gap_examples"):
            quiet(vae, data(3, seed=43), gap_examples=wrong)


# Cost.


@pytest.mark.slow
def test_import_leaves_the_learners_out():
    """Keras loads parts of scikit-learn itself; forests, trees, neighbours and the rest wait for the first call."""
    script = "import sys, tfvae; print(*(name for name in sys.modules if name.startswith('sklearn.')))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    late = ("ensemble", "tree", "neighbors", "decomposition", "linear_model", "metrics", "model_selection", "pipeline")
    assert not {f"sklearn.{name}" for name in late} & set(ran.stdout.split())


def test_means_of_a_posterior_without_one():
    """The mean of 1000 samples: within 5 standard errors of the base's moved by a flow that does nothing much."""
    vae, x = make_vae("Flow-RealNVP"), examples("Normal")
    means = posterior_means(vae, x)
    q = vae.encode(x)
    z = q.sample(20_000, seed=[1, 2]).numpy()
    assert np.all(np.abs(means - z.mean(0)) < 5 * z.std(0) * math.sqrt(1 / 1000 + 1 / 20_000))
    np.testing.assert_array_equal(means, posterior_means(vae, x))
    assert kl_per_dimension(vae, x) is None


def test_information_adds_up_and_is_repeatable(vae):
    x = data(300, seed=39)
    found = mutual_information(vae, x, num_samples=3, seed=2)
    assert found == mutual_information(vae, x, num_samples=3, seed=2) != mutual_information(vae, x, 3, seed=3)
    rate = kl_per_dimension(vae, x).sum()
    assert abs(found.mutual_information + found.marginal_kl - rate) < 5 * math.sqrt(1 / 900)
    single = mutual_information(vae, x[:1], seed=0)
    assert single.mutual_information == pytest.approx(0, abs=1e-6) and single.ceiling == 0
    assert math.isnan(single.mutual_information_error)
    for wrong in (x[:0], x[:, :4], np.where(np.arange(300)[:, None] == 280, np.nan, x)):
        with pytest.raises(tfvae.InvalidInput):
            mutual_information(vae, wrong)
    with pytest.raises(tfvae.InvalidInput, match=r"nan at x\[280, 0\]"):
        posterior_means(vae, np.where(np.arange(300)[:, None] == 280, np.nan, x))


def test_random_rows_are_fair():
    """Each of 40 rows is among 10 with chance 1/4: 2000 draws, 5 standard errors, false alarms 40 x 6e-7."""
    counts = np.zeros(40)
    for seed in range(2000):
        sample = _RandomRows(10, seed)
        for batch in np.split(np.arange(40), [3, 25]):
            sample.add({"x": batch}, len(batch))
        counts[sample.joined()["x"]] += 1
        assert len(set(sample.joined()["x"])) == 10
    assert np.all(np.abs(counts / 2000 - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 2000))
    whole = _RandomRows(40, 0)
    whole.add({"x": np.arange(30)}, 30)
    assert whole.joined()["x"].tolist() == list(range(30))


def test_information_stays_below_its_ceiling_where_q_is_narrow_and_far():
    """At |loc| / scale of 1e6 float32 loses q(z | x_n) when it is evaluated again; the mixture must still hold it."""
    vae = set_exact(linear_vae())
    kernel, bias = vae.posterior.head.dense.get_weights()
    kernel[:, :D], bias[D:] = 30 * kernel[:, :D], -30.0  # far apart; the scale at its floor of 1e-5
    vae.posterior.head.dense.set_weights([kernel, bias])
    found = mutual_information(vae, data(60, seed=1), seed=0)
    assert found.mutual_information <= found.ceiling + 1e-6
    assert found.mutual_information > found.ceiling - 0.01  # 60 codes that never meet
