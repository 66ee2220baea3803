"""The benchmark of a law in the decoder: its simulator is SciPy's solution, its term and tables are right."""

import json

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.physics import __main__ as command
from benchmarks.physics import arms, data, speed, table
from benchmarks.physics.pendulum import FORCE, FREQUENCIES, Pendulum

ROWS, AT = 6, 16  # AT: 4 Hz, the frequency of the forcing


def made(**words):
    """Returns a pendulum whose network gives the same force to all, swings of that force, and their latents."""
    rng = np.random.default_rng(0)
    constants = {name: rng.uniform(low, high, ROWS) for name, (low, high) in data.RANGES.items()}
    constants |= {"f": np.full(ROWS, FREQUENCIES[AT]), "A": 60 / constants["omega"] ** 2}
    latents = {name: tf.constant(constants[name][:, np.newaxis], tf.float32) for name in ("omega", "gamma", "start")}
    latents["z"] = tf.zeros([ROWS, 2])
    pendulum = Pendulum(data.STEPS, **words)
    pendulum.build({"z": (None, 2)})
    if pendulum.has_network:
        first, last = pendulum.forcing.layers
        first.bias.assign(np.ones(64))
        kernel = np.zeros(last.kernel.shape)
        kernel[0, AT] = 60 / FORCE / np.tanh(1)
        last.kernel.assign(kernel)
    return pendulum, constants, latents


def test_the_law_alone_swings_as_scipy_says():
    """To 2e-3 rad over 5 s: Runge and Kutta's error of steps of 0.05 s."""
    pendulum, constants, latents = made(network=False)
    exact = data.solved({**constants, "A": np.zeros(ROWS)}, 2 * data.STEPS)
    np.testing.assert_allclose(pendulum.swing(latents, 2 * data.STEPS), exact, atol=2e-3)


def test_a_force_of_the_network_swings_as_scipy_says():
    """To 0.02 rad: a step is a fifth of the force's period."""
    pendulum, constants, latents = made()
    np.testing.assert_allclose(pendulum(latents)["loc"], data.solved(constants, data.STEPS), atol=0.02)
    unforced = data.solved({**constants, "A": np.zeros(ROWS)}, data.STEPS)
    assert np.abs(pendulum(latents)["loc"] - unforced).max() > 0.1


def test_the_term_is_the_distance_from_the_law_alone():
    pendulum, _, latents = made(near=2.0)
    full = pendulum(latents)["loc"]
    alone = made(network=False)[0].swing(latents, data.STEPS)
    exact = 2.0 * np.mean(np.sum(np.square(full - alone), axis=1))
    assert len(pendulum.losses) == 1 and np.isclose(pendulum.losses[0], exact, rtol=1e-4) and exact > 0.1
    np.testing.assert_allclose(full, made()[0](latents)["loc"], atol=1e-6)


def test_the_term_is_in_the_loss_and_not_in_the_bound():
    vae = arms.model("both, near", 0, near=100.0)
    kernel = vae.likelihood.network.forcing.layers[1].kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    step = vae.make_step(training=True)
    loss, _, bound, _ = step.loss({"x": np.zeros([4, data.STEPS], np.float32)})
    term = float(vae.likelihood.network.losses[-1])
    assert term > 1 and np.isclose(float(loss), -np.mean(bound) + term, rtol=1e-4)


def test_arms_differ_by_law_network_and_term():
    networks = {name: Pendulum(data.STEPS, **words) for name, words in arms.ARMS.items()}
    told = {name: (n.law, n.has_network, n.damped, n.near > 0) for name, n in networks.items()}
    assert told == {
        "law": (True, False, True, False),
        "network": (False, True, True, False),
        "both": (True, True, True, False),
        "both, near": (True, True, True, True),
        "undamped": (True, False, False, False),
    }


def test_gradients_are_finite_differences():
    found = speed.gradients(data.swings("valid", size=10).x)
    for name, worst in found["largest_difference"].items():
        assert worst < 0.01 * found["largest"][name]


def test_tables_and_the_paired_difference(tmp_path, capsys):
    for arm, values in {"law": [1.0, 2.0, 4.0], "undamped": [0.0, 0.0, 1.0]}.items():
        constant = {word: {"mean": 0.5} for word in ("error", "error_q")} | {"coverage": None}
        one = {"arm": arm, "seed": 0, "on": "test-free", "rmse_within": 0.1, "rmse_beyond": 0.2, "trusted": 0.5}
        one |= {"omega": constant, "gamma": constant, "log_prob": {"mean": np.mean(values)}, "scale": 0.01}
        (tmp_path / f"{arm}.json").write_text(json.dumps({**one, "log_probs": values}))
    assert command.main(["table", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "| test-free | law | 1 | 0.500 |" in out and "without 2.00 +- 0.58 nats a swing" in out
    assert table.over([{"a": 1.0}, {"a": None}, {"a": 3.0}], "a") == "2.000 (1.000 to 3.000)"


@pytest.mark.slow
def test_the_command_runs_all_of_it(capsys):
    assert command.main(["all", "--smoke"]) == 0
    assert "log p(x) with damping less without" in capsys.readouterr().out
