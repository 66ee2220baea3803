"""The comparison of two versions sees what has changed and nothing else; `python -m benchmarks.unchanged` runs it."""

import numpy as np
import pytest

from benchmarks.unchanged import program, speed
from benchmarks.unchanged.__main__ import difference

PROGRAM = """HloModule a_inference__steps_{id}__.7, is_scheduled=true

%region_{id} (a.1: f32[], b.2: f32[]) -> f32[] {{
  %a.1 = f32[] parameter(0)
  %b.2 = f32[] parameter(1)
  ROOT %add.{id} = f32[] add(%a.1, %b.2), metadata={{op_name="{{{id}}}" source_file="x.py" source_line={id}}}
}}

ENTRY %main.{id} (x.{id}: f32[4,3], y.1: f32[3]) -> f32[4,3] {{
  %x.{id} = f32[4,3]{{1,0}} parameter({x})
  %y.1 = f32[3]{{0}} parameter({y})
  %broadcast.{id} = f32[4,3]{{1,0}} broadcast(%y.1), dimensions={{1}}{more}
  ROOT %{last}.{id} = f32[4,3]{{1,0}} {last}(%x.{id}, %broadcast.{id})
}}

FileNames
{id} "x.py"
"""


def text(id=1, x=0, y=1, last="add", more=""):
    return PROGRAM.format(id=id, x=x, y=y, last=last, more=more)


def test_names_ids_and_sources_are_not_a_difference():
    assert program.compare([text(1)], [text(22)]) == {
        "equal": True, "verdict": "same", "programs": [1, 1], "instructions": [7, 7]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("other", "verdict", "changed"),
    [
        ({"last": "multiply"}, "DIFFERENT", {"add": [3, 2], "multiply": [0, 1]}),
        ({"more": "\n  %c = f32[] constant(1)"}, "DIFFERENT", {"constant": [0, 1]}),
        ({"x": 1, "y": 0}, "same operations, in another order", {}),
    ],
)
def test_another_program_is_found(other, verdict, changed):
    found = program.compare([text(), text(last="divide")], [text(last="divide"), text(**other)])
    assert not found["equal"] and found["verdict"] == verdict
    assert found["changed"] == changed and any(line.startswith("+") for line in program.describe(found))


def test_numbers_differ_in_the_last_bit_the_shape_or_the_words():
    one = {"a": np.float32([1, 2]), "b": np.array("words"), "c": np.float32([np.nan, -np.inf])}
    assert difference(one, {name: value.copy() for name, value in one.items()})["equal"]
    bit = difference(one, {**one, "a": np.nextafter(one["a"], np.float32(9))})
    assert not bit["equal"] and bit["where"] == "a" and 0 < bit["largest"] < 1e-6
    for other in ({"a": np.float32([1])}, {"b": np.array("others")}, {"d": np.zeros(1)}):
        assert difference(one, one | other)["unlike"] == list(other)
    assert not difference(one, {**one, "c": np.float32([0, -np.inf])})["equal"]


def test_the_ratio_is_that_of_the_pairs():
    rounds = [[{"seconds": s, "loss": 1.0}, {"seconds": s * 1.5, "loss": 1.0}] for s in (1.0, 2.0, 9.0)]
    found = speed.summary(rounds)
    assert found["ratio"] == 1.5 and found["interval"] == [1.5, 1.5] and found["same_loss"]
