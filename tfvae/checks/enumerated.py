"""Which objectives and estimators go with latents of which all values are enumerated; refused in `compile`.

The bound is sum_k q(y_k | x) times what each value says. An objective whose log-weights and masses enter as one sum,
mass * w = p(x, y_k), does not contain q(y | x) at all: that is learned from labels or not at all.
"""

import tensorflow as tf

from tfvae.core.errors import InvalidInput
from tfvae.core.joint import Latents
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
    shape = [objective.num_samples * atoms, 1]
    log_weight, log_mass, moved = (tf.random.stateless_normal(shape, [0, seed]) for seed in range(3))
    before = objective.of_log_weight(log_weight, log_mass)
    if before is None:
        return True  # of the rate, too, to which masses belong
    return bool(tf.reduce_any(tf.abs(objective.of_log_weight(log_weight - moved, log_mass + moved) - before) > 1e-3))
