"""The data sets of the tables, as `tfvae.datasets` makes them; nothing here is random but by a fixed seed.

dynamic   MNIST, 60000 rows less 1000 for validation; grey values, drawn anew by the model at every visit:
          x_i ~ Bernoulli(m_i). Validation and the 10000 test images are drawn once, with seed 0 (Burda et al. 2016)
static    Larochelle's one binary draw, split 50000 / 10000 / 10000; the row order of its test split is by digit
fashion   Fashion-MNIST, as `dynamic`
omniglot  OMNIGLOT as shipped with the benchmark data, its own split 24345 / 8115, as `dynamic`; not the file of others
"""

from functools import partial
from pathlib import Path

import numpy as np

import tfvae

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
DYNAMIC = {"binarization": "dynamic", "seed": 0, "valid_fraction": 1 / 60}
OMNIGLOT = 24_345  # training images
WORDS = {
    "dynamic": "MNIST, binarised anew at each visit; test binarised once with seed 0",
    "static": "MNIST, Larochelle's binarisation and split",
    "fashion": "Fashion-MNIST, binarised anew at each visit; test binarised once with seed 0",
    "omniglot": "OMNIGLOT, our own split, binarised anew at each visit; test binarised once with seed 0",
}


SOURCES = {  # of files
    "mnist": "keras.datasets.mnist.load_data() writes it to ~/.keras/datasets",
    "mnist_static_binarized": "pack Larochelle's three .amat files: "
    "numpy.savez(path, x_train=numpy.packbits(x, axis=1), ...)",
    "fashion_mnist": "numpy.savez(path, x_train=..., x_test=...) of keras.datasets.fashion_mnist.load_data()",
    "omniglot_28x28": "x_background, x_evaluation: all images, uint8, 28x28; split_permutation: their order",
}


def dynamic(folder: Path, condition: str | None = None, name: str = "mnist") -> tfvae.datasets.Data:
    """Returns MNIST from `mnist.npz`, the file that `keras.datasets.mnist.load_data()` leaves in its cache."""
    return tfvae.datasets.load(found(folder / f"{name}.npz"), **DYNAMIC, condition=condition)


def omniglot(folder: Path) -> tfvae.datasets.Data:
    """Returns OMNIGLOT, all alphabets in both splits."""
    with np.load(found(folder / "omniglot_28x28.npz")) as parts:
        x = np.concatenate([parts["x_background"], parts["x_evaluation"]])[parts["split_permutation"]]
    return tfvae.datasets.load({"x_train": x[:OMNIGLOT], "x_test": x[OMNIGLOT:]}, **DYNAMIC)


def static(folder: Path) -> tfvae.datasets.Data:
    """Returns Larochelle's MNIST from an `.npz` of 784 bits packed into 98 bytes a row."""
    with np.load(found(folder / "mnist_static_binarized.npz")) as bits:
        arrays = {f"x_{s}": np.unpackbits(bits[f"x_{s}"], axis=1, count=784) for s in ("train", "valid", "test")}
    return tfvae.datasets.load({key: x.reshape(-1, 28, 28) for key, x in arrays.items()})


def small(binarization: str, condition: str | None = None) -> tfvae.datasets.Data:
    """Returns the digits of scikit-learn, each pixel as 3x3 in a frame of 2: 28x28, for `--smoke`."""
    digits = tfvae.datasets.load("digits").train
    x = np.pad(np.kron(digits.x[:600, :, :, 0], np.ones([1, 3, 3], np.uint8)), ((0, 0), (2, 2), (2, 2)))
    how = {"binarization": binarization, "scale": 16.0, "seed": 0, "condition": condition}
    return tfvae.datasets.load({"x": x, "y": digits.y[:600]} if condition else x, **how)


PROTOCOLS = {
    "dynamic": dynamic,
    "static": static,
    "fashion": partial(dynamic, name="fashion_mnist"),
    "omniglot": omniglot,
}


def data(name: str, folder: Path, smoke: bool, **told: str) -> tfvae.datasets.Data:
    """Returns the data of a protocol, or a few digits in its place; `condition="y"` goes with the dynamic one."""
    if smoke:
        return small("static" if name == "static" else "dynamic", **told)
    return PROTOCOLS[name](folder, **told)


def found(path: Path) -> Path:
    """Returns the path of a file that is there; else says how to get it."""
    if path.exists():
        return path
    source = SOURCES[path.stem]
    raise SystemExit(f"no {path.name} in {path.parent}: pass --data FOLDER; {source}.")
