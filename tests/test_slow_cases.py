"""The list of cases that stay in the default run is of tests that are there, and parts the cases of each."""

from slow_cases import COLLECTED, STAY, is_slow, useless


def test_each_test_of_the_list_keeps_some_cases_and_leaves_some(pytestconfig):
    """Of the files that are run as a whole: `make test` looks at all of them."""
    names, asked = pytestconfig.stash[COLLECTED], [word for word in pytestconfig.args if "::" in word]
    assert asked or useless(names) == []


def test_a_test_that_is_gone_or_keeps_nothing_is_named():
    file, test, pattern = "test_cli.py", "test_sample_writes_the_draws_of_a_seed", "npz"
    assert STAY[file] == {test: pattern}
    cases = [f"tests/{file}::{test}[{case}]" for case in ("npz", "npy")]
    assert [is_slow(case) for case in cases] == [False, True]
    assert useless(cases) == [] and useless(cases[:1]) == useless(cases[1:]) == [f"{file}::{test}"]
    assert useless([f"tests/{file}::test_another"]) == [f"{file}::{test}"] and useless(["tests/test_a.py::test"]) == []
