"""What the command line says of the library, as plain data: the start of `tfvae` reads it and imports nothing else.

python -m tfvae.app.table        writes it anew; a test compares the two
"""

import dataclasses
import json

import tfvae
from tfvae import recipes
from tfvae.app import provenance, run
from tfvae.app.options import Options
from tfvae.core.types import Config
from tfvae_cli.parser import PATH


def table() -> Config:
    """Returns version, packages, splits, the options of `tfvae train`, and the recipes with their lines and papers."""
    return {
        "version": tfvae.__version__,
        "packages": list(provenance.PACKAGES),
        "splits": list(run.SPLITS),
        "options": {field.name: _option(field) for field in dataclasses.fields(Options) if field.metadata},
        "recipes": {name: list(recipes.description(recipe)) for name, recipe in sorted(recipes.RECIPES.items())},
    }


def write() -> None:
    """Writes the table to where the start of the command line reads it."""
    PATH.write_text(json.dumps(table(), indent=1) + "\n", encoding="utf-8")


def _option(field: dataclasses.Field) -> Config:
    """Returns what the parser is told of an option."""
    argument = {"type": field.type} if field.type is bool else {"type": str, **field.metadata["argument"]}
    words = {"choices": list(argument["choices"])} if "choices" in argument else {}
    return {**argument, **words, "type": argument["type"].__name__, "help": field.metadata["help"]}


if __name__ == "__main__":
    write()
