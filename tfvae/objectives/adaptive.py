"""Objectives that hold a state, which is updated after each gradient step and saved with the model.

DensityRatio    TC ~ E log D(z) / (1 - D(z)),  D a critic of q(z) against prod_d q(z_d)      Kim and Mnih 2018
GECO            max -KL - lambda (distortion - target),  lambda <- lambda exp(rate C)         Rezende and Viola 2018
"""

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfvae.core import replicas
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.evidence import Evidence
from tfvae.core.joint import ALONE
from tfvae.core.seeds import SHUFFLED_CODES, fold, uniform
from tfvae.core.types import Config, Shape, Tensor
from tfvae.objectives.base import Objective
from tfvae.objectives.terms import Term, example_weights
from tfvae.schedules import Schedule, checked


@keras.saving.register_keras_serializable(package="tfvae")
class DensityRatio(Term):
    """Penalises the total correlation as estimated by a critic, which classifies z against shuffled z (FactorVAE).

        loss = -bound + weight E log D(z) / (1 - D(z))
        critic: max E log D(z) + E log (1 - D(shuffled z)),  its own Adam(1e-4, 0.5, 0.9) as in the paper

    The paper shuffles a second batch; here each dimension of the same batch is shuffled, its examples drawn by weight.

    Args:
        objective: the bound to wrap.
        weight: of the penalty (gamma in the paper), a number or a schedule.
        units: hidden widths of the critic; the paper has six layers of 1000.
        learning_rate: of the critic.
        of: the name of the latent, where there are several.

    Raises:
        InvalidInput: see `Term`.

    Reference:
        Kim and Mnih 2018, "Disentangling by Factorising", algorithm 2.
    """

    name = "density_ratio"

    def __init__(
        self,
        objective: Objective,
        weight: float | Schedule = 1.0,
        units: Sequence[int] = (256, 256, 256),
        learning_rate: float = 1e-4,
        of: str = ALONE,
    ) -> None:
        super().__init__(objective, weight, of)
        self.units, self.learning_rate = tuple(units), checked("learning_rate", learning_rate)
        self.critic = Critic(self.units, self.learning_rate)

    def build(self, shapes: Mapping[str, Shape]) -> None:
        """Creates the critic's weights."""
        super().build(shapes)
        latent_shape = self.latent(shapes)
        if len(latent_shape) != 1 or latent_shape[0] < 2:
            remedy = "Total correlation is about dependence between real dimensions: use a latent_dim of at least 2."
            raise InvalidInput("z with at least two real dimensions", f"shape {latent_shape}", remedy)
        self.critic.build((None, *latent_shape))

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The critic, and layers with state of the wrapped objective."""
        return [*super().layers, self.critic]

    def penalty(self, evidence: Evidence) -> Tensor:
        """Returns the critic's estimate of the total correlation, a scalar in nats."""
        return evidence.mean(self.critic(self.latent(evidence.factors).z[0]))

    def update(self, evidence: Evidence) -> None:
        """Takes one gradient step of the critic."""
        super().update(evidence)
        z, weight = tf.stop_gradient(self.latent(evidence.factors).z[0]), example_weights(evidence)
        rows = by_weight(replicas.gathered(z), replicas.gathered(weight))
        shuffled = self.shuffled(rows, fold(evidence.seed, SHUFFLED_CODES))
        self.critic.learn(z, replicas.own(shuffled, tf.shape(z)[0]), weight)

    def shuffled(self, z: Tensor, seed: Tensor) -> Tensor:
        """Returns z, `[B, D]`, with each dimension shuffled on its own."""
        noise = uniform(tf.shape(tf.transpose(z)), seed)
        return tf.transpose(tf.gather(tf.transpose(z), tf.argsort(noise, axis=1), batch_dims=1))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "units": list(self.units), "learning_rate": self.learning_rate}


class Critic(keras.layers.Layer):
    """A classifier of joint against shuffled codes; its output is the log-odds, `[B]`.

    Args:
        units: hidden widths.
        learning_rate: of its Adam optimizer.
    """

    def __init__(self, units: Sequence[int], learning_rate: float, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        hidden = [keras.layers.Dense(n, activation="leaky_relu", dtype="float32") for n in units]
        self.network = keras.Sequential([*hidden, keras.layers.Dense(1, dtype="float32")])
        self.optimizer = keras.optimizers.Adam(learning_rate, beta_1=0.5, beta_2=0.9)

    def build(self, latent_shape: Sequence[int | None]) -> None:
        """Creates the weights and the optimizer's slots; idempotent."""
        if not self.network.built:
            self.network.build(latent_shape)
            self.optimizer.build(self.network.trainable_variables)

    def call(self, z: Tensor) -> Tensor:
        """Returns the log-odds of z being joint, `[B]`."""
        return self.network(z)[:, 0]

    def learn(self, joint: Tensor, shuffled: Tensor, weight: Tensor) -> None:
        """Takes one step of logistic regression on the rows of all replicas.

        Args:
            joint: codes, `[B, D]`.
            shuffled: codes whose dimensions are independent, `[B, D]`.
            weight: of each joint code, `[B]`, not all zero.
        """
        variables, rows = self.network.trainable_variables, replicas.total(tf.cast(tf.shape(joint)[0], tf.float32))
        relative = weight * rows / replicas.total(tf.reduce_sum(weight))
        with tf.GradientTape() as tape:
            losses = relative * tf.math.softplus(-self(joint)) + tf.math.softplus(self(shuffled))
            loss = tf.reduce_sum(losses) / rows
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))


def by_weight(rows: Tensor, weight: Tensor) -> Tensor:
    """Returns as many of the rows, `[M, ...]`, each about as often as its weight, `[M]`, says; equal ones: the rows."""
    count = tf.shape(rows)[0]
    places = (tf.range(count, dtype=tf.float32) + 0.5) * tf.reduce_sum(weight) / tf.cast(count, tf.float32)
    return tf.gather(rows, tf.searchsorted(tf.cumsum(weight), places, side="right"))


@keras.saving.register_keras_serializable(package="tfvae")
class GECO(Objective):
    """Minimises the rate subject to a bound on the distortion, with a learned Lagrange multiplier.

        L = -KL(q || p) - lambda (distortion - target)
        C <- decay C + (1 - decay) mean_B (distortion - target),    lambda <- lambda exp(clip(speed C, -0.1, 0.1))

    Args:
        target: distortion to reach, nats an example.
        num_samples: samples S for each example.
        initial: multiplier before training.
        decay: of the moving average of the constraint.
        speed: of the multiplier, per nat and step.

    Raises:
        InvalidInput: if a number is not finite, or `num_samples` is not a whole number of at least 1.

    Reference:
        Rezende and Viola 2018, "Taming VAEs", algorithm 1.
    """

    def __init__(
        self,
        target: float,
        num_samples: int = 1,
        initial: float = 1.0,
        decay: float = 0.99,
        speed: float = 1e-4,
    ) -> None:
        if isinstance(target, bool) or not isinstance(target, numbers.Real) or not math.isfinite(target):
            raise InvalidInput("target to be a finite number", f"target={target!r}", "It is a distortion in nats.")
        self.target, self.num_samples = float(target), positive_integer("num_samples", num_samples)
        self.initial, self.decay, self.speed = (
            checked("initial", initial),
            checked("decay", decay),
            checked("speed", speed),
        )
        self.controller = Multiplier(self.initial)

    def build(self, shapes: Mapping[str, Shape]) -> None:
        """Creates the multiplier."""
        del shapes
        self.controller.build(None)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The multiplier."""
        return [self.controller]

    def __call__(self, evidence: Evidence) -> Tensor:
        """Returns the Lagrangian for each example, `[B]` in nats."""
        return -evidence.rate - self.controller.value * (evidence.distortion - self.target)

    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> None:
        """Returns `None`: the multiplier weighs the distortion against the rate."""
        del log_weight, log_mass

    def against_collapse(self, epoch_steps: int | None = None) -> list[str]:
        """Returns what to try where the decoder ignores z: a lower target."""
        del epoch_steps
        return [f"a target below {self.target:g}, which the decoder reaches without z"]

    def update(self, evidence: Evidence) -> None:
        """Moves the multiplier by the constraint's moving average."""
        constraint = evidence.mean(evidence.distortion) - self.target
        self.controller.move(tf.stop_gradient(constraint), self.decay, self.speed)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        names = ("target", "num_samples", "initial", "decay", "speed")
        return {name: getattr(self, name) for name in names}


class Multiplier(keras.layers.Layer):
    """A positive number, the Lagrange multiplier, and the moving average of the constraint that changes it.

    Args:
        initial: the number before training.
    """

    def __init__(self, initial: float, **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.initial = initial

    def build(self, input_shape: Shape | None) -> None:
        """Creates the two numbers; idempotent."""
        del input_shape
        if not self.built:
            constant = keras.initializers.Constant
            self.value = self.add_weight(initializer=constant(self.initial), trainable=False, name="value")
            self.average = self.add_weight(initializer=constant(0.0), trainable=False, name="average")

    def move(self, constraint: Tensor, decay: float, speed: float) -> None:
        """Multiplies the number by exp(speed * average)."""
        self.average.assign(decay * self.average + (1 - decay) * constraint)
        growth = tf.clip_by_value(speed * tf.convert_to_tensor(self.average), -0.1, 0.1)
        self.value.assign(tf.clip_by_value(self.value * tf.exp(growth), 1e-3, 1e3))
