"""Damaged and hostile files: exit code 0, 1 or 2, one sentence, no code executed, bounded memory (`damage.py`)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import damage
import pytest

TESTS = Path(damage.__file__).parent


def tried(count, seed=0):
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "-1"}
    words = [sys.executable, str(TESTS / "damage.py"), str(count), str(seed)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    print(done.stdout[-9000:], done.stderr[-2000:])
    assert re.search(rf"^{count} damaged files: .*, 0 faults", done.stdout, re.MULTILINE)
    assert done.returncode == 0


@pytest.mark.slow
def test_three_hundred_damaged_files():
    tried(300)
