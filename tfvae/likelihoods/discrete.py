"""Likelihoods of binary data and of labels.

    Bernoulli     x l(z) - log(1 + exp l(z))               x in {0, 1}
    Categorical   l_x(z) - log sum_k exp l_k(z)            x in {0, ..., K - 1}, a label without order

Summed over the event.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import scaling
from tfvae.core import sets
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import Config
from tfvae.distributions.binary import Bernoulli as BernoulliElement
from tfvae.distributions.simplex import Labels
from tfvae.likelihoods.base import IndependentLikelihood, average

tfd = tfp.distributions

SMALLEST = 1e-3  # probabilities start no nearer to zero or one than this (as in the code of Burda et al. 2016)


@keras.saving.register_keras_serializable(package="tfvae")
class Bernoulli(IndependentLikelihood):
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

    support = sets.BINARY
    reparameterized = False

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the logits."""
        return {"logits": self.event_shape}

    def element(self, logits: tf.Tensor) -> BernoulliElement:
        """Returns the elements' distribution; logits `[..., *event]`."""
        return BernoulliElement(logits=logits, dtype=tf.float32)

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns the logits of the data's mean, clipped to [0.001, 0.999]."""
        mean = np.clip(average(x, axes), SMALLEST, 1 - SMALLEST)
        return {"logits": np.log(mean) - np.log1p(-mean)}

    def remedy(self, x: tf.Tensor) -> str:
        """Returns what to do about data that are not binary."""
        binarise = "Grey values in [0, 1] can be binarised by tfvae.preprocessing.StochasticBinarization()."
        return f"{super().remedy(x)} {binarise}"


@keras.saving.register_keras_serializable(package="tfvae", name="CategoricalLikelihood")
class Categorical(IndependentLikelihood):
    """Independent categorical variables with predicted logits, for labels 0 to K - 1 without order.

        log p(x | z) = sum over the event of l_x - log sum_k exp l_k,    l = logits(z), K of them for each element

    Labels have no mean: the reconstruction is the mode, and `likelihood(z).distribution.probs_parameter()` has the
    probabilities, `[..., *event, K]`.

    Args:
        event_shape: shape of one example, whose elements are labels (not one-hot vectors).
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        num_categories: K, at least 2.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, or K not one of at least 2.

    Example:
        >>> likelihood = Categorical(4, num_categories=3)
        >>> likelihood(tf.zeros([5, 2])).mode().shape
        TensorShape([5, 4])
    """

    support = sets.COUNTS
    reparameterized = False
    has_mean = False

    def __init__(
        self,
        event_shape: int | tuple[int, ...],
        network: keras.layers.Layer | None = None,
        *,
        num_categories: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, network=network, **kwargs)
        self.num_categories = positive_integer("num_categories", num_categories)
        if self.num_categories == 1:
            remedy = "A single category carries no information: leave the column out."
            raise InvalidInput("num_categories of at least 2", "1", remedy)
        self.support = sets.integers(self.num_categories)

    def default_scaling(self) -> scaling.Scaling:
        """Returns one-hot vectors: the order of labels means nothing."""
        return scaling.OneHot(self.num_categories)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the logits."""
        return {"logits": (*self.event_shape, self.num_categories)}

    def element(self, logits: tf.Tensor) -> Labels:
        """Returns the elements' distribution; logits `[..., *event, K]`."""
        return Labels(logits=logits, dtype=tf.float32)

    def averaged(self, distribution: tfd.Distribution) -> tf.Tensor:
        """Returns the labels' probabilities, `[..., *event, K]`."""
        return distribution.distribution.probs_parameter()

    def predicted(self, average: tf.Tensor, *others: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the most probable labels, `[..., *event]`, and the entries of others for them."""
        label = tf.argmax(average, axis=-1)
        entries = [tf.gather(other, label, axis=-1, batch_dims=label.shape.rank) for other in others]
        return (tf.cast(label, tf.float32), *entries)

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns the log-frequencies, of at least 0.001."""
        frequencies = [average(x == category, axes) for category in range(self.num_categories)]
        return {"logits": np.log(np.maximum(np.stack(frequencies, axis=-1), SMALLEST))}

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_categories": self.num_categories}
