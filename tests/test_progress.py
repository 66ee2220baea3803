"""What a person sees of a run while it trains: few lines with units and time left, the same in a file."""

import re

import keras
import numpy as np
import pytest

from tfvae.app import progress
from tfvae.app.progress import ERASE, Progress
from tfvae.callbacks import Checkpoint, CollapseAlarm
from tfvae.training import call


class Clock:
    """A time that passes only where a test says so."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def trained(clock, seconds, in_place=False, batches=3, first=0, epochs=None, compiling=0.0):
    """Goes through epochs of so many seconds each, as `fit` does, and returns the callback."""
    shown = Progress(in_place)
    shown.set_params({"epochs": epochs or first + len(seconds), "steps": batches})
    shown.on_train_begin()
    for epoch, duration in enumerate(seconds, first):
        shown.on_epoch_begin(epoch)
        clock.now += compiling * (epoch == first)
        for batch in range(batches):
            clock.now += duration / batches + compiling * (epoch == first and batch == batches - 1)
            shown.on_train_batch_end(batch, {"elbo": -10.0 - epoch, "rate": 1.5})
        clock.now += compiling * (epoch == first)
        shown.on_test_begin()
        logs = {"elbo": -10.0 - epoch, "val_elbo": -11.0 - epoch, "rate": 1.5, "distortion": 8.5, "active_units": 3.0}
        shown.on_epoch_end(epoch, {**logs, "loss": 77.0, "kl_00": 77.0})
    shown.on_train_end()


def on_screen(printed):
    """Returns the lines that a terminal shows at the end."""
    return [line.rpartition(ERASE)[2] for line in printed.split("\n")]


def test_a_line_has_five_numbers_their_unit_and_the_time_left(clock, capsys):
    trained(clock, [60.0] * 3, compiling=30.0)
    header, *lines = capsys.readouterr().out.splitlines()
    assert re.split("  +", header) == [
        "nats/example", "ELBO", "valid ELBO", "rate", "distortion", "active", "time left"
    ]  # fmt: skip
    assert [re.split("  +", line) for line in lines] == [
        ["epoch 1/3", "-10.00", "-11.00", "1.50", "8.50", "3", "2 min 00 s"],  # without what compiles
        ["epoch 2/3", "-11.00", "-12.00", "1.50", "8.50", "3", "1 min 00 s"],
        ["epoch 3/3", "-12.00", "-13.00", "1.50", "8.50", "3", "0 s"],
    ]
    assert len({len(line) for line in (header, *lines)}) == 1 and len(header) < 80


@pytest.mark.parametrize(
    ("epochs", "seconds", "most"), [(100, 0.01, 3), (100, 0.3, 31), (1000, 0.1, 101), (5, 30.0, 5), (1, 0.01, 1)]
)
@pytest.mark.parametrize("in_place", [False, True])
def test_there_is_a_line_an_epoch_and_a_second_at_most(epochs, seconds, most, in_place, clock, capsys):
    trained(clock, [seconds] * epochs, in_place)
    printed = capsys.readouterr().out
    lines = on_screen(printed)[1:-1]
    assert most / 2 < len(lines) <= most
    numbers = [int(re.match(r"epoch +(\d+)/", line)[1]) for line in lines]
    assert numbers[0] == 1 and numbers[-1] == epochs and len(set(numbers)) == len(numbers)
    assert in_place or not re.search("[\r\b\x1b]", printed)


def test_a_terminal_and_a_file_have_the_same_lines(clock, capsys):
    shown = []
    for in_place in (False, True):
        clock.now = 1000.0
        trained(clock, [0.4, 3.0, 0.1, 0.1, 5.0, 0.2, 0.3], in_place)
        shown.append(capsys.readouterr().out)
    assert on_screen(shown[1]) == shown[0].split("\n")


def test_a_terminal_shows_a_long_epoch_and_cuts_what_does_not_fit(clock, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    trained(clock, [100.0], in_place=True, batches=4)
    drawn = capsys.readouterr().out.split(ERASE)[1:5]
    assert drawn[0].startswith("nats/example") and {len(part.split("\n")[-1]) for part in drawn} == {59}
    monkeypatch.setenv("COLUMNS", "100")
    trained(clock, [100.0], in_place=True, batches=4)
    drawn = [re.split("  +", part.split("\n")[-1]) for part in capsys.readouterr().out.split(ERASE)[1:5]]
    assert drawn == [["epoch 1/1", "-10.00", "-", "1.50", "-", "-", left] for left in ("-", "50 s", "25 s", "0 s")]


def test_a_training_that_stops_early_ends_with_its_last_line(clock, capsys):
    trained(clock, [0.01] * 5, epochs=100)
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]] == ["1/100", "5/100"]


def test_a_resumed_training_counts_the_epochs_that_are_left(clock, capsys):
    trained(clock, [10.0] * 2, first=97, epochs=100)
    assert [re.split("  +", line)[-1] for line in capsys.readouterr().out.splitlines()[1:]] == ["20 s", "10 s"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3599.9, "1 h 00 min"),
        (9e4, "25 h 00 min"),
    ],
)
def test_a_duration_in_words(seconds, words):
    assert progress._duration(seconds) == words


@pytest.mark.parametrize("in_place", [False, True])
def test_it_costs_no_program_and_no_note(in_place, make_vae, binary, tmp_path, caplog, capsys):
    """It does not count as one that watches every batch, holds no state, and is told all that it shows."""
    shown = Progress(in_place)
    assert call.watchers([shown, CollapseAlarm(binary)], "train") == []
    callbacks = [CollapseAlarm(binary), shown, Checkpoint(tmp_path / "checkpoints")]
    make_vae().fit(binary, validation_data=binary, epochs=2, verbose=0, callbacks=callbacks)
    assert not [record for record in caplog.records if "collapse was never judged" not in record.message]
    line = on_screen(capsys.readouterr().out)[-2]
    assert line.startswith("epoch 2/2") and "-  " not in line and np.isfinite(float(line.split()[2]))


def test_another_callback_that_watches_batches_still_does():
    watcher = type("Watcher", (keras.callbacks.Callback,), {"on_train_batch_end": lambda self, batch, logs=None: None})
    assert call.watchers([watcher()], "train") == ["Watcher"]
