"""Values: finite, in the domain of each preprocessing layer, in the likelihood's support; looked at where observed.

check_values   eagerly, raising the error that names the first bad value        inside   the same as a tensor
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from tfvae.checks.known import are_told, check_told, observed_only
from tfvae.checks.labels import check_labels, good_labels
from tfvae.core import sets
from tfvae.core.errors import InvalidInput
from tfvae.core.observed import Observed, conditions_of, labels_of
from tfvae.core.types import Array, Tensor

if TYPE_CHECKING:
    from tfvae.core.model import Model


def check_all_values(
    vae: "Model", observed: Observed, first_row: int = 0, support: sets.ValueSet | None = None
) -> None:
    """Checks x, target, conditions and labels of an `Observed` of arrays; see `check_values`."""
    x, support, mask = observed["x"], vae.support if support is None else support, observed.get("mask")
    target = observed.get("target")
    check_values(vae, x, "x", first_row, support if target is None else sets.REAL, mask)
    if target is not None:
        check_values(vae, target, "y", first_row, support, mask)
    check_told(vae, conditions_of(observed), first_row)
    check_labels(vae, labels_of(observed), first_row)


def check_values(
    vae: "Model", x: Array, name: str, first_row: int, support: sets.ValueSet, mask: Array | None = None
) -> None:
    """Checks x, `[B, ...]`, where it is observed, at each layer of the model's preprocessing, then against `support`.

    Raises:
        InvalidInput: naming the value, its row, the set it should lie in, and what to do.
    """
    for stage in _stages(vae, observed_only(x, mask), support):
        fine = (
            stage.support.contains(stage.x) if mask is None else stage.support.contains(stage.x) | ~tf.cast(mask, bool)
        )
        if not tf.reduce_all(fine):
            raise _refusal(x, fine, name, first_row, stage)


def inside(vae: "Model", observed: Observed, support: sets.ValueSet) -> Tensor:
    """Returns whether `check_all_values` would pass, as a tensor: for graphs."""
    mask = observed.get("mask")
    fine = [are_told(vae, conditions_of(observed)), *map(tf.reduce_all, good_labels(vae, labels_of(observed)))]
    for key in ("x", "target"):
        if key in observed:
            of_key = sets.REAL if key == "x" and "target" in observed else support
            stages = _stages(vae, observed_only(observed[key], mask), of_key)
            inside = [stage.support.contains(stage.x) for stage in stages]
            fine += [tf.reduce_all(part if mask is None else part | ~mask) for part in inside]
    return tf.reduce_all(fine)


class _Stage(NamedTuple):
    """x at one of the places where its values must lie in a set, what is wrong if they do not, and what to do."""

    x: Tensor
    support: sets.ValueSet
    expected: str
    remedy: Callable[[Tensor], str]


def _stages(vae: "Model", x: Array, support: sets.ValueSet) -> Iterator[_Stage]:
    x = tf.cast(x, tf.float32)
    fill = "Remove or fill the missing values first, or leave them out: mask=~np.isnan(x)."
    yield _Stage(x, sets.REAL, "values that are finite as float32", lambda x: fill)
    for layer in vae.preprocessing:
        if hasattr(layer, "support"):
            where = f"values in {layer.support.description}, the input of {type(layer).__name__}"
            yield _Stage(x, layer.support, where, lambda x: "Rescale the data in a layer before it.")
        x = layer(x)
    where = f"values in {support.description}, the support of {type(vae.likelihood).__name__}"
    yield _Stage(x, support, where, vae.likelihood.remedy)


def _refusal(raw: Array, fine: Tensor, name: str, first_row: int, stage: _Stage) -> InvalidInput:
    """Returns the error that names the first value that is not fine."""
    raw = tf.cast(raw, tf.float64)
    at = tuple(int(i) for i in tf.where(~fine)[0])
    finite = tf.boolean_mask(raw, tf.math.is_finite(raw))
    between = f"from {float(tf.reduce_min(finite)):g} to {float(tf.reduce_max(finite)):g}" if len(finite) else "nowhere"
    row = (first_row + at[0], *at[1:])
    return InvalidInput(
        f"{name} with {stage.expected}",
        f"{float(raw[at]):g} at {name}[{', '.join(map(str, row))}] (finite values in these rows range {between})",
        stage.remedy(stage.x),
    )
