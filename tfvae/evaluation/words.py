"""Numbers and tables of the evaluation as a person reads them, in text and in notebooks.

row = label, value, note            what is not known is said to be unknown
"""

import html
import math
from collections.abc import Iterable


def number(value: float, digits: int) -> str:
    """Returns a number with so many digits behind the point."""
    return "unknown" if math.isnan(value) else f"{value:.{digits}f}"


def with_error(estimate: tuple[float, float]) -> str:
    """Returns a mean, or another value, with its standard error."""
    value, error = estimate
    return f"{number(value, 3)} +- {'?' if math.isnan(error) else number(error, 3)}"


def percent(share: float) -> str:
    """Returns a share."""
    return "an unknown share" if math.isnan(share) else f"{share:.1%}"


def count(number: int, noun: str) -> str:
    """Returns how many there are."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_text(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """Returns a table as lines, the values in one column."""
    rows = list(rows)
    width = max(len(label) for label, *_ in rows)
    lines = [f"{label:{width}s}  {value:>18s}  {note}".rstrip() for label, value, note in rows]
    return "\n".join([title, *lines])


def as_html(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """Returns the same as HTML."""
    lines = "".join(
        f"<tr><td>{html.escape(label.replace('  ', chr(160) * 4))}</td><td style='text-align:right'>"
        f"{html.escape(value)}</td><td style='text-align:left'>{html.escape(note)}</td></tr>"
        for label, value, note in rows
    )
    return f"<table><caption>{html.escape(title)}</caption>{lines}</table>"
