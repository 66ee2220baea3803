"""Estimates for each x: importance sampling, refinement of q, annealing, and whether to trust them.

refine    optimises the parameters of q(z | x) for each x on its own
Refined   what it returns: the refined posteriors and their bounds

Importance sampling is `vae.estimate_log_prob`; annealing is `tfvae.evaluation.annealed_log_prob`.
"""

from tfvae.inference.refine import Refined, refine

__all__ = ["Refined", "refine"]


def __dir__() -> list[str]:
    return __all__
