"""Flow posterior: a simple posterior moved by invertible maps that see features of x.

z = f_K( ... f_1(z_0; c(x)) ... ; c(x)),   z_0 ~ base(z_0 | x)
log q(z | x) = log base(z_0 | x) - sum_k log |det df_k|
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfvae import flows
from tfvae.core import sets
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.types import BatchShape, Config, Parameters, Shape
from tfvae.posteriors.base import Posterior, Sampled
from tfvae.posteriors.normal import DiagonalNormal

BASE = "base_"


@keras.saving.register_keras_serializable(package="tfvae", name="FlowPosterior")
class Flow(Posterior):
    """A base posterior moved by a chain of transforms, all conditioned on x.

        z = f(z_0; c(x)),  z_0 ~ base(z_0 | x),    log q(z | x) = log base(z_0 | x) - log |det df/dz_0|

    One network reads x; one head makes the base's parameters and the features c(x). Samples and their density take one
    pass. The density of any other z takes the inverse: one pass through couplings, D passes through inverse
    autoregressive transforms. Of a sample the inverse is known, and only a triangular system is solved for a gradient.

    Args:
        latent_dim: number of latent dimensions D.
        transform: a `tfvae.flows` transform or a list of them; by default two inverse autoregressive ones.
        base: a posterior of real vectors without a network of its own; by default `DiagonalNormal(latent_dim)`.
        context_dim: number of features c(x) that the transforms see.
        network: Keras model from x, `[B, ...]`, to features; `None` uses x itself.

    Raises:
        InvalidInput: if a size is not a whole number of at least 1, a transform needs more dimensions (a coupling
            two), or the base is of another size, another space, a flow, or has a network.

    Reference:
        Rezende and Mohamed 2015, "Variational Inference with Normalizing Flows"; Kingma et al. 2016 (IAF); Vaitl,
        Nicoli, Nakajima and Kessel 2022 (path gradients).

    Example:
        >>> posterior = Flow(4, flows.stack(flows.Coupling([32]), flows.Coupling([32])))
        >>> posterior(tf.zeros([3, 5])).sample(seed=[0, 1]).shape
        TensorShape([3, 4])
    """

    has_mean = False

    def __init__(
        self,
        latent_dim: int,
        transform: flows.Transform | Sequence[flows.Transform] | None = None,
        base: Posterior | None = None,
        context_dim: int = 32,
        network: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(latent_dim, network=network, **kwargs)
        units = 2 * [max(64, self.latent_dim)]
        default = flows.stack(*(flows.InverseAutoregressive(units) for _ in range(2)))
        self.chain = flows.Chain(default if transform is None else transform)
        self.chain.check_dim(self.latent_dim)
        self.base = DiagonalNormal(latent_dim) if base is None else base
        self.context_dim = positive_integer("context_dim", context_dim)
        self._check_base()

    def _check_base(self) -> None:
        base, remedy = self.base, f"Pass for example base=FullNormal({self.latent_dim})."
        if not isinstance(base, Posterior) or base.space != sets.REAL or isinstance(base, Flow):
            raise InvalidInput("base to be a posterior of real vectors, other than a Flow", f"{base!r}", remedy)
        if base.latent_dim != self.latent_dim:
            raise InvalidInput(f"base with latent_dim={self.latent_dim}", f"{base.latent_dim}", remedy)
        if base.network is not None:
            raise InvalidInput("base without a network", f"{base.network!r}", "Give the network to the Flow.")

    def build(self, context_shape: BatchShape | Mapping[str, Shape]) -> None:
        """Creates the weights of network, head and transforms; idempotent."""
        self.chain.build((self.latent_dim, self.context_dim))
        super().build(context_shape)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the base's raw parameters and of the features."""
        base = {BASE + name: shape for name, shape in self.base.head_shapes().items()}
        return {**base, "context": (self.context_dim,)}

    def constrain(self, context: tf.Tensor, **raw: tf.Tensor) -> Parameters:
        """Returns the base's parameters, the features `[..., C]` and the transforms' weights."""
        base = self.base.constrain(**{name.removeprefix(BASE): value for name, value in raw.items()})
        return {"base": base, "context": context, "weights": self.chain.tensors()}

    @property
    def constants(self) -> tuple:
        """Those of the base."""
        return self.base.constants

    def at_step(self, parameters: Parameters, step: tf.Tensor | None) -> Parameters:
        """Returns the parameters in a training step, as the base has them."""
        return {**parameters, "base": self.base.at_step(parameters["base"], step)}

    def scales(self, parameters: Parameters) -> dict[str, tf.Tensor]:
        """Returns those of the base."""
        return self.base.scales(parameters["base"])

    def distribution(self, base: dict[str, tf.Tensor], context: tf.Tensor, weights: list) -> flows.FlowDistribution:
        """Returns the distribution of the moved base."""
        return flows.FlowDistribution(self.base.distribution(**base), self.chain, weights, context)

    def sample_and_log_prob(
        self, parameters: Parameters, num_samples: int | tf.Tensor | None, seed: tf.Tensor
    ) -> Sampled:
        """Returns z `[S, B, D]`, log q(z | x) `[S, B]` and the way from the base to z."""
        shape = () if num_samples is None else num_samples
        (*trail, z), log_q = self.distribution(**parameters).sample_trail(shape, seed)
        return Sampled(z, log_q, tuple(trail))

    def held_log_q(self, parameters: Parameters, z: tf.Tensor, trail: tuple) -> tf.Tensor:
        """Returns log q(z | x), `[S, B]`; the inverse of a sample is known and not searched for."""
        return self.distribution(**parameters).log_prob_on_trail([*trail, z])

    def center(self, parameters: Parameters) -> tf.Tensor:
        """Returns the base's center, moved by the transforms, `[B, D]`: the mean of a flow is not known."""
        base = self.base.center(parameters["base"])
        return self.chain.forward(base, parameters["weights"], parameters["context"])[0]

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "transform": self.chain, "base": self.base, "context_dim": self.context_dim}
