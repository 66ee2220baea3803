"""Pictures of the latent space and of the evaluation: the codes that are drawn are the right ones, in every space.

On the linear-Gaussian oracle with its exact posterior q(z) = p(z) = N(0, I), so ranges and marginals are known.
"""

import dataclasses

import numpy as np
import pytest
import scipy.stats
from linear_gaussian import B, W, data, linear_vae, set_exact
from matplotlib.text import Text
from pictures import HISTORY, examples, image_vae, png, tiles
from tiny import tiny_vae

import tfvae
from tfvae import plotting
from tfvae.core.errors import InvalidInput
from tfvae.plotting import canvas, latents, walks

posteriors, priors = tfvae.posteriors, tfvae.priors
SPACES = {
    "sphere": (posteriors.VonMisesFisher(3), priors.HypersphericalUniform(3)),
    "one-hot": (posteriors.Categorical(2, num_categories=3), priors.UniformCategorical(2, num_categories=3)),
    "simplex": (posteriors.RelaxedCategorical(2, 3), priors.RelaxedCategorical(2, 3)),
    "flow": (posteriors.Flow(2), priors.StandardNormal(2)),
}


def vae_on(space, event=5):
    posterior, prior = (type(part).from_config(part.get_config()) for part in SPACES[space])
    return tiny_vae(
        tfvae.likelihoods.Normal, event, units=[8], posterior=posterior, prior=prior, seed=0, compiled=False
    )


@pytest.fixture
def walked(monkeypatch):
    """Returns the list of the z that are decoded, one array a call."""
    seen, decoded = [], latents.decoded
    monkeypatch.setattr(latents, "decoded", lambda vae, z, *told: seen.append(z) or decoded(vae, z, *told))
    return seen


@pytest.fixture(scope="module")
def report():
    vae = set_exact(linear_vae(), stretch=1.3)
    return tfvae.evaluation.evaluate(vae, data(300, seed=1), num_samples=100, per_example=True, verbose=False)


# Traversals


def test_a_traversal_moves_one_dimension_over_the_range_of_q():
    """Ends at -2 and 2 within 0.12, 4.4 standard errors of 4000 draws: a false alarm in 1 of 20000 seeds."""
    vae, x = set_exact(linear_vae()), data(4000, seed=3)
    figure = plotting.latent_traversals(vae, x, dimensions=[1, 0], example=7, steps=5)
    code = latents.codes(vae, x[7:8])[0]
    for axes, moved in zip(figure.axes, (1, 0), strict=False):
        shown = np.array([line.get_ydata() for line in axes.lines])
        z = np.linalg.lstsq(W, (shown - B).T, rcond=None)[0].T  # the decoder is W z + B
        np.testing.assert_allclose(W @ z.T + B[:, np.newaxis], shown.T, atol=1e-5)
        np.testing.assert_allclose(z[:, 1 - moved], code[1 - moved], atol=1e-5)
        np.testing.assert_allclose(np.diff(z[:, moved]), np.ptp(z[:, moved]) / 4, atol=1e-5)
        assert abs(z[0, moved] + 2) < 0.12 and abs(z[-1, moved] - 2) < 0.12
        assert axes.get_ylabel().startswith(f"z[{moved}]: -") and "nats" in axes.get_ylabel()
    assert png(figure)


def test_a_single_example_moves_over_the_range_of_the_prior():
    """Ends at -2 and 2 within 0.08, 4.5 standard errors of 10,000 draws."""
    vae = set_exact(linear_vae())
    figure = plotting.latent_traversals(vae, data(1, seed=3), dimensions=[0], steps=3)
    shown = np.array([line.get_ydata() for line in figure.axes[0].lines])
    z = np.linalg.lstsq(W, (shown - B).T, rcond=None)[0].T
    np.testing.assert_allclose(z[[0, -1], 0], [-2, 2], atol=0.08)
    assert any("p(z[d])" in text.get_text() for text in figure.findobj(Text))


def test_the_most_active_dimensions_come_first_and_dead_ones_last(walked):
    vae, x = image_vae(latent=3), examples(40, 6, 4, 1)
    kernel, bias = vae.posterior.head.dense.get_weights()  # columns: loc of z[0], z[1], z[2], then scale
    kernel[:, 0] = 0
    kernel[:, 2] *= 9
    vae.posterior.head.dense.set_weights([kernel, bias])
    figure = plotting.latent_traversals(vae, x, steps=4)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [name[:4] for name in names] == ["z[2]", "z[1]", "z[0]"]
    assert walked[0].shape == (3, 4, 3) and tiles(figure, (6, 4), columns=4).shape[:2] == (3, 4)
    spreads = [np.ptp(walked[0][row], axis=0) > 0 for row in range(3)]
    np.testing.assert_array_equal(spreads, [[False, False, True], [False, True, False], [True, False, False]])


def test_a_traversal_of_the_sphere_stays_on_it(walked):
    vae, x = vae_on("sphere"), examples(30, 5)
    assert png(plotting.latent_traversals(vae, x, dimensions=[0, 2], example=3, steps=7))
    code = latents.codes(vae, x[3:4])[0]
    np.testing.assert_allclose(np.linalg.norm(walked[0], axis=-1), 1, atol=1e-6)
    for walk, moved in zip(walked[0], (0, 2), strict=True):
        assert np.all(np.diff(walk[:, moved]) > 0)
        inner = walk[np.abs(walk[:, moved]) < 0.99]
        others = np.delete(inner, moved, axis=1) / np.sqrt(1 - inner[:, [moved]] ** 2)
        expected = np.delete(code, moved) / np.linalg.norm(np.delete(code, moved))
        np.testing.assert_allclose(others, np.tile(expected, [len(inner), 1]), atol=1e-5)


def test_a_pole_of_the_sphere_can_be_left():
    walk = walks._turned(np.array([1.0, 0, 0]), 0, np.linspace(-1, 1, 5))
    np.testing.assert_allclose(np.linalg.norm(walk, axis=1), 1)


@pytest.mark.parametrize("space", ["one-hot", "simplex"])
def test_a_traversal_of_one_hot_vectors_goes_through_the_categories(walked, space):
    vae, x = vae_on(space), examples(30, 5)
    assert png(plotting.latent_traversals(vae, x, dimensions=[1], example=3))
    np.testing.assert_array_equal(walked[0][0, :, 1], np.eye(3))
    np.testing.assert_allclose(walked[0][0, :, 0], np.tile(latents.codes(vae, x[3:4])[0, 0], [3, 1]))


# Interpolation


def test_a_line_joins_the_codes_and_images_stand_between_their_examples(walked):
    vae, x = image_vae(latent=3, likelihood=tfvae.likelihoods.Normal), examples(4, 6, 4, 1)
    figure = plotting.interpolation(vae, x[:2], x[2:], steps=5)
    codes = latents.codes(vae, x)
    expected = [[(1 - t) * codes[row] + t * codes[2 + row] for t in np.linspace(0, 1, 5)] for row in range(2)]
    np.testing.assert_allclose(walked[0], expected, atol=1e-6)
    shown = tiles(figure, (6, 4), columns=7)
    np.testing.assert_allclose(shown[:, 0], x[:2], atol=1e-6)
    np.testing.assert_allclose(shown[:, 6], x[2:], atol=1e-6)
    np.testing.assert_allclose(shown[:, 1], np.clip(vae.reconstruct(x[:2]), 0, 1), atol=1e-5)


def test_the_sphere_is_crossed_on_the_shorter_arc(walked):
    vae, x = vae_on("sphere"), examples(2, 5, seed=4) * 8 - 4
    assert png(plotting.interpolation(vae, x[:1], x[1:], steps=6))
    z, (start, end) = walked[0][0], latents.codes(vae, x).astype(float)
    angle = np.arccos(start @ end)
    assert angle > 0.1
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.arccos(np.sum(z[1:] * z[:-1], axis=1)), angle / 5, atol=1e-4)
    np.testing.assert_allclose(z[[0, -1]], [start, end], atol=1e-6)


@pytest.mark.parametrize("end", [[-1.0, 0, 0], [1.0, 0, 0]])
def test_opposite_and_equal_codes_have_an_arc(end):
    z = walks._arc(np.array([1.0, 0, 0]), np.array(end), np.linspace(0, 1, 5)[:, np.newaxis])
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1)
    np.testing.assert_allclose(z[-1], end, atol=1e-12)


# Manifold


def test_two_dimensions_are_gridded_at_quantiles_of_the_prior(walked):
    """Within 0.1, five standard errors of a quantile of 10000 draws: a false alarm in 1 of 10^5 seeds."""
    figure = plotting.manifold(image_vae(), steps=7)
    expected = scipy.stats.norm.ppf((np.arange(7) + 0.5) / 7)
    (grid,) = walked
    np.testing.assert_allclose(grid[..., 0], np.tile(expected, [7, 1]), atol=0.1)
    np.testing.assert_allclose(grid[..., 1], np.tile(expected[::-1, np.newaxis], 7), atol=0.1)  # up is up
    assert figure.axes[0].get_xlabel().startswith("z[0], at quantiles of p(z)")
    assert len(tiles(figure, (6, 4), columns=7)) == 7 and png(figure)


@pytest.mark.parametrize("event", [(6, 4, 3), (5,)])
def test_more_dimensions_are_gridded_in_the_principal_plane_of_the_codes(walked, event):
    vae, x = image_vae(event, latent=4, likelihood=tfvae.likelihoods.Normal), examples(50, *event)
    figure = plotting.manifold(vae, x, steps=3)
    codes = latents.codes(vae, x).astype(float)
    center, directions = codes.mean(0), np.linalg.svd(codes - codes.mean(0))[2][:2]
    offsets = walked[0].reshape(-1, 4) - center
    np.testing.assert_allclose(offsets @ directions.T @ directions, offsets, atol=1e-5)
    across = np.abs(offsets @ directions[0]).reshape(3, 3)
    expected = np.abs(np.quantile((codes - center) @ directions[0], [1 / 6, 1 / 2, 5 / 6]))
    np.testing.assert_allclose(np.sort(across[0]), np.sort(expected), atol=1e-5)
    assert "principal component 1" in figure.axes[0].get_xlabel() and png(figure)


# q(z) against p(z)


def test_marginals_are_densities_of_draws_from_q_and_p():
    vae, x = set_exact(linear_vae(), shift=3.0), data(1000, seed=5)
    figure = plotting.aggregated_posterior(vae, x)
    plane, *marginals = figure.axes
    z = latents.draws(vae, x, 0)
    np.testing.assert_allclose(plane.collections[0].get_offsets(), z, atol=1e-6)
    assert len(plane.collections) > 1  # contours of the prior
    assert len(marginals) == 2
    for axes in marginals:
        d = int(axes.get_title()[2])
        bars = [bar for bar in axes.patches if hasattr(bar, "get_height")]
        heights, widths = np.array([[bar.get_height(), bar.get_width()] for bar in bars]).T
        assert np.sum(heights * widths) == pytest.approx(1)
        middles = [bar.get_x() + bar.get_width() / 2 for bar in bars]
        mean = np.sum(heights * widths * middles)
        assert mean == pytest.approx(z[:, d].mean(), abs=0.1) and mean > 2.5
        outline = axes.patches[-1].get_xy()  # of the prior's histogram
        assert abs(outline[np.argmax(outline[:, 1]), 0]) < 0.7
    assert png(figure)


def test_one_hot_vectors_are_compared_by_category():
    vae, x = vae_on("one-hot"), examples(60, 5)
    figure = plotting.aggregated_posterior(vae, x)
    draws = latents.draws(vae, x, 0)
    for axes in figure.axes:
        d = int(axes.get_title()[2])
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], draws[:, d].mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(axes.lines[0].get_ydata(), 1 / 3, atol=0.02)  # six standard errors
    assert png(figure)


def test_a_flow_and_one_dimension_can_be_drawn():
    vae, x = vae_on("flow"), examples(20, 5)
    for figure in (plotting.aggregated_posterior(vae, x), plotting.interpolation(vae, x[:1], x[1:2])):
        assert png(figure)
    assert "Var E[z]" in plotting.latent_traversals(vae, x, steps=2).axes[0].get_ylabel()  # it knows no KL
    assert png(plotting.aggregated_posterior(image_vae(latent=1), examples(1, 6, 4, 1)))  # nor one example a variance


# Numbers of a report


def test_bars_are_sorted_add_up_to_the_rate_and_mark_active_units(report):
    figure = plotting.kl_per_dimension(report)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == sorted(report.kl_per_dimension, reverse=True)
    assert sum(heights) == pytest.approx(report.rate.mean, rel=1e-5)
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["active, Var E[z] above 0.01: 2"]
    assert "nats" in figure.axes[0].get_ylabel() and png(figure)
    quiet = dataclasses.replace(report, kl_per_dimension=(0.1, 0.9, 0.0), unit_activity=(0.5, 0.5, 0.001))
    axes = plotting.kl_per_dimension(quiet).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "0", "2"]
    colors = {bar.get_height(): bar.get_facecolor() for bar in axes.patches}
    assert colors[0.9] == colors[0.1] != colors[0.0]
    single = dataclasses.replace(report, unit_activity=(np.nan, np.nan))
    assert "unknown" in plotting.kl_per_dimension(single).axes[0].get_legend().get_texts()[0].get_text()
    with pytest.raises(InvalidInput, match="a KL for each dimension"):
        plotting.kl_per_dimension(dataclasses.replace(report, kl_per_dimension=None))


def test_the_ladder_rises_to_the_estimate_on_a_log_axis(report):
    axes = plotting.bound_ladder(report).axes[0]
    steps = axes.containers[0]
    assert list(steps.lines[0].get_xdata()) == [1, 10, 100]
    assert list(steps.lines[0].get_ydata()) == [rung.bound.mean for rung in report.ladder]
    (segments,) = (collection.get_segments() for collection in steps.lines[2])
    widths = [abs(end[1] - start[1]) for start, end in segments]
    np.testing.assert_allclose(widths, [2 * rung.bound.standard_error for rung in report.ladder])
    assert axes.get_xscale() == "log" and axes.get_ylabel() == "nats per example"
    assert (
        set(axes.lines[-1].get_ydata()) == {report.log_prob.mean} or report.log_prob.mean in axes.lines[0].get_ydata()
    )
    assert png(plotting.bound_ladder(dataclasses.replace(report, ladder=report.ladder[:1])))


def test_the_health_of_a_training_is_drawn_where_it_was_watched():
    figure = plotting.learning_curves({**HISTORY, "active_units": [2.0, 3, 3, 4], "mutual_information": [0.1] * 4})
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["ELBO", "rate", "distortion", "active units", "I(x; z)"]
    np.testing.assert_array_equal(figure.axes[3].lines[0].get_ydata(), [2, 3, 3, 4])
    assert figure.axes[3].get_ylabel() == "dimensions of z" and png(figure)


# Mistakes


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda vae, x: plotting.latent_traversals(vae, x[:0]), "an empty x"),
        (lambda vae, x: plotting.latent_traversals(vae, x * np.nan), "nan"),
        (lambda vae, x: plotting.latent_traversals(vae, x, dimensions=[2]), "dimension from 0 to 1"),
        (lambda vae, x: plotting.latent_traversals(vae, x, dimensions=[]), "at least one dimension"),
        (lambda vae, x: plotting.latent_traversals(vae, x, example=4), "example from 0 to 3"),
        (lambda vae, x: plotting.latent_traversals(vae, x, steps=0), "steps"),
        (lambda vae, x: plotting.latent_traversals(vae, x, spread=0), "spread"),
        (lambda vae, x: plotting.interpolation(vae, x, x[:2]), "4 starts, 2 ends"),
        (lambda vae, x: plotting.interpolation(vae, x, x, steps=1), "steps of at least 2"),
        (lambda vae, x: plotting.interpolation(vae_on("one-hot"), x, x), "points between two codes"),
        (lambda vae, x: plotting.manifold(vae_on("sphere")), "unit vectors, D = 3"),
        (lambda vae, x: plotting.manifold(image_vae(latent=1)), "real numbers, D = 1"),
        (lambda vae, x: plotting.manifold(image_vae(latent=3)), "examples x for D = 3"),
        (lambda vae, x: plotting.aggregated_posterior(vae, x, max_dimensions=0), "max_dimensions"),
        (lambda vae, x: plotting.reconstructions(vae, x, titles=["one"]), "4 titles"),
    ],
)
def test_mistakes_are_told(draw, message):
    with pytest.raises(InvalidInput, match=message):
        draw(image_vae(), examples(4, 6, 4, 1))


def test_labels_have_a_mode_in_place_of_a_mean():
    likelihood = tfvae.likelihoods.Categorical((4,), num_categories=3, network=tfvae.networks.mlp([8]))
    vae = tiny_vae(likelihood, units=[8], compiled=False)
    figure = plotting.samples(vae, num_samples=6)
    assert set(np.unique(figure.axes[0].images[0].get_array())) <= {0, 1, 2}
    assert figure.axes[1].get_ylabel() == "mode of p(x | z)"
    assert canvas.png(plotting.manifold(vae, steps=3))
