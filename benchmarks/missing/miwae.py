"""The MIWAE of the tables: Student-t cells with their own scale, the importance-weighted bound, imputation by weights.

    q(z | x_obs, mask) normal,    p(x_i | z) = t_df(loc_i(z), scale_i(z)),    IWAE with 20 samples

It is trained on the incomplete rows and imputes the same ones, as its authors' notebook does: no cell that is hidden is
looked at. (Mattei and Frellsen 2019; pamattei/miwae.)
"""

import dataclasses
import time

import keras
import numpy as np

import tfvae
from benchmarks.missing import calibration
from benchmarks.missing.tables import Table
from tfvae import likelihoods, networks, objectives, posteriors, scales

ROWS_AT_ONCE = 1000


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a model is made and trained; one setting for all tables."""

    latent_dim: int = 10
    units: int = 128
    layers: int = 2
    activation: str = "tanh"
    updates: int = 4000
    batch: int = 64
    learning_rate: float = 1e-3
    num_samples: int = 20


def made(table: Table, settings: Settings, seed: int) -> tfvae.VAE:
    """Returns the model, compiled, with location and scale of the observed cells."""
    keras.utils.set_random_seed(seed)
    columns = table.truth.shape[1]
    hidden = [settings.units] * settings.layers
    encoder, decoder = (networks.mlp(hidden, activation=settings.activation) for _ in range(2))
    vae = tfvae.VAE(
        posterior=posteriors.DiagonalNormal(settings.latent_dim, network=encoder, given=("x", "mask")),
        likelihood=likelihoods.StudentT(columns, network=decoder, scale=scales.Predicted()),
        seed=seed,
    )
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.updates, alpha=0.03)
    vae.compile(optimizer=keras.optimizers.Adam(rate), objective=objectives.IWAE(settings.num_samples))
    vae.adapt(table.x, seed=seed, mask=table.mask)
    return vae


def trained(table: Table, settings: Settings, seed: int) -> tuple[tfvae.VAE, float]:
    """Returns the model after so many updates on the incomplete rows, and the seconds that they took."""
    vae, start = made(table, settings, seed), time.perf_counter()
    epochs = max(round(settings.updates * settings.batch / len(table.truth)), 1)
    vae.fit(table.x, mask=table.mask, batch_size=settings.batch, epochs=epochs, verbose=0)
    return vae, time.perf_counter() - start


@dataclasses.dataclass(frozen=True)
class Imputed:
    """What a model makes of a table: the mean, `[N, D]`, what its intervals hold, and facts about the sampling."""

    mean: np.ndarray
    counts: calibration.Counts | None
    facts: dict[str, float]


def imputed(vae: tfvae.VAE, table: Table, num_samples: int, seed: int, counting: bool = True) -> Imputed:
    """Returns the table imputed, some rows at a time, since the draws of all rows of a call are kept."""
    parts, counts, seconds = [], [], 0.0
    for first in range(0, len(table.truth), ROWS_AT_ONCE):
        rows, start = slice(first, first + ROWS_AT_ONCE), time.perf_counter()
        part = dataclasses.replace(table, truth=table.truth[rows], mask=table.mask[rows])
        found = vae.impute(part.x, num_samples, seed=seed, mask=part.mask)
        seconds += time.perf_counter() - start
        parts.append([found.mean.numpy(), found.standard_error.numpy(), found.effective_sample_size.numpy()])
        if counting:
            counts.append(calibration.counts(part, found, seed))
    mean, error, size = (np.concatenate(each) for each in zip(*parts, strict=True))
    facts = {
        "num_samples": num_samples,
        "effective_samples": float(np.median(size)),
        "standard_error": float(np.sqrt(np.mean(error[~table.mask] ** 2))),
        "imputing_seconds": round(seconds, 1),
    }
    return Imputed(mean, calibration.joined(counts) if counting else None, facts)
