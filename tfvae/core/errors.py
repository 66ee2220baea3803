"""How tfvae refuses: what was expected, what was received, what to do."""

import math
import numbers


class InvalidInput(ValueError):
    """A user's mistake, told in three parts.

    Args:
        expected: what the call needs, for example `"num_samples >= 1"`.
        received: what came instead, for example `"num_samples=0"`.
        remedy: what to do now, one sentence.

    Example:
        >>> str(InvalidInput("beta >= 0", "beta=-1.0", "Pass a finite, non-negative number."))
        'Expected beta >= 0. Received beta=-1.0. Pass a finite, non-negative number.'
    """

    def __init__(self, expected: str, received: str, remedy: str) -> None:
        super().__init__(f"Expected {expected}. Received {received}. {remedy}")
        self.parts = (expected, received, remedy)

    def __reduce__(self) -> tuple:
        """Lets the error travel between processes."""
        return type(self), self.parts


def positive_integer(name: str, value: object) -> int:
    """Returns `value` as an `int`; raises `InvalidInput` unless it is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise InvalidInput(f"{name} to be a whole number of at least 1", f"{name}={value!r}", "Pass 1 or more.")
    return int(value)


def positive_number(name: str, value: object) -> float:
    """Returns `value` as a `float`; raises `InvalidInput` unless it is a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < float(value) < math.inf:
        raise InvalidInput(f"{name} to be a finite positive number", f"{name}={value!r}", "Pass for example 1.0.")
    return float(value)
