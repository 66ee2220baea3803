"""Every posterior below another latent, with objectives and estimators: what makes sense trains, all else is refused.

The reasons are written down from the mathematics, as in test_combinations; here every part of a chain counts.
"""

import numpy as np
import pytest
from latent_cases import POSTERIORS, noise
from parts import ESTIMATORS, OBJECTIVES, posterior, space

from tfvae import VAE, InvalidInput, Joint, likelihoods, networks, posteriors, priors
from tfvae.core import sets

OF_LOG_WEIGHTS = {"ELBO", "IWAE", "MIWAE", "PIWAE", "CIWAE", "Renyi"}
FACTORISE = {"DiagonalNormal", "PrecisionWeighted", "Categorical"}
OF_ONE_LATENT = {"TotalCorrelation", "MaximumMeanDiscrepancy", "MomentMatching", "DensityRatio", "Classification"}
EVENT = 4
PRIOR = {  # of z1 given z2, where such a prior is known
    sets.REAL: lambda dim: priors.DiagonalNormal(dim, given="z2"),
    sets.ONE_HOT: lambda dim: priors.Categorical(dim, 3, given="z2"),
    sets.SPHERE: lambda dim: priors.HypersphericalUniform(dim),
    sets.SIMPLEX: lambda dim: priors.RelaxedCategorical(dim, 3),
}


def reasons(name: str, objective: str, estimator: str) -> list[str]:
    """Returns why a combination makes no sense; nothing if it does."""
    pathwise = estimator == "Pathwise"
    rules = {
        "samples carry no gradient": name == "Categorical" and estimator != "ScoreFunction",
        "more than log-weights": not pathwise and objective not in OF_LOG_WEIGHTS,
        "score of q has no mean zero": estimator == "StickingTheLanding" and objective != "ELBO",
        "two bounds": estimator == "ScoreFunction" and objective == "PIWAE",
        "no KL by dimension": objective == "ELBO-free-bits" and name not in FACTORISE,
        "the latent is not named": objective in OF_ONE_LATENT,
    }
    return [reason for reason, broken in rules.items() if broken]


def below(name: str) -> VAE:
    """Returns a model whose z1 is of this posterior, below a normal z2 in q and, where it can be, in p."""
    part = posterior(name, network=networks.mlp([3]))
    extra = {"given": ("x", "z2", "z1_prior") if name == "PrecisionWeighted" else ("x", "z2")}
    z1 = type(part).from_config({**part.get_config(), **extra, "name": "lower"})
    q = Joint(z1=z1, z2=posteriors.DiagonalNormal(2))
    p = Joint(z1=PRIOR[space(name)](z1.latent_dim), z2=priors.StandardNormal(2))
    return VAE(q, likelihoods.Normal(EVENT, given=("z1", "z2")), p, seed=0)


def cases() -> list[tuple[str, str, str]]:
    """Returns three pairs of objective and estimator for each posterior: two that make sense, and one that does not."""
    random, found = np.random.default_rng(0), []
    for name in POSTERIORS:
        pairs = [(objective, estimator) for objective in OBJECTIVES for estimator in ESTIMATORS]
        random.shuffle(pairs)
        sensible = [pair for pair in pairs if not reasons(name, *pair)]
        found += [(name, *pair) for pair in (*sensible[:2], next(pair for pair in pairs if reasons(name, *pair)))]
    return found


@pytest.mark.parametrize("name, objective, estimator", cases())
def test_what_makes_sense_trains_and_the_rest_is_refused(name, objective, estimator):
    vae, x = below(name), noise(8, EVENT).numpy()
    if reasons(name, objective, estimator):
        with pytest.raises(InvalidInput) as found:
            vae.compile("adam", OBJECTIVES[objective](), ESTIMATORS[estimator]())
        print(f"\n{name}, {objective}, {estimator}: {found.value}")
        return
    vae.compile("adam", OBJECTIVES[objective](), ESTIMATORS[estimator](), run_eagerly=True)
    before = [weight.numpy() for weight in vae.posterior.trainable_variables]
    history = vae.fit(x, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    moved = [not np.array_equal(old, new) for old, new in zip(before, vae.posterior.trainable_variables, strict=True)]
    assert all(moved) or objective in ("MIWAE", "GECO")
    assert np.isfinite(vae.estimate_log_prob(x, 5, seed=0).log_prob).all()
