"""NumPyro: model and guide, and an epoch of `SVI.update` in one program, as its users write a VAE."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, TraceMeanField_ELBO

from benchmarks.speed.jobs import EPSILON, LEARNING_RATE, Job, data, order, weights
from benchmarks.speed.peers.jax_model import decode, encode, split
from benchmarks.speed.worker import Runner, serve


class Train:
    """Stochastic variational inference with Adam."""

    def __init__(self, job: Job) -> None:
        self.job, self.random = job, np.random.default_rng(0)
        self.x, self.initial = jnp.asarray(data(job)), [jnp.asarray(w) for w in weights(job)]
        self.weights = sum(w.size for w in self.initial)
        adam = numpyro.optim.Adam(LEARNING_RATE, eps=EPSILON)
        self.svi = SVI(self.model, self.guide, adam, TraceMeanField_ELBO())
        self.state = self.svi.init(jax.random.key(0), self.x[: job.batch])
        self.compiled = jax.jit(self.epoch, donate_argnums=0)

    def layers(self, part: int) -> list:
        """Returns the encoder's (0) or decoder's (1) kernels and biases, registered as parameters."""
        pairs = split(self.job, self.initial)[part]
        name = ("encoder", "decoder")[part]
        return [
            tuple(numpyro.param(f"{name}_{i}_{j}", value) for j, value in enumerate(pair))
            for i, pair in enumerate(pairs)
        ]

    def model(self, x: jax.Array) -> None:
        """p(z) p(x | z)."""
        decoder = self.layers(1)
        with numpyro.plate("examples", len(x)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(self.job.latent), 1.0).to_event(1))
            logits = decode(self.job, decoder, z)
            numpyro.sample("x", dist.Bernoulli(logits=logits).to_event(len(self.job.shape)), obs=x)

    def guide(self, x: jax.Array) -> None:
        """q(z | x)."""
        loc, scale = encode(self.job, self.layers(0), x)
        with numpyro.plate("examples", len(x)):
            numpyro.sample("z", dist.Normal(loc, scale).to_event(1))

    def epoch(self, state: tuple, x: jax.Array, order: jax.Array, count: int) -> tuple:
        """Returns the state after the first `count` steps of an epoch, and the sum of the losses."""

        def step(i: int, carry: tuple) -> tuple:
            state, value = self.svi.update(carry[0], x[order[i]])
            return state, carry[1] + value

        return jax.lax.fori_loop(0, count, step, (state, 0.0))

    def first(self) -> None:
        """Takes one step."""
        self.state, value = self.compiled(self.state, self.x, jnp.asarray(order(self.job, self.random)), 1)
        value.block_until_ready()

    def run(self, epochs: int) -> float:
        """Trains."""
        for _ in range(epochs):
            rows = jnp.asarray(order(self.job, self.random))
            self.state, value = self.compiled(self.state, self.x, rows, self.job.steps)
        return float(value) / self.job.rows


def make(job: Job, variant: str) -> Runner:
    """Returns the job."""
    del variant
    return Train(job)


if __name__ == "__main__":
    serve(make)
