"""Estimates for each x: importance sampling, refinement of q, annealing, and whether to trust them.

refine    optimises the parameters of q(z | x) for each x on its own
Refined   what it returns: the refined posteriors and their bounds

Weighted    what `vae.infer` returns: weighted draws of p(z | x)
Imputation  what `vae.impute` returns: missing cells given those that were observed

Importance sampling is `vae.estimate_log_prob`; annealing is `tfvae.evaluation.annealed_log_prob`.
"""

from tfvae.inference.imputation import Imputation
from tfvae.inference.refine import Refined, refine
from tfvae.inference.weighted import Weighted

__all__ = ["Imputation", "Refined", "Weighted", "refine"]


def __dir__() -> list[str]:
    return __all__
