"""Autoregressive transforms: the dimensions before i decide how dimension i moves.

InverseAutoregressive   z'_i = element(z_i; f(z_<i, c))         one pass forward, D back      Kingma et al. 2016
MaskedAutoregressive    its inverse map                         D passes forward, one back    Papamakarios et al. 2017
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfvae.core.errors import InvalidInput
from tfvae.core.types import Tree
from tfvae.flows.conditioner import Conditioner
from tfvae.flows.transforms import Conditioned


class _Autoregressive(Conditioned):
    """Both directions of z'_i = element(z_i; f(z_<i, c))."""

    def check_dim(self, latent_dim: int) -> None:
        """Raises `InvalidInput` if a hidden layer is too narrow to carry every dimension to those after it."""
        if min(self.units) < latent_dim:
            remedy = "A narrower layer would cut some dimensions off from others."
            raise InvalidInput(f"units of at least latent_dim={latent_dim}", f"units={list(self.units)}", remedy)

    def build(self, sizes: tuple[int, int]) -> None:
        """Creates the masked network for `sizes = (D, C)`; idempotent."""
        if not self.built:
            dim, context = sizes
            num_parameters = self.element.num_parameters
            self.conditioner = Conditioner(dim, dim, num_parameters, context, self.units, self.activation, True)

    def _parallel(self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        z, log_slope = self.element.forward(z, self.conditioner.apply(tensors, z, context))
        return z, tf.reduce_sum(log_slope, axis=-1)

    def _sequential(
        self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None, known: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The inverse of `_parallel`: the fixed point v = inverse element(z; f(v)), reached after D passes.

        The loop carries no gradient. By the implicit function theorem the gradient is that of one more pass at the
        solution, followed by a triangular solve with I - d pass / dv: no memory grows with D passes.
        """

        def step(v: tf.Tensor) -> tf.Tensor:
            return self.element.inverse(z, self.conditioner.apply(tensors, v, context))[0]

        if known is None:
            start = tf.zeros_like(z) if context is None else tf.zeros_like(z) + tf.zeros_like(context[..., :1])
            dim = z.shape[-1]
            loop = tf.while_loop(
                lambda i, v: i < dim,
                lambda i, v: (i + 1, step(v)),
                (0, tf.stop_gradient(start)),
                maximum_iterations=dim,
            )
            known = loop[1]
        solution = tf.stop_gradient(known)
        v = _implicit(step(solution), step, solution)
        return v, -self._parallel(v, tensors, context)[1]


def _implicit(value: tf.Tensor, step: Callable[[tf.Tensor], tf.Tensor], solution: tf.Tensor) -> tf.Tensor:
    """Returns `value`, the gradient of which is that of the fixed point v = step(v) at `solution`, `[..., D]`."""

    @tf.custom_gradient
    def identity(value: tf.Tensor) -> tuple:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(solution)
                stepped = step(solution)
                total = tf.reduce_sum(stepped, axis=list(range(stepped.shape.rank - 1)))
            zero = tf.UnconnectedGradients.ZERO  # of one dimension
            jacobian = tape.jacobian(total, solution, zero)  # [D, ..., D], strictly lower triangular
            order = [*range(1, jacobian.shape.rank - 1), 0, jacobian.shape.rank - 1]
            system = tf.eye(value.shape[-1]) - tf.transpose(jacobian, order)
            return tf.linalg.triangular_solve(system, upstream[..., tf.newaxis], lower=True, adjoint=True)[..., 0]

        return tf.identity(value), gradient

    return identity(value)


@keras.saving.register_keras_serializable(package="tfvae")
class InverseAutoregressive(_Autoregressive):
    """One pass from z to z', D passes back: for posteriors, which are sampled more than they are scored.

        z'_i = element(z_i; f(z_<i, c))

    Args:
        units: width of each hidden layer of the masked network f.
        element: `flows.Affine()` (the default) or `flows.Spline()`.
        activation: any Keras activation.

    Raises:
        InvalidInput: if `units` or `element` is of the wrong kind.

    Reference:
        Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling 2016, "Improved Variational Inference with Inverse
        Autoregressive Flow".
    """

    def forward(self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z' `[..., D]` and the log-determinant `[...]`."""
        return self._parallel(z, tensors, context)

    def inverse(
        self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None, known: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the preimage of z and the log-determinant of the inverse map, in D passes unless it is known."""
        return self._sequential(z, tensors, context, known)


@keras.saving.register_keras_serializable(package="tfvae")
class MaskedAutoregressive(_Autoregressive):
    """D passes from z to z', one pass back: for priors, which are scored more than they are sampled.

        z_i = element(z'_i; f(z'_<i, c))

    Args:
        units: width of each hidden layer of the masked network f.
        element: `flows.Affine()` (the default) or `flows.Spline()`.
        activation: any Keras activation.

    Raises:
        InvalidInput: if `units` or `element` is of the wrong kind.

    Reference:
        Papamakarios, Pavlakou and Murray 2017, "Masked Autoregressive Flow for Density Estimation", section 3.1.
    """

    def forward(self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z' `[..., D]` and the log-determinant `[...]`, in D passes."""
        return self._sequential(z, tensors, context)

    def inverse(
        self, z: tf.Tensor, tensors: Tree, context: tf.Tensor | None, known: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the preimage of z and the log-determinant of the inverse map."""
        return self._parallel(z, tensors, context)
