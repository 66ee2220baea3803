"""A likelihood of data in units and shapes of their own: an increasing map first, then a likelihood of real numbers.

log p(x | z) = sum_i log p_U(g_i(x_i) | z) + log g_i'(x_i)
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import scaling, warps
from tfvae.core import sets
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config, Parameters
from tfvae.distributions.warped import Warped as WarpedElement
from tfvae.likelihoods.base import IndependentLikelihood


@keras.saving.register_keras_serializable(package="tfvae", name="WarpedLikelihood")
class Warped(IndependentLikelihood):
    """Skewed, heavy-tailed or lumpy numbers: a likelihood of u = g(x), stated as a density of x.

        log p(x | z) = sum over the columns of log p_U(g(x) | z) + log g'(x)

    Two models of the same columns compare, whatever their warps. The posterior sees u. Mean and deviation are those of
    x, by quadrature, so that they count as a point and not as the exact mean (`has_mean` is false).

    Args:
        likelihood: of u, over one dimension, of real numbers, with a mean, without a network.
        warp: g, a `tfvae.warps.Warp` of as many columns.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.

    Raises:
        InvalidInput: if `likelihood` is not one of real numbers with a mean over one dimension without a network, or
            `warp` is not a warp of as many columns.

    Example:
        >>> from tfvae import warps
        >>> lognormal = Warped(Normal(1, scale=1.0), warps.Logarithm())
        >>> lognormal(tf.zeros([1, 2])).log_prob(tf.ones([1, 1])).shape
        TensorShape([1])
    """

    has_mean = False

    def __init__(
        self,
        likelihood: IndependentLikelihood,
        warp: warps.Warp,
        network: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        real = isinstance(likelihood, IndependentLikelihood) and likelihood.support == sets.REAL
        if not real or not likelihood.has_mean or likelihood.network is not None or len(likelihood.event_shape) != 1:
            expected = "a likelihood of real numbers with a mean, over one dimension, without a network of its own"
            raise InvalidInput(expected, f"{likelihood!r}", "Pass for example tfvae.likelihoods.Normal(3).")
        if not isinstance(warp, warps.Warp):
            raise InvalidInput("a tfvae.warps.Warp", f"{warp!r}", "Pass for example tfvae.warps.normal_scores(x).")
        (columns,) = likelihood.event_shape
        if warp.columns not in (None, columns):
            remedy = "Make both for the columns of one x: likelihoods.Normal(x.shape[1]), warps.normal_scores(x)."
            raise InvalidInput(f"a warp of {columns} columns, as the likelihood has", f"{warp.columns}", remedy)
        super().__init__(likelihood.event_shape, network=network, **kwargs)
        self.likelihood, self.warp = likelihood, warp
        self.reparameterized, self.jit_sample = likelihood.reparameterized, likelihood.jit_sample
        self.has_quantile = likelihood.has_quantile

    @property
    def support(self) -> sets.ValueSet:
        """The set that g is a map of."""
        return self.warp.support

    def build_own(self) -> None:
        """Creates the weights of the likelihood of u; idempotent."""
        self.likelihood.build_own()

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns what the likelihood of u wants."""
        return self.likelihood.head_shapes()

    def constrain(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the parameters of u."""
        return self.likelihood.constrain(**raw)

    def element(self, **parameters: tf.Tensor) -> WarpedElement:
        """Returns the elements' distribution."""
        return WarpedElement(self.likelihood.element(**parameters), self.warp)

    def point(self, distribution: Any) -> tf.Tensor:
        """Returns the mean by quadrature, `[..., D]`; where quantiles of u are no formula, g^-1(E u)."""
        x = distribution.distribution
        return x.expected()[0] if self.has_quantile else x.image_of_mean()

    def deviation(self, distribution: Any) -> tf.Tensor:
        """Returns the standard deviation by quadrature, `[..., D]`; or half the width of what lies within one of u."""
        x = distribution.distribution
        return x.expected()[1] if self.has_quantile else x.half_width()

    def measured(self, distribution: Any, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns those of u."""
        return self.likelihood.measured(distribution.distribution.distribution, self.warp.forward(x))

    def scales(self, parameters: Parameters) -> dict[str, tf.Tensor]:
        """Returns those of u."""
        return self.likelihood.scales(parameters)

    def default_scaling(self) -> scaling.Scaling:
        """Returns the warp: the posterior sees u."""
        return scaling.Warped(self.warp)

    def independent(self) -> "Warped":
        """Returns that of u, with the same warp."""
        return Warped(self.likelihood.independent(), self.warp)

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns what the likelihood of u starts with."""
        return self.likelihood.starting_biases(self._image(x), axes)

    def starting_reach(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns what the likelihood of u says."""
        return self.likelihood.starting_reach(self._image(x), axes)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.pop("event_shape")
        warp = keras.saving.serialize_keras_object(self.warp)
        return {**config, "likelihood": self.likelihood, "warp": warp}

    def _image(self, x: np.ndarray) -> np.ndarray:
        """Returns u; of a masked array a masked one."""
        u = self.warp.forward(tf.constant(np.ma.filled(x, self.support.inner), tf.float32)).numpy()
        return np.ma.masked_array(u, x.mask) if isinstance(x, np.ma.MaskedArray) else u
