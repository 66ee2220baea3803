"""Independent distributions side by side, as the columns of a table.

Concatenated             log p(x) = sum_i log p_i(x_i)                over groups of columns, x = (x_1, x_2, ...)
"""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Concatenated(tfd.Distribution):
    """Independent distributions over groups of columns, together one over rows `[D]`.

    `tfd.Blockwise` does the same through a joint distribution; it lacks a mode, and does not take data `[B, D]` against
    parameters `[S, B, ...]`.

    Args:
        distributions: one for each group, of one batch shape, each over `[d_i]` with d_i known.
        name: of the distribution.
    """

    def __init__(self, distributions: Sequence[tfd.Distribution], name: str = "Concatenated") -> None:
        parameters = dict(locals())
        self.distributions = list(distributions)
        self.sizes = [part.event_shape[0] for part in self.distributions]
        kinds = {part.reparameterization_type for part in self.distributions}
        super().__init__(
            dtype=self.distributions[0].dtype,
            reparameterization_type=kinds.pop() if len(kinds) == 1 else tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: tf.DType, num_classes: int | None = None) -> dict:
        components = tfp.util.BatchedComponentProperties(event_ndims=lambda self: [0] * len(self.distributions))
        return {"distributions": components}

    def _event_shape(self):
        return tf.TensorShape([sum(self.sizes)])

    def _event_shape_tensor(self):
        return tf.constant([sum(self.sizes)])

    def _log_prob(self, x: tf.Tensor):
        columns = tf.split(x, self.sizes, axis=-1)
        return tf.add_n([part.log_prob(c) for part, c in zip(self.distributions, columns, strict=True)])

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None):
        streams = tfp.random.split_seed(seed, n=len(self.sizes))
        parts = zip(self.distributions, tf.unstack(streams), strict=True)
        return tf.concat([part.sample(n, seed=stream) for part, stream in parts], axis=-1)

    def _mean(self):
        return tf.concat([part.mean() for part in self.distributions], axis=-1)

    def _mode(self):
        return tf.concat([part.mode() for part in self.distributions], axis=-1)
