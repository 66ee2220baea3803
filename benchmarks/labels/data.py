"""Images of which a few have a label: grey for the networks that read them, binarised for the likelihood.

    x        grey, [0, 1]
    target   x binarised anew in each epoch, target ~ Bernoulli(x): its likelihood is that of grey x on average
    labels   the same number of each class, -1 everywhere else

The labelled rows stand in the data `copies` times, so that each batch has some, with a weight of 1 / copies: no
expectation changes by it.
"""

import dataclasses
from pathlib import Path

import numpy as np

CLASSES = 10
LABELLED_SHARE = 0.1  # of a batch, which the copies are for


@dataclasses.dataclass(frozen=True)
class Images:
    """Images and their labels; `x` and `y` of `train`, `valid` and `test`."""

    train: tuple[np.ndarray, np.ndarray]
    valid: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]

    @property
    def size(self) -> int:
        """Numbers in an image."""
        return self.train[0].shape[1]


@dataclasses.dataclass(frozen=True)
class FewLabels:
    """What `fit` is given.

    Attributes:
        x: `[N, D]`, the labelled rows several times.
        labels: `[N]`.
        weight: `[N]`.
        share: of the examples with a label.
        rows: places of the labelled images among those that stand there once.
        draw: which choice of labels, and the seed of the targets.
    """

    x: np.ndarray
    labels: np.ndarray
    weight: np.ndarray
    share: float
    rows: np.ndarray
    draw: int

    def target(self, epoch: int) -> np.ndarray:
        """Returns x binarised, `[N, D]`."""
        return (np.random.default_rng([self.draw, epoch]).random(self.x.shape, np.float32) < self.x).astype(np.float32)


def mnist(folder: Path) -> Images:
    """Returns MNIST: 50,000 images to train on, the last 10,000 of that part to choose on, 10,000 to test on."""
    with np.load(folder / "mnist.npz") as file:
        x, y = (np.concatenate([file[f"{name}_train"], file[f"{name}_test"]]) for name in "xy")
    return _parts((x / 255).astype(np.float32).reshape(len(x), -1), y.astype(np.int32), (50_000, 10_000, 10_000))


def digits() -> Images:
    """Returns the 1797 digits of scikit-learn in an order of their own, 1000 to train on, 297 to choose on."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    x = (found.data / 16).astype(np.float32)
    return _parts(x[order], found.target[order].astype(np.int32), (1000, 297, 500))


def _parts(x: np.ndarray, y: np.ndarray, sizes: tuple[int, int, int]) -> Images:
    ends = np.cumsum(sizes)
    return Images(*((x[end - size : end], y[end - size : end]) for size, end in zip(sizes, ends, strict=True)))


def few(images: Images, number: int, draw: int) -> FewLabels:
    """Returns the training images with labels for some of them.

    Args:
        images: all of them.
        number: of labels, as many of each class.
        draw: which choice of them, and of the binarised pixels.
    """
    x, y = images.train
    rng = np.random.default_rng([draw, number])
    rows = np.concatenate([rng.permutation(np.flatnonzero(y == k))[: number // CLASSES] for k in range(CLASSES)])
    copies = max(round(LABELLED_SHARE * len(x) / number), 1)
    places = np.concatenate([np.arange(len(x)), *[rows] * (copies - 1)])
    labels = np.full(len(x), -1, np.int32)
    labels[rows] = y[rows]
    weight = np.ones(len(x), np.float32)
    weight[rows] = 1 / copies
    return FewLabels(x[places], labels[places], weight[places], number / len(x), rows, draw)
