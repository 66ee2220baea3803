"""How a column writes its numbers: digits behind the point, the grid they stand on, and single values that are often.

number = origin + n step          an atom has 3% of the cells, 20 of them, and more than the values around it
"""

import numpy as np
import pandas as pd

OFTEN, FEWEST, MOST_ATOMS = 0.03, 20, 3  # an atom has this share of the cells, and this many
PLAIN, MOST_DECIMALS = 12, 40  # digits behind the point that are written out; and that are told apart


def decimals_of(cells: pd.Series) -> tuple[int, int]:
    """Returns the fewest and the most digits behind the point, which an exponent moves."""
    parts = cells.dropna().str.extract(r"(?:\.(\d*))?(?:[eE]([-+]?\d+))?$")
    digits = parts[0].fillna("").str.len() - pd.to_numeric(parts[1].fillna("0"))
    return tuple(int(number) for number in digits.clip(0, MOST_DECIMALS).agg(["min", "max"]))


def grid(numbers: np.ndarray, decimals: int, origin: float | None = None) -> tuple[float, float]:
    """Returns the resolution of numbers with so many decimals, and an origin, by default one that float32 likes."""
    low = float(numbers.min())
    ticks = np.abs(np.round((numbers - (low if origin is None else origin)) * 10.0**decimals))
    common = int(np.gcd.reduce(ticks.astype(np.int64))) if ticks.max() < 2**62 else 1
    step = max(common, 1) * 10.0**-decimals
    if origin is not None:
        return step, origin
    middle = float(np.median(numbers))
    far = abs(middle) > 1e5 * max(step, 1e-12) and abs(middle) > 10 * float(np.ptp(numbers))
    return step, low + step * round((middle - low) / step) if far else 0.0 if _on(low, step) else low


def _on(value: float, step: float) -> bool:
    return abs(value / step - round(value / step)) < 1e-3


def atoms_of(numbers: np.ndarray, step: float, origin: float = 0.0) -> tuple[float, ...]:
    """Returns the values that stand out: many cells have them, and far fewer the values beside them."""
    values, counts = np.unique(numbers, return_counts=True)
    if len(values) < FEWEST:
        return ()
    ticks = np.round((values - origin) / step)
    beside = np.max([np.isin(ticks + side, ticks) * counts[_at(ticks, ticks + side)] for side in (-1, 1)], axis=0)
    usual = max(float(np.median(counts)), 1.0)
    stands = (counts >= max(OFTEN * len(numbers), FEWEST)) & (counts >= 10 * usual) & (counts >= 3 * beside)
    chosen = values[stands][np.argsort(-counts[stands])][:MOST_ATOMS]
    return tuple(float(value) for value in chosen)


def _at(ordered: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns where values stand in an ordered array, or whatever place there is."""
    return np.clip(np.searchsorted(ordered, wanted), 0, len(ordered) - 1)


def written(number: float, fewest: int, most: int) -> str:
    """Returns a number with so many digits behind the point; where they may be very many, with 12 in all."""
    text = f"{number:.{most}f}" if most <= PLAIN else f"{number:.{PLAIN}g}"
    if most > fewest and most <= PLAIN:
        whole, _, digits = text.partition(".")
        kept = digits.rstrip("0").ljust(fewest, "0")
        text = f"{whole}.{kept}" if kept else whole
    return "0" + text[2:] if text.startswith("-0") and not float(text) else text
