"""A small simulator as the decoder's network: x(t) of x'' = -k x - c x', and a model of it."""

import keras
import tensorflow as tf
from tiny import tiny_vae

import tfvae
from tfvae import posteriors, priors

STEPS, DT = 8, 0.25


def slope(state, k, c):
    x, speed = state
    return speed, -k * x - c * speed


@keras.saving.register_keras_serializable(package="test")
class Spring(keras.layers.Layer):
    """From k, c and start, `[N, 1]`, to x at 0, dt, ..., `{"loc": [N, 8]}`, by Heun's steps."""

    def __init__(self, loop="scan", **kwargs):
        super().__init__(**kwargs)
        self.loop = loop

    def call(self, latents):
        k, c, start = latents["k"], latents["c"], latents["start"]

        def step(state):
            first = slope(state, k, c)
            second = slope([s + DT * d for s, d in zip(state, first, strict=True)], k, c)
            return tuple(s + DT / 2 * (a + b) for s, a, b in zip(state, first, second, strict=True))

        state = start, tf.zeros_like(start)
        if self.loop == "scan":
            x = tf.scan(lambda state, _: step(state), tf.range(STEPS - 1), state)[0]
        else:
            kept = tf.TensorArray(tf.float32, STEPS - 1, element_shape=[None, 1])
            most = {"maximum_iterations": STEPS - 1} if self.loop == "while" else {}

            def body(t, state, kept):
                state = step(state)
                return t + 1, state, kept.write(t, state[0])

            x = tf.while_loop(lambda t, *_: t < STEPS - 1, body, (0, state, kept), **most)[2].stack()
        return {"loc": tf.transpose(tf.concat([start[tf.newaxis], x], axis=0)[..., 0])}

    def get_config(self):
        return {**super().get_config(), "loop": self.loop}


def spring_vae(network=None, scale=0.1, initial=0, k=None, given=("k", "c", "start"), **options) -> tfvae.VAE:
    """Returns a compiled model with latents k (positive), c (between 0 and 1) and start (real); `k` a pair of parts."""
    keras.utils.set_random_seed(initial)
    q, p = k or (posteriors.LogNormal(1, scale=0.3), priors.LogNormal(1, loc=0.5, scale=0.5))
    return tiny_vae(
        tfvae.likelihoods.Normal(STEPS, network=network or Spring(), head=False, given=given, scale=scale),
        posterior=tfvae.Joint(k=q, c=posteriors.LogitNormal(1, 0, 1), start=posteriors.DiagonalNormal(1)),
        prior=tfvae.Joint(k=p, c=priors.LogitNormal(1, 0, 1), start=priors.StandardNormal(1)),
        **options,
    )
