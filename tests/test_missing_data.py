"""Data with missing cells, from a file to the page: NaN is a mask, and cells hidden on purpose say what it is worth."""

import json

import numpy as np
import pytest
import tensorflow as tf
from linear_gaussian import SIGMA, W, data, exact_imputation, wide_vae

import tfvae
from tfvae import InvalidInput, datasets
from tfvae.app.options import Options
from tfvae.app.run import load_model, resume, train
from tfvae.evaluation import hidden_cells

RNG = np.random.default_rng(0)
X = (RNG.normal(size=[90, 2]) @ RNG.normal(size=[2, 6]) + 0.3 * RNG.normal(size=[90, 6])).astype(np.float32)
MASK = RNG.random(X.shape) < 0.7
HOLES = np.where(MASK, X, np.nan)


def test_nan_is_a_mask_where_that_is_said():
    """Every split has the mask of its own rows; the protocol says which share is missing."""
    data = datasets.load({"x": HOLES, "y": np.arange(90)}, missing=True)
    for split in (data.train, data.valid, data.test):
        np.testing.assert_array_equal(split.mask, MASK[split.y])
        np.testing.assert_array_equal(split.x, HOLES[split.y])
        assert split.observed.keys() == {"x", "mask"}
        assert data.protocol["missing"][split.name] == pytest.approx(1 - split.mask.mean(), abs=1e-6)
    plain = datasets.load(X)
    assert plain.train.mask is None and "missing" not in plain.protocol


@pytest.mark.parametrize("binarization", ["threshold", "static", "dynamic"])
def test_holes_stay_holes_under_each_binarisation(binarization):
    """Values that are observed are those of the data without holes, which have the same draws."""
    grey = RNG.random([60, 5, 5]).astype(np.float32)
    holes = np.where(RNG.random(grey.shape) < 0.7, grey, np.nan)
    found = datasets.load(holes, binarization=binarization, missing=True)
    whole = datasets.load(np.nan_to_num(holes), binarization=binarization)
    for name in ("train", "valid", "test"):
        split, same = getattr(found, name), getattr(whole, name).x
        np.testing.assert_array_equal(np.isnan(split.x), ~split.mask)
        np.testing.assert_array_equal(split.x[split.mask], same[split.mask])


@pytest.mark.parametrize(
    ("x", "missing", "words"),
    [
        (HOLES, False, "--missing"),
        (np.where(MASK, X, np.inf), True, "NaN or infinite"),
        (X * np.inf, False, "infinite"),
    ],
)
def test_other_holes_are_refused(x, missing, words):
    with pytest.raises(InvalidInput, match=words) as found:
        datasets.load(x, missing=missing)
    print(found.value)


def test_hidden_cells_have_the_error_of_the_exact_model():
    """Errors of the true model in the deviations of each dimension, 5 % for 1500 cells; intervals within 5 %."""
    x, scale = data(1000, seed=5), np.sqrt(np.diag(W @ W.T) + SIGMA**2)
    found = hidden_cells(wide_vae(), x, share=0.3, num_samples=400, seed=1, examples=1000)
    mask = np.random.default_rng(2).random(x.shape) > 0.3
    _, _, stddev = exact_imputation(x, mask)
    expected = np.sqrt(np.mean((stddev / scale)[~mask] ** 2))
    print(found, expected)
    assert abs(found.cells - 0.3 * x.size) < 5 * np.sqrt(0.21 * x.size) and found.missing == 0
    assert found.error == pytest.approx(expected, rel=0.05) and found.error_of_mean == pytest.approx(1, rel=0.05)
    assert found.gain.mean > 10 * found.gain.standard_error
    for level, share in found.within.items():
        assert abs(share - level) < 0.05
    assert hidden_cells(wide_vae(), x[:9], num_samples=9) == hidden_cells(wide_vae(), x[:9], num_samples=9)
    holed = hidden_cells(wide_vae(), {"x": x[:99], "mask": mask[:99]}, num_samples=9)
    assert holed.missing == pytest.approx(1 - mask[:99].mean())


def test_hidden_cells_of_nothing_are_refused():
    for bad in ({"share": 0.0}, {"share": 1e-9}, {"examples": 0}):
        with pytest.raises(InvalidInput):
            hidden_cells(wide_vae(), data(3, seed=0), **bad)
    labels = tfvae.recipes.vae(
        3, likelihood=lambda shape, **kw: tfvae.likelihoods.Categorical(shape, num_categories=3, **kw)
    )
    with pytest.raises(InvalidInput, match="a mean"):
        hidden_cells(labels, np.zeros([4, 3]))


@pytest.mark.slow
def test_a_run_with_missing_cells_says_what_is_missing_and_how_well_it_is_filled(tmp_path):
    np.savez(tmp_path / "holes.npz", x=HOLES)
    options = Options.of(
        str(tmp_path / "holes.npz"), missing=True, recipe="miwae-imputation", epochs=2, latent_dim=2, hidden=(8,),
        eval_samples=20,
    )  # fmt: skip
    report = train(options, str(tmp_path / "run"), verbose=0)
    assert not report.baselines and np.isfinite(report.log_prob.mean)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Missing cells" in page and "hidden on purpose" in page and "not drawn" not in page
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["options"]["missing"] is True and 0.2 < config["data"]["missing"]["train"] < 0.4
    served, vae = tf.saved_model.load(tmp_path / "run" / "saved_model" / "1"), load_model(tmp_path / "run")
    x, mask = tf.constant(HOLES), tf.constant(MASK)
    filled = served.signatures["impute"](x=x, mask=mask, num_samples=tf.constant(20), seed=tf.constant(0))["mean"]
    np.testing.assert_allclose(filled, vae.impute(HOLES, 20, seed=0, mask=MASK).mean, rtol=1e-4, atol=1e-4)
    assert "vae.impute(x, num_samples=20, mask=~np.isnan(x)).mean" in page and "mask=~tf.math.is_nan(x)" in page
    again = resume(str(tmp_path / "run"), verbose=0)
    assert again.log_prob == report.log_prob


@pytest.mark.slow
def test_a_run_of_complete_data_has_no_word_of_conditions_or_holes(tmp_path):
    """`config.json` and `metrics.json` have the keys of version 0.1 and no other that is empty."""
    np.savez(tmp_path / "x.npz", x=X)
    options = Options.of(
        str(tmp_path / "x.npz"), likelihood="normal", epochs=1, latent_dim=2, hidden=(8,), eval_samples=5
    )
    train(options, str(tmp_path / "run"), verbose=0)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert not {"condition", "missing"} & (config["options"].keys() | config["data"].keys() | metrics["test"].keys())


def test_networks_of_x_alone_are_refused():
    with pytest.raises(InvalidInput, match="x and the mask"):
        Options.of("digits", missing=True, network="conv")
