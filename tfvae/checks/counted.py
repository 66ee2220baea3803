"""What a stream brought that must be refused: counted in the compiled step, raised when its block has executed.

    counts = [finite values outside the support, values not finite, bad weights or conditions, one value outside]

Values are looked at where they are observed.

The examples concerned have weight zero in the step that sees them.
"""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from tfvae.checks.known import observed_only
from tfvae.core import replicas
from tfvae.core.errors import InvalidInput
from tfvae.core.observed import Known, Observed
from tfvae.core.sets import ValueSet
from tfvae.core.types import ArrayLike


class Violations(keras.metrics.Metric):
    """Counts what a stream brought that must be refused; carried out of the compiled step, then raised."""

    def __init__(self) -> None:
        super().__init__(name="violations", dtype="float32")
        self.counts = self.add_variable(shape=(4,), initializer="zeros", name="counts", dtype="float32")

    def checked(self, support: ValueSet, raw: Observed, known: Known, told: Iterable[tf.Tensor] = ()) -> Known:
        """Returns a batch without what must be refused, which is counted.

        Args:
            support: where the target must lie.
            raw: the batch before preprocessing.
            known: the same in normal form.
            told: for each condition which rows have values such as it can have, `[B]`.
        """
        x, target, weight, mask = known["x"], known["target"], known["weight"], known.get("mask")
        raws = (tf.cast(raw.get(key, raw["x"]), tf.float32) for key in ("x", "target"))
        raw_x, raw_target = (observed_only(value, mask) for value in raws)
        finite, inside = tf.math.is_finite(x), support.contains(target)
        inside = inside if mask is None else inside | ~mask
        good_beside = tf.math.is_finite(weight) & (weight >= 0)
        for fine in told:
            good_beside &= fine
        axes = list(range(1, x.shape.rank))
        good = tf.reduce_all(finite, axes) & tf.reduce_all(inside, axes) & good_beside
        raw_finite = tf.math.is_finite(raw_x) & tf.math.is_finite(raw_target)
        self.update_state(tf.where(inside, raw_x, raw_target), inside & finite, raw_finite, good_beside)
        x = tf.where(finite, x, 0.0)
        target = tf.where(inside, target if "target" in raw else x, support.inner)
        conditions = {name: tf.where(tf.math.is_finite(c), c, 0.0) for name, c in known["condition"].items()}
        return {**known, "x": x, "target": target, "condition": conditions, "weight": tf.where(good, weight, 0.0)}

    def update_state(self, x: tf.Tensor, good: tf.Tensor, finite: tf.Tensor, good_beside: tf.Tensor) -> None:
        """Adds raw values x, `[B, ...]`, that are not `good`, remembering a finite one, and rows bad beside, `[B]`."""
        outside = finite & ~good
        example = tf.reduce_max(tf.where(outside, x, -float("inf")))
        example = tf.where(tf.math.is_finite(example), example, self.counts[3])
        new = [tf.reduce_sum(tf.cast(bad, tf.float32)) for bad in (outside, ~finite, ~good_beside)]
        self.counts.assign(tf.stack([*tf.unstack(self.counts[:3] + tf.stack(new)), example]))

    def result(self) -> tf.Tensor:
        """Returns how many values are outside, how many not finite, how many rows bad beside, and one value, `[4]`."""
        each = replicas.gathered(tf.convert_to_tensor(self.counts)[tf.newaxis])  # [R, 4]
        one = each[tf.argmax(each[:, 0])]
        return tf.concat([tf.reduce_sum(each[:, :3], axis=0), one[3:]], axis=0)

    def found(self, result: ArrayLike) -> bool:
        """Tells whether `result` counts anything."""
        return bool(np.any(np.asarray(result)[:3]))

    def raise_if_any(self, result: ArrayLike, support: ValueSet, conditions: Iterable[str] = ()) -> None:
        """Raises `InvalidInput` if `result` counts anything, and starts again from zero; names the conditions."""
        if not self.found(result):
            return
        outside, not_finite, beside, example = np.asarray(result)
        self.reset_state()
        named = list(conditions)
        what = " and ".join(("sample_weight", *named))
        good = "such as it can be" if named else "finite and not negative"
        bad = "are negative, are no such labels" if named else "are negative"
        expected = f"every batch to hold values in {support.description}, the likelihood's support, after preprocessing"
        found = {
            f"{int(outside)} outside (for example {example:g})": outside,
            f"{int(not_finite)} not finite": not_finite,
            f"{int(beside)} {' or '.join(('sample weights', *named))} that {bad} or not finite": beside,
        }
        raise InvalidInput(
            expected if outside or not_finite else f"every {what} of the stream to be {good}",
            " and ".join(text for text, number in found.items() if number),
            "The examples concerned were left out of the update; clean the stream and call fit again.",
        )
