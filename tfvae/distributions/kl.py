"""KL(q || p) in closed form, dimension by dimension where both factorise.

kl_per_dimension   KL(q_d || p_d),  d = 1 ... D        closed_form_kl   KL(q || p), where TFP has it registered
"""

import functools

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core.evidence import expected

tfd = tfp.distributions


@functools.singledispatch
def factors(distribution: tfd.Distribution) -> tfd.Distribution | None:
    """Returns the distribution of the independent dimensions, batch shape `[..., D]`, or `None` if they are coupled."""
    del distribution


@factors.register
def _(distribution: tfd.MultivariateNormalDiag) -> tfd.Distribution:
    return tfd.Normal(distribution.loc, distribution.parameters["scale_diag"])


@factors.register
def _(distribution: tfd.Independent) -> tfd.Distribution | None:
    return distribution.distribution if distribution.parameters["reinterpreted_batch_ndims"] == 1 else None


def factor_kl(
    q: tfd.Distribution, p: tfd.Distribution, log_mass: tf.Tensor | None = None
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """Returns KL(q || p), `[B]`, and that of each dimension, `[B, D]`; the mean over samples that parents have."""
    each = kl_per_dimension(q, p)
    total = closed_form_kl(q, p) if each is None else tf.reduce_sum(each, axis=-1)
    several = total is not None and total.shape.rank > 1
    if several:
        total, each = (None if value is None else expected(value, log_mass) for value in (total, each))
    return total, each


def kl_per_dimension(q: tfd.Distribution, p: tfd.Distribution) -> tf.Tensor | None:
    """Returns KL(q_d || p_d) in nats, `[B, D]`, where both factorise and TFP knows the closed form; else `None`."""
    q, p = factors(q), factors(p)
    return None if q is None or p is None else closed_form_kl(q, p)


def closed_form_kl(q: tfd.Distribution, p: tfd.Distribution) -> tf.Tensor | None:
    """Returns KL(q || p) in nats, of q's batch shape, where TFP has it registered; else `None`."""
    try:
        return tfd.kl_divergence(q, p)
    except NotImplementedError:
        return None
