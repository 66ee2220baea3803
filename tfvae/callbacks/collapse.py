"""An alarm for posterior collapse: what the latent code carries, measured on a fixed probe batch after every epoch.

    rate = E KL(q(z | x) || p(z))  on the probe         active units = #{d : Var_x E_q(z|x)[z_d] > 0.01}

    collapse   rate < 0.1 nats in 3 epochs, and not on its way up
    dying      active units < half their own maximum in 3 epochs
    unused     rate of one of several latents < 0.1 nats in 3 epochs, and not on its way up, while others are used

All are judged only after the learning rate has stopped rising and every schedule of the objective has reached its
final value, and 100 gradient steps after that. The reason is that rate and units of a healthy run fall before they
rise: the decoder learns the mean of the data first, and z is only noise to it then (digits, 50 units: 0.04 nats and
no active unit at step 40, 1.3 nats and 47 active units at step 170). For the same reason the maximum of the units is
taken from the lowest rate of the first 300 steps on. A rate is on its way up if its growth over these epochs would
lift it over the threshold in twice the time: the start grows exponentially (0.040, 0.034 and 0.062 were followed by
0.26). A run that is too short to be judged says so at its end.
"""

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from tfvae.callbacks.history import HistoryFile
from tfvae.core.errors import InvalidInput, positive_integer, positive_number
from tfvae.core.types import ArrayLike, Config, Logs
from tfvae.evaluation import latents
from tfvae.objectives import Objective
from tfvae.schedules import Schedule

logger = logging.getLogger("tfvae")
SETTLING = 100  # gradient steps after a warm-up, or from the start, that are not judged
START = 3 * SETTLING  # gradient steps in which rate and units may dip
LOOK_AHEAD = 64  # steps of the rest of the training at which a schedule is looked at
FAR = 10**6  # gradient steps that the rest of the training is taken to have where their number is unknown
DIMENSION = "kl_"


class Alarm(NamedTuple):
    """One event, reported once.

    Attributes:
        epoch: number of the epoch, from 1.
        message: what happened and what to try, one sentence.
    """

    epoch: int
    message: str


class CollapseAlarm(keras.callbacks.Callback):
    """Logs what the latent code carries after every epoch, and says in a sentence when the decoder ignores it.

    The logs `active_units`, `mutual_information` (nats) and, where the KL factorises, `kl_00`, `kl_01`, ... (nats) are
    there for all callbacks that come later in the list; `ProgressBar` keeps the long ones out of the printed line. Of
    several latents these are the units of all, I(x; z_f) of the one at the top of the posterior, and the rate of each,
    `kl_z1`, `kl_z2`, ...; the alarm names one that is not used.

    Args:
        probe: raw examples, `[N, ...]`, or an `Observed` with their conditions, held-out ones if there are; a few
            hundred. I(x; z) shows up to log N.
        min_rate: nats under which the decoder counts as ignoring z.
        patience: epochs for which a state must last before the alarm.
        seed: of the samples for `mutual_information`.

    Attributes:
        alarms: the events so far, a list of `Alarm`.

    Raises:
        InvalidInput: if `min_rate` or `patience` is not positive; in `fit`, if a callback that writes the logs comes
            before this one, or the probe does not fit the model.

    Reference:
        Bowman et al. 2016, "Generating Sentences from a Continuous Space", section 3.1; Burda et al. 2016, section 5.2.

    Example:
        >>> alarm = CollapseAlarm(x)
        >>> history = vae.fit(x, epochs=2, callbacks=[alarm], verbose=0)
        >>> len(history.history["active_units"]), alarm.alarms
        (2, [])
    """

    def __init__(self, probe: ArrayLike, min_rate: float = 0.1, patience: int = 3, seed: int = 0) -> None:
        super().__init__()
        self.probe, self.seed = probe, seed
        self.min_rate, self.patience = positive_number("min_rate", min_rate), positive_integer("patience", patience)
        self._reset()

    def _reset(self) -> None:
        self.alarms, self._current = [], ""
        self._rates, self._counts, self._ever_active = [], [], None  # of the epochs since any warm-up
        self._each, self._unused = [], []  # the same of each of several latents by name, and those told of
        self._warm_from = 0  # the step at which it ended
        self._unsettled = ""  # what was still to change at the last epoch's end
        self._largest_rate = 0.0
        self._judged = False

    def watch(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Learns which callbacks run beside this one; `VAE.fit` calls it before training.

        Raises:
            InvalidInput: if one that writes the logs comes before this one.
        """
        writers = (keras.callbacks.CSVLogger, keras.callbacks.TensorBoard, HistoryFile)
        early = [type(c).__name__ for c in callbacks[: callbacks.index(self)] if isinstance(c, writers)]
        if early:
            names = ", ".join(early)
            raise InvalidInput("CollapseAlarm before callbacks that write its logs", f"{names} first", "Move it up.")

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Starts afresh; a `Checkpoint` then gives back the state of a resumed run."""
        self._reset()
        self._largest_rate = self._learning_rate()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Measures the probe, adds to the logs, and raises the alarm."""
        vae, logs = self.model, {} if logs is None else logs
        activity = latents.relative_activity(vae, latents.posterior_means(vae, self.probe, self.seed), self.probe)
        aggregated = latents.mutual_information(vae, self.probe, seed=self.seed)
        count, rate = latents.active_units(activity), aggregated.mutual_information + aggregated.marginal_kl
        logs |= {"active_units": float(count), "mutual_information": aggregated.mutual_information}
        parts, each = self._parts()
        if parts:
            rate = float(sum(parts.values()))
            logs |= {f"{DIMENSION}{name}": kl for name, kl in parts.items()}
        step = int(vae.optimizer.iterations)
        self._unsettled = self._changing(step, epoch)
        if self._unsettled:
            self._warm_from = step
        elif math.isfinite(rate):
            self._each.append(each)
            self._remember(rate, count, activity > latents.ACTIVE, step < self._warm_from + START)
            if step >= self._warm_from + SETTLING:
                self._judge(epoch + 1)

    def _parts(self) -> tuple[dict[str, float], dict[str, float]]:
        """Returns what the rate is the sum of: by dimension where it falls into them, or by latent, where several."""
        vae = self.model
        if vae.latents.several:
            each = {name: float(rate.mean()) for name, rate in latents.rates(vae, self.probe, self.seed).items()}
            return each, each
        dimensions = latents.kl_per_dimension(vae, self.probe)
        if dimensions is None:
            return {}, {}
        digits = max(2, len(str(len(dimensions) - 1)))
        return {f"{d:0{digits}}": float(kl) for d, kl in enumerate(dimensions)}, {}

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Says if collapse was never judged, and which units were never active, which is not an alarm."""
        if not self._judged:
            logger.warning("tfvae: collapse was never judged: %s.", self._why_not_judged())
            return
        if self._ever_active is None or not self._ever_active.any():
            return
        never = np.flatnonzero(~self._ever_active)
        if len(never):
            names = self._unit_names()
            named = ", ".join(names[d] for d in never[:10]) + (", ..." if len(never) > 10 else "")
            text = "tfvae: %d of %d latent units were never active (%s): the data need no more, or %s."
            logger.warning(text, len(never), len(self._ever_active), named, "the objective prices them too high")

    def _unit_names(self) -> list[str]:
        several = self.model.latents.several
        if not several:
            return [str(d) for d in range(len(self._ever_active))]
        return [f"{name}[{d}]" for name in several for d in range(self.model.latents.prior[name].latent_dim)]

    def _why_not_judged(self) -> str:
        step = int(self.model.optimizer.iterations)
        if self._unsettled:
            return f"at step {step}, the last, {self._unsettled}; train on after it has"
        start = f"step {self._warm_from}, where the warm-up ended" if self._warm_from else "the start"
        took = f"{step - self._warm_from} steps and {len(self._rates)} epochs"
        needed = f"{SETTLING} steps and {self.patience} epochs from {start}"
        return f"too short a training; it takes {needed}, and there were {took}"

    def get_state(self) -> Config:
        """Returns what was seen so far."""
        names = ("alarms", "_current", "_rates", "_counts", "_ever_active", "_warm_from", "_unsettled")
        names += ("_largest_rate", "_judged", "_each", "_unused")
        return {name: getattr(self, name) for name in names}

    def set_state(self, state: Config) -> None:
        """Takes what was seen before a checkpoint."""
        vars(self).update(state)
        self.alarms = [Alarm(*alarm) for alarm in self.alarms]

    # The rule.

    def _changing(self, now: int, epoch: int) -> str:
        """Returns in words what still changes in the training; an empty text if all stays as it is."""
        rate, largest = self._learning_rate(), self._largest_rate
        self._largest_rate = max(rate, largest)
        if rate > largest:
            return "the learning rate still had to stop rising"
        steps, schedules = self.params.get("steps"), self.model.objective.schedules
        left = (self.params.get("epochs", 1) - 1 - epoch) * steps if steps else FAR
        offsets = (
            np.geomspace(1, 1 + max(0, left), LOOK_AHEAD).astype(int) - 1
        )  # dense at first, for a cyclical schedule may rise soon
        if all(_stays(schedule, now + np.unique(offsets)) for schedule in schedules.values()):
            return ""
        moving = ", ".join(f"{name}={schedule!r}" for name, schedule in schedules.items())
        return f"the objective still had to change ({moving})"

    def _learning_rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def _remember(self, rate: float, count: int, active: np.ndarray, starting: bool) -> None:
        if not self._rates or (starting and rate < min(self._rates)):  # the units' maximum counts from here
            self._counts, self._ever_active = [], np.zeros_like(active)
        self._rates.append(rate)
        self._counts.append(count)
        self._ever_active = self._ever_active | active

    def _judge(self, epoch: int) -> None:
        rates, counts, peak = self._rates[-self.patience :], self._counts[-self.patience :], max(self._counts)
        self._judged = self._judged or len(rates) == self.patience
        if self._is_low(rates):
            found = f"rate fell to {rates[-1]:.2g} nats at epoch {epoch}: the decoder ignores z"
            self._tell("collapse", epoch, found)
        elif len(counts) == self.patience and max(counts) < peak / 2:
            found = f"active units fell to {counts[-1]} at epoch {epoch}, from {peak}: the decoder drops parts of z"
            self._tell("dying", epoch, found)
        elif rates[-1] >= self.min_rate and counts[-1] >= peak / 2:
            self._current = ""  # over: the next one is a new event
        if self._current != "collapse":
            self._judge_each(epoch)

    def _judge_each(self, epoch: int) -> None:
        """Names the latents that are not used while others are."""
        for name, last in self._each[-1].items():
            rates = [each[name] for each in self._each[-self.patience :]]
            if last >= self.min_rate:
                self._unused = [other for other in self._unused if other != name]
            elif self._is_low(rates) and name not in self._unused:
                self._unused.append(name)
                others = f"{self._rates[-1] - last:.2g} nats of the others"
                self._warn(
                    epoch, f"rate of {name} is {last:.2g} nats at epoch {epoch}, beside {others}: it is not used"
                )

    def _is_low(self, rates: Sequence[float]) -> bool:
        """Says whether the rates of the last epochs are low and not on their way up."""
        ahead = rates[-1] * (rates[-1] / min(rates)) ** 2 if min(rates) > 0 else 0.0
        return len(rates) == self.patience and max(*rates, ahead) < self.min_rate

    def _tell(self, event: str, epoch: int, found: str) -> None:
        if self._current in (event, "collapse"):
            return
        self._current = event
        self._warn(epoch, found)

    def _warn(self, epoch: int, found: str) -> None:
        tries = remedy(self.model.objective, self.params.get("steps"), bool(self.model.latents.several))
        self.alarms.append(Alarm(epoch, f"{found}; {tries}"))
        logger.warning("tfvae: %s.", self.alarms[-1].message)


class ProgressBar(keras.callbacks.ProgbarLogger):
    """Keras' progress bar without the KL of each dimension, which is in the logs of `CollapseAlarm`.

    Give it among the callbacks of `fit`; it obeys `verbose`.
    """

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Prints the line of an epoch."""
        short = {name: value for name, value in (logs or {}).items() if not name.startswith(DIMENSION)}
        super().on_epoch_end(epoch, short)


def remedy(objective: Objective, steps_per_epoch: int | None = None, several: bool = False) -> str:
    """Returns what to try against collapse under an objective, part of a sentence.

    Args:
        objective: of the model.
        steps_per_epoch: gradient steps in an epoch, or `None` where that is unknown.
        several: whether the model has several latents.
    """
    tries = (objective.against_unused if several else objective.against_collapse)(steps_per_epoch)
    tries = [*tries, "a weaker decoder"]
    return f"try {', '.join(tries[:-1])} or {tries[-1]}"


def _stays(schedule: Schedule, steps: np.ndarray) -> bool:
    values = [float(schedule(np.float32(step))) for step in steps]
    return np.allclose(values, schedule.final, rtol=0.01, atol=1e-3)
