"""The variational autoencoder: the one place where posterior, prior, likelihood and objective meet.

    q(z | x) = vae.encode(x)    p(x | z) = vae.decode(z)    p(z) = vae.prior()    p(x, z) = vae.joint_log_prob(x, z)
    log p(x) = vae.log_prob(x)                       training maximises the objective, by default the ELBO

With a condition c, all of it is given c: log p(x | c) = vae.log_prob(x, condition=c). With a mask, x is what was
observed of it. How the parts are composed is in `tfvae.composed`, how they are trained in `tfvae.training`.
"""

import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.checks.data import check_arrays, codes, given, is_one_batch, some_examples
from tfvae.checks.known import check_told, good_rows, told
from tfvae.checks.missing import check_density
from tfvae.checks.saved import check_format, check_saved
from tfvae.composed import Composed
from tfvae.core import seeds
from tfvae.core.errors import sample_count
from tfvae.core.joint import ALONE
from tfvae.core.observed import Observed, alone, conditions_of, with_known, without_weight
from tfvae.core.types import Array, ArrayLike, Codes, Given
from tfvae.inference.accumulators import MarginalEstimate
from tfvae.inference.bound import elbo_rows
from tfvae.inference.classes import class_of, encoded_classes, weighted_classes
from tfvae.inference.importance import estimate_rows
from tfvae.inference.imputation import Imputation, imputed_rows
from tfvae.inference.requests import answer, answers, decoded, drawn, encoded, log_joint, normalised, reconstructed, run
from tfvae.inference.weighted import Weighted, weighted_rows
from tfvae.training.trainer import Trainer


@keras.saving.register_keras_serializable(package="tfvae")
class VAE(Composed):
    """A variational autoencoder composed from parts; a `keras.Model` with `fit`, `evaluate`, `predict` and `save`.

        ELBO(x) = E_q(z|x) log p(x | z) - KL(q(z | x) || p(z))  <=  log p(x)

    All log-densities are in nats, summed over the event and averaged over examples.

    Args:
        posterior: q(z | x), for example `tfvae.posteriors.DiagonalNormal(16, network=...)`; of several latents a
            `tfvae.Joint` of parts, and the prior as well. z is then a dict by name.
        likelihood: p(x | z), for example `tfvae.likelihoods.Bernoulli((28, 28, 1), network=...)`.
        prior: p(z); by default `tfvae.priors.StandardNormal` of the posterior's size.
        preprocessing: Keras layers applied to raw x in training, evaluation and serving, for example
            `[keras.layers.Rescaling(1 / 255), tfvae.preprocessing.StochasticBinarization()]`.
        scaling: in which units the posterior sees preprocessed x, by default what the likelihood proposes: real numbers
            standardised by the first data, counts as logarithms, levels in [-1, 1], labels one-hot (`tfvae.scaling`).
        condition: what is known beside x: `conditions.Labels(K)`, `conditions.Real(shape)`, a shape, or name to one of
            these. A part is told of it by its `given`, for example `likelihoods.Bernoulli(..., given=("z",
            "condition"))`; the prior as well: `priors.DiagonalNormal(16, network, given="condition")`.
        features: name to `tfvae.Feature`, a value that several parts are given.
        missingness: why cells are missing, where the reason is their own value (`tfvae.missingness.SelfMasking`); log p
            is then that of values and mask. By default they are missing at random, and the mask tells nothing.
        seed: of all training noise; by default drawn from Python's generator (`keras.utils.set_random_seed`).

    Raises:
        InvalidInput: if a part is of the wrong kind, posterior and prior have different sizes, or a part is given a
            name that the model does not have.

    Reference:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes"; Rezende, Mohamed and Wierstra 2014.

    Example:
        >>> vae = VAE(posterior=tfvae.posteriors.DiagonalNormal(2), likelihood=tfvae.likelihoods.Normal(5))
        >>> vae.compile(optimizer="adam", objective=tfvae.objectives.ELBO())
        >>> history = vae.fit(tf.random.normal([64, 5]), verbose=0)
    """

    # The five terms; the prior p(z) is `vae.prior()`.

    def encode(self, x: ArrayLike, *, condition: Given = None, mask: Given = None) -> tfp.distributions.Distribution:
        """Returns the approximate posterior q(z | x), batch shape `[B]`, event shape `[D]`, for raw x, `[B, ...]`.

        Of several latents it is a `tfd.JointDistributionNamed`: its samples and values are dicts by name.
        """
        observed = given(self, x, condition=condition, mask=mask)
        if not self.latents.bare:
            return self.posterior(self.context(answer(self, normalised, observed)))
        return self.posterior.distribution(**answer(self, encoded, observed)[ALONE])

    def decode(self, z: Codes, *, condition: Given = None) -> tfp.distributions.Distribution:
        """Returns the likelihood p(x | z), a distribution over x, for z of shape `[B, D]` or `[S, B, D]`.

        Of several latents z is a dict by name.
        """
        z, conditions = codes(z, self.latents.shape), self.told(condition)
        return self.likelihood.distribution(**run(self, decoded, z, conditions))

    def prior_of(self, condition: Given = None) -> tfp.distributions.Distribution:
        """Returns p(z | c) of raw conditions, batch shape `[B]`; of a prior that is given nothing p(z)."""
        told = self.told(condition) if self.latents.told else {}
        return self.prior(self.context({"condition": self.encoded_conditions(told)}))

    def joint_log_prob(self, x: ArrayLike, z: Codes, *, condition: Given = None, mask: Given = None) -> tf.Tensor:
        """Returns log p(x, z) = log p(x | z) + log p(z) in nats, of z's leading shape, `[B]` or `[S, B]`."""
        check_density(self)
        observed, z = given(self, x, condition=condition, mask=mask), codes(z, self.latents.shape)
        return answer(self, log_joint, observed, z, of_data=True)

    def log_prob(
        self,
        x: ArrayLike,
        num_samples: int,
        seed: int | tf.Tensor | None = None,
        *,
        condition: Given = None,
        mask: Given = None,
        labels: Given = None,
        verbose: bool = False,
    ) -> tf.Tensor:
        """Returns the importance-sampled log p(x) in nats, `[B]`; see `estimate_log_prob`."""
        more = {"condition": condition, "mask": mask, "labels": labels}
        return self.estimate_log_prob(x, num_samples, seed, verbose=verbose, **more).log_prob

    def estimate_log_prob(
        self,
        x: ArrayLike,
        num_samples: int,
        seed: int | tf.Tensor | None = None,
        *,
        condition: Given = None,
        mask: Given = None,
        labels: Given = None,
        verbose: bool = False,
    ) -> MarginalEstimate:
        """Estimates log p(x) with exactly `num_samples` importance samples for each example, and its standard error.

        Of a model with a condition c it is log p(x | c); under a mask it is that of the observed cells, the others
        integrated out; with labels y it is log p(x, y).

            log p(x) ~ log 1/k sum_{i=1..k} p(x, z_i) / q(z_i | x),    z_i ~ q(z | x)

        Memory is that of one block of examples and one chunk of samples. The noise of an example depends on the row in
        which it stands, and on the seed: the same x elsewhere scores differently, as far as `standard_error` says.

        Args:
            x: raw examples, `[B, ...]`, an `Observed` dict, or a stream of batches of either.
            num_samples: samples k for each example, at most 10^7.
            seed: an integer or int32 scalar for repeatable noise; `None` draws afresh.
            condition: what the model was declared to be told, `[B, ...]`, or name to it.
            mask: broadcasts to x; true where x is observed. Elsewhere x may be NaN.
            labels: what is known of latents, name to `[B]`, -1 where it is not, or `[B, *latent]` and NaN.
            verbose: show a progress bar over the blocks of examples.

        Returns:
            `log_prob`, `standard_error` and `effective_sample_size`, each `[B]`.

        Raises:
            InvalidInput: if `num_samples` is not a whole number of at least 1, or x has a wrong shape or wrong values.

        Reference:
            Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders", section 5.
        """
        num_samples = sample_count(num_samples)
        data = with_known(x, condition=condition, mask=mask, labels=labels)
        return estimate_rows(self, data, num_samples, seeds.as_seed(seed), verbose)

    def infer(
        self,
        x: ArrayLike,
        num_samples: int,
        seed: int | tf.Tensor | None = None,
        *,
        condition: Given = None,
        mask: Given = None,
        labels: Given = None,
    ) -> Weighted:
        """Returns the posterior p(z | x), of which q(z | x) is an approximation, as weighted draws.

            E[f(z) | x] ~ sum_s w_s f(z_s),    w_s ~ p(x, z_s) / q(z_s | x) with sum 1,    z_s ~ q(z | x)

        Under a mask it is p(z | what was observed of x). With the same seed the draws are those of `log_prob`.

        Args:
            x: raw examples, `[B, ...]`, an `Observed` dict, or a stream of batches of either.
            num_samples: draws S for each example; all of them are kept.
            seed: an integer or int32 scalar for repeatable noise; `None` draws afresh.
            condition: what the model was declared to be told, `[B, ...]`, or name to it.
            mask: broadcasts to x; true where x is observed. Elsewhere x may be NaN.
            labels: what is known of latents, name to `[B]`, -1 where it is not, or `[B, *latent]` and NaN.

        Returns:
            `z`, `[S, B, *latent]`, `log_weight`, `[S, B]`, and `effective_sample_size`, `[B]`; `.mean(f)` and
            `.quantile(q, f)` are those of f(z) given x.

        Raises:
            InvalidInput: as for `estimate_log_prob`.

        Reference:
            Owen 2013, "Monte Carlo theory, methods and examples", chapter 9 (self-normalised importance sampling).

        Example:
            >>> posterior_mean = vae.infer(x, num_samples=1000, seed=0).mean()
        """
        data = with_known(x, condition=condition, mask=mask, labels=labels)
        return weighted_rows(self, data, sample_count(num_samples), seeds.as_seed(seed))

    def classify(
        self,
        x: ArrayLike,
        num_samples: int | None = None,
        seed: int | tf.Tensor | None = None,
        *,
        of: str | None = None,
        condition: Given = None,
        mask: Given = None,
    ) -> tf.Tensor:
        """Returns the probabilities of the K values of a latent that is a class, `[B, K]`.

            q(y | x)         by default: what the encoder says
            p(y | x)         with `num_samples`: by importance weights, Bayes' rule under the model

        Args:
            x: raw examples, `[B, ...]`, an `Observed` dict, or a stream of batches of either.
            num_samples: draws S for each example; `None` asks the encoder.
            seed: an integer or int32 scalar for repeatable noise; `None` draws afresh.
            of: the name of the latent, where several are classes.
            condition: what the model was declared to be told, `[B, ...]`, or name to it.
            mask: broadcasts to x; true where x is observed. Elsewhere x may be NaN.

        Raises:
            InvalidInput: if no latent is one of K classes, or several and none is named; and as for `encode`.

        Reference:
            Kingma et al. 2014, "Semi-supervised Learning with Deep Generative Models".

        Example:
            >>> classes = np.argmax(vae.classify(x), axis=1)
        """
        data, name = with_known(x, condition=condition, mask=mask), class_of(self, of)
        if num_samples is None:
            return encoded_classes(self, data, name)
        return weighted_classes(self, data, name, sample_count(num_samples), seeds.as_seed(seed))

    def impute(
        self,
        x: ArrayLike,
        num_samples: int,
        seed: int | tf.Tensor | None = None,
        *,
        mask: Given = None,
        condition: Given = None,
        labels: Given = None,
    ) -> Imputation:
        """Returns what missing cells probably are given those that were observed, with errors, spread and draws.

            E[x_mis | x_obs] ~ sum_s w_s E[x_mis | z_s],    w_s as for `infer`

        Args:
            x: raw examples, `[B, ...]`, a masked array, an `Observed` dict, or a stream of batches of either.
            num_samples: draws S of z for each example; all of them are kept, the events they explain are not.
            seed: an integer or int32 scalar for repeatable noise; `None` draws afresh.
            mask: broadcasts to x; true where x is observed. Elsewhere x may be NaN. Needed, if x does not bring it.
            condition: what the model was declared to be told, `[B, ...]`, or name to it.
            labels: what is known of latents, name to `[B]`, -1 where it is not, or `[B, *latent]` and NaN.

        Returns:
            `mean` with observed cells as given, `standard_error` of it, `stddev` of the cells, each `[B, ...]`, and
            `effective_sample_size`, `[B]`; `.sample(m)` draws completed examples, `.interval(0.9)` gives the ends of
            intervals. All are in units of preprocessed data.

        Raises:
            InvalidInput: if there is no mask, and as for `estimate_log_prob`.

        Reference:
            Mattei and Frellsen 2019, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets".

        Example:
            >>> holes = np.where(np.random.default_rng(0).random(x.shape) < 0.2, np.nan, x)
            >>> filled = vae.impute(holes, num_samples=1000, seed=0, mask=~np.isnan(holes)).mean
        """
        data = with_known(x, condition=condition, mask=mask, labels=labels)
        return imputed_rows(self, data, sample_count(num_samples), seeds.as_seed(seed))

    def elbo(
        self,
        x: ArrayLike,
        num_samples: int | tf.Tensor = 1,
        seed: int | tf.Tensor | None = None,
        *,
        condition: Given = None,
        mask: Given = None,
        labels: Given = None,
    ) -> tf.Tensor:
        """Returns the evidence lower bound (beta = 1) of each example, `[B]` in nats, from `num_samples` samples."""
        if not tf.is_tensor(num_samples) or tf.executing_eagerly():
            num_samples = sample_count(int(num_samples) if tf.is_tensor(num_samples) else num_samples)
        data = with_known(x, condition=condition, mask=mask, labels=labels)
        return elbo_rows(self, data, num_samples, seeds.as_seed(seed))

    def sample(self, num_samples: int, seed: int | tf.Tensor | None = None, *, condition: Given = None) -> tf.Tensor:
        """Returns draws from the model, x ~ p(x | z) with z ~ p(z), `[n, ...]`; with a condition `[n, B, ...]`."""
        number, told = tf.constant(sample_count(num_samples)), self.told(condition)
        return run(self, drawn, number, seeds.as_seed(seed), told)

    def reconstruct(self, x: ArrayLike, *, condition: Given = None, mask: Given = None) -> tf.Tensor:
        """Returns p(x | z)'s mean (of labels, the mode) at the posterior's mean z, `[B, ...]`, in units of the data."""
        return answers(self, reconstructed, with_known(x, condition=condition, mask=mask))

    def told(self, condition: Given = None) -> dict[str, Array]:
        """Returns raw conditions by name, `[B, ...]`, checked.

        Raises:
            InvalidInput: if one is missing, unexpected, or has a wrong shape or values.
        """
        found = told(self, condition)
        if tf.executing_eagerly():
            check_told(self, found)
        return found

    def predict(self, x: Given, *args: Any, condition: Given = None, mask: Given = None, **kwargs: Any) -> Array:
        """Predicts as `keras.Model.predict` does: the reconstruction's mean, `[B, ...]`; one batch as `reconstruct`."""
        x = with_known(x, condition=condition, mask=mask)
        plain = type(self).call is VAE.call and type(self).predict_step is Trainer.predict_step and not self.run_eagerly
        if plain and not args and kwargs in ({}, {"verbose": 0}, {"verbose": "auto"}) and is_one_batch(x):
            return np.asarray(answer(self, reconstructed, given(self, without_weight(x))))
        return super().predict(x, *args, **kwargs)

    def __call__(self, x: ArrayLike | Observed, *args: Any, **kwargs: Any) -> tf.Tensor:
        """Checks what is known, which some networks do not, then calls the model on x or an `Observed` dict."""
        if any(isinstance(part, keras.KerasTensor) for part in tf.nest.flatten(x)):
            return super().__call__(x, *args, **kwargs)
        observed = given(self, x)
        if tf.executing_eagerly():
            check_told(self, conditions_of(observed))
        return super().__call__(alone(observed), *args, **kwargs)

    def call(self, x: ArrayLike | Observed, training: bool = False) -> tf.Tensor:
        """Returns the reconstruction's mean, `[B, ...]`; what `vae(x)` and `predict(x)` give."""
        observed = given(self, x)
        known = self.known(observed)
        mean = reconstructed(self, known, training)
        axes = list(range(1, mean.shape.rank))
        finite = tf.reduce_all(tf.math.is_finite(known["x"]), axis=axes, keepdims=True)
        for fine in good_rows(self, conditions_of(observed)):  # a label that does not exist is encoded by zeros
            finite &= tf.reshape(fine, [-1] + [1] * len(axes))
        return tf.where(finite, mean, float("nan"))  # fused kernels can hide a NaN

    def adapt(self, x: ArrayLike, seed: int | None = None, *, condition: Given = None, mask: Given = None) -> None:
        """Starts the parts where the data say, as the `adapt` of a Keras preprocessing layer does; before `fit`.

        The scaling of what the posterior sees is set, if it has numbers of its own: else the first `fit` does that.
        Location and scale of the likelihood of real values and counts are taken from x, and a `VampPrior` takes rows as
        its pseudo-inputs; all are ordinary weights. Of data in a bounded set the units are known, and a decoder that
        starts at their mean often takes longer to use z: there, call `vae.likelihood.adapt(vae.preprocess(x))` if you
        want it. Under a mask all are taken over the observed cells.

        Args:
            x: raw training examples, `[N, ...]`; some thousand rows are enough, and of a stream no more are taken.
            seed: of a choice among them; by default from Python's generator (`keras.utils.set_random_seed`).
            condition: as for `fit`; nothing is taken from it.
            mask: broadcasts to x; true where x is observed.

        Raises:
            InvalidInput: if x has a wrong shape or wrong values, or fewer rows than a part needs.

        Example:
            >>> vae.adapt(x)
            >>> history = vae.fit(x, verbose=0)
        """
        observed = some_examples(self, with_known(x, condition=condition, mask=mask))
        check_arrays(self, observed)
        known = self.known(observed)
        if not self.support.bounded:  # first, since one without a head refuses
            self.likelihood.adapt(known["x"], known.get("mask"))
        self.scaling.adapt(lambda: iter([self.seen(observed)]))
        self.prior.adapt(self.context(known)["x"], seed)

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
