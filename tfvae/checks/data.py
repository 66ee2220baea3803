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

from tfvae.core import sets
from tfvae.core.errors import InvalidInput

logger = logging.getLogger("tfvae")
ROWS_PER_SCAN = 4096


def event_batch(x: Any, event_shape: tuple[int, ...], name: str = "x") -> Any:
    """Returns x as an array or tensor `[B, *event]`; raises `InvalidInput` for any other type or shape."""
    if isinstance(x, keras.KerasTensor):
        remedy = "Use the VAE itself in a functional model: vae(inputs) gives the reconstruction's mean."
        raise InvalidInput(f"{name} to be a tensor or array", "a symbolic keras.Input", remedy)
    unstacked = isinstance(x, (dict, list, tuple, tf.SparseTensor, tf.RaggedTensor))
    if unstacked or not (hasattr(x, "shape") or hasattr(x, "__array__")):
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
    if tf.is_tensor(x) and x.shape.rank is None:
        return tf.ensure_shape(x, (None, *event_shape))  # a stream that does not know its shape: checked as it comes
    if len(x.shape) != len(event_shape) + 1 or any(
        size is not None and size != want for size, want in zip(x.shape[1:], event_shape, strict=True)
    ):
        remedy = f"Reshape it to {('B', *event_shape)}, or give the likelihood the event_shape of your data."
        raise InvalidInput(f"{name} of shape {('B', *event_shape)}", f"shape {tuple(x.shape)}", remedy)
    return tf.ensure_shape(x, (None, *event_shape)) if None in x.shape[1:] else x


def is_target(y: Any, event_shape: tuple[int, ...]) -> bool:
    """Tells whether y, `[B, ...]`, is a reconstruction target (true) or labels to drop (false).

    Raises:
        InvalidInput: if it is neither.
    """
    if hasattr(y, "shape") and not (tf.is_tensor(y) and y.shape.rank is None):
        rest = tuple(y.shape)[1:]
        if rest == tuple(event_shape):
            return True
        if all(size == 1 for size in rest) and not np.issubdtype(_numpy_dtype(y), np.floating):
            return False
    raise InvalidInput(
        f"y to be a reconstruction target of shape {('B', *event_shape)} or integer labels of shape ('B',)",
        f"y of shape {y.shape} and dtype {y.dtype}" if hasattr(y, "shape") else f"a {type(y).__name__}",
        "Leave y out: a VAE learns from x alone.",
    )


def check_arrays(
    vae: Any, x: Any, y: Any = None, sample_weight: Any = None, support: sets.ValueSet | None = None
) -> None:
    """Scans arrays whole, as the model will see them after preprocessing.

    Args:
        vae: the model.
        x: examples, `[B, ...]`.
        y: reconstruction target, `[B, ...]`, or labels, `[B]`, or `None`.
        sample_weight: `[B]` or `None`.
        support: the set that the target (x itself without one) must lie in; by default the likelihood's.

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
        _check_weights(np.asarray(sample_weight), len(x))
    _note_integers(vae, x)
    support = vae.support if support is None else support
    for start in range(0, len(x), ROWS_PER_SCAN):
        rows = slice(start, start + ROWS_PER_SCAN)
        check_values(vae, x[rows], "x", start, support if target is None else sets.REAL)
        if target is not None:
            check_values(vae, event_batch(target, vae.event_shape, "y")[rows], "y", start, support)


def check_values(vae: Any, x: Any, name: str, first_row: int, support: sets.ValueSet) -> None:
    """Checks x, `[B, ...]`, at each layer of the model's preprocessing and then against `support`.

    Raises:
        InvalidInput: naming the value, its row, the set it should lie in, and what to do.
    """
    raw, x = x, tf.cast(x, tf.float32)
    remedy = "Remove or fill the missing values first."
    _check_inside(raw, x, sets.REAL, name, first_row, "values that are finite as float32", remedy)
    for layer in vae.preprocessing:
        if hasattr(layer, "support"):
            where = f"values in {layer.support.description}, the input of {type(layer).__name__}"
            _check_inside(raw, x, layer.support, name, first_row, where, "Rescale the data in a layer before it.")
        x = layer(x)
    if tf.reduce_all(support.contains(x)):
        return
    where = f"values in {support.description}, the support of {type(vae.likelihood).__name__}"
    _check_inside(raw, x, support, name, first_row, where, vae.likelihood.remedy(x))


def check_fit(
    vae: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    support: sets.ValueSet | None = None,
    class_weight: dict | None = None,
) -> tuple[Any, Any]:
    """Checks what `fit`, `evaluate` or `predict` was given: arrays whole, of a stream the first batch.

    Args:
        vae: the model.
        x: an array or a stream of batches.
        y: as in `check_arrays`.
        sample_weight: as in `check_arrays`.
        support: as in `check_arrays`.
        class_weight: what `fit` was given; it needs labels.

    Returns:
        x and y for Keras: a generator gets its first batch back; Keras would drop the weights of arrays without y,
        so that y is x there.

    Raises:
        InvalidInput: see `check_arrays`.
    """
    if x is None:
        raise InvalidInput("data", "x=None", "Pass an array, a tf.data.Dataset or a keras.utils.PyDataset.")
    x, y = (tf.convert_to_tensor(v) if isinstance(v, (tf.Variable, keras.Variable)) else v for v in (x, y))
    streams = is_stream(x)
    first, x = _peek(x) if streams else ((x, y, sample_weight), x)
    first_x, first_y, weight = keras.utils.unpack_x_y_sample_weight(first)
    if class_weight is not None and (first_y is None or is_target(first_y, vae.event_shape)):
        remedy = "Pass the labels as y, or weigh examples by sample_weight."
        raise InvalidInput("integer labels y, to which class_weight refers", "no labels", remedy)
    check_arrays(vae, first_x, first_y, weight, support)
    return x, (x if y is None and sample_weight is not None and not streams else y)


def num_examples(x: Any, steps_per_epoch: int | None = None) -> int | None:
    """Returns the number of examples N in the data, or `None` where a stream does not know it.

    Args:
        x: an array, or a stream of batches; of a stream the first batch's size stands for all.
        steps_per_epoch: batches that count as one pass over an endless stream.
    """
    if not is_stream(x):
        return len(x)
    batches = steps_per_epoch or (x.num_batches if isinstance(x, keras.utils.PyDataset) else None)
    if isinstance(x, tf.data.Dataset):
        batches = batches or max(int(x.cardinality()), 0)
    if not batches or isinstance(x, Iterator):
        return None
    return batches * len(keras.utils.unpack_x_y_sample_weight(_peek(x)[0])[0])


def split_for_validation(call: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of `fit` with the last `validation_split` of arrays as `validation_data`, as Keras has it.

    Raises:
        InvalidInput: if x is a stream, or one side would be empty.
    """
    share, x = call["validation_split"], call["x"]
    remedy = "Pass validation_data."
    if is_stream(x):
        raise InvalidInput("arrays, to split off validation data", f"a {type(x).__name__}", remedy)
    rows = int(len(x) * (1.0 - share))
    if not 0 < rows < len(x):
        raise InvalidInput("validation_split to leave rows on both sides", f"{share} of {len(x)} rows", remedy)
    parts = [call[name] for name in ("x", "y", "sample_weight")]
    train, held = (
        [None if part is None else part[side] for part in parts] for side in (slice(rows), slice(rows, None))
    )
    if call["y"] is x:
        train[1], held[1] = train[0], held[0]
    return {
        "x": train[0], "y": train[1], "sample_weight": train[2], "validation_data": tuple(held), "validation_split": 0.0
    }  # fmt: skip


def note_dropped_labels(vae: Any) -> None:
    """Says once for a model that the labels of its stream are not used."""
    note_once(vae, "labels", "the labels in y are not used: this model has no condition. Pass x alone to silence this.")


def _note_integers(vae: Any, x: Any) -> None:
    if not vae.preprocessing and not np.issubdtype(_numpy_dtype(x), np.floating):
        note_once(vae, "integers", f"x of dtype {_numpy_dtype(x)} is converted to float32, its values unchanged.")


def note_once(vae: Any, key: str, text: str) -> None:
    """Says something once for a model."""
    if key not in vae.notes:
        vae.notes.add(key)
        logger.warning("tfvae: %s", text)


def _check_weights(weight: np.ndarray, rows: int) -> None:
    if weight.size != rows:
        remedy = "To leave out part of an example is not supported."
        raise InvalidInput("sample_weight of shape ('B',)", f"shape {weight.shape}", remedy)
    if not np.all(np.isfinite(weight)) or np.any(weight < 0):
        bad = weight[~(np.isfinite(weight) & (weight >= 0))][0]
        raise InvalidInput("sample_weight to be finite and not negative", f"{bad}", "Give left-out examples weight 0.")


def _check_inside(
    raw: Any, x: tf.Tensor, support: sets.ValueSet, name: str, first_row: int, expected: str, remedy: str
) -> None:
    inside = support.contains(x)
    if tf.reduce_all(inside):
        return
    raw = tf.cast(raw, tf.float64)
    at = tuple(int(i) for i in tf.where(~inside)[0])
    finite = tf.boolean_mask(raw, tf.math.is_finite(raw))
    between = f"from {float(tf.reduce_min(finite)):g} to {float(tf.reduce_max(finite)):g}" if len(finite) else "nowhere"
    row = (first_row + at[0], *at[1:])
    raise InvalidInput(
        f"{name} with {expected}",
        f"{float(raw[at]):g} at {name}[{', '.join(map(str, row))}] (finite values in these rows range {between})",
        remedy,
    )


def is_stream(x: Any) -> bool:
    """Tells whether x brings batches, and is no array."""
    return isinstance(x, (tf.data.Dataset, keras.utils.PyDataset, Iterator)) or not (
        hasattr(x, "__array__") or tf.is_tensor(x) or isinstance(x, (list, tuple, dict))
    )


def _peek(stream: Any) -> tuple[Any, Any]:
    if isinstance(stream, keras.utils.PyDataset):
        first = None if stream.num_batches == 0 else stream[0]
    elif isinstance(stream, tf.data.Dataset):
        first = next(iter(stream.take(1)), None)
    elif isinstance(stream, Iterator):
        first = next(stream, None)
        stream = _batches(first, stream)
    elif hasattr(stream, "__iter__"):
        first = next(iter(stream), None)
    else:
        raise InvalidInput("arrays, a tf.data.Dataset or a PyDataset", f"{stream!r}", "Pass x as an array.")
    if first is None:
        raise InvalidInput("at least one batch", "an empty stream", "Check the path and the filters of the pipeline.")
    return first, stream


def _batches(first: Any, rest: Iterator) -> Iterator:
    """Yields the first batch, then the rest, each as the tuple that Keras wants of a generator."""
    for batch in itertools.chain([first], rest):
        yield batch if isinstance(batch, tuple) else (batch,)


def _numpy_dtype(x: Any) -> np.dtype:
    dtype = x.dtype
    dtype = np.dtype(dtype.as_numpy_dtype if isinstance(dtype, tf.DType) else dtype)
    return np.dtype(np.float32) if dtype == tf.bfloat16 else dtype  # NumPy does not know it as floating
