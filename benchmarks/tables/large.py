"""A table larger than one wants in memory: trained on from shards, scored in blocks, killed and resumed.

    speed      examples a second of epochs on shards as a ratio to the same rows in memory, medians of rounds in turn
    memory     largest resident size of the processes that train and score, beside the bytes of the shards
    scores     rows a second; a process that is killed at a third and given again ends with the file of one never killed

Ten million rows of eight columns in twenty shards: an amount, a score, two counts, a rate, two words and a day.
"""

import functools
import hashlib
import math
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.missing.results import say
from benchmarks.tables.common import Options, opened
from tfvae import datasets, tables
from tfvae.core import reading

ROUNDS = {1_000_000: 3, 10_000_000: 1}  # of epochs in turn, by the number of rows
SHARDS = 20
HIDDEN, SAMPLES, BATCH = 64, 10, 500
KILLED_AT = 1 / 3  # of the rows


def drawn(rows: int, seed: int) -> pd.DataFrame:
    """Returns rows whose columns depend on two hidden numbers."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    return pd.DataFrame(
        {
            "amount": np.exp(a + rng.normal(0, 0.5, rows)).round(2) + 0.01,
            "score": (b + rng.normal(0, 0.5, rows)).round(3),
            "visits": rng.poisson(np.exp(0.5 * a)),
            "calls": rng.poisson(np.exp(0.3 * b)),
            "rate": (1 / (1 + np.exp(-a - b))).round(4),
            "kind": np.array(["blue", "green", "red", "white"])[np.digitize(a + rng.normal(0, 0.3, rows), [-1, 0, 1])],
            "member": np.where(b > rng.normal(size=rows), "yes", "no"),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta((700 + 200 * b).clip(0, 1400).astype(int), unit="D"),
        }
    )


def largest() -> float:
    """Returns the largest resident size of this process so far, MB, on Linux; `getrusage` would count its parent's."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), math.nan)


def process(words: list[str], kill_when: Any = None) -> dict[str, float]:
    """Runs the command line; returns its seconds and largest resident size, MB.

    Args:
        words: of the command.
        kill_when: called again and again, says when to kill it.
    """
    start = time.perf_counter()
    code = "import sys; from benchmarks.tables.large import largest; from tfvae.app.cli import main;"
    code += "code = main(sys.argv[1:]); print(largest(), file=sys.stderr); sys.exit(code)"
    running = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    while kill_when and running.poll() is None and not kill_when():
        time.sleep(0.05)
    if kill_when and running.poll() is None:
        running.send_signal(signal.SIGKILL)
    said = running.communicate()[1].decode().splitlines()
    if running.returncode and not kill_when:
        raise RuntimeError("\n".join(said[-5:]))
    return {"seconds": round(time.perf_counter() - start, 1), **({} if kill_when else {"megabytes": float(said[-1])})}


def ratio(data: datasets.Data, model: tables.TableModel, rounds: int) -> dict[str, Any]:
    """Returns examples a second from shards and from memory, epochs in turn, and the ratio of each round."""
    known = data.train.observed
    whole = {name: np.array(part) for name, part in known.items()}
    rates: dict[str, list[float]] = {"shards": [], "memory": []}
    large = reading.LARGE
    for number in range(rounds + 1):  # the first of each compiles
        for name, x, least in (("shards", known, 0), ("memory", whole, large)):
            reading.LARGE = least
            start = time.perf_counter()
            model.vae.fit(x, batch_size=BATCH, epochs=number + 1, initial_epoch=number, verbose=0)
            rates[name].append(len(data.train) / (time.perf_counter() - start))
    reading.LARGE = large
    found = {name: [round(rate) for rate in values[1:]] for name, values in rates.items()}
    each = [a / b for a, b in zip(found["shards"], found["memory"], strict=True)]
    return {**found, "ratio": round(statistics.median(each), 3), "least": min(each), "largest": max(each)}


def one(rows: int, *, resumed: bool) -> dict[str, Any]:
    """Returns what was measured of a table of so many rows.

    Args:
        rows: of all shards.
        resumed: whether to kill a process that scores, and to compare the file at which it ends when it is given again.
    """
    with tempfile.TemporaryDirectory(prefix="large-") as name:
        folder = Path(name)
        shards, run, cache = folder / "shards", folder / "run", folder / "cache"
        shards.mkdir()
        for shard in range(SHARDS):
            drawn(rows // SHARDS, shard).to_parquet(shards / f"{shard:02}.parquet", index=False)
        size = sum(file.stat().st_size for file in shards.iterdir())
        small = ["--hidden", str(HIDDEN), str(HIDDEN), "--eval-samples", str(SAMPLES), "--batch-size", str(BATCH)]
        words = ["train", str(shards), "--out", str(run), "--data-dir", str(cache), "--epochs", "1", *small]
        found: dict[str, Any] = {
            "shards": {"number": SHARDS, "megabytes": round(size / 2**20, 1)},
            "train": process(words),
        }
        say(f"large: trained {found['train']}")
        start = time.perf_counter()
        data = datasets.load(str(shards), data_dir=cache)
        found["opened_again_seconds"] = round(time.perf_counter() - start, 1)
        found["encoded_megabytes"] = round(sum(file.stat().st_size for file in cache.rglob("*.npy")) / 2**20, 1)
        found["speed"] = ratio(data, tables.load(run), ROUNDS.get(rows, 1))
        say(f"large: {found['speed']}")
        score = ["score", str(run), str(shards), "--no-contributions", "--out"]
        found["score"] = process([*score, str(folder / "never.csv")])
        found["score"]["rows_a_second"] = round(rows / found["score"]["seconds"])
        say(f"large: scored {found['score']}")
        if not resumed:
            return found
        note, half = folder / "killed.csv.part", (folder / "never.csv").stat().st_size * KILLED_AT
        process([*score, str(folder / "killed.csv")], lambda: note.exists() and note.stat().st_size > half)
        found["killed_at_bytes"] = note.stat().st_size if note.exists() else None
        found["resumed"] = process([*score, str(folder / "killed.csv")])
        sums = [hashlib.sha256((folder / f"{way}.csv").read_bytes()).hexdigest() for way in ("never", "killed")]
        found["identical"] = sums[0] == sums[1]
        say(f"large: resumed {found['resumed']}, identical: {found['identical']}")
        return found


def run(options: Options) -> None:
    """Writes `large.json`, one row a size."""
    results = opened("large", __doc__, options, columns=8, batch_size=BATCH, hidden=HIDDEN, num_samples=SAMPLES)
    for rows in (2000,) if options.smoke else ROUNDS:
        results.row({"rows": rows}, functools.partial(one, rows, resumed=not options.smoke))
