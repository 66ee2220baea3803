"""Cells that are missing because they are large: not-MIWAE's mask, on five tables.

    rmse = sqrt(mean over hidden cells of (x_i - E[x_i | x_obs, mask])^2)

In the first D // 2 columns everything above the column's mean is hidden. not-MIWAE knows the sign of the mechanism
(large values are missing) and learns its slope and place; without the mechanism the same model is MIWAE. As the authors
have it: x = A z + b with one shared noise scale, D - 1 latents, an encoder of two tanh layers of 128, the
importance-weighted bound with 20 samples, Adam 1e-3, batch 16, at most 10000 samples for imputation. Units: `full`,
standardised with all cells before they are hidden, as they do, which tells a model that hidden cells are above zero;
and `observed`, with what is left, turned into the same units for the error.
"""

import dataclasses
import time
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

    updates: int = 10_000
    batch: int = 16
    learning_rate: float = 1e-3
    num_samples: int = 20
    most_samples: int = 10_000
    most_draws: int = 6_000_000


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


def one(table: tables.Table, settings: Settings, seed: int) -> dict[str, Any]:
    """Returns the error of each way in units of all cells' standard deviation, and facts about the models."""
    models = {"miwae": {}, "not_miwae": {"missingness": tfvae.missingness.SelfMasking(sign=1)}}
    filled = {
        "mirrored": tables.mirrored(table),
        "column_mean": tables.column_mean(table),
        "iterative": tables.iterative(table),
    }
    num_samples = min(settings.most_samples, settings.most_draws // len(table.truth))
    facts: dict[str, Any] = {"hidden_cells": int((~table.mask).sum())}
    for name, mechanism in models.items():
        vae, bound, seconds = trained(table, settings, seed, **mechanism)
        imputed = miwae.imputed(vae, table, num_samples, seed)
        filled[name] = imputed.mean
        facts[name] = {"bound": bound, "training_seconds": round(seconds, 1), **imputed.facts}
    return {"rmse": {way: float(np.sqrt(tables.errors(table, x)["mse_full"])) for way, x in filled.items()}, **facts}


def run(options: Options) -> None:
    """Writes `by-value.json`, one row a table and unit."""
    tiny = Settings(updates=20, num_samples=2, most_samples=20)
    settings = tiny if options.smoke else Settings()
    results = Results("by-value", __doc__, options, settings=dataclasses.asdict(settings))
    first = [(name, units) for name in ("wdbc", "wine_white") for units in UNITS]
    others = [(name, units) for units in UNITS for name in ("banknote", "wine_red", "yeast")]
    for name, units in [("smoke", "full")] if options.smoke else first + others:

        def made(name: str = name, units: str = units) -> dict[str, Any]:
            return one(tables.by_value(name, options.data, units == "full"), settings, 0)

        row = results.row({"table": name, "units": units}, made)
        say(f"{name}, {units}: " + ", ".join(f"{way} {value:.3f}" for way, value in row["rmse"].items()))
    print(markdown(results.rows))


def markdown(rows: list[dict[str, Any]]) -> str:
    """Returns the table of NOTES.md."""
    ways = list(rows[0]["rmse"])
    lines = [f"| table | standardised with | {' | '.join(ways)} |", "| --- " * (len(ways) + 2) + "|"]
    for row in rows:
        values = " | ".join(f"{row['rmse'][way]:.3f}" for way in ways)
        lines.append(f"| {row['table']} | {row['units']} | {values} |")
    return "\n".join(lines)
