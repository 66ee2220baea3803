"""TFP's distributions where the general route is slow or incomplete: the same class, density and sampler fused.

normal         MultivariateNormalDiag, MultivariateNormalTriL, MultivariateNormalLowRank
mapped         LogNormal, LogitNormal
binary         Bernoulli, ContinuousBernoulli
counts         Poisson, NegativeBinomial, ZeroInflated
logistic       DiscretizedLogistic
simplex        RelaxedOneHotCategorical, Labels
sphere         VonMisesFisher, PowerSpherical
concatenated   Concatenated
kl             closed_form_kl, kl_per_dimension

Most are subclasses of TFP's own, so `isinstance`, the registered KL divergences and every other method hold.
"""

__all__: list[str] = []


def __dir__() -> list[str]:
    return __all__
