"""What is wrong with conditions, masks, features and names gets one clear error; `pytest -s` prints the table."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from conditional_cases import AGE, EVENT, HOLES, MASK, TOLD, X, Y, both, conditional, masked
from tiny import tiny_vae

import tfvae
from tfvae import conditions, likelihoods, posteriors, priors
from tfvae.inference.annealed import bidirectional
from tfvae.networks import conv, mlp

NORMAL = posteriors.DiagonalNormal
WORDS = np.array(list("abc"))[Y]


class Correlated(likelihoods.Likelihood):
    """A normal distribution over the event without independent elements."""

    def head_shapes(self):
        return {"loc": self.event_shape}

    def distribution(self, loc):
        return tfp.distributions.MultivariateNormalDiag(loc)


def told(**parts):
    return lambda: conditional(**parts)


def stream(data):
    return tf.data.Dataset.from_tensor_slices(data).batch(16)


def unlike(value, at=3):
    changed = np.array(value, np.float32)
    changed[at] = value[at] + 0.5 if changed.ndim == 1 else np.nan
    return changed


ROWS = {  # name: (what a user does, what is said)
    "no condition": (lambda: conditional().fit(X), r"told \(condition, Labels\(3\)\).*no condition.*condition=\.\.\."),
    "no condition to score": (lambda: conditional().log_prob(X, 5), "no condition"),
    "no condition to draw": (lambda: conditional().sample(5), "no condition"),
    "no condition to decode": (lambda: conditional().decode(np.zeros([1, 2])), "no condition"),
    "no condition in a stream": (lambda: conditional().fit(stream(X), verbose=0), "no condition"),
    "no condition in validation": (
        lambda: conditional().fit(X, condition=Y, validation_data=X, verbose=0), "no condition"),
    "one where none is": (lambda: tiny_vae(event=EVENT).fit(X, condition=Y), "has none.*Leave it out, or declare"),
    "one of two": (lambda: both().log_prob(X, 5, condition={"label": Y}), "by name: label, age.*a dict of label"),
    "an array for two": (lambda: both().log_prob(X, 5, condition=Y), "by name: label, age.*one array"),
    "another name": (lambda: conditional().fit(X, condition={"lable": Y}), "by name: condition.*a dict of lable"),
    "fewer rows": (lambda: conditional().fit(X, condition=Y[:3]), "condition with 70 rows.*Received 3"),
    "fewer rows to score": (lambda: conditional().elbo(X, condition=Y[:3]), "condition with 70 rows.*Received 3"),
    "a single label": (lambda: conditional().sample(2, condition=1), r"shape \('B',\).*shape \(\).*np.repeat"),
    "one-hot labels": (lambda: conditional().fit(X, condition=np.eye(3)[Y]), "np.argmax"),
    "labels from 1": (lambda: conditional().fit(X, condition=Y + 1), r"the whole numbers 0 to 2.*Received 3.*from 0"),
    "half a label": (lambda: conditional().log_prob(X, 5, condition=unlike(Y)), r"at condition\[3\]"),
    "a negative label": (lambda: conditional().sample(2, condition=[0, -1]), r"Received -1 at condition\[1\]"),
    "words": (lambda: conditional().fit(X, condition=WORDS), "condition to be numbers.*numpy.unique"),
    "NaN in a condition": (
        lambda: both().elbo(HOLES, mask=MASK, condition={"label": Y, "age": unlike(AGE)}), r"nan at age\[3, 0\]"),
    "numbers without their axis": (
        lambda: conditional(condition=conditions.Real(1)).fit(X, condition=Y), r"value\[:, np.newaxis\]"),
    "a wrong label in a stream": (
        lambda: conditional().fit(stream({"x": X, "condition": np.where(np.arange(70) == 50, 7, Y)}), verbose=0),
        "1 sample weights or condition that are negative, are no such labels or not finite"),
    "conditions of unlike numbers of rows": (
        lambda: both().sample(2, condition={"label": [0, 1], "age": AGE[:3]}), "rows, as .* has"),
    "baselines of masked data": (
        lambda: tfvae.evaluation.baselines(masked(), {"x": HOLES, "mask": MASK}, X), "complete data for models"),
    "beside a stream": (lambda: conditional().fit(stream(X), condition=Y), "condition beside it"),
    "a mask of another width": (lambda: masked().fit(X, mask=MASK[:, :3]), r"mask of shape.*shape \(70, 3\).*np.isnan"),
    "a mask of fewer rows": (lambda: masked().log_prob(X, 5, mask=MASK[:4]), r"shape \(4, 6\)"),
    "a mask of halves": (lambda: masked().fit(X, mask=MASK * 0.5), "true and false, or 1 and 0.*0.5"),
    "a mask of words": (lambda: masked().fit(X, mask=WORDS[:, None]), "mask to be numbers"),
    "NaN without a mask": (lambda: masked().fit(HOLES), "Remove or fill the missing values.*mask=~np.isnan"),
    "NaN where the mask is true": (lambda: masked().fit(HOLES, mask=np.ones_like(MASK)), "finite as float32.*nan at x"),
    "infinity where a stream's mask is true": (
        lambda: masked().fit(stream({"x": np.where(np.arange(6) == 1, np.inf, X), "mask": MASK}), verbose=0),
        "not finite|inf at x"),
    "out of the support where observed": (lambda: masked().fit(X + 1, mask=MASK), r"\{0, 1\}"),
    "a mask and a correlated likelihood": (
        lambda: tiny_vae(Correlated(EVENT), event=EVENT).fit(X, mask=MASK), "Correlated, which cannot.*independent"),
    "a masked target": (lambda: masked().fit(X, np.ma.array(X, mask=~MASK)), "y without masked cells"),
    "a mask in the place of a condition": (lambda: conditional().fit(X, condition=MASK), r"shape \('B',\)"),
    "a name that is not there": (
        told(likelihood=likelihoods.Bernoulli(EVENT, given=("z", "label"))), "z, condition.*'label'.*Declare it"),
    "a likelihood given x": (told(likelihood=likelihoods.Bernoulli(EVENT, given=("z", "x"))), "likelihood to be.*'x'"),
    "a prior given x": (told(prior=priors.DiagonalNormal(2, given="x")), "prior to be given some of condition.*'x'"),
    "a posterior given z": (told(posterior=NORMAL(2, given=("x", "z"))), "posterior to be given.*'z'"),
    "a posterior as an unconditional prior": (told(prior=NORMAL(2)), "prior to be given.*'x'"),
    "a condition that nothing is told": (
        lambda: tiny_vae(event=EVENT, condition=conditions.Labels(3)), "given 'condition', which is declared"),
    "a reserved name": (told(condition={"mask": conditions.Labels(3)}), "a Python name other than x, z, mask"),
    "a name that is none": (told(condition={"a b": conditions.Labels(3)}), "a Python name"),
    "something else as a condition": (told(condition="label"), "to be a condition.*'label'"),
    "a size of zero": (told(condition=conditions.Real), "to be a condition"),
    "one label alone": (lambda: conditions.Labels(1), "num_categories of at least 2"),
    "a shape of zero": (lambda: conditions.Real((2, 0)), "whole number of at least 1"),
    "a feature that is none": (told(features={"h": mlp([4])}), "h to be a tfvae.Feature"),
    "a name used twice": (told(features={"condition": tfvae.Feature(mlp([4]))}), "a condition and a feature"),
    "a circle": (
        told(features={"a": tfvae.Feature(mlp([2]), "b"), "b": tfvae.Feature(mlp([2]), "a")}), "a -> b -> a"),
    "a feature of x for a prior": (
        told(features={"h": tfvae.Feature(mlp([4]))}, prior=priors.DiagonalNormal(2, given="h")), "prior to be.*'x'"),
    "a feature without a network": (lambda: tfvae.Feature(None), "a feature with a network"),
    "a VampPrior beside a conditional posterior": (told(prior=priors.VampPrior(2, 3)), "given x alone.*Mixture"),
    "a prior that cannot be told": (lambda: priors.StandardNormal(2, given="condition"), "StandardNormal without"),
    "a network that is told nothing": (lambda: priors.DiagonalNormal(2, network=mlp([4])), "that is given something"),
    "a network of one input": (
        told(likelihood=likelihoods.Bernoulli(EVENT, conv([4], rank=1), given=TOLD)), "a dict of z, con"),
    "raw numbers of other names": (
        lambda: tiny_vae(likelihoods.Normal(EVENT, mlp([3]), head=False), event=EVENT), r"loc of shape.*'N', 3"),
    "the prior of nothing": (lambda: conditional().prior(), "condition, which this DiagonalNormal is given"),
    "simulated data of a conditional model": (
        lambda: bidirectional(conditional(), 3), "a model without a condition"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_what_is_wrong_is_named_with_what_to_do(name):
    call, said = ROWS[name]
    with pytest.raises(tfvae.InvalidInput, match=said) as refused:
        call()
    print(f"| {name} | {refused.value} |")


def test_a_condition_that_is_not_finite_leaves_the_weights_alone():
    """Of a stream, whose values are counted in the step: the row's weight is zero, and zero times NaN is NaN."""
    vae = conditional(condition=conditions.Real(2))
    data = {"x": X, "condition": unlike(AGE, at=50)}
    with pytest.raises(tfvae.InvalidInput, match="condition"):
        vae.fit(stream(data), verbose=0)
    assert all(np.isfinite(weight).all() for weight in vae.get_weights())


def test_a_batch_term_compares_with_the_prior_of_each_example():
    terms = tfvae.objectives.MaximumMeanDiscrepancy(tfvae.objectives.ELBO(), weight=1.0)
    assert np.isfinite(conditional(objective=terms).fit(X, condition=Y, verbose=0).history["mmd"]).all()


def test_a_step_of_ones_own_sees_the_mask_of_a_masked_array():
    seen = []

    class Own(tfvae.VAE):
        def train_step(self, data):
            seen.append(sorted(data))
            return super().train_step(data)

    masked(kind=Own).fit(np.ma.array(X, mask=~MASK), batch_size=35, verbose=0)
    assert seen and all(keys == ["mask", "x"] for keys in seen)


def test_a_y_that_is_neither_target_nor_condition_is_for_training_alone():
    """Boxes, say: scores of a stream leave them out, as they did before there were conditions."""
    boxes = np.zeros([70, 4], np.float32)
    vae = tiny_vae(event=EVENT)
    np.testing.assert_array_equal(vae.log_prob(stream((X, boxes)), 5, 0), vae.log_prob(X, 5, 0))


def test_one_condition_serves_many_latents():
    vae, z = conditional(), np.ones([5, 2], np.float32)
    one, many = (vae.decode(z, condition=c).mean() for c in ([1], [1] * 5))
    np.testing.assert_allclose(one, many, atol=1e-6)


def test_first_aid_names_the_rows_of_a_bad_condition():
    vae = conditional(condition=conditions.Real(2))
    data = {"x": X, "condition": unlike(AGE, at=50)}
    with pytest.raises(tfvae.InvalidInput, match=r"sample weights or condition.*row 2 \(from 0\)"):
        vae.fit(stream(data), callbacks=[tfvae.callbacks.FirstAid()], verbose=0)
