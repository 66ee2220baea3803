"""A model saved in one process goes on in another; an exported one needs neither tfvae, nor TFP, nor Keras."""

import functools
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from unittest.mock import Mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tiny import tiny_vae

import tfvae
from tfvae import likelihoods, networks, objectives, preprocessing, scales

DATA = np.random.default_rng(4).integers(0, 2, [10, 5]).astype(np.float32)
GREY = np.random.default_rng(5).integers(0, 256, [10, 5]).astype(np.float32)


def in_fresh_process(code, *arguments):
    """Runs code in a new interpreter that finds this tfvae; returns what it printed."""
    env = {**os.environ, "PYTHONPATH": str(Path(tfvae.__file__).parents[1]), "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr[-4000:]
    return run.stdout


def batches():
    return tf.data.Dataset.from_tensor_slices(DATA).batch(4)


def rescaling():
    return keras.layers.Rescaling(1 / 255, dtype="float32")


def adapted():
    layer = keras.layers.Normalization()
    layer.adapt(GREY)
    return layer


# Saving.


IMAGE = (4, 6, 1)
COMBINATIONS = {  # so that each scale, preprocessing, network, optimizer and objective occurs
    "defaults": lambda: tiny_vae(),
    "no network": lambda: tiny_vae(likelihoods.Normal(5), posterior=tfvae.posteriors.DiagonalNormal(3)),
    "fixed scale": lambda: tiny_vae(likelihoods.Normal(5, scale=0.3), objective=objectives.IWAE(4), optimizer="sgd"),
    "shared scale": lambda: tiny_vae(likelihoods.Normal(5, scale=scales.Shared(0.5)), preprocessing=[adapted()]),
    "scale a dimension": lambda: tiny_vae(likelihoods.Normal(5, scale=scales.PerDimension(2.0)), seed=None),
    "predicted scale": lambda: tiny_vae(
        likelihoods.Normal((2, 3, 4), network=networks.mlp([3], "tanh"), scale=scales.Predicted(0.1)),
        objective=objectives.ELBO(beta=0.5, num_samples=2),
    ),
    "binarised": lambda: tiny_vae(
        preprocessing=[rescaling(), preprocessing.StochasticBinarization(seed=9)],
        optimizer=keras.optimizers.AdamW(keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.9), clipnorm=1.0),
    ),
    "dequantised": lambda: tiny_vae(
        likelihoods.Normal,
        preprocessing=preprocessing.UniformDequantization(levels=256, seed=1),
        prior=tfvae.priors.StandardNormal(2),
    ),
    "convolutions": lambda: tiny_vae(
        likelihoods.Bernoulli(IMAGE, network=networks.conv_transpose(IMAGE, [3, 2])), network=networks.conv([2, 3])
    ),
    "steps": lambda: tiny_vae(steps_per_execution=3, jit_compile=True),
}


def as_json(model):
    return json.loads(json.dumps(keras.saving.serialize_keras_object(model)))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_every_combination_loads_as_it_was_saved(name, tmp_path):
    vae, rng = COMBINATIONS[name](), np.random.default_rng(0)
    for weight in vae.trainable_variables:
        weight.assign_add(rng.normal(scale=0.1, size=weight.shape))
    vae.optimizer.apply_gradients([(tf.ones(v.shape), v) for v in vae.trainable_variables])
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert as_json(loaded) == as_json(vae)
    assert repr(loaded.objective) == repr(vae.objective)
    assert loaded.steps_per_execution == vae.steps_per_execution and loaded.jit_compile == vae.jit_compile
    assert int(loaded.optimizer.iterations) == 1
    mine, its = (model.weights + model.optimizer.variables for model in (vae, loaded))
    for one, other in zip(mine, its, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    x = np.random.default_rng(1).integers(0, 2, [3, *vae.event_shape]).astype(np.float32)
    np.testing.assert_array_equal(vae.elbo(x, 2, seed=1), loaded.elbo(x, 2, seed=1))
    np.testing.assert_array_equal(vae(x), loaded(x))


def test_an_uncompiled_model_loads_uncompiled(tmp_path):
    vae = tiny_vae(units=None, compiled=False)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert not loaded.compiled
    np.testing.assert_array_equal(loaded.elbo(DATA, seed=1), vae.elbo(DATA, seed=1))


def test_the_size_of_the_data_is_saved_and_terms_that_know_it_go_on(make_vae, tmp_path):
    """N is no weight: without it the total correlation of a loaded model would be another number."""
    objective = objectives.TotalCorrelation(objectives.ELBO(), weight=2.0)
    vae = make_vae(objective=objective, run_eagerly=True)
    vae.fit(DATA, batch_size=5, verbose=0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.num_data == vae.num_data == len(DATA)
    first, second = (model.evaluate(DATA, batch_size=5, verbose=0, return_dict=True) for model in (vae, loaded))
    assert first == second
    loaded.num_data = 10 * len(DATA)
    assert abs(loaded.evaluate(DATA, batch_size=5, verbose=0, return_dict=True)["loss"] - first["loss"]) > 1e-4


def test_a_network_shared_by_two_parts_is_shared_after_loading(tmp_path):
    shared = networks.mlp([4])
    vae = tiny_vae(likelihoods.Bernoulli(5, network=shared), latent=5, network=shared)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    assert loaded.posterior.network is loaded.likelihood.network
    assert len(loaded.weights) == len(vae.weights) == 6
    np.testing.assert_array_equal(loaded.elbo(DATA, seed=1), vae.elbo(DATA, seed=1))


GO_ON = """
    import sys, keras, numpy as np, tensorflow as tf, tfvae

    data = np.load(sys.argv[1] + "/data.npy")
    batches = tf.data.Dataset.from_tensor_slices(data).batch(4)
    vae = keras.saving.load_model(f"{sys.argv[1]}/vae.keras")
    estimate = vae.estimate_log_prob(data, num_samples=60, seed=5)
    results = [vae.encode(data).mean(), vae.encode(data).stddev(), *estimate, vae.sample(3, seed=6)]
    vae.fit(batches, epochs=2, verbose=0)
    arrays = [*results, *vae.get_weights(), *(v.numpy() for v in vae.optimizer.variables)]
    np.savez(f"{sys.argv[1]}/vae.npz", *map(np.asarray, arrays))
    print(type(vae.optimizer).__name__, repr(vae.objective))
"""


@pytest.mark.parametrize(("policy", "optimizer"), [("float32", "Adam"), ("mixed_float16", "LossScaleOptimizer")])
def test_another_process_goes_on_bit_equally(policy, optimizer, make_vae, tmp_path):
    """Training 2 epochs here and 2 in the other process is training 4 epochs here, in every bit."""
    np.save(tmp_path / "data.npy", DATA)
    keras.config.set_dtype_policy(policy)
    schedule = keras.optimizers.schedules.CosineDecay(0.05, 12)
    vae = make_vae(optimizer=keras.optimizers.Adam(schedule), objective=objectives.IWAE(3))
    vae.fit(batches(), epochs=2, verbose=0)
    vae.save(tmp_path / "vae.keras")
    estimate = vae.estimate_log_prob(DATA, num_samples=60, seed=5)
    results = [vae.encode(DATA).mean(), vae.encode(DATA).stddev(), *estimate, vae.sample(3, seed=6)]
    vae.fit(batches(), epochs=2, verbose=0)
    expected = [*results, *vae.get_weights(), *(v.numpy() for v in vae.optimizer.variables)]
    assert in_fresh_process(GO_ON, tmp_path).splitlines() == [f"{optimizer} IWAE(num_samples=3)"]
    with np.load(tmp_path / "vae.npz") as file:
        for index, array in enumerate(expected):
            np.testing.assert_array_equal(file[f"arr_{index}"], array, err_msg=str(index))


# Serving.

SERVE = """
    import sys

    BLOCKED = {"tfvae", "tensorflow_probability", "keras", "tf_keras"}

    class Without:  # as if they were not installed
        def __init__(self, finder):
            self.finder = finder

        def find_spec(self, name, *args):
            return None if name.split(".")[0] in BLOCKED else self.finder.find_spec(name, *args)

    sys.meta_path[:] = map(Without, sys.meta_path)
    import numpy as np
    import tensorflow as tf

    def call(loaded, signature, **inputs):
        return {k: v.numpy() for k, v in loaded.signatures[signature](**inputs).items()}

    for folder in sys.argv[1:]:
        loaded, results = tf.saved_model.load(folder + "/1"), {}
        with np.load(folder + "/requests.npz") as requests:
            for key in requests.files:
                if not key.startswith("x"):
                    continue
                x, seed = tf.constant(requests[key]), tf.constant(-3)
                z = tf.constant(requests["z" + key[1:]])
                n = {"num_samples": tf.constant(int(key[1:]) % 7)}
                k = {"num_samples": tf.constant(60)}
                requested = {
                    "serving_default": {"x": x}, "reconstruct": {"x": x}, "encode": {"x": x}, "decode": {"z": z},
                    "sample": {**n, "seed": seed}, "elbo": {"x": x, **k, "seed": seed},
                    "log_prob": {"x": x, **k, "seed": seed},
                }
                assert set(requested) == set(loaded.signatures)
                for name, inputs in requested.items():
                    outputs = call(loaded, name, **inputs)
                    again = call(loaded, name, **inputs)
                    for output, value in outputs.items():
                        assert np.array_equal(value, again[output], equal_nan=True), (name, output)
                        results[f"{key}:{name}:{output}"] = value
        np.savez(folder + "/answers.npz", **results)
    assert not {name.split(".")[0] for name in sys.modules} & BLOCKED
"""

SERVED = {
    "bernoulli": lambda make_vae: make_vae(),
    "binarised": lambda make_vae: make_vae(preprocessing=[rescaling(), preprocessing.StochasticBinarization()]),
    "fixed scale": lambda make_vae: make_vae(likelihoods.Normal(5, scale=0.3), preprocessing=[adapted()]),
    "shared scale": lambda make_vae: make_vae(
        likelihoods.Normal(5), preprocessing=[preprocessing.UniformDequantization(256)]
    ),
    "scale a dimension": lambda make_vae: make_vae(
        likelihoods.Normal(5, scale=scales.PerDimension()), preprocessing=[rescaling()]
    ),
    "predicted scale": lambda make_vae: make_vae(
        likelihoods.Normal(5, network=networks.mlp([3]), scale=scales.Predicted()), preprocessing=[rescaling()]
    ),
}
INPUTS = {
    "reconstruct": {"x"}, "serving_default": {"x"}, "encode": {"x"}, "decode": {"z"}, "sample": {"num_samples", "seed"},
    "elbo": {"x", "num_samples", "seed"}, "log_prob": {"x", "num_samples", "seed"},
}  # fmt: skip
OUTPUTS = {
    "reconstruct": {"mean"}, "serving_default": {"mean"}, "encode": {"mean", "stddev"}, "decode": {"mean"},
    "sample": {"z", "mean", "sample"}, "elbo": {"elbo"}, "log_prob": {"log_prob", "standard_error"},
}  # fmt: skip


TOLERANCE = {  # 0 but here: the model compiles log_prob's densities with XLA, and graphs fuse loc + scale * eps
    "log_prob:log_prob": 1e-5, "log_prob:standard_error": 1e-4, "sample:sample": 1e-6, "elbo:elbo": 1e-6,
}  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Returns a function from a name of `SERVED` to the model and the folder it was exported to, once."""
    root = tmp_path_factory.mktemp("served")

    @functools.cache
    def export(name):
        keras.utils.set_random_seed(0)
        model, folder = SERVED[name](tiny_vae), root / name.replace(" ", "-")
        assert tfvae.export(model, folder) == str(folder / "1")
        return model, folder

    return export


@pytest.fixture(scope="module")
def served(exported):
    """Returns a function from a name to the model and the folder, which holds what a process without tfvae answered."""

    @functools.cache
    def serve(name):
        model, folder = exported(name)
        rng, high = np.random.default_rng(1), 2 if name == "bernoulli" else 256
        requests = {f"x{n}": rng.integers(0, high, [n, 5]).astype(np.float32) for n in (0, 1, 1000)}
        requests |= {f"z{n}": rng.normal(size=[n, 2]).astype(np.float32) for n in (0, 1, 1000)}
        np.savez(folder / "requests.npz", **requests)
        in_fresh_process(SERVE, folder)
        return model, folder

    return serve


def answers(vae, x, z, draws):
    """Returns what the model itself answers to one set of requests."""
    q, (prior_z, likelihood, _) = vae.encode(x), vae.sample_likelihood(draws, tfvae.seeds.as_seed(-3))
    estimate = vae.estimate_log_prob(x, 60, seed=-3)
    sample = vae.sample(draws, seed=-3) if draws else tf.zeros([0, 5])
    return {
        "serving_default:mean": vae.reconstruct(x), "reconstruct:mean": vae.reconstruct(x),
        "encode:mean": q.mean(), "encode:stddev": q.stddev(), "decode:mean": vae.decode(z).mean(),
        "sample:z": prior_z, "sample:mean": likelihood.mean(), "sample:sample": sample,
        "elbo:elbo": vae.elbo(x, 60, seed=-3),
        "log_prob:log_prob": estimate.log_prob, "log_prob:standard_error": estimate.standard_error,
    }  # fmt: skip


@pytest.mark.parametrize("n", [0, 1, 1000])
@pytest.mark.parametrize("name", SERVED)
def test_a_process_without_tfvae_gets_the_models_answers(served, name, n):
    (model, folder), worst = served(name), {}
    with np.load(folder / "requests.npz") as requests, np.load(folder / "answers.npz") as answered:
        for key, expected in answers(model, requests[f"x{n}"], requests[f"z{n}"], n % 7).items():
            got, expected = answered[f"x{n}:{key}"], np.asarray(expected)
            assert got.shape == expected.shape and np.all(np.isfinite(got)), key
            worst[key] = float(np.max(np.abs(got - expected), initial=0.0))
            tolerance = TOLERANCE.get(key, 0.0)
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance, err_msg=key)
    print(f"\n{name}, batch of {n}: largest differences {worst}")


def test_signatures_and_folder_are_as_a_server_wants_them(exported):
    folder = exported("bernoulli")[1] / "1"
    assert {p.name for p in folder.iterdir()} >= {"saved_model.pb", "variables"}
    graphs = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    assert [list(graph.meta_info_def.tags) for graph in graphs] == [["serve"]]
    signatures = graphs[0].signature_def
    assert set(signatures) - {"__saved_model_init_op"} == set(INPUTS)
    for name, inputs in INPUTS.items():
        signature = signatures[name]
        assert signature.method_name == "tensorflow/serving/predict"
        assert set(signature.inputs) == inputs and set(signature.outputs) == OUTPUTS[name]
        shapes = {key: [dim.size for dim in info.tensor_shape.dim] for key, info in signature.inputs.items()}
        assert shapes == {
            k: v for k, v in {"x": [-1, 5], "z": [-1, 2], "num_samples": [], "seed": []}.items() if k in inputs
        }
        types = {key: tf.as_dtype(info.dtype) for key, info in signature.inputs.items()}
        assert types == {key: tf.float32 if key in "xz" else tf.int32 for key in inputs}


NAN, HALF = np.full([2, 5], np.nan, np.float32), np.full([2, 5], 0.5, np.float32)
REFUSED = {
    "NaN": ("encode", {"x": NAN}, "x must be finite, received NaN or infinity"),
    "infinity": ("reconstruct", {"x": NAN * 0 + np.inf}, "x must be finite"),
    "NaN in a density": ("log_prob", {"x": NAN, "num_samples": 2, "seed": 0}, "x must be finite"),
    "out of support": ("elbo", {"x": HALF, "num_samples": 2, "seed": 0}, "x must lie in {0, 1}"),
    "out of support in log_prob": ("log_prob", {"x": HALF, "num_samples": 2, "seed": 0}, "x must lie in {0, 1}"),
    "wrong width": ("encode", {"x": np.zeros([2, 4], np.float32)}, "not compatible with expected shape [?,5]"),
    "wrong rank": ("reconstruct", {"x": np.zeros([5], np.float32)}, "not compatible with expected shape [?,5]"),
    "integers": ("encode", {"x": np.zeros([2, 5], np.int32)}, "expected to be a float tensor but is a int32"),
    "wrong latent width": ("decode", {"z": np.zeros([2, 3], np.float32)}, "not compatible with expected shape [?,2]"),
    "NaN latent": ("decode", {"z": NAN[:, :2]}, "z must be finite"),
    "no samples": ("log_prob", {"x": DATA, "num_samples": 0, "seed": 0}, "num_samples must be from 1 to 10000"),
    "no samples of the elbo": ("elbo", {"x": DATA, "num_samples": 0, "seed": 0}, "num_samples must be from 1 to 10000"),
    "negative draws": ("sample", {"num_samples": -1, "seed": 0}, "num_samples must be from 0 to 10000"),
}


def test_endpoints_refuse_with_a_reason(exported, subtests):
    signatures = tf.saved_model.load(str(exported("bernoulli")[1] / "1")).signatures
    for name, (signature, inputs, words) in REFUSED.items():
        with subtests.test(name):
            with pytest.raises((tf.errors.InvalidArgumentError, ValueError)) as error:
                signatures[signature](**{key: tf.constant(value) for key, value in inputs.items()})
            assert words in str(error.value)


def test_versions(exported, tmp_path):
    vae, _ = exported("bernoulli")
    (tmp_path / "digits" / "7").mkdir(parents=True)
    (tmp_path / "digits" / "notes").mkdir()
    assert tfvae.export(vae, tmp_path / "digits") == str(tmp_path / "digits" / "8")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "digits").rglob("*")}
    for taken in ("8", "7"):
        with pytest.raises(tfvae.InvalidInput, match="does not exist yet.*new version"):
            tfvae.export(vae, str(tmp_path / "digits" / taken))
    with pytest.raises(tfvae.InvalidInput, match=r"a tfvae\.VAE"):
        tfvae.export(keras.Sequential(), tmp_path / "digits")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "digits").rglob("*")} == before


FULL = "No space left on device"
FAILURES = {
    "OSError": (OSError(28, FULL), OSError),
    "TensorFlow's": (tf.errors.ResourceExhaustedError(None, None, FULL), OSError),
    "interrupt": (KeyboardInterrupt(), KeyboardInterrupt),
}


def test_an_export_traces_each_endpoint_once(make_vae, tmp_path, monkeypatch):
    """Keras would trace what it exports, and TensorFlow again as it saves."""
    module = sys.modules["tfvae.export"]
    traced = {name: Mock(wraps=getattr(module, name)) for name in ("encoded", "decoded", "elbo_in_graph")}
    for name, mock in traced.items():
        monkeypatch.setattr(module, name, mock)
    tfvae.export(make_vae(), tmp_path / "1")
    assert {name: mock.call_count for name, mock in traced.items()} == dict.fromkeys(traced, 1)


@pytest.mark.parametrize(("error", "raised"), FAILURES.values(), ids=FAILURES)
def test_a_failed_export_leaves_nothing(exported, tmp_path, monkeypatch, error, raised):
    def write_part(self, path, **options):
        (Path(path) / "variables").mkdir(parents=True)
        (Path(path) / "saved_model.pb").write_bytes(b"half")
        raise error

    monkeypatch.setattr(type(keras.export.ExportArchive()), "write_out", write_part)
    with pytest.raises(raised):
        tfvae.export(exported("bernoulli")[0], tmp_path / "digits" / "1")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert list((tmp_path / "digits").glob("*")) == []
