"""What all estimators share: X becomes a table, and `fit` a model of it.

    a DataFrame      the table; kinds of columns are inferred from their cells, but for pandas' own categories
    an array [N, D]  a table with the columns x0, x1, ..., all of them real numbers, NaN where a cell is missing

An array has no words, so that nothing is inferred from how few values a column of it happens to have.
"""

import contextlib
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from tfvae.core.types import Config
from tfvae.datasets.tables import Schema, read
from tfvae.datasets.tables.guess import MOST_WORDS
from tfvae.datasets.tables.numbers import Number
from tfvae.recipes import RECIPES
from tfvae.tables import TableModel, fit

FEWEST_ROWS = 2
MOST_SEEDS = 2**31 - 1


class _OfTables:
    """An estimator that holds a model of a table; its classes say what they ask of it.

    Args: see `tfvae.sklearn`.

    Attributes:
        model_: the model.
        n_features_in_: number of columns, which scikit-learn's check sets.
    """

    _recipe: ClassVar[str] = "mixed-table"
    _atoms: ClassVar[bool] = True  # whether single values that are often have a mass of their own
    model_: TableModel
    n_features_in_: int

    def __init__(
        self,
        *,
        latent_dim: int | None = None,
        hidden: Sequence[int] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        num_samples: int | None = None,
        schema: Mapping[str, Any] | None = None,
        held_out: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.num_samples = num_samples
        self.schema = schema
        self.held_out = held_out
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Trains a model on the rows of a table.

        Args:
            X: a frame of pandas or polars, or an array of numbers, `[N, D]`.
            y: not looked at.

        Returns:
            The estimator.

        Raises:
            InvalidInput: if no column can be learnt from, there are too few rows, or an argument does not fit.
        """
        table = self._table(X, reset=True)
        settings = {
            "latent_dim": self.latent_dim,
            "hidden": self.hidden,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "eval_samples": self.num_samples,
        }
        seed = seed_of(self.random_state)
        schema = _with(self.schema, _categories(table) if is_frame(X) else _reals(table))
        with _generators_kept():
            self.model_ = fit(
                table,
                schema=schema if self._atoms else _without_atoms(schema, table),
                held_out=self.held_out,
                seed=seed,
                verbose=self.verbose,
                recipe=RECIPES[self._recipe],
                **{name: value for name, value in settings.items() if value is not None},
            )
        return self

    def _table(self, X: Any, reset: bool = False) -> pd.DataFrame:
        """Returns X as a table whose columns are called as those that the model was trained on."""
        if not reset:
            check_is_fitted(self)
        if is_frame(X):
            table = to_pandas(validate_data(self, X, reset=reset, skip_check_array=True))
            names = [str(name) for name in table.columns]
        else:
            fewest = FEWEST_ROWS if reset else 1
            x = validate_data(self, X, reset=reset, ensure_all_finite="allow-nan", ensure_min_samples=fewest)
            table = pd.DataFrame(x.astype(np.uint8) if x.dtype == bool else x)
            names = [f"x{place}" for place in table.columns]
        if not reset:
            names = [column.name for column in self.model_.schema.columns]
        return table.set_axis(names, axis=1)

    def __sklearn_tags__(self) -> Any:
        """Returns scikit-learn's description of the estimator: cells may be missing."""
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.allow_nan = True
        return tags


def is_frame(X: Any) -> bool:
    """Says whether X is a table of pandas, polars or whatever speaks Arrow's protocol, and not an array."""
    return hasattr(X, "__arrow_c_stream__") and hasattr(X, "columns")


def to_pandas(X: Any) -> pd.DataFrame:
    """Returns a frame as one of pandas."""
    return X if isinstance(X, pd.DataFrame) else pa.table(X).to_pandas(integer_object_nulls=True)


def alike(table: pd.DataFrame, like: Any) -> Any:
    """Returns a table as what X was: an array, or a frame of the same library, names and types.

    Args:
        table: of values.
        like: X, or an empty slice of it.
    """
    if not is_frame(like):
        return table.to_numpy()
    if isinstance(like, pd.DataFrame):
        return table.set_axis(like.columns, axis=1)
    return type(like)(pa.Table.from_pandas(table, preserve_index=False)).cast(dict(like.schema))


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """Returns a seed of what scikit-learn takes as one: of a number always the same, of a generator its next."""
    return int(check_random_state(random_state).randint(MOST_SEEDS))


def _reals(table: pd.DataFrame) -> list[Config]:
    """Returns what is said of the columns of an array: those of several values are real."""
    return [{"name": name, "kind": "real"} for name in table if table[name].nunique() > 1]


def _without_atoms(schema: Config, table: pd.DataFrame) -> Config:
    """Returns a schema in which no column of numbers has atoms, but those that it says."""
    inferred = Schema.of(read(table), schema)
    said = {entry["name"]: entry for entry in schema["columns"]}
    bare = {column.name: {"atoms": []} for column in inferred.columns if isinstance(column, Number)}
    entries = [{"name": name, **bare.get(name, {}), **said.get(name, {})} for name in bare | said]
    return {**schema, "columns": entries}


def _categories(table: pd.DataFrame) -> list[Config]:
    """Returns what a frame says of its columns: those of pandas' categories have these, in this piece or another."""
    kinds = {name: dtype for name, dtype in table.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)}
    return [
        {"name": name, "kind": "ordered" if dtype.ordered else "category", "values": list(map(str, dtype.categories))}
        for name, dtype in kinds.items()
        if 1 < len(dtype.categories) <= MOST_WORDS
    ]


def _with(given: Mapping[str, Any] | None, said: list[Config]) -> Config:
    """Returns a schema with what it does not say already."""
    columns = list((given or {}).get("columns", []))
    named = {entry.get("name") for entry in columns}
    return {**(given or {}), "columns": [*columns, *(entry for entry in said if entry["name"] not in named)]}


@contextlib.contextmanager
def _generators_kept() -> Iterator[None]:
    """Puts the global generators of Python and NumPy back, which training seeds."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
