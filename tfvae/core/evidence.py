"""Evidence: what S samples of z say about each of B examples. The only thing an objective sees.

log_weight = log p(x | z) + log p(z) - log q(z | x)         z ~ q(z | x)
log p(z) = sum_f log p(z_f | parents),  log q(z | x) = sum_f log q(z_f | x, parents)     one factor for each latent
distortion = -E_q log p(x | z)      rate = KL(q(z | x) || p(z))      elbo = -distortion - rate

Samples are points with masses, E_q f = sum_s exp(log_mass_s) f(z_s): equal ones, but where all values of a latent are
enumerated each has the probability that q gives it.
"""

import dataclasses
import functools
import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import replicas


class Gate:
    """Lets a tensor pass as it is and multiplies the gradient on its way back by `factor`, which may be set later.

    Attributes:
        factor: `[S, B]`, or `None` for a gradient that passes as it is.
    """

    def __init__(self) -> None:
        self.factor = None

    def __call__(self, tensor: tf.Tensor) -> tf.Tensor:
        """Returns the tensor, `[S, B, ...]`."""

        @tf.custom_gradient
        def identity(value: tf.Tensor) -> tuple:
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                if self.factor is None:
                    return upstream
                shape = tf.concat([tf.shape(self.factor), tf.ones([upstream.shape.rank - 2], tf.int32)], axis=0)
                return upstream * tf.reshape(self.factor, shape)

            return tf.identity(value), gradient

        return identity(tensor)


class Label(NamedTuple):
    """What is known of one latent of B examples.

    Attributes:
        value: the latent, `[B, *latent]`; any where it is not known.
        known: whether it is, bool, `[B]`.
    """

    value: tf.Tensor
    known: tf.Tensor

    def in_place(self, z: tf.Tensor) -> tf.Tensor:
        """Returns draws, `[S, B, *latent]`, with the label where there is one."""
        return tf.where(tf.reshape(self.known, [-1, *[1] * (self.value.shape.rank - 1)]), self.value, z)

    def without_density(self, log_q: tf.Tensor) -> tf.Tensor:
        """Returns log q, `[S, B]`, which is zero where there is a label: it was not drawn."""
        return tf.where(self.known, 0.0, log_q)

    def at(self, z: tf.Tensor) -> tf.Tensor:
        """Returns log 1 where z, `[S, B, *latent]`, is the label, and log 0 where it is not, `[S, B]`."""
        same = tf.reduce_all(tf.equal(z, self.value), axis=list(range(2, z.shape.rank)))
        return tf.where(same, 0.0, -float("inf"))


class Factor(NamedTuple):
    """What S samples of one latent say of B examples, in nats.

    Attributes:
        q: what it was drawn from, batch shape `[B]`, or `[S, B]` below another latent.
        p: its prior, batch shape `[]`, `[B]` or `[S, B]`.
        z: the samples, `[S, B, *latent]`.
        log_q: log q(z_f | x, parents), `[S, B]`.
        log_p: log p(z_f | c, parents), `[S, B]`.
        kl: KL(q || p), `[B]`, the mean over samples of parents; `None` without a closed form that holds.
        kl_per_dimension: the same for each latent dimension, `[B, D]`, or `None` where it does not factorise.
        log_mass: of the samples, `[S, B]`, or `None` for equal ones.
        label: what is known of this latent, `None` where that is nothing.
    """

    q: tfp.distributions.Distribution
    p: tfp.distributions.Distribution
    z: tf.Tensor
    log_q: tf.Tensor
    log_p: tf.Tensor
    kl: tf.Tensor | None
    kl_per_dimension: tf.Tensor | None
    log_mass: tf.Tensor | None = None
    label: "Label | None" = None

    @property
    def rate(self) -> tf.Tensor:
        """E KL(q || p), `[B]`: in closed form where there is one, else the samples' mean of log q - log p."""
        return expected(self.log_q - self.log_p, self.log_mass) if self.kl is None else self.kl


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Log-densities in nats of S samples for B examples, and the distributions they came from.

    A model of bare parts has one latent, z, whose tensors and distributions `z`, `posterior` and `prior` are; of a
    `Joint` these are dicts by name.

    Attributes:
        log_likelihood: log p(x | z), `[S, B]`.
        factors: name to what the samples of a latent say.
        seed: int32 pair, for what an objective draws.
        bare: whether z is one tensor.
        weight: of each example, `[B]`, or `None` for equal ones.
        step: the training step, or `None` in evaluation, where schedules are at their final values.
        num_data: number of examples N in the data set, or `None` where it is unknown.
        num_known: name of a latent to the number of examples in the data set for which it is known.
        gate: the estimator's hold on gradients through z, or `None`.
        log_mass: of the samples, `[S, B]`, their exponentials add up to one; `None` for equal ones.
    """

    log_likelihood: tf.Tensor
    factors: dict[str, Factor]
    seed: tf.Tensor
    bare: bool = True
    weight: tf.Tensor | None = None
    step: tf.Tensor | None = None
    num_data: int | None = None
    num_known: Mapping[str, int] = dataclasses.field(default_factory=dict)
    gate: Gate | None = None
    log_mass: tf.Tensor | None = None

    @property
    def masses(self) -> tuple[tf.Tensor, ...]:
        """The log-masses as a bound takes them beside the log-weights: nothing for equal ones."""
        return () if self.log_mass is None else (self.log_mass,)

    def outside(self, name: str) -> Any:
        """Returns an attribute of the one latent of bare parts, or of several by name."""
        found = {latent: getattr(factor, name) for latent, factor in self.factors.items()}
        return next(iter(found.values())) if self.bare else found

    @property
    def z(self) -> Any:
        """The samples, `[S, B, *latent]`."""
        return self.outside("z")

    @property
    def posterior(self) -> Any:
        """q(z | x), batch shape `[B]`."""
        return self.outside("q")

    @property
    def prior(self) -> Any:
        """p(z)."""
        return self.outside("p")

    @property
    def log_prior(self) -> tf.Tensor:
        """Log p(z), `[S, B]`: the sum over latents."""
        return total(factor.log_p for factor in self.factors.values())

    @property
    def log_posterior(self) -> tf.Tensor:
        """Log q(z | x), `[S, B]`: the sum over latents."""
        return total(factor.log_q for factor in self.factors.values())

    @property
    def kl(self) -> tf.Tensor | None:
        """KL(q || p), `[B]`, or `None` where a latent has no closed form of it."""
        return total(factor.kl for factor in self.factors.values())

    @property
    def kl_per_dimension(self) -> tf.Tensor | None:
        """The same for each latent dimension, `[B, D]`, those of several latents side by side; or `None`."""
        found = [factor.kl_per_dimension for factor in self.factors.values()]
        if any(each is None for each in found):
            return None
        return found[0] if len(found) == 1 else tf.concat(found, axis=-1)

    @property
    def rates(self) -> dict[str, tf.Tensor]:
        """The rate of each of several latents by name, `[B]`; of one latent nothing."""
        several = self.factors if len(self.factors) > 1 else {}
        return {name: factor.rate for name, factor in several.items()}

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the mean over the examples of all replicas by weight, `[...]`, of values `[B, ...]`."""
        if self.weight is None:
            return tf.reduce_mean(values, axis=0)
        weight = tf.reshape(self.weight, [-1, *[1] * (values.shape.rank - 1)])
        sums, weights = tf.reduce_sum(weight * values, axis=0), tf.reduce_sum(self.weight)
        return tf.math.divide_no_nan(replicas.total(sums), replicas.total(weights))

    @property
    def log_weight(self) -> tf.Tensor:
        """Log importance weight log p(x, z) - log q(z | x), `[S, B]`."""
        return self.log_likelihood + self.log_prior - self.log_posterior

    @property
    def distortion(self) -> tf.Tensor:
        """Negative expected log-likelihood, `[B]`."""
        return -expected(self.log_likelihood, self.log_mass)

    @property
    def rate(self) -> tf.Tensor:
        """KL(q || p), `[B]`: the sum over latents, each in closed form where there is one, else of the samples."""
        return total(factor.rate for factor in self.factors.values())

    @property
    def elbo(self) -> tf.Tensor:
        """The evidence lower bound with beta = 1, `[B]`."""
        return -self.distortion - self.rate


def expected(values: tf.Tensor, log_mass: tf.Tensor | None = None) -> tf.Tensor:
    """Returns sum_s exp(log_mass_s) f(z_s), `[B, ...]`: the mean over samples by their masses.

    Args:
        values: `[S, B, ...]`, or `[1, B, ...]` for samples all alike; what has no mass may be infinite.
        log_mass: `[S, B]`, or `None` for equal ones.
    """
    if log_mass is None:
        return tf.reduce_mean(values, axis=0)
    axes = tf.ones([values.shape.rank - 2], tf.int32)
    log_mass = tf.reshape(log_mass, tf.concat([tf.shape(log_mass), axes], axis=0))
    counts = log_mass > -float("inf")
    return tf.reduce_sum(tf.where(counts, tf.exp(log_mass) * tf.where(counts, values, 0.0), 0.0), axis=0)


def expected_in_draws(values: tf.Tensor, log_mass: tf.Tensor | None, num_draws: int | tf.Tensor) -> tf.Tensor:
    """Returns the mean of values, `[S, B]`, over those that stand for each of n draws, `[n, B]`."""
    if log_mass is None:
        return values
    log_mass = log_mass + tf.math.log(tf.cast(num_draws, tf.float32))
    counts = log_mass > -float("inf")
    weighed = tf.where(counts, tf.exp(log_mass) * tf.where(counts, values, 0.0), 0.0)
    return tf.reduce_sum(tf.reshape(weighed, tf.stack([num_draws, -1, tf.shape(weighed)[1]])), axis=1)


def log_expected_exp(values: tf.Tensor, log_mass: tf.Tensor | None = None, axis: int = 0) -> tf.Tensor:
    """Returns log sum_s exp(log_mass_s + f(z_s)) over the samples along `axis`, by default log 1/S sum_s exp f(z_s).

    Args:
        values: `[S, B]`, or in groups.
        log_mass: of the same shape, or `None` for equal ones.
        axis: of the samples.
    """
    if log_mass is None:
        return tf.reduce_logsumexp(values, axis=axis) - math.log(values.shape[axis])
    return tf.reduce_logsumexp(tf.where(log_mass > -float("inf"), values, 0.0) + log_mass, axis=axis)


def total(values: Iterable[tf.Tensor | None]) -> tf.Tensor | None:
    """Returns the sum, or `None` if one of the values is."""
    found = list(values)
    return None if any(value is None for value in found) else functools.reduce(operator.add, found)
