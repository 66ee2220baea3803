"""What the command line says around a training.

before, a table    what the columns are, and what was chosen why
before, others     that grey values are drawn as 0 or 1, where nobody asked for it
after              that an epoch before the last one was better
"""

import dataclasses
import os

import numpy as np

from tfvae.app.options import Options
from tfvae.app.together import typed
from tfvae.callbacks import read_history
from tfvae.core.types import Config
from tfvae.datasets import Data

DRAWN = (
    "chosen: grey values are drawn as 0 or 1, anew at each visit, since the likelihood is of binary data"
    " (--binarization dynamic)"
)
OTHERS = (
    "; log p(x) of the values themselves has --likelihood discretized-logistic for whole numbers from 0 to 255, normal"
    " for others"
)
LOOKED_AT = 1000  # examples
WATCHED = ("val_elbo", "val_objective")
WORSE, LEAST = 0.01, 0.1  # of the best ELBO, and nats, by which the last one is called worse


def drawn(options: Options, data: Data) -> str:
    """Returns a line that says that grey values are drawn; empty where none are."""
    return (DRAWN + (OTHERS if options.likelihood else "")) * is_drawn(data)


def is_drawn(data: Data) -> bool:
    """Tells whether a model draws the values of its data as 0 or 1, and some are neither."""
    x, scale = np.asarray(data.train.x[:LOOKED_AT]), data.protocol["scale"]
    return data.protocol["binarization"] == "dynamic" and bool(np.any((x != 0) & (x != scale) & (x == x)))


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


def overfitted(folder: str) -> str:
    """Returns a line that says which epoch of a run was better than the last one; empty where none was by much."""
    rows = read_history(os.path.join(folder, "history.csv"))
    elbo, objective = (np.nan_to_num([row[name] for row in rows], nan=-np.inf) for name in WATCHED)
    best, epochs = int(np.argmax(elbo)), len(rows)
    much = max(WORSE * abs(elbo[best]), LEAST)
    if not (elbo[best] - elbo[-1] > much and objective[best] > objective[-1]):  # the ELBO may fall as a bound rises
        return ""
    return (
        f"valid ELBO was best in epoch {best + 1} of {epochs}, {elbo[best]:.2f}, and is {elbo[-1]:.2f} at the end: more"
        f" training made it worse. --patience {max(epochs // 10, 10)} stops there and takes the best weights."
    )


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
