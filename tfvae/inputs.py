"""What comes in: examples, targets, labels and weights, checked before the first training step.

    fit(x)          reconstruct x                 fit(x, x), fit(noisy, clean)    y has the event's shape: the target
    fit((x, label)) labels are dropped, with one note             anything else   one error

Arrays are scanned whole; of a stream the first batch is looked at. What a stream brings later is counted inside the
step (`Violations`) and raised at the end of the block of steps that executed.
"""

import itertools
import logging
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae import likelihoods, supports
from tfvae.errors import InvalidInput

logger = logging.getLogger("tfvae")
ROWS_PER_SCAN = 4096


def event_batch(x: Any, event_shape: tuple[int, ...], name: str = "x") -> Any:
    """Returns x as an array or tensor `[B, *event]`; raises `InvalidInput` for any other type or shape."""
    if isinstance(x, (dict, list, tuple)) or x is None or not (hasattr(x, "shape") or hasattr(x, "__array__")):
        kind = f"a {type(x).__name__}" + (f" with keys {sorted(x)}" if isinstance(x, dict) else "")
        raise InvalidInput(
            f"{name} to be one array of shape {('B', *event_shape)}",
            kind,
            "Stack the examples into an array; for a TensorFlow Datasets stream use as_supervised=True or map it to x.",
        )
    x = x if tf.is_tensor(x) or isinstance(x, np.ndarray) else np.asarray(x)
    if not (x.dtype == tf.bool or np.issubdtype(_numpy_dtype(x), np.number)):
        raise InvalidInput(f"{name} to be numbers", f"dtype {x.dtype}", "Convert it to float32.")
    if np.issubdtype(_numpy_dtype(x), np.complexfloating):
        raise InvalidInput(f"{name} to be real numbers", f"dtype {x.dtype}", "Split real and imaginary part.")
    if x.shape.rank is None if tf.is_tensor(x) else False:
        return x
    if len(x.shape) != len(event_shape) + 1 or any(
        size is not None and size != want for size, want in zip(x.shape[1:], event_shape, strict=True)
    ):
        remedy = f"Reshape it to {('B', *event_shape)}, or give the likelihood the event_shape of your data."
        raise InvalidInput(f"{name} of shape {('B', *event_shape)}", f"shape {tuple(x.shape)}", remedy)
    return x


def is_target(y: Any, event_shape: tuple[int, ...]) -> bool:
    """Tells whether y, `[B, ...]`, is a reconstruction target (true) or labels to drop (false).

    Raises:
        InvalidInput: if it is neither.
    """
    if hasattr(y, "shape"):
        rest = tuple(y.shape)[1:]
        if rest == tuple(event_shape):
            return True
        if all(size == 1 for size in rest) and not np.issubdtype(_numpy_dtype(y), np.floating):
            return False
    raise InvalidInput(
        f"y to be a reconstruction target of shape {('B', *event_shape)} or integer labels of shape ('B',)",
        f"y of shape {tuple(y.shape)} and dtype {y.dtype}" if hasattr(y, "shape") else f"a {type(y).__name__}",
        "Leave y out: a VAE learns from x alone.",
    )


def check_arrays(vae: Any, x: Any, y: Any, sample_weight: Any) -> None:
    """Scans arrays whole, as the model will see them after preprocessing.

    Raises:
        InvalidInput: for an empty data set, a wrong shape, or values that are not finite or outside the support.
    """
    x = event_batch(x, vae.event_shape)
    if len(x) == 0:
        raise InvalidInput("at least one example", "an empty x", "Pass data with one row or more.")
    target = y if y is not None and is_target(y, vae.event_shape) else None
    for name, other in (("y", y), ("sample_weight", sample_weight)):
        if other is not None and len(other) != len(x):
            raise InvalidInput(f"{name} with {len(x)} rows, as x has", f"{len(other)}", "Pass one for each example.")
    if sample_weight is not None:
        _check_weights(np.asarray(sample_weight))
    _note_integers(vae, x)
    for start in range(0, len(x), ROWS_PER_SCAN):
        rows = slice(start, start + ROWS_PER_SCAN)
        check_values(vae, x[rows], "x", start, vae.likelihood.support if target is None else supports.REAL)
        if target is not None:
            check_values(vae, event_batch(target, vae.event_shape, "y")[rows], "y", start, vae.likelihood.support)


def check_values(vae: Any, x: Any, name: str, first_row: int, support: supports.Support) -> None:
    """Checks x, `[B, ...]`, at each layer of the model's preprocessing and then against `support`.

    Raises:
        InvalidInput: naming the value, its row, the set it should lie in, and what to do.
    """
    raw = x = tf.cast(x, tf.float32)
    _check_inside(raw, raw, supports.REAL, name, first_row, "finite values", "Remove or fill the missing values first.")
    for layer in vae.preprocessing:
        if hasattr(layer, "support"):
            where = f"values in {layer.support.description}, the input of {type(layer).__name__}"
            _check_inside(raw, x, layer.support, name, first_row, where, "Rescale the data in a layer before it.")
        x = layer(x)
    if tf.reduce_all(support.contains(x)):
        return
    fits = likelihoods.fitting(lambda other: bool(tf.reduce_all(other.contains(x))))
    remedy = f"Likelihoods that fit these data: {', '.join(fits) or 'none'}."
    if support is supports.BINARY:
        remedy += " Grey values in [0, 1] can be binarised by tfvae.preprocessing.StochasticBinarization()."
    where = f"values in {support.description}, the support of {type(vae.likelihood).__name__}"
    _check_inside(raw, x, support, name, first_row, where, remedy)


def check_fit(vae: Any, x: Any, y: Any, sample_weight: Any) -> Any:
    """Checks what `fit` or `evaluate` was given and returns x (a generator is given back with its first batch).

    Raises:
        InvalidInput: see `check_arrays`.
    """
    if x is None:
        raise InvalidInput("data to fit", "x=None", "Pass an array, a tf.data.Dataset or a keras.utils.PyDataset.")
    if not _is_stream(x):
        check_arrays(vae, x, y, sample_weight)
        return x
    first, x = _peek(x)
    batch_x, batch_y, weight = keras.utils.unpack_x_y_sample_weight(first)
    check_arrays(vae, batch_x, batch_y, weight)
    return x


class Violations(keras.metrics.Metric):
    """Counts what a stream brought that the likelihood refuses; carried out of the compiled step, then raised."""

    def __init__(self) -> None:
        super().__init__(name="violations", dtype="float32")
        self.counts = self.add_variable(shape=(3,), initializer="zeros", name="counts")

    def update_state(self, x: tf.Tensor, inside: tf.Tensor) -> None:
        """Adds the values of x, `[B, ...]`, where `inside` is false; remembers one of them."""
        finite = tf.math.is_finite(x)
        outside = tf.cast(finite & ~inside, tf.float32)
        example = tf.reduce_max(tf.where(finite & ~inside, x, -float("inf")))
        counts = [tf.reduce_sum(outside), tf.reduce_sum(tf.cast(~finite, tf.float32)), 0.0]
        self.counts.assign_add(tf.stack(counts))
        known = tf.stack([self.counts[0], self.counts[1], example])
        self.counts.assign(tf.where(tf.math.is_finite(known), known, self.counts))

    def result(self) -> tf.Tensor:
        """Returns how many finite values lay outside, how many were not finite, and one outside, `[3]`."""
        return tf.convert_to_tensor(self.counts)

    def raise_if_any(self, result: Any, support: supports.Support) -> None:
        """Raises `InvalidInput` if `result` counts anything, and starts again from zero."""
        outside, not_finite, example = np.asarray(result)
        if outside or not_finite:
            self.reset_state()
            value = f"{int(outside)} outside (for example {example:g}) and " if outside else ""
            raise InvalidInput(
                f"every batch to hold values in {support.description}, the likelihood's support",
                f"{value}{int(not_finite)} not finite",
                "The examples concerned were left out of the update; clean the stream and call fit again.",
            )


def note_dropped_labels(vae: Any) -> None:
    """Says once for a model that the labels of its stream are not used."""
    _note_once(
        vae, "labels", "the labels in y are not used: this model has no condition. Pass x alone to silence this."
    )


def _note_integers(vae: Any, x: Any) -> None:
    if not vae.preprocessing and not np.issubdtype(_numpy_dtype(x), np.floating):
        _note_once(vae, "integers", f"x of dtype {_numpy_dtype(x)} is converted to float32, its values unchanged.")


def _note_once(vae: Any, key: str, text: str) -> None:
    if key not in vae.notes:
        vae.notes.add(key)
        logger.warning("tfvae: %s", text)


def _check_weights(weight: np.ndarray) -> None:
    if not np.all(np.isfinite(weight)) or np.any(weight < 0):
        bad = weight[~(np.isfinite(weight) & (weight >= 0))][0]
        raise InvalidInput("sample_weight to be finite and not negative", f"{bad}", "Give left-out examples weight 0.")


def _check_inside(
    raw: tf.Tensor, x: tf.Tensor, support: supports.Support, name: str, first_row: int, expected: str, remedy: str
) -> None:
    inside = support.contains(x)
    if tf.reduce_all(inside):
        return
    at = tuple(int(i) for i in tf.where(~inside)[0])
    low, high = float(tf.reduce_min(raw)), float(tf.reduce_max(raw))
    row = (first_row + at[0], *at[1:])
    raise InvalidInput(
        f"{name} with {expected}",
        f"{float(raw[at]):g} at {name}[{', '.join(map(str, row))}] (these rows range from {low:g} to {high:g})",
        remedy,
    )


def _is_stream(x: Any) -> bool:
    return isinstance(x, (tf.data.Dataset, keras.utils.PyDataset, Iterator)) or not (
        hasattr(x, "__array__") or tf.is_tensor(x) or isinstance(x, (list, tuple, dict))
    )


def _peek(stream: Any) -> tuple[Any, Any]:
    if isinstance(stream, keras.utils.PyDataset):
        first = stream[0] if len(stream) else None
    elif isinstance(stream, tf.data.Dataset):
        first = next(iter(stream.take(1)), None)
    elif isinstance(stream, Iterator):
        first = next(stream, None)
        stream = itertools.chain([first], stream)
    elif hasattr(stream, "__iter__"):
        first = next(iter(stream), None)
    else:
        raise InvalidInput("arrays, a tf.data.Dataset or a PyDataset", f"{stream!r}", "Pass x as an array.")
    if first is None:
        raise InvalidInput("at least one batch", "an empty stream", "Check the path and the filters of the pipeline.")
    return first, stream


def _numpy_dtype(x: Any) -> np.dtype:
    dtype = x.dtype
    return np.dtype(dtype.as_numpy_dtype if isinstance(dtype, tf.DType) else dtype)
