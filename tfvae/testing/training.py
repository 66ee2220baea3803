"""The laws of objectives, estimators and schedules: a bound, a gradient that leaves it alone, a number at each step.

bound [B] = of_log_weight(log w) without a closed form      E gradient = E pathwise gradient      value(late) = final
"""

import dataclasses
import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import estimators, likelihoods, networks, objectives, posteriors, priors
from tfvae.core.errors import InvalidInput
from tfvae.core.evidence import Evidence
from tfvae.core.graphs import compiled
from tfvae.estimators import Estimator
from tfvae.objectives import Objective
from tfvae.schedules import Schedule
from tfvae.testing.distributions import ERRORS, EXACT
from tfvae.testing.report import Broken, Law, NotTried
from tfvae.testing.subjects import EVENT, LATENT, ROWS, noise, randomise
from tfvae.vae import VAE

REPEATS = 300  # of a gradient whose mean is asked for
LATE = 10_000_000  # a step at which every schedule has ended


@dataclasses.dataclass
class Trained:
    """An objective or estimator in a small model of real numbers.

    Attributes:
        part: what is checked.
        objective: of the model.
        estimator: of its gradient.
        seed: of weights, data and draws.
    """

    part: Objective | Estimator
    objective: Objective
    estimator: Estimator
    seed: int

    @functools.cached_property
    def vae(self) -> VAE:
        """The model, with random weights."""
        mlp = functools.partial(networks.mlp, [4], activation="tanh")
        posterior = posteriors.DiagonalNormal(LATENT, network=mlp())
        vae = VAE(posterior, likelihoods.Normal(EVENT, network=mlp()), priors.DiagonalNormal(LATENT), seed=self.seed)
        randomise(vae.weights, self.seed)
        return vae

    @functools.cached_property
    def data(self) -> np.ndarray:
        """Examples `[B, 5]`."""
        return noise((ROWS, *EVENT), self.seed + 1).numpy()

    def evidence(self, seed: int | tf.Tensor = 0, **options: Any) -> Evidence:
        """Returns the evidence of the objective's samples for the data."""
        self.objective.build(self.vae.latents.shapes)
        known = self.vae.known({"x": tf.constant(self.data)})
        pair = tf.stack([seed, tf.constant(7)])
        options |= {"num_data": ROWS, "objective": self.objective}
        return self.vae.evidence(known, self.objective.num_samples, pair, **options)


def of_objective(part: Objective, context_shape: Any, seed: int) -> Trained:
    """Returns the objective in a model, under the pathwise gradient."""
    del context_shape
    return Trained(part, part, estimators.Pathwise(), seed)


def of_estimator(part: Estimator, context_shape: Any, seed: int) -> Trained:
    """Returns the estimator in a model, under the first objective that it takes."""
    del context_shape
    for objective in (objectives.ELBO(num_samples=2), objectives.IWAE(3)):
        try:
            part.check(objective, True)
        except InvalidInput:
            continue
        return Trained(part, objective, part, seed)
    raise NotTried("it takes neither ELBO nor IWAE")


def of_schedule(part: Schedule, context_shape: Any, seed: int) -> Schedule:
    """Returns the schedule itself."""
    del context_shape, seed
    return part


# Objectives.


def bound(subject: Trained) -> str:
    """The bound is one finite number for each example."""
    value = subject.objective(subject.evidence())
    if tuple(value.shape) != (ROWS,) or not np.isfinite(value).all():
        raise Broken(f"shape {tuple(value.shape)}, values {np.ravel(value)[:4]}, not ({ROWS},) finite numbers")
    return f"{float(tf.reduce_mean(value)):.4g} nats"


def of_log_weight(subject: Trained) -> str:
    """Without a closed form the bound is the declared function of the log-weights."""
    closed = subject.evidence()
    factors = {n: factor._replace(kl=None, kl_per_dimension=None) for n, factor in closed.factors.items()}
    evidence = dataclasses.replace(closed, factors=factors)
    try:
        declared = subject.objective.of_log_weight(tf.zeros([subject.objective.num_samples, 1]))
    except InvalidInput:
        raise NotTried("of_log_weight is not defined: pathwise only") from None
    if declared is None:
        raise NotTried("of_log_weight is None: pathwise only")
    expected = subject.objective.of_log_weight(subject.objective.log_weight(evidence))
    worst = float(tf.reduce_max(tf.abs(subject.objective(evidence) - expected)))
    if not worst < EXACT:
        raise Broken(f"they differ by {worst:.2g} nats")
    return f"within {worst:.1g} nats"


def terms(subject: Trained) -> str:
    """The terms are finite scalars with the declared names."""
    found, names = subject.objective.terms(subject.evidence()), tuple(subject.objective.term_names)
    if not set(found) <= set(names):
        raise Broken(f"terms {tuple(found)}, term_names {names}")
    for name, value in found.items():
        if tuple(value.shape) != () or not np.isfinite(value):
            raise Broken(f"{name} is {value}")
    return ", ".join(names) or "none"


def configuration(subject: Any) -> str:
    """What comes back from the configuration is the same expression."""
    part = subject.part if isinstance(subject, Trained) else subject
    if keras.saving.get_registered_name(type(part)) == type(part).__name__:
        remedy = '@keras.saving.register_keras_serializable(package="mine")'
        raise Broken(f"the class is not registered: decorate it with {remedy}")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(part))
    if type(copy) is not type(part) or repr(copy) != repr(part):
        raise Broken(f"{copy!r} came back, not {part!r}")
    public = {k: v for k, v in vars(part).items() if isinstance(v, (int, float, str, tuple)) and not k.startswith("_")}
    lost = {k: v for k, v in public.items() if getattr(copy, k, None) != v}
    if lost:
        raise Broken(f"get_config leaves out {', '.join(lost)}")
    return repr(part)


# Estimators.


def value_untouched(subject: Trained) -> str:
    """The bound has the same value, to the last bit, as under the pathwise gradient."""
    mine, plain = (
        subject.objective(subject.evidence(training=True, estimator=each))
        for each in (subject.estimator, estimators.Pathwise())
    )
    if not np.array_equal(mine, plain):
        raise Broken(f"{float(tf.reduce_mean(mine))!r}, pathwise {float(tf.reduce_mean(plain))!r}")
    return "to the last bit"


def unbiased(subject: Trained) -> str:
    """The mean gradient is the pathwise one's, for each weight."""
    mine, plain = (mean_gradient(subject, each) for each in (subject.estimator, estimators.Pathwise()))
    variance = (mine.var(axis=0) + plain.var(axis=0)) / REPEATS
    distance = np.abs(mine.mean(axis=0) - plain.mean(axis=0)) / np.sqrt(variance + 1e-10)
    found = f"largest of {distance.size} differences: {distance.max():.1f} standard errors"
    if not distance.max() < ERRORS:
        raise Broken(found)
    return found


def mean_gradient(subject: Trained, estimator: Estimator) -> np.ndarray:
    """Returns the gradient of the bound from each of `REPEATS` draws, `[REPEATS, weights]`."""
    vae, objective = subject.vae, subject.objective

    @compiled
    def gradient(seed: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            evidence = subject.evidence(seed, training=True, estimator=estimator)
            value = tf.reduce_sum(estimator.surrogate(objective, evidence, objective(evidence)))
        found = tape.gradient(value, vae.trainable_variables, unconnected_gradients="zero")
        return tf.concat([tf.reshape(g, [-1]) for g in found], axis=0)

    offset = (
        0 if isinstance(estimator, estimators.Pathwise) else REPEATS
    )  # other draws: the differences are independent
    return np.stack([gradient(tf.constant(offset + i)) for i in range(REPEATS)]).astype(np.float64)


# Schedules.


def each_step(schedule: Schedule) -> str:
    """At each step there is one finite float32 number of at least 0, the same in a graph."""
    graph = compiled(schedule)
    for step in (0, 1, 2, 5, 10, 100, 1000, LATE):
        value = tf.convert_to_tensor(schedule(tf.constant(step, tf.float32)))
        if value.dtype != tf.float32 or tuple(value.shape) != () or not np.isfinite(value) or value < 0:
            raise Broken(f"{value} at step {step}")
        if abs(float(graph(tf.constant(step, tf.float32))) - float(value)) > EXACT:
            raise Broken(f"another value in a graph at step {step}")
    return f"{float(schedule(tf.constant(0.0))):.4g} at step 0"


def ends_on_final(schedule: Schedule) -> str:
    """`final` is what the schedule ends on."""
    late = float(schedule(tf.constant(LATE, tf.float32)))
    if not abs(late - float(schedule.final)) <= EXACT * (1 + abs(late)):
        raise Broken(f"final is {schedule.final}, at step {LATE} the value is {late:.6g}")
    return f"{late:.4g}"


OBJECTIVE: dict[str, Law] = {
    "the bound is a number for each example": bound,
    "it is the declared function of the log-weights": of_log_weight,
    "its terms are those that it names": terms,
    "it comes back from its configuration": configuration,
}
ESTIMATOR: dict[str, Law] = {
    "the bound's value is untouched": value_untouched,
    "its mean gradient is the pathwise one": unbiased,
    "it comes back from its configuration": configuration,
}
SCHEDULE: dict[str, Law] = {
    "a number of at least 0 at each step": each_step,
    "it ends on `final`": ends_on_final,
    "it comes back from its configuration": configuration,
}
