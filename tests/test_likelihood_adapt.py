"""`likelihood.adapt(x)`: where the head's kernel contributes nothing, p(x | z) has mean and spread of the data."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from likelihood_cases import ANY_EVENT, HARD, MAKE, SCALED, built, columns, data

from tfvae import InvalidInput, likelihoods, networks, priors, scales

SCALES = [scales.Fixed, scales.Shared, scales.PerDimension, scales.Predicted]
every = pytest.mark.parametrize("name", MAKE)


def start(likelihood, x):
    """Returns p(x | z) after adapt where the head's kernel contributes nothing."""
    likelihood.build((None, 2))
    likelihood.adapt(x)
    likelihood.head.dense.kernel.assign(tf.zeros_like(likelihood.head.dense.kernel))
    return likelihood(tf.zeros([1, 2]))


@every
def test_adapt_gives_the_mean_of_the_data(name):
    x = data(name)
    likelihood = MAKE[name](4)
    distribution = start(likelihood, x)
    if likelihood.has_mean:
        np.testing.assert_allclose(distribution.mean()[0], x.mean(axis=0), rtol=1e-3)
    elif name == "Warped":
        image = likelihood.warp.forward(x).numpy().mean(axis=0)
        median = distribution.distribution.image_of_mean()[0]
        np.testing.assert_allclose(likelihood.warp.forward(median), image, rtol=1e-3)
    else:
        expected = np.stack([(x == k).mean(axis=0) for k in range(4)], axis=-1)
        np.testing.assert_allclose(distribution.distribution.probs_parameter()[0], expected, atol=3e-3)
    at_random = MAKE[name](4)
    at_random.build((None, 2))
    before = at_random(tf.zeros([1, 2])).log_prob(x)
    assert np.mean(distribution.log_prob(x)) > np.mean(before)


@pytest.mark.parametrize("name", ANY_EVENT)
def test_adapt_by_channel_after_a_convolution(name):
    x = data(name, (30, 4, 6, 2))
    likelihood = MAKE[name]((4, 6, 2), network=networks.conv_transpose((4, 6, 2), [3]))
    distribution = start(likelihood, x)
    assert likelihood.head.space == (4, 6)
    assert likelihood.head.dense.kernel.shape[0] == 3
    if likelihood.has_mean:
        mean = np.mean(distribution.mean()[0], axis=(0, 1))
        np.testing.assert_allclose(mean, x.mean(axis=(0, 1, 2)), rtol=1e-3)


@pytest.mark.parametrize("convolutional", [False, True], ids=["no network", "convolutions"])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", SCALED)
def test_adapt_with_every_scale(name, scale, convolutional):
    keyword = "inverse_dispersion" if "Binomial" in name else "scale"
    x = data(name, (30, 4, 6, 2))
    make = functools.partial(getattr(likelihoods, name), **{keyword: scale(0.7)})
    network, axes = (networks.conv_transpose((4, 6, 2), [3]), (0, 1)) if convolutional else (None, ())
    mean = np.mean(start(make((4, 6, 2), network=network), x).mean()[0], axis=axes)
    np.testing.assert_allclose(mean, np.mean(x.mean(axis=0), axis=axes), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("scale", "expected"),
    zip(SCALES, (lambda s: 0.5, lambda s: np.sqrt(np.mean(s**2)), lambda s: s, lambda s: s), strict=True),
)
def test_adapt_sets_the_scale_of_a_normal_to_the_spread(scale, expected):
    x = data("Normal", (500, 4))
    normal = start(likelihoods.Normal(4, scale=scale(0.5)), x)
    expected = np.broadcast_to(expected(x.std(axis=0)), 4)
    np.testing.assert_allclose(np.broadcast_to(normal.stddev()[0], 4), expected, rtol=1e-4)


def test_adapt_sets_the_scale_to_the_spread():
    x = data("Normal", (500, 4))
    laplace = start(likelihoods.Laplace(4, scale=scales.PerDimension()), x)
    np.testing.assert_allclose(laplace.distribution.scale, np.abs(x - x.mean(axis=0)).mean(axis=0), rtol=1e-4)
    rng = np.random.default_rng(0)
    heavy = np.float32(2 * rng.standard_t(5, [100_000, 1]))  # mean absolute deviation: standard error 0.3 %
    np.testing.assert_allclose(start(likelihoods.StudentT(1), heavy).distribution.scale, 2, rtol=0.02)
    counts = np.float32(rng.negative_binomial(3, 0.2, [100_000, 1]))  # moment estimate: standard error 0.6 %
    negative_binomial = start(likelihoods.NegativeBinomial(1), counts).distribution
    np.testing.assert_allclose(negative_binomial.total_count, 3, rtol=0.04)


def test_adapt_gives_the_share_of_zeros_that_a_negative_binomial_leaves_over():
    """pi = (P(x = 0) - NB(0)) / (1 - NB(0)), mean and r by moments; undivided it would be half of that here."""
    rng = np.random.default_rng(0)
    x = np.float32(rng.poisson(1.5, [2000, 1]) * (rng.uniform(size=[2000, 1]) < 0.6))
    mean, variance, zeros = x.mean(), x.var(), (x == 0).mean()
    r = mean**2 / (variance - mean)
    expected = (r / (r + mean)) ** r
    likelihood = likelihoods.ZeroInflatedNegativeBinomial(1)
    lost = np.float64(tf.sigmoid(start(likelihood, x).distribution.logits)).item()
    print(f"zeros {zeros:.3f}, of a negative binomial {expected:.3f}, lost {lost:.3f}")
    assert lost == pytest.approx((zeros - expected) / (1 - expected), rel=1e-3) and 0.02 < lost < 0.8


COLUMNS_OF_TROUBLE = {
    "no spread": np.full(300, 3.0),
    "no spread, far away": np.full(300, 1e6),
    "one row differs": np.where(np.arange(300) == 7, 4.0, 3.0),
    "a thousandth": 3 + 1e-3 * np.random.default_rng(1).normal(size=300),
    "a million": 1e6 * np.random.default_rng(1).normal(size=300),
}


@pytest.mark.parametrize("scale", SCALES[1:])
@pytest.mark.parametrize("column", COLUMNS_OF_TROUBLE)
def test_adapt_starts_no_worse_whatever_a_column_is_like(column, scale):
    """Beside four standard normal columns: a tiny scale waits for no network that is far off."""
    x = np.random.default_rng(0).normal(size=[300, 4])
    x, z = (
        np.column_stack([x, COLUMNS_OF_TROUBLE[column]]).astype("float32"),
        np.random.default_rng(2).normal(size=[300, 2]),
    )
    likelihood = likelihoods.Normal(5, network=networks.mlp([16]), scale=scale())
    likelihood.build((None, 2))
    before = np.mean(likelihood(z.astype("float32")).log_prob(x))
    likelihood.adapt(x)
    after, kernel = np.mean(likelihood(z.astype("float32")).log_prob(x)), likelihood.head.dense.kernel.numpy()
    assert after > before and after > -10 - 14 * (column == "a million") * (1 + 4 * (scale is scales.Shared))
    likelihood.adapt(x)
    np.testing.assert_allclose(likelihood.head.dense.kernel, kernel, rtol=1e-5)  # a second time changes nothing


def test_adapt_spreads_the_components_of_a_mixture():
    x = np.float32(np.random.default_rng(0).normal(120, 20, [500, 1]).round())
    distribution = start(likelihoods.DiscretizedLogisticMixture(1, num_components=3), x)
    levels = np.arange(256.0)
    mass = np.exp(distribution.log_prob(levels[:, None, None].astype(np.float32)).numpy()[:, 0])
    np.testing.assert_allclose(np.sqrt(levels**2 @ mass - (levels @ mass) ** 2), x.std(), rtol=0.1)
    centres = distribution.distribution.components_distribution.mean().numpy()[0, 0]
    assert np.all(np.diff(centres) > 0.3 * x.std())


@every
def test_adapt_to_constant_data_is_clipped(name):
    for value in {*HARD[name]} & {0, 1, 3, 255}:
        likelihood = MAKE[name](4)
        x = np.full([20, 4], value, np.float32)
        distribution = start(likelihood, x)
        assert np.all(np.isfinite(distribution.log_prob(x)))
        assert np.all(np.isfinite(likelihood.point(distribution)))
        assert all(np.all(np.abs(v) < 1e3) for v in likelihood.get_weights())


def test_adapt_of_columns_is_that_of_the_parts():
    likelihood = columns()
    x = np.concatenate([data("Normal", (60, 2)), data("Bernoulli", (60, 1)), data("Bernoulli", (60, 2)) * 2], axis=1)
    x = np.concatenate([x, data("Poisson", (60, 1))], axis=1)
    distribution = start(likelihood, x)
    normal, bernoulli, categorical, poisson = distribution.distributions
    found = np.concatenate([part.mean()[0] for part in (normal, bernoulli, poisson)])
    np.testing.assert_allclose(found, x.mean(axis=0)[[0, 1, 2, 5]], rtol=1e-3)
    np.testing.assert_allclose(
        categorical.distribution.probs_parameter()[0, :, 2], (x == 2).mean(axis=0)[3:5], atol=3e-3
    )


def test_adapt_refuses():
    with pytest.raises(InvalidInput, match="Make the model first"):
        likelihoods.Normal(4).adapt(data("Normal"))
    with pytest.raises(InvalidInput, match=r"\('N', 1\)"):
        built("Normal").adapt(data("Normal"))
    with pytest.raises(InvalidInput, match=r"0.5 at x\[1, 0\].*ContinuousBernoulli"):
        built("Bernoulli").adapt([[1.0], [0.5]])
    with pytest.raises(InvalidInput, match="one row or more"):
        built("Normal").adapt(np.zeros([0, 1]))


def test_model_adapts_what_has_unknown_units_and_leaves_the_rest(make_vae):
    """Counts around 300 move the likelihood's start to them; binary data leave it; a VampPrior takes rows."""
    x = np.random.default_rng(0).poisson(300, [40, 5]).astype("float32")
    vae = make_vae(likelihoods.NegativeBinomial, prior=priors.VampPrior(2, 3))
    assert np.all(vae.decode(tf.zeros([1, 2])).mean() < 10)
    vae.adapt(x, seed=0)
    np.testing.assert_allclose(vae.decode(tf.zeros([1, 2])).mean()[0], x.mean(axis=0), rtol=1e-3)
    rows = vae.prior.pseudo_inputs.numpy()
    assert np.isclose(rows[:, None], np.log1p(x), rtol=1e-5).all(-1).sum() == 3  # in the posterior's units
    binary = make_vae(likelihoods.Bernoulli)
    bias = binary.likelihood.head.get_weights()
    binary.adapt((x > 300).astype("float32"))
    for was, now in zip(bias, binary.likelihood.head.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    with pytest.raises(InvalidInput, match="the support of NegativeBinomial"):
        vae.adapt(x - 0.5)
