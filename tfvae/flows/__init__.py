"""Flows: flexible distributions from a simple one by invertible maps; for posteriors and priors alike.

    transforms   InverseAutoregressive, MaskedAutoregressive, Coupling, Permutation; Chain and stack put them in a row
    elements     Affine, Spline: the map of one dimension inside a transform

IAF is `stack(InverseAutoregressive(), ...)`, MAF `stack(MaskedAutoregressive(), ...)`, RealNVP `stack(Coupling())`;
a neural spline flow is any of them with `element=Spline()`.
"""

from tfvae.flows.autoregressive import InverseAutoregressive, MaskedAutoregressive
from tfvae.flows.coupling import Coupling
from tfvae.flows.distribution import FlowDistribution
from tfvae.flows.elements import Affine, Element, Spline
from tfvae.flows.transforms import Chain, Permutation, Transform, stack

__all__ = [
    "Affine",
    "Chain",
    "Coupling",
    "Element",
    "FlowDistribution",
    "InverseAutoregressive",
    "MaskedAutoregressive",
    "Permutation",
    "Spline",
    "Transform",
    "stack",
]


def __dir__() -> list[str]:
    return __all__
