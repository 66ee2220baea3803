"""A trained model of a table, which answers in the table's own terms.

    score      log p(row), its p-value among held-out rows, and what each column adds
    impute     the missing cells, in words and units of their columns
    encode     E[z | row]
    sample     new rows

p-value = (1 + number of held-out rows that score no higher) / (1 + number of held-out rows): a row of the same kind has
one of at most a with probability a. (Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World".)
"""

import dataclasses
import logging
import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tfvae.conditions import Labels
from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import Array, Given
from tfvae.datasets.tables import Family, Schema, blocks
from tfvae.datasets.tables.categories import MIDNIGHT
from tfvae.datasets.tables.column import LeftOut
from tfvae.datasets.told import Told
from tfvae.evaluation.codes import by_name
from tfvae.evaluation.latents import posterior_means
from tfvae.tables.filling import mixed
from tfvae.vae import VAE

logger = logging.getLogger("tfvae")

AT_ONCE = 10_000  # rows drawn in one call
USUAL = 400  # rows of the model's own that say what is usual of a column
OF_WORDS = (Family.YES_NO, Family.CATEGORY)
ROUNDED, LOST = 1e6, 1e-5  # nats of a row whose differences, below that share of them, are float32's rounding
ENOUGH = 20  # rows, of which a column that none has says something
FEWER = 4  # as many times fewer samples for what columns add, since it is a difference for the same draws


@dataclasses.dataclass(frozen=True, eq=False)
class TableModel:
    """A VAE and the schema of its table.

    Attributes:
        vae: the trained model of x.
        schema: of the whole table, the condition's column included.
        held_out: log p of rows that the model was not trained on, `[M]`; none where there are none.
        condition: name of the column that the model is told, or `None`.
        units: mean and spread in which a condition of numbers is told.
        num_samples: importance samples for each row.
        seed: of these.
        warned: columns that a warning was given of, since most of their numbers are far from what was seen, of gaps,
            and of another value in a constant column; "" for one of flags.
        kept: what is computed once, whatever the seed.

    Example:
        >>> model = tfvae.tables.load("runs/penguins")
        >>> model.score(frame).sort_values("log_prob").head()
        >>> filled, more = model.impute(frame), model.sample(1000, seed=0)
    """

    vae: VAE
    schema: Schema
    held_out: Array = dataclasses.field(default_factory=lambda: np.empty(0))
    condition: str | None = None
    units: tuple[float, float] | None = None
    num_samples: int = 200
    seed: int = 0
    warned: set[str] = dataclasses.field(default_factory=set, repr=False)
    kept: dict[str, np.ndarray] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def explained(self) -> Schema:
        """The schema of what stands in x."""
        return self.schema if self.condition is None else self.schema.without(self.condition)

    def known(self, frame: Any) -> Given:
        """Returns rows of a table as the model is given them: x, mask, and the condition if there is one.

        A column most of whose numbers are far from what was seen, such as cents for dollars, is warned of, once.

        Args:
            frame: of pandas or polars.

        Raises:
            InvalidInput: for a missing column, or a cell that its column cannot have.
        """
        return self._known(_text(frame))

    def log_prob(self, frame: Any) -> np.ndarray:
        """Returns log p of the observed cells of each row, `[N]`: a density of numbers, a mass of words and counts."""
        return self.vae.log_prob(self.known(frame), num_samples=self.num_samples, seed=self.seed).numpy()

    def score(self, frame: Any, false_positive_rate: float = 0.01, contributions: bool = True) -> pd.DataFrame:
        """Returns how probable each row is, and which columns make it so.

        `log_prob` in nats and its `standard_error`; `p_value` among held-out rows; `flag` where it is at most the rate;
        for each column c `surprise`: -log p(cell | other cells), less what it is on average in rows of the model's own,
        NaN where the cell is missing, or where another one is so far out that nothing can be said of it; `why`, of rows
        with a flag, the column of the largest.

        Args:
            frame: rows.
            false_positive_rate: share of ordinary rows that are flagged.
            contributions: whether to say what each column adds, which takes a pass for each.

        Raises:
            InvalidInput: as for `known`, or if the rate is not between 0 and 1.
        """
        if not (isinstance(false_positive_rate, numbers.Real) and 0 < false_positive_rate < 1):
            received = f"false_positive_rate={false_positive_rate!r}"
            raise InvalidInput("false_positive_rate between 0 and 1", received, "Pass for example 0.01.")
        least = 1 / (1 + len(self.held_out))
        if least > false_positive_rate and "" not in self.warned:
            said = "tfvae: no row gets a flag at %g: among %d held-out rows the smallest p-value is %.3g"
            logger.warning(said, false_positive_rate, len(self.held_out), least)
            self.warned.add("")
        text = _text(frame)
        known = self._known(text)
        self._warn_of_gaps(np.asarray(known["mask"]))
        estimate = self.vae.estimate_log_prob(known, num_samples=self.num_samples, seed=self.seed)
        found = pd.DataFrame(
            {"log_prob": estimate.log_prob.numpy(), "standard_error": estimate.standard_error.numpy()}, index=text.index
        )
        found["p_value"] = self.p_values(found["log_prob"].to_numpy())
        found["flag"] = found["p_value"] <= false_positive_rate
        if contributions:
            names, observed = self.explained.names, np.asarray(known["mask"])
            there = np.stack([observed[:, self.explained.places(name)].any(axis=1) for name in names], axis=1)
            surprises = np.where(there, self._surprises(known) - self._usual, np.nan)
            columns = pd.DataFrame(surprises, found.index, [f"surprise_{name}" for name in names])
            found = pd.concat([found, columns], axis=1)
            top = np.argmax(np.nan_to_num(surprises, nan=-np.inf), axis=1)
            why = np.where(found["flag"], np.array(names, dtype=object)[top], "")
            found = pd.concat([found, pd.Series(why, found.index, name="why")], axis=1)
        return found

    def p_values(self, log_prob: np.ndarray) -> np.ndarray:
        """Returns the p-value of each score among held-out rows, `[N]`; NaN without any."""
        if not len(self.held_out):
            return np.full(len(log_prob), np.nan)
        return (1 + np.searchsorted(np.sort(self.held_out), log_prob, side="right")) / (1 + len(self.held_out))

    def threshold(self, false_positive_rate: float) -> float:
        """Returns the score below which a row's p-value is at most the rate; -inf where held-out rows are too few."""
        count = len(self.held_out)
        rank = int(np.sum(np.arange(1, count + 1) / (1 + count) <= false_positive_rate))
        return float(np.sort(self.held_out)[rank - 1]) if rank else -math.inf

    def impute(self, frame: Any) -> pd.DataFrame:
        """Returns the rows with their missing cells filled: numbers by their mean, words by the most probable one.

        In a column with atoms a gap is filled by the most probable of them, or by the mean of the other numbers.
        Observed cells, columns that the model does not know, order and index stay as they are.
        """
        text = _text(frame)
        return self._filled(frame, text, self._imputed(text).mean.numpy())

    def imputed_draws(self, frame: Any, draws: int, seed: int = 0) -> list[pd.DataFrame]:
        """Returns the rows with their missing cells drawn given the others, that many times."""
        text = _text(frame)
        found = self._imputed(text).sample(positive_integer("draws", draws), seed=seed).numpy()
        return [self._filled(frame, text, x) for x in found]

    def imputed_stddev(self, frame: Any) -> pd.DataFrame:
        """Returns the standard deviation of each missing number given what was observed; NaN elsewhere.

        That of dates is in seconds, that of a column with atoms is of the number that is none.
        """
        text = _text(frame)
        spread, schema = self._imputed(text).stddev.numpy(), self.explained
        found = pd.DataFrame(index=text.index)
        for name in schema.names:
            place = schema.places(name)[-1]
            missing = schema.cells(text[name]).isna().to_numpy() & (schema.slots[place].family not in OF_WORDS)
            found[name] = np.where(missing, spread[:, place], np.nan)
        return found

    def encode(self, frame: Any) -> pd.DataFrame:
        """Returns E[z | row], columns `z0` to `z{D-1}`; of several latents `z1_0`, ..., of classes `z0_0`, ...."""
        text, latents = _text(frame), self.vae.latents
        means = by_name(self.vae, posterior_means(self.vae, self._known(text), self.seed), latents.names)
        columns = {}
        for name, mean in means.items():
            start = name if latents.bare else f"{name}_"
            columns |= {start + "_".join(map(str, at)): mean[:, *at] for at in np.ndindex(mean.shape[1:])}
        return pd.DataFrame(columns, index=text.index)

    def sample(self, count: int, seed: int = 0, condition: str | float | None = None) -> pd.DataFrame:
        """Returns new rows, as text in the table's words and number format; `Schema.typed` makes numbers of it.

        Args:
            count: how many.
            seed: of the draws.
            condition: value of the condition's column, of a model that has one.

        Raises:
            InvalidInput: if `count` is not a whole number of at least 1, or the condition is missing or unknown.
        """
        count = positive_integer("count", count)
        if self.condition is None:
            if condition is not None:
                raise InvalidInput("no condition: this model has none", f"{condition!r}", "Leave it out.")
            return self._drawn(count, seed)
        return self._drawn(count, seed, np.full(count, self._number(condition)))

    def alike(self, frame: Any) -> pd.DataFrame:
        """Returns as many new rows, as text; of a model that is told a column, each under the value of one of these."""
        text = _text(frame)
        if self.condition is None:
            return self._drawn(len(text), self.seed)
        return self._drawn(
            len(text), self.seed, self.schema[self.condition].numbers(self.schema.cells(text[self.condition]))
        )

    # What the answers are made of.

    def _known(self, text: pd.DataFrame) -> Given:
        numbers = self.explained.numbers(text)
        self._warn_of_changes(text)
        if self.condition is not None:
            cells = self.schema.cells(text[self.condition]) if self.condition in text else pd.Series([None] * len(text))
            told = numbers[self.condition] = self.schema[self.condition].numbers(cells)
            if np.isnan(told).any():
                received = f"none in row {text.index[int(np.argmax(np.isnan(told)))]}"
                raise InvalidInput(f"a value of {self.condition}, which the model is told", received, "Fill it in.")
        for name, what in self.schema.far(numbers).items():
            if name not in self.warned:
                logger.warning("tfvae: column %s is far from what the model has seen: %s. Other units?", name, what)
                self.warned.add(name)
        return self._given(numbers)

    def _given(self, numbers: Mapping[str, np.ndarray]) -> Given:
        """Returns x, mask and condition from the numbers of the columns."""
        x, mask = self.explained.encoded(numbers)
        if self.condition is None:
            return {"x": x, "mask": mask}
        return {"x": x, "mask": mask, "condition": {self._told_as: self._as_told(numbers[self.condition])}}

    def _warn_of_changes(self, text: pd.DataFrame) -> None:
        """Warns, once, of a column that was one and the same value in all rows and is not any more."""
        for column in self.schema.columns:
            if isinstance(column, LeftOut) and column.value and column.name in text:
                cells = self.schema.cells(text[column.name]).str.removesuffix(MIDNIGHT)
                other = cells[cells.notna() & (cells != column.value.removesuffix(MIDNIGHT))]
                other = other[~(pd.to_numeric(other, errors="coerce") == pd.to_numeric(column.value, errors="coerce"))]
                if len(other) and f"changed {column.name}" not in self.warned:
                    said = "was %r in every row that the model has seen and is left out: it does not see %r in row %s"
                    logger.warning(f"tfvae: column %s {said}", column.name, column.value, other.iloc[0], other.index[0])
                    self.warned.add(f"changed {column.name}")

    def _warn_of_gaps(self, mask: np.ndarray) -> None:
        """Warns, once, of a column that no row has: held-out rows have it, and log p of fewer cells is another one."""
        for name in self.explained.names if len(mask) >= ENOUGH else ():
            if not mask[:, self.explained.places(name)].any() and f"gaps {name}" not in self.warned:
                said = "is missing in every row: p-values and flags compare with held-out rows that have it"
                logger.warning("tfvae: column %s %s", name, said)
                self.warned.add(f"gaps {name}")

    @property
    def _told_as(self) -> str:
        return next(iter(self.vae.conditions))

    def _as_told(self, numbers: np.ndarray) -> np.ndarray:
        part = self.vae.conditions[self._told_as]
        units = None if isinstance(part, Labels) else self.units or (0.0, 1.0)
        return Told(self.condition or "", part, units=units).values(numbers)

    def _number(self, value: str | float | None) -> float:
        column = self.schema[self.condition or ""]
        found = column.numbers(self.schema.cells(pd.Series([None if value is None else str(value)], dtype=object)))
        if np.isnan(found[0]):
            raise InvalidInput(f"a value of {self.condition}, which the model is told", f"{value!r}", f"{column}.")
        return float(found[0])

    def _imputed(self, text: pd.DataFrame) -> Any:
        return self.vae.impute(self._known(text), num_samples=self.num_samples, seed=self.seed)

    def _filled(self, frame: Any, text: pd.DataFrame, x: np.ndarray) -> pd.DataFrame:
        """Returns a frame with its missing cells from x: in columns of numbers as numbers, else as text."""
        schema = self.explained
        words = schema.decode(x).set_index(text.index)
        found = frame.copy() if isinstance(frame, pd.DataFrame) else text.copy()
        for own in found.columns:
            name = str(own)
            missing = schema.cells(text[name]).isna().to_numpy() if name in schema.names else np.zeros(0, bool)
            if missing.any():
                found[own] = mixed(found[own], missing, words[name], schema[name])
        return found

    def _surprises(self, known: Mapping[str, Array]) -> np.ndarray:
        """Returns -log p(cell | other cells), `[N, columns]`; zero where a cell is missing, NaN beside one far out."""
        samples = max(self.num_samples // FEWER, 10)
        whole = self.vae.log_prob(known, num_samples=samples, seed=self.seed).numpy()
        found = []
        for name in self.explained.names:
            mask = np.array(known["mask"])
            mask[:, self.explained.places(name)] = False
            rest = self.vae.log_prob({**known, "mask": mask}, num_samples=samples, seed=self.seed).numpy()
            lost = (np.abs(rest) > ROUNDED) & (np.abs(rest - whole) < LOST * np.abs(whole))
            found.append(np.where(lost, np.nan, rest - whole))
        return np.stack(found, axis=1)

    @property
    def _usual(self) -> np.ndarray:
        """What columns of the model's own rows say on average, `[columns]`, with one seed for all blocks of a file."""
        if "usual" not in self.kept:
            self.kept["usual"] = dataclasses.replace(self, seed=0)._said_by_own_rows()
        return self.kept["usual"]

    def _said_by_own_rows(self) -> np.ndarray:
        """Returns what their columns say on average, `[columns]`; under a condition, under several of it."""
        numbers = None
        if self.condition is not None:
            several = np.linspace(-1.0, 1.0, USUAL)
            part, (mean, spread) = self.vae.conditions[self._told_as], self.units or (0.0, 1.0)
            labels = isinstance(part, Labels)
            numbers = np.arange(USUAL) % part.num_categories if labels else mean + spread * several
        drawn = self._drawn(USUAL, self.seed, numbers)
        told = {} if numbers is None else {self.condition or "": numbers}
        return np.nanmean(self._surprises(self._given({**self.explained.numbers(drawn), **told})), axis=0)

    def _drawn(self, count: int, seed: int, numbers: np.ndarray | None = None) -> pd.DataFrame:
        """Returns rows of the model's own as text, each under its number of the condition."""
        pieces = []
        for i, at in enumerate(range(0, count, AT_ONCE)):
            own, rows = seeds.fold(seeds.as_seed(seed), i), slice(at, min(at + AT_ONCE, count))
            if numbers is None:
                pieces.append(self.vae.sample(rows.stop - at, seed=own).numpy())
            else:
                told = {self._told_as: self._as_told(numbers[rows])}
                pieces.append(self.vae.sample(1, seed=own, condition=told).numpy()[0])
        table = self.explained.decode(np.concatenate(pieces))
        if numbers is not None and self.condition is not None:
            table[self.condition] = self.schema[self.condition].words(np.asarray(numbers, np.float64))
        return table[[column.name for column in self.schema.columns]]


def _text(frame: Any) -> pd.DataFrame:
    """Returns a frame of text."""
    return pd.concat(list(blocks(frame)))
