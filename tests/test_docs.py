"""The documents' code runs as it stands: every Python block is found by its heading, run, and asserted on."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from documents import BLOCKS, ROOT, blocks
from sklearn.datasets import load_digits

import tfvae
from tfvae.core.conditional import positive_inverse

MNIST = ROOT.parent / "shared" / "data" / "mnist.npz"
ELSEWHERE = {  # a file of tests runs it
    ("docs/distribution.md", "Two devices of one machine"): "test_distribution.py",
    ("docs/distribution.md", "Two machines"): "test_distribution.py",
}
SHOWN = set(ELSEWHERE)  # and what the tests of this file run


def shows(document: str, *headings: str):
    """Gives a test the blocks under these headings, one after the other as one `code`, and notes them as run."""
    keys = [(document, heading) for heading in headings]
    SHOWN.update(keys)
    return pytest.mark.parametrize("code", ["\n".join(BLOCKS.get(key, "") for key in keys)], ids=[", ".join(headings)])


def shortened(code: str, **shorter: int) -> str:
    """Replaces `name=number` wherever it occurs, which must be somewhere."""
    for name, number in shorter.items():
        code, count = re.subn(rf"\b{name}=\d+", f"{name}={number}", code)
        assert count, f"the example has no {name}"
    return code


@pytest.fixture
def in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_block_is_run():
    """A new block of a document needs a test that `shows` it; a heading that moved is named here."""
    assert BLOCKS.keys() == SHOWN
    for (document, heading), file in ELSEWHERE.items():
        text = (ROOT / "tests" / file).read_text()
        assert f'"{document}"' in text and f'"{heading}"' in text


def test_blocks_are_found_by_their_heading():
    python, other = "```python\n# {}\n```\n", "```sh\n# no heading\n```\n"
    text = "# A\n" + other + python.format(1) + other + python.format(2) + "## B\n" + python.format(3)
    assert blocks(text) == {"A": "# 1\n", "A (2)": "# 2\n", "B": "# 3\n"}


def test_decisions_are_dated_newest_last_and_say_how_to_measure_again():
    title, *entries = re.split(r"^## ", (ROOT / "docs" / "decisions.md").read_text(), flags=re.MULTILINE)
    dates = [re.match(r"(\d{4}-\d\d-\d\d): \S", entry)[1] for entry in entries]
    assert dates == sorted(dates) and "Append-only" in title
    for entry in entries:
        assert re.findall(r"^- (\w+): ", entry, re.MULTILINE) == ["Decided", "Measured", "Command"], entry
    commands = set(re.findall(r"(tests|benchmarks)/(\w+\.\w+)", " ".join(entries)))
    assert not [name for name in commands if not ROOT.joinpath(*name).exists()]


@shows("README.md", "Fit, score, save, serve")
def test_first_example_of_the_readme(in_tmp, capsys, code):
    """What is saved and exported scores the test split as the model itself does."""
    names = {}
    exec(code, names)
    assert "elbo" in capsys.readouterr().out
    x, score = names["data"].test.x, names["estimate"].log_prob.numpy()
    assert -25 < score.mean() < -10  # binarised digits: 22 nats before training 20 epochs
    assert 0 < names["estimate"].standard_error.numpy().mean() < 0.5
    served = tf.saved_model.load("exported/digits/1").signatures["log_prob"]
    served = served(x=tf.constant(x[:20], tf.float32), num_samples=tf.constant(1000), seed=tf.constant(0))["log_prob"]
    for found in (keras.saving.load_model("digits.keras").log_prob(x[:20], num_samples=1000, seed=0), served):
        np.testing.assert_allclose(found, names["vae"].log_prob(x[:20], num_samples=1000, seed=0), rtol=1e-4)


@shows("docs/start.md", "A first model", "The five terms")
def test_first_steps(code, capsys):
    """A model that learnt something, whose joint is the sum of likelihood and prior."""
    names = {}
    exec(shortened(code, epochs=3, num_samples=100), names)
    assert names["history"]["val_elbo"][-1] > -64 * np.log(2)
    seen = names["vae"].preprocess(names["x"])
    total = names["p"].log_prob(seen) + names["prior"]
    np.testing.assert_allclose(names["joint"], total, rtol=1e-5)


@pytest.mark.slow
@shows("docs/start.md", "The five terms on images")
def test_example_of_the_terms_on_stand_in_images(in_tmp, code):
    """28x28 images made of the embedded digits, three times enlarged; one epoch."""
    images = np.pad(np.kron(load_digits().images / 16, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
    x = (images[..., None] > np.random.default_rng(0).uniform(size=(1797, 28, 28, 1))).astype("float32")
    names = {"tfvae": tfvae, "train": x[:400], "valid": x[400:500], "test": x[500:600]}
    exec(shortened(code, num_samples=60, epochs=1), names)
    assert names["log_prob"].shape == (100,)
    assert -784 * np.log(2) < np.mean(names["log_prob"]) < 0  # better than flipping coins
    assert Path("exported/mnist/1/saved_model.pb").exists()
    loaded, some = keras.saving.load_model("mnist.keras"), names["test"][:10]
    np.testing.assert_array_equal(loaded.predict(some, verbose=0), names["vae"].predict(some, verbose=0))


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.exists(), reason="MNIST is not beside this clone")
@shows("docs/start.md", "The five terms on images")
def test_example_of_the_terms_on_mnist(in_tmp, code):
    """As it stands: 5 epochs on 50000 binarised MNIST digits, test ELBO and log p(x) at 1000 samples printed."""
    data = tfvae.datasets.load(MNIST, binarization="static", seed=0)
    test = np.random.default_rng(0).permutation(data.test.x).astype("float32")
    names = {
        "tfvae": tfvae,
        "train": data.train.x.astype("float32"),
        "valid": data.valid.x.astype("float32"),
        "test": test,
    }
    exec(code, names)
    elbo = names["vae"].evaluate(test, return_dict=True, verbose=0)["elbo"]
    log_prob = float(np.mean(names["log_prob"]))
    print(f"MNIST after 5 epochs: test ELBO {elbo:.2f}, log p(x) {log_prob:.2f} nats (1000 samples, 1000 images)")
    assert elbo < log_prob and elbo > -115


@shows("docs/guides/own-data.md", "Your own data")
def test_example_of_own_data(code):
    """15 batches of 32 an epoch from 450 rows; the noise level has moved."""
    names = {}
    exec(code, names)
    vae = names["vae"]
    assert int(vae.optimizer.iterations) == 2 * 15 and len(vae.history.history["val_elbo"]) == 2
    assert float(vae.likelihood.scale.raw) != pytest.approx(float(positive_inverse(1.0)))


@shows("docs/guides/own-data.md", "A file")
def test_example_of_a_file(in_tmp, capsys, code):
    names = {}
    exec(code, names)
    assert (
        "Normal" in capsys.readouterr().out
        and sum(len(getattr(names["data"], part).x) for part in ("train", "valid", "test")) == 600
    )


@shows("docs/guides/own-data.md", "Series")
def test_example_of_series(code, caplog):
    """In units that adapt has set, no cell is far from where the likelihood starts."""
    names = {}
    exec(code, names)
    assert names["log_prob"].shape == (10,) and "other units" not in caplog.text


@shows("docs/guides/evaluation.md", "What it is worth")
def test_example_of_the_evaluation(in_tmp, capsys, code):
    """The file of the report is the report."""
    names = {}
    exec(shortened(code, epochs=1), names)
    report = names["report"]
    assert report.elbo.mean < report.log_prob.mean < 0
    assert str(report) in capsys.readouterr().out
    assert tfvae.evaluation.Report.load("report.json").to_json() == report.to_json()


@pytest.mark.slow
@shows("docs/guides/conditions.md", "Conditions")
def test_example_of_conditions(in_tmp, code):
    names = {}
    exec(shortened(code, num_samples=5), names)
    assert names["vae"].prior.given == ("y",) and names["log_prob"].shape == (250,)
    assert names["threes"].shape == (20, 1, 8, 8, 1) and Path("samples.png").stat().st_size


@pytest.mark.slow
@shows("docs/guides/missing-cells.md", "Missing cells")
def test_example_of_missing_cells(in_tmp, code):
    names = {}
    exec(shortened(code, num_samples=5), names)
    assert np.isnan(names["x"]).any() and np.isfinite(names["log_prob"]).all()
    assert np.isfinite(names["filled"]).all() and names["completed"].shape == (10, 500, 12)
    np.testing.assert_array_equal(names["low"][~np.isnan(names["x"])], names["x"][~np.isnan(names["x"])])
    assert names["codes"].shape == (500, 3)


@pytest.mark.slow
@shows("docs/guides/layers.md", "Several layers of latents")
def test_example_of_layers(in_tmp, code):
    names = {}
    exec(shortened(code, num_samples=5, epochs=1), names)
    assert {"rate_z1", "rate_z2"} <= names["history"].keys() and names["z"]["z1"].shape == (3, 8)
    assert names["mean"].shape == (3, 8, 8, 1) and np.isfinite(names["log_prob"]).all()


@pytest.mark.slow
@shows("docs/guides/few-labels.md", "A few labels")
def test_example_of_few_labels(in_tmp, code):
    names = {}
    exec(shortened(code, num_samples=5, epochs=6), names)
    assert names["error"] < 0.3 and names["by_bayes"].shape == (20, 10)  # chance is 0.9
    assert names["same_style"].shape == (10, 8, 8, 1)
    assert names["m2"].history.history["val_accuracy"][-1] > 0.6


@shows("docs/guides/tables.md", "Your own table")
def test_example_of_a_table(in_tmp, code):
    names = {}
    exec(shortened(code, epochs=2), names)
    frame, new = names["frame"], names["new"]
    assert names["scores"].index.equals(new.index) and "surprise_fare" in names["scores"]
    assert not names["filled"].isna().any().any() and names["filled"]["fare"].equals(frame["fare"])
    assert list(names["synthetic"]) == list(frame) and 0 < names["quality"].column_score <= 1
    again = names["joblib"].load("people.joblib")
    np.testing.assert_array_equal(again.log_prob(new), names["model"].log_prob(new))


@pytest.mark.slow
@shows("docs/guides/physics.md", "A physical law in the decoder")
def test_example_of_a_law(code):
    """One epoch: what is said of shapes and sets holds; that constants are found is the benchmark's to show."""
    names = {}
    exec(shortened(code, epochs=1, num_samples=20), names)
    low, high, trusted = names["low"].numpy(), names["high"].numpy(), names["trusted"].numpy()
    assert low.shape == high.shape == (10, 1) and np.all((0.5 < low) & (low <= high) & (high < 4.0))
    assert trusted.shape == (10,) and np.isfinite(names["evidence"]).all() and len(names["evidence"]) == 60


@shows("docs/guides/speed.md", "Products in bfloat16")
def test_products_in_bfloat16_train_and_scores_are_float32_again(in_tmp, code):
    x = (load_digits().images[:100, :, :, None] > 7).astype("float32")
    vae = tfvae.recipes.vae((8, 8, 1), latent_dim=4, seed=0)
    names = {"tf": tf, "vae": vae, "x": x}
    exec(shortened(code, batch_size=50, epochs=2, num_samples=10), names)
    assert int(vae.optimizer.iterations) == 4
    assert not tf.config.optimizer.get_experimental_options()[names["products"]]
    assert names["log_prob"].shape == (100,) and np.isfinite(names["log_prob"]).all()


@pytest.mark.slow
@shows("docs/guides/speed.md", "Settings that train a good model")
def test_settings_of_a_good_model_train_in_two_stages(in_tmp, code):
    """A short version: the ELBO's path gradient, then IWAE's, with one optimizer whose steps and averages go on."""
    x = (load_digits().images[:500, :, :, None] > 7).astype("float32")
    vae = tfvae.recipes.vae((8, 8, 1), latent_dim=4, seed=0)
    names = {"tfvae": tfvae, "keras": keras, "train": x, "vae": vae}
    for long, short in (("epochs, batch_size = 280, 250", "epochs, batch_size = 8, 50"), ("210", "6")):
        assert code.count(long) == (2 if long == "210" else 1)
        code = code.replace(long, short)
    before = vae.evaluate(x, verbose=0, return_dict=True)["elbo"]
    exec(code, names)
    assert int(names["adam"].iterations) == names["steps"] == 80
    assert names["rate"](80) == 0 and vae.objective.num_samples == 5
    assert vae.evaluate(x, verbose=0, return_dict=True)["elbo"] > before


# The parts of CONTRIBUTING.md: each section is run after the first one, whose imports it uses, and prints its laws.

FIRST = "Add a prior in 20 lines"
OTHERS = [f"Add {kind} in 20 lines" for kind in ("a posterior", "a likelihood", "an objective", "an estimator")]
SECTIONS = [(FIRST, f"{FIRST} (2)"), *((FIRST, heading) for heading in OTHERS)]


@pytest.mark.parametrize("headings", SECTIONS, ids=lambda headings: headings[-1])
def test_part_of_contributing_keeps_all_laws(headings, capsys):
    """Those of a model that trains, is saved and served too; nothing is broken, and the code is as short as it says."""
    keys = [("CONTRIBUTING.md", heading) for heading in headings]
    exec("\n".join(BLOCKS[key] for key in keys), {})
    report = capsys.readouterr().out
    assert "laws hold, 0 broken" in report
    assert "holds       its SavedModel serves the same" in report
    assert sum(bool(line.strip()) for line in BLOCKS[keys[-1]].splitlines()) < 30


SHOWN.update(("CONTRIBUTING.md", heading) for headings in SECTIONS for heading in headings)


@shows("docs/guides/serving.md", "Serving", "Models that are trained already", "On a phone")
def test_a_server_and_a_phone_say_what_the_model_says(code, in_tmp):
    names = {}
    exec(shortened(code, epochs=1), names)
    vae, x = names["vae"], names["x"][:1].numpy()
    np.testing.assert_allclose(names["mean"], vae.reconstruct(names["x"]), rtol=1e-4, atol=1e-6)
    found = tf.lite.Interpreter("digits.tflite").get_signature_runner("reconstruct")(x=x)["mean"]
    np.testing.assert_allclose(found, vae.reconstruct(x), rtol=1e-4, atol=1e-6)


# Pages whose blocks build on each other: what they claim, they assert themselves.

WHOLE = ["theory", "coming-from", "extend", "faq", *(f"choose/{path.stem}" for path in ROOT.glob("docs/choose/*.md"))]
WHOLE = {page: [key for key in BLOCKS if key[0] == f"docs/{page}.md"] for page in sorted(WHOLE)}
SHOWN.update(key for keys in WHOLE.values() for key in keys)


@pytest.mark.parametrize("page", [page for page, keys in WHOLE.items() if keys])
def test_page_runs_from_top_to_bottom(page, in_tmp):
    exec("\n".join(BLOCKS[key] for key in WHOLE[page]), {})
