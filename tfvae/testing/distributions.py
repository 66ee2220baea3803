"""The laws of a distribution-valued part: normalised, sampled as it says, and what it declares is true.

integral p = 1        samples ~ p        log q(z) of the sampler = log_prob(z)        a copy from its config is the same
"""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core.chain import stopped
from tfvae.core.conditional import ConditionalDistribution
from tfvae.core.errors import InvalidInput
from tfvae.core.graphs import compiled
from tfvae.likelihoods.base import Likelihood
from tfvae.posteriors.base import Posterior
from tfvae.priors.base import Prior
from tfvae.testing.reference import Reference, reference
from tfvae.testing.report import Broken, Law, NotTried, first_line
from tfvae.testing.subjects import Part

ERRORS = 5.0  # standard errors that a difference may have
EXACT, FUSED = 1e-4, 2e-3  # nats: two ways to one float32 number; the same under XLA, or through an inverse


def subject(part: ConditionalDistribution, context_shape: tuple[int, ...] | None, seed: int) -> Part:
    """Returns the part with random weights in a model."""
    return Part(part, context_shape, seed)


def shapes(subject: Part) -> str:
    """A draw has the event's shape, and a density is one number for each."""
    p, values = subject.distribution(), subject.samples[:3]
    lead = () if isinstance(subject.part, Prior) else (1,)
    for name, found, expected in (
        ("event_shape", tuple(p.event_shape), tuple(subject.event)),
        ("batch_shape", tuple(p.batch_shape), lead),
        ("log_prob of three", tuple(p.log_prob(np.reshape(values, [3, *lead, *subject.event])).shape), (3, *lead)),
    ):
        if found != expected:
            raise Broken(f"{name} is {found}, not {expected}")
    return f"event {tuple(subject.event)}"


def supported(subject: Part) -> str:
    """All samples lie in the set of values."""
    inside = subject.space.contains(tf.constant(subject.samples, tf.float32)).numpy()
    if not inside.all():
        raise Broken(f"{np.mean(~inside):.1%} of the samples are outside")
    return subject.space.description


def weights_of_points(subject: Part) -> tuple[Reference, np.ndarray]:
    """Returns reference points and p / r there, `[N]`."""
    points = reference(subject.space, subject.samples, subject.seed)
    log_prob = subject.log_prob(points.points).numpy().astype(np.float64)
    inside = np.reshape(subject.space.contains(tf.constant(points.points, tf.float32)), [len(log_prob), -1]).all(1)
    if np.isnan(log_prob[inside]).any():
        raise Broken(f"log_prob is NaN at {points.points[inside & np.isnan(log_prob)][0].tolist()}")
    weight = np.exp(np.where(inside, log_prob, -np.inf) - points.log_density)
    if not points.whole and weight.sum() ** 2 < 200 * np.square(weight).sum():
        raise NotTried("the points of the check do not cover this density; check a smaller part")
    return points, weight


def normalised(subject: Part) -> str:
    """The integral, or sum, of the density is one."""
    points, weight = weights_of_points(subject)
    total, error = weight.mean(), 0.0 if points.whole else weight.std() / np.sqrt(len(weight))
    found = f"{total:.4f}" + ("" if points.whole else f" +- {error:.4f}")
    if not abs(total - 1) <= ERRORS * error + 1e-3:
        raise Broken(found)
    return found


def statistics(x: np.ndarray, middle: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Returns bounded functions of x, which have a variance whatever the tails: tanh of six numbers, and products."""
    t = np.tanh((x.reshape(len(x), -1)[:, :6].astype(np.float64) - middle) / spread)
    i, j = np.triu_indices(t.shape[1])
    return np.concatenate([t, t[:, i] * t[:, j]], axis=1)


def sampled(subject: Part) -> str:
    """The means of bounded functions are the same by samples and by the density."""
    points, weight = weights_of_points(subject)
    flat = subject.samples.reshape(len(subject.samples), -1)[:, :6]
    middle, spread = np.median(flat, axis=0), np.maximum(flat.std(axis=0), 1e-6)
    drawn, listed = (statistics(x, middle, spread) for x in (subject.samples, points.points))
    share = weight / weight.sum()
    mean = share @ listed
    variance = drawn.var(axis=0) / len(drawn)
    if not points.whole:
        variance = variance + np.square(share) @ np.square(listed - mean)
    distance = np.abs(drawn.mean(axis=0) - mean) / np.sqrt(variance + 1e-8)
    found = f"largest of {len(mean)} differences: {distance.max():.1f} standard errors"
    if not distance.max() <= ERRORS:
        raise Broken(found)
    return found


def one_pass(subject: Part) -> str:
    """The log-density that comes with a sample is the density there, whichever gradient is asked for."""
    if not isinstance(subject.part, Posterior):
        raise NotTried("of posteriors")
    parameters = subject.part.parameters(subject.context(3))
    q, worst = subject.part.distribution(**parameters), 0.0
    for held in (False, True):
        z, log_q, trail = subject.part.sample_and_log_prob(parameters, 5, tf.constant([subject.seed, 3]))
        log_q = subject.part.held_log_q(stopped(parameters), z, trail) if held else log_q
        if tuple(z.shape) != (5, 3, *subject.event) or tuple(log_q.shape) != (5, 3):
            raise Broken(f"z {tuple(z.shape)} and log q {tuple(log_q.shape)} of 5 samples for 3 examples")
        worst = max(worst, float(tf.reduce_max(tf.abs(q.log_prob(z) - log_q))))
    if not worst < FUSED:
        raise Broken(f"they differ by {worst:.2g} nats")
    return f"within {worst:.1g} nats"


def reparameterized(subject: Part) -> str:
    """Samples carry gradients to the parameters if and only if the part says so."""
    declared, parameters = subject.part.reparameterized, subject.part.parameters(subject.context())
    with tf.GradientTape() as tape:
        tape.watch(tf.nest.flatten(parameters))
        if isinstance(subject.part, Posterior):
            z, *_ = subject.part.sample_and_log_prob(parameters, 20, tf.constant([subject.seed, 4]))
        else:
            z = subject.part.distribution(**parameters).sample(20, seed=tf.constant([subject.seed, 4]))
        total = tf.reduce_sum(tf.cast(z, tf.float32) ** 2 * noise_like(z))
    gradients = tape.gradient(total, tf.nest.flatten(parameters))
    carries = not gradients or any(g is not None and np.any(g != 0) for g in gradients)  # of no parameters, to none
    of_type = subject.part.distribution(**parameters).reparameterization_type
    fully = all(kind == tfp.distributions.FULLY_REPARAMETERIZED for kind in tf.nest.flatten(of_type))
    found = f"declared {declared}; a gradient came through: {carries}; TFP calls the distribution so: {fully}"
    leaks = fully or (carries and isinstance(subject.part, Posterior))
    if leaks if not declared else not (carries and fully):
        raise Broken(found)
    return f"declared {declared}"


def noise_like(z: tf.Tensor) -> tf.Tensor:
    """Returns fixed numbers of z's shape: a sum of unit vectors' squares would have no gradient."""
    return tf.constant(np.random.default_rng(0).normal(size=z.shape), tf.float32)


def compiled_sample(subject: Part) -> str:
    """Sampling compiles under XLA if and only if the part says so, and stays in the set of values."""
    draw = compiled(lambda seed: subject.distribution().sample(20, seed=seed), jit_compile=True)
    try:
        inside = bool(tf.reduce_all(subject.space.contains(tf.cast(draw(tf.constant([subject.seed, 5])), tf.float32))))
    except tf.errors.OpError as error:
        if subject.part.jit_sample:
            raise Broken(f"declared True; XLA said: {first_line(error)}") from error
        return "declared False"
    if not subject.part.jit_sample:
        raise Broken("declared False, and it compiles")
    if not inside:
        raise Broken("samples drawn under XLA are outside")
    return "declared True"


def compiled_density(subject: Part) -> str:
    """XLA computes the same density."""
    values = tf.constant(subject.samples[:200], tf.float32)
    difference = compiled(subject.log_prob, jit_compile=True)(values) - subject.log_prob(values)
    worst = float(tf.reduce_max(tf.abs(difference)))
    if not worst < FUSED:
        raise Broken(f"they differ by {worst:.2g} nats")
    return f"within {worst:.1g} nats"


def mean(subject: Part) -> str:
    """The mean is that of the samples, or is not implemented, as the part says."""
    if not subject.part.has_mean:
        try:
            subject.distribution().mean()
        except NotImplementedError:
            raise NotTried("declared has_mean = False") from None
        raise Broken("declared has_mean = False, and there is one")
    found = np.reshape(subject.distribution().mean(), subject.event)
    error = subject.samples.std(axis=0, dtype=np.float64) / np.sqrt(len(subject.samples))
    distance = np.abs(subject.samples.mean(axis=0, dtype=np.float64) - found) / (error + 1e-5)
    if not distance.max() < ERRORS:
        raise Broken(f"{distance.max():.3g} standard errors away")
    return f"{distance.max():.1f} standard errors away"


def smallest(subject: Part) -> str:
    """The part is refused below `min_dim`."""
    part = subject.part
    if isinstance(part, Likelihood):
        raise NotTried("of posteriors and priors")
    try:
        type(part).from_config({**part.get_config(), "latent_dim": part.min_dim - 1})
    except InvalidInput:
        return f"min_dim {part.min_dim}"
    raise Broken(f"latent_dim={part.min_dim - 1} is taken, and min_dim is {part.min_dim}")


def configuration(subject: Part) -> str:
    """A copy from the configuration, with the same weights, is the same distribution."""
    part = subject.part
    if keras.saving.get_registered_name(type(part)) == type(part).__name__:
        remedy = '@keras.saving.register_keras_serializable(package="mine")'
        raise Broken(f"the class is not registered: decorate it with {remedy}")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(part))
    if type(copy) is not type(part):
        raise Broken(f"a {type(copy).__name__} came back")
    subject.model(copy)  # builds it
    mine, other = ([tuple(w.shape) for w in each.weights] for each in (part, copy))
    if mine != other:
        raise Broken(f"weights of shapes {other} came back, not {mine}")
    copy.set_weights(part.get_weights())
    values = subject.samples[:200]
    worst = float(tf.reduce_max(tf.abs(subject.log_prob(values, copy) - subject.log_prob(values))))
    if not worst < EXACT:
        raise Broken(f"the copy's log-density differs by {worst:.2g} nats: get_config leaves an argument out")
    return "the same"


LAWS: dict[str, Law] = {
    "samples and densities have the right shapes": shapes,
    "samples lie in the set of values": supported,
    "the density integrates to one": normalised,
    "samples follow the density": sampled,
    "the density that comes with a sample is the same": one_pass,
    "samples carry gradients as declared": reparameterized,
    "sampling compiles as declared": compiled_sample,
    "the compiled density is the same": compiled_density,
    "the mean is that of the samples": mean,
    "it is refused below its smallest dimension": smallest,
    "it comes back from its configuration": configuration,
}
