"""Terms: an objective with a penalty on the aggregated posterior q(z) = 1/N sum_n q(z | x_n), from the same evidence.

    TotalCorrelation          KL(q(z) || prod_d q(z_d))                           Chen et al. 2018 (beta-TCVAE)
    MaximumMeanDiscrepancy    MMD(q(z), p(z))      Tolstikhin et al. 2018 (WAE), Zhao et al. 2019 (InfoVAE)
    MomentMatching            ||Cov_q(z) - I||                                    Kumar et al. 2018 (DIP-VAE)

A term wraps an objective: the bound does not change, the penalty times its weight is added to the loss, and it is in
the logs under the term's name. A penalty couples the examples of a batch. Each counts by its weight; one of weight zero
counts as absent. Under `tf.distribute` the batch is the whole one: each replica compares its own examples i with those
of all replicas, j.
"""

import abc
import math
from collections.abc import Mapping
from typing import TypeVar

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.core import replicas
from tfvae.core.errors import InvalidInput
from tfvae.core.evidence import Evidence
from tfvae.core.joint import ALONE
from tfvae.core.seeds import PRIOR_DRAWS, fold
from tfvae.core.types import Config, Shape, Tensor
from tfvae.distributions.kl import factors
from tfvae.objectives.base import Objective
from tfvae.schedules import Schedule, at, checked

T = TypeVar("T")


class Term(Objective):
    """An objective with a penalty; subclasses define `penalty` and `name`.

    Args:
        objective: the bound to wrap, another term included.
        weight: of the penalty, a number or a schedule.
        of: the name of the latent, where there are several.

    Raises:
        InvalidInput: if `objective` is not an objective with one bound, or `weight` is negative or not finite; in
            `compile` if the model does not have the latent, or it hangs on others and the penalty cannot.
    """

    name: str
    of_samples = True  # whether the penalty looks at samples of z, which must be alike

    def __init__(self, objective: Objective, weight: float | Schedule = 1.0, of: str = ALONE) -> None:
        if not isinstance(objective, Objective) or (self.of_samples and objective.inference is not objective):
            remedy = "Wrap for example tfvae.objectives.ELBO()."
            raise InvalidInput("an objective with one bound to wrap", f"{objective!r}", remedy)
        self.objective, self.weight, self.of = objective, checked("weight", weight), of
        self.num_samples = objective.num_samples

    def __call__(self, evidence: Evidence) -> Tensor:
        """Returns the wrapped bound, `[B]` in nats."""
        return self.objective(evidence)

    @abc.abstractmethod
    def penalty(self, evidence: Evidence) -> Tensor:
        """Returns the penalty before its weight, a scalar."""

    def latent(self, values: Mapping[str, T]) -> T:
        """Returns what belongs to the latent that is penalised."""
        if self.of not in values:
            remedy = f"Pass {type(self).__name__}(..., of={next(iter(values))!r})."
            raise InvalidInput(f"a latent of the model: {', '.join(values)}", f"of={self.of!r}", remedy)
        return values[self.of]

    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> Tensor | None:
        """Returns `None`: the penalty couples the examples of a batch."""
        del log_weight, log_mass

    @property
    def innermost(self) -> Objective:
        """That of the wrapped objective."""
        return self.objective.innermost

    @property
    def learned_from_labels(self) -> frozenset[str]:
        """Those of the wrapped objective."""
        return self.objective.learned_from_labels

    def against_collapse(self, epoch_steps: int | None = None) -> list[str]:
        """Returns what to try where the decoder ignores z: less weight, and what the wrapped objective proposes."""
        less = f"less weight for {self.name}, now {at(self.weight, None):g}"
        return [less, *self.objective.against_collapse(epoch_steps)]

    def against_unused(self, epoch_steps: int | None = None) -> list[str]:
        """Returns what to try where one of several latents is not used: less weight, and what the wrapped proposes."""
        less = f"less weight for {self.name}, now {at(self.weight, None):g}"
        return [less, *self.objective.against_unused(epoch_steps)]

    def terms(self, evidence: Evidence) -> dict[str, Tensor]:
        """Returns the weighted penalties by name, those of wrapped terms included."""
        if self.of_samples and evidence.masses:
            remedy = "Use the objective without it, or sample the latent: enumerated=False and ScoreFunction."
            expected = f"a model without enumerated latents, for {type(self).__name__}"
            raise InvalidInput(expected, "one whose samples have masses", remedy)
        return {**self.objective.terms(evidence), self.name: at(self.weight, evidence.step) * self.penalty(evidence)}

    @property
    def partial_terms(self) -> tuple[str, ...]:
        """Those of the wrapped objective."""
        return self.objective.partial_terms

    @property
    def measure_names(self) -> tuple[str, ...]:
        """Those of the wrapped objective."""
        return self.objective.measure_names

    def measures(self, evidence: Evidence) -> dict[str, tuple[Tensor, Tensor]]:
        """Returns those of the wrapped objective."""
        return self.objective.measures(evidence)

    def build(self, shapes: Mapping[str, Shape]) -> None:
        """Creates the state of the wrapped objective."""
        self.objective.build(shapes)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """Layers with state of the wrapped objective."""
        return self.objective.layers

    def update(self, evidence: Evidence) -> None:
        """Updates the state of the wrapped objective."""
        self.objective.update(evidence)

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the penalties."""
        return (*self.objective.term_names, self.name)

    @property
    def schedules(self) -> dict[str, Schedule]:
        """The numbers that follow a schedule, by name."""
        own = {f"{self.name}_{name}": value for name, value in super().schedules.items()}
        return {**self.objective.schedules, **own}

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        of = {} if self.of == ALONE else {"of": self.of}
        return {"objective": self.objective, "weight": self.weight, **of}


def example_weights(evidence: Evidence) -> Tensor:
    """Returns the weights of the examples, `[B]`: ones where none were given, or where all of the batch are zero."""
    if evidence.weight is None:
        return tf.ones(tf.shape(evidence.log_likelihood)[1:2])
    any_counts = replicas.total(tf.reduce_sum(evidence.weight)) > 0
    return tf.where(any_counts, evidence.weight, 1.0)


class Stratified:
    """q(z_i) = 1/N q(z_i | x_i) + (N - 1) / (N (M - 1)) sum_{j != i} q(z_i | x_j): unbiased, exact for a full batch.

    The mean over the arbitrary choice that Chen et al. 2018 (appendix C.2) make among the other examples of the batch.
    With weights w of sum W, an example stands for r_i = w_i M / W of N, and the others share the rest by weight:

        q(z_i) = r_i/N q(z_i | x_i) + (N - r_i) / N sum_{j != i} w_j / (W - w_i) q(z_i | x_j)
    """

    @staticmethod
    def log_weights(weight: Tensor, num_data: Tensor) -> Tensor:
        """Returns the logarithms of the weights of q(z_i | x_j), `[M, M]`, from the examples' weights, `[M]`."""
        total, own = tf.reduce_sum(weight), tf.eye(tf.size(weight))
        share = tf.minimum(tf.cast(tf.size(weight), tf.float32) * weight / total, num_data)[:, tf.newaxis]
        other = tf.math.divide_no_nan(num_data - share, num_data * (total - weight)[:, tf.newaxis])
        return tf.math.log(own * share / num_data + (1 - own) * other * weight)


class MinibatchWeighted:
    """q(z_i) = 1/(N W) sum_j w_j q(z_i | x_j): biased low by up to log N (Chen et al. 2018, equation S4)."""

    @staticmethod
    def log_weights(weight: Tensor, num_data: Tensor) -> Tensor:
        """Returns the logarithms of the weights of q(z_i | x_j), `[M, M]`, from the examples' weights, `[M]`."""
        row = tf.math.log(weight) - tf.math.log(num_data * tf.reduce_sum(weight))
        return tf.broadcast_to(row, [tf.size(weight)] * 2)


def alone(distribution: tfp.distributions.Distribution, latent: str) -> tfp.distributions.Distribution:
    """Returns the distribution; raises `InvalidInput` if it is one for each sample of another latent."""
    if distribution.batch_shape.rank > 1:
        remedy = "Penalise a latent at the top, or use DensityRatio, which needs samples of q(z) only."
        raise InvalidInput(f"{latent} to hang on no other latent, for this penalty", "one that does", remedy)
    return distribution


def decomposition(evidence: Evidence, weights: type = Stratified, of: str = ALONE) -> dict[str, Tensor]:
    """Splits the rate of a batch in three: KL = index-code mutual information + total correlation + dimension-wise KL.

        I(n; z) = E[log q(z | n) - log q(z)]    TC = E[log q(z) - sum_d log q(z_d)]    sum_d E[log q(z_d) - log p(z_d)]

    Args:
        evidence: of a posterior and a prior that factorise over latent dimensions; its first sample of z is used.
        weights: `Stratified` or `MinibatchWeighted`.
        of: the name of the latent, where there are several.

    Returns:
        `mutual_information`, `total_correlation` and `dimension_wise_kl`, scalars in nats.

    Raises:
        InvalidInput: if posterior or prior do not factorise, or the size of the data set is unknown.

    Reference:
        Chen et al. 2018, "Isolating Sources of Disentanglement", equation 2.
    """
    latent = evidence.factors[of]
    q, p = factors(alone(latent.q, of)), factors(alone(latent.p, of))
    if q is None or p is None:
        remedy = "Use DiagonalNormal with StandardNormal, or MaximumMeanDiscrepancy."
        raise InvalidInput("posterior and prior that factorise over dimensions", "one that does not", remedy)
    if evidence.num_data is None:
        remedy = "Pass an array, or a tf.data.Dataset of known cardinality."
        raise InvalidInput("a data set of known size N", "a stream of unknown length", remedy)
    z, num_data = latent.z[0], tf.cast(evidence.num_data, tf.float32)
    rows = tf.shape(z)[0]
    pairs = replicas.gathered(q).log_prob(z[:, tf.newaxis])  # [i, j, D]: log q(z_id | x_j)
    log_weights = weights.log_weights(replicas.gathered(example_weights(evidence)), num_data)
    log_weights = replicas.own(log_weights, rows)
    log_q = tf.reduce_logsumexp(log_weights + tf.reduce_sum(pairs, -1), axis=1)
    log_q_dimensions = tf.reduce_sum(tf.reduce_logsumexp(log_weights[..., tf.newaxis] + pairs, axis=1), -1)
    log_q_given_x, log_p = tf.reduce_sum(q.log_prob(z), -1), tf.reduce_sum(p.log_prob(z), -1)
    return {
        "mutual_information": evidence.mean(log_q_given_x - log_q),
        "total_correlation": evidence.mean(log_q - log_q_dimensions),
        "dimension_wise_kl": evidence.mean(log_q_dimensions - log_p),
    }


@keras.saving.register_keras_serializable(package="tfvae")
class TotalCorrelation(Term):
    """Penalises dependence between latent dimensions; on ELBO(beta=1) with weight b - 1 it is beta-TCVAE with beta = b.

        loss = -bound + weight KL(q(z) || prod_d q(z_d))

    Args:
        objective: the bound to wrap.
        weight: of the penalty, a number or a schedule.
        minibatch_weighted: estimate q(z) by `MinibatchWeighted` in place of `Stratified`.
        of: the name of the latent, where there are several.

    Raises:
        InvalidInput: see `Term` and `decomposition`.

    Reference:
        Chen et al. 2018, "Isolating Sources of Disentanglement in Variational Autoencoders", equation 4.
    """

    name = "total_correlation"

    def __init__(
        self,
        objective: Objective,
        weight: float | Schedule = 1.0,
        minibatch_weighted: bool = False,
        of: str = ALONE,
    ) -> None:
        super().__init__(objective, weight, of)
        self.minibatch_weighted = bool(minibatch_weighted)

    def penalty(self, evidence: Evidence) -> Tensor:
        """Returns the total correlation, a scalar in nats."""
        weights = MinibatchWeighted if self.minibatch_weighted else Stratified
        self.latent(evidence.factors)
        return decomposition(evidence, weights, self.of)["total_correlation"]

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "minibatch_weighted": self.minibatch_weighted}


@keras.saving.register_keras_serializable(package="tfvae")
class MaximumMeanDiscrepancy(Term):
    """Pulls the aggregated posterior towards the prior by the kernel distance between their samples.

        MMD = E k(z, z') + E k(u, u') - 2 E k(z, u),    z ~ q(z), u ~ p(z),    k(a, b) = sum_s c_s / (c_s + |a - b|^2)

    with c_s = s 2 D over the scales s = 0.1, 0.2, 0.5, 1, 2, 5, 10; the U-statistic, unbiased, in which a pair of
    examples weighs w_i w_j. On ELBO(beta=0) it is WAE-MMD; on ELBO(beta=1 - alpha) with weight alpha + lambda - 1 it
    is InfoVAE.

    Args:
        objective: the bound to wrap.
        weight: of the penalty, a number or a schedule.
        of: the name of the latent, where there are several.

    Raises:
        InvalidInput: see `Term`.

    Reference:
        Tolstikhin et al. 2018, "Wasserstein Auto-Encoders", algorithm 2; Zhao et al. 2019, "InfoVAE", equation 6.
    """

    name = "mmd"
    scales = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

    def penalty(self, evidence: Evidence) -> Tensor:
        """Returns the squared discrepancy, a scalar."""
        latent = self.latent(evidence.factors)
        z, p = tf.reshape(latent.z[0], [-1, math.prod(latent.z.shape[2:])]), alone(latent.p, self.of)
        own = p.batch_shape.rank > 0  # p(z | c) of each example
        number = () if own else tf.shape(z)[0]
        u = tf.reshape(p.sample(number, seed=fold(evidence.seed, PRIOR_DRAWS)), tf.shape(z))
        w, ones = example_weights(evidence), tf.ones(tf.shape(z)[:1])

        def total(values: Tensor) -> Tensor:
            return replicas.total(tf.reduce_sum(values))

        def across(a: Tensor, w_a: Tensor, b: Tensor, w_b: Tensor) -> Tensor:
            return total(self.kernel(a, replicas.gathered(b), w_a[:, tf.newaxis] * replicas.gathered(w_b)))

        def within(a: Tensor, w: Tensor) -> Tensor:
            n, same = total(w), total(tf.square(w))
            others = n - same / n
            return (across(a, w, a, w) - same * len(self.scales)) / (n * tf.where(others > 0, others, 1.0))

        return within(z, w) + within(u, ones) - 2 * across(z, w, u, ones) / (total(w) * total(ones))

    def kernel(self, a: Tensor, b: Tensor, weight: Tensor | float = 1.0) -> Tensor:
        """Returns k(a_i, b_j) times the weight of a pair, `[n, m]`, for a, `[n, D]`, and b, `[m, D]`."""
        distance = tf.reduce_sum(tf.square(a[:, tf.newaxis] - b), axis=-1)
        bases = [2.0 * a.shape[-1] * scale for scale in self.scales]
        return sum(weight * base / (base + distance) for base in bases)


@keras.saving.register_keras_serializable(package="tfvae")
class MomentMatching(Term):
    """Pulls the covariance of the aggregated posterior to the identity.

        penalty = sum_{i != j} C_ij^2 + ratio sum_i (C_ii - 1)^2
        C = Cov_x[E_q z]  (DIP-VAE-I)         C = Cov_x[E_q z] + E_x[Var_q z]  (DIP-VAE-II)

    Args:
        objective: the bound to wrap.
        weight: of the off-diagonal part, a number or a schedule.
        diagonal_ratio: weight of the diagonal relative to the off-diagonal part; the paper has 10 for I and 1 for II.
        of_means: match the covariance of the means (DIP-VAE-I) in place of that of z (DIP-VAE-II).
        of: the name of the latent, where there are several.

    Raises:
        InvalidInput: see `Term`; in `compile` if the posterior has no mean or variance.

    Reference:
        Kumar, Sattigeri and Balakrishnan 2018, "Variational Inference of Disentangled Latent Concepts", equations 6, 7.
    """

    name = "moments"

    def __init__(
        self,
        objective: Objective,
        weight: float | Schedule = 1.0,
        diagonal_ratio: float = 1.0,
        of_means: bool = False,
        of: str = ALONE,
    ) -> None:
        super().__init__(objective, weight, of)
        self.diagonal_ratio, self.of_means = checked("diagonal_ratio", diagonal_ratio), bool(of_means)

    def penalty(self, evidence: Evidence) -> Tensor:
        """Returns the squared distance of the covariance from the identity, a scalar."""
        q = alone(self.latent(evidence.factors).q, self.of)
        try:
            mean, variance = q.mean(), q.variance()
        except NotImplementedError as error:
            remedy = "Use MaximumMeanDiscrepancy, which needs samples only."
            raise InvalidInput("a posterior with a mean and a variance", type(q).__name__, remedy) from error
        centred = mean - evidence.mean(mean)
        covariance = evidence.mean(centred[:, :, tf.newaxis] * centred[:, tf.newaxis, :])
        if not self.of_means:
            covariance += tf.linalg.diag(evidence.mean(variance))
        diagonal = tf.linalg.diag_part(covariance)
        off_diagonal = tf.reduce_sum(tf.square(covariance)) - tf.reduce_sum(tf.square(diagonal))
        return off_diagonal + self.diagonal_ratio * tf.reduce_sum(tf.square(diagonal - 1))

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "diagonal_ratio": self.diagonal_ratio, "of_means": self.of_means}
