"""Which kind a column of a table is, by rules that it states.

missing cells alone, one value, or no value twice among words      left out
whole numbers that count the rows up                                left out
two values                                                          yes/no
dates or times of one layout                                        date
whole numbers 1 ... K, K of at most 20, none of them missing        ordered
whole numbers from 0, of a mean below 10, a spread below 30         count
other numbers                                                       positive if above zero and skewed, else real
words, codes such as 007                                            category; left out where there are too many

Numbers or dates with a few cells among them that are none would be words, all of them: they are refused.
"""

import numpy as np
import pandas as pd

from tfvae.datasets.tables.categories import Category, Ordered, YesNo
from tfvae.datasets.tables.column import Column, LeftOut, refuse
from tfvae.datasets.tables.numbers import LAYOUTS, SMALLEST, Count, Date, Positive, Real, are_dates, date_layout

KINDS: dict[str, type[Column]] = {
    kind.kind: kind for kind in (Real, Positive, Date, Count, YesNo, Category, Ordered, LeftOut)
}
MOST_LEVELS, LARGEST_MEAN, SKEWED = 20, 10.0, 1.0
MOST_WORDS, SHARE_OF_WORDS = 500, 0.3  # of categories; and how many of the rows they may be
AT_ENDS = 20  # times the distance of two, that a sample of what counts the rows may lack at its ends
FEWEST_ROWS = 20  # of which different words say that they are names; different numbers, that the others are typos
FEW_WORDS, FEW_CELLS = 2, 0.05  # among numbers or dates that are typos: so many different ones, or that share of cells
CORRECT = 'Correct them, or say in --schema FILE: {"missing": ["", ...]}, or another "kind" of the column.'


def guess(cells: pd.Series, rows: int | None = None) -> tuple[type[Column], str]:
    """Returns the kind of a column and the reason.

    Args:
        cells: `[N]` text without blanks around, `None` where missing.
        rows: of the table, where the cells are a sample of it.
    """
    found = cells.dropna()
    different = found.nunique()
    if different < 2:
        return LeftOut, "the same in every row" if different else "missing in every row"
    if different == 2:
        return YesNo, ""
    numbers = pd.to_numeric(found, errors="coerce").to_numpy(np.float64)
    if np.isfinite(numbers).all() and not _codes(found):
        return _of_numbers(numbers, found, rows or len(found))
    if date_layout(found) is not None:
        return Date, ""
    shown = f"{different} different words in {len(found)} cells"
    if different == len(found) and different >= FEWEST_ROWS:
        return LeftOut, f"another word in every row: an identifier or free text ({shown})"
    if different > MOST_WORDS or (different > SHARE_OF_WORDS * len(found) and different >= FEWEST_ROWS):
        return LeftOut, f"{shown}: free text, or too many to learn from"
    return Category, ""


def check_typos(name: str, cells: pd.Series) -> None:
    """Refuses a column of words that are numbers or dates but for a few, or but for how they are written.

    Args:
        name: of the column.
        cells: `[N]` text without blanks around, `None` where missing.

    Raises:
        InvalidInput: naming the cells.
    """
    found = cells.dropna()
    words = found.drop_duplicates()
    numbers = _are_numbers(words)
    if numbers.all() or len(words) < FEWEST_ROWS:
        return
    if _are_numbers(words.str.replace(",", "")).all():
        odd, expected = found.str.contains(",").to_numpy(), "numbers as 1234.5, without commas,"
    elif _nearly(numbers, words, found):
        odd, expected = found.isin(words[~numbers]).to_numpy(), "numbers"
    else:
        first = words.iloc[:100]
        dates = {layout: are_dates(words, layout) for layout in LAYOUTS if are_dates(first, layout).any()}
        layout = max(dates, key=lambda layout: dates[layout].sum(), default=None)
        if layout is None or dates[layout].all():
            return
        whole = np.any(list(dates.values()), axis=0).all()
        if not whole and not _nearly(dates[layout], words, found):
            return
        odd, expected = found.isin(words[~dates[layout]]).to_numpy(), f"dates or times as {layout}"
    refuse(name, found, odd, expected, CORRECT)


def _nearly(good: np.ndarray, words: pd.Series, cells: pd.Series) -> bool:
    """Says whether words are good but for a few."""
    few = np.sum(~good) <= FEW_WORDS or cells.isin(words[~good]).mean() <= FEW_CELLS
    return bool(few and good.sum() >= FEWEST_ROWS)


def _are_numbers(words: pd.Series) -> np.ndarray:
    return np.isfinite(pd.to_numeric(words, errors="coerce").to_numpy(np.float64))


def _codes(cells: pd.Series) -> bool:
    """Says whether cells are digits alone, of which the first may be 0."""
    return bool(cells.str.match(r"0\d").any() and cells.str.fullmatch(r"\d+").all())


def _of_numbers(numbers: np.ndarray, cells: pd.Series, rows: int) -> tuple[type[Column], str]:
    whole = bool((numbers == np.round(numbers)).all())
    low, high, different = numbers.min(), numbers.max(), cells.nunique()
    least = rows if rows == len(numbers) else rows * (1 - AT_ENDS / len(numbers))
    if whole and len(numbers) >= FEWEST_ROWS and different == len(numbers) and least <= high - low + 1 <= rows:
        return LeftOut, "whole numbers that count the rows"
    if whole and low == 1 and different == high and high <= MOST_LEVELS:
        return Ordered, f"whole numbers 1 to {high:g}"
    if whole and low == 0 and numbers.mean() < LARGEST_MEAN and numbers.std() < 3 * LARGEST_MEAN:
        return Count, "whole numbers from 0"
    if low >= SMALLEST and _skewness(numbers) > SKEWED and abs(_skewness(np.log(numbers))) < _skewness(numbers):
        return Positive, "above 0 and skewed"
    return Real, ""


def _skewness(numbers: np.ndarray) -> float:
    away = numbers - numbers.mean()
    return float(np.mean(away**3) / max(np.mean(away**2) ** 1.5, 1e-300))
