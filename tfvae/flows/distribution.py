"""The distribution of a flow: a base moved by a chain of transforms.

z = f_K( ... f_1(z_0)),  z_0 ~ base          log q(z) = log base(z_0) - sum_k log |det dz_k/dz_{k-1}|
"""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core.types import ArrayLike
from tfvae.flows.transforms import Chain

tfd = tfp.distributions


class FlowDistribution(tfd.Distribution):
    """The distribution of `chain.forward(z_0)` for z_0 from `base`; a pure function of base, tensors and context.

    Args:
        base: a distribution over `[D]`.
        chain: the transforms.
        tensors: their weights, what `chain.tensors()` returns.
        context: features of x, `[..., C]` with base's batch shape, or `None`.
    """

    def __init__(
        self, base: tfd.Distribution, chain: Chain, tensors: list, context: tf.Tensor | None = None, name: str = "Flow"
    ) -> None:
        parameters = dict(locals())
        self.base, self.chain, self.tensors, self.context = base, chain, tensors, context
        super().__init__(
            dtype=base.dtype,
            reparameterization_type=base.reparameterization_type,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def sample_trail(self, sample_shape: ArrayLike, seed: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Returns z_0, ... z_K, each `[*sample, B, D]`, and log q(z_K), without inverting anything."""
        start, log_base = self.base.experimental_sample_and_log_prob(sample_shape, seed=seed)
        trail, log_det = self.chain.trail(start, self.tensors, self.context)
        return trail, log_base - log_det

    def log_prob_on_trail(self, trail: list[tf.Tensor]) -> tf.Tensor:
        """Returns log q at z_K; z_0 to z_{K-1} are known, so that only the gradient of the inverse is computed."""
        start, log_det = self.chain.inverse(trail[-1], self.tensors, self.context, trail[:-1])
        return self.base.log_prob(start) + log_det

    def _log_prob(self, z: tf.Tensor):
        start, log_det = self.chain.inverse(z, self.tensors, self.context)
        return self.base.log_prob(start) + log_det

    def _call_sample_n(self, sample_shape: tf.Tensor, seed: tf.Tensor, **kwargs: Any):
        start = self.base.sample(sample_shape, seed=seed)
        return self.chain.forward(start, self.tensors, self.context)[0]

    def _sample_and_log_prob(self, sample_shape: tf.Tensor, seed: tf.Tensor):
        trail, log_q = self.sample_trail(sample_shape, seed)
        return trail[-1], log_q

    def _event_shape(self):
        return self.base.event_shape

    def _event_shape_tensor(self):
        return self.base.event_shape_tensor()

    def _batch_shape(self):
        return self.base.batch_shape

    def _batch_shape_tensor(self):
        return self.base.batch_shape_tensor()
