"""Training: how a model with evidence is fitted and evaluated by Keras.

    objective_b = L(evidence_b),    loss = 1/B sum_b w_b (-objective_b) + terms + regularisation
    logs:  loss as above;   objective, elbo, distortion, rate = sum_b w_b m_b / sum_b w_b          nats an example

The gradient is the estimator's, by default through the reparameterised sample, in one forward pass.
All noise is a function of the model's seed and the optimizer's step, so a resumed run goes on as if never stopped;
evaluation draws the same noise every time.
"""

import abc
from typing import Any

import keras
import tensorflow as tf

from tfvae.checks import data as inputs
from tfvae.checks.counted import Violations
from tfvae.core import replicas, seeds
from tfvae.core.errors import InvalidInput
from tfvae.core.evidence import Evidence
from tfvae.core.observed import Known
from tfvae.core.sets import ValueSet
from tfvae.estimators import Estimator, Pathwise
from tfvae.objectives import ELBO, Objective
from tfvae.schedules import at
from tfvae.training.logs import Log, LogTable
from tfvae.training.trainer import Loop

LOGS = ("loss", "objective", "elbo", "distortion", "rate")


class EvidenceModel(Loop):
    """A Keras model trained on an objective of its evidence; subclasses say how evidence comes from data."""

    def __init__(self, seed: int | None, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # raw x keeps its precision under mixed_float16
        self.seed = seeds.draw() if seed is None else seeds.integer(seed)
        self.objective, self.estimator = ELBO(), Pathwise()
        self.objective_layers = []
        self.notes = set()
        self._log_names(LOGS)
        self.violations = Violations()

    @property
    @abc.abstractmethod
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one example."""

    @property
    @abc.abstractmethod
    def support(self) -> ValueSet:
        """The set that preprocessed data must lie in."""

    @abc.abstractmethod
    def preprocess(self, x: Any, seed: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Returns raw x, `[B, ...]`, as the float32 data that the parts see."""

    @abc.abstractmethod
    def evidence(
        self,
        known: Known,
        num_samples: int | tf.Tensor,
        seed: tf.Tensor,
        training: bool = False,
        estimator: Estimator | None = None,
        step: tf.Tensor | None = None,
        num_data: int | None = None,
    ) -> Evidence:
        """Returns the evidence of `num_samples` samples for what is known of B examples."""

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
            jit_compile: compile steps with XLA; "auto" means on a GPU, and on a CPU for fits of arrays that are planned
                to be long, without convolutions. XLA draws other noise for the same seed.
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
    def has_steps_of_its_own(self) -> bool:
        """Whether a subclass has overridden `train_step` or `test_step`."""
        own = type(self)
        return own.train_step is not EvidenceModel.train_step or own.test_step is not EvidenceModel.test_step

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
        return replicas.carried({**self.read_logs(training=True), **(guarded or {})})

    def step_loss(self, x: tf.Tensor, y: tf.Tensor | None, weight: tf.Tensor) -> tuple:
        """Returns the loss that a train step differentiates, with the evidence, bound and terms that make it."""
        seed = self._step_seed(seeds.TRAINING, self.step_count)
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
        return replicas.carried(self.read_logs(training=False))

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
        if not self.values_are_checked:
            x, target, weight = self.violations.checked(self.support, *raw, x, target, weight)
        return self.evidence(
            {"x": x, "target": target, "weight": weight},
            self.objective.num_samples,
            seed,
            training,
            estimator=self.estimator if training else None,
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

    def read_logs(self, training: bool) -> dict[str, tf.Tensor]:
        """Returns the logs; with them travels what is inspected after the step: values to refuse, and first aid's."""
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
