"""What a check found: one result for each law, and a page that a person reads.

    holds       samples follow the density          largest of 14 differences: 1.7 standard errors
    BROKEN      the density integrates to one       1.65 +- 0.01
    not tried   the mean is that of the samples     declared has_mean = False

A law is a function of a subject that returns what it found, or raises `Broken` or `NotTried` with it.
"""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

Law: TypeAlias = Callable[[Any], str]


class Broken(Exception):
    """A law does not hold; the message says what was found."""


class NotTried(Exception):
    """A law does not apply; the message says why."""


class Result(NamedTuple):
    """One law and what was found.

    Attributes:
        law: the sentence that should be true.
        holds: whether it is, or `None` where it was not tried.
        found: what was measured, raised or declared.
    """

    law: str
    holds: bool | None
    found: str

    def __str__(self) -> str:
        """Returns the line of the report."""
        word = {True: "holds", False: "BROKEN", None: "not tried"}[self.holds]
        return f"  {word:<10}  {self.law:<52}  {self.found}".rstrip()


class Report:
    """The results of all laws of one part; true if none of them is broken.

    Args:
        part: the part's name and kind, for example `"Laplace, a prior"`.
        results: one for each law.
    """

    def __init__(self, part: str, results: Iterable[Result]) -> None:
        self.part, self.results = part, tuple(results)

    @property
    def broken(self) -> list[str]:
        """The laws that do not hold."""
        return [result.law for result in self.results if result.holds is False]

    def __bool__(self) -> bool:
        """Returns whether no law is broken."""
        return not self.broken

    def __repr__(self) -> str:
        """Returns the page: a headline, and a line for each law."""
        kinds = [result.holds for result in self.results]
        counts = f"{kinds.count(True)} laws hold, {kinds.count(False)} broken, {kinds.count(None)} not tried"
        return "\n".join([f"{self.part}: {counts}", *map(str, self.results)])


def tried(sentence: str, law: Law, subject: Any) -> Result:
    """Returns the result of one law; an exception of the part is a broken law."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the report says it
            return Result(sentence, True, law(subject))
    except Exception as error:  # whatever code of a user raises
        return of_error(sentence, error)


def of_error(sentence: str, error: Exception) -> Result:
    """Returns the result of a law that raised."""
    if isinstance(error, NotTried | Broken):
        return Result(sentence, None if isinstance(error, NotTried) else False, str(error))
    return Result(sentence, False, f"{type(error).__name__}: {first_line(error)}")


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, cut where it is long."""
    lines = str(error).strip().splitlines() or [""]
    return lines[0][:200]
