"""Cells that are missing for their values: log p(x_obs, mask) and imputation against quadrature.

    x = w z + b + sigma eps,    z ~ N(0, 1),    p(observed | x_d) = sigmoid(a_d - s_d x_d)
    p(x_obs, mask) = int p(z) prod_obs p(x_d | z) sigmoid(.) prod_mis E[1 - sigmoid(.) | z] dz

Given z the cells are independent, so that one grid of z and one of each cell's noise give all of it.
"""

import functools

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from linear_gaussian import inverse_softplus_scale
from tiny import tiny_vae

import tfvae
from tfvae import InvalidInput
from tfvae.core import seeds
from tfvae.export import endpoints
from tfvae.inference.weighted import block_weighted
from tfvae.missingness import POINTS, SelfMasking
from tfvae.networks import mlp

N, SIGMA = 4, 0.6
W, B = np.array([1.2, -0.9, 0.7, 1.0]), np.array([0.3, -0.2, 0.0, 0.5])
OFFSET, SLOPE = np.array([0.5, -0.3, 1.0, 0.2]), np.array([2.5, 1.5, 0.8, 3.0])
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(120)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def make(missingness, **options) -> tfvae.VAE:
    """Returns the true w and b under a wide posterior that follows x by a part and sees the mask."""
    keras.utils.set_random_seed(0)
    posterior = tfvae.posteriors.DiagonalNormal(1, network=mlp([]), given=("x", "mask"))
    likelihood = tfvae.likelihoods.Normal(N, network=mlp([]), scale=SIGMA)
    scaling = tfvae.scaling.Standardized(N)
    options = {"posterior": posterior, "scaling": scaling, "compiled": False, "missingness": missingness, **options}
    vae = tiny_vae(likelihood, **options)
    vae.scaling.adapt(lambda: iter([np.array([[-2.0], [2.0]]) @ np.ones([1, N])]))  # m = 0, s = 2
    kernel = np.concatenate([np.zeros([N, 1]), 0.4 * W[:, None]])  # the mask, then x
    bias = np.array([0.0, float(inverse_softplus_scale(np.array([0.9]))[0])])
    vae.posterior.head.dense.set_weights([np.concatenate([kernel, 0 * kernel], axis=1), bias])
    vae.likelihood.head.dense.set_weights([W[None, :], B])
    return vae


@functools.cache
def masking() -> tfvae.VAE:
    """Returns the model under self-masking whose slopes are SLOPE per unit of x; the mechanism sees x / 2."""
    vae = make(SelfMasking(sign=1))
    vae.missingness.offset.assign(OFFSET)
    vae.missingness.raw_slope.assign(inverse_softplus_scale(2 * SLOPE))
    np.testing.assert_allclose(vae.missingness.slope, 2 * SLOPE, rtol=1e-4)
    return vae


def holes(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns x of the model and the mask that the mechanism makes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=[rows, 1]) * W + B + SIGMA * rng.normal(size=[rows, N])
    return x.astype(np.float32), rng.random([rows, N]) < scipy.special.expit(OFFSET - SLOPE * x)


def exact(x: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns log p(x_obs, mask), mean and standard deviation of each cell given both, by quadrature over z and eps."""
    observed = scipy.special.expit(OFFSET - SLOPE * x)
    means = NODES[:, None] * W + B  # of each node of z, [Q, N]
    cells = means[..., None] + SIGMA * NODES  # [Q, N, Q']
    missing = WEIGHTS * scipy.special.expit(-(OFFSET[:, None] - SLOPE[:, None] * cells))
    log_missing = np.log(missing.sum(axis=-1))
    given_z = [(missing * cells**power).sum(axis=-1) / missing.sum(axis=-1) for power in (1, 2)]
    log_observed = scipy.stats.norm(means, SIGMA).logpdf(x[:, None]) + np.log(observed)[:, None]  # [B, Q, N]
    log_joint = np.log(WEIGHTS) + np.where(mask[:, None], log_observed, log_missing).sum(axis=-1)
    log_prob = scipy.special.logsumexp(log_joint, axis=1)
    share = np.exp(log_joint - log_prob[:, None])
    mean, square = (share @ moment for moment in given_z)
    return log_prob, np.where(mask, x, mean), np.where(mask, 0, np.sqrt(square - mean**2))


def test_log_prob_is_that_of_values_and_mask():
    """100 scores within 4 of their standard errors; without the mask's part they are off by more than a nat."""
    x, mask = holes(100, seed=1)
    found = masking().estimate_log_prob(np.where(mask, x, np.nan), 2000, seed=0, mask=mask)
    truth = exact(x, mask)[0]
    score = (found.log_prob - truth) / found.standard_error
    print(f"rms score {np.sqrt(np.mean(score**2)):.2f}, largest {np.abs(score).max():.1f}")
    assert np.abs(score).max() < 4 and found.standard_error.numpy().max() < 0.1
    bound = masking().elbo(np.where(mask, x, np.nan), 2000, seed=0, mask=mask)
    assert np.all(bound < truth + 4 * found.standard_error)
    plain = make(None).log_prob(np.where(mask, x, np.nan), 200, seed=0, mask=mask)
    assert np.mean(plain - truth) > 1


def test_imputed_means_and_deviations_are_those_given_values_and_mask():
    """Scores of the hidden cells have rms one (+- 0.2); a model without the mechanism is off by many errors."""
    x, mask = holes(100, seed=2)
    found = masking().impute(np.where(mask, x, np.nan), 2000, seed=0, mask=mask)
    _, mean, stddev = exact(x, mask)
    score = ((found.mean - mean) / found.standard_error).numpy()[~mask]
    rms = np.sqrt(np.mean(score**2))
    print(
        f"rms score {rms:.2f}, largest {np.abs(score).max():.1f}, {found.effective_sample_size.numpy().min():.0f} ESS"
    )
    assert 0.75 < rms < 1.25 and np.abs(score).max() < 4.5
    np.testing.assert_allclose(found.stddev.numpy()[~mask], stddev[~mask], rtol=0.15)
    plain = make(None).impute(np.where(mask, x, np.nan), 2000, seed=0, mask=mask)
    low = (plain.mean.numpy() - mean)[~mask]
    assert low.mean() < -0.2  # large values hide: who takes them for missing at random is too low


def test_imputation_weighs_the_points_that_log_w_was_made_of():
    """sum_s w_s m_s by hand, both from one set of points, 1e-4 of a deviation; another set is off by 1e-3 or more."""
    x, mask = holes(30, seed=8)
    vae, given = masking(), np.where(mask, x, np.nan)
    seed = seeds.fold(seeds.as_seed(0), 0)  # of the first block
    known = vae.known({"x": given, "mask": mask})
    z, log_weight = block_weighted(vae, known, 20, 20, seed)

    def by_hand(stream: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
        context = vae.context(known).with_(z=z)
        element = vae.likelihood.element(**vae.likelihood.parameters(context))
        points = vae.missingness.points(element, vae.scaling, seeds.fold(stream, seeds.MISSING))
        seen = element.log_prob(known["target"]) + vae.missingness.log_observed(vae.scaling(known["target"]))[0]
        joint = tf.reduce_sum(tf.where(mask, seen, points.log_prob), axis=-1) + vae.prior().log_prob(z)
        weight = tf.nn.log_softmax(joint - vae.posterior(vae.context(known)).log_prob(z), axis=0)
        mean = tf.reduce_sum(tf.exp(weight)[..., None] * points.cells.mean(), axis=0)
        return weight.numpy(), np.where(mask, x, mean)

    weight, mean = by_hand(seeds.fold(seed, 0))
    np.testing.assert_allclose(weight, log_weight, atol=1e-3)
    found = vae.impute(given, 20, seed=0, mask=mask).mean
    np.testing.assert_allclose(found, mean, atol=1e-4)
    assert np.abs(by_hand(seeds.fold(seed, 1))[1] - found).max() > 1e-3


@pytest.mark.slow
def test_draws_of_hidden_cells_follow_the_mechanism():
    """2000 draws a cell: 5 standard errors of the mean, of the draws and of the weights; 15 % of the deviation."""
    x, mask = holes(20, seed=3)
    found = masking().impute(np.where(mask, x, np.nan), 2000, seed=0, mask=mask)
    drawn, (_, mean, stddev) = found.sample(2000, seed=1).numpy(), exact(x, mask)
    error = np.hypot(found.standard_error.numpy(), stddev / np.sqrt(2000))
    assert np.all(np.abs(drawn.mean(axis=0) - mean)[~mask] < 5 * error[~mask])
    np.testing.assert_allclose(drawn.std(axis=0)[~mask], stddev[~mask], rtol=0.15)


def test_points_are_draws_of_the_cell_with_less_variance():
    """The mean of 1 - sigmoid over the points is unbiased (4 s.e. of 4000), with under a tenth of independent noise."""
    element, mechanism = tfvae.likelihoods.Normal(1).element(loc=tf.zeros([4000, 1]), scale=1.0), SelfMasking(1)
    mechanism.build((None, 1))
    mechanism.raw_slope.assign([3.0])
    slope = float(mechanism.slope[0])
    exactly = float(WEIGHTS @ scipy.special.expit(slope * NODES))
    found = np.exp(mechanism.points(element, tfvae.scaling.Identity(), tf.constant([0, 1])).log_prob[:, 0])
    single = WEIGHTS @ scipy.special.expit(slope * NODES) ** 2 - exactly**2
    print(f"variance {found.var():.2e}, of {POINTS} independent draws {single / POINTS:.2e}")
    assert abs(found.mean() - exactly) < 4 * found.std() / np.sqrt(4000)
    assert found.var() < 0.1 * single / POINTS


def test_the_mechanism_is_learned_where_its_sign_is_told():
    """Trained on 500 rows from the true model's start: slopes become positive and large, and the bound rises."""
    x, mask = holes(500, seed=4)
    vae = make(SelfMasking(sign=1), compiled=True, optimizer=0.02, objective=tfvae.objectives.IWAE(10))
    vae.posterior.trainable = vae.likelihood.trainable = False
    given = np.where(mask, x, np.nan)
    before = vae.evaluate(given, mask=mask, verbose=0, return_dict=True)["objective"]
    vae.fit(given, mask=mask, epochs=15, batch_size=50, verbose=0)
    assert vae.evaluate(given, mask=mask, verbose=0, return_dict=True)["objective"] > before + 0.1
    assert np.all(vae.missingness.slope.numpy() > 1) and np.corrcoef(vae.missingness.slope, SLOPE)[0, 1] > 0.5


@pytest.mark.slow
def test_no_mask_means_that_all_was_observed():
    """x without a mask and with one of ones are the same data; both have log p(mask) in them."""
    x, _ = holes(8, seed=5)
    whole = masking().log_prob(x, 50, seed=0)
    np.testing.assert_allclose(whole, masking().log_prob(x, 50, seed=0, mask=np.ones_like(x, bool)), rtol=1e-6)
    element = scipy.special.expit(OFFSET - SLOPE * x)
    np.testing.assert_allclose(whole - make(None).log_prob(x, 50, seed=0), np.log(element).sum(axis=1), rtol=1e-3)


def test_file_and_served_model_say_the_same(tmp_path):
    """`.keras` to the bit; the SavedModel's functions take the mask, and impute as Python does."""
    x, mask = holes(8, seed=6)
    given = np.where(mask, x, np.nan).astype(np.float32)
    masking().save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.missingness.sign == 1
    found = masking().log_prob(given, 50, seed=0, mask=mask)
    np.testing.assert_array_equal(again.log_prob(given, 50, seed=0, mask=mask), found)
    serve = {name: function for name, (function, *_) in endpoints(masking()).items()}
    fifty = (tf.constant(given), tf.constant(mask), tf.constant(50), tf.constant(0))
    np.testing.assert_allclose(tf.function(serve["log_prob"])(*fifty)["log_prob"], found, rtol=1e-4, atol=1e-4)
    imputed = masking().impute(given, 50, seed=0, mask=mask).mean
    np.testing.assert_allclose(tf.function(serve["impute"])(*fifty)["mean"], imputed, rtol=1e-4, atol=1e-4)
    assert "missingness" not in make(None).get_config()


CASES = {
    "not a missingness": (lambda: make("self"), "tfvae Missingness"),
    "sign": (lambda: SelfMasking(sign=2), "1 if large values are missing"),
    "columns": (
        lambda: tiny_vae(
            tfvae.likelihoods.Columns([tfvae.likelihoods.Normal(2), tfvae.likelihoods.Bernoulli(1)]),
            missingness=SelfMasking(),
        ),
        "independent cells",
    ),
    "no quantile": (lambda: tiny_vae(missingness=SelfMasking()), "quantiles are a formula"),
    "shape": (
        lambda: make(SelfMasking(), scaling=tfvae.scaling.OneHot(num_categories=4)),
        "keeps the shape",
    ),
    "joint": (lambda: masking().joint_log_prob(np.zeros([2, N]), np.zeros([2, 1])), "vae.log_prob, vae.infer"),
    "refined": (lambda: tfvae.inference.refine(masking(), np.zeros([2, N]), steps=1), "without missingness"),
    "annealed": (
        lambda: tfvae.evaluation.annealed_log_prob(masking(), np.zeros([2, N], np.float32)),
        "without missingness",
    ),
    "hidden cells": (
        lambda: tfvae.evaluation.hidden_cells(masking(), np.zeros([2, N], np.float32)),
        "missing at random",
    ),
    "baselines": (
        lambda: tfvae.evaluation.evaluate(
            masking(), np.zeros([8, N], np.float32), num_samples=2, baselines_from=np.ones([8, N], np.float32)
        ),
        "baselines_from",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_is_refused(case):
    make_it, words = CASES[case]
    with pytest.raises(InvalidInput, match=words) as found:
        make_it()
    print(found.value)


def test_evaluate_scores_values_and_mask():
    """The report's log p is that of `log_prob`, mask included, within its error."""
    x, mask = holes(40, seed=7)
    report = tfvae.evaluation.evaluate(masking(), {"x": np.where(mask, x, np.nan), "mask": mask}, num_samples=500)
    truth = exact(x, mask)[0]
    assert abs(report.log_prob.mean - truth.mean()) < 0.1
    assert report.level == "log p(x, mask)" and "log p(x, mask)" in str(report)
    assert tfvae.evaluation.Report.from_dict(report.to_dict()) == report
