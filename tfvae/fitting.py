"""A call of `fit`: its arguments, and what its callbacks ask of the training loop."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras

from tfvae.errors import InvalidInput

BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def arguments_of(fit: Callable, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Returns the arguments of a call of `keras.Model.fit` by name, its defaults included."""
    bound = inspect.signature(fit).bind(None, *args, **kwargs)
    bound.apply_defaults()
    return {name: value for name, value in bound.arguments.items() if name != "self"}


def callbacks_of(call: dict[str, Any]) -> list:
    """Returns the callbacks of a call of `fit`, in whatever form they were given."""
    given = call["callbacks"]
    given = getattr(given, "callbacks", given) or []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def guard_of(callbacks: list) -> Any:
    """Returns the callback that decides whether a step's update is made, or `None`.

    Raises:
        InvalidInput: if there are several.
    """
    guards = [callback for callback in callbacks if hasattr(callback, "guarded")]
    if len(guards) > 1:
        names = ", ".join(type(guard).__name__ for guard in guards)
        raise InvalidInput("at most one callback that guards the steps", names, "Keep one of them.")
    return guards[0] if guards else None


def watchers_of_batches(callbacks: Sequence[keras.callbacks.Callback]) -> list[str]:
    """Returns the names of the callbacks that act on every batch."""
    return [type(callback).__name__ for callback in callbacks if _watches_batches(callback)]


def _watches_batches(callback: keras.callbacks.Callback) -> bool:
    known = (keras.callbacks.ProgbarLogger, keras.callbacks.TerminateOnNaN)
    if isinstance(callback, known) or "epoch" in (getattr(callback, n, None) for n in ("save_freq", "update_freq")):
        return False
    functions = ((getattr(callback, hook), getattr(keras.callbacks.Callback, hook)) for hook in BATCH_HOOKS)
    return any(getattr(own, "__func__", own) is not default for own, default in functions)
