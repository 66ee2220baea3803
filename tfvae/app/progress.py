"""The progress of a training run: a table with at most one line an epoch, and at most one a second.

nats/example       ELBO  valid ELBO     rate  distortion  active   time left
epoch   2/100    -45.93      -44.12     1.55       44.38       3        40 s

time left = seconds an epoch, what compiles left out, * epochs that are left; the last, smaller batch of the first epoch
compiles anew, so that the clock of this epoch stops before it
"""

import shutil
import sys
import time
from collections.abc import Sequence

import keras

from tfvae.core.types import Config, Logs

# Title, as wide as its column; name in the logs; decimals.
COLUMNS = (
    ("     ELBO", "elbo", 2),
    ("valid ELBO", "val_elbo", 2),
    ("   rate", "rate", 2),
    ("distortion", "distortion", 2),
    ("active", "active_units", 0),
)
TITLES = (*(title for title, _, _ in COLUMNS), " time left")
FROM_LINE, FROM_STATE = 1.0, 0.2  # seconds to the next line, and to the next state of the present one
ERASE = "\r\x1b[K"


class Progress(keras.callbacks.Callback):
    """Prints the table: the same lines into a file and on a terminal, where the present one is drawn anew in its place.

    Give it after a `CollapseAlarm`, whose active units it shows.

    Args:
        in_place: whether standard output is a terminal.

    Example:
        >>> callbacks = [tfvae.callbacks.CollapseAlarm(x[:256]), Progress(sys.stdout.isatty())]
        >>> history = vae.fit(x, epochs=100, callbacks=callbacks, verbose=0)
    """

    update_freq = "block"  # to see the logs between blocks of steps is enough

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Starts a table."""
        self.header = self._line("nats/example", TITLES) + "\n"
        self.line, self.said, self.drawn = "", -FROM_LINE, -FROM_STATE
        self.begun, self.since, self.pace = 0, None, None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Takes the time from the second epoch on: the first one also compiles."""
        self.epoch, self.begun = epoch, self.begun + 1
        if self.begun == 2:
            self.since = time.monotonic(), epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Draws the line of the present epoch anew."""
        if not self.params["steps"]:
            return
        done = self.epoch + (batch + 1) / self.params["steps"]
        if self.since is None:
            self.since = time.monotonic(), done
        if self.begun > 1 or batch + 1 < self.params["steps"]:
            self._measure(done)
        if self.in_place and time.monotonic() - self.drawn >= FROM_STATE:
            self._draw(self._row(done, logs))

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Clears the line, for other callbacks speak at the end of an epoch."""
        if self.in_place:
            sys.stdout.write(ERASE)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Prints the line of an epoch, if the last one is old enough."""
        if self.begun > 1:
            self._measure(epoch + 1)
        self.line = self._row(epoch + 1, logs)
        if time.monotonic() - self.said >= FROM_LINE:
            self._print()
        elif self.in_place:
            self._draw(self.line)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Prints the line of the last epoch."""
        if self.line:
            self._print()

    def get_state(self) -> Config:
        """Returns nothing: a resumed run starts a table of its own."""
        return {}

    def set_state(self, state: Config) -> None:
        """Takes nothing."""

    def _measure(self, done: float) -> None:
        """Notes the seconds that an epoch takes, at so many epochs."""
        start, first = self.since
        if done > first:
            self.pace = (time.monotonic() - start) / (done - first)

    def _row(self, done: float, logs: Logs | None) -> str:
        """Returns the line of the present epoch."""
        epochs, found = self.params["epochs"], [((logs or {}).get(name), decimals) for _, name, decimals in COLUMNS]
        numbers = ["-" if value is None else f"{value:.{decimals}f}" for value, decimals in found]
        left = "-" if self.pace is None else _duration(self.pace * (epochs - done))
        return self._line(f"epoch {self.epoch + 1:{len(str(epochs))}}/{epochs}", [*numbers, left])

    def _line(self, first: str, cells: Sequence[str]) -> str:
        width = max(len("nats/example"), len(f"epoch {self.params['epochs']}/{self.params['epochs']}"))
        return first.ljust(width) + "".join(f"  {c:>{len(t)}}" for c, t in zip(cells, TITLES, strict=True))

    def _print(self) -> None:
        self._write(self.line + "\n")
        self.line, self.said = "", time.monotonic()

    def _draw(self, line: str) -> None:
        self._write(line[: shutil.get_terminal_size().columns - 1])
        self.drawn = time.monotonic()

    def _write(self, text: str) -> None:
        sys.stdout.write(ERASE * self.in_place + self.header + text)
        sys.stdout.flush()
        self.header = ""


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds) // 60, round(seconds) // 3600
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    return f"{minutes} min {round(seconds) % 60:02} s" if minutes else f"{round(seconds)} s"


class Counter:
    """Shows a number of rows on a terminal, drawn anew in its place.

    Args:
        in_place: whether standard output is a terminal; if not, nothing is shown.
    """

    def __init__(self, in_place: bool) -> None:
        self.in_place = in_place

    def show(self, rows: int) -> None:
        """Shows how many rows are done."""
        self._write(f"{rows:,} rows")

    def clear(self) -> None:
        """Removes it."""
        self._write("")

    def _write(self, text: str) -> None:
        if self.in_place:
            sys.stdout.write(ERASE + text)
            sys.stdout.flush()
