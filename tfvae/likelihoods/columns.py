"""A likelihood of tables with mixed columns: one network, and a likelihood for each group of columns.

log p(x | z) = sum_i log p_i(x_i | z)          x = (x_1, x_2, ...), groups of columns of one row
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import scaling
from tfvae.core import sets
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config, Parameters
from tfvae.distributions.concatenated import Concatenated
from tfvae.likelihoods.base import Likelihood


@keras.saving.register_keras_serializable(package="tfvae", name="ColumnsLikelihood")
class Columns(Likelihood):
    """Likelihoods side by side over the columns of a table, given one shared network.

        log p(x | z) = sum over the groups of log p_i(x_i | z)

    Labels are whole numbers in one column. Where a group has no mean (`Categorical`), the whole has none: `point` takes
    each group's own, the mean or the mode.

    Args:
        likelihoods: one for each group of neighbouring columns, in order, each over one dimension and without network.
        network: Keras model from z, `[B, D]`, to features; `None` uses z itself.

    Raises:
        InvalidInput: if `likelihoods` is empty, or one of them is not a likelihood, has a network or several
            dimensions.

    Reference:
        Nazabal et al. 2020, "Handling Incomplete Heterogeneous Data using VAEs" (HI-VAE), section 3.

    Example:
        >>> likelihood = Columns([Normal(3), Bernoulli(2), Categorical(1, num_categories=5)])
        >>> likelihood.support.description
        'columns 0-2: the finite real numbers; columns 3-4: {0, 1}; column 5: the whole numbers 0 to 4'
    """

    def __init__(
        self, likelihoods: Sequence[Likelihood], network: keras.layers.Layer | None = None, **kwargs: Any
    ) -> None:
        likelihoods = list(likelihoods) if isinstance(likelihoods, (list, tuple)) else [likelihoods]
        if not likelihoods:
            raise InvalidInput("one likelihood or more", "an empty list", "Pass for example [likelihoods.Normal(3)].")
        for part in likelihoods:
            if not isinstance(part, Likelihood) or len(part.event_shape) != 1 or part.network is not None:
                expected = "likelihoods over one dimension, without a network of their own"
                remedy = "Pass for example tfvae.likelihoods.Normal(3), and the network to Columns."
                raise InvalidInput(expected, f"{part!r}", remedy)
        super().__init__(sum(part.event_shape[0] for part in likelihoods), network=network, **kwargs)
        self.likelihoods = likelihoods
        self.sizes = [part.event_shape[0] for part in likelihoods]
        self.reparameterized = all(part.reparameterized for part in likelihoods)
        self.jit_sample = all(part.jit_sample for part in likelihoods)
        self.has_mean = all(part.has_mean for part in likelihoods)
        self.maskable = all(part.maskable for part in likelihoods)

    @property
    def names(self) -> list[str]:
        """The groups as a person calls them, for example `["columns 0-2", "column 3"]`."""
        ends = np.cumsum(self.sizes)
        pairs = zip(ends - self.sizes, ends - 1, strict=True)
        return [f"column {first}" if first == last else f"columns {first}-{last}" for first, last in pairs]

    @property
    def support(self) -> sets.ValueSet:
        """The set that each group of columns must lie in."""
        parts = zip(self.names, self.sizes, (part.support for part in self.likelihoods), strict=True)
        return sets.columns(list(parts))

    def default_scaling(self) -> scaling.Scaling:
        """Returns that of each part, for its columns."""
        return scaling.Grouped([part.default_scaling() for part in self.likelihoods], self.sizes)

    def independent(self) -> "Columns":
        """Returns that of each part, side by side."""
        return Columns([part.independent() for part in self.likelihoods])

    def build_own(self) -> None:
        """Creates the weights of the parts; idempotent."""
        for part in self.likelihoods:
            part.build_own()

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns what each part wants of the one head, its names numbered by part."""
        return _numbered([part.head_shapes() for part in self.likelihoods])

    def constrain(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns each part's parameters, their names numbered by part."""
        return _numbered([part.constrain(**own) for part, own in self._by_part(raw)])

    def distribution(self, **parameters: tf.Tensor) -> Concatenated:
        """Returns the distribution over rows."""
        return Concatenated([part.distribution(**own) for part, own in self._by_part(parameters)])

    def log_prob(self, parameters: Parameters, target: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Returns log p(x | z) of the observed cells, `[*lead]` in nats: the sum of what each group says of its own."""
        if mask is None:
            return super().log_prob(parameters, target)
        x, observed = tf.split(target, self.sizes, axis=-1), tf.split(mask, self.sizes, axis=-1)
        parts = zip(self._by_part(parameters), x, observed, strict=True)
        return tf.add_n([part.log_prob(own, *cells) for (part, own), *cells in parts])

    def scales(self, parameters: Parameters) -> dict[str, tf.Tensor]:
        """Returns each part's scales, their names numbered by part."""
        return _numbered([part.scales(own) for part, own in self._by_part(parameters)])

    def point(self, distribution: Concatenated) -> tf.Tensor:
        """Returns the reconstruction, `[..., D]`: of each group the mean or, of labels, the mode."""
        pairs = zip(self.likelihoods, distribution.distributions, strict=True)
        return tf.concat([part.point(own) for part, own in pairs], axis=-1)

    def averaged(self, distribution: Concatenated) -> tuple:
        """Returns what each group averages over z."""
        pairs = zip(self.likelihoods, distribution.distributions, strict=True)
        return tuple(part.averaged(own) for part, own in pairs)

    def predicted(self, average: tuple, *others: tuple) -> tuple[tf.Tensor, ...]:
        """Returns what each group predicts, side by side, `[..., D]`, and the entries of others that belong to it."""
        groups = zip(self.likelihoods, average, *others, strict=True)
        return _side_by_side([part.predicted(*own) for part, *own in groups])

    def deviation(self, distribution: Concatenated) -> tf.Tensor:
        """Returns that of each group; NaN for labels."""
        pairs = zip(self.likelihoods, distribution.distributions, strict=True)
        return tf.concat([part.deviation(own) for part, own in pairs], axis=-1)

    def measured(self, distribution: Concatenated, x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns what each group measures, side by side."""
        groups = zip(self.likelihoods, distribution.distributions, tf.split(x, self.sizes, axis=-1), strict=True)
        return _side_by_side([part.measured(*own) for part, *own in groups])

    def starting_biases(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns each part's biases, their names numbered by part."""
        return _numbered([part.starting_biases(own, axes) for part, own in self._by_columns(x)])

    def starting_reach(self, x: np.ndarray, axes: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Returns what each part says, its names numbered by part."""
        return _numbered([part.starting_reach(own, axes) for part, own in self._by_columns(x)])

    def remedy(self, x: tf.Tensor) -> str:
        """Returns what to do about the first group of columns that does not fit its likelihood."""
        for name, part, own in zip(self.names, self.likelihoods, tf.split(x, self.sizes, axis=-1), strict=True):
            if not bool(tf.reduce_all(part.support.contains(own))):
                return f"In {name}, {type(part).__name__}: {part.remedy(own)}"
        return super().remedy(x)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.pop("event_shape")
        return {**config, "likelihoods": list(self.likelihoods)}

    def _by_columns(self, x: np.ndarray) -> list[tuple[Likelihood, np.ndarray]]:
        return list(zip(self.likelihoods, np.split(x, np.cumsum(self.sizes)[:-1], axis=1), strict=True))

    def _by_part(self, values: Parameters) -> list[tuple[Likelihood, Parameters]]:
        ends = [f"_{index}" for index in range(len(self.likelihoods))]
        groups = [{k.removesuffix(end): v for k, v in values.items() if k.endswith(end)} for end in ends]
        return list(zip(self.likelihoods, groups, strict=True))


def _numbered(groups: Sequence[Parameters]) -> Parameters:
    return {f"{name}_{index}": value for index, group in enumerate(groups) for name, value in group.items()}


def _side_by_side(groups: Sequence[tuple[tf.Tensor, ...]]) -> tuple[tf.Tensor, ...]:
    """Returns the first tensors of all groups as one, the second ones, and so on, `[..., D]` each."""
    return tuple(tf.concat(columns, axis=-1) for columns in zip(*groups, strict=True))
