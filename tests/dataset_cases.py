"""What the tests of data sets share: arrays to load, and how a refusal must read."""

import numpy as np
import pytest

from tfvae.core.errors import InvalidInput

SPLITS = ("train", "valid", "test")
NUMBERED = np.arange(60, dtype=np.float32)[:, None]


def images(count, height=6, width=5, seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width)).astype(dtype)


def arrays(data):
    return {name: getattr(data, name).x for name in SPLITS}


def refused(expected_words, call, *args, **kwargs):
    """Checks that the call raises one InvalidInput, on one line, that has all the words in it."""
    with pytest.raises(InvalidInput) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    for word in expected_words:
        assert word in message, message
