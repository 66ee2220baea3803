"""Positive and bounded latents at the edge of float32, where they start, and what is refused.

That they are normalised, reparameterised, served and so on are laws over all parts: test_latents, test_laws.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tiny import tiny_vae

import tfvae
from tfvae import posteriors, priors
from tfvae.core import sets
from tfvae.distributions import mapped
from tfvae.distributions.kl import closed_form_kl

INTERVALS = [(0.0, 1.0), (-1.0, 1.0), (0.785, 3.14), (-5.0, 0.0), (290.0, 300.0), (0.0, 1e-9), (1e9, 1.1e9)]
SHAPE = [1, 1]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_bounded_sample_is_never_an_end_and_has_a_density(jit_compile):
    """At scale 10, where one logit in ten is beyond what float32 can tell from an end."""
    made = [mapped.LogitNormal(tf.zeros(SHAPE), tf.fill(SHAPE, 10.0), *ends) for ends in INTERVALS]
    draw = lambda: [q.experimental_sample_and_log_prob(5000, seed=[1, 2]) for q in made]  # noqa: E731
    for (low, high), q, (z, log_q) in zip(INTERVALS, made, tf.function(draw, jit_compile=jit_compile)(), strict=True):
        assert np.all((z > low) & (z < high)) and np.all(sets.interval(low, high).contains(z))
        assert np.isfinite(log_q).all() and np.isfinite(q.log_prob(z)).all()


def test_a_positive_sample_is_neither_zero_nor_infinite():
    q = mapped.LogNormal(tf.zeros(SHAPE), tf.fill(SHAPE, 100.0))
    z, log_q = q.experimental_sample_and_log_prob(5000, seed=[1, 2])
    assert np.all(sets.POSITIVE.contains(z)) and np.isfinite(log_q).all()
    assert np.isfinite(q.mean()).all() and np.isfinite(q.stddev()).all()


def test_moments_of_a_positive_latent():
    loc, scale = np.float32([[-2.0, 0.3]]), np.float32([[0.5, 1.2]])
    q, exact = mapped.LogNormal(loc, scale), stats.lognorm(scale, scale=np.exp(loc))
    np.testing.assert_allclose(q.mean(), exact.mean(), rtol=1e-5)
    np.testing.assert_allclose(q.stddev(), exact.std(), rtol=1e-5)
    np.testing.assert_allclose(q.median(), exact.median(), rtol=1e-5)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("kind", [lambda: posteriors.LogNormal(1), lambda: posteriors.LogitNormal(1, 0.0, 1.0)])
def test_a_narrow_posterior_at_the_edge_gains_nothing_by_rounding(kind, sign):
    """E log q / p of 4000 samples is the closed form within 1%: an objective of samples would find any gain."""
    part = kind()
    raw = {"loc": tf.fill(SHAPE, 1e4 * sign), "scale": tf.fill(SHAPE, -1e4)}
    parameters = part.constrain(**raw)
    q, p = part.distribution(**parameters), part.distribution(tf.zeros([1]), tf.ones([1]))
    z, log_q = q.experimental_sample_and_log_prob(4000, seed=[1, 2])
    assert np.isclose(np.mean(log_q - p.log_prob(z)), closed_form_kl(q, p), rtol=0.01)


@pytest.mark.parametrize("family", [posteriors, priors])
def test_it_starts_where_it_is_told(family):
    """At raw numbers of zero: exp(-3) and a scale of 0.2, and the same of a logit."""
    for part in (family.LogNormal(2, loc=-3.0, scale=0.2), family.LogitNormal(2, 0.0, 4.0, loc=-3.0, scale=0.2)):
        parameters = part.constrain(loc=tf.zeros([2]), scale=tf.zeros([2]))
        np.testing.assert_allclose(parameters["loc"], [-3.0, -3.0], rtol=1e-5)
        np.testing.assert_allclose(parameters["scale"], [0.2, 0.2], rtol=1e-5)


def model(prior=None, **options):
    prior = prior or priors.LogNormal(1, loc=0.3, scale=0.8)
    log = keras.layers.Rescaling(1.0)
    likelihood = tfvae.likelihoods.Normal(1, network=log, head=False, scale=tfvae.scales.Fixed(0.5))
    return tiny_vae(likelihood, posterior=posteriors.LogNormal(1), prior=prior, **options)


def test_a_law_that_is_known_stays_and_one_that_is_learned_moves(tmp_path):
    x = np.random.default_rng(0).lognormal(1.0, 0.5, size=[32, 1]).astype("float32")
    for trainable in (False, True):
        vae = model(priors.LogNormal(1, loc=0.3, scale=0.8, trainable=trainable), optimizer=0.1, run_eagerly=True)
        vae.fit(x, batch_size=32, verbose=0)
        vae.save(tmp_path / "vae.keras")
        loaded = keras.saving.load_model(tmp_path / "vae.keras")
        assert loaded.prior.trainable is trainable and bool(loaded.prior.trainable_variables) is trainable
        for one in (vae, loaded):
            known = np.isclose(one.prior().median(), np.exp(0.3)) & np.isclose(one.prior().scale_diag, 0.8)
            assert bool(known) is not trainable


def test_intervals_and_evidence_against_quadrature():
    """x = z + noise, log z ~ N(0.3, 0.8^2): log p(x) and the 5 and 95% quantiles of p(z | x)."""
    x, z = np.float32([[0.7], [2.5]]), np.linspace(1e-4, 12, 24001)
    joint = stats.lognorm(0.8, scale=np.exp(0.3)).pdf(z) * stats.norm(z, 0.5).pdf(x)
    mass = np.cumsum(joint, axis=1) * (z[1] - z[0])
    vae = model()
    posterior = vae.infer(x, num_samples=20000, seed=0)
    assert np.allclose(vae.log_prob(x, num_samples=20000, seed=0), np.log(mass[:, -1]), atol=0.02)
    for share in (0.05, 0.95):
        exact = [z[np.searchsorted(row, share * row[-1])] for row in mass]
        np.testing.assert_allclose(posterior.quantile(share)[:, 0], exact, rtol=0.05)


def test_sets_are_equal_by_value():
    assert sets.interval(0, 1) == sets.interval(0.0, 1.0) != sets.interval(0, 2)
    assert sets.integers(3) == sets.integers(3) != sets.integers(4)
    assert posteriors.LogitNormal(1, 0, 1).space == priors.LogitNormal(2, 0.0, 1.0).space


@pytest.mark.parametrize(
    ("posterior", "prior"),
    [
        (posteriors.LogitNormal(1, 0, 1), priors.LogitNormal(1, 0, 2)),
        (posteriors.LogNormal(1), priors.LogitNormal(1, 0, 1)),
        (posteriors.LogNormal(1), priors.StandardNormal(1)),
    ],
)
def test_a_prior_on_another_set_is_refused(posterior, prior):
    with pytest.raises(tfvae.InvalidInput, match="on the same space.*Pass a prior of"):
        tiny_vae(posterior=posterior, prior=prior)


@pytest.mark.parametrize("family", [posteriors, priors])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"low": 1, "high": 1}, "low below high"),
        ({"low": 0, "high": float("inf")}, "high to be a finite number"),
        ({"low": 0, "high": "1"}, "high to be a finite number"),
        ({"low": 293.0, "high": 293.5}, "at least one per cent"),
        ({"low": 0, "high": 1, "loc": 12.0}, "loc between"),
        ({"low": 0, "high": 1, "scale": 1e-4}, "scale above"),
        ({"low": 0, "high": 1, "scale": -1.0}, "finite positive number"),
        ({"low": 0, "high": 1, "loc": float("nan")}, "loc to be a finite number"),
    ],
)
def test_ends_and_starts_that_do_not_do_are_refused(family, words, said):
    with pytest.raises(tfvae.InvalidInput, match=said):
        family.LogitNormal(1, **words)


def test_a_walk_stays_where_the_latent_can_be():
    """Three standard deviations below the mean of a log-normal are below zero."""
    z = np.random.default_rng(0).lognormal(size=[500, 1]).astype("float32")
    low, high = tfvae.plotting.walks._range(z, 3.0, sets.POSITIVE)
    assert np.all(sets.POSITIVE.contains(low)) and high > z.mean()
    low, high = tfvae.plotting.walks._range(z / z.max(), 30.0, sets.interval(0, 1))
    assert np.all(sets.interval(0, 1).contains(np.float32([low, high])))


def test_what_needs_real_latents_refuses_them():
    vae, x = model(), np.float32([[1.0]])
    with pytest.raises(tfvae.InvalidInput, match="positive numbers.*estimate_log_prob"):
        tfvae.evaluation.annealed_log_prob(vae, x)
    with pytest.raises(tfvae.InvalidInput, match="positive numbers, D = 1.*latent_traversals"):
        tfvae.plotting.manifold(vae, x)
