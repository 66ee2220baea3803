"""Pictures of a model that is told something: each is decoded under the condition that stands at it."""

import numpy as np
import pytest
from tiny import tiny_vae

from tfvae import InvalidInput, likelihoods, plotting, posteriors, priors
from tfvae.conditions import Labels, Real
from tfvae.core import seeds
from tfvae.evaluation import evaluate
from tfvae.plotting import canvas, latents

GENERATOR = np.random.default_rng(0)
X, LABELS = GENERATOR.integers(0, 2, [12, 4, 4, 1]).astype("float32"), np.arange(12) % 3
OBSERVED = {"x": X, "condition": LABELS}


def told_vae(part=None, latent=2, event=(4, 4, 1), likelihood=likelihoods.Bernoulli):
    """A model whose parts are all told, with weights that make each label differ."""
    posterior = posteriors.DiagonalNormal(latent, given=("x", "condition"))
    prior = priors.DiagonalNormal(latent, given="condition")
    part = Labels(3) if part is None else part
    vae = tiny_vae(likelihood(event, given=("z", "condition")), posterior=posterior, prior=prior, condition=part)
    vae.set_weights([GENERATOR.normal(size=value.shape) for value in vae.get_weights()])
    return vae


@pytest.fixture(scope="module")
def vae():
    return told_vae()


@pytest.fixture
def drawn(monkeypatch):
    """Returns the images that reach the canvas, one array a picture, in rows of its columns."""
    seen, mosaic = [], canvas.mosaic
    record = lambda images, columns, *more, **rest: seen.append(images) or mosaic(images, columns, *more, **rest)  # noqa: E731
    monkeypatch.setattr(canvas, "mosaic", record)
    return seen


def means(vae, z, condition):
    return vae.decode(np.float32(z), condition=np.asarray(condition)).mean().numpy()


def test_samples_stand_in_a_row_for_each_condition(vae, drawn):
    figure = plotting.samples(vae, 5, seed=1, condition=[2, 0])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["condition = 2", "condition = 0"]
    told = vae.encoded_conditions(vae.told([2, 0]))
    z, _, _ = vae.sample_likelihood(5, seeds.as_seed(1), told)
    for row, label in enumerate([2, 0]):
        np.testing.assert_allclose(drawn[0][5 * row :][:5], means(vae, z[:, row], [label] * 5), atol=1e-5)


def test_one_condition_fills_a_square_and_names_replace_numbers(vae, drawn):
    plotting.samples(vae, 9, condition=[1])
    assert drawn[0].shape == (9, 4, 4, 1)
    figure = plotting.samples(vae, 2, condition=[0, 1], names=["ant", "cow"])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["ant", "cow"]
    with pytest.raises(InvalidInput, match="2 names"):
        plotting.samples(vae, 2, condition=[0, 1], names=["ant"])


def test_events_that_are_no_images_have_a_panel_for_each_condition():
    vae = told_vae(Real(2), event=6, likelihood=likelihoods.Normal)
    figure = plotting.samples(vae, 4, condition=np.float32([[0, 1], [1, 0], [2, 2]]))
    panels = [axes for axes in figure.axes if axes.lines]
    assert [len(axes.lines) for axes in panels] == [4, 4, 4]
    assert [axes.get_ylabel() for axes in panels] == ["condition 0", "condition 1", "condition 2"]  # too long to name
    one = plotting.samples(vae, 4, condition=np.float32([[0, 1]]))
    assert one.axes[0].images[0].get_array().shape == (4, 6)


def test_reconstructions_are_told_the_condition_of_each_example(vae, drawn):
    figure = plotting.reconstructions(vae, OBSERVED, 4)
    np.testing.assert_allclose(drawn[0][4:], vae.reconstruct(X[:4], condition=LABELS[:4]), atol=1e-6)
    wanted = [f"condition = {label}" for label in LABELS[:4]]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == wanted


def test_a_traversal_is_told_the_condition_of_its_example(vae, drawn):
    plotting.latent_traversals(vae, OBSERVED, dimensions=[1], example=2, steps=3)
    z = np.repeat(latents.codes(vae, OBSERVED)[2:3], 3, axis=0)
    draws = latents.draws(vae, OBSERVED, 0)[:, 1]
    z[:, 1] = draws.mean() + np.array([-2, 0, 2]) * draws.std()
    np.testing.assert_allclose(drawn[0], means(vae, z, [2, 2, 2]), atol=1e-5)


def test_an_interpolation_is_told_the_condition_of_its_start(vae, drawn):
    starts, ends = ({"x": X[rows], "condition": LABELS[rows]} for rows in (slice(1, 3), slice(5, 7)))
    plotting.interpolation(vae, starts, ends, steps=2)
    z, ends = latents.codes(vae, starts), latents.codes(vae, ends)
    rows = drawn[0].reshape(2, 4, 4, 4, 1)
    np.testing.assert_allclose(rows[:, 1], means(vae, z, [1, 2]), atol=1e-5)
    np.testing.assert_allclose(rows[:, 2], means(vae, ends, [1, 2]), atol=1e-5)


@pytest.mark.parametrize("latent", [2, 3])
def test_a_manifold_is_of_one_condition(latent, drawn):
    vae = told_vae(latent=latent)
    pictures = [plotting.manifold(vae, OBSERVED, steps=3, condition=[label]) for label in (0, 1)]
    assert len(pictures) == 2 and not np.allclose(*drawn)
    for condition, message in ((None, "what this model is told"), ([0, 1], "one condition for the whole grid")):
        with pytest.raises(InvalidInput, match=message):
            plotting.manifold(vae, OBSERVED, steps=3, condition=condition)


def test_the_prior_beside_the_codes_is_the_mean_over_their_conditions(vae):
    """Of 2000 draws of a normal for each label: the mean within 5 standard errors."""
    told = {"condition": LABELS}
    z = latents.prior_draws(vae, 2000, 0, told)
    p = vae.prior_of(LABELS)
    mean, variance = p.mean().numpy().mean(axis=0), p.variance().numpy().mean(axis=0) + p.mean().numpy().var(axis=0)
    assert np.all(np.abs(z.mean(axis=0) - mean) < 5 * np.sqrt(variance / 2000))
    densities = np.exp([vae.prior_of([label]).log_prob(z[:5]).numpy() for label in range(3)])
    np.testing.assert_allclose(latents.log_prior(vae, z[:5], told), np.log(densities.mean(axis=0)), rtol=1e-4)
    assert len(plotting.aggregated_posterior(vae, OBSERVED).axes) == 3


def test_codes_and_reports_are_drawn_of_what_is_known(vae):
    assert plotting.latent_plane(vae, OBSERVED, labels=LABELS).axes[0].collections
    report = evaluate(vae, OBSERVED, num_samples=30, verbose=False)
    legend = plotting.bound_ladder(report).axes[0].get_legend().get_texts()
    assert report.condition == ("condition",)
    assert "log p(x | condition)" in str(report) and "log p(x | condition)" in " ".join(t.get_text() for t in legend)
    assert "rate less I(x; z)" in str(report) and "KL(q(z)" not in str(report)
    assert type(report).from_json(report.to_json()) == report


@pytest.mark.parametrize(
    "draw",
    [
        lambda vae: plotting.samples(vae),
        lambda vae: plotting.reconstructions(vae, X),
        lambda vae: plotting.latent_plane(vae, X),
        lambda vae: plotting.latent_traversals(vae, X),
        lambda vae: plotting.interpolation(vae, X[:2], X[2:4]),
        lambda vae: plotting.manifold(vae),
        lambda vae: plotting.aggregated_posterior(vae, X),
    ],
)
def test_each_picture_names_the_condition_that_it_lacks(draw, vae):
    with pytest.raises(InvalidInput, match=r"what this model is told \(condition, Labels\(3\)\)"):
        draw(vae)
