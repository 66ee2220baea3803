"""Transforms: invertible maps of z with a cheap log-determinant, of which a flow is made.

    forward: z -> z', log |det dz'/dz|          inverse: z' -> z, log |det dz/dz'|

A transform is a Keras layer that owns weights; `forward` and `inverse` take them as tensors (what `tensors` returns)
and the features c of x, so that a flow is a pure function of its parameters: stop their gradients and it is frozen.
"""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae.core import serial
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import Config, Tree
from tfvae.flows.conditioner import Conditioner
from tfvae.flows.elements import Affine, Element


class Transform(keras.layers.Layer, abc.ABC):
    """An invertible map of z, `[..., D]`, given features of x, `[..., C]`.

    Attributes:
        min_dim: smallest D for which the transform is not the identity.
    """

    min_dim = 1

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})

    def check_dim(self, latent_dim: int) -> None:
        """Raises `InvalidInput` if the transform would be the identity in so few dimensions."""
        if latent_dim < self.min_dim:
            raise InvalidInput(
                f"latent_dim of at least {self.min_dim} for flows.{type(self).__name__}",
                f"latent_dim={latent_dim}",
                "Use flows.InverseAutoregressive or MaskedAutoregressive with flows.Spline() in one dimension.",
            )

    def build(self, sizes: tuple[int, int]) -> None:
        """Creates the weights for D latent dimensions and C features, `sizes = (D, C)`; idempotent."""
        del sizes

    def tensors(self) -> Tree:
        """Returns the weights as tensors, masked where they are."""
        return {}

    @abc.abstractmethod
    def forward(self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z' `[..., D]` and log |det dz'/dz| `[...]`."""

    @abc.abstractmethod
    def inverse(
        self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None, known: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the z that `forward` maps to this one and the log-determinant of the inverse map.

        Args:
            z: `[..., D]`.
            tensors: what `tensors` returned.
            context: features of x, `[..., C]`.
            known: the result, if it is known already; then only its gradients are computed.
        """

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.pop("dtype")
        return config

    @classmethod
    def from_config(cls, config: Config) -> "Transform":
        """Returns the transform that `get_config` described."""
        return serial.made(cls, config)


class Conditioned(Transform):
    """A transform with a conditioner that makes an element's parameters; subclasses make the conditioner."""

    conditioner: Conditioner

    def __init__(
        self,
        units: Sequence[int] = (64, 64),
        element: Element | None = None,
        activation: str | Callable = "elu",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(units, (list, tuple)) or not units:
            raise InvalidInput(
                "units, the width of each hidden layer", f"units={units!r}", "Pass for example [64, 64]."
            )
        self.units = [positive_integer("units", width) for width in units]
        self.element = Affine() if element is None else element
        if not isinstance(self.element, Element):
            raise InvalidInput("a tfvae.flows element", f"{element!r}", "Pass flows.Affine() or flows.Spline().")
        self.activation = keras.activations.get(activation)

    def tensors(self) -> Tree:
        """Returns the conditioner's weights as tensors."""
        return self.conditioner.tensors()

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "units": list(self.units),
            "element": keras.saving.serialize_keras_object(self.element),
            "activation": keras.activations.serialize(self.activation),
        }


@keras.saving.register_keras_serializable(package="tfvae")
class Permutation(Transform):
    """The dimensions of z in another order, so that each of them moves as a function of others in some layer.

    Args:
        seed: of a random order; `None` reverses.

    Raises:
        InvalidInput: if `seed` is not a whole number of at least 0.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed if seed is None else positive_integer("seed + 1", seed + 1) - 1

    def order(self, dim: int) -> np.ndarray:
        """Returns where each of `dim` dimensions comes from."""
        return np.arange(dim)[::-1] if self.seed is None else np.random.RandomState(self.seed).permutation(dim)

    def forward(self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z in the new order, and zero."""
        return tf.gather(z, self.order(z.shape[-1]), axis=-1), tf.zeros_like(z[..., 0])

    def inverse(
        self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None, known: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z in the old order, and zero."""
        return tf.gather(z, np.argsort(self.order(z.shape[-1])), axis=-1), tf.zeros_like(z[..., 0])

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="tfvae")
class Chain(Transform):
    """Transforms one after the other; `tensors` is the list of theirs.

        z_k = f_k(z_{k-1}),    log |det dz_K/dz_0| = sum_k log |det dz_k/dz_{k-1}|

    Args:
        transforms: in the order in which they move a sample of the base; chains among them are taken apart.

    Raises:
        InvalidInput: if the list is empty, or one of it is not a transform.

    Example:
        >>> Chain([Coupling([64]), Permutation(), Coupling([64])]).min_dim
        2
    """

    def __init__(self, transforms: Sequence[Transform], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = list(transforms) if isinstance(transforms, (list, tuple)) else [transforms]
        if not given or not all(isinstance(transform, Transform) for transform in given):
            remedy = "Pass for example [flows.InverseAutoregressive([64]), flows.Permutation(), flows.Coupling([64])]."
            raise InvalidInput("a list of tfvae.flows transforms", f"{transforms!r}", remedy)
        apart = [transform.transforms if isinstance(transform, Chain) else [transform] for transform in given]
        self.transforms = [transform for group in apart for transform in group]

    @property
    def min_dim(self) -> int:
        """The largest `min_dim` of the transforms."""
        return max(transform.min_dim for transform in self.transforms)

    def check_dim(self, latent_dim: int) -> None:
        """Raises `InvalidInput` if one of the transforms does not fit so few or so many dimensions."""
        for transform in self.transforms:
            transform.check_dim(latent_dim)

    def build(self, sizes: tuple[int, int]) -> None:
        """Creates the weights of all transforms; idempotent."""
        for transform in self.transforms:
            transform.build(sizes)

    def tensors(self) -> Tree:
        """Returns the weights of all transforms as tensors."""
        return [transform.tensors() for transform in self.transforms]

    def trail(self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Returns z_0 = z, z_1, ... z_K, each `[..., D]`, and the log-determinant `[...]`."""
        trail, log_det = [z], 0.0
        for transform, weights in zip(self.transforms, tensors, strict=True):
            z, more = transform.forward(trail[-1], weights, context)
            trail, log_det = [*trail, z], log_det + more
        return trail, log_det

    def forward(self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z_K `[..., D]` and the log-determinant `[...]`."""
        trail, log_det = self.trail(z, tensors, context)
        return trail[-1], log_det

    def inverse(
        self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None, known: Sequence[tf.Tensor] | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z_0 and the log-determinant of the inverse map; `known` is [z_0, ... z_{K-1}] of the trail."""
        log_det, known = 0.0, known or [None] * len(self.transforms)
        for transform, weights, before in zip(self.transforms[::-1], tensors[::-1], known[::-1], strict=True):
            z, more = transform.inverse(z, weights, context, before)
            log_det += more
        return z, log_det

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "transforms": keras.saving.serialize_keras_object(self.transforms)}


def stack(*transforms: Transform) -> Chain:
    """Returns the chain of `transforms` with the order of the dimensions reversed between each two.

    Raises:
        InvalidInput: if the list is empty, or one of it is not a transform.

    Example:
        >>> len(stack(InverseAutoregressive([64]), InverseAutoregressive([64])).transforms)
        3
    """
    return Chain([part for transform in transforms for part in (transform, Permutation())][:-1])
