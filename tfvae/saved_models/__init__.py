"""Models that are trained already: SavedModels with a card each, which a clone of tfvae holds in `saved_models/`.

    served = load("digits")      served.signatures["log_prob"](x=x, num_samples=1000, seed=0)      card("digits")

TensorFlow alone runs them. `make models` made them; `figures.json` beside each says how good they are.
"""

from tfvae.saved_models.shipped import card, load, names

__all__ = ["card", "load", "names"]


def __dir__() -> list[str]:
    return __all__
