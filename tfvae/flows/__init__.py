"""Flows: flexible distributions from a simple one by invertible maps; for posteriors and priors alike.

InverseAutoregressive   transform: one pass forward, D passes back; for posteriors
MaskedAutoregressive    transform: D passes forward, one pass back; for priors
Coupling                transform: one pass both ways; half of the dimensions stay
Permutation             transform: the dimensions in another order
Chain                   transform: transforms one after the other
stack                   returns the chain of transforms with a reversal between each two
Transform               what all transforms are
Affine                  element, the map of one dimension inside a transform: shift and scale
Spline                  element: a monotone rational-quadratic spline
Element                 what both elements are
FlowDistribution        the TFP distribution of a base that a chain has moved

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
