"""Words in place of missing cells, as values of the type that a frame's column has.

numbers, bool, dates and times      of their type, also where it is pandas' own with gaps
categories, objects                 what means the same and is there already; else a number of numbers, or the word
text                                the word
"""

import numpy as np
import pandas as pd
from pandas.api import types

from tfvae.datasets.tables import Column
from tfvae.datasets.tables.numbers import Date


def mixed(column: pd.Series, missing: np.ndarray, words: pd.Series, own: Column) -> pd.Series:
    """Returns a column with words in place of its missing cells.

    Args:
        column: `[N]`, of a frame.
        missing: which cells are, `[N]`.
        words: as the table writes them, `[N]`, of the same index.
        own: the column of the schema.
    """
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        found = _filled(column.astype(object), missing, words, own)
        new = [value for value in found.unique() if value not in kind.categories]
        return found.astype(pd.CategoricalDtype([*kind.categories, *new], kind.ordered))
    if types.is_bool_dtype(kind):
        return column.where(~missing, words.map({"True": True, "False": False}))
    if types.is_numeric_dtype(kind):
        return column.where(~missing, pd.to_numeric(words))
    if types.is_datetime64_any_dtype(kind):
        times = pd.to_datetime(own.numbers(words), unit="s") if isinstance(own, Date) else pd.to_datetime(words)
        values = pd.Series(times, words.index).dt.tz_localize(getattr(kind, "tz", None))
        return column.where(~missing, values.astype(kind))
    return _filled(column, missing, words, own)


def _filled(column: pd.Series, missing: np.ndarray, words: pd.Series, own: Column) -> pd.Series:
    """Returns a column with the words; where it holds other objects than text, with those that mean the same."""
    values = [value for value in column[~missing].unique() if not isinstance(value, str)]
    if not values:
        return column.where(~missing, words)
    known = dict(zip(own.numbers(pd.Series(list(map(str, values)), dtype=object)), values, strict=True))
    others = pd.to_numeric(words) if own.numeric else words
    found = [known.get(number, other) for number, other in zip(own.numbers(words), others, strict=True)]
    return column.where(~missing, pd.Series(found, words.index, dtype=object))
