"""What a callback may do to a fit beyond Keras' hooks, written down.

Guard     decides in the compiled step whether its update is made, and looks at what the steps carried out
Watcher   is told which callbacks run beside it
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import keras
import tensorflow as tf

from tfvae.core.errors import InvalidInput
from tfvae.core.observed import Observed

if TYPE_CHECKING:
    from tfvae.training.step import Carried


@runtime_checkable
class Guard(Protocol):
    """A callback that guards the steps; at most one in a fit (`tfvae.callbacks.FirstAid`)."""

    def guarded(self, update: Callable[[], None], loss: tf.Tensor, gradients: list) -> tf.Tensor:
        """Makes the update of a step or leaves it out, inside the step.

        Args:
            update: makes the update.
            loss: of the step, a scalar.
            gradients: of the scaled loss, one for each weight.

        Returns:
            `[2]`: whether this step or one before it has failed, and how many of this epoch did not.
        """

    def state(self) -> tf.Tensor:
        """Returns the same after a block of steps."""

    def inspect(self, carried: "Carried", batch: Callable[[int], Observed] | None) -> None:
        """Looks at what a block of steps carried out; raises if training must stop.

        Args:
            carried: out of the last step.
            batch: gives what is known of a batch of the present epoch; `None` where only the last one is, if at all.
        """


@runtime_checkable
class Watcher(Protocol):
    """A callback that must know its neighbours."""

    def watch(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Learns which callbacks run beside this one, in order; `fit` calls it before training."""


def guard_of(callbacks: Sequence[keras.callbacks.Callback]) -> Guard | None:
    """Returns the callback that guards the steps, or `None`; raises `InvalidInput` if there are several."""
    guards = [callback for callback in callbacks if isinstance(callback, Guard)]
    if len(guards) > 1:
        names = ", ".join(type(guard).__name__ for guard in guards)
        raise InvalidInput("at most one callback that guards the steps", names, "Keep one of them.")
    return guards[0] if guards else None


def introduce(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Tells every `Watcher` which callbacks run beside it."""
    for callback in callbacks:
        if isinstance(callback, Watcher):
            callback.watch(callbacks)
