"""Runs are compared where log p(x) is of the same values, in the same units, given the same."""

import json
import shutil

import pytest

from tfvae import files
from tfvae.app.cli import main

OTHER = {  # what is changed in a copy of a run: in its data and in its report
    "condition": (lambda data, test: data.update(condition={"name": "y"}), "another condition"),
    "masses": (lambda data, test: test.update(discrete=False), "another kind of likelihood"),
    "splits": (lambda data, test: data.update(splits={}), "another splits"),
    "values": (lambda data, test: data["crc32"].update(test="0"), "other values"),
}


def changed(folder, change):
    """Changes what a run folder says of its data and of its test scores."""
    config, metrics = (files.read_json(folder / name) for name in ("config.json", "metrics.json"))
    change(config["data"], metrics["test"])
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return str(folder)


@pytest.mark.parametrize("what", OTHER)
def test_runs_that_explain_other_things_are_not_compared(trained, copy, capsys, what):
    change, words = OTHER[what]
    assert main(["compare", str(trained), changed(copy, change)]) == 2
    assert f"{words}" in capsys.readouterr().err


@pytest.mark.parametrize(("grey", "discrete", "code"), [(True, False, 2), (True, True, 0), (False, False, 0)])
def test_the_unit_of_a_density_counts_and_that_of_a_mass_or_of_bits_does_not(
    copy, tmp_path, capsys, grey, discrete, code
):
    """Densities of x / 16 and of x / 255 differ by log(255 / 16) a pixel, whatever the models."""

    def change(scale):
        return lambda data, test: (
            data.update(binarization="none" if grey else "dynamic", scale=scale),
            test.update(discrete=discrete),
        )

    other = changed(shutil.copytree(copy, tmp_path / "other"), change(255.0))
    assert main(["compare", changed(copy, change(16.0)), other]) == code
    assert (code == 0) or "another scale" in capsys.readouterr().err
