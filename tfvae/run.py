"""A run: one folder with everything about one trained model, and the functions that fill and read it.

    config.json          options, data protocol, seed, versions, git revision, command: enough to repeat the run
    history.csv          the logs of every epoch, nats an example
    metrics.json         the test split, scored once at the end
    model.keras          weights, objective and optimizer
    saved_model/1        the served signatures
    pictures/*.png       learning curves, reconstructions, samples, latent plane
    card.md              the model on one page
    checkpoints/         while training: what `resume` goes on from

Each appears whole or not at all, in this order, and each depends on the config and those before it alone: a run that
was killed at any moment is completed by `resume` to the same result.
"""

import dataclasses
import importlib.util
import logging
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfvae import datasets, files, inputs, plotting, record
from tfvae.callbacks import Checkpoint, HistoryFile, read_history
from tfvae.errors import InvalidInput, positive_integer
from tfvae.export import export as export_model
from tfvae.model import VAE
from tfvae.options import Options

logger = logging.getLogger("tfvae")

SPLITS = ("train", "valid", "test")


class Diverged(RuntimeError):
    """Training reached a loss that is not finite."""


def train(options: Options, folder: str, command: str | None = None, verbose: int = 2) -> dict[str, Any]:
    """Trains a model on real data and fills a new run folder.

    Args:
        options: what to train.
        folder: the run folder to create; missing or empty.
        command: the command line, for the record.
        verbose: 0 silent, 1 progress bars, 2 one line an epoch.

    Returns:
        What `metrics.json` holds.

    Raises:
        InvalidInput: for options or data that do not fit, or a folder that is not empty; nothing is written then.
        Diverged: if the loss is not finite any more.
        OSError: if the disk is full or read-only.
    """
    folder = Path(folder)
    _refuse_occupied(folder)
    data = _load_data(options)
    vae = _build(options, data)
    for split in (data.train, data.valid, data.test):
        inputs.check_arrays(vae, split.x)
    with files.whole_folder(folder) as temporary:
        files.write_json(temporary / "config.json", record.config(options, data.protocol, command))
    return _complete(folder, options, data, vae, verbose)


def resume(folder: str, given: Mapping[str, Any] | None = None, verbose: int = 2) -> dict[str, Any]:
    """Completes a run that was stopped at whatever moment; one that is complete stays as it is.

    Args:
        folder: the run folder.
        given: options that must be those of the run, name to value.
        verbose: 0 silent, 1 progress bars, 2 one line an epoch.

    Returns:
        What `metrics.json` holds.

    Raises:
        InvalidInput: if it is no run folder, a given option differs, or the data are not what they were.
        Diverged: if the loss is not finite any more.
        OSError: if the disk is full or read-only.
    """
    folder = Path(folder)
    config, options = record.read_config(folder)
    options.check_repeated(given or {})
    changed = [f"{name} {was} -> {now}" for name, was, now in record.changes(config["versions"], record.versions())]
    if changed:
        logger.warning("tfvae: other versions than at the start, results may differ: %s.", ", ".join(changed))
    data = _load_data(options)
    for name, was, now in record.changes(config["data"], record.plain(data.protocol)):
        raise InvalidInput(f"data with {name} {was}, as at the start of this run", f"{now}", "Restore those data.")
    return _complete(folder, options, data, _build(options, data), verbose)


def evaluate(
    folder: str, split: str = "test", num_samples: int | None = None, seed: int | None = None, verbose: bool = False
) -> dict[str, Any]:
    """Scores the model of a run on one split of its data.

    Args:
        folder: the run folder.
        split: "train", "valid" or "test".
        num_samples: importance samples for each example; by default the run's.
        seed: of the importance samples; by default the run's.
        verbose: whether to show a progress bar.

    Returns:
        `elbo`, `distortion`, `rate`, `log_prob`, `variational_gap` and `log_prob_standard_error`, means over the
        examples in nats, with the numbers of examples and samples.

    Raises:
        InvalidInput: if it is no run folder with a model, or for a split or number of samples that cannot be.
    """
    _, options = record.read_config(folder)
    if split not in SPLITS:
        raise InvalidInput(f"split to be one of {', '.join(SPLITS)}", f"{split!r}", "Choose one of them.")
    num_samples = positive_integer("num_samples", options.eval_samples if num_samples is None else num_samples)
    vae = load_model(folder)
    data = getattr(_load_data(options), split)
    return _score(vae, data, num_samples, options.seed if seed is None else seed, options.batch_size, verbose)


def sample(folder: str, out: str, count: int = 64, seed: int = 0) -> None:
    """Draws from the model of a run into a file.

    Args:
        folder: the run folder.
        out: `.png` for a grid of decoded means, `.npy` or `.npz` (key `x`) for draws from p(x), `[count, ...]`.
        count: how many.
        seed: of the draws.

    Raises:
        InvalidInput: if it is no run folder with a model, or for a file or count that cannot be.
        OSError: if the disk is full or read-only.
    """
    out, count = Path(out), positive_integer("count", count)
    if out.suffix not in WRITERS:
        raise InvalidInput(f"a file that ends in {', '.join(WRITERS)}", f"{out}", "Name the file so.")
    if not out.parent.is_dir():
        raise InvalidInput(f"an existing folder {out.parent}", "none", "Create it first.")
    vae = load_model(folder)
    with files.whole_file(out) as temporary:
        WRITERS[out.suffix](temporary, vae, count, seed)


def export(folder: str, target: str) -> str:
    """Exports the model of a run as a SavedModel, as `tfvae.export` does, and returns the version folder written."""
    return export_model(load_model(folder), target)


def load_model(folder: str) -> VAE:
    """Returns the trained model of a run.

    Args:
        folder: the run folder.

    Raises:
        InvalidInput: if it is no run folder, its training has not ended, or its model cannot be read.
    """
    record.read_config(folder)
    path = Path(folder, "model.keras")
    if not path.exists():
        raise InvalidInput(
            f"a trained model at {path}", "a run that has not ended", f"Run tfvae train --resume {folder} first."
        )
    try:
        vae = keras.saving.load_model(path)
    except Exception as error:  # Keras raises many types for a damaged or foreign file
        raise InvalidInput(f"a whole model at {path}", _first_line(error), "Restore the file from a copy.") from error
    if not isinstance(vae, VAE):
        raise InvalidInput(f"a tfvae.VAE at {path}", f"a {type(vae).__name__}", "Restore the file from a copy.")
    return vae


def _complete(folder: Path, options: Options, data: Any, vae: VAE, verbose: int) -> dict[str, Any]:
    """Writes what is missing in the run folder, in order."""
    with files.sole_user(folder):
        files.remove_leftovers(folder)
        model = folder / "model.keras"
        if model.exists():
            vae = load_model(folder)
        else:
            vae = _fit(folder, options, data, vae, verbose)
            with files.whole_file(model) as temporary:
                vae.save(temporary)
        if not (folder / "metrics.json").exists():
            test = _score(vae, data.test, options.eval_samples, options.seed, options.batch_size, verbose == 1)
            epochs = len(read_history(folder / "history.csv"))
            files.write_json(folder / "metrics.json", {"epochs": epochs, "test": test})
        if not (folder / "saved_model").exists():
            with files.whole_folder(folder / "saved_model") as temporary:
                export_model(vae, temporary / "1")
        metrics = files.read_json(folder / "metrics.json")
        if not (folder / "pictures").exists():
            if importlib.util.find_spec("matplotlib"):
                _draw(folder, options, data, vae)
            else:
                remedy = f"pip install tfvae[plots], then tfvae train --resume {folder}"
                logger.warning("tfvae: no pictures, for there is no matplotlib here: %s.", remedy)
        if not (folder / "card.md").exists():
            with files.whole_file(folder / "card.md") as temporary:
                config, _ = record.read_config(folder)
                temporary.write_text(record.card(config, metrics["test"], metrics["epochs"], vae.count_params()))
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return metrics


def _fit(folder: Path, options: Options, data: Any, vae: VAE, verbose: int) -> VAE:
    checkpoint = Checkpoint(folder / "checkpoints")
    vae = checkpoint.restore() or vae
    early = keras.callbacks.EarlyStopping(
        "val_elbo", mode="max", patience=options.patience or 0, restore_best_weights=True
    )
    vae.fit(
        data.train.batches(options.batch_size, shuffle_seed=options.seed, first_epoch=checkpoint.initial_epoch),
        steps_per_epoch=data.train.num_batches(options.batch_size),
        validation_data=data.valid.batches(options.batch_size),
        epochs=options.epochs,
        shuffle=False,
        verbose=verbose,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            *([early] if options.patience else []),
            HistoryFile(folder / "history.csv"),
            checkpoint,
        ],
    )
    if not all(math.isfinite(loss) for loss in checkpoint.history["loss"]):
        raise Diverged(f"the loss is not finite after epoch {checkpoint.initial_epoch}: lower --learning-rate")
    return vae


def _score(vae: VAE, split: Any, num_samples: int, seed: int, batch_size: int, verbose: bool) -> dict[str, Any]:
    x = split.x
    bounds = vae.evaluate(x, batch_size=batch_size, return_dict=True, verbose=0)
    log_prob = np.asarray(vae.log_prob(x, num_samples, seed=seed, verbose=verbose), dtype=float)
    return {
        "split": split.name,
        "examples": len(x),
        "num_samples": num_samples,
        "seed": seed,
        **{name: float(bounds[name]) for name in ("elbo", "distortion", "rate")},
        "log_prob": log_prob.mean(),
        "log_prob_standard_error": log_prob.std(ddof=1) / math.sqrt(len(x)) if len(x) > 1 else math.nan,
        "variational_gap": log_prob.mean() - float(bounds["elbo"]),
    }


def _draw(folder: Path, options: Options, data: Any, vae: VAE) -> None:
    grey = data if options.binarization != "dynamic" else _load_data(dataclasses.replace(options, binarization="none"))
    rows = read_history(folder / "history.csv")
    history = {name: [row[name] for row in rows if name in row] for name in rows[0]}
    figures = {
        "learning_curves": plotting.learning_curves(history),
        "reconstructions": plotting.reconstructions(vae, grey.test.x),  # the model binarises them
        "samples": plotting.samples(vae),
        "latent_plane": plotting.latent_plane(vae, data.test.x, data.test.y),
    }
    with files.whole_folder(folder / "pictures") as temporary:
        for name, figure in figures.items():
            figure.savefig(temporary / f"{name}.png")


def _write_png(path: Path, vae: VAE, count: int, seed: int) -> None:
    plotting.samples(vae, count, seed).savefig(path)


WRITERS = {
    ".png": _write_png,
    ".npy": lambda path, vae, count, seed: np.save(path, vae.sample(count, seed=seed)),
    ".npz": lambda path, vae, count, seed: np.savez(path, x=vae.sample(count, seed=seed)),
}


def _refuse_occupied(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{folder} to be a new folder", "a file of that name", "Give another --out.")
    if (folder / "config.json").exists():
        remedy = f"Go on with --resume {folder}, or give another --out."
        raise InvalidInput(f"{folder} to be a new folder", "one that already holds a run", remedy)
    if folder.is_dir() and any(folder.iterdir()):
        raise InvalidInput(f"{folder} to be a new or empty folder", "one with other files in it", "Give another --out.")


def _load_data(options: Options) -> Any:
    names = ("binarization", "seed", "data_dir", "scale")
    return datasets.load(options.source, **{name: getattr(options, name) for name in names})


def _build(options: Options, data: Any) -> VAE:
    steps = options.epochs * data.train.num_batches(options.batch_size)
    return options.build(data.event_shape, data.preprocessing, steps)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
