"""JAX and optax by hand: a jitted step, an epoch of steps in one `lax.scan`, and a jitted likelihood.

step        loss, gradient and Adam in one program a step, arguments donated; data resident
scan        one program that takes all steps of an epoch
log_prob    one program that streams over chunks of samples
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.special import logsumexp

from benchmarks.speed.jobs import EPSILON, LEARNING_RATE, Job, data, order, weights
from benchmarks.speed.peers.jax_model import encode, log_weight, loss, split
from benchmarks.speed.worker import Runner, serve

CHUNK = 50


class Train:
    """Adam on the loss."""

    def __init__(self, job: Job, scan: bool) -> None:
        self.job, self.scan, self.random = job, scan, np.random.default_rng(0)
        self.x, self.count = jnp.asarray(data(job)), 0
        parameters = [jnp.asarray(w) for w in weights(job)]
        self.weights = sum(w.size for w in parameters)
        self.optimizer = optax.adam(LEARNING_RATE, eps=EPSILON)
        self.state = parameters, self.optimizer.init(parameters)
        self.compiled = jax.jit(self.steps if scan else self.step, donate_argnums=0)

    def step(self, state: tuple, x: jax.Array, rows: jax.Array, seed: int | jax.Array) -> tuple:
        """Returns parameters and optimizer state after a step on the given rows, and its loss."""
        parameters, moments = state
        value, gradient = jax.value_and_grad(loss)(parameters, self.job, x[rows], jax.random.key(seed))
        updates, moments = self.optimizer.update(gradient, moments)
        return (optax.apply_updates(parameters, updates), moments), value

    def steps(self, state: tuple, x: jax.Array, order: jax.Array, seeds: jax.Array) -> tuple:
        """Returns the state after an epoch, and the losses."""
        return jax.lax.scan(lambda s, item: self.step(s, x, *item), state, (order, seeds))

    def seeds(self) -> np.ndarray:
        """Returns a fresh seed for each step of an epoch."""
        self.count += self.job.steps
        return np.arange(self.count, self.count + self.job.steps, dtype=np.int32)

    def first(self) -> None:
        """Compiles, and takes one step (with `scan` none: it would take them all)."""
        rows, seeds = order(self.job, self.random), self.seeds()
        if self.scan:
            self.compiled = self.compiled.lower(self.state, self.x, rows, seeds).compile()
        else:
            self.state, value = self.compiled(self.state, self.x, rows[0], seeds[0])
            value.block_until_ready()

    def run(self, epochs: int) -> float:
        """Trains."""
        for _ in range(epochs):
            rows, seeds = order(self.job, self.random), self.seeds()
            if self.scan:
                self.state, values = self.compiled(self.state, self.x, rows, seeds)
            else:
                values = []
                for row, seed in zip(rows, seeds, strict=True):
                    self.state, value = self.compiled(self.state, self.x, row, seed)
                    values.append(value)
            loss = np.mean(jax.device_get(values))
        return float(loss)


class LogProb:
    """The importance-sampled likelihood, streaming over chunks of samples."""

    def __init__(self, job: Job) -> None:
        self.job, self.x = job, jnp.asarray(data(job))
        self.parameters = [jnp.asarray(w) for w in weights(job)]
        self.weights = sum(w.size for w in self.parameters)

    def block(self, parameters: list, x: jax.Array, key: jax.Array) -> jax.Array:
        """Returns log p(x) of some rows, `[B]`."""
        encoder, decoder = split(self.job, parameters)
        loc, scale = encode(self.job, encoder, x)
        size = min(CHUNK, self.job.samples)

        def chunk(total: jax.Array, key: jax.Array) -> tuple:
            eps = jax.random.normal(key, (size, *loc.shape))
            part = logsumexp(log_weight(self.job, decoder, x, loc, scale, eps), axis=0)
            return jnp.logaddexp(total, part), None

        keys = jax.random.split(key, self.job.samples // size)
        total, _ = jax.lax.scan(chunk, jnp.full(len(x), -jnp.inf), keys)
        return total - jnp.log(self.job.samples)

    def first(self) -> None:
        """Compiles."""
        arguments = self.parameters, self.x[: self.job.batch], jax.random.key(0)
        self.compiled = jax.jit(self.block).lower(*arguments).compile()

    def run(self, epochs: int) -> float:
        """Estimates."""
        for seed in range(epochs):
            keys = jax.random.split(jax.random.key(seed), self.job.steps)
            blocks = self.x.reshape(self.job.steps, self.job.batch, -1)
            values = [self.compiled(self.parameters, x, key) for x, key in zip(blocks, keys, strict=True)]
        return -float(jnp.concatenate(values).mean())


def make(job: Job, variant: str) -> Runner:
    """Returns the job in this variant."""
    return LogProb(job) if job.likelihood else Train(job, scan=variant == "scan")


if __name__ == "__main__":
    serve(make)
