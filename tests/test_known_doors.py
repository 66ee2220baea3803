"""What is known beside x goes through every door: sparse matrices, single batches, streams, calls and tensors."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from conditional_cases import AGE, HOLES, MASK, X, Y, both, conditional, masked

import tfvae
from tfvae import InvalidInput
from tfvae.networks import mlp

WEIGHT = np.linspace(0.5, 1.5, len(X)).astype(np.float32)
SPARSE = scipy.sparse.csr_matrix(X)
BESIDE = {
    "condition and weights": (conditional, {"condition": Y, "sample_weight": WEIGHT}),
    "condition and y": (conditional, {"condition": Y, "y": 1 - X}),
    "one mask for all": (masked, {"mask": MASK[:1]}),
    "a mask": (masked, {"mask": MASK}),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BESIDE)
def test_a_sparse_matrix_keeps_what_is_beside_it(case):
    """The loss of an epoch of one batch is that of the dense matrix: 1e-5, other sums."""
    make, beside = BESIDE[case]
    losses = [make().evaluate(x, **beside, batch_size=70, verbose=0, return_dict=True)["loss"] for x in (SPARSE, X)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    fitted = [make().fit(x, **beside, batch_size=70, shuffle=False, verbose=0).history["loss"] for x in (SPARSE, X)]
    np.testing.assert_allclose(*fitted, rtol=1e-5)


def test_a_sparse_matrix_is_scored_with_its_condition():
    vae = conditional()
    sparse, dense = ({"x": x, "condition": Y} for x in (SPARSE, X))
    scores = [tfvae.evaluation.evaluate(vae, data, num_samples=3, seed=0).log_prob for data in (sparse, dense)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)
    beside = [tfvae.evaluation.baselines(vae, data, data).log_prob for data in (sparse, dense)]
    assert beside[0].keys() == beside[1].keys()
    for name in beside[0]:
        np.testing.assert_allclose(beside[0][name], beside[1][name], rtol=1e-4)


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
def test_a_single_batch_takes_target_weights_and_condition(method):
    """As one dict, and as Keras' arguments beside the keyword."""
    known = {"x": X, "target": 1 - X, "weight": WEIGHT, "condition": Y}
    found = [
        getattr(conditional(), method)(X, 1 - X, WEIGHT, condition=Y),
        getattr(conditional(), method)(X, y=1 - X, sample_weight=WEIGHT, condition=Y),
        getattr(conditional(), method)(known),
    ]
    np.testing.assert_allclose(found[1:], found[:1] * 2, rtol=1e-6)
    assert not np.allclose(getattr(conditional(), method)(X, condition=Y), found[0])


def test_labels_that_do_not_exist_are_refused_or_give_nan():
    """Eagerly by name; within a stream, whose first batch is fine, as NaN in their rows and in no other."""
    vae, bad = conditional(), np.where(np.arange(70) == 60, 9, Y)
    with pytest.raises(InvalidInput, match=r"9 at condition\[60\]"):
        vae({"x": X, "condition": bad})
    stream = tf.data.Dataset.from_tensor_slices({"x": X, "condition": bad}).batch(16)
    rows = np.isnan(vae.predict(stream, verbose=0)).all(axis=1)
    assert np.flatnonzero(rows).tolist() == [60]
    assert np.isfinite(np.delete(vae.predict(stream, verbose=0), 60, axis=0)).all()


@pytest.mark.parametrize("mask", [np.where(MASK, 2, 0), tf.constant(np.where(MASK, 2, 0))], ids=["array", "tensor"])
def test_a_mask_has_two_values(mask):
    with pytest.raises(InvalidInput, match="Received 2"):
        masked().elbo(HOLES, mask=mask)


def test_masks_may_be_tensors():
    found = [
        masked().elbo(x, seed=0, mask=mask) for x in (HOLES, tf.constant(HOLES)) for mask in (MASK, tf.constant(MASK))
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_predictions_do_not_look_at_weights():
    vae, known = conditional(), {"x": X, "condition": Y}
    for rows in (slice(20), slice(70)):
        some = {key: part[rows] for key, part in known.items()}
        weighed = vae.predict({**some, "weight": WEIGHT[rows]}, verbose=0)
        np.testing.assert_array_equal(weighed, vae.predict(some, verbose=0))


def test_adapt_is_refused_before_anything_is_changed():
    network = keras.Sequential([keras.layers.Dense(5)])
    likelihood = tfvae.likelihoods.Normal(5, network=network, head=False)
    vae = tfvae.VAE(tfvae.posteriors.DiagonalNormal(2), likelihood)
    before = [weight.numpy() for weight in vae.scaling.weights]
    with pytest.raises(InvalidInput, match="head=False"):
        vae.adapt(5 * X[:, :5] + 3)
    for weight, was in zip(vae.scaling.weights, before, strict=True):
        np.testing.assert_array_equal(weight, was)


def test_parts_that_nothing_reaches_are_refused():
    posterior, told = tfvae.posteriors.DiagonalNormal(2), tfvae.conditions.Labels(3)
    with pytest.raises(InvalidInput, match="likelihood that is given z") as found:
        tfvae.VAE(posterior, tfvae.likelihoods.Bernoulli(6, given="condition"), condition=told)
    print(found.value)
    idle = {"h": tfvae.Feature(mlp([3]), given="x")}
    with pytest.raises(InvalidInput, match="given 'h', a feature") as found:
        tfvae.VAE(tfvae.posteriors.DiagonalNormal(2), tfvae.likelihoods.Bernoulli(6), features=idle)
    print(found.value)


@pytest.mark.parametrize(("make", "words"), [(masked, "has no condition"), (both, "none of its conditions")])
def test_the_note_on_labels_says_why(caplog, make, words):
    known = {"condition": {"label": Y, "age": AGE}} if make is both else {}
    make().fit(HOLES, Y, mask=MASK, **known, verbose=0)
    assert words in caplog.text
