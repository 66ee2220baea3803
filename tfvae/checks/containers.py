"""Containers that NumPy would take with a loss, refused by name, and shapes that a person meant otherwise.

masked arrays    their mask would be dropped, and fill values trained on
sparse matrices  where an array is wanted, they would become an array of one object; elsewhere `core.reading` reads them
words            nothing makes numbers of them by itself; of a frame the column is named
"""

import math

import numpy as np

from tfvae.core.errors import InvalidInput
from tfvae.core.reading import is_sparse
from tfvae.core.types import Given, Shape


def refuse_lossy(x: Given, name: str = "x") -> None:
    """Raises `InvalidInput` for a container that cannot be taken without a loss.

    Args:
        x: anything.
        name: what a user of Keras calls it.
    """
    if np.ma.is_masked(x):
        share = np.ma.getmaskarray(x).mean()
        remedy = f"Fill the cells, {name}.filled(value); masks belong to x: mask=..."
        if name == "x":
            remedy = "Pass a dict: {'x': x.data, 'mask': ~x.mask}."
        raise InvalidInput(f"{name} without masked cells", f"a masked array, {share:.1%} of it masked", remedy)
    if is_sparse(x):
        remedy = f"Pass {name}.toarray(), or some of its rows: {name}[:100].toarray()."
        raise InvalidInput(f"{name} to be a dense array", f"a sparse matrix, {type(x).__name__}", remedy)
    frame = hasattr(x, "columns") and hasattr(x, "to_numpy")
    plain = frame and all(isinstance(kind, np.dtype) and kind.kind in "biuf" for kind in x.dtypes)
    values = x.to_numpy() if frame and not plain else x
    if isinstance(values, np.ndarray) and values.dtype.kind in "OUS":
        where, example = _first_word(values, list(x.columns) if frame else None)
        remedy = (
            "Code words as whole numbers (numpy.unique(column, return_inverse=True)[1]), for example for "
            'likelihoods.Categorical; then astype("float32").'
        )
        if frame and name == "x":
            remedy = "tfvae.tables.fit(frame) models words, dates and gaps as they are; or leave the column out."
        numbers = f'{name}.to_numpy("float32", na_value=numpy.nan)' if frame else 'astype("float32")'
        received = f"{example!r} in {where}" if where else f"dtype {values.dtype}"
        raise InvalidInput(f"{name} to be numbers", received, remedy if where else f"Use {numbers}.")


def shape_remedy(name: str, shape: Shape, event_shape: Shape) -> str:
    """Returns what to do about x of a shape that no batch of such examples has.

    Args:
        name: of x.
        shape: that it has.
        event_shape: of one example.
    """
    rest = tuple(shape[1:])
    if tuple(shape) == event_shape:
        return f"One example is {name}[None]; of a stream of examples make one of batches: data.batch(128)."
    if rest[:-1] == event_shape:
        return f"Of one-hot vectors pass the labels, {name}.argmax(-1); else give the likelihood event_shape={rest}."
    if len(rest) == 3 and (*rest[1:], rest[0]) == event_shape:
        return f"Move the channels to the end: numpy.moveaxis({name}, 1, -1)."
    if rest == () and event_shape == (1,):
        return f"Add the axis of columns: numpy.asarray({name})[:, None]."
    if event_shape == (*rest, 1):
        return f"Add the axis of channels: {name}[..., None]."
    if None not in rest and sorted(rest) == sorted(event_shape):
        return f"Exchange the axes: numpy.transpose({name}, {_order(rest, event_shape)})."
    if None not in rest and math.prod(rest) == math.prod(event_shape):
        return f"Reshape it: {name}.reshape({(-1, *event_shape)})."
    return f"Give the likelihood the event_shape of your data, {rest}, or change the data."


def _order(shape: Shape, wanted: Shape) -> Shape:
    """Returns which axes of a batch of events of one shape, in which order, make those of another."""
    places: list[int] = []
    for size in wanted:
        places.append(next(i for i, own in enumerate(shape) if own == size and i not in places))
    return (0, *(place + 1 for place in places))


def _first_word(x: np.ndarray, names: list | None = None) -> tuple[str, object]:
    """Returns where the first value is that is not a number, and the value; nothing if all are numbers."""
    for index, value in np.ndenumerate(x):
        if value is None or type(value).__name__ == "NAType":  # pandas' own for a gap
            continue
        try:
            float(value)
        except (TypeError, ValueError):
            column = f"column {repr(names[index[-1]]) if names else index[-1]}"
            return column if len(index) > 1 else f"row {index[0]}", value
    return "", None
