"""The interface of likelihoods: an event, a support, a reconstruction, and initial values taken from data.

adapt(x):   head bias and scale  <-  data, so that E[x | z] = mean(x) where the head's kernel contributes nothing
"""

import abc
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import scales, scaling
from tfvae.core import sets
from tfvae.core.conditional import ConditionalDistribution
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import ArrayLike, BatchShape, Config, Parameters, Shape

tfd = tfp.distributions


class Likelihood(ConditionalDistribution):
    """A conditional distribution over x, `[...]`.

    Args:
        event_shape: shape of one example, for example `(28, 28, 1)`.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.

    Attributes:
        support: the set that x must lie in; of the class, the set for its default arguments.
        maskable: whether `log_prob` takes a mask of the cells that were observed.
        has_quantile: whether there is an `element` whose `quantile` is a formula, which a missingness needs.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1.
    """

    support: sets.ValueSet = sets.REAL
    default_given = ("z",)
    maskable = False
    has_quantile = False

    def __init__(
        self, event_shape: int | tuple[int, ...], network: keras.layers.Layer | None = None, **kwargs: Any
    ) -> None:
        super().__init__(network=network, **kwargs)
        shape = tuple(event_shape) if isinstance(event_shape, (tuple, list)) else (event_shape,)
        if not shape:
            raise InvalidInput("event_shape with at least one dimension", "()", "Use (1,) for scalar data.")
        self.event_shape = tuple(positive_integer("event_shape", size) for size in shape)

    def build(self, context_shape: BatchShape | Mapping[str, Shape]) -> None:
        """Creates the weights, as every part does; idempotent."""
        if not self.built:
            self.build_own()
            super().build(context_shape)

    def build_own(self) -> None:
        """Creates the weights that belong neither to the network nor to the head; idempotent."""

    def compute_output_shape(self, context_shape: BatchShape) -> BatchShape:
        """Returns the shape of x, which `model.summary()` shows."""
        return (None, *self.event_shape)

    def log_prob(self, parameters: Parameters, target: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Returns log p(x | z) of the observed cells of x, `[*lead]` in nats: the others are integrated out.

        A likelihood whose elements depend on each other overrides it with its own marginal, and sets `maskable`.

        Args:
            parameters: what `likelihood.parameters(z)` returned, of lead `[B]` or `[S, B]`.
            target: x, `[B, *event]`, in the support where it was observed.
            mask: bool, `[B, *event]`, true where x was observed; `None` if all of it was.

        Raises:
            InvalidInput: if there is a mask, and the likelihood is not `maskable`.
        """
        if mask is None:
            return self.distribution(**parameters).log_prob(target)
        raise InvalidInput(
            "a likelihood that can leave out cells, where x has a mask",
            f"{type(self).__name__}, whose elements may depend on each other given z",
            "Derive it from tfvae.likelihoods.IndependentLikelihood and define `element`, or let its own `log_prob` "
            "take the mask and give the marginal of the observed cells, with `maskable = True`.",
        )

    def point(self, distribution: tfd.Distribution) -> tf.Tensor:
        """Returns the reconstruction, `[..., *event]`: the distribution's mean, or its mode where it has no mean."""
        return distribution.mean() if self.has_mean else distribution.mode()

    def averaged(self, distribution: tfd.Distribution) -> Any:
        """Returns what is averaged over z to predict x: the point, `[..., *event]`; of labels their probabilities."""
        return self.point(distribution)

    def predicted(self, average: Any, *others: Any) -> tuple[tf.Tensor, ...]:
        """Returns the x that an average over z predicts, `[..., *event]`, and the entries of others that belong to it.

        Args:
            average: of what `averaged` returned, over z.
            *others: more of this structure, for example the variances.
        """
        return (average, *others)

    def deviation(self, distribution: tfd.Distribution) -> tf.Tensor:
        """Returns the distribution's standard deviation, `[..., *event]`; NaN where it has none."""
        try:
            return distribution.stddev()
        except NotImplementedError:
            return tf.fill(tf.shape(self.point(distribution)), float("nan"))

    def measured(self, distribution: tfd.Distribution, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns x, the point and the deviation in the units that the parameters are in, `[..., *event]` each."""
        return x, self.point(distribution), self.deviation(distribution)

    def default_scaling(self) -> scaling.Scaling:
        """Returns the units in which a posterior had best see data of this kind: real numbers are standardised."""
        return scaling.Standardized(self.event_shape) if self.support == sets.REAL else scaling.Identity()

    def adapt(self, x: ArrayLike, mask: ArrayLike | None = None) -> None:
        """Sets the head's bias and the scale from data, as the `adapt` of a Keras preprocessing layer does.

        Where the head's kernel contributes nothing, the mean of p(x | z) is then the data's mean: of each dimension,
        or of each channel after a convolution. Means at the edge of the support are clipped, as each likelihood says.
        Call it once, after the model is made and before training: it overwrites the bias. What it sets are ordinary
        weights, trained and saved like any other. Where cells are missing, all this is of those that were observed; a
        dimension without one gets a bias of zero, and its scale stays.

        Args:
            x: data after preprocessing, array or tensor, `[N, ...]`; some thousand rows are enough.
            mask: bool, of the shape of x, true where x was observed; `None` if all of it was.

        Raises:
            InvalidInput: if the likelihood has no weights yet, x has a wrong shape or observed values outside the
                support, or the mask another shape than x.

        Example:
            >>> vae.likelihood.adapt(vae.preprocess(x))
        """
        name = type(self).__name__
        if not self.built:
            remedy = "Make the model first: vae = tfvae.VAE(...), then vae.likelihood.adapt(vae.preprocess(x))."
            raise InvalidInput(f"a {name} that has weights", "one that is not built", remedy)
        x = tf.cast(x, tf.float32)
        if x.shape[1:] != self.event_shape or x.shape[0] == 0:
            remedy = "Pass preprocessed data with one row or more."
            raise InvalidInput(f"x of shape {('N', *self.event_shape)}", f"shape {tuple(x.shape)}", remedy)
        if mask is not None:
            mask = tf.cast(mask, tf.bool)
            if mask.shape != x.shape:
                remedy = "Pass one truth value for each cell of x, for example ~np.isnan(x)."
                raise InvalidInput(f"a mask of shape {tuple(x.shape)}", f"shape {tuple(mask.shape)}", remedy)
            x = tf.where(mask, x, self.support.inner)
        outside = tf.where(~self.support.contains(x))
        if len(outside):
            at = tuple(int(i) for i in outside[0])
            expected = f"x with values in {self.support.description}, the support of {name}"
            raise InvalidInput(expected, f"{float(x[at]):g} at x[{', '.join(map(str, at))}]", self.remedy(x))
        axes = tuple(range(1 + len(self.head.space)))
        observed = x.numpy() if mask is None else np.ma.masked_array(x, ~mask.numpy())
        self.head.set_biases(_or_neutral(self.starting_biases(observed, axes), 0.0))
        self.head.set_reach(_or_neutral(self.starting_reach(observed, axes), 1.0))

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns the head's biases at which the likelihood fits the data best; sets the scale, if it is a weight.

        Args:
            x: data in the support, `[N, *event]`; where cells are missing a masked array, whose means leave them out.
            axes: those over which a bias is shared: the rows, and the spatial axes after a convolution.

        Returns:
            Name to value, with `axes` averaged away (kept with length one, the first one dropped); NaN or masked where
            nothing was observed.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define starting_biases, which adapt needs.")

    def starting_reach(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns how far the head's outputs should vary with z at first, where that is in the data's units.

        Args:
            x: as for `starting_biases`.
            axes: likewise.

        Returns:
            Name to value as of `starting_biases`, one where nothing was observed: by default nothing.
        """
        del x, axes
        return {}

    def independent(self) -> "Likelihood":
        """Returns the likelihood without a network, not built: its elements are independent where nothing is z.

        What a scale was shared by or predicted from is left out: every element gets a scale of its own.
        """
        return type(self).from_config({**self.get_config(), "network": None})

    def remedy(self, x: tf.Tensor) -> str:
        """Returns what to do about preprocessed data `[B, ...]` outside the support: the likelihoods that would fit."""
        return f"Likelihoods that fit these data: {', '.join(suggest(x)) or 'none'}."

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "event_shape": list(self.event_shape)}


class IndependentLikelihood(Likelihood):
    """A likelihood whose elements are independent given z; subclasses define `element`.

    log p(x | z) = sum over the observed cells i of log p(x_i | z)
    """

    maskable = True

    @abc.abstractmethod
    def element(self, **parameters: tf.Tensor) -> tfd.Distribution:
        """Returns the elements' distribution, batch shape `[..., *event]`, from the constrained parameters."""

    def distribution(self, **parameters: tf.Tensor) -> tfd.Distribution:
        """Returns the distribution over the event."""
        return tfd.Independent(self.element(**parameters), reinterpreted_batch_ndims=len(self.event_shape))

    def log_prob(self, parameters: Parameters, target: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Returns log p(x | z) of the observed cells, `[*lead]` in nats; what stands in the others is never seen.

        Args:
            parameters: what `likelihood.parameters(z)` returned, of lead `[B]` or `[S, B]`.
            target: x, `[B, *event]`, in the support where it was observed; anything elsewhere, NaN included.
            mask: bool, `[B, *event]`, true where x was observed; `None` if all of it was.

        Example:
            >>> normal, x = Normal(2, scale=1.0), tf.constant([[0.0, float("nan")]])
            >>> float(normal.log_prob({"loc": tf.zeros([1, 2]), "scale": 1.0}, x, mask=[[True, False]]))
            -0.9189385175704956
        """
        if mask is None:
            return super().log_prob(parameters, target)
        inside = tf.where(mask, target, self.support.inner)  # before the density: zero times NaN has a gradient of NaN
        log_probs = tf.where(mask, self.element(**parameters).log_prob(inside), 0.0)
        return tf.reduce_sum(log_probs, axis=list(range(-len(self.event_shape), 0)))


class ScaledLikelihood(IndependentLikelihood):
    """A likelihood with a positive parameter that comes from a `tfvae.scales.Scale`.

    Args:
        event_shape: shape of one example.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.
        scale: a `tfvae.scales.Scale` or a positive number; `None` is the class's `default_scale`.

    Raises:
        InvalidInput: if `event_shape` is not one or more whole numbers of at least 1, or `scale` is not positive.
    """

    default_scale: type[scales.Scale] = scales.Shared

    def __init__(
        self,
        event_shape: int | tuple[int, ...],
        network: keras.layers.Layer | None = None,
        scale: scales.Scale | float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, network=network, **kwargs)
        scale = self.default_scale() if scale is None else scale
        self.scale = scale if isinstance(scale, scales.Scale) else scales.Fixed(scale)

    @property
    def scale_shape(self) -> tuple[int, ...]:
        """Shape of the scale of one example."""
        return self.event_shape

    def build_own(self) -> None:
        """Creates the scale's weight, if it has one; idempotent."""
        self.scale.build(self.scale_shape)

    def independent(self) -> "ScaledLikelihood":
        """Returns the likelihood without a network, with a scale for each element, one of the raw numbers."""
        part = super().independent()
        part.scale = scales.Predicted()
        return part

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}


def average(values: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """Returns the mean over `axes`, kept with length one but for the first, which is dropped; over all for `None`.

    Of a masked array it is that of the observed cells, NaN where there are none, and no masked array.
    """
    mean = np.mean(values, axis=axes, keepdims=axes is not None, dtype=np.float64)
    return np.ma.filled(mean if axes is None else mean[0], np.nan)


def solve_increasing(
    function: Callable[[np.ndarray], np.ndarray], target: np.ndarray, low: float, high: float
) -> np.ndarray:
    """Returns the u between `low` and `high` at which an increasing function is `target`, elementwise, by bisection.

    NaN where the target is.
    """
    low, high = low + 0 * target, high + 0 * target
    for _ in range(40):
        middle = (low + high) / 2
        above = function(middle) > target
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def _or_neutral(values: dict[str, np.ndarray], neutral: float) -> dict[str, np.ndarray]:
    return {name: np.ma.masked_where(np.isnan(value), value).filled(neutral) for name, value in values.items()}


def suggest(x: ArrayLike) -> list[str]:
    """Returns the names of the library's likelihoods in whose support, for default arguments, all of x lies."""
    from tfvae import likelihoods  # here, as the package imports this file first

    x = tf.convert_to_tensor(x)
    x = x if x.dtype.is_floating else tf.cast(x, tf.float32)
    parts = [getattr(likelihoods, name) for name in likelihoods.__all__]
    parts = [part for part in parts if inspect.isclass(part) and not inspect.isabstract(part)]
    known = [part for part in parts if isinstance(part.support, sets.ValueSet)]  # only an instance of Columns knows it
    return [part.__name__ for part in known if bool(tf.reduce_all(part.support.contains(x)))]
