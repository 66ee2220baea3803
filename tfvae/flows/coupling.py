"""Couplings: one half of z stays and decides how the other half moves.

z'_A = z_A,    z'_B = element(z_B; f(z_A, c))                    one pass both ways
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfvae.core.types import Tree
from tfvae.flows.conditioner import Conditioner
from tfvae.flows.transforms import Conditioned


@keras.saving.register_keras_serializable(package="tfvae")
class Coupling(Conditioned):
    """The first half of z stays and decides how the second half moves; both directions take one pass.

        z'_A = z_A,    z'_B = element(z_B; f(z_A, c))

    With `flows.Affine()` this is RealNVP, with `flows.Spline()` a neural spline coupling.

    Args:
        units: width of each hidden layer of the network f.
        element: `flows.Affine()` (the default) or `flows.Spline()`.
        activation: any Keras activation.

    Raises:
        InvalidInput: if `units` or `element` is of the wrong kind.

    Reference:
        Dinh, Sohl-Dickstein and Bengio 2017, "Density Estimation using Real NVP"; Durkan et al. 2019 (splines).
    """

    min_dim = 2

    def build(self, sizes: tuple[int, int]) -> None:
        """Creates the network for `sizes = (D, C)`; idempotent."""
        if not self.built:
            dim, context = sizes
            kept, num_parameters = dim // 2, self.element.num_parameters
            self.conditioner = Conditioner(
                kept, dim - kept, num_parameters, context, self.units, self.activation, False
            )

    def forward(self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z' `[..., D]` and the log-determinant `[...]`."""
        return self._moved(self.element.forward, z, tensors, context)

    def inverse(
        self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None, known: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the preimage of z and the log-determinant of the inverse map."""
        return self._moved(self.element.inverse, z, tensors, context)

    def _moved(self, element: Callable, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None) -> tuple:
        kept, moved = tf.split(z, [z.shape[-1] // 2, -1], axis=-1)
        moved, log_slope = element(moved, self.conditioner.apply(tensors, kept, context))
        kept = kept + tf.zeros_like(moved[..., :1])  # the features may have more leading dimensions than z
        return tf.concat([kept, moved], axis=-1), tf.reduce_sum(log_slope, axis=-1)
