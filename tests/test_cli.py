"""The command line: what a run folder holds, what is printed, and how it refuses."""

import csv
import dataclasses
import importlib.util
import inspect
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import parts
import pytest

import tfvae
from tfvae import callbacks, evaluation, files
from tfvae.app import folder as app_folder
from tfvae.app import provenance, run
from tfvae.app.folder import ARTIFACTS
from tfvae.app.options import NETWORKS, OPEN, PARTS, REMEDIES, SCHEDULES, WORDS, Options
from tfvae.evaluation import Report
from tfvae_cli import LEVEL, main

SMALL = "--epochs 2 --hidden 16 --latent-dim 3 --eval-samples 20 --batch-size 200".split()
PICTURES = {"learning_curves.png", "reconstructions.png", "samples.png", "latent_plane.png"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "digits", "--out", str(folder), *SMALL]) == 0
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    """A run folder that a test may damage."""
    return shutil.copytree(trained, tmp_path / "run")


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def read_history(folder):
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


# What a run is.


def test_run_folder_holds_every_file(trained):
    assert {path.name for path in trained.iterdir()} == {files.SEAL, *(artifact.name for artifact in ARTIFACTS)}
    assert (trained / "saved_model" / "1" / "saved_model.pb").exists()
    assert {path.name for path in (trained / "pictures").iterdir()} == PICTURES
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (trained / "pictures").iterdir())
    assert len(read_history(trained)) == 2
    card = (trained / "card.md").read_text()
    assert "log p(x)" in card and "A request may ask for at most 10000 samples" in card


def test_the_page_of_the_run_and_the_last_line_read_the_table(trained, capsys):
    names = [artifact.name for artifact in ARTIFACTS]
    assert re.findall(r"^    (\S+)  ", run.__doc__, re.MULTILINE) == names
    assert all(artifact.holds in run.__doc__ for artifact in ARTIFACTS)
    assert main(["train", "--resume", str(trained)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"files in {trained}: {', '.join(names)}"


def test_what_is_missing_is_made_in_order_by_its_maker(copy, monkeypatch):
    """And what is there is left alone; the work that made several files is done again for any of its last ones."""
    made = []

    def spy(artifact):
        def make(run):
            made.append(artifact.name)
            artifact.make(run)

        return artifact._replace(make=make)

    monkeypatch.setattr("tfvae.app.folder.ARTIFACTS", tuple(map(spy, ARTIFACTS)))
    before = contents(copy)
    for gone, again in (("scores.npz", ["scores.npz"]), ("metrics.json", ["scores.npz"]), ("card.md", ["card.md"])):
        (copy / gone).unlink()
        run.resume(copy, verbose=0)
        assert made == again and contents(copy).keys() == before.keys()
        made.clear()
    for name in ("saved_model", "pictures"):
        shutil.rmtree(copy / name)
    (copy / "report.html").unlink()
    run.resume(copy, verbose=0)
    assert made == ["saved_model", "report.html", "pictures"]
    assert contents(copy)["metrics.json"] == before["metrics.json"]
    assert contents(copy)["report.html"] == before["report.html"]


def test_config_is_enough_to_repeat_the_run(trained, tmp_path):
    config = json.loads((trained / "config.json").read_text())
    assert config["command"].startswith("tfvae train digits --out")
    assert set(config["versions"]) == {"python", "tfvae", "tensorflow", "keras", "tensorflow-probability", "numpy"}
    assert config["git_revision"] is None or len(config["git_revision"].removesuffix("+changes")) == 40

    run.train(Options.from_config(config["options"]), tmp_path / "again", verbose=0)
    for a, b in zip(
        run.load_model(trained).get_weights(), run.load_model(tmp_path / "again").get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert read_history(trained) == read_history(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["data"] == config["data"]


def test_figures_are_means_over_the_test_examples(trained):
    report = Report.from_dict(json.loads((trained / "metrics.json").read_text())["test"])
    vae, data = run.load_model(trained), tfvae.datasets.load("digits", binarization="dynamic", seed=0)
    log_prob = vae.log_prob(data.test.x, 20, seed=0).numpy().astype(float)
    assert report.examples == len(data.test.x) and report.num_samples == 20
    assert report.log_prob.mean == pytest.approx(np.mean(log_prob), abs=1e-4)
    standard_error = math.sqrt(np.sum((log_prob - log_prob.mean()) ** 2) / (len(log_prob) - 1) / len(log_prob))
    assert report.log_prob.standard_error == pytest.approx(standard_error, rel=1e-4)
    assert report.elbo.mean == pytest.approx(-report.distortion.mean - report.rate.mean, abs=1e-3)
    assert report.variational_gap.mean == pytest.approx(report.log_prob.mean - report.elbo.mean, abs=1e-5)


def test_evaluate_prints_the_report_of_a_split_and_saves_it(copy, tmp_path, capsys):
    assert main(["evaluate", str(copy)]) == 0
    report = Report.from_dict(json.loads((copy / "metrics.json").read_text())["test"])
    assert capsys.readouterr().out == f"test: {report}\npage in {copy / 'report-test-20-0.html'}\n"

    saved = tmp_path / "report.json"
    words = ["--split", "valid", "--num-samples", "3", "--seed", "1", "--out", str(saved)]
    assert main(["evaluate", str(copy), *words]) == 0
    assert capsys.readouterr().out == (
        f"valid: {Report.load(saved)}\npage in {copy / 'report-valid-3-1.html'}\nreport in {saved}\n"
    )
    assert Report.load(saved).num_samples == 3
    valid = tfvae.datasets.load("digits", binarization="dynamic", seed=0).valid.x
    expected = evaluation.evaluate(run.load_model(copy), valid, 3, 1, verbose=False)
    assert (Report.load(saved).log_prob, Report.load(saved).elbo) == (expected.log_prob, expected.elbo)
    assert main(["evaluate", str(copy), "--out", str(tmp_path / "nowhere" / "report.json")]) == 2


def test_the_seed_of_an_evaluation_is_the_runs_unless_one_is_given(copy, monkeypatch):
    """Zero is one."""
    config = json.loads((copy / "config.json").read_text())
    config["options"]["seed"] = 3
    config["data"] = provenance.plain(Options.from_config(config["options"]).load_data().protocol)
    (copy / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(run, "draw_page", lambda *_: None)
    for given, expected in ((None, 3), (0, 0), (1, 1)):
        report, page = run.evaluate(copy, num_samples=1, seed=given)
        assert report.seed == expected and page.name == f"report-test-1-{expected}.html"


def test_train_prints_held_out_figures_and_where_the_files_are(copy, capsys):
    for gone in ("card.md", "scores.npz", "report.html"):
        (copy / gone).unlink()  # steps that are missing, and done again
    metrics = (copy / "metrics.json").read_text()
    assert main(["train", "--resume", str(copy)]) == 0
    printed = capsys.readouterr().out
    assert "ELBO" in printed and "log p(x)" in printed and "+-" in printed and str(copy) in printed
    assert (copy / "card.md").exists() and (copy / "report.html").exists()
    assert (copy / "metrics.json").read_text() == metrics


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_sample_writes_the_draws_of_a_seed(trained, tmp_path, suffix):
    drawn = []
    for seed in (0, 0, 1):
        out = tmp_path / f"draws.{suffix}"
        assert main(["sample", str(trained), "--count", "5", "--seed", str(seed), "--out", str(out)]) == 0
        drawn.append(np.load(out) if suffix == "npy" else np.load(out)["x"])
    assert drawn[0].shape == (5, 8, 8, 1)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.any(drawn[0] != drawn[2])
    np.testing.assert_array_equal(drawn[2], run.load_model(trained).sample(5, seed=1))


def test_sample_draws_a_picture_into_the_run_folder(copy):
    assert main(["sample", str(copy)]) == 0
    assert (copy / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_export_writes_the_next_version(trained, tmp_path, capsys):
    for version in ("1", "2"):
        assert main(["export", str(trained), str(tmp_path / "served")]) == 0
        assert (tmp_path / "served" / version / "saved_model.pb").exists()
        assert str(tmp_path / "served" / version) in capsys.readouterr().out


def test_each_part_of_a_run_sees_its_own_split(tmp_path, monkeypatch):
    """Train adapts and trains, valid is watched and chosen by, test is scored; column 0 of a row is its number."""
    x = np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32)
    x[:, 0] = np.arange(90)
    np.save(tmp_path / "x.npy", x)
    words = {"likelihood": "normal", "hidden": (4,), "latent_dim": 2, "epochs": 1, "eval_samples": 2, "seed": 5}
    options = Options.of(str(tmp_path / "x.npy"), **words)
    splits = {name: set(getattr(options.load_data(), name).x[:, 0]) for name in run.SPLITS}
    seen = {}

    def spy(owner, name, *arguments, call=True):
        real = getattr(owner, name)

        def spied(*given, **named):
            bound = inspect.signature(real).bind(*given, **named).arguments
            seen.update({f"{name} {argument}": bound[argument][:, 0].tolist() for argument in arguments})
            return real(*given, **named) if call else None

        monkeypatch.setattr(owner, name, spied)

    spy(tfvae.VAE, "adapt", "x")
    spy(tfvae.VAE, "fit", "x", "validation_data", call=False)
    spy(callbacks.CollapseAlarm, "__init__", "probe")
    spy(evaluation, "evaluate", "data")
    monkeypatch.setattr(app_folder, "ROWS_TO_ADAPT", 20)
    monkeypatch.setattr(app_folder, "ROWS_TO_WATCH", 10)
    started = app_folder.Run(tmp_path / "run", options)
    for make in (app_folder.start, app_folder.fit, app_folder.score):
        make(started)
    assert {name: len(rows) for name, rows in seen.items()} == {
        "adapt x": 20, "fit x": 60, "fit validation_data": 15, "__init__ probe": 10, "evaluate data": 15,
    }  # fmt: skip
    assert set(seen["fit x"]) == splits["train"] and set(seen["adapt x"]) < splits["train"]
    assert seen["adapt x"] != seen["fit x"][:20]  # random rows, for files are often sorted
    assert set(seen["fit validation_data"]) == splits["valid"] and set(seen["__init__ probe"]) < splits["valid"]
    assert set(seen["evaluate data"]) == splits["test"]


def test_resume_of_a_complete_run_changes_nothing(trained, capsys):
    before = contents(trained)
    assert main(["train", "digits", "--resume", str(trained), "--epochs", "2"]) == 0
    assert contents(trained) == before
    assert "log p(x)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["evaluate", "-h"], ["sample", "-h"], ["export", "-h"]]
)
def test_help_ends_with_an_example(words, capsys):
    assert main(words) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "tfvae " in printed.partition(" example")[2]
    assert "train" not in words or ("(default: 0.002)" in printed and "200 200 for mlp, 32 64 for conv" in printed)


def test_version_names_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"tfvae {tfvae.__version__} (python 3")


# What its words mean.


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_word_of_a_network_and_a_schedule_means_an_object(network, schedule):
    options = Options.of("digits", network=network, schedule=schedule, latent_dim=3)
    vae = options.build((8, 8, 1), [], num_steps=100)
    assert options.hidden == NETWORKS[network][0]
    assert vae.reconstruct(np.zeros([2, 8, 8, 1])).shape == (2, 8, 8, 1)
    rate = vae.optimizer.get_config()["learning_rate"]
    assert isinstance(rate, dict) == (schedule == "cosine")


@pytest.mark.parametrize(
    ("option", "family", "some"),
    [
        ("likelihood", tfvae.likelihoods, {"bernoulli", "normal", "discretized-logistic", "student-t"}),
        ("objective", tfvae.objectives, {"elbo", "iwae", "renyi", "maximum-mean-discrepancy"}),
    ],
)
def test_the_words_are_those_of_all_parts_of_the_library(option, family, some):
    _, listed = parts.FAMILIES[family]
    assert {kind.__name__ for kind in PARTS[option].values()} == {type(make()).__name__ for make in listed.values()}
    assert not parts.missing(family)
    assert some <= PARTS[option].keys()


@pytest.mark.parametrize(("option", "word"), [(option, word) for option in PARTS for word in PARTS[option]])
def test_every_part_can_be_named_or_is_refused_with_what_to_do(option, word):
    if word in REMEDIES:
        with pytest.raises(tfvae.InvalidInput, match=f"{word}, which needs .*{re.escape(REMEDIES[word])}"):
            Options.of("digits", **{option: word})
        return
    options = Options.of("digits", latent_dim=3, hidden=(4,), **{option: word})
    vae = options.build((4,), [], num_steps=100)
    assert type(getattr(vae, option)) is PARTS[option][word]
    x = parts.examples(type(vae.likelihood).__name__)
    assert math.isfinite(vae.fit(x, epochs=1, verbose=0).history["loss"][-1])
    assert Options.from_config(json.loads(json.dumps(dataclasses.asdict(options)))) == options


@pytest.mark.parametrize(
    ("words", "numbers", "made"),
    [
        ({}, (1.0, 1), "ELBO()"),
        ({"beta": 2.0, "num_samples": 3}, (2.0, 3), "ELBO(beta=2.0, num_samples=3)"),
        ({"objective": "iwae"}, (None, 50), "IWAE(num_samples=50)"),
        ({"objective": "iwae", "num_samples": 5}, (None, 5), "IWAE(num_samples=5)"),
        ({"objective": "miwae"}, (None, None), "MIWAE(m=8, k=8)"),
        ({"objective": "ciwae", "beta": 0.1}, (0.1, 50), "CIWAE(beta=0.1, num_samples=50)"),
        ({"objective": "renyi", "num_samples": 4}, (None, 4), "Renyi(alpha=0.5, num_samples=4)"),
        (
            {"objective": "maximum-mean-discrepancy", "beta": 0.0},
            (0.0, 1),
            "MaximumMeanDiscrepancy(objective=ELBO(beta=0.0), weight=1.0)",
        ),
        ({"recipe": "sigma-vae", "objective": "renyi"}, (None, 50), "Renyi(alpha=0.5, num_samples=50)"),
        ({"recipe": "beta-vae"}, (4.0, None), "ELBO(beta=4.0)"),
    ],
)
def test_beta_and_samples_are_those_of_the_objective_or_the_recipe(words, numbers, made):
    options = Options.of("digits", latent_dim=2, **words)
    assert (options.beta, options.num_samples) == numbers
    same = tfvae.objectives
    assert repr(options.build((4,), [], num_steps=100).objective) == repr(eval(made, vars(same)))


@pytest.mark.parametrize(
    ("likelihood", "binarization", "scale"),
    [
        ("bernoulli", "dynamic", None),
        ("normal", "none", None),
        ("continuous-bernoulli", "none", None),
        ("poisson", "none", 1.0),
        ("categorical", "none", 1.0),
        ("discretized-logistic", "none", 1.0),
    ],
)
def test_the_data_are_made_what_the_likelihood_wants(likelihood, binarization, scale):
    options = Options.of("digits", likelihood=likelihood)
    assert (options.binarization, options.scale) == (binarization, scale)
    options = Options.of("digits", likelihood=likelihood, binarization="static", scale=2.0)
    assert (options.binarization, options.scale) == ("static", 2.0)


def test_levels_reach_the_encoder_between_minus_one_and_one():
    vae = Options.of("digits", likelihood="discretized-logistic", hidden=(4,)).build((2,), [], num_steps=10)
    seen = vae.context(vae.known({"x": np.float32([[0.0, 255.0]])}))
    np.testing.assert_allclose(seen, [[-1.0, 1.0]], atol=1e-6)


def test_options_are_plain_and_frozen():
    options = Options.of("digits")
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.beta = 2.0
    assert Options(**dataclasses.asdict(options)) == options  # nothing left to fill in
    with pytest.raises(TypeError, match="missing"):
        Options("digits")
    assert not hasattr(Options, "__post_init__")
    assert "__setattr__" not in inspect.getsource(inspect.getmodule(Options))


def test_no_recipe_is_the_recipe_vae():
    assert Options.of("digits") == Options.of("digits", recipe="vae", **OPEN, beta=1.0, num_samples=1)
    ours = Options.of("digits", latent_dim=3).build((4,), [], num_steps=10)
    keras.utils.set_random_seed(0)
    theirs = tfvae.recipes.vae((4,), latent_dim=3, seed=0)
    assert [repr(v) for v in (ours.objective, ours.estimator)] == [
        repr(v) for v in (theirs.objective, theirs.estimator)
    ]
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("objective", "num_samples", "meant"),
    [("elbo", 1, {}), ("iwae", 5, {"objective": "iwae", "num_samples": 5})],
)
def test_a_config_of_before_reads_as_what_it_meant(objective, num_samples, meant):
    """Its recipe is null, and beta stands there for every objective."""
    written = dataclasses.asdict(Options.of("digits")) | {
        "recipe": None, "objective": objective, "num_samples": num_samples, "beta": 1.0,
    }  # fmt: skip
    assert Options.from_config(written) == Options.of("digits", **meant)
    written = dataclasses.asdict(Options.of("digits", recipe="beta-vae", beta=2.0))
    written |= {"likelihood": None, "objective": None, "num_samples": None}
    assert Options.from_config(written) == Options.of("digits", recipe="beta-vae", beta=2.0)


def test_the_learning_rate_warms_up_and_falls_unless_said_otherwise():
    vae = Options.of("digits", latent_dim=2).build((8, 8, 1), [], num_steps=100)
    rates = []
    for step in (0, 5, 10, 55, 100):
        vae.optimizer.iterations.assign(step)
        rates.append(float(vae.optimizer.learning_rate))
    assert rates == pytest.approx([0, 1e-3, 2e-3, 1e-3, 0], abs=1e-9)


def test_patience_takes_the_best_weights(tmp_path):
    words = "--epochs 30 --hidden 64 --latent-dim 3 --learning-rate 0.03 --patience 1 --eval-samples 2".split()
    words += ["--schedule", "constant"]
    assert main(["train", "digits", "--out", str(tmp_path / "run"), *words]) == 0
    history = [float(row["val_elbo"]) for row in read_history(tmp_path / "run")]
    assert len(history) < 30 and history[-1] < max(history)
    data = tfvae.datasets.load("digits", binarization="dynamic", seed=0)
    vae = run.load_model(tmp_path / "run")
    assert vae.evaluate(data.valid.x, batch_size=50, return_dict=True, verbose=0)["elbo"] == pytest.approx(
        max(history), abs=1e-3
    )


# How it refuses. Each row: words (with {run}, a complete run, {here}, an empty folder), what the one line says.


def damaged(run_folder, name, content):
    (run_folder / name).write_bytes(content)


def foreign_model(run_folder, here):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save(run_folder / "model.keras")
    (run_folder / files.SEAL).unlink()


def array(name, value):
    return lambda run_folder, here: np.save(here / name, value)


WRONG_USE = {
    "no command": ("", None, "required: COMMAND"),
    "unknown command": ("fly", None, "invalid choice: 'fly'"),
    "no source": ("train", None, "SOURCE"),
    "unknown data set": ("train nosuchdata", None, "nosuchdata"),
    "no epoch": ("train digits --epochs 0", None, "epochs=0"),
    "half an epoch": ("train digits --epochs 2.5", None, "invalid int value: '2.5'"),
    "negative beta": ("train digits --beta -1", None, "beta=-1.0"),
    "beta nan": ("train digits --beta nan", None, "beta=nan"),
    "negative learning rate": ("train digits --learning-rate -0.1", None, "learning rate"),
    "learning rate nan": ("train digits --learning-rate nan", None, "learning rate"),
    "constant learning rate nan": ("train digits --learning-rate nan --schedule constant", None, "learning rate"),
    "no latent dimension": ("train digits --latent-dim 0", None, "latent_dim=0"),
    "no hidden units": ("train digits --hidden 0", None, "units=0"),
    "negative batch size": ("train digits --batch-size -3", None, "batch_size=-3"),
    "no patience": ("train digits --patience 0", None, "patience=0"),
    "beta of iwae": ("train digits --objective iwae --beta 2", None, "beside --objective iwae.*--num-samples only"),
    "samples of miwae": ("train digits --objective miwae --num-samples 9", None, "no --num-samples beside"),
    "columns": ("train digits --likelihood columns", None, "--recipe tabular"),
    "target of geco": ("train digits --objective geco", None, "needs target.*--recipe geco"),
    "no samples": ("train digits --objective iwae --num-samples 0", None, "num_samples=0"),
    "unknown word": ("train digits --binarization maybe", None, "invalid choice: 'maybe'"),
    "grey values for Bernoulli": ("train digits --binarization none", None, "support of Bernoulli"),
    "missing file": ("train {here}/x.npy", None, "no such file"),
    "truncated file": ("train {here}/x.npz", lambda r, here: (here / "x.npz").write_bytes(b"PK\x03\x04"), "readable"),
    "nan in data": ("train {here}/x.npy --likelihood normal", array("x.npy", np.full([99, 3], np.nan)), "NaN"),
    "convolution of a table": (
        "train {here}/x.npy --likelihood normal --network conv", array("x.npy", np.ones([99, 3])), "an image shape"
    ),
    "folder with a run": ("train digits --out {run}", None, "--resume .*another --out"),
    "folder with files": ("train digits --out {here}", lambda r, here: (here / "a").touch(), "Give another --out"),
    "folder is a file": ("train digits --out {here}/a", lambda r, here: (here / "a").touch(), "Give another --out"),
    "folder below a file": ("train digits --out {here}/a/b", lambda r, here: (here / "a").touch(), "{here}/a"),
    "resume nothing": ("train --resume {here}/none", None, "no such folder"),
    "resume a foreign folder": ("train --resume {here}", None, "without config.json"),
    "truncated config": ("train --resume {run}", lambda r, h: damaged(r, "config.json", b'{"form'), "not JSON"),
    "foreign config": ("train --resume {run}", lambda r, h: damaged(r, "config.json", b'{"a": 1}'), "something else"),
    "config of a list": ("evaluate {run}", lambda r, h: damaged(r, "config.json", b"[]"), "something else"),
    "binary config": ("evaluate {run}", lambda r, h: damaged(r, "config.json", b"\xff\x00"), "not JSON"),
    "unknown option in config": (
        "evaluate {run}", lambda r, h: (r / "config.json").write_text(
            (r / "config.json").read_text().replace('"beta"', '"gamma"')), "gamma"
    ),
    "resume with another option": ("train --resume {run} --latent-dim 4", None, "--latent-dim 3.* 4"),
    "resume with another source": ("train mnist --resume {run}", None, "digits.* mnist"),
    "resume elsewhere": ("train --resume {run} --out {here}/b", None, "Leave --out out"),
    "evaluate nothing": ("evaluate {here}/none", None, "no such folder"),
    "evaluate without samples": ("evaluate {run} --num-samples 0", None, "num_samples=0"),
    "evaluate an unknown split": ("evaluate {run} --split all", None, "invalid choice: 'all'"),
    "unfinished run": ("evaluate {run}", lambda r, h: (r / "model.keras").unlink(), "--resume"),
    "truncated model": ("sample {run}", lambda r, h: damaged(r, "model.keras", b"PK\x03\x04"), "whole model"),
    "foreign model": ("export {run} {here}/b", foreign_model, "tfvae.VAE"),
    "no draws": ("sample {run} --count 0", None, "count=0"),
    "unknown kind of file": ("sample {run} --out {here}/x.jpg", None, ".png, .npy, .npz"),
    "draws into a missing folder": ("sample {run} --out {here}/b/x.png", None, "existing folder"),
    "version that exists": ("export {run} {run}/saved_model/1", None, "does not exist yet"),
}  # fmt: skip


@pytest.mark.parametrize("row", WRONG_USE)
def test_wrong_use_is_one_line_and_leaves_no_trace(row, copy, tmp_path, capsys, monkeypatch):
    words, prepare, message = WRONG_USE[row]
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    if prepare:
        prepare(copy, here)
    before = contents(tmp_path)
    capsys.readouterr()

    assert main([word.format(run=copy, here=here) for word in words.split()]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and said.startswith("tfvae")
    assert "Traceback" not in said
    assert re.search(message.replace("{here}", str(here)), said), said
    assert contents(tmp_path) == before
    assert not (here / "runs").exists()


def test_a_run_in_use_is_refused(copy, capsys):
    with files.sole_user(copy):
        assert main(["train", "--resume", str(copy)]) == 2
    assert "in use" in capsys.readouterr().err


def test_data_that_changed_since_are_refused(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(90, 3)))
    words = ["train", str(tmp_path / "x.npy"), "--likelihood", "normal", "--out", str(tmp_path / "run"), *SMALL]
    assert main(words) == 0
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(90, 3)))
    assert main(["train", "--resume", str(tmp_path / "run")]) == 2
    assert "as at the start of this run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("was", "now", "changed"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1}, {}, [("a", 1, None)]),
        ({}, {"a": 1}, [("a", None, 1)]),
        ({"a": 1, "b": 2, "c": 3}, {"b": 4, "c": 3}, [("a", 1, None), ("b", 2, 4)]),
    ],
)
def test_a_change_is_an_entry_that_is_gone_new_or_different(was, now, changed):
    assert provenance.changes(was, now) == changed


def test_other_versions_than_at_the_start_are_named(copy, caplog):
    text = (copy / "config.json").read_text()
    (copy / "config.json").write_text(text.replace(f'"tfvae": "{tfvae.__version__}"', '"tfvae": "0.0.1"'))
    run.resume(copy)
    assert f"tfvae 0.0.1 -> {tfvae.__version__}" in caplog.text


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_refused_from_python_too(word):
    with pytest.raises(tfvae.InvalidInput, match=f"{word}='none of them'"):
        Options.of("digits", **{word: "none of them"})


def test_the_same_from_python_is_refused_too(trained, tmp_path):
    with pytest.raises(tfvae.InvalidInput, match="split to be one of train, valid, test"):
        run.evaluate(trained, split="all")
    (tmp_path / "history.csv").write_text("epoch,elbo\n1,low\n")
    for path in (tmp_path / "history.csv", tmp_path / "none.csv"):
        with pytest.raises(tfvae.InvalidInput, match="a history file at"):
            callbacks.read_history(path)


def test_an_interrupted_run_says_how_to_go_on(copy, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    (copy / "metrics.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "evaluate", interrupt)
        assert main(["train", "--resume", str(copy)]) == 130
    said = capsys.readouterr().err
    assert said == f"tfvae: interrupted. Go on with: tfvae train --resume {copy}\n"
    assert main(said.split("tfvae ")[-1].split()) == 0


def test_divergence_is_one_line(tmp_path, capsys):
    words = "--learning-rate 1e30 --schedule constant".split()
    words = ["train", "digits", "--out", str(tmp_path / "run"), *SMALL, *words]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert re.search(r"not finite.*under a learning rate of 1e\+30: lower it", said) and len(said.splitlines()) == 1
    assert "another --out" in said and "--resume" not in said
    assert main(["train", "--resume", str(tmp_path / "run")]) == 1
    assert not (tmp_path / "run" / "model.keras").exists()


def test_pictures_wait_for_matplotlib(copy, caplog, monkeypatch):
    shutil.rmtree(copy / "pictures")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        assert main(["train", "--resume", str(copy)]) == 0
    assert "pip install tfvae[plots]" in caplog.text and not (copy / "pictures").exists()
    assert main(["train", "--resume", str(copy)]) == 0
    assert {path.name for path in (copy / "pictures").iterdir()} == PICTURES


def test_debug_shows_the_traceback(copy):
    (copy / "model.keras").unlink()
    with pytest.raises(tfvae.InvalidInput):
        main(["evaluate", str(copy), "--debug"])


def test_a_mistake_of_ours_shows_its_traceback(copy, monkeypatch):
    monkeypatch.setattr(evaluation, "evaluate", lambda *arguments, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["evaluate", str(copy)])


@pytest.fixture
def disk(tmp_path):
    """Mounts a small disk of its own: call it with the options of mount."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(place)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
        return place

    yield mount
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True)


def test_a_read_only_disk_is_one_line(trained, disk, capsys):
    place = disk("ro,size=1m")
    for words in (
        ["train", "digits", "--out", str(place / "run"), *SMALL],
        ["sample", str(trained), "--out", str(place / "x.png")],
        ["export", str(trained), str(place / "served")],
    ):
        assert main(words) == 1, words
        said = capsys.readouterr().err
        assert "Read-only file system" in said and len(said.splitlines()) == 1


def fill(disk, kilobytes, capsys):
    place = disk(f"size={kilobytes}k")
    assert main(["train", "digits", "--out", str(place / "run"), *SMALL]) == 1
    said = capsys.readouterr().err
    assert "No space left" in said and len(said.splitlines()) == 1 and "--resume" in said and "None" not in said, said
    left = {path.name for path in (place / "run").iterdir()}
    disk("remount,size=64m")
    assert main(["train", "--resume", str(place / "run")]) == 0
    made = {artifact.name for artifact in app_folder.ARTIFACTS}
    assert {path.name for path in (place / "run").iterdir()} == made | {files.SEAL} > left - {"checkpoints"}


@pytest.mark.parametrize("kilobytes", [8, 300])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_space(kilobytes, disk, capsys, without_pages):
    """It is full in the first epoch, or when training has ended."""
    fill(disk, kilobytes, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [40, 200, 400, 800])
def test_a_disk_that_is_full_at_any_moment_is_one_line(kilobytes, disk, capsys):
    """Also in a checkpoint, in the SavedModel and in the page."""
    fill(disk, kilobytes, capsys)


def test_a_real_process_ends_with_its_exit_code(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "tfvae_cli", "evaluate", "none"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != LEVEL}
        | {"PYTHONPATH": str(Path(tfvae.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2 and ended.stdout == ""
    assert re.fullmatch("tfvae: Expected a run folder at none.*\n", ended.stderr)
