"""JAX and optax by hand: data resident, one program an epoch that shuffles, binarises and takes all steps.

    log w_i = log p(x | z_i) + log p(z_i) - log q(z_i | x),    bound L = log 1/k sum_i w_i,    v_i = w_i / sum w
    pathwise   decoder: sum v_i dlog p,    encoder: the gradient of L through z and through log q
    dreg       decoder: sum v_i dlog p,    encoder: sum v_i^2 dlog w_i/dz_i dz_i           Tucker et al. 2019
    stl        the same with one sample, v = 1                                          Roeder et al. 2017

The average of the weights, where the settings ask for one, is the exponential one that Keras keeps.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.special import logsumexp

from benchmarks.quality.task import LATENT, SHIFT, Recorder, Settings, main, weights


def network(layers: list, x: jax.Array) -> jax.Array:
    """Returns the output of two tanh layers and a linear one."""
    for kernel, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        x = jnp.tanh(x @ kernel + bias)
    return x @ layers[-2] + layers[-1]


def moments(encoder: list, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns location and scale of q(z | x), each `[B, D]`."""
    loc, raw = jnp.split(network(encoder, x), 2, axis=-1)
    return loc, jax.nn.softplus(raw + SHIFT)


def log_weight(decoder: list, x: jax.Array, z: jax.Array, loc: jax.Array, scale: jax.Array) -> jax.Array:
    """Returns log p(x, z) - log q(z | x), `[k, B]`."""
    logits = network(decoder, z)
    log_likelihood = (x * logits - jax.nn.softplus(logits)).sum(-1)
    return log_likelihood + 0.5 * (((z - loc) / scale) ** 2 - z**2).sum(-1) + jnp.log(scale).sum(-1)


def gradient(parameters: list, x: jax.Array, key: jax.Array, samples: int, estimator: str) -> tuple[jax.Array, list]:
    """Returns the mean negative bound of so many samples and its gradient by the estimator."""
    half = len(parameters) // 2
    eps = jax.random.normal(key, (samples, len(x), LATENT))

    def bound(decoder: list, z: jax.Array, loc: jax.Array, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
        log_w = log_weight(decoder, x, z, loc, scale)
        return -(logsumexp(log_w, axis=0) - np.log(samples)).mean(), jax.nn.softmax(log_w, axis=0)

    def draw(encoder: list) -> tuple:
        loc, scale = moments(encoder, x)
        return loc + scale * eps, loc, scale

    (z, loc, scale), encoder_gradient = jax.vjp(draw, parameters[:half])
    both = jax.value_and_grad(bound, argnums=(0, 1, 2, 3), has_aux=True)
    (value, share), (decoder, of_z, of_loc, of_scale) = both(parameters[half:], z, loc, scale)
    if estimator != "pathwise":
        of_z, of_loc, of_scale = of_z * share[..., None], jnp.zeros_like(loc), jnp.zeros_like(scale)
    return value, [*encoder_gradient((of_z, of_loc, of_scale))[0], *decoder]


def train(data: dict[str, np.ndarray], settings: Settings, recorder: Recorder, seed: int) -> None:
    """Trains until the recorder says stop."""
    recorder.start()
    x, rows = jnp.asarray(data["train"]), len(data["train"])
    steps = rows // settings.batch
    optimizer = optax.adam(lambda step: settings.rate(step / steps, jnp), eps=settings.epsilon)
    parameters = [jnp.asarray(w) for w in weights(data["train"], seed, settings.output_bias)]
    state = parameters, optimizer.init(parameters), [jnp.copy(w) for w in parameters]

    def step(state: tuple, item: tuple, samples: int, estimator: str) -> tuple:
        parameters, slots, average = state
        chosen, (for_x, for_z) = item[0], jax.random.split(item[1])
        drawn = jax.random.uniform(for_x, (settings.batch, x.shape[1])) * 255 < x[chosen]
        value, slope = gradient(parameters, drawn.astype(jnp.float32), for_z, samples, estimator)
        updates, slots = optimizer.update(slope, slots)
        parameters = optax.apply_updates(parameters, updates)
        if settings.average:
            average = optax.incremental_update(parameters, average, 1 - settings.average)
        return (parameters, slots, average), value

    @functools.partial(jax.jit, static_argnames=("samples", "estimator"))
    def epoch(state: tuple, key: jax.Array, samples: int, estimator: str) -> tuple:
        for_order, for_steps = jax.random.split(key)
        order = jax.random.permutation(for_order, rows)[: steps * settings.batch].reshape(steps, settings.batch)
        one = functools.partial(step, samples=samples, estimator=estimator)
        state, values = jax.lax.scan(one, state, (order, jax.random.split(for_steps, steps)))
        return state, values.mean()

    for epochs, samples, estimator in settings.parts():
        for number in epochs:
            state, value = epoch(state, jax.random.fold_in(jax.random.key(seed), number), samples, estimator)
            value.block_until_ready()
            kept, last = state[2 if settings.average else 0], number + 1 == settings.epochs
            if recorder.epoch_end(number + 1, lambda: kept, last):  # noqa: B023
                return


if __name__ == "__main__":
    main(train)
