"""A part of each digit is shown, the rest is predicted: p(y | shown) = int p(y | z, shown) p(z | shown) dz.

    1 quadrant shown: lower left        2: left half        3: all but the upper right        (those of Pyro's example)

x of the model is the hidden pixels alone, so that every figure is log p(hidden | shown) in nats an image; the shown
pixels are the condition of prior, posterior and decoder. Beside it stands a network of the same hidden layers with one
Bernoulli for each hidden pixel. Both stop early on validation; test is scored once.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfvae
from benchmarks.conditional import pictures
from benchmarks.conditional.common import Result, moments, sayer, write
from benchmarks.reproduce import protocol
from benchmarks.reproduce.rates import FLOOR
from benchmarks.reproduce.rows import Row
from benchmarks.reproduce.run import Clock, Options, estimates, model, summed_up, tested
from tfvae import networks, recipes
from tfvae.callbacks import EarlyStopping
from tfvae.conditions import Declared
from tfvae.datasets import Data
from tfvae.vae import VAE

HIDDEN, LATENT, BATCH, LEARNING_RATE = (500, 500), 200, 128, 1e-3
UPDATES, PATIENCE = 7_820, 5  # 20 passes of 391 updates
SAMPLES, EXAMPLES, ELBO_SAMPLES = 1000, 2000, 10
SHOWN_IN_PICTURE = 8
PYRO = {
    "protocol": "Pyro's example: grey pixels as probabilities, -ELBO, stopped on the test set; not comparable",
    "network": {1: 100.4, 2: 61.9, 3: 25.4},
    "conditional": {1: 71.8, 2: 51.0, 3: 24.2},
}


def shown_pixels(given: int, side: int = 28) -> np.ndarray:
    """Returns which pixels are shown, `[side, side]`."""
    lower, left = np.arange(side)[:, np.newaxis] >= side // 2, np.arange(side) < side // 2
    return {1: lower & left, 2: left & np.ones_like(lower), 3: lower | left}[given]


def parted(data: Data, shown: np.ndarray) -> Data:
    """Returns the data with hidden pixels as x, `[N, H]`, and shown ones as the condition, `[N, 784 - H]`."""
    arrays = {}
    for split in (data.train, data.valid, data.test):
        pixels = split.x.reshape(len(split), -1)
        arrays |= {f"x_{split.name}": pixels[:, ~shown.ravel()], f"shown_{split.name}": pixels[:, shown.ravel()]}
    return tfvae.datasets.load(arrays, condition="shown")


def conditional(shape: tuple[int, ...], condition: Declared, **shared) -> VAE:
    """Returns the model: hidden layers 500-500 in prior, posterior and decoder, 200 dimensions of z."""
    encoder, decoder, prior = (networks.mlp(HIDDEN) for _ in range(3))
    nets = {"encoder": encoder, "decoder": decoder, "prior_network": prior}
    return recipes.conditional(shape, condition, latent_dim=LATENT, **nets, **shared)


def surprise(y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns -log p(y | shown) of independent pixels, `[B]`."""
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(y, logits.dtype), logits), axis=-1)


def network(hidden: int, options: Options, updates: int, seed: int) -> keras.Model:
    """Returns the network that predicts each hidden pixel, compiled."""
    keras.utils.set_random_seed(seed)
    found = keras.Sequential([networks.mlp(HIDDEN), keras.layers.Dense(hidden)])
    rate = options.learning_rate or LEARNING_RATE
    found.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, updates, alpha=FLOOR)), surprise)
    return found


def stopped(found: keras.Model, train: tuple, valid: Any, epochs: int, log: str, mode: str, say: Any) -> Result:
    """Trains until validation no longer improves, goes back to the best weights, and returns what happened."""
    clock, stop = Clock(), EarlyStopping(log, patience=PATIENCE, mode=mode)
    line = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: say(f"epoch {e + 1}: {log} {logs[log]:.3f}"))
    how = {"batch_size": BATCH, "epochs": epochs, "callbacks": [clock, stop, line], "verbose": 0}
    curve = found.fit(*train, validation_data=valid, **how).history[log]
    return {"minutes": sum(clock.seconds) / 60, "epochs": len(curve), "best_epoch": stop.best_epoch + 1, log: curve}


def run(given: int, seed: int, options: Options, command: str) -> Result:
    """Trains and scores both for one number of quadrants, and writes the result and a picture."""
    key = f"quadrants-{given}-{seed}"
    whole, shown = protocol.data("static", options.data, options.smoke), shown_pixels(given)
    data, say = parted(whole, shown), sayer(key)
    steps = -(-len(data.train) // BATCH)
    epochs = max((options.updates or UPDATES) // steps, 1)
    row = Row(
        "conditional 784-500-500-200", "static", conditional, None, None, "", batch=BATCH,
        learning_rate=LEARNING_RATE, test_samples=SAMPLES, test_examples=EXAMPLES,
    )  # fmt: skip
    plain = network(data.event_shape[0], options, epochs * steps, seed)
    train, valid = ((split.condition, split.x) for split in (data.train, data.valid))
    found = {"network": stopped(plain, train, valid, epochs, "val_loss", "min", say)}
    vae = model(row, data, options, seed, epochs * steps)
    found["conditional"] = stopped(vae, (data.train.observed,), data.valid.observed, epochs, "val_elbo", "max", say)

    every, few = tested(data.test, len(data.test)), tested(data.test, options.of("test_examples", row))
    alone = -surprise(every.x, plain.predict(every.condition, batch_size=1000, verbose=0)).numpy().astype(np.float64)
    elbo = vae.elbo(every.x, ELBO_SAMPLES, seed=0, condition=every.condition).numpy().astype(np.float64)
    log_prob, errors = estimates(vae, few, options.of("test_samples", row), say)
    found["network"] |= {"log_prob": moments(alone), "weights": plain.count_params()}
    found["conditional"] |= {
        "elbo": moments(elbo),
        "log_prob": summed_up(log_prob, errors),
        "elbo_beside_network": moments(elbo - alone),
        "log_prob_beside_network": moments(log_prob - alone[: len(few)]),
        "weights": vae.count_params(),
    }
    say(str({name: value for name, value in found["conditional"].items() if isinstance(value, dict)}))
    pictures.completions(vae, plain, few, shown, options.out / f"{key}.png")
    return write(
        options.out / f"{key}.json", options, command, name="quadrants", title=row.title, given=given, seed=seed,
        data={"protocol": protocol.WORDS["static"], **whole.protocol, "source": whole.name},
        hidden_pixels=data.event_shape[0], test_examples={"elbo": len(every), "log_prob": len(few)},
        test_samples={"elbo": ELBO_SAMPLES, "log_prob": options.of("test_samples", row)},
        plan={"batch": BATCH, "learning_rate": options.of("learning_rate", row), "schedule": f"cosine to {FLOOR}",
              "updates": epochs * steps, "epochs": epochs, "patience": PATIENCE},
        pyro=PYRO | {name: PYRO[name][given] for name in ("network", "conditional")}, models=found,
    )  # fmt: skip
