"""Columns in units of their own: named before training; a loss that is not finite is said once, with its cure."""

import logging

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tiny import tiny_vae

import tfvae
from tfvae import likelihoods, scales

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=[64, 4])
COLUMNS = {  # name to column 2, and whether it needs a word
    "1.7e15": (1.7e15 + 3e14 * ROWS[:, 2], True),
    "1e8": (1e8 * np.resize([1, -1], 64), True),
    "1e-12": (1e-12 * ROWS[:, 2], True),
    "nanoseconds": (np.int64(1.7e18) + np.arange(64, dtype=np.int64) * 10**15, True),
    "cents": (1e6 + 1e5 * ROWS[:, 2], True),
    "year": (2000 + 10 * ROWS[:, 2], True),
    "ratio": (0.5 + 0.1 * ROWS[:, 2], False),
    "percent": (50 + 20 * ROWS[:, 2], False),
    "never varies": (np.full(64, 3.0), False),
}


def table(name):
    x = ROWS.copy()
    x[:, 2] = COLUMNS[name][0]
    return x.astype("float32")


def notes(caplog, word):
    return [record.message for record in caplog.records if word in record.message]


def fitted(x, caplog, adapt=False, optimizer=1e-3, scale=scales.PerDimension, **options):
    caplog.set_level(logging.WARNING, "tfvae")
    vae = tiny_vae(lambda e, network: likelihoods.Normal(e, network, scale=scale()), 4, optimizer=optimizer)
    if adapt:
        vae.adapt(x)
    vae.fit(x, verbose=0, **{"epochs": 2, **options})
    return vae


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_in_other_units_are_named_before_training_and_adapt_is_the_cure(name, caplog):
    x, needed = table(name), COLUMNS[name][1]
    fitted(x, caplog)
    found = notes(caplog, "other units")
    assert len(found) == needed and all("column 2 is" in text and "vae.adapt(x)" in text for text in found)
    caplog.clear()
    vae = fitted(x, caplog, adapt=True)
    assert all(np.all(np.isfinite(w)) for w in vae.get_weights()) and not notes(caplog, "not finite")
    assert not notes(caplog, "other units") or name == "1e-12"  # below the floor of all scales: only rescaling helps


@pytest.mark.parametrize(("level", "said"), [(1e4, 1), (20.0, 0)])
def test_series_in_other_units_are_named_and_cells_that_never_vary_are_not(level, said, caplog):
    caplog.set_level(logging.WARNING, "tfvae")
    x = (level + RNG.normal(size=[64, 5, 2])).astype("float32")
    x[:, 0, 0] = level  # as the corner of an image
    vae = tiny_vae(likelihoods.Normal, (5, 2), optimizer=1e-3)
    vae.fit(x, verbose=0)
    found = notes(caplog, "other units")
    assert len(found) == said and all("10 cells ((0, 0), (0, 1), " in text for text in found)
    assert not notes(caplog, "not vary")


@pytest.mark.slow
def test_one_scale_for_columns_of_many_units_is_named_though_adapted(caplog):
    x = table("cents")
    fitted(x, caplog, adapt=True, scale=scales.Shared)
    (text,) = notes(caplog, "other units")
    assert "columns 0, 1 and 3 are" in text and "PerDimension" in text


def test_the_first_batch_of_a_stream_is_looked_at_and_a_trained_model_is_not(caplog):
    x = table("1e8")
    vae = fitted(tf.data.Dataset.from_tensor_slices(x).batch(32), caplog)
    assert len(notes(caplog, "other units")) == 1
    vae.notes.clear()
    vae.fit(x, verbose=0)
    assert len(notes(caplog, "other units")) == 1


@pytest.mark.parametrize("form", ["array", "stream", "eager"])
def test_a_loss_that_is_not_finite_is_said_once_with_the_cure_of_units(form, caplog):
    x = table("1.7e15") * np.float32(1e6)  # its square overflows
    vae = tiny_vae(likelihoods.Normal, 4, run_eagerly=form == "eager")
    vae.fit(tf.data.Dataset.from_tensor_slices(x).batch(32) if form == "stream" else x, epochs=2, verbose=0)
    (text,) = notes(caplog, "not finite")
    assert "vae.adapt(x)" in text and "FirstAid" in text and "learning rate" not in text


def test_a_learning_rate_that_explodes_is_said_with_its_cure(caplog):
    vae = fitted(ROWS.astype("float32"), caplog, optimizer=1e20, epochs=4)
    (text,) = notes(caplog, "not finite")
    assert "learning rate, now 1e+20" in text and "adapt" not in text
    assert not np.all(np.isfinite(np.concatenate([w.ravel() for w in vae.get_weights()])))


def test_columns_of_many_kinds_are_looked_at_one_by_one(caplog):
    """Labels have no deviation, and beside them a column of reals is named all the same."""
    caplog.set_level(logging.WARNING, "tfvae")
    x = np.column_stack([table("1e8")[:, 2], ROWS[:, 0] > 0, np.arange(64) % 3, np.full(64, 7.0)]).astype("float32")
    kinds = likelihoods.Normal(1), likelihoods.Bernoulli(1), likelihoods.Categorical(1, num_categories=3)
    tiny_vae(likelihoods.Columns([*kinds, likelihoods.Normal(1)])).fit(x, verbose=0)
    (text,) = notes(caplog, "other units")
    assert "column 0 is" in text and "column 3 does not vary" in notes(caplog, "not vary")[0]


@pytest.mark.slow
def test_a_healthy_fit_says_nothing_and_first_aid_speaks_for_itself(caplog):
    fitted(ROWS.astype("float32"), caplog)
    assert not caplog.records
    with pytest.raises(tfvae.callbacks.Diverged, match="other units.*vae.adapt"):
        fitted(table("1.7e15") * np.float32(1e6), caplog, callbacks=[tfvae.callbacks.FirstAid()])
    assert not notes(caplog, "not finite")


@pytest.mark.parametrize(
    "kind", [likelihoods.Bernoulli, likelihoods.NegativeBinomial, likelihoods.ZeroInflatedNegativeBinomial]
)
def test_data_whose_units_are_known_are_not_talked_about(kind, caplog):
    x = (ROWS > 0).astype("float32") * (1 if kind is likelihoods.Bernoulli else 20)
    tiny_vae(kind, 4).fit(x, verbose=0)
    assert not notes(caplog, "other units")


def test_a_scale_without_a_finite_deviation_is_not_talked_about(caplog):
    tiny_vae(lambda event, network: likelihoods.StudentT(event, network, df=1.5), 4).fit(
        ROWS.astype("float32"), verbose=0
    )
    assert not caplog.records


@pytest.mark.parametrize("word", ["normal", "laplace", "student-t"])
def test_the_command_line_gives_columns_scales_of_their_own_and_images_one(word):
    """With one for all, raw columns in several units are modelled worse than without z."""
    from tfvae.app.options import Options

    options = Options.of("digits", likelihood=word, hidden=(4,))
    table, images = (options.build(shape, [], num_steps=10).likelihood for shape in ((3,), (4, 4, 1)))
    assert isinstance(table.scale, tfvae.scales.PerDimension)
    assert isinstance(images.scale, type(table).default_scale)


def test_the_command_line_leaves_other_scales_alone():
    from tfvae.app.options import Options

    made = Options.of("digits", likelihood="discretized-logistic", hidden=(4,)).build((3,), [], num_steps=10).likelihood
    assert isinstance(made.scale, tfvae.likelihoods.DiscretizedLogistic.default_scale)


class Riddle(tfvae.likelihoods.Likelihood):
    """A distribution of which neither mean nor mode is known."""

    def head_shapes(self):
        return {"loc": self.event_shape}

    def distribution(self, loc):
        bent = tfp.bijectors.SinhArcsinh(skewness=0.5)
        return tfp.distributions.Independent(bent(tfp.distributions.Normal(loc, 1.0)), 1)


def test_a_note_never_ends_a_fit():
    vae = tiny_vae(Riddle, run_eagerly=True)
    assert np.isfinite(vae.fit(RNG.normal(size=[8, 5]), verbose=0).history["loss"]).all()
