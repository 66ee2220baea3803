"""Conditioners: the networks inside a flow, from z (and features of x) to the parameters of an elementwise map.

    a_1 = z (K_1 * M_1) + c K_c + b_1,   a_{l+1} = act(a_l) (K_{l+1} * M_{l+1}) + b_{l+1}       z [..., I], c [..., C]
    parameters of output i [P] = row i of the last a, [..., O, P]

Masked autoregressive (MADE, Germain et al. 2015): hidden unit h has a degree d(h) in 0..D-1, M_1 lets it see z_1 to
z_d(h), later masks let it see degrees up to its own, and output i sees degrees below i: the parameters of dimension i
depend on z_<i and c only. Unmasked: an ordinary network, for couplings. It is applied to tensors, not to its own
variables: a flow's distribution is a pure function of its parameters.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfvae.core.types import Tree


class Conditioner(keras.layers.Layer):
    """A dense network whose weights are handed out as tensors and taken back to be applied.

    Args:
        inputs: size I of z.
        outputs: size O: for how many dimensions parameters are made.
        num_parameters: parameters P for each of them.
        context: size C of the features, 0 for none.
        units: width of each hidden layer.
        activation: any Keras activation.
        autoregressive: whether output i may depend on z_<i only.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        num_parameters: int,
        context: int,
        units: Sequence[int],
        activation: Callable,
        autoregressive: bool,
    ) -> None:
        super().__init__(dtype="float32")
        self.activation = activation
        self.shape = (outputs, num_parameters)
        widths = [*units, outputs * num_parameters]
        masks = _masks(inputs, units, num_parameters) if autoregressive else [None] * len(widths)
        reads_z = masks[0] is None or masks[0].any()  # in one dimension an autoregressive network sees no z
        self.masks = masks if reads_z else masks[1:]
        self.kernels = [
            self._kernel((before, after), f"kernel_{index}", last=index == len(units))
            for index, (before, after) in enumerate(zip([inputs, *widths[:-1]], widths, strict=True))
            if index > 0 or reads_z
        ]
        self.context_kernel = self._kernel((context, widths[0]), "context") if context else None
        self.biases = [
            self.add_weight(shape=(width,), initializer="zeros", name=f"bias_{index}")
            for index, width in enumerate(widths)
        ]
        self.built = True

    def _kernel(self, shape: tuple[int, int], name: str, last: bool = False):
        # A flow starts close to the identity: its parameters are nearly zero, yet every weight has a gradient.
        initializer = keras.initializers.VarianceScaling(1e-4 if last else 1.0, "fan_avg", "uniform")
        return self.add_weight(shape=shape, initializer=initializer, name=name)

    def tensors(self) -> Tree:
        """Returns the weights as tensors, masked."""
        kernels = [
            tf.convert_to_tensor(kernel) if mask is None else kernel * mask
            for kernel, mask in zip(self.kernels, self.masks, strict=True)
        ]
        context = [] if self.context_kernel is None else [tf.convert_to_tensor(self.context_kernel)]
        return {"kernels": kernels, "biases": [tf.convert_to_tensor(b) for b in self.biases], "context": context}

    def apply(self, tensors: Tree, z: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
        """Returns the parameters, `[..., O, P]`, for z `[..., I]` and features that broadcast, `[..., C]`."""
        kernels, biases = list(tensors["kernels"]), tensors["biases"]
        hidden = biases[0]
        if len(kernels) == len(biases):
            hidden = hidden + tf.tensordot(z, kernels.pop(0), 1)
        for kernel in tensors["context"]:
            hidden = hidden + tf.tensordot(context, kernel, 1)
        for kernel, bias in zip(kernels, biases[1:], strict=True):
            hidden = tf.tensordot(self.activation(hidden), kernel, 1) + bias
        return tf.reshape(hidden, tf.concat([tf.shape(hidden)[:-1], self.shape], axis=0))


def _masks(size: int, units: Sequence[int], num_parameters: int) -> list[np.ndarray]:
    inputs, outputs = np.arange(1, size + 1), np.repeat(np.arange(1, size + 1), num_parameters)
    hidden = [np.arange(width) % size for width in units]
    between = zip([inputs, *hidden[:-1]], hidden, strict=True)
    masks = [before[:, np.newaxis] <= after for before, after in between]
    return [mask.astype(np.float32) for mask in [*masks, hidden[-1][:, np.newaxis] < outputs]]
