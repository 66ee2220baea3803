"""Missingness: why cells are missing, where the reason is what would have stood in them.

    log w = log p(x_obs | z) + log p(mask | x_obs, z) + log p(z) - log q(z | x)

    p(mask | x_obs, z) = prod_(d observed) p(observed | x_d)  prod_(d missing) E[p(missing | x_d) | z]

Without one, cells are taken to be missing for reasons that what was observed tells (missing at random), and the mask is
left out of the likelihood. The expectation of each missing cell is the mean over 16 points that stand for x_d given z:

    x_j = F^-1((j + u) / 16 | z),    j = 0..15,    u ~ U(0, 1) of each cell                  (systematic sampling)

each of which is a draw of p(x_d | z), so that log w belongs to an unbiased estimate of p(x_obs, mask). Whole examples
completed by one draw, as in the paper, are unbiased too; their weights are a product of as many single draws as there
are missing cells. (Rubin 1976; Ipsen, Mattei and Frellsen 2021, "not-MIWAE".)
"""

import abc
from typing import Any, NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import seeds, serial
from tfvae.core.conditional import positive
from tfvae.core.errors import InvalidInput
from tfvae.core.types import BatchShape, Config, Seed, Shape, Tensor
from tfvae.scaling import Scaling

tfd = tfp.distributions

__all__ = ["Missingness", "SelfMasking"]


def __dir__() -> list[str]:
    return __all__


POINTS = 16  # of systematic samples: the error of a mean falls with their number, not with its root
EDGE = 1e-6  # a share of a point's stratum: keeps F^-1 finite


class Points(NamedTuple):
    """What may stand in each cell if it is missing.

    Attributes:
        x: the points, `[*lead, *event, 16]`.
        log_missing: log p(missing | x), of the same shape.
    """

    x: Tensor
    log_missing: Tensor

    @property
    def log_prob(self) -> Tensor:
        """Returns log p(missing | z) of each cell, `[*lead, *event]`."""
        return tf.reduce_logsumexp(self.log_missing, axis=-1) - tf.math.log(float(POINTS))

    @property
    def cells(self) -> tfd.Distribution:
        """Returns p(x_d | z, missing) of each cell, batch shape `[*lead, *event]`: the points by their weights."""
        weights, points = tfd.Categorical(logits=self.log_missing), tfd.Deterministic(self.x)
        return tfd.MixtureSameFamily(weights, points)


class Missingness(keras.layers.Layer, abc.ABC):
    """p(mask | x), where each cell is missing for its own value; subclasses define `log_observed`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})

    @abc.abstractmethod
    def log_observed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns log p(observed | x_d) and log p(missing | x_d) of each cell in nats, of the shape of x.

        Args:
            x: in the units that the posterior sees (`vae.scaling`), `[..., *event]`.
        """

    def log_prob(self, element: tfd.Distribution, scaling: Scaling, x: Tensor, mask: Tensor, seed: Seed) -> Tensor:
        """Returns log p(mask | x_obs, z), `[*lead]` in nats.

        Args:
            element: p(x_d | z) of each cell, batch shape `[*lead, *event]`.
            scaling: to the units that `log_observed` takes.
            x: preprocessed, `[B, *event]`; finite where it is not observed.
            mask: bool, `[B, *event]`, true where x was observed.
            seed: int32 pair.
        """
        observed, _ = self.log_observed(scaling(x))
        cells = tf.where(mask, observed, self.points(element, scaling, seed).log_prob)
        return tf.reduce_sum(cells, axis=list(range(1 - x.shape.rank, 0)))

    def hidden(self, element: tfd.Distribution, scaling: Scaling, seed: Seed) -> tfd.Distribution:
        """Returns p(x | z) of cells that are missing, batch shape `[*lead]`; arguments as for `log_prob`."""
        cells = self.points(element, scaling, seed).cells
        return tfd.Independent(cells, reinterpreted_batch_ndims=len(self.event_shape))

    def points(self, element: tfd.Distribution, scaling: Scaling, seed: Seed) -> Points:
        """Returns what may stand in each cell; arguments as for `log_prob`."""
        uniform = tf.clip_by_value(seeds.uniform(element.batch_shape_tensor(), seed), EDGE, 1 - EDGE)
        strata = tf.reshape(tf.range(float(POINTS)), [POINTS] + [1] * element.batch_shape.rank)
        x = element.quantile((strata + uniform) / POINTS)
        _, log_missing = self.log_observed(scaling(x))
        last = [*range(1, x.shape.rank), 0]
        return Points(tf.transpose(x, last), tf.transpose(log_missing, last))

    def build(self, input_shape: BatchShape) -> None:
        """Remembers the shape of one example; subclasses create weights; idempotent."""
        self.event_shape: Shape = tuple(input_shape[1:])

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.pop("dtype")
        return config

    @classmethod
    def from_config(cls, config: Config) -> "Missingness":
        """Returns the missingness that `get_config` described."""
        return serial.made(cls, config)


@keras.saving.register_keras_serializable(package="tfvae")
class SelfMasking(Missingness):
    """Each cell is observed with a probability that is logistic in its own value; offset and slope are learned.

        p(observed | x_d) = sigmoid(a_d - b_d x_d),    x in the units that the posterior sees (`vae.scaling`)

    Args:
        sign: +1 if large values are missing rather than small ones, -1 if small ones are, in all columns: the slope is
            then positive or negative whatever the data say. `None` learns it for each column; what was observed often
            tells little about it.

    Raises:
        InvalidInput: if `sign` is not +1, -1 or `None`.

    Reference:
        Ipsen, Mattei and Frellsen 2021, "not-MIWAE: Deep Generative Modelling with Missing not at Random Data", section
        4.1.

    Example:
        >>> posterior = tfvae.posteriors.DiagonalNormal(2, given=("x", "mask"))
        >>> vae = VAE(posterior, tfvae.likelihoods.Normal(5), missingness=SelfMasking(sign=1))
    """

    def __init__(self, sign: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if sign not in (1, -1, None):
            remedy = "Pass 1 if large values are missing, -1 if small ones are, None if that is not known."
            raise InvalidInput("sign to be 1, -1 or None", f"sign={sign!r}", remedy)
        self.sign = sign

    def build(self, input_shape: BatchShape) -> None:
        """Creates offset and slope of each cell; idempotent."""
        super().build(input_shape)
        if not self.built:
            self.offset = self.add_weight(shape=self.event_shape, initializer="zeros", name="offset")
            self.raw_slope = self.add_weight(shape=self.event_shape, initializer="zeros", name="raw_slope")

    @property
    def slope(self) -> Tensor:
        """Returns the slope b of each cell, `[*event]`; zero at first, or a given sign."""
        raw = tf.convert_to_tensor(self.raw_slope)
        return raw if self.sign is None else self.sign * positive(raw)

    def log_observed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns log p(observed | x_d) and log p(missing | x_d) of each cell in nats, of the shape of x."""
        logit = tf.convert_to_tensor(self.offset) - self.slope * x
        return -tf.math.softplus(-logit), -tf.math.softplus(logit)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "sign": self.sign}
