"""What the Bernoulli likelihood costs beside a formula written by hand: one IWAE step, S = 50, under XLA.

    python benchmarks/likelihood_cost.py [--steps 20] [--rounds 7] [--batch-size 20]

The same model (784-200-200-50), data and optimizer three times; only log p(x | z) differs:

    tfvae      tfvae.likelihoods.Bernoulli
    by hand    sum of x l - softplus(l), no distribution object
    TFP        tfd.Independent(tfd.Bernoulli(logits))

Rounds alternate (A B C A B C ...); printed are medians, the spread, and the ratio to `by hand` round by round.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae

tfd = tfp.distributions


class ByHand:
    """log p(x | z) = sum_i x_i l_i - log(1 + exp l_i)."""

    def __init__(self, logits: tf.Tensor) -> None:
        self.logits = logits

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        """Returns log p(x | z), `[S, B]`."""
        return tf.reduce_sum(x * self.logits - tf.math.softplus(self.logits), axis=-1)


DISTRIBUTIONS = {
    "tfvae": None,
    "by hand": ByHand,
    "TFP": lambda logits: tfd.Independent(tfd.Bernoulli(logits), 1),
}


def trained(distribution: object, batch_size: int) -> object:
    """Returns a function that runs one compiled train step."""
    keras.utils.set_random_seed(0)
    likelihood = tfvae.likelihoods.Bernoulli(784, network=tfvae.networks.mlp([200, 200], "tanh"))
    if distribution is not None:
        likelihood.distribution = distribution
    vae = tfvae.VAE(
        tfvae.posteriors.DiagonalNormal(50, network=tfvae.networks.mlp([200, 200], "tanh")), likelihood, seed=0
    )
    vae.compile("adam", objective=tfvae.objectives.IWAE(50), jit_compile=True)
    x = np.random.default_rng(0).integers(0, 2, [batch_size, 784]).astype("float32")
    batch = (tf.constant(x),)
    vae.optimizer.build(vae.trainable_variables)
    step = tf.function(lambda: vae.train_step(batch)["loss"], jit_compile=True)
    return lambda: step().numpy()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=20)
    arguments = parser.parse_args()
    steps = {name: trained(made, arguments.batch_size) for name, made in DISTRIBUTIONS.items()}
    first = {name: step() for name, step in steps.items()}  # compiles
    seconds = {name: [] for name in steps}
    for _ in range(arguments.rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(arguments.steps):
                step()
            seconds[name].append((time.perf_counter() - start) / arguments.steps)
    print(f"batch {arguments.batch_size}, {arguments.rounds} rounds of {arguments.steps} steps")
    for name, values in seconds.items():
        ratios = [value / base for value, base in zip(values, seconds["by hand"], strict=True)]
        print(
            f"{name:8} loss of the first step {first[name]:.3f}   "
            f"median {1e3 * statistics.median(values):6.1f} ms ({1e3 * min(values):.1f} to {1e3 * max(values):.1f})   "
            f"to by hand: median {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        )


if __name__ == "__main__":
    main()
