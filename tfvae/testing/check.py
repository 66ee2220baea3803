"""`check_part`: which laws a part of each kind has to obey, and the one call that tries them.

posterior, prior, likelihood     a normalised distribution, true declarations, trained weights, comes back from a file
objective, estimator, schedule   a bound with gradients; the same bound whatever the estimator; a number at each step
"""

from typing import Any

from tfvae.core.conditional import ConditionalDistribution
from tfvae.core.errors import InvalidInput
from tfvae.estimators import Estimator
from tfvae.objectives import Objective
from tfvae.schedules import Schedule
from tfvae.testing import distributions, models, training
from tfvae.testing.report import Report, Result, of_error, tried

MODEL = (models.QUICK, models.WHOLE)
KINDS = {  # what a part is: how it is set up, its own laws, and those of a model with it
    ConditionalDistribution: (distributions.subject, distributions.LAWS, *MODEL),
    Objective: (training.of_objective, training.OBJECTIVE, *MODEL),
    Estimator: (training.of_estimator, training.ESTIMATOR, *MODEL),
    Schedule: (training.of_schedule, training.SCHEDULE, {}, {}),
}


def check_part(part: Any, context_shape: tuple[int, ...] | None = None, seed: int = 0, quick: bool = False) -> Report:
    """Tries the laws that the library's own parts pass, and says which hold.

        integral p = 1,   samples ~ p,   declarations true,   every weight trained,   back from its file the same

    Give it a small part made for the purpose (two to four dimensions): it is built, and its weights are overwritten.
    Random laws allow 5 standard errors with fixed seeds: one right number in two million would be called broken. A
    density whose integral is wrong by a tenth is found.

    Args:
        part: a posterior, prior, likelihood, objective, estimator or schedule.
        context_shape: shape of one x for a posterior, or of one z for a likelihood, if its network wants a certain one.
        seed: of the weights and draws.
        quick: leave out the laws that train, save and export a model, which take some seconds.

    Returns:
        A `Report`, which prints as a list of laws and is false if one is broken: `assert check_part(MyPrior(2))`.

    Raises:
        InvalidInput: if `part` is of another kind.

    Example:
        >>> check_part(tfvae.priors.DiagonalNormal(2)).broken
        []
    """
    kinds = [kind for kind in KINDS if isinstance(part, kind)]
    if not kinds:
        remedy = "Pass a part, not its class: check_part(MyPrior(2))."
        raise InvalidInput("a posterior, prior, likelihood, objective, estimator or schedule", f"{part!r}", remedy)
    made, own, with_model, whole = KINDS[kinds[0]]
    name, set_up = type(part).__name__, "it can be set up in a small model"
    try:
        subject = made(part, context_shape, seed)
    except Exception as error:  # whatever code of a user raises
        return Report(name, [of_error(set_up, error)])
    laws = {**own, **with_model, **({} if quick else whole)}
    return Report(name, [Result(set_up, True, ""), *(tried(law, holds, subject) for law, holds in laws.items())])
