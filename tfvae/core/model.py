"""What is asked of a model: the one place where it is written down what training, checks and inference may rely on.

known(observed)      what was observed of B examples in normal form
evidence(known, S)   what S samples of z say about each of them
"""

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import keras
import tensorflow_probability as tfp

from tfvae.core.graphs import Graphs
from tfvae.core.sets import ValueSet
from tfvae.core.types import ArrayLike, Seed, Shape, Tensor

if TYPE_CHECKING:
    from tfvae.core.evidence import Evidence
    from tfvae.core.observed import Known, Observed
    from tfvae.estimators import Estimator
    from tfvae.likelihoods import Likelihood
    from tfvae.posteriors import Posterior
    from tfvae.priors import Prior
    from tfvae.scaling import Scaling


class Model(Protocol):
    """A model of latent variables, as the rooms below `tfvae.vae` see it.

    Attributes:
        posterior: q(z | x).
        likelihood: p(x | z).
        prior: p(z).
        preprocessing: layers applied to raw x inside the model.
        scaling: of what the posterior sees.
        losses: regularisation of the networks, which Keras collects in each forward pass.
        notes: keys of what was said once.
        graphs: what was compiled for the model.
        constants: numbers and schedules that a graph keeps as they were when it was traced.
    """

    posterior: "Posterior"
    likelihood: "Likelihood"
    prior: "Prior"
    preprocessing: Sequence[keras.layers.Layer]
    scaling: "Scaling"
    losses: Sequence[Tensor]
    notes: set[str]
    graphs: Graphs
    constants: tuple

    @property
    @abc.abstractmethod
    def event_shape(self) -> Shape:
        """Shape of one example."""

    @property
    @abc.abstractmethod
    def support(self) -> ValueSet:
        """The set that preprocessed data must lie in."""

    @abc.abstractmethod
    def known(self, observed: "Observed", seed: Seed | None = None, training: bool = False) -> "Known":
        """Returns what was observed of B examples in normal form: preprocessed, with every key there.

        Args:
            observed: raw x, and perhaps target and weight.
            seed: int32 pair of random preprocessing; by default a hash of the values.
            training: whether random preprocessing behaves as in training.
        """

    @abc.abstractmethod
    def preprocess(self, x: ArrayLike, seed: Seed | None = None, training: bool = False) -> Tensor:
        """Returns raw x, `[B, ...]` of any number type, as the float32 data that the likelihood explains."""

    @abc.abstractmethod
    def context(self, known: "Known") -> Tensor:
        """Returns what the posterior is given of B examples: scaled x, `[B, ...]`."""

    @abc.abstractmethod
    def evidence(
        self,
        known: "Known",
        num_samples: int | Tensor,
        seed: Seed,
        training: bool = False,
        estimator: "Estimator | None" = None,
        step: Tensor | None = None,
        num_data: int | None = None,
    ) -> "Evidence":
        """Returns the evidence of `num_samples` samples for each of B examples.

        Args:
            known: of the examples, in normal form.
            num_samples: S.
            seed: int32 pair.
            training: whether layers such as dropout behave as in training.
            estimator: which gradient paths to open; by default all of them.
            step: the training step, or `None` in evaluation.
            num_data: number of examples N in the data set, or `None` where it is unknown.
        """

    @abc.abstractmethod
    def sample_likelihood(
        self, num_samples: int | Tensor, seed: Seed
    ) -> tuple[Tensor, tfp.distributions.Distribution, Seed]:
        """Returns z ~ p(z), `[num_samples, D]`, the likelihood p(x | z), and the seed for a draw of x."""
