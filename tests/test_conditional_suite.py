"""The conditional benchmarks sum labels out, part pictures and shuffle labels; the figures take hours, not tests."""

import numpy as np
import pytest

from benchmarks.conditional import __main__ as command
from benchmarks.conditional import common, labels, pictures, quadrants
from benchmarks.page.origin import recorded
from benchmarks.reproduce import protocol


def test_labels_are_summed_out_and_found_by_bayes_rule():
    joint = np.array([[0.1, 0.2], [0.05, 0.3]])  # p(x, c) of two x
    frequencies = np.array([0.25, 0.75])
    own = np.log([0.4, 0.4])  # log p(x | c) of the own label
    found = common.told_or_not(own, np.log(joint / frequencies), np.array([0, 1]), np.log(frequencies))
    assert np.exp(found["log_prob"]) == pytest.approx([0.3, 0.35])
    assert np.exp(found["log_prob_few"]) == pytest.approx([0.3, 0.35])
    assert np.exp(found["log_label"]) == pytest.approx([0.1 / 0.3, 0.3 / 0.35])
    assert found["error"].tolist() == [1.0, 0.0]  # by p(x | c) alone, without the frequencies, the first is right
    values = np.array([1.0, 2.0, 6.0])
    assert common.moments(values) == {"mean": 3.0, "standard_error": pytest.approx(np.sqrt(7.0 / 3.0))}


@pytest.mark.parametrize(("given", "corner"), [(1, [0, 0, 1, 0]), (2, [1, 0, 1, 0]), (3, [1, 0, 1, 1])])
def test_quadrants_part_a_picture_and_put_it_together_again(given, corner):
    shown = quadrants.shown_pixels(given)
    assert shown[[0, 0, 27, 27], [0, 27, 0, 27]].tolist() == corner and shown.sum() == given * 14 * 14
    data = protocol.small("threshold")
    found = quadrants.parted(data, shown)
    assert found.event_shape == ((4 - given) * 14 * 14,) and found.condition["shown"].shape == (given * 14 * 14,)
    for split, whole in zip((found.train, found.valid, found.test), (data.train, data.valid, data.test), strict=True):
        assert np.array_equal(pictures.whole(split.x, split.condition, shown), whole.x[..., 0])


def test_shuffled_labels_are_the_same_labels_on_other_images():
    data = protocol.small("dynamic", condition="y")
    found = labels.shuffled(data, seed=0)
    assert np.array_equal(np.sort(found.train.condition), np.sort(data.train.condition))
    assert np.mean(found.train.condition == data.train.condition) < 0.2  # of ten labels a tenth by chance
    assert found.train.x is data.train.x and found.test is data.test


def test_a_result_names_no_folder_of_data():
    words = ["labels", "--data", "/somewhere", "--seeds", "0", "1"]
    assert recorded("conditional", words) == "python -m benchmarks.conditional labels --data FOLDER --seeds 0 1"
    assert (
        recorded("layers", ["--runs=/a/b", "--out", "/c"]) == "python -m benchmarks.layers --runs=FOLDER --out FOLDER"
    )
    said, options = command.read(words)
    assert said.seeds == [0, 1] and str(options.data) == "/somewhere" and options.out == command.OUT
