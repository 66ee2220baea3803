"""The codes of a model latent by latent: which one is meant, where q puts it, and what the prior says of it.

mean_f   = E q(z_f | x, center of those above)          center_f = the z_f that stands for q, given those above
prior_f  ~ p(z_f | c, those above in the prior), which are drawn first: draws of the marginal p(z_f | c)

A model of one latent has no name for it outside: there `latent` is left out. What `latent` means where it is left out
of several is said by each function: all of them side by side, or the one at the bottom of the prior.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfvae.core.chain import Chain
from tfvae.core.errors import InvalidInput
from tfvae.core.joint import roots
from tfvae.core.model import Model
from tfvae.core.observed import Known
from tfvae.core.types import Parameters, Seed, Tensor

SAMPLES_FOR_A_MEAN = 1000  # of a posterior without one: a unit that ignores x is seen at Var_q(z_d) / 1000


def chosen(vae: Model, latent: str | None) -> tuple[str, ...]:
    """Returns the names of the latents that are meant, where one left out means all.

    Raises:
        InvalidInput: for the name of none, with a list of those that there are.
    """
    names = vae.latents.names
    if latent is not None and latent not in names:
        expected = f"the name of a latent: {', '.join(names)}"
        raise InvalidInput(expected, f"latent={latent!r}", "Pass one of these, or leave latent out.")
    return names if latent is None else (latent,)


def one(vae: Model, latent: str | None) -> str:
    """Returns the name of the latent that is meant, where one left out means that at the bottom of the prior."""
    return chosen(vae, latent)[-1]


def explaining(vae: Model, latent: str | None) -> str:
    """Returns the same of those that the likelihood is given, since x does not change with the others alone.

    Raises:
        InvalidInput: for one that reaches x through others.
    """
    through = roots(vae.likelihood.given, vae.latents.through)
    names = [name for name in vae.latents.names if name in through]
    found = names[-1] if latent is None else one(vae, latent)
    if found not in names:
        received = f"{found}, which reaches x through others alone: with these held, x does not change"
        remedy = f'Pass latent="{names[-1]}", or give the likelihood {found}, too.'
        raise InvalidInput("a latent that the likelihood is given", received, remedy)
    return found


def at_centers(chain: Chain) -> dict[str, Parameters]:
    """Returns name to the parameters of q(z_f | x), `[B, ...]`, those above it at their centers."""
    context = chain.center() if len(chain.top) < len(chain.latents.posterior) else chain.context
    return {name: chain.top.get(name) or chain.parameters(name, context) for name in chain.latents.posterior}


def means(vae: Model, known: Known, seed: Seed) -> dict[str, Tensor]:
    """Returns name to E q(z_f | x), `[B, *latent]`, those above at their centers; without a closed form of samples.

    Args:
        vae: the model.
        known: of the examples, in normal form.
        seed: int32 pair, of 1000 such samples.
    """
    found, parameters = {}, at_centers(Chain(vae.latents, vae.context(known)))
    for name, part in vae.latents.posterior.items():
        q = part.distribution(**parameters[name])
        found[name] = q.mean() if part.has_mean else tf.reduce_mean(q.sample(SAMPLES_FOR_A_MEAN, seed=seed), axis=0)
    return found


def side_by_side(values: Mapping[str, Tensor], names: tuple[str, ...]) -> Tensor:
    """Returns the values of one latent as they are, `[B, *latent]`, of several as vectors, `[B, sum of sizes]`."""
    if len(names) == 1:
        return values[names[0]]
    return tf.concat([tf.reshape(values[name], [tf.shape(values[name])[0], -1]) for name in names], axis=-1)


def by_name(vae: Model, values: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Returns what `side_by_side` made of several, or of one, by name again, `[B, *latent]` each."""
    sizes = [int(np.prod(vae.latents.shapes[name])) for name in names]
    parts = np.split(np.asarray(values).reshape(len(values), -1), np.cumsum(sizes)[:-1], axis=1)
    return {name: part.reshape(-1, *vae.latents.shapes[name]) for name, part in zip(names, parts, strict=True)}


def prior_draws(vae: Model, number: int, seed: Seed, told: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns name to draws of its marginal prior, `[n, *latent]`, or `[n, B, *latent]` of one that is told conditions.

    Args:
        vae: the model.
        number: n.
        seed: int32 pair.
        told: conditions as parts see them, `[B, ...]`, or nothing.
    """
    rows = [len(next(iter(told.values())))] if told and vae.latents.told else []
    return vae.latents.sample_prior(vae.context({"condition": dict(told)}), number, rows, seed)
