"""What the pictures of the latent space are made of: codes of examples, draws, decoded means, names of dimensions.

code = the z that stands for q(z | x)          draw ~ q(z | x)          decoded = mean of p(x | z)
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfvae.checks.data import event_batch
from tfvae.core import seeds
from tfvae.core.errors import InvalidInput
from tfvae.core.sets import REAL
from tfvae.core.types import Array, ArrayLike, Parameters
from tfvae.evaluation import latents
from tfvae.inference.rows import blocks, slices
from tfvae.plotting import canvas
from tfvae.scaling import Identity
from tfvae.vae import VAE

ROWS_PER_BLOCK = 1024


def examples(vae: VAE, x: ArrayLike) -> Array:
    """Returns raw x, `[B, ...]`; raises `InvalidInput` if it is empty or of a wrong shape."""
    x = event_batch(x, vae.event_shape)
    if len(x) == 0:
        raise InvalidInput("at least one example", "an empty x", "Pass data with one row or more.")
    return x


def codes(vae: VAE, x: ArrayLike) -> np.ndarray:
    """Returns the z that stands for each example, `[B, *latent]`."""
    return _finite([vae.posterior.center(parameters) for _, parameters in _parameters(vae, x)])


def draws(vae: VAE, x: ArrayLike, seed: int | None) -> np.ndarray:
    """Returns one draw from q(z | x) for each example, `[B, *latent]`: together, draws from q(z)."""
    seed, draw = seeds.as_seed(seed), vae.posterior.sample_and_log_prob
    return _finite([draw(parameters, 1, seeds.fold(seed, first))[0][0] for first, parameters in _parameters(vae, x)])


def prior_draws(vae: VAE, number: int, seed: int | None) -> np.ndarray:
    """Returns draws from p(z), `[number, *latent]`; in blocks, since a mixture draws from all its components."""
    seed = seeds.fold(seeds.as_seed(seed), seeds.PRIOR)
    blocks = [range(number)[part] for part in slices(number, ROWS_PER_BLOCK)]
    return np.concatenate([vae.prior().sample(len(rows), seed=seeds.fold(seed, rows[0])) for rows in blocks])


def decoded(vae: VAE, z: np.ndarray) -> np.ndarray:
    """Returns the mean (of labels, the mode) of p(x | z) on one scale, `[..., *event]`, for z `[..., *latent]`."""
    latent = vae.posterior.latent_shape
    rows = z.reshape(-1, *latent)
    events = [vae.likelihood.point(vae.decode(rows[part])) for part in slices(len(rows), ROWS_PER_BLOCK)]
    return one_scale(vae, np.concatenate(events).reshape(*z.shape[: z.ndim - len(latent)], *vae.event_shape))


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


def activity(vae: VAE, x: ArrayLike) -> tuple[np.ndarray, list[str]]:
    """Returns Var_x E[z_d], `[D]`, and for each dimension its KL in nats or, where that is unknown, this activity."""
    found = latents.unit_activity(latents.posterior_means(vae, x))
    kl = latents.kl_per_dimension(vae, x)
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


def _parameters(vae: VAE, x: ArrayLike) -> Iterator[tuple[int, Parameters]]:
    """Yields the first row of each block of examples and the parameters of its q(z | x)."""
    for block in blocks(vae, x, ROWS_PER_BLOCK, REAL, refuse_empty=True):
        yield block.first_row, vae.posterior.parameters(vae.context(block.known))


def _finite(parts: list[tf.Tensor]) -> np.ndarray:
    """Returns all rows of the codes of several blocks, `[B, ...]`; raises `InvalidInput` if they are not finite."""
    z = np.concatenate(parts)
    if not np.all(np.isfinite(z)):
        remedy = "The model's weights are damaged: train it again, with a lower learning rate."
        raise InvalidInput("a model with finite posterior means", f"{np.sum(~np.isfinite(z))} that are not", remedy)
    return z
