"""A model composed of parts: what each of them is given, what is known of examples, and the evidence for it.

    known   = model.known(observed)        what was observed of B examples in normal form
    context = model.context(known)         x as parts see it, the mask, conditions, features: by name
    log w   = log p(x | z, c) + log p(z | c) - log q(z | x, c)           of S samples: model.evidence(known, S)

z is one tensor, or of a `Joint` several by name: log p(z | c) and log q(z | x, c) are sums over latents.

What a user asks of it is in `tfvae.vae`.
"""

import abc
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae import conditions
from tfvae.checks.enumerated import check_enumerated, check_repeatable
from tfvae.checks.given import check_given, features_of, shapes_of
from tfvae.checks.known import observed_only
from tfvae.checks.missing import check_missingness
from tfvae.checks.parts import check_kind, check_latents, check_sides
from tfvae.core import frozen, keras_private, seeds
from tfvae.core.chain import Chain
from tfvae.core.context import Context, Made
from tfvae.core.errors import InvalidInput
from tfvae.core.evidence import Evidence, Factor
from tfvae.core.feature import Feature
from tfvae.core.joint import MOMENTS, Joint, Latents, roots, said
from tfvae.core.latent import Latent
from tfvae.core.observed import Known, Observed, conditions_of, labels_of
from tfvae.core.sets import ValueSet
from tfvae.core.types import Array, ArrayLike, Config
from tfvae.distributions.kl import factor_kl
from tfvae.estimators import Estimator, Pathwise
from tfvae.likelihoods import Likelihood
from tfvae.missingness import Missingness
from tfvae.objectives import Objective
from tfvae.posteriors import Posterior
from tfvae.preprocessing import preprocessed
from tfvae.priors import StandardNormal
from tfvae.scaling import Identity, Scaling
from tfvae.training.trainer import Trainer

PARTS = ("posterior", "likelihood", "prior", "preprocessing", "scaling", "condition", "features", "missingness")


def prior_of(posterior: object) -> Latent | Joint:
    """Returns the prior where none was given: standard normals of the posterior's sizes."""
    if isinstance(posterior, Joint):
        return Joint(**{name: prior_of(part) for name, part in posterior.parts.items()})
    check_kind("posterior", posterior, Posterior)
    return StandardNormal(posterior.latent_dim)


NOTHING: Mapping[str, Any] = {"condition": {}}  # is known


class Composed(Trainer):
    """A model of posterior, likelihood and prior, with the arguments of `tfvae.VAE`."""

    def __init__(
        self,
        posterior: Posterior | Joint,
        likelihood: Likelihood,
        prior: Latent | Joint | None = None,
        preprocessing: Sequence[keras.layers.Layer] = (),
        scaling: Scaling | None = None,
        condition: conditions.Declared = None,
        features: Mapping[str, Feature] | None = None,
        missingness: Missingness | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        prior = prior_of(posterior) if prior is None else prior
        check_sides(posterior, prior)
        check_kind("likelihood", likelihood, Likelihood)
        scaling = likelihood.default_scaling() if scaling is None else scaling
        check_kind("scaling", scaling, Scaling)
        self.conditions = conditions.declared(condition)
        features = features_of(features, self.conditions)
        check_given(self._latents(posterior, prior, features), likelihood, self.conditions, features)
        scaled_shape = scaling.scaled_shape(likelihood.event_shape)
        prior.bind(posterior, scaled_shape)  # first: a VampPrior lives where its posterior does
        check_latents(posterior, prior)
        self.features = features
        self.posterior, self.likelihood, self.prior = posterior, likelihood, prior
        self.preprocessing = list(preprocessing) if isinstance(preprocessing, (list, tuple)) else [preprocessing]
        for layer in self.preprocessing:
            check_kind("preprocessing", layer, keras.layers.Layer)
        self.scaling = scaling
        self.scaling.build((None, *self.event_shape))
        shapes = {"x": scaled_shape, "mask": self.event_shape, **self.latents.shapes}
        shapes |= {MOMENTS.format(n): (2 * part.latent_dim,) for n, part in self.latents.prior.items() if part.normal}
        shapes |= {name: part.shape for name, part in self.conditions.items()}
        shapes = shapes_of(features, shapes)
        for part in (self.posterior, self.likelihood, self.prior):
            part.build(shapes)
        self.missingness = missingness
        if missingness is not None:
            check_missingness(missingness, likelihood, scaling)
            missingness.build((None, *self.event_shape))
        frozen.spread(self)
        self.built = True  # not by `build`, after which Keras would refuse the layers of an objective

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the parts know their sizes, and their weights exist from the start."""

    @property
    def latents(self) -> Latents:
        """What is drawn of the parts as they are now, in which order."""
        return self._latents(self.posterior, self.prior, self.features)

    def _latents(self, posterior: Posterior | Joint, prior: Latent | Joint, features: Mapping[str, Feature]) -> Latents:
        """Returns the latents, and tells a `Joint` which distribution its parts make of features of the model."""
        latents = Latents(posterior, prior, {name: feature.given for name, feature in features.items()})
        for side, parts in ((posterior, latents.posterior), (prior, latents.prior)):
            if isinstance(side, Joint):
                side.join(lambda context, parts=parts: latents.distribution(parts, context or self.context(NOTHING)))
        return latents

    @property
    def prior_part(self) -> Latent:
        """The prior under its name of version 0.1, under which Keras finds its weights in files of that version."""
        return self.prior

    # What is known of B examples, and the evidence of S samples for them.

    def known(self, observed: Observed, seed: tf.Tensor | None = None, training: bool = False) -> Known:
        """Returns what was observed of B examples in normal form: preprocessed, zero where it was not observed.

        Args:
            observed: raw x, and whatever else is known, of the model's shapes.
            seed: int32 pair of random preprocessing; by default a hash of the values.
            training: whether random preprocessing behaves as in training.
        """
        mask = tf.cast(observed["mask"], tf.bool) if "mask" in observed else None

        def seen(raw: Array) -> tf.Tensor:
            return observed_only(self.preprocess(observed_only(raw, mask), seed, training), mask)

        x = seen(observed["x"])
        target = seen(observed["target"]) if "target" in observed else x
        rows = tf.shape(x)[:1]
        weight = tf.reshape(tf.cast(observed["weight"], tf.float32), rows) if "weight" in observed else tf.ones(rows)
        told = self.encoded_conditions(conditions_of(observed))
        known: Known = {"x": x, "target": target, "condition": told, "weight": weight}
        if mask is not None:
            known["mask"] = mask
        if "labels" in observed:
            parts, labels = self.latents.posterior, labels_of(observed)
            known["labels"] = {name: parts[name].label(tf.cast(value, tf.float32)) for name, value in labels.items()}
        return known

    def seen(self, observed: Observed) -> tf.Tensor:
        """Returns preprocessed x with NaN where it is not observed: what a scaling takes its numbers from."""
        known = self.known(observed)
        return known["x"] if "mask" not in known else tf.where(known["mask"], known["x"], float("nan"))

    def encoded_conditions(self, told: Mapping[str, Array]) -> dict[str, tf.Tensor]:
        """Returns raw conditions, name to `[B, ...]`, as parts see them."""
        return {name: self.conditions[name].encode(tf.cast(value, tf.float32)) for name, value in told.items()}

    def context(self, known: Mapping[str, Any], training: bool = False) -> Context:
        """Returns what parts are given by name: x scaled and zero where it is not observed, the mask, conditions.

        Args:
            known: of the examples, in normal form; without x what is known before there is one, `{"condition": ...}`.
            training: whether layers of features behave as in training.
        """
        made = {n: Made(f.given, partial(f.value, training=training)) for n, f in self.features.items()}
        made |= self.latents.made(training)
        if "x" in known:
            shown = self.scaling.shown(known["mask"]) if "mask" in known else None
            made["x"] = Made((), lambda _: observed_only(self.scaling(known["x"]), shown))
            made["mask"] = Made((), lambda _: tf.cast(known.get("mask", tf.ones_like(known["x"])), tf.float32))
        return Context(known["condition"], made)

    def preprocess(self, x: ArrayLike, seed: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Returns raw x, `[B, ...]` of any number type, as the float32 data that posterior and likelihood see."""
        return preprocessed(self.preprocessing, x, seed, training)

    def evidence(
        self,
        known: Known,
        num_samples: int | tf.Tensor,
        seed: tf.Tensor,
        training: bool = False,
        estimator: Estimator | None = None,
        objective: Objective | None = None,
        step: tf.Tensor | None = None,
        num_data: int | None = None,
        num_known: Mapping[str, int] | None = None,
    ) -> Evidence:
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
        estimator, latents = estimator or Pathwise(), self.latents
        gate, context = estimator.gate(objective), self.context(known, training)
        chain = Chain(latents, context, training, step, labels=known.get("labels"))
        draws = estimator.draw(chain, num_samples, seeds.fold(seed, seeds.POSTERIOR), gate)
        missing, context = seeds.fold(seed, seeds.MISSING), draws.context
        shape = (None if tf.is_tensor(num_samples) else num_samples * latents.atoms, None)  # some densities lose S

        def factor(name: str, prior: Latent) -> Factor:
            drawn, p = draws.of[name], prior.distribution(**prior.at_step(context[said(name)], step))
            log_p, log_q = (tf.ensure_shape(value, shape) for value in (p.log_prob(drawn.z), drawn.log_q))
            made = Factor(drawn.q, p, drawn.z, log_q, log_p, None, None, draws.log_mass, drawn.label)
            if name not in latents.closed:
                return made
            if name in latents.enumerated:  # the sum over all values is the closed form
                return made._replace(kl=made.rate, kl_per_dimension=made.rate[:, tf.newaxis])
            kl, per_dimension = (None, None) if drawn.label else factor_kl(drawn.q, p, draws.log_mass)
            return made._replace(kl=kl, kl_per_dimension=per_dimension)

        return Evidence(
            log_likelihood=tf.ensure_shape(self.log_likelihood(known, context, missing, training), shape),
            factors={name: factor(name, prior) for name, prior in latents.prior.items()},
            bare=latents.bare,
            seed=seed,
            gate=gate,
            weight=known["weight"],
            step=step,
            num_data=num_data,
            num_known=num_known or {},
            log_mass=draws.log_mass,
        )

    def log_likelihood(
        self, known: Known, context: Context, seed: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Returns log p(x_obs | z, c), `[*lead]` in nats; with a missingness log p(x_obs, mask | z, c).

        Args:
            known: of the examples, in normal form.
            context: what the likelihood is given, z among it.
            seed: int32 pair, of the points that stand for missing cells; a missingness needs it.
            training: whether layers such as dropout behave as in training.
        """
        explained, mask = self.likelihood.parameters(context, training), known.get("mask")
        log_prob = self.likelihood.log_prob(explained, known["target"], mask)
        if self.missingness is None:
            return log_prob
        element, target = self.likelihood.element(**explained), known["target"]
        mask = tf.ones_like(target, tf.bool) if mask is None else mask
        return log_prob + self.missingness.log_prob(element, self.scaling, target, mask, seed)

    def hidden(self, context: Context, seed: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns p(x | z, c), by which missing cells are imputed; with a missingness given that they are missing."""
        parameters = self.likelihood.parameters(context)
        if self.missingness is None:
            return self.likelihood.distribution(**parameters)
        return self.missingness.hidden(self.likelihood.element(**parameters), self.scaling, seed)

    def sample_likelihood(
        self, num_samples: int | tf.Tensor, seed: tf.Tensor, told: Mapping[str, tf.Tensor] | None = None
    ) -> tuple[tf.Tensor, tfp.distributions.Distribution, tf.Tensor]:
        """Returns z ~ p(z | c), `[n, D]` or with conditions `[n, B, D]`, p(x | z, c), and the seed for a draw of x.

        Several latents are drawn one after the other, those first that others are given; z is then a dict.

        Args:
            num_samples: n.
            seed: int32 pair.
            told: conditions as parts see them, name to `[B, ...]`.
        """
        told = told or {}
        context, rows = self.context({"condition": told}), [tf.shape(next(iter(told.values())))[0]] if told else []
        z = self.latents.sample_prior(context, num_samples, rows, seeds.fold(seed, seeds.PRIOR))
        parameters = self.likelihood.parameters(context.with_(**z))
        return self.latents.outside(z), self.likelihood.distribution(**parameters), seeds.fold(seed, seeds.LIKELIHOOD)

    def check_compatible(self, objective: Objective, estimator: Estimator) -> None:
        """Raises `InvalidInput` if objective or estimator do not fit the parts: a rehearsal on two made-up examples."""
        parts = self.latents.posterior
        estimator.check(objective, all(part.reparameterized or part.enumerated for part in parts.values()))
        check_enumerated(self.latents, objective, estimator)
        check_repeatable(self.latents, self.features, estimator)
        objective.build(self.latents.shapes)
        x = tf.broadcast_to(self.support.inner, [2, *self.event_shape])
        told = {name: tf.zeros([2, *part.shape]) for name, part in self.conditions.items()}
        known: Known = {"x": x, "target": x, "condition": told, "weight": tf.ones([2])}
        labelled = {name: part for name, part in parts.items() if name in objective.learned_from_labels}
        for name, part in labelled.items():
            if part.label_shape is None:
                remedy = "Use one real vector, or one vector of K categories."
                raise InvalidInput(f"{name} that can be told by labels", f"{part.space.description}", remedy)
        if labelled:
            known["labels"] = {n: part.label(tf.zeros([2, *(part.label_shape or ())])) for n, part in labelled.items()}
        number, seed = objective.num_samples, seeds.as_seed(0)
        rehearsed = {
            "estimator": estimator,
            "objective": objective,
            "num_data": 2,
            "num_known": dict.fromkeys(parts, 1),
        }
        evidence = self.evidence(known, number, seed, **rehearsed)
        estimator.surrogate(objective, evidence, objective(evidence))
        objective.terms(evidence)

    @abc.abstractmethod
    def call(self, x: ArrayLike | Observed, training: bool = False) -> tf.Tensor:
        """Returns the reconstruction's mean, `[B, ...]`."""

    def summary(self, *args: Any, expand_nested: bool = False, **kwargs: Any) -> None:
        """Prints the parts as `keras.Model.summary` prints layers; with `expand_nested` their networks after them."""
        super().summary(*args, **kwargs)
        networks = [getattr(part, "network", None) for part in keras_private.layers_now(self)] if expand_nested else []
        for network in networks:
            if isinstance(network, keras.Model):
                network.summary(*args, expand_nested=True, **kwargs)

    # Saving.

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        within = frozen.paths(self)
        return {
            **super().get_config(),
            "posterior": serialize(self.posterior),
            "likelihood": serialize(self.likelihood),
            "prior": serialize(self.prior),
            "preprocessing": [serialize(layer) for layer in self.preprocessing],
            "scaling": serialize(self.scaling),
            "seed": self.seed,
            **({"condition": {k: serialize(part) for k, part in self.conditions.items()}} if self.conditions else {}),
            **({"features": {k: serialize(feature) for k, feature in self.features.items()}} if self.features else {}),
            **({} if self.missingness is None else {"missingness": serialize(self.missingness)}),
            **({"frozen": within} if within else {}),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, type] | None = None) -> "Composed":
        """Returns the model that `get_config` described."""
        with keras.saving.CustomObjectScope(custom_objects or {}):
            made = {k: keras.saving.deserialize_keras_object(config[k]) for k in PARTS if k in config}
        made.setdefault("scaling", Identity())  # version 0.1 had none
        vae = cls(**{k: v for k, v in config.items() if k not in (*PARTS, "frozen")}, **made)
        frozen.freeze(vae, config.get("frozen", ()))
        return vae

    # Sizes and names.

    @property
    def used_names(self) -> set[str]:
        """What parts are given: x, z, the mask, conditions; features are looked through."""
        parts = (self.likelihood, *self.latents.posterior.values(), *self.latents.prior.values())
        own = set() if self.missingness is None else {"mask"}
        return own | {name for part in parts for name in roots(part.given, self.latents.through)}

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.likelihood.event_shape

    @property
    def support(self) -> ValueSet:
        """The set that preprocessed data must lie in: the likelihood's."""
        return self.likelihood.support

    @property
    def constants(self) -> tuple:
        """The numbers and schedules of the parts that a graph keeps as they were when it was traced."""
        return (*self.posterior.constants, *self.likelihood.constants, *self.prior.constants)

    @property
    def latent_dim(self) -> int:
        """Number of latent dimensions D."""
        return self.posterior.latent_dim
