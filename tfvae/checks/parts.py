"""Which parts go together: what `VAE` refuses when it is composed, with the reason.

kind       each part is what its place wants
latents    posterior and prior live on one space, of one size
compiled   optimizer, objective and estimator are such, and nothing else is asked of `compile`
"""

from collections.abc import Iterable, Mapping

import keras

from tfvae.conditions import check_name
from tfvae.core import keras_private
from tfvae.core.errors import InvalidInput
from tfvae.core.joint import ALONE, Joint, parts_of
from tfvae.core.latent import Latent
from tfvae.estimators import Estimator
from tfvae.objectives import Objective
from tfvae.posteriors import Posterior

PREDICTABLE = tuple(  # Keras layers that give the same values in training as before it
    getattr(keras.layers, name)
    for name in ("InputLayer", "Rescaling", "Normalization", "Reshape", "Flatten", "Permute", "Cropping2D")
) + (keras.Sequential,)


def check_kind(name: str, part: object, kind: type, latent: str = "") -> None:
    """Raises `InvalidInput` unless `part` is of the class that the argument `name` of `VAE` wants, for one latent."""
    if not isinstance(part, kind):
        example = {
            "posterior": "tfvae.posteriors.DiagonalNormal(16)",
            "likelihood": "tfvae.likelihoods.Bernoulli((28, 28, 1))",
            "prior": "tfvae.priors.StandardNormal(16)",
            "preprocessing": "keras.layers.Rescaling(1 / 255)",
            "scaling": "tfvae.scaling.Identity()",
            "missingness": "tfvae.missingness.SelfMasking()",
        }
        library = "Keras" if kind is keras.layers.Layer else "tfvae"
        place = kind.__name__ if library == "Keras" else name.capitalize()
        what = f"{name} of {latent}" if latent else name
        raise InvalidInput(f"{what} to be a {library} {place}", f"{part!r}", f"Pass for example {example[name]}.")


def check_sides(posterior: object, prior: object) -> None:
    """Raises `InvalidInput` unless both are parts, or both a `Joint` of parts of the same latents."""
    for name, side, kind in (("posterior", posterior, Posterior), ("prior", prior, Latent)):
        for latent, part in side.parts.items() if isinstance(side, Joint) else {"": side}.items():
            if latent not in ("", ALONE):
                check_name(latent)
            check_kind(name, part, kind, latent)
    names = [sorted(side.parts) if isinstance(side, Joint) else None for side in (posterior, prior)]
    if names[0] != names[1]:
        sides = [f"a Joint of {', '.join(found)}" if found else "one part" for found in names]
        remedy = "Pass posterior=Joint(...) and prior=Joint(...) with the same names, or one part each."
        raise InvalidInput("posterior and prior of the same latents", f"{sides[0]} and {sides[1]}", remedy)


def check_latents(posterior: Posterior | Joint, prior: Latent | Joint) -> None:
    """Raises `InvalidInput` unless q and p of each latent are measured on the same space and are of one size."""
    others = parts_of(prior)
    for name, part in parts_of(posterior).items():
        _check_latent(part, others[name])


def _check_latent(posterior: Posterior, prior: Latent) -> None:
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


def check_compiled(
    optimizer: keras.optimizers.Optimizer | str, objective: object, estimator: object, refused: Mapping[str, object]
) -> keras.optimizers.Optimizer:
    """Returns the optimizer; raises `InvalidInput` for arguments of `compile` that a VAE cannot have."""
    if refused or not isinstance(objective, Objective):
        received = ", ".join(refused) or repr(objective)
        remedy = "The loss is the objective's negative: compile(optimizer, objective=tfvae.objectives.ELBO())."
        raise InvalidInput("compile(optimizer, objective=...) with an objective of tfvae", received, remedy)
    if not isinstance(estimator, Estimator):
        remedy = "Pass for example tfvae.estimators.DoublyReparameterized()."
        raise InvalidInput("an estimator of tfvae", f"{estimator!r}", remedy)
    optimizer = keras.optimizers.get(optimizer)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise InvalidInput("a Keras optimizer", f"{optimizer!r}", 'Pass for example "adam".')
    rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    if not 0 <= rate < float("inf"):
        raise InvalidInput("a learning rate that is finite and not negative", f"{rate:g}", "Try 1e-3 with Adam.")
    return optimizer


def keeps_values(layers: Iterable[keras.layers.Layer]) -> bool:
    """Tells whether preprocessing gives in training what it gave before, so that values need no second check."""
    inner = [layer for outer in layers for layer in keras_private.all_layers(outer)]
    return all(type(layer) in PREDICTABLE or type(layer).__module__.startswith("tfvae.") for layer in inner)
