"""Posteriors of D one-hot vectors of K categories, hard and relaxed.

Categorical           q(z | x) = prod_d softmax(logits_d(x)) . z_d                     z one-hot
RelaxedCategorical    z_d = softmax((logits_d(x) + Gumbel) / temperature)      Maddison et al. 2017; Jang et al. 2017
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import schedules
from tfvae.core import sets
from tfvae.core.errors import InvalidInput
from tfvae.core.evidence import Label
from tfvae.core.types import Config, Parameters, Shape
from tfvae.distributions import simplex
from tfvae.posteriors.base import Posterior

tfd = tfp.distributions


class _OneHot(Posterior):
    """A posterior of D vectors of K categories."""

    def __init__(
        self, latent_dim: int, num_categories: int, network: keras.layers.Layer | None = None, **kwargs: Any
    ) -> None:
        super().__init__(latent_dim, network=network, **kwargs)
        self.num_categories = sets.num_categories(num_categories)

    @property
    def latent_shape(self) -> tuple[int, int]:
        """Shape of one z, `(D, K)`."""
        return (self.latent_dim, self.num_categories)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the logits."""
        return {"logits": self.latent_shape}

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_categories": self.num_categories}


@keras.saving.register_keras_serializable(package="tfvae", name="CategoricalPosterior")
class Categorical(_OneHot):
    """Independent one-hot vectors, sampled or, of a single vector, all K values summed over.

        q(z | x) = prod_d sum_k z_dk softmax(logits_d(x))_k

    Samples are not reparameterised: `estimators.ScoreFunction` trains them. Where the values are enumerated, the sum
    is exact and ordinary gradients reach the logits; it costs K passes of all that comes after z.

    Args:
        latent_dim: number of one-hot vectors D.
        num_categories: number of categories K of each, at least 2.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.
        enumerated: sum over the K values in place of drawing one; of one vector only.
        **kwargs: `given` and `head`, as for every posterior.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, or `num_categories` of at least 2, or more
            than one vector is to be enumerated.

    Reference:
        Mnih and Rezende 2016, "Variational Inference for Monte Carlo Objectives"; enumerated: Kingma et al. 2014,
        "Semi-supervised Learning with Deep Generative Models", equation 7.

    Example:
        >>> Categorical(4, num_categories=10)(tf.zeros([2, 5])).sample(seed=[0, 1]).shape
        TensorShape([2, 4, 10])
    """

    space = sets.ONE_HOT
    reparameterized = False

    def __init__(
        self,
        latent_dim: int,
        num_categories: int,
        network: keras.layers.Layer | None = None,
        enumerated: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(latent_dim, num_categories, network=network, **kwargs)
        if enumerated and self.latent_dim > 1:
            expected, remedy = "latent_dim=1 of a part that is enumerated", "Put several in a tfvae.Joint, one a name."
            raise InvalidInput(expected, f"latent_dim={self.latent_dim}", remedy)
        self.enumerated = bool(enumerated)
        self.num_atoms = self.num_categories if self.enumerated else 1

    def atoms(self) -> tf.Tensor:
        """Returns the K one-hot vectors, `[K, 1, K]`."""
        return tf.eye(self.num_categories)[:, tf.newaxis]

    @property
    def label_shape(self) -> Shape | None:
        """That of a whole number for one vector; several cannot be told."""
        return () if self.latent_dim == 1 else None

    def label(self, value: tf.Tensor) -> Label:
        """Returns what is known of z from whole numbers, `[B]`, -1 where it is not known."""
        known = sets.integers(self.num_categories).contains(value)
        number = tf.cast(tf.where(known, value, 0.0), tf.int32)
        return Label(tf.one_hot(number, self.num_categories)[:, tf.newaxis], known)

    def good_labels(self, value: tf.Tensor) -> tf.Tensor:
        """Returns which labels can be, `[B]`."""
        return self.label(value).known | tf.equal(value, -1.0)

    def center(self, parameters: Parameters) -> tf.Tensor:
        """Returns the probabilities, `[B, D, K]`, or of one that is enumerated the most probable value."""
        if not self.enumerated:
            return super().center(parameters)
        return tf.one_hot(tf.argmax(parameters["logits"], axis=-1), self.num_categories)

    def distribution(self, logits: tf.Tensor) -> tfd.Independent:
        """Returns the distribution of the D one-hot vectors; logits `[..., D, K]`."""
        return simplex.one_hot_vectors(logits)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), **({"enumerated": True} if self.enumerated else {})}


@keras.saving.register_keras_serializable(package="tfvae", name="RelaxedCategoricalPosterior")
class RelaxedCategorical(_OneHot):
    """Independent relaxed one-hot vectors (Concrete, Gumbel-softmax), reparameterised.

        z_d = softmax((logits_d(x) + g_d) / temperature),    g_dk Gumbel

    A density inside the simplex: its prior is `priors.RelaxedCategorical`, and log p(x) is that of the relaxed model.

    Args:
        latent_dim: number of relaxed vectors D.
        num_categories: number of categories K of each, at least 2.
        temperature: a number, or a schedule from `tfvae.schedules` over training steps, whose final value evaluation
            uses. Towards 0 the vectors become one-hot and the variance of the gradients grows. It is an attribute: a
            new value holds from the next call on.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, `num_categories` of at least 2, or
            `temperature` is not positive.

    Reference:
        Maddison, Mnih and Teh 2017, "The Concrete Distribution"; Jang, Gu and Poole 2017, "Categorical
        Reparameterization with Gumbel-Softmax".

    Example:
        >>> RelaxedCategorical(4, num_categories=10)(tf.zeros([2, 5])).sample(seed=[0, 1]).shape
        TensorShape([2, 4, 10])
    """

    space = sets.SIMPLEX
    has_mean = False
    temperature = schedules.Positive()

    def __init__(
        self,
        latent_dim: int,
        num_categories: int,
        temperature: float | schedules.Schedule = 2 / 3,
        network: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(latent_dim, num_categories, network=network, **kwargs)
        self.temperature = temperature

    def constrain(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns logits `[..., D, K]` and temperature `[]`."""
        return self.at_step({"logits": logits}, None)

    @property
    def constants(self) -> tuple:
        """The temperature, a number or a schedule."""
        return (self.temperature,)

    def at_step(self, parameters: Parameters, step: tf.Tensor | None) -> Parameters:
        """Returns the parameters with the temperature of a training step, or its final one for `None`; `[]`."""
        temperature = tf.convert_to_tensor(schedules.at(self.temperature, step), tf.float32)
        return {**parameters, "temperature": temperature}

    def distribution(self, logits: tf.Tensor, temperature: tf.Tensor) -> tfd.Independent:
        """Returns the distribution of the D relaxed vectors."""
        return tfd.Independent(simplex.RelaxedOneHotCategorical(temperature, logits=logits), 1)

    def center(self, parameters: Parameters) -> tf.Tensor:
        """Returns softmax(logits), `[B, D, K]`: the mean of the relaxed vectors is not known in closed form."""
        return tf.nn.softmax(parameters["logits"])

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "temperature": self.temperature}
