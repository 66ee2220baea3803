"""The variational autoencoder: the one place where posterior, prior, likelihood and objective meet.

    q(z | x) = vae.encode(x)    p(x | z) = vae.decode(z)    p(z) = vae.prior()    p(x, z) = vae.joint_log_prob(x, z)
    log p(x) = vae.log_prob(x)                       training maximises the objective, by default the ELBO

`known` brings what was observed of B examples into normal form, and `evidence` draws S samples for it and returns
everything an objective may see (`tfvae.training` makes the train step of them).
"""

import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.checks.data import check_arrays, codes, event_batch, is_one_batch, some_examples
from tfvae.checks.parts import check_kind, check_latents, refuse_reserved
from tfvae.checks.saved import check_format, check_saved
from tfvae.core import frozen, seeds
from tfvae.core.errors import sample_count
from tfvae.core.evidence import Evidence, Gate
from tfvae.core.observed import Known, Observed
from tfvae.core.sets import ValueSet
from tfvae.core.types import Array, ArrayLike, Config, Given
from tfvae.distributions.kl import closed_form_kl, kl_per_dimension
from tfvae.estimators import Estimator, Pathwise
from tfvae.inference.accumulators import MarginalEstimate
from tfvae.inference.bound import elbo_rows
from tfvae.inference.importance import estimate_rows
from tfvae.inference.requests import answer, answers, decoded, drawn, encoded, log_joint, reconstructed, run
from tfvae.likelihoods import Likelihood
from tfvae.objectives import Objective
from tfvae.posteriors import Posterior
from tfvae.preprocessing import preprocessed
from tfvae.priors import Prior, StandardNormal
from tfvae.scaling import Identity, Scaling
from tfvae.training.trainer import Trainer


@keras.saving.register_keras_serializable(package="tfvae")
class VAE(Trainer):
    """A variational autoencoder composed from parts; a `keras.Model` with `fit`, `evaluate`, `predict` and `save`.

        ELBO(x) = E_q(z|x) log p(x | z) - KL(q(z | x) || p(z))  <=  log p(x)

    All log-densities are in nats, summed over the event and averaged over examples.

    Args:
        posterior: q(z | x), for example `tfvae.posteriors.DiagonalNormal(16, network=...)`.
        likelihood: p(x | z), for example `tfvae.likelihoods.Bernoulli((28, 28, 1), network=...)`.
        prior: p(z); by default `tfvae.priors.StandardNormal` of the posterior's size.
        preprocessing: Keras layers applied to raw x in training, evaluation and serving, for example
            `[keras.layers.Rescaling(1 / 255), tfvae.preprocessing.StochasticBinarization()]`.
        scaling: in which units the posterior sees preprocessed x, by default what the likelihood proposes: real numbers
            standardised by the first data, counts as logarithms, levels in [-1, 1], labels one-hot (`tfvae.scaling`).
        seed: of all training noise; by default drawn from Python's generator (`keras.utils.set_random_seed`).

    Raises:
        InvalidInput: if a part is of the wrong kind, or posterior and prior have different sizes.

    Reference:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes"; Rezende, Mohamed and Wierstra 2014.

    Example:
        >>> vae = VAE(posterior=tfvae.posteriors.DiagonalNormal(2), likelihood=tfvae.likelihoods.Normal(5))
        >>> vae.compile(optimizer="adam", objective=tfvae.objectives.ELBO())
        >>> history = vae.fit(tf.random.normal([64, 5]), verbose=0)
    """

    def __init__(
        self,
        posterior: Posterior,
        likelihood: Likelihood,
        prior: Prior | None = None,
        preprocessing: Sequence[keras.layers.Layer] = (),
        scaling: Scaling | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        for name, part, kind in (("posterior", posterior, Posterior), ("likelihood", likelihood, Likelihood)):
            check_kind(name, part, kind)
        prior = StandardNormal(posterior.latent_dim) if prior is None else prior
        check_kind("prior", prior, Prior)
        scaling = likelihood.default_scaling() if scaling is None else scaling
        check_kind("scaling", scaling, Scaling)
        context_shape = scaling.scaled_shape(likelihood.event_shape)
        prior.bind(posterior, context_shape)  # first: a VampPrior lives where its posterior does
        check_latents(posterior, prior)
        self.posterior, self.likelihood, self.prior = posterior, likelihood, prior
        self.preprocessing = list(preprocessing) if isinstance(preprocessing, (list, tuple)) else [preprocessing]
        for layer in self.preprocessing:
            check_kind("preprocessing", layer, keras.layers.Layer)
        self.scaling = scaling
        self.scaling.build((None, *self.event_shape))
        self.posterior.build((None, *context_shape))
        self.likelihood.build((None, *self.posterior.latent_shape))
        self.prior.build((None,))
        frozen.spread(self)
        self.built = True  # not by `build`, after which Keras would refuse the layers of an objective

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the parts know their sizes, and their weights exist from the start."""

    @property
    def prior_part(self) -> Prior:
        """The prior under its name of version 0.1, under which Keras finds its weights in files of that version."""
        return self.prior

    # The five terms; the prior p(z) is `vae.prior()`.

    def encode(self, x: ArrayLike, condition: None = None, mask: None = None) -> tfp.distributions.Distribution:
        """Returns the approximate posterior q(z | x), batch shape `[B]`, event shape `[D]`, for raw x, `[B, ...]`."""
        refuse_reserved(condition, mask)
        return self.posterior.distribution(**answer(self, encoded, x))

    def decode(self, z: ArrayLike, condition: None = None) -> tfp.distributions.Distribution:
        """Returns the likelihood p(x | z), a distribution over x, for z of shape `[B, D]` or `[S, B, D]`."""
        refuse_reserved(condition)
        return self.likelihood.distribution(**run(self, decoded, codes(z, self.posterior.latent_shape)))

    def joint_log_prob(self, x: ArrayLike, z: ArrayLike, condition: None = None, mask: None = None) -> tf.Tensor:
        """Returns log p(x, z) = log p(x | z) + log p(z) in nats, of z's leading shape, `[B]` or `[S, B]`."""
        refuse_reserved(condition, mask)
        return answer(self, log_joint, x, codes(z, self.posterior.latent_shape), of_data=True)

    def log_prob(
        self,
        x: ArrayLike,
        num_samples: int,
        seed: int | tf.Tensor | None = None,
        condition: None = None,
        mask: None = None,
        verbose: bool = False,
    ) -> tf.Tensor:
        """Returns the importance-sampled log p(x) in nats, `[B]`; see `estimate_log_prob`."""
        return self.estimate_log_prob(x, num_samples, seed, condition, mask, verbose).log_prob

    def estimate_log_prob(
        self,
        x: ArrayLike,
        num_samples: int,
        seed: int | tf.Tensor | None = None,
        condition: None = None,
        mask: None = None,
        verbose: bool = False,
    ) -> MarginalEstimate:
        """Estimates log p(x) with exactly `num_samples` importance samples for each example, and its standard error.

            log p(x) ~ log 1/k sum_{i=1..k} p(x, z_i) / q(z_i | x),    z_i ~ q(z | x)

        Memory is that of one block of examples and one chunk of samples. The noise of an example depends on the row in
        which it stands, and on the seed: the same x elsewhere scores differently, as far as `standard_error` says.

        Args:
            x: raw examples, `[B, ...]`, or a stream of batches of them.
            num_samples: samples k for each example, at most 10^7.
            seed: an integer or int32 scalar for repeatable noise; `None` draws afresh.
            condition: reserved.
            mask: reserved.
            verbose: show a progress bar over the blocks of examples.

        Returns:
            `log_prob`, `standard_error` and `effective_sample_size`, each `[B]`.

        Raises:
            InvalidInput: if `num_samples` is not a whole number of at least 1, or x has a wrong shape or wrong values.

        Reference:
            Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders", section 5.
        """
        num_samples = sample_count(num_samples)
        refuse_reserved(condition, mask)
        return estimate_rows(self, x, num_samples, seeds.as_seed(seed), verbose)

    def elbo(
        self,
        x: ArrayLike,
        num_samples: int | tf.Tensor = 1,
        seed: int | tf.Tensor | None = None,
        condition: None = None,
        mask: None = None,
    ) -> tf.Tensor:
        """Returns the evidence lower bound (beta = 1) of each example, `[B]` in nats, from `num_samples` samples."""
        refuse_reserved(condition, mask)
        if not tf.is_tensor(num_samples) or tf.executing_eagerly():
            num_samples = sample_count(int(num_samples) if tf.is_tensor(num_samples) else num_samples)
        return elbo_rows(self, x, num_samples, seeds.as_seed(seed))

    def sample(self, num_samples: int, seed: int | tf.Tensor | None = None, condition: None = None) -> tf.Tensor:
        """Returns draws from the model, x ~ p(x | z) with z ~ p(z), `[num_samples, ...]`."""
        refuse_reserved(condition)
        return run(self, drawn, tf.constant(sample_count(num_samples)), seeds.as_seed(seed))

    def sample_likelihood(
        self, num_samples: int | tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tfp.distributions.Distribution, tf.Tensor]:
        """Returns z ~ p(z), `[num_samples, D]`, the likelihood p(x | z), and the seed for a draw of x."""
        z = self.prior().sample(num_samples, seed=seeds.fold(seed, seeds.PRIOR))
        return z, self.likelihood(z), seeds.fold(seed, seeds.LIKELIHOOD)

    def reconstruct(self, x: ArrayLike, condition: None = None, mask: None = None) -> tf.Tensor:
        """Returns p(x | z)'s mean (of labels, the mode) at the posterior's mean z, `[B, ...]`, in units of the data."""
        refuse_reserved(condition, mask)
        return answers(self, reconstructed, x)

    def predict(self, x: Given, *args: Any, **kwargs: Any) -> Array:
        """Predicts as `keras.Model.predict` does: the reconstruction's mean, `[B, ...]`; one batch as `reconstruct`."""
        plain = type(self).call is VAE.call and type(self).predict_step is Trainer.predict_step and not self.run_eagerly
        if plain and not args and kwargs in ({}, {"verbose": 0}, {"verbose": "auto"}) and is_one_batch(x):
            return np.asarray(answer(self, reconstructed, x))
        return super().predict(x, *args, **kwargs)

    def __call__(self, x: ArrayLike | Observed, *args: Any, **kwargs: Any) -> tf.Tensor:
        """Checks the shape of x, which some networks do not, then calls the model; of an `Observed` dict it takes x."""
        x = x["x"] if isinstance(x, dict) and "x" in x else x
        x = x if isinstance(x, keras.KerasTensor) else event_batch(x, self.event_shape)
        return super().__call__(x, *args, **kwargs)

    def call(self, x: ArrayLike, training: bool = False) -> tf.Tensor:
        """Returns the reconstruction's mean, `[B, ...]`; what `vae(x)` and `predict(x)` give."""
        known = self.known({"x": x})
        mean = reconstructed(self, known, training)
        finite = tf.reduce_all(tf.math.is_finite(known["x"]), axis=range(1, mean.shape.rank), keepdims=True)
        return tf.where(finite, mean, float("nan"))  # fused kernels can hide a NaN

    def adapt(self, x: ArrayLike, seed: int | None = None) -> None:
        """Starts the parts where the data say, as the `adapt` of a Keras preprocessing layer does; before `fit`.

        The scaling of what the posterior sees is set, if it has numbers of its own: else the first `fit` does that.
        Location and scale of the likelihood of real values and counts are taken from x, and a `VampPrior` takes rows as
        its pseudo-inputs; all are ordinary weights. Of data in a bounded set the units are known, and a decoder that
        starts at their mean often takes longer to use z: there, call `vae.likelihood.adapt(vae.preprocess(x))` if you
        want it.

        Args:
            x: raw training examples, `[N, ...]`; some thousand rows are enough, and of a stream no more are taken.
            seed: of a choice among them; by default from Python's generator (`keras.utils.set_random_seed`).

        Raises:
            InvalidInput: if x has a wrong shape or wrong values, or fewer rows than a part needs.

        Example:
            >>> vae.adapt(x)
            >>> history = vae.fit(x, verbose=0)
        """
        x = some_examples(x, self.event_shape)
        check_arrays(self, x)
        x = self.preprocess(x)
        self.scaling.adapt(lambda: iter([x]))
        if not self.support.bounded:
            self.likelihood.adapt(x)
        self.prior.adapt(self.scaling(x), seed)

    # What is known of B examples, and the evidence of S samples for them.

    def known(self, observed: Observed, seed: tf.Tensor | None = None, training: bool = False) -> Known:
        """Returns what was observed of B examples in normal form: preprocessed, with every key there.

        Args:
            observed: raw x, and perhaps target and weight.
            seed: int32 pair of random preprocessing; by default a hash of the values.
            training: whether random preprocessing behaves as in training.
        """
        x = self.preprocess(observed["x"], seed, training)
        target = self.preprocess(observed["target"], seed, training) if "target" in observed else x
        rows = tf.shape(x)[:1]
        weight = tf.reshape(tf.cast(observed["weight"], tf.float32), rows) if "weight" in observed else tf.ones(rows)
        return {"x": x, "target": target, "weight": weight}

    def context(self, known: Known) -> tf.Tensor:
        """Returns what the posterior is given of B examples: scaled x, `[B, ...]`."""
        return self.scaling(known["x"])

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
        step: tf.Tensor | None = None,
        num_data: int | None = None,
    ) -> Evidence:
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
        estimator, gate = estimator or Pathwise(), Gate()
        parameters = self.posterior.at_step(self.posterior.parameters(self.context(known), training=training), step)
        q = self.posterior.distribution(**parameters)
        p = self.prior.distribution(**self.prior.at_step(self.prior.parameters(), step))
        z, log_q = estimator.draw(self.posterior, parameters, num_samples, seeds.fold(seed, seeds.POSTERIOR), gate)
        per_dimension = kl_per_dimension(q, p)
        shape = (None if tf.is_tensor(num_samples) else num_samples, None)  # some densities lose S
        return Evidence(
            log_likelihood=tf.ensure_shape(self.likelihood(z, training=training).log_prob(known["target"]), shape),
            log_prior=tf.ensure_shape(p.log_prob(z), shape),
            log_posterior=tf.ensure_shape(log_q, shape),
            kl=closed_form_kl(q, p) if per_dimension is None else tf.reduce_sum(per_dimension, axis=-1),
            kl_per_dimension=per_dimension,
            z=z,
            posterior=q,
            prior=p,
            seed=seed,
            gate=gate,
            weight=known["weight"],
            step=step,
            num_data=num_data,
        )

    def check_compatible(self, objective: Objective, estimator: Estimator) -> None:
        """Raises `InvalidInput` if objective or estimator do not fit the parts: a rehearsal on two made-up examples."""
        estimator.check(objective, self.posterior.reparameterized)
        objective.build(self.posterior.latent_shape)
        x = tf.broadcast_to(self.support.inner, [2, *self.event_shape])
        known: Known = {"x": x, "target": x, "weight": tf.ones([2])}
        evidence = self.evidence(known, objective.num_samples, seeds.as_seed(0), estimator=estimator, num_data=2)
        estimator.surrogate(objective, evidence, objective(evidence))
        objective.terms(evidence)

    # Saving.

    def save(self, filepath: str | os.PathLike, overwrite: bool = True, **kwargs: Any) -> None:
        """Writes the model to a `.keras` file; refuses a suffix or weights that would be of no use."""
        check_saved(filepath, self)
        super().save(filepath, overwrite=overwrite, **kwargs)

    def export(
        self, filepath: str | os.PathLike, format: str = "tf_saved_model", verbose: bool | None = None, **options: Any
    ) -> None:
        """Writes the SavedModel that `tfvae.export` writes, which says more; `options` are those of it."""
        from tfvae.export import export  # it stands above this file

        check_format(format)
        export(self, filepath, **options)

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
            **({"frozen": within} if within else {}),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, type] | None = None) -> "VAE":
        """Returns the model that `get_config` described."""
        parts = ("posterior", "likelihood", "prior", "preprocessing", "scaling")
        with keras.saving.CustomObjectScope(custom_objects or {}):
            made = {k: keras.saving.deserialize_keras_object(config[k]) for k in parts if k in config}
        made.setdefault("scaling", Identity())  # version 0.1 had none
        vae = cls(**{k: v for k, v in config.items() if k not in (*parts, "frozen")}, **made)
        frozen.freeze(vae, config.get("frozen", ()))
        return vae

    # Sizes and checks.

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
