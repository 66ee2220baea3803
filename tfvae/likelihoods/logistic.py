"""Likelihoods of whole numbers that are levels of something continuous, such as pixels of 0 to 255.

    DiscretizedLogistic           P(x) = F(x + 1/2) - F(x - 1/2),   F logistic;  the end levels take the tails
    DiscretizedLogisticMixture    P(x) = sum_k pi_k(z) P_k(x)

Summed over the event. Location and scale are those of levels mapped to [-1, 1], a step being 2 / (levels - 1). As this
is a mass function over the levels, -log2 p(x) / D is bits per dimension as the literature has it, with no correction.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import scales, scaling
from tfvae.core import sets
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import Config
from tfvae.distributions.logistic import DiscretizedLogistic as DiscretizedLogisticElement
from tfvae.likelihoods.base import ScaledLikelihood, average, solve_increasing

tfd = tfp.distributions
LEVELS = 256


class Discretized(ScaledLikelihood):
    """A likelihood of whole numbers 0 to levels - 1 made of discretised logistics.

    Args:
        event_shape: shape of one example, for example `(32, 32, 3)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        scale: a `tfvae.scales.Scale` or a positive number; `None` is the class's `default_scale`.
        levels: how many values an element can take.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, `scale` is not positive, or
            `levels` is not a whole number of at least 2.
    """

    support = sets.integers(LEVELS)
    reparameterized = False
    components: tuple[int, ...] = ()  # shape of what is mixed for each element

    def __init__(
        self,
        event_shape: int | tuple[int, ...],
        network: keras.layers.Layer | None = None,
        scale: scales.Scale | float | None = None,
        levels: int = LEVELS,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, network=network, scale=scale, **kwargs)
        self.levels = positive_integer("levels", levels)
        if self.levels == 1:
            raise InvalidInput("levels of at least 2", "levels=1", "Images of 8 bits have levels=256.")
        self.support = sets.integers(self.levels)

    def default_scaling(self) -> scaling.Scaling:
        """Returns the map of levels to [-1, 1], where location and scale are."""
        return scaling.Levels(self.levels)

    @property
    def scale_shape(self) -> tuple[int, ...]:
        """Shape of the locations and scales of one example."""
        return (*self.event_shape, *self.components)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the locations, and that of the scales where they are predicted."""
        return {"loc": self.scale_shape, **self.scale.head_shapes(self.scale_shape)}

    def constrain(self, loc: tf.Tensor, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns locations and positive scales of levels mapped to [-1, 1]."""
        return {"loc": loc, "scale": self.scale.value(**raw)}

    def component(self, loc: tf.Tensor, scale: tf.Tensor) -> DiscretizedLogisticElement:
        """Returns discretised logistics over 0 to levels - 1."""
        half = (self.levels - 1) / 2
        logistic = tfd.Logistic(half * (1 + loc) - 0.5, half * scale)
        return DiscretizedLogisticElement(logistic, low=0.0, high=self.levels - 1.0)

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns locations whose mean is that of the data, clipped to [0.1 %, 99.9 %] of the range.

        Mixed components start side by side, up to a standard deviation away, equally probable.
        """
        top = self.levels - 1
        mean = average(x, axes)
        deviations = (x - mean.astype(np.float32)) / (top / 2)
        count = math.prod(self.components)
        places = ((2 * np.arange(count) + 1 - count) / count).reshape(self.components)
        within = math.sqrt(1 - np.mean(np.square(places))) * math.sqrt(3) / math.pi  # a logistic's scale per deviation

        def each(values: np.ndarray) -> np.ndarray:
            return np.reshape(values, np.shape(values) + (1,) * len(self.components))

        def deviation(axes: tuple[int, ...] | None) -> np.ndarray:
            return each(np.sqrt(average(np.square(deviations), axes)))

        biases = self.scale.adapt(lambda axes: within * deviation(axes), axes)
        scale = self.scale.value(**{name: tf.constant(bias, tf.float32) for name, bias in biases.items()})
        spread = places * deviation(axes)
        compiled = tf.function(lambda loc: self.component(loc, scale).mean())

        def means(shift: np.ndarray) -> np.ndarray:
            mean = compiled(tf.constant(each(shift) + spread, tf.float32)).numpy()
            mean = np.mean(mean, axis=tuple(range(-len(self.components), 0)))
            return np.mean(mean, axis=tuple(axis - 1 for axis in axes[1:]), keepdims=True)

        reach = 2 + np.nanmax(spread, initial=0.0) + 20 * np.max(scale)  # from there on all are at an end of the range
        shift = solve_increasing(means, np.clip(mean, 1e-3 * top, (1 - 1e-3) * top), -reach, reach)
        return {**biases, "loc": each(shift) + spread}

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "levels": self.levels}


@keras.saving.register_keras_serializable(package="tfvae", name="DiscretizedLogisticLikelihood")
class DiscretizedLogistic(Discretized):
    """Independent discretised logistic variables, for pixels of 0 to 255 as whole numbers.

        P(x) = sigmoid((x + 1/2 - m) / s) - sigmoid((x - 1/2 - m) / s),    the end levels take the tails

    with m = (levels - 1) / 2 (1 + loc(z)) and s = (levels - 1) / 2 scale. Data stay what they are, 0 to 255; the
    posterior sees them mapped to [-1, 1] (`tfvae.scaling`).

    Args:
        event_shape: shape of one example, for example `(32, 32, 3)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        scale: in half ranges, a `tfvae.scales.Scale` or a positive number; `None` is `tfvae.scales.Shared()`.
        levels: how many values an element can take.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, `scale` is not positive, or
            `levels` is not a whole number of at least 2.

    Reference:
        Kingma et al. 2016, "Improved Variational Inference with Inverse Autoregressive Flow", appendix B.

    Example:
        >>> likelihood = DiscretizedLogistic((8, 8, 1))
        >>> likelihood(tf.zeros([3, 2])).log_prob(tf.fill([3, 8, 8, 1], 255.0)).shape
        TensorShape([3])
    """

    def element(self, loc: tf.Tensor, scale: tf.Tensor) -> DiscretizedLogisticElement:
        """Returns the elements' distribution."""
        return self.component(loc, scale)


@keras.saving.register_keras_serializable(package="tfvae", name="DiscretizedLogisticMixtureLikelihood")
class DiscretizedLogisticMixture(Discretized):
    """Independent mixtures of discretised logistic variables, for pixels of 0 to 255 as whole numbers.

        P(x) = sum_k pi_k (sigmoid((x + 1/2 - m_k) / s_k) - sigmoid((x - 1/2 - m_k) / s_k)),    pi = softmax logits(z)

    The mixture of PixelCNN++ without its autoregression over colour channels: channels, like pixels, are independent
    given z. Locations and scales as in `DiscretizedLogistic`.

    Args:
        event_shape: shape of one example, for example `(32, 32, 3)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        scale: in half ranges, a `tfvae.scales.Scale` or a positive number; `None` is `tfvae.scales.Predicted()`.
        levels: how many values an element can take.
        num_components: how many logistics are mixed for each element.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, `scale` is not positive,
            `levels` is not a whole number of at least 2, or `num_components` not one of at least 1.

    Reference:
        Salimans et al. 2017, "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood",
        section 2.1.

    Example:
        >>> likelihood = DiscretizedLogisticMixture((8, 8, 1), num_components=3)
        >>> likelihood(tf.zeros([3, 2])).mean().shape
        TensorShape([3, 8, 8, 1])
    """

    default_scale = scales.Predicted

    def __init__(
        self,
        event_shape: int | tuple[int, ...],
        network: keras.layers.Layer | None = None,
        scale: scales.Scale | float | None = None,
        levels: int = LEVELS,
        num_components: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, network=network, scale=scale, levels=levels, **kwargs)
        self.components = (positive_integer("num_components", num_components),)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of mixture logits and locations, and that of the scales where they are predicted."""
        return {"logits": self.scale_shape, **super().head_shapes()}

    def constrain(self, logits: tf.Tensor, loc: tf.Tensor, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns mixture logits, locations and positive scales, `[..., *event, K]`."""
        return {"logits": logits, **super().constrain(loc, **raw)}

    def element(self, logits: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor) -> tfd.MixtureSameFamily:
        """Returns the elements' distribution."""
        return tfd.MixtureSameFamily(tfd.Categorical(logits=logits), self.component(loc, scale))

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns components side by side, equally probable, whose mean is that of the data (clipped as there)."""
        return {**super().starting_biases(x, axes), "logits": np.zeros((1,))}

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_components": self.components[0]}
