"""The run folder: which files it holds, in which order, and who makes each.

    complete(run):   for each of ARTIFACTS, in order: what is missing is made

A maker reads the options, the data and the artifacts before its own, never what another maker had in memory, and what
it writes appears whole or not at all. So a run that was killed at any moment is completed to the same result.
"""

import dataclasses
import functools
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from tfvae import evaluation, files
from tfvae.app import provenance, report_page
from tfvae.app.card import card
from tfvae.app.drawings import draw, is_drawn
from tfvae.app.options import Options
from tfvae.app.progress import Progress
from tfvae.callbacks import Checkpoint, CollapseAlarm, FirstAid, HistoryFile, read_history
from tfvae.checks.loaded import load_model as read_model
from tfvae.core.errors import InvalidInput
from tfvae.core.kinds import fits
from tfvae.core.types import Config, Given
from tfvae.datasets import Data
from tfvae.evaluation import Report
from tfvae.export import export
from tfvae.vae import VAE

logger = logging.getLogger("tfvae")

ROWS_TO_ADAPT = 5000
ROWS_TO_WATCH = 256
# What patience waits for: of a table the bound that is maximised, since its ELBO may fall while the bound rises.
WATCHED = {False: "val_elbo", True: "val_objective"}


@dataclasses.dataclass(frozen=True)
class Run:
    """A run: its folder and its options; all else follows from them, or is read from the folder, when it is needed.

    Attributes:
        folder: the run folder.
        options: what to train.
        verbose: 0 silent, 1 progress on a terminal, 2 in a file.
        command: the command line, for the record.
        loaded: the data, of a new run that has them already.
    """

    folder: Path
    options: Options
    verbose: int = 0
    command: str | None = None
    loaded: Data | None = None

    @functools.cached_property
    def data(self) -> Data:
        """The data, as the model gets them; refused unless they are those that the run was started with."""
        if self.loaded is not None:
            return self.loaded
        started = (self.folder / "config.json").exists()
        data = self.options.load_data(self.config["data"].get("schema") if started else None)
        if started:
            provenance.check_data(self.config, data.protocol)
        return data

    @functools.cached_property
    def untrained(self) -> VAE:
        """The model before its first step."""
        steps = self.options.epochs * self.data.train.num_batches(self.options.batch_size)
        return self.options.build_for(self.data, steps)

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
        """The report of the test split, as the folder holds it; refused where it cannot be what `score` wrote."""
        found = files.read_json(self.folder / "metrics.json")
        report = Report.from_dict(found["test"] if isinstance(found, dict) and "test" in found else {})
        scores = files.read_arrays(self.folder / "scores.npz")
        rows = {name: scores[name].shape[:1] for name in scores} if isinstance(scores, dict) else {}
        if "log_prob" not in rows or set(rows.values()) != {(report.examples,)}:
            received = f"arrays of {rows or 'another kind'}"
            remedy = f"Run tfvae train --resume {self.folder} to score it again."
            raise InvalidInput(f"scores of the {report.examples} examples in scores.npz", received, remedy)
        return dataclasses.replace(report, per_example=scores)

    @property
    def history(self) -> dict[str, list[float]]:
        """The logs, a value an epoch."""
        rows = read_history(self.folder / "history.csv")
        if not rows or "elbo" not in rows[0]:
            raise InvalidInput("a row an epoch in history.csv", "others or none", "Restore the file from a copy.")
        return {name: [row[name] for row in rows if name in row] for name in rows[0]}

    @property
    def alarms(self) -> list[str]:
        """What the collapse alarm said, as the folder holds it; nothing where it does not."""
        path = self.folder / "alarms.json"
        found = files.read_json(path) if path.exists() else []
        if not fits(found, list[str]):
            raise InvalidInput(f"a list of sentences in {path}", "something else", "Restore the file from a copy.")
        return found

    def shown(self, split: str) -> Given:
        """Returns the examples of a split as a person would look at them: the model binarises grey values."""
        grey = dataclasses.replace(self.options, binarization="none")
        data = grey.load_data() if self.options.binarization == "dynamic" else self.data
        return getattr(data, split).observed

    @property
    def complete(self) -> Given:
        """The training examples, for baselines; `None` where cells are missing, or a model says why they would be."""
        return None if self.options.missing or self.model.missingness is not None else self.data.train.observed

    def table(self, split: str, report: Report) -> "report_page.TablePart | None":
        """Returns what the page shows of a table; `None` of other data."""
        if self.data.schema is None:
            return None
        from tfvae.app.report_page.table import table_part  # needs pandas

        return table_part(self.folder, getattr(self.data, split), self.data, report)

    @property
    def words(self) -> tuple[str, ...]:
        """Names of the labels that are the condition; none where they are numbers."""
        return self.data.told.words if self.data.told else ()


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
        if run.data.schema is not None:
            files.write_json(temporary / "schema.json", run.data.protocol["schema"])


def watching(run: Run) -> list[keras.callbacks.Callback]:
    """Returns the callbacks of a training, the alarm of collapse second, the checkpoint last."""
    early = keras.callbacks.EarlyStopping(
        WATCHED[run.data.schema is not None], mode="max", patience=run.options.patience or 0, restore_best_weights=True
    )
    return [
        FirstAid(),
        CollapseAlarm(run.data.valid.rows(slice(ROWS_TO_WATCH))),
        *([Progress(in_place=run.verbose == 1)] if run.verbose else []),
        *([early] if run.options.patience else []),
        HistoryFile(run.folder / "history.csv"),
        Checkpoint(run.folder / "checkpoints"),
    ]


def fit(run: Run) -> None:
    """Trains the model, or goes on from its last checkpoint."""
    vae, data, options = run.untrained, run.data, run.options
    _, collapse, *_, checkpoint = watch = watching(run)
    restored = checkpoint.restore()
    if restored is None:
        rows = np.random.default_rng(options.seed).permutation(len(data.train.x))[:ROWS_TO_ADAPT]
        vae.adapt(data.train.rows(np.sort(rows)), options.seed)
    vae = restored or vae
    vae.fit(
        data.train.observed,
        batch_size=options.batch_size,
        validation_data=data.valid.observed,
        epochs=options.epochs,
        verbose=0,
        callbacks=watch,
    )
    files.write_json(run.folder / "alarms.json", [alarm.message for alarm in collapse.alarms])
    with files.whole_file(run.folder / "model.keras") as temporary:
        vae.save(temporary)


def score(run: Run) -> None:
    """Scores the test split."""
    options = run.options
    report = evaluation.evaluate(
        run.model, run.data.test.observed, options.eval_samples, options.seed, per_example=True,
        verbose=run.verbose == 1, baselines_from=run.complete,
    )  # fmt: skip
    with files.whole_file(run.folder / "scores.npz") as temporary:
        np.savez(temporary, **report.per_example)
    files.write_json(run.folder / "metrics.json", {"test": dataclasses.replace(report, per_example=None).to_dict()})


def serve(run: Run) -> None:
    """Exports the model."""
    export(run.model, run.folder / SERVED)


def write_page(run: Run) -> None:
    """Writes the page of the training's end."""
    draw_page(run, run.folder / "report.html", run.report, "test")


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
    except InvalidInput:
        return False


def _is_started(run: Run) -> bool:
    """Says whether the run was started; refuses other data than those of its start."""
    return (run.folder / "config.json").exists() and run.data is not None


def _is_served(run: Run) -> bool:
    return (run.folder / SERVED).exists()


SERVED = "saved_model/1"
ARTIFACTS = (
    Artifact(
        "config.json",
        "options, data protocol, versions, git revision, command: enough to repeat the run",
        start,
        _is_started,
    ),  # fmt: skip
    Artifact("history.csv", "the logs of every epoch, nats an example", fit, _is_trained),
    Artifact("alarms.json", "what the collapse alarm said", fit, _is_trained),
    Artifact("model.keras", "weights, objective and optimizer", fit, _is_trained),
    Artifact("scores.npz", "log p(x) and more of each test example", score, _is_scored),
    Artifact("metrics.json", "the report of the test split, scored once at the end", score, _is_scored),
    Artifact("saved_model", "the served signatures, in a version folder", serve, _is_served),
    Artifact("report.html", "the report with pictures, for a person to open", write_page),
    Artifact("pictures", "learning curves, reconstructions, samples, latent plane", draw, is_drawn),
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
        for folder in (run.folder, *run.folder.glob("*/")):
            files.remove_leftovers(folder)
        _remove_damaged(run.folder)
        _check_places(run.folder)
        made = [artifact.name for artifact in ARTIFACTS if _made(artifact, run)]
        shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
        if (made or not files.is_sealed(run.folder)) and os.access(run.folder, os.W_OK):
            files.seal(run.folder, [artifact.name for artifact in ARTIFACTS])
    return run.report


def _made(artifact: Artifact, run: Run) -> bool:
    """Makes what is missing in a run, and says whether it was."""
    if artifact.is_in(run):
        return False
    artifact.make(run)
    return True


def _check_places(folder: Path) -> None:
    """Refuses a folder where a file is to be, or a file where a folder is to be, before anything is made."""
    for path in (folder / artifact.name for artifact in ARTIFACTS):
        if path.exists() and path.is_dir() == bool(path.suffix):
            kinds = ("a folder", "a file") if path.suffix else ("a file", "a folder")
            raise InvalidInput(f"{kinds[1]} at {path}, or nothing", kinds[0], "Move it elsewhere.")


def _remove_damaged(folder: Path) -> None:
    """Removes what is not as it was when the run ended and can be made again; names what cannot, and refuses it."""
    bad = set(files.damaged(folder))
    changed = [artifact for artifact in ARTIFACTS if bad & set(files.sealed(folder, [artifact.name]))]
    lost = [artifact.name for artifact in changed if artifact.make is fit]
    if lost:
        expected = f"{', '.join(lost)} in {folder} as training left {'them' if len(lost) > 1 else 'it'}"
        remedy = "Restore from a copy what was changed or lost, or train anew with another --out."
        raise InvalidInput(expected, "another content, or none", remedy)
    again = [artifact.name for artifact in changed if artifact.make is not start]
    if len(again) < len(changed):
        logger.warning("tfvae: config.json is not what it was when the run ended, and is taken as it is.")
    if again:
        logger.warning("tfvae: damaged since the run ended, and made again: %s.", ", ".join(again))
        files.remove_sealed(folder, again)


def load_model(folder: str | Path) -> VAE:
    """Returns the trained model of a run.

    Args:
        folder: the run folder.

    Raises:
        InvalidInput: if it is not a run folder, its training has not ended, or its model cannot be read.
    """
    provenance.read_config(folder)
    path, remedy = Path(folder, "model.keras"), "Restore the file from a copy."
    if not path.exists():
        first = f"Run tfvae train --resume {folder} first."
        raise InvalidInput(f"a trained model at {path}", "a run that has not ended", first)
    if files.damaged(folder, [path.name]):
        raise InvalidInput(f"the whole model that training left at {path}", "a file that was changed since", remedy)
    vae = read_model(path)
    if not isinstance(vae, VAE):
        raise InvalidInput(f"a tfvae.VAE at {path}", f"a {type(vae).__name__}", remedy)
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
    part = getattr(run.data, split)
    report_page.write(
        path, run.model, report, part.observed, labels=part.y, shown=run.shown(split), split=split,
        history=run.history, config=run.config, alarms=run.alarms, words=run.words, table=run.table(split, report),
    )  # fmt: skip
