"""What the tests of distribution train, on one device, two replicas or two workers, and what they keep of it.

Noise is switched off by parts whose samples are their means, so that all must take the same steps. Batches of 5 leave
shares of 3 and 2 rows, and the last batch of one row leaves an empty share.
"""

import pickle
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tiny import tiny_vae

import tfvae
from tfvae import estimators, objectives

ROWS, BATCH, EPOCHS, D = 16, 5, 5, 2  # 4 steps an epoch: 20 steps
X = np.random.default_rng(1).normal(size=[ROWS, 6]).astype("float32")
WEIGHT = np.linspace(0.5, 2, ROWS).astype("float32")


class CertainNormal(tfvae.distributions.normal.MultivariateNormalDiag):
    """A normal distribution whose samples are its mean."""

    def _draw(self, sample_shape, seed):
        z, eps = super()._draw(sample_shape, seed)
        return self.loc + tf.zeros_like(z), tf.zeros_like(eps)


class CertainPosterior(tfvae.posteriors.DiagonalNormal):
    def distribution(self, loc, scale):
        return CertainNormal(loc, scale)


class CertainPrior(tfvae.priors.StandardNormal):
    def distribution(self, loc, scale):
        return CertainNormal(loc, scale)


class CertainCritic(objectives.DensityRatio):
    """A critic whose shuffle moves dimension d by d rows."""

    def shuffled(self, z, seed):
        return tf.stack([tf.roll(z[:, d], d, axis=0) for d in range(z.shape[1])], axis=1)


def sampled():
    inner = CertainCritic(objectives.GECO(3.0, initial=0.5, speed=0.01, decay=0.9), 1.0, units=[4])
    return objectives.MaximumMeanDiscrepancy(objectives.TotalCorrelation(inner, 1.0), 1.0)


def moments():
    inner = objectives.MomentMatching(objectives.ELBO(free_bits=0.2), 0.5)
    return objectives.TotalCorrelation(inner, 1.0, minibatch_weighted=True)


CASES = {  # name: arguments of `compile`
    "ELBO": dict,
    "stratified TC, MMD, critic, GECO": lambda: {"objective": sampled()},
    "weighted TC, moments, free bits": lambda: {"objective": moments()},
    "capacity": lambda: {"objective": objectives.ELBO(capacity=1.0)},
    "IWAE, doubly reparameterised": lambda: {
        "objective": objectives.IWAE(3),
        "estimator": estimators.DoublyReparameterized(),
    },
}


def model(posterior=CertainPosterior, prior=CertainPrior, rate=0.02, **options):
    keras.utils.set_random_seed(0)
    penalty = keras.regularizers.L2(0.1)
    parts = {
        "posterior": posterior(D, network=keras.layers.Dense(5, activation="tanh", kernel_regularizer=penalty)),
        "prior": prior(D),
    }
    return tiny_vae(tfvae.likelihoods.Normal, 6, **parts, seed=1, optimizer=keras.optimizers.SGD(rate), **options)


class Batches(keras.callbacks.Callback):
    """Keeps the logs of every batch."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append({name: float(value) for name, value in logs.items()})


def trained(strategy, case):
    """Returns what 20 steps leave behind, and the model."""
    keras.utils.set_random_seed(0)  # for the critic's weights
    with strategy.scope():
        vae = model(**CASES[case]())
    batches, options = Batches(), {"sample_weight": WEIGHT, "batch_size": BATCH, "verbose": 0}
    if case == "ELBO":
        options["validation_data"] = (X[:7], X[:7], WEIGHT[:7])
    history = vae.fit(X, epochs=EPOCHS, shuffle=False, callbacks=[batches], **options).history
    found = {"weights": [v.numpy() for v in state(vae)], "history": history, "batches": batches.logs}
    if case == "ELBO":
        del options["validation_data"]
        found["evaluate"] = vae.evaluate(X, return_dict=True, **options)
        found["predict"] = vae.predict(X, batch_size=BATCH, verbose=0)
    return found, vae


def state(vae):
    """Returns the variables of the parts, of the objective and of its optimizer."""
    optimizers = [layer.optimizer for layer in vae.objective_layers if hasattr(layer, "optimizer")]
    return [*vae.variables, *(v for optimizer in optimizers for v in optimizer.variables)]


def refused(strategy):
    """Returns what `fit` says of a stream whose last row is not finite, and of a learning rate that is far too high."""
    with strategy.scope():
        vae, wild = model(), model(rate=1e30)
    rows = np.where(np.arange(ROWS)[:, None] == ROWS - 2, np.nan, X).astype("float32")  # the last of its batch
    before, messages = [v.numpy() for v in wild.trainable_variables], []
    for run in (
        lambda: vae.fit(tf.data.Dataset.from_tensor_slices(rows).batch(BATCH), verbose=0),
        lambda: wild.fit(X, batch_size=BATCH, callbacks=[tfvae.callbacks.FirstAid()], verbose=0),
    ):
        try:
            messages.append(f"trained: {run().history}")
        except (tfvae.InvalidInput, tfvae.callbacks.first_aid.Diverged) as error:
            messages.append(f"{type(error).__name__}: {error}")
    moved = max(float(np.abs(a - b.numpy()).max()) for a, b in zip(before, wild.trainable_variables, strict=True))
    return messages, moved


def drawn(strategy):
    """Returns the codes that the replicas draw for the same examples in one step."""
    with strategy.scope():
        vae = model(tfvae.posteriors.DiagonalNormal, tfvae.priors.StandardNormal)
    draw = tf.function(lambda: strategy.run(lambda: vae.make_step(training=True).loss({"x": X})[1].z))
    return [z.numpy() for z in strategy.experimental_local_results(draw())]


def leave(strategy, out, cases):
    """Writes what a process of its own finds: of cases, and of `refused` and `drawn`."""
    found = {rest.__name__: rest(strategy) for rest in (refused, drawn) if rest.__name__ in cases}
    for case in (case for case in cases if case in CASES):
        found[case], vae = trained(strategy, case)
        found[case]["replicas"] = [
            [np.asarray(value) for value in strategy.experimental_local_results(v.value)] for v in state(vae)
        ]
    Path(out).write_bytes(pickle.dumps(found))
