"""Models that are told something beside x: log p(x given c) against a closed form, and every way through Keras."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from conditional_cases import CLASSES, EVENT, HOLES, MASK, OBSERVED, TOLD, X, Y, both, conditional, masked
from linear_gaussian import SIGMA, B, W, data, linear_vae, set_exact
from tiny import tiny_vae

import tfvae
from tfvae import conditions, flows, likelihoods, posteriors, priors
from tfvae.core.context import Context, Made, merged
from tfvae.networks import conv_transpose, gated_mlp, mlp

BATCH = 16


def test_log_prob_is_that_of_the_conditional_linear_gaussian():
    """x = W z + b_c + s eps, z ~ N(m_c, I): log p(x | c) = log N(x; W m_c + b_c, W W^T + s^2 I).

    The posterior is a wrong one, so that the weights count, and every part has to be told c: a prior or a likelihood
    that is not moves log p(x | c) by nats.
    """
    rng, scale = np.random.default_rng(1), 0.5
    w, m, b = (rng.normal(size=size).astype(np.float32) for size in ((2, 4), (CLASSES, 2), (CLASSES, 4)))
    vae = conditional(
        posterior=posteriors.DiagonalNormal(2, given=("x", "condition")),
        likelihood=likelihoods.Normal(4, given=TOLD, scale=scale),
        prior=priors.DiagonalNormal(2, given="condition"),
        scaling=tfvae.scaling.Identity(),
    )
    one = np.log(np.expm1(1 - 1e-5)) - np.log(np.e - 1)
    ones = np.full((CLASSES, 2), one, np.float32)
    vae.prior.head.dense.set_weights([np.concatenate([m, ones], 1), np.zeros(4, np.float32)])
    vae.likelihood.head.dense.set_weights([np.concatenate([b, w]), np.zeros(4, np.float32)])  # condition, then z
    near = np.linalg.inv(w @ w.T + scale**2 * np.eye(2)) @ w
    kernel = np.concatenate([np.concatenate([m - b @ near.T, near.T * 0.9]), np.zeros((CLASSES + 4, 2))], 1)
    vae.posterior.head.dense.set_weights([kernel.astype(np.float32), np.zeros(4, np.float32)])
    c = np.arange(60) % CLASSES
    z = m[c] + rng.normal(size=[60, 2])
    x = (z @ w + b[c] + scale * rng.normal(size=[60, 4])).astype(np.float32)
    found = vae.estimate_log_prob(x, 4000, seed=0, condition=c)
    normal = scipy.stats.multivariate_normal(np.zeros(4), w.T @ w + scale**2 * np.eye(4))
    score = (found.log_prob - normal.logpdf(x - m[c] @ w - b[c])) / found.standard_error
    assert np.abs(score).max() < 4.5 and 0.7 < np.sqrt(np.mean(score**2)) < 1.4  # 60 scores of variance one
    drawn = vae.sample(20000, seed=0, condition=np.arange(CLASSES)).numpy()
    assert drawn.shape == (20000, CLASSES, 4)
    np.testing.assert_allclose(drawn.mean(axis=0), m @ w + b, atol=0.06)  # four standard errors of 2 / sqrt(20000)


def test_log_prob_of_observed_cells_is_that_of_the_linear_gaussian():
    """log N(x_obs; b_obs, (W W^T + s^2 I)_obs), with a posterior that is wide and takes missing cells for zeros."""
    vae, x = set_exact(linear_vae(), stretch=2.0), data(60, seed=3)
    mask = np.random.default_rng(4).random(x.shape) < 0.6
    mask[:2] = [[True], [False]]
    found = vae.estimate_log_prob(np.where(mask, x, np.nan), 5000, seed=0, mask=mask)
    covariance = W @ W.T + SIGMA**2 * np.eye(x.shape[1])
    normals = [scipy.stats.multivariate_normal(B[m], covariance[np.ix_(m, m)]) if m.any() else None for m in mask]
    exact = [0.0 if normal is None else normal.logpdf(row[m]) for normal, row, m in zip(normals, x, mask, strict=True)]
    score = (found.log_prob - np.array(exact)) / found.standard_error
    assert np.abs(score).max() < 4.5 and np.sqrt(np.mean(score**2)) < 1.5  # 60 scores of variance one


def test_bayes_rule_classifies_by_a_conditional_model():
    """log p(x) = logsumexp_c (log p(x | c) + log p(c)): what is sharper given its own label names it."""
    vae = conditional()
    vae.fit(X, condition=Y, epochs=60, verbose=0)
    of_each = np.stack([vae.log_prob(X, 50, seed=0, condition=np.full(70, c)) for c in range(CLASSES)])
    assert np.mean(of_each.argmax(axis=0) == Y) > 0.6  # the groups overlap; one in three by chance


@pytest.mark.slow
@pytest.mark.parametrize("name", OBSERVED)
def test_arrays_streams_and_batches_train_to_the_same_weights(name):
    """With condition, mask, NaN under it and both; the same operations, in other programs."""
    make, data = OBSERVED[name]
    stream = tf.data.Dataset.from_tensor_slices(data).batch(BATCH)
    ways = {
        "arrays": lambda vae: vae.fit(data, batch_size=BATCH, shuffle=False, epochs=2, verbose=0),
        "stream": lambda vae: vae.fit(stream, epochs=2, verbose=0),
        "batches": lambda vae: [vae.train_on_batch(batch) for _ in range(2) for batch in stream],
    }
    weights = []
    for way in ways.values():
        vae = make()
        way(vae)
        weights.append(vae.get_weights())
    for other in weights[1:]:
        for a, b in zip(weights[0], other, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    logs = vae.evaluate(data, batch_size=BATCH, verbose=0)
    np.testing.assert_allclose(vae.evaluate(stream, verbose=0), logs, rtol=1e-5)
    more = {key: data[key] for key in ("condition", "mask") if key in data}
    np.testing.assert_allclose(vae.evaluate(data["x"], batch_size=BATCH, verbose=0, **more), logs, rtol=1e-6)
    history = vae.fit(data, validation_split=0.3, batch_size=BATCH, verbose=0).history
    assert np.isfinite(history["val_loss"]).all()


@pytest.mark.parametrize("name", OBSERVED)
def test_every_method_takes_arguments_or_one_dict(name):
    make, data = OBSERVED[name]
    vae, more = make(), {key: data[key] for key in ("condition", "mask") if key in data}
    x = data["x"]
    np.testing.assert_array_equal(vae.reconstruct(x, **more), vae.reconstruct(data))
    np.testing.assert_allclose(vae.predict(x, verbose=0, **more), vae.reconstruct(data), atol=1e-6)
    np.testing.assert_allclose(vae(data), vae.reconstruct(data), atol=1e-6)
    np.testing.assert_array_equal(vae.encode(x, **more).mean(), vae.encode(data).mean())
    np.testing.assert_array_equal(vae.log_prob(x, 20, seed=1, **more), vae.log_prob(data, 20, seed=1))
    np.testing.assert_array_equal(vae.elbo(x, 20, seed=1, **more), vae.elbo(data, 20, seed=1))
    z = vae.encode(data).mean()
    np.testing.assert_array_equal(vae.joint_log_prob(x, z, **more), vae.joint_log_prob(data, z))
    stream = tf.data.Dataset.from_tensor_slices(data).batch(BATCH)
    np.testing.assert_array_equal(vae.log_prob(stream, 20, seed=1), vae.log_prob(data, 20, seed=1))
    report = tfvae.evaluation.evaluate(vae, data, num_samples=20, verbose=False, gap_examples=4)
    assert report.log_prob.mean == pytest.approx(float(np.mean(vae.log_prob(data, 20, seed=0))), rel=1e-5)
    assert np.isfinite(report.unit_activity).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", OBSERVED)
def test_files_and_signatures_say_what_the_model_says(name, tmp_path):
    make, data = OBSERVED[name]
    vae, data = make(), tf.nest.map_structure(lambda part: part[:5], data)
    vae.fit(data, epochs=1, verbose=0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.reconstruct(data), vae.reconstruct(data))
    served = tf.saved_model.load(tfvae.export(vae, tmp_path / "served" / "1")).signatures
    told = data.get("condition", {})
    told = told if isinstance(told, dict) else {"condition": told}
    inputs = {name: tf.cast(value, vae.conditions[name].dtype) for name, value in told.items()}
    seen = {"x": data["x"], **({"mask": data["mask"]} if "mask" in data else {}), **inputs}
    numbers = {"num_samples": tf.constant(20), "seed": tf.constant(1)}
    assert served["log_prob"].structured_input_signature[1].keys() == seen.keys() | numbers.keys()
    np.testing.assert_allclose(served["reconstruct"](**seen)["mean"], vae.reconstruct(data), atol=1e-6)
    np.testing.assert_allclose(served["log_prob"](**seen, **numbers)["log_prob"], vae.log_prob(data, 20, 1), rtol=1e-5)
    np.testing.assert_allclose(served["elbo"](**seen, **numbers)["elbo"], vae.elbo(data, 20, 1), rtol=1e-5)
    if "mask" in data:
        imputed, found = served["impute"](**seen, **numbers), vae.impute(data, 20, 1)
        assert imputed.keys() == {"mean", "effective_sample_size"}
        for key, value in imputed.items():
            np.testing.assert_allclose(value, getattr(found, key), rtol=1e-5, atol=1e-6)
    z, condition = vae.encode(data).mean(), {"condition": told} if told else {}
    np.testing.assert_allclose(served["decode"](z=z, **inputs)["mean"], vae.decode(z, **condition).mean(), atol=1e-6)
    np.testing.assert_array_equal(served["sample"](**inputs, **numbers)["sample"], vae.sample(20, 1, **condition))
    if inputs:
        bad = {name: value + 100 * tf.ones_like(value) for name, value in inputs.items()}
        with pytest.raises(tf.errors.InvalidArgumentError, match="must lie in"):
            served["reconstruct"](**{**seen, **bad})


BERNOULLI = likelihoods.Bernoulli
KINDS = {
    "flow posterior": {"posterior": lambda: posteriors.Flow(2, flows.Coupling([4]), given=("x", "condition"))},
    "full posterior": {"posterior": lambda: posteriors.FullNormal(2, network=gated_mlp([4]), given=("condition", "x"))},
    "mixture prior": {"prior": lambda: priors.MixtureOfNormals(2, 3, given="condition")},
    "flow prior": {"prior": lambda: priors.Flow(2, flows.Coupling([4]), priors.DiagonalNormal(2, given="condition"))},
    "a posterior as prior": {"prior": lambda: posteriors.FullNormal(2, network=mlp([4]), given="condition")},
    "an own prior": {"prior": lambda: priors.DiagonalNormal(2)},
    "a prior that is told nothing": {"prior": lambda: None},
    "one-hot latents": {
        "posterior": lambda: posteriors.Categorical(2, 3, network=mlp([4]), given=("x", "condition")),
        "prior": lambda: priors.Categorical(2, 3, given="condition"),
        "estimator": tfvae.estimators.ScoreFunction,
    },
    "columns": {"likelihood": lambda: likelihoods.Columns([BERNOULLI(4), likelihoods.Normal(2)], given=TOLD)},
    "two-dimensional conditions": {"condition": lambda: conditions.Real((2, 2))},
    "IWAE, DReG": {
        "objective": lambda: tfvae.objectives.IWAE(3), "estimator": tfvae.estimators.DoublyReparameterized
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_parts_of_every_kind_are_told(name, tmp_path):
    """Each trains, scores, draws, saves and loads."""
    vae = conditional(**{word: make() for word, make in KINDS[name].items()})
    c = np.ones((70, 2, 2), np.float32) * Y[:, None, None] if name.startswith("two") else Y
    assert np.isfinite(vae.fit(X, condition=c, verbose=0).history["loss"]).all()
    score = vae.log_prob(X[:3], 10, seed=0, condition=c[:3])
    assert np.isfinite(score).all() and vae.sample(4, condition=c[:3]).shape == (4, 3, EVENT)
    assert vae.prior_of(c[:3] if vae.prior.given else None).sample(seed=[0, 1]).shape[-1] in (2, 3)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.log_prob(X[:3], 10, seed=0, condition=c[:3]), score)


def functional(names, width):
    inputs = {name: keras.Input(shape, name=name) for name, shape in names.items()}
    joined = keras.layers.Concatenate()([inputs[name] for name in sorted(inputs, reverse=True)])
    return keras.Model(inputs, keras.layers.Dense(width, activation="relu")(joined))


@pytest.mark.slow
def test_a_users_functional_model_with_inputs_of_these_names_works(tmp_path):
    vae = conditional(
        likelihood=likelihoods.Bernoulli(EVENT, functional({"condition": (CLASSES,), "z": (2,)}, 8), given=TOLD),
        posterior=posteriors.DiagonalNormal(2, functional({"x": (EVENT,), "condition": (CLASSES,)}, 8),
                                            given=("x", "condition")),
    )  # fmt: skip
    vae.fit(X, condition=Y, verbose=0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.reconstruct(X, condition=Y), vae.reconstruct(X, condition=Y))
    other = functional({"z": (2,), "label": (CLASSES,)}, 8)
    with pytest.raises(tfvae.InvalidInput, match=r"a dict of z, condition.*label"):
        conditional(likelihood=likelihoods.Bernoulli(EVENT, other, given=TOLD))


def test_a_network_without_a_head_returns_the_raw_numbers(tmp_path):
    """A decoder that is a formula: the network's outputs are the groups, `constrain` still applies."""
    network = keras.Sequential([keras.layers.Dense(EVENT)])
    vae = tiny_vae(likelihoods.Bernoulli(EVENT, network=network, head=False), event=EVENT)
    z = np.zeros((3, 2), np.float32)
    np.testing.assert_allclose(vae.decode(z).distribution.logits, network(z), atol=1e-6)
    assert len(vae.likelihood.weights) == 2
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.reconstruct(X), vae.reconstruct(X))
    with pytest.raises(tfvae.InvalidInput, match="head=False"):
        vae.likelihood.adapt(X)


def test_features_are_shared_computed_once_and_made_again_for_another_z():
    calls = []

    @keras.saving.register_keras_serializable(package="tests")
    class Counted(keras.layers.Dense):
        def call(self, inputs):
            calls.append(inputs.shape)
            return super().call(inputs)

    vae = conditional(
        features={"h": tfvae.Feature(Counted(5), given="x"), "d": tfvae.Feature(mlp([4]), given=("z", "c")),
                  "c": tfvae.Feature(keras.layers.Dense(3), given="condition")},
        posterior=posteriors.DiagonalNormal(2, given=("h", "c")),
        prior=priors.DiagonalNormal(2, given="c"),
        likelihood=likelihoods.Bernoulli(EVENT, given=("d", "condition")),
    )  # fmt: skip
    calls.clear()
    vae.posterior.parameters(context := vae.context(vae.known({"x": X, "condition": {"condition": Y}})))
    vae.posterior.parameters(context)
    assert calls == [(70, EVENT)]
    first, second = (vae.likelihood.parameters(context.with_(z=tf.fill([70, 2], v)))["logits"] for v in (0.0, 1.0))
    assert np.abs(first - second).max() > 0
    assert np.isfinite(vae.fit(X, condition=Y, verbose=0).history["loss"]).all()
    copy = tfvae.VAE.from_config(vae.get_config())
    copy.set_weights(vae.get_weights())
    np.testing.assert_allclose(copy.reconstruct(X, condition=Y), vae.reconstruct(X, condition=Y), atol=1e-6)


def test_noise_depends_on_x_alone():
    """So that log p(x | c = k) for all k with one seed share their draws."""
    vae = conditional(posterior=posteriors.DiagonalNormal(2, network=mlp([8])))
    known = [vae.known({"x": X, "condition": {"condition": np.full(70, c)}}) for c in range(2)]
    first, second = (vae.evidence(part, 3, tf.constant([1, 2])).z for part in known)
    np.testing.assert_array_equal(first, second)


def test_y_is_the_condition_where_exactly_one_fits():
    """As a stream of (x, label) brings it; a y of the event's shape stays the target."""
    vae, other = conditional(), conditional()
    vae.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    other.fit(X, condition=Y, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(vae.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    stream = tf.data.Dataset.from_tensor_slices((X, Y[:, None])).batch(BATCH)
    np.testing.assert_array_equal(vae.log_prob(stream, 10, 0), vae.log_prob(X, 10, 0, condition=Y))
    assert vae.predict(stream, verbose=0).shape == X.shape
    with pytest.raises(tfvae.InvalidInput, match="what this model is told"):
        vae.fit(X, X, verbose=0)


def test_unconditional_latents_are_drawn_afresh_for_each_condition():
    vae = conditional(prior=None)
    z, _, _ = vae.sample_likelihood(5, tf.constant([0, 1]), vae.encoded_conditions({"condition": np.array([0, 0])}))
    assert z.shape == (5, 2, 2) and np.abs(z[:, 0] - z[:, 1]).min() > 0


def test_conv_transpose_takes_several_side_by_side():
    likelihood = likelihoods.Bernoulli((8, 8, 1), network=conv_transpose((8, 8, 1), [4]), given=TOLD)
    vae = tiny_vae(likelihood, event=(8, 8, 1), condition=conditions.Labels(3))
    assert vae.sample(2, condition=[0, 1, 2]).shape == (2, 3, 8, 8, 1)


def test_merged_broadcasts_the_leads_to_one():
    """[B] against [S, B]; the outputs get the lead back, static where it is known."""
    shapes = {"z": (2,), "condition": (3,)}
    found = merged(Context({"z": tf.ones([4, 5, 2]), "condition": tf.ones([5, 3])}), shapes)
    assert {name: value.shape for name, value in found.inputs.items()} == {"z": (20, 2), "condition": (20, 3)}
    assert found.restored(tf.ones([20, 7])).shape == (4, 5, 7)
    context = Context({"z": tf.constant([1.0])}, {"d": Made(("z",), lambda c: c["z"] + 1)})
    assert context["d"] == 2 and context.with_(z=tf.constant([2.0]))["d"] == 3 and context["d"] == 2


@pytest.mark.slow
def test_a_mask_means_the_same_as_a_masked_array_and_a_mask_of_numbers():
    vae = masked()
    expected = vae.log_prob(HOLES, 10, seed=0, mask=MASK)
    np.testing.assert_array_equal(vae.log_prob(np.ma.array(X, mask=~MASK), 10, seed=0), expected)
    np.testing.assert_array_equal(vae.log_prob(HOLES, 10, seed=0, mask=MASK.astype(np.int64)), expected)
    column = MASK[:1]
    wide = np.repeat(column, 70, axis=0)
    np.testing.assert_array_equal(vae.log_prob(X, 10, 0, mask=column), vae.log_prob(X, 10, 0, mask=wide))
    weights = []
    for form in (np.ma.array(X, mask=~MASK), {"x": HOLES, "mask": MASK}):
        vae = masked()
        vae.fit(form, shuffle=False, verbose=0)
        vae.train_on_batch(form)
        weights.append(vae.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("fill", [np.nan, np.inf, -1e30, 0.5])
def test_what_stands_under_the_mask_is_never_seen(fill):
    """Neither by training, preprocessing and scaling, nor by any score; 0.5 is outside the support, too."""
    made = []
    for value in (0.0, fill):
        vae = both(preprocessing=[tfvae.preprocessing.StochasticBinarization()])
        data = {**OBSERVED["both"][1], "x": np.where(MASK, 0.1 + 0.7 * X, value).astype(np.float32)}
        vae.fit(data, shuffle=False, verbose=0)
        made.append([*vae.get_weights(), vae.log_prob(data, 10, 0), vae.elbo(data, 10, 0), vae.reconstruct(data)])
    for a, b in zip(*made, strict=True):
        np.testing.assert_array_equal(a, b)


def test_scaling_and_adapt_take_observed_cells_alone():
    x = np.random.default_rng(2).normal(5.0, 2.0, X.shape).astype(np.float32)
    holes = np.where(MASK, x, np.nan)
    for start in (lambda vae: vae.adapt(holes, mask=MASK), lambda vae: vae.fit(holes, mask=MASK, verbose=0)):
        vae = tiny_vae(likelihoods.Normal, event=EVENT)
        start(vae)
        np.testing.assert_allclose(vae.scaling.mean, np.nanmean(holes, axis=0), rtol=1e-5)
        np.testing.assert_allclose(vae.scaling.scale, np.nanstd(holes, axis=0), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", OBSERVED)
def test_two_replicas_train_on_what_is_known(name):
    make, data = OBSERVED[name]
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        vae = make()
    history = vae.fit(tf.data.Dataset.from_tensor_slices(data).batch(BATCH), verbose=0).history
    assert np.isfinite(history["loss"]).all()
