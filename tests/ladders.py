"""Two-layer linear-Gaussian ladders, of which everything is known exactly.

    z2 ~ N(0, 1),    z1 = A z2 + a + S eps,    x = W z1 + b + sigma eps          log p(x): a normal of 4 dimensions
    topdown    q(z2 | x) q(z1 | x, z2)                       bottomup   q(z1 | x) q(z2 | z1)

Both posteriors can be the exact one, since the parts are linear: `FullNormal` for z1, `DiagonalNormal` for z2.
"""

import keras
import numpy as np
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from linear_gaussian import inverse_softplus_scale

import tfvae
from tfvae import likelihoods, networks, posteriors, priors

N, SIGMA = 4, 1.5
RNG = np.random.RandomState(3)
A, OFFSET, S = np.array([[1.2], [-0.7]]), np.array([0.3, -0.1]), np.array([0.5, 0.8])
W, B = RNG.randn(N, 2), RNG.randn(N)
MEAN = np.concatenate([[0.0], OFFSET, W @ OFFSET + B])  # of (z2, z1, x)
TO_Z = np.concatenate([np.eye(1), A])
COV_Z = TO_Z @ TO_Z.T + np.diag([0.0, *S**2])
TO_ALL = np.concatenate([np.eye(3), np.concatenate([np.zeros([N, 1]), W], axis=1)])
COVARIANCE = TO_ALL @ COV_Z @ TO_ALL.T + np.diag([0.0] * 3 + [SIGMA**2] * N)
Z2, Z1, X = [0], [1, 2], [3, 4, 5, 6]
ORDERS = ("topdown", "bottomup")


def data(rows: int, seed: int = 0) -> np.ndarray:
    normal = scipy.stats.multivariate_normal(MEAN[X], COVARIANCE[np.ix_(X, X)])
    return normal.rvs(rows, random_state=seed).astype("float32")


def exact_log_prob(x: np.ndarray) -> np.ndarray:
    return scipy.stats.multivariate_normal(MEAN[X], COVARIANCE[np.ix_(X, X)]).logpdf(x)


def given(some: list[int], known: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns kernel, bias and Cholesky factor of the normal distribution of some variables given others."""
    kernel = COVARIANCE[np.ix_(some, known)] @ np.linalg.inv(COVARIANCE[np.ix_(known, known)])
    covariance = COVARIANCE[np.ix_(some, some)] - kernel @ COVARIANCE[np.ix_(known, some)]
    return kernel, MEAN[some] - kernel @ MEAN[known], np.linalg.cholesky(covariance)


def set_linear(part, kernel: np.ndarray, bias: np.ndarray, factor: np.ndarray) -> None:
    """Gives a part without a network the distribution N(kernel v + bias, factor factor^T)."""
    if isinstance(part, posteriors.FullNormal):
        raw = np.tril(factor, -1) + np.diag(inverse_softplus_scale(np.diag(factor)))
        raw = tfp.math.fill_triangular_inverse(tf.constant(raw)).numpy()
    else:
        raw = inverse_softplus_scale(np.diag(factor))
    kernel = np.concatenate([kernel.T, np.zeros([kernel.shape[1], len(raw)])], axis=1)
    part.head.dense.set_weights([kernel, np.concatenate([bias, raw])])


def ladder(order: str, exact: bool = False, stretch: float = 1.0, shift: float = 0.0) -> tfvae.VAE:
    """Returns the true p, under the exact posterior, stretched and shifted, or small networks that share a feature."""
    keras.utils.set_random_seed(0)
    prior = tfvae.Joint(z2=priors.StandardNormal(1), z1=priors.DiagonalNormal(2, given="z2"))
    likelihood = likelihoods.Normal(N, given="z1", scale=SIGMA)
    if exact:
        parts, features = exact_parts(order), {}
    else:
        parts, features = free_parts(order)
    shared = {"features": features, "scaling": tfvae.scaling.Identity(), "seed": 0}
    vae = tfvae.VAE(tfvae.Joint(**parts), likelihood, prior, **shared)
    set_linear(vae.prior.parts["z1"], A, OFFSET, np.diag(S))
    vae.likelihood.head.dense.set_weights([W.T, B])
    known = {"topdown": {"z2": X, "z1": [*X, *Z2]}, "bottomup": {"z1": X, "z2": Z1}}[order] if exact else {}
    for name, variables in known.items():
        kernel, bias, factor = given({"z1": Z1, "z2": Z2}[name], variables)
        set_linear(parts[name], kernel, bias + shift, stretch * factor)
    for part in () if exact else parts.values():  # near the prior, where weights have moments
        part.head.dense.kernel.assign(0.3 * part.head.dense.kernel)
    return vae


def exact_parts(order: str) -> dict[str, posteriors.Posterior]:
    above = {"topdown": {"z2": "x", "z1": ("x", "z2")}, "bottomup": {"z1": "x", "z2": "z1"}}[order]
    kinds = {"z1": (posteriors.FullNormal, 2), "z2": (posteriors.DiagonalNormal, 1)}
    return {name: kinds[name][0](kinds[name][1], given=names) for name, names in above.items()}


def free_parts(order: str) -> tuple[dict[str, posteriors.Posterior], dict[str, tfvae.Feature]]:
    def net() -> keras.Model:
        return networks.mlp([3], activation="tanh")

    features = {"h": tfvae.Feature(net())}
    if order == "topdown":
        z1 = posteriors.PrecisionWeighted(2, net(), given=("h", "z2", "z1_prior"))
        return {"z1": z1, "z2": posteriors.DiagonalNormal(1, given="h")}, features
    z2 = posteriors.Flow(1, tfvae.flows.InverseAutoregressive([4]), network=net(), given=("z1", "h"))
    return {"z1": posteriors.DiagonalNormal(2, given="h"), "z2": z2}, features
