"""The shipped models do what their cards say, served by TensorFlow alone.

log p(x) of held-out data is computed anew where the data ship with scikit-learn; of all models that of the examples
which they draw themselves.
"""

import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

import tfvae
from saved_models import make
from tfvae import files, saved_models
from tfvae.saved_models.shipped import FOLDER

ROUNDED = 6e-4  # of a card, which has three decimals


def figures(name):
    return json.loads((FOLDER / name / make.FIGURES).read_text())


def on_card(name, row):
    return float(re.search(rf"^{re.escape(row)} +(-?\d+\.\d+)", saved_models.card(name), re.MULTILINE)[1])


def test_each_model_that_is_made_is_there_and_all_are_small():
    assert saved_models.names() == sorted(make.MODELS)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 20e6


@pytest.mark.parametrize("name", make.MODELS)
def test_a_served_model_knows_its_own_draws_as_its_card_says(name):
    """The same seeds, and so the same draws, but for a few that another processor rounds otherwise.

    A pixel that turns is worth some hundredths of a nat of the mean, a whole row of counts 0.2.
    """
    all_said, told = figures(name), make.MODELS[name].told
    found = make.drawn(saved_models.load(name), told, all_said["white"], all_said["num_samples"])
    said = all_said["drawn"]
    assert np.isfinite(found).all() and abs(found.mean() - said["log_prob"]) < 0.3 < said["standard_error"]


@pytest.mark.parametrize("name", make.MODELS)
def test_a_card_says_what_is_measured_and_may_be_used(name):
    card, said = saved_models.card(name), figures(name)
    level = "log p(x | y)" if make.MODELS[name].told else "log p(x)"
    assert abs(on_card(name, level) - said["test"]["log_prob"]["mean"]) < ROUNDED and said["served_apart"] < 0.01
    assert f"{said['drawn']['log_prob']:.3f} +- {said['drawn']['standard_error']:.3f}" in card
    assert make.MODELS[name].licence in card and f"    {said['made']['command']}" in card
    assert f'tfvae.saved_models.load("{name}")' in card
    assert not re.search(r"(?<!\w)/(home|tmp|root|work|Users)/", card + json.dumps(said))


def test_the_card_of_a_table_names_its_columns():
    """In the order in which a request has them."""
    assert "- schema: mean radius (real), mean texture (real), " in saved_models.card("tumours")


@pytest.mark.parametrize("name", ["digits", "tumours"])
def test_held_out_figures_are_those_of_the_served_model(name, tmp_path):
    source = make.MODELS[name].source(tmp_path, tmp_path)
    given = {"binarization": "dynamic"} if name == "digits" else {"missing": True}
    test = tfvae.datasets.load(source, seed=0, **given).test
    found = make.scored(saved_models.load(name), test.x, {}, figures(name)["num_samples"])
    assert abs(found.mean() - on_card(name, "log p(x)")) < ROUNDED


def test_elbo_and_draws_of_the_digits():
    """The ELBO has other noise than the card's: 250 examples at 100 samples against 1000, far below 0.1 nats."""
    served, x = saved_models.load("digits"), tfvae.datasets.load("digits", binarization="dynamic", seed=0).test.x
    number, seed = tf.constant(100), tf.constant(0)
    elbo = served.signatures["elbo"](x=tf.constant(x, tf.float32), num_samples=number, seed=seed)["elbo"]
    assert abs(np.mean(elbo) - on_card("digits", "ELBO")) < 0.1
    drawn = served.signatures["sample"](num_samples=tf.constant(3), seed=seed)
    assert drawn["mean"].shape == (3, 8, 8, 1) and set(np.unique(drawn["sample"])) <= {0.0, 1.0}


def test_a_model_that_is_not_as_it_was_shipped_is_refused_by_the_file(tmp_path):
    shutil.copytree(FOLDER / "digits", tmp_path / "digits")
    (tmp_path / "digits" / "1" / "variables" / "variables.index").write_bytes(b"other")
    with pytest.raises(tfvae.InvalidInput, match=r"variables\.index.*git checkout"):
        saved_models.load("digits", tmp_path)
    (tmp_path / "digits" / files.SEAL).unlink()
    with pytest.raises(tfvae.InvalidInput, match="seal"):
        saved_models.load("digits", tmp_path)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(tfvae.InvalidInput, match="one of digits, .*Received 'nothing'"):
        saved_models.load("nothing")
    with pytest.raises(tfvae.InvalidInput, match="digits"):
        saved_models.card("../digits")
    with pytest.raises(tfvae.InvalidInput, match=r"wheel does not carry them.*folder="):
        saved_models.names(tmp_path)
