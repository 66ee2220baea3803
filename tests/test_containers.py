"""Containers that NumPy would take with a loss are refused by name, and the advice works."""

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from tiny import tiny_vae

import tfvae

X = np.random.default_rng(0).normal(size=(20, 5)).astype("float32")
MASKED = np.ma.masked_greater(X, 1.0)
WORDS = np.concatenate([X[:, :4].astype(object), np.array([["a", "b"] * 10], object).T], axis=1)
LOSSY = {
    "masked": (MASKED, "masked array, .*% of it masked.*x.filled", lambda x: x.filled(0.0)),
    "csr": (scipy.sparse.csr_matrix(X), "a sparse matrix, csr_matrix.*toarray", lambda x: x.toarray()),
    "coo array": (scipy.sparse.coo_array(X), "a sparse matrix, coo_array.*toarray", lambda x: x.toarray()),
    "words": (WORDS, "'a' in column 4.*numpy.unique", None),
    "strings": (X.astype(str), 'astype\\("float32"\\)', lambda x: x.astype("float32")),
    "objects": (X.astype(object), 'astype\\("float32"\\)', lambda x: x.astype("float32")),
}
METHODS = {
    "fit": lambda vae, x: vae.fit(x, verbose=0),
    "evaluate": lambda vae, x: vae.evaluate(x, verbose=0),
    "predict": lambda vae, x: vae.predict(x, verbose=0),
    "adapt": lambda vae, x: vae.adapt(x),
    "encode": lambda vae, x: vae.encode(x),
    "reconstruct": lambda vae, x: vae.reconstruct(x),
    "elbo": lambda vae, x: vae.elbo(x),
    "log_prob": lambda vae, x: vae.log_prob(x, num_samples=2),
    "call": lambda vae, x: vae(x),
}


@pytest.fixture(scope="module")
def vae():
    return tiny_vae(tfvae.likelihoods.Normal)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_containers_are_refused_by_every_method(vae, kind, method):
    x, message, _ = LOSSY[kind]
    with pytest.raises(tfvae.InvalidInput, match=message):
        METHODS[method](vae, x)


@pytest.mark.parametrize("kind", [kind for kind, (_, _, advice) in LOSSY.items() if advice])
def test_the_advice_works(vae, kind):
    x, _, advice = LOSSY[kind]
    assert np.isfinite(vae.elbo(advice(x), seed=0)).all()


def test_the_advice_for_words_works():
    coded = np.column_stack([*WORDS[:, :4].T, np.unique(WORDS[:, 4], return_inverse=True)[1]]).astype("float32")
    likelihood = tfvae.likelihoods.Columns(
        [tfvae.likelihoods.Normal(4), tfvae.likelihoods.Categorical(1, num_categories=2)]
    )
    assert np.isfinite(tiny_vae(likelihood).fit(coded, verbose=0).history["loss"]).all()


def test_an_array_that_masks_nothing_is_an_array(vae):
    assert np.isfinite(vae.elbo(np.ma.masked_array(X), seed=0)).all()


@pytest.mark.parametrize(("largest", "said"), [(2**24, "values unchanged"), (2**24 + 3, "rounds whole numbers above")])
def test_the_note_on_integers_is_true(largest, said, caplog):
    counts = np.array([[largest, 3, 1, 0, 2]] * 4)
    tiny_vae(tfvae.likelihoods.Poisson).evaluate(counts, verbose=0)
    assert said in caplog.text
    assert (int(tf.cast(largest, tf.float32)) == largest) == ("unchanged" in said)
