"""What is known beside x: conditions of the declared names and shapes, and masks that say which cells are observed.

condition   [B, ...] or {name: [B, ...]}, exactly what the model was declared to be told
mask        true where x is observed; what stands elsewhere, NaN too, is never looked at
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfvae.core.errors import InvalidInput
from tfvae.core.types import Array, Given, Tensor

if TYPE_CHECKING:
    from tfvae.core.model import Model


def told(vae: "Model", condition: Given, x: Array | None = None) -> dict[str, Array]:
    """Returns conditions by name, each `[B, *shape]` as the model was declared to be told.

    Args:
        vae: the model.
        condition: an array, where one condition is declared, or a dict of arrays by name; `None` if there are none.
        x: the examples that they belong to, of which they must have as many rows.

    Raises:
        InvalidInput: if a condition is missing, unexpected, or of a wrong type or shape.
    """
    declared = vae.conditions
    if condition is None and not declared:
        return {}
    if not declared:
        remedy = "Leave it out, or declare it: VAE(..., condition=tfvae.conditions.Labels(10))."
        raise InvalidInput("no condition: this model has none", "a condition", remedy)
    example = (
        f"condition={{{', '.join(f'{name!r}: ...' for name in declared)}}}" if len(declared) > 1 else "condition=..."
    )
    if condition is None:
        wanted = ", ".join(f"{name}, {part!r}" for name, part in declared.items())
        raise InvalidInput(f"what this model is told ({wanted})", "no condition", f"Pass {example}.")
    values = dict(condition) if isinstance(condition, Mapping) else dict.fromkeys(list(declared)[:1], condition)
    if values.keys() != declared.keys():
        received = f"a dict of {', '.join(map(str, condition))}" if isinstance(condition, Mapping) else "one array"
        raise InvalidInput(f"conditions by name: {', '.join(declared)}", received, f"Pass {example}.")
    found = {name: _values(name, values[name], part) for name, part in declared.items()}
    others = {"x": x} if x is not None else dict(list(found.items())[:1])
    for other, first in others.items():
        for name, value in found.items():
            if None not in (first.shape[0], value.shape[0]) and value.shape[0] != first.shape[0]:
                expected, received = f"{name} with {first.shape[0]} rows, as {other} has", f"{value.shape[0]}"
                raise InvalidInput(expected, received, "Pass one for each example.")
    return found


def is_condition(vae: "Model", y: Given) -> bool:
    """Tells whether y, `[B, ...]`, fits the one condition that is declared."""
    if len(vae.conditions) != 1 or not hasattr(y, "shape"):
        return False
    (part,) = vae.conditions.values()
    if tf.is_tensor(y) and y.shape.rank is None:
        return False
    return tuple(part.as_raw(y).shape[1:]) == part.raw_shape


def check_told(vae: "Model", conditions: Mapping[str, Array], first_row: int = 0) -> None:
    """Raises `InvalidInput` for values that a condition cannot have, naming the first one and its row."""
    for name, value in conditions.items():
        part = vae.conditions[name]
        fine = np.asarray(part.support.contains(tf.cast(value, tf.float32)))
        if not fine.all():
            at = tuple(int(i) for i in np.argwhere(~fine)[0])
            place = ", ".join(map(str, (first_row + at[0], *at[1:])))
            remedy = "Labels count from 0." if part.support.discrete else "Remove or fill such rows first."
            raise InvalidInput(
                f"{name} with values in {part.support.description}, for {part!r}",
                f"{float(np.asarray(value)[at]):g} at {name}[{place}]",
                remedy,
            )


def are_told(vae: "Model", conditions: Mapping[str, Array]) -> Tensor:
    """Returns whether all values of conditions are such as they can have, as a tensor: for graphs."""
    fine = [tf.reduce_all(good) for good in good_rows(vae, conditions)]
    return tf.reduce_all(fine) if fine else tf.constant(True)


def good_rows(vae: "Model", conditions: Mapping[str, Array]) -> list[Tensor]:
    """Returns for each condition which rows have values such as it can have, `[B]`."""
    found = [vae.conditions[name].support.contains(tf.cast(v, tf.float32)) for name, v in conditions.items()]
    return [tf.reduce_all(fine, axis=list(range(1, fine.shape.rank))) for fine in found]


def shown(vae: "Model", mask: Given, x: Array) -> Array:
    """Returns a mask as large as x, bool, `[B, *event]`.

    Raises:
        InvalidInput: if it does not broadcast to x, has other values than true and false, 0 and 1, or the likelihood
            cannot leave cells out.
    """
    name = type(vae.likelihood).__name__
    if not vae.likelihood.maskable:
        remedy = "Use one with independent elements, such as tfvae.likelihoods.Normal, or fill the missing cells first."
        raise InvalidInput("a mask for a likelihood that can leave cells out", f"{name}, which cannot", remedy)
    mask = mask if tf.is_tensor(mask) else np.asarray(mask)
    expected = f"mask of shape {('B', *vae.event_shape)}, as x has, or one that broadcasts to it"
    if not tf.is_tensor(mask) and mask.dtype.kind not in "biuf":
        raise InvalidInput(expected, f"dtype {mask.dtype}", "Pass mask=~np.isnan(x): true where x is observed.")
    static = [mask.shape, x.shape]
    try:
        broadcast = tf.broadcast_static_shape(*(tf.TensorShape(shape) for shape in static))
        fits = broadcast.is_compatible_with(tf.TensorShape(x.shape))
    except ValueError:
        fits = False
    if not fits:
        remedy = "Pass mask=~np.isnan(x): true where x is observed."
        raise InvalidInput(expected, f"shape {tuple(mask.shape)}", remedy)
    if tf.is_tensor(mask) and tf.executing_eagerly() and isinstance(mask, tf.Tensor):
        mask = mask.numpy()
    if tf.is_tensor(mask):
        return tf.broadcast_to(tf.cast(mask, tf.bool), tf.shape(x))
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        bad = mask[~np.isin(mask, (0, 1))].flat[0]
        raise InvalidInput("mask of true and false, or 1 and 0", f"{bad}", "True is where x is observed.")
    mask = mask.astype(bool)
    return tf.broadcast_to(mask, tf.shape(x)) if tf.is_tensor(x) else np.broadcast_to(mask, x.shape)


def observed_only(x: Array, mask: Array | None) -> Array:
    """Returns x, `[B, ...]`, as float32 with zeros where it is not observed."""
    return x if mask is None else tf.where(tf.cast(mask, tf.bool), tf.cast(x, tf.float32), 0.0)


def _values(name: str, value: Given, part: Given) -> Array:
    """Returns the values of one condition, `[B, *raw_shape]`."""
    value = value if tf.is_tensor(value) else np.asarray(value)
    kind = np.dtype(value.dtype.as_numpy_dtype if tf.is_tensor(value) else value.dtype).kind
    if kind not in "biuf":
        remedy = (
            "Number the labels: np.unique(labels, return_inverse=True)[1]."
            if part.support.discrete
            else "Pass numbers."
        )
        raise InvalidInput(f"{name} of numbers, for {part!r}", f"dtype {value.dtype}", remedy)
    if tf.is_tensor(value) and value.shape.rank is None:
        return tf.ensure_shape(value, (None, *part.raw_shape))
    value = part.as_raw(value)
    if len(value.shape) != len(part.raw_shape) + 1 or any(
        have is not None and have != want for have, want in zip(value.shape[1:], part.raw_shape, strict=True)
    ):
        expected = f"{name} of shape {('B', *part.raw_shape)}, for {part!r}"
        raise InvalidInput(expected, f"shape {tuple(value.shape)}", part.remedy(tuple(value.shape)))
    return value
