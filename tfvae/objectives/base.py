"""The interface of objectives: evidence -> bound, `[B]` in nats."""

import abc
from collections.abc import Mapping

import keras

from tfvae.core import serial
from tfvae.core.errors import InvalidInput
from tfvae.core.evidence import Evidence
from tfvae.core.types import Config, Shape, Tensor
from tfvae.schedules import Schedule


class Objective(abc.ABC):
    """A bound to maximise, `[B]` in nats; subclasses set `num_samples` and define `__call__` and `get_config`.

    Attributes:
        num_samples: how many samples S of z the bound takes for each example.
    """

    num_samples: int

    @abc.abstractmethod
    def __call__(self, evidence: Evidence) -> Tensor:
        """Returns the bound for each example, `[B]` in nats."""

    @abc.abstractmethod
    def get_config(self) -> Config:
        """Returns the constructor's arguments."""

    @classmethod
    def from_config(cls, config: Config) -> "Objective":
        """Returns the objective that `get_config` described."""
        return serial.made(cls, config)

    # What an estimator may use: the bound as a function of log-weights alone, where it is one.

    def log_weight(self, evidence: Evidence) -> Tensor:
        """Returns the log-weights, `[S, B]`, that the bound is a function of."""
        return evidence.log_weight

    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> Tensor | None:
        """Returns the bound, `[B]`, from independent samples' log-weights, `[S, B]`; `None` if it needs more.

        Where all values of a latent are enumerated, samples have masses, `[S, B]`, and m draws are S / m samples each,
        one after the other. They are passed only then.

        Raises:
            InvalidInput: if a subclass does not define it and an estimator needs it.
        """
        del log_weight, log_mass
        name = type(self).__name__
        remedy = (
            f"Define {name}.of_log_weight(log_weight, log_mass=None), from log-weights [S, B] to the bound [B]; or, "
            "where the bound is not a function of them, use tfvae.estimators.Pathwise()."
        )
        expected = "an objective that defines of_log_weight, which this estimator or a second bound needs"
        raise InvalidInput(expected, f"{name}, which does not", remedy)

    @property
    def innermost(self) -> "Objective":
        """The bound without penalties around it."""
        return self

    @property
    def learned_from_labels(self) -> frozenset[str]:
        """Names of the latents whose posterior a penalty trains by labels."""
        return frozenset()

    @property
    def inference(self) -> "Objective":
        """The bound that the posterior's parameters follow; all others follow the objective itself."""
        return self

    # What a callback may ask.

    def against_collapse(self, epoch_steps: int | None = None) -> list[str]:
        """Returns what to try where the decoder ignores z, each a part of a sentence that begins with "try".

        Args:
            epoch_steps: gradient steps in an epoch, or `None` where that is unknown.
        """
        del epoch_steps
        return [f"to train with ELBO and a warm-up of beta first, then with {type(self).__name__}"]

    def against_unused(self, epoch_steps: int | None = None) -> list[str]:
        """Returns the same for a model of several latents, one of which or all of which are not used.

        Args:
            epoch_steps: gradient steps in an epoch, or `None` where that is unknown.
        """
        del epoch_steps
        return [f"to train with ELBO(layer_free_bits=0.5) and a warm-up of beta first, then with {type(self).__name__}"]

    # What a train step may use: penalties that couple the examples of a batch, and state of the objective's own.

    term_names: tuple[str, ...] = ()

    def terms(self, evidence: Evidence) -> dict[str, Tensor]:
        """Returns what `loss` has on top of the negative bound, name to weighted scalar."""
        del evidence
        return {}

    partial_terms: tuple[str, ...] = ()  # names of penalties that are means over some of the examples

    measure_names: tuple[str, ...] = ()

    def measures(self, evidence: Evidence) -> dict[str, tuple[Tensor, Tensor]]:
        """Returns what the logs have on top, name to a value for each example and what that counts, `[B]` each.

        In evaluation the partial terms are among them, so that their means do not depend on how data fall into batches.
        """
        del evidence
        return {}

    def build(self, shapes: Mapping[str, Shape]) -> None:
        """Creates the objective's own state, if it has any, for latents of these shapes by name; idempotent."""
        del shapes

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """Layers with the objective's own state, which the model tracks and saves."""
        return []

    def update(self, evidence: Evidence) -> None:
        """Updates the objective's own state after a gradient step of the model."""
        del evidence

    @property
    def schedules(self) -> dict[str, Schedule]:
        """The numbers that follow a schedule, by name; they appear in the logs."""
        return {name: value for name, value in self.get_config().items() if isinstance(value, Schedule)}

    def __repr__(self) -> str:
        """Returns the expression that makes the objective."""
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items())})"


class LogWeightObjective(Objective):
    """A bound that depends on its independent samples through their log-weights only."""

    @abc.abstractmethod
    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> Tensor:
        """Returns the bound, `[B]`, from log-weights, `[S, B]`, and log-masses, where they are not equal."""

    def __call__(self, evidence: Evidence) -> Tensor:
        """Returns the bound for each example, `[B]` in nats."""
        return self.of_log_weight(evidence.log_weight, *evidence.masses)
