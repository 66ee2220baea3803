"""The trainer: what a model with evidence does inside Keras' `fit` and `evaluate`. The only file that is a Keras loop.

check what was given, whole  ->  steps, many in one program  ->  inspect what they carried out  ->  logs
"""

import abc
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tfvae.checks import data as checks
from tfvae.checks.counted import Violations
from tfvae.checks.labels import num_known
from tfvae.checks.parts import check_compiled, keeps_values
from tfvae.checks.streams import in_batches, num_examples
from tfvae.checks.units import note_not_compiled, note_not_finite
from tfvae.core import keras_private, replicas, seeds
from tfvae.core.graphs import Graphs
from tfvae.core.model import Model
from tfvae.core.observed import Observed, alone, known_of, with_known
from tfvae.core.sets import REAL
from tfvae.core.types import Array, Config, Given, Logs
from tfvae.estimators import Estimator, Pathwise
from tfvae.objectives import ELBO, Objective
from tfvae.training.call import FitCall, as_given
from tfvae.training.device import placed
from tfvae.training.epochs import Epochs
from tfvae.training.guard import Guard, guard_of, introduce
from tfvae.training.logs import Log, LogTable, rate_of
from tfvae.training.program import Present, Program
from tfvae.training.step import Carried, OwnStep, Step, TestStep, TrainStep
from tfvae.training.workers import check_same_start

LOGS = ("loss", "objective", "elbo", "distortion", "rate")
KEPT = 8  # programs, each for a step and a way to run it; the oldest goes when one more is made


@keras_private.without_symbolic_build
class Trainer(keras.Model, Model):
    """A Keras model trained on an objective of its evidence; subclasses say how evidence comes from data.

    Attributes:
        objective: the bound that is maximised.
        estimator: of its gradient.
        objective_layers: layers with the objective's own state.
        logs: name to what Keras sees of each log.
        log_table: where they are kept.
        violations: counts what streams bring that must be refused.
        notes: keys of what was said once.
        num_data: number of examples N in the data set, or `None`.
        num_known: pairs of the name of a latent and the number of examples for which it is known.
        guard: the callback of a fit that guards its steps, or `None`.
        graphs: what scoring and evaluation have compiled for this model.
        constants: numbers and schedules that a program keeps as they were when it was traced.
    """

    steps_per_execution: int  # Keras'
    constants: tuple = ()

    def __init__(self, seed: int | None, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # raw x keeps its precision under mixed_float16
        self.seed = seeds.draw() if seed is None else seed
        self.objective: Objective = ELBO()
        self.estimator: Estimator = Pathwise()
        self.objective_layers: list[keras.layers.Layer] = []
        self.num_data: int | None = None
        self.num_known: tuple = ()
        self.guard: Guard | None = None
        self.notes, self.graphs, self.violations = set(), Graphs(), Violations()
        self._log_names(LOGS)
        self._execution: Config = {}
        self._source: Epochs | None = None  # that the present call reads
        self._validation: Epochs | None = None  # that the validation of a fit reads
        self._programs = functools.lru_cache(maxsize=KEPT)(self._program)
        self._functions = functools.lru_cache(maxsize=KEPT)(self._function)

    # What a subclass says, beside what every `Model` does.

    @abc.abstractmethod
    def check_compatible(self, objective: Objective, estimator: Estimator) -> None:
        """Raises `InvalidInput` if objective or estimator do not fit the parts."""

    # Keras' methods.

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str = "adam",
        objective: Objective | None = None,
        estimator: Estimator | None = None,
        *,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        **refused: object,
    ) -> None:
        """Configures training.

        Args:
            optimizer: a Keras optimizer or its name.
            objective: the bound to maximise; by default `tfvae.objectives.ELBO()`.
            estimator: of its gradient; by default `tfvae.estimators.Pathwise()`.
            run_eagerly: run steps without `tf.function`, for debugging.
            steps_per_execution: steps in one compiled call of a stream; arrays, unless a callback watches every
                batch, have as many as fit into half a second.
            jit_compile: compile steps with XLA; "auto" means on a GPU, and on a CPU for fits of arrays that are planned
                to be long, without convolutions or bfloat16. XLA draws other noise for the same seed.
            auto_scale_loss: scale the loss under `mixed_float16`.
            **refused: Keras' `loss` and `metrics` have no meaning here.

        Raises:
            InvalidInput: for a `loss`, for an objective or estimator that is none or does not fit the parts, or a
                negative or NaN learning rate.
        """
        objective = ELBO() if objective is None else objective
        estimator = Pathwise() if estimator is None else estimator
        optimizer = check_compiled(optimizer, objective, estimator, refused)
        self.check_compatible(objective, estimator)
        execution = {
            "run_eagerly": run_eagerly, "steps_per_execution": steps_per_execution, "jit_compile": jit_compile
        }  # fmt: skip
        super().compile(optimizer=optimizer, auto_scale_loss=auto_scale_loss, **execution)
        self.objective, self.estimator, self._execution = objective, estimator, execution
        self.objective_layers = list(objective.layers)
        rates = map(rate_of, self.latents.several)
        self._log_names((*LOGS, *rates, *objective.term_names, *objective.measure_names, *objective.schedules))
        self.optimizer.build(self.part_variables)
        self._forget_programs()

    def fit(
        self,
        x: Given = None,
        y: Given = None,
        *args: Any,
        condition: Given = None,
        mask: Given = None,
        labels: Given = None,
        sample_weight: Given = None,
        validation_data: Given = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does; all its arguments hold.

        Args:
            x: raw examples, `[B, ...]`, an `Observed` dict of arrays (x, condition, mask, labels, target, weight), or
                a `tf.data.Dataset`, `keras.utils.PyDataset` or generator of batches of either.
            y: the reconstruction target, if it is not x itself (denoising), or the condition of a model that has one;
                other labels are dropped with a note.
            *args: as in `keras.Model.fit`.
            condition: what the model was declared to be told, `[B, ...]`, or name to it.
            mask: broadcasts to x; true where x is observed. Elsewhere x may be NaN.
            labels: what is known of latents, name to whole numbers, `[B]`, -1 where it is not; or NaN of real ones.
            sample_weight: weight of each example, `[B]`.
            validation_data: `x`, `(x, y)` or `(x, y, sample_weight)`, an `Observed` dict, or a stream.
            **kwargs: as in `keras.Model.fit`.

        Returns:
            The history of `loss`, `objective`, `elbo`, `distortion` and `rate`, in nats an example.

        Raises:
            InvalidInput: before any step for arrays, and for a stream's first batch, with wrong shape or values.
        """
        given = {"sample_weight": sample_weight, "validation_data": validation_data, **kwargs}
        x = with_known(x, condition=condition, mask=mask, labels=labels)
        call = FitCall.of(x, y, *args, **given).in_parts(self).checked(self).scaled(self)
        callbacks = call.given_callbacks()
        self.num_data, self.guard = num_examples(call.x, call.steps_per_epoch), guard_of(callbacks)
        self.num_known = tuple(num_known(self, call.x).items())
        try:
            introduce(callbacks)
            check_same_start(self)
            call, arrays = placed(self, call)
            with self._reading(*arrays):
                return super().fit(**call.for_keras())
        finally:
            if self.guard:  # it guards this fit alone, and holds a copy of the weights
                self.guard = None
                self._forget_programs()

    def evaluate(
        self,
        x: Given = None,
        y: Given = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Given = None,
        *args: Any,
        condition: Given = None,
        mask: Given = None,
        labels: Given = None,
        **kwargs: Any,
    ) -> Logs | list[float]:
        """Evaluates as `keras.Model.evaluate` does: loss, objective, elbo, distortion and rate, in nats an example."""
        within = keras_private.is_validation_of_fit(kwargs)
        if not within:
            x = with_known(x, condition=condition, mask=mask, labels=labels)
            x, y, sample_weight = in_batches(x, y, sample_weight, batch_size)
            data = checks.checked(self, x, y, sample_weight)
            x, y, sample_weight = as_given(x, y, sample_weight, data, self.has_steps_of_its_own)
        with self._reading(*([self._validation] * 2 if within else [None])):
            return super().evaluate(alone(x), y, batch_size, verbose, sample_weight, *args, **kwargs)

    def predict(self, x: Given, *args: Any, condition: Given = None, mask: Given = None, **kwargs: Any) -> Array:
        """Predicts as `keras.Model.predict` does: the reconstruction's mean, `[B, ...]`."""
        size = args[0] if args else kwargs.get("batch_size")
        x, *_ = in_batches(with_known(x, condition=condition, mask=mask), None, None, size)
        return super().predict(alone(checks.checked(self, x, support=REAL)), *args, **kwargs)

    def train_on_batch(
        self, x: Given, y: Given = None, sample_weight: Given = None, *args: Any, **kwargs: Any
    ) -> Logs | list[float]:
        """Takes one step as `keras.Model.train_on_batch` does, with all that is known, within a `fit` too."""
        x, y, sample_weight = checks.one_batch(x, y, sample_weight, kwargs)
        with self._reading(None):
            return super().train_on_batch(x, y, sample_weight, *args, **kwargs)

    def test_on_batch(
        self, x: Given, y: Given = None, sample_weight: Given = None, *args: Any, **kwargs: Any
    ) -> Logs | list[float]:
        """Evaluates one batch as `keras.Model.test_on_batch` does, with all that is known, within a `fit` too."""
        x, y, sample_weight = checks.one_batch(x, y, sample_weight, kwargs)
        with self._reading(None):
            return super().test_on_batch(x, y, sample_weight, *args, **kwargs)

    def train_step(self, data: Given) -> dict[str, tf.Tensor]:
        """Takes one gradient step on the objective through the reparameterised sample; returns the logs."""
        step = self.make_step(training=True)
        step.take(checks.element(self, data))
        return step.read_logs()

    def test_step(self, data: Given) -> dict[str, tf.Tensor]:
        """Evaluates the objective on one batch with noise that depends only on the examples before it."""
        step = self.make_step(training=False)
        step.take(checks.element(self, data))
        return step.read_logs()

    def predict_step(self, data: Given) -> tf.Tensor:
        """Returns the reconstruction's mean of one batch."""
        return self(alone(known_of(checks.element(self, data))), training=False)

    def make_train_function(self, force: bool = False) -> None:
        """Gives Keras its train function; by now Keras has asked how many steps a call on arrays takes."""
        if self._source is not None:
            self.steps_per_execution = self._execution["steps_per_execution"]
        self.train_function = functools.partial(self._next_logs, self._present_stream(training=True), training=True)

    def make_test_function(self, force: bool = False) -> None:
        """Gives Keras its test function."""
        self.test_function = functools.partial(self._next_logs, self._present_stream(training=False), training=False)

    # Steps, and the programs that are made of them.

    def make_step(self, training: bool, checked: bool = False) -> TrainStep | TestStep:
        """Returns the step as the model is compiled now; `checked` if all values of the data were checked before."""
        held = (keras_private.layers_now(self), self.constants)
        sizes = (self.num_data, self.num_known)
        common = (held, self.objective, self.log_table, self.violations, self.seed, *sizes, checked)
        if not training:
            return TestStep(self, *common)
        return TrainStep(self, *common, tuple(self.part_variables), self.optimizer, self.estimator, self.guard)

    def program(self, training: bool, mode: str, checked: bool = True) -> Program:
        """Returns the program of many steps, made once for each step and mode; `checked` if all values were."""
        return self._programs(self.make_step(training, checked=checked and keeps_values(self.preprocessing)), mode)

    def _program(self, step: Step, mode: str) -> Program:
        noted = self.jit_is_automatic and isinstance(step, TrainStep)
        return Program(step, mode, functools.partial(note_not_compiled, self) if noted else None)

    def _function(self, step: Step | OwnStep, *execution: object) -> Callable[[Iterator], Carried]:
        """Returns Keras' loop of a step over a stream, for one way to run it."""
        del execution

        def carried(data: Given) -> Carried:
            own = isinstance(step, OwnStep)  # which sees what Keras carried
            return replicas.carried(step(data if own else checks.element(self, data)))

        return keras_private.function_of(self, carried)

    def _stream(self, training: bool) -> Callable[[Iterator], Carried]:
        """Returns what takes the next steps on a stream."""
        ours = self.make_step(training)
        own = self.train_step if training else self.test_step
        step = OwnStep(own, ours) if self.has_steps_of_its_own else ours
        return self._functions(step, self.run_eagerly, self.steps_per_execution, self.jit_compile)

    def _present_stream(self, training: bool) -> Present:
        return Present(self, functools.partial(self._stream, training))

    def _next_logs(self, stream: Present, iterator: Iterator, training: bool) -> Logs:
        """Takes the next steps, on arrays if the present call reads some, else on the stream; returns their logs."""
        if self._source is not None:
            return self._source.advance()
        return self.inspected(stream()(iterator), training)

    def inspected(self, carried: Carried, training: bool, batch: Callable[[int], Observed] | None = None) -> Logs:
        """Looks at what a block of steps carried out; returns its logs.

        Args:
            carried: out of the last step.
            training: whether they were train steps.
            batch: gives what is known of a batch of the present epoch, where the data are arrays.

        Raises:
            InvalidInput, Diverged: if the block had data to refuse, or a step failed and a guard watches.
        """
        if training and self.guard:
            self.guard.inspect(carried, batch)
        self.violations.raise_if_any(carried.violations, self.support, (*self.conditions, *self.latents.enumerated))
        if training and not self.guard and "loss" in carried.logs:
            note_not_finite(self, carried.logs["loss"], lambda: self.optimizer.learning_rate)
        return dict(carried.logs)

    @contextlib.contextmanager
    def _reading(self, source: Epochs | None, validation: Epochs | None = None) -> Iterator[None]:
        """Lets what runs within take its steps from arrays on the device, or from Keras' stream again."""
        before = self._source, self._validation, self.steps_per_execution
        self._source, self._validation = source, validation
        if source is not None:
            source.position = 0
            self.steps_per_execution = source.block if source.training else before[2]
        try:
            yield
        finally:
            self._source, self._validation, self.steps_per_execution = before

    def _forget_programs(self) -> None:
        self._programs.cache_clear()
        self._functions.cache_clear()

    @property
    def has_steps_of_its_own(self) -> bool:
        """Whether `train_step` or `test_step` is a user's, of a subclass or of this model alone."""
        pairs = (self.train_step, Trainer.train_step), (self.test_step, Trainer.test_step)
        return any(getattr(step, "__func__", step) is not ours for step, ours in pairs)

    @property
    def seed(self) -> int:
        """The seed of all training noise."""
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed = seeds.integer(seed)

    @property
    def jit_is_automatic(self) -> bool:
        """Whether `jit_compile` was left to us."""
        return self._execution["jit_compile"] == "auto"

    @property
    def step_count(self) -> tf.Tensor:
        """The steps taken, those included that only add to the gradient of the next update."""
        return keras_private.num_steps(self.optimizer)

    @property
    def part_variables(self) -> list[keras.Variable]:
        """The trainable weights of the parts: all but the objective's own."""
        own = {id(v) for layer in self.objective_layers for v in layer.trainable_variables}
        return [v for v in self.trainable_variables if id(v) not in own]

    # Logs.

    def _log_names(self, names: tuple[str, ...]) -> None:
        self.log_table = LogTable(names, self.objective.partial_terms, self.objective.measure_names)
        self.logs = {name: Log(name, self.log_table) for name in names}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The logs: loss, objective, elbo, distortion, rate, then the objective's terms and schedules."""
        return list(self.logs.values())

    def reset_metrics(self) -> None:
        """Starts the logs again."""
        self.log_table.reset_state()

    def get_metrics_result(self) -> dict[str, float]:
        """Returns the logs."""
        return dict(zip(self.logs, self.log_table.result().numpy().tolist(), strict=True))

    # Saving.

    def get_compile_config(self) -> Config:
        """Returns the arguments of `compile`, the size N of the data set, and how many labels it has."""
        if not self.compiled:
            return {}
        config = {"optimizer": self.optimizer, "objective": self.objective, "estimator": self.estimator}
        known = {"num_known": dict(self.num_known)} if self.num_known else {}
        return keras.saving.serialize_keras_object({**config, **self._execution, "num_data": self.num_data, **known})

    def compile_from_config(self, config: Config) -> None:
        """Compiles a loaded model as the saved one was."""
        config = keras.saving.deserialize_keras_object(config)
        self.num_data, self.num_known = config.pop("num_data", None), tuple(config.pop("num_known", {}).items())
        self.compile(**config)
