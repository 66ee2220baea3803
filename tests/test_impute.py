"""Cells that are missing, given those that were observed: `vae.impute` against the linear-Gaussian closed form.

    x_obs ~ N(b_o, C_oo),    x_mis | x_obs ~ N(b_m + C_mo C_oo^-1 (x_obs - b_o), C_mm - C_mo C_oo^-1 C_om)

The posterior is a wide and wrong one, which sees the mask, so that the weights matter: the last test says how much.
"""

import functools

import keras
import numpy as np
import parts
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from conditional_cases import HOLES, MASK, X, Y, conditional, masked
from likelihood_cases import columns
from linear_gaussian import COVARIANCE, N, exact_imputation, holes, wide_vae
from tiny import tiny_vae

import tfvae
from tfvae import InvalidInput
from tfvae.export import endpoints
from tfvae.inference.imputation import moments
from tfvae.networks import mlp


def test_log_prob_is_that_of_the_observed_cells():
    """60 scores within 4 of their standard errors: 60 x 6e-5 false alarms."""
    x, given, mask = holes(60, seed=1)
    found = wide_vae().estimate_log_prob(given, 4000, seed=0, mask=mask)
    error = found.log_prob.numpy() - exact_imputation(x, mask)[0]
    score = error / found.standard_error
    print(f"rms score {np.sqrt(np.mean(score**2)):.2f}, largest error {np.abs(error).max():.4f} nats")
    assert np.abs(score).max() < 4 and found.standard_error.numpy().max() < 0.06


def test_means_are_exact_within_their_error_and_deviations_are_exact():
    """Scores of 130 cells have rms one (+- 0.2, as rows share z); deviations err by 5 / sqrt(2 effective samples)."""
    x, given, mask = holes(64, seed=2)
    found = wide_vae().impute(given, 4000, seed=0, mask=mask)
    _, mean, stddev = exact_imputation(x, mask)
    score = ((found.mean - mean) / found.standard_error).numpy()[~mask]
    rms, largest = np.sqrt(np.mean(score**2)), np.abs(score).max()
    print(f"rms score {rms:.2f}, largest {largest:.1f}, standard error up to {found.standard_error.numpy().max():.4f}")
    assert largest < 4.5 and 0.8 < rms < 1.2
    assert found.standard_error.numpy().max() < 0.1 * stddev.max()
    ratio = found.stddev.numpy()[~mask] / stddev[~mask]
    size = np.repeat(found.effective_sample_size.numpy(), (~mask).sum(axis=1))
    print(f"deviations: largest error {np.abs(ratio - 1).max():.1%}, at {size.min():.0f} effective samples or more")
    assert np.all(np.abs(ratio - 1) < 5 / np.sqrt(2 * size))
    np.testing.assert_array_equal(found.mean.numpy()[mask], given[mask].astype(np.float32))
    assert not found.stddev.numpy()[mask].any() and not found.standard_error.numpy()[mask].any()


def test_intervals_cover():
    """Of 3000 hidden cells, in rows of two, shares of 50 % and 90 % within 4 standard errors, 0.012 and 0.007 each."""
    x, given, mask = holes(1500, seed=3)
    found = wide_vae().impute(given, 200, seed=0, mask=mask)
    for level, within in ((0.5, 0.05), (0.9, 0.03)):
        low, high = (end.numpy() for end in found.interval(level, num_samples=200, seed=1))
        share = np.mean((low <= x)[~mask] & (x <= high)[~mask])
        print(f"{level:.0%} intervals hold {share:.1%} of {(~mask).sum()} cells")
        assert abs(share - level) < within
        np.testing.assert_array_equal(low[mask], x[mask])
        np.testing.assert_array_equal(high[mask], x[mask])


def test_draws_have_mean_and_spread_of_the_missing_cells():
    """4000 draws a cell, correlated with their neighbours: 5 standard errors of mean and deviation."""
    x, given, mask = holes(20, seed=4)
    found = wide_vae().impute(given, 4000, seed=0, mask=mask)
    drawn = found.sample(4000, seed=1).numpy()
    assert drawn.shape == (4000, 20, N)
    np.testing.assert_array_equal(drawn[:, mask], np.broadcast_to(given[mask].astype(np.float32), drawn[:, mask].shape))
    mean, stddev = found.mean.numpy()[~mask], found.stddev.numpy()[~mask]
    assert np.all(np.abs(drawn.mean(axis=0)[~mask] - mean) < 5 * stddev / np.sqrt(4000))
    np.testing.assert_allclose(drawn.std(axis=0)[~mask], stddev, rtol=5 / np.sqrt(2 * 4000))
    row = np.flatnonzero((~mask).sum(axis=1) > 1)[0]  # cells of a row belong together: they share their z
    hidden = ~mask[row]
    gain = COVARIANCE[hidden][:, ~hidden] @ np.linalg.inv(COVARIANCE[~hidden][:, ~hidden])
    exactly = COVARIANCE[hidden][:, hidden] - gain @ COVARIANCE[~hidden][:, hidden]
    np.testing.assert_allclose(np.cov(drawn[:, row, hidden].T), exactly, atol=0.1 * exactly.max())


def test_what_stands_under_the_mask_is_never_seen():
    """NaN, infinity or a huge number: the same to the bit."""
    x, given, mask = holes(9, seed=5)
    vae, results = wide_vae(), []
    for fill in (np.nan, np.inf, 1e30, 0.0):
        found = vae.impute(np.where(mask, x, fill), 60, seed=0, mask=mask)
        results.append([found.mean, found.standard_error, found.stddev, found.sample(3, seed=0), found.posterior.z])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_every_way_to_bring_a_mask_gives_the_same():
    """130 rows, two blocks: arrays, a dict, a masked array, streams of these, in a graph. A full block of arrays and of
    streams goes through XLA, the graph's does not: rounding. A batch with nothing missing is one of a stream."""
    x, given, mask = holes(130, seed=6)
    mask[40:80] = True
    given = np.where(mask, x, np.nan)
    vae, masked_x = wide_vae(), np.ma.array(x, mask=~mask)
    stream = tf.data.Dataset.from_tensor_slices({"x": given.astype(np.float32), "mask": mask}).batch(50)
    wanted = vae.impute(given, 60, seed=3, mask=mask)
    in_graph = tf.function(lambda x, mask: vae.impute(x, 60, seed=3, mask=mask).mean, autograph=False)
    for name, mean in {
        "dict": vae.impute({"x": given, "mask": mask}, 60, seed=3).mean,
        "masked array": vae.impute(masked_x, 60, seed=3).mean,
        "stream": vae.impute(stream, 60, seed=3).mean,
        "stream of masked arrays": vae.impute(iter([masked_x[:40], masked_x[40:80], masked_x[80:]]), 60, seed=3).mean,
        "graph": in_graph(tf.constant(x), tf.constant(mask)),
    }.items():
        np.testing.assert_allclose(mean, wanted.mean, atol=2e-5, err_msg=name)
    assert wanted.sample(70, seed=0).shape == (70, 130, N) and wanted.interval(0.5, 20)[0].shape == (130, N)
    assert vae.impute(masked_x[:0], 5).sample(2).shape == (2, 0, N)
    assert np.all(vae.impute(masked_x[40:42], 5, seed=0).mean == x[40:42])


def test_labels_are_those_of_the_largest_averaged_probability():
    """Of a table of numbers, bits, labels and counts: each group's own, beside sums by hand over the same draws."""
    keras.utils.set_random_seed(1)
    vae = tiny_vae(columns(network=mlp([8])), units=[8], compiled=False)
    parts.randomise(vae, 1.0)
    x = parts.examples("Columns")[:12]
    mask = np.random.default_rng(0).random(x.shape) > 0.5
    found = vae.impute(x, 120, seed=0, mask=mask)
    weight = np.exp(found.posterior.log_weight)
    p = vae.decode(found.posterior.z)
    normal, bits, labels, counts = p.distributions

    def expected(values):
        return np.einsum("sb,sb...->b...", weight, values)

    probability = expected(labels.distribution.probs_parameter())
    wanted = np.concatenate(
        [*map(expected, (normal.mean(), bits.mean())), probability.argmax(-1), expected(counts.mean())], axis=-1
    )
    np.testing.assert_allclose(found.mean.numpy()[~mask], wanted[~mask], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.mean.numpy()[mask], x[mask])
    error = found.standard_error.numpy()[:, 3:5]
    label, of_each = probability.argmax(-1)[None, ..., None], labels.distribution.probs_parameter().numpy()
    away = np.take_along_axis(of_each, label, -1)[..., 0] - probability.max(-1)
    by_hand = np.sqrt(120 / 119 * np.einsum("sb,sbd->bd", weight**2, away**2))
    np.testing.assert_allclose(error[~mask[:, 3:5]], by_hand[~mask[:, 3:5]], rtol=1e-3, atol=1e-6)
    spread = found.stddev.numpy()
    assert np.isnan(spread[:, 3:5][~mask[:, 3:5]]).all() and np.isfinite(np.delete(spread, [3, 4], 1)).all()
    assert vae.support.contains(found.sample(20, seed=0)).numpy().all()


@pytest.mark.parametrize("name", parts.LIKELIHOODS)
def test_the_average_over_one_z_predicts_the_point(name):
    likelihood = parts.likelihood(name)
    likelihood.build((None, 3))
    p = likelihood(tf.random.stateless_normal([7, 3], [0, 1]))
    value, same = likelihood.predicted(*[likelihood.averaged(p)] * 2)
    np.testing.assert_array_equal(value, likelihood.point(p))
    assert same.shape == value.shape == likelihood.deviation(p).shape


def test_conditions_tell_the_imputation():
    """Means are sums over draws of p(x | z, c); another label gives others, and draws take the label, too."""
    vae = conditional()
    parts.randomise(vae, 1.0)
    found = vae.impute(X, 30, seed=0, mask=MASK, condition=Y)
    weight = np.exp(found.posterior.log_weight)
    by_hand = np.einsum("sb,sbd->bd", weight, vae.decode(found.posterior.z, condition=Y).mean())
    np.testing.assert_allclose(found.mean.numpy()[~MASK], by_hand[~MASK], rtol=1e-4)
    drawn = found.sample(2000, seed=1).numpy().mean(axis=0)
    assert np.abs(drawn - found.mean).max() < 5 * 0.5 / np.sqrt(2000)
    other = vae.impute(X, 30, seed=0, mask=MASK, condition=(Y + 1) % 3).mean
    assert np.abs(other - found.mean).max() > 0.2


def test_the_endpoint_is_there_if_a_part_is_given_the_mask():
    """That it gives what Python gives is in `test_conditions`, of each signature."""
    assert "impute" in endpoints(masked()) and "impute" not in endpoints(conditional())


@pytest.mark.parametrize(
    ("call", "message"),
    {
        "no mask": (lambda vae: vae.impute(X, 5), r"a mask that says.*none\. Pass mask=~np\.isnan\(x\)"),
        "NaN, no mask": (lambda vae: vae.impute(HOLES, 5), r"a mask that says.*Pass mask=~np\.isnan\(x\)"),
        "NaN where observed": (lambda vae: vae.impute(HOLES, 5, mask=~MASK), r"finite.*nan at x\["),
        "outside": (lambda vae: vae.impute(X + 0.5, 5, mask=MASK), r"\{0, 1\}"),
        "shape": (lambda vae: vae.impute(X, 5, mask=MASK[:, :2]), r"mask of shape"),
        "no samples": (lambda vae: vae.impute(X, 0, mask=MASK), "num_samples=0"),
        "half a sample": (lambda vae: vae.infer(X, 2.5), r"num_samples=2\.5"),
        "a condition": (lambda vae: vae.infer(X, 5, condition=Y), "no condition"),
        "a level": (lambda vae: vae.impute(X, 5, mask=MASK).interval(90), "level=90"),
        "no draws": (lambda vae: vae.impute(X, 5, mask=MASK).sample(0), "num_samples=0"),
        "a share": (lambda vae: vae.infer(X, 5).quantile(1.5), r"q=1\.5"),
    }.values(),
)  # fmt: skip
def test_mistakes_are_refused(call, message):
    """The remedy for a missing mask is what every other test passes."""
    with pytest.raises(InvalidInput, match=message):
        call(seen())


@functools.cache
def seen() -> tfvae.VAE:
    return masked()


def test_moments_keep_their_digits_far_from_zero():
    """Values about 30,000 with a spread of one, and weights of very different size; one of infinity weighs nothing."""
    rng = np.random.default_rng(0)
    z = (30000 + rng.normal(size=[130, 4, 2])).astype(np.float32)
    weight = scipy.special.softmax(3 * rng.normal(size=[130, 4]), axis=0)
    weight[7], z[7] = 0.0, np.inf
    weight /= weight.sum(axis=0)
    found = moments(lambda z, index: (z, 0 * z + 1), tf.constant(z), tf.constant(weight, tf.float32), 50)
    z[7] = 0.0
    wide_z, w = z.astype(np.float64), weight[..., None]
    mean = (w * wide_z).sum(axis=0)
    np.testing.assert_allclose(found[0], mean, rtol=1e-7)
    np.testing.assert_allclose(found[1], (w * (wide_z - mean) ** 2).sum(axis=0), rtol=1e-3)
    np.testing.assert_allclose(found[2], (w**2 * (wide_z - mean) ** 2).sum(axis=0), rtol=1e-3)
    np.testing.assert_allclose(found[3], 1, rtol=1e-5)


def test_a_single_sample_knows_nothing_of_its_error():
    found = seen().impute(HOLES, 1, seed=0, mask=MASK)
    assert np.isnan(found.standard_error.numpy()[~MASK]).all() and np.isfinite(found.mean).all()


def test_the_weights_are_what_makes_it_exact():
    """The same draws with equal weights are off by many standard errors: the tests above would notice."""
    x, given, mask = holes(64, seed=2)
    vae = wide_vae()
    found = vae.impute(given, 1000, seed=0, mask=mask)
    equal = np.mean(vae.decode(found.posterior.z).mean(), axis=0)
    score = ((equal - exact_imputation(x, mask)[1]) / found.standard_error).numpy()[~mask]
    assert np.sqrt(np.mean(score**2)) > 5
