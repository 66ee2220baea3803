"""What a training on a table says before it begins: rows, columns, gaps, and the settings that nobody gave."""

import re

import numpy as np
import pandas as pd
import pytest

from tfvae.app import budget, cli
from tfvae.app.choices import described, settled
from tfvae.app.options import Options
from tfvae.core.errors import InvalidInput
from tfvae.networks.pairs import PAIRS
from tfvae.tables import fit
from tfvae.tables.choices import choices
from tfvae_cli import main


def said(tmp_path, **columns):
    pd.DataFrame(columns).to_csv(tmp_path / "people.csv", index=False)
    options = Options.of(str(tmp_path / "people.csv"))
    data = options.load_data()
    options, chosen = settled(options, data, {})
    return options, f"{described(data)}\n{chosen}"


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


def test_a_time_for_training_sets_the_patience_with_the_passes(tmp_path, columns, monkeypatch, capsys):
    """A fifth of the passes that the minutes allow, and not of those that the rows alone suggest."""
    pd.DataFrame(columns).to_csv(tmp_path / "people.csv", index=False)
    monkeypatch.setattr(budget, "speed", lambda options, data: budget.Speed(0.0, 1e-5, 1e-3))
    seen = []
    monkeypatch.setattr(cli.runs, "train", lambda options, *rest: seen.append(options))
    arguments = [
        "train",
        str(tmp_path / "people.csv"),
        "--minutes",
        "1",
        "--hidden",
        "8",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(arguments) == 0
    (options,) = seen
    assert options.epochs > 10_000 and options.patience == options.epochs // 5
    printed = capsys.readouterr().out
    assert f"--patience {options.patience} (a fifth of the epochs" in printed and "--epochs" not in printed


@pytest.mark.parametrize(("rows", "word", "activation"), [(999, "mlp-tanh", "tanh"), (1000, "mlp", "relu")])
def test_few_rows_have_a_smooth_network(rows, word, activation):
    (choice,) = [choice for choice in choices(rows, 4, {}) if choice.name == "network"]
    assert choice.value == word and "1000 rows" in choice.why
    assert all(choice.name != "network" for choice in choices(rows, 4, {"network": "residual"}))
    for network in PAIRS[word].make((4,), (8, 8)):
        assert [layer.get_config()["activation"] for layer in network.layers[1:]] == [activation] * 2


def test_what_a_recipe_prefers_of_images_is_not_taken_for_a_table(tmp_path, columns):
    """Its learning rate beside the table's own network, batch and latent was a third thing, measured by nobody."""
    pd.DataFrame(columns).to_csv(tmp_path / "people.csv", index=False)
    strong = Options.of(str(tmp_path / "people.csv"), recipe="strong")
    assert (strong.learning_rate, strong.network) == (2e-3, "mlp") and Options.of("digits", recipe="strong") != strong


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"table": np.zeros([9, 2])}, ("an array of shape (9, 2)", "pandas.DataFrame(x, columns=names)")),
        ({"table": [[1, 2]]}, ("a list",)),
        ({"epochs": "3"}, ("epochs to be a whole number of at least 1", "epochs='3'")),
        ({"batch_size": 2.5}, ("batch_size to be a whole number", "2.5")),
    ],
)
def test_a_fit_of_something_else_than_a_table_or_a_number_is_told(columns, given, words):
    with pytest.raises(InvalidInput) as error:
        fit(**{"table": pd.DataFrame(columns)[:60], **given})
    assert all(word in str(error.value) for word in words)


def test_a_setting_that_there_is_not_is_no_number(columns):
    with pytest.raises(TypeError, match="no setting lr"):
        fit(pd.DataFrame(columns)[:60], lr=1e-3)


def test_a_fit_takes_the_word_of_a_network_and_no_other(columns):
    small = {"hidden": (8,), "latent_dim": 2, "epochs": 1, "eval_samples": 5, "jit_compile": False}
    kinds = []
    for given in ({}, {"network": "mlp"}):
        network = fit(pd.DataFrame(columns)[:60], **small, **given).vae.posterior.network
        kinds.append(network.layers[-1].get_config()["activation"])
    assert kinds == ["tanh", "relu"]
    with pytest.raises(InvalidInput, match="one of mlp, mlp-tanh, .*Received network='tanh'"):
        fit(pd.DataFrame(columns)[:60], **small, network="tanh")
