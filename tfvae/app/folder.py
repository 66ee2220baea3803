"""The run folder: which files it holds, in which order, and who makes each.

    complete(run):   for each of ARTIFACTS, in order: what is missing is made

A maker reads the options, the data and the artifacts before its own, never what another maker had in memory, and what
it writes appears whole or not at all. So a run that was killed at any moment is completed to the same result.
"""

import dataclasses
import functools
import importlib.util
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from tfvae import evaluation, files, plotting
from tfvae.app import provenance, report_page
from tfvae.app.card import card
from tfvae.app.options import Options
from tfvae.app.progress import Progress
from tfvae.callbacks import Checkpoint, CollapseAlarm, FirstAid, HistoryFile, read_history
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config
from tfvae.datasets import Data
from tfvae.evaluation import Report
from tfvae.export import export
from tfvae.vae import VAE

logger = logging.getLogger("tfvae")

ROWS_TO_ADAPT = 5000
ROWS_TO_WATCH = 256


@dataclasses.dataclass(frozen=True)
class Run:
    """A run: its folder and its options; all else follows from them, or is read from the folder, when it is needed.

    Attributes:
        folder: the run folder.
        options: what to train.
        verbose: 0 silent, 1 progress on a terminal, 2 in a file.
        command: the command line, for the record.
    """

    folder: Path
    options: Options
    verbose: int = 0
    command: str | None = None

    @functools.cached_property
    def data(self) -> Data:
        """The data, as the model gets them."""
        return self.options.load_data()

    @functools.cached_property
    def untrained(self) -> VAE:
        """The model before its first step."""
        steps = self.options.epochs * self.data.train.num_batches(self.options.batch_size)
        return self.options.build(self.data.event_shape, self.data.preprocessing, steps)

    @functools.cached_property
    def config(self) -> Config:
        """What `config.json` holds."""
        return provenance.read_config(self.folder)[0]

    @functools.cached_property
    def model(self) -> VAE:
        """The trained model, as the folder holds it."""
        return load_model(self.folder)

    @functools.cached_property
    def report(self) -> Report:
        """The report of the test split, as the folder holds it."""
        report = Report.from_dict(files.read_json(self.folder / "metrics.json")["test"])
        with np.load(self.folder / "scores.npz") as scores:
            return dataclasses.replace(report, per_example=dict(scores))

    @property
    def history(self) -> dict[str, list[float]]:
        """The logs, a value an epoch."""
        rows = read_history(self.folder / "history.csv")
        if not rows:
            raise InvalidInput("a row an epoch in history.csv", "none", "Restore the file from a copy.")
        return {name: [row[name] for row in rows if name in row] for name in rows[0]}

    def shown(self, split: str) -> np.ndarray:
        """Returns the examples of a split as a person would look at them: the model binarises grey values."""
        grey = dataclasses.replace(self.options, binarization="none")
        data = grey.load_data() if self.options.binarization == "dynamic" else self.data
        return getattr(data, split).x


class Artifact(NamedTuple):
    """A file or folder of the run folder.

    Attributes:
        name: its name there.
        holds: what is in it.
        make: writes it, with those beside it in the table that come from the same work.
        proof: says whether it is there, where that needs more than a look at its name.
    """

    name: str
    holds: str
    make: Callable[[Run], None]
    proof: Callable[[Run], bool] | None = None

    def is_in(self, run: Run) -> bool:
        """Says whether a run has it."""
        return self.proof(run) if self.proof else (run.folder / self.name).exists()


def start(run: Run) -> None:
    """Makes the run folder, with its config."""
    with files.whole_folder(run.folder) as temporary:
        files.write_json(temporary / "config.json", provenance.config(run.options, run.data.protocol, run.command))


def fit(run: Run) -> None:
    """Trains the model, or goes on from its last checkpoint."""
    vae, data, options = run.untrained, run.data, run.options
    checkpoint = Checkpoint(run.folder / "checkpoints")
    restored = checkpoint.restore()
    if restored is None:
        rows = np.random.default_rng(options.seed).permutation(len(data.train.x))[:ROWS_TO_ADAPT]
        vae.adapt(data.train.x[np.sort(rows)], options.seed)
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
        verbose=0,
        callbacks=[
            FirstAid(),
            collapse,
            *([Progress(in_place=run.verbose == 1)] if run.verbose else []),
            *([early] if options.patience else []),
            HistoryFile(run.folder / "history.csv"),
            checkpoint,
        ],
    )
    files.write_json(run.folder / "alarms.json", [alarm.message for alarm in collapse.alarms])
    with files.whole_file(run.folder / "model.keras") as temporary:
        vae.save(temporary)


def score(run: Run) -> None:
    """Scores the test split."""
    x, options = run.data.test.x, run.options
    report = evaluation.evaluate(
        run.model, x, options.eval_samples, options.seed, per_example=True, verbose=run.verbose == 1,
        baselines_from=run.data.train.x,
    )  # fmt: skip
    with files.whole_file(run.folder / "scores.npz") as temporary:
        np.savez(temporary, **report.per_example)
    files.write_json(run.folder / "metrics.json", {"test": dataclasses.replace(report, per_example=None).to_dict()})


def serve(run: Run) -> None:
    """Exports the model."""
    with files.whole_folder(run.folder / "saved_model") as temporary:
        export(run.model, temporary / "1")


def write_page(run: Run) -> None:
    """Writes the page of the training's end."""
    draw_page(run, run.folder / "report.html", run.report, "test")


def draw(run: Run) -> None:
    """Draws the pictures; warns where matplotlib is not installed."""
    if not importlib.util.find_spec("matplotlib"):
        remedy = f"pip install tfvae[plots], then tfvae train --resume {run.folder}"
        logger.warning("tfvae: no pictures, since matplotlib is not installed: %s.", remedy)
        return
    figures = {
        "learning_curves": plotting.learning_curves(run.history),
        "reconstructions": plotting.reconstructions(run.model, run.shown("test")),
        "samples": plotting.samples(run.model),
        "latent_plane": plotting.latent_plane(run.model, run.data.test.x, run.data.test.y),
    }
    with files.whole_folder(run.folder / "pictures") as temporary:
        for name, figure in figures.items():
            figure.savefig(temporary / f"{name}.png")


def write_card(run: Run) -> None:
    """Writes the card."""
    epochs = len(read_history(run.folder / "history.csv"))
    with files.whole_file(run.folder / "card.md") as temporary:
        temporary.write_text(card(run.config, run.report, epochs, run.model.count_params()))


def _is_trained(run: Run) -> bool:
    """Says whether training has ended; refuses a model that cannot be read."""
    return (run.folder / "model.keras").exists() and run.model is not None


def _is_scored(run: Run) -> bool:
    """Says whether there is a report that this version can read."""
    try:
        return run.report is not None
    except (InvalidInput, OSError, ValueError, KeyError):
        return False


ARTIFACTS = (
    Artifact("config.json", "options, data protocol, versions, git revision, command: enough to repeat the run", start),
    Artifact("history.csv", "the logs of every epoch, nats an example", fit, _is_trained),
    Artifact("alarms.json", "what the collapse alarm said", fit, _is_trained),
    Artifact("model.keras", "weights, objective and optimizer", fit, _is_trained),
    Artifact("scores.npz", "log p(x) and more of each test example", score, _is_scored),
    Artifact("metrics.json", "the report of the test split, scored once at the end", score, _is_scored),
    Artifact("saved_model", "the served signatures, in a version folder", serve),
    Artifact("report.html", "the report with pictures, for a person to open", write_page),
    Artifact("pictures", "learning curves, reconstructions, samples, latent plane", draw),
    Artifact("card.md", "the model on one page", write_card),
)


def complete(run: Run) -> Report:
    """Makes what is missing in a run folder that has been started, and returns the report of the test split.

    Raises:
        InvalidInput: if another process completes the run, or its model cannot be read.
        Diverged: if the loss is not finite any more.
        OSError: if the disk is full or read-only.
    """
    with files.sole_user(run.folder):
        files.remove_leftovers(run.folder)
        for artifact in ARTIFACTS:
            if not artifact.is_in(run):
                artifact.make(run)
        shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    return run.report


def load_model(folder: str | Path) -> VAE:
    """Returns the trained model of a run.

    Args:
        folder: the run folder.

    Raises:
        InvalidInput: if it is not a run folder, its training has not ended, or its model cannot be read.
    """
    provenance.read_config(folder)
    path = Path(folder, "model.keras")
    if not path.exists():
        remedy = f"Run tfvae train --resume {folder} first."
        raise InvalidInput(f"a trained model at {path}", "a run that has not ended", remedy)
    try:
        vae = keras.saving.load_model(path)
    except Exception as error:  # Keras raises many types for a damaged or foreign file
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InvalidInput(f"a whole model at {path}", reason, "Restore the file from a copy.") from error
    if not isinstance(vae, VAE):
        raise InvalidInput(f"a tfvae.VAE at {path}", f"a {type(vae).__name__}", "Restore the file from a copy.")
    return vae


def draw_page(run: Run, path: Path, report: Report, split: str) -> None:
    """Writes the page of a report.

    Args:
        run: whose model was scored.
        path: of the page.
        report: of the split, with its scores of each example.
        split: "train", "valid" or "test".

    Raises:
        InvalidInput: if the run has no history.
        OSError: if the disk is full or read-only.
    """
    part, said = getattr(run.data, split), run.folder / "alarms.json"
    report_page.write(
        path, run.model, report, part.x, labels=part.y, shown=run.shown(split), split=split, history=run.history,
        config=run.config, alarms=files.read_json(said) if said.exists() else (),
    )  # fmt: skip
