"""How tfvae refuses: what was expected, what was received, what to do."""

import math
import numbers

MOST_SAMPLES = 10**7  # far below what overflows an int32 count, far above what anybody waits for


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


def sample_count(value: object, name: str = "num_samples") -> int:
    """Returns a number of samples as an `int`; raises `InvalidInput` unless it is a whole number from 1 to 10^7."""
    count = positive_integer(name, value)
    if count > MOST_SAMPLES:
        remedy = "Pass fewer; of a mean over more, take the mean of several calls with different seeds."
        raise InvalidInput(f"{name} of at most {MOST_SAMPLES}", f"{name}={count}", remedy)
    return count


def positive_number(name: str, value: object) -> float:
    """Returns `value` as a `float`; raises `InvalidInput` unless it is a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < float(value) < math.inf:
        raise InvalidInput(f"{name} to be a finite positive number", f"{name}={value!r}", "Pass for example 1.0.")
    return float(value)
