"""A time for training: how many passes it becomes, what is written with the run, and what is refused."""

import dataclasses
import json
import logging
import math
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from run_folder import SMALL
from sklearn.datasets import load_digits

import tfvae
from tfvae.app import budget
from tfvae.app.budget import Speed, within_minutes
from tfvae.app.options import Options
from tfvae_cli import main

STEPS = 26  # of 1297 digits in batches of 50


def options(**given):
    return Options.of("digits", hidden=[4], latent_dim=2, **given)


@pytest.fixture(scope="module")
def digits():
    return options(epochs=1).load_data()


def speeds(monkeypatch, xla, graph=None):
    """Lets steps take so long, with XLA and without it."""
    monkeypatch.setattr(budget, "speed", lambda options, data: xla if options.jit else graph)


def test_passes_fill_the_time_that_compiling_and_validation_leave(monkeypatch, digits):
    speeds(monkeypatch, Speed(compiling=6.0, step=0.01, checking=0.1))
    found, text = within_minutes(options(minutes=2.0), digits)
    assert found.epochs == int((120 - 6) / (STEPS * 0.01 + 0.1)) == 316 and found.jit is True
    assert "2 minutes: 316 epochs of 0.36 s" in text and "6 s to compile" in text and "on top" in text


def test_compiling_that_takes_a_tenth_of_the_time_is_left_out(monkeypatch, digits):
    speeds(monkeypatch, Speed(6.1, 0.01, 0.1), Speed(0.0, 0.02, 0.1))
    found, text = within_minutes(options(minutes=1.0), digits)
    assert found.epochs == int(60 / (STEPS * 0.02 + 0.1)) and found.jit is False and "without XLA" in text
    asked, _ = within_minutes(options(minutes=1.0, jit=True), digits)
    assert asked.jit is True  # who asks for XLA gets it


def test_a_model_that_xla_refuses_is_timed_and_trained_without_it(monkeypatch, digits):
    def speed(options, data):
        if options.jit:
            raise tf.errors.InternalError(None, None, "ptxas is missing")
        return Speed(0.0, 0.02, 0.1)

    monkeypatch.setattr(budget, "speed", speed)
    assert within_minutes(options(minutes=1.0), digits)[0].jit is False
    with pytest.raises(tf.errors.InternalError):
        within_minutes(options(minutes=1.0, jit=True), digits)


def test_a_time_too_short_for_a_pass_is_one_pass(monkeypatch, digits):
    speeds(monkeypatch, None, Speed(0.0, 1.0, 0.0))
    found, text = within_minutes(dataclasses.replace(options(minutes=0.01), jit=False), digits)
    assert found.epochs == 1 and "1 epoch of" in text


def test_xla_is_not_even_timed_where_it_cannot_pay(monkeypatch, digits):
    """A tenth of 18 seconds is less than any compiling takes."""
    speeds(monkeypatch, None, Speed(0.0, 0.02, 0.1))
    assert within_minutes(options(minutes=0.3), digits)[0].jit is False


def test_what_a_run_does_after_an_epoch_is_in_its_time(monkeypatch, digits):
    class Sleeps(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            time.sleep(0.5)

    monkeypatch.setattr(budget, "watching", lambda run: [Sleeps()])
    assert budget.speed(options(jit=False), digits).checking > 0.25  # which half a second of noise would hide


def test_a_folder_that_holds_a_run_is_refused_before_anything_is_measured(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(budget, "speed", lambda options, data: pytest.fail("measured"))
    (tmp_path / "config.json").write_text("{}")
    assert main(["train", "digits", "--minutes", "1", "--out", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert "one that already holds a run" in printed.err and "measuring" not in printed.out


def test_speed_is_measured_and_leaves_no_trace(digits, caplog):
    found = budget._quietly(options(jit=False), digits)
    assert not caplog.records and budget.logger.level != logging.ERROR  # of a model that is thrown away
    assert found.compiling >= 0 and 0 < found.step < 1 and 0 < found.checking < 10


@pytest.mark.slow
def test_the_schedule_goes_with_the_passes_and_the_run_keeps_them(monkeypatch, tmp_path, capsys):
    speeds(monkeypatch, None, Speed(0.0, 0.5, 0.0))
    monkeypatch.setattr(budget, "WORTH", -1.0)
    monkeypatch.setattr(budget, "mode_of", lambda *_: "graph")
    small = [word for word in SMALL if word not in ("--epochs", "2")]
    assert main(["train", "digits", "--minutes", "0.18", "--out", str(tmp_path / "run"), *small]) == 0
    said = capsys.readouterr().out
    assert "measuring the speed of a step ..." in said
    written = json.loads((tmp_path / "run" / "config.json").read_text())["options"]
    assert (written["minutes"], written["jit"]) == (0.18, False) and f"{written['epochs']} epochs" in said
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == written["epochs"] + 1
    assert Options.from_config(written).epochs == written["epochs"]
    assert main(["train", "--resume", str(tmp_path / "run"), "--minutes", "0.18"]) == 0
    assert main(["train", "--resume", str(tmp_path / "run"), "--minutes", "3"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--minutes", "1", "--epochs", "3"], "--minutes or --epochs"),
        (["--minutes", "0"], "--minutes above 0"),
        (["--minutes", "inf"], "--minutes above 0"),
        (["--minutes", "nan"], "--minutes above 0"),
        (["--minutes", "soon"], "minutes"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused(words, message, tmp_path, capsys):
    assert main(["train", "digits", "--out", str(tmp_path / "run"), *words]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_the_strong_recipe_is_trained_as_it_was_measured():
    found = Options.of("digits", recipe="strong")
    assert (found.network, found.hidden, found.latent_dim) == ("residual", (500, 500), 40)
    assert (found.batch_size, found.learning_rate) == (250, 4e-3)
    own = Options.of("digits", recipe="strong", network="mlp", hidden=[7], batch_size=10)
    assert (own.network, own.hidden, own.batch_size, own.latent_dim) == ("mlp", (7,), 10, 40)
    vae = tfvae.recipes.strong((8, 8, 1), seed=0)
    assert vae.prior().event_shape == (40,) and repr(vae.objective).startswith("ELBO")


def test_one_example_that_is_far_off_does_not_undo_a_strong_model():
    """Its gradient, 1e8 times the usual one here, would be all that Adam remembers for a thousand steps."""
    layers = {"encoder": tfvae.networks.mlp([16]), "decoder": tfvae.networks.mlp([16])}
    vae = tfvae.recipes.strong((8, 8, 1), num_flows=2, units=8, latent_dim=4, seed=0, jit_compile=False, **layers)
    x = (load_digits().images[:32, :, :, None] > 7).astype(np.float32)
    lengths = []
    for weight in (1.0, 1e8):
        before = [m.numpy() for m in vae.optimizer._momentums] if lengths else [0.0] * len(vae.part_variables)
        vae.train_on_batch(x, sample_weight=np.array([weight] + [1.0] * 31, np.float32))
        after = [m.numpy() for m in vae.optimizer._momentums]
        moved = [(b - 0.9 * a) / 0.1 for a, b in zip(before, after, strict=True)]  # the gradient, as Adam was given it
        lengths.append(math.sqrt(sum(float((m.astype(np.float64) ** 2).sum()) for m in moved)))
    assert lengths[0] < 100 and lengths[1] == pytest.approx(100, rel=1e-3)
