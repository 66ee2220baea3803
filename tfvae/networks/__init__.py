"""Networks: ordinary Keras models from a context to features. Any Keras model of your own does as well.

mlp                       dense layers                                     [B, ...] -> [B, units[-1]]
gated_mlp                 dense layers, each times a gate                  the same
residual_mlp              dense layers, normalised, each added to what it gets   the same
conv                      convolutions that halve an image or a sequence   encoder: [B, H, W, C] or [B, L, C]
conv_transpose            convolutions that double it                      decoder: [B, D] -> the event's space
residual_conv             the same with residual blocks and group normalisation: for deep encoders
residual_conv_transpose   the same for decoders
dense_path, conv_path     all networks of a ladder of several latents, a `Path`: up from x, and down again
"""

from tfvae.networks.convolutions import conv, conv_transpose
from tfvae.networks.dense import gated_mlp, mlp, residual_mlp
from tfvae.networks.paths import Path, conv_path, dense_path
from tfvae.networks.residual import residual_conv, residual_conv_transpose

__all__ = [
    "Path",
    "conv",
    "conv_path",
    "conv_transpose",
    "dense_path",
    "gated_mlp",
    "mlp",
    "residual_conv",
    "residual_conv_transpose",
    "residual_mlp",
]


def __dir__() -> list[str]:
    return __all__
