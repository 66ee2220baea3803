"""Likelihoods inside a model: tables, refusals with alternatives, training, scoring, saving and export of each one."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from likelihood_cases import MAKE, columns, data, random_parameters

import tfvae
from tfvae import InvalidInput, likelihoods, networks

# Tables.


def test_columns_are_their_parts_side_by_side():
    likelihood = columns()
    likelihood.build((None, 2))
    parameters = random_parameters(likelihood)
    whole = likelihood.distribution(**parameters)
    x = np.float32([[0.3, -1.2, 1.0, 2.0, 0.0, 7.0]])
    pieces = np.split(x, [2, 3, 5], axis=1)
    parts = [part.log_prob(piece) for part, piece in zip(whole.distributions, pieces, strict=True)]
    np.testing.assert_allclose(whole.log_prob(x), tf.add_n(parts), rtol=1e-6)
    assert whole.log_prob(tf.zeros([5, 12, 6])).shape == (5, 12)
    draws = whole.sample(7, seed=1)
    assert draws.shape == (7, 12, 6)
    assert bool(tf.reduce_all(likelihood.support.contains(draws)))
    assert bool(tf.reduce_all(likelihood.support.contains(tf.constant(likelihood.support.inner))))
    assert (likelihood.has_mean, likelihood.reparameterized, likelihood.jit_sample) == (False, False, True)
    point = likelihood.point(whole)
    np.testing.assert_array_equal(point[:, :3], tf.concat([part.mean() for part in whole.distributions[:2]], axis=1))
    np.testing.assert_array_equal(point[:, 3:5], whole.distributions[2].mode())
    with pytest.raises(NotImplementedError):
        whole.mean()
    both = likelihoods.Columns([likelihoods.Normal(1), likelihoods.Laplace(2)])
    both.build((None, 2))
    distribution = both(tf.ones([3, 2]))
    assert both.has_mean and both.reparameterized
    np.testing.assert_array_equal(both.point(distribution), distribution.mean())


def test_groups_of_columns_are_drawn_independently():
    """Given z; 4000 draws, 5 standard errors of a correlation of zero."""
    likelihood = likelihoods.Columns([likelihoods.Normal(1), likelihoods.Normal(1)])
    likelihood.build((None, 2))
    draws = likelihood(tf.ones([1, 2])).sample(4000, seed=[1, 2])[:, 0]
    assert abs(np.corrcoef(np.transpose(draws))[0, 1]) < 5 / np.sqrt(4000)


@pytest.mark.parametrize(
    "make",
    [list, lambda: [likelihoods.Normal((2, 2))], lambda: [tfvae.priors.StandardNormal(2)], lambda: likelihoods.Normal],
    ids=["none", "an image", "a prior", "a class"],
)
def test_columns_refuse_what_cannot_be_a_column(make):
    with pytest.raises(InvalidInput, match="likelihood"):
        likelihoods.Columns(make())


def test_columns_refuse_a_network_of_one_column():
    with pytest.raises(InvalidInput, match="the network to Columns"):
        likelihoods.Columns([likelihoods.Normal(2, network=networks.mlp([3]))])


# Refusals.


@pytest.mark.parametrize(
    ("make", "x", "expected"),
    [
        (MAKE["Bernoulli"], [0.5, 1, 0], r"0.5 at x\[0, 0\].*ContinuousBernoulli.*StochasticBinarization"),
        (MAKE["Bernoulli"], [0, 2, 1], r"2 at x\[0, 1\].*Categorical, DiscretizedLogistic.*Poisson"),
        (MAKE["ContinuousBernoulli"], [0, 0.2, 1.5], r"1.5 at x\[0, 2\].*data: Laplace, Normal, StudentT\."),
        (MAKE["Categorical"], [0, 3, 4], r"whole numbers 0 to 3.*4 at x\[0, 2\].*Poisson"),
        (MAKE["Poisson"], [0, 3, -1], r"-1 at x\[0, 2\].*data: Laplace, Normal, StudentT\."),
        (MAKE["NegativeBinomial"], [0, 3, 1.5], r"1.5 at x\[0, 2\].*data: Laplace, Normal, StudentT\."),
        (MAKE["DiscretizedLogistic"], [0, 255, 256], r"0 to 255.*256 at x\[0, 2\].*Poisson"),
        (functools.partial(likelihoods.DiscretizedLogistic, levels=4), [0, 3, 4], "whole numbers 0 to 3"),
        (MAKE["Normal"], [0, 1, np.nan], "finite"),
    ],
)
def test_values_outside_the_support_are_refused_with_alternatives(make_vae, make, x, expected):
    vae = make_vae(make(3))
    for method in (vae.fit, vae.evaluate, functools.partial(vae.log_prob, num_samples=2)):
        with pytest.raises(InvalidInput, match=expected):
            method(np.float32([x]))


ROW = np.float32([[0.3, -1.2, 1, 2, 0, 7]])


def row_with(column, value):
    return np.where(np.arange(6) == column, np.float32(value), ROW)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (2, 0.5, r"column 2: \{0, 1\}.*0.5 at x\[0, 2\].*In column 2, Bernoulli: .*ContinuousBernoulli"),
        (4, 3.0, r"columns 3-4: the whole numbers 0 to 2.*3 at x\[0, 4\].*In columns 3-4, Categorical: .*Poisson"),
        (5, -1.0, r"-1 at x\[0, 5\].*In column 5, Poisson: .*Normal"),
    ],
    ids=["2", "3-4", "5"],
)
def test_columns_name_the_column(make_vae, column, value, expected):
    with pytest.raises(InvalidInput, match=expected):
        make_vae(columns()).fit(row_with(column, value), verbose=0)


def test_columns_name_the_column_of_a_stream(make_vae):
    vae = make_vae(columns())
    vae.log_prob(ROW, num_samples=2)
    stream = tf.data.Dataset.from_tensor_slices(np.concatenate([ROW, row_with(5, -1)])).batch(1)
    with pytest.raises(InvalidInput, match=r"column 5: .*1 outside \(for example -1\)"):
        vae.fit(stream, verbose=0)


REAL = {"Normal", "Laplace", "StudentT"}
COUNTS = {"Poisson", "NegativeBinomial", "ZeroInflatedNegativeBinomial", "Categorical"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, -3.0], REAL),
        ([0.5, 1.0], REAL | {"ContinuousBernoulli"}),
        ([0.0, 300.0], REAL | COUNTS),
        ([0.0, 255.0], REAL | COUNTS | {"DiscretizedLogistic", "DiscretizedLogisticMixture"}),
        ([0.0, 1.0], {*MAKE} - {"Warped"}),  # which wants a warp
        ([np.nan], set()),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else "likelihoods",
)
def test_fitting_lists_all_that_fit(values, expected):
    assert set(likelihoods.suggest(tf.constant(values))) == expected


@pytest.mark.parametrize("kind", ["uint8", "int64", "bool"])
def test_whole_numbers_and_bools_fit_as_the_same_numbers_do(kind):
    x = np.array([[0, 1], [1, 0]])
    assert likelihoods.suggest(x.astype(kind)) == likelihoods.suggest(x.astype("float32")) != []


def test_a_class_of_ones_own_leaves_no_trace_in_the_library():
    """Whatever it calls itself, and wherever it says it was defined."""
    x, before = tf.constant([0.5, -3.0]), set(vars(likelihoods.Likelihood))
    fits = likelihoods.suggest(x)
    kind = type("Mine", (likelihoods.Normal,), {"__module__": "tfvae.likelihoods.mine"})
    assert likelihoods.suggest(x) == fits and "Mine" not in likelihoods.Normal(2).remedy(x)
    held = [*vars(likelihoods.Likelihood).values(), *vars(likelihoods).values()]
    assert not [value for value in held if value is kind or (isinstance(value, list | dict | set) and kind in value)]
    assert set(vars(likelihoods.Likelihood)) == before


@pytest.mark.parametrize(
    "make",
    [
        lambda: likelihoods.Categorical(2, num_categories=1),
        lambda: likelihoods.DiscretizedLogistic(2, levels=1),
        lambda: likelihoods.DiscretizedLogisticMixture(2, num_components=0),
        lambda: likelihoods.NegativeBinomial(2, inverse_dispersion=-1.0),
        lambda: likelihoods.Laplace(()),
    ],
)
def test_constructors_refuse(make):
    with pytest.raises(InvalidInput):
        make()


# Whole models.


ONE_OF_A_SUPPORT = {MAKE[name](3).support.description: name for name in MAKE}.values()  # serving takes seconds


@pytest.mark.parametrize("name", [*MAKE, "Columns"])
def test_model_trains_scores_saves_and_exports(name, make_vae, tmp_path):
    if name == "Columns":
        likelihood, x = columns(networks.mlp([3])), np.float32([[0.3, -1.2, 1, 2, 0, 7], [0, 2, 0, 1, 1, 0]] * 4)
    else:
        likelihood, x = MAKE[name](3, network=networks.mlp([3])), data(name, (8, 3))
    vae = make_vae(likelihood, event=x.shape[1], preprocessing=[])
    likelihood.adapt(x)
    history = vae.fit(x, batch_size=4, verbose=0).history
    assert all(np.all(np.isfinite(values)) for values in history.values())
    assert all(np.all(np.isfinite(w)) for w in vae.get_weights())
    score = vae.log_prob(x, num_samples=3, seed=1).numpy()
    assert np.all(np.isfinite(score))
    assert bool(tf.reduce_all(likelihood.support.contains(vae.sample(5, seed=1))))
    vae.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.likelihood.get_config().keys() == likelihood.get_config().keys()
    np.testing.assert_array_equal(loaded.elbo(x, seed=1), vae.elbo(x, seed=1))
    reconstruction = vae.predict(x, verbose=0)
    assert np.all(np.isfinite(reconstruction))
    np.testing.assert_allclose(loaded.reconstruct(x), reconstruction, rtol=1e-5, atol=1e-5)
    if name not in (*ONE_OF_A_SUPPORT, "Columns"):
        return
    served = tf.saved_model.load(tfvae.export(vae, tmp_path / "served")).signatures
    np.testing.assert_allclose(served["reconstruct"](x=x)["mean"], reconstruction, rtol=1e-5, atol=1e-4)
    sampled = served["sample"](num_samples=tf.constant(5), seed=tf.constant(1))
    np.testing.assert_allclose(sampled["sample"], vae.sample(5, seed=1), rtol=1e-5, atol=1e-4)
    found = served["log_prob"](x=x, num_samples=tf.constant(3), seed=tf.constant(1))["log_prob"]
    np.testing.assert_allclose(found, score, rtol=1e-4, atol=1e-4)
