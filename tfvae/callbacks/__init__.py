"""Keras callbacks: checkpoints, a history file, an alarm for collapse, first aid where training fails."""

from tfvae.callbacks.checkpoint import Checkpoint
from tfvae.callbacks.collapse import Alarm, CollapseAlarm, ProgressBar
from tfvae.callbacks.first_aid import Diverged, FirstAid
from tfvae.callbacks.history import HistoryFile, read_history

__all__ = ["Alarm", "Checkpoint", "CollapseAlarm", "Diverged", "FirstAid", "HistoryFile", "ProgressBar", "read_history"]


def __dir__() -> list[str]:
    return __all__
