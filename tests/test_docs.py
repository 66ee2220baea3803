"""The documents' code runs as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

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


def test_prior_of_contributing(in_tmp):
    """The prior that CONTRIBUTING.md adds trains, has a gradient, scores and saves."""
    import keras

    names = {}
    exec(code("CONTRIBUTING.md")[0], names)
    vae = tfvae.VAE(tfvae.posteriors.DiagonalNormal(3), tfvae.likelihoods.Normal(5), prior=names["Laplace"](3), seed=0)
    vae.compile(keras.optimizers.Adam(0.1))
    x = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
    vae.fit(x, epochs=2, verbose=0)
    assert np.all(vae.prior_part.raw.numpy() != 0)
    vae.save("laplace.keras")
    loaded = keras.saving.load_model("laplace.keras")
    np.testing.assert_array_equal(loaded.log_prob(x, 60, seed=0), vae.log_prob(x, 60, seed=0))
