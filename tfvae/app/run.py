"""A run: one folder with everything about one trained model, and the functions that fill and read it.

    config.json          options, data protocol, seed, versions, git revision, command: enough to repeat the run
    history.csv          the logs of every epoch, nats an example
    alarms.json          what the collapse alarm said
    scores.npz           log p(x) and more of each test example
    metrics.json         the report of the test split, scored once at the end
    report.html          the same with pictures, for a person to open
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
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfvae import datasets, evaluation, files, plotting
from tfvae.app import provenance, report_page
from tfvae.app.card import card
from tfvae.app.options import Options
from tfvae.callbacks import Checkpoint, CollapseAlarm, FirstAid, HistoryFile, ProgressBar, read_history
from tfvae.checks import data as inputs
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.evaluation import Report
from tfvae.export import export as export_model
from tfvae.vae import VAE

logger = logging.getLogger("tfvae")

SPLITS = ("train", "valid", "test")
ROWS_TO_ADAPT = 5000
ROWS_TO_WATCH = 256


def train(options: Options, folder: str, command: str | None = None, verbose: int = 2) -> Report:
    """Trains a model on real data and fills a new run folder.

    Args:
        options: what to train.
        folder: the run folder to create; missing or empty.
        command: the command line, for the record.
        verbose: 0 silent, 1 progress bars, 2 one line an epoch.

    Returns:
        The evaluation of the test split, which `metrics.json` holds.

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
        files.write_json(temporary / "config.json", provenance.config(options, data.protocol, command))
    return _complete(folder, options, data, vae, verbose)


def resume(folder: str, given: Mapping[str, Any] | None = None, verbose: int = 2) -> Report:
    """Completes a run that was stopped at whatever moment; one that is complete stays as it is.

    Args:
        folder: the run folder.
        given: options that must be those of the run, name to value.
        verbose: 0 silent, 1 progress bars, 2 one line an epoch.

    Returns:
        The evaluation of the test split, which `metrics.json` holds.

    Raises:
        InvalidInput: if it is no run folder, a given option differs, or the data are not what they were.
        Diverged: if the loss is not finite any more.
        OSError: if the disk is full or read-only.
    """
    folder = Path(folder)
    config, options = provenance.read_config(folder)
    options.check_repeated(given or {})
    changed = [
        f"{name} {was} -> {now}" for name, was, now in provenance.changes(config["versions"], provenance.versions())
    ]
    if changed:
        logger.warning("tfvae: other versions than at the start, results may differ: %s.", ", ".join(changed))
    data = _load_data(options)
    for name, was, now in provenance.changes(config["data"], provenance.plain(data.protocol)):
        raise InvalidInput(f"data with {name} {was}, as at the start of this run", f"{now}", "Restore those data.")
    return _complete(folder, options, data, _build(options, data), verbose)


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
        InvalidInput: if it is no run folder with a model, or for a split or number of samples that cannot be.
    """
    _, options = provenance.read_config(folder)
    if split not in SPLITS:
        raise InvalidInput(f"split to be one of {', '.join(SPLITS)}", f"{split!r}", "Choose one of them.")
    num_samples = positive_integer("num_samples", options.eval_samples if num_samples is None else num_samples)
    vae, data = load_model(folder), _load_data(options)
    seed = options.seed if seed is None else seed
    report = evaluation.evaluate(
        vae, getattr(data, split).x, num_samples, seed, per_example=True, verbose=verbose, gap_examples=gap_examples
    )
    page = Path(folder, f"report-{split}-{num_samples}-{seed}.html")
    try:
        _write_page(page, options, data, vae, report, split)
    except (OSError, InvalidInput) as error:
        logger.warning("tfvae: no page of this evaluation: %s", error)
        page = None
    return report, page


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
    provenance.read_config(folder)
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


def _complete(folder: Path, options: Options, data: Any, vae: VAE, verbose: int) -> Report:
    """Writes what is missing in the run folder, in order."""
    with files.sole_user(folder):
        files.remove_leftovers(folder)
        model = folder / "model.keras"
        if model.exists():
            vae = load_model(folder)
        else:
            vae, alarms = _fit(folder, options, data, vae, verbose)
            files.write_json(folder / "alarms.json", [alarm.message for alarm in alarms])
            with files.whole_file(model) as temporary:
                vae.save(temporary)
        report = _scored(folder)
        if report is None:
            report = evaluation.evaluate(
                vae, data.test.x, options.eval_samples, options.seed, per_example=True, verbose=verbose == 1
            )
            with files.whole_file(folder / "scores.npz") as temporary:
                np.savez(temporary, **report.per_example)
            summary = {"test": dataclasses.replace(report, per_example=None).to_dict()}
            files.write_json(folder / "metrics.json", summary)
        if not (folder / "saved_model").exists():
            with files.whole_folder(folder / "saved_model") as temporary:
                export_model(vae, temporary / "1")
        if not (folder / "report.html").exists():
            _write_page(folder / "report.html", options, data, vae, report, "test")
        if not (folder / "pictures").exists():
            if importlib.util.find_spec("matplotlib"):
                _draw(folder, options, data, vae)
            else:
                remedy = f"pip install tfvae[plots], then tfvae train --resume {folder}"
                logger.warning("tfvae: no pictures, for there is no matplotlib here: %s.", remedy)
        if not (folder / "card.md").exists():
            with files.whole_file(folder / "card.md") as temporary:
                config, _ = provenance.read_config(folder)
                temporary.write_text(
                    card(config, report, len(read_history(folder / "history.csv")), vae.count_params())
                )
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return report


def _scored(folder: Path) -> Report | None:
    """Returns the report of the test split as the files hold it; `None` if they do not, or another version's."""
    try:
        report = Report.from_dict(files.read_json(folder / "metrics.json")["test"])
        with np.load(folder / "scores.npz") as scores:
            return dataclasses.replace(report, per_example=dict(scores))
    except (InvalidInput, OSError, ValueError, KeyError):
        return None


def _fit(folder: Path, options: Options, data: Any, vae: VAE, verbose: int) -> tuple[VAE, list]:
    checkpoint = Checkpoint(folder / "checkpoints")
    restored = checkpoint.restore()
    if restored is None:
        vae.adapt(_some(data.train.x, options.seed), options.seed)
    vae = restored or vae
    collapse = CollapseAlarm(data.valid.x[:ROWS_TO_WATCH])
    early = keras.callbacks.EarlyStopping(
        "val_elbo", mode="max", patience=options.patience or 0, restore_best_weights=True
    )
    vae.fit(
        data.train.x,
        batch_size=options.batch_size,
        validation_data=data.valid.x,
        epochs=options.epochs,
        verbose=verbose,
        callbacks=[
            FirstAid(),
            collapse,
            ProgressBar(),
            *([early] if options.patience else []),
            HistoryFile(folder / "history.csv"),
            checkpoint,
        ],
    )
    return vae, collapse.alarms


def _grey(options: Options, data: Any) -> Any:
    """Returns the data as a person would look at them: the model binarises grey values."""
    return data if options.binarization != "dynamic" else _load_data(dataclasses.replace(options, binarization="none"))


def _history(folder: Path) -> dict[str, list[float]]:
    rows = read_history(folder / "history.csv")
    if not rows:
        raise InvalidInput("a row an epoch in history.csv", "none", "Restore the file from a copy.")
    return {name: [row[name] for row in rows if name in row] for name in rows[0]}


def _draw(folder: Path, options: Options, data: Any, vae: VAE) -> None:
    figures = {
        "learning_curves": plotting.learning_curves(_history(folder)),
        "reconstructions": plotting.reconstructions(vae, _grey(options, data).test.x),
        "samples": plotting.samples(vae),
        "latent_plane": plotting.latent_plane(vae, data.test.x, data.test.y),
    }
    with files.whole_folder(folder / "pictures") as temporary:
        for name, figure in figures.items():
            figure.savefig(temporary / f"{name}.png")


def _write_page(path: Path, options: Options, data: Any, vae: VAE, report: Report, split: str) -> None:
    folder, part = path.parent, getattr(data, split)
    said = folder / "alarms.json"
    report_page.write(
        path, vae, report, part.x, labels=part.y, shown=getattr(_grey(options, data), split).x, split=split,
        history=_history(folder), config=provenance.read_config(folder)[0],
        alarms=files.read_json(said) if said.exists() else (),
    )  # fmt: skip


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


def _some(x: np.ndarray, seed: int) -> np.ndarray:
    """Returns at most `ROWS_TO_ADAPT` random rows."""
    return x[np.sort(np.random.default_rng(seed).permutation(len(x))[:ROWS_TO_ADAPT])]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
