"""What recipes share: the parts that a paper leaves alone, and the table of recipes.

A recipe is a function of at most about ten lines that returns a composed VAE, compiled and ready to fit. It names only
what makes the paper; `composed` has the rest. What data a recipe wants is its likelihood's support: `vae.support`.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, get_args, get_type_hints

import keras

from tfvae import conditions, estimators, likelihoods, networks, objectives, posteriors, priors, scales, schedules
from tfvae.core.errors import InvalidInput
from tfvae.core.feature import Feature
from tfvae.core.joint import Joint
from tfvae.estimators import Estimator
from tfvae.missingness import Missingness
from tfvae.vae import VAE
from tfvae.warps import straight

Recipe = Callable[..., VAE]
Shape = int | tuple[int, ...]
RECIPES: dict[str, Recipe] = {}


class Common(TypedDict, total=False):
    """The arguments that every recipe takes.

    Attributes:
        latent_dim: number of latent dimensions D, 16 by default.
        condition: what is known beside x, which encoder and decoder are told: `conditions.Labels(K)`, a shape, or name
            to one of these.
        missing: whether cells are missing, so that the encoder sees the mask beside x; `False` by default.
        encoder: Keras model from x, `[B, ...]`, to features; by default `networks.mlp([200, 200])`. Both get a dict of
            tensors by name where there is a condition, the encoder where cells are missing, too, the decoder where
            there are several latents.
        decoder: Keras model from z, `[B, D]`, to features; by default `networks.mlp([200, 200])`.
        learning_rate: Adam's, a number or a Keras schedule (`schedules.warmup_cosine`); 1e-3 by default.
        preprocessing: Keras layers applied to raw x inside the model.
        seed: of all training noise; initial weights follow `keras.utils.set_random_seed`.
        jit_compile: compile the steps with XLA; Keras' "auto" by default.
    """

    latent_dim: int
    condition: conditions.Declared
    missing: bool
    encoder: keras.layers.Layer | None
    decoder: keras.layers.Layer | None
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    preprocessing: Sequence[keras.layers.Layer]
    seed: int | None
    jit_compile: bool | str


class AnyLikelihood(Common, total=False):
    """The arguments of a recipe that leaves the likelihood open.

    Attributes:
        likelihood: makes p(x | z) from the event's shape and `network=`, such as a class; `likelihoods.Bernoulli` by
            default.
    """

    likelihood: Callable[..., likelihoods.Likelihood]


class AnyObjective(Common, total=False):
    """The arguments of a recipe that leaves the objective open.

    Attributes:
        objective: to maximise; by default the ELBO.
    """

    objective: objectives.Objective | None


class AnyBoth(AnyLikelihood, AnyObjective, total=False):
    """The arguments of a recipe that leaves likelihood and objective open."""


def recipe(function: Recipe) -> Recipe:
    """Puts a function in the table, under its name with dashes, and returns it."""
    RECIPES[function.__name__.replace("_", "-")] = function
    return function


def composed(
    event_shape: Shape,
    *,
    posterior: Callable[..., posteriors.Posterior | Joint] = posteriors.DiagonalNormal,
    prior: Callable[[int], priors.Prior | Joint] = priors.StandardNormal,
    likelihood: Callable[..., likelihoods.Likelihood] = likelihoods.Bernoulli,
    features: Callable[..., Mapping[str, Feature]] | None = None,
    below: Sequence[str] = ("z",),
    objective: objectives.Objective | None = None,
    estimator: Estimator | None = None,
    latent_dim: int = 16,
    condition: conditions.Declared = None,
    missing: bool = False,
    missingness: Missingness | None = None,
    encoder: keras.layers.Layer | None = None,
    decoder: keras.layers.Layer | None = None,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    clip_norm: float | None = None,
    preprocessing: Sequence[keras.layers.Layer] = (),
    seed: int | None = None,
    jit_compile: bool | str = "auto",
) -> VAE:
    """Returns a compiled VAE of the parts that a paper is about and of plain ones for the rest.

    Args:
        event_shape: shape of one example.
        posterior: makes q(z | x) from `latent_dim` and `network=`; with a condition or a mask from `given=` as well.
        prior: makes p(z) from `latent_dim`.
        likelihood: makes p(x | z) from `event_shape` and `network=`; with a condition from `given=` as well.
        features: makes what several parts share from the encoder, `network=`, and what it is told, `given=`.
        below: what p(x | z) is given of several latents and features.
        objective: to maximise; by default the ELBO.
        estimator: of its gradient; by default pathwise.
        latent_dim: number of latent dimensions D.
        condition: see `Common`.
        missing: likewise.
        missingness: why cells are missing, if it is their own value.
        encoder: see `Common`, as all that follow.
        decoder: likewise.
        learning_rate: likewise.
        clip_norm: longest gradient of a step, over all weights, if there is one.
        preprocessing: likewise.
        seed: likewise.
        jit_compile: likewise.

    Raises:
        InvalidInput: for a part where what makes one is wanted, and from the parts, for sizes and numbers that they
            cannot have.
    """
    _check_makers(posterior=posterior, prior=prior, likelihood=likelihood)
    told = tuple(conditions.declared(condition))
    seen = ("mask", *told) if missing else told
    encoder, decoder = (networks.mlp([200, 200]) if given is None else given for given in (encoder, decoder))
    shown = (*below, *told)
    vae = VAE(
        posterior=posterior(latent_dim, network=encoder, **({"given": ("x", *seen)} if seen else {})),
        likelihood=likelihood(event_shape, network=decoder, **({"given": shown} if shown != ("z",) else {})),
        prior=prior(latent_dim),
        features=None if features is None else features(network=encoder, given=("x", *seen)),
        preprocessing=preprocessing,
        condition=condition,
        missingness=missingness,
        seed=seed,
    )
    optimizer = keras.optimizers.Adam(learning_rate, global_clipnorm=clip_norm)
    vae.compile(optimizer=optimizer, objective=objective, estimator=estimator, jit_compile=jit_compile)
    return vae


def _check_makers(**makers: Any) -> None:
    """Refuses a word or a part, where a class or another function that makes the part is wanted."""
    for name, maker in makers.items():
        if callable(maker) and not isinstance(maker, keras.layers.Layer):
            continue
        kinds = {"posterior": posteriors, "prior": priors, "likelihood": likelihoods}[name]
        word = "".join(filter(str.isalnum, maker if isinstance(maker, str) else type(maker).__name__)).lower()
        found = next((kind for kind in kinds.__all__ if kind.lower() == word), composed.__kwdefaults__[name].__name__)
        remedy = f"Pass {name}=tfvae.{kinds.__name__.rpartition('.')[2]}.{found}; functools.partial gives it arguments."
        received = repr(maker) if isinstance(maker, str) else f"a {type(maker).__name__}"
        raise InvalidInput(f"{name} to be a class, or another function that makes one", received, remedy)


def of_columns(
    columns: Sequence[likelihoods.Likelihood] | None, plain: Callable[..., likelihoods.Likelihood] = likelihoods.Normal
) -> Callable[..., likelihoods.Likelihood]:
    """Returns what makes the likelihood of a table, of plain columns with a scale each where none are named."""
    if columns is None:
        return functools.partial(plain, scale=scales.PerDimension())
    return lambda _, **parts: likelihoods.Columns(columns, **parts)


def bound_of(num_samples: int) -> dict[str, Any]:
    """Returns the importance-weighted bound of a table and the estimator of its gradient."""
    return {"objective": objectives.IWAE(num_samples), "estimator": estimators.DoublyReparameterized()}


def unwarped(
    columns: Sequence[likelihoods.Likelihood] | None, plain: Callable[..., likelihoods.Likelihood]
) -> list[likelihoods.Likelihood] | None:
    """Returns columns with plain ones, a scale each, in place of those that are warped: x in units of its spread.

    The density is the one that they have in x's own units; Adam, whose steps are of one size, sees columns of one size.
    """
    return columns and [
        likelihoods.Warped(plain(part.event_shape, scale=scales.PerDimension()), straight(part.warp, *part.event_shape))
        if isinstance(part, likelihoods.Warped)
        else part
        for part in columns
    ]


def arguments(recipe: Recipe) -> dict[str, object]:
    """Returns what a recipe takes beside the event's shape, name to default, as its signature says.

    Example:
        >>> {"num_samples", "likelihood", "seed"} <= arguments(RECIPES["iwae"]).keys()
        True
    """
    own = dict(inspect.signature(recipe).parameters)
    (rest,) = get_args(own.pop("common").annotation)
    every = inspect.signature(composed).parameters
    taken = {**own, **{name: own.get(name, every[name]) for name in get_type_hints(rest)}}
    return {name: parameter.default for name, parameter in taken.items() if name != "event_shape"}


def warmed_up(num_steps: int, beta: float = 1.0, share: float = 0.1, **more: Any) -> objectives.ELBO:
    """Returns the ELBO whose rate costs nothing at first and its full weight from that share of `num_steps` on."""
    return objectives.ELBO(beta=schedules.LinearWarmup(steps=math.ceil(num_steps * share), end=beta), **more)
