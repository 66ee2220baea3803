"""The loop of training: Keras' `fit` and `evaluate` around the steps of a model, with arrays kept on the device.

check what was given, whole  ->  steps, many in one program  ->  inspect what they carried out  ->  logs
"""

import abc
import functools
from typing import Any

import keras
import tensorflow as tf

from tfvae.checks import data as inputs
from tfvae.core.sets import REAL
from tfvae.training import call as fitting
from tfvae.training import epochs as resident
from tfvae.training.program import Program

PREDICTABLE = tuple(  # Keras layers that give the same values in training as before it
    getattr(keras.layers, name)
    for name in ("InputLayer", "Rescaling", "Normalization", "Reshape", "Flatten", "Permute", "Cropping2D")
) + (keras.Sequential,)


class Loop(keras.Model, abc.ABC):
    """A Keras model whose steps run many at a time; subclasses say what a step is, and what it logs.

    Attributes:
        programs: those that were made, by phase and mode.
        validation: the arrays that take the place of the test function in a fit's validation, or `None`.
        values_are_checked: true while a step is traced for arrays, whose values are checked before training.
        guard: a callback that decides whether a step's update is made (`tfvae.callbacks.FirstAid`), or `None`.
        num_data: number of examples N in the data set, or `None`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.programs, self.validation, self.guard, self.num_data = {}, None, None, None
        self.values_are_checked = False

    @abc.abstractmethod
    def read_logs(self, training: bool) -> dict[str, tf.Tensor]:
        """Returns the logs after a step; with them, under "violations", travels what is inspected outside of it."""

    @property
    def seed(self) -> int:
        """The seed of all training noise."""
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed, self.programs, self.train_function, self.test_function = seed, {}, None, None

    @property
    def step_count(self) -> tf.Tensor:
        """The steps taken, those included that only add to the gradient of the next update."""
        return tf.identity(getattr(self.optimizer, "inner_optimizer", self.optimizer)._iterations)

    @property
    def jit_is_automatic(self) -> bool:
        """Whether `jit_compile` was left to us."""
        return self._execution["jit_compile"] == "auto"

    def make_train_function(self, force: bool = False) -> None:
        """Builds Keras' train function; what it counts as violations is raised when its block has executed."""
        if isinstance(self.train_function, resident.Epochs):
            self.steps_per_execution = self._execution["steps_per_execution"]
        elif self.train_function is None or force:
            super().make_train_function(force)
            function = self.train_function
            self.train_function = lambda iterator: self.inspected(function(iterator), training=True)

    def make_test_function(self, force: bool = False) -> None:
        """Builds Keras' test function; what it counts as violations is raised when its block has executed."""
        if self.test_function is None or force:
            super().make_test_function(force)
            function = self.test_function
            self.test_function = lambda iterator: self.inspected(function(iterator), training=False)

    def program(self, training: bool, mode: str, on_refusal: Any = None) -> Program:
        """Returns the program of many train or test steps, made once."""
        key = training, mode
        if key not in self.programs:
            step = self._without_checks(self.train_step if training else self.test_step)
            self.programs[key] = Program(step, functools.partial(self.read_logs, training), mode, on_refusal)
        return self.programs[key]

    def _without_checks(self, step: Any) -> Any:
        """Returns a step that leaves out the checks of values, unless preprocessing may make new ones."""
        layers = [layer for outer in self.preprocessing for layer in outer._flatten_layers()]
        known = all(type(layer) in PREDICTABLE or type(layer).__module__.startswith("tfvae.") for layer in layers)

        def unchecked(data: tuple) -> dict[str, tf.Tensor]:
            self.values_are_checked = known
            try:
                return step(data)
            finally:
                self.values_are_checked = False

        return unchecked

    def inspected(self, logs: dict[str, Any], training: bool, batch: Any = None) -> dict[str, Any]:
        """Returns the logs of a block of steps without what travelled beside them.

        Args:
            logs: what the steps returned.
            training: whether they were train steps.
            batch: gives the data of a step of the present epoch, if they are not among the logs.

        Raises:
            InvalidInput, Diverged: if the block had data to refuse, or a step failed and a `FirstAid` watches.
        """
        logs = dict(logs)
        violations = logs.pop("violations")
        if training and self.guard:
            violations = self.guard.inspect(logs, violations, batch)
        self.violations.raise_if_any(violations, self.support)
        return logs

    def reset_metrics(self) -> None:
        """Starts the logs again."""
        self.log_table.reset_state()

    def get_metrics_result(self) -> dict[str, tf.Tensor]:
        """Returns the logs."""
        return dict(zip(self.logs, self.log_table.result().numpy().tolist(), strict=True))

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *args: Any,
        sample_weight: Any = None,
        validation_data: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does; all its arguments hold.

        Args:
            x: raw examples, `[B, ...]`, or a `tf.data.Dataset`, `keras.utils.PyDataset` or generator of batches.
            y: the reconstruction target, if it is not x itself (denoising); integer labels are dropped with a note.
            *args: as in `keras.Model.fit`.
            sample_weight: weight of each example, `[B]`.
            validation_data: `x`, `(x, y)` or `(x, y, sample_weight)`, or a stream.
            **kwargs: as in `keras.Model.fit`.

        Returns:
            The history of `loss`, `objective`, `elbo`, `distortion` and `rate`, in nats an example.

        Raises:
            InvalidInput: before any step for arrays, and for a stream's first batch, with wrong shape or values.
        """
        given = {"sample_weight": sample_weight, "validation_data": validation_data, **kwargs}
        call = fitting.arguments_of(keras.Model.fit, x, y, *args, **given)
        call["x"], call["y"] = inputs.check_fit(self, x, y, call["sample_weight"], class_weight=call["class_weight"])
        if call["validation_data"] is not None:
            triple = keras.utils.unpack_x_y_sample_weight(call["validation_data"])
            call["validation_data"] = (*inputs.check_fit(self, *triple), triple[2])
        elif call["validation_split"]:
            call.update(inputs.split_for_validation(call))
        num_data = inputs.num_examples(call["x"], call["steps_per_epoch"])
        callbacks = fitting.callbacks_of(call)
        guard = fitting.guard_of(callbacks)
        if num_data != self.num_data or guard:  # constants of the compiled step
            self.num_data, self.guard, self.train_function, self.test_function = num_data, guard, None, None
            self.programs = {}
        try:
            for callback in callbacks:
                if hasattr(callback, "watch"):
                    callback.watch(callbacks)
            with resident.on_device(self, call) as call:
                return super().fit(**call)
        finally:
            if guard:  # it guards this fit alone
                self.guard, self.train_function, self.programs = None, None, {}

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, sample_weight: Any = None, **kwargs: Any) -> Any:
        """Evaluates as `keras.Model.evaluate` does: loss, objective, elbo, distortion and rate, in nats an example."""
        if not kwargs.get("_use_cached_eval_dataset"):
            x, y = inputs.check_fit(self, x, y, sample_weight)
            return super().evaluate(x, y, *args, sample_weight=sample_weight, **kwargs)
        if not self.validation:
            return super().evaluate(x, y, *args, sample_weight=sample_weight, **kwargs)
        ordinary, self.validation.position = self.test_function, 0
        try:
            self.test_function = self.validation
            return super().evaluate(x, y, *args, sample_weight=sample_weight, **kwargs)
        finally:
            self.test_function = ordinary

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Takes one step as `keras.Model.train_on_batch` does, within a `fit` too."""
        within = self.train_function if isinstance(self.train_function, resident.Epochs) else None
        try:
            self.train_function = None if within else self.train_function
            return super().train_on_batch(*args, **kwargs)
        finally:
            self.train_function = within or self.train_function

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Predicts as `keras.Model.predict` does: the reconstruction's mean, `[B, ...]`."""
        return super().predict(inputs.check_fit(self, x, support=REAL)[0], *args, **kwargs)
