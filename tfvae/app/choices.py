"""What the command line says before it trains on a table: what the columns are, and what was chosen why."""

import dataclasses

from tfvae.app.options import Options
from tfvae.app.together import typed
from tfvae.core.types import Config
from tfvae.datasets import Data


def described(data: Data) -> str:
    """Returns what a table is: its rows, its columns, what is missing in them, and what the model is told."""
    whole = type(data.schema).from_dict(data.protocol["schema"])
    told = [f"told: {data.told.name}"] if data.told else []
    return "\n".join([f"{data.name}: {sum(data.protocol['sizes'].values())} rows", str(whole), *_gaps(data), *told])


def settled(options: Options, data: Data, given: Config) -> tuple[Options, str]:
    """Returns the options with what a person left open, and the line that says so.

    Args:
        options: of the run.
        data: the table.
        given: what a person chose, name to value.
    """
    from tfvae.tables.choices import choices  # its package needs pandas, as the table has needed already

    found = choices(len(data.train), data.event_shape[0], given)
    said = "; ".join(f"{typed(choice.name)} {_shown(choice.value)} ({choice.why})" for choice in found)
    values = {choice.name: choice.value for choice in found}
    return dataclasses.replace(options, **values), f"chosen: {said}"


def _gaps(data: Data) -> list[str]:
    """Returns a line on the cells that are missing in the training rows, by column; none where none are."""
    if data.train.mask is None:
        return []
    schema, missing = data.schema, 1 - data.train.mask.mean(axis=0)
    shares = {name: missing[schema.places(name)].min() for name in schema.names}
    said = ", ".join(f"{name} {share:.1%}" for name, share in shares.items() if share > 0)
    words = ", ".join(word for word in schema.missing if word)
    return [f"missing: {said} of the training rows; a cell is missing where it is empty or {words}"] if said else []


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
