"""What the learning rate does in a short training: why the command line warms it up and lets it fall.

    python benchmarks/defaults.py [--data ../shared/data] [--seeds 0 1] [--only NAME ...] [--threads 1]

Protocol, declared: the command line's model and batch (784-200-200-16 and back, ReLU, batches of 50, ELBO with one
sample), grey values drawn anew at every visit, so many passes. NLL of the first 1000 validation images (a choice must
not see the test set) and of the first 1000 test images by 500 importance samples; active: dimensions whose mean KL on
the validation images is over 0.05 nats. Rows are written as they come; rows that are there already are not computed
again.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tfvae
from tfvae.evaluation import latents
from tfvae.schedules import warmup_cosine

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).parent / "results" / "defaults.json"
SOURCES = {
    "MNIST": ("mnist.npz", 10),
    "Fashion-MNIST": ("fashion_mnist.npz", 10),
    "digits": ("digits", 100),
}  # name: file, passes
# Learning rate from the number of steps, and whether the decoder starts at the mean image.
ARMS = {
    "constant 2e-3": (lambda steps: 2e-3, False),
    "constant 1e-3": (lambda steps: 1e-3, False),
    "cosine 2e-3, no warm-up": (lambda steps: warmup_cosine(2e-3, steps, warmup=0), False),
    "cosine 2e-3": (lambda steps: warmup_cosine(2e-3, steps), False),
    "cosine 4e-3": (lambda steps: warmup_cosine(4e-3, steps), False),
    "cosine 2e-3, output bias": (lambda steps: warmup_cosine(2e-3, steps), True),
}
BATCH, EXAMPLES, NUM_SAMPLES = 50, 1000, 500


def trained(data: tfvae.datasets.Data, arm: str, epochs: int, seed: int) -> tfvae.VAE:
    """Returns the model after training."""
    keras.utils.set_random_seed(seed)
    rate, output_bias = ARMS[arm]
    steps = epochs * data.train.num_batches(BATCH)
    vae = tfvae.recipes.vae(
        data.event_shape, learning_rate=rate(steps), preprocessing=data.preprocessing, seed=seed, jit_compile=True
    )
    if output_bias:
        vae.likelihood.adapt(vae.preprocess(data.train.x[:10_000]))
    vae.fit(data.train.x, batch_size=BATCH, epochs=epochs, verbose=0)
    return vae


def row(folder: Path, name: str, arm: str, seed: int) -> dict:
    """Returns what one training gave, nats an example."""
    file, epochs = SOURCES[name]
    source = file if file == "digits" else str(folder / file)
    data, start = tfvae.datasets.load(source, binarization="dynamic", seed=seed), time.perf_counter()
    vae = trained(data, arm, epochs, seed)
    seconds, valid = time.perf_counter() - start, data.valid.x[:EXAMPLES]
    nll = {
        split: -float(np.mean(vae.log_prob(x[:EXAMPLES], num_samples=NUM_SAMPLES, seed=1)))
        for split, x in (("valid", valid), ("test", data.test.x))
    }
    active = int((latents.kl_per_dimension(vae, valid) > 0.05).sum())
    return {"data": name, "rate": arm, "seed": seed, "epochs": epochs, **nll, "active": active, "seconds": seconds}


def table(rows: list[dict]) -> str:
    """Returns means over the seeds as Markdown: validation and test NLL, and their spread."""
    lines = ["| data | learning rate | validation NLL | test NLL | spread (seeds) | active |", "| --- " * 6 + "|"]
    for name, arm in [(name, arm) for name in SOURCES for arm in ARMS]:
        own = [r for r in rows if (r["data"], r["rate"]) == (name, arm)]
        if own:
            valid, test = ([r[split] for r in own] for split in ("valid", "test"))
            active = ", ".join(str(r["active"]) for r in own)
            spread = f"{max(test) - min(test):.2f} ({len(own)})"
            lines.append(f"| {name} | {arm} | {np.mean(valid):.2f} | {np.mean(test):.2f} | {spread} | {active} |")
    return "\n".join(lines)


def main() -> None:
    """Computes the rows that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", default=list(SOURCES), choices=list(SOURCES))
    parser.add_argument("--threads", type=int, default=0, help="of TensorFlow; 0: as many as there are cores")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    rows = json.loads(options.out.read_text())["rows"] if options.out.exists() else []
    done = {(r["data"], r["rate"], r["seed"]) for r in rows}
    for wanted in [(name, arm, seed) for name in options.only for arm in ARMS for seed in options.seeds]:
        if wanted not in done:
            rows.append(row(options.data, *wanted))
            print(rows[-1], flush=True)
            options.out.write_text(json.dumps({"protocol": __doc__, "rows": rows}, indent=1) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
