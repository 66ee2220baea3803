"""The documents' code runs as it stands."""

import collections
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import latent_cases
import numpy as np
import pytest
from sklearn.datasets import load_digits
from test_combinations import check

import tfvae

ROOT = Path(__file__).parents[1]
MNIST = ROOT.parent / "shared" / "data" / "mnist.npz"


def code(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), flags=re.DOTALL)


@pytest.fixture
def in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_first_example_of_the_readme(in_tmp, capsys):
    names = {}
    exec(code("README.md")[0], names)
    assert Path("digits.keras").exists() and Path("exported/digits/1/saved_model.pb").exists()
    assert "elbo" in capsys.readouterr().out
    assert -25 < names["estimate"].log_prob.numpy().mean() < -10  # binarised digits: 22 nats before training 20 epochs


def test_example_of_the_terms_on_stand_in_images(in_tmp):
    """28x28 images made of the embedded digits, three times enlarged; one epoch."""
    images = np.pad(np.kron(load_digits().images / 16, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
    x = (images[..., None] > np.random.default_rng(0).uniform(size=(1797, 28, 28, 1))).astype("float32")
    names = {"tfvae": tfvae, "train": x[:400], "valid": x[400:500], "test": x[500:600]}
    exec(code("README.md")[1].replace("num_samples=1000", "num_samples=60").replace("epochs=5", "epochs=1"), names)
    assert np.all(np.isfinite(names["log_prob"]))
    assert Path("exported/mnist/1/saved_model.pb").exists()


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.exists(), reason="MNIST is not beside this clone")
def test_example_of_the_terms_on_mnist(in_tmp):
    """As it stands: 5 epochs on 50000 binarised MNIST digits, test ELBO and log p(x) at 1000 samples printed."""
    data = tfvae.datasets.load(MNIST, binarization="static", seed=0)
    test = np.random.default_rng(0).permutation(data.test.x).astype("float32")
    names = {
        "tfvae": tfvae,
        "train": data.train.x.astype("float32"),
        "valid": data.valid.x.astype("float32"),
        "test": test,
    }
    exec(code("README.md")[1], names)
    elbo = names["vae"].evaluate(test, return_dict=True, verbose=0)["elbo"]
    log_prob = float(np.mean(names["log_prob"]))
    print(f"MNIST after 5 epochs: test ELBO {elbo:.2f}, log p(x) {log_prob:.2f} nats (1000 samples, 1000 images)")
    assert elbo < log_prob and elbo > -115


def test_own_data_example_of_the_readme(in_tmp):
    exec(code("README.md")[2], {})


def test_settings_of_the_readme_train_in_two_stages(in_tmp):
    """A short version: the ELBO's path gradient, then IWAE's, with one optimizer whose steps and averages go on."""
    x = (load_digits().images[:500, :, :, None] > 7).astype("float32")
    vae = tfvae.recipes.vae((8, 8, 1), latent_dim=4, seed=0)
    names = {"tfvae": tfvae, "keras": keras, "train": x, "vae": vae}
    text = code("README.md")[4]
    for long, short in (("epochs, batch_size = 280, 250", "epochs, batch_size = 8, 50"), ("210", "6")):
        assert text.count(long) == (2 if long == "210" else 1)
        text = text.replace(long, short)
    before = vae.evaluate(x, verbose=0, return_dict=True)["elbo"]
    exec(text, names)
    assert int(names["adam"].iterations) == names["steps"] == 80
    assert names["rate"](80) == 0 and vae.objective.num_samples == 5
    assert vae.evaluate(x, verbose=0, return_dict=True)["elbo"] > before


# The prior of CONTRIBUTING.md, as if its author had added it to the list of all parts.

LISTED = """
import latent_cases

{code}

latent_cases.PRIORS["Added"] = latent_cases.PARTS["prior Added"] = (Laplace, {{}}, (1, 2))
latent_cases.CASES += [("prior Added", 1), ("prior Added", 2)]
latent_cases.PAIRS.append(("FullNormal", "Added"))
"""
LAWS = {  # what a prior in the list must pass
    "density_integrates_to_one_and_agrees_with_samples": 2,
    "every_weight_has_a_finite_gradient": 1,
    "declared_capabilities_hold": 1,
    "xla_density_of_priors_is_the_eager_one": 1,
    "densities_stay_float32_under_mixed_precision": 1,
    "keras_file_round_trip": 1,
    "samples_carry_gradients_if_and_only_if_declared": 1,
    "smallest_dimension_is_as_declared": 1,
    "configuration_round_trip": 1,
    "every_weight_of_a_model_has_a_finite_gradient": 1,
    "mixed_precision_keeps_densities_float32": 1,
}


def test_prior_of_contributing_passes_all_laws(tmp_path):
    plugin = LISTED.format(code=code("CONTRIBUTING.md")[0])
    (tmp_path / "added_prior.py").write_text(plugin)
    tests = [str(ROOT / "tests" / name) for name in ("test_latents.py", "test_laws.py")]
    words = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "added_prior", "-p", "no:cacheprovider", "-k", "Added"]
    paths = os.pathsep.join([str(tmp_path), str(ROOT / "tests"), str(ROOT)])
    done = subprocess.run(
        [*words, *tests], capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}
    )
    passed = re.findall(r"^PASSED .*::test_(\w+)\[", done.stdout, re.MULTILINE)
    print("\n".join(f"{passed.count(law)} x {law}" for law in LAWS))
    assert done.returncode == 0, done.stdout[-3000:]
    assert collections.Counter(passed) == LAWS


def test_prior_of_contributing_in_a_whole_model(tmp_path, monkeypatch):
    """One step eager and one compiled, score, save, load in a fresh object, export: as every combination."""
    monkeypatch.setattr(latent_cases, "CASES", list(latent_cases.CASES))
    monkeypatch.setattr(latent_cases, "PAIRS", list(latent_cases.PAIRS))
    for table in (latent_cases.PRIORS, latent_cases.PARTS):
        monkeypatch.setitem(table, "Added", None)  # put back at the end
        monkeypatch.setitem(table, "prior Added", None)
    exec(LISTED.format(code=code("CONTRIBUTING.md")[0]), {})
    check(("DiagonalNormal", "Added", "Bernoulli", "IWAE", "DoublyReparameterized"), tmp_path)
