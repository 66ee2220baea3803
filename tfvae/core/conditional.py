"""The one interface of every distribution-valued part: context -> `tfd.Distribution`.

    raw_parameters(context) = head(network(context))                   any reals
    parameters(context)     = constrain(**raw_parameters(context))     plain tensors, float32
    part(context)           = distribution(**parameters(context))      rebuilt at each call

A part is a Keras layer that owns ordinary Keras weights, so they are tracked, saved and moved, and it makes a fresh TFP
distribution from tensors at each call. Posterior: the context is x. Likelihood: z. Prior: nothing.
"""

import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import serial
from tfvae.core.errors import InvalidInput
from tfvae.core.head import Head
from tfvae.core.types import ArrayLike, Config, Parameters

SCALE_FLOOR = 1e-5  # smallest standard deviation a part can produce: its square and its inverse square fit float32


def positive(raw: tf.Tensor) -> tf.Tensor:
    """Maps reals to (floor, inf), zero to one: floor + softplus(raw + log(e - 1))."""
    return SCALE_FLOOR + tf.math.softplus(raw + math.log(math.e - 1))


def positive_inverse(value: float | np.ndarray) -> float | np.ndarray:
    """Returns the real number that `positive` maps to `value`, a number or array above the floor."""
    above = value - SCALE_FLOOR
    return above + np.log(-np.expm1(-above)) - math.log(math.e - 1)


class ConditionalDistribution(keras.layers.Layer, abc.ABC):
    """A Keras layer whose call returns a TFP distribution.

    A subclass says which distribution its parameters make (`distribution`), and either which raw numbers it wants from
    the network (`head_shapes`, then `constrain`) or, if it has no context, overrides `parameters`.

    Attributes:
        network: a Keras model from context to features, or `None`.
        reparameterized: samples carry gradients to the parameters.
        jit_sample: sampling compiles under XLA.
        has_mean: the distribution has a mean.
        min_dim: smallest number of dimensions.
        scale_names: the parameters that are scales: positive numbers that the density divides by.

    Raises:
        InvalidInput: if `network` is not a Keras layer or model.
    """

    reparameterized = True
    jit_sample = True
    has_mean = True
    min_dim = 1
    scale_names: tuple[str, ...] = ("scale",)

    def __init__(self, network: keras.layers.Layer | None = None, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})  # densities are float32 whatever the policy
        if network is not None and not isinstance(network, keras.layers.Layer):
            raise InvalidInput(
                "network to be a Keras model", f"{network!r}", "Pass for example tfvae.networks.mlp([200, 200])."
            )
        self.network = network

    @abc.abstractmethod
    def distribution(self, **parameters: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns the distribution that the constrained parameters make."""

    def head_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Returns name and shape of each group of numbers that the network's features are mapped to."""
        return {}

    def constrain(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the distribution's parameters from the head's unconstrained outputs."""
        return raw

    def build(self, context_shape: Sequence[int | None]) -> None:
        """Creates the weights for contexts of shape `context_shape` (batch dimension first); idempotent."""
        if self.built:
            return
        self.context_rank = len(context_shape) - 1
        if self.head_shapes():
            context = tf.zeros((1, *context_shape[1:]))
            try:
                features = context if self.network is None else self.network(context)
            except (ValueError, tf.errors.InvalidArgumentError) as error:
                reason = str(error).split("\x1b[1m")[-1].split("\x1b[0m")[0]  # what Keras prints in bold
                raise InvalidInput(
                    f"the network of {type(self).__name__} to take inputs of shape {(None, *context_shape[1:])}",
                    f"{self.network!r}, which answered: {reason.splitlines()[0]}",
                    "Give it that input shape, or let it be built by the part.",
                ) from error
            if not tf.is_tensor(features):
                number = f"{len(features)} outputs" if hasattr(features, "__len__") else f"{type(features).__name__}"
                wanted = ", ".join(self.head_shapes())
                remedy = f"Return the layer before them: {type(self).__name__} makes its own outputs ({wanted})."
                raise InvalidInput(f"the network of {type(self).__name__} to return one tensor", number, remedy)
            self.head = Head(self.head_shapes())
            self.head.build((None, *features.shape[1:]))

    def parameters(self, context: tf.Tensor | None = None, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns the distribution's parameters as plain tensors (what ONNX and other tensor-only exports need).

        Args:
            context: `[..., *context]` with any number of leading batch dimensions, or `None` for a part without one.
            training: whether layers such as dropout behave as in training.

        Returns:
            Name to tensor, each with the context's leading dimensions.
        """
        return self.constrain(**self.raw_parameters(context, training))

    def scales(self, parameters: Parameters) -> dict[str, tf.Tensor]:
        """Returns those of the distribution's parameters that are scales: where one falls to zero, training ends."""
        return {name: parameters[name] for name in self.scale_names if name in parameters}

    @property
    def constants(self) -> tuple:
        """The numbers and schedules that a graph keeps as they were when it was traced: others make another graph."""
        return ()

    def at_step(self, parameters: Parameters, step: tf.Tensor | None) -> Parameters:
        """Returns the parameters in a training step: those that follow a schedule have their value of that step.

        Args:
            parameters: what `parameters(context)` returned, in which schedules have their final values.
            step: the training step, or `None` in evaluation.
        """
        del step
        return parameters

    def raw_parameters(self, context: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns the head's unconstrained outputs for `context`, `[..., *context]`: name to `[..., *shape]`."""
        context = tf.convert_to_tensor(context)
        inner = context.shape[context.shape.rank - self.context_rank :]
        lead = tf.shape(context)[: context.shape.rank - self.context_rank]
        several = context.shape.rank - self.context_rank != 1
        features = tf.reshape(context, [-1, *inner]) if several else context
        if self.network is not None:
            features = self.network(features, training=training)
        raw = self.head(features)
        if several:
            static = context.shape[: context.shape.rank - self.context_rank]
            raw = {
                name: tf.ensure_shape(tf.reshape(v, tf.concat([lead, v.shape[1:]], 0)), [*static, *v.shape[1:]])
                for name, v in raw.items()
            }
        return raw

    def call(self, context: tf.Tensor, training: bool = False) -> tfp.distributions.Distribution:
        """Returns the distribution given `context`, `[..., *context]`."""
        return self.distribution(**self.parameters(context, training=training))

    def __call__(self, context: ArrayLike | None, *args: Any, **kwargs: Any) -> tfp.distributions.Distribution:
        """Calls the layer; a symbolic `keras.Input` is refused, since a distribution is not a tensor."""
        if isinstance(context, keras.KerasTensor):
            raise InvalidInput(
                f"a tensor or array as the context of {type(self).__name__}",
                "a symbolic keras.Input, on which no TFP distribution can be made",
                "Call the part inside a layer's or model's call method, or use the VAE itself, which is a Keras model.",
            )
        return super().__call__(context, *args, **kwargs)

    def get_config(self) -> Config:
        """Returns the constructor's arguments; subclasses add theirs.

        Keras objects are returned as they are: Keras serialises them itself, and so sees that two parts share one.
        """
        config = {**super().get_config(), "network": self.network}
        config.pop("dtype")
        return config

    @classmethod
    def from_config(cls, config: Config) -> "ConditionalDistribution":
        """Returns the part that `get_config` described."""
        return serial.made(cls, config)
