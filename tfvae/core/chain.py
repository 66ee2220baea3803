"""The chain of a batch: z is drawn latent by latent, each given those above it, and evaluated again where it was drawn.

    z_f ~ q(z_f | x, parents),    log q(z | x) = sum_f log q(z_f | x, parents)
    enumerated: z_f = y_1 ... y_K instead of each draw, the mass of it times q(y_k | x, parents)
    known: z_f = its label, log q = 0; of an enumerated one the mass of the label is 1, of the other values 0
    held: log q as a function of z alone, the weights of q being constants       Roeder et al. 2017, Tucker et al. 2019

Samples are in the order draw * K + value: what was drawn before stands K times in a row.

Networks that draw see z as it was drawn; densities see it where the estimator puts it, behind the gate of a gradient.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import seeds
from tfvae.core.context import Context
from tfvae.core.evidence import Gate, Label, total
from tfvae.core.types import Parameters, Seed, Tensor

if TYPE_CHECKING:
    from tfvae.core.joint import Latents


class Drawn(NamedTuple):
    """S draws of one latent of B examples.

    Attributes:
        parameters: of q.
        q: what they were drawn from, batch shape `[B]`, or `[S, B]` below another latent.
        z: `[S, B, *latent]`.
        log_q: log q(z_f | x, parents) in nats, `[S, B]`.
        trail: what the part keeps of its way to z, to evaluate log q there again.
        label: what is known of this latent, or `None`.
    """

    parameters: Parameters
    q: tfp.distributions.Distribution
    z: Tensor
    log_q: Tensor
    trail: tuple
    label: Label | None = None

    def as_constant(self) -> "Drawn":
        """Returns the same with z a constant for all that comes after it, and log q that of this constant."""
        z = tf.stop_gradient(self.z)
        return self._replace(z=z, log_q=with_gradient_of(self.log_q, self.q.log_prob(z)))

    def known(self) -> "Drawn":
        """Returns the same with the label, whose log q is zero, where there is one."""
        if self.label is None:
            return self
        return self._replace(z=self.label.in_place(self.z), log_q=self.label.without_density(self.log_q))


class Draws(NamedTuple):
    """S draws of all latents, and what parts are given: of the examples, and z as densities see it.

    Attributes:
        of: name to draws.
        context: with z.
        log_mass: of the draws, `[S, B]`, their exponentials add up to one; `None` for equal ones.
    """

    of: dict[str, Drawn]
    context: Context
    log_mass: Tensor | None = None

    @property
    def log_q(self) -> dict[str, Tensor]:
        """Name to log q(z_f | x, parents) in nats, `[S, B]`."""
        return {name: drawn.log_q for name, drawn in self.of.items()}


class Chain:
    """The posterior of B examples, one latent after the other.

    Args:
        latents: of the model.
        context: what parts are given of the examples.
        training: whether layers such as dropout behave as in training.
        step: the training step, or `None` in evaluation.
        parameters: `(name, context) -> parameters` of q of one latent; by default the encoder's.
        labels: name to what is known of a latent.
    """

    def __init__(
        self,
        latents: "Latents",
        context: Context,
        training: bool = False,
        step: Tensor | None = None,
        parameters: Callable[[str, Context], Parameters] | None = None,
        labels: Mapping[str, Label] | None = None,
    ) -> None:
        self.latents, self.context, self.labels = latents, context, labels or {}

        def amortised(name: str, context: Context) -> Parameters:
            part = latents.posterior[name]
            return part.at_step(part.parameters(context, training), step)

        self.parameters = amortised if parameters is None else parameters
        top = [name for name in latents.posterior if not latents.above[name]]
        self.top = {name: self.parameters(name, context) for name in top}

    def draw(self, num_samples: int | Tensor, seed: Seed, stop: bool = False) -> Draws:
        """Returns S draws of each latent, as many times the number of values of those that are enumerated.

        Args:
            num_samples: S.
            seed: int32 pair; each of several latents has a stream of its own.
            stop: z is a constant for all that comes after it, and log q is that of this constant.
        """
        draws = Draws({}, self.context)
        for index, (name, part) in enumerate(self.latents.posterior.items()):
            own = self.top[name] if name in self.top else self.parameters(name, draws.context)
            if part.enumerated:
                draws = self.enumerated(draws, name, own, num_samples)
                num_samples *= part.num_atoms
                continue
            number, stream = num_samples if name in self.top else None, self.stream(seed, index)
            sampled, label = part.sample_and_log_prob(own, number, stream), self.labels.get(name)
            drawn = Drawn(own, part.distribution(**own), *sampled)._replace(label=label)
            drawn = (drawn.as_constant() if stop else drawn).known()
            draws = draws._replace(of={**draws.of, name: drawn}, context=draws.context.with_(**{name: drawn.z}))
        return draws

    def enumerated(self, draws: Draws, name: str, parameters: Parameters, num_samples: int | Tensor) -> Draws:
        """Returns the draws with one more latent: each of them K times in a row, with the K values and their masses."""
        part, label = self.latents.posterior[name], self.labels.get(name)
        number, context, found = part.num_atoms, self.context, dict[str, Drawn]()
        for other, drawn in draws.of.items():
            own = drawn.parameters if other in self.top else self.parameters(other, context)
            q = drawn.q if other in self.top else self.latents.posterior[other].distribution(**own)
            z, log_q, trail = in_a_row((drawn.z, drawn.log_q, drawn.trail), number)
            found[other] = Drawn(own, q, z, log_q, trail, drawn.label)
            context = context.with_(**{other: found[other].z})
        parameters = parameters if name in self.top else in_a_row(parameters, number)
        q = part.distribution(**parameters)
        z = of_each(part.atoms(), num_samples, q.batch_shape_tensor()[-1])
        log_q = q.log_prob(z)
        equal = -tf.math.log(tf.cast(num_samples, tf.float32))
        before = equal if draws.log_mass is None else in_a_row(draws.log_mass, number)
        found[name] = Drawn(parameters, q, z, log_q, (), label).known()
        log_mass = before + (log_q if label is None else tf.where(label.known, label.at(z), log_q))
        return Draws(found, context.with_(**{name: z}), log_mass)

    def stream(self, seed: Seed, index: int) -> Seed:
        """Returns the seed of one latent: of a model of bare parts the seed itself."""
        return seed if self.latents.bare else seeds.fold(seed, index)

    def behind(self, gate: Gate, draws: Draws) -> Draws:
        """Returns the draws with z where a gate scales the gradients that come back to it; networks draw before it."""
        free = self.latents.sampled
        found = {n: drawn._replace(z=gate(drawn.z)) if n in free else drawn for n, drawn in draws.of.items()}
        return draws._replace(of=found, context=self.context.with_(**{name: drawn.z for name, drawn in found.items()}))

    def held(self, draws: Draws) -> Draws:
        """Returns the draws with log q a function of z alone: the weights of q are constants, the values the same."""
        found: dict[str, Drawn] = {}
        for name, drawn in draws.of.items():
            above = {other: found[other].z for other in found}
            found[name] = drawn
            if name in self.latents.sampled:
                held = self.held_log_q(name, drawn, above)
                held = held if drawn.label is None else drawn.label.without_density(held)
                found[name] = drawn._replace(log_q=with_gradient_of(drawn.log_q, held))
        return draws._replace(of=found)

    def held_log_q(self, name: str, drawn: Drawn, above: dict[str, Tensor]) -> Tensor:
        """Returns log q(z_f | x, parents), `[S, B]`, through z_f and the latents above alone."""
        part, trail = self.latents.posterior[name], drawn.trail
        if name in self.top:
            return part.held_log_q(stopped(drawn.parameters), drawn.z, trail)

        def log_q(z: Tensor, *values: Tensor) -> Tensor:
            context = self.context.with_(**dict(zip(above, values, strict=True)))
            return part.held_log_q(self.parameters(name, context), z, trail)

        return inputs_only(log_q, drawn.z, *above.values())

    def sample(self, num_samples: int | Tensor, seed: Seed) -> dict[str, Tensor]:
        """Returns S draws of each latent by name, `[S, B, *latent]`, without their densities."""
        context = self.context
        for index, (name, part) in enumerate(self.latents.posterior.items()):
            own, shape = (self.top[name], num_samples) if name in self.top else (self.parameters(name, context), ())
            z = part.distribution(**own).sample(shape, seed=self.stream(seed, index))
            context = context.with_(**{name: z})
        return {name: context[name] for name in self.latents.names}

    def log_prob(self, z: dict[str, Tensor]) -> Tensor:
        """Returns log q(z | x), `[S, B]`, of any z by name, `[S, B, *latent]`."""
        context, found = self.context.with_(**z), []
        for name, part in self.latents.posterior.items():
            own = self.top[name] if name in self.top else self.parameters(name, context)
            found.append(part.distribution(**own).log_prob(z[name]))
        return total(found)

    def center(self) -> Context:
        """Returns the context with the z that stands for q, each latent at the center given those above it."""
        context = self.context
        for name, part in self.latents.posterior.items():
            own = self.top[name] if name in self.top else self.parameters(name, context)
            context = context.with_(**{name: part.center(own)})
        return context


def in_a_row(values: Any, times: int) -> Any:
    """Returns nested tensors, `[S, ...]`, with each row `times` times in a row, `[S * times, ...]`."""

    def repeated(value: Tensor) -> Tensor:
        wide = tf.tile(value[:, tf.newaxis], [1, times, *[1] * (value.shape.rank - 1)])
        return tf.reshape(wide, tf.concat([[-1], tf.shape(value)[1:]], axis=0))

    return tf.nest.map_structure(repeated, values)


def of_each(atoms: Tensor, num_samples: int | Tensor, rows: Tensor) -> Tensor:
    """Returns the K values of a latent, `[K, *latent]`, for each of n draws of B examples, `[n * K, B, *latent]`."""
    axes = [1] * (atoms.shape.rank - 1)
    return tf.tile(atoms[:, tf.newaxis], tf.stack([num_samples, rows, *axes]))


def stopped(parameters: Parameters) -> Parameters:
    """Returns the same nested parameters as constants."""
    return tf.nest.map_structure(tf.stop_gradient, parameters)


@tf.custom_gradient
def with_gradient_of(value: Tensor, source: Tensor) -> tuple:
    """Returns `value` unchanged to the last bit; its gradient is that of `source`."""
    del source
    return tf.identity(value), lambda upstream: (tf.zeros_like(upstream), upstream)


def inputs_only(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Returns `function(*inputs)`, whose gradient reaches the inputs and nothing else that the function uses."""

    @tf.custom_gradient
    def held(*values: Tensor) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = function(*values)

        def gradient(upstream: Tensor, variables: list | None = None) -> tuple | list:
            kind = tf.UnconnectedGradients.ZERO
            found = tape.gradient(result, values, output_gradients=upstream, unconnected_gradients=kind)
            return found if variables is None else (found, [None] * len(variables))

        return tf.identity(result), gradient

    return held(*inputs)
