"""What comes in: examples, targets, labels and weights, checked before the first training step.

    fit(x)          reconstruct x                 fit(x, x), fit(noisy, clean)    y has the event's shape: the target
    fit((x, label)) labels are dropped, with one note             fit({"x": x, "weight": w})          an `Observed`
    anything else   one error

Arrays are scanned whole; of a stream the first batch is looked at (`checks.streams`). What a stream brings later is
counted inside the step (`checks.counted`) and raised at the end of the block of steps that executed.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from tfvae.checks import streams
from tfvae.checks.containers import refuse_lossy, shape_remedy
from tfvae.checks.known import is_condition, shown, told
from tfvae.checks.labels import classes, labelled
from tfvae.checks.values import check_all_values
from tfvae.core import observed as of
from tfvae.core import sets
from tfvae.core.errors import InvalidInput
from tfvae.core.observed import Observed
from tfvae.core.reading import SOME, is_read_in_parts, some_rows
from tfvae.core.types import Array, ArrayLike, Codes, Given, Shape, Tree

if TYPE_CHECKING:
    from tfvae.core.model import Model

logger = logging.getLogger("tfvae")
ROWS_PER_SCAN = 4096
KERAS_BATCH = 32
LARGEST_EXACT = 2**24  # up to it float32 holds every whole number
STACK = "Stack the examples into an array; for a TensorFlow Datasets stream use as_supervised=True or map it to x."
NAMES = {  # as Keras says
    "x": "x", "mask": "mask", "condition": "condition", "labels": "labels", "target": "y", "weight": "sample_weight"
}  # fmt: skip


def checked(
    vae: "Model",
    x: Given,
    y: Given = None,
    sample_weight: Given = None,
    support: sets.ValueSet | None = None,
    class_weight: dict | None = None,
) -> Given:
    """Checks what `fit`, `evaluate` or `predict` was given: arrays whole, of a stream the first batch.

    Args:
        vae: the model.
        x: an array, an `Observed` of arrays, or a stream of batches.
        y: reconstruction target, `[B, ...]`, or labels, `[B]`, or `None`.
        sample_weight: `[B]` or `None`.
        support: the set that the target (x itself without one) must lie in; by default the likelihood's.
        class_weight: what `fit` was given; it needs labels.

    Returns:
        An `Observed` of arrays, or the stream; a generator gets its first batch back.

    Raises:
        InvalidInput: for an empty data set, a wrong shape, or values that are not finite or outside the support.
    """
    if x is None:
        raise InvalidInput("data", "x=None", "Pass an array, a tf.data.Dataset or a keras.utils.PyDataset.")
    sample_weight = np.asarray(sample_weight) if isinstance(sample_weight, list | tuple) else sample_weight
    packed = of.pack(x, target=y, weight=sample_weight)
    for key, part in packed.items():
        if not isinstance(part, Mapping):
            refuse_lossy(part, NAMES.get(key, key))
    found = {key: as_array(part) for key, part in packed.items()}
    if "x" in found and streams.is_stream(found["x"]):
        if len(found) > 1:
            beside = " and ".join(NAMES.get(key, key) for key in found if key != "x")
            remedy = "Put them into its batches: (x, y), (x, y, weight) or one dict."
            raise InvalidInput("a stream that brings all there is", f"{beside} beside it", remedy)
        first, stream = streams.peek(found["x"])
        _check_classes(vae, first, class_weight)
        check_arrays(vae, element(vae, first), support)
        return stream
    made = element(vae, found)
    _check_rows(made["x"], {**found, **made})
    _check_classes(vae, x if isinstance(x, Mapping) else (x, y, sample_weight), class_weight)
    check_arrays(vae, made, support)
    return made


def as_array(part: Given) -> Given:
    """Returns a variable as a tensor; anything else as it is."""
    return tf.convert_to_tensor(part) if isinstance(part, (tf.Variable, keras.Variable)) else part


def element(vae: "Model", data: Given) -> Observed:
    """Returns what Keras carried of a batch, or a user gave, as an `Observed` of the model's shape.

    A target that is x itself is left out. A y of another shape is the condition, if the model has one that it fits and
    that is not there; other labels are left out, with one note.

    Raises:
        InvalidInput: for a form that Keras does not carry, an unknown key, or a wrong type or shape.
    """
    _check_form(data)
    found = of.of_keras(data)
    check_keys(vae, found)
    target = found.get("target")
    if target is None:
        return whole(vae, found)
    if target is found["x"]:
        del found["target"]
    elif "condition" not in found and is_condition(vae, target):
        found["condition"] = found.pop("target")
    elif not is_target(target, vae.event_shape):
        note_dropped_labels(vae)
        del found["target"]
    return whole(vae, found)


def given(vae: "Model", x: Given, **more: Given) -> Observed:
    """Returns what a method was given of B examples as an `Observed` of the model's shape.

    Args:
        vae: the model.
        x: raw examples, `[B, ...]`, or an `Observed` with all that is known of them.
        **more: condition, mask and labels; `None` for what is not known.

    Raises:
        InvalidInput: for an unknown key, weights, or a wrong type or shape.
    """
    found = of.pack(x, **more)
    check_keys(vae, found)
    if "weight" in found:
        remedy = "Leave them out: this gives one number for each example, or averages over examples."
        raise InvalidInput("data without sample weights", "a dict with weight", remedy)
    return whole(vae, found)


def one_batch(x: Given, y: Given, weight: Given, words: dict[str, Given]) -> tuple[Given, Given, Given]:
    """Returns a batch as Keras carries it: x, y and weight, or one `Observed` where more is known, and twice `None`.

    Args:
        x: the examples, or an `Observed`.
        y: the target or labels, or `None`.
        weight: of each example, or `None`.
        words: keywords, from which condition, mask and labels are taken.
    """
    found = of.pack(x, **{name: words.pop(name, None) for name in ("condition", "mask", "labels")})
    refuse_lossy(found.get("x"))
    if found.keys() == {"x"}:
        return found["x"], y, weight
    return of.pack(found, target=y, weight=weight), None, None


def whole(vae: "Model", found: Observed) -> Observed:
    """Returns what is known with arrays of the model's shapes, the mask as large as x, the conditions by name."""
    x = event_batch(found["x"], vae.event_shape)
    masks = {"mask": shown(vae, found["mask"], x)} if "mask" in found else {}
    conditions = told(vae, found.get("condition"), x)
    targets = {"target": event_batch(found["target"], vae.event_shape, "y")} if "target" in found else {}
    labels = {"labels": labelled(vae, found["labels"], x)} if "labels" in found else {}
    return {**found, "x": x, **targets, **masks, **labels, **({"condition": conditions} if conditions else {})}


def check_arrays(vae: "Model", observed: Given, support: sets.ValueSet | None = None) -> None:
    """Scans arrays whole, as the model will see them after preprocessing.

    Args:
        vae: the model.
        observed: an `Observed` of arrays, or x alone, `[B, ...]`.
        support: the set that the target (x itself without one) must lie in; by default the likelihood's.

    Raises:
        InvalidInput: for an empty data set, a wrong shape, or values that are not finite or outside the support.
    """
    found = of.pack(observed)
    found = {**found, "x": event_batch(found["x"], vae.event_shape)}
    x = found["x"]
    if len(x) == 0:
        raise InvalidInput("at least one example", "an empty x", "Pass data with one row or more.")
    _check_rows(x, found)
    if "weight" in found:
        _check_weights(np.asarray(found["weight"]), len(x))
    _note_integers(vae, x)
    for start in range(0, len(x), ROWS_PER_SCAN):
        rows = slice(start, start + ROWS_PER_SCAN)
        check_all_values(vae, tf.nest.map_structure(lambda part, rows=rows: part[rows], found), start, support)


def event_batch(x: Given, event_shape: tuple[int, ...], name: str = "x") -> Array:
    """Returns x as an array or tensor `[B, *event]`; raises `InvalidInput` for any other type or shape."""
    if isinstance(x, keras.KerasTensor):
        remedy = "Use the VAE itself in a functional model: vae(inputs) gives the reconstruction's mean."
        raise InvalidInput(f"{name} to be a tensor or array", "a symbolic keras.Input", remedy)
    x = as_array(x)
    refuse_lossy(x, name)
    unstacked = isinstance(x, (dict, list, tuple, tf.SparseTensor, tf.RaggedTensor))
    if unstacked or not (hasattr(x, "shape") or hasattr(x, "__array__")):
        kind = f"a {type(x).__name__}" + (f" with keys {sorted(x)}" if isinstance(x, dict) else "")
        remedy = STACK
        if isinstance(x, Mapping) and "x" in x:
            remedy = f'Pass {name} alone: data["x"].'
        if streams.is_stream(x) and hasattr(x, "__iter__"):
            remedy = f"Pass one batch at a time: for {name} in data."
        raise InvalidInput(f"{name} to be one array of shape {('B', *event_shape)}", kind, remedy)
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
        remedy = shape_remedy(name, tuple(x.shape), event_shape)
        raise InvalidInput(f"{name} of shape {('B', *event_shape)}", f"shape {tuple(x.shape)}", remedy)
    return tf.ensure_shape(x, (None, *event_shape)) if None in x.shape[1:] else x


def some_examples(vae: "Model", data: Given) -> Observed:
    """Returns what is known of data that fit into memory, whole; of others, which come in batches, of some thousand."""
    if any(is_read_in_parts(part) for part in tf.nest.flatten(data)):
        data = tf.nest.map_structure(some_rows, data)
    if not streams.is_stream(data):
        return of.known_of(element(vae, data))
    taken: list[Observed] = []
    for batch in streams.peek(data)[1]:
        taken.append(tf.nest.map_structure(np.asarray, of.known_of(element(vae, batch))))
        if sum(map(of.num_rows, taken)) >= SOME:
            break
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *taken)


def is_one_batch(x: Given) -> bool:
    """Tells whether x, an array or an `Observed` of some, is what Keras would take in one batch of its usual size."""
    x = x.get("x") if isinstance(x, dict) else x
    plain = isinstance(x, (np.ndarray, tf.Tensor)) and not isinstance(x, np.ma.MaskedArray)
    return plain and (1,) <= tuple(x.shape[:1]) <= (KERAS_BATCH,)


def codes(z: Codes, shape: Shape | Mapping[str, Shape]) -> Tree:
    """Returns latent codes, of one latent or by name, `[B, *latent]` or `[S, B, *latent]` each; see `code`.

    Raises:
        InvalidInput: for other names than those of the model, a wrong shape or wrong values.
    """
    if not isinstance(shape, Mapping):
        if isinstance(z, Mapping):
            raise InvalidInput(
                f"z as one array of shape {('B', *shape)}", f"a dict of {', '.join(z)}", "Pass the array."
            )
        return code(z, shape)
    if not isinstance(z, Mapping) or set(z) != set(shape):
        example = ", ".join(f"{name!r}: [B, {', '.join(map(str, sizes))}]" for name, sizes in shape.items())
        received = f"a dict of {', '.join(map(str, z))}" if isinstance(z, Mapping) else "one array"
        raise InvalidInput(f"z as a dict of {', '.join(shape)}", received, f"Pass {{{example}}}.")
    found = {name: code(z[name], sizes) for name, sizes in shape.items()}
    leads = {name: tuple(value.shape[: value.shape.rank - len(shape[name])]) for name, value in found.items()}
    if len({lead for lead in leads.values() if None not in lead}) > 1:
        received = ", ".join(f"{lead} of {name}" for name, lead in leads.items())
        raise InvalidInput("latents of the same rows", received, "Each row of each latent is one example.")
    return found


def code(z: ArrayLike, latent_shape: Shape) -> tf.Tensor:
    """Returns codes of one latent, `[B, *latent]` or `[S, B, *latent]`, float32; eagerly their values are checked."""
    z, size = tf.cast(z, tf.float32), len(latent_shape)
    if z.shape.rank is not None and (z.shape.rank <= size or tuple(z.shape[-size:]) != latent_shape):
        expected, received = f"z of shape {('B', *latent_shape)}", f"shape {tuple(z.shape)}"
        raise InvalidInput(expected, received, "Each row is one latent code.")
    if tf.executing_eagerly() and not tf.reduce_all(tf.math.is_finite(z)):
        raise InvalidInput("z with finite values", "nan or infinity in z", "Remove those codes first.")
    return z


def is_target(y: Given, event_shape: tuple[int, ...]) -> bool:
    """Tells whether y, `[B, ...]`, is a reconstruction target (true) or labels to drop (false).

    Raises:
        InvalidInput: if it is neither.
    """
    if hasattr(y, "shape") and not (tf.is_tensor(y) and y.shape.rank is None):
        rest = tuple(y.shape)[1:]
        if rest == tuple(event_shape):
            return True
        if all(size == 1 for size in rest) or (len(rest) == 1 and _may_be_one_hot(y)):
            return False
    raise InvalidInput(
        f"y to be a reconstruction target of shape {('B', *event_shape)}, labels ('B',) or one-hot labels ('B', K)",
        f"y of shape {y.shape} and dtype {y.dtype}" if hasattr(y, "shape") else f"a {type(y).__name__}",
        "Leave y out: a VAE learns from x alone.",
    )


def _may_be_one_hot(y: Array) -> bool:
    """Tells whether each row of y, `[B, K]`, has a single one, as Keras' loaders write labels; in a graph, perhaps."""
    symbolic = tf.is_tensor(y) and not tf.executing_eagerly()
    return symbolic or bool(tf.reduce_all(sets.ONE_HOT.contains(tf.cast(y, tf.float32))))


def note_dropped_labels(vae: "Model") -> None:
    """Says once for a model that the labels of its stream are not used."""
    why = "they are none of its conditions" if vae.conditions else "this model has no condition"
    own = list(classes(vae))
    how = f"Pass labels={{{own[0]!r}: y}} to say what a latent is, or x alone" if own else "Pass x alone"
    note_once(vae, "labels", f"the labels in y are not used: {why}. {how} to silence this.")


def note_once(vae: "Model", key: str, text: str) -> None:
    """Says something once for a model."""
    if key not in vae.notes:
        vae.notes.add(key)
        logger.warning("tfvae: %s", text)


def _check_form(data: Given) -> None:
    """Refuses what Keras loses on some of its ways: NamedTuples, and a dict with more beside it."""
    named = hasattr(data, "_fields")
    beside = isinstance(data, tuple) and isinstance(data[0], Mapping) and any(part is not None for part in data[1:])
    if named or beside:
        received = f"a {type(data).__name__}" if named else "a dict and more beside it"
        remedy = 'Put all that is known into the dict, for example {"x": x, "weight": weight}.'
        raise InvalidInput("batches of x, (x, y), (x, y, weight) or one plain dict", received, remedy)


def check_keys(vae: "Model", given: Mapping[str, Given]) -> None:
    """Raises `InvalidInput` for a dict of what is known that lacks x, holds None, or has other keys."""
    empty = [key for key, part in given.items() if part is None and key != "x"]
    if empty:
        raise InvalidInput("a dict without None", f"{empty[0]}=None", "Leave out the key of what is not known.")
    if "x" in given and given.keys() <= NAMES.keys():
        return
    more = ", ".join(list(NAMES)[1:])
    raise InvalidInput(
        f"x to be one array of shape {('B', *vae.event_shape)}, or a dict with x and perhaps {more}",
        f"a dict with keys {sorted(map(str, given))}",
        STACK,
    )


def _check_rows(x: Array, given: Mapping[str, Given]) -> None:
    for key, part in given.items():
        for array in tf.nest.flatten(part):
            shape = tuple(np.shape(array))
            if shape[:1] != (len(x),):
                expected = f"{NAMES[key]} with {len(x)} rows, as x has"
                raise InvalidInput(expected, f"{shape[0]}" if shape else f"{array!r}", "Pass one for each example.")


def _check_classes(vae: "Model", data: Given, class_weight: dict | None) -> None:
    if class_weight is None:
        return
    given = {} if isinstance(data, Mapping) else of.of_keras(data)  # Keras reads the labels, and in a y alone
    if "target" not in given or is_target(given["target"], vae.event_shape):
        remedy = "Pass the labels as y, or weigh examples by sample_weight."
        raise InvalidInput("integer labels y, to which class_weight refers", "no labels", remedy)
    if "weight" in given:
        raise InvalidInput("class_weight or sample_weight", "both", "Multiply them into one sample_weight.")


def _note_integers(vae: "Model", x: Array) -> None:
    if not vae.preprocessing and not np.issubdtype(_numpy_dtype(x), np.floating):
        values = np.asarray(x)
        exact = values.itemsize < 4 or -LARGEST_EXACT <= values.min() <= values.max() <= LARGEST_EXACT
        kept = "its values unchanged" if exact else f"which rounds whole numbers above {LARGEST_EXACT} = 2^24"
        note_once(vae, "integers", f"x of dtype {_numpy_dtype(x)} is converted to float32, {kept}.")


def _check_weights(weight: np.ndarray, rows: int) -> None:
    if weight.size != rows:
        remedy = "To leave out part of an example is not supported."
        raise InvalidInput("sample_weight of shape ('B',)", f"shape {weight.shape}", remedy)
    if not np.all(np.isfinite(weight)) or np.any(weight < 0):
        bad = weight[~(np.isfinite(weight) & (weight >= 0))][0]
        raise InvalidInput("sample_weight to be finite and not negative", f"{bad}", "Give left-out examples weight 0.")


def _numpy_dtype(x: Array) -> np.dtype:
    dtype = x.dtype
    dtype = np.dtype(dtype.as_numpy_dtype if isinstance(dtype, tf.DType) else dtype)
    return np.dtype(np.float32) if dtype == tf.bfloat16 else dtype  # NumPy does not know it as floating
