"""Protocols that make grey values binary, m = x / scale being the mean of a pixel.

    none        x as it is
    threshold   1[m >= 1/2]
    static      b ~ Bernoulli(m), drawn once for every split                       Larochelle and Murray 2011
    dynamic     train drawn anew at each visit, valid and test drawn once          Salakhutdinov and Murray 2008

A protocol is a function of the splits' arrays, the scale and one generator of random numbers for each split; it returns
the arrays and the layers of `VAE(preprocessing=...)` that go with them.
"""

from collections.abc import Mapping

import keras
import numpy as np

from tfvae.core.errors import InvalidInput

Arrays = dict[str, np.ndarray]
Generators = Mapping[str, np.random.Generator]
ROWS_PER_DRAW = 1024


def none(x: Arrays, scale: float, generators: Generators) -> tuple[Arrays, list]:
    """Returns x as it is; the model divides by the scale."""
    return x, _rescaling(scale)


def threshold(x: Arrays, scale: float, generators: Generators) -> tuple[Arrays, list]:
    """Returns 1 where a value is at least half the scale, else 0."""
    _check_range(x, scale)
    return {name: (part >= 0.5 * scale).astype(np.uint8) for name, part in x.items()}, []


def static(x: Arrays, scale: float, generators: Generators) -> tuple[Arrays, list]:
    """Returns one draw of every split."""
    _check_range(x, scale)
    return {name: _draw(part, scale, generators[name]) for name, part in x.items()}, []


def dynamic(x: Arrays, scale: float, generators: Generators) -> tuple[Arrays, list]:
    """Returns train in grey, one draw of the other splits as {0, scale}, and layers that draw train anew."""
    from tfvae.preprocessing import StochasticBinarization

    _check_range(x, scale)
    arrays = dict(x)
    for name in ("valid", "test"):
        arrays[name] = _draw(x[name], scale, generators[name]) * _scalar(scale, x[name].dtype)
    return arrays, [*_rescaling(scale), StochasticBinarization()]


PROTOCOLS = {"none": none, "threshold": threshold, "static": static, "dynamic": dynamic}


def _rescaling(scale: float) -> list:
    return [] if scale == 1 else [keras.layers.Rescaling(1 / scale, dtype="float32")]


def _draw(x: np.ndarray, scale: float, generator: np.random.Generator) -> np.ndarray:
    """Returns a draw from Bernoulli(x / scale), uint8, some rows at a time so that memory stays small."""
    drawn = np.empty(x.shape, np.uint8)
    for start in range(0, len(x), ROWS_PER_DRAW):
        rows = x[start : start + ROWS_PER_DRAW]
        drawn[start : start + len(rows)] = generator.random(rows.shape, np.float32) * scale < rows
    return drawn


def _scalar(scale: float, dtype: np.dtype) -> np.number:
    """Returns the scale in the data's dtype, or in the next one that can hold it."""
    least = np.min_scalar_type(int(scale)) if scale.is_integer() else np.float32
    return np.result_type(dtype, least).type(scale)


def _check_range(x: Arrays, scale: float) -> None:
    for name, part in x.items():
        low, high = part.min(), part.max()
        if low < 0 or high > scale:
            raise InvalidInput(
                f"values to binarise in [0, {scale:g}]",
                f"{name} values from {low:g} to {high:g}",
                'Pass scale=(the value of white, such as 255), or binarization="none"; --scale or --binarization none.',
            )
