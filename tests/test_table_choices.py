"""What a training on a table says before it begins: rows, columns, gaps, and the settings that nobody gave."""

import re

import numpy as np
import pandas as pd
import pytest

from tfvae.app.choices import settled
from tfvae.app.options import Options


def said(tmp_path, **columns):
    pd.DataFrame(columns).to_csv(tmp_path / "people.csv", index=False)
    options = Options.of(str(tmp_path / "people.csv"))
    return settled(options, options.load_data(), {})


@pytest.fixture
def columns():
    rng = np.random.default_rng(0)
    paid = np.where(rng.random(400) < 0.5, 0.0, rng.lognormal(3, 1, 400).round(2))  # half of them are an atom
    return {"height": rng.normal(170, 10, 400).round(1), "paid": paid, "city": rng.choice(["Bonn", "Rome"], 400)}


def test_gaps_are_said_by_column_and_an_atom_is_not_one(tmp_path, columns):
    """Of a number that is often 0 the density is not asked where it is 0: that cell has a value."""
    columns["height"][:100] = np.nan
    columns["city"][100:300] = "?"
    options, text = said(tmp_path, **columns)
    (line,) = [line for line in text.splitlines() if line.startswith("missing: ")]
    height, city = (float(re.search(rf"{name} (\S+)%", line)[1]) for name in ("height", "city"))
    assert abs(height - 25) < 7 and abs(city - 50) < 8 and "paid" not in line and "empty or ?, NA" in line
    assert "often" in text and f"--latent-dim {options.latent_dim} (half of the 4 columns of x" in text


def test_a_table_without_gaps_has_no_line_of_them(tmp_path, columns):
    assert "missing" not in said(tmp_path, **columns)[1]
