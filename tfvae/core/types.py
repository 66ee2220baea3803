"""Words for what passes from file to file: type aliases, nothing that runs.

S samples, B batch, D latent, ... event; a tensor is float32 unless something else is said.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Tensor: TypeAlias = tf.Tensor
Array: TypeAlias = np.ndarray | tf.Tensor  # values with a shape
ArrayLike: TypeAlias = npt.ArrayLike | tf.Tensor | tf.Variable  # what a public method takes and converts
Seed: TypeAlias = tf.Tensor  # int32 pair
Shape: TypeAlias = tuple[int, ...]

Codes: TypeAlias = ArrayLike | Mapping[str, ArrayLike]  # z of one latent, or of several by name
Tree: TypeAlias = "Tensor | Mapping[str, Tree] | tuple[Tree, ...] | list[Tree]"  # what tf.nest walks
Batch: TypeAlias = dict[str, Tensor]  # what is known of B examples, as core/observed.py has it
Parameters: TypeAlias = dict[str, Any]  # name to tensor; of a flow, name to nested tensors
Logs: TypeAlias = dict[str, Any]  # name to number: floats for people, tensors inside a step
Given: TypeAlias = Any  # what a person hands over as data, before it was checked: arrays, dicts, streams, mistakes
BatchShape: TypeAlias = tuple[int | None, *tuple[int, ...]]  # of a batch, whose size is not known
Config: TypeAlias = dict[str, Any]  # what a Keras object is made of again
