"""Counts of 33 genes in 4530 cells with the type of the cell as the condition, beside the same model without it.

    log p(x) = logsumexp_c (log p(x | c) + log f_c),    f_c the share of type c among the training cells

Both are the recipe for counts, a negative binomial likelihood with a dispersion for each gene and encoder and decoder
200-200, as `tfvae train` makes them; the one that is told the type has a prior for each. The number of updates was
chosen on validation, for the model that is told nothing.
"""

import dataclasses
from pathlib import Path

import numpy as np

import tfvae
from benchmarks.conditional import pictures
from benchmarks.conditional.common import Result, compared, write
from benchmarks.reproduce.rows import Row
from benchmarks.reproduce.run import Options
from tfvae import likelihoods, recipes
from tfvae.conditions import Declared
from tfvae.datasets import Data
from tfvae.vae import VAE

UPDATES, BATCH, LEARNING_RATE, SAMPLES = 8000, 50, 2e-3, 1000


def counts(shape: tuple[int, ...], condition: Declared = None, **shared) -> VAE:
    """Returns the model of counts, told the condition in all three parts if there is one."""
    if condition is None:
        return recipes.counts(shape, **shared)
    return recipes.conditional(shape, condition, likelihood=likelihoods.NegativeBinomial, **shared)


def arrays(folder: Path, smoke: bool) -> tuple[dict[str, np.ndarray], list[str]]:
    """Returns counts and types of cells, and the names of the types; of a smoke run counts that were made up."""
    if smoke:
        random = np.random.default_rng(0)
        types = random.integers(3, size=600)
        return {"x": random.poisson(random.gamma(1.0, 5.0, [3, 12])[types]), "type": types}, list("abc")
    path = folder / "smfish_counts.npz"
    if not path.exists():
        raise SystemExit(f"no {path.name} in {path.parent}: pass --data FOLDER; smfish.h5ad of YosefLab/scVI-data.")
    with np.load(path) as found:
        return {"x": found["counts"], "type": found["labels"]}, found["label_names"].tolist()


def split(found: dict[str, np.ndarray], condition: str | None) -> Data:
    """Returns a quarter of the cells as test and a sixth as validation, by seed 0."""
    return tfvae.datasets.load(found, condition=condition, seed=0, test_fraction=0.25, valid_fraction=1 / 6, scale=1.0)


def run(seed: int, options: Options, command: str) -> Result:
    """Trains and scores both models of one seed, and writes the result and a picture."""
    options, key = dataclasses.replace(options, updates=options.updates or UPDATES), f"smfish-{seed}"
    found, names = arrays(options.data, options.smoke)
    without, told = split(found, None), split(found, "type")
    assert without.protocol["crc32"] == told.protocol["crc32"]
    row = Row(
        "counts 33-200-200-16", "counts", counts, None, None, "", batch=BATCH, learning_rate=LEARNING_RATE,
        test_samples=SAMPLES,
    )  # fmt: skip
    frequencies = np.log(np.bincount(told.train.condition, minlength=len(names)) / len(told.train))
    both = {"without": (row, without), "label": (row, told)}
    models, vaes = compared(key, both, told.test, frequencies, options.of("test_samples", row), seed, options)
    codes = {
        "without": vaes["without"].encode(told.test.x).mean().numpy(),
        "told the type": vaes["label"].encode(told.test.x, condition=told.test.condition).mean().numpy(),
    }
    pictures.embeddings(codes, told.test.condition, names, options.out / f"{key}.png")
    return write(
        options.out / f"{key}.json", options, command, name="smfish", title=row.title, seed=seed,
        data={"protocol": "smFISH of Codeluppi et al. 2018, a quarter of the cells as test", **told.protocol,
              "source": "smfish_counts", "types": names},
        test_examples=len(told.test), test_samples=options.of("test_samples", row), models=models,
    )  # fmt: skip
