"""ctgan's TVAE on a table: trains on TRAIN.csv, writes as many new rows, or COUNT.

    python -m benchmarks.tables.peers.tvae TRAIN.csv OUT.csv ABOUT.json     with {"discrete", "epochs", "count", "seed"}

Everything but `epochs` is its default. ABOUT.json gets the processor and the wall seconds of the training.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from ctgan import TVAE


def main(train: str, out: str, about: str) -> None:
    """Trains, draws and writes."""
    asked = json.loads(Path(about).read_text())
    words = dict.fromkeys(asked["discrete"], str)
    frame = pd.read_csv(train, dtype=words, keep_default_na=False)
    torch.manual_seed(asked["seed"])
    model = TVAE(epochs=asked["epochs"])
    model.set_random_state(asked["seed"])
    start = time.process_time(), time.perf_counter()
    model.fit(frame, asked["discrete"])
    asked["processor_seconds"], asked["wall_seconds"] = time.process_time() - start[0], time.perf_counter() - start[1]
    model.sample(asked["count"]).to_csv(out, index=False)
    Path(about).write_text(json.dumps(asked))


if __name__ == "__main__":
    main(*sys.argv[1:])
