"""Classification: an objective with the loss of a classifier, which is the posterior of a latent, on known labels.

    loss = -bound - weight sum_{b known} log q(y_b | x_b) / (B share),    share = known labels / examples of the data

The expectation of the penalty does not depend on how labels fall into batches: it is weight times the mean of
-log q(y | x) over all labels of the data. (Kingma et al. 2014, "Semi-supervised Learning with Deep Generative Models",
equation 9.)
"""

import keras
import tensorflow as tf

from tfvae.core.errors import InvalidInput
from tfvae.core.evidence import Evidence, Factor, expected
from tfvae.core.types import Config, Tensor
from tfvae.objectives.base import Objective
from tfvae.objectives.terms import Term
from tfvae.schedules import Schedule, at


@keras.saving.register_keras_serializable(package="tfvae")
class Classification(Term):
    """Trains q(y | x) by the labels that are known, beside what the bound does.

        loss = -bound + weight E_known[-log q(y | x)]

    Bounds such as IWAE do not train the posterior of an enumerated latent at all, and no bound does so by the examples
    whose label is known, in which log q(y | x) does not stand. The loss is nats an example: a weight of 1 is the plain
    cross-entropy of a classifier, and the paper's alpha = 0.1 N is a weight of 0.1. The logs have `accuracy`, of the
    examples whose label is known; in evaluation the cross-entropy is the mean over these.

    Args:
        objective: the bound to wrap, another term included.
        of: the name of the latent whose labels are known for some examples.
        weight: of the cross-entropy, a number or a schedule.
        share: of the examples whose label is known; by default `fit` counts it, which of a stream it cannot.

    Raises:
        InvalidInput: if `objective` is not an objective, or `weight` is negative or not finite, or `share` not in
            (0, 1]; in `compile` if the model does not have the latent; in `fit` if the share is not known.

    Reference:
        Kingma, Rezende, Mohamed and Welling 2014, "Semi-supervised Learning with Deep Generative Models", equation 9.

    Example:
        >>> Classification(ELBO(), of="y", weight=1.0).learned_from_labels
        frozenset({'y'})
    """

    of_samples = False

    def __init__(
        self, objective: Objective, of: str, weight: float | Schedule = 1.0, share: float | None = None
    ) -> None:
        super().__init__(objective, weight, of)
        if share is not None and not 0 < share <= 1:
            raise InvalidInput("share in (0, 1]", f"share={share!r}", "It is that of examples with a label.")
        self.share = share
        several = "classification" in objective.term_names  # of another latent
        self.name, self.measure = (f"{word}_{of}" if several else word for word in ("classification", "accuracy"))

    def penalty(self, evidence: Evidence) -> Tensor:
        """Returns the mean of -log q(y | x) over known labels, in training as an unbiased estimate from a batch."""
        label = self.latent(evidence.factors).label
        share = None if evidence.step is None else self._share(evidence)
        if label is None:
            return tf.constant(0.0)
        if share is None:
            share = evidence.mean(tf.cast(label.known, tf.float32))
        return tf.math.divide_no_nan(evidence.mean(cross_entropy(evidence.factors[self.of])), share)

    def measures(self, evidence: Evidence) -> dict[str, tuple[Tensor, Tensor]]:
        """Returns whether the most probable class is the label, where z is a class, and in evaluation the penalty."""
        factor, nothing = evidence.factors[self.of], tf.zeros(tf.shape(evidence.log_likelihood)[1:])
        known = nothing if factor.label is None else tf.cast(factor.label.known, tf.float32)
        found = {**super().measures(evidence), self.measure: (nothing, nothing)}
        if factor.label is not None and factor.z.shape.rank == 4:
            found[self.measure] = (is_right(factor), known)
        if evidence.step is None:
            losses = nothing if factor.label is None else cross_entropy(factor)
            found[self.name] = (at(self.weight, None) * losses, known)
        return found

    @property
    def partial_terms(self) -> tuple[str, ...]:
        """Its own, and those of the wrapped objective."""
        return (*self.objective.partial_terms, self.name)

    @property
    def measure_names(self) -> tuple[str, ...]:
        """The accuracy, and those of the wrapped objective."""
        return (*super().measure_names, self.measure)

    def _share(self, evidence: Evidence) -> float:
        if self.share is not None:
            return self.share
        known = evidence.num_known.get(self.of, 0)
        if not known or not evidence.num_data:
            remedy = (
                f"Pass labels={{{self.of!r}: y}} to fit, -1 where they are not known; with a stream say the share of "
                "examples with a label: Classification(..., share=0.01)."
            )
            raise InvalidInput(f"labels of {self.of} for some examples", "none, or a stream that may have some", remedy)
        return known / evidence.num_data

    def log_weight(self, evidence: Evidence) -> Tensor:
        """Returns those of the wrapped objective."""
        return self.objective.log_weight(evidence)

    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> Tensor | None:
        """Returns that of the wrapped objective: the penalty looks at q(y | x) alone, whatever the samples are."""
        masses = () if log_mass is None else (log_mass,)
        return self.objective.of_log_weight(log_weight, *masses)

    @property
    def inference(self) -> Objective:
        """That of the wrapped objective."""
        inner = self.objective.inference
        return self if inner is self.objective else inner

    @property
    def learned_from_labels(self) -> frozenset[str]:
        """The latent, and those of the wrapped objective."""
        return self.objective.learned_from_labels | {self.of}

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        share = {} if self.share is None else {"share": self.share}
        return {"objective": self.objective, "of": self.of, "weight": self.weight, **share}


def cross_entropy(factor: Factor) -> Tensor:
    """Returns -log q(y | x) of labels, `[B]`, zero where they are not known."""
    return tf.where(factor.label.known, -log_q_of_label(factor), 0.0)


def is_right(factor: Factor) -> Tensor:
    """Returns whether the most probable class is the label, `[B]`."""
    mean = factor.q.mean()
    mean = mean if mean.shape.rank == 3 else expected(mean, factor.log_mass)  # below another latent
    return tf.cast(tf.equal(tf.argmax(mean, axis=-1), tf.argmax(factor.label.value, axis=-1))[:, 0], tf.float32)


def log_q_of_label(factor: Factor) -> Tensor:
    """Returns log q(y | x) of labels, `[B]`; below other latents that of the mean over their samples by mass."""
    log_q = factor.q.log_prob(factor.label.value)
    if log_q.shape.rank == 1:
        return log_q
    equal = -tf.math.log(tf.cast(tf.shape(log_q)[0], tf.float32))
    return tf.reduce_logsumexp(log_q + (equal if factor.log_mass is None else factor.log_mass), axis=0)
