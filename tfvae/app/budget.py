"""A time for training becomes a number of passes, so that the learning rate ends where the time does.

    epochs = (60 minutes - seconds to compile) / (steps an epoch * seconds a step + seconds after its last step)

Seconds are measured on a model that is thrown away; what follows the last step of an epoch is the validation, and what
a run's callbacks do. Neither this measuring nor the scores of the end are in the minutes. The number stands in the
run's config: resumed, it is the same.
"""

import dataclasses
import logging
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tfvae.app.folder import Run, watching
from tfvae.app.options import Options
from tfvae.checks import data as inputs
from tfvae.datasets import Data
from tfvae.evaluation.words import count
from tfvae.training.device import mode_of
from tfvae.training.program import REFUSALS, XLA, XLA_STEPS
from tfvae.vae import VAE

logger = logging.getLogger("tfvae")

FEW, SECONDS = 20, 5.0  # steps that are timed first, and the time of those that are timed after them
MANY = 10**6  # steps of a fit for which compiling is worth its time, if ever
WORTH = 0.1  # of the time for training may go into compiling
LEAST = 2.0  # seconds that compiling takes, however small the model
MORE = 2  # epochs by which two fits differ that are timed


class Speed(NamedTuple):
    """Seconds: to compile, of a step, of the validation and the callbacks after an epoch."""

    compiling: float
    step: float
    checking: float


def within_minutes(options: Options, data: Data) -> tuple[Options, str]:
    """Returns the options with the passes that the minutes allow, and the sentence that says so.

    Args:
        options: of the run, with `minutes`.
        data: what they name.

    Raises:
        InvalidInput: if data and options do not fit.
    """
    inputs.check_arrays(vae := options.build_for(data, MANY), inputs.given(vae, data.train.observed))
    started, most = time.perf_counter(), WORTH * 60 * options.minutes
    compiled = mode_of(vae, MANY, options.batch_size) in (XLA, XLA_STEPS) and (options.jit or most > LEAST)
    try:
        found = _quietly(dataclasses.replace(options, jit=compiled), data)
        refused = options.jit is None and compiled and found.compiling > most
    except REFUSALS:
        if options.jit or not compiled:
            raise
        refused = True
    if refused:
        compiled, found = False, _quietly(dataclasses.replace(options, jit=False), data)
    epoch = data.train.num_batches(options.batch_size) * found.step + found.checking
    epochs = max(int((60 * options.minutes - found.compiling) / epoch), 1)
    how = f"{found.compiling:.0f} s to compile" if compiled else "without XLA"
    took = f"measured in {time.perf_counter() - started:.0f} s, which come on top as the scores do"
    text = f"{options.minutes:g} minutes: {count(epochs, 'epoch')} of {epoch:.3g} s, {how}; {took}"
    return dataclasses.replace(options, epochs=epochs, jit=compiled), text


def _quietly(options: Options, data: Data) -> Speed:
    """Returns the speed, without what is said of a model that is thrown away."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return speed(options, data)
    finally:
        logger.setLevel(level)


def speed(options: Options, data: Data) -> Speed:
    """Returns how fast the options' model trains on these data."""
    vae = options.build_for(data, MANY)
    size, most = options.batch_size, data.train.num_batches(options.batch_size)
    few = min(FEW, most)
    first, second = (_timed(vae, data, few, size) for _ in range(2))
    many = min(max(int(SECONDS * few / second), few), most)
    _timed(vae, data, many, size)  # another number of rows is another program
    step = _timed(vae, data, many, size) / many
    _, once, longer = (_as_in_a_run(vae, options, data, few, epochs) for epochs in (1, 1, 1 + MORE))
    return Speed(max(first - second, 0.0), step, max((longer - once) / MORE - few * step, 0.0))


def _as_in_a_run(vae: VAE, options: Options, data: Data, steps: int, epochs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        watch = watching(Run(Path(folder), dataclasses.replace(options, patience=None), loaded=data))
        more = {"validation_data": data.valid.observed, "epochs": epochs, "callbacks": watch}
        return _timed(vae, data, steps, options.batch_size, **more)


def _timed(vae: VAE, data: Data, steps: int, size: int, **more: Any) -> float:
    started = time.perf_counter()
    vae.fit(data.train.rows(slice(steps * size)), batch_size=size, verbose=0, **more)
    return time.perf_counter() - started
