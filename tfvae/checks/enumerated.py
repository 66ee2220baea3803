"""Which objectives and estimators go with latents that are enumerated, or hang on others; refused in `compile`.

The bound is sum_k q(y_k | x) times what each value says. An objective whose log-weights and masses enter as one sum,
mass * w = p(x, y_k), does not contain q(y | x) at all: that is learned from labels or not at all.

An estimator that evaluates log q(z_f | x, parents) again needs networks that say the same twice: another mask of
dropout is another q, and the mean of its gradient is not that of the bound.
"""

from collections.abc import Mapping

import tensorflow as tf

from tfvae.core import keras_private
from tfvae.core.errors import InvalidInput
from tfvae.core.feature import Feature
from tfvae.core.joint import MOMENTS, Latents, behind, roots
from tfvae.estimators import Estimator
from tfvae.objectives import Objective


def check_enumerated(latents: Latents, objective: Objective, estimator: Estimator) -> None:
    """Raises `InvalidInput` for an estimator that is wrong there, or an objective that leaves a posterior untrained."""
    if not latents.enumerated:
        return
    estimator.check_enumerated(objective, latents.late)
    untrained = [name for name in latents.enumerated if name not in objective.learned_from_labels]
    if untrained and not contains_masses(objective.innermost, latents.atoms):
        name = untrained[0]
        remedy = (
            f"Use ELBO, CIWAE or Renyi(0.5), or train it by labels: objectives.Classification({objective!r}, "
            f"of={name!r}, weight=...)."
        )
        expected = f"an objective from which q({name} | x) learns"
        raise InvalidInput(expected, f"{type(objective.innermost).__name__}, whose value it does not change", remedy)


def contains_masses(objective: Objective, atoms: int) -> bool:
    """Tells whether a bound changes when the same is added to log-masses and taken from log-weights."""
    if type(objective).of_log_weight is Objective.of_log_weight:
        return True  # it does not say what it is a function of
    shape = [objective.num_samples * atoms, 1]
    log_weight, log_mass, moved = (tf.random.stateless_normal(shape, [0, seed]) for seed in range(3))
    before = objective.of_log_weight(log_weight, log_mass)
    if before is None:
        return True  # of the rate, too, to which masses belong
    return bool(tf.reduce_any(tf.abs(objective.of_log_weight(log_weight - moved, log_mass + moved) - before) > 1e-3))


def check_repeatable(latents: Latents, features: Mapping[str, Feature], estimator: Estimator) -> None:
    """Raises `InvalidInput` where log q is evaluated again by networks that draw noise, such as dropout, of their own.

    A latent that hangs on no other has the parameters that it was drawn from; those below are computed from z again.
    """
    names = {*latents.prior}
    for name, part in latents.posterior.items() if estimator.evaluates_again else ():
        if not latents.above[name]:
            continue
        made = behind(part.given, latents.through)
        again = [part, *(features[f] for f in made & {*features} if roots([f], latents.through) & names)]
        again += [prior for other, prior in latents.prior.items() if MOMENTS.format(other) in made]
        noisy = [
            layer for whole in again for layer in keras_private.all_layers(whole) if hasattr(layer, "seed_generator")
        ]
        if noisy:
            expected = f"networks without noise of their own for {name}, whose density the estimator evaluates again"
            received = f"{type(noisy[0]).__name__}, with {type(estimator).__name__}"
            remedy = "Use tfvae.estimators.Pathwise(), or leave that layer out below other latents."
            raise InvalidInput(expected, received, remedy)
