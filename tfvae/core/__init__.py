"""What everything stands on: the interface of the parts, evidence, what is known, sets of values, seeds, errors.

ConditionalDistribution   what every part is: a Keras layer from context to a TFP distribution
positive                  raw numbers to scales, for parts of one's own
positive_inverse          scales to raw numbers: where a bias starts

What training, checks and inference ask of a model is written in `tfvae.core.model`.
"""

from tfvae.core import backend
from tfvae.core.conditional import ConditionalDistribution, positive, positive_inverse

__all__ = ["ConditionalDistribution", "positive", "positive_inverse"]


def __dir__() -> list[str]:
    return __all__
