"""Gradient estimators: how the gradient of a bound is taken. They do not change the value of the bound.

For a bound L of independent samples' log-weights l_i = log w_i, with c_i = dL/dl_i and c'_i = d2L/dl_i^2:

    Pathwise                 p: sum c_i dlog p      q: sum c_i dl_i/dz_i dz_i + the score of q inside l_i
    StickingTheLanding       p: the same            q: sum c_i dl_i/dz_i dz_i,  q's parameters held in l_i
    DoublyReparameterized    p: the same            q: sum (c_i - c'_i) dl_i/dz_i dz_i
    ScoreFunction            p: the same            q: sum (L - L_-i) dlog q_i + the score of q inside l_i

All are unbiased in their scope. The split is by path, at a gate on z, so one decoder pass serves both sides. z is a
chain of latents: those that draw the next one see z before the gate, densities see it behind, so that each path passes
once; where q's weights are held, log q still follows the latents above.
(Kingma and Welling 2014; Roeder et al. 2017; Tucker et al. 2019; Mnih and Rezende 2016.)
"""

import abc
import math

import keras
import tensorflow as tf

from tfvae.core import replicas
from tfvae.core.chain import Chain, Draws
from tfvae.core.errors import InvalidInput
from tfvae.core.evidence import Evidence, Gate
from tfvae.core.types import Config, Seed, Tensor
from tfvae.objectives import Objective

__all__ = ["DoublyReparameterized", "Estimator", "Pathwise", "ScoreFunction", "StickingTheLanding"]


def __dir__() -> list[str]:
    return __all__


class Estimator(abc.ABC):
    """A gradient estimator; subclasses say how z is drawn and what is differentiated.

    Attributes:
        evaluates_again: whether log q of a latent below others is evaluated again after z was drawn.
    """

    evaluates_again = False

    @abc.abstractmethod
    def check(self, objective: Objective, reparameterized: bool) -> None:
        """Raises `InvalidInput` if the estimator is outside its scope."""

    def check_enumerated(self, objective: Objective, late: list[str]) -> None:
        """Raises `InvalidInput` if it is wrong where all values of a latent are enumerated.

        Args:
            objective: the bound.
            late: names of the enumerated latents that are drawn after a sampled one, whose draw their values share.
        """
        del objective, late

    def gate(self, objective: Objective | None) -> Gate | None:
        """Returns what scales gradients on their way back through z by a factor that is known later, if it is needed.

        Without one the networks that draw and the densities see the same z, and what hangs on it is computed once.
        """
        del objective
        return None

    @abc.abstractmethod
    def draw(self, chain: Chain, num_samples: int | Tensor, seed: Seed, gate: Gate | None) -> Draws:
        """Returns draws of z and log q(z | x) with the paths that the estimator wants.

        Args:
            chain: the posterior of the examples, one latent after the other.
            num_samples: S.
            seed: int32 pair.
            gate: what `gate` returned.
        """

    def surrogate(self, objective: Objective, evidence: Evidence, bound: Tensor) -> Tensor:
        """Returns what is differentiated in place of the bound, `[B]`; by default the bound itself."""
        del objective, evidence
        return bound

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Config) -> "Estimator":
        """Returns the estimator that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        """Returns the expression that makes the estimator."""
        return f"{type(self).__name__}()"


@keras.saving.register_keras_serializable(package="tfvae")
class Pathwise(Estimator):
    """The gradient through the reparameterised sample z = f(eps, x); serves every objective.

    Reference:
        Kingma and Welling 2014, section 2.4; Rezende, Mohamed and Wierstra 2014.
    """

    def check(self, objective: Objective, reparameterized: bool) -> None:
        """Refuses a posterior whose samples carry no gradient."""
        _check_reparameterized(self, reparameterized)

    def gate(self, objective: Objective | None) -> Gate | None:
        """Returns a gate for an objective that has two sides, which it parts."""
        return None if objective is None or objective.inference is objective else Gate()

    def draw(self, chain: Chain, num_samples: int | Tensor, seed: Seed, gate: Gate | None) -> Draws:
        """Returns z and log q with all paths open."""
        draws = chain.draw(num_samples, seed)
        if gate is None:
            return draws
        free = chain.latents.sampled
        found = {n: drawn._replace(log_q=gate(drawn.log_q)) if n in free else drawn for n, drawn in draws.of.items()}
        return chain.behind(gate, draws._replace(of=found))

    def surrogate(self, objective: Objective, evidence: Evidence, bound: Tensor) -> Tensor:
        """Returns the bound; the posterior's side follows `objective.inference`."""
        if objective.inference is not objective:
            c, _ = derivatives(objective, evidence)
            inference, _ = derivatives(objective.inference, evidence)
            evidence.gate.factor = _ratio(inference, c)
        return bound


@keras.saving.register_keras_serializable(package="tfvae")
class StickingTheLanding(Estimator):
    """The pathwise gradient of the ELBO without the score of q, whose mean is zero: no noise at the exact posterior.

    Reference:
        Roeder, Wu and Duvenaud 2017, "Sticking the Landing", equation 7.
    """

    evaluates_again = True

    def check(self, objective: Objective, reparameterized: bool) -> None:
        """Refuses all but the ELBO: with several samples in one bound the score's mean is not zero."""
        _check_reparameterized(self, reparameterized)
        _check_log_weight(self, objective)
        probe = tf.constant([[0.0], [1.0]])
        probe = tf.tile(probe, [objective.num_samples, 1])[: objective.num_samples]
        if objective.num_samples > 1 and not _is_linear(objective, probe):
            remedy = "Use DoublyReparameterized, which is unbiased for it."
            raise InvalidInput("an objective that is linear in the log-weights (ELBO)", f"{objective!r}", remedy)

    def draw(self, chain: Chain, num_samples: int | Tensor, seed: Seed, gate: Gate | None) -> Draws:
        """Returns z, and log q with q's weights held."""
        del gate
        return chain.held(chain.draw(num_samples, seed))

    def surrogate(self, objective: Objective, evidence: Evidence, bound: Tensor) -> Tensor:
        """Returns the bound with its rate by samples, so that it is a function of the log-weights."""
        return objective.of_log_weight(objective.log_weight(evidence), *evidence.masses)


@keras.saving.register_keras_serializable(package="tfvae")
class DoublyReparameterized(Estimator):
    """The gradient whose signal for the posterior does not vanish with many samples; on the ELBO it is STL.

        q: sum_i (c_i - c'_i) dlog w_i/dz_i dz_i,    on IWAE c_i - c'_i = (w_i / sum w)^2

    Reference:
        Tucker et al. 2019, "Doubly Reparameterized Gradient Estimators", equation 8.
    """

    evaluates_again = True

    def check(self, objective: Objective, reparameterized: bool) -> None:
        """Refuses objectives that are not functions of the log-weights alone."""
        _check_reparameterized(self, reparameterized)
        _check_log_weight(self, objective)

    def check_enumerated(self, objective: Objective, late: list[str]) -> None:
        """Refuses bounds that are not linear where several samples share a draw: they are not independent."""
        probe = tf.random.stateless_normal([2 * objective.num_samples, 1], seed=[0, 0])
        if late and not _is_linear(objective, probe, tf.fill(probe.shape, -math.log(probe.shape[0]))):
            remedy = "Use tfvae.estimators.Pathwise(), or the ELBO; or give that latent x alone."
            received = f"{late[0]}, and {objective!r}"
            raise InvalidInput("enumerated latents that are drawn first, for DoublyReparameterized", received, remedy)

    def gate(self, objective: Objective | None) -> Gate:
        """Returns a gate."""
        del objective
        return Gate()

    def draw(self, chain: Chain, num_samples: int | Tensor, seed: Seed, gate: Gate | None) -> Draws:
        """Returns z behind the gate, and log q there with q's weights held."""
        return chain.held(chain.behind(gate, chain.draw(num_samples, seed)))

    def surrogate(self, objective: Objective, evidence: Evidence, bound: Tensor) -> Tensor:
        """Returns the bound as a function of the log-weights; the gate takes (c_i - c'_i) / c_i."""
        c, _ = derivatives(objective, evidence)
        inference, second = derivatives(objective.inference, evidence)
        evidence.gate.factor = _ratio(inference - second, c)
        return objective.of_log_weight(objective.log_weight(evidence), *evidence.masses)


@keras.saving.register_keras_serializable(package="tfvae")
class ScoreFunction(Estimator):
    """The gradient for posteriors that cannot be reparameterised, with a leave-one-out baseline (VIMCO).

        q: sum_i (L - L_-i) dlog q(z_i | x) + dL/dphi at fixed z,    L_-i: log w_i replaced by the mean of the others

    On the ELBO the baseline is the mean of the other samples. A single sample has a baseline of zero.

    Reference:
        Mnih and Rezende 2016, "Variational Inference for Monte Carlo Objectives", equations 10 to 12.
    """

    def check(self, objective: Objective, reparameterized: bool) -> None:
        """Refuses objectives that are not functions of the log-weights alone, or that have two sides."""
        del reparameterized
        _check_log_weight(self, objective)
        if objective.inference is not objective:
            raise InvalidInput("an objective with one bound", f"{objective!r}", "Use MIWAE or IWAE.")

    def check_enumerated(self, objective: Objective, late: list[str]) -> None:
        """Refuses all: the values of a latent are not independent samples, as the leave-one-out baseline wants."""
        remedy = "Use tfvae.estimators.Pathwise(): gradients reach an enumerated latent through its masses."
        raise InvalidInput("latents that are sampled, for ScoreFunction", "one that is enumerated", remedy)

    def draw(self, chain: Chain, num_samples: int | Tensor, seed: Seed, gate: Gate | None) -> Draws:
        """Returns z without a gradient, and log q with q's."""
        del gate
        return chain.draw(num_samples, seed, stop=True)

    def surrogate(self, objective: Objective, evidence: Evidence, bound: Tensor) -> Tensor:
        """Returns L + sum_i stop(L - L_-i) log q(z_i | x), `[B]`."""
        log_weight = objective.log_weight(evidence)
        value, samples = objective.of_log_weight(log_weight), log_weight.shape[0]
        signal = tf.broadcast_to(value, tf.shape(log_weight))
        if samples > 1:
            others = (tf.reduce_sum(log_weight, axis=0) - log_weight) / (samples - 1)
            own = tf.eye(samples)[:, :, tf.newaxis]  # [i, s, 1]: in row i, sample i is replaced
            replaced = log_weight * (1 - own) + others[:, tf.newaxis] * own
            batch = tf.shape(log_weight)[1]
            rows = tf.reshape(tf.transpose(replaced, [1, 0, 2]), [samples, samples * batch])
            signal -= tf.reshape(objective.of_log_weight(rows), [samples, batch])
        return value + tf.reduce_sum(tf.stop_gradient(signal) * evidence.log_posterior, axis=0)


def derivatives(objective: Objective, evidence: Evidence) -> tuple[Tensor, Tensor]:
    """Returns c_i = dL/dlog w_i and c'_i = d2L/dlog w_i^2 of the bound, both `[S, B]`, without gradients."""
    log_weight = tf.stop_gradient(tf.transpose(objective.log_weight(evidence)))  # [B, S]
    rows, more = tf.shape(log_weight)[0], [[0, int(replicas.count() > 1)], [0, 0]]
    log_weight = tf.pad(log_weight, more)  # TensorFlow fails at an empty share
    masses = [tf.pad(tf.stop_gradient(mass), more[::-1]) for mass in evidence.masses]
    eager = tf.executing_eagerly()  # where TensorFlow would trace a parallel loop at each call, and warn of it
    with tf.GradientTape(persistent=eager) as outer:
        outer.watch(log_weight)
        with tf.GradientTape() as inner:
            inner.watch(log_weight)
            value = tf.reduce_sum(objective.of_log_weight(tf.transpose(log_weight), *masses))
        first = inner.gradient(value, log_weight)
    hessian = outer.batch_jacobian(first, log_weight, tf.UnconnectedGradients.ZERO, experimental_use_pfor=not eager)
    return tf.transpose(first[:rows]), tf.transpose(tf.linalg.diag_part(hessian)[:rows])


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Returns numerator / denominator without gradient; where c_i underflows, nothing passes the gate anyway."""
    return tf.stop_gradient(tf.clip_by_value(tf.math.divide_no_nan(numerator, denominator), -1e30, 1e30))


def _is_linear(objective: Objective, log_weight: Tensor, *masses: Tensor) -> bool:
    doubled = objective.of_log_weight(2 * log_weight, *masses) - 2 * objective.of_log_weight(log_weight, *masses)
    return bool(tf.reduce_all(tf.abs(doubled) < 1e-5))


def _check_reparameterized(estimator: Estimator, reparameterized: bool) -> None:
    if not reparameterized:
        name = type(estimator).__name__
        remedy = "Use tfvae.estimators.ScoreFunction(), or a reparameterised posterior."
        raise InvalidInput(f"a posterior whose samples carry gradients, for {name}", "one whose samples do not", remedy)


def _check_log_weight(estimator: Estimator, objective: Objective) -> None:
    if objective.of_log_weight(tf.zeros([objective.num_samples, 1])) is None:
        name = type(estimator).__name__
        remedy = "Free bits, capacities and batch terms are pathwise only: use tfvae.estimators.Pathwise()."
        raise InvalidInput(f"an objective of the log-weights alone, for {name}", f"{objective!r}", remedy)
