"""Small models of M2's kind, and what their bounds are when the sum over labels is taken by hand."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import likelihoods, networks, posteriors, priors

tfd = tfp.distributions
K, D, N = 4, 2, 6
LABELS = np.array([-1, -1, 0, 1, 2, 3, -1], np.int32)
X = (np.random.default_rng(0).random((len(LABELS), N)) < 0.5).astype("float32")


def m2(order: str = "label first", seed: int = 0) -> tfvae.VAE:
    """Returns q(y | x) q(z | x, y), or with the label last q(z | x) q(y | x, z), against p(x | y, z) p(y) p(z)."""
    keras.utils.set_random_seed(seed)
    first = order == "label first"
    y = posteriors.Categorical(1, K, networks.mlp([5]), enumerated=True, given=("x",) if first else ("x", "z"))
    z = posteriors.DiagonalNormal(D, networks.mlp([5], "tanh"), given=("x", "y") if first else ("x",))
    return tfvae.VAE(
        posterior=tfvae.Joint(y=y, z=z),
        likelihood=likelihoods.Bernoulli((N,), networks.mlp([5], "tanh"), given=("y", "z")),
        prior=tfvae.Joint(y=priors.Categorical(1, K), z=priors.StandardNormal(D)),
        seed=0,
    )


def by_hand(vae: tfvae.VAE, noise: np.ndarray, draws: int) -> dict[str, tf.Tensor]:
    """Returns log q(y | x), `[B, K]`, log w without it, `[draws, K, B]`, and the parts of the ELBO, of noise of z.

    Written from the equations, a label at a time: p(x, y, z) = p(x | y, z) p(y) p(z), z = loc(x, y) + scale(x, y) eps.
    """
    parts = vae.posterior.parts
    log_q_y = tf.nn.log_softmax(parts["y"].parameters(X)["logits"][:, 0])
    log_p_y = tf.nn.log_softmax(vae.prior.parts["y"].parameters()["logits"][0])
    weights, distortions, rates = [], [], []
    for k in range(K):
        y = np.tile(np.eye(K, dtype="float32")[k], (len(X), 1, 1))
        q = parts["z"].parameters({"x": tf.constant(X), "y": tf.constant(y)})
        normal = tfd.Independent(tfd.Normal(q["loc"], q["scale"]), 1)
        z = q["loc"] + q["scale"] * noise.reshape(draws, K, *noise.shape[1:])[:, k]
        logits = [vae.likelihood.parameters({"y": tf.constant(y), "z": z[s]})["logits"] for s in range(draws)]
        log_likelihood = tf.reduce_sum(tfd.Bernoulli(logits=tf.stack(logits)).log_prob(X), axis=-1)
        p = tfd.Independent(tfd.Normal(tf.zeros(D), 1.0), 1)
        weights.append(log_likelihood + p.log_prob(z) - normal.log_prob(z) + log_p_y[k])
        distortions.append(-tf.reduce_mean(log_likelihood, axis=0))
        rates.append(normal.kl_divergence(p) - log_p_y[k])
    return {
        "log_q_y": log_q_y,
        "log_w": tf.stack(weights, axis=1),
        "elbo_k": -tf.stack(distortions, 1) - tf.stack(rates, 1),
    }


def over_labels(values: tf.Tensor, log_q_y: tf.Tensor, labels: np.ndarray) -> tf.Tensor:
    """Returns sum_k q(y_k | x) values_k, `[B]`, of `[B, K]`; of a row with a label that of the label alone."""
    known = np.eye(K, dtype="float32")[np.maximum(labels, 0)]
    mass = tf.where((labels >= 0)[:, np.newaxis], known, tf.exp(log_q_y))
    return tf.reduce_sum(mass * values, axis=1)


def log_over_labels(log_values: tf.Tensor, log_q_y: tf.Tensor, labels: np.ndarray) -> tf.Tensor:
    """Returns log sum_k q(y_k | x) exp values_k, `[..., B]`, of `[..., K, B]`; likewise."""
    rows = []
    for b, label in enumerate(labels):
        both = log_values[..., :, b] + log_q_y[b]
        rows.append(tf.reduce_logsumexp(both, axis=-1) if label < 0 else log_values[..., label, b])
    return tf.stack(rows, axis=-1)
