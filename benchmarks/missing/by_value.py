"""Cells that are missing because they are large: not-MIWAE's mask, on five tables.

    rmse = sqrt(mean over hidden cells of (x_i - E[x_i | x_obs, mask])^2)

In the first D // 2 columns everything above the column's mean is hidden. not-MIWAE knows the sign of the mechanism
(large values are missing) and learns its slope and place; without the mechanism the same model is MIWAE. As the authors
have it: x = A z + b with one shared noise scale, D - 1 latents, an encoder of two tanh layers of 128, the
importance-weighted bound with 20 samples, Adam 1e-3, batch 16; 1000 samples for imputation (they: 10000). Units:
`full`, standardised with all cells before they are hidden, as they do, which tells a model that hidden cells are above
zero; and `observed`, with what is left, turned into the same units for the error.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tfvae
from benchmarks.missing import miwae, tables
from benchmarks.missing.results import Options, Results, say
from tfvae import likelihoods, networks, objectives, posteriors

UNITS = ("full", "observed")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a model is trained; one setting for all tables."""

    updates: int = 8000
    batch: int = 16
    learning_rate: float = 1e-3
    num_samples: int = 20
    imputation_samples: int = 1000


def trained(table: tables.Table, settings: Settings, seed: int, **mechanism: Any) -> tuple[tfvae.VAE, float, float]:
    """Returns the model, the bound in the last tenth of its training, nats, and the seconds of training."""
    keras.utils.set_random_seed(seed)
    columns = table.truth.shape[1]
    encoder = networks.mlp([128, 128], activation="tanh")
    vae = tfvae.VAE(
        posterior=posteriors.DiagonalNormal(columns - 1, network=encoder, given=("x", "mask")),
        likelihood=likelihoods.Normal(columns),
        seed=seed,
        **mechanism,
    )
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    vae.compile(optimizer=optimizer, objective=objectives.IWAE(settings.num_samples))
    vae.adapt(table.x, seed=seed, mask=table.mask)
    epochs, start = max(round(settings.updates * settings.batch / len(table.truth)), 1), time.perf_counter()
    history = vae.fit(table.x, mask=table.mask, batch_size=settings.batch, epochs=epochs, verbose=0)
    last = history.history["objective"][-max(epochs // 10, 1) :]
    return vae, float(np.mean(last)), time.perf_counter() - start


def of_model(table: tables.Table, settings: Settings, seed: int, **mechanism: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """Returns the table as a model fills it, and facts about the model."""
    vae, bound, seconds = trained(table, settings, seed, **mechanism)
    imputed = miwae.imputed(vae, table, settings.imputation_samples, seed, counting=False)
    return imputed.mean, {"bound": bound, "training_seconds": round(seconds, 1), **imputed.facts}


def ways(settings: Settings) -> dict[str, Callable[[tables.Table], tuple[np.ndarray, dict[str, Any]]]]:
    """Returns what fills a table, name to a function that returns `[N, D]` and facts."""
    return {
        "mirrored": lambda table: (tables.mirrored(table), {}),
        "column_mean": lambda table: (tables.column_mean(table), {}),
        "iterative": lambda table: (tables.iterative(table), {}),
        "miwae": lambda table: of_model(table, settings, 0),
        "not_miwae": lambda table: of_model(table, settings, 0, missingness=tfvae.missingness.SelfMasking(sign=1)),
    }


def run(options: Options) -> None:
    """Writes `by-value.json`, one row a table, unit and way."""
    settings = Settings(updates=20, num_samples=2, imputation_samples=20) if options.smoke else Settings()
    results = Results("by-value", __doc__, options, settings=dataclasses.asdict(settings))
    first = [(name, units) for units in UNITS for name in ("wdbc", "wine_white")]
    others = [(name, units) for units in UNITS for name in ("banknote", "wine_red", "yeast")]
    for name, units in [("smoke", "full")] if options.smoke else first + others:
        table = tables.by_value(name, options.data, units == "full")
        for way, fill in ways(settings).items():

            def made(table: tables.Table = table, fill: Callable = fill) -> dict[str, Any]:
                filled, facts = fill(table)
                return {"rmse": float(np.sqrt(tables.errors(table, filled)["mse_full"])), **facts}

            row = results.row({"table": name, "units": units, "way": way}, made)
            say(f"{name}, {units}, {way}: {row['rmse']:.3f}")
    print(markdown(results.rows))


def markdown(rows: list[dict[str, Any]]) -> str:
    """Returns the table of NOTES.md."""
    names = list(dict.fromkeys(row["way"] for row in rows))
    lines = [f"| table | standardised with | {' | '.join(names)} |", "| --- " * (len(names) + 2) + "|"]
    for table, units in dict.fromkeys((row["table"], row["units"]) for row in rows):
        found = {row["way"]: f"{row['rmse']:.3f}" for row in rows if (row["table"], row["units"]) == (table, units)}
        lines.append(f"| {table} | {units} | {' | '.join(found.get(name, '') for name in names)} |")
    return "\n".join(lines)
