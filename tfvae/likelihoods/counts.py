"""Likelihoods of counts, with a predicted mean m(z).

    Poisson                        x log m - m - log x!                                       variance m
    NegativeBinomial               log C(x + r - 1, x) + r log r/(r + m) + x log m/(r + m)    variance m + m^2 / r
    ZeroInflatedNegativeBinomial   log((1 - pi(z)) NB(x; m, r) + pi(z) [x = 0])

Summed over the event. The network predicts log m, bounded smoothly: log m = 20 tanh(raw / 20), between 2e-9 and 5e8.
The mass functions keep their digits at large counts: see `tfvae.distributions.counts`.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import scales, scaling
from tfvae.core import sets
from tfvae.core.types import Config
from tfvae.distributions import counts
from tfvae.likelihoods.base import IndependentLikelihood, ScaledLikelihood, average

tfd = tfp.distributions
LOG_MEAN_BOUND = 20.0
SMALLEST_MEAN = 1e-4  # no mean starts below it


class Counts(IndependentLikelihood):
    """A likelihood of counts with a predicted mean; its logarithm is bounded, so that gradients stay finite."""

    support = sets.COUNTS
    reparameterized = False

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the mean's logarithm."""
        return {"log_mean": self.event_shape}

    def constrain(self, log_mean: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the logarithm of the mean, `[..., *event]`, between -20 and 20."""
        return {"log_mean": LOG_MEAN_BOUND * tf.tanh(log_mean / LOG_MEAN_BOUND)}

    def default_scaling(self) -> scaling.Scaling:
        """Returns the logarithm, which the mean is predicted in."""
        return scaling.LogCounts()

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns the logarithm of the data's mean, of at least 1e-4."""
        return {"log_mean": _log_mean_bias(average(x, axes))}


@keras.saving.register_keras_serializable(package="tfvae", name="PoissonLikelihood")
class Poisson(Counts):
    """Independent Poisson variables with predicted mean, for counts.

        log p(x | z) = sum over the event of x log m - m - log x!,    m = m(z)

    Args:
        event_shape: shape of one example, for example `(2000,)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1.

    Example:
        >>> likelihood = Poisson(4)
        >>> likelihood(tf.zeros([3, 2])).log_prob(tf.ones([3, 4])).shape
        TensorShape([3])
    """

    def element(self, log_mean: tf.Tensor) -> tfd.Poisson:
        """Returns the elements' distribution."""
        return counts.Poisson(log_rate=log_mean)


class OverdispersedCounts(Counts, ScaledLikelihood):
    """Counts whose variance m + m^2 / r exceeds their mean m; r comes from a `tfvae.scales.Scale`.

    Args:
        event_shape: shape of one example.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        inverse_dispersion: r, a `tfvae.scales.Scale` or a positive number; `None` is `tfvae.scales.PerDimension()`.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, or r is not positive.
    """

    default_scale = scales.PerDimension
    scale_names = ("inverse_dispersion",)

    def __init__(
        self,
        event_shape: int | tuple[int, ...],
        network: keras.layers.Layer | None = None,
        inverse_dispersion: scales.Scale | float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, network=network, scale=inverse_dispersion, **kwargs)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the mean's logarithm, and that of the inverse dispersion where it is predicted."""
        return {**super().head_shapes(), **self.scale.head_shapes(self.event_shape)}

    def constrain(self, log_mean: tf.Tensor, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the mean's logarithm, `[..., *event]`, and the inverse dispersion, which broadcasts against it."""
        return {**super().constrain(log_mean), "inverse_dispersion": self.scale.value(**raw)}

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns the logarithm of the data's mean; the inverse dispersion starts where the variance is the data's."""
        biases = self.scale.adapt(lambda axes: _inverse_dispersion(x, axes), axes)
        return {**super().starting_biases(x, axes), **biases}

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["inverse_dispersion"] = config.pop("scale")
        return config


@keras.saving.register_keras_serializable(package="tfvae", name="NegativeBinomialLikelihood")
class NegativeBinomial(OverdispersedCounts):
    """Independent negative binomial variables with predicted mean, for counts that vary more than a Poisson's.

        log p(x | z) = sum over the event of log C(x + r - 1, x) + r log r/(r + m) + x log m/(r + m),    m = m(z)

    Args:
        event_shape: shape of one example, for example `(2000,)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        inverse_dispersion: r, a `tfvae.scales.Scale` or a positive number; `None` learns one for each dimension.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, or r is not positive.

    Reference:
        Lopez et al. 2018, "Deep generative modeling for single-cell transcriptomics" (scVI), methods.

    Example:
        >>> likelihood = NegativeBinomial(4)
        >>> likelihood(tf.zeros([3, 2])).log_prob(tf.ones([3, 4])).shape
        TensorShape([3])
    """

    def element(self, log_mean: tf.Tensor, inverse_dispersion: tf.Tensor) -> tfd.NegativeBinomial:
        """Returns the elements' distribution."""
        return _negative_binomial(log_mean, inverse_dispersion)


@keras.saving.register_keras_serializable(package="tfvae", name="ZeroInflatedNegativeBinomialLikelihood")
class ZeroInflatedNegativeBinomial(OverdispersedCounts):
    """Independent negative binomial variables, each of which reads zero with a predicted probability pi.

        log p(x | z) = sum over the event of log((1 - pi) NB(x; m, r) + pi [x = 0]),    pi = pi(z), m = m(z)

    The mean is (1 - pi) m.

    Args:
        event_shape: shape of one example, for example `(2000,)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        inverse_dispersion: r, a `tfvae.scales.Scale` or a positive number; `None` learns one for each dimension.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, or r is not positive.

    Reference:
        Lopez et al. 2018, "Deep generative modeling for single-cell transcriptomics" (scVI), methods.

    Example:
        >>> likelihood = ZeroInflatedNegativeBinomial(4)
        >>> likelihood(tf.zeros([3, 2])).log_prob(tf.zeros([3, 4])).shape
        TensorShape([3])
    """

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the mean's logarithm, of the zeros' log-odds, and what the dispersion needs."""
        return {**super().head_shapes(), "zero_logits": self.event_shape}

    def constrain(self, log_mean: tf.Tensor, zero_logits: tf.Tensor, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns mean and inverse dispersion of the counts, and the log-odds of losing one, `[..., *event]`."""
        return {**super().constrain(log_mean, **raw), "zero_logits": zero_logits}

    def element(
        self, log_mean: tf.Tensor, inverse_dispersion: tf.Tensor, zero_logits: tf.Tensor
    ) -> counts.ZeroInflated:
        """Returns the elements' distribution."""
        return counts.ZeroInflated(_negative_binomial(log_mean, inverse_dispersion), zero_logits)

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns in addition the log-odds of the zeros that a negative binomial leaves over, in [0.01, 0.9]."""
        mean, r = np.maximum(average(x, axes), SMALLEST_MEAN), _inverse_dispersion(x, axes)
        expected = np.exp(r * np.log(r / (r + mean)))
        lost = np.clip((average(x == 0, axes) - expected) / (1 - expected), 0.01, 0.9)
        biases = {**super().starting_biases(x, axes), "log_mean": _log_mean_bias(mean / (1 - lost))}
        return {**biases, "zero_logits": np.log(lost) - np.log1p(-lost)}


def _negative_binomial(log_mean: tf.Tensor, inverse_dispersion: tf.Tensor) -> tfd.NegativeBinomial:
    logits = log_mean - tf.math.log(inverse_dispersion)
    return counts.NegativeBinomial(inverse_dispersion, logits=logits)


def _log_mean_bias(mean: np.ndarray) -> np.ndarray:
    log_mean = np.minimum(np.log(np.maximum(mean, SMALLEST_MEAN)), 0.95 * LOG_MEAN_BOUND)
    return LOG_MEAN_BOUND * np.arctanh(log_mean / LOG_MEAN_BOUND)


def _inverse_dispersion(x: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """Returns m^2 / (variance - m), by moments, in [0.01, 1000]."""
    mean = np.mean(x, axis=0, dtype=np.float64).astype(np.float32)
    excess = average(np.square(x - mean) - mean, axes)
    square = average(np.square(mean + 0 * x), axes)  # as often as there are cells of x
    return np.clip(square / np.maximum(excess, 1e-3 * square + 1e-12), 0.01, 1000.0)
