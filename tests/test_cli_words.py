"""The words of the command line: what each means."""

import dataclasses
import inspect
import json
import math
import re

import keras
import numpy as np
import parts
import pytest
from run_folder import read_history

import tfvae
from tfvae.app import run
from tfvae.app.choices import drawn, is_drawn, overfitted
from tfvae.app.options import OPEN, PARTS, REMEDIES, SCHEDULES, Options
from tfvae.networks.pairs import PAIRS
from tfvae_cli import main


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("network", PAIRS)
def test_every_word_of_a_network_and_a_schedule_means_an_object(network, schedule):
    options = Options.of("digits", network=network, schedule=schedule, latent_dim=3)
    vae = options.build((8, 8, 1), [], num_steps=100)
    assert options.hidden == PAIRS[network].sizes
    assert vae.reconstruct(np.zeros([2, 8, 8, 1])).shape == (2, 8, 8, 1)
    rate = vae.optimizer.get_config()["learning_rate"]
    assert isinstance(rate, dict) == (schedule == "cosine")


@pytest.mark.parametrize(
    ("option", "family", "some"),
    [
        ("likelihood", tfvae.likelihoods, {"bernoulli", "normal", "discretized-logistic", "student-t"}),
        ("objective", tfvae.objectives, {"elbo", "iwae", "renyi", "maximum-mean-discrepancy"}),
    ],
)
def test_the_words_are_those_of_all_parts_of_the_library(option, family, some):
    _, listed = parts.FAMILIES[family]
    assert {kind.__name__ for kind in PARTS[option].values()} == {type(make()).__name__ for make in listed.values()}
    assert not parts.missing(family)
    assert some <= PARTS[option].keys()


@pytest.mark.parametrize(("option", "word"), [(option, word) for option in PARTS for word in PARTS[option]])
def test_every_part_can_be_named_or_is_refused_with_what_to_do(option, word):
    if word in REMEDIES:
        with pytest.raises(tfvae.InvalidInput, match=f"{word}, which needs .*{re.escape(REMEDIES[word])}"):
            Options.of("digits", **{option: word})
        return
    options = Options.of("digits", latent_dim=3, hidden=(4,), **{option: word})
    vae = options.build((4,), [], num_steps=100)
    assert type(getattr(vae, option)) is PARTS[option][word]
    x = parts.examples(type(vae.likelihood).__name__)
    assert math.isfinite(vae.fit(x, epochs=1, verbose=0).history["loss"][-1])
    assert Options.from_config(json.loads(json.dumps(dataclasses.asdict(options)))) == options


@pytest.mark.parametrize(
    ("words", "numbers", "made"),
    [
        ({}, (1.0, 1), "ELBO()"),
        ({"beta": 2.0, "num_samples": 3}, (2.0, 3), "ELBO(beta=2.0, num_samples=3)"),
        ({"objective": "iwae"}, (None, 50), "IWAE(num_samples=50)"),
        ({"objective": "iwae", "num_samples": 5}, (None, 5), "IWAE(num_samples=5)"),
        ({"objective": "miwae"}, (None, None), "MIWAE(m=8, k=8)"),
        ({"objective": "ciwae", "beta": 0.1}, (0.1, 50), "CIWAE(beta=0.1, num_samples=50)"),
        ({"objective": "renyi", "num_samples": 4}, (None, 4), "Renyi(alpha=0.5, num_samples=4)"),
        (
            {"objective": "maximum-mean-discrepancy", "beta": 0.0},
            (0.0, 1),
            "MaximumMeanDiscrepancy(objective=ELBO(beta=0.0), weight=1.0)",
        ),
        ({"recipe": "sigma-vae", "objective": "renyi"}, (None, 50), "Renyi(alpha=0.5, num_samples=50)"),
        ({"recipe": "beta-vae"}, (4.0, None), "ELBO(beta=4.0)"),
    ],
)
def test_beta_and_samples_are_those_of_the_objective_or_the_recipe(words, numbers, made):
    options = Options.of("digits", latent_dim=2, **words)
    assert (options.beta, options.num_samples) == numbers
    same = tfvae.objectives
    assert repr(options.build((4,), [], num_steps=100).objective) == repr(eval(made, vars(same)))


@pytest.mark.parametrize(
    ("likelihood", "binarization", "scale"),
    [
        ("bernoulli", "dynamic", None),
        ("normal", "none", None),
        ("continuous-bernoulli", "none", None),
        ("poisson", "none", 1.0),
        ("categorical", "none", 1.0),
        ("discretized-logistic", "none", 1.0),
    ],
)
def test_the_data_are_made_what_the_likelihood_wants(likelihood, binarization, scale):
    options = Options.of("digits", likelihood=likelihood)
    assert (options.binarization, options.scale) == (binarization, scale)
    options = Options.of("digits", likelihood=likelihood, binarization="static", scale=2.0)
    assert (options.binarization, options.scale) == ("static", 2.0)


def test_grey_values_that_are_drawn_as_bits_are_said(tmp_path):
    np.save(tmp_path / "bits.npy", np.random.default_rng(0).integers(0, 2, [40, 6]))
    assert is_drawn(Options.of("digits", epochs=1).load_data())
    assert not is_drawn(Options.of("digits", likelihood="normal").load_data())
    assert not is_drawn(Options.of(str(tmp_path / "bits.npy")).load_data())
    for recipe, named in (("vae", True), ("geco", False)):  # which takes no likelihood
        options = Options.of("digits", recipe=recipe)
        assert ("--likelihood" in drawn(options, options.load_data())) == named


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ([(-30, -30), (-20, -20), (-25, -25)], "epoch 2 of 3, -20.00, and is -25.00"),
        ([("nan", "nan"), (-20, -20), (-25, -25)], "epoch 2 of 3"),
        ([(-30, -30), (-20, -20)], ""),
        ([(0.05, 0.05), (0.3, 0.3), (0.29, 0.29)], ""),
        ([(-20, -19), (-25, -15)], ""),  # the bound of more samples rises
    ],
)
def test_an_epoch_that_was_better_than_the_last_one_is_said(tmp_path, bounds, said):
    rows = [f"{epoch},{elbo},{bound}\n" for epoch, (elbo, bound) in enumerate(bounds, start=1)]
    (tmp_path / "history.csv").write_text("epoch,val_elbo,val_objective\n" + "".join(rows))
    found = overfitted(str(tmp_path))
    assert said in found and ("--patience 10" in found) == bool(said)


def test_levels_reach_the_encoder_between_minus_one_and_one():
    vae = Options.of("digits", likelihood="discretized-logistic", hidden=(4,)).build((2,), [], num_steps=10)
    seen = vae.context(vae.known({"x": np.float32([[0.0, 255.0]])}))["x"]
    np.testing.assert_allclose(seen, [[-1.0, 1.0]], atol=1e-6)


def test_options_are_plain_and_frozen():
    options = Options.of("digits")
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.beta = 2.0
    assert Options(**dataclasses.asdict(options)) == options  # nothing left to fill in
    with pytest.raises(TypeError, match="missing"):
        Options("digits")
    assert not hasattr(Options, "__post_init__")
    assert "__setattr__" not in inspect.getsource(inspect.getmodule(Options))


def test_no_recipe_is_the_recipe_vae():
    assert Options.of("digits") == Options.of("digits", recipe="vae", **OPEN, beta=1.0, num_samples=1)
    ours = Options.of("digits", latent_dim=3).build((4,), [], num_steps=10)
    keras.utils.set_random_seed(0)
    theirs = tfvae.recipes.vae((4,), latent_dim=3, seed=0)
    assert [repr(v) for v in (ours.objective, ours.estimator)] == [
        repr(v) for v in (theirs.objective, theirs.estimator)
    ]
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("objective", "num_samples", "meant"),
    [("elbo", 1, {}), ("iwae", 5, {"objective": "iwae", "num_samples": 5})],
)
def test_a_config_of_before_reads_as_what_it_meant(objective, num_samples, meant):
    """Its recipe is null, and beta stands there for every objective."""
    written = dataclasses.asdict(Options.of("digits")) | {
        "recipe": None, "objective": objective, "num_samples": num_samples, "beta": 1.0,
    }  # fmt: skip
    assert Options.from_config(written) == Options.of("digits", **meant)
    written = dataclasses.asdict(Options.of("digits", recipe="beta-vae", beta=2.0))
    written |= {"likelihood": None, "objective": None, "num_samples": None}
    assert Options.from_config(written) == Options.of("digits", recipe="beta-vae", beta=2.0)


def test_the_learning_rate_warms_up_and_falls_unless_said_otherwise():
    vae = Options.of("digits", latent_dim=2).build((8, 8, 1), [], num_steps=100)
    rates = []
    for step in (0, 5, 10, 55, 100):
        vae.optimizer.iterations.assign(step)
        rates.append(float(vae.optimizer.learning_rate))
    assert rates == pytest.approx([0, 1e-3, 2e-3, 1e-3, 0], abs=1e-9)


@pytest.mark.slow
def test_patience_takes_the_best_weights(tmp_path):
    words = "--epochs 30 --hidden 64 --latent-dim 3 --learning-rate 0.03 --patience 1 --eval-samples 2".split()
    words += ["--schedule", "constant"]
    assert main(["train", "digits", "--out", str(tmp_path / "run"), *words]) == 0
    history = [float(row["val_elbo"]) for row in read_history(tmp_path / "run")]
    assert len(history) < 30 and history[-1] < max(history)
    data = tfvae.datasets.load("digits", binarization="dynamic", seed=0)
    vae = run.load_model(tmp_path / "run")
    assert vae.evaluate(data.valid.x, batch_size=50, return_dict=True, verbose=0)["elbo"] == pytest.approx(
        max(history), abs=1e-3
    )
