"""What the pictures of the latent space are made of: codes of examples, draws, decoded means, names of dimensions.

code = the z that stands for q(z | x)          draw ~ q(z | x)          decoded = mean of p(x | z)

Examples are an `Observed` dict throughout; conditions, `told`, are raw and by name, empty where a model has none. Codes
of a model with a `Joint` are by name of the latent.
"""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from tfvae.checks.data import given
from tfvae.core import seeds
from tfvae.core.chain import Chain
from tfvae.core.errors import InvalidInput
from tfvae.core.joint import said
from tfvae.core.observed import Observed, num_rows
from tfvae.core.sets import REAL
from tfvae.core.types import Array, Given
from tfvae.evaluation import latents
from tfvae.evaluation.codes import at_centers, one
from tfvae.evaluation.codes import prior_draws as draws_of_prior
from tfvae.inference.rows import blocks, slices
from tfvae.plotting import canvas
from tfvae.scaling import Identity
from tfvae.vae import VAE

Told: TypeAlias = dict[str, Array]
Codes: TypeAlias = np.ndarray | dict[str, np.ndarray]  # z, of a `Joint` by name

ROWS_PER_BLOCK = 1024
ABOVE = 500  # draws of the latents above, over which the marginal density of one below is a mean


def examples(vae: VAE, x: Given) -> Observed:
    """Returns what is known of examples; raises `InvalidInput` if there are none, or of a wrong shape."""
    found = given(vae, x)
    if num_rows(found) == 0:
        raise InvalidInput("at least one example", "an empty x", "Pass data with one row or more.")
    return found


def some(observed: Observed, rows: slice | np.ndarray) -> Observed:
    """Returns some of the examples."""
    return tf.nest.map_structure(lambda part: np.asarray(part)[rows], observed)


def told(observed: Observed) -> Told:
    """Returns the conditions of examples, `[B, ...]` each."""
    return dict(observed.get("condition", {}))


def names(told: Told) -> list[str]:
    """Returns for each row of conditions what it is, where that is short: "y = 3"."""
    short = {name: np.asarray(v).reshape(len(v), -1) for name, v in told.items() if np.prod(v.shape[1:]) == 1}
    columns = [[f"{name} = {row[0]:g}" for row in values] for name, values in short.items()]
    return ["\n".join(row) for row in zip(*columns, strict=True)]


def codes(vae: VAE, x: Given) -> Codes:
    """Returns the z that stands for each example, `[B, *latent]`, each latent at the center given those above it."""
    centers = [chain.center() for _, chain in _chains(vae, x)]
    return vae.latents.outside({name: _finite([c[name] for c in centers]) for name in vae.latents.names})


def places(vae: VAE, x: Given, name: str) -> np.ndarray:
    """Returns where q(z_f | x) of a latent is, `[B, *latent]`: the code, or the probabilities of enumerated values."""
    part = vae.latents.posterior[name]
    if not part.enumerated:
        return vae.latents.named(codes(vae, x))[name]
    return _finite([part.distribution(**at_centers(chain)[name]).mean() for _, chain in _chains(vae, x)])


def draws(vae: VAE, x: Given, seed: int | None) -> Codes:
    """Returns one draw from q(z | x) for each example, `[B, *latent]`: together, draws from q(z)."""
    seed = seeds.as_seed(seed)
    drawn = [chain.sample(1, seeds.fold(seed, first)) for first, chain in _chains(vae, x)]
    return vae.latents.outside({name: _finite([z[name][0] for z in drawn]) for name in vae.latents.names})


def prior_draws(vae: VAE, number: int, seed: int | None, told: Told | None = None) -> Codes:
    """Returns draws from p(z), `[number, *latent]`, or as many from each p(z | c) of conditions c, `[B, ...]`.

    In blocks, since a mixture draws from all its components. Each latent follows its marginal: those above are drawn.
    """
    seed, encoded = seeds.fold(seeds.as_seed(seed), seeds.PRIOR), vae.encoded_conditions(told or {})
    conditions = len(next(iter(encoded.values()))) if encoded and vae.latents.told else 1
    each = -(-number // conditions)
    blocks = [range(each)[part] for part in slices(each, max(1, ROWS_PER_BLOCK // conditions))]
    drawn = [draws_of_prior(vae, len(rows), seeds.fold(seed, rows[0]), encoded) for rows in blocks]
    shapes = vae.latents.shapes.items()
    found = {name: np.concatenate([z[name] for z in drawn]).reshape(-1, *shape)[:number] for name, shape in shapes}
    return vae.latents.outside(found)


def log_prior(vae: VAE, z: np.ndarray, told: Told, latent: str | None = None) -> np.ndarray:
    """Returns the marginal log p(z_f), `[R]`, of one latent at z `[R, *latent]`, by default that at the bottom.

    log 1/B sum_c p(z_f | c) of a prior that is told conditions c, and likewise over draws of latents that it hangs on.
    """
    name, encoded = one(vae, latent), vae.encoded_conditions(told)
    part = vae.latents.prior[name]
    context = vae.context({"condition": encoded})
    if vae.latents.prior_above[name]:
        number = 1 if encoded and vae.latents.told else ABOVE  # of each condition one
        context = context.with_(**draws_of_prior(vae, number, seeds.as_seed(0), encoded))
    p = part.distribution(**context[said(name)])
    ways = p.batch_shape.rank
    log_p = p.log_prob(z.reshape(len(z), *[1] * ways, *z.shape[1:]))
    return tf.reduce_logsumexp(log_p, axis=[*range(1, 1 + ways)]).numpy() - np.log(p.batch_shape.num_elements())


def decoded(vae: VAE, z: Codes, told: Told | None = None) -> np.ndarray:
    """Returns the mean (of labels, the mode) of p(x | z) on one scale, `[..., *event]`, for z `[..., *latent]`.

    Conditions are one for all of z, or one for each entry of its first axis.
    """
    named, shapes, (first, *_) = vae.latents.named(z), vae.latents.shapes, vae.latents.names
    lead = named[first].shape[: named[first].ndim - len(shapes[first])]
    rows = {name: named[name].reshape(-1, *shape) for name, shape in shapes.items()}
    number = len(rows[first])
    told = {name: np.repeat(values, number // len(values), axis=0) for name, values in (told or {}).items()}
    events = []
    for part in slices(number, ROWS_PER_BLOCK):
        condition = {name: values[part] for name, values in told.items()}
        of_part = vae.latents.outside({name: values[part] for name, values in rows.items()})
        events.append(vae.likelihood.point(vae.decode(of_part, condition=condition or None)))
    return one_scale(vae, np.concatenate(events).reshape(*lead, *vae.event_shape))


def one_scale(vae: VAE, events: np.ndarray) -> np.ndarray:
    """Returns events, `[..., *event]`, in the posterior's units, so that columns have one scale; images stay."""
    if not _is_rescaled(vae):
        return events
    rows = events.reshape(-1, *vae.event_shape)
    return np.asarray(vae.scaling(rows.astype(np.float32))).reshape(events.shape)


def axis_of_values(vae: VAE) -> str:
    """Returns the name of an axis of such values."""
    return f"x ({type(vae.scaling).__name__})" if _is_rescaled(vae) else "x"


def _is_rescaled(vae: VAE) -> bool:
    """Says whether `one_scale` changes events: a map to one-hot vectors, for example, has other columns."""
    kept = tuple(vae.scaling.scaled_shape(vae.event_shape)) == tuple(vae.event_shape)
    return kept and not (canvas.is_image(vae.event_shape) or isinstance(vae.scaling, Identity))


def activity(vae: VAE, x: Given, name: str) -> tuple[np.ndarray, list[str]]:
    """Returns Var_x E[z_d], `[D]`, of a latent, and each dimension's KL in nats or, if that is unknown, activity."""
    found = latents.unit_activity(latents.posterior_means(vae, x, latent=name))
    kl = latents.kl_per_dimension(vae, x, latent=name)
    if kl is not None:
        return found, [f"KL {value:.2f} nats" for value in kl]
    return found, [f"Var E[z] {value:.2f}" for value in found]


def most_active(found: np.ndarray, limit: int) -> list[int]:
    """Returns at most `limit` dimensions, those of the largest activity, `[D]`, first."""
    return np.argsort(-np.nan_to_num(found), kind="stable")[:limit].tolist()


def principal_directions(z: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Returns the two directions of largest variance of z, `[B, D]`, as rows `[2, D]`, and what axes along them are."""
    z = z.astype(float) - z.mean(axis=0)
    _, variances, directions = np.linalg.svd(z.T @ z)
    shares = variances / max(variances.sum(), np.finfo(float).tiny)
    names = [f"principal component {i + 1} ({shares[i]:.0%} of the variance)" for i in range(2)]
    return directions[:2], names


def _chains(vae: VAE, x: Given) -> Iterator[tuple[int, Chain]]:
    """Yields the first row of each block of examples, and its q(z | x)."""
    for block in blocks(vae, x, ROWS_PER_BLOCK, REAL, refuse_empty=True):
        yield block.first_row, Chain(vae.latents, vae.context(block.known))


def _finite(parts: list[tf.Tensor]) -> np.ndarray:
    """Returns all rows of the codes of several blocks, `[B, ...]`; raises `InvalidInput` if they are not finite."""
    z = np.concatenate(parts)
    if not np.all(np.isfinite(z)):
        remedy = "The model's weights are damaged: train it again, with a lower learning rate."
        raise InvalidInput("a model with finite posterior means", f"{np.sum(~np.isfinite(z))} that are not", remedy)
    return z
