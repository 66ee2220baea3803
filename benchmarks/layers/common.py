"""What the jobs share: scores of a trained model, how much each layer says, and the epoch that is best on validation.

    KL_l = E_q (log q(z_l | ...) - log p(z_l | ...))                  nats an example; a layer is alive above 0.01
    spread_d = Var_x E_q z_d                                          a unit is active above 0.01 (Burda et al. 2016)

E_q z_d is a mean of S draws, whose own variance would count as spread: Var_S / S of each example is taken off.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.conditional.common import Result, moments, sayer
from benchmarks.reproduce.rows import Row
from benchmarks.reproduce.run import Options, estimates, some, summed_up, tested, trained
from tfvae.datasets import Data, Split
from tfvae.vae import VAE

ALIVE, ACTIVE = 0.01, 0.01  # nats, and variance of the prior's order
DRAWS, BLOCK = 20, 100


def spreads(vae: VAE, x: np.ndarray) -> dict[str, np.ndarray]:
    """Returns Var_x E_q z of each unit, name of the layer to `[D]`."""
    means, noise = {}, {}
    for start in range(0, len(x), BLOCK):
        drawn = vae.encode(x[start : start + BLOCK]).sample(DRAWS, seed=[0, start])
        for name, z in (drawn if isinstance(drawn, dict) else {"z": drawn}).items():
            z = np.asarray(z, np.float64)
            means.setdefault(name, []).append(z.mean(axis=0))
            noise.setdefault(name, []).append(z.var(axis=0, ddof=1) / DRAWS)
    return {
        name: np.concatenate(means[name]).var(axis=0, ddof=1) - np.concatenate(noise[name]).mean(axis=0)
        for name in means
    }


def layers(vae: VAE, x: np.ndarray) -> dict[str, Result]:
    """Returns what each layer says, by name."""
    logs = vae.evaluate(x, batch_size=BLOCK, verbose=0, return_dict=True)
    found = {}
    for name, spread in spreads(vae, x).items():
        kl = float(logs.get(f"rate_{name}", logs["rate"]))
        active = int(np.sum(spread > ACTIVE))
        found[name] = {"kl": kl, "alive": kl > ALIVE, "dimensions": len(spread), "active": active}
    return found


class Best(keras.callbacks.Callback):
    """Keeps the model of the epoch with the best ELBO of validation images; goes through a resume."""

    def __init__(self, path: Path, valid: Split, say: Any) -> None:
        super().__init__()
        self.path, self.valid, self.say = path, valid, say
        self.values: list[float] = []

    @property
    def epoch(self) -> int:
        """Number of epochs after which the model was best."""
        return int(np.argmax(self.values)) + 1

    def get_state(self) -> dict[str, Any]:
        """Returns what a checkpoint keeps."""
        return {"values": self.values}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes what a checkpoint kept."""
        self.values = state["values"]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Scores the epoch, and writes the model if it is the best."""
        self.values.append(float(np.mean(self.model.elbo(self.valid.x, seed=0))))
        if self.epoch == len(self.values):
            self.model.save(self.path)
            self.say(f"best ELBO of validation so far {self.values[-1]:.2f}, epoch {self.epoch}")

    def restored(self) -> VAE:
        """Returns the best model."""
        return keras.saving.load_model(self.path)


def job(key: str, row: Row, data: Data, seed: int, options: Options, best: bool = False) -> tuple[Result, np.ndarray]:
    """Trains a model, and scores it once on test images.

    Args:
        key: of folder and lines of progress.
        row: the model.
        data: of the row.
        seed: of initial weights and training noise.
        options: of training.
        best: whether the epoch is chosen on validation images; else it is the last one.

    Returns:
        What became of it, and log p(x) of each test image.
    """
    say, folder = sayer(key), options.runs / key
    choice = Best(folder / "best.keras", some(data.valid, slice(2000)), say)
    vae, curve, plan = trained(row, data, options, seed, folder, say, [choice] if best else [])
    vae = choice.restored() if best else vae
    test, num_samples = tested(data.test, options.of("test_examples", row)), options.of("test_samples", row)
    values, errors = estimates(vae, test, num_samples, say)
    elbo = np.concatenate([np.asarray(vae.elbo(test.rows(slice(at, at + BLOCK)), DRAWS, seed=at), np.float64)
                           for at in range(0, len(test), BLOCK)])  # fmt: skip
    found = {"title": row.title, "log_prob": moments(values), "elbo": moments(elbo), "layers": layers(vae, test.x)}
    found |= {"sampling_error": summed_up(values, errors)["sampling_error"], "minutes": curve.minutes}
    found |= {"weights": vae.count_params(), "plan": plan, "curve": curve.points, "test_examples": len(test)}
    found |= {"test_samples": num_samples} | ({"epoch": choice.epoch, "valid_elbo": choice.values} if best else {})
    parts = ", ".join(f"{name} {one['kl']:.2f} nats {one['active']} units" for name, one in found["layers"].items())
    say(f"-ELBO {-elbo.mean():.2f}, -log p(x) {-values.mean():.2f}, {parts}")
    return found, values


def beside(first: str, found: dict[str, Result], scores: dict[str, np.ndarray]) -> None:
    """Adds to each result how far its log p(x) is from that of the model `first`, on the same images."""
    for name in scores.keys() - {first}:
        found[name][f"log_prob_beside_{first}"] = moments(scores[name] - scores[first])


def named(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Returns those names, in the order in which they are known."""
    return [name for name in known if name in names]
