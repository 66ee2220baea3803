"""Results of the evaluation as plain values, which JSON takes, and back.

array, tuple -> list          named tuple -> dictionary          not finite -> "nan", "inf", "-inf"
"""

import math
from typing import Any

import numpy as np

_NOT_FINITE = ("nan", "inf", "-inf")


def plain(value: Any) -> Any:
    """Returns plain numbers, lists and dictionaries; what is not finite becomes a string."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def read(value: Any) -> Any:
    """Returns what `plain` wrote, strings of numbers that are not finite as such."""
    if isinstance(value, dict):
        return {name: read(item) for name, item in value.items()}
    if isinstance(value, list):
        return [read(item) for item in value]
    return float(value) if value in _NOT_FINITE else value
