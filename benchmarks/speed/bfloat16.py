"""What products in bfloat16 cost: test NLL of one model, trained in float32 and in two ways in bfloat16.

    python -m benchmarks.speed.bfloat16 [--data FOLDER] [--seeds 0 1 2] [--passes 10] [--smoke] [--out FOLDER]

    float32            without XLA, so that it draws the noise of the others
    mixed_bfloat16     Keras' policy: layers compute in bfloat16, weights and distributions are float32
    bfloat16 products  TensorFlow's graph optimiser casts products of matrices and what lies between two of them

784-500-500-50, dynamically binarised MNIST, batch 128, Adam 1e-3, warmed up and falling as a cosine. Each training has
a process of its own; its weights are scored in float32, and as they were trained. Times are the suite's matter (jobs
a16, b16, w16).
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.page.origin import recorded
from benchmarks.reproduce import protocol

WAYS = ("float32", "mixed_bfloat16", "bfloat16 products")
HIDDEN, LATENT, BATCH, RATE = (500, 500), 50, 128, 1e-3


def child(way: str, seed: int, said: argparse.Namespace) -> dict[str, float]:
    """Returns what one training ended at: mean log p(x) scored in float32, and as trained, nats."""
    import keras
    import numpy as np
    import tensorflow as tf

    import tfvae
    from tfvae.training.device import BFLOAT16_PRODUCTS

    data = protocol.data("dynamic", said.data, said.smoke)

    def asked(as_trained: bool) -> None:
        keras.config.set_dtype_policy(way if as_trained and way.startswith("mixed") else "float32")
        tf.config.optimizer.set_experimental_options({BFLOAT16_PRODUCTS: as_trained and way.endswith("products")})

    def model() -> tfvae.VAE:
        networks = {part: tfvae.networks.mlp(HIDDEN) for part in ("encoder", "decoder")}
        steps = said.passes * -(-len(data.train) // BATCH)
        given = {"learning_rate": tfvae.schedules.warmup_cosine(RATE, steps), "preprocessing": data.preprocessing}
        return tfvae.recipes.vae(
            data.event_shape, latent_dim=LATENT, seed=seed, jit_compile=False, **networks, **given
        )  # fmt: skip

    def log_prob(vae: tfvae.VAE) -> "np.ndarray":
        return np.asarray(vae.log_prob(test, num_samples=said.samples, seed=0), np.float64)

    test = data.test.rows(np.random.default_rng(0).permutation(len(data.test))[: said.examples])
    keras.utils.set_random_seed(seed)
    asked(as_trained=True)
    vae = model()
    vae.fit(data.train.x, batch_size=BATCH, epochs=said.passes, verbose=0)
    trained = log_prob(vae)
    asked(as_trained=False)
    scorer = model()
    scorer.set_weights(vae.get_weights())
    exact = log_prob(scorer)
    away = trained - exact
    return {
        "nll": -float(exact.mean()),
        "standard_error": float(exact.std(ddof=1) / len(exact) ** 0.5),
        "as_trained_less_float32": float(away.mean()),
        "mean_distance": float(np.abs(away).mean()),
        "tensorflow": tf.__version__,
    }


def measured(way: str, seed: int, arguments: list[str]) -> dict[str, Any]:
    """Returns what a process of its own says."""
    words = [sys.executable, "-m", "benchmarks.speed.bfloat16", *arguments, "--child", way, str(seed)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    said = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {"way": way, "seed": seed, **json.loads(said.splitlines()[-1])}


def table(rows: list[dict[str, Any]]) -> str:
    """Returns the test NLL of each way as Markdown: mean over seeds, spread, and what scoring as trained changes."""
    lines = ["| trained in | test NLL | seeds | less float32, seed by seed | scored as trained, less in float32 |"]
    lines.append("| --- " * 5 + "|")
    exact = {row["seed"]: row["nll"] for row in rows if row["way"] == WAYS[0]}
    for way in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == way]
        mean = statistics.mean(row["nll"] for row in own)
        away = [f"{row['nll'] - exact[row['seed']]:+.2f}" for row in own if way != WAYS[0]]
        changed = max((row["as_trained_less_float32"] for row in own), key=abs)
        error = statistics.mean(row["standard_error"] for row in own)
        lines.append(f"| {way} | {mean:.2f} +- {error:.2f} | {len(own)} | {', '.join(away)} | {changed:+.4f} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Trains each way with each seed, and writes `bfloat16/nll.json`."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=protocol.FOLDER)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--passes", type=int, default=10)
    parser.add_argument("--examples", type=int, default=2000, help="test images, a fixed random choice")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--smoke", action="store_true", help="a pass over a few digits")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--child", nargs=2, metavar=("WAY", "SEED"), help=argparse.SUPPRESS)
    said = parser.parse_args(words)
    if said.smoke:
        said.seeds, said.passes, said.examples, said.samples = [0], 1, 20, 5
    if said.child:
        way, seed = said.child
        print(json.dumps(child(way, int(seed), said)))
        return 0
    out = Path(tempfile.mkdtemp(prefix="bfloat16-")) if said.smoke else said.out
    rows = []
    for seed in said.seeds:
        for way in WAYS[:: 2 if said.smoke else 1]:
            rows.append(measured(way, seed, words))
            print(f"{way}, seed {seed}: NLL {rows[-1]['nll']:.2f}", file=sys.stderr, flush=True)
    print(table(rows))
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    path = out / "bfloat16" / "nll.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"at": at, "command": recorded("speed.bfloat16", words), "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
