"""`check_part` says of the library's parts that all laws hold, and of a broken part which one does not.

The broken parts are those of a tired author; each breaks one law, and the laws that follow from it.
"""

import types

import keras
import parts
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import estimators, likelihoods, objectives, posteriors, priors, schedules
from tfvae.testing import check_part, models
from tfvae.testing.report import Broken

tfd = tfp.distributions


def short(value):
    return getattr(value, "__name__", value)


ALL = pytest.mark.parametrize(("family", "name"), parts.ALL, ids=short)


SOME = ["VampPrior", "Poisson", "GECO", "DoublyReparameterized", "Cyclical"]  # all of the list are slow


@pytest.mark.parametrize(("family", "name"), [(f, n) for f, n in parts.ALL if n in SOME], ids=short)
def test_some_parts_of_the_library_keep_their_laws(family, name):
    report = check_part(parts.FAMILIES[family][1][name](), quick=True)
    assert report, report


@pytest.mark.slow
@ALL
def test_parts_of_the_library_keep_the_laws_of_a_model(family, name):
    report = check_part(parts.FAMILIES[family][1][name]())
    assert report, report


class OffByAConstant(priors.DiagonalNormal):
    def distribution(self, loc, scale):
        class Off(tfd.MultivariateNormalDiag):
            def _log_prob(self, z):
                return super()._log_prob(z) + 0.1

        return Off(loc, scale)


class Disagrees(likelihoods.Normal):
    """Its samples are a tenth too wide."""

    def element(self, loc, scale):
        class Wider(tfd.Normal):
            def _sample_n(self, n, seed=None):
                return self.loc + 1.1 * (super()._sample_n(n, seed) - self.loc)

        return Wider(loc, scale)


class Untrained(priors.DiagonalNormal):
    def parameters(self, context=None, training=False):
        found = super().parameters(context, training)
        return {**found, "scale": tf.stop_gradient(found["scale"])}


class NotReparameterized(posteriors.Categorical):
    reparameterized = True


class Forgetful(likelihoods.StudentT):
    def get_config(self):
        return {name: value for name, value in super().get_config().items() if name != "df"}


class Outside(likelihoods.Bernoulli):
    """Samples lie between its two values."""

    def distribution(self, logits):
        return tfd.Independent(tfd.RelaxedBernoulli(0.5, logits=logits), 1)


class HasNoMean(posteriors.FullNormal):
    has_mean = False


class OfTheBatch(objectives.ELBO):
    """A bound of the batch in place of one for each example."""

    def __call__(self, evidence):
        return tf.reduce_mean(super().__call__(evidence))


class OtherForm(objectives.IWAE):
    """Its log-weight form is another bound."""

    def of_log_weight(self, log_weight):
        return tf.reduce_mean(log_weight, axis=0)

    def __call__(self, evidence):
        return super().of_log_weight(evidence.log_weight)


class Biased(estimators.Pathwise):
    def surrogate(self, objective, evidence, bound):
        return bound + tf.reduce_sum(evidence.log_posterior, axis=0)


class Endless(schedules.LinearWarmup):
    def __call__(self, step):
        return super().__call__(step) / 2


class Negative(schedules.LinearWarmup):
    def __call__(self, step):
        return 2 * super().__call__(step) - 1


BOUND = {"the bound is a number for each example", "it is the declared function of the log-weights"}
OUTSIDE = {
    "samples lie in the set of values",
    "the density integrates to one",
    "samples follow the density",
    "samples carry gradients as declared",
    "sampling compiles as declared",
    "the mean is that of the samples",
}
BROKEN = {
    OffByAConstant: (lambda: OffByAConstant(2), {"the density integrates to one"}),
    Disagrees: (lambda: Disagrees(2), {"samples follow the density"}),
    Untrained: (lambda: Untrained(2), {"every weight gets a gradient"}),
    NotReparameterized: (lambda: NotReparameterized(1, 3), {"samples carry gradients as declared"}),
    Forgetful: (lambda: Forgetful(2, df=4.0), {"it comes back from its configuration"}),
    Outside: (lambda: Outside(2), OUTSIDE),
    HasNoMean: (lambda: HasNoMean(2), {"the mean is that of the samples"}),
    OfTheBatch: (lambda: OfTheBatch(), BOUND),
    OtherForm: (lambda: OtherForm(3), {"it is the declared function of the log-weights"}),
    Biased: (lambda: Biased(), {"its mean gradient is the pathwise one"}),
    Endless: (lambda: Endless(5), {"it ends on `final`"}),
    Negative: (lambda: Negative(5), {"a number of at least 0 at each step"}),
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_part_is_told_which_law(kind, monkeypatch):
    for table in ("GLOBAL_CUSTOM_OBJECTS", "GLOBAL_CUSTOM_NAMES"):
        registry = getattr(keras.src.saving.object_registration, table)
        monkeypatch.setattr(keras.src.saving.object_registration, table, dict(registry))
    keras.saving.register_keras_serializable(package="broken")(kind)
    make, expected = BROKEN[kind]
    report = check_part(make(), quick=True)
    print(report)
    assert not report and set(report.broken) == expected
    assert f"{len(report.broken)} broken" in repr(report)


def test_a_class_that_is_not_registered_is_told_how():
    class Unregistered(priors.StandardNormal):
        pass

    report = check_part(Unregistered(2), quick=True)
    assert report.broken == ["it comes back from its configuration"]
    assert 'register_keras_serializable(package="mine")' in repr(report)


class OfTensorFlow(priors.DiagonalNormal):
    """Its weight is a variable of TensorFlow, which Keras does not know."""

    def build(self, context_shape):
        if not self.built:
            self.shift = self.held(tf.Variable(tf.zeros([self.latent_dim])))
        super().build(context_shape)


HELD = {
    "alone": lambda variable: variable,
    "in a list": lambda variable: [3, variable],
    "in a distribution": lambda variable: tfd.Normal(variable, 1.0),
}


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
def test_a_variable_of_tensorflow_is_named_and_what_is_wanted_instead(held):
    """No other law shows it: Keras trains and saves the weights that it knows, and the part starts where it started."""
    part = OfTensorFlow(2)
    part.held = held
    part.build((None,))
    with pytest.raises(Broken, match=r"shift of OfTensorFlow is a tf\.Variable.*self\.shift = self\.add_weight\("):
        models.tracked(types.SimpleNamespace(part=part))


def test_a_variable_of_tensorflow_is_a_broken_law_of_the_report():
    class Held(OfTensorFlow):
        held = staticmethod(HELD["alone"])

    assert "Keras knows every weight" in check_part(Held(2), quick=True).broken


def test_errors_of_a_part_are_lines_of_the_report():
    class Raises(priors.StandardNormal):
        def distribution(self, loc, scale):
            raise RuntimeError("no distribution today")

    report = check_part(Raises(2), quick=True)
    assert not report and "RuntimeError: no distribution today" in repr(report)


@pytest.mark.parametrize("thing", [priors.StandardNormal, 3, None, tfvae.networks.mlp([2])], ids=str)
def test_what_is_not_a_part_is_refused(thing):
    with pytest.raises(tfvae.InvalidInput, match="Pass a part, not its class"):
        check_part(thing)
