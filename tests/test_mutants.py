"""Known mistakes of public VAE code, each planted in a copy: a test of ours must turn red. `mutants` has the table."""

import json
import subprocess
import sys
from pathlib import Path

import mutants
import pytest
from mutants import MUTANTS

every_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@pytest.fixture(scope="module")
def server():
    """One process that imports TensorFlow once and forks for each mutant."""
    words = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen([sys.executable, Path(mutants.__file__), "--serve"], **words) as process:
        yield process
        process.stdin.close()


@pytest.mark.slow
@every_mutant
def test_a_known_mistake_turns_a_test_red(server, mutant):
    server.stdin.write(mutant.name + "\n")
    found = json.loads(server.stdout.readline())
    print(mutants.shown(found))
    assert found["caught"] is not None


@every_mutant
def test_the_place_of_each_mistake_is_there(mutant):
    """Once, in the file that is named: else the slow test would plant nothing."""
    assert mutant.planted in mutants.planted(mutant)


def test_names_tell_mutants_apart():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
