"""The decoder's network: a pendulum's equation, a network for what it leaves out, and Runge and Kutta's steps.

    theta'' = [law] -gamma theta' - omega^2 sin theta  +  [network] sum_j c_j(z) phi_j(t)

phi_j are cosines and sines of fixed frequencies, c the network, zero at first: a force that is free in time can bend a
swing into any other one, the law's own included. Steps are a `tf.scan`, which XLA compiles once, whatever their number.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.physics.data import DT

FREQUENCIES = 0.25 * np.arange(29)  # 0 to 7 Hz
FORCE = 30.0  # unit of the network's output, rad/s^2


@keras.saving.register_keras_serializable(package="benchmarks.physics")
class Pendulum(keras.layers.Layer):
    """From omega, gamma, start (`[N, 1]`) and z (`[N, D]`) to theta at 0, dt, ..., `{"loc": [N, T]}`.

    Args:
        steps: number of times T.
        law: whether the pendulum's equation is there.
        network: whether the network is.
        damped: whether the law has its damping; else gamma is 0.
        near: weight of the term that keeps the swing near the one of the law alone, in nats a rad^2:
            near * mean_n sum_t (theta - theta_law)^2 (Takeishi and Kalousis 2021, equation 11).
    """

    def __init__(
        self, steps: int, law: bool = True, network: bool = True, damped: bool = True, near: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.steps, self.law, self.has_network, self.damped, self.near = steps, law, network, damped, near

    def build(self, input_shape: Mapping[str, tuple]) -> None:
        """Creates the network's weights."""
        if self.has_network:
            last = keras.layers.Dense(2 * len(FREQUENCIES), kernel_initializer="zeros", use_bias=False)
            self.forcing = keras.Sequential([keras.layers.Dense(64, "tanh"), last])
            self.forcing.build((None, input_shape["z"][-1]))
        self.built = True

    def call(self, latents: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the swing; with `near` it adds the term to the losses."""
        if not self.near:
            return {"loc": self.swing(latents, self.steps)}
        both = {name: tf.concat([value, value], axis=0) for name, value in latents.items()}
        on = tf.repeat([[1.0], [0.0]], tf.shape(latents["z"])[0], axis=0)
        full, alone = tf.split(self.swing(both, self.steps, on), 2)
        self.add_loss(self.near * tf.reduce_mean(tf.reduce_sum(tf.square(full - alone), axis=1)))
        return {"loc": full}

    def swing(self, latents: Mapping[str, tf.Tensor], steps: int, on: tf.Tensor | float = 1.0) -> tf.Tensor:
        """Returns theta, `[N, steps]`; where `on` is 0 without the network."""
        omega, gamma, start, z = (latents[name] for name in ("omega", "gamma", "start", "z"))
        forces = tf.zeros([2 * steps - 1, tf.shape(start)[0], 1])  # at each half step
        if self.has_network:
            phase = np.pi * DT * np.arange(2 * steps - 1)[:, np.newaxis] * FREQUENCIES  # 2 pi f t
            waves = tf.constant(np.concatenate([np.cos(phase), np.sin(phase)], axis=1), tf.float32)
            forces = tf.einsum("tj,nj->tn", waves, FORCE * on * self.forcing(z))[..., tf.newaxis]

        def slope(theta: tf.Tensor, speed: tf.Tensor, force: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            if self.law:
                force -= tf.square(omega) * tf.sin(theta) + (gamma * speed if self.damped else 0.0)
            return speed, force

        def step(state: tuple, force: tuple) -> tuple[tf.Tensor, tf.Tensor]:
            (theta, speed), (first, middle, last) = state, force
            a = slope(theta, speed, first)
            b = slope(theta + DT / 2 * a[0], speed + DT / 2 * a[1], middle)
            c = slope(theta + DT / 2 * b[0], speed + DT / 2 * b[1], middle)
            d = slope(theta + DT * c[0], speed + DT * c[1], last)
            mean = [DT / 6 * (a[i] + 2 * b[i] + 2 * c[i] + d[i]) for i in range(2)]
            return theta + mean[0], speed + mean[1]

        thetas, _ = tf.scan(step, (forces[:-1:2], forces[1::2], forces[2::2]), (start, tf.zeros_like(start)))
        return tf.transpose(tf.concat([start[tf.newaxis], thetas], axis=0)[..., 0])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        mine = {"steps": self.steps, "law": self.law, "network": self.has_network, "damped": self.damped}
        return {**super().get_config(), **mine, "near": self.near}
