"""A table as a data set: its rows cut into train, valid and test, its cells as x and a mask.

What the table is (kinds, words, resolution) is inferred from all rows; what a model learns, from those of train alone.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfvae.conditions import Labels, Real
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config
from tfvae.datasets.tables import Schema, read
from tfvae.datasets.tables.categories import Category
from tfvae.datasets.told import Told

Told_ = tuple[Told, dict[str, np.ndarray]]


def read_table(source: str | os.PathLike, given: Mapping[str, Any] | None = None) -> tuple[pd.DataFrame, Schema]:
    """Returns a table as text, and its schema.

    Args:
        source: a file.
        given: what a person says of its columns.

    Raises:
        InvalidInput: if it cannot be read, or what is given does not fit.
    """
    frame = read(source)
    return frame, Schema.of(frame, given)


def told_column(schema: Schema, name: str, frames: Mapping[str, pd.DataFrame]) -> Told_:
    """Returns what a column means as a condition: words as labels, numbers less their mean over their spread.

    Args:
        schema: of the table.
        name: of the column.
        frames: the rows of each split.

    Raises:
        InvalidInput: if a cell of the column is missing.
    """
    column = schema[name]
    numbers = {split: column.numbers(schema.cells(frame[name])) for split, frame in frames.items()}
    for split, values in numbers.items():
        if np.isnan(values).any():
            row = frames[split].index[int(np.argmax(np.isnan(values)))] + 1
            remedy = "Remove such rows, or condition on another column."
            raise InvalidInput(f"a value of {name}, the condition, in each row", f"none in row {row}", remedy)
    if isinstance(column, Category):
        part = Labels(len(column.values))
        return Told(name, part, column.values), {split: v.astype(np.int32) for split, v in numbers.items()}
    mean, spread = float(numbers["train"].mean()), float(numbers["train"].std()) or 1.0
    values = {split: ((v - mean) / spread).astype(np.float32)[:, np.newaxis] for split, v in numbers.items()}
    return Told(name, Real(1), units=(mean, spread)), values


def protocol(schema: Schema, masks: Mapping[str, np.ndarray]) -> Config:
    """Returns what a run keeps of a table, for JSON."""
    shares = {split: round(1 - float(mask.mean()), 6) for split, mask in masks.items()}
    return {"schema": schema.to_dict(), "missing": shares}
