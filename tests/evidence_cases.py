"""Small evidence made by hand, for the tests of objectives."""

import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core.evidence import Evidence, Factor
from tfvae.distributions.kl import kl_per_dimension
from tfvae.distributions.normal import MultivariateNormalDiag

tfd = tfp.distributions


def evidence_of(posterior: tfd.Distribution, z: tf.Tensor, num_data: int | None = None, **options) -> Evidence:
    """Evidence of a posterior with batch shape [B] and its samples [S, B, D], with a likelihood of one."""
    prior = MultivariateNormalDiag(tf.zeros(z.shape[-1]), tf.ones(z.shape[-1]))
    kl = kl_per_dimension(posterior, prior)
    factor = {
        "q": posterior, "p": prior, "z": z, "log_q": posterior.log_prob(z), "log_p": prior.log_prob(z),
        "kl": tf.reduce_sum(kl, -1), "kl_per_dimension": kl,
    }  # fmt: skip
    factor |= {name: options.pop(name) for name in factor.keys() & options.keys()}
    values = {"log_likelihood": tf.zeros(z.shape[:2]), "seed": tf.constant([1, 2]), "num_data": num_data}
    return Evidence(factors={"z": Factor(**factor)}, **{**values, **options})


def changed(evidence: Evidence, **values) -> Evidence:
    """The evidence with other values of its latent's factor."""
    return dataclasses.replace(evidence, factors={"z": evidence.factors["z"]._replace(**values)})


def random_posterior(batch: int = 6, dimensions: int = 2, seed: int = 0) -> MultivariateNormalDiag:
    rng = np.random.RandomState(seed)
    loc, scale = rng.randn(batch, dimensions), 0.2 + 0.5 * rng.rand(batch, dimensions)
    return MultivariateNormalDiag(loc.astype("float32"), scale.astype("float32"))


def repeated(evidence: Evidence, counts: list[int], num_data: int | None) -> Evidence:
    """The evidence with each example as often as its count says, without weights."""
    rows = np.repeat(np.arange(len(counts)), counts)
    q = MultivariateNormalDiag(tf.gather(evidence.posterior.mean(), rows), tf.gather(evidence.posterior.stddev(), rows))
    return evidence_of(q, tf.gather(evidence.z, rows, axis=1), num_data)
