"""Containers that NumPy would take with a loss: refused by name, with what to pass in their place.

masked arrays    their mask would be dropped, and fill values trained on
sparse matrices  they would become an array of one object
words            nothing makes numbers of them by itself
"""

import numpy as np

from tfvae.core.errors import InvalidInput
from tfvae.core.types import Given


def refuse_lossy(x: Given, name: str = "x") -> None:
    """Raises `InvalidInput` for a container that cannot be taken without a loss.

    Args:
        x: anything.
        name: what a user of Keras calls it.
    """
    if np.ma.is_masked(x):
        share = np.ma.getmaskarray(x).mean()
        remedy = f"Models have no masks yet: fill the cells ({name}.filled(value)), or drop their rows or columns."
        raise InvalidInput(f"{name} without masked cells", f"a masked array, {share:.1%} of it masked", remedy)
    if hasattr(x, "tocsr"):
        remedy = f"Pass {name}.toarray(), or a stream of dense batches: ({name}[i : i + 100].toarray() for i in ...)."
        raise InvalidInput(f"{name} to be a dense array", f"a sparse matrix, {type(x).__name__}", remedy)
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if isinstance(x, np.ndarray) and kind in ("O", "U", "S"):
        where, example = _first_word(x)
        remedy = (
            "Code words as whole numbers (numpy.unique(column, return_inverse=True)[1]), for example for "
            'likelihoods.Categorical; then astype("float32").'
        )
        received = f"{example!r} in {where}" if where else f"dtype {x.dtype}"
        raise InvalidInput(f"{name} to be numbers", received, remedy if where else 'Use astype("float32").')


def _first_word(x: np.ndarray) -> tuple[str, object]:
    """Returns where the first value is that is not a number, and the value; nothing if all are numbers."""
    for index, value in np.ndenumerate(x):
        try:
            float(value)
        except (TypeError, ValueError):
            return f"column {index[-1]}" if len(index) > 1 else f"row {index[0]}", value
    return "", None
