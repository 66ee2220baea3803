"""Diagnosis of a train step that is not finite: the step once more, eagerly, with every layer's output watched.

    forward    log q(z | x), log p(z), KL, log p(x | z), terms, loss      first layer whose output is not finite
    backward   d loss / d output of each layer, nearest the loss first    first layer whose gradient is not finite

The step is made from the weights it failed at and with its own noise, which is a function of (seed, step), so that what
is found is what happened; only layers with noise of their own, as dropout, draw anew. Moving averages and generators
are put back afterwards. Examples are the rows of these tensors that are not finite.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from tfvae.core import keras_private
from tfvae.core.conditional import SCALE_FLOOR, ConditionalDistribution
from tfvae.core.evidence import Evidence
from tfvae.core.observed import Observed, num_rows
from tfvae.core.types import Parameters

if TYPE_CHECKING:
    from tfvae.vae import VAE

AT_FLOOR = 1.01 * SCALE_FLOOR


@dataclasses.dataclass
class Diagnosis:
    """What is not finite in a step, in words; empty where everything is finite.

    Attributes:
        what: "loss" or "gradient".
        terms: which parts of the loss, in the order of the computation.
        layer: the first layer that is not finite, and in which part of the model.
        rows: of the batch, or `None` where no row can be told from the others.
        parameters: of the distributions, that are not finite, for example "posterior.loc", of one of several latents
            "posterior.z1.loc".
        vanished: scales of the distributions that are zero or at the floor, name to smallest value.
        points: of a likelihood whose network makes its parameters itself, such as a simulator, the values that it was
            given where p(x | z) or its gradient is not finite, and elsewhere: name of the latent to both, flat.
    """

    what: str = ""
    terms: tuple[str, ...] = ()
    layer: str = ""
    rows: np.ndarray | None = None
    parameters: tuple[str, ...] = ()
    vanished: Mapping[str, float] = dataclasses.field(default_factory=dict)
    points: Mapping[str, tuple[np.ndarray, np.ndarray]] = dataclasses.field(default_factory=dict)


def diagnose(vae: "VAE", observed: Observed) -> Diagnosis:
    """Returns what is not finite in the train step of one batch, from the model's present weights.

    Args:
        vae: the model.
        observed: what is known of the batch.
    """
    with unchanged(vae), _recorded(vae) as (outputs, given), tf.GradientTape(persistent=True) as tape:
        loss, evidence, bound, terms = vae.make_step(training=True).loss(observed)
        values = {
            **_by_latent(evidence),
            "log-likelihood": evidence.log_likelihood,
            **{f"term {name}": value for name, value in terms.items()},
        }
        sums = {name: tf.reduce_sum(value) for name, value in values.items()}
    size = num_rows(observed)
    if not _finite(loss):
        bad = [(layer, value) for layer, value in outputs if not _finite(value)]
        return Diagnosis(
            "loss",
            tuple(name for name, value in values.items() if not _finite(value)) or ("bound",),
            place(vae, bad[0][0]) if bad else "",
            _rows([*values.values(), bound], size),
            *_parameters(vae, given),
            _points(vae, evidence, [evidence.log_likelihood]),
        )
    variables = vae.part_variables
    if is_finite(*tape.gradient(loss, variables)):
        return Diagnosis()
    gradients = tape.gradient(loss, [value for _, value in outputs])
    bad = [(layer, g) for (layer, _), g in zip(outputs, gradients, strict=True) if not is_finite(g)]
    spoiled = [v for v, g in zip(variables, tape.gradient(loss, variables), strict=True) if not is_finite(g)]
    guilty = [name for name, value in sums.items() if not is_finite(*tape.gradient(value, variables))]
    points = _points(vae, evidence, tape.gradient(sums["log-likelihood"], [f.z for f in evidence.factors.values()]))
    first = vae.likelihood.network if points else bad[-1][0] if bad else spoiled[0]
    return Diagnosis(
        "gradient",
        tuple(guilty) or ("bound",),
        place(vae, first),
        _rows([tf.square(g) for _, g in bad], size),
        *_parameters(vae, given),
        points,
    )


@contextlib.contextmanager
def unchanged(vae: "VAE") -> Iterator[None]:
    """Puts all that is not a trainable weight back as it was: moving averages, seed generators, metrics, counts."""
    before = [(variable, np.array(variable.numpy())) for variable in vae.non_trainable_variables]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


@contextlib.contextmanager
def _recorded(vae: "VAE") -> Iterator[tuple[list, dict[str, Parameters]]]:
    """Yields what fills with each layer that is called and its floating-point outputs, inner layers first.

    Beside it, what fills with the parameters of which q and p(x | z) were made.
    """
    outputs, given, layers = [], {}, list(keras_private.all_layers(vae, include_self=False))

    def watched(layer: keras.layers.Layer, call: Callable) -> Callable:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            tensors = [value for value in tf.nest.flatten(result) if tf.is_tensor(value)]
            outputs.extend((layer, value) for value in tensors if value.dtype.is_floating)
            return result

        return wrapper

    def kept(name: str, distribution: Callable) -> Callable:
        def wrapper(**parameters: Any) -> Any:
            given.setdefault(name, parameters)  # the first: a VampPrior makes more of q's kind
            return distribution(**parameters)

        return wrapper

    for layer in layers:
        vars(layer)["call"] = watched(layer, layer.call)  # on the object, past Keras' tracking of attributes
    made = _made(vae)
    for name, part in made.items():
        vars(part)["distribution"] = kept(name, part.distribution)
    try:
        yield outputs, given
    finally:
        for layer in layers:
            vars(layer).pop("call")
        for part in made.values():
            vars(part).pop("distribution")


def is_finite(*gradients: tf.Tensor | tf.IndexedSlices | None) -> tf.Tensor:
    """Tells whether gradients and their sum of squares are finite, `[]`: optimizers square them, and so does a norm."""
    halves = [tf.nn.l2_loss(tf.convert_to_tensor(gradient)) for gradient in gradients if gradient is not None]
    return tf.math.is_finite(tf.add_n([tf.zeros([]), *(tf.cast(half, tf.float32) for half in halves)]))


def _finite(value: tf.Tensor) -> bool:
    return bool(tf.reduce_all(tf.math.is_finite(value)))


def _rows(tensors: list[tf.Tensor], size: int) -> np.ndarray | None:
    """Returns the rows that are not finite in tensors of shape `[B, ...]`, `[S, B, ...]` or `[S * B, ...]`."""
    found = set()
    for tensor in tensors:
        bad = ~np.isfinite(np.asarray(tf.convert_to_tensor(tensor), np.float64))
        if bad.ndim > 1 and bad.shape[0] % size:
            bad = np.moveaxis(bad, 1, 0)
        if bad.ndim and bad.shape[0] % size == 0:
            found |= set(np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1)) % size)
    return np.array(sorted(found)) if found else None


def place(vae: "VAE", thing: keras.layers.Layer | keras.Variable) -> str:
    """Returns the name of a layer or weight and the part of the model that holds it."""
    weight = isinstance(thing, keras.Variable)
    name = "/".join(thing.path.split("/")[-2:]) if weight else f"{thing.name} ({type(thing).__name__})"
    for part_name, part in _parts(vae).items():
        if any(thing is one for one in (part.variables if weight else keras_private.all_layers(part))):
            return f"{name} of the {part_name}"
    return name


def _parts(vae: "VAE") -> dict[str, keras.layers.Layer]:
    """Returns the parts of the model by what they are called: of several latents each, and what parts share."""
    sides = {"posterior": vae.latents.posterior, "prior": vae.latents.prior}
    named = {f"{side} of {name}": part for side, parts in sides.items() for name, part in parts.items()}
    bare = {"posterior": vae.posterior, "prior": vae.prior}
    features = {f"feature {name}": feature for name, feature in vae.features.items()}
    return {**(bare if vae.latents.bare else named), "likelihood": vae.likelihood, **features}


def _made(vae: "VAE") -> dict[str, ConditionalDistribution]:
    """Returns the parts of whose parameters scales may vanish, which networks predict."""
    posterior = {f"posterior.{name}": part for name, part in vae.latents.posterior.items()}
    return {**({"posterior": vae.posterior} if vae.latents.bare else posterior), "likelihood": vae.likelihood}


def _by_latent(evidence: Evidence) -> dict[str, tf.Tensor]:
    """Returns what the loss takes of z, of several latents from each, in the order of the computation."""
    found = {}
    for name, factor in evidence.factors.items():
        of = "" if evidence.bare else f" of {name}"
        found |= {f"log posterior{of}": factor.log_q, f"log prior{of}": factor.log_p}
        found |= {} if factor.kl is None else {f"rate{of}": factor.kl}
    return found


def _parameters(vae: "VAE", given: Mapping[str, Parameters]) -> tuple[tuple[str, ...], dict[str, float]]:
    """Returns the names of q's and p(x | z)'s parameters that are not finite, and the scales that have vanished."""
    numbers, made = _named(given), _made(vae)
    lowest = {
        name: float(tf.reduce_min(value))
        for name, value in _named({part: made[part].scales(values) for part, values in given.items()}).items()
    }
    bad = tuple(name for name, value in numbers.items() if not _finite(value))
    return bad, {name: value for name, value in lowest.items() if value <= AT_FLOOR}


def _points(vae: "VAE", evidence: Evidence, told: Sequence[tf.Tensor | None]) -> dict[str, tuple]:
    """Returns the values of the latents where numbers `[S, B, ...]` are not finite, and elsewhere; see `Diagnosis`.

    Nothing of a network with a head, whose weights it then is, and nothing where a latent is not finite itself.
    """
    lead = evidence.log_likelihood.shape
    bad = np.zeros(lead, bool)
    for tensor in told:
        if tensor is not None:
            bad |= ~np.isfinite(np.reshape(np.asarray(tf.square(tensor), np.float64), [*lead, -1])).all(axis=-1)
    z = {name: np.asarray(factor.z) for name, factor in evidence.factors.items() if name in vae.likelihood.given}
    if vae.likelihood.has_head or not bad.any() or not all(np.isfinite(value).all() for value in z.values()):
        return {}
    return {name: (value[bad].ravel(), value[~bad].ravel()) for name, value in z.items()}


def _named(parameters: Mapping[str, Parameters]) -> dict[str, tf.Tensor]:
    """Returns the tensors among the parameters of several parts, named for example "posterior.loc"."""
    named = {f"{part}.{name}": value for part, values in parameters.items() for name, value in values.items()}
    return {name: value for name, value in named.items() if tf.is_tensor(value) and value.dtype.is_floating}
