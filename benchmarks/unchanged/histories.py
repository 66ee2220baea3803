"""Every number that a user sees, with fixed seeds: histories of training, weights, scores, answers of saved files.

fits      {ELBO, IWAE with DReG, VampPrior on two replicas} x {eager, graph, xla} x {arrays, stream, weights, ...}
scores    evaluate, log_prob, elbo, sample, the evaluation report, annealing, refinement, gaps
files     what version 0.1 saved (tests/files_0_1)

python -m benchmarks.unchanged.histories OUT.npz PART [--smoke]       in a tree; "line/number" to array
"""

import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tfvae
from benchmarks.unchanged.trees import check_import
from tfvae import estimators, evaluation, inference, likelihoods, networks, objectives, posteriors, priors

BATCH, EPOCHS = 4, 2
X = (np.random.default_rng(0).random((22, 12)) < 0.4).astype("float32")  # the last batch is short
WEIGHT = np.linspace(0.5, 2, len(X)).astype("float32")
FITS = {  # name: (prior, arguments of `compile`)
    "ELBO": (lambda: None, dict),
    "IWAE, DReG": (
        lambda: None,
        lambda: {"objective": objectives.IWAE(5), "estimator": estimators.DoublyReparameterized()},
    ),
    "VampPrior": (lambda: priors.VampPrior(3, 4), dict),
}
MOST_TELLING = ("a short last batch", "stream, steps_per_execution=3", "sample_weight")
MODES = {"eager": {"run_eagerly": True}, "graph": {"jit_compile": False}, "xla": {"jit_compile": True}}


class Watcher(keras.callbacks.Callback):
    """Keeps the loss after every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Keeps it."""
        self.losses.append(float(logs["loss"]))


def stream() -> tf.data.Dataset:
    """Returns the batches in their order."""
    return tf.data.Dataset.from_tensor_slices(X).batch(BATCH)


VARIANTS = {  # name: (arguments of `compile`, data, arguments of `fit`)
    "arrays": ({}, lambda: X[:20], dict),
    "a short last batch": ({}, lambda: X, dict),
    "stream": ({}, stream, dict),
    "stream, steps_per_execution=3": ({"steps_per_execution": 3}, stream, dict),
    "validation_data": ({}, lambda: X, lambda: {"validation_data": X[:9]}),
    "sample_weight": ({}, lambda: X, lambda: {"sample_weight": WEIGHT}),
    "FirstAid": ({}, lambda: X, lambda: {"callbacks": [tfvae.callbacks.FirstAid()]}),
    "a callback at every batch": ({}, lambda: X, lambda: {"callbacks": [Watcher()]}),
}


def model(fit: str, **options: object) -> tfvae.VAE:
    """Returns a compiled VAE from fixed seeds."""
    keras.utils.set_random_seed(1)
    prior, objective = FITS[fit]
    vae = tfvae.VAE(
        posteriors.DiagonalNormal(3, network=networks.mlp([16])),
        likelihoods.Bernoulli(X.shape[1], network=networks.mlp([16])),
        prior(),
        seed=3,
    )
    vae.compile(keras.optimizers.Adam(0.01), **objective(), **options)
    return vae


def trained(fit: str, mode: str, variant: str, strategy: tf.distribute.Strategy) -> dict[str, object]:
    """Returns what a fit leaves behind: history, losses of the batches, weights before and after, optimizer."""
    options, data, arguments = VARIANTS[variant]
    with strategy.scope():
        vae = model(fit, **MODES[mode], **options)
    start, arguments, data = vae.get_weights(), arguments(), data()
    if not isinstance(data, tf.data.Dataset):
        arguments["batch_size"] = BATCH
    history = vae.fit(data, epochs=EPOCHS, verbose=0, **arguments).history
    losses = [callback.losses for callback in arguments.get("callbacks", ()) if isinstance(callback, Watcher)]
    optimizer = [v.numpy() for v in vae.optimizer.variables]
    return {"history": history, "losses": losses, "start": start, "end": vae.get_weights(), "optimizer": optimizer}


def fits(smoke: bool) -> Iterator[tuple[str, object]]:
    """Yields the name and the result of every fit."""
    replicas = tf.distribute.MirroredStrategy(tf.config.list_logical_devices("CPU"))
    for fit in list(FITS)[: 1 if smoke else None]:
        for mode in ("graph",) if smoke else ("eager", "graph") if fit == "VampPrior" else MODES:
            variants = VARIANTS if fit == "ELBO" or mode == "graph" else MOST_TELLING
            for variant in list(variants)[: 2 if smoke else None]:
                strategy = replicas if fit == "VampPrior" else tf.distribute.get_strategy()
                try:
                    found = trained(fit, mode, variant, strategy)
                except Exception as error:  # a refusal has to be the same, too; later lines have ids
                    found = {"refused": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
                yield f"{fit}, {mode}, {variant}", found


def scores(smoke: bool) -> Iterator[tuple[str, object]]:
    """Yields what a trained model of each kind is said to be worth."""
    few = X[:4]
    asked = {
        "evaluate": lambda vae: vae.evaluate(X, batch_size=BATCH, verbose=0, return_dict=True),
        "evaluate, stream": lambda vae: vae.evaluate(stream(), verbose=0, return_dict=True),
        "log_prob": lambda vae: vae.log_prob(X, 120, seed=1),
        "estimate_log_prob": lambda vae: vae.estimate_log_prob(X, 60, seed=2),
        "elbo": lambda vae: vae.elbo(X, 7, seed=3),
        "sample": lambda vae: vae.sample(9, seed=4),
        "reconstruct": lambda vae: vae.reconstruct(X),
        "predict": lambda vae: vae.predict(X, batch_size=BATCH, verbose=0),
        "joint_log_prob": lambda vae: vae.joint_log_prob(X, vae.encode(X).mean()),
        "evaluation.evaluate": lambda vae: evaluation.evaluate(vae, X, 60, per_example=True, verbose=False).to_dict(),
        "evaluation.annealed_log_prob": lambda vae: evaluation.annealed_log_prob(vae, few, 20, 3, seed=5),
        "inference.refine": lambda vae: inference.refine(vae, few, 20, seed=6, evaluation_samples=50),
        "evaluation.inference_gaps": lambda vae: evaluation.inference_gaps(vae, few, 20, num_samples=50, seed=7),
    }
    for fit in list(FITS)[: 1 if smoke else None]:
        vae = model(fit, jit_compile=False)
        vae.fit(X, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        for name, ask in list(asked.items())[: 3 if smoke else None]:
            yield f"{fit}, {name}", ask(vae)


def files(smoke: bool) -> Iterator[tuple[str, object]]:
    """Yields the answers of the files of version 0.1."""
    from files_0_1 import make

    with tempfile.TemporaryDirectory() as folder:
        make.unpack(Path(folder))
        for question in ["served/1"] if smoke else make.QUESTIONS:
            yield question.replace("/", " "), make.ask(Path(folder), question)


def numbers(value: object, name: str) -> dict[str, np.ndarray]:
    """Returns the numbers and the refusals in a result, "name/key/..." to array; models in it are left out."""
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    elif isinstance(value, (list, tuple)) and any(np.ndim(v) or not np.isscalar(v) for v in value):
        value = dict(enumerate(value))
    if isinstance(value, Mapping):
        return {k: found for key, part in value.items() for k, found in numbers(part, f"{name}/{key}").items()}
    return {} if value is None or isinstance(value, keras.Model) else {name: np.asarray(value)}


def main() -> None:
    """Writes the numbers."""
    check_import(tfvae.__file__)
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    found, parts = {}, {"fits": fits, "scores": scores, "files": files}
    for part in [word for word in sys.argv[2:] if word in parts]:
        for line, value in parts[part]("--smoke" in sys.argv):
            found |= numbers(value, f"{part}/{line}")
            keras.backend.clear_session()
            print(f"    {part}: {line}", flush=True)
    np.savez(sys.argv[1], **found)


if __name__ == "__main__":
    main()
