"""Scaling: in which units the posterior sees preprocessed x. The likelihood explains x in units of the data.

    Identity      x                              {0, 1}, [0, 1]
    Standardized  (x - m) / s                    real numbers; m, s of the training data, kept in the model
    LogCounts     log(1 + x)                     counts
    Levels        2 x / (levels - 1) - 1         levels 0 ... levels - 1 of something continuous
    OneHot        K numbers for each label       labels 0 ... K - 1 without order
    Warped        g(x)                           columns whose likelihood has a warp
    Grouped       each group of columns its own

`VAE` owns one, by default the one that its likelihood proposes; `scaling=Identity()` is what version 0.1 did. m and s
are weights that are not trained: `adapt` sets them, or the first `fit` does, once.
"""

import abc
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tfvae import warps
from tfvae.core import replicas, serial
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import BatchShape, Config, Shape, Tensor

__all__ = ["Grouped", "Identity", "Levels", "LogCounts", "OneHot", "Scaling", "Standardized", "Warped"]


def __dir__() -> list[str]:
    return __all__


Blocks: TypeAlias = Callable[[], Iterator[Tensor]]  # each call starts from the first block again
ALIKE = 1e-6  # a spread below this share of the largest value is rounding, not spread


class Scaling(keras.layers.Layer, abc.ABC):
    """A fixed map from preprocessed x, `[B, *event]`, to what the posterior sees; subclasses define `call`.

    One that changes the shape also defines `scaled_shape` and `shown`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})

    @abc.abstractmethod
    def call(self, x: Tensor) -> Tensor:
        """Returns scaled x."""

    def scaled_shape(self, event_shape: Shape) -> Shape:
        """Returns the shape of one scaled example."""
        return event_shape

    def shown(self, mask: Tensor) -> Tensor:
        """Returns which numbers of scaled x come from observed cells, `[B, *scaled_shape]`.

        Args:
            mask: true where x was observed, `[B, *event]`.
        """
        return mask

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        """Returns the shape of scaled x, which `model.summary()` shows."""
        return (None, *self.scaled_shape(tuple(input_shape[1:])))

    @property
    def waits(self) -> bool:
        """Whether the scaling still has to see data."""
        return False

    def adapt(self, blocks: Blocks) -> None:
        """Takes from data what the scaling needs, as the `adapt` of a Keras preprocessing layer does.

        Args:
            blocks: gives preprocessed x, `[B, *event]`, block by block; NaN where it was not observed.
        """
        del blocks

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.pop("dtype")
        return config

    @classmethod
    def from_config(cls, config: Config) -> "Scaling":
        """Returns the scaling that `get_config` described."""
        return serial.made(cls, config)


@keras.saving.register_keras_serializable(package="tfvae", name="IdentityScaling")
class Identity(Scaling):
    """x as it is."""

    def call(self, x: Tensor) -> Tensor:
        """Returns x."""
        return x


@keras.saving.register_keras_serializable(package="tfvae", name="LogCounts")
class LogCounts(Scaling):
    """log(1 + x), of counts."""

    def call(self, x: Tensor) -> Tensor:
        """Returns log(1 + x)."""
        return tf.math.log1p(x)


@keras.saving.register_keras_serializable(package="tfvae", name="LevelsScaling")
class Levels(Scaling):
    """Levels 0 to `levels` - 1 mapped to [-1, 1].

    Args:
        levels: how many there are, at least 2.

    Raises:
        InvalidInput: if `levels` is not a whole number of at least 2.
    """

    def __init__(self, levels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.levels = positive_integer("levels", levels)
        if self.levels == 1:
            raise InvalidInput("levels to be at least 2", "levels=1", "A value that is always the same needs no model.")

    def call(self, x: Tensor) -> Tensor:
        """Returns 2 x / (levels - 1) - 1."""
        return x * (2 / (self.levels - 1)) - 1

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "levels": self.levels}


@keras.saving.register_keras_serializable(package="tfvae", name="OneHotScaling")
class OneHot(Scaling):
    """Each label as a one-hot vector; the vectors of the last axis side by side, so that the rank stays.

        [B, ..., C]  ->  [B, ..., C K]

    Args:
        num_categories: K.

    Raises:
        InvalidInput: if `num_categories` is not a whole number of at least 1.
    """

    def __init__(self, num_categories: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_categories = positive_integer("num_categories", num_categories)

    def call(self, x: Tensor) -> Tensor:
        """Returns the vectors; those of values that are not labels are zero."""
        vectors = tf.one_hot(tf.cast(x, tf.int32), self.num_categories)
        return tf.reshape(vectors, [tf.shape(x)[0], *self.scaled_shape(tuple(x.shape[1:]))])

    def shown(self, mask: Tensor) -> Tensor:
        """Returns the mask with each label's truth value K times, as its vector has numbers."""
        return tf.repeat(mask, self.num_categories, axis=-1)

    def scaled_shape(self, event_shape: Shape) -> Shape:
        """Returns the shape of one scaled example."""
        return (*event_shape[:-1], event_shape[-1] * self.num_categories)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "num_categories": self.num_categories}


@keras.saving.register_keras_serializable(package="tfvae", name="Standardized")
class Standardized(Scaling):
    """Each number less its mean over the training data, divided by its standard deviation there.

        (x_i - m_i) / s_i,      s_i = 1 where x_i does not vary

    m_i and s_i are of the rows in which x_i was observed; of a number that never was, 0 and 1.

    Args:
        event_shape: shape of one example.

    Attributes:
        mean: m, `[*event]`; 0 until data were seen.
        scale: s, `[*event]`; 1 until data were seen.
    """

    def __init__(self, event_shape: int | Shape, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_shape = (event_shape,) if isinstance(event_shape, int) else tuple(event_shape)

    def build(self, input_shape: Any) -> None:
        """Creates m, s and whether they were set; idempotent."""
        if not self.built:
            shape = self.event_shape
            self.mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="mean")
            self.scale = self.add_weight(shape=shape, initializer="ones", trainable=False, name="scale")
            self.adapted = self.add_weight(shape=(), initializer="zeros", trainable=False, name="adapted")

    def call(self, x: Tensor) -> Tensor:
        """Returns (x - m) / s."""
        return (x - tf.convert_to_tensor(self.mean)) / tf.convert_to_tensor(self.scale)

    @property
    def waits(self) -> bool:
        """Whether m and s still have to be set."""
        return not self.adapted.numpy()  # a variable of several replicas is always true

    def adapt(self, blocks: Blocks) -> None:
        """Sets m and s to the data's; of several workers, to those of all their data."""
        count, total, squares, origin = 0, 0.0, 0.0, 0.0  # of each number's observed cells
        for block in blocks():
            x = np.asarray(block, np.float64)
            cells, part = np.sum(~np.isnan(x), axis=0), np.nansum(x, axis=0)
            origin = np.where(count, origin, _ratio(part, cells))  # sums of squares of small differences keep digits
            count, total, squares = count + cells, total + part, squares + np.nansum(np.square(x - origin), axis=0)
        mean = _ratio(total, count)
        variance = np.maximum(_ratio(squares, count) - np.square(mean - origin), 0.0)
        mean, variance = replicas.pooled(mean, variance, count)
        spread = np.sqrt(variance)
        self.mean.assign(mean)
        self.scale.assign(np.where(spread > ALIKE * np.maximum(np.abs(mean), spread), spread, 1.0))
        self.adapted.assign(1.0)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "event_shape": list(self.event_shape)}


@keras.saving.register_keras_serializable(package="tfvae", name="WarpedScaling")
class Warped(Scaling):
    """g(x) of a warp.

    Args:
        warp: g, a `tfvae.warps.Warp`.
    """

    def __init__(self, warp: warps.Warp, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warp = warp

    def call(self, x: Tensor) -> Tensor:
        """Returns g(x)."""
        return self.warp.forward(x)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "warp": keras.saving.serialize_keras_object(self.warp)}


@keras.saving.register_keras_serializable(package="tfvae", name="GroupedScaling")
class Grouped(Scaling):
    """Groups of neighbouring columns, each with its own scaling.

    Args:
        scalings: one for each group.
        sizes: number of columns of each group.

    Raises:
        InvalidInput: if there is not one size for each scaling.
    """

    def __init__(self, scalings: Sequence[Scaling], sizes: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if len(scalings) != len(sizes) or not scalings:
            received = f"{len(scalings)} scalings and {len(sizes)} sizes"
            raise InvalidInput("one size for each scaling", received, "Pass lists of the same length.")
        self.scalings, self.sizes = list(scalings), [positive_integer("size", size) for size in sizes]

    def build(self, input_shape: Any) -> None:
        """Builds those of the groups; idempotent."""
        for scaling, size in zip(self.scalings, self.sizes, strict=True):
            scaling.build((None, size))

    def call(self, x: Tensor) -> Tensor:
        """Returns the scaled groups side by side."""
        groups = tf.split(x, self.sizes, axis=-1)
        return tf.concat([scaling(group) for scaling, group in zip(self.scalings, groups, strict=True)], axis=-1)

    def shown(self, mask: Tensor) -> Tensor:
        """Returns what each group shows, side by side."""
        groups = tf.split(mask, self.sizes, axis=-1)
        return tf.concat([scaling.shown(group) for scaling, group in zip(self.scalings, groups, strict=True)], axis=-1)

    def scaled_shape(self, event_shape: Shape) -> Shape:
        """Returns the shape of one scaled row."""
        del event_shape
        sizes = [s.scaled_shape((size,))[0] for s, size in zip(self.scalings, self.sizes, strict=True)]
        return (sum(sizes),)

    @property
    def waits(self) -> bool:
        """Whether that of a group does."""
        return any(scaling.waits for scaling in self.scalings)

    def adapt(self, blocks: Blocks) -> None:
        """Adapts that of each group."""
        ends = np.cumsum(self.sizes)
        for scaling, first, end in zip(self.scalings, ends - self.sizes, ends, strict=True):
            scaling.adapt(lambda columns=slice(first, end): (block[:, columns] for block in blocks()))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "scalings": list(self.scalings), "sizes": list(self.sizes)}


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Returns the mean of what adds up to `total`, 0 where nothing was counted."""
    return total / np.maximum(count, 1)
