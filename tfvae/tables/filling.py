"""Words of a table as values of the type that a frame's column has, for cells that are missing and rows that are new.

numbers, bool, dates and times      of their type, also where it is pandas' own with gaps
categories, objects                 what means the same and is there already; else a number of numbers, or the word
text                                the word
"""

import datetime
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from tfvae.datasets.tables import Column
from tfvae.datasets.tables.column import LeftOut
from tfvae.datasets.tables.numbers import Date


def mixed(column: pd.Series, missing: np.ndarray, words: pd.Series, own: Column) -> pd.Series:
    """Returns a column with words in place of its missing cells.

    Args:
        column: `[N]`, of a frame.
        missing: which cells are, `[N]`.
        words: as the table writes them, `[N]`, of the same index.
        own: the column of the schema.
    """
    found = values(words, column[~missing], own)
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column.where(~missing, found)
    return _categories(column.astype(object).where(~missing, found), column.dtype)


def new(words: pd.Series, column: pd.Series, own: Column) -> pd.Series:
    """Returns words as a column of the type of another; arguments as for `values`."""
    found = values(words, column, own)
    kind = column.dtype
    return _categories(found, kind) if isinstance(kind, pd.CategoricalDtype) else found.astype(kind)


def values(words: pd.Series, column: pd.Series, own: Column) -> pd.Series:
    """Returns words, `[N]`, as values such as a column has; numbers beyond an integer type as its ends.

    Args:
        words: as the table writes them; empty ones of values that are missing.
        column: of a frame, of any length.
        own: the column of the schema.
    """
    column, words = column.infer_objects(), words.where(words != "", None)
    kind = column.dtype
    if isinstance(own, LeftOut) and own.value is None and _is_of_time(kind):  # rows are numbered, which is not a time
        return pd.Series([None] * len(words), words.index, dtype=kind)
    if types.is_bool_dtype(kind):
        return words.str.strip().map({"True": True, "False": False})
    if types.is_integer_dtype(kind):
        ends = np.iinfo(getattr(kind, "numpy_dtype", kind))
        return pd.to_numeric(words).clip(ends.min, ends.max)
    if types.is_numeric_dtype(kind):
        return pd.to_numeric(words)
    if types.is_datetime64_any_dtype(kind):
        times = pd.to_datetime(own.numbers(words), unit="s") if isinstance(own, Date) else pd.to_datetime(words)
        found, zone = pd.Series(times, words.index), getattr(kind, "tz", None)  # with one, words are in UTC
        return (found if zone is None else found.dt.tz_localize("UTC").dt.tz_convert(zone)).astype(kind)
    known = kind.categories if isinstance(kind, pd.CategoricalDtype) else column.dropna().unique()
    objects = [value for value in known if not isinstance(value, str)]
    meant = dict(zip(own.numbers(pd.Series(list(map(str, objects)), dtype=object)), objects, strict=True))
    others, kinds = pd.to_numeric(words) if objects and own.numeric else words, {type(value) for value in objects}
    if kinds == {int} and own.numeric:
        others = [None if np.isnan(number) else int(number) for number in others]
    if kinds == {datetime.date} and isinstance(own, Date):
        others = pd.to_datetime(pd.Series(own.numbers(words)), unit="s").dt.date
    found = [meant.get(number, other) for number, other in zip(own.numbers(words.str.strip()), others, strict=True)]
    return pd.Series(found, words.index, dtype=object)


def _is_of_time(kind: Any) -> bool:
    return types.is_datetime64_any_dtype(kind) or types.is_timedelta64_dtype(kind) or isinstance(kind, pd.PeriodDtype)


def _categories(column: pd.Series, kind: pd.CategoricalDtype) -> pd.Series:
    """Returns a column of objects as one of categories, with those that are new to the type."""
    more = [value for value in column.dropna().unique() if value not in kind.categories]
    return column.astype(pd.CategoricalDtype([*kind.categories, *more], kind.ordered))
