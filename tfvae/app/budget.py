"""A time for training becomes a number of passes, so that the learning rate ends where the time does.

    epochs = (60 minutes - seconds to compile) / (steps an epoch * seconds a step + seconds of the validation)

Seconds are measured on a model that is thrown away. The number stands in the run's config: resumed, it is the same.
"""

import dataclasses
import time
from typing import NamedTuple

from tfvae.app.options import Options
from tfvae.checks import data as inputs
from tfvae.datasets import Data
from tfvae.training.device import mode_of
from tfvae.training.program import REFUSALS, XLA, XLA_STEPS
from tfvae.vae import VAE

FEW, SECONDS = 20, 5.0  # steps that are timed first, and the time of those that are timed after them
MANY = 10**6  # steps of a fit for which compiling is worth its time, if ever
WORTH = 0.1  # of the time for training may go into compiling


class Speed(NamedTuple):
    """Seconds: to compile, of a step, of the validation after an epoch."""

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
    compiled = mode_of(vae, MANY, options.batch_size) in (XLA, XLA_STEPS)
    try:
        found = speed(dataclasses.replace(options, jit=compiled), data)
        refused = options.jit is None and compiled and found.compiling > WORTH * 60 * options.minutes
    except REFUSALS:
        if options.jit or not compiled:
            raise
        refused = True
    if refused:
        compiled, found = False, speed(dataclasses.replace(options, jit=False), data)
    epoch = data.train.num_batches(options.batch_size) * found.step + found.checking
    epochs = max(int((60 * options.minutes - found.compiling) / epoch), 1)
    how = f"{found.compiling:.0f} s to compile" if compiled else "without XLA"
    text = f"{options.minutes:g} minutes: {epochs} epochs of {epoch:.3g} s, as measured; {how}"
    return dataclasses.replace(options, epochs=epochs, jit=compiled), text


def speed(options: Options, data: Data) -> Speed:
    """Returns how fast the options' model trains on these data."""
    vae = options.build_for(data, MANY)
    size, most = options.batch_size, data.train.num_batches(options.batch_size)
    few = min(FEW, most)
    first, second = (_timed(vae, data, few, size) for _ in range(2))
    many = min(max(int(SECONDS * few / second), few), most)
    _timed(vae, data, many, size)  # another number of rows is another program
    step = _timed(vae, data, many, size) / many
    checks = []
    for _ in range(2):
        started = time.perf_counter()
        vae.evaluate(data.valid.observed, batch_size=size, verbose=0)
        checks.append(time.perf_counter() - started)
    return Speed(max(first - second, 0.0), step, checks[1])


def _timed(vae: VAE, data: Data, steps: int, size: int) -> float:
    started = time.perf_counter()
    vae.fit(data.train.rows(slice(steps * size)), batch_size=size, verbose=0)
    return time.perf_counter() - started
