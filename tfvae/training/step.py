"""A step: from a batch to one record of what it carries out. It does not know Keras' loop.

    objective_b = L(evidence_b),    loss = 1/B sum_b w_b (-objective_b) + terms + regularisation
    logs:  loss as above;   objective, elbo, distortion, rate = sum_b w_b m_b / sum_b w_b          nats an example
           of several latents the rate of each as well

The gradient is the estimator's, by default through the reparameterised sample, in one forward pass. All noise is a
function of the model's seed and the optimizer's step, so a resumed run goes on as if never stopped; evaluation draws
the same noise every time. A step is frozen and serves as the key of the programs that are made of it: whatever may
change between two fits without `compile` is one of its fields.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import keras
import tensorflow as tf

from tfvae.checks.counted import Violations
from tfvae.checks.data import element
from tfvae.checks.known import good_rows
from tfvae.checks.labels import good_labels
from tfvae.core import keras_private, replicas, seeds
from tfvae.core.errors import InvalidInput
from tfvae.core.evidence import Evidence
from tfvae.core.model import Model
from tfvae.core.observed import Known, Observed, conditions_of, labels_of
from tfvae.core.types import Given
from tfvae.estimators import Estimator
from tfvae.objectives import Objective
from tfvae.schedules import at
from tfvae.training.guard import Guard
from tfvae.training.logs import LogTable, rate_of

NOTHING = ()  # what a step without a guard carries as `failed`; None would not pass through Keras


class Carried(NamedTuple):
    """What a step, or the last one of a block, carries out.

    Attributes:
        logs: name to mean over the examples so far.
        violations: what must be refused so far, see `Violations.result`.
        failed: what the guard says of the steps so far, see `Guard.guarded`; `NOTHING` without one.
        batch: what is known of the step's examples, if a guard may ask for it, else empty.
    """

    logs: Mapping[str, tf.Tensor]
    violations: tf.Tensor
    failed: tf.Tensor | tuple = NOTHING
    batch: Observed | Mapping = {}


@dataclasses.dataclass(frozen=True, eq=False)
class Step(abc.ABC):
    """A step on one batch.

    Attributes:
        model: gives evidence for what is known of a batch.
        held: the model's layers, and its numbers that a program keeps as they were when it was traced.
        objective: the bound.
        logs: where the means over examples are kept.
        violations: where refused values are counted.
        seed: of the model.
        num_data: number of examples N in the data set, or `None`.
        num_known: pairs of the name of a latent and the number of examples for which it is known.
        checked: whether all values of the data were checked before; else the step counts what must be refused.
    """

    model: Model
    held: tuple
    objective: Objective
    logs: LogTable
    violations: Violations
    seed: int
    num_data: int | None
    num_known: tuple
    checked: bool

    def __call__(self, observed: Observed) -> Carried:
        """Takes the step on what is known of a batch."""
        failed = self.take(observed)
        return Carried(self.read_logs(), self.violations.result(), failed, self.shown(observed))

    @abc.abstractmethod
    def take(self, observed: Observed) -> tf.Tensor | tuple:
        """Takes the step, and returns what a guard says of it; logs and violations are still to be read."""

    def after(self) -> Carried:
        """Returns what the steps taken so far have to say."""
        return Carried(self.read_logs(), self.violations.result())

    def shown(self, observed: Observed) -> Observed | Mapping:
        """Returns the batch if a guard may ask for it."""
        del observed
        return {}

    def _key(self) -> tuple:
        """Returns what tells a step from others: plain numbers by value, all else by identity."""
        values = (getattr(self, field.name) for field in dataclasses.fields(self))
        return (type(self), *(tf.nest.map_structure(_identity, value) for value in values))

    def __hash__(self) -> int:
        """Returns a hash of the key."""
        return hash(self._key())

    def __eq__(self, other: object) -> bool:
        """Tells whether the same programs serve both steps."""
        return isinstance(other, Step) and self._key() == other._key()

    def known(self, observed: Observed, seed: tf.Tensor, training: bool) -> Known:
        """Returns a batch in normal form; examples with refused values are counted and get weight zero."""
        known = self.model.known(observed, seeds.fold(seed, seeds.PREPROCESSING), training)
        if self.checked:
            return known
        told = good_rows(self.model, conditions_of(observed)) + good_labels(self.model, labels_of(observed))
        return self.violations.checked(self.model.support, observed, known, told)

    def log(self, evidence: Evidence, bound: tf.Tensor, terms: Mapping[str, tf.Tensor]) -> None:
        """Updates the logs: means over examples by weight, the loss as Keras has it; the table adds partial terms."""
        examples = tf.cast(tf.shape(bound)[0], tf.float32)
        whole = {name: term for name, term in terms.items() if name not in self.objective.partial_terms}
        loss = tf.reduce_sum(evidence.weight * -bound) / tf.maximum(examples, 1.0) + self.beside_the_bound(whole)
        scheduled = {name: at(value, evidence.step) for name, value in self.objective.schedules.items()}
        of_batch = {"loss": loss, **terms, **scheduled}
        of_examples = {
            "objective": bound, "elbo": evidence.elbo, "distortion": evidence.distortion, "rate": evidence.rate
        }  # fmt: skip
        of_examples |= {rate_of(name): rate for name, rate in evidence.rates.items()}
        sums = {name: examples * value for name, value in of_batch.items()}
        sums |= {name: tf.reduce_sum(evidence.weight * value) for name, value in of_examples.items()}
        weights = dict.fromkeys(of_batch, examples) | dict.fromkeys(of_examples, tf.reduce_sum(evidence.weight))
        for name, (values, counts) in self.objective.measures(evidence).items():
            sums[name] = tf.reduce_sum(evidence.weight * counts * values)
            weights[name] = tf.reduce_sum(evidence.weight * counts)
        self.logs.update_state(sums, weights)

    def beside_the_bound(self, terms: Mapping[str, tf.Tensor]) -> tf.Tensor | float:
        """Returns what the loss has beside the bound: the objective's terms and the networks' regularisation."""
        return sum(terms.values()) + sum(self.model.losses)

    def read_logs(self) -> dict[str, tf.Tensor]:
        """Returns the logs, name to scalar."""
        return dict(zip(self.logs.names, tf.unstack(self.logs.result()), strict=True))

    def stream(self, use: int, number: tf.Tensor) -> tf.Tensor:
        """Returns the seed of the step of this number, for one use of noise, its own for each replica."""
        with tf.init_scope():
            base = int(seeds.fold(seeds.as_seed(self.seed), use)[0])
        seed = tf.stack([base, tf.cast(number, tf.int32)])
        context = tf.distribute.get_replica_context()
        several = context and context.num_replicas_in_sync > 1
        return seeds.fold(seed, context.replica_id_in_sync_group) if several else seed


@dataclasses.dataclass(frozen=True, eq=False)
class TrainStep(Step):
    """One gradient step on the objective.

    Attributes:
        variables: the weights that it changes.
        optimizer: makes the update.
        estimator: of the gradient.
        guard: decides whether the update is made, or `None`.
    """

    variables: tuple[keras.Variable, ...]
    optimizer: keras.optimizers.Optimizer
    estimator: Estimator
    guard: Guard | None

    def take(self, observed: Observed) -> tf.Tensor | tuple:
        """Takes one gradient step on the objective through the reparameterised sample."""
        if not self.variables:
            raise InvalidInput("trainable weights", "a frozen model", "Set part.trainable = True and compile again.")
        with tf.GradientTape() as tape:
            loss, evidence, bound, terms = self.loss(observed)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.variables)

        def update() -> None:
            self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
            self.objective.update(evidence)

        failed = self.guard.guarded(update, loss, gradients) if self.guard else NOTHING
        if not self.guard:
            update()
        self.log(evidence, bound, terms)
        return failed

    def loss(self, observed: Observed) -> tuple[tf.Tensor, Evidence, tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the loss that the step differentiates, with the evidence, bound and terms that make it."""
        seed = self.stream(seeds.TRAINING, keras_private.num_steps(self.optimizer))
        evidence = self.model.evidence(
            self.known(observed, seed, training=True),
            self.objective.num_samples,
            seed,
            training=True,
            estimator=self.estimator,
            objective=self.objective,
            step=tf.identity(self.optimizer.iterations),
            num_data=self.num_data,
            num_known=dict(self.num_known),
        )
        bound, terms = self.objective(evidence), self.objective.terms(evidence)
        gain = self.estimator.surrogate(self.objective, evidence, bound)
        examples = replicas.total(tf.cast(tf.shape(bound)[0], tf.float32))
        loss = tf.reduce_sum(evidence.weight * -gain) / examples + self.beside_the_bound(terms) / replicas.count()
        return loss, evidence, bound, terms

    def after(self) -> Carried:
        """Returns what the steps taken so far have to say."""
        return super().after()._replace(failed=self.guard.state() if self.guard else NOTHING)

    def shown(self, observed: Observed) -> Observed | Mapping:
        """Returns the batch if a guard may ask for it; several replicas have a part of it each, and return nothing."""
        return observed if self.guard and replicas.count() == 1 else {}


@dataclasses.dataclass(frozen=True, eq=False)
class TestStep(Step):
    """Evaluates the objective on one batch with noise that depends only on the examples before it."""

    __test__ = False  # is not a test, whatever pytest thinks of its name

    def take(self, observed: Observed) -> tuple:
        """Adds a batch to the logs."""
        seed = self.stream(seeds.EVALUATION, self.logs.weight("loss"))
        known = self.known(observed, seed, training=False)
        number, known_labels = self.objective.num_samples, dict(self.num_known)
        evidence = self.model.evidence(known, number, seed, num_data=self.num_data, num_known=known_labels)
        self.log(evidence, self.objective(evidence), self.objective.terms(evidence))
        return NOTHING


@dataclasses.dataclass(frozen=True)
class OwnStep:
    """A `train_step` or `test_step` of a user's own: it returns logs, and what else a step carries is read after it.

    Attributes:
        logs_of: the method, from what Keras carried of a batch to logs.
        step: the step of ours that it stands in place of.
    """

    logs_of: Callable[[Given], Mapping[str, tf.Tensor]]
    step: TrainStep | TestStep

    def __call__(self, data: Given) -> Carried:
        """Takes the user's step on what Keras carried of a batch."""
        logs, step = dict(self.logs_of(data)), self.step
        if not isinstance(step, TrainStep) or step.guard is None:
            return Carried(logs, step.violations.result())
        if replicas.count() == 1:
            return Carried(logs, step.violations.result(), step.guard.state(), step.shown(element(step.model, data)))
        lost = ~tf.math.is_finite(logs.get("loss", 0.0))  # of several replicas the guard's own state tells nothing
        return Carried(logs, step.violations.result(), tf.stack([tf.cast(lost, tf.float32), 0.0]))


def _identity(value: object) -> object:
    return value if value is None or isinstance(value, (int, float, str)) else id(value)
