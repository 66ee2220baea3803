"""The chain of a batch: z is drawn latent by latent, each given those above it, and evaluated again where it was drawn.

    z_f ~ q(z_f | x, parents),    log q(z | x) = sum_f log q(z_f | x, parents)
    held: log q as a function of z alone, the weights of q being constants       Roeder et al. 2017, Tucker et al. 2019

Networks that draw see z as it was drawn; densities see it where the estimator puts it, behind the gate of a gradient.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import seeds
from tfvae.core.context import Context
from tfvae.core.evidence import Gate, total
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
    """

    parameters: Parameters
    q: tfp.distributions.Distribution
    z: Tensor
    log_q: Tensor
    trail: tuple

    def as_constant(self) -> "Drawn":
        """Returns the same with z a constant for all that comes after it, and log q that of this constant."""
        z = tf.stop_gradient(self.z)
        return self._replace(z=z, log_q=with_gradient_of(self.log_q, self.q.log_prob(z)))


class Draws(NamedTuple):
    """S draws of all latents, and what parts are given: of the examples, and z as densities see it.

    Attributes:
        of: name to draws.
        context: with z.
    """

    of: dict[str, Drawn]
    context: Context

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
    """

    def __init__(
        self,
        latents: "Latents",
        context: Context,
        training: bool = False,
        step: Tensor | None = None,
        parameters: Callable[[str, Context], Parameters] | None = None,
    ) -> None:
        self.latents, self.context = latents, context

        def amortised(name: str, context: Context) -> Parameters:
            part = latents.posterior[name]
            return part.at_step(part.parameters(context, training), step)

        self.parameters = amortised if parameters is None else parameters
        top = [name for name in latents.posterior if not latents.above[name]]
        self.top = {name: self.parameters(name, context) for name in top}

    def draw(self, num_samples: int | Tensor, seed: Seed, stop: bool = False) -> Draws:
        """Returns S draws of each latent.

        Args:
            num_samples: S.
            seed: int32 pair; each of several latents has a stream of its own.
            stop: z is a constant for all that comes after it, and log q is that of this constant.
        """
        context, found = self.context, {}
        for index, (name, part) in enumerate(self.latents.posterior.items()):
            own = self.top[name] if name in self.top else self.parameters(name, context)
            number, stream = num_samples if name in self.top else None, self.stream(seed, index)
            drawn = Drawn(own, part.distribution(**own), *part.sample_and_log_prob(own, number, stream))
            found[name] = drawn.as_constant() if stop else drawn
            context = context.with_(**{name: found[name].z})
        return Draws(found, context)

    def stream(self, seed: Seed, index: int) -> Seed:
        """Returns the seed of one latent: of a model of bare parts the seed itself."""
        return seed if self.latents.bare else seeds.fold(seed, index)

    def behind(self, gate: Gate, draws: Draws) -> Draws:
        """Returns the draws with z where a gate scales the gradients that come back to it; networks draw before it."""
        found = {name: drawn._replace(z=gate(drawn.z)) for name, drawn in draws.of.items()}
        return Draws(found, self.context.with_(**{name: drawn.z for name, drawn in found.items()}))

    def held(self, draws: Draws) -> Draws:
        """Returns the draws with log q a function of z alone: the weights of q are constants, the values the same."""
        found: dict[str, Drawn] = {}
        for name, drawn in draws.of.items():
            above = {other: found[other].z for other in found}
            held = self.held_log_q(name, drawn, above)
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
