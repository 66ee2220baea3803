"""Which parts go together: what `VAE` refuses when it is composed, with the reason.

kind      each part is what its place wants
latents   posterior and prior live on one space, of one size
"""

from typing import Any

import keras

from tfvae.core.errors import InvalidInput
from tfvae.posteriors import Posterior
from tfvae.priors import Prior


def check_kind(name: str, part: Any, kind: type) -> None:
    """Raises `InvalidInput` unless `part` is of the class that the argument `name` of `VAE` wants."""
    if not isinstance(part, kind):
        example = {
            "posterior": "tfvae.posteriors.DiagonalNormal(16)",
            "likelihood": "tfvae.likelihoods.Bernoulli((28, 28, 1))",
            "prior": "tfvae.priors.StandardNormal(16)",
            "preprocessing": "keras.layers.Rescaling(1 / 255)",
        }
        library = "Keras" if kind is keras.layers.Layer else "tfvae"
        raise InvalidInput(
            f"{name} to be a {library} {kind.__name__}", f"{part!r}", f"Pass for example {example[name]}."
        )


def check_latents(posterior: Posterior, prior: Prior) -> None:
    """Raises `InvalidInput` unless q(z | x) and p(z) are measured on the same space and are of one size."""
    posterior_name, prior_name = type(posterior).__name__, type(prior).__name__
    if prior.space != posterior.space:
        mixed = posterior.space.discrete != prior.space.discrete
        why = "A density and a mass function cannot be compared. " if mixed else ""
        raise InvalidInput(
            "posterior and prior on the same space",
            f"{posterior_name} on {posterior.space.description}, {prior_name} on {prior.space.description}",
            f"{why}Pass a prior of {posterior.space.description} (see tfvae.priors).",
        )
    if (prior.latent_dim, prior.latent_shape) != (posterior.latent_dim, posterior.latent_shape):
        sizes = [" x ".join(map(str, part.latent_shape)) for part in (posterior, prior)]
        raise InvalidInput(
            "posterior and prior of one latent_dim",
            f"posterior {sizes[0]}, prior {sizes[1]}",
            f"Pass prior={prior_name}({', '.join(map(str, posterior.latent_shape))}).",
        )


def refuse_reserved(condition: Any = None, mask: Any = None) -> None:
    """Raises `InvalidInput` for a condition or mask, which models do not have yet."""
    for name, value in (("condition", condition), ("mask", mask)):
        if value is not None:
            raise InvalidInput(f"{name}=None", f"a {name}", f"This model has no {name}: leave the argument out.")
