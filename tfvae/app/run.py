"""A run: train a model into a new folder, resume it, evaluate it, draw from it, export it.

A run folder holds

{artifacts}

at the end seal.json, size and SHA-256 of their files, and, while it trains, checkpoints/. Each appears whole or not at
all, in this order, and depends on the options, the data and those before it alone: a run that was killed at any moment
is completed by `resume` to the same result.
"""

import logging
from pathlib import Path

import numpy as np

from tfvae import evaluation, files, plotting
from tfvae.app import provenance
from tfvae.app.folder import ARTIFACTS, Run, complete, draw_page, load_model, start
from tfvae.app.given import given
from tfvae.app.options import Options
from tfvae.checks import data as inputs
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import Array, Config, Tensor
from tfvae.datasets import Data
from tfvae.evaluation import Report
from tfvae.export import export as export_model
from tfvae.vae import VAE

__doc__ = __doc__ and __doc__.format(artifacts="\n".join(f"    {a.name:<15}{a.holds}" for a in ARTIFACTS))
logger = logging.getLogger("tfvae")

SPLITS = ("train", "valid", "test")


def train(
    options: Options, folder: str, command: str | None = None, verbose: int = 2, data: Data | None = None
) -> Report:
    """Trains a model on real data and fills a new run folder.

    Args:
        options: what to train.
        folder: the run folder to create; missing or empty.
        command: the command line, for the record.
        verbose: 0 silent, 1 progress on a terminal, 2 in a file.
        data: what the options name, if it is loaded already.

    Returns:
        The evaluation of the test split, which `metrics.json` holds.

    Raises:
        InvalidInput: for options or data that do not fit, or a folder that is not empty; nothing is written then.
        Diverged: if the loss is not finite any more.
        OSError: if the disk is full or read-only.
    """
    run = Run(Path(folder), options, verbose, command, data)
    refuse_occupied(run.folder)
    for split in SPLITS:
        inputs.check_arrays(run.untrained, inputs.given(run.untrained, getattr(run.data, split).observed))
    try:
        start(run)
    except OSError:
        refuse_occupied(run.folder)  # by another process, since we looked
        raise
    return complete(run)


def resume(folder: str, given: Config | None = None, verbose: int = 2) -> Report:
    """Completes a run that was stopped at whatever moment; one that is complete stays as it is.

    What was damaged since the run ended is made again; other files in the folder are left alone.

    Args:
        folder: the run folder.
        given: options that must be those of the run, name to value.
        verbose: 0 silent, 1 progress on a terminal, 2 in a file.

    Returns:
        The evaluation of the test split, which `metrics.json` holds.

    Raises:
        InvalidInput: if it is not a run folder, a given option differs, the data are not what they were, or a file
            that only training can make was damaged or lost.
        Diverged: if the loss is not finite any more.
        OSError: if the disk is full or read-only.
    """
    config, options = provenance.read_config(folder)
    options.check_repeated(given or {})
    versions = provenance.changes(config["versions"], provenance.versions())
    if versions:
        changed = ", ".join(f"{name} {was} -> {now}" for name, was, now in versions)
        logger.warning("tfvae: other versions than at the start, results may differ: %s.", changed)
    return complete(Run(Path(folder), options, verbose))


def evaluate(
    folder: str,
    split: str = "test",
    num_samples: int | None = None,
    seed: int | None = None,
    gap_examples: int = 0,
    verbose: bool = False,
) -> tuple[Report, Path | None]:
    """Scores the model of a run on one split of its data, as `tfvae.evaluation.evaluate` does, and draws a page.

    Args:
        folder: the run folder.
        split: "train", "valid" or "test".
        num_samples: importance samples for each example; by default the run's.
        seed: of the importance samples; by default the run's.
        gap_examples: of how many random examples to split the variational gap; that takes minutes.
        verbose: whether to show a progress bar.

    Returns:
        The report, and the page in the run folder; `None` with a warning if that cannot be written.

    Raises:
        InvalidInput: if it is not a run folder with a model, its data are not what they were, or for a split or number
            of samples that cannot be.
    """
    _, options = provenance.read_config(folder)
    if split not in SPLITS:
        raise InvalidInput(f"split to be one of {', '.join(SPLITS)}", f"{split!r}", "Choose one of them.")
    num_samples = positive_integer("num_samples", options.eval_samples if num_samples is None else num_samples)
    seed = options.seed if seed is None else seed
    run = Run(Path(folder), options)
    report = evaluation.evaluate(
        run.model,
        getattr(run.data, split).observed,
        num_samples,
        seed,
        per_example=True,
        verbose=verbose,
        gap_examples=gap_examples,
        baselines_from=run.complete,
    )
    page = run.folder / f"report-{split}-{num_samples}-{seed}.html"
    try:
        draw_page(run, page, report, split)
    except (OSError, InvalidInput) as error:
        logger.warning("tfvae: no page of this evaluation: %s", error)
        page = None
    return report, page


def sample(folder: str, out: str, count: int = 64, seed: int = 0, condition: str | None = None) -> None:
    """Draws from the model of a run into a file.

    Args:
        folder: the run folder.
        out: `.png` for a grid of decoded means, `.npy` or `.npz` (key `x`) for draws from p(x), `[count, ...]`.
        count: how many.
        seed: of the draws.
        condition: what all of them are given, "NAME=VALUE", where the model is told something.

    Raises:
        InvalidInput: if it is not a run folder with a model, or for a file, count or condition that cannot be.
        OSError: if the disk is full or read-only.
    """
    out, count = Path(out), positive_integer("count", count)
    if out.suffix not in WRITERS:
        raise InvalidInput(f"a file that ends in {', '.join(WRITERS)}", f"{out}", "Name the file so.")
    if not out.parent.is_dir():
        raise InvalidInput(f"an existing folder {out.parent}", "none", "Create it first.")
    vae = load_model(folder)
    told = given(vae, provenance.read_config(folder)[0]["data"], condition)
    with files.whole_file(out) as temporary:
        WRITERS[out.suffix](temporary, vae, count, seed, told)


def export(folder: str, target: str) -> str:
    """Exports the model of a run as a SavedModel, as `tfvae.export` does, and returns the version folder written."""
    return export_model(load_model(folder), target)


def _write_png(path: Path, vae: VAE, count: int, seed: int, condition: Array | None) -> None:
    plotting.samples(vae, count, seed, condition=condition).savefig(path)


def _draws(vae: VAE, count: int, seed: int, condition: Array | None) -> Tensor:
    """Returns draws of x, `[count, ...]`, all under the one condition, `[1, ...]`, if there is one."""
    x = vae.sample(count, seed=seed, condition=condition)
    return x if condition is None else x[:, 0]


WRITERS = {
    ".png": _write_png,
    ".npy": lambda path, *what: np.save(path, _draws(*what)),
    ".npz": lambda path, *what: np.savez(path, x=_draws(*what)),
}


def refuse_occupied(folder: Path) -> None:
    """Raises `InvalidInput` for a folder that a new run cannot have."""
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{folder} to be a new folder", "a file of that name", "Give another --out.")
    if (folder / "config.json").exists():
        remedy = f"Go on with --resume {folder}, or give another --out."
        raise InvalidInput(f"{folder} to be a new folder", "one that already holds a run", remedy)
    if folder.is_dir() and any(folder.iterdir()):
        raise InvalidInput(f"{folder} to be a new or empty folder", "one with other files in it", "Give another --out.")
