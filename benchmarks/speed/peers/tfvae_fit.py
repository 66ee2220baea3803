"""tfvae as its users run it, and its bare train step.

fit        vae.compile("adam"); vae.fit(array), as in a training of half a minute: what it chooses depends on the plan
fit_graph  the same with jit_compile=False               fit_xla    the same with jit_compile=True
fit_mixed  the same under Keras' policy mixed_bfloat16    fit_mixed_xla    the same with jit_compile=True
fit_products   TensorFlow takes products in bfloat16, its graph optimiser puts the casts there
step       tf.function(train_step), data resident        step_xla   the same with jit_compile=True
loop_xla   one XLA program that takes all steps of an epoch
log_prob   vae.log_prob(array, num_samples=k)
"""

import keras
import numpy as np
import tensorflow as tf

import tfvae
from benchmarks.speed.jobs import EPSILON, LEARNING_RATE, Job, data, order, weights
from benchmarks.speed.worker import Runner, serve
from tfvae.training.device import BFLOAT16_PRODUCTS


def model(job: Job, jit_compile: bool | str) -> tfvae.VAE:
    """Returns the compiled model with the job's weights."""
    if job.conv:
        encoder = tfvae.networks.conv(job.hidden, activation=job.activation)
        decoder = tfvae.networks.conv_transpose(job.shape, job.hidden[::-1], activation=job.activation)
    else:
        encoder = tfvae.networks.mlp(job.hidden, job.activation)
        decoder = tfvae.networks.mlp(job.hidden[::-1], job.activation)
    vae = tfvae.VAE(
        tfvae.posteriors.DiagonalNormal(job.latent, network=encoder),
        tfvae.likelihoods.Bernoulli(job.shape, network=decoder),
        seed=0,
    )
    plain = job.likelihood or job.samples == 1
    vae.compile(
        keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON),
        objective=tfvae.objectives.ELBO() if plain else tfvae.objectives.IWAE(job.samples),
        jit_compile=jit_compile,
    )
    layers = (vae.posterior.network, vae.posterior.head, vae.likelihood.network, vae.likelihood.head)
    variables = [v for layer in layers for v in layer.trainable_variables]
    for variable, value in zip(variables, weights(job), strict=True):
        variable.assign(value)
    return vae


class Fit:
    """`vae.fit` on an array."""

    def __init__(self, job: Job, jit_compile: bool | str) -> None:
        self.job, self.x, self.vae = job, data(job), model(job, jit_compile)
        self.weights = sum(w.size for w in weights(job))

    def first(self) -> None:
        """Fits one batch."""
        how = {"epochs": self.job.half_a_minute, "initial_epoch": self.job.half_a_minute - 1, "verbose": 0}
        self.vae.fit(self.x[: self.job.batch], batch_size=self.job.batch, **how)

    def run(self, epochs: int) -> float:
        """Fits the last epochs of a training of half a minute."""
        planned = max(-(-self.job.half_a_minute // self.job.steps), epochs)
        how = {"batch_size": self.job.batch, "epochs": planned, "initial_epoch": planned - epochs, "verbose": 0}
        return self.vae.fit(self.x, **how).history["loss"][-1]


class Step:
    """A compiled train step in a plain loop, or a compiled loop of them."""

    def __init__(self, job: Job, jit_compile: bool, loop: bool) -> None:
        self.job, self.loop, self.random = job, loop, np.random.default_rng(0)
        self.x, self.vae = tf.constant(data(job)), model(job, jit_compile)
        self.vae.num_data = job.rows
        self.weights = sum(w.size for w in weights(job))
        self.compiled = tf.function(self.steps if loop else self.step, jit_compile=jit_compile)

    def step(self, rows: tf.Tensor) -> tf.Tensor:
        """Takes a step on the given rows."""
        return self.vae.train_step((tf.gather(self.x, rows),))["loss"]

    def steps(self, order: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Takes the first `count` steps of an epoch."""

        def step(i: tf.Tensor) -> tuple:
            with tf.control_dependencies([self.step(order[i])]):
                return (i + 1,)

        with tf.control_dependencies(tf.while_loop(lambda i: i < count, step, (tf.constant(0),))):
            return self.vae.logs["loss"].result()

    def first(self) -> None:
        """Takes one step."""
        self.epoch(1)

    def epoch(self, steps: int) -> float:
        """Takes so many steps."""
        rows = tf.constant(order(self.job, self.random))
        if self.loop:
            return float(self.compiled(rows, tf.constant(steps)))
        for i in range(steps):
            loss = self.compiled(rows[i])
        return float(loss)

    def run(self, epochs: int) -> float:
        """Trains."""
        for _ in range(epochs):
            self.vae.reset_metrics()
            loss = self.epoch(self.job.steps)
        return loss


class LogProb:
    """The importance-sampled likelihood."""

    def __init__(self, job: Job) -> None:
        self.job, self.x, self.vae = job, data(job), model(job, jit_compile=False)
        self.weights = sum(w.size for w in weights(job))

    def first(self) -> None:
        """Compiles on one block and one chunk of samples."""
        self.vae.log_prob(self.x[: self.job.batch], num_samples=min(50, self.job.samples), seed=0)

    def run(self, epochs: int) -> float:
        """Estimates."""
        for seed in range(epochs):
            log_prob = self.vae.log_prob(self.x, num_samples=self.job.samples, seed=seed)
        return -float(tf.reduce_mean(log_prob))


def make(job: Job, variant: str) -> Runner:
    """Returns the job in this variant."""
    keras.config.set_dtype_policy("mixed_bfloat16" if variant.startswith("fit_mixed") else "float32")
    tf.config.optimizer.set_experimental_options({BFLOAT16_PRODUCTS: variant == "fit_products"})
    return {
        "fit": lambda: Fit(job, jit_compile="auto"),
        "fit_graph": lambda: Fit(job, jit_compile=False),
        "fit_xla": lambda: Fit(job, jit_compile=True),
        "fit_mixed": lambda: Fit(job, jit_compile="auto"),
        "fit_mixed_xla": lambda: Fit(job, jit_compile=True),
        "fit_products": lambda: Fit(job, jit_compile="auto"),
        "step": lambda: Step(job, jit_compile=False, loop=False),
        "step_xla": lambda: Step(job, jit_compile=True, loop=False),
        "loop_xla": lambda: Step(job, jit_compile=True, loop=True),
        "log_prob": lambda: LogProb(job),
    }[variant]()


if __name__ == "__main__":
    serve(make)
