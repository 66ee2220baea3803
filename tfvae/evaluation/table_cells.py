"""Tables of words and numbers as arrays, which the scores of synthetic rows are taken of.

    number      x as float64, NaN where the cell is missing; a datetime as days since 1970
                code = 1 + how many of the nine inner deciles of the first table lie below x; 0: missing
    category    code = the place of the word in one list for all tables, from 1; 0: missing

A table is whatever has a DataFrame's columns, so that pandas is not imported here.
"""

import dataclasses
import numbers
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tfvae.core.errors import InvalidInput
from tfvae.core.types import Given

DECILES = np.arange(1, 10) / 10
MICROSECONDS = 24 * 60 * 60 * 10**6  # of a day
NUMBER = (numbers.Real, np.bool_)
NAMED = 5  # names that a message has room for


@dataclasses.dataclass(frozen=True)
class Cells:
    """The cells of N rows, column by column.

    Attributes:
        numbers: name of each column of numbers to its values, `[N]`, NaN where they are missing.
        codes: name of each column, in their order, to the codes of its categories or bins, `[N]`, 0 where missing.
        words: name of each column of categories to what its codes from 1 on stand for.
    """

    numbers: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]
    words: dict[str, list]

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(next(iter(self.codes.values())))

    def take(self, rows: np.ndarray) -> "Cells":
        """Returns some of the rows: their places, or true for each that is taken."""
        numbers, codes = ({name: x[rows] for name, x in part.items()} for part in (self.numbers, self.codes))
        return Cells(numbers, codes, self.words)

    def missing(self, name: str) -> float:
        """Returns the share of missing cells of a column."""
        return float(np.mean(self.codes[name] == 0))


def cells(tables: Mapping[str, Given], numeric: Sequence[str]) -> list[Cells]:
    """Returns tables of the same columns as arrays.

    Args:
        tables: DataFrames by what a message calls them. The first one says which columns there are, in which order, and
            where the deciles of its numbers lie.
        numeric: the columns that are numbers; every other is a category.

    Raises:
        InvalidInput: if one is not a DataFrame or has fewer than 2 rows, columns differ or appear twice, `numeric`
            names others, or a column is of another type than it should be or than in the first table.
    """
    columns = {table: _columns(table, frame) for table, frame in tables.items()}
    first, *others = columns
    for other in others:
        _same_columns(first, columns[first], other, columns[other])
    numeric = _numeric(numeric, columns[first])
    found = [Cells({}, {}, {}) for _ in tables]
    for name in columns[first]:
        if name in numeric:
            _same_times(name, {table: columns[table][name] for table in tables})
            values = [_numbers(table, name, columns[table][name]) for table in tables]
            codes = _bins(values)
            for one, x in zip(found, values, strict=True):
                one.numbers[name] = x
        else:
            codes, words = _categories(name, {table: columns[table][name] for table in tables})
            for one in found:
                one.words[name] = words
        for one, code in zip(found, codes, strict=True):
            one.codes[name] = code
    return found


def _columns(table: str, frame: Given) -> dict[str, Given]:
    """Returns the columns of a DataFrame by name."""
    if not all(hasattr(frame, name) for name in ("columns", "iloc", "isna")):
        remedy = "Pass for example pandas.read_csv(file), or pandas.DataFrame(rows, columns=names)."
        raise InvalidInput(f"{table} to be a pandas DataFrame", f"a {type(frame).__name__}", remedy)
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = listed(sorted({name for name in names if names.count(name) > 1}))
        raise InvalidInput(f"columns of {table} with different names", f"{twice} more than once", "Rename or drop one.")
    if not names or len(frame) < 2:
        received = f"{len(frame)} of {len(names)} columns"
        raise InvalidInput(f"at least 2 rows in {table}", received, "Pass the whole table.")
    return {name: frame.iloc[:, place] for place, name in enumerate(names)}


def _same_columns(first: str, names: Iterable[str], table: str, others: Iterable[str]) -> None:
    """Raises unless both tables have the same columns, in any order."""
    lacking, besides = [n for n in names if n not in others], [n for n in others if n not in names]
    if lacking or besides:
        received = f"one without {listed(lacking)}" if lacking else ""
        received += (" and with " if lacking else "one with ") + f"{listed(besides)} besides" if besides else ""
        common = [name for name in names if name in others]
        remedy = f"Pass of both tables the columns that both have: {listed(common)}." if common else "They have none."
        raise InvalidInput(f"{table} with the columns of {first}", received, remedy)


def _numeric(numeric: Sequence[str], names: Iterable[str]) -> set[str]:
    """Returns the names of the columns of numbers."""
    if isinstance(numeric, str):
        raise InvalidInput("numeric, a list of names of columns", repr(numeric), f"Pass [{numeric!r}].")
    unknown = [str(name) for name in numeric if str(name) not in names]
    if unknown:
        raise InvalidInput("numeric, names of columns", f"{listed(unknown)} besides", f"There are {listed(names)}.")
    return {str(name) for name in numeric}


def _same_times(name: str, columns: Mapping[str, Given]) -> None:
    """Raises unless a column is of datetimes in all tables or in none, all with a time zone or all without."""
    kinds = {(column.dtype.kind == "M", getattr(column.dtype, "tz", None) is None) for column in columns.values()}
    if len(kinds) > 1:
        received = ", ".join(f"{column.dtype} in {table}" for table, column in columns.items())
        remedy = "Read the tables the same way, for example by pandas.to_datetime, with or without a time zone."
        raise InvalidInput(f"column {name!r} of datetimes in all tables, or in none", received, remedy)


def _numbers(table: str, name: str, column: Given) -> np.ndarray:
    """Returns a column as float64, NaN where a cell is missing."""
    where = f"column {name!r} of {table}"
    if column.dtype.kind == "M":
        observed = ~np.asarray(column.isna(), bool)
        return np.where(observed, column.to_numpy("datetime64[us]").astype(np.int64) / MICROSECONDS, np.nan)
    if column.dtype.kind in "biuf":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        observed, values = ~np.asarray(column.isna(), bool), np.full(len(column), np.nan)
        for row, value in zip(np.flatnonzero(observed), column[observed], strict=True):
            if not isinstance(value, NUMBER):
                remedy = (
                    f"Leave {name!r} out of numeric, or make it numbers first: pandas.to_numeric({table}[{name!r}]),"
                    f" or of dates pandas.to_datetime({table}[{name!r}])."
                )
                raise InvalidInput(f"numbers in {where}", f"{_shown(value)} in row {row}, counted from 0", remedy)
            values[row] = value
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        remedy = "Say what is missing with NaN, and leave out what is not a number."
        raise InvalidInput(f"finite numbers in {where}", f"{values[row]} in row {row}, counted from 0", remedy)
    return values


def _bins(values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns the bin of each number between the deciles of the first ones; 0 where it is missing."""
    observed = values[0][~np.isnan(values[0])]
    edges = np.quantile(observed, DECILES) if len(observed) else []
    return [np.where(np.isnan(x), 0, 1 + np.searchsorted(edges, x, side="left")) for x in values]


def _categories(name: str, columns: Mapping[str, Given]) -> tuple[list[np.ndarray], list]:
    """Returns the codes of a column in each table, and what they stand for."""
    place, codes, kinds = {}, [], {}
    for table, column in columns.items():
        try:
            own, words = column.factorize()  # -1 where a cell is missing
        except TypeError as error:
            remedy = "Leave the column out, or make it text: column.astype(str)."
            raise InvalidInput(f"words or numbers in column {name!r} of {table}", str(error), remedy) from error
        codes.append(np.array([*(place.setdefault(word, len(place) + 1) for word in words), 0])[own])
        kinds[table] = {_kind(word) for word in words}
        expected, received = next(filter(None, kinds.values()), set()), kinds[table]
        if received and not received & expected:
            first = next(iter(kinds))
            expected = f"{listed(expected)} in column {name!r} of {table}, as in {first}"
            remedy = "Read both tables the same way, or make the column text in both: column.astype(str)."
            raise InvalidInput(expected, f"{listed(received)}, {_shown(words[0])} for example", remedy)
    return codes, list(place)


def _kind(word: Given) -> str:
    if isinstance(word, str):
        return "words"
    return "numbers" if isinstance(word, NUMBER) else f"values of type {type(word).__name__}"


def _shown(value: Given) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


def listed(names: Iterable[str]) -> str:
    """Returns names with commas, the first few of many."""
    names = list(names)
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
