"""First aid where training fails: stop at the first step that is not finite, go back to the last good weights, say why.

    update made  <=>  loss and every gradient are finite, in this step and in all before it
    last good    =    weights and optimizer after the last epoch that ended well, bit for bit; at first the start

The check is one flag of the compiled step. A step that fails changes nothing, so that the diagnosis can take it again
from the same weights (`tfvae.callbacks.diagnosis`); then the model goes back, and `fit` ends with an error. Under
float16 a gradient that overflows at a loss scale above 1 is not a failure: Keras' `LossScaleOptimizer` skips the step
and halves the scale.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from tfvae.callbacks.diagnosis import Diagnosis, diagnose, is_finite, place, unchanged
from tfvae.checks import units
from tfvae.checks.known import good_rows
from tfvae.checks.labels import good_labels
from tfvae.core.errors import InvalidInput
from tfvae.core.observed import Observed, conditions_of, labels_of
from tfvae.core.types import Config, Logs, Tensor
from tfvae.training.step import Carried

if TYPE_CHECKING:
    from tfvae.vae import VAE

GROWN = 10.0  # a weight this many times beyond its last good size (at least 1) has exploded
FAR = 100.0  # values this many times beyond those of all other examples are named
MOST_ROWS = 10
BROKEN = {  # what to do about a simulator
    "loss": "Keep the latents where it answers with finite numbers, as LogitNormal(D, low, high) does as posterior and "
    "prior, or give it smaller steps, or clip its state.",
    "gradient": "Roots, powers and norms at zero, and divisions by almost nothing, have no finite gradient: add a "
    "small number inside, keep the latents away from there (LogitNormal, LogNormal), or give it smaller steps.",
}


class Diverged(RuntimeError):
    """Training reached a loss or gradient that is not finite; the model has its last good weights again.

    Attributes:
        diagnosis: what was found, a `tfvae.callbacks.diagnosis.Diagnosis`.
    """

    def __init__(self, message: str, diagnosis: Diagnosis | None = None) -> None:
        super().__init__(message)
        self.diagnosis = diagnosis


class FirstAid(keras.callbacks.Callback):
    """Stops `fit` at the first loss or gradient that is not finite, restores the last good weights and says why.

    The last good weights are those at the end of the last epoch whose losses and gradients all were finite, together
    with the optimizer's state: those that a `Checkpoint` later in the list has on disk. The error names the term of the
    loss, the layer, the examples with their range, and what to do. With `steps_per_execution` above 1, or on several
    replicas, the batch that failed is not known, and the error says so.

    Raises:
        Diverged: in `fit`, at such a loss or gradient.
        InvalidInput: in `fit`, if a stream brings values that must be refused, or a callback that saves the model
            comes before this one.

    Example:
        >>> history = vae.fit(x, epochs=2, callbacks=[FirstAid()], verbose=0)
    """

    def __init__(self) -> None:
        super().__init__()
        self._failed = tf.Variable(False, trainable=False, name="failed")
        self._taken = tf.Variable(0, trainable=False, name="taken")  # steps of this epoch that did not fail
        self._good, self._find, self._test, self._epoch, self._blocks = None, None, None, 0, 0
        self._batch_known = False

    def watch(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Learns which callbacks run beside this one; `VAE.fit` calls it before training.

        Raises:
            InvalidInput: if one that saves the model comes before this one.
        """
        savers = (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)  # Checkpoint checks its own place
        early = [type(c).__name__ for c in callbacks[: callbacks.index(self)] if isinstance(c, savers)]
        if early:
            names = ", ".join(early)
            raise InvalidInput("FirstAid before callbacks that save the model", f"{names} first", "Move it up.")

    # In the compiled step.

    def guarded(self, update: Callable[[], None], loss: tf.Tensor, gradients: list) -> tf.Tensor:
        """Makes the update of a step unless it or one before it has failed; see `tfvae.training.guard.Guard`."""
        good = tf.math.is_finite(loss) & (is_finite(*gradients) | self._is_skipped_by_optimizer())
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            update()
            return tf.stack([tf.cast(~good, tf.float32), 0.0])
        failed = self._failed.assign(self._failed | ~good)
        self._taken.assign_add(tf.where(failed, 0, 1))
        tf.cond(failed, lambda: None, update)
        return self.state()

    def state(self) -> tf.Tensor:
        """Returns whether a step has failed, and how many of this epoch have not, `[2]`."""
        return tf.stack([tf.cast(self._failed, tf.float32), tf.cast(self._taken, tf.float32)])

    def _is_skipped_by_optimizer(self) -> tf.Tensor:
        optimizer = self.model.optimizer
        scaling = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        return tf.constant(scaling) & (optimizer.scale_loss(tf.constant(1.0)) > 1.0)

    # After each call of the compiled function.

    def inspect(self, carried: Carried, batch: Callable[[int], Observed] | None) -> None:
        """Stops training if one of the steps failed; see `tfvae.training.guard.Guard`.

        Raises:
            Diverged: if loss or gradient were not finite.
            InvalidInput: if the batch held values that must be refused.
        """
        failed, taken = (int(value) for value in np.ceil(np.ravel(carried.failed)))
        self._blocks += 1
        self._batch_known = batch is not None or self.model.steps_per_execution == 1
        if batch:
            self._find = functools.partial(batch, taken if failed else taken - 1)
        else:
            self._find = (lambda: carried.batch) if carried.batch else None
        self._number = taken + 1 if batch and failed else None
        if self.model.violations.found(carried.violations):
            self._refuse(carried.violations)
        if failed:
            self._stop(self._where(), self._diagnosis())

    @property
    def _batch(self) -> Observed | None:
        """What is known of the batch that failed, or of the last one; `None` if they are not known."""
        return self._find() if self._find else None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Keeps the weights that training starts from."""
        self._failed.assign(False)
        self._number = None
        step = self.model.make_step(training=False)
        self._test = step if self.model.run_eagerly else tf.function(step)
        self._epoch = 0
        self._keep()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Counts epochs, and the steps of each from zero."""
        self._epoch, self._blocks = epoch, 0
        self._taken.assign(0)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Keeps the weights of an epoch that ended well: the losses are finite, and so is one at the new weights."""
        logs = logs or {}
        bad = [name for name, value in logs.items() if name.endswith("loss") and not math.isfinite(value)]
        if bad or ("val_loss" not in logs and not self._is_finite_without_training()):
            diagnosis = self._diagnosis()
            if bad or (diagnosis and diagnosis.what == "loss"):
                self._stop(f"at the end of epoch {epoch + 1}", diagnosis, bad)
        self._keep()

    def _is_finite_without_training(self) -> bool:
        """Tells whether the last batch has a finite loss at the present weights; leaves the model as it is."""
        batch = self._batch
        if batch is None:
            return True
        with unchanged(self.model):
            return bool(tf.math.is_finite(self._test(batch).logs["loss"]))

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Forgets the kept weights and the last batch."""
        self._good = self._find = self._test = None

    def get_state(self) -> Config:
        """Returns an empty state, since what is kept are the weights themselves."""
        return {}

    def set_state(self, state: Config) -> None:
        """Takes the empty state."""
        del state

    # The last good weights.

    def _variables(self) -> list[keras.Variable]:
        own = [getattr(layer, "optimizer", None) for layer in self.model.objective_layers]
        optimizers = [self.model.optimizer, *(optimizer for optimizer in own if optimizer is not None)]
        return [*self.model.variables, *(v for optimizer in optimizers for v in optimizer.variables)]

    def _keep(self) -> None:
        self._good = [(variable, np.array(variable.numpy())) for variable in self._variables()]

    def _restore(self) -> None:
        for variable, value in self._good or ():
            variable.assign(value)
        self._failed.assign(False)
        self._good = self._find = self._test = None

    # The report.

    def _diagnosis(self) -> Diagnosis | None:
        batch = self._batch
        return None if batch is None else diagnose(self.model, batch)

    def _where(self) -> str:
        last = self._number or self._blocks * self.model.steps_per_execution
        first = last - self.model.steps_per_execution + 1
        batches = f"batch {last}" if self._batch_known else f"batches {first} to {last}"
        return f"in epoch {self._epoch + 1}, {batches}"

    def _refuse(self, violations: Tensor) -> None:
        """Restores the good weights and raises the model's refusal, with the refused rows where the batch is known."""
        batch, where = self._batch, self._where()
        rows = [] if batch is None else _refused_rows(self.model, batch)
        self._restore()
        try:
            told = (*self.model.conditions, *self.model.latents.enumerated)
            self.model.violations.raise_if_any(violations, self.model.support, told)
        except InvalidInput as error:
            expected, received, remedy = error.parts
            found = f"{received} {where}" + (f": {_examples(batch, rows)}" if len(rows) else "")
            raise InvalidInput(expected, found, f"{remedy} {self._gone_back()}") from None

    def _stop(self, where: str, diagnosis: Diagnosis | None, logs: Sequence[str] = ()) -> None:
        """Restores the good weights and raises `Diverged`: for a step, or at the end of an epoch for the logs named."""
        cure = self._cure(diagnosis)
        if logs and not (diagnosis and diagnosis.what == "loss"):
            found = f"{', '.join(logs)} is not finite, but the loss of the last training batch is"
            cure = "Look at those data, for values far outside the others' range for example."
        elif diagnosis is None:
            found = "the batch is not known on several replicas: one replica names it"
        elif not diagnosis.what and not self._batch_known:
            found = "another batch of these failed: steps_per_execution=1 names it"
        elif not diagnosis.what:
            found = "taken again without XLA the step is finite, for dropout, or XLA, drew other noise: "
            found += "jit_compile=False, or no dropout, may name it"
        else:
            found = f"the {diagnosis.what} is not finite, of {', '.join(diagnosis.terms)}"
            found += f"; first at {diagnosis.layer}" if diagnosis.layer else ""
            found += f"; not finite are {', '.join(diagnosis.parameters)}" if diagnosis.parameters else ""
            found += f"; {_points(diagnosis)}" if diagnosis.points else ""
            rows = diagnosis.rows
            found += "; no example stands out" if rows is None else f"; {_examples(self._batch, rows)}"
        self._restore()
        raise Diverged(f"Training stopped {where}: {found}. {cure} {self._gone_back()}", diagnosis)

    def _cure(self, diagnosis: Diagnosis | None) -> str:
        """Returns the most likely cause and what to do about it, one sentence."""
        outlying = diagnosis and _are_far(self._batch["x"], diagnosis.rows)
        if units.KEY in self.model.notes and not outlying:
            return f"Columns are in other units than the likelihood starts in: {units.REMEDY}."
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        kept = [(v, was) for v, was in self._good or () if v.trainable]
        sizes = [(v, *(float(np.max(np.abs(w))) for w in (was, v.numpy()))) for v, was in kept]
        grown = [(v, was, now) for v, was, now in sizes if not now <= GROWN * max(was, 1.0)]
        exploded = ""
        if grown:
            weight, was, now = max(grown, key=lambda item: item[2])
            largest = f"{place(self.model, weight)} from {was:.2g} to {now:.2g}"
            remedy = f"lower it, for example to {min(1e-3, rate / 10):g}"
            found = (
                f"{len(grown)} of {len(sizes)} weights grew since then, {largest}, under a learning rate of {rate:g}"
            )
            exploded = f"{found}: {remedy}."
        if len(grown) > len(sizes) / 2:
            return exploded
        if outlying:
            return "Their values lie far outside those of the other examples: check, clip or rescale them."
        if diagnosis and diagnosis.points:
            return BROKEN[diagnosis.what]
        if diagnosis and diagnosis.vanished:
            name, lowest = min(diagnosis.vanished.items(), key=lambda item: item[1])
            remedy = "give it a floor, as tfvae.scales does, or add noise to data without spread"
            return f"The scale {name} fell to {lowest:.3g}: {remedy}."
        return exploded or f"Lower the learning rate, now {rate:g}, or give the optimizer clipnorm=1.0."

    def _gone_back(self) -> str:
        return f"The model is as it was {f'after epoch {self._epoch}' if self._epoch else 'before training'}."


def _refused_rows(vae: "VAE", observed: Observed) -> np.ndarray:
    """Returns the rows of a batch whose values are refused, as the train step refuses them."""
    known = vae.known(observed)
    inside = tf.math.is_finite(known["x"]) & vae.support.contains(known["target"])
    good = np.asarray(inside if "mask" not in known else inside | ~known["mask"])
    good = good.reshape(len(good), -1).all(axis=1)
    for fine in (*good_rows(vae, conditions_of(observed)), *good_labels(vae, labels_of(observed))):
        good &= np.asarray(fine)
    return np.flatnonzero(~(good & np.isfinite(known["weight"]) & (np.asarray(known["weight"]) >= 0)))


def _examples(batch: Observed, rows: np.ndarray) -> str:
    """Returns in words which rows of a batch, from 0, and the range of their values beside that of the others."""
    x = np.asarray(tf.cast(batch["x"], tf.float32))
    others = np.delete(x, rows, axis=0)
    if not len(others):
        return f"all {len(x)} examples, input {_range(x)}"
    named = ", ".join(map(str, rows[:MOST_ROWS])) + (", ..." if len(rows) > MOST_ROWS else "")
    one = "row" if len(rows) == 1 else "rows"
    return f"{one} {named} (from 0) of {len(x)}, input {_range(x[rows])}, the others {_range(others)}"


def _points(diagnosis: Diagnosis) -> str:
    """Returns in words which values of the latents a likelihood's own network could not take."""
    places = {name: _range(bad) for name, (bad, _) in diagnosis.points.items()}
    others = {name: f", elsewhere {_range(good)}" if len(good) else "" for name, (_, good) in diagnosis.points.items()}
    number = f"p(x | z){' has no finite gradient' if diagnosis.what == 'gradient' else ' is not finite'} where "
    return number + ", ".join(f"{name} is {place}{others[name]}" for name, place in places.items())


def _range(x: np.ndarray) -> str:
    finite, bad = x[np.isfinite(x)], int(np.sum(~np.isfinite(x)))
    text = f"from {finite.min():g} to {finite.max():g}" if len(finite) else "without a finite value"
    return text + (f" and {bad} nan or infinite" if bad else "")


def _are_far(x: tf.Tensor, rows: np.ndarray | None) -> bool:
    x = np.abs(np.asarray(tf.cast(x, tf.float32)))
    if rows is None or len(rows) == len(x):
        return False
    return x[rows].max() > FAR * max(np.delete(x, rows, axis=0).max(), 1e-6)
