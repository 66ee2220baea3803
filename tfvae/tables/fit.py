"""Trains a model on a table in memory, as `tfvae train FILE.csv` does into a folder."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfvae import datasets, recipes, schedules
from tfvae.callbacks import FirstAid
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.datasets.table_source import is_table
from tfvae.datasets.tables import Schema
from tfvae.networks.pairs import PAIRS
from tfvae.tables.choices import choices
from tfvae.tables.columns import column_likelihoods
from tfvae.tables.model import TableModel

ROWS_TO_ADAPT = 5000


def fit(
    table: Any,
    *,
    schema: Mapping[str, Any] | None = None,
    condition: str | None = None,
    held_out: float = 0.1,
    seed: int = 0,
    verbose: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    recipe: recipes.Recipe = recipes.mixed_table,
    learning_rate: float = 2e-3,
    jit_compile: bool | str = "auto",
    **settings: Any,
) -> TableModel:
    """Returns a model that was trained on the rows of a table.

    Args:
        table: a frame of pandas or polars, or a file.
        schema: what to take for granted of its columns, as `Schema.to_dict` has them; the rest is inferred.
        condition: name of a column that the model is told.
        held_out: share of the rows whose scores p-values compare with; as many again are watched while training.
        seed: of all that is random.
        verbose: as for Keras' `fit`.
        callbacks: of Keras' `fit`.
        recipe: makes the model from `columns=` or `likelihood=`.
        learning_rate: Adam's, the largest; it is warmed up and falls along a cosine.
        jit_compile: compile the steps with XLA.
        **settings: any of `latent_dim`, `hidden`, `network`, `batch_size`, `epochs`, `patience` and `eval_samples`;
            `choices` has the rest.

    Raises:
        InvalidInput: if the table cannot be read, or has too few rows to hold some out, or for a number that cannot be.
        TypeError: for a setting that there is not.

    Example:
        >>> model = tfvae.tables.fit(frame, epochs=50)
        >>> model.log_prob(frame).mean()
    """
    if not is_table(table):
        received = f"an array of shape {table.shape}" if hasattr(table, "shape") else f"a {type(table).__name__}"
        received = repr(table) if isinstance(table, str) else received
        remedy = "Name its columns: pandas.DataFrame(x, columns=names). Arrays without names are for a tfvae.VAE."
        expected = "a table: a frame of pandas or polars, a .csv or .parquet file, or a folder of such files"
        raise InvalidInput(expected, received, remedy)
    unknown = settings.keys() - {choice.name for choice in choices(1, 1, {})}
    if unknown:
        raise TypeError(f"fit() has no setting {min(unknown)}")
    settings = {n: v if n in ("hidden", "network") else positive_integer(n, v) for n, v in settings.items()}
    fractions = {"valid_fraction": held_out, "test_fraction": held_out}
    data = datasets.load(table, seed=seed, condition=condition, schema=schema, **fractions)
    train, explained = data.train, data.schema
    known = {choice.name: choice.value for choice in choices(len(train), data.event_shape[0], settings)}
    chosen = known | settings
    if chosen["network"] not in PAIRS:
        received = f"network={chosen['network']!r}"
        raise InvalidInput(f"network to be one of {', '.join(PAIRS)}", received, "Choose one of them.")
    epochs, batch_size = chosen["epochs"], chosen["batch_size"]
    steps = epochs * train.num_batches(batch_size)
    keras.utils.set_random_seed(seed % 2**32)
    encoder, decoder = PAIRS[chosen["network"]].make(data.event_shape, list(chosen["hidden"]))
    vae = recipe(
        data.event_shape,
        columns=column_likelihoods(explained.slots, train.x, train.mask),
        latent_dim=chosen["latent_dim"],
        encoder=encoder,
        decoder=decoder,
        condition=data.condition,
        missing=True,
        learning_rate=schedules.warmup_cosine(learning_rate, steps),
        seed=seed,
        jit_compile=jit_compile,
    )
    rows = np.random.default_rng(seed).permutation(len(train))[:ROWS_TO_ADAPT]
    vae.adapt(train.rows(np.sort(rows)), seed)
    early = keras.callbacks.EarlyStopping(
        "val_objective", mode="max", patience=chosen["patience"], restore_best_weights=True
    )
    watched = {"validation_data": data.valid.observed, "callbacks": [FirstAid(), early, *callbacks]}
    vae.fit(train.observed, batch_size=batch_size, epochs=epochs, verbose=verbose, **watched)
    samples = chosen["eval_samples"]
    return TableModel(
        vae=vae,
        schema=Schema.from_dict(data.protocol["schema"]),
        held_out=vae.log_prob(data.test.observed, num_samples=samples, seed=seed).numpy(),
        condition=condition,
        units=data.told.units if data.told else None,
        num_samples=samples,
        seed=seed,
    )
