"""What the tests of resuming share: the end of a process, and how far two models are apart."""

import numpy as np


class Killed(BaseException):
    """Stands for the end of the process."""


def difference(a, b):
    return max(float(np.max(np.abs(v - w))) for v, w in zip(a.get_weights(), b.get_weights(), strict=True))
