"""The command line with a condition: a run is told the labels of its data, and samples are drawn of one of them."""

import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_vae

from tfvae import InvalidInput, conditions, likelihoods
from tfvae.app import given as typed
from tfvae.app import run
from tfvae.app.options import Options
from tfvae.app.report_page import given
from tfvae.callbacks import HistoryFile
from tfvae.conditions import Labels, Real
from tfvae_cli import main

SMALL = "--hidden 8 --latent-dim 2 --eval-samples 30 --batch-size 20".split()
GENERATOR = np.random.default_rng(0)
KIND = np.array(["fox", "ant", "cow"])[np.arange(90) % 3]
X = (np.arange(6) % 3 == (np.arange(90) % 3)[:, np.newaxis]).astype("float32")  # what the kind alone decides
X = np.where(GENERATOR.uniform(size=X.shape) < 0.1, 1 - X, X)


def write(path, kind=KIND):
    np.savez(path, x=X, kind=kind, weight=np.arange(90) / 90)
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of 30 epochs that is told a word for each example."""
    place = tmp_path_factory.mktemp("told")
    words = ["--condition", "kind", "--epochs", "30", "--learning-rate", "0.05", "--out", str(place / "run"), *SMALL]
    assert main(["train", write(place / "data.npz"), *words]) == 0
    return place / "run"


def test_the_run_is_told_what_the_data_say(folder):
    config, vae = json.loads((folder / "config.json").read_text()), run.load_model(folder)
    assert config["options"]["condition"] == "kind" and config["options"]["recipe"] == "conditional"
    assert config["data"]["condition"]["words"] == ["ant", "cow", "fox"]
    assert (vae.posterior.given, vae.prior.given, vae.likelihood.given) == (("x", "kind"), ("kind",), ("z", "kind"))
    assert repr(vae.conditions) == "{'kind': Labels(3)}"
    data = Options.from_config(config["options"]).load_data()
    report = run.Run(folder, Options.from_config(config["options"])).report
    estimate = vae.log_prob(data.test.x, 30, seed=0, condition=data.test.condition)
    np.testing.assert_allclose(report.per_example["log_prob"], estimate, rtol=1e-5)
    other = vae.log_prob(data.test.x, 30, seed=0, condition=(data.test.condition + 1) % 3)
    assert report.log_prob.mean > np.mean(other) + 3  # nats: training has seen which words belong to which rows


@pytest.mark.parametrize("name", ["card.md", "report.html", "metrics.json"])
def test_what_a_person_reads_says_what_it_is_given(name, folder):
    text = (folder / name).read_text()
    assert re.search(r"log p\(x \| kind\)" if name != "metrics.json" else r'"condition": \[\s*"kind"', text)
    assert "not drawn" not in text


@pytest.mark.parametrize("name", ["card.md", "report.html"])
def test_the_title_names_the_file_and_not_where_it_lay(name, folder):
    assert re.search(r"(# |<h1>)A variational autoencoder of data\.npz(\n|<)", (folder / name).read_text())


def test_the_page_shows_how_to_use_it_and_that_works(folder):
    text, vae = (folder / "report.html").read_text(), run.load_model(folder)
    assert "It is told kind, Labels(3)." in text and "vae.reconstruct(x, condition=kind)" in text
    assert "(x=x, kind=kind)" in text
    served = tf.saved_model.load(folder / "saved_model" / "1").signatures["reconstruct"]
    kind = tf.constant([0, 1, 2])
    mean = served(x=tf.constant(X[:3], tf.float32), kind=kind)["mean"]
    np.testing.assert_allclose(mean, vae.reconstruct(X[:3], condition=kind), atol=1e-5)


@pytest.mark.parametrize("value", ["fox", "2"])
def test_samples_are_of_the_label_that_was_asked_for(value, folder, tmp_path, capsys):
    for name in ("x.npz", "x.npy", "x.png"):
        out = str(tmp_path / name)
        assert main(["sample", str(folder), "--condition", f"kind={value}", "--count", "20", "--out", out]) == 0
        assert f"20 samples given kind={value} in {out}" in capsys.readouterr().out
    x = np.load(tmp_path / "x.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "x.npz")["x"], x)
    np.testing.assert_array_equal(x, run.load_model(folder).sample(20, 0, condition=[2])[:, 0])
    assert x.shape == (20, 6) and x[:, [0, 3]].mean() > 0.7 > 0.3 > x[:, [1, 2, 4, 5]].mean()  # KIND[0] is fox


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--condition kind=VALUE, of 0..2 or ant, cow, fox, which this model is told. Received none."),
        (["--condition", "kind=12"], "of 0..2 or ant, cow, fox. Received kind=12."),
        (["--condition", "kind=dog"], "Received kind=dog. Give for example --condition kind=ant."),
        (["--condition", "age=1"], "Received age=1."),
        (["--condition", "kind"], "Received kind."),
    ],
)
def test_samples_of_something_else_are_refused(words, message, folder, tmp_path, capsys):
    assert main(["sample", str(folder), "--out", str(tmp_path / "x.npz"), *words]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1 and not (tmp_path / "x.npz").exists()


def test_the_remedy_of_a_refusal_is_a_command_that_works(folder, tmp_path, capsys):
    main(["sample", str(folder), "--out", str(tmp_path / "x.npz")])
    (remedy,) = re.findall(r"Give for example (--condition \S+)\.$", capsys.readouterr().err.strip())
    assert main(["sample", str(folder), "--out", str(tmp_path / "x.npz"), *remedy.split()]) == 0


def test_numbers_are_typed_with_commas():
    part = likelihoods.Normal(2, given=("z", "pose"))
    vae = tiny_vae(part, 2, condition={"pose": Real((2, 1))})
    np.testing.assert_array_equal(typed.given(vae, {}, "pose=0.5,-1"), np.float32([[[0.5], [-1]]]))
    for text in ("pose=1", "pose=1,2,3", "pose=1,nan", "pose=a,b", "pose=", None):
        with pytest.raises(InvalidInput, match="pose=VALUE, of 2 finite numbers with commas between.*pose=0.5,0.5"):
            typed.given(vae, {}, text)
    with pytest.raises(InvalidInput, match="this model has none.*tfvae train SOURCE --condition y"):
        typed.given(tiny_vae(), {}, "y=1")
    assert typed.given(tiny_vae(), {}, None) is None


def test_other_labels_than_at_the_start_are_refused(folder, capsys):
    data = folder.parent / "data.npz"
    write(data, KIND[::-1])
    assert main(["evaluate", str(folder)]) == 2
    assert "data with condition" in capsys.readouterr().err
    write(data)
    assert main(["train", "--resume", str(folder), "--condition", "weight"]) == 2
    assert "--condition kind, as this run was started with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": "conv", "condition": "y"}, "--network mlp. Received --network conv, of x alone"),
        ({"recipe": "conditional"}, "--condition NAME beside --recipe conditional"),
        ({"condition": 3}, "condition to be"),
    ],
)
def test_options_that_do_not_fit_are_refused(given, message):
    with pytest.raises(InvalidInput, match=re.escape(message)):
        Options.of("digits", **given)


def test_the_recipe_follows_the_condition_unless_it_is_named():
    assert Options.of("digits").recipe == "vae"
    assert Options.of("digits", condition="y").recipe == "conditional"
    named = Options.of("digits", condition="y", recipe="beta-vae", hidden=(4,)).build((4,), [], 10, {"y": Labels(3)})
    assert named.likelihood.given == ("z", "y") and named.prior.given == () and named.objective.beta == 4


def test_pictures_are_of_each_label_or_of_the_first_examples():
    one = tiny_vae(likelihoods.Bernoulli(6, given=("z", "kind")), condition={"kind": Labels(30)})
    x = {"x": X, "condition": np.arange(90)[::-1] % 30}
    assert given.conditions(one, x)["kind"].tolist() == list(range(20))
    assert given.first_of_each(one, x).tolist() == list(range(29, 9, -1))
    assert given.in_words({"kind": np.array([1, 0])}, ["ant", "cow"]) == ["cow", "ant"]
    assert given.in_words({"kind": np.array([1, 0])}, []) == ["kind = 1", "kind = 0"]
    both = tiny_vae(
        likelihoods.Bernoulli(6, given=("z", "a", "b")), condition={"a": Labels(2), "b": conditions.Real(2)}
    )
    x = {"x": X, "condition": {"a": np.arange(90) % 2, "b": X[:, :2]}}
    np.testing.assert_array_equal(given.conditions(both, x)["b"], X[:10, :2])
    assert given.first_of_each(both, x).tolist() == list(range(10))
    assert given.conditions(tiny_vae(event=6), X) == {} and len(given.first_of_each(tiny_vae(event=6), X)) == 10


@pytest.mark.slow
def test_a_process_says_what_it_lacks_in_its_last_line(folder):
    words = [sys.executable, "-m", "tfvae_cli", "sample", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]  # after what TensorFlow says when it starts
    assert done.returncode == 2 and "--condition kind=VALUE" in last and "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_with_its_condition(tmp_path, monkeypatch):
    options = Options.of(write(tmp_path / "data.npz"), condition="kind", epochs=3, hidden=(8,), latent_dim=2)
    run.train(options, tmp_path / "whole", verbose=0)
    write_row = HistoryFile.on_epoch_end

    def stop(self, epoch, logs=None):
        write_row(self, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(HistoryFile, "on_epoch_end", stop)
        run.train(options, tmp_path / "stopped", verbose=0)
    run.resume(tmp_path / "stopped", verbose=0)
    for a, b in zip(*(run.load_model(tmp_path / name).get_weights() for name in ("whole", "stopped")), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.slow
def test_two_processes_train_digits_and_draw_threes(tmp_path):
    command, out = [sys.executable, "-m", "tfvae_cli"], str(tmp_path / "run")
    train = ["train", "digits", "--condition", "y", "--epochs", "2", "--out", out, "--eval-samples", "20"]
    sample = ["sample", out, "--condition", "y=3", "--count", "20", "--out", str(tmp_path / "x.npz")]
    for words in (train, sample):
        subprocess.run([*command, *words], check=True, capture_output=True)
    assert np.load(tmp_path / "x.npz")["x"].shape == (20, 8, 8, 1)
    assert keras.saving.load_model(tmp_path / "run" / "model.keras").conditions["y"].num_categories == 10
