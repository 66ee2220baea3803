"""Every pair of parts that makes sense occurs in a VAE that trains, scores, saves and exports; every other is refused.

Which pairs make sense is written down here once more, as `reasons`, from the mathematics and not from the code. A
covering array is a list of combinations in which each such pair occurs; all of it is slow, a seeded sample is not.
"""

import itertools

import numpy as np
import pytest
from latent_cases import POSTERIORS, PRIORS
from parts import ESTIMATORS, LIKELIHOODS, OBJECTIVES, check, make_vae, space
from parts import posterior as part_of
from parts import prior as prior_part

import tfvae
from tfvae.core import sets

NAMES = ("posterior", "prior", "likelihood", "objective", "estimator")
VALUES = dict(zip(NAMES, map(list, (POSTERIORS, PRIORS, LIKELIHOODS, OBJECTIVES, ESTIMATORS)), strict=True))
RELAXED = {"RelaxedCategorical"}  # its KL has no closed form
NORMAL = {"DiagonalNormal", "StandardNormal", "LogNormal", "LogitNormal"}
FACTORISE = {"Categorical", "UniformCategorical"} | NORMAL | RELAXED  # over dimensions
OF_LOG_WEIGHTS = {"ELBO", "IWAE", "MIWAE", "PIWAE", "CIWAE", "Renyi", "Classification"}
TOLD = {name for name in POSTERIORS if part_of(name).label_shape is not None}


def reasons(posterior, prior, likelihood, objective, estimator) -> list[str]:
    """Returns why a combination makes no sense; nothing if it does. A likelihood goes with everything."""
    del likelihood
    of, pathwise = space(posterior), estimator == "Pathwise"
    rules = {
        "two spaces": prior != "VampPrior" and space(prior, prior_part) != of,
        "samples carry no gradient": posterior == "Categorical" and estimator != "ScoreFunction",
        "more than log-weights": not pathwise and objective not in OF_LOG_WEIGHTS,
        "score of q has no mean zero": estimator == "StickingTheLanding"
        and objective not in ("ELBO", "ELBO-free-bits", "Classification"),
        "cannot be told": objective == "Classification" and posterior not in TOLD,
        "two bounds": estimator == "ScoreFunction" and objective == "PIWAE",
        "does not factorise": objective == "TotalCorrelation" and not {posterior, prior} <= FACTORISE,
        "no KL by dimension": objective == "ELBO-free-bits" and not {posterior, prior} <= FACTORISE - RELAXED,
        "no mean": objective == "MomentMatching" and POSTERIORS[posterior][0].has_mean is False,
        "no vector": objective in ("MomentMatching", "DensityRatio") and of in (sets.SIMPLEX, sets.ONE_HOT),
    }
    return [reason for reason, broken in rules.items() if broken]


FULL = list(itertools.product(*VALUES.values()))
SENSIBLE = [case for case in FULL if not reasons(*case)]
PAIR_KINDS = list(itertools.combinations(range(len(NAMES)), 2))


def pairs(case: tuple) -> list[tuple]:
    return [(i, j, case[i], case[j]) for i, j in PAIR_KINDS]


def covering_array() -> list[tuple]:
    """Returns cases, greedily chosen, in which each pair of values of a sensible combination occurs."""
    number = {}
    of_case = np.array([[number.setdefault(pair, len(number)) for pair in pairs(case)] for case in SENSIBLE])
    open_, chosen = np.ones(len(number), bool), []
    tie = np.random.default_rng(0).uniform(size=len(SENSIBLE))
    while open_.any():
        best = int(np.argmax(open_[of_case].sum(axis=1) + tie))
        chosen.append(SENSIBLE[best])
        open_[of_case[best]] = False
    return chosen


ARRAY = covering_array()


def refused() -> list[tuple]:
    """Returns, for each pair of values that no sensible combination has, the combination least wrong otherwise."""
    possible = {pair for case in SENSIBLE for pair in pairs(case)}
    least = {}
    for case in FULL:
        if wrong := len(reasons(*case)):
            for pair in pairs(case):
                if pair not in possible and wrong < least.get(pair, (99,))[0]:
                    least[pair] = (wrong, case)
    return sorted({case for _, case in least.values()})


def identifier(case: tuple) -> str:
    return "-".join(case)


def sample(size: int) -> list[tuple]:
    """Returns cases of the array that hold as many different parts as can be."""
    chosen, seen = [], set()
    while len(chosen) < size:
        fresh = [len(set(enumerate(case)) - seen) for case in ARRAY]
        chosen.append(ARRAY[int(np.argmax(fresh))])
        seen |= set(enumerate(chosen[-1]))
    return chosen


SAMPLE = sample(6)


def test_array_covers_every_pair_that_makes_sense():
    covered = {pair for case in ARRAY for pair in pairs(case)}
    assert covered == {pair for case in SENSIBLE for pair in pairs(case)}
    assert {value for case in ARRAY for value in case} == {value for values in VALUES.values() for value in values}
    print(
        f"{len(SENSIBLE)} combinations make sense of {len(FULL)}; {len(ARRAY)} cases cover their {len(covered)} pairs"
    )


@pytest.mark.parametrize("case", SAMPLE, ids=identifier)
def test_sample_of_combinations_trains_scores_saves_and_exports(case, tmp_path):
    check(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", ARRAY, ids=identifier)
def test_every_combination_trains_scores_saves_and_exports(case, tmp_path):
    check(case, tmp_path)


def test_what_makes_no_sense_is_refused_with_a_reason():
    """At construction or `compile`, before any data is seen."""
    cases, messages = refused(), {}
    for case in cases:
        try:
            make_vae(*case)
            messages[case] = "NOT REFUSED"
        except tfvae.InvalidInput as error:
            messages[case] = str(error)
        except Exception as error:
            messages[case] = f"NOT REFUSED AS SUCH: {type(error).__name__} {str(error)[:100]}"
    print(f"{len(cases)} combinations refused:")
    for case, message in messages.items():
        print(f"  {' x '.join(case)} [{', '.join(reasons(*case))}]\n    {message}")
    assert not {identifier(case): text for case, text in messages.items() if text.startswith("NOT")}
