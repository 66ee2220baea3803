"""A VAE as the Keras example writes one: a model with a `train_step` of its own, run by `fit` on an array.

fit    compile(Adam)          fit_xla    compile(Adam, jit_compile=True)

As there, the encoder gives a log-variance, the decoder probabilities, and the loss is a cross-entropy plus the KL.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from benchmarks.speed.jobs import EPSILON, LEARNING_RATE, Job, data, weights
from benchmarks.speed.worker import Runner, serve


def networks(job: Job, layers: object) -> tuple[list, list]:
    """Returns the layers of encoder and decoder without their heads, from the module of Keras layers."""
    if not job.conv:
        return tuple([layers.Dense(n, job.activation) for n in part] for part in (job.hidden, job.hidden[::-1]))
    side = job.shape[0] // 2 ** len(job.hidden)
    start = (side, side, job.hidden[-1])
    shared = {"strides": 2, "padding": "same", "activation": job.activation}
    encoder = [layers.Conv2D(n, 3, **shared) for n in job.hidden] + [layers.Flatten()]
    decoder = [layers.Dense(int(np.prod(start)), job.activation), layers.Reshape(start)]
    return encoder, decoder + [layers.Conv2DTranspose(n, 3, **shared) for n in job.hidden[::-1]]


class Example(keras.Model):
    """Encoder, sampling and decoder, with a train step."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        encoder, decoder = networks(job, keras.layers)
        self.encoder, self.decoder = keras.Sequential(encoder), keras.Sequential(decoder)
        self.loc, self.log_variance = keras.layers.Dense(job.latent), keras.layers.Dense(job.latent)
        self.probabilities = keras.layers.Dense(job.shape[-1], "sigmoid")
        self.noise = keras.random.SeedGenerator(0)
        self.loss_tracker = keras.metrics.Mean("loss")
        self.parts = [self.encoder, self.loc, self.log_variance, self.decoder, self.probabilities]
        self.build_with(job)

    def build_with(self, job: Job) -> None:
        """Builds the layers and sets the job's weights."""
        features = self.encoder(tf.zeros([1, *job.shape]))
        self.loc(features), self.log_variance(features)
        self.probabilities(self.decoder(tf.zeros([1, job.latent])))
        self.built = True
        values = weights(job)
        head = 2 * len(job.hidden)
        halves = [np.split(v, 2, axis=-1) for v in values[head : head + 2]]
        values[head : head + 2] = [half[i] for i in range(2) for half in halves]
        variables = [v for part in self.parts for v in part.trainable_variables]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    @property
    def metrics(self) -> list:
        """The loss."""
        return [self.loss_tracker]

    def train_step(self, x: tf.Tensor) -> dict:
        """Takes a gradient step."""
        with tf.GradientTape() as tape:
            features = self.encoder(x)
            loc, log_variance = self.loc(features), self.log_variance(features)
            z = loc + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(loc), seed=self.noise)
            reconstruction = self.probabilities(self.decoder(z))
            entropies = keras.losses.binary_crossentropy(x[..., None], reconstruction[..., None])
            distortion = ops.sum(entropies, axis=tuple(range(1, len(x.shape))))
            rate = -0.5 * ops.sum(1 + log_variance - ops.square(loc) - ops.exp(log_variance), axis=1)
            loss = ops.mean(distortion + rate)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.loss_tracker.update_state(loss)
        return {"loss": self.loss_tracker.result()}


class Fit:
    """`model.fit` on an array."""

    def __init__(self, job: Job, jit_compile: bool) -> None:
        self.job, self.x, self.model = job, data(job), Example(job)
        self.model.compile(keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON), jit_compile=jit_compile)
        self.weights = sum(v.value.shape.num_elements() for v in self.model.trainable_variables)

    def first(self) -> None:
        """Fits one batch."""
        self.model.fit(self.x, batch_size=self.job.batch, steps_per_epoch=1, verbose=0)

    def run(self, epochs: int) -> float:
        """Fits."""
        return self.model.fit(self.x, batch_size=self.job.batch, epochs=epochs, verbose=0).history["loss"][-1]


def make(job: Job, variant: str) -> Runner:
    """Returns the job in this variant."""
    return Fit(job, jit_compile=variant == "fit_xla")


if __name__ == "__main__":
    serve(make)
