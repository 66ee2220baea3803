"""What the page of a run on a table shows in place of pictures of examples: columns, pairs, and rows in words.

real and synthetic columns side by side        how alike, with numbers        the least likely rows and why
"""

import dataclasses
import functools
import os
from collections.abc import Iterator

import numpy as np
import pandas as pd

from tfvae import plotting
from tfvae.app.report_page.picture import Picture
from tfvae.core.types import Array
from tfvae.datasets import Data, Split
from tfvae.datasets.tables.numbers import Date
from tfvae.evaluation import Report, TableQuality, synthetic_quality
from tfvae.tables import TableModel, load

EXTREMES = 10  # rows
MOST_ROWS = 5000  # that are compared


@dataclasses.dataclass(frozen=True, eq=False)
class TablePart:
    """A model of a table, and held-out rows.

    Attributes:
        model: the model.
        rows: held-out rows as text, their numbers in the file as index.
        log_prob: log p of each, `[N]`, nats.
    """

    model: TableModel
    rows: pd.DataFrame
    log_prob: Array

    @functools.cached_property
    def quality(self) -> TableQuality:
        """How alike real and synthetic rows are."""
        return synthetic_quality(*self._compared, numeric=self._numbers)

    @property
    def pictures(self) -> Iterator[Picture]:
        """The columns, and their pairs."""
        yield Picture(
            "Columns",
            "Each column of the held-out rows, filled, and of as many rows that the model drew, as a line.",
            "Lines that follow the fillings; a title says the score, 1 where both are the same; the worst come first.",
            lambda: plotting.columns(*self._compared, numeric=self._numbers),
        )
        yield Picture(
            "Pairs of columns",
            "The score of each pair of columns, and on the diagonal of each column.",
            f"Dark cells are relations that the model has not learned. As many real rows would have pairs of"
            f" {1 - self.quality.pair_noise:.2f} on average.",
            lambda: plotting.pairs(self.quality),
        )

    @property
    def sections(self) -> Iterator[tuple[str, str, str]]:
        """Title, sentence and HTML of what stands there in words."""
        worst = np.argsort(np.nan_to_num(self.log_prob, nan=-np.inf))[:EXTREMES]
        rows = self.rows.iloc[worst]
        found = self.model.score(rows, false_positive_rate=0.5)
        shown = rows.assign(**{"log p": np.round(self.log_prob[worst], 1), "most surprising": found["why"]})
        yield (
            "Least likely rows",
            "These are what the model has not understood, or what does not belong to the data: typing errors, other"
            " units, rare kinds. The number is that of the row in the file, from 0; the last column says which cell is"
            " least expected, given the others.",
            shown.to_html(classes="facts", border=0, escape=True),
        )
        yield "Synthetic rows", "Held-out rows beside rows that the model drew.", self.quality._repr_html_()

    @functools.cached_property
    def _compared(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Held-out rows and rows of the model's own under the same conditions, typed."""
        schema, real = self.model.explained, self.rows.iloc[:MOST_ROWS]
        names = schema.names
        return tuple(  # type: ignore[return-value]
            schema.typed(frame[names].apply(schema.cells)) for frame in (real, self.model.alike(real))
        )

    @property
    def _numbers(self) -> list[str]:
        """Names of the columns of numbers and dates."""
        schema = self.model.explained
        return [name for name in schema.names if schema[name].numeric or isinstance(schema[name], Date)]


def table_part(folder: str | os.PathLike, split: Split, data: Data, report: Report) -> TablePart:
    """Returns the part of a run's page.

    Args:
        folder: of the run.
        split: the rows that the page is about.
        data: the table.
        report: of the split, with its scores of each row.
    """
    rows = data.schema.decode(np.where(split.mask, split.x, np.nan)).set_axis(split.index)
    model = load(folder)
    if data.told is not None:
        numbers = np.asarray(split.condition, np.float64).reshape(len(split))
        mean, spread = data.told.units or (0.0, 1.0)
        rows[data.told.name] = model.schema[data.told.name].words(mean + spread * numbers).to_numpy()
    return TablePart(model, rows, report.per_example["log_prob"])
