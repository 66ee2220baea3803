"""Evidence: what S samples of z say about each of B examples. The only thing an objective sees.

log_weight = log p(x | z) + log p(z) - log q(z | x)         z ~ q(z | x)
distortion = -E_q log p(x | z)      rate = KL(q(z | x) || p(z))      elbo = -distortion - rate
"""

import dataclasses

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


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Log-densities in nats of S samples for B examples, and the distributions they came from.

    Attributes:
        log_likelihood: log p(x | z), `[S, B]`.
        log_prior: log p(z), `[S, B]`.
        log_posterior: log q(z | x), `[S, B]`.
        kl: KL(q || p), `[B]`, or `None` where q and p have no closed form of it.
        kl_per_dimension: the same for each latent dimension, `[B, D]`, or `None` where it does not factorise.
        z: the samples, `[S, B, D]`.
        posterior: q(z | x), batch shape `[B]`.
        prior: p(z).
        seed: int32 pair, for what an objective draws.
        weight: of each example, `[B]`, or `None` for equal ones.
        step: the training step, or `None` in evaluation, where schedules are at their final values.
        num_data: number of examples N in the data set, or `None` where it is unknown.
        gate: the estimator's hold on gradients through z.
    """

    log_likelihood: tf.Tensor
    log_prior: tf.Tensor
    log_posterior: tf.Tensor
    kl: tf.Tensor | None
    kl_per_dimension: tf.Tensor | None
    z: tf.Tensor
    posterior: tfp.distributions.Distribution
    prior: tfp.distributions.Distribution
    seed: tf.Tensor
    weight: tf.Tensor | None = None
    step: tf.Tensor | None = None
    num_data: int | None = None
    gate: Gate | None = None

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the mean over the examples of all replicas by weight, `[...]`, of values `[B, ...]`."""
        if self.weight is None:
            return tf.reduce_mean(values, axis=0)
        weight = tf.reshape(self.weight, [-1, *[1] * (values.shape.rank - 1)])
        total, weights = tf.reduce_sum(weight * values, axis=0), tf.reduce_sum(self.weight)
        return tf.math.divide_no_nan(replicas.total(total), replicas.total(weights))

    @property
    def log_weight(self) -> tf.Tensor:
        """Log importance weight log p(x, z) - log q(z | x), `[S, B]`."""
        return self.log_likelihood + self.log_prior - self.log_posterior

    @property
    def distortion(self) -> tf.Tensor:
        """Negative expected log-likelihood, `[B]`."""
        return -tf.reduce_mean(self.log_likelihood, axis=0)

    @property
    def rate(self) -> tf.Tensor:
        """KL(q || p), `[B]`: in closed form where there is one, else the samples' mean of log q - log p."""
        return tf.reduce_mean(self.log_posterior - self.log_prior, axis=0) if self.kl is None else self.kl

    @property
    def elbo(self) -> tf.Tensor:
        """The evidence lower bound with beta = 1, `[B]`."""
        return -self.distortion - self.rate
