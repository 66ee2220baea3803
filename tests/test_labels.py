"""Labels of a latent: the same numbers whichever way they come, the classifier, files, signatures, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from few_labels import LABELS, K, X, m2
from tiny import tiny_vae

import tfvae
from tfvae import conditions, likelihoods, objectives, posteriors, priors
from tfvae.app.options import Options
from tfvae.datasets import load
from tfvae.networks import mlp

ROWS, BATCH = 60, 16
RNG = np.random.default_rng(0)
KIND = RNG.integers(0, 3, ROWS)
DATA = (RNG.random((ROWS, 6)) < 0.5).astype("float32")
MASK = RNG.random(DATA.shape) < 0.8
Y = np.where(RNG.random(ROWS) < 0.3, RNG.integers(0, 2, ROWS), -1).astype(np.int32)
KNOWN = {"x": DATA, "mask": MASK, "condition": KIND, "labels": {"y": Y}}


def everything(**options) -> tfvae.VAE:
    """Returns a compiled model of a class and a style that is told a condition, the mask and some labels."""
    keras.utils.set_random_seed(0)
    seen = ("x", "mask", "condition")
    y = posteriors.Categorical(1, 2, mlp([5]), enumerated=True, given=seen)
    objective = objectives.Classification(objectives.ELBO(), of="y", weight=2.0, share=float(np.mean(Y >= 0)))
    vae = tfvae.VAE(
        posterior=tfvae.Joint(y=y, z=posteriors.DiagonalNormal(2, mlp([5]), given=(*seen, "y"))),
        likelihood=likelihoods.Bernoulli((6,), mlp([5]), given=("y", "z", "condition")),
        prior=tfvae.Joint(y=priors.UniformCategorical(1, 2), z=priors.StandardNormal(2)),
        condition=conditions.Labels(3),
        seed=0,
    )
    vae.compile(keras.optimizers.Adam(0.01), objective, **options)
    return vae


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return -(-ROWS // BATCH)

    def __getitem__(self, index):
        return tf.nest.map_structure(lambda part: part[BATCH * index : BATCH * (index + 1)], KNOWN)


WAYS = {
    "a dict": lambda vae: vae.fit(KNOWN, batch_size=BATCH, shuffle=False, epochs=2, verbose=0),
    "a stream": lambda vae: vae.fit(tf.data.Dataset.from_tensor_slices(KNOWN).batch(BATCH), epochs=2, verbose=0),
    "a PyDataset": lambda vae: vae.fit(Batches(), shuffle=False, epochs=2, verbose=0),
    "batches": lambda vae: [vae.train_on_batch(Batches()[i % 4]) for i in range(8)],
    "words": lambda vae: vae.fit(
        DATA, condition=KIND, mask=MASK, labels=Y, batch_size=BATCH, shuffle=False, epochs=2, verbose=0),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("way", list(WAYS)[1:])
def test_labels_come_whichever_way_with_the_same_numbers(way):
    one, other = everything(), everything(steps_per_execution=2 if way == "a stream" else 1)
    WAYS["a dict"](one)
    WAYS[way](other)
    for mine, its in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-6)


@pytest.mark.slow
def test_evaluation_and_validation_take_labels_in_each_way():
    vae = everything()
    logs = vae.evaluate(KNOWN, batch_size=BATCH, verbose=0)
    stream = tf.data.Dataset.from_tensor_slices(KNOWN).batch(BATCH)
    np.testing.assert_allclose(vae.evaluate(stream, verbose=0), logs, rtol=1e-6)
    more = {"condition": KIND, "mask": MASK, "labels": {"y": Y}}
    np.testing.assert_allclose(vae.evaluate(DATA, batch_size=BATCH, verbose=0, **more), logs, rtol=1e-6)
    history = vae.fit(KNOWN, validation_split=0.3, verbose=0).history
    assert np.isfinite(history["val_classification"]).all() and "rate_y" in history


def test_evaluation_knows_labels():
    vae, known = everything(), Y >= 0
    q = vae.classify(DATA, condition=KIND, mask=MASK).numpy()[known]
    logs = vae.evaluate(KNOWN, batch_size=ROWS, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["accuracy"], np.mean(np.argmax(q, axis=1) == Y[known]), rtol=1e-6)
    np.testing.assert_allclose(logs["classification"], -2 * np.log(q[np.arange(len(q)), Y[known]]).mean(), rtol=1e-5)
    without = {key: part for key, part in KNOWN.items() if key != "labels"}
    logs = vae.evaluate(without, verbose=0, return_dict=True)  # of no label nothing is known
    assert np.isnan([logs["classification"], logs["accuracy"]]).all()
    assert np.isfinite([logs["loss"], logs["elbo"]]).all()


@pytest.mark.parametrize("held", [X[:8], (X[:8], LABELS[:8])], ids=["x", "x and y"])
def test_a_validation_without_labels_says_how_they_are_given(held, caplog):
    vae = m2()
    vae.compile("adam", objectives.Classification(objectives.ELBO(), of="y"))
    known = {"x": X, "labels": {"y": LABELS}}
    assert np.isnan(vae.fit(known, validation_data=held, verbose=0).history["val_accuracy"]).all()
    said = 'validation_data have no labels of y: what is known by them is nan. Pass validation_data={"x": x, "labels":'
    assert caplog.text.count(said) == 1
    history = vae.fit(known, validation_data={"x": X[:8], "labels": {"y": LABELS[:8]}}, verbose=0).history
    assert np.isfinite(history["val_accuracy"]).all()


def test_what_is_wrong_with_validation_data_is_said_to_be_in_them():
    vae = m2()
    vae.compile("adam")
    with pytest.raises(tfvae.InvalidInput, match=r"Expected in validation_data: x of shape \('B', "):
        vae.fit(X, validation_data=X[:, :2], verbose=0)


def cross_entropy(vae):
    q = vae.classify(X).numpy()
    known = LABELS >= 0
    return -np.log(q[known, LABELS[known]]).mean()


def test_the_mean_of_the_classifiers_loss_does_not_depend_on_the_batches():
    """Over an epoch it is the weight times the cross-entropy of all labels, however they fall into batches."""
    vae, objective = m2(), objectives.Classification(objectives.IWAE(2), of="y", weight=3.0)
    for order in (np.arange(len(X)), np.argsort(LABELS), np.argsort(-LABELS)):
        terms = []
        for rows in np.split(order[:6], 3):
            known = vae.known({"x": X[rows], "labels": {"y": LABELS[rows]}})
            sizes = {"num_data": 6, "num_known": {"y": int(np.sum(LABELS[order[:6]] >= 0))}}
            terms.append(
                objective.terms(vae.evidence(known, 2, tf.constant([1, 2]), step=tf.constant(0), **sizes))[
                    "classification"
                ]
            )
        q, inside = vae.classify(X).numpy(), order[:6][LABELS[order[:6]] >= 0]
        np.testing.assert_allclose(np.mean(terms), -3 * np.log(q[inside, LABELS[inside]]).mean(), rtol=1e-5)


def test_fit_counts_the_labels_and_the_file_keeps_the_number(tmp_path):
    vae = m2()
    vae.compile("adam", objectives.Classification(objectives.IWAE(2), of="y"))
    before = cross_entropy(vae)
    loss = vae.fit(X, labels={"y": LABELS}, batch_size=7, verbose=0).history["classification"][0]
    np.testing.assert_allclose(loss, before, rtol=1e-5)
    assert vae.num_known == (("y", 4),)
    vae.save(tmp_path / "m2.keras")
    loaded = keras.models.load_model(tmp_path / "m2.keras")
    assert loaded.num_known == (("y", 4),)
    first, second = (model.train_on_batch({"x": X, "labels": {"y": LABELS}}) for model in (vae, loaded))
    np.testing.assert_allclose(first, second, rtol=1e-6)


def test_weights_count_in_the_share_as_they_count_in_the_mean():
    """Nine copies of a labelled row, each with a ninth of its weight, are that row: the loss of all labels stays."""
    copies = np.concatenate([np.flatnonzero(LABELS < 0), np.repeat(np.flatnonzero(LABELS >= 0), 9)])
    weight = np.where(LABELS[copies] < 0, 1.0, 1 / 9)
    vae = m2()
    vae.compile("adam", objectives.Classification(objectives.IWAE(2), of="y"))
    wanted, options = cross_entropy(vae), {"batch_size": len(copies), "shuffle": False, "verbose": 0}
    found = vae.fit(X[copies], labels={"y": LABELS[copies]}, sample_weight=weight, **options).history["classification"]
    np.testing.assert_allclose(found[0], wanted, rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 5, 7])
def test_evaluation_does_not_depend_on_how_labels_fall_into_batches(batch):
    """Loss and cross-entropy are those of all rows at once, also where a batch has no label; without noise of z."""
    vae, wanted = m2(), cross_entropy(m2())
    vae.compile("adam", objectives.Classification(objectives.ELBO(), of="y", weight=3.0))
    logs = vae.evaluate(X, labels={"y": LABELS}, batch_size=batch, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["classification"], 3 * wanted, rtol=1e-5)
    np.testing.assert_allclose(logs["loss"], 3 * wanted - logs["objective"], rtol=1e-5)


@pytest.mark.parametrize("num_samples", [None, 20])
def test_a_label_that_comes_with_the_data_does_not_help_to_classify(num_samples):
    vae = m2()
    found = vae.classify({"x": X, "labels": {"y": np.maximum(LABELS, 0)}}, num_samples, seed=0)
    np.testing.assert_array_equal(found, vae.classify(X, num_samples, seed=0))


def test_the_penalty_passes_the_wrapped_bound_on():
    """Its estimators, its second side and its value: the classifier's loss looks at q(y | x) alone."""
    vae = m2()
    for bound, estimator in (
        (objectives.PIWAE(2, 2), tfvae.estimators.Pathwise()),
        (objectives.IWAE(2), tfvae.estimators.DoublyReparameterized()),
        (objectives.ELBO(), tfvae.estimators.StickingTheLanding()),
    ):
        objective = objectives.Classification(bound, of="y", share=0.5)
        vae.compile("adam", objective, estimator)
        evidence = vae.evidence(vae.known({"x": X}), bound.num_samples, tf.constant([1, 2]))
        np.testing.assert_array_equal(objective(evidence), bound(evidence))
        assert repr(keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))) == repr(
            objective
        )


@pytest.mark.slow
def test_files_and_signatures_say_what_the_model_says(tmp_path):
    vae = everything()
    vae.fit(KNOWN, verbose=0)
    some = tf.nest.map_structure(lambda part: part[:9], KNOWN)
    without = {key: part for key, part in some.items() if key != "labels"}
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.log_prob(some, 20, 1), vae.log_prob(some, 20, 1))
    served = tf.saved_model.load(tfvae.export(vae, tmp_path / "served" / "1")).signatures
    seen = {**without, "condition": tf.cast(KIND[:9], tf.int32)}
    numbers = {"num_samples": tf.constant(20), "seed": tf.constant(1)}
    for labels in (some["labels"]["y"], np.full(9, -1, np.int32)):
        for name in ("log_prob", "elbo"):
            found = served[name](**seen, y=labels, **numbers)[name]
            value = getattr(vae, name)({**some, "labels": {"y": labels}}, 20, 1)
            np.testing.assert_allclose(found, value, rtol=1e-5)
    np.testing.assert_allclose(served["classify"](**seen)["y"], vae.classify(without), rtol=1e-5)
    posterior = served["infer"](**seen, **numbers)["y"][:, 0]
    np.testing.assert_allclose(posterior, vae.classify(without, 20, 1), rtol=1e-5)
    imputed = served["impute"](**seen, **numbers)
    np.testing.assert_allclose(imputed["mean"], vae.impute(without, 20, 1).mean, atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be a label"):
        served["elbo"](**seen, y=np.full(9, 2, np.int32), **numbers)


@pytest.mark.slow
def test_a_replica_trains_as_one_does_without_a_strategy():
    one = everything()
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        other = everything()
    for vae in (one, other):
        vae.fit(tf.data.Dataset.from_tensor_slices(KNOWN).batch(20), verbose=0)
    for mine, its in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-5)


def rows_of(*values):
    return np.array([*values, *[-1] * (len(X) - len(values))])


ROWS_REFUSED = {  # name: (what a user does, what is said)
    "another name": (lambda: m2().log_prob(X, 5, labels={"c": LABELS}), "y, z.*'c'.*labels={'y': y}"),
    "a label too large": (lambda: m2().log_prob(X, 5, labels=rows_of(0, 4)), "0 to 3, or -1.*4 in row 1.*from 0"),
    "half a label": (lambda: m2().fit(X, labels={"y": rows_of(0, 0.5)}), "0.5 in row 1"),
    "fewer rows": (lambda: m2().elbo(X, labels={"y": LABELS[:3]}), "labels of y with 7 rows.*3"),
    "one-hot labels": (lambda: m2().elbo(X, labels={"y": np.eye(K)[np.maximum(LABELS, 0)]}), "np.argmax"),
    "words": (lambda: m2().elbo(X, labels={"y": np.array(list("abcdefg"))}), "np.unique"),
    "half a vector": (
        lambda: m2().elbo(X, labels={"z": np.array([[0.0, np.nan]] * len(X))}), "NaN in all of a row.*row 0"),
    "where no latent can be told": (
        lambda: tiny_vae(posterior=posteriors.VonMisesFisher(3), prior=priors.HypersphericalUniform(3)).elbo(
            np.zeros([2, 5]), labels=np.zeros(2)), "no latent of this model can be told"),
    "an array where none is a class": (lambda: tiny_vae().elbo(np.zeros([2, 5]), labels=np.zeros(2)), "one array"),
    "a stream with bad labels": (
        lambda: everything().fit(
            tf.data.Dataset.from_tensor_slices({**KNOWN, "labels": {"y": Y + 5}}).batch(60), verbose=0),
        "from 0 to 1, or -1"),
    "a later batch with bad labels": (
        lambda: everything().fit(
            tf.data.Dataset.from_tensor_slices({**KNOWN, "labels": {"y": Y + 5 * (np.arange(ROWS) > 40)}}).batch(20),
            verbose=0), "every sample_weight and condition and y of the stream"),
    "a classifier without labels": (lambda: fitted(labels=None), r"labels of y for some examples.*Pass labels=\{'y'"),
    "a classifier of a stream": (lambda: fitted(stream=True), r"share=0.01"),
    "share above one": (lambda: objectives.Classification(objectives.ELBO(), of="y", share=2.0), r"\(0, 1\]"),
    "classes of none": (lambda: tiny_vae().classify(np.zeros([2, 5])), "one of K classes.*enumerated=True"),
    "classes of another": (lambda: m2().classify(X, of="z"), "y.*of='z'.*of='y'"),
}  # fmt: skip


def fitted(labels=LABELS, stream=False):
    vae = m2()
    vae.compile("adam", objectives.Classification(objectives.ELBO(), of="y"))
    if stream:
        data = {"x": X, "labels": {"y": LABELS}}
        return vae.fit(tf.data.Dataset.from_tensor_slices(data).batch(7), verbose=0)
    return vae.fit(X, labels=labels, verbose=0)


@pytest.mark.parametrize("name", ROWS_REFUSED)
def test_what_is_wrong_with_labels_is_said(name):
    act, words = ROWS_REFUSED[name]
    with pytest.raises(tfvae.InvalidInput, match=f"(?s){words}") as error:
        act()
    print(f"{name}: {error.value}")


def test_labels_in_y_are_pointed_out(caplog):
    vae = m2()
    vae.compile("adam")
    vae.fit(X, LABELS, verbose=0)
    assert "Pass labels={'y': y} to say what a latent is" in caplog.text


def test_data_keep_a_few_labels_of_each_class():
    data = load("digits", labels="y", num_labels=25)
    known = data.train.labels >= 0
    assert known.sum() == 25 and np.bincount(data.train.labels[known]).min() == 2
    np.testing.assert_array_equal(data.train.labels[known], data.train.y[known])
    assert data.classes == 10 and (data.test.labels == data.test.y).all()
    assert set(data.train.observed) == {"x", "labels"} and data.protocol["classes"]["labels"]["train"] == 25
    halves = {"x_train": np.zeros((6, 2)), "y_train": np.arange(6) % 3, "x_valid": np.zeros((2, 2))}
    halves |= {"x_test": np.zeros((2, 2)), "y_valid": np.array([0.0, 0.7]), "y_test": np.array([0, 1])}
    with pytest.raises(
        tfvae.InvalidInput, match="labels of whole numbers, one an example. Received float64 .* in valid"
    ):
        load(halves, labels="y")
    for wrong, words in (({"num_labels": 5}, "one for each class"), ({"classes": 5}, "--classes 10")):
        with pytest.raises(tfvae.InvalidInput, match=words):
            load("digits", labels="y", **wrong)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"labels": "y", "recipe": "vae"}, "--recipe m2"),
        ({"recipe": "m2"}, "--labels y"),
        ({"num_labels": 100}, "--labels y"),
        ({"labels": "y", "network": "conv"}, "--network mlp"),
        ({"labels": "y", "num_labels": 0}, "num_labels"),
    ],
    ids=str,
)
def test_the_command_line_says_what_labels_need(given, words):
    with pytest.raises(tfvae.InvalidInput, match=words):
        Options.of("digits", **given)
    assert Options.of("digits", labels="y").recipe == "m2"
