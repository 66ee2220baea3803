"""Words in place of missing cells, as values of the type that a frame's column has.

numbers, bool, dates and times      of their type, also where it is pandas' own with gaps
categories                          the category that is written so; a new one where there is none
text, objects                       the word; an object that is written so where there is one
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
        found = _filled(column.astype(object), missing, words)
        new = [value for value in found.unique() if value not in kind.categories]
        return found.astype(pd.CategoricalDtype([*kind.categories, *new], kind.ordered))
    if types.is_bool_dtype(kind):
        return column.where(~missing, words.map({"True": True, "False": False}))
    if types.is_numeric_dtype(kind):
        return column.where(~missing, pd.to_numeric(words))
    if types.is_datetime64_any_dtype(kind):
        times = pd.to_datetime(own.numbers(words), unit="s") if isinstance(own, Date) else pd.to_datetime(words)
        return column.where(
            ~missing, pd.Series(times, words.index).dt.tz_localize(getattr(kind, "tz", None)).astype(kind)
        )
    return _filled(column, missing, words)


def _filled(column: pd.Series, missing: np.ndarray, words: pd.Series) -> pd.Series:
    written = {str(value): value for value in column[~missing].unique()}
    return column.where(~missing, pd.Series([written.get(word, word) for word in words], words.index, dtype=object))
