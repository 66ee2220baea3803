"""A VAE of TensorFlow Probability's layers on `tf_keras`, run by its `fit` on an array."""

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from benchmarks.speed.jobs import EPSILON, LEARNING_RATE, SHIFT, Job, data, weights
from benchmarks.speed.peers.keras_example import networks
from benchmarks.speed.worker import Runner, serve

tfd, tfpl = tfp.distributions, tfp.layers


def model(job: Job) -> tf_keras.Model:
    """Returns the compiled model with the job's weights."""
    encoder, decoder = networks(job, tf_keras.layers)
    prior = tfd.MultivariateNormalDiag(tf.zeros(job.latent), tf.ones(job.latent))

    def posterior(raw: tf.Tensor) -> tfd.Distribution:
        loc, scale = tf.split(raw, 2, axis=-1)
        return tfd.MultivariateNormalDiag(loc, tf.math.softplus(scale + SHIFT))

    made = tf_keras.Sequential(
        [
            tf_keras.Input(job.shape),
            *encoder,
            tf_keras.layers.Dense(2 * job.latent),
            tfpl.DistributionLambda(posterior),
            tfpl.KLDivergenceAddLoss(prior, use_exact_kl=True, weight=1 / job.batch),  # it sums over the batch
            *decoder,
            tf_keras.layers.Dense(job.shape[-1]),
            tf_keras.layers.Flatten(),
            tfpl.IndependentBernoulli(job.shape),
        ]
    )
    made.set_weights(weights(job))
    adam = tf_keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON)
    made.compile(adam, loss=lambda x, likelihood: -likelihood.log_prob(x))
    return made


class Fit:
    """`model.fit` on an array."""

    def __init__(self, job: Job) -> None:
        self.job, self.x, self.model = job, data(job), model(job)
        self.weights = self.model.count_params()

    def first(self) -> None:
        """Fits one batch."""
        self.model.fit(self.x, self.x, batch_size=self.job.batch, steps_per_epoch=1, verbose=0)

    def run(self, epochs: int) -> float:
        """Fits."""
        history = self.model.fit(self.x, self.x, batch_size=self.job.batch, epochs=epochs, verbose=0)
        return history.history["loss"][-1]


def make(job: Job, variant: str) -> Runner:
    """Returns the job."""
    del variant
    return Fit(job)


if __name__ == "__main__":
    serve(make)
