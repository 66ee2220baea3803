"""Which names each part may be given, and what shapes they have: refused when a model is composed.

posterior    x, mask, conditions, features of these            likelihood    z, conditions, features of these
prior        conditions, features of these
"""

from collections.abc import Iterable, Mapping

from tfvae.conditions import Condition, check_name
from tfvae.core.conditional import ConditionalDistribution
from tfvae.core.errors import InvalidInput
from tfvae.core.feature import Feature
from tfvae.core.types import Shape

Features = Mapping[str, Feature]


def features_of(features: Features | None, conditions: Mapping[str, Condition]) -> dict[str, Feature]:
    """Returns features by name, each after those that it is given.

    Raises:
        InvalidInput: for a name that is reserved or used twice, something that is not a feature, or a cycle.
    """
    found = dict(features or {})
    for name, feature in found.items():
        check_name(name)
        if name in conditions:
            raise InvalidInput("names that are used once", f"{name!r}, a condition and a feature", "Rename one.")
        if not isinstance(feature, Feature):
            remedy = 'Pass for example tfvae.Feature(network, given="x").'
            raise InvalidInput(f"{name} to be a tfvae.Feature", f"{feature!r}", remedy)
    ordered: dict[str, Feature] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            cycle = " -> ".join((*above[above.index(name) :], name))
            raise InvalidInput("features that are not given each other in a circle", cycle, "Give one of them x.")
        if name in found and name not in ordered:
            for given in found[name].given:
                add(given, (*above, name))
            ordered[name] = found[name]

    for name in found:
        add(name, ())
    return ordered


def shapes_of(features: Features, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Returns name to shape of one value, those of the features too, which are built by this, in order."""
    shapes = dict(shapes)
    for name, feature in features.items():
        feature.build(shapes)
        shapes[name] = feature.shape
    return shapes


def check_given(
    posterior: ConditionalDistribution,
    likelihood: ConditionalDistribution,
    prior: ConditionalDistribution,
    conditions: Mapping[str, Condition],
    features: Features,
) -> None:
    """Raises `InvalidInput` if a part is given a name that the model does not have, or may not be given to it.

    A condition that nothing is given is refused, too: it would be asked for and change nothing.
    """
    for name, feature in features.items():
        _check_names(f"feature {name}", feature.given, ("x", "mask", "z", *conditions, *features))
    parts = (("posterior", posterior, ("x", "mask")), ("likelihood", likelihood, ("z",)), ("prior", prior, ()))
    for name, part, own in parts:
        _check_names(name, part.given, ("x", "mask", "z", *conditions, *features))
        allowed = (*own, *conditions)
        wrong = [root for root in roots(part.given, features) if root not in allowed]
        if wrong:
            expected = f"{name} to be given some of {', '.join((*allowed, *features)) or 'nothing'}"
            remedy = {
                "prior": "A prior is told conditions alone: declare one, VAE(..., condition=...).",
                "likelihood": "A likelihood explains x by z and conditions.",
                "posterior": "A posterior of one latent is given x, the mask and conditions.",
            }[name]
            raise InvalidInput(expected, f"given {wrong[0]!r}", remedy)
    if "z" not in roots(likelihood.given, features):
        remedy = f'Pass given=("z", {", ".join(repr(name) for name in likelihood.given)}).'.replace(", )", ")")
        raise InvalidInput("a likelihood that is given z", f"given={tuple(likelihood.given)}", remedy)
    named = {name for part in (posterior, likelihood, prior, *features.values()) for name in part.given}
    unused = [name for name in features if name not in named]
    if unused:
        remedy = f"Name it in the given= of a part, or leave it out of features={{{unused[0]!r}: ...}}."
        raise InvalidInput(f"a part that is given {unused[0]!r}, a feature", "none that is", remedy)
    used = {root for _, part, _ in parts for root in roots(part.given, features)}
    idle = [name for name in conditions if name not in used]
    if idle:
        remedy = f'Name it, for example likelihoods.Bernoulli(..., given=("z", "{idle[0]}")), or do not declare it.'
        raise InvalidInput(f"parts that are given {idle[0]!r}, which is declared", "none that is", remedy)


def roots(given: Iterable[str], features: Features) -> set[str]:
    """Returns what stands behind names: features are looked through."""
    found: set[str] = set()
    for name in given:
        found |= roots(features[name].given, features) if name in features else {name}
    return found


def _check_names(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    unknown = [name for name in given if name not in known]
    if unknown:
        remedy = (
            f"Declare it: VAE(..., condition={{{unknown[0]!r}: tfvae.conditions.Labels(10)}}), or use another name."
        )
        raise InvalidInput(f"{owner} to be given names of the model: {', '.join(known)}", f"{unknown[0]!r}", remedy)
