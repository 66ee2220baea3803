"""The model's card: what it is, on which data, how good, and the command that makes it, on one Markdown page."""

from pathlib import Path

from tfvae.core.types import Config
from tfvae.evaluation import Report
from tfvae.export import MOST_SERVED


def card(written: Config, report: Report, epochs: int, num_weights: int) -> str:
    """Returns the model's card, Markdown.

    Args:
        written: what `config.json` holds.
        report: of the test split.
        epochs: how many were trained.
        num_weights: numbers in the model.
    """
    options, data = written["options"], written["data"]
    parts = f"recipe {options['recipe']}" if options.get("recipe") else f"{options['likelihood']} likelihood"
    rows = [f"| {name} | {value} |" for name, value in {**options, "epochs": epochs}.items()]
    lines = [
        f"# A variational autoencoder of {Path(options['source']).name}",
        f"{options['network']} encoder and decoder, {options['latent_dim']} latent dimensions,"
        f" {parts}, {num_weights} weights. Made with tfvae {written['versions'].get('tfvae', 'of unknown version')}.",
        "## Figures",
        "```text",
        f"test: {report}",
        "```",
        "\nThe test split was scored once, after training; choices were made on the validation split.",
        "## Serving",
        f"A request may ask for at most {MOST_SERVED} samples; elbo and log_prob take 100 examples and 50 at a time.",
        "## Data",
        *[f"- {name}: {value}" for name, value in _with_columns(data).items()],
        "## Options",
        "| option | value |\n| --- | --- |",
        *rows,
        "## Made by",
        f"    {written['command'] or 'tfvae.app.run.train from Python'}\n",
        f"Git revision {written['git_revision'] or 'unknown'}; "
        + ", ".join(f"{name} {version}" for name, version in written["versions"].items()),
    ]
    return "\n".join("\n" + line + "\n" if line.startswith("## ") else line for line in lines).lstrip() + "\n"


def _with_columns(data: Config) -> Config:
    """Returns a data protocol with a table's schema as its columns and their kinds."""
    if "schema" not in data:
        return data
    return {**data, "schema": ", ".join(f"{column['name']} ({column['kind']})" for column in data["schema"]["columns"])}
