"""Pictures of several latents: one moves, the others stay as they are; what has no picture says what to do instead."""

import re

import numpy as np
import pytest
from ladders import COV_Z, OFFSET, data, ladder
from pictures import HISTORY, examples, png
from scipy.stats import multivariate_normal

import tfvae
from tfvae import estimators, likelihoods, networks, plotting, posteriors, priors
from tfvae.app import report_page
from tfvae.core.errors import InvalidInput
from tfvae.evaluation import evaluate
from tfvae.plotting import latents

X = data(40, 1)


def kinds():
    """Returns a ladder of four categories above three numbers, both of which the likelihood is given."""
    z2, z1 = posteriors.Categorical(1, 4), posteriors.DiagonalNormal(3, given=("x", "z2"))
    below = priors.DiagonalNormal(3, given="z2")
    likelihood = likelihoods.Normal(4, networks.mlp([4]), given=("z1", "z2"))
    vae = tfvae.VAE(tfvae.Joint(z2=z2, z1=z1), likelihood, tfvae.Joint(z2=priors.Categorical(1, 4), z1=below), seed=1)
    vae.compile("adam", estimator=estimators.ScoreFunction())
    return vae


@pytest.fixture(scope="module")
def vae():
    return kinds()


@pytest.fixture
def walked(monkeypatch):
    """Returns what is decoded, in order."""
    seen, decoded = [], latents.decoded

    def watched(vae, z, told=None):
        seen.append(z)
        return decoded(vae, z, told)

    monkeypatch.setattr("tfvae.plotting.latents.decoded", watched)
    return seen


def test_a_traversal_leaves_the_other_latents_as_they_are(vae, walked):
    codes = latents.codes(vae, X[7:8])
    figure = plotting.latent_traversals(vae, X, dimensions=[2, 0], example=7, steps=5)
    (z,) = walked
    assert z["z1"].shape == (2, 5, 3) and z["z2"].shape == (2, 5, 1, 4)
    np.testing.assert_array_equal(z["z2"], np.broadcast_to(codes["z2"][0], (2, 5, 1, 4)))
    for row, moved in enumerate((2, 0)):
        assert np.ptp(z["z1"][row, :, moved]) > 0.1
        kept = np.delete(z["z1"][row], moved, axis=-1)
        np.testing.assert_array_equal(kept, np.broadcast_to(np.delete(codes["z1"][0], moved), kept.shape))
    assert figure.axes[0].get_ylabel().startswith("z1[2]: ")


def test_a_traversal_of_categories_goes_through_all_of_them(vae, walked):
    codes = latents.codes(vae, X[:1])
    assert png(plotting.latent_traversals(vae, X, latent="z2"))
    (z,) = walked
    np.testing.assert_array_equal(z["z2"][0, :, 0], np.eye(4))
    np.testing.assert_array_equal(z["z1"], np.broadcast_to(codes["z1"][0], (1, 4, 3)))


def test_between_two_examples_all_latents_move_or_one_alone(walked):
    vae = ladder("topdown")
    start, end = (latents.codes(vae, x) for x in (X[:2], X[2:4]))
    with pytest.raises(InvalidInput, match='latent="z1"'):
        plotting.interpolation(vae, X[:2], X[2:4], latent="z2")  # the likelihood is given z1 alone
    plotting.interpolation(vae, X[:2], X[2:4], steps=3)
    for name in ("z1", "z2"):
        ends = start[name], (start[name].astype(float) + end[name]) / 2, end[name]
        np.testing.assert_allclose(walked[0][name], np.stack(ends, axis=1), rtol=1e-6)
    plotting.interpolation(vae, X[:2], X[2:4], steps=3, latent="z1")
    np.testing.assert_array_equal(walked[1]["z1"], walked[0]["z1"])
    np.testing.assert_array_equal(walked[1]["z2"], np.stack([start["z2"]] * 3, axis=1))


def test_a_plane_of_one_latent_holds_the_others_at_the_first_example(vae, walked):
    codes = latents.codes(vae, X)
    assert png(plotting.manifold(vae, X, steps=3))
    np.testing.assert_array_equal(walked[0]["z2"], np.broadcast_to(codes["z2"][0], (3, 3, 1, 4)))
    with pytest.raises(InvalidInput, match="Pass x"):
        plotting.manifold(ladder("topdown"), steps=3)  # D = 2, where one latent needs no examples


def test_prior_draws_of_a_latent_are_those_of_its_marginal():
    """z1 of the linear ladder: 4000 draws, and log p(z1) by 500 draws of z2 against the exact normal."""
    vae = ladder("topdown", exact=True)
    z = latents.prior_draws(vae, 4000, 0)["z1"]
    np.testing.assert_allclose(np.cov(z.T), COV_Z[1:, 1:], atol=0.15)  # 4.5 errors of the largest, 1.69
    points = np.float32([OFFSET, OFFSET + [0.5, 0.3], OFFSET - [1.0, 0.2]])
    exact = multivariate_normal(OFFSET, COV_Z[1:, 1:]).logpdf(points)
    np.testing.assert_allclose(latents.log_prior(vae, points, {}, "z1"), exact, atol=0.25)


def test_bars_of_the_rate_of_each_latent(vae):
    report = evaluate(vae, X, 20, verbose=False)
    (axes,) = plotting.kl_per_dimension(report).axes
    heights = [patch.get_height() for patch in axes.patches]
    np.testing.assert_allclose(sorted(heights), sorted(rate.mean for rate in report.rates.values()))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["z2", "z1"]


def test_curves_of_the_rate_of_each_latent():
    figure = plotting.learning_curves({**HISTORY, "rate_z2": [0.5, 0.5, np.nan, 1.0], "rate_z1": [0.5, 1.0, 1.0, 1.0]})
    axes = figure.axes[-1]
    assert axes.get_title() == "rate of each latent" and len(figure.axes) == 4
    assert [line.get_label() for line in axes.lines] == ["z2, last 1.00", "z1, last 1.00"]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [0.5, 0.5, np.nan, 1.0])
    assert png(figure)


PICTURES = {
    "latent_plane": lambda vae, **of: plotting.latent_plane(vae, X, np.arange(40) % 3, **of),
    "aggregated_posterior": lambda vae, **of: plotting.aggregated_posterior(vae, X, **of),
    "latent_traversals": lambda vae, **of: plotting.latent_traversals(vae, X, steps=3, **of),
    "interpolation": lambda vae, **of: plotting.interpolation(vae, X[:2], X[2:4], 3, **of),
    "manifold": lambda vae, **of: plotting.manifold(vae, X, steps=3, **of),
}


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_of_each_latent_is_drawn_or_refused_with_a_latent_that_works(vae, name):
    """Remedies that name a latent are followed; a name of none is refused with a list."""
    for latent in ("z1", "z2"):
        try:
            assert PICTURES[name](vae, latent=latent).axes
        except InvalidInput as refusal:
            assert latent == "z2" and name in ("interpolation", "manifold")
            for other in re.findall(r'latent="(\w+)"', str(refusal)):
                assert PICTURES[name](vae, latent=other).axes
    with pytest.raises(InvalidInput, match="z2, z1"):
        PICTURES[name](vae, latent="w")


@pytest.mark.slow
def test_the_page_shows_each_latent_and_says_what_it_leaves_out(vae, tmp_path):
    report_page.write(tmp_path / "page.html", vae, evaluate(vae, X, 20, verbose=False, per_example=True), X)
    text = (tmp_path / "page.html").read_text()
    assert "z2: Categorical posterior and Categorical prior" in text and "the prior given z2" in text
    for title in ("Latent plane of z1", "Latent plane of z2", "Latent traversals of z2", "KL per latent"):
        assert f"<h3>{title}</h3>" in text
    assert "Manifold of z2: not drawn" in text and "I(x; z2), nats: what z2 tells" in text
    assert "q(z1 | x) is a mixture over z2" in text


def test_a_model_of_one_latent_takes_its_name_too():
    vae = tfvae.VAE(posteriors.DiagonalNormal(2), likelihoods.Bernoulli(5), seed=0)
    x = examples(6, 5)
    np.testing.assert_array_equal(latents.codes(vae, x), tfvae.evaluation.posterior_means(vae, x, latent="z"))
    with pytest.raises(InvalidInput, match="the name of a latent: z"):
        plotting.latent_plane(vae, x, latent="z1")
