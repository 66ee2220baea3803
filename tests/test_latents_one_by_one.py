"""Posteriors and priors one by one: covariances, starts, edges of the simplex, what makes no sense."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from latent_cases import (
    EVENT,
    ON_A_LADDER,
    PARTS,
    POSTERIORS,
    PRIORS,
    make,
    noise,
)

import tfvae
from tfvae import posteriors, priors
from tfvae.core import seeds
from tfvae.distributions import simplex
from tfvae.distributions.normal import MultivariateNormalLowRank

tfd = tfp.distributions


# Normal distributions.


def test_low_rank_and_full_normal_have_their_covariance():
    low, full = make("posterior LowRankNormal", 4), make("posterior FullNormal", 4)
    x = noise(2, EVENT)
    p = low.parameters(x)
    factor, scale = p["factor"].numpy(), p["scale"].numpy()
    covariance = factor @ factor.transpose(0, 2, 1) + np.stack([np.diag(s**2) for s in scale])
    np.testing.assert_allclose(low(x).covariance(), covariance, rtol=1e-5)
    z = noise(3, 2, 4)
    expected = tfd.MultivariateNormalFullCovariance(p["loc"], covariance).log_prob(z)
    np.testing.assert_allclose(low(x).log_prob(z), expected, rtol=1e-4)
    tril = full.parameters(x)["scale_tril"].numpy()
    assert np.all(np.triu(tril, 1) == 0) and np.all(np.diagonal(tril, axis1=1, axis2=2) > 0)
    for q in (low(x), full(x)):
        drawn = q.sample(40000, seed=[1, 2]).numpy()
        for row in range(2):
            error = np.cov(drawn[:, row].T) - q.covariance()[row]
            spread = np.sqrt(np.outer(*[np.diag(q.covariance()[row])] * 2) + np.square(q.covariance()[row]))
            assert np.all(np.abs(error) < 4.5 * spread / np.sqrt(40000))  # variance of a sample covariance, 20 numbers


def test_both_noises_of_a_low_rank_normal_are_independent():
    """I + I at rank D, where one noise for both would give (I + I)^2; 4.5 standard errors of 4000 draws."""
    q = MultivariateNormalLowRank(tf.zeros([1, 3]), tf.ones([1, 3]), tf.eye(3)[tf.newaxis])
    covariance = np.cov(np.transpose(q.sample(4000, seed=[1, 2])[:, 0]))
    np.testing.assert_allclose(covariance, 2 * np.eye(3), atol=4.5 * 2 * np.sqrt(2 / 4000))


def test_a_mixture_starts_with_equal_weights_unit_scales_and_normal_locations():
    """As documented; mean and deviation of 2000 locations within 4.5 standard errors."""
    keras.utils.set_random_seed(0)
    prior = priors.MixtureOfNormals(20, num_components=100)
    prior.build((None,))
    logits, loc, scale = (prior.parameters()[name].numpy() for name in ("logits", "loc", "scale"))
    assert np.all(logits == 0) and np.allclose(scale, 1, atol=1e-4)
    assert abs(loc.mean()) < 4.5 / np.sqrt(2000) and abs(loc.std() - 1) < 4.5 / np.sqrt(4000)


# One-hot vectors.


def test_relaxed_density_is_tfps_and_stays_finite_where_tfps_does_not():
    part = make("posterior RelaxedCategorical", 3)
    x = noise(4, EVENT)
    ours, parameters = part(x), part.parameters(x)
    theirs = tfd.Independent(tfd.RelaxedOneHotCategorical(parameters["temperature"], logits=parameters["logits"]), 1)
    z = ours.sample(10, seed=[1, 2])
    np.testing.assert_allclose(ours.log_prob(z), theirs.log_prob(z), rtol=1e-3, atol=1e-3)
    corner = tf.tile(tf.one_hot([[0, 1, 2]], 3), [4, 1, 1])
    assert not np.isfinite(theirs.log_prob(corner)).any() and np.isfinite(ours.log_prob(corner)).all()


def test_relaxed_samples_stay_off_the_edges_where_a_density_is_not_finite(monkeypatch):
    """At a temperature near zero float32 has no room for the small ones; a noise of exactly 0 is one in 8 million."""
    logits = tf.constant([[0.0, 3.0, -3.0]])
    cold = simplex.RelaxedOneHotCategorical(tf.constant(0.01), logits=logits)
    z = cold.sample(200, seed=[1, 2])
    assert np.min(z) == pytest.approx(np.exp(-80.0), rel=1e-4, abs=0) and np.isfinite(cold.log_prob(z)).all()
    monkeypatch.setattr(seeds, "uniform", lambda shape, seed: tf.zeros(shape))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        z = simplex.RelaxedOneHotCategorical(tf.constant(1.0), logits=logits).sample(4, seed=[1, 2])
    np.testing.assert_allclose(z, tf.broadcast_to(tf.nn.softmax(logits), z.shape), rtol=1e-5)
    assert np.isfinite(tape.gradient(z, logits)).all()


# Construction.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: posteriors.DiagonalNormal(0), "latent_dim"),
        (lambda: posteriors.LowRankNormal(2, rank=3), "rank of at most latent_dim=2.*FullNormal"),
        (lambda: posteriors.LowRankNormal(2, rank=0), "rank"),
        (lambda: posteriors.VonMisesFisher(1), "latent_dim of at least 2 for VonMisesFisher"),
        (lambda: posteriors.PowerSpherical(1), "latent_dim of at least 2 for PowerSpherical"),
        (lambda: posteriors.Categorical(2, 1), "num_categories of at least 2"),
        (lambda: priors.DiagonalNormal(1.5), "latent_dim"),
        (lambda: priors.MixtureOfNormals(2, 0), "num_components"),
        (lambda: priors.VampPrior(2, 0), "num_components"),
        (lambda: priors.VampPrior(2, 3, constraint=lambda w: w), "a Keras constraint.*Interval"),
        (lambda: priors.VampPrior(2, 3, initializer="zeros"), "a Keras initializer"),
        (lambda: priors.VampPrior(2, 3).build(), "a VampPrior that belongs to a VAE"),
        (lambda: priors.Interval(1.0, 0.0), "low < high"),
        (lambda: priors.HypersphericalUniform(1), "latent_dim of at least 2"),
        (lambda: priors.UniformCategorical(2, 1), "num_categories"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(tfvae.InvalidInput, match=message):
        make()


@pytest.mark.parametrize(
    ("module", "base", "listed"),
    [(posteriors, posteriors.Posterior, POSTERIORS), (priors, priors.Prior, PRIORS)],
    ids=["posteriors", "priors"],
)
def test_every_part_is_in_the_list(module, base, listed):
    public = {c for c in vars(module).values() if isinstance(c, type) and issubclass(c, base) and c is not base}
    assert public == {kind for kind, _, _ in listed.values()} | {c for c in public if c.__name__ in ON_A_LADDER}


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_refuses_a_network(name):
    """It is given nothing: the network would read nothing; and most priors cannot be given anything."""
    kind, arguments, _ = PARTS[f"prior {name}"]
    arguments = {k: v() if callable(v) else v for k, v in arguments.items()}
    message = f"{kind.__name__} without a network.*given=|a network of {kind.__name__} that is given something"
    with pytest.raises(tfvae.InvalidInput, match=message):
        kind(3, **arguments, network=tfvae.networks.mlp([4]))
