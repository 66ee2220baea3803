"""Several latents: a distribution over z = {name: z_f} as a product of parts, each given those above it.

    q(z | x) = prod_f q(z_f | x, parents of f)            p(z | c) = prod_f p(z_f | c, parents of f)

`Joint` holds the parts of one side, `Latents` what a model must know of both: the order in which they are drawn, which
latents a part hangs on, and how z looks outside. A model of bare parts is one of a single latent called z.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import serial
from tfvae.core.context import Context, Made
from tfvae.core.errors import InvalidInput
from tfvae.core.latent import Latent
from tfvae.core.seeds import fold
from tfvae.core.types import Config, Parameters, Seed, Shape, Tensor

Distribution: TypeAlias = tfp.distributions.Distribution
ALONE = "z"  # the name of the latent of a model of bare parts
MOMENTS = "{}_prior"  # what the prior says of a latent: location and scale side by side


@keras.saving.register_keras_serializable(package="tfvae")
class Joint(keras.layers.Layer):
    """The parts of several latents by name, as a posterior or as a prior; names and sizes of both must be the same.

        q(z | x) = prod_f q(z_f | x, parents of f)            p(z | c) = prod_f p(z_f | c, parents of f)

    A part is given other latents by their names. Each side has an order of its own: a posterior may draw upwards from
    x, and a prior downwards. A posterior's part may also be given "<name>_prior", location and scale of a normal prior
    of this latent, once its parents are drawn (`posteriors.PrecisionWeighted`).

    Args:
        **parts: name to the part of one latent.

    Raises:
        InvalidInput: if no part is given.

    Reference:
        Burda, Grosse and Salakhutdinov 2016, section 2; Sonderby et al. 2016, "Ladder Variational Autoencoders".

    Example:
        >>> posterior = Joint(z1=posteriors.DiagonalNormal(8), z2=posteriors.DiagonalNormal(2, given="z1"))
        >>> prior = Joint(z2=priors.StandardNormal(2), z1=priors.DiagonalNormal(8, given="z2"))
        >>> vae = VAE(posterior, likelihoods.Normal(5, given="z1"), prior)
    """

    def __init__(self, **parts: Latent) -> None:
        super().__init__(dtype="float32")
        if not parts:
            remedy = "Pass for example Joint(z1=posteriors.DiagonalNormal(8), z2=posteriors.DiagonalNormal(2))."
            raise InvalidInput("a Joint of at least one part", "none", remedy)
        self.parts = parts
        self._distribution: Callable[[Context | None], Distribution] | None = None

    @property
    def reparameterized(self) -> bool:
        """Whether the samples of all parts carry gradients, or the masses of those that are enumerated."""
        return all(part.reparameterized or part.enumerated for part in self.parts.values())

    @property
    def latent_dim(self) -> int:
        """Number of latent dimensions of all parts together."""
        return sum(part.latent_dim for part in self.parts.values())

    @property
    def constants(self) -> tuple:
        """Those of the parts."""
        return tuple(constant for part in self.parts.values() for constant in part.constants)

    def bind(self, posterior: "Joint", event_shape: Shape) -> None:
        """Tells each part of a prior which part of the posterior and which data it belongs to."""
        for name, part in self.parts.items():
            part.bind(posterior.parts[name], event_shape)

    def build(self, shapes: Mapping[str, Shape]) -> None:
        """Creates the weights of the parts; idempotent."""
        for part in self.parts.values():
            part.build(shapes)

    def adapt(self, x: Tensor, seed: int | None = None) -> None:
        """Starts what parts of a prior take from scaled data, `[N, ...]`."""
        for part in self.parts.values():
            part.adapt(x, seed)

    def join(self, distribution: Callable[[Context | None], Distribution]) -> None:
        """Tells which distribution the parts make given a context: features between them belong to the model."""
        self._distribution = distribution

    def __call__(self, context: Context | None = None) -> Distribution:
        """Returns the distribution over `{name: z}` given what is known, of a prior that is told nothing p(z)."""
        if self._distribution is None:
            remedy = "Make the VAE first: tfvae.VAE(posterior, likelihood, prior)."
            raise InvalidInput("a Joint that belongs to a VAE", "one on its own", remedy)
        return self._distribution(context)

    def get_config(self) -> Config:
        """Returns the parts by name, which is all that the constructor takes."""
        return {"parts": {name: keras.saving.serialize_keras_object(part) for name, part in self.parts.items()}}

    @classmethod
    def from_config(cls, config: Config) -> "Joint":
        """Returns the joint that `get_config` described."""
        return cls(**{name: serial.deserialized(part) for name, part in config["parts"].items()})


def parts_of(side: Latent | Joint) -> dict[str, Latent]:
    """Returns the parts of a posterior or prior by name; a bare one is that of the latent z."""
    return dict(side.parts) if isinstance(side, Joint) else {ALONE: side}


def roots(given: Iterable[str], through: Mapping[str, Iterable[str]]) -> set[str]:
    """Returns what stands behind names: those of `through` are replaced by what they are made of."""
    return behind(given, through) - through.keys()


def behind(given: Iterable[str], through: Mapping[str, Iterable[str]]) -> set[str]:
    """Returns the names, and all that they are made of."""
    found, left = set(), list(given)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += through.get(name, ())
    return found


class Latents:
    """The latents of a model: their order, what hangs on which, and how z looks outside.

    Attributes:
        posterior: name to part, each after the latents that it is given.
        prior: the same of the prior; the order of names everywhere else.
        bare: whether z is one tensor outside, and not a dict.
        above: name to the latents that the posterior's part hangs on.
        prior_above: name to those of the prior's part.
        closed: names whose prior's parents are all drawn before: KL(q || p) of these may be taken in closed form.
        enumerated: names of which all values are summed over, as early as they can be.
        sampled: the others.
        atoms: how many points stand for one draw: the product of the numbers of values.

    Args:
        posterior: of the model.
        prior: of the model.
        features: name to what the feature is given.

    Raises:
        InvalidInput: if parts are given each other in a circle.
    """

    def __init__(self, posterior: Latent | Joint, prior: Latent | Joint, features: Mapping[str, Iterable[str]]) -> None:
        self.bare = not isinstance(posterior, Joint)
        q, p = parts_of(posterior), parts_of(prior)
        self.through = {**features, **{MOMENTS.format(name): part.given for name, part in p.items()}}
        self.above = {name: self._above(part, q) for name, part in q.items()}
        self.prior_above = {name: self._above(part, p) for name, part in p.items()}
        first = sorted(q, key=lambda name: not q[name].enumerated)
        self.posterior = {n: q[n] for n in ordered("posterior", {name: self.above[name] for name in first})}
        self.prior = {name: p[name] for name in ordered("prior", self.prior_above)}
        drawn = list(self.posterior)
        self.closed = {n for n in drawn if self.prior_above.get(n, set()) <= {*drawn[: drawn.index(n)]}}
        self.enumerated = [name for name, part in self.posterior.items() if part.enumerated]
        self.sampled = {*drawn} - {*self.enumerated}
        self.atoms = math.prod(self.posterior[name].num_atoms for name in self.enumerated)

    def _above(self, part: Latent, parts: Mapping[str, Latent]) -> set[str]:
        return set() if self.bare else roots(part.given, self.through) & parts.keys()

    @property
    def late(self) -> list[str]:
        """The enumerated latents that are drawn after a sampled one: their values share a draw of it."""
        drawn = list(self.posterior)
        return [name for name in self.enumerated if {*drawn[: drawn.index(name)]} & self.sampled]

    @property
    def told(self) -> set[str]:
        """The conditions that the prior is told."""
        return {root for part in self.prior.values() for root in roots(part.given, self.through)} - {*self.prior}

    def flat(self, z: dict[str, Tensor]) -> Tensor:
        """Returns vectors by name, `[..., D]` each, side by side."""
        return tf.concat([z[name] for name in self.names], axis=-1) if self.several else z[self.names[0]]

    def unflat(self, flat: Tensor) -> dict[str, Tensor]:
        """Returns the vectors by name again."""
        sizes = [part.latent_dim for part in self.prior.values()]
        found = tf.split(flat, sizes, axis=-1) if self.several else [flat]
        return dict(zip(self.names, found, strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """The latents, those at the top of the prior first."""
        return tuple(self.prior)

    @property
    def several(self) -> tuple[str, ...]:
        """The same where there are several; of one latent nothing."""
        return self.names if len(self.names) > 1 else ()

    def named(self, z: Any) -> dict[str, Tensor]:
        """Returns z as it looks outside by name."""
        return {ALONE: z} if self.bare else {name: z[name] for name in self.names}

    def outside(self, values: Mapping[str, Any]) -> Any:
        """Returns what stands by name as it looks outside."""
        return values[ALONE] if self.bare else {name: values[name] for name in self.names}

    @property
    def shapes(self) -> dict[str, Shape]:
        """Name to the shape of one z."""
        return {name: part.latent_shape for name, part in self.prior.items()}

    @property
    def shape(self) -> Any:
        """The shape of one z as it looks outside: a tuple, or name to tuple."""
        return self.outside(self.shapes)

    def made(self, training: bool) -> dict[str, Made]:
        """Returns what the priors say, name to what a context makes of it: parameters, and moments of normal ones."""
        found: dict[str, Made] = {}
        for name, part in self.prior.items():
            found[said(name)] = Made(part.given, _parameters(part, training))
            if part.normal:
                found[MOMENTS.format(name)] = Made((said(name),), _moments(said(name)))
        return found

    def sample_prior(
        self, context: Context, num_samples: int | Tensor, rows: Sequence[int | Tensor], seed: Seed
    ) -> dict[str, Tensor]:
        """Returns draws of the prior by name, `[n, *rows, *latent]`, each latent given those above it.

        Args:
            context: conditions.
            num_samples: n.
            rows: `[B]` where there are conditions, else empty.
            seed: int32 pair; each of several latents has a stream of its own.
        """
        for index, (name, part) in enumerate(self.prior.items()):
            alone = [num_samples] if part.given else [num_samples, *rows]
            shape, stream = [] if self.prior_above[name] else alone, seed if self.bare else fold(seed, index)
            p = part.distribution(**context[said(name)])
            context = context.with_(**{name: p.sample(shape, seed=stream)})
        return {name: context[name] for name in self.prior}

    def distribution(self, parts: Mapping[str, Latent], context: Context) -> Distribution:
        """Returns the distribution of some parts given a context: of bare parts their own, else one by name."""
        if self.bare:
            return parts[ALONE](context)
        above = self.above if parts is self.posterior else self.prior_above

        def maker(part: Latent, names: list[str]) -> Callable | Distribution:
            if not names:
                return part.distribution(**part.parameters(context))

            def make(**above: Tensor) -> Distribution:
                return part.distribution(**part.parameters(context.with_(**above)))

            arguments = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
            vars(make)["__signature__"] = inspect.Signature(arguments)  # where TFP reads the names of the parents
            return make

        return tfp.distributions.JointDistributionNamed({n: maker(part, sorted(above[n])) for n, part in parts.items()})


def said(name: str) -> str:
    """Returns the name under which a context keeps the parameters of the prior of a latent: not a Python name."""
    return f"p({name})"


def _parameters(part: Latent, training: bool) -> Callable[[Context], Parameters]:
    return lambda context: part.parameters(context, training)


def _moments(name: str) -> Callable[[Context], Tensor]:
    return lambda context: tf.concat([context[name]["loc"], context[name]["scale"]], axis=-1)


def ordered(side: str, above: Mapping[str, Iterable[str]]) -> list[str]:
    """Returns the names, each after those above it; what may come in any order keeps the order in which it was given.

    Raises:
        InvalidInput: for a circle.
    """
    found: list[str] = []

    def add(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            raise InvalidInput(f"parts of the {side} that are not given each other in a circle", circle, "Cut one.")
        if name not in found:
            for parent in sorted(above[name]):
                add(parent, (*path, name))
            found.append(name)

    for name in above:
        add(name, ())
    return found
