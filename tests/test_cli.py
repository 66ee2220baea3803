"""The command line: what a run folder holds, what is printed, and how it refuses."""

import inspect
import json
import math
import re
import shutil

import numpy as np
import pytest
from run_folder import PICTURES, contents, read_history

import tfvae
from tfvae import callbacks, evaluation, files
from tfvae.app import folder as app_folder
from tfvae.app import provenance, run
from tfvae.app.folder import ARTIFACTS
from tfvae.app.options import Options
from tfvae.evaluation import Report
from tfvae_cli import main


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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_evaluate_prints_the_report_of_a_split_and_saves_it(copy, tmp_path, capsys, monkeypatch):
    assert main(["evaluate", str(copy)]) == 0
    report = Report.from_dict(json.loads((copy / "metrics.json").read_text())["test"])
    assert capsys.readouterr().out == f"test: {report}\npage in {copy / 'report-test-20-0.html'}\n"
    monkeypatch.setattr(run, "draw_page", lambda *_: None)  # one has been written

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


@pytest.mark.slow
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
    (tmp_path / "served" / "1").mkdir(parents=True)
    assert main(["export", str(trained), str(tmp_path / "served")]) == 0
    assert (tmp_path / "served" / "2" / "saved_model.pb").exists()
    assert str(tmp_path / "served" / "2") in capsys.readouterr().out


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
    defaults = "(default: 0.002)", "200 200 for mlp, 200 200 for mlp-tanh, 500 500 for residual"
    assert "train" not in words or all(default in printed for default in defaults)


def test_version_names_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"tfvae {tfvae.__version__} (python 3")


@pytest.mark.parametrize(("recipe", "beside"), [("vae", True), ("miwae-imputation", True), ("not-miwae", False)])
def test_models_without_z_stand_beside_those_that_have_the_same_x_alone(recipe, beside, tmp_path):
    """Where a model says why cells are missing, log p(x) is that of the mask, too; the training ended with an error."""
    started = app_folder.Run(tmp_path, Options.of("digits", recipe=recipe), loaded=tfvae.datasets.load("digits"))
    vars(started)["model"] = tfvae.recipes.RECIPES[recipe]((8, 8, 1), latent_dim=2, encoder=None, decoder=None)
    assert (started.complete is not None) is beside
