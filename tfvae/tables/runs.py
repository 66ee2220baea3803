"""The model of a run of `tfvae train FILE.csv`, from its folder.

config.json    the schema, the condition, importance samples and seed
model.keras    the model
scores.npz     log p of the test rows, which the model has never seen: what p-values compare with
"""

import logging
import os
from pathlib import Path

import numpy as np

from tfvae import files
from tfvae.checks.loaded import load_model
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config
from tfvae.datasets.tables import Schema
from tfvae.tables.model import TableModel

logger = logging.getLogger("tfvae")


def load(folder: str | os.PathLike) -> TableModel:
    """Returns the trained model of a table.

    Args:
        folder: a run folder.

    Raises:
        InvalidInput: if it is not the folder of a finished run on a table, or its files were changed since.

    Example:
        >>> model = tfvae.tables.load("runs/penguins")
    """
    folder = Path(folder)
    for name in ("config.json", "model.keras", "scores.npz"):
        if not (folder / name).exists():
            remedy = f"tfvae train FILE.csv --out {folder} makes one; --resume {folder} completes it."
            raise InvalidInput(f"a finished run on a table at {folder}", f"none, or one without {name}", remedy)
    bad = files.damaged(folder, ["model.keras", "scores.npz"])
    if bad:
        received = "a file that was changed since"
        raise InvalidInput(f"{bad[0]} in {folder} as training left it", received, "Restore the file from a copy.")
    config = files.read_json(folder / "config.json")
    data, options = (config.get(part) if isinstance(config, dict) else None for part in ("data", "options"))
    if not (isinstance(data, dict) and isinstance(options, dict) and options.keys() >= {"eval_samples", "seed"}):
        raise InvalidInput(f"a whole config.json in {folder}", "another content", "Restore the file from a copy.")
    if "schema" not in data:
        remedy = "tfvae evaluate, sample and export know runs on arrays."
        raise InvalidInput(f"a run on a table at {folder}", f"one on {data.get('source')}", remedy)
    _warn_of_another_schema(folder / "schema.json", data["schema"])
    told = data.get("condition") or {}
    return TableModel(
        vae=load_model(folder / "model.keras"),
        schema=Schema.from_dict(data["schema"]),
        held_out=np.asarray(files.read_arrays(folder / "scores.npz")["log_prob"], np.float64),
        condition=told.get("name"),
        units=tuple(told["units"]) if "units" in told else None,
        num_samples=options["eval_samples"],
        seed=options["seed"],
    )


def _warn_of_another_schema(path: Path, schema: Config) -> None:
    """Warns where the schema beside a run, which a person may edit for another training, is not that of the run."""
    try:
        changed = path.exists() and files.read_json(path) != schema
    except InvalidInput:
        changed = True
    if changed:
        remedy = f"tfvae train FILE.csv --schema {path} takes it"
        logger.warning("tfvae: %s was changed; this model keeps the schema that it was trained with: %s.", path, remedy)
