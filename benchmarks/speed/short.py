"""Short fits, whose time is tracing and compiling: seconds of one epoch of a new model, as a user calls `fit`.

    python -m benchmarks.speed.short [--rounds 3] [--smoke] [--out FOLDER]

    default     compile("adam")                        graph       jit_compile=False
    xla         jit_compile=True                       warm cache  the same, with programs that TensorFlow kept on disk

Each way has a process of its own in each round, which has fitted a small model before. Medians; least and most behind.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS, BATCH = (1_000, 10_000, 60_000), 128
MODELS = {
    "64-64-64-8": ((64,), (64, 64), 8),
    "784-200-200-50": ((784,), (200, 200), 50),
    "784-500-500-50": ((784,), (500, 500), 50),
}
WAYS = {"default": "auto", "graph": False, "xla": True, "warm cache": True}
CACHE = "--tf_xla_persistent_cache_directory="


def child(model: str, way: str, rows: list[int]) -> dict[int, float]:
    """Returns number of rows to seconds of a fit."""
    import numpy as np

    import tfvae

    shape, hidden, latent = MODELS[model]
    x = (np.random.default_rng(0).random((max(rows), *shape)) < 0.3).astype(np.float32)

    def seconds(count: int, jit_compile: bool | str) -> float:
        vae = tfvae.VAE(
            tfvae.posteriors.DiagonalNormal(latent, network=tfvae.networks.mlp(hidden)),
            tfvae.likelihoods.Bernoulli(shape, network=tfvae.networks.mlp(hidden[::-1])),
            seed=0,
        )
        vae.compile("adam", jit_compile=jit_compile)
        started = time.perf_counter()
        vae.fit(x[:count], batch_size=BATCH, epochs=1, verbose=0)
        return time.perf_counter() - started

    seconds(BATCH, False)
    return {count: seconds(count, WAYS[way]) for count in rows}


def measured(model: str, way: str, rows: list[int], cache: str) -> dict[str, float]:
    """Returns what a process of its own says; of a warm cache, the second that uses it."""
    flags = {"TF_XLA_FLAGS": CACHE + cache} if way == "warm cache" else {}
    words = [sys.executable, "-m", "benchmarks.speed.short", "--child", model, way, *map(str, rows)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **flags}
    for _ in range(2 if way == "warm cache" and not os.listdir(cache) else 1):
        said = subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(said.splitlines()[-1])


def run(rounds: int, smoke: bool) -> list[dict]:
    """Returns a row for each model and number of examples: way to seconds of each round."""
    models, rows = (list(MODELS)[:1], [BATCH]) if smoke else (list(MODELS), list(ROWS))
    ways = ["default", "warm cache"] if smoke else list(WAYS)
    found = {(model, count): {way: [] for way in ways} for model in models for count in rows}
    for model in models:
        with tempfile.TemporaryDirectory() as cache:
            for number in range(rounds):
                for way in ways[:: 1 if number % 2 else -1]:
                    for count, seconds in measured(model, way, rows, cache).items():
                        found[model, int(count)][way].append(seconds)
                print(f"{model}: round {number + 1} of {rounds} done", file=sys.stderr, flush=True)
    return [{"model": model, "rows": count, "seconds": ways} for (model, count), ways in found.items()]


def table(rows: list[dict]) -> str:
    """Returns seconds as Markdown."""
    ways = rows[0]["seconds"]
    lines = [f"| model | rows | {' | '.join(ways)} |", "| --- " * (2 + len(ways)) + "|"]
    for row in rows:
        cells = [
            f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})"
            for values in row["seconds"].values()
        ]
        lines.append(f"| {row['model']} | {row['rows']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measures, and writes `speed/short.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    said = parser.parse_args(arguments)
    if said.child:
        model, way, *rows = said.child
        print(json.dumps(child(model, way, [int(count) for count in rows])))
        return 0
    from benchmarks.speed.__main__ import machine

    rows = run(1 if said.smoke else said.rounds, said.smoke)
    print(table(rows))
    if not said.smoke:
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        told = {"at": at, "machine": machine(), "command": f"python -m benchmarks.speed.short --rounds {said.rounds}"}
        (said.out / "short-fits.json").write_text(json.dumps({**told, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
