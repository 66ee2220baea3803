"""Estimates for each x: importance sampling, refinement of q, annealing, and whether to trust them."""

from tfvae.inference.refine import Refined, refine

__all__ = ["Refined", "refine"]


def __dir__() -> list[str]:
    return __all__
