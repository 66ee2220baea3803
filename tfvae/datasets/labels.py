"""Labels that a latent is told: whole numbers, -1 where they are not known; all, or a few of each class kept."""

from collections.abc import Mapping

import numpy as np

from tfvae.core.errors import InvalidInput

UNKNOWN = -1


def labels(arrays: Mapping[str, np.ndarray], classes: int | None) -> tuple[int, dict[str, np.ndarray]]:
    """Returns the number of classes K, and the labels of each split, `[N]` int32.

    Args:
        arrays: of each split, train among them.
        classes: K, or `None` for one more than the largest label of train.

    Raises:
        InvalidInput: for labels that are not -1 or 0 ... K - 1, or train with none.
    """
    found = {split: values.reshape(len(values)) if values.ndim == 2 else values for split, values in arrays.items()}
    train = found["train"]
    for split, values in found.items():
        if values.dtype.kind not in "biu" or values.ndim != 1:
            remedy = "Number them: np.unique(labels, return_inverse=True)[1], and -1 where they are not known."
            received = f"{values.dtype} {values.shape[1:]} in {split}"
            raise InvalidInput("labels of whole numbers, one an example", received, remedy)
    size = max(int(train.max()) + 1, 2) if classes is None else classes
    for split, values in found.items():
        good = (values >= UNKNOWN) & (values < size)
        if not good.all():
            row = int(np.argmin(good))
            expected = f"labels in {split} of -1 or 0 to {size - 1}"
            raise InvalidInput(expected, f"{values[row]} in row {row}", f"Pass --classes {int(values.max()) + 1}.")
    if not (train >= 0).any():
        raise InvalidInput("labels in train for some examples", "none", "Write -1 for those that are not known alone.")
    return size, {split: values.astype(np.int32) for split, values in found.items()}


def few(values: np.ndarray, number: int, generator: np.random.Generator) -> np.ndarray:
    """Returns labels of which about `number` are left, as many of each class as there can be, the others -1.

    Raises:
        InvalidInput: if there are fewer, or not one for each class.
    """
    kinds = np.unique(values[values >= 0])
    if not len(kinds) <= number <= int(np.sum(values >= 0)):
        received = f"{number} of {int(np.sum(values >= 0))} labels in {len(kinds)} classes"
        raise InvalidInput("a number of labels between one for each class and all", received, "Ask for another number.")
    order = generator.permutation(len(values))
    place = np.zeros(len(values), int)  # the how many-th of its class an example is
    for kind in kinds:
        of_kind = order[values[order] == kind]
        place[of_kind] = np.arange(len(of_kind))
    first = sorted(order[values[order] >= 0], key=lambda row: place[row])[:number]
    kept = np.full(len(values), UNKNOWN, values.dtype)
    kept[first] = values[first]
    return kept
