"""The model of the jobs by hand in JAX, and its loss; no other library.

loss = -E_q(z | x) log p(x | z) + KL(q(z | x) || p(z))                 k = 1, one draw
loss = -log 1/k sum_s p(x, z_s) / q(z_s | x)                           k draws
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from benchmarks.speed.jobs import SHIFT, Job

IMAGES = ("NHWC", "HWIO", "NHWC")


def split(job: Job, parameters: list) -> tuple[list, list]:
    """Returns the encoder's and the decoder's pairs of kernel and bias; the last of each is the head."""
    pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
    return pairs[: len(job.hidden) + 1], pairs[len(job.hidden) + 1 :]


def encode(job: Job, layers: list, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns location and scale of q(z | x), each `[B, D]`."""
    activation = getattr(jax.nn, job.activation)
    for kernel, bias in layers[:-1]:
        if job.conv:
            x = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=IMAGES)
        else:
            x = x @ kernel
        x = activation(x + bias)
    kernel, bias = layers[-1]
    loc, raw = jnp.split(x.reshape(x.shape[0], -1) @ kernel + bias, 2, axis=-1)
    return loc, jax.nn.softplus(raw + SHIFT)


def decode(job: Job, layers: list, z: jax.Array) -> jax.Array:
    """Returns logits, `[..., *shape]`."""
    activation = getattr(jax.nn, job.activation)
    x = z
    if job.conv:
        kernel, bias = layers[0]
        side = job.shape[0] // 2 ** len(job.hidden)
        x = activation(z @ kernel + bias).reshape(-1, side, side, job.hidden[-1])
        for kernel, bias in layers[1:-1]:
            x = jax.lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=IMAGES, transpose_kernel=True)
            x = activation(x + bias)
    else:
        for kernel, bias in layers[:-1]:
            x = activation(x @ kernel + bias)
    kernel, bias = layers[-1]
    return x @ kernel + bias


def log_likelihood(job: Job, logits: jax.Array, x: jax.Array) -> jax.Array:
    """Returns log p(x | z), summed over the event."""
    terms = x * logits - jax.nn.softplus(logits)
    return terms.sum(axis=tuple(range(-len(job.shape), 0)))


def log_weight(job: Job, decoder: list, x: jax.Array, loc: jax.Array, scale: jax.Array, eps: jax.Array) -> jax.Array:
    """Returns log p(x, z) - log q(z | x), `[S, B]`, for z = loc + scale eps."""
    z = loc + scale * eps
    log_ratio = 0.5 * (eps**2 - z**2).sum(-1) + jnp.log(scale).sum(-1)
    return log_likelihood(job, decode(job, decoder, z), x) + log_ratio


def loss(parameters: list, job: Job, x: jax.Array, key: jax.Array) -> jax.Array:
    """Returns the mean of the negative bound, in nats."""
    encoder, decoder = split(job, parameters)
    loc, scale = encode(job, encoder, x)
    if job.samples > 1:
        eps = jax.random.normal(key, (job.samples, *loc.shape))
        weight = log_weight(job, decoder, x, loc, scale, eps)
        return -(logsumexp(weight, axis=0) - jnp.log(job.samples)).mean()
    z = loc + scale * jax.random.normal(key, loc.shape)
    kl = 0.5 * (loc**2 + scale**2 - 1 - 2 * jnp.log(scale)).sum(-1)
    return (kl - log_likelihood(job, decode(job, decoder, z), x)).mean()
