"""Training: how a model with evidence is fitted and evaluated by Keras.

    objective_b = L(evidence_b),    loss = 1/B sum_b w_b (-objective_b) + terms + regularisation
    logs:  loss as above;   objective, elbo, distortion, rate = sum_b w_b m_b / sum_b w_b          nats an example

The gradient is the estimator's, by default through the reparameterised sample, in one forward pass.
All noise is a function of the model's seed and the optimizer's step, so a resumed run goes on as if never stopped;
evaluation draws the same noise every time.
"""

import abc
import functools
from typing import Any

import keras
import tensorflow as tf

from tfvae import fitting, inputs, replicas, resident, seeds
from tfvae.errors import InvalidInput
from tfvae.estimators import Estimator, Pathwise
from tfvae.evidence import Evidence
from tfvae.logs import Log, LogTable
from tfvae.objectives import ELBO, Objective
from tfvae.schedules import at
from tfvae.supports import REAL, Support
from tfvae.violations import Violations

LOGS = ("loss", "objective", "elbo", "distortion", "rate")


class EvidenceModel(keras.Model, abc.ABC):
    """A Keras model trained on an objective of its evidence; subclasses say how evidence comes from data."""

    def __init__(self, seed: int | None, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # raw x keeps its precision under mixed_float16
        self.seed = seeds.draw() if seed is None else seeds.integer(seed)
        self.objective, self.estimator = ELBO(), Pathwise()
        self.objective_layers, self.num_data = [], None
        self.notes = set()
        self._log_names(LOGS)
        self.violations = Violations()
        self.programs = {}
        self.trusting = False  # while a step is traced for arrays, which are checked whole before training
        self.validation = None  # the resident epochs that take the place of the test function in a fit's validation
        self.guard = None  # a callback that decides whether a step's update is made (tfvae.callbacks.FirstAid)

    @property
    @abc.abstractmethod
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one example."""

    @property
    @abc.abstractmethod
    def support(self) -> Support:
        """The set that preprocessed data must lie in."""

    @abc.abstractmethod
    def preprocess(self, x: Any, seed: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Returns raw x, `[B, ...]`, as the float32 data that the parts see."""

    @abc.abstractmethod
    def evidence(
        self,
        x: tf.Tensor,
        target: tf.Tensor,
        num_samples: int | tf.Tensor,
        seed: tf.Tensor,
        training: bool = False,
        estimator: Estimator | None = None,
        **known: Any,
    ) -> Evidence:
        """Returns the evidence of `num_samples` samples for preprocessed x and target, both `[B, ...]`."""

    @abc.abstractmethod
    def check_compatible(self, objective: Objective, estimator: Estimator) -> None:
        """Raises `InvalidInput` if objective or estimator do not fit the parts."""

    def compile(
        self,
        optimizer: Any = "adam",
        objective: Objective | None = None,
        estimator: Estimator | None = None,
        *,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        **refused: Any,
    ) -> None:
        """Configures training.

        Args:
            optimizer: a Keras optimizer or its name.
            objective: the bound to maximise; by default `tfvae.objectives.ELBO()`.
            estimator: of its gradient; by default `tfvae.estimators.Pathwise()`.
            run_eagerly: run steps without `tf.function`, for debugging.
            steps_per_execution: steps in one compiled call of a stream; arrays, unless a callback watches every
                batch, have as many as fit into half a second.
            jit_compile: compile steps with XLA; "auto" means on a GPU, and on a CPU for long fits of arrays without
                convolutions.
            auto_scale_loss: scale the loss under `mixed_float16`.
            **refused: Keras' `loss` and `metrics` have no meaning here.

        Raises:
            InvalidInput: for a `loss`, for an objective or estimator that is none or does not fit the parts, or a
                negative or NaN learning rate.
        """
        objective = ELBO() if objective is None else objective
        estimator = Pathwise() if estimator is None else estimator
        if refused or not isinstance(objective, Objective):
            received = ", ".join(refused) or repr(objective)
            remedy = "The loss is the objective's negative: compile(optimizer, objective=tfvae.objectives.ELBO())."
            raise InvalidInput("compile(optimizer, objective=...) with an objective of tfvae", received, remedy)
        if not isinstance(estimator, Estimator):
            remedy = "Pass for example tfvae.estimators.DoublyReparameterized()."
            raise InvalidInput("an estimator of tfvae", f"{estimator!r}", remedy)
        self.check_compatible(objective, estimator)
        optimizer = keras.optimizers.get(optimizer)
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            raise InvalidInput("a Keras optimizer", f"{optimizer!r}", 'Pass for example "adam".')
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        if not 0 <= rate < float("inf"):
            raise InvalidInput("a learning rate that is finite and not negative", f"{rate:g}", "Try 1e-3 with Adam.")
        super().compile(
            optimizer=optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        self.objective, self.estimator = objective, estimator
        self.objective_layers = list(objective.layers)
        self._log_names((*LOGS, *objective.term_names, *objective.schedules))
        self.optimizer.build(self.part_variables)
        self.programs = {}
        self._execution = {
            "run_eagerly": run_eagerly, "steps_per_execution": steps_per_execution, "jit_compile": jit_compile
        }  # fmt: skip

    def _log_names(self, names: tuple[str, ...]) -> None:
        self.log_table = LogTable(names)
        self.logs = {name: Log(name, self.log_table) for name in names}

    @property
    def jit_is_automatic(self) -> bool:
        """Whether `jit_compile` was left to us."""
        return self._execution["jit_compile"] == "auto"

    @property
    def part_variables(self) -> list[keras.Variable]:
        """The trainable weights of the parts: all but the objective's own."""
        own = {id(v) for layer in self.objective_layers for v in layer.trainable_variables}
        return [v for v in self.trainable_variables if id(v) not in own]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The logs: loss, objective, elbo, distortion, rate, then the objective's terms and schedules."""
        return list(self.logs.values())

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Takes one gradient step on the objective through the reparameterised sample; returns the logs."""
        variables = self.part_variables
        if not variables:
            raise InvalidInput("trainable weights", "a frozen model", "Set part.trainable = True and compile again.")
        batch = self._unpacked(data)
        with tf.GradientTape() as tape:
            loss, evidence, bound, terms = self.step_loss(*batch)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables)

        def update() -> None:
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            self.objective.update(evidence)

        guarded = self.guard.guarded(update, loss, gradients, data) if self.guard else update()
        self._log(evidence, bound, terms)
        return replicas.carried({**self._read(training=True), **(guarded or {})})

    def step_loss(self, x: tf.Tensor, y: tf.Tensor | None, weight: tf.Tensor) -> tuple:
        """Returns the loss that a train step differentiates, with the evidence, bound and terms that make it."""
        seed = self._step_seed(seeds.TRAINING, self.optimizer.iterations)
        evidence = self._observed(x, y, weight, seed, training=True)
        bound, terms = self.objective(evidence), self.objective.terms(evidence)
        gain = self.estimator.surrogate(self.objective, evidence, bound)
        examples = replicas.total(tf.cast(tf.shape(bound)[0], tf.float32))
        loss = tf.reduce_sum(evidence.weight * -gain) / examples + _total(terms, self.losses) / replicas.count()
        return loss, evidence, bound, terms

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Evaluates the objective on one batch with noise that depends only on the examples before it."""
        x, y, weight = self._unpacked(data)
        seed = self._step_seed(seeds.EVALUATION, self.log_table.weight("loss"))
        evidence = self._observed(x, y, weight, seed, training=False)
        self._log(evidence, self.objective(evidence), self.objective.terms(evidence))
        return replicas.carried(self._read(training=False))

    def _unpacked(self, data: Any) -> tuple:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        x = inputs.event_batch(x, self.event_shape)
        if y is not None and not inputs.is_target(y, self.event_shape):
            inputs.note_dropped_labels(self)
            y = None
        rows = tf.shape(x)[0]
        weight = tf.ones([rows]) if weight is None else tf.reshape(tf.cast(weight, tf.float32), [rows])
        return x, y, weight

    def _observed(self, x: Any, y: Any, weight: tf.Tensor, seed: tf.Tensor, training: bool) -> Evidence:
        """Returns the evidence of a batch; examples with refused values are counted and get weight zero."""
        noise, raw = seeds.fold(seed, seeds.PREPROCESSING), (x, y)
        x = self.preprocess(x, noise, training)
        target = x if y is None else self.preprocess(y, noise, training)
        if not self.trusting:
            x, target, weight = self.violations.checked(self.support, *raw, x, target, weight)
        return self.evidence(
            x,
            target,
            self.objective.num_samples,
            seed,
            training,
            estimator=self.estimator if training else None,
            weight=weight,
            step=tf.identity(self.optimizer.iterations) if training else None,
            num_data=self.num_data,
        )

    def _log(self, evidence: Evidence, bound: tf.Tensor, terms: dict[str, tf.Tensor]) -> None:
        """Updates the logs: means over examples by weight, the loss as Keras has it."""
        examples = tf.cast(tf.shape(bound)[0], tf.float32)
        loss = tf.reduce_sum(evidence.weight * -bound) / tf.maximum(examples, 1.0) + _total(terms, self.losses)
        scheduled = {name: at(value, evidence.step) for name, value in self.objective.schedules.items()}
        of_batch = {"loss": loss, **terms, **scheduled}
        of_examples = {
            "objective": bound, "elbo": evidence.elbo, "distortion": evidence.distortion, "rate": evidence.rate
        }  # fmt: skip
        sums = {name: examples * value for name, value in of_batch.items()}
        sums |= {name: tf.reduce_sum(evidence.weight * value) for name, value in of_examples.items()}
        weights = dict.fromkeys(of_batch, examples) | dict.fromkeys(of_examples, tf.reduce_sum(evidence.weight))
        self.log_table.update_state(sums, weights)

    def _read(self, training: bool) -> dict[str, tf.Tensor]:
        """Returns the logs; with them travels what is inspected after the step."""
        violations = self.violations.result()
        carried = self.guard.beside(violations) if training and self.guard else violations
        return {**dict(zip(self.logs, tf.unstack(self.log_table.result()), strict=True)), "violations": carried}

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Does nothing: all weights exist, and Keras' way to a batch fails where replicas have uneven shares."""

    def _step_seed(self, stream: int, step: tf.Tensor) -> tf.Tensor:
        """Returns the seed of a step, one of its own for each replica."""
        with tf.init_scope():
            base = int(seeds.fold(seeds.as_seed(self.seed), stream)[0])
        seed = tf.stack([base, tf.cast(step, tf.int32)])
        context = tf.distribute.get_replica_context()
        several = context and context.num_replicas_in_sync > 1
        return seeds.fold(seed, context.replica_id_in_sync_group) if several else seed

    def make_train_function(self, force: bool = False) -> None:
        """Builds Keras' train function; what it counts as violations is raised when its block has executed."""
        if self.train_function is None or force:
            super().make_train_function(force)
            function = self.train_function
            self.train_function = lambda iterator: self.inspected(function(iterator), training=True)

    def make_test_function(self, force: bool = False) -> None:
        """Builds Keras' test function; what it counts as violations is raised when its block has executed."""
        if self.test_function is None or force:
            super().make_test_function(force)
            function = self.test_function
            self.test_function = lambda iterator: self.inspected(function(iterator), training=False)

    def program(self, training: bool, jit_compile: bool | None, on_refusal: Any = None) -> resident.Program:
        """Returns the program of many train or test steps, made once."""
        key = training, jit_compile
        if key not in self.programs:
            step = self._trusting(self.train_step if training else self.test_step)
            read = functools.partial(self._read, training)
            self.programs[key] = resident.Program(step, read, jit_compile, on_refusal)
        return self.programs[key]

    def _trusting(self, step: Any) -> Any:
        """Returns a step that leaves out the checks of values, unless a user's own layer may make new ones."""
        own = all(type(layer).__module__.split(".")[0] in ("keras", "tfvae") for layer in self.preprocessing)

        def trusting(data: tuple) -> dict[str, tf.Tensor]:
            self.trusting = own
            try:
                return step(data)
            finally:
                self.trusting = False

        return trusting

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
        ordinary = self.test_function
        try:
            self.test_function = self.validation or ordinary
            return super().evaluate(x, y, *args, sample_weight=sample_weight, **kwargs)
        finally:
            self.test_function = ordinary if self.validation else self.test_function

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Predicts as `keras.Model.predict` does: the reconstruction's mean, `[B, ...]`."""
        return super().predict(inputs.check_fit(self, x, support=REAL)[0], *args, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the arguments of `compile`, and the size N of the data set."""
        if not self.compiled:
            return {}
        config = {"optimizer": self.optimizer, "objective": self.objective, "estimator": self.estimator}
        return keras.saving.serialize_keras_object({**config, **self._execution, "num_data": self.num_data})

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as the saved one was."""
        config = keras.saving.deserialize_keras_object(config)
        self.num_data = config.pop("num_data", None)
        self.compile(**config)


def _total(terms: dict[str, tf.Tensor], losses: list[tf.Tensor]) -> tf.Tensor | float:
    return sum(terms.values()) + sum(losses)
