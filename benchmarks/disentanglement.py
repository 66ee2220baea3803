"""Disentanglement on a part of dSprites: beta-VAE, beta-TCVAE and FactorVAE, a short training each, all scores.

    python -m benchmarks.disentanglement [--data ../shared/data/dsprites_subset.npz] [--epochs 12] [--seeds 0 1 2]

Protocol, declared: the factorial grid of 46080 images (3 shapes x 6 scales x 10 orientations x 16 x 16 positions),
64x64 images brought to 32x32 by the majority of each 2x2 block, Bernoulli likelihood, encoder 1024-256-256, decoder
256-256-1024, ReLU, 10 latents, Adam 1e-3, 12 epochs of 360 batches of 128. Papers train some 35 times longer (300000
batches of 64) on 64x64 images: numbers here are lower than theirs and compare with each other only. Scores: posterior
means of 10000 of the training images, SAP with scale and positions as ordered factors. ELBO (beta = 1): 5000 images
that the grid does not have.

Rows are written as they come; rows that are there already are not computed again.
"""

import argparse
import datetime
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np

import tfvae
from benchmarks.page.origin import recorded
from benchmarks.speed.__main__ import machine
from tfvae.evaluation.factor_scores import disentanglement
from tfvae.evaluation.latents import active_units, posterior_means, unit_activity
from tfvae.recipes import RECIPES

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "dsprites_subset.npz"
RESULTS = Path(__file__).parent / "results" / "disentanglement.json"
MODELS = {
    "beta-VAE 1": ("beta-vae", {"beta": 1.0}),
    "beta-VAE 4": ("beta-vae", {"beta": 4.0}),
    "beta-VAE 8": ("beta-vae", {"beta": 8.0}),
    "beta-TCVAE 6": ("beta-tcvae", {"beta": 6.0}),
    "FactorVAE 10": ("factor-vae", {"gamma": 10.0}),
}
ORDERED = (1, 3, 4)  # scale, position x, position y; shape is a class, orientation is periodic
LATENT_DIM, BATCH_SIZE = 10, 128


def images(packed: np.ndarray) -> np.ndarray:
    """Returns 32x32 binary images, `[N, 32, 32, 1]`, from bit-packed 64x64 ones."""
    blocks = np.unpackbits(packed, axis=1, count=4096).reshape(-1, 32, 2, 32, 2)
    return (blocks.sum(axis=(2, 4)) >= 2).astype(np.float32)[..., np.newaxis]


def load(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the training images, their factors `[N, 5]`, and 5000 images that are not among them."""
    with np.load(path, allow_pickle=False) as data:
        other = ~np.isin(data["original_index_random"], data["original_index_grid"])
        held_out = images(data["imgs_random"][other][:5000])
        return images(data["imgs_grid"]), data["latents_classes_local_grid"], held_out


def trained(model: str, seed: int, epochs: int, x: np.ndarray) -> tfvae.VAE:
    """Returns a model after its training."""
    keras.utils.set_random_seed(seed)
    recipe, options = MODELS[model]
    networks = {"encoder": tfvae.networks.mlp([256, 256]), "decoder": tfvae.networks.mlp([256, 256])}
    vae = RECIPES[recipe](x.shape[1:], latent_dim=LATENT_DIM, seed=seed, jit_compile=False, **networks, **options)
    vae.fit(x, epochs=epochs, batch_size=BATCH_SIZE, verbose=0)
    return vae


def row(model: str, seed: int, epochs: int, data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> dict:
    """Returns what one model scores."""
    x, factors, held_out = data
    start = time.perf_counter()
    vae = trained(model, seed, epochs, x)
    seconds = time.perf_counter() - start
    rows = np.random.default_rng(0).choice(len(x), 10_000, replace=False)
    codes = posterior_means(vae, x[rows])
    logs = vae.evaluate(held_out, batch_size=500, verbose=0, return_dict=True)
    return {
        "model": model,
        "seed": seed,
        "epochs": epochs,
        **{name: float(logs[name]) for name in ("elbo", "distortion", "rate")},
        "active_units": active_units(unit_activity(codes)),
        **disentanglement(codes, factors[rows], seed=seed, ordered=ORDERED).as_dict(),
        "train_seconds": round(seconds),
        "score_seconds": round(time.perf_counter() - start - seconds),
    }


def table(rows: list[dict]) -> str:
    """Returns mean and standard deviation over seeds as Markdown, one line a model."""
    names = [name for name in rows[0] if name not in ("model", "seed", "epochs", "train_seconds", "score_seconds")]
    lines = [f"| model | seeds | {' | '.join(names)} |", "| --- " * (len(names) + 2) + "|"]
    for model in MODELS:
        own = [r for r in rows if r["model"] == model]
        cells = []
        for name in names if own else []:
            values, digits = [r[name] for r in own], 1 if name in ("elbo", "distortion", "rate", "active_units") else 3
            spread = f" +- {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.{digits}f}{spread}")
        if own:
            lines.append(f"| {model} | {len(own)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write(path: Path, rows: list[dict]) -> None:
    """Writes all rows and what they are."""
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    told = {"at": at, "machine": machine(), "command": recorded("disentanglement", sys.argv[1:])}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"protocol": __doc__, **told, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rows = json.loads(arguments.out.read_text())["rows"] if arguments.out.exists() else []
    done = {(r["model"], r["seed"], r["epochs"]) for r in rows}
    data = load(arguments.data)
    for seed in arguments.seeds:
        for model in MODELS:
            if (model, seed, arguments.epochs) not in done:
                rows.append(row(model, seed, arguments.epochs, data))
                write(arguments.out, rows)
                print(json.dumps(rows[-1]), flush=True)
    write(arguments.out, rows)
    print(table([r for r in rows if r["epochs"] == arguments.epochs]))
