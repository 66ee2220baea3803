"""Scaling: in which units the posterior sees x, by likelihood; set once by the data, kept in files, served."""

import keras
import numpy as np
import parts
import pytest
import tensorflow as tf
from tiny import tiny_vae

import tfvae
from tfvae import likelihoods, networks, posteriors, priors, scaling, warps

ROWS = np.random.default_rng(0).normal(size=[90, 5]).astype("float32") * [1, 10, 1e3, 1e-3, 1] + [0, 5, -1e4, 0, 3]
DATA = ROWS.astype("float32")


def standardised(x):
    return (x - DATA.mean(0, dtype=np.float64)) / DATA.std(0, dtype=np.float64)


def blocks(x, size=32):
    return lambda: (x[start : start + size] for start in range(0, len(x), size))


# The maps.


def test_formulas():
    x = np.float32([[0, 1, 3]])
    np.testing.assert_allclose(scaling.LogCounts()(x), np.log1p(x), rtol=1e-6)
    np.testing.assert_allclose(scaling.Levels(4)(x), [[-1, -1 / 3, 1]], atol=1e-6)
    with pytest.raises(tfvae.InvalidInput, match="at least 2"):
        scaling.Levels(1)
    np.testing.assert_array_equal(scaling.OneHot(4)(x), [[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(scaling.Identity()(x), x)
    warp = warps.Piecewise([[0, 1], [0, 1], [1, 3]], [[0, 2], [0, 1], [-1, 1]])
    np.testing.assert_array_equal(scaling.Warped(warp)(x), [[0, 1, 1]])
    groups = scaling.Grouped([scaling.Identity(), scaling.OneHot(4)], [2, 1])
    np.testing.assert_array_equal(groups(x), [[0, 1, 0, 0, 0, 1]])
    assert groups.scaled_shape((3,)) == (6,) and scaling.OneHot(4).scaled_shape((7, 2)) == (7, 8)


def test_standardised_by_all_blocks():
    one = scaling.Standardized((5,))
    one.build((None, 5))
    assert one.waits
    one.adapt(blocks(DATA))
    assert not one.waits
    np.testing.assert_allclose(one(DATA), standardised(DATA), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "column",
    [np.full(90, 3.0), np.full(90, 1.7e15), np.full(90, 0.1) + 1e-9 * np.arange(90), np.zeros(90)],
    ids=["three", "large", "hardly", "zero"],
)
def test_a_column_without_spread_is_only_moved(column):
    one = scaling.Standardized((1,))
    one.build((None, 1))
    one.adapt(blocks(column[:, None].astype("float32")))
    assert one.scale.numpy() == 1
    assert np.abs(one(column[:, None].astype("float32"))).max() <= 1e-7 * max(1, np.abs(column).max())


# What each likelihood proposes.


@pytest.mark.parametrize("name", parts.LIKELIHOODS)
def test_likelihoods_propose_a_scaling_whose_values_are_of_order_one(name):
    """Of the list's examples, whose counts and levels reach the hundreds."""
    vae, x = parts.make_vae("DiagonalNormal", None, name), parts.examples(name)
    vae.adapt(x)
    seen = vae.context(vae.known({"x": x}))["x"].numpy()
    assert seen.shape[1:] == vae.scaling.scaled_shape(vae.event_shape)
    assert np.isfinite(seen).all() and np.abs(seen).max() < 8


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: likelihoods.Bernoulli(5), scaling.Identity),
        (lambda: likelihoods.ContinuousBernoulli(5), scaling.Identity),
        (lambda: likelihoods.StudentT(5), scaling.Standardized),
        (lambda: likelihoods.Poisson(5), scaling.LogCounts),
        (lambda: likelihoods.DiscretizedLogistic(5, levels=8), scaling.Levels),
        (lambda: likelihoods.Categorical(5, num_categories=3), scaling.OneHot),
        (lambda: likelihoods.Warped(likelihoods.Normal(5), warps.Logarithm()), scaling.Warped),
        (lambda: likelihoods.Columns([likelihoods.Normal(2), likelihoods.Poisson(3)]), scaling.Grouped),
    ],
)
def test_kinds(make, kind):
    assert type(make().default_scaling()) is kind


# In a model.


def model(**options):
    return tiny_vae(tfvae.likelihoods.Normal, 5, **options)


@pytest.mark.parametrize("form", ["array", "dict", "stream", "generator", "PyDataset"])
def test_the_first_fit_sets_it_once(form):
    """Arrays by all rows, streams by their first batch, which is trained on all the same."""

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return DATA[30 * index : 30 * index + 30]

    given = {
        "array": lambda: DATA,
        "dict": lambda: {"x": DATA},
        "stream": lambda: tf.data.Dataset.from_tensor_slices(DATA).batch(30),
        "generator": lambda: iter([DATA[:30], DATA[30:60], DATA[60:]]),
        "PyDataset": Batches,
    }[form]
    vae, rows = model(), DATA if form in ("array", "dict") else DATA[:30]
    vae.fit(given(), batch_size=30 if form in ("array", "dict") else None, verbose=0)
    assert int(vae.optimizer.iterations) == (4 if form == "generator" else 3)  # Keras, too, counts one at its end
    np.testing.assert_allclose(vae.scaling.mean, rows.mean(0, dtype=np.float64), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(vae.scaling.scale, rows.std(0, dtype=np.float64), rtol=1e-4)
    before = [w.numpy() for w in vae.scaling.weights]
    vae.fit(DATA[:40] + 7, verbose=0)
    for weight, value in zip(vae.scaling.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.slow
def test_it_is_what_a_layer_in_the_encoder_would_do():
    """The same training, to rounding, as with Keras' layer inside the encoder and no scaling; x stays in its units."""
    layer = keras.layers.Normalization(mean=DATA.mean(0), variance=DATA.var(0))
    encoder = keras.Sequential([layer, networks.mlp([4])])
    other = model(network=encoder, scaling=scaling.Identity())
    fresh = model()
    for mine, theirs in zip(other.trainable_weights, fresh.trainable_weights, strict=True):
        mine.assign(theirs)
    fresh.fit(DATA, epochs=3, batch_size=30, verbose=0)
    other.fit(DATA, epochs=3, batch_size=30, verbose=0)
    for mine, theirs in zip(other.trainable_weights, fresh.trainable_weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(
        fresh.log_prob(DATA, num_samples=5, seed=0), other.log_prob(DATA, num_samples=5, seed=0), rtol=1e-3
    )


@pytest.mark.slow
def test_adapt_sets_it_and_fit_leaves_it():
    vae = model()
    vae.adapt(DATA[:50])
    vae.fit(DATA, verbose=0)
    np.testing.assert_allclose(vae.scaling.mean, DATA[:50].mean(0, dtype=np.float64), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_file_and_served_model_have_it(tmp_path):
    vae = model()
    vae.fit(DATA, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert not loaded.scaling.waits
    for mine, theirs in zip(loaded.scaling.weights, vae.scaling.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    served = tf.saved_model.load(tfvae.export(vae, tmp_path / "1")).signatures
    q = vae.encode(DATA)
    found = served["encode"](x=tf.constant(DATA))
    np.testing.assert_allclose(found["mean"], q.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        served["reconstruct"](x=tf.constant(DATA))["mean"], vae.predict(DATA, verbose=0), rtol=1e-4
    )


def test_configurations_of_version_0_1_have_none():
    config = model().get_config()
    del config["scaling"]
    assert type(tfvae.VAE.from_config(config).scaling) is scaling.Identity


def test_pseudo_inputs_of_labels_are_trained():
    """They live where the posterior looks: among labels themselves a one-hot map would have no gradient."""
    vae = tfvae.VAE(
        posteriors.DiagonalNormal(2),
        likelihoods.Categorical(4, num_categories=3),
        priors.VampPrior(2, num_components=2),
    )
    x = np.random.default_rng(0).integers(0, 3, [8, 4]).astype("float32")
    vae.adapt(x, seed=0)
    assert vae.prior.pseudo_inputs.shape == (2, 12)
    assert set(np.unique(vae.prior.pseudo_inputs)) == {0, 1}
    vae.compile("adam")
    before = vae.prior.pseudo_inputs.numpy()
    vae.fit(x, verbose=0)
    assert np.all(np.any(vae.prior.pseudo_inputs != before, axis=1))


def test_a_scaling_of_another_kind_is_refused():
    with pytest.raises(tfvae.InvalidInput, match="scaling to be a tfvae Scaling"):
        model(scaling=keras.layers.Rescaling(2.0))
