"""What is asked of a model: the one place where it is written down what training, checks and inference may rely on.

known(observed)      what was observed of B examples in normal form
evidence(known, S)   what S samples of z say about each of them
"""

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import keras
import tensorflow_probability as tfp

from tfvae.core.graphs import Graphs
from tfvae.core.sets import ValueSet
from tfvae.core.types import Array, ArrayLike, Seed, Shape, Tensor

if TYPE_CHECKING:
    from tfvae.conditions import Condition
    from tfvae.core.context import Context
    from tfvae.core.evidence import Evidence
    from tfvae.core.feature import Feature
    from tfvae.core.joint import Joint, Latents
    from tfvae.core.latent import Latent
    from tfvae.core.observed import Known, Observed
    from tfvae.estimators import Estimator
    from tfvae.likelihoods import Likelihood
    from tfvae.missingness import Missingness
    from tfvae.objectives import Objective
    from tfvae.posteriors import Posterior
    from tfvae.scaling import Scaling


class Model(Protocol):
    """A model of latent variables, as the rooms below `tfvae.vae` see it.

    Attributes:
        posterior: q(z | x).
        likelihood: p(x | z).
        prior: p(z).
        latents: what is drawn of each, in which order.
        preprocessing: layers applied to raw x inside the model.
        scaling: of what the posterior sees.
        conditions: name to what the model is told beside x.
        features: name to values that parts share.
        missingness: why cells are missing; `None` if the mask tells nothing.
        losses: regularisation of the networks, which Keras collects in each forward pass.
        notes: keys of what was said once.
        graphs: what was compiled for the model.
        constants: numbers and schedules that a graph keeps as they were when it was traced.
    """

    posterior: "Posterior | Joint"
    likelihood: "Likelihood"
    prior: "Latent | Joint"
    latents: "Latents"
    preprocessing: Sequence[keras.layers.Layer]
    scaling: "Scaling"
    conditions: Mapping[str, "Condition"]
    features: Mapping[str, "Feature"]
    missingness: "Missingness | None"
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
        """Returns what was observed of B examples in normal form: preprocessed, zero where it was not observed.

        Args:
            observed: raw x, and whatever else is known.
            seed: int32 pair of random preprocessing; by default a hash of the values.
            training: whether random preprocessing behaves as in training.
        """

    @abc.abstractmethod
    def preprocess(self, x: ArrayLike, seed: Seed | None = None, training: bool = False) -> Tensor:
        """Returns raw x, `[B, ...]` of any number type, as the float32 data that the likelihood explains."""

    @abc.abstractmethod
    def seen(self, observed: "Observed") -> Tensor:
        """Returns preprocessed x with NaN where it is not observed: what a scaling takes its numbers from."""

    @abc.abstractmethod
    def encoded_conditions(self, told: Mapping[str, Array]) -> dict[str, Tensor]:
        """Returns raw conditions, name to `[B, ...]`, as parts see them."""

    @abc.abstractmethod
    def context(self, known: Mapping[str, Any], training: bool = False) -> "Context":
        """Returns what parts are given by name: x scaled and zero where it is not observed, the mask, conditions.

        Args:
            known: of the examples, in normal form; without x what is known before there is one, `{"condition": ...}`.
            training: whether layers of features behave as in training.
        """

    @abc.abstractmethod
    def evidence(
        self,
        known: "Known",
        num_samples: int | Tensor,
        seed: Seed,
        training: bool = False,
        estimator: "Estimator | None" = None,
        objective: "Objective | None" = None,
        step: Tensor | None = None,
        num_data: int | None = None,
        num_known: Mapping[str, int] | None = None,
    ) -> "Evidence":
        """Returns the evidence of `num_samples` samples for each of B examples.

        Args:
            known: of the examples, in normal form.
            num_samples: S.
            seed: int32 pair.
            training: whether layers such as dropout behave as in training.
            estimator: which gradient paths to open; by default all of them.
            objective: that it is for, where that has two sides.
            step: the training step, or `None` in evaluation.
            num_data: number of examples N in the data set, or `None` where it is unknown.
            num_known: name of a latent to the number of examples in the data set for which it is known.
        """

    @abc.abstractmethod
    def log_likelihood(
        self, known: "Known", context: "Context", seed: Seed | None = None, training: bool = False
    ) -> Tensor:
        """Returns log p(x_obs | z, c), `[*lead]` in nats; with a missingness log p(x_obs, mask | z, c).

        Args:
            known: of the examples, in normal form.
            context: what the likelihood is given, z among it.
            seed: int32 pair, of the points that stand for missing cells.
            training: whether layers such as dropout behave as in training.
        """

    @abc.abstractmethod
    def hidden(self, context: "Context", seed: Seed) -> tfp.distributions.Distribution:
        """Returns p(x | z, c), by which missing cells are imputed; with a missingness given that they are missing."""

    @abc.abstractmethod
    def sample_likelihood(
        self, num_samples: int | Tensor, seed: Seed, told: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, tfp.distributions.Distribution, Seed]:
        """Returns z ~ p(z | c), `[n, D]` or with conditions `[n, B, D]`, p(x | z, c), and the seed for a draw of x.

        Several latents are drawn one after the other, those first that others are given; z is then a dict.

        Args:
            num_samples: n.
            seed: int32 pair.
            told: conditions as parts see them, name to `[B, ...]`.
        """
