"""The shipped model does what its card says, served by TensorFlow alone."""

import re
from pathlib import Path

import numpy as np
import tensorflow as tf

import tfvae

FOLDER = Path(__file__).parents[1] / "saved_models" / "digits"


def test_figures_of_the_card_are_those_of_the_served_model():
    """ELBO and log p(x) of the test split from the signatures, against the card's three decimals.

    The ELBO has other noise than the card's: 250 examples at 100 samples against 1000; 0.1 nats is far above both.
    """
    card = (FOLDER / "README.md").read_text()
    figures = {name: float(value) for name, value in re.findall(r"^(ELBO|log p\(x\)) +(-\d+\.\d+)", card, re.MULTILINE)}
    served = tf.saved_model.load(str(FOLDER / "1"))
    x = tf.constant(tfvae.datasets.load("digits", binarization="dynamic", seed=0).test.x, tf.float32)
    scores = served.signatures["log_prob"](x=x, num_samples=tf.constant(1000), seed=tf.constant(0))
    assert abs(np.mean(scores["log_prob"]) - figures["log p(x)"]) < 0.001  # rounding of the card
    elbo = served.signatures["elbo"](x=x, num_samples=tf.constant(100), seed=tf.constant(0))["elbo"]
    assert abs(np.mean(elbo) - figures["ELBO"]) < 0.1
    drawn = served.signatures["sample"](num_samples=tf.constant(3), seed=tf.constant(1))
    assert drawn["mean"].shape == (3, 8, 8, 1) and set(np.unique(drawn["sample"])) <= {0.0, 1.0}


def test_it_is_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 2_000_000
