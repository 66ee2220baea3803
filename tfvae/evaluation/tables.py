"""How good the rows of a synthetic table are: columns, pairs of columns, usefulness, and whether they are copies.

score of a column, a pair = 1 - distance of real and synthetic rows      (table_scores), from 0 to 1
trained on synthetic, tested on real rows                                (table_rows), beside trained on real rows
closest-record ratio = distance to the training rows by that of held-out rows     (table_rows), near 1; 0 of copies

Missing cells are a category of their own; in numbers they are left out, and their share stands beside the score.
"""

import dataclasses
import html
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import Config
from tfvae.evaluation.plain import plain, read
from tfvae.evaluation.table_cells import cells
from tfvae.evaluation.table_rows import Bootstrapped, ClosestRecord, Usefulness, closest_record, usefulness
from tfvae.evaluation.table_scores import ColumnScore, PairScore, column_scores, halves, mean, pair_scores
from tfvae.evaluation.words import as_html, as_text, count, number, percent, with_error

if TYPE_CHECKING:
    from pandas import DataFrame

Name, Entry = TypeVar("Name", str, tuple[str, str]), TypeVar("Entry", ColumnScore, PairScore)

WRITTEN_COLUMNS, WRITTEN_PAIRS = 20, 10  # at most, those of the lowest scores
LOWEST_RATIO = 0.9  # of a generator that does not repeat its training rows
NEAR = (
    "Synthetic rows lie nearer to the training rows than held-out rows do (ratio {ratio:.2f}): the generator repeats"
    " what it was trained on. Train it shorter, smaller or with more regularisation."
)
AMONG = (
    "At least half of the held-out rows stand among the training rows, so that distances to these say nothing: pass as"
    " real rows that the generator was not trained on, or compare more columns."
)


@dataclasses.dataclass(frozen=True)
class TableQuality:
    """How good synthetic rows are; prints as a table, the worst columns first.

    Attributes:
        real_rows: number of held-out rows.
        synthetic_rows: number of synthetic rows.
        columns: name to the score of the column.
        pairs: names of two columns, in their order, to the score of the pair.
        usefulness: what is learned from synthetic rows; `None` where no target was named.
        closest: how near the rows are to the training rows; `None` where these were not given.
    """

    real_rows: int
    synthetic_rows: int
    columns: dict[str, ColumnScore]
    pairs: dict[tuple[str, str], PairScore]
    usefulness: Usefulness | None = None
    closest: ClosestRecord | None = None

    @property
    def column_score(self) -> float:
        """Mean score of the columns, from 0 to 1."""
        return mean(one.score for one in self.columns.values())

    @property
    def pair_score(self) -> float:
        """Mean score of the pairs whose score is known; NaN of a single column."""
        return mean(one.score for one in self.pairs.values())

    @property
    def column_noise(self) -> float:
        """Mean distance of columns that as many real rows have by chance."""
        return mean(one.noise for one in self.columns.values())

    @property
    def pair_noise(self) -> float:
        """Mean distance of pairs that as many real rows have by chance."""
        return mean(one.noise for one in self.pairs.values())

    @property
    def closest_record_ratio(self) -> float:
        """Median distance of synthetic rows to the training rows, by that of held-out rows; NaN where unknown."""
        return math.nan if self.closest is None else self.closest.ratio.value

    @property
    def warnings(self) -> list[str]:
        """Sentences on what not to believe, and what to do."""
        if self.closest is None:
            return []
        if self.closest.held_out == 0:
            return [AMONG]
        ratio = self.closest_record_ratio
        return [NEAR.format(ratio=ratio)] if ratio < LOWEST_RATIO else []

    def __str__(self) -> str:
        """Returns the table and the warnings."""
        return "\n".join([as_text(self._title(), self._rows()), *(f"WARNING: {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        """Returns the same as HTML, which notebooks show."""
        warnings = "".join(f"<p><b>Warning:</b> {html.escape(text)}</p>" for text in self.warnings)
        return as_html(self._title(), self._rows()) + warnings

    def _title(self) -> str:
        rows = f"{count(self.synthetic_rows, 'synthetic row')} beside {count(self.real_rows, 'real row')}"
        return f"{rows}; scores from 0 to 1, and what as many real rows would score"

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        yield "mean of columns", number(self.column_score, 3), _beside(self.column_noise)
        for name, one in _worst(self.columns, WRITTEN_COLUMNS):
            shares = f"; missing {one.missing[1]:.1%}, of real rows {one.missing[0]:.1%}" if any(one.missing) else ""
            yield f"  {name}", number(one.score, 3), _beside(one.noise) + shares
        yield from _more(self.columns, WRITTEN_COLUMNS, "column")
        if self.pairs:
            yield "mean of pairs", number(self.pair_score, 3), _beside(self.pair_noise)
        for pair, one in _worst(self.pairs, WRITTEN_PAIRS):
            yield f"  {', '.join(pair)}", number(one.score, 3), _beside(one.noise)
        yield from _more(self.pairs, WRITTEN_PAIRS, "pair")
        if self.usefulness is not None:
            target, measure, synthetic, real = self.usefulness
            beside = "" if real is None else f"; trained on real rows {with_error(real)}"
            yield f"{target}, predicted", with_error(synthetic), f"{measure} on real rows{beside}"
        if self.closest is not None:
            ratio, near, held_out, copies, held_out_copies = self.closest
            medians = f"median distance to the closest training row {near:.4f}, of held-out rows {held_out:.4f}"
            yield "closest-record ratio", with_error(ratio), medians
            yield "exact copies", percent(copies), f"of training rows; of held-out rows {percent(held_out_copies)}"

    def to_dict(self) -> Config:
        """Returns plain numbers, lists and dictionaries; what is not finite is written as a string, "nan" or "inf"."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        pairs = [{"columns": pair, **one._asdict()} for pair, one in self.pairs.items()]
        means = {name: getattr(self, name) for name in ("column_score", "column_noise", "pair_score", "pair_noise")}
        return plain({**values, "pairs": pairs, **means})

    @classmethod
    def from_dict(cls, values: Config) -> "TableQuality":
        """Returns what `to_dict` described.

        Raises:
            InvalidInput: if a field is missing or unknown.
        """
        try:
            useful, closest = values["usefulness"], values["closest"]
            return cls(
                int(values["real_rows"]),
                int(values["synthetic_rows"]),
                {name: _column(one) for name, one in values["columns"].items()},
                {tuple(one["columns"]): _pair(one) for one in values["pairs"]},
                None if useful is None else Usefulness(**{**useful, **_measured(useful, "synthetic", "real")}),
                None if closest is None else ClosestRecord(**{**read(closest), **_measured(closest, "ratio")}),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            remedy = "Compare the tables again with this version of tfvae."
            raise InvalidInput("the fields of a table's quality", f"others ({error})", remedy) from error


def synthetic_quality(
    real: "DataFrame",
    synthetic: "DataFrame",
    train: "DataFrame | None" = None,
    *,
    numeric: Sequence[str],
    target: str | None = None,
    seed: int | None = 0,
    max_rows: int = 10_000,
) -> TableQuality:
    """Says how good the rows of a synthetic table are, column by column, pair by pair, and as rows to learn from.

        column          1 - Kolmogorov-Smirnov distance of numbers, 1 - total variation of categories
        pair            1 - |r - s| / 2 of the correlations of numbers; else 1 - total variation of contingency tables
        usefulness      R2, F1 of the rarer of two categories, or macro F1, on real rows, of boosted trees
        closest record  median distance to the closest training row, of synthetic by that of held-out rows

    These are SDMetrics' KSComplement, TVComplement, CorrelationSimilarity and ContingencySimilarity, "column shapes"
    and "column pair trends" being the means, with these differences. A missing category is a category here; it is left
    out of TVComplement. Beside a category a number falls into ten bins at the deciles of the real rows, and a missing
    one into its own; the quality report of SDMetrics cuts each table by equal steps of its own range. A column that
    never varies has correlation 0, and a number without a value in one table scores 0; SDMetrics leaves both out.
    Every pair counts; the report of SDMetrics 0.32 leaves out those of a real correlation up to 0.5, or of a real
    association up to 0.3. Its distance to the closest record scales numbers by their range, and ours by the share of
    training rows that lie between two of them.

    Args:
        real: real rows that the generator was not trained on, a pandas DataFrame.
        synthetic: rows of the generator, with the same columns in any order.
        train: the rows that it was trained on.
        numeric: the columns that are numbers or datetimes, which count as days. Every other column is a category.
        target: a column that trees predict from the others; rows where it is missing are left out.
        seed: of the splits for the noise, of the trees and of the rows that are drawn.
        max_rows: of the synthetic and of the real rows at most so many, at random, are compared with each training row,
            in blocks of 1 MB; it takes seconds for 10,000 rows beside 25,000 of 15 columns.

    Returns:
        Scores with the distance that chance alone gives, and values with standard errors by the bootstrap.

    Raises:
        InvalidInput: if a table is not a DataFrame or has fewer than 2 rows, columns differ, a column is of another
            type than in `real` or than `numeric` says, or the target cannot be predicted: one value, or unknown.

    Reference:
        Patki, Wedge and Veeramachaneni 2016, "The Synthetic Data Vault"; Xu et al. 2019, "Modeling Tabular Data using
        Conditional GAN"; Gower 1971, "A General Coefficient of Similarity and Some of Its Properties".

    Example:
        >>> print(synthetic_quality(real, synthetic, train, numeric=["age", "fare"], target="survived"))
    """
    max_rows = positive_integer("max_rows", max_rows)
    tables = {"real": real, "synthetic": synthetic, **({} if train is None else {"train": train})}
    of_real, of_synthetic, *of_train = cells(tables, numeric)
    split, drawn, near = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(3))
    splits, trained = halves(len(of_real), split), of_train[0] if of_train else None
    return TableQuality(
        len(of_real),
        len(of_synthetic),
        column_scores(of_real, of_synthetic, splits),
        pair_scores(of_real, of_synthetic, splits),
        None if target is None else usefulness(str(target), of_real, of_synthetic, trained, seed, drawn),
        None if trained is None else closest_record(of_real, of_synthetic, trained, max_rows, near),
    )


def _worst(scores: Mapping[Name, Entry], most: int) -> list[tuple[Name, Entry]]:
    """Returns the entries of the lowest scores, the lowest first; those that are unknown come last."""
    return sorted(scores.items(), key=lambda item: (math.isnan(item[1].score), item[1].score))[:most]


def _more(scores: Mapping[Name, Entry], most: int, noun: str) -> Iterator[tuple[str, str, str]]:
    if len(scores) > most:
        yield f"  {count(len(scores) - most, f'more {noun}')}", "", "with higher scores"


def _beside(noise: float) -> str:
    return f"real {number(1 - noise, 3)}"


def _column(values: Config) -> ColumnScore:
    found = read(values)
    return ColumnScore(**{**found, "missing": tuple(found["missing"])})


def _pair(values: Config) -> PairScore:
    return PairScore(**read({name: value for name, value in values.items() if name != "columns"}))


def _measured(values: Config, *names: str) -> dict[str, Bootstrapped | None]:
    return {name: None if values[name] is None else Bootstrapped(**read(values[name])) for name in names}
