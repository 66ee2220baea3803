"""A history file without doubled or missing rows, one row an epoch, replaced whole after each."""

import csv
import errno
import os
from pathlib import Path

import keras

from tfvae import files
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config, Logs


class HistoryFile(keras.callbacks.Callback):
    """Keeps a CSV file with one row an epoch: its number from 1, the learning rate at its end, and all logs.

    The file is replaced whole after each epoch.

    Args:
        path: the file to write.

    Example:
        >>> history = vae.fit(x, epochs=2, callbacks=[HistoryFile("history.csv")], verbose=0)
        >>> [row["epoch"] for row in read_history("history.csv")]
        [1.0, 2.0]
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path, self.rows = Path(path), []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Starts without rows, where they can be written; a `Checkpoint` then gives back those of a resumed run."""
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.path))
        files.check_space(self.path.parent, 1)
        self.rows = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Adds the row of this epoch."""
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.rows.append({"epoch": epoch + 1, "learning_rate": rate, **(logs or {})})
        self._write()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Writes the rows of a run that had no epoch left."""
        self._write()

    def get_state(self) -> Config:
        """Returns the rows so far."""
        return {"rows": self.rows}

    def set_state(self, state: Config) -> None:
        """Takes the rows of the epochs before a checkpoint."""
        self.rows = list(state["rows"])

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with files.whole_file(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)


def read_history(path: str) -> list[dict[str, float]]:
    """Returns the rows of a file that `HistoryFile` wrote, oldest first.

    Args:
        path: the file.

    Raises:
        InvalidInput: if it is missing, or holds something else.
    """
    try:
        with Path(path).open(newline="") as file:
            return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise InvalidInput(f"a history file at {path}", str(error), "Restore the file from a copy.") from error
