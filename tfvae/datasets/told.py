"""What a source says beside x, as the condition of a model: labels numbered, numbers as they are.

whole numbers `[N]`            Labels(K)        0 ... K - 1, K of the training data
words `[N]`                    Labels(K)        numbered in the order of the alphabet
other numbers `[N, ...]`       Real(shape)      of one number each Real(1)
"""

import dataclasses
import logging

import numpy as np

from tfvae import conditions
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config

logger = logging.getLogger("tfvae")

LARGE = 10.0  # numbers above are told to be brought to order one


@dataclasses.dataclass(frozen=True)
class Told:
    """What the examples of a data set are known by.

    Attributes:
        name: of the array, as the source has it.
        part: what a model is declared to be told.
        words: of labels that are words, in order; empty where they are numbers.
        units: mean and spread of a column of a table, in which its numbers are told; `None` as they are.
    """

    name: str
    part: conditions.Condition
    words: tuple[str, ...] = ()
    units: tuple[float, float] | None = None

    @property
    def declared(self) -> dict[str, conditions.Condition]:
        """The same for `VAE(condition=...)`; under the source's name if a condition may be called so."""
        try:
            conditions.check_name(self.name)
        except InvalidInput:
            return {conditions.ALONE: self.part}
        return {self.name: self.part}

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the numbers of a column of a table as a model is told them: labels, or in `units`."""
        if self.units is None:
            return numbers.astype(np.int32)
        mean, spread = self.units
        return ((numbers - mean) / spread).astype(np.float32)[:, np.newaxis]

    @property
    def protocol(self) -> Config:
        """The same for JSON."""
        units = {} if self.units is None else {"units": list(self.units)}
        return {"name": self.name, "kind": repr(self.part), "words": list(self.words), **units}


def told(name: str, arrays: dict[str, np.ndarray]) -> tuple[Told, dict[str, np.ndarray]]:
    """Returns what arrays mean as a condition, and their values as a model is told them.

    Args:
        name: of the arrays.
        arrays: of each split, train among them, `[N, ...]`.

    Raises:
        InvalidInput: for labels below 0 or of one kind alone, and those of another split that train does not have.
    """
    train = arrays["train"]
    if train.dtype.kind in "US":
        return _words(name, {split: _column(name, values).astype(str) for split, values in arrays.items()})
    if train.dtype.kind in "biu" and train.shape[1:] in ((), (1,)):
        return _labels(name, {split: _column(name, values) for split, values in arrays.items()})
    values = {split: np.asarray(v, np.float32).reshape(len(v), *(v.shape[1:] or (1,))) for split, v in arrays.items()}
    low, high = float(values["train"].min()), float(values["train"].max())
    if max(-low, high) > LARGE:
        text = "tfvae: %s has values from %g to %g, which networks see as they are: bring them to order one."
        logger.warning(text, name, low, high)
    return Told(name, conditions.Real(values["train"].shape[1:])), values


def _words(name: str, arrays: dict[str, np.ndarray]) -> tuple[Told, dict[str, np.ndarray]]:
    words = np.unique(arrays["train"])
    for split, values in arrays.items():
        _refuse_unknown(name, split, values, np.isin(values, words))
    part = conditions.Labels(_at_least_two(name, len(words)))
    numbers = {split: np.searchsorted(words, values).astype(np.int32) for split, values in arrays.items()}
    return Told(name, part, tuple(map(str, words))), numbers


def _labels(name: str, arrays: dict[str, np.ndarray]) -> tuple[Told, dict[str, np.ndarray]]:
    train = arrays["train"]
    if train.min() < 0 or train.max() >= max(2, len(train)):
        received = f"values from {train.min()} to {train.max()} in {len(train)} rows"
        remedy = "Number the labels, np.unique(labels, return_inverse=True)[1]; what is no label is written as floats."
        raise InvalidInput(f"{name} with labels 0 ... K - 1", received, remedy)
    size = _at_least_two(name, int(train.max()) + 1)
    for split, values in arrays.items():
        _refuse_unknown(name, split, values, (values >= 0) & (values < size))
    return Told(name, conditions.Labels(size)), {split: v.astype(np.int32) for split, v in arrays.items()}


def _column(name: str, values: np.ndarray) -> np.ndarray:
    """Returns labels, `[N]`, of a column of them, `[N, 1]`, too."""
    if values.shape[1:] not in ((), (1,)):
        raise InvalidInput(f"{name} with one label for each example", f"shape {values.shape}", "Pass numbers, or one.")
    return values.reshape(len(values))


def _at_least_two(name: str, size: int) -> int:
    if size < 2:
        received = "one that all examples have"
        raise InvalidInput(f"{name} with two labels or more in train", received, "Leave --condition out.")
    return size


def _refuse_unknown(name: str, split: str, values: np.ndarray, known: np.ndarray) -> None:
    if not known.all():
        row = int(np.argmin(known))
        remedy = "Remove such examples, or bring some of them into train: x_train, x_valid, x_test and their labels."
        raise InvalidInput(f"{name} in {split} with labels that train has", f"{values[row]} in row {row}", remedy)
