"""What evaluation and pictures say of models whose classes are summed over, beside sums by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from few_labels import D, K, N, m2

import tfvae
from tfvae import evaluation, likelihoods, networks, objectives, plotting, posteriors, priors
from tfvae.plotting import latents, walks

RANDOM = np.random.default_rng(0)
X = (RANDOM.random((107, N)) < 0.5).astype("float32")
Y = RANDOM.integers(-1, K, len(X))
LABELLED = {"x": X, "labels": {"y": Y}}


def sharp(order="label first", scale=6.0):
    """Returns M2 whose q(y | x) and q(z | x, y) differ much with x and y."""
    vae = m2(order)
    for part in vae.posterior.parts.values():
        for weight in part.trainable_variables:
            weight.assign(scale * weight)
    (logits,) = vae.prior.parts["y"].trainable_variables
    logits.assign(tf.reshape(tf.constant([0.0, 1.0, -1.0, 0.5]), logits.shape))
    return vae


@pytest.fixture(scope="module")
def vae():
    return sharp()


def bare(enumerated=True):
    keras.utils.set_random_seed(0)
    y = posteriors.Categorical(1, K, networks.mlp([5]), enumerated=enumerated)
    vae = tfvae.VAE(y, likelihoods.Bernoulli((N,)), priors.Categorical(1, K), seed=0)
    for weight in y.trainable_variables:
        weight.assign(2 * weight)
    return vae


def both(given_z):
    """Returns a model of z and y that hang on x alone; p(y) or p(y | z)."""
    keras.utils.set_random_seed(1)
    y = posteriors.Categorical(1, K, networks.mlp([5]), enumerated=True)
    prior = {
        "y": priors.Categorical(1, K, network=networks.mlp([5]), given=("z",)) if given_z else priors.Categorical(1, K)
    }
    vae = tfvae.VAE(
        tfvae.Joint(y=y, z=posteriors.DiagonalNormal(D)),
        likelihoods.Bernoulli((N,), networks.mlp([5]), given=("y", "z")),
        tfvae.Joint(**prior, z=priors.StandardNormal(D)),
        seed=0,
    )
    for weight in y.trainable_variables:
        weight.assign(4 * weight)
    return vae


def q_of_y(vae):
    return np.asarray(vae.classify(X), np.float64)


def information(q):
    return np.sum(q * (np.log(q) - np.log(q.mean(axis=0))), axis=1)


@pytest.mark.parametrize("vae", [sharp(), bare(), both(False)], ids=["M2", "bare", "side by side"])
def test_information_of_classes_is_exact_for_their_probabilities(vae):
    q = q_of_y(vae)
    found = evaluation.mutual_information(vae, X, seed=0)
    each, name = information(q), vae.latents.enumerated[0]
    p = np.asarray(vae.latents.prior[name]().mean())[0]
    assert found.num_examples == len(X)
    np.testing.assert_allclose(found.mutual_information, each.mean(), rtol=1e-4)
    np.testing.assert_allclose(found.mutual_information_error, each.std(ddof=1) / np.sqrt(len(X)), rtol=1e-3)
    np.testing.assert_allclose(found.marginal_kl, np.sum(q.mean(0) * np.log(q.mean(0) / p)), rtol=1e-3)
    assert found.mutual_information > 0.2  # of these weights, so that a zero is not right by chance


def test_the_prior_of_a_class_may_hang_on_a_latent_that_is_drawn():
    """I(x; y) has no noise; the rate less that is a mean over z, here of 3000 samples: 0.002 nats."""
    vae = both(given_z=True)
    q, found = q_of_y(vae), evaluation.mutual_information(vae, X, 3000, seed=0, latent="y")
    np.testing.assert_allclose(found.mutual_information, information(q).mean(), rtol=1e-4)
    z = vae.encode(X).model["z"].sample(3000, seed=1)
    p = vae.latents.prior["y"].parameters({"z": z})["logits"][:, :, 0]
    rate = np.sum(q * (np.log(q) - np.mean(tf.nn.log_softmax(p), axis=0)), axis=1)
    np.testing.assert_allclose(found.marginal_kl, rate.mean() - found.mutual_information, atol=0.004)


@pytest.mark.parametrize("order", ["label last", "side by side"])
def test_information_of_a_latent_beside_classes_counts_examples_not_values(order):
    """The same as that of a model without the class whose q(z | x) is this one; within four standard errors."""
    vae = both(False) if order == "side by side" else sharp(order, 2.0)
    found = evaluation.mutual_information(vae, X, 20, seed=0, latent="z")
    alone = tfvae.VAE(
        posteriors.DiagonalNormal(D, networks.mlp([5], "tanh") if order == "label last" else None),
        likelihoods.Bernoulli((N,)),
        seed=0,
    )
    alone.posterior.set_weights(vae.posterior.parts["z"].get_weights())
    wanted = evaluation.mutual_information(alone, X, 20, seed=1)
    assert found.num_examples == len(X)
    for mine, other, noise in zip(found[:4:2], wanted[:4:2], wanted[1:4:2], strict=True):
        assert abs(mine - other) < noise  # both of the same examples: the noise of 20 samples is less


def test_the_report_of_a_mixture_is_exact():
    vae = bare()
    q, p = q_of_y(vae), np.asarray(vae.prior().mean())[0]
    log_x = np.stack([vae.likelihood(y).log_prob(X) for y in np.eye(K, dtype="float32")[:, None, None]], axis=1)
    report = evaluation.evaluate(vae, X, 3, verbose=False)
    np.testing.assert_allclose(report.log_prob.mean, np.log(np.exp(log_x) @ p).mean(), rtol=1e-5)
    np.testing.assert_allclose(report.distortion.mean, -np.sum(q * log_x, axis=1).mean(), rtol=1e-5)
    np.testing.assert_allclose(report.rate.mean, np.sum(q * np.log(q / p), axis=1).mean(), rtol=1e-4)
    np.testing.assert_allclose(report.elbo.mean, -report.distortion.mean - report.rate.mean, rtol=1e-5)
    np.testing.assert_allclose(report.aggregated.mutual_information, information(q).mean(), rtol=1e-4)
    assert "from 107 examples" in str(report)


SCORES = {
    "evaluate": lambda vae, x: evaluation.evaluate(vae, x, 5, verbose=False, baselines_from=x).log_prob,
    "rates": lambda vae, x: evaluation.rates(vae, x)["y"],
    "KL": evaluation.kl_per_dimension,
    "information": lambda vae, x: evaluation.mutual_information(vae, x, seed=0),
    "means": evaluation.posterior_means,
    "hidden cells": lambda vae, x: evaluation.hidden_cells(vae, x, num_samples=3, examples=20).error,
    "anomaly": lambda vae, x: evaluation.anomaly(vae, x, X[:9], 3).elbo,
    "activity": lambda vae, x: evaluation.relative_activity(vae, evaluation.posterior_means(vae, x), x),
    "codes": lambda vae, x: latents.codes(vae, x)["z"],
}


@pytest.mark.parametrize("name", SCORES)
def test_a_score_does_not_depend_on_labels(vae, name):
    for mine, other in zip(*(np.atleast_1d(SCORES[name](vae, x)) for x in (X, LABELLED)), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)  # float32 in graphs of 107 and of any number of rows


def batches():
    return [{"x": X[i : i + 25], "labels": {"y": Y[i : i + 25]}} for i in range(0, len(X), 25)]


class Rows(keras.utils.PyDataset):
    def __len__(self):
        return len(batches())

    def __getitem__(self, index):
        return batches()[index]


STREAMS = {
    "tf.data": lambda: tf.data.Dataset.from_tensor_slices(LABELLED).batch(25),
    "PyDataset": Rows,
    "generator": lambda: iter(batches()),
    "one array of labels": lambda: ({**batch, "labels": batch["labels"]["y"]} for batch in batches()),
    "list of dicts": batches,
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_bring_labels(vae, name):
    stream = (lambda: iter(STREAMS[name]())) if name == "list of dicts" else STREAMS[name]
    whole, found = (evaluation.evaluate(vae, x, 5, verbose=False) for x in (LABELLED, stream()))
    assert found.log_prob == pytest.approx(whole.log_prob, rel=1e-5) and found.classes[0].examples == np.sum(Y >= 0)
    assert evaluation.classification(vae, stream()).confusion == whole.classes[0].confusion


def test_gaps_and_annealing_of_classes_are_refused_in_words_and_the_remedy_works():
    vae = sharp()
    with pytest.raises(tfvae.InvalidInput, match=r"y, whose values are summed over.*estimate_log_prob") as error:
        evaluation.inference_gaps(vae, X[:3], steps=2, num_samples=5)
    print(error.value)
    with pytest.raises(tfvae.InvalidInput, match="summed over"):
        evaluation.evaluate(vae, X, 5, gap_examples=3, verbose=False)
    for function, data in ((evaluation.annealed_log_prob, X[:3]), (evaluation.bidirectional, 3)):
        with pytest.raises(tfvae.InvalidInput, match="one-hot.*estimate_log_prob"):
            function(vae, data)
    assert np.all(np.isfinite(vae.estimate_log_prob(X[:3], 5).log_prob))


# Pictures


def test_the_aggregated_posterior_of_classes_has_all_of_them():
    """Bars are the means of one draw an example: within four standard errors of the mean of q(y | x)."""
    vae = sharp()
    mean = q_of_y(vae).mean(axis=0)
    axes = plotting.aggregated_posterior(vae, X, latent="y").axes[0]
    heights = np.array([bar.get_height() for bar in axes.patches])
    np.testing.assert_array_less(np.abs(heights - mean), 4 * np.sqrt(mean * (1 - mean) / len(X)) + 1e-6)


def test_draws_below_a_class_are_of_the_class_that_was_drawn():
    """Location and spread of z by class are far apart, and q(z) is their mixture."""
    vae = m2()
    for weight in vae.posterior.parts["z"].trainable_variables:
        weight.assign(8 * weight)
    z = np.concatenate([latents.draws(vae, X, seed)["z"] for seed in range(40)])
    q = q_of_y(vae)
    parts = vae.posterior.parts["z"]
    ones = [np.tile(np.eye(K, dtype="float32")[k], (len(X), 1, 1)) for k in range(K)]
    loc = np.stack([parts.parameters({"x": tf.constant(X), "y": tf.constant(y)})["loc"] for y in ones], axis=1)
    mean = np.einsum("nk,nkd->d", q, loc) / len(X)
    first = loc[:, 0].mean(axis=0)
    noise = z.std(axis=0) / np.sqrt(len(z))
    assert np.all(np.abs(z.mean(axis=0) - mean) < 4 * noise)
    assert np.any(np.abs(first - mean) > 8 * noise)  # what draws of the first class alone would show


def test_the_plane_of_a_class_shows_its_probabilities():
    vae = sharp()
    places = latents.places(vae, X, "y")
    np.testing.assert_allclose(places[:, 0], q_of_y(vae), rtol=1e-5)
    np.testing.assert_allclose(latents.places(vae, X, "z"), latents.codes(vae, X)["z"])
    assert (
        len(
            np.unique(
                np.round(plotting.latent_plane(vae, X, latent="y").axes[0].collections[0].get_offsets(), 4), axis=0
            )
        )
        > K
    )


def test_a_traversal_of_a_class_is_one_picture_a_class_and_holds_the_rest(monkeypatch):
    seen, decoded, vae = [], latents.decoded, sharp()
    monkeypatch.setattr(latents, "decoded", lambda vae, z, *told: seen.append(z) or decoded(vae, z, *told))
    plotting.latent_traversals(vae, X, latent="y", example=3)
    np.testing.assert_array_equal(seen[0]["y"][0, :, 0], np.eye(K))
    held = latents.codes(vae, X[3:4])["z"]
    np.testing.assert_allclose(seen[0]["z"], np.tile(held[:, np.newaxis], (1, K, 1)))
    plotting.latent_traversals(vae, X, latent="z", steps=3)
    np.testing.assert_array_equal(np.unique(seen[1]["y"].reshape(-1, K), axis=0), latents.codes(vae, X[:1])["y"][0])
    assert walks.MAX_DIMENSIONS >= D


# Training


@pytest.mark.slow
def test_first_aid_names_rows_whose_labels_cannot_be():
    vae = m2()
    vae.compile("adam", objectives.ELBO())
    bad = np.where(np.arange(len(Y)) == 30, 9, Y).astype("float32")
    stream = tf.data.Dataset.from_tensor_slices({"x": X, "labels": {"y": bad}}).batch(25)
    with pytest.raises(tfvae.InvalidInput, match=r"y.*row 5 \(from 0\) of 25"):
        vae.fit(stream, verbose=0, callbacks=[tfvae.callbacks.FirstAid()])


@pytest.mark.slow
def test_a_run_with_labels_resumes_where_it_was(tmp_path):
    def trained(epochs, folder):
        saver = tfvae.callbacks.Checkpoint(folder)
        vae = saver.restore() or m2()
        if not vae.compiled:
            vae.compile("adam", objectives.Classification(objectives.ELBO(), of="y"), jit_compile=False)
        watch = [tfvae.callbacks.EarlyStopping(), saver]
        vae.fit(X, labels={"y": Y}, validation_data=LABELLED, epochs=epochs, batch_size=50, verbose=0, callbacks=watch)
        return vae

    trained(1, tmp_path / "two")
    for one, two in zip(*(trained(2, tmp_path / name).get_weights() for name in ("one", "two")), strict=True):
        np.testing.assert_array_equal(one, two)
