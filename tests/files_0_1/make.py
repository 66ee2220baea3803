"""Files that tfvae 0.1 wrote and what it computed from them: a later version opens each and finds the same numbers.

files.zip   models/NAME.keras     compiled and trained for two epochs
            run_complete/         of `tfvae train digits`, without its pictures, page and SavedModel
            run_stopped/          the same, killed after two of four epochs
            served/1/             a SavedModel
            expected.json         "file/what" to the numbers of version 0.1

It was made on the commit of version 0.1, 87edc82, in the environment of `constraints.txt`:

    git worktree add OLD 87edc82
    PYTHONPATH=OLD python tests/files_0_1/make.py

`test_earlier_files.py` asks again with the functions below, so these use only what both versions offer.
"""

import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tfvae
from tfvae import estimators, flows, likelihoods, networks, objectives, posteriors, preprocessing, priors, schedules

try:
    from tfvae.app import cli
except ImportError:  # version 0.1
    from tfvae import cli

ARCHIVE = Path(__file__).with_name("files.zip")
OPTIONS = "--hidden 8 --latent-dim 2 --eval-samples 20".split()
MODELS = ("bernoulli", "iwae", "vamp", "flow", "critic", "normal")


def rows(name: str) -> np.ndarray:
    """Returns 40 examples for a model; in batches of 16, the last one is short."""
    rng = np.random.default_rng(MODELS.index(name))
    return rng.integers(0, 256 if name == "normal" else 2, [40, 5]).astype("float32")


def model(name: str) -> tfvae.VAE:
    """Returns a model, compiled and trained."""
    keras.utils.set_random_seed(1)
    posterior, prior, given = posteriors.DiagonalNormal(2, network=networks.mlp([4])), None, {}
    likelihood, objective, estimator = likelihoods.Bernoulli(5, network=networks.mlp([4])), None, None
    if name == "iwae":
        objective, estimator = objectives.IWAE(3), estimators.DoublyReparameterized()
    elif name == "vamp":
        prior, estimator = priors.VampPrior(2, 3, constraint=priors.Interval(0.0, 1.0)), estimators.StickingTheLanding()
    elif name == "flow":
        transform = flows.stack(flows.InverseAutoregressive([4]), flows.Coupling([4], flows.Spline(4)))
        posterior = posteriors.Flow(2, transform, context_dim=3, network=networks.mlp([4]))
        prior = priors.MixtureOfNormals(2, 3)
    elif name == "critic":
        objective = objectives.DensityRatio(objectives.ELBO(), 2.0, units=[4], learning_rate=1e-2)
    elif name == "normal":
        likelihood = likelihoods.Normal(5, network=networks.mlp([4]), scale=tfvae.scales.PerDimension())
        normalization = keras.layers.Normalization()
        normalization.adapt(rows(name) / 256)
        given = {"preprocessing": [preprocessing.UniformDequantization(256), normalization]}
        objective = objectives.ELBO(beta=schedules.LinearWarmup(10))
    vae = tfvae.VAE(posterior, likelihood, prior, seed=3, **given)
    chosen = {"objective": objective, "estimator": estimator}
    vae.compile(keras.optimizers.Adam(1e-2), **{key: value for key, value in chosen.items() if value is not None})
    if name == "vamp":
        vae.adapt(rows(name), seed=0)
    vae.fit(rows(name), batch_size=16, epochs=2, verbose=0)
    return vae


def of_model(path: Path) -> dict:
    """Returns what a saved model says, and how it goes on training."""
    vae, x = keras.saving.load_model(path), rows(path.stem)
    estimate = vae.estimate_log_prob(x, 60, seed=1)
    return {
        "log_prob": vae.log_prob(x, 60, seed=1),
        "standard_error": estimate.standard_error,
        "elbo": vae.elbo(x, 7, seed=2),
        "evaluate": vae.evaluate(x, batch_size=16, verbose=0, return_dict=True),
        "sample": vae.sample(9, seed=3),
        "reconstruct": vae.reconstruct(x),
        "predict": vae.predict(x, batch_size=16, verbose=0),
        "history": vae.fit(x, batch_size=16, epochs=3, verbose=0, validation_data=x[:9]).history,
        "weights": np.sort(np.concatenate([np.ravel(w) for w in vae.get_weights()])),  # in whatever order they are held
    }


def of_complete_run(folder: Path) -> dict:
    """Returns what the command line says of a run that has ended."""
    _tfvae("evaluate", folder, "--num-samples", 30, "--split", "valid", "--out", folder / "valid.json")
    _tfvae("sample", folder, "--count", 5, "--out", folder / "draws.npy")
    return {"valid": _json(folder / "valid.json"), "draws": np.load(folder / "draws.npy")}


def of_stopped_run(folder: Path) -> dict:
    """Lets a stopped run go on to its end; returns its history and its score."""
    _tfvae("train", "--resume", folder)
    history = np.genfromtxt(folder / "history.csv", delimiter=",", names=True)
    history = {name: history[name] for name in history.dtype.names}
    return {"metrics": _json(folder / "metrics.json")["test"], "history": history}


def of_served(folder: Path) -> dict:
    """Returns what the signatures of a SavedModel answer."""
    served, rng = tf.saved_model.load(str(folder)), np.random.default_rng(7)
    x, z = tf.constant(rows("bernoulli")), tf.constant(rng.normal(size=[4, 2]).astype("float32"))
    draws = {"num_samples": tf.constant(60), "seed": tf.constant(5)}
    requests = {
        "serving_default": {"x": x}, "reconstruct": {"x": x}, "encode": {"x": x}, "decode": {"z": z},
        "sample": draws, "elbo": {"x": x, **draws}, "log_prob": {"x": x, **draws},
    }  # fmt: skip
    return {name: served.signatures[name](**request) for name, request in requests.items()}


QUESTIONS = {
    **{f"models/{name}.keras": of_model for name in MODELS},
    "run_complete": of_complete_run,
    "run_stopped": of_stopped_run,
    "served/1": of_served,
}


def unpack(folder: Path) -> dict[str, np.ndarray]:
    """Unpacks the files into a folder; returns what version 0.1 said of them."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return {name: np.asarray(values) for name, values in _json(Path(folder, "expected.json")).items()}


def ask(folder: Path, question: str) -> dict[str, np.ndarray]:
    """Returns the answers to one of `QUESTIONS` about the files in `folder`; a run there is worked on."""
    return flat(QUESTIONS[question](Path(folder, question)), question)


def flat(value: object, name: str) -> dict[str, np.ndarray]:
    """Returns the numbers in nested dictionaries and lists of them, "name/key/..." to array."""
    if isinstance(value, dict):
        return {key: found for word, part in value.items() for key, found in flat(part, f"{name}/{word}").items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return flat(dict(enumerate(value)), name)
    if value is None or isinstance(value, str):
        return {}
    return {name: np.asarray(value)}


def _json(path: Path) -> dict:
    return json.loads(path.read_text())


def _tfvae(*words: object) -> None:
    if cli.main([str(word) for word in words]) != 0:
        raise RuntimeError(f"tfvae {words} failed")


def _run(folder: Path, epochs: int, stop_after: int | None = None, *words: str) -> None:
    """Makes a run folder in a process of its own; kills it when the checkpoint of an epoch is there."""
    command = [sys.executable, "-m", cli.__name__, "train", "digits", "--out", folder.name, "--epochs", str(epochs)]
    process = subprocess.Popen([*command, *OPTIONS, *words], cwd=folder.parent, stdout=subprocess.DEVNULL)
    while stop_after and not (folder / "checkpoints" / f"epoch-{stop_after:06d}").exists():
        time.sleep(0.001)
    if stop_after:
        process.kill()
    process.wait()


def main() -> None:
    """Makes all files anew."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "models").mkdir()
        for name in MODELS:
            vae = model(name)
            vae.save(folder / "models" / f"{name}.keras")
            if name == "bernoulli":
                tfvae.export(vae, folder / "served")
        _run(folder / "run_complete", 3)
        _run(folder / "run_stopped", 4, 2, "--patience", "3", "--batch-size", "100")
        with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder)
                if path.is_file() and not {"pictures", "saved_model", "report.html"} & set(name.parts):
                    archive.write(path, name)
            found = {key: value for question in QUESTIONS for key, value in ask(folder, question).items()}
            archive.writestr("expected.json", json.dumps({key: value.tolist() for key, value in found.items()}))


if __name__ == "__main__":
    main()
