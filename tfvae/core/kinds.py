"""Whether a value that came from a file is of the kind that an annotation names."""

import dataclasses
import numbers
import types
import typing
from typing import Any

import numpy as np


def fits(value: object, kind: Any) -> bool:
    """Returns whether a value is of a kind: of a class, of a union, or a sequence or record whose parts fit theirs.

    A whole number fits `float` if a float can hold it, a list fits a tuple, and True is not a number.

    Args:
        value: what was read.
        kind: an annotation such as `float | None`, `tuple[int, ...]` or a `NamedTuple`.

    Example:
        >>> fits([1, 2], tuple[int, ...]), fits(True, int), fits(10**400, float)
        (True, False, False)
    """
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, part) for part in parts)
    if origin in (tuple, list):
        return isinstance(value, (list, tuple)) and all(fits(item, parts[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(k, parts[0]) and fits(v, parts[1]) for k, v in value.items())
    if kind is bool:
        return isinstance(value, (bool, np.bool_))
    if kind in (int, float):
        if isinstance(value, numbers.Integral) and not isinstance(value, bool):
            return kind is int or abs(int(value)) < 2**1023
        return kind is float and isinstance(value, (float, np.floating))
    fields = kind.__annotations__ if hasattr(kind, "_fields") or dataclasses.is_dataclass(kind) else {}
    return isinstance(value, kind) and misfit(value, typing.get_type_hints(kind) if fields else {}) is None


def misfit(value: object, kinds: dict[str, Any]) -> str | None:
    """Returns the name of the first attribute that is not of its kind, or `None`."""
    return next((name for name, kind in kinds.items() if not fits(getattr(value, name), kind)), None)
