"""Spaces: where a latent z lives. A posterior and a prior can be compared only if they are measured on the same one.

REAL      density with respect to Lebesgue measure on R^D
SPHERE    density with respect to the surface measure of the unit vectors of R^D
SIMPLEX   density on the inside of D simplices of K - 1 dimensions
ONE_HOT   mass function on D one-hot vectors of K categories
"""

import dataclasses
from typing import Any

from tfvae.core.errors import InvalidInput, positive_integer


@dataclasses.dataclass(frozen=True)
class Space:
    """A set of latents and the measure on it.

    Attributes:
        description: the set as a person writes it, for example `"real vectors"`.
        discrete: whether distributions on it are mass functions, which no density can be compared with.
    """

    description: str
    discrete: bool = False


REAL = Space("real vectors")
SPHERE = Space("unit vectors")
SIMPLEX = Space("relaxed one-hot vectors")
ONE_HOT = Space("one-hot vectors", discrete=True)


def latent_dim(part: Any, value: int) -> int:
    """Returns the number of latent dimensions of a part; raises `InvalidInput` below the part's `min_dim`."""
    value = positive_integer("latent_dim", value)
    if value < part.min_dim:
        name = type(part).__name__
        remedy = "The unit vectors of one dimension are two points." if part.space == SPHERE else "Use another part."
        raise InvalidInput(f"latent_dim of at least {part.min_dim} for {name}", f"latent_dim={value}", remedy)
    return value


def num_categories(value: int) -> int:
    """Returns the number of categories of a one-hot vector; raises `InvalidInput` below two."""
    if positive_integer("num_categories", value) < 2:
        remedy = "A single category carries no information."
        raise InvalidInput("num_categories of at least 2", f"num_categories={value}", remedy)
    return value
