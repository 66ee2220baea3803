"""Likelihoods p(x | z): z -> normalised distribution over x, `[...]`.

    Bernoulli    log p(x | z) = sum x logits(z) - log(1 + exp logits(z))       x in {0, 1}
    Normal       log p(x | z) = sum log N(x; loc(z), scale^2)                  x real

The scale of a `Normal` is a part of its own (`tfvae.scales`): fixed, learned and shared, one a dimension, or predicted.
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import scales, supports
from tfvae.conditional_distribution import ConditionalDistribution
from tfvae.distributions import IndependentBernoulli
from tfvae.errors import InvalidInput, positive_integer

tfd = tfp.distributions


class Likelihood(ConditionalDistribution):
    """A conditional distribution over x, `[...]`.

    Args:
        event_shape: shape of one example, for example `(28, 28, 1)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.

    Attributes:
        support: the set that x must lie in.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1.
    """

    support: supports.Support = supports.REAL

    def __init__(
        self, event_shape: int | tuple[int, ...], network: keras.layers.Layer | None = None, **kwargs: Any
    ) -> None:
        super().__init__(network=network, **kwargs)
        shape = tuple(event_shape) if isinstance(event_shape, (tuple, list)) else (event_shape,)
        if not shape:
            raise InvalidInput("event_shape with at least one dimension", "()", "Use (1,) for scalar data.")
        self.event_shape = tuple(positive_integer("event_shape", size) for size in shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "event_shape": list(self.event_shape)}


@keras.saving.register_keras_serializable(package="tfvae")
class Bernoulli(Likelihood):
    """Independent Bernoulli variables with predicted logits, for binary data.

        log p(x | z) = sum over the event of x l - log(1 + exp l),    l = logits(z)

    Args:
        event_shape: shape of one example, for example `(28, 28, 1)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1.

    Reference:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes", appendix C.1.

    Example:
        >>> likelihood = Bernoulli((4, 4, 1))
        >>> likelihood(tf.zeros([3, 2])).log_prob(tf.ones([3, 4, 4, 1])).shape
        TensorShape([3])
    """

    support = supports.BINARY

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the logits."""
        return {"logits": self.event_shape}

    def distribution(self, logits: tf.Tensor) -> IndependentBernoulli:
        """Returns the distribution over the event; logits `[..., *event]`."""
        return IndependentBernoulli(
            tfd.Bernoulli(logits=logits, dtype=tf.float32), reinterpreted_batch_ndims=len(self.event_shape)
        )


@keras.saving.register_keras_serializable(package="tfvae")
class Normal(Likelihood):
    """Independent normal variables with predicted location, for real data.

        log p(x | z) = sum over the event of log N(x; loc(z), scale^2)

    The default learns one scale for all dimensions, which calibrates the balance of distortion and rate by itself
    (sigma-VAE); a number fixes it, and `tfvae.scales` has one a dimension and one predicted from z.

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

    def __init__(
        self,
        event_shape: int | tuple[int, ...],
        network: keras.layers.Layer | None = None,
        scale: scales.Scale | float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, network=network, **kwargs)
        self.scale = (
            scales.Shared() if scale is None else scale if isinstance(scale, scales.Scale) else scales.Fixed(scale)
        )

    def build(self, context_shape: Any) -> None:
        """Creates the weights of network, head and scale; idempotent."""
        self.scale.build(self.event_shape)
        super().build(context_shape)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the location, and that of the scale where it is predicted."""
        return {"loc": self.event_shape, **self.scale.head_shapes(self.event_shape)}

    def constrain(self, loc: tf.Tensor, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns location `[..., *event]` and positive scale that broadcasts against it."""
        return {"loc": loc, "scale": self.scale.value(**raw)}

    def distribution(self, loc: tf.Tensor, scale: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution over the event."""
        return tfd.Independent(tfd.Normal(loc, scale), reinterpreted_batch_ndims=len(self.event_shape))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "scale": keras.saving.serialize_keras_object(self.scale)}


def fitting(contains_all: Any) -> list[str]:
    """Returns the names of the likelihoods of this module for whose support `contains_all(support)` is true."""
    return [c.__name__ for c in Likelihood.__subclasses__() if c.__module__ == __name__ and contains_all(c.support)]
