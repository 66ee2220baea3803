"""Priors of D one-hot vectors of K categories, hard and relaxed.

UniformCategorical    p(z) = K^-D                                                      z one-hot
Categorical           p(z) = prod_d softmax(logits_d) . z_d                            learned, or given a condition
RelaxedCategorical    z_d = softmax(Gumbel / temperature)                              Maddison et al. 2017
"""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import schedules
from tfvae.core import sets
from tfvae.core.types import Config, Given, Parameters
from tfvae.distributions import simplex
from tfvae.priors.base import Prior

tfd = tfp.distributions


class _OneHot(Prior):
    """A prior of D vectors of K categories."""

    def __init__(self, latent_dim: int, num_categories: int, **kwargs: Any) -> None:
        super().__init__(latent_dim, **kwargs)
        self.num_categories = sets.num_categories(num_categories)

    @property
    def latent_shape(self) -> tuple[int, int]:
        """Shape of one z, `(D, K)`."""
        return (self.latent_dim, self.num_categories)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_categories": self.num_categories}


class _Equal(_OneHot):
    """One of which all categories are equally likely."""

    def parameters(self, context: Given = None, training: bool = False) -> Parameters:
        """Returns zero logits, `[D, K]`."""
        del context, training
        return {"logits": tf.zeros(self.latent_shape)}


@keras.saving.register_keras_serializable(package="tfvae", name="UniformCategoricalPrior")
class UniformCategorical(_Equal):
    """Independent one-hot vectors, all categories equally likely; for `posteriors.Categorical`, KL in closed form.

        p(z) = K^-D

    Args:
        latent_dim: number of one-hot vectors D.
        num_categories: number of categories K of each, at least 2.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, or `num_categories` of at least 2.

    Example:
        >>> UniformCategorical(4, num_categories=10)(None).sample(5, seed=[0, 1]).shape
        TensorShape([5, 4, 10])
    """

    space = sets.ONE_HOT
    reparameterized = False

    def distribution(self, logits: tf.Tensor) -> tfd.Independent:
        """Returns the distribution of the D one-hot vectors."""
        return simplex.one_hot_vectors(logits)


@keras.saving.register_keras_serializable(package="tfvae", name="CategoricalPrior")
class Categorical(_OneHot):
    """Independent one-hot vectors with learned weights, equal at first; for `posteriors.Categorical`.

        p(z) = prod_d sum_k z_dk softmax(logits_d)_k

    Args:
        latent_dim: number of one-hot vectors D.
        num_categories: number of categories K of each, at least 2.
        **kwargs: `network` and `given` of a conditional prior, as for `DiagonalNormal`.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, or `num_categories` of at least 2.

    Example:
        >>> prior = Categorical(4, num_categories=10)
        >>> prior.build((None,))
        >>> prior().sample(5, seed=[0, 1]).shape
        TensorShape([5, 4, 10])
    """

    space = sets.ONE_HOT
    reparameterized = False

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of the logits."""
        return {"logits": self.latent_shape}

    def distribution(self, logits: tf.Tensor) -> tfd.Independent:
        """Returns the distribution of the D one-hot vectors; logits `[..., D, K]`."""
        return simplex.one_hot_vectors(logits)


@keras.saving.register_keras_serializable(package="tfvae", name="RelaxedCategoricalPrior")
class RelaxedCategorical(_Equal):
    """Independent relaxed one-hot vectors, all categories equally likely; for `posteriors.RelaxedCategorical`.

        z_d = softmax(g_d / temperature),    g_dk Gumbel

    Args:
        latent_dim: number of relaxed vectors D.
        num_categories: number of categories K of each, at least 2.
        temperature: a number, or a schedule from `tfvae.schedules` over training steps, whose final value evaluation
            uses; the paper has it lower than the posterior's. It is an attribute: a new value holds from the next
            call on.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, `num_categories` of at least 2, or
            `temperature` is not positive.

    Reference:
        Maddison, Mnih and Teh 2017, "The Concrete Distribution".

    Example:
        >>> RelaxedCategorical(4, num_categories=10)(None).sample(5, seed=[0, 1]).shape
        TensorShape([5, 4, 10])
    """

    space = sets.SIMPLEX
    has_mean = False
    temperature = schedules.Positive()

    def __init__(
        self, latent_dim: int, num_categories: int, temperature: float | schedules.Schedule = 0.5, **kwargs: Any
    ) -> None:
        super().__init__(latent_dim, num_categories, **kwargs)
        self.temperature = temperature

    def parameters(self, context: Given = None, training: bool = False) -> Parameters:
        """Returns zero logits, `[D, K]`, and temperature `[]`."""
        return self.at_step(super().parameters(context, training), None)

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

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "temperature": self.temperature}
