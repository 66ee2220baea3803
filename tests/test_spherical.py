"""The sphere: densities, samplers and pathwise gradients against Bessel functions, TFP and float64 quadrature."""

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp
from latent_cases import EVENT, make, noise

from tfvae.distributions.sphere import PowerSpherical, VonMisesFisher, unit

tfd = tfp.distributions


def bessel(dim: int, kappa: float) -> tuple[float, float]:
    """Returns log of the integral of exp(kappa (mu.z - 1)) and E mu.z, from Bessel functions in float64."""
    order = dim / 2 - 1
    log_mass = dim / 2 * np.log(2 * np.pi) + np.log(scipy.special.ive(order, kappa)) - order * np.log(kappa)
    return log_mass, scipy.special.ive(order + 1, kappa) / scipy.special.ive(order, kappa)


@pytest.mark.parametrize("dim", [2, 3, 10, 50])
def test_von_mises_fisher_agrees_with_bessel_functions(dim):
    """Normaliser, mean and variance to float32; mean cosine of 20000 samples within 4.5 s.e., of each of 4 kappas."""
    kappas = np.array([0.3, 3.0, 40.0, 2000.0], np.float32)
    mu = unit(noise(len(kappas), dim))
    q = VonMisesFisher(mu, tf.constant(kappas))
    cosine = tf.reduce_sum(q.sample(20000, seed=[1, 2]) * mu, axis=-1).numpy().astype(np.float64)
    for index, kappa in enumerate(kappas.astype(np.float64)):
        log_mass, mean = bessel(dim, kappa)
        np.testing.assert_allclose(q.log_prob(mu)[index], -log_mass, atol=2e-5 * dim)
        np.testing.assert_allclose(q.mean()[index], mean * mu[index], atol=1e-6)
        np.testing.assert_allclose(q.entropy()[index], log_mass + kappa * (1 - mean), atol=2e-5 * dim)
        along = 1 - mean**2 - (dim - 1) * mean / kappa  # variance of the cosine
        variance = mean / kappa + (along - mean / kappa) * np.square(mu[index])
        np.testing.assert_allclose(q.variance()[index], variance, rtol=1e-2, atol=1e-6)
        assert abs(cosine[:, index].mean() - mean) < 4.5 * np.sqrt(along / 20000)


@pytest.mark.parametrize("dim", [2, 3, 20])
def test_power_spherical_is_tfps(dim):
    kappas = tf.constant([0.3, 5.0, 200.0])
    mu = unit(noise(3, dim))
    ours, theirs = PowerSpherical(mu, kappas), tfd.PowerSpherical(mu, kappas)
    z = theirs.sample(50, seed=[1, 2])
    np.testing.assert_allclose(ours.log_prob(z), theirs.log_prob(z), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(ours.entropy(), theirs.entropy(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(ours.mean(), theirs.mean(), atol=1e-5)
    np.testing.assert_allclose(ours.covariance(), theirs.covariance(), rtol=1e-3, atol=1e-5)
    drawn = ours.sample(20000, seed=[3, 4])
    error = tf.reduce_mean(drawn, 0) - theirs.mean()
    assert np.all(np.abs(error) < 4.5 * np.sqrt(tf.linalg.diag_part(theirs.covariance()) / 20000))


@pytest.mark.parametrize("kind", [VonMisesFisher, PowerSpherical])
@pytest.mark.parametrize(("dim", "kappa"), [(2, 0.5), (2, 30.0), (3, 5.0), (10, 1.0), (10, 300.0), (60, 60.0)])
def test_angle_gradient_is_the_derivative_of_the_quantile(kind, dim, kappa):
    """dtheta/dkappa against - dF/dkappa / p by finite differences of F in float64, at five quantiles, to 0.2%."""
    statistic = {VonMisesFisher: lambda t: np.cos(t) - 1, PowerSpherical: lambda t: 2 * np.log(np.cos(t / 2))}[kind]

    def density(t, kappa):
        return np.sin(t) ** (dim - 2) * np.exp(kappa * statistic(t))

    nodes = np.linspace(1e-9, np.pi - 1e-9, 200001)

    def cumulative(kappa):
        mass = scipy.integrate.cumulative_simpson(density(nodes, kappa), x=nodes, initial=0)
        return mass / mass[-1], mass[-1]

    (middle, mass), step = cumulative(kappa), 1e-4 * kappa
    angles = np.interp([0.001, 0.1, 0.5, 0.9, 0.999], middle, nodes)
    change = np.interp(angles, nodes, cumulative(kappa + step)[0]) - np.interp(
        angles, nodes, cumulative(kappa - step)[0]
    )
    exact = -change / (2 * step) / (density(angles, kappa) / mass)
    q = kind(unit(noise(1, dim)), tf.constant([kappa]))
    found = q._angle_gradient(tf.constant(angles[:, None], tf.float32), q.concentration)[:, 0]
    np.testing.assert_allclose(found, exact, rtol=2e-3)


@pytest.mark.parametrize("kind", [VonMisesFisher, PowerSpherical])
def test_enough_proposals_are_accepted(kind, monkeypatch):
    """With one proposal only, the first stays; the share of accepted ones must make 16 refusals a rarity."""
    accepted = []
    argmax = tf.argmax
    monkeypatch.setattr(
        tf, "argmax", lambda t, axis: accepted.append(tf.reduce_mean(tf.cast(t, tf.float32))) or argmax(t, axis)
    )
    for dim in (2, 3, 10, 200):
        for kappa in (0.01, 1.0, 30.0, 1000.0):
            kind(unit(noise(1, dim)), tf.constant([kappa])).sample(2000, seed=[1, 2])
    assert min(accepted) > 0.6  # 0.4^16 = 4e-7


@pytest.mark.parametrize("name", ["VonMisesFisher", "PowerSpherical"])
@pytest.mark.parametrize("dim", [2, 3, 20])
def test_concentration_grows_with_the_dimension(name, dim):
    """kappa = D softplus(raw), D where the raw output is zero: else a large sphere would start nearly uniform."""
    part = make(f"posterior {name}", dim)
    parameters = part.constrain(noise(3, dim), tf.constant([[0.0], [2.0], [-2.0]]))
    softplus = 1e-5 + np.log1p(np.exp(np.array([0.0, 2.0, -2.0]) + np.log(np.e - 1)))
    np.testing.assert_allclose(parameters["concentration"], dim * softplus, rtol=1e-5)
    np.testing.assert_allclose(part.distribution(**parameters).concentration, dim * softplus, rtol=1e-5)


@pytest.mark.parametrize("kappa", [1e-3, 1e4])
@pytest.mark.parametrize("first", [-1.0, 1.0])
@pytest.mark.parametrize("name", ["VonMisesFisher", "PowerSpherical"])
def test_samples_are_unit_vectors_and_no_direction_is_special(name, first, kappa):
    """Also opposite to the first axis, where a Householder reflection could divide by zero."""
    part = make(f"posterior {name}", 3)
    mu = tf.constant([[first, 0.0, 0.0]])
    q = part.distribution(mean_direction=mu, concentration=tf.constant([kappa]))
    with tf.GradientTape() as tape:
        tape.watch(mu)
        z = part.distribution(mean_direction=mu, concentration=tf.constant([kappa])).sample(100, seed=[1, 2])
    assert np.isfinite(tape.gradient(z, mu)).all()
    np.testing.assert_allclose(tf.norm(z, axis=-1), np.ones([100, 1]), atol=1e-5)
    mean = tf.reduce_mean(z, 0)[0, 0] * first
    assert abs(mean - q.mean()[0, 0] * first) < 4.5 * np.sqrt(q.variance()[0, 0] / 100) + 1e-4


def test_vector_without_direction_gets_one():
    raw = tf.constant([[0.0, 0.0], [3.0, 4.0], [1e-20, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(raw)
        value = unit(raw)
    np.testing.assert_allclose(value, [[1, 0], [0.6, 0.8], [1, 0]], rtol=1e-6)
    assert np.isfinite(tape.gradient(value, raw)).all()


@pytest.mark.parametrize(("name", "norm"), [("VonMisesFisher", 2), ("RelaxedCategorical", 1), ("Categorical", 1)])
def test_center_of_a_sphere_is_on_it_and_of_a_simplex_inside(name, norm):
    part = make(f"posterior {name}", 3)
    center = part.center(part.parameters(noise(6, EVENT)))
    np.testing.assert_allclose(np.linalg.norm(center, norm, axis=-1), 1, rtol=1e-5)
