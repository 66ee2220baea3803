"""What the pictures of a model that is told something show: which conditions, which examples, and their names.

one condition of labels      all labels, up to 20, and the first example of each
anything else                the conditions of the first ten examples, and these
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfvae import plotting
from tfvae.checks.data import given
from tfvae.conditions import Labels
from tfvae.core.types import Array, Given
from tfvae.plotting.latents import names, some
from tfvae.vae import VAE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES, LABELS = 10, 20


def first_of_each(vae: VAE, x: Given) -> np.ndarray:
    """Returns the rows of examples to show: the first of each label, else the first ones."""
    found = given(vae, x)
    if _labels(vae):
        (labels,) = found["condition"].values()
        return np.unique(labels, return_index=True)[1][:LABELS]
    return np.arange(len(found["x"]))[:EXAMPLES]


def conditions(vae: VAE, x: Given) -> dict[str, Array]:
    """Returns the conditions to draw samples under, by name; none of a model that is told nothing."""
    if _labels(vae):
        ((name, part),) = vae.conditions.items()
        return {name: np.arange(min(part.num_categories, LABELS), dtype=np.int32)}
    return dict(some(given(vae, x), slice(EXAMPLES)).get("condition", {}))


def in_words(told: dict[str, Array], words: Sequence[str]) -> list[str]:
    """Returns a name for each row of conditions, of labels that are words the word; none where they are not short."""
    return [words[label] for label in next(iter(told.values()))] if words else names(told)


def samples(vae: VAE, x: Given, words: Sequence[str] = ()) -> "Figure":
    """Draws samples, under each of the conditions to show."""
    told = conditions(vae, x)
    return plotting.samples(vae, condition=told or None, names=in_words(told, words))


def reconstructions(vae: VAE, x: Given, words: Sequence[str] = ()) -> "Figure":
    """Draws examples above their reconstructions, one or more of each condition to show."""
    if not vae.conditions:
        return plotting.reconstructions(vae, x, EXAMPLES)
    chosen = some(given(vae, x), first_of_each(vae, x))
    return plotting.reconstructions(vae, chosen, LABELS, titles=in_words(chosen["condition"], words))


def _labels(vae: VAE) -> bool:
    """Says whether the model is told one label and nothing else."""
    return len(vae.conditions) == 1 and all(isinstance(part, Labels) for part in vae.conditions.values())
