"""The task, in NumPy alone: data, network, settings, and the clock that stands still while weights are written.

    encoder x -> 200 -> 200 -> (loc, raw scale) of 50 dimensions        decoder z -> 200 -> 200 -> logits of 784 pixels

tanh, x ~ Bernoulli(grey value) drawn anew at every visit (Burda et al. 2016, section 5). Every contender writes its
weights down at growing distances, each TIMES as late as the one before, and is judged later, by one scorer.
"""

import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PIXELS, HIDDEN, LATENT = 784, (200, 200), 50
LAYERS = tuple(
    pair
    for widths in ((PIXELS, *HIDDEN, 2 * LATENT), (LATENT, *HIDDEN[::-1], PIXELS))
    for pair in zip(widths, widths[1:], strict=False)
)
SHIFT = math.log(math.e - 1)  # scale = softplus(raw + SHIFT): one where raw is zero
VALID = 2000  # training images that are kept for choices
TIMES = 1.2
SMALLEST = 1e-3  # the output bias starts no nearer to a probability of zero or one than this


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a model is trained.

    Attributes:
        batch: examples in a step.
        stages: (share of the passes, k of the bound, estimator), one after the other; the estimator is "pathwise",
            "dreg", or with one sample "stl".
        rates: learning rates as (passes, first, last): a cosine from first to last, one piece after the other.
        epsilon: Adam's.
        average: momentum of the exponential average of the weights, which is judged in their place; 0 for none.
        output_bias: whether the decoder starts at the logits of the mean pixels.
    """

    batch: int
    stages: tuple[tuple[float, int, str], ...]
    rates: tuple[tuple[int, float, float], ...]
    epsilon: float
    average: float = 0.0
    output_bias: bool = True

    @property
    def epochs(self) -> int:
        """Passes over the data in all."""
        return sum(piece[0] for piece in self.rates)

    def stretched(self, passes: int | None) -> "Settings":
        """Returns the settings with a last piece that makes so many passes in all."""
        *others, (_, first, last) = self.rates
        left = (passes or self.epochs) - sum(piece[0] for piece in others)
        return dataclasses.replace(self, rates=(*others, (left, first, last)))

    def parts(self) -> list[tuple[range, int, str]]:
        """Returns the epochs of each stage, with its k and its estimator."""
        ends = [round(self.epochs * share) for share in np.cumsum([stage[0] for stage in self.stages])]
        return [
            (range(begin, end), *stage[1:]) for begin, end, stage in zip([0, *ends], ends, self.stages, strict=False)
        ]

    def rate(self, epoch: Any, xp: Any = np) -> Any:
        """Returns the learning rate after `epoch` passes, a fraction counts; `xp` is NumPy, or a library like it."""
        value, start = self.rates[-1][2] + 0.0 * epoch, self.epochs
        for passes, first, last in self.rates[::-1]:
            start -= passes
            share = xp.clip((epoch - start) / passes, 0, 1)
            piece = last + (first - last) * 0.5 * (1 + xp.cos(math.pi * share))
            value = xp.where(epoch < start + passes, piece, value)
        return value


OURS = Settings(  # found on validation data, see benchmarks/NOTES.md
    batch=250,
    stages=((0.75, 1, "stl"), (0.25, 5, "dreg")),
    rates=((4, 0.0, 6e-3), (276, 6e-3, 1e-5)),
    epsilon=1e-7,
    average=0.998,
)
PAPER = Settings(  # Burda et al. 2016, section 5
    batch=20,
    stages=((1, 1, "pathwise"),),
    rates=tuple((3**i, 1e-3 * 10 ** (-i / 7), 1e-3 * 10 ** (-i / 7)) for i in range(8)),
    epsilon=1e-4,
)
SETTINGS = {"ours": OURS, "paper": PAPER}


def load(path: str | None) -> dict[str, np.ndarray]:
    """Returns grey `train` and binary `valid` and `test` images, `[N, 784]`, uint8; with no path, made-up ones.

    Validation images are cut off the training set; they and the test images are drawn once.
    """
    random = np.random.default_rng(0)
    if path is None:
        prototypes = 255 * random.random((10, PIXELS)) ** 3
        grey = {name: prototypes[random.integers(0, 10, rows)] for name, rows in (("train", 1200), ("test", 100))}
        valid, train = grey["train"][:200], grey["train"][200:]
    else:
        with np.load(path, allow_pickle=False) as file:
            grey = {name: file[f"x_{name}"].reshape(-1, PIXELS) for name in ("train", "test")}
        order = random.permutation(len(grey["train"]))
        valid, train = grey["train"][order[:VALID]], grey["train"][order[VALID:]]
    drawn = {name: 255 * random.random(x.shape) < x for name, x in (("valid", valid), ("test", grey["test"]))}
    return {"train": train.astype(np.uint8), **{name: x.astype(np.uint8) for name, x in drawn.items()}}


def weights(train: np.ndarray, seed: int, output_bias: bool) -> list[np.ndarray]:
    """Returns kernel, bias, ... in the order of LAYERS: Glorot-uniform kernels, no bias or the mean pixels' logits."""
    random, made = np.random.default_rng(seed), []
    for inputs, outputs in LAYERS:
        limit = math.sqrt(6 / (inputs + outputs))
        made += [random.uniform(-limit, limit, (inputs, outputs)), np.zeros(outputs)]
    if output_bias:
        mean = np.clip(train.mean(axis=0) / 255, SMALLEST, 1 - SMALLEST)
        made[-1] = np.log(mean) - np.log1p(-mean)
    return [w.astype(np.float32) for w in made]


class Recorder:
    """Writes weights down at growing distances of training time, and says when the time is up.

    Args:
        folder: where `000.npz`, `001.npz`, ... go.
        minutes: of training.
        first: seconds until the first one.
        scale: how raw outputs become standard deviations, "softplus" (with SHIFT) or "exp".
    """

    def __init__(self, folder: str, minutes: float, first: float, scale: str = "softplus") -> None:
        self.folder, self.limit, self.due, self.scale = Path(folder), 60 * minutes, first, scale
        self.count, self.started = 0, None

    def start(self) -> None:
        """Starts the clock: what is imported and loaded is not counted, what is compiled is."""
        self.started = time.perf_counter()

    def epoch_end(self, epoch: int, weights: Callable[[], list[np.ndarray]], last: bool) -> bool:
        """Writes the weights if that is due; returns whether to stop. The clock stands still meanwhile."""
        now = time.perf_counter()
        seconds = now - self.started
        over = last or seconds >= self.limit
        if seconds >= self.due or over:
            made = [np.asarray(w, np.float32) for w in weights()]
            named = {f"w{i:02d}": w for i, w in enumerate(made)}
            np.savez(self.folder / f"{self.count:03d}.npz", seconds=seconds, epoch=epoch, scale=self.scale, **named)
            self.count, self.due = self.count + 1, seconds * TIMES
        self.started += time.perf_counter() - now
        return over


def main(train: Callable[[dict, Settings, Recorder, int], None], scale: str = "softplus") -> None:
    """Runs a contender as the command line (one JSON object) asks for it."""
    asked = json.loads(sys.argv[1])
    settings = dataclasses.replace(SETTINGS[asked["settings"]].stretched(asked["passes"]), **asked["changes"])
    recorder = Recorder(asked["folder"], asked["minutes"], asked["first"], scale)
    train(load(asked["data"]), settings, recorder, asked["seed"])
