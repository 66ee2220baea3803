"""Tables with hidden cells: which data, which cells, their units, and what stands beside a model.

    at random   half of the cells, each alone
    by value    in the first D // 2 columns what exceeds the column's mean (Ipsen, Mattei and Frellsen 2021)

Mean and standard deviation of a column are those of its observed cells, `Table.to_full` turns errors into units of the
standard deviation of all cells, which the papers use: they standardise before they hide.
"""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from threadpoolctl import threadpool_limits

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
NAMES = ("wdbc", "banknote", "wine_red", "wine_white", "yeast")


@dataclasses.dataclass(frozen=True)
class Table:
    """A standardised table of which some cells are hidden.

    Attributes:
        name: of the data.
        truth: all cells, `[N, D]`; a model sees `x`.
        mask: bool, true where observed, `[N, D]`.
        to_full: standard deviation of the observed cells over that of all cells, `[D]`.
    """

    name: str
    truth: np.ndarray
    mask: np.ndarray
    to_full: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """The observed cells, NaN where one is hidden, `[N, D]`."""
        return np.where(self.mask, self.truth, np.nan).astype("float32")

    def held_out(self, share: float, seed: int) -> tuple["Table", np.ndarray]:
        """Returns a table that hides a share of the observed cells as well, and which these are, for validation."""
        chosen = self.mask & (np.random.default_rng([seed, 1]).random(self.mask.shape) < share)
        return dataclasses.replace(self, mask=self.mask & ~chosen), chosen


def raw(name: str, folder: Path) -> np.ndarray:
    """Returns a table of the file `uci_tabular.npz`, `[N, D]`; scikit-learn's own for `"smoke"`."""
    if name == "smoke":
        from sklearn.datasets import load_breast_cancer

        return load_breast_cancer().data[:90, :8]  # fewer than a block: nothing is compiled
    path = folder / "uci_tabular.npz"
    if not path.exists():
        raise SystemExit(f"no {path.name} in {folder}: pass --data FOLDER; it holds `<name>_x` for {', '.join(NAMES)}.")
    with np.load(path, allow_pickle=False) as data:
        return data[f"{name}_x"]


def standardised(name: str, values: np.ndarray, mask: np.ndarray) -> Table:
    """Returns the table in units of its observed cells."""
    observed = np.ma.masked_array(values, ~mask)
    spread = np.asarray(observed.std(axis=0))
    return Table(name, (values - np.asarray(observed.mean(axis=0))) / spread, mask, spread / values.std(axis=0))


def at_random(name: str, folder: Path, seed: int, share: float = 0.5) -> Table:
    """Returns a table of which each cell is hidden with that probability, in units of what is left."""
    values = raw(name, folder)
    return standardised(name, values, np.random.default_rng(seed).random(values.shape) >= share)


def by_value(name: str, folder: Path, full: bool = False) -> Table:
    """Returns a table without the cells above their column's mean, in the first half of its columns.

    Args:
        name: of the table.
        folder: where the file is.
        full: in units of all cells, standardised before they are hidden, as the authors do.
    """
    values = raw(name, folder)
    mask = np.ones(values.shape, bool)
    half = values.shape[1] // 2
    mask[:, :half] = values[:, :half] <= values[:, :half].mean(axis=0)
    if not full:
        return standardised(name, values, mask)
    return Table(name, (values - values.mean(axis=0)) / values.std(axis=0), mask, np.ones(values.shape[1]))


def column_mean(table: Table) -> np.ndarray:
    """Returns the mean of a column's observed cells in the place of the hidden ones, `[N, D]`."""
    return np.where(table.mask, table.truth, np.nanmean(table.x, axis=0))


def mirrored(table: Table) -> np.ndarray:
    """Returns 2 max - mean of a column's observed cells in the place of the hidden ones, `[N, D]`."""
    return np.where(table.mask, table.truth, 2 * np.nanmax(table.x, axis=0) - np.nanmean(table.x, axis=0))


def iterative(table: Table) -> np.ndarray:
    """Returns what scikit-learn's IterativeImputer makes of the table (100 rounds of Bayesian ridge), `[N, D]`."""
    with warnings.catch_warnings(), threadpool_limits(1):  # thousands of small systems: threads cost more than they do
        warnings.simplefilter("ignore", ConvergenceWarning)
        return IterativeImputer(max_iter=100, random_state=0).fit_transform(table.x.astype("float64"))


def errors(table: Table, filled: np.ndarray, where: np.ndarray | None = None) -> dict[str, float]:
    """Returns mean squared errors over the hidden cells, or over others: in observed and in full units."""
    where = ~table.mask if where is None else where
    wrong = np.asarray(filled, "float64") - table.truth
    return {"mse": float((wrong[where] ** 2).mean()), "mse_full": float(((wrong * table.to_full)[where] ** 2).mean())}
