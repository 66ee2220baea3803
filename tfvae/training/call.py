"""A call of `fit`: its arguments, and what its callbacks ask of the training loop."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras

from tfvae.core.errors import InvalidInput, positive_integer

HOOKS = {
    "train": ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
}


def arguments_of(fit: Callable, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Returns the arguments of a call of `keras.Model.fit` by name, its defaults included.

    Raises:
        InvalidInput: if a batch size is not a whole number of at least 1.
    """
    bound = inspect.signature(fit).bind(None, *args, **kwargs)
    bound.apply_defaults()
    call = {name: value for name, value in bound.arguments.items() if name != "self"}
    sizes = {name: call[name] for name in ("batch_size", "validation_batch_size") if call[name] is not None}
    return call | {name: positive_integer(name, size) for name, size in sizes.items()}


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


def watchers(callbacks: Sequence[keras.callbacks.Callback], phase: str) -> list[str]:
    """Returns the names of the callbacks that act on every batch, in the phase "train" or "test"."""
    return [type(callback).__name__ for callback in callbacks if _watches(callback, HOOKS[phase])]


def _watches(callback: keras.callbacks.Callback, hooks: tuple[str, ...]) -> bool:
    """Tells whether a callback overrides a hook; those of Keras that act once an epoch do not count."""
    own = {hook: getattr(getattr(callback, hook), "__func__", getattr(callback, hook)) for hook in hooks}
    functions = [function for hook, function in own.items() if function is not getattr(keras.callbacks.Callback, hook)]
    if all(getattr(function, "__module__", "").startswith("keras.") for function in functions):
        known = (keras.callbacks.ProgbarLogger, keras.callbacks.TerminateOnNaN)
        rare = "epoch" in (getattr(callback, name, None) for name in ("save_freq", "update_freq"))
        if isinstance(callback, known) or (rare and not getattr(callback, "_should_trace", False)):
            return False
    return bool(functions)
