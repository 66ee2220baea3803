"""The pictures: what is drawn is what the model says, for every kind of event, and mistakes are told."""

import importlib
import sys

import keras
import numpy as np
import pytest
from pictures import HISTORY, examples, image_vae, png, tiles

import tfvae
from tfvae import plotting
from tfvae.core.errors import InvalidInput
from tfvae.plotting import latents

# Learning curves


def test_learning_curves_start_at_epoch_one_and_name_their_unit():
    figure = plotting.learning_curves(HISTORY)
    assert [axes.get_title() for axes in figure.axes] == ["ELBO", "rate", "distortion"]
    for axes, name in zip(figure.axes, ("elbo", "rate", "distortion"), strict=True):
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 3, 4])
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), HISTORY[name])
        assert "nats" in axes.get_ylabel() and axes.get_xlabel() == "epoch"
    elbo, rate, _ = figure.axes
    np.testing.assert_array_equal(elbo.lines[1].get_ydata(), HISTORY["val_elbo"])
    assert [text.get_text() for text in elbo.get_legend().get_texts()] == [
        "training, last -7.25",
        "validation, last -7.75",
    ]
    assert len(rate.lines) == 1  # val_rate is missing


def test_one_epoch_is_visible():
    figure = plotting.learning_curves({name: values[:1] for name, values in HISTORY.items()})
    png(figure)
    for axes in figure.axes:
        assert axes.lines[0].get_marker() == "."
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_values_that_are_not_finite_leave_a_gap():
    history = {**HISTORY, "elbo": [np.nan, -8.0, np.inf, -7.0], "rate": [np.nan] * 4}
    figure = plotting.learning_curves(history)
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [np.nan, -8.0, np.nan, -7.0])
    assert png(figure)


def test_validation_of_every_kth_epoch_stands_at_its_epoch():
    """Keras' `validation_freq=2` over five epochs validates after the second and the fourth."""
    vae = image_vae(seed=1)
    vae.compile("adam")
    x = examples(8, 6, 4, 1).round()
    history = vae.fit(x, validation_data=x, validation_freq=2, epochs=5, verbose=0).history
    lines = plotting.learning_curves(history).axes[0].lines
    np.testing.assert_array_equal(lines[0].get_xdata(), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(lines[1].get_xdata(), [2, 4])


def test_the_epochs_of_a_validation_may_be_said():
    """One value after five epochs may be that of the third, the fourth or the fifth."""
    history = {name: [1.0] * 5 for name in ("elbo", "rate", "distortion")} | {"val_elbo": [2.0]}
    for freq, epoch in ((None, 5), (3, 3)):
        lines = plotting.learning_curves(history, validation_freq=freq).axes[0].lines
        assert [list(line.get_xdata()) for line in lines] == [[1, 2, 3, 4, 5], [epoch]]


@pytest.mark.parametrize(
    ("history", "received"),
    [
        ({}, "keys []"),
        ({"elbo": [1.0], "rate": [1.0]}, "keys ['elbo', 'rate']"),
        ({"elbo": [], "rate": [], "distortion": []}, "keys ['distortion', 'elbo', 'rate']"),
        (keras.callbacks.History(), "a History"),
        ([1.0, 2.0], "a list"),
    ],
)
def test_a_history_without_the_three_curves_is_refused(history, received):
    with pytest.raises(InvalidInput, match=r"Pass vae\.fit\(\.\.\.\)\.history") as error:
        plotting.learning_curves(history)
    assert received in str(error.value)


# Reconstructions


@pytest.mark.parametrize("event", [(6, 4), (6, 4, 1), (6, 4, 3)])
def test_images_stand_above_their_reconstructions(event):
    vae, x = image_vae(event, likelihood=tfvae.likelihoods.Normal), examples(5, *event)
    figure = plotting.reconstructions(vae, x, max_examples=3)
    originals, means = tiles(figure, event, columns=3)
    np.testing.assert_allclose(originals.reshape(3, *event), x[:3], atol=1e-6)
    np.testing.assert_allclose(means.reshape(3, *event), np.clip(vae.reconstruct(x[:3]), 0, 1), atol=1e-6)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["original", "reconstruction"]
    assert png(figure)


def test_scaling_alone_adds_no_row_but_binarisation_does():
    x = (examples(4, 6, 4, 1) * 255).astype(np.uint8)
    x[:, 0, 0], x[:, 0, 1] = 0, 255
    scale = keras.layers.Rescaling(1 / 255, dtype="float32")
    figure = plotting.reconstructions(image_vae(likelihood=tfvae.likelihoods.Normal, preprocessing=[scale]), x)
    assert len(tiles(figure, (6, 4), columns=4)) == 2
    vae = image_vae(preprocessing=[scale, tfvae.preprocessing.StochasticBinarization()])
    figure = plotting.reconstructions(vae, x)
    originals, inputs, means = tiles(figure, (6, 4), columns=4)
    np.testing.assert_allclose(originals, x / 255, atol=1e-6)
    np.testing.assert_array_equal(inputs, vae.preprocess(x))
    np.testing.assert_allclose(means, vae.reconstruct(x), atol=1e-6)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["original", "model's input", "reconstruction"]


def test_data_of_another_scale_go_from_black_to_white():
    x = 40 * examples(3, 6, 4, 1) - 20
    originals, means = tiles(
        plotting.reconstructions(image_vae(likelihood=tfvae.likelihoods.Normal), x), (6, 4), columns=3
    )
    np.testing.assert_allclose(originals, (x - x.min()) / np.ptp(x), atol=1e-6)
    assert means.min() > 0.2 and means.max() < 0.8  # an untrained mean is near 0: the scale is that of x, not its own


def test_a_constant_image_can_be_drawn():
    vae = image_vae(likelihood=tfvae.likelihoods.Normal)
    originals, _ = tiles(plotting.reconstructions(vae, np.full([2, 6, 4, 1], 7.0)), (6, 4), columns=2)
    assert np.all(originals == 0)


def test_a_short_vector_is_drawn_as_bars_under_marks():
    vae, x = image_vae(5, likelihood=tfvae.likelihoods.Normal), examples(7, 5)
    figure = plotting.reconstructions(vae, x)
    shown = [axes for axes in figure.axes if axes.lines]
    assert len(shown) == 7
    for axes, row, mean in zip(shown, x, vae.reconstruct(x).numpy(), strict=True):
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], row)
        np.testing.assert_allclose(axes.lines[0].get_ydata(), mean)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["original", "reconstruction"]
    assert png(figure)


@pytest.mark.parametrize("event", [(40,), (3, 4, 2, 2), (5, 4, 2)])
def test_other_events_are_drawn_as_lines(event):
    vae, x = image_vae(event, likelihood=tfvae.likelihoods.Normal), examples(2, *event)
    axes = plotting.reconstructions(vae, x).axes[1]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), x[1].ravel())
    np.testing.assert_allclose(axes.lines[1].get_ydata(), vae.reconstruct(x)[1].numpy().ravel(), atol=1e-6)


# Samples


def test_samples_are_the_decoded_means_of_the_same_z_as_the_draws():
    """With a scale of nearly zero a draw from p(x | z) is its mean, so both pictures must agree."""
    vae = image_vae(likelihood=lambda event, network: tfvae.likelihoods.Normal(event, network, scale=2e-5))
    for weight in vae.likelihood.trainable_weights:
        weight.assign(3 * weight)
    draws = vae.sample(7, seed=4).numpy()
    shown = tiles(plotting.samples(vae, num_samples=7, seed=4), (6, 4), columns=3).reshape(9, 6, 4, 1)
    assert draws.max() > 1.5  # so that the scale goes from the lowest to the highest value
    np.testing.assert_allclose(shown[:7], (draws - draws.min()) / np.ptp(draws), atol=2e-4)
    assert np.all(shown[7:] == 1)  # nothing left over
    again = tiles(plotting.samples(vae, num_samples=7, seed=5), (6, 4), columns=3).reshape(9, 6, 4, 1)
    assert not np.allclose(shown, again)


def test_samples_of_a_vector_are_a_heat_map():
    vae = image_vae(5, likelihood=lambda event, network: tfvae.likelihoods.Normal(event, network, scale=2e-5))
    figure = plotting.samples(vae, num_samples=6)
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), vae.sample(6, seed=0), atol=2e-4)
    assert figure.axes[0].get_xlabel() == "dimension of x"
    assert figure.axes[1].get_ylabel() == "mean of p(x (Standardized) | z)"  # the colour bar
    assert png(figure)


# The latent plane


def points(figure):
    return np.concatenate([part.get_offsets() for part in figure.axes[0].collections])


def test_two_dimensions_are_drawn_as_they_are():
    vae, x = image_vae(), examples(9, 6, 4, 1)
    figure = plotting.latent_plane(vae, x)
    np.testing.assert_allclose(points(figure), vae.encode(x).mean(), atol=1e-6)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("z[0]", "z[1]")
    assert not figure.legends


def test_more_dimensions_are_projected_on_the_plane_of_largest_variance(monkeypatch):
    monkeypatch.setattr(latents, "ROWS_PER_BLOCK", 16)  # several blocks, the last one short
    vae, x = image_vae(latent=5), examples(50, 6, 4, 1)
    z = vae.encode(x).mean().numpy().astype(float)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(z.T)))[::-1]
    figure = plotting.latent_plane(vae, x)
    np.testing.assert_allclose(np.cov(points(figure).T), np.diag(eigenvalues[:2]), atol=1e-4 * eigenvalues[0])
    np.testing.assert_allclose(points(figure).mean(0), 0, atol=1e-5)
    share = f"{eigenvalues[0] / eigenvalues.sum():.0%}"
    assert figure.axes[0].get_xlabel() == f"principal component 1 ({share} of the variance)"


@pytest.mark.parametrize("labels", [np.arange(9) % 3, list("abcabcabc"), (np.arange(9) % 3)[:, None]])
def test_kinds_get_a_legend(labels):
    vae, x = image_vae(), examples(9, 6, 4, 1)
    figure = plotting.latent_plane(vae, x, labels)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [str(kind) for kind in np.unique(labels)]
    second = figure.axes[0].collections[1].get_offsets()
    np.testing.assert_allclose(second, vae.encode(x[1::3]).mean(), atol=1e-6)
    assert png(figure)


def test_a_label_is_no_formula():
    assert png(plotting.latent_plane(image_vae(), examples(9, 6, 4, 1), [r"$\oops$", "$^$", "<b>"] * 3))


@pytest.mark.parametrize("labels", [np.linspace(0, 1, 30), np.arange(30)])
def test_a_scale_gets_a_colour_bar(labels):
    figure = plotting.latent_plane(image_vae(), examples(30, 6, 4, 1), labels)
    assert not figure.legends and figure.axes[1].get_ylabel() == "label"
    np.testing.assert_allclose(figure.axes[0].collections[0].get_array(), labels)
    assert png(figure)


@pytest.mark.parametrize("labels", [None, np.arange(9) % 3, np.linspace(0, 1, 9)])
def test_one_dimension_is_a_histogram(labels):
    figure = plotting.latent_plane(image_vae(latent=1), examples(9, 6, 4, 1), labels)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 9
    assert figure.axes[0].get_xlabel() == "z[0]" and figure.axes[0].get_ylabel() == "number of examples"
    assert png(figure)


@pytest.mark.parametrize("latent", [1, 2, 5])
def test_one_example_and_a_collapsed_posterior_can_be_drawn(latent):
    vae = image_vae(latent=latent)
    assert png(plotting.latent_plane(vae, examples(1, 6, 4, 1)))
    for weight in vae.posterior.weights:
        weight.assign(0 * weight)
    figure = plotting.latent_plane(vae, examples(4, 6, 4, 1))
    assert png(figure)
    assert latent < 5 or figure.axes[0].get_xlabel() == "principal component 1 (0% of the variance)"


# Mistakes and surroundings


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda vae, x: plotting.reconstructions(vae, x[:0]), "an empty x"),
        (lambda vae, x: plotting.latent_plane(vae, x[:0]), "an empty x"),
        (lambda vae, x: plotting.reconstructions(vae, x[..., 0]), "shape"),
        (lambda vae, x: plotting.latent_plane(vae, x[:, :5]), "shape"),
        (lambda vae, x: plotting.reconstructions(vae, x * np.nan), "nan"),
        (lambda vae, x: plotting.reconstructions(vae, x, max_examples=0), "max_examples=0"),
        (lambda vae, x: plotting.samples(vae, num_samples=2.5), "num_samples=2.5"),
        (lambda vae, x: plotting.latent_plane(vae, x, [1, 2]), r"labels of shape \(4,\)"),
        (lambda vae, x: plotting.latent_plane(vae, x, np.eye(4)), r"labels of shape \(4,\)"),
    ],
)
def test_mistakes_are_told(draw, message):
    with pytest.raises(InvalidInput, match=message):
        draw(image_vae(), examples(4, 6, 4, 1))


def test_damaged_weights_are_told():
    vae = image_vae()
    vae.posterior.weights[0].assign(np.nan * vae.posterior.weights[0])
    with pytest.raises(InvalidInput, match="finite posterior means"):
        plotting.latent_plane(vae, examples(4, 6, 4, 1))


@pytest.mark.slow
def test_pyplot_is_never_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    vae, x = image_vae(), examples(4, 6, 4, 1)
    for figure in (
        plotting.learning_curves(HISTORY),
        plotting.reconstructions(vae, x),
        plotting.samples(vae),
        plotting.latent_plane(vae, x),
        plotting.latent_traversals(vae, x),
        plotting.interpolation(image_vae(5, likelihood=tfvae.likelihoods.Normal), x[:2, :5, 0, 0], x[2:, :5, 0, 0]),
        plotting.manifold(vae, steps=3),
        plotting.aggregated_posterior(vae, x),
    ):
        assert png(figure).startswith(b"\x89PNG")
        assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook shows


def test_without_matplotlib_the_module_imports_and_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    importlib.reload(plotting)
    with pytest.raises(InvalidInput, match=r"pip install tfvae\[plots\]"):
        plotting.learning_curves(HISTORY)
