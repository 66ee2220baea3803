"""Learning rates over a training of so many updates.

falling     rate_0 (0.03 + 0.97 (1 + cos(pi t / updates)) / 2)
risen       rises to the rate in the first updates, and falls to nothing as a cosine
stepwise    rate_0 10^(-i / 7) for 3^i passes, i = 0, 1, ..., 7                   Burda et al. 2016, section 5
"""

from collections.abc import Callable

import keras

from tfvae.schedules import warmup_cosine

FLOOR = 0.03  # share of the learning rate at the end
STEPS = 8  # of the published schedule: 3280 passes
Rate = keras.optimizers.schedules.LearningRateSchedule


def falling(peak: float, updates: int) -> Rate:
    """Returns a rate that falls as half a cosine."""
    return keras.optimizers.schedules.CosineDecay(peak, updates, alpha=FLOOR)


def risen(peak: float, updates: int, share: float = 0.02) -> Rate:
    """Returns a rate that rises in a share of the updates, and ends at zero."""
    return warmup_cosine(peak, updates, share)


def stepwise(peak: float, updates: int, updates_of_pass: int = 3000) -> Rate:
    """Returns the published rate, whatever the number of updates."""
    del updates
    ends = [updates_of_pass * sum(3**j for j in range(i + 1)) for i in range(STEPS - 1)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(ends, [peak * 10 ** (-i / 7) for i in range(STEPS)])


TITLES = {falling: f"cosine to {FLOOR}", risen: "cosine to 0, warmed up", stepwise: "as published"}


def title(rate: Callable[[float, int], Rate]) -> str:
    """Returns a schedule in words."""
    return TITLES[getattr(rate, "func", rate)]
