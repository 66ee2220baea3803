"""What evaluation says of several latents, beside linear-Gaussian ladders, of which everything is known exactly."""

import json

import ladders
import numpy as np
import pytest
from ladders import COV_Z, OFFSET, A, N, S, data, exact_log_prob, given, ladder, set_linear
from linear_gaussian import data as data_of_one
from linear_gaussian import linear_vae, set_exact

import tfvae
from tfvae import evaluation, likelihoods, posteriors, priors, recipes
from tfvae.core import seeds
from tfvae.core.errors import InvalidInput
from tfvae.evaluation import Report, evaluate, latents
from tfvae.inference.refine import refine

X, STRETCH, SHIFT = data(300, 3), 1.2, 0.3


@pytest.fixture(scope="module")
def vae():
    return ladder("topdown", exact=True, stretch=STRETCH, shift=SHIFT)


@pytest.fixture(scope="module")
def report(vae):
    return evaluate(vae, X, 200, per_example=True, verbose=False)


def q_of(some, known):
    """Returns kernel, bias and covariance of the ladder's q, stretched and shifted."""
    kernel, bias, factor = given(some, known)
    return kernel, bias + SHIFT, STRETCH**2 * factor @ factor.T


def exact_rates():
    """KL of z2, and of z1 as a mean over z2 ~ q: the difference of both locations is linear in z2."""

    def divergence(mean, covariance, variances):
        squares = (np.diag(covariance) + mean**2) / variances
        return 0.5 * (np.sum(squares + np.log(variances) - 1, axis=-1) - np.linalg.slogdet(covariance)[1])

    kernel2, bias2, covariance2 = q_of(ladders.Z2, ladders.X)
    kernel1, bias1, covariance1 = q_of(ladders.Z1, [*ladders.X, *ladders.Z2])
    mean2, slope = X @ kernel2.T + bias2, kernel1[:, N:] - A
    apart = X @ kernel1[:, :N].T + bias1 + mean2 @ slope.T - OFFSET
    beside = 0.5 * np.sum(np.diag(slope @ covariance2 @ slope.T) / S**2)
    return divergence(mean2, covariance2, np.ones(1)), divergence(apart, covariance1, S**2) + beside


def exact_means():
    kernel2, bias2, _ = q_of(ladders.Z2, ladders.X)
    kernel1, bias1, _ = q_of(ladders.Z1, [*ladders.X, *ladders.Z2])
    mean2 = X @ kernel2.T + bias2
    return mean2, np.concatenate([X, mean2], axis=1) @ kernel1.T + bias1


def test_the_rate_of_each_latent_is_the_exact_one(vae, report):
    rate2, rate1 = exact_rates()
    np.testing.assert_allclose(report.per_example["rate_z2"], rate2, rtol=1e-4, atol=1e-4)  # in closed form
    apart = report.per_example["rate_z1"] - rate1  # of 200 samples each
    assert abs(apart.mean()) < 4 * apart.std() / np.sqrt(len(X)) < 0.05
    assert list(report.rates) == ["z2", "z1"]
    assert sum(rate.mean for rate in report.rates.values()) == pytest.approx(report.rate.mean, rel=1e-6)
    assert report.elbo.mean == pytest.approx(-report.distortion.mean - report.rate.mean, rel=1e-6)
    found = latents.rates(vae, X)
    np.testing.assert_allclose(found["z2"], rate2, rtol=1e-4, atol=1e-4)
    apart = found["z1"] - rate1  # closed given z2, of which there are 10 samples
    assert abs(apart.mean()) < 4 * apart.std() / np.sqrt(len(X)) < 0.05


def test_the_kl_of_each_dimension_adds_up_to_the_rates():
    vae = ladder("topdown")
    found, rates = latents.kl_per_dimension(vae, X), latents.rates(vae, X)
    np.testing.assert_allclose([found[0], found[1:].sum()], [rates["z2"].mean(), rates["z1"].mean()], rtol=1e-5)
    np.testing.assert_array_equal(latents.kl_per_dimension(vae, X, "z1"), found[1:])


def test_log_prob_of_a_ladder_is_the_exact_one(report):
    apart = report.per_example["log_prob"] - exact_log_prob(X)
    assert np.sqrt(np.mean((apart / report.per_example["standard_error"]) ** 2)) < 1.3  # of 300 rows: 1 +- 0.04


def test_means_are_those_with_the_latents_above_at_their_centers(vae):
    found = evaluation.posterior_means(vae, X)
    np.testing.assert_allclose(found, np.concatenate(exact_means(), axis=1), atol=1e-5)
    np.testing.assert_array_equal(evaluation.posterior_means(vae, X, latent="z1"), found[:, 1:])
    side = found[:, 1] > np.median(found[:, 1])
    assert evaluation.linear_probe(found, side).accuracy > 0.9


def test_activity_is_beside_the_variance_of_ancestral_draws(vae, report):
    marginal = np.diag(COV_Z)[1:]
    np.testing.assert_allclose(evaluation.prior_variance(vae), [1.0, *marginal], rtol=0.07)  # 5 errors of 10 000 draws
    expected = exact_means()[1].var(axis=0, ddof=1) / marginal
    means = evaluation.posterior_means(vae, X, latent="z1")
    np.testing.assert_allclose(evaluation.relative_activity(vae, means, latent="z1"), expected, rtol=0.07)
    of2, of1 = report.latents
    np.testing.assert_allclose(of1.unit_activity, expected, rtol=0.07)
    assert report.unit_activity == (*of2.unit_activity, *of1.unit_activity)


def test_information_of_the_top_is_that_of_a_model_of_one_latent(vae):
    """The same q(z2 | x) in a model of bare parts, with noise of its own: within 4 standard errors of both."""
    scaling = tfvae.scaling.Identity()
    alone = tfvae.VAE(tfvae.posteriors.DiagonalNormal(1), tfvae.likelihoods.Normal(N), scaling=scaling)
    kernel, bias, factor = given(ladders.Z2, ladders.X)
    set_linear(alone.posterior, kernel, bias + SHIFT, STRETCH * factor)
    first, second = (evaluation.mutual_information(model, X, 4, seed=0) for model in (vae, alone))
    for name in ("mutual_information", "marginal_kl"):
        error = np.hypot(getattr(first, f"{name}_error"), getattr(second, f"{name}_error"))
        assert abs(getattr(first, name) - getattr(second, name)) < 4 * error < 0.5
    assert evaluation.mutual_information(vae, X, 4, seed=0, latent="z2") == first


def test_information_is_left_out_where_q_is_a_mixture_and_the_report_says_so(vae, report):
    of2, of1 = report.latents
    assert of1.aggregated is None and of1.above == ("z2",) and report.aggregated is None
    assert list(report.information) == ["z2"] and of2.aggregated.num_examples == len(X)
    assert "KL(q(z2) || p(z2))" in str(report) and "q(z1 | x) is a mixture over z2" in str(report)
    with pytest.raises(InvalidInput, match="z1, whose posterior is a mixture over z2") as refusal:
        evaluation.mutual_information(vae, X, latent="z1")
    assert 'latent="z2"' in str(refusal.value)


@pytest.mark.slow
def test_upwards_it_is_the_lowest_latent_of_which_there_is_information():
    """Its prior hangs on z2: I and the rate less I add up to its rate."""
    vae = ladder("bottomup", exact=True, stretch=STRETCH)
    found = evaluation.mutual_information(vae, X, 4, seed=0)
    error = 4 * np.hypot(found.mutual_information_error, found.marginal_kl_error)
    assert abs(found.mutual_information + found.marginal_kl - latents.rates(vae, X)["z1"].mean()) < error < 1
    assert latents.kl_per_dimension(vae, X) is None
    printed = str(evaluate(vae, X[:50], 30, verbose=False))
    assert "rate less I(x; z1)" in printed and "q(z2 | x) is a mixture over z1" in printed


@pytest.mark.slow
def test_a_dead_latent_has_no_rate_no_unit_and_a_warning():
    vae = ladder("topdown", exact=True)
    set_linear(vae.posterior.parts["z2"], np.zeros([1, N]), np.zeros(1), np.eye(1))  # q(z2 | x) = p(z2)
    report = evaluate(vae, X, 30, verbose=False)
    dead, alive = report.latents
    assert dead.rate.mean < 1e-4 and max(dead.unit_activity) < 1e-4 and not dead.used
    assert alive.used and report.active_units == 2
    (warning,) = [text for text in report.warnings if "z2" in text]
    assert "hardly uses it" in warning and "layer_free_bits=0.5" in warning
    assert not [text for text in report.warnings if "z1" in text]


ANNEALING = {"num_temperatures": 40, "num_chains": 16, "from_posterior": True, "num_leapfrog": 4}


@pytest.mark.slow
def test_both_bounds_of_annealing_enclose_the_exact_log_prob_of_a_ladder(vae):
    sandwich = evaluation.bidirectional(vae, 12, seed=1, **ANNEALING)
    exact, error = exact_log_prob(sandwich.x.numpy()), 4 * np.std(sandwich.gap) / np.sqrt(12)
    assert np.mean(sandwich.lower - exact) < error and np.mean(sandwich.upper - exact) > -error
    assert abs(np.mean(sandwich.gap)) < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("from_posterior", [False, True])
@pytest.mark.parametrize("order", ladders.ORDERS)
def test_annealing_finds_the_exact_log_prob_of_a_ladder(order, from_posterior):
    vae, x = ladder(order, exact=True, stretch=STRETCH, shift=SHIFT), X[:12]
    found = evaluation.annealed_log_prob(vae, x, seed=0, **{**ANNEALING, "from_posterior": from_posterior})
    error = np.sqrt(np.sum(found.standard_error.numpy() ** 2)) / len(x)
    assert abs(np.mean(found.log_prob - exact_log_prob(x))) < 4 * error < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("order", ladders.ORDERS)
def test_refinement_finds_the_posterior_of_a_ladder(order):
    """Shifted and stretched, q's family holds p(z | x): the bound becomes log p(x), and the gap is the encoder's."""
    vae, x = ladder(order, exact=True, stretch=STRETCH, shift=SHIFT), X[:8]
    gaps = evaluation.inference_gaps(vae, x, steps=250, num_samples=200, seed=0)
    np.testing.assert_allclose(gaps.refined_elbo.value, exact_log_prob(x), atol=0.02)
    assert abs(gaps.approximation_gap.mean) < 0.01 and gaps.amortisation_gap.mean > 0.1
    with pytest.raises(InvalidInput, match="one latent"):
        refine(vae, x, steps=2, evaluation_samples=10).distribution.mean()


def test_the_bound_has_the_closed_form_of_each_latent_that_has_one():
    """Upwards z1 has none, and z2 has one: what is scored is what training logs, with its noise."""
    some = recipes.two_layer(6, latent_dim=2, seed=0)
    x = np.random.default_rng(0).integers(0, 2, [5, 6]).astype("float32")
    evidence = some.evidence(some.known({"x": x}), 3, seeds.as_seed(0))
    assert {factor.kl is None for factor in evidence.factors.values()} == {True, False}
    np.testing.assert_allclose(some.elbo(x, 3, seed=0), evidence.elbo, rtol=1e-5)


def test_refinement_leaves_the_prior_of_a_precision_weighted_part_as_it_is():
    """Of one latent, N(0, 1) whatever x is: q gets better, and is what the raw numbers and that prior make."""
    some = tfvae.VAE(
        posteriors.PrecisionWeighted(2), likelihoods.Normal(5, scale=1.0), priors.StandardNormal(2), seed=0
    )
    x = np.random.default_rng(0).normal(size=[7, 5]).astype("float32")
    found = refine(some, x, steps=60, evaluation_samples=200, seed=0)
    np.testing.assert_array_equal(found.raw["prior_loc"], np.zeros([7, 2]))
    np.testing.assert_array_equal(found.raw["prior_scale"], np.ones([7, 2]))
    assert np.all(found.gain >= 0) and np.mean(found.gain) > 0.1 and found.distribution.batch_shape == (7,)


def test_a_report_of_several_latents_travels_and_one_of_a_single_latent_is_as_before(report):
    again = Report.from_json(report.to_json())
    assert again == report and again.rates == report.rates and str(again) == str(report)
    single = evaluate(set_exact(linear_vae()), data_of_one(40, 0), 30, verbose=False)
    assert "latents" not in single.to_dict() and single.rates == {} and list(single.information) == ["z"]
    assert Report.from_dict(json.loads(single.to_json())) == single
    with pytest.raises(InvalidInput):
        Report.from_dict({**report.to_dict(), "latents": [{"name": "z2"}]})


@pytest.mark.parametrize(
    "name", ["posterior_means", "prior_variance", "kl_per_dimension", "mutual_information", "relative_activity"]
)
def test_a_latent_of_another_name_is_refused_with_a_list_of_those_there_are(vae, name):
    arguments = {"prior_variance": (vae,), "relative_activity": (vae, np.zeros([4, 2]))}.get(name, (vae, X))
    with pytest.raises(InvalidInput, match="z2, z1") as refusal:
        getattr(evaluation, name)(*arguments, latent="w")
    assert "latent='w'" in str(refusal.value)
