"""A picture of the page: its title, what it shows, what to look for, and who draws it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Picture(NamedTuple):
    """One picture.

    Attributes:
        title: its heading.
        shows: what is in it, for readers who cannot see it.
        look_for: one sentence, the caption.
        draw: makes the figure; raises `InvalidInput` where the model has no such picture.
    """

    title: str
    shows: str
    look_for: str
    draw: Callable[[], "Figure"]
