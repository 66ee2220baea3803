"""Requests of any size: one graph for all numbers of rows, the numbers of eager steps, and bounds on what is asked."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_vae

import tfvae
from tfvae.core.errors import MOST_SAMPLES
from tfvae.inference import bound, importance

X = np.random.default_rng(1).integers(0, 2, [250, 5]).astype("float32")
Z = np.random.default_rng(2).normal(size=(250, 2)).astype("float32")
ASKED = {
    "encode": lambda vae, rows: vae.encode(X[:rows]).mean(),
    "decode": lambda vae, rows: vae.decode(Z[:rows]).mean(),
    "reconstruct": lambda vae, rows: vae.reconstruct(X[:rows]),
    "predict": lambda vae, rows: vae.predict(X[:rows], verbose=0),
    "joint_log_prob": lambda vae, rows: vae.joint_log_prob(X[:rows], Z[:rows]),
    "elbo": lambda vae, rows: vae.elbo(X[:rows], 3, seed=1),
    "log_prob": lambda vae, rows: vae.log_prob(X[:rows], 3, seed=1),
    "sample": lambda vae, rows: vae.sample(rows, seed=1),
}


def traces_of(vae):
    return sum(graph.experimental_get_tracing_count() for graph in vae.graphs.made.values())


@pytest.mark.parametrize("method", ASKED)
def test_a_third_number_of_rows_makes_no_graph(method):
    vae = tiny_vae(preprocessing=[tfvae.preprocessing.StochasticBinarization()])
    for rows in (1, 2):
        ASKED[method](vae, rows)
    made = traces_of(vae)
    assert 1 <= made <= 2
    for rows in (3, 5, 8, 13, 2, 1):
        assert len(ASKED[method](vae, rows)) == rows
    assert traces_of(vae) == made


@pytest.mark.parametrize("asked", [lambda vae, z: vae.joint_log_prob(X[:4], z), lambda vae, z: vae.decode(z).mean()])
def test_one_code_for_each_example_and_several_take_turns(asked):
    """`[B, D]` and `[S, B, D]` in any order, each as if it were alone; a second number of samples is as quick."""
    vae, z = tiny_vae(), Z[:12].reshape(3, 4, 2)
    for _ in range(2):
        several = asked(vae, z)
        for one, found in zip(z, several, strict=True):
            np.testing.assert_allclose(asked(vae, one), found, rtol=1e-5)
        np.testing.assert_allclose(asked(vae, z[:2]), several[:2], rtol=1e-5)


@pytest.mark.parametrize("samples", [1, 2, 7, 49, 60])
def test_another_number_of_samples_makes_no_graph(samples):
    vae = tiny_vae()
    vae.log_prob(X[:3], 5)
    vae.elbo(X[:3], 5)
    made = traces_of(vae)
    vae.log_prob(X[:3], samples)
    vae.elbo(X[:3], samples)
    assert traces_of(vae) == made == 2


@pytest.mark.parametrize("method", ASKED)
def test_numbers_are_those_without_a_graph(method):
    vae = tiny_vae(preprocessing=[tfvae.preprocessing.StochasticBinarization()])
    in_graph = ASKED[method](vae, 7)
    tf.config.run_functions_eagerly(True)
    try:
        step_by_step = ASKED[method](vae, 7)
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(in_graph, step_by_step, rtol=1e-5, atol=1e-6)


def test_gradients_pass_the_graphs():
    """Of the weights and of x, as of any call."""
    vae, x = tiny_vae(tfvae.likelihoods.Normal), tf.constant(X[:4])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(vae.encode(x).mean()) + tf.reduce_sum(vae.elbo(x, 3, seed=0))
    gradients = tape.gradient(loss, [x, *vae.trainable_variables])
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)


def test_predict_is_what_a_subclass_makes_of_it():
    class Doubled(tfvae.VAE):
        def call(self, x, training=False):
            return 2 * super().call(x, training)

    vae = tiny_vae(kind=Doubled)
    np.testing.assert_allclose(vae.predict(X[:3], verbose=0), 2 * vae.reconstruct(X[:3]), rtol=1e-6)


# The ELBO in blocks.


def test_what_fits_into_one_block_has_the_noise_of_the_evidence():
    vae = tiny_vae()
    evidence = vae.evidence(vae.known({"x": X[:100]}), 50, tfvae.seeds.as_seed(4))
    np.testing.assert_allclose(vae.elbo(X[:100], 50, seed=4), evidence.elbo, rtol=1e-5)


@pytest.mark.parametrize("rows", [30, 250])
def test_the_elbo_is_the_mean_of_exactly_so_many_samples(rows, monkeypatch):
    """Against the same samples, taken one at a time."""
    monkeypatch.setattr(importance, "SAMPLES_PER_CHUNK", 4)
    vae, seed = tiny_vae(), tfvae.seeds.as_seed(4)
    got = vae.elbo(X[:rows], 10, seed=4)
    for index, start in enumerate(range(0, rows, 100)):
        known = vae.known({"x": X[start : min(start + 100, rows)]})
        block, samples = bound.piece_seed(seed, index), []
        for chunk in range(3):
            evidence = vae.evidence(known, 4, bound.piece_seed(block, chunk))
            samples.append(evidence.log_likelihood - evidence.kl)
        expected = tf.reduce_mean(tf.concat(samples, axis=0)[:10], axis=0)
        np.testing.assert_allclose(got[start : start + 100], expected, rtol=1e-5)


def test_without_a_closed_form_the_rate_is_the_samples_own():
    vae = tiny_vae(prior=tfvae.priors.MixtureOfNormals(2, 3))
    evidence = vae.evidence(vae.known({"x": X[:9]}), 20, tfvae.seeds.as_seed(4))
    assert evidence.kl is None
    np.testing.assert_allclose(vae.elbo(X[:9], 20, seed=4), evidence.elbo, rtol=1e-5)


def test_blocks_and_chunks_draw_noise_of_their_own():
    vae, same = tiny_vae(), np.repeat(X[:1], 200, axis=0)
    values = vae.elbo(same, 1, seed=0).numpy()
    assert len(np.unique(values)) == 200
    assert np.corrcoef(values[:100], values[100:])[0, 1] < 0.4  # of 100 pairs: four standard errors


# Bounds.


@pytest.mark.parametrize("samples", [MOST_SAMPLES + 1, 2**31 - 1, 10**10])
@pytest.mark.parametrize("method", ["elbo", "log_prob", "sample", "evaluate"])
def test_more_samples_than_anybody_waits_for_are_refused(method, samples):
    calls = {
        "elbo": lambda vae: vae.elbo(X, samples),
        "log_prob": lambda vae: vae.log_prob(X, samples),
        "sample": lambda vae: vae.sample(samples),
        "evaluate": lambda vae: tfvae.evaluation.evaluate(vae, X, num_samples=samples, verbose=False),
    }
    with pytest.raises(tfvae.InvalidInput, match=f"at most {MOST_SAMPLES}.*several calls"):
        calls[method](tiny_vae())


def test_a_served_request_may_ask_for_what_was_fixed_at_export(tmp_path):
    served = tf.saved_model.load(tfvae.export(tiny_vae(), tmp_path / "1", max_samples=7)).signatures
    seed, x = tf.constant(0), tf.constant(X[:2])
    for name, given in {"sample": {}, "elbo": {"x": x}, "log_prob": {"x": x}}.items():
        served[name](**given, num_samples=tf.constant(7), seed=seed)
        for asked in (8, 2**31 - 1):
            with pytest.raises(tf.errors.InvalidArgumentError, match="num_samples must be from [01] to 7"):
                served[name](**given, num_samples=tf.constant(asked), seed=seed)


@pytest.mark.parametrize("given", [0, -1, 1.5, True, 10**10])
def test_the_bound_itself_is_checked(given, tmp_path):
    with pytest.raises(tfvae.InvalidInput, match="max_samples"):
        tfvae.export(tiny_vae(), tmp_path / "1", max_samples=given)


# On a phone.


def lite(vae, folder, *names):
    """Returns signatures of the exported model as functions of LiteRT; the way that the README has."""
    converter = tf.lite.TFLiteConverter.from_saved_model(tfvae.export(vae, folder / "1"), signature_keys=list(names))
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    return {name: interpreter.get_signature_runner(name) for name in names}


PHONE = {
    "binarised": lambda: tiny_vae(preprocessing=[tfvae.preprocessing.StochasticBinarization()]),
    "plain": tiny_vae,
    "dequantised": lambda: tiny_vae(
        tfvae.likelihoods.Normal, preprocessing=[tfvae.preprocessing.UniformDequantization(256)]
    ),
    "standardised": lambda: tiny_vae(tfvae.likelihoods.Normal),
    "counts": lambda: tiny_vae(tfvae.likelihoods.NegativeBinomial),
    "convolutions": lambda: tiny_vae(
        tfvae.likelihoods.Bernoulli((8, 8, 1), network=tfvae.networks.conv_transpose((8, 8, 1), [3, 2])),
        network=tfvae.networks.conv([2, 3]),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PHONE)
def test_encode_decode_and_reconstruct_convert_for_a_phone(name, tmp_path):
    vae = PHONE[name]()
    x = np.random.default_rng(0).integers(0, 2, [1, *vae.event_shape]).astype("float32")
    found = lite(vae, tmp_path, "encode", "decode", "reconstruct")
    np.testing.assert_allclose(found["reconstruct"](x=x)["mean"], vae.reconstruct(x), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["encode"](x=x)["mean"], vae.encode(x).mean(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["decode"](z=Z[:1])["mean"], vae.decode(Z[:1]).mean(), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample", "elbo", "log_prob"])
def test_what_needs_noise_does_not_convert(name, tmp_path):
    with pytest.raises(Exception, match="StatelessRandom|TensorList"):
        lite(tiny_vae(), tmp_path, name)


@pytest.mark.slow
def test_keras_export_hands_on_its_options(tmp_path):
    tiny_vae().export(tmp_path / "1", max_samples=3)
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["sample"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="from 0 to 3"):
        served(num_samples=tf.constant(4), seed=tf.constant(0))


def test_a_summary_shows_shapes_and_the_networks_when_it_is_asked_to(capsys):
    vae = tiny_vae(network=keras.Sequential([keras.layers.Dense(7)], name="the_encoder"))
    vae.summary(line_length=100)
    short = capsys.readouterr().out
    vae.summary(line_length=100, expand_nested=True)
    long = capsys.readouterr().out
    assert "(None, 2)" in short and "(None, 5)" in short
    assert "the_encoder" not in short and "the_encoder" in long and "(1, 7)" in long


def test_a_value_that_no_kernel_takes_is_refused_by_name():
    """TensorFlow's own kernel raises at a label beyond the last one."""
    vae = tiny_vae(tfvae.likelihoods.Categorical(5, num_categories=3))
    for ask in (vae.elbo, lambda x: vae.log_prob(x, 2), lambda x: vae.joint_log_prob(x, Z[:1])):
        with pytest.raises(tfvae.InvalidInput, match=r"7 at x\[0, 2\]"):
            ask(np.float32([[0, 1, 7, 2, 0]]))


def test_a_preprocessing_layer_that_is_adapted_again_is_seen():
    """Keras keeps the statistics as tensors, which a graph would keep."""
    scale = keras.layers.Normalization()
    scale.adapt(X)
    vae = tiny_vae(tfvae.likelihoods.Normal, preprocessing=[scale])
    vae.scaling.adapted.assign(1.0)
    before = vae.encode(X[:3]).mean()
    scale.adapt(5 * X + 3)
    after = vae.encode(X[:3]).mean()
    assert np.abs(after - before).max() > 1e-2
    np.testing.assert_allclose(after, vae.posterior(vae.context(vae.known({"x": X[:3]}))).mean(), rtol=1e-5, atol=1e-6)


def test_a_seed_set_anew_is_seen():
    vae = tiny_vae(preprocessing=[tfvae.preprocessing.StochasticBinarization(seed=0)])
    grey = np.full([3, 5], 0.5, "float32")
    before = vae.reconstruct(grey)
    vae.preprocessing[0].seed = 7
    assert np.abs(vae.reconstruct(grey) - before).max() > 1e-4


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_elbo_is_differentiated_in_a_step_of_ones_own(jit_compile):
    vae = tiny_vae()

    @tf.function(jit_compile=jit_compile)
    def step(x):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(vae.elbo(x, 2, seed=1))
        return tape.gradient(loss, vae.trainable_variables)

    assert all(np.isfinite(gradient).all() for gradient in step(tf.constant(X[:4])))


@pytest.mark.parametrize("samples", [tf.constant(3), tf.constant(3, tf.int64)])
def test_a_number_of_samples_may_be_a_tensor(samples):
    vae = tiny_vae()
    np.testing.assert_array_equal(vae.elbo(X[:4], samples, seed=1), vae.elbo(X[:4], 3, seed=1))


def test_a_tensor_of_no_samples_is_refused():
    with pytest.raises(tfvae.InvalidInput, match="num_samples"):
        tiny_vae().elbo(X[:4], tf.constant(0))
