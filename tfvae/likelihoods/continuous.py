"""Likelihoods of real data, and of data in the unit interval.

    Normal               log N(x; loc(z), scale^2)
    Laplace              -|x - loc(z)| / scale - log 2 scale
    StudentT             log t_df((x - loc(z)) / scale) - log scale                  df > 1, so that it has a mean
    ContinuousBernoulli  x l(z) - log((exp l(z) - 1) / l(z))                         x in [0, 1]

Summed over the event. Where the scale comes from is a part of its own (`tfvae.scales`): fixed, learned and shared, one
for each dimension, or predicted.
"""

import abc
import math
import numbers
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import scales
from tfvae.core import sets
from tfvae.core.conditional import positive, positive_inverse
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config
from tfvae.distributions.binary import ContinuousBernoulli as ContinuousBernoulliElement
from tfvae.likelihoods.base import IndependentLikelihood, ScaledLikelihood, average, solve_increasing

tfd = tfp.distributions


class LocationScale(ScaledLikelihood):
    """A likelihood with a predicted location, which is its mean; subclasses say what the scale of data is."""

    @abc.abstractmethod
    def spread(self, deviations: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
        """Returns the scale that deviations from the mean, `[N, *event]`, suggest, averaged over `axes`."""

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the location, and that of the scale where it is predicted."""
        return {"loc": self.event_shape, **self.scale.head_shapes(self.event_shape)}

    def constrain(self, loc: tf.Tensor, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns location `[..., *event]` and positive scale that broadcasts against it."""
        return {"loc": loc, "scale": self.scale.value(**raw)}

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns the data's mean; the scale starts at their spread, at least 1e-3, and stays where they have none."""
        loc = average(x, axes)
        deviations = x - loc.astype(np.float32)
        return {"loc": loc, **self.scale.adapt(lambda axes: self.spread(deviations, axes), axes)}

    def starting_reach(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns the data's spread for the location, and one where they have none."""
        spread = np.sqrt(average(np.square(x - average(x, axes)), axes))
        return {"loc": np.where(spread > scales.NONE, spread, 1.0)}


@keras.saving.register_keras_serializable(package="tfvae")
class Normal(LocationScale):
    """Independent normal variables with predicted location, for real data.

        log p(x | z) = sum over the event of log N(x; loc(z), scale^2)

    The default learns one scale for all dimensions, which calibrates the balance of distortion and rate by itself
    (sigma-VAE); a number fixes it, and `tfvae.scales` has one for each dimension and one
    predicted from z.

    Args:
        event_shape: shape of one example, for example `(28, 28, 1)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        scale: a `tfvae.scales.Scale` or a positive number; `None` is `tfvae.scales.Shared()`.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, or `scale` is not positive.

    Reference:
        Rybkin, Daniilidis and Levine 2021, "Simple and Effective VAE Training with Calibrated Decoders", section 4.

    Example:
        >>> likelihood = Normal(5, scale=0.1)
        >>> likelihood(tf.zeros([3, 2])).stddev()[0, 0].numpy()
        np.float32(0.1)
    """

    has_quantile = True

    def element(self, loc: tf.Tensor, scale: tf.Tensor) -> tfd.Normal:
        """Returns the elements' distribution."""
        return tfd.Normal(loc, scale)

    def spread(self, deviations: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
        """Returns the standard deviation."""
        return np.sqrt(average(np.square(deviations), axes))


@keras.saving.register_keras_serializable(package="tfvae", name="LaplaceLikelihood")
class Laplace(LocationScale):
    """Independent Laplace variables with predicted location: a density of the absolute error.

        log p(x | z) = sum over the event of -|x - loc(z)| / scale - log(2 scale)

    Args:
        event_shape: shape of one example, for example `(28, 28, 1)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        scale: mean absolute deviation, a `tfvae.scales.Scale` or a positive number; `None` is `tfvae.scales.Shared()`.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, or `scale` is not positive.

    Example:
        >>> likelihood = Laplace(5, scale=0.1)
        >>> likelihood(tf.zeros([3, 2])).log_prob(tf.zeros([3, 5])).shape
        TensorShape([3])
    """

    has_quantile = True

    def element(self, loc: tf.Tensor, scale: tf.Tensor) -> tfd.Laplace:
        """Returns the elements' distribution."""
        return tfd.Laplace(loc, scale)

    def spread(self, deviations: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
        """Returns the mean absolute deviation."""
        return average(np.abs(deviations), axes)


@keras.saving.register_keras_serializable(package="tfvae", name="StudentTLikelihood")
class StudentT(LocationScale):
    """Independent Student-t variables with predicted location, for real data with outliers.

        log p(x | z) = sum over the event of log t_df((x - loc(z)) / scale) - log scale

    The degrees of freedom lie above 1, so that the mean always exists and is the location; the variance exists above 2.

    Args:
        event_shape: shape of one example, for example `(28, 28, 1)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        scale: a `tfvae.scales.Scale` or a positive number; `None` is `tfvae.scales.Shared()`.
        df: degrees of freedom, a number above 1; `None` learns one number, which starts at 5.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, `scale` is not positive, or `df`
            is not a finite number above 1.00001.

    Reference:
        Lange, Little and Taylor 1989, "Robust Statistical Modeling Using the t Distribution".

    Example:
        >>> likelihood = StudentT(5, df=4.0)
        >>> likelihood(tf.zeros([3, 2])).mean().shape
        TensorShape([3, 5])
    """

    def __init__(
        self,
        event_shape: int | tuple[int, ...],
        network: keras.layers.Layer | None = None,
        scale: scales.Scale | float | None = None,
        df: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, network=network, scale=scale, **kwargs)
        number = isinstance(df, numbers.Real) and not isinstance(df, bool)
        if df is not None and not (number and 1 + 1e-5 < df < math.inf):
            remedy = "The mean exists for df above 1 only; 3 to 10 is usual, and None learns it."
            raise InvalidInput("df to be a finite number above 1.00001, or None", f"df={df!r}", remedy)
        self.df = None if df is None else float(df)

    def build_own(self) -> None:
        """Creates the weights of scale and degrees of freedom; idempotent."""
        super().build_own()
        if self.df is None and not hasattr(self, "raw_df"):
            start = keras.initializers.Constant(positive_inverse(4.0))
            self.raw_df = self.add_weight(shape=(), initializer=start, name="raw_df")

    def degrees_of_freedom(self) -> tf.Tensor:
        """Returns df, `[]`: given, or 1 plus a learned positive number."""
        return tf.constant(self.df) if self.df is not None else 1 + positive(tf.convert_to_tensor(self.raw_df))

    def constrain(self, loc: tf.Tensor, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns location `[..., *event]`, and positive scale and df > 1 that broadcast against it."""
        return {**super().constrain(loc, **raw), "df": self.degrees_of_freedom()}

    def element(self, loc: tf.Tensor, scale: tf.Tensor, df: tf.Tensor) -> tfd.StudentT:
        """Returns the elements' distribution."""
        return tfd.StudentT(df, loc, scale)

    def spread(self, deviations: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
        """Returns the mean absolute deviation over that of a standard t, which exists where the mean does."""
        df = float(self.degrees_of_freedom())
        log_ratio = math.lgamma((df + 1) / 2) - math.lgamma(df / 2)
        standard = 2 * math.sqrt(df / math.pi) / (df - 1) * math.exp(log_ratio)
        return average(np.abs(deviations), axes) / standard

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "df": self.df}


@keras.saving.register_keras_serializable(package="tfvae", name="ContinuousBernoulliLikelihood")
class ContinuousBernoulli(IndependentLikelihood):
    """Independent continuous Bernoulli variables, for grey values in [0, 1].

        log p(x | z) = sum over the event of x l - log((exp l - 1) / l),    l = logits(z)

    On grey values the Bernoulli formula is not a normalised density; this one is.
    Its mean is 1 / (1 - exp(-l)) - 1 / l.

    Args:
        event_shape: shape of one example, for example `(28, 28, 1)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1.

    Reference:
        Loaiza-Ganem and Cunningham 2019, "The continuous Bernoulli: fixing a pervasive error in variational
        autoencoders", section 4.

    Example:
        >>> likelihood = ContinuousBernoulli((4, 4, 1))
        >>> likelihood(tf.zeros([3, 2])).log_prob(tf.fill([3, 4, 4, 1], 0.5)).shape
        TensorShape([3])
    """

    support = sets.UNIT_INTERVAL

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the logits."""
        return {"logits": self.event_shape}

    def element(self, logits: tf.Tensor) -> ContinuousBernoulliElement:
        """Returns the elements' distribution."""
        return ContinuousBernoulliElement(logits=logits)

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns the logits whose mean is that of the data, clipped to [0.01, 0.99]."""
        mean = np.clip(average(x, axes), 0.01, 0.99)

        def means(logits: np.ndarray) -> np.ndarray:
            return self.element(tf.constant(logits, tf.float32)).mean().numpy()

        return {"logits": solve_increasing(means, mean, -200.0, 200.0)}
