"""Flow prior: a simple prior moved by learned invertible maps.

z = f_K( ... f_1(z_0)),  z_0 ~ base        log p(z) = log base(z_0) - sum_k log |det df_k|
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras

from tfvae import flows
from tfvae.core import sets
from tfvae.core.errors import InvalidInput
from tfvae.core.types import BatchShape, Config, Given, Parameters, Shape
from tfvae.priors.base import Prior
from tfvae.priors.normal import StandardNormal

if TYPE_CHECKING:
    import tensorflow as tf

    from tfvae.posteriors import Posterior


@keras.saving.register_keras_serializable(package="tfvae", name="FlowPrior")
class Flow(Prior):
    """A base prior moved by a chain of transforms.

        z = f(z_0),  z_0 ~ base,    log p(z) = log base(z_0) - log |det df/dz_0|

    The density takes one pass through masked autoregressive transforms and one through couplings; a sample takes D
    passes through the former and one through the latter. The KL divergence is not known in closed form. The inverse of
    affine transforms can throw a single z far out: in long trainings at high rates clip gradients, as `recipes.strong`.

    Args:
        latent_dim: number of latent dimensions D.
        transform: a `tfvae.flows` transform or a list of them; by default four masked autoregressive ones.
        base: a prior of real vectors, perhaps one that is given a condition; by default `StandardNormal(latent_dim)`.

    Raises:
        InvalidInput: if `latent_dim` is not a whole number of at least 1, a transform needs more dimensions (a
            coupling two), or the base is of another size, another space, or a flow.

    Reference:
        Papamakarios, Pavlakou and Murray 2017 (MAF); Dinh, Sohl-Dickstein and Bengio 2017 (RealNVP); Durkan, Bekasov,
        Murray and Papamakarios 2019 (splines); Chen et al. 2017, "Variational Lossy Autoencoder" (as a prior).

    Example:
        >>> prior = Flow(4, flows.stack(flows.Coupling([32]), flows.Coupling([32])))
        >>> prior.build((None,))
        >>> prior(None).sample(5, seed=[0, 1]).shape
        TensorShape([5, 4])
    """

    has_mean = False

    def __init__(
        self,
        latent_dim: int,
        transform: flows.Transform | Sequence[flows.Transform] | None = None,
        base: Prior | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(latent_dim, **kwargs)
        units = 2 * [max(64, self.latent_dim)]
        default = flows.stack(*(flows.MaskedAutoregressive(units) for _ in range(4)))
        self.chain = flows.Chain(default if transform is None else transform)
        self.chain.check_dim(self.latent_dim)
        self.base = StandardNormal(latent_dim) if base is None else base
        remedy = f"Pass for example base=MixtureOfNormals({latent_dim}, num_components=10)."
        if not isinstance(self.base, Prior) or self.base.space != sets.REAL or isinstance(self.base, Flow):
            raise InvalidInput("base to be a prior of real vectors, other than a Flow", f"{base!r}", remedy)
        if self.base.latent_dim != self.latent_dim:
            raise InvalidInput(f"base with latent_dim={latent_dim}", f"{self.base.latent_dim}", remedy)
        self.given, self.reparameterized = self.base.given, self.base.reparameterized

    def bind(self, posterior: "Posterior", event_shape: tuple[int, ...]) -> None:
        """Hands the posterior on to the base."""
        self.base.bind(posterior, event_shape)

    def build(self, context_shape: BatchShape | Mapping[str, Shape]) -> None:
        """Creates the weights of base and transforms; idempotent."""
        self.base.build(context_shape)
        self.chain.build((self.latent_dim, 0))

    def adapt(self, x: "tf.Tensor", seed: int | None = None) -> None:
        """Hands training data on to the base."""
        self.base.adapt(x, seed)

    def parameters(self, context: Given = None, training: bool = False) -> Parameters:
        """Returns the base's parameters and the transforms' weights."""
        return {"base": self.base.parameters(context, training), "weights": self.chain.tensors()}

    @property
    def constants(self) -> tuple:
        """Those of the base."""
        return self.base.constants

    def at_step(self, parameters: Parameters, step: "tf.Tensor | None") -> Parameters:
        """Returns the parameters in a training step, as the base has them."""
        return {**parameters, "base": self.base.at_step(parameters["base"], step)}

    def distribution(self, base: Parameters, weights: list) -> flows.FlowDistribution:
        """Returns the distribution of the moved base."""
        return flows.FlowDistribution(self.base.distribution(**base), self.chain, weights)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.pop("given", None)  # the base's
        return {**config, "transform": self.chain, "base": self.base}
