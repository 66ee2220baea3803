"""Several workers, each a process of its own: what they must agree on before they train together."""

import zlib

import keras
import numpy as np

from tfvae.core import replicas
from tfvae.core.errors import InvalidInput


def check_same_start(model: keras.Model) -> None:
    """Raises `InvalidInput` on all workers unless they start a fit at one step, with the same weights."""
    with model.distribute_strategy.scope():
        if not replicas.has_workers():
            return
        own = np.array([model.optimizer.iterations.numpy(), _checksum(model.variables)], np.int64)
        steps, weights = replicas.of_workers(own).T.tolist()
    received = f"steps {', '.join(map(str, steps))}" if len(set(steps)) > 1 else "other weights"
    if len(set(steps)) > 1 or len(set(weights)) > 1:
        remedy = "Restore the same checkpoint, or load the same weights, on each worker."
        raise InvalidInput("workers that start from one step with the same weights", received, remedy)


def _checksum(variables: list[keras.Variable]) -> int:
    """Returns the CRC-32 of the values of variables."""
    found = 0
    for variable in variables:
        found = zlib.crc32(variable.numpy().tobytes(), found)
    return found
