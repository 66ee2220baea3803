"""Likelihoods p(x | z): z -> normalised distribution over x, `[...]`.

Normal                         log N(x; loc(z), scale^2)                        x real
Laplace                        -|x - loc(z)| / scale - log(2 scale)             x real
StudentT                       log t_df((x - loc(z)) / scale) - log scale       x real, with outliers
ContinuousBernoulli            x l(z) - log((exp l(z) - 1) / l(z))              x in [0, 1]
Bernoulli                      x l(z) - log(1 + exp l(z))                       x in {0, 1}
Categorical                    l_x(z) - log sum_k exp l_k(z)                    x in {0, ..., K - 1}, labels
Poisson                        x log m(z) - m(z) - log x!                       x in {0, 1, 2, ...}
NegativeBinomial               the same with variance m + m^2 / r               x in {0, 1, 2, ...}
ZeroInflatedNegativeBinomial   log((1 - pi) NB(x) + pi [x = 0])                 x in {0, 1, 2, ...}
DiscretizedLogistic            log(F(x + 1/2) - F(x - 1/2)), F logistic         x in {0, ..., 255}
DiscretizedLogisticMixture     log sum_k pi_k(z) (F_k(x + 1/2) - F_k(x - 1/2))  x in {0, ..., 255}
Warped                         log p_U(g(x) | z) + log g'(x)                    x of known units, g increasing
Columns                        sum_i log p_i(x_i | z)                           a table with mixed columns

Each is summed over the event, in nats, constants included. The scale, and the dispersion of counts, is a part of its
own (`tfvae.scales`): fixed, learned and shared, one for each dimension, or predicted. `likelihood.adapt(x)` sets the
output bias and the scale from data.

Interface:
Likelihood                     the base class; a likelihood of your own is a subclass
IndependentLikelihood          one whose elements are independent given z
ScaledLikelihood               one of those with a positive parameter that comes from `tfvae.scales`
suggest                        the names of the likelihoods in whose support data lie
"""

from tfvae.likelihoods.base import IndependentLikelihood, Likelihood, ScaledLikelihood, suggest
from tfvae.likelihoods.columns import Columns
from tfvae.likelihoods.continuous import ContinuousBernoulli, Laplace, Normal, StudentT
from tfvae.likelihoods.counts import NegativeBinomial, Poisson, ZeroInflatedNegativeBinomial
from tfvae.likelihoods.discrete import Bernoulli, Categorical
from tfvae.likelihoods.logistic import DiscretizedLogistic, DiscretizedLogisticMixture
from tfvae.likelihoods.warped import Warped

__all__ = [
    "Bernoulli",
    "Categorical",
    "Columns",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "IndependentLikelihood",
    "Laplace",
    "Likelihood",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "ScaledLikelihood",
    "StudentT",
    "Warped",
    "ZeroInflatedNegativeBinomial",
    "suggest",
]


def __dir__() -> list[str]:
    return __all__
