"""Pictures that a person reads: tables on one scale, names that do not cover each other, examples with their row."""

import numpy as np
import pytest

import tfvae
from tfvae import plotting
from tfvae.app.report_page.pictures import pictures
from tfvae.likelihoods import Bernoulli, Categorical, Normal, Poisson
from tfvae.plotting import canvas, latents
from tfvae.posteriors import DiagonalNormal

UNITS = np.float32([1.0, 1000.0, 0.001, 50.0])


def table_vae():
    """A model of a table whose columns have very different units, and the table."""
    x = (3.0 + np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)) * UNITS
    vae = tfvae.VAE(DiagonalNormal(2), Normal((4,)))
    vae.adapt(x)
    return vae, x


def heights(figure):
    """Returns what the panels of a figure show: heights of bars and points."""
    panels = [axes for axes in figure.axes if axes.patches]
    return np.array([[bar.get_height() for bar in axes.patches] for axes in panels])


def test_the_columns_of_a_table_have_one_scale():
    vae, x = table_vae()
    figure = plotting.reconstructions(vae, x, max_examples=10)
    np.testing.assert_allclose(heights(figure), (x[:10] - x.mean(0)) / x.std(0), atol=1e-3)
    assert figure.get_supylabel() == "x (Standardized)"
    axes, bar = plotting.samples(vae, 9).axes
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn.shape == (9, 4) and np.abs(drawn).max() < 20
    assert bar.get_ylabel() == "mean of p(x (Standardized) | z)"


@pytest.mark.parametrize(
    ("likelihood", "shown"),
    [
        (Normal, "scaled"),
        (Poisson, "scaled"),
        (Bernoulli, "raw"),
        (lambda shape: Categorical(shape, num_categories=3), "raw"),
    ],
)
def test_the_scale_is_the_posteriors_where_it_keeps_the_columns(likelihood, shown):
    vae = tfvae.VAE(DiagonalNormal(2), likelihood((4,)))
    x = np.float32([[0, 1, 1, 0], [1, 1, 0, 0]])
    expected = vae.scaling(x) if shown == "scaled" else x
    np.testing.assert_allclose(latents.one_scale(vae, x), expected)
    assert (latents.axis_of_values(vae) == "x") == (shown == "raw")


def test_images_keep_their_values():
    vae = tfvae.VAE(DiagonalNormal(2), Normal((8, 8, 1)))
    x = np.random.default_rng(0).uniform(size=(20, 8, 8, 1)).astype(np.float32)
    vae.adapt(x)
    np.testing.assert_array_equal(latents.one_scale(vae, x), x)


@pytest.mark.parametrize("number", [2, 5, 10])
@pytest.mark.parametrize("spread", [0.0, 0.1, 3.0])
@pytest.mark.parametrize("word", ["{}", "class number {}", "of {}\ntwo lines"])
def test_names_of_classes_do_not_cover_each_other(number, spread, word):
    figure = canvas.empty_figure(6.0, 4.7)
    axes = figure.subplots()
    middles = np.random.default_rng(number).normal(size=(number, 2)) * spread
    axes.scatter(*np.random.default_rng(0).normal(size=(2, 200)) * 3)
    style = {"bbox": {"boxstyle": "round,pad=0.2"}, "fontsize": "small", "ha": "center", "va": "center"}
    notes = [
        axes.annotate(word.format(i), m, m, arrowprops={"arrowstyle": "-"}, **style) for i, m in enumerate(middles)
    ]
    canvas.apart(axes, notes)
    figure.draw_without_rendering()
    boxes = [note.get_bbox_patch().get_window_extent() for note in notes]
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    low, high = axes.bbox.min - 1, axes.bbox.max + 1
    assert all((box.min >= low).all() and (box.max <= high).all() for box in boxes)
    assert all(note.xy == pytest.approx(middle) for note, middle in zip(notes, middles, strict=True))


def test_a_name_that_covers_none_stays():
    axes = canvas.empty_figure(6.0, 4.7).subplots()
    axes.scatter([0, 10], [0, 10])
    notes = [axes.annotate(str(m), (m, m), (m, m), bbox={}, ha="center", va="center") for m in (3, 7)]
    canvas.apart(axes, notes)
    assert [note.get_position() for note in notes] == [pytest.approx((3, 3)), pytest.approx((7, 7))]


def test_the_plane_of_codes_moves_its_names():
    vae, x = table_vae()
    figure = plotting.latent_plane(vae, x, [f"a class with a long name, {row % 5}" for row in range(60)])
    figure.draw_without_rendering()
    boxes = [note.get_bbox_patch().get_window_extent() for note in figure.axes[0].texts]
    assert len(boxes) == 5 and not [1 for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


@pytest.mark.parametrize("shape", [(4,), (8, 8, 1)])
def test_least_and_most_likely_examples_carry_their_row(shape):
    vae = tfvae.VAE(DiagonalNormal(2), Normal(shape))
    x = np.random.default_rng(0).normal(size=(12, *shape)).astype(np.float32)
    x[7] += 30.0
    report = tfvae.evaluation.evaluate(vae, x, 5, per_example=True, verbose=False)
    found = {picture.title: picture for picture in pictures(vae, report, x)}
    log_prob = report.per_example["log_prob"]
    for title, first in (("Least likely examples", 7), ("Most likely examples", int(np.argmax(log_prob)))):
        axes = found[title].draw().axes[0]
        shown = axes.get_title() if shape == (4,) else axes.get_xticklabels()[0].get_text()
        assert shown == f"row {first}\n{log_prob[first]:.1f}"
        assert "its row in this split, counted from 0" in found[title].look_for


def test_titles_of_several_lines_lie_within_a_mosaic():
    figure = canvas.mosaic(np.zeros([4, 8, 8]), 4, titles=["row 1000\n-123.4"] * 4)
    figure.draw_without_rendering()
    assert all(label.get_window_extent().ymin >= 0 for label in figure.axes[0].get_xticklabels())
