"""Keras callbacks: checkpoints, a history file."""

from tfvae.callbacks.checkpoint import Checkpoint
from tfvae.callbacks.history import HistoryFile, read_history
