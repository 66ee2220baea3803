"""What version 0.1 wrote, this version opens: models score and go on training, runs resume, a SavedModel serves.

The expected numbers are those of version 0.1 (`files_0_1/make.py` says how they were made). Another machine rounds
otherwise, so they are compared within 1e-5. The shape of a tail is a number about zero, fitted to log-weights of some
40 nats, which 1e-5 of them moves by 4e-4: within 5e-5, twice what two processors differ by.
To the last bit on one machine: `python -m benchmarks.unchanged`.
"""

import numpy as np
import pytest
from files_0_1 import make


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return folder, make.unpack(folder)


@pytest.mark.parametrize("question", make.QUESTIONS)
def test_a_file_of_the_version_before_gives_its_numbers(files, question):
    folder, everything = files
    expected = {name: value for name, value in everything.items() if name.startswith(question + "/")}
    found = make.ask(folder, question)
    assert expected and expected.keys() <= found.keys()
    for name, value in expected.items():
        atol = 5e-5 if name.endswith("pareto_shape") else 1e-6
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=atol, err_msg=name)
