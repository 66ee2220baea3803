"""VampPrior: the posterior itself, averaged over learned pseudo-inputs.

    p(z) = 1/K sum_k q(z | u_k)                                             Tomczak and Welling 2018

The optimal prior for the ELBO is the aggregate posterior, the mean of q(z | x) over all data; this is the same with K
inputs u_k instead. The encoder is part of p as well: its weights get gradients from log p(z).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import seeds, sets
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import BatchShape, Config, Given, Parameters, Shape
from tfvae.priors.base import Prior

if TYPE_CHECKING:
    from tfvae.posteriors import Posterior

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="tfvae", name="VampPrior")
class VampPrior(Prior):
    """A mixture of the model's own posterior at K learned pseudo-inputs; it lives where the posterior does.

        p(z) = 1/K sum_k q(z | u_k)

    The pseudo-inputs are what the posterior is given: points of the scaled data's space (`vae.scaling`). They start
    near zero; `vae.adapt(x)` puts them on random training examples, which is better. The VAE gives the prior its
    posterior. The KL divergence is not known in closed form. A density costs K terms for each z: `[S, B, K, D]` numbers
    outside XLA.

    Args:
        latent_dim: number of latent dimensions D, the posterior's.
        num_components: number of pseudo-inputs K.
        initializer: of the pseudo-inputs; by default normal noise of standard deviation 0.05.
        constraint: a Keras constraint, for example `priors.Interval(0.0, 1.0)`, where the paper has a hard tanh.

    Raises:
        InvalidInput: if `latent_dim` or `num_components` is not a whole number of at least 1, or `initializer` or
            `constraint` is not a Keras one.

    Reference:
        Tomczak and Welling 2018, "VAE with a VampPrior".

    Example:
        >>> prior = VampPrior(2, num_components=50, constraint=Interval(0.0, 1.0))
        >>> vae = VAE(posterior=DiagonalNormal(2), likelihood=Bernoulli(5), prior=prior)
        >>> vae.adapt(x_train)
    """

    reparameterized = False

    def __init__(
        self,
        latent_dim: int,
        num_components: int,
        initializer: keras.initializers.Initializer | None = None,
        constraint: keras.constraints.Constraint | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(latent_dim, **kwargs)
        self.num_components = positive_integer("num_components", num_components)
        self.initializer = keras.initializers.RandomNormal(stddev=0.05) if initializer is None else initializer
        self.constraint = constraint
        if not isinstance(self.initializer, keras.initializers.Initializer):
            remedy = "Pass for example keras.initializers.RandomUniform(0.0, 1.0)."
            raise InvalidInput("a Keras initializer", f"initializer={initializer!r}", remedy)
        if not isinstance(constraint, keras.constraints.Constraint | None):
            remedy = "Pass for example tfvae.priors.Interval(0.0, 1.0)."
            raise InvalidInput("a Keras constraint", f"constraint={constraint!r}", remedy)
        self._binding: Callable[[], tuple] | None = None  # not the posterior itself: Keras would save its weights twice

    def bind(self, posterior: "Posterior", event_shape: tuple[int, ...]) -> None:
        """Takes the components from `posterior`, for data of shape `event_shape`; there are no pseudo-conditions."""
        others = {*posterior.given} - {"x", "mask"}
        if others:
            remedy = f'Use priors.MixtureOfNormals({self.latent_dim}, {self.num_components}, given="condition").'
            raise InvalidInput("a posterior that is given x alone, for a VampPrior", f"given {min(others)!r}", remedy)
        self._binding = lambda: (posterior, tuple(event_shape))

    def _bound(self) -> "tuple[Posterior, tuple[int, ...]]":
        if self._binding is None:
            remedy = "Make the VAE first: tfvae.VAE(posterior, likelihood, prior)."
            raise InvalidInput("a VampPrior that belongs to a VAE", "one on its own", remedy)
        return self._binding()

    @property
    def posterior(self) -> "Posterior":
        """The posterior of the VAE."""
        return self._bound()[0]

    @property
    def space(self) -> sets.ValueSet:
        """Where z lives: the posterior's space."""
        return sets.REAL if self._binding is None else self.posterior.space

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one z: the posterior's."""
        return (self.latent_dim,) if self._binding is None else self.posterior.latent_shape

    @property
    def has_mean(self) -> bool:
        """Whether the distribution has a mean: if the posterior has one."""
        return self.posterior.has_mean

    @property
    def jit_sample(self) -> bool:
        """Whether sampling compiles under XLA: if the posterior's does."""
        return self.posterior.jit_sample

    def build(self, context_shape: BatchShape | Mapping[str, Shape] | None = None) -> None:
        """Creates the pseudo-inputs, `[K, ...]`; idempotent."""
        del context_shape
        if not self.built:
            shape = (self.num_components, *self._bound()[1])
            self.pseudo_inputs = self.add_weight(
                shape=shape, initializer=self.initializer, constraint=self.constraint, name="pseudo_inputs"
            )

    def get_build_config(self) -> None:
        """Returns nothing: the VAE binds and builds a loaded prior."""

    def adapt(self, x: np.ndarray | tf.Tensor, seed: int | None = None) -> None:
        """Sets the pseudo-inputs to K different random rows of scaled data, or to all rows if there are fewer.

        With fewer rows than K, the last pseudo-inputs stay as they are.

        Args:
            x: training examples, `[N, ...]`, as `vae.scaling(vae.preprocess(x))` returns them.
            seed: of the choice; by default from Python's generator (`keras.utils.set_random_seed`).

        Raises:
            InvalidInput: if x has another shape, or the prior is not part of a VAE.
        """
        self.build()
        expected, shape = tuple(self.pseudo_inputs.shape[1:]), tuple(x.shape)
        if shape[1:] != expected:
            raise InvalidInput(f"x of shape {('N', *expected)}", f"shape {shape}", "Use vae.adapt(x).")
        rows = np.random.default_rng(seeds.draw() if seed is None else seed).permutation(len(x))[: self.num_components]
        chosen = tf.concat([tf.gather(tf.cast(x, tf.float32), rows), self.pseudo_inputs[len(rows) :]], axis=0)
        self.pseudo_inputs.assign(chosen if self.constraint is None else self.constraint(chosen))

    def parameters(self, context: Given = None, training: bool = False) -> Parameters:
        """Returns the posterior's parameters at the pseudo-inputs; its network runs as in inference."""
        del context, training
        posterior, inputs = self.posterior, {"x": tf.convert_to_tensor(self.pseudo_inputs)}
        if "mask" in posterior.given:
            inputs["mask"] = tf.ones([self.num_components, *posterior.shapes["mask"]])
        return {"components": posterior.parameters(inputs)}

    def at_step(self, parameters: Parameters, step: tf.Tensor | None) -> Parameters:
        """Returns the parameters in a training step, as the posterior has them."""
        return {"components": self.posterior.at_step(parameters["components"], step)}

    def distribution(self, components: Parameters) -> tfd.MixtureSameFamily:
        """Returns the mixture of the posteriors with these parameters."""
        weights = tfd.Categorical(logits=tf.zeros([self.num_components]))
        return tfd.MixtureSameFamily(weights, self.posterior.distribution(**components))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "initializer": self.initializer,
            "constraint": self.constraint,
        }


@keras.saving.register_keras_serializable(package="tfvae", name="Interval")
class Interval(keras.constraints.Constraint):
    """Moves weights outside [low, high] to its ends after each step.

    Args:
        low: smallest weight.
        high: largest weight.

    Raises:
        InvalidInput: unless low < high.
    """

    def __init__(self, low: float, high: float) -> None:
        if not low < high:
            raise InvalidInput("low < high", f"low={low!r}, high={high!r}", "Pass for example Interval(0.0, 1.0).")
        self.low, self.high = low, high

    def __call__(self, weights: tf.Tensor) -> tf.Tensor:
        """Returns the weights inside the interval."""
        return keras.ops.clip(weights, self.low, self.high)

    def get_config(self) -> dict[str, float]:
        """Returns the constructor's arguments."""
        return {"low": self.low, "high": self.high}
