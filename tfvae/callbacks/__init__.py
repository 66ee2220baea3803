"""Keras callbacks: what `fit` keeps, what it watches, and what it does where training fails.

    Checkpoint     saves after each epoch all that training needs, and goes on from it after a kill
    HistoryFile    keeps a CSV file with one row an epoch
    read_history   returns the rows of such a file
    CollapseAlarm  logs what the latent code carries, and says when the decoder ignores it
    Alarm          one event of `CollapseAlarm`: the epoch, and a sentence
    ProgressBar    Keras' progress bar without the KL of each latent dimension
    FirstAid       stops at the first loss or gradient that is not finite, goes back, and says why
    EarlyStopping  Keras' own, on the validation ELBO, of which more is better
    Diverged       the error with which `FirstAid` ends `fit`

Each is given among the `callbacks` of `vae.fit`; `Checkpoint` is the last of them.
"""

from tfvae.callbacks.checkpoint import Checkpoint
from tfvae.callbacks.collapse import Alarm, CollapseAlarm, ProgressBar
from tfvae.callbacks.first_aid import Diverged, FirstAid
from tfvae.callbacks.history import HistoryFile, read_history
from tfvae.callbacks.stopping import EarlyStopping

__all__ = [
    "Alarm",
    "Checkpoint",
    "CollapseAlarm",
    "Diverged",
    "EarlyStopping",
    "FirstAid",
    "HistoryFile",
    "ProgressBar",
    "read_history",
]


def __dir__() -> list[str]:
    return __all__
