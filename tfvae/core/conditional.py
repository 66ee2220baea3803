"""The one interface of every distribution-valued part: context -> `tfd.Distribution`.

    raw_parameters(context) = head(network(context))                   any reals
    parameters(context)     = constrain(**raw_parameters(context))     plain tensors, float32
    part(context)           = distribution(**parameters(context))      rebuilt at each call

A part is a Keras layer that owns ordinary Keras weights, so they are tracked, saved and moved, and it makes a fresh TFP
distribution from tensors at each call. It names what it is given: a posterior x, a likelihood z, a prior nothing, and
each of them whatever else `given` says.
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
from tfvae.core.context import Context, merged, names
from tfvae.core.errors import InvalidInput
from tfvae.core.head import Head, Named
from tfvae.core.network import answered, answered_zeros, checked_network
from tfvae.core.types import BatchShape, Config, Given, Parameters, Shape

SCALE_FLOOR = 1e-5  # smallest standard deviation a part can produce: its square and its inverse square fit float32


def positive(raw: tf.Tensor, floor: float = SCALE_FLOOR) -> tf.Tensor:
    """Maps reals to (floor, inf), zero to 1 + floor: floor + softplus(raw + log(e - 1))."""
    return floor + tf.math.softplus(raw + math.log(math.e - 1))


def positive_inverse(value: float | np.ndarray, floor: float = SCALE_FLOOR) -> float | np.ndarray:
    """Returns the real number that `positive` maps to `value`, a number or array above the floor."""
    above = value - floor
    return above + np.log(-np.expm1(-above)) - math.log(math.e - 1)


class ConditionalDistribution(keras.layers.Layer, abc.ABC):
    """A Keras layer whose call returns a TFP distribution.

    A subclass says which distribution its parameters make (`distribution`), and either which raw numbers it wants
    (`head_shapes`, then `constrain`) or overrides `parameters`. Raw numbers come from the network and a head, or, of a
    part that is given nothing, are weights of its own.

    Args:
        network: a Keras model from what the part is given to features; of several names it gets a dict. `None` takes
            the values themselves, side by side.
        given: the name or names of what the part is given; by default those of its class.
        head: whether a dense layer maps features to raw numbers; else the network returns these itself, a dict by the
            names of `head_shapes`, or one tensor if there is one.

    Attributes:
        default_given: the names that parts of the class are given.
        reparameterized: samples carry gradients to the parameters.
        jit_sample: sampling compiles under XLA.
        has_mean: the distribution has a mean.
        min_dim: smallest number of dimensions.
        scale_names: the parameters that are scales: positive numbers that the density divides by.

    Raises:
        InvalidInput: if `network` is not a Keras layer or model, or belongs to a part that is given nothing.
    """

    reparameterized = True
    jit_sample = True
    has_mean = True
    min_dim = 1
    scale_names: tuple[str, ...] = ("scale",)
    default_given: tuple[str, ...] = ()

    def __init__(
        self,
        network: keras.layers.Layer | None = None,
        given: str | Sequence[str] | None = None,
        head: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})  # densities are float32 whatever the policy
        self.network = checked_network(network)
        self.given = self.default_given if given is None else names(given)
        self.has_head = head
        self.own: dict[str, keras.Variable] = {}
        if network is not None and not self.given:
            remedy = 'Say what it reads, for example given="condition", or leave the network out.'
            raise InvalidInput(f"a network of {type(self).__name__} that is given something", "given=()", remedy)

    @property
    def read(self) -> tuple[str, ...]:
        """What the network reads: by default all that the part is given."""
        return self.given

    @abc.abstractmethod
    def distribution(self, **parameters: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns the distribution that the constrained parameters make."""

    def head_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Returns name and shape of each group of raw numbers."""
        return {}

    def initializers(self) -> Mapping[str, keras.initializers.Initializer]:
        """Returns where groups start that are weights of the part's own; those that are not named start at zero."""
        return {}

    def constrain(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the distribution's parameters from the head's unconstrained outputs."""
        return raw

    def build(self, context_shape: BatchShape | Mapping[str, Shape]) -> None:
        """Creates the weights; idempotent.

        Args:
            context_shape: name to shape of one value, for all names that the part is given (and perhaps others); of one
                name also the shape of a batch of it, `(None, *shape)`.
        """
        if self.built:
            return
        if not isinstance(context_shape, Mapping):
            context_shape = dict.fromkeys(self.given, tuple(context_shape[1:]))
        self.shapes: dict[str, Shape] = {name: tuple(context_shape[name]) for name in self.read}
        groups = self.head_shapes()
        if groups and self.given:
            features = answered_zeros(self, self.network, self.shapes)
            self.head = Head(groups) if self.has_head else Named(self, groups)
            self.head.build(self._one_tensor(features) if self.has_head else features)
        elif groups:
            for name, shape in groups.items():
                start = self.initializers().get(name, "zeros")
                self.own[name] = self.add_weight(shape=shape, initializer=start, name=name)

    def _one_tensor(self, features: Given) -> BatchShape:
        if not tf.is_tensor(features):
            number = f"{len(features)} outputs" if hasattr(features, "__len__") else f"{type(features).__name__}"
            wanted, name = ", ".join(self.head_shapes()), type(self).__name__
            remedy = f"Return the layer before them: {name} makes its own outputs ({wanted}); or say head=False."
            raise InvalidInput(f"the network of {name} to return one tensor", number, remedy)
        return (None, *features.shape[1:])

    def parameters(self, context: Given = None, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns the distribution's parameters as plain tensors (what ONNX and other tensor-only exports need).

        Args:
            context: a `Context` or a mapping with the names that the part is given, each `[..., *shape]` with any
                leading batch dimensions; of one name also its value; of a part that is given nothing `None`.
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

    def raw_parameters(self, context: Given, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns the unconstrained numbers for `context`: name to `[..., *shape]`; of a part given nothing its own."""
        if not self.given:
            return {name: tf.convert_to_tensor(weight) for name, weight in self.own.items()}
        found = merged(context, self.shapes)
        raw = self.head(answered(self.network, found.inputs, training))
        return {name: found.restored(value) for name, value in raw.items()}

    def call(self, context: Given, training: bool = False) -> tfp.distributions.Distribution:
        """Returns the distribution given `context`: a tensor `[..., *shape]`, or a mapping by name."""
        return self.distribution(**self.parameters(context, training=training))

    def __call__(self, context: Given = None, *args: Any, **kwargs: Any) -> tfp.distributions.Distribution:
        """Calls the layer; a symbolic `keras.Input` is refused, since a distribution is not a tensor."""
        if isinstance(context, keras.KerasTensor):
            raise InvalidInput(
                f"a tensor or array as the context of {type(self).__name__}",
                "a symbolic keras.Input, on which no TFP distribution can be made",
                "Call the part inside a layer's or model's call method, or use the VAE itself, which is a Keras model.",
            )
        if context is None and self.given:
            remedy = "Pass a context, or ask the model: vae.encode(x), vae.decode(z), vae.prior_of(condition)."
            expected = f"{', '.join(self.given)}, which this {type(self).__name__} is given"
            raise InvalidInput(expected, "no context", remedy)
        if isinstance(context, Mapping) and not self.built:
            self.build({name: tuple(np.shape(context[name])[1:]) for name in self.given})
        if isinstance(context, Context) or not self.given:
            return self.call(context, *args, **kwargs)
        return super().__call__(context, *args, **kwargs)

    def get_config(self) -> Config:
        """Returns the constructor's arguments; subclasses add theirs.

        Keras objects are returned as they are: Keras serialises them itself, and so sees that two parts share one.
        """
        config = {**super().get_config(), "network": self.network}
        config |= {} if self.given == self.default_given else {"given": list(self.given)}
        config |= {} if self.has_head else {"head": False}
        config.pop("dtype")
        return config

    @classmethod
    def from_config(cls, config: Config) -> "ConditionalDistribution":
        """Returns the part that `get_config` described."""
        return serial.made(cls, config)
