"""Schedules: a number that an objective or a part takes, as a function of the training step t.

    Constant        v
    LinearWarmup    start + (end - start) min(t / steps, 1)                      Sonderby et al. 2016
    Cyclical        linear over the first `ratio` of each of `cycles` periods, then held            Fu et al. 2019
    Sigmoid         start + (end - start) / (1 + exp(-(t - midpoint) / width))    Bowman et al. 2016

A step is one gradient step (`optimizer.iterations`, which is saved with the model, so a resumed run goes on where it
was). Evaluation uses `final`, the value that training ends on: otherwise early stopping would compare warm-ups.

Learning rates are Keras' schedules. `warmup_cosine` is the one that the command line takes.
"""

import abc
import math
import numbers

import keras
import tensorflow as tf

from tfvae.core.errors import InvalidInput, positive_integer, positive_number
from tfvae.core.types import Config

__all__ = ["Constant", "Cyclical", "LinearWarmup", "Schedule", "Sigmoid", "warmup_cosine"]


def __dir__() -> list[str]:
    return __all__


class Schedule(abc.ABC):
    """A non-negative number as a function of the training step; subclasses define `__call__` and `get_config`.

    Attributes:
        final: the value that training ends on, used in evaluation.
    """

    final: float

    @abc.abstractmethod
    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the value at `step`, a float32 scalar."""

    @abc.abstractmethod
    def get_config(self) -> Config:
        """Returns the constructor's arguments."""

    @classmethod
    def from_config(cls, config: Config) -> "Schedule":
        """Returns the schedule that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        """Returns the expression that makes the schedule."""
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items())})"


def at(value: "float | Schedule", step: tf.Tensor | None) -> float | tf.Tensor:
    """Returns a number as it is, a schedule's value at `step`, or its final value where the step is `None`."""
    if not isinstance(value, Schedule):
        return value
    return value.final if step is None else value(tf.cast(step, tf.float32))


class Positive:
    """An attribute of a part: a positive number or a schedule of positive ones, which is checked when it is set.

    Example:
        >>> class Part:
        ...     temperature = Positive()
    """

    def __set_name__(self, owner: type, name: str) -> None:
        """Takes the name of the attribute."""
        self.name = name

    def __get__(self, part: object, owner: type | None = None) -> "float | Schedule | Positive | None":
        """Returns the number or the schedule, `None` before it is set, or of the class this description."""
        return self if part is None else vars(part).get(self.name)

    def __set__(self, part: object, value: "float | Schedule") -> None:
        """Sets the number or the schedule; raises `InvalidInput` if it is not positive at its start and its end."""
        ends = [float(value(0)), value.final] if isinstance(value, Schedule) else [value]
        for end in ends:
            positive_number(self.name, end)
        vars(part)[self.name] = value if isinstance(value, Schedule) else float(value)


def checked(name: str, value: object) -> "float | Schedule":
    """Returns a schedule as it is and a number as a `float`; raises `InvalidInput` if it is negative or not finite."""
    if isinstance(value, Schedule):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
        remedy = "Pass a number, or a schedule from tfvae.schedules."
        raise InvalidInput(f"{name} to be a finite number of at least 0", f"{name}={value!r}", remedy)
    return float(value)


@keras.saving.register_keras_serializable(package="tfvae", name="ConstantSchedule")
class Constant(Schedule):
    """Always the same value.

    Args:
        value: the number.

    Raises:
        InvalidInput: if `value` is negative or not finite.
    """

    def __init__(self, value: float) -> None:
        self.final = checked("value", value)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the value, a float32 scalar."""
        return tf.fill([], self.final)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"value": self.final}


class _Ramp(Schedule):
    """From `start` to `end` along `fraction(step)`, which goes from zero to one."""

    def __init__(self, start: float = 0.0, end: float = 1.0) -> None:
        self.start, self.end = checked("start", start), checked("end", end)
        self.final = self.end

    @abc.abstractmethod
    def fraction(self, step: tf.Tensor) -> tf.Tensor:
        """Returns how far the ramp is, in [0, 1]."""

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the value at `step`, a float32 scalar."""
        return self.start + (self.end - self.start) * self.fraction(tf.cast(step, tf.float32))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"start": self.start, "end": self.end}


@keras.saving.register_keras_serializable(package="tfvae")
class LinearWarmup(_Ramp):
    """Rises linearly from `start` to `end`, then stays.

        v(t) = start + (end - start) min(t / steps, 1)

    Args:
        steps: length of the warm-up, gradient steps.
        start: first value.
        end: last value.

    Raises:
        InvalidInput: if `steps` is not a whole number of at least 1, or a value is negative or not finite.

    Reference:
        Sonderby et al. 2016, "Ladder Variational Autoencoders", section 2.3.

    Example:
        >>> float(LinearWarmup(steps=100)(50))
        0.5
    """

    def __init__(self, steps: int, start: float = 0.0, end: float = 1.0) -> None:
        super().__init__(start, end)
        self.steps = positive_integer("steps", steps)

    def fraction(self, step: tf.Tensor) -> tf.Tensor:
        """Returns how far the ramp is, in [0, 1]."""
        return tf.minimum(step / self.steps, 1.0)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"steps": self.steps, **super().get_config()}


@keras.saving.register_keras_serializable(package="tfvae")
class Cyclical(_Ramp):
    """Rises linearly in the first part of each period and holds in the rest; after the last period it stays at `end`.

        v(t) = start + (end - start) min(tau / ratio, 1),    tau = (t mod period) / period

    Args:
        period: length of a cycle, gradient steps.
        cycles: number of cycles.
        ratio: share of a cycle that rises, in (0, 1].
        start: first value of a cycle.
        end: last value of a cycle.

    Raises:
        InvalidInput: if `period` or `cycles` is not a whole number of at least 1, `ratio` is outside (0, 1], or a value
            is negative or not finite.

    Reference:
        Fu et al. 2019, "Cyclical Annealing Schedule", equations 6 and 7.
    """

    def __init__(self, period: int, cycles: int = 4, ratio: float = 0.5, start: float = 0.0, end: float = 1.0) -> None:
        super().__init__(start, end)
        self.period, self.cycles = positive_integer("period", period), positive_integer("cycles", cycles)
        if not isinstance(ratio, numbers.Real) or not 0 < ratio <= 1:
            raise InvalidInput("ratio in (0, 1]", f"ratio={ratio!r}", "It is the share of a cycle that rises.")
        self.ratio = float(ratio)

    def fraction(self, step: tf.Tensor) -> tf.Tensor:
        """Returns how far the ramp of the current cycle is, in [0, 1]."""
        tau = tf.math.floormod(step, float(self.period)) / self.period
        return tf.where(step >= self.period * self.cycles, 1.0, tf.minimum(tau / self.ratio, 1.0))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"period": self.period, "cycles": self.cycles, "ratio": self.ratio, **super().get_config()}


@keras.saving.register_keras_serializable(package="tfvae", name="SigmoidSchedule")
class Sigmoid(_Ramp):
    """Rises along a logistic curve.

        v(t) = start + (end - start) / (1 + exp(-(t - midpoint) / width))

    Args:
        midpoint: gradient step at which half the way is gone.
        width: gradient steps in which the odds grow by a factor of e.
        start: value long before the midpoint.
        end: value long after it.

    Raises:
        InvalidInput: if `midpoint` or `width` is not a whole number of at least 1, or a value negative or not finite.

    Reference:
        Bowman et al. 2016, "Generating Sentences from a Continuous Space", section 3.1.
    """

    def __init__(self, midpoint: int, width: int, start: float = 0.0, end: float = 1.0) -> None:
        super().__init__(start, end)
        self.midpoint, self.width = positive_integer("midpoint", midpoint), positive_integer("width", width)

    def fraction(self, step: tf.Tensor) -> tf.Tensor:
        """Returns how far the ramp is, in (0, 1)."""
        return tf.sigmoid((step - self.midpoint) / self.width)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"midpoint": self.midpoint, "width": self.width, **super().get_config()}


def warmup_cosine(peak: float, steps: int, warmup: float = 0.1) -> keras.optimizers.schedules.CosineDecay:
    """Returns a learning rate that rises linearly from zero and falls to zero along half a cosine.

        rate(t) = peak t / w                                           t < w = warmup steps
        rate(t) = peak (1 + cos(pi (t - w) / (steps - w))) / 2         t >= w

    The full rate from the first step on often switches latent dimensions off for good: the first updates teach the
    decoder the mean image, and what q says is noise to it until then.

    Args:
        peak: the largest rate.
        steps: of the whole training, `epochs * ceil(N / B)`.
        warmup: share of the steps in which the rate rises, in [0, 1).

    Returns:
        A Keras schedule, for the `learning_rate` of an optimizer or of a recipe.

    Raises:
        InvalidInput: if `peak` is negative or not finite, `steps` is not a whole number of at least 1, or `warmup` is
            outside [0, 1).

    Reference:
        Loshchilov and Hutter 2017, "SGDR", equation 5, one period; Goyal et al. 2017, section 2.2, for the warm-up.

    Example:
        >>> rate = warmup_cosine(2e-3, steps=1000)
        >>> [round(1000 * float(rate(t)), 2) for t in (0, 50, 100, 550, 1000)]
        [0.0, 1.0, 2.0, 1.0, 0.0]
    """
    if isinstance(peak, bool) or not isinstance(peak, numbers.Real) or not 0 <= peak < math.inf:
        raise InvalidInput("a learning rate that is finite and not negative", f"peak={peak!r}", "Try 2e-3 with Adam.")
    steps = positive_integer("steps", steps)
    if isinstance(warmup, bool) or not isinstance(warmup, numbers.Real) or not 0 <= warmup < 1:
        raise InvalidInput("warmup in [0, 1)", f"warmup={warmup!r}", "It is the share of the steps with a rising rate.")
    rising = math.floor(warmup * steps)
    if not rising:
        return keras.optimizers.schedules.CosineDecay(peak, steps)
    return keras.optimizers.schedules.CosineDecay(0.0, steps - rising, warmup_target=peak, warmup_steps=rising)
