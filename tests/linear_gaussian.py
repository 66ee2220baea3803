"""The linear-Gaussian model (probabilistic PCA), of which everything is known exactly: what several tests stand on.

    x = W z + b + sigma eps,    z ~ N(0, I)
    log p(x) = log N(x; b, W W^T + sigma^2 I)
    p(z | x) = N(z; M^-1 W^T (x - b), sigma^2 M^-1),   M = W^T W + sigma^2 I

With orthogonal columns of W the exact posterior is diagonal: a `DiagonalNormal` with `networks.mlp([])` holds it.
"""

import functools
import math

import numpy as np
import scipy.stats
from tiny import tiny_vae

import tfvae
from tfvae.core.conditional import SCALE_FLOOR

D, N = 2, 5  # latent and observed dimensions
SIGMA = 0.5
W = np.linalg.qr(np.random.RandomState(0).randn(N, D))[0] * [1.5, 0.8]  # orthogonal columns
B = np.random.RandomState(1).randn(N)
M = W.T @ W + SIGMA**2 * np.eye(D)


def data(rows: int, seed: int) -> np.ndarray:
    rng = np.random.RandomState(seed)
    return (rng.randn(rows, D) @ W.T + B + SIGMA * rng.randn(rows, N)).astype("float32")


def exact_log_prob(x: np.ndarray) -> np.ndarray:
    return scipy.stats.multivariate_normal(B, W @ W.T + SIGMA**2 * np.eye(N)).logpdf(x)


def linear_vae(**options) -> tfvae.VAE:
    likelihood = tfvae.likelihoods.Normal(N, network=tfvae.networks.mlp([]), **{"scale": SIGMA, **options})
    return tiny_vae(likelihood, latent=D, units=[], seed=0, compiled=False)


def inverse_softplus_scale(scale: np.ndarray) -> np.ndarray:
    return np.log(np.expm1(scale - SCALE_FLOOR)) - math.log(math.e - 1)


def set_exact(vae: tfvae.VAE, stretch: float = 1.0, shift: float = 0.0) -> tfvae.VAE:
    """Gives the model the true W and b, and the exact posterior, or one `stretch` times as wide and shifted."""
    encoder = np.linalg.inv(M) @ W.T
    scale = stretch * SIGMA * np.sqrt(np.diag(np.linalg.inv(M)))
    kernel = np.concatenate([encoder.T, np.zeros((N, D))], axis=1)
    bias = np.concatenate([-encoder @ B + shift, inverse_softplus_scale(scale)])
    vae.posterior.head.dense.set_weights([kernel, bias])
    vae.likelihood.head.dense.set_weights([W.T, B])
    return vae


COVARIANCE = W @ W.T + SIGMA**2 * np.eye(N)


@functools.cache
def wide_vae() -> tfvae.VAE:
    """Returns the true W and b under a posterior of scale 0.9 whose location follows x by halves, and the mask."""
    posterior = tfvae.posteriors.DiagonalNormal(D, network=tfvae.networks.mlp([]), given=("x", "mask"))
    likelihood = tfvae.likelihoods.Normal(N, network=tfvae.networks.mlp([]), scale=SIGMA)
    vae = tiny_vae(likelihood, posterior=posterior, compiled=False, scaling=tfvae.scaling.Identity())
    toward = np.concatenate([np.full([N, D], 0.02), 0.2 * W])  # the mask, then x
    kernel = np.concatenate([toward, np.zeros([2 * N, D])], axis=1)
    vae.posterior.head.dense.set_weights([kernel, np.append(np.zeros(D), inverse_softplus_scale(np.full(D, 0.9)))])
    vae.likelihood.head.dense.set_weights([W.T, B])
    return vae


def holes(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns x, x with NaN in 40 % of the cells, and the mask; nothing of row 0 and all of row 1 is observed."""
    x, mask = data(rows, seed), np.random.default_rng(seed).random([rows, N]) > 0.4
    mask[0], mask[1] = False, True
    return x, np.where(mask, x, np.nan), mask


def exact_imputation(x: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns log p(x_obs), and mean and standard deviation of each cell given x_obs: the formulas above."""
    log_prob, mean, stddev = np.zeros(len(x)), np.array(x, np.float64), np.zeros(x.shape)
    for row, (value, o) in enumerate(zip(x, mask, strict=True)):
        gain = COVARIANCE[~o][:, o] @ np.linalg.inv(COVARIANCE[o][:, o]) if o.any() else np.zeros([N, 0])
        log_prob[row] = scipy.stats.multivariate_normal(B[o], COVARIANCE[o][:, o]).logpdf(value[o]) if o.any() else 0
        mean[row, ~o] = B[~o] + gain @ (value[o] - B[o])
        stddev[row, ~o] = np.sqrt(np.diag(COVARIANCE[~o][:, ~o] - gain @ COVARIANCE[o][:, ~o]))
    return log_prob, mean, stddev
