"""Which names each part may be given, and what shapes they have: refused when a model is composed.

posterior    x, mask, conditions, other latents, what the prior says of them       likelihood    latents, conditions
prior        conditions, other latents                                             each: features of these
"""

from collections.abc import Iterable, Mapping

from tfvae.conditions import Condition, check_name
from tfvae.core.conditional import ConditionalDistribution
from tfvae.core.errors import InvalidInput
from tfvae.core.feature import Feature
from tfvae.core.joint import MOMENTS, Latents, behind, roots
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
    latents: Latents, likelihood: ConditionalDistribution, conditions: Mapping[str, Condition], features: Features
) -> None:
    """Raises `InvalidInput` if a part is given a name that the model does not have, or may not be given to it.

    A condition that nothing is given is refused, too: it would be asked for and change nothing.
    """
    names, said = latents.names, [MOMENTS.format(name) for name, part in latents.prior.items() if part.normal]
    for name, part in latents.posterior.items():
        part.check_latent(name)
    for name in () if latents.bare else names:
        if name in conditions or name in features:
            raise InvalidInput("names that are used once", f"{name!r}, a latent and something else", "Rename one.")
    known = ("x", "mask", *names, *conditions, *features)
    for name, feature in features.items():
        _check_names(f"feature {name}", feature.given, (*known, *said))
    several = () if latents.bare else names
    parts = [(_owner("posterior", n, several), part, ("x", "mask", *several)) for n, part in latents.posterior.items()]
    parts += [("likelihood", likelihood, names)]
    parts += [(_owner("prior", n, several), part, several) for n, part in latents.prior.items()]
    for owner, part, own in parts:
        of_posterior = owner.startswith("posterior")
        _check_names(owner, part.given, (*known, *(said if of_posterior else ())))
        allowed, made = (*own, *conditions), behind(part.given, latents.through)
        if of_posterior and not roots(part.given, latents.through) - {*said}:
            remedy = 'Give it x, for example given="x".'
            raise InvalidInput(f"{owner} to be given something of the examples", f"given={part.given}", remedy)
        wrong = [name for name in roots(part.given, latents.through) if name not in allowed]
        wrong += [] if of_posterior else sorted(made & {*said})
        if wrong:
            expected = f"{owner} to be given some of {', '.join((*allowed, *features)) or 'nothing'}"
            raise InvalidInput(expected, f"given {wrong[0]!r}", REMEDIES[owner.split(" ")[0]])
    if not roots(likelihood.given, latents.through) & {*names}:
        others = "".join(f", {name!r}" for name in likelihood.given)
        remedy = f"Pass given=({names[-1]!r}{others or ','})."
        expected = f"a likelihood that is given {' or '.join(names)}"
        raise InvalidInput(expected, f"given={tuple(likelihood.given)}", remedy)
    named = {name for part in (*(part for _, part, _ in parts), *features.values()) for name in part.given}
    unused = [name for name in features if name not in named]
    if unused:
        remedy = f"Name it in the given= of a part, or leave it out of features={{{unused[0]!r}: ...}}."
        raise InvalidInput(f"a part that is given {unused[0]!r}, a feature", "none that is", remedy)
    used = {root for _, part, _ in parts for root in roots(part.given, latents.through)}
    idle = [name for name in conditions if name not in used]
    if idle:
        example = f'likelihoods.Bernoulli(..., given=("{names[-1]}", "{idle[0]}"))'
        remedy = f"Name it, for example {example}, or do not declare it."
        raise InvalidInput(f"parts that are given {idle[0]!r}, which is declared", "none that is", remedy)


REMEDIES = {
    "prior": "A prior is told conditions alone, and of several latents others: declare one, VAE(..., condition=...).",
    "likelihood": "A likelihood explains x by latents and conditions.",
    "posterior": "A posterior is given x, the mask and conditions, and of several latents others.",
}


def _owner(side: str, name: str, several: tuple[str, ...]) -> str:
    return f"{side} of {name}" if several else side


def _check_names(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    unknown = [name for name in given if name not in known]
    if unknown:
        remedy = (
            f"Declare it: VAE(..., condition={{{unknown[0]!r}: tfvae.conditions.Labels(10)}}), or use another name."
        )
        if unknown[0] in map(MOMENTS.format, known):
            remedy = "It is said of normal priors alone: use priors.DiagonalNormal or priors.StandardNormal there."
        raise InvalidInput(f"{owner} to be given names of the model: {', '.join(known)}", f"{unknown[0]!r}", remedy)
