"""Latents whose values are summed over: bounds and gradients beside a sum by hand, labels, and what is refused."""

import few_labels
import numpy as np
import pytest
import tensorflow as tf
from few_labels import LABELS, K, X, by_hand, log_over_labels, m2, over_labels
from mean_gradients import gradients, scores

import tfvae
from tfvae import estimators, likelihoods, networks, objectives, posteriors, priors
from tfvae.core.evidence import Label, expected, log_expected_exp
from tfvae.export import endpoints
from tfvae.inference.weighted import of_draws

UNKNOWN = np.full(len(X), -1, np.int32)
SEEDS = 300


def renyi(found, labels, alpha):
    """Returns 1 / (1 - alpha) log E w^(1 - alpha), where each w has 1 / q(y | x) in it but where y is known."""
    log_q, order = found["log_q_y"], 1 - alpha
    own = tf.where((labels < 0)[np.newaxis, np.newaxis], tf.transpose(log_q)[np.newaxis], 0.0)
    each = log_over_labels(order * (found["log_w"] - own), log_q, labels)
    return (tf.reduce_logsumexp(each, axis=0) - np.log(len(each))) / order


def iwae(found, labels):
    return renyi(found, labels, 0.0)


def elbo(found, labels):
    log_q = found["log_q_y"]
    own = tf.where((labels < 0)[:, np.newaxis], log_q, 0.0)
    return over_labels(found["elbo_k"] - own, log_q, labels)


def elbo_of_samples(found, labels):
    log_w = tf.reduce_mean(found["log_w"], axis=0)
    return elbo({**found, "elbo_k": tf.transpose(log_w)}, labels)


def groups(found, labels, m):
    parts = [{**found, "log_w": part} for part in tf.split(found["log_w"], m, axis=0)]
    return sum(iwae(part, labels) for part in parts) / m


BOUNDS = {
    "ELBO": (objectives.ELBO(num_samples=3), elbo),
    "IWAE": (objectives.IWAE(3), iwae),
    "MIWAE": (objectives.MIWAE(2, 3), lambda found, labels: groups(found, labels, 2)),
    "Renyi": (objectives.Renyi(0.5, 3), lambda found, labels: renyi(found, labels, 0.5)),
    "Renyi-1": (objectives.Renyi(1.0, 3), elbo_of_samples),
    "CIWAE": (
        objectives.CIWAE(0.3, 3),
        lambda found, labels: 0.3 * elbo_of_samples(found, labels) + 0.7 * iwae(found, labels),
    ),
}


@pytest.mark.parametrize("labels", [UNKNOWN, LABELS], ids=["no labels", "some labels"])
@pytest.mark.parametrize("name", BOUNDS)
def test_bound_and_gradient_are_those_of_a_sum_by_hand(name, labels):
    vae, (objective, hand) = m2(), BOUNDS[name]
    known, seed = vae.known({"x": X, "labels": {"y": labels}}), tf.constant([3, 4])
    weights = vae.trainable_variables
    with tf.GradientTape() as tape:
        evidence = vae.evidence(known, objective.num_samples, seed)
        bound = objective(evidence)
    gradient = tape.gradient(bound, weights, unconnected_gradients="zero")
    q = evidence.factors["z"].q
    noise = ((evidence.z["z"] - q.mean()) / q.stddev()).numpy()
    with tf.GradientTape() as tape:
        expected_bound = hand(by_hand(vae, noise, objective.num_samples), labels)
    by_sum = tape.gradient(expected_bound, weights, unconnected_gradients="zero")
    np.testing.assert_allclose(bound, expected_bound, rtol=2e-5)  # float32, sums of 12 to 24 terms
    for mine, other in zip(gradient, by_sum, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)


@pytest.mark.slow
def test_piwae_has_the_value_of_iwae_and_the_gradients_of_both():
    """y's posterior gets none from either side; z's gets that of MIWAE, p's that of IWAE."""
    vae, pathwise = m2(), estimators.Pathwise()
    for parts, other in (([vae.posterior.parts["z"]], objectives.MIWAE(2, 3)), ([vae.likelihood], objectives.IWAE(6))):
        weights = [weight for part in parts for weight in part.trainable_variables]
        both = gradients(vae, X, objectives.PIWAE(2, 3), pathwise, range(2), weights, labels={"y": LABELS})
        one = gradients(vae, X, other, pathwise, range(2), weights, labels={"y": LABELS})
        np.testing.assert_allclose(both, one, rtol=1e-3, atol=1e-3 * np.abs(one).max())
    y = vae.posterior.parts["y"].trainable_variables
    assert np.abs(gradients(vae, X, objectives.PIWAE(2, 3), pathwise, range(2), y)).max() < 1e-5


def test_atoms_that_are_taken_for_samples_give_another_bound():
    vae = m2()
    evidence = vae.evidence(vae.known({"x": X}), 3, tf.constant([3, 4]))
    for objective in (objectives.ELBO(num_samples=3), objectives.IWAE(3)):
        right = objective.of_log_weight(evidence.log_weight, evidence.log_mass)
        assert np.abs(objective.of_log_weight(evidence.log_weight) - right).min() > 1e-4


CASES = [
    ("label first", objectives.ELBO(num_samples=2), estimators.StickingTheLanding()),
    ("label first", objectives.IWAE(4), estimators.DoublyReparameterized()),
    ("label first", objectives.MIWAE(2, 2), estimators.DoublyReparameterized()),
    ("label first", objectives.CIWAE(0.5, 3), estimators.DoublyReparameterized()),
    ("label last", objectives.ELBO(num_samples=2), estimators.StickingTheLanding()),
    ("label last", objectives.ELBO(num_samples=2), estimators.DoublyReparameterized()),
]


@pytest.mark.parametrize("order, objective, estimator", CASES, ids=repr)
def test_the_mean_gradient_is_the_pathwise_one(order, objective, estimator):
    vae = m2(order)
    asked = {"labels": {"y": LABELS}}
    found = gradients(vae, X, objective, estimator, range(SEEDS), **asked)
    plain = gradients(vae, X, objective, estimators.Pathwise(), range(SEEDS, 2 * SEEDS), **asked)
    z = scores(found, plain)
    assert np.sqrt(np.mean(z**2)) < 1.5 and np.abs(z).max() < 5


def test_a_label_drawn_last_shares_the_draw_of_what_it_hangs_on():
    vae = m2("label last")
    evidence = vae.evidence(vae.known({"x": X, "labels": {"y": LABELS}}), 3, tf.constant([3, 4]))
    z, y = (evidence.factors[name].z.numpy() for name in ("z", "y"))
    np.testing.assert_array_equal(z[0::K], z[K - 1 :: K])
    np.testing.assert_array_equal(np.argmax(y[:, 0, 0], axis=-1), np.tile(np.arange(K), 3))
    for s in range(3):
        given = {"x": tf.constant(X), "z": tf.constant(z[s * K])}
        log_q = tf.nn.log_softmax(vae.posterior.parts["y"].parameters(given)["logits"][:, 0])
        mass = evidence.log_mass[s * K : (s + 1) * K]
        for b, label in enumerate(LABELS):
            hand = log_q[b] if label < 0 else np.where(np.arange(K) == label, 0.0, -np.inf)
            np.testing.assert_allclose(mass[:, b], hand - np.log(3), rtol=1e-5)
    np.testing.assert_allclose(tf.reduce_logsumexp(evidence.log_mass, axis=0), 0.0, atol=1e-5)


@pytest.mark.parametrize("order", ["label first", "label last"])
def test_log_p_of_x_is_the_sum_over_labels(order):
    """Exact, sample by sample: all of them share their noise."""
    vae = m2(order)
    each = [vae.log_prob(X, 70, seed=0, labels={"y": np.full(len(X), k)}) for k in range(K)]
    np.testing.assert_allclose(vae.log_prob(X, 70, seed=0), tf.reduce_logsumexp(each, axis=0), rtol=1e-5)
    some = vae.log_prob(X, 70, seed=0, labels={"y": LABELS}).numpy()
    wanted = np.where(LABELS < 0, vae.log_prob(X, 70, seed=0), np.stack(each)[np.maximum(LABELS, 0), np.arange(len(X))])
    np.testing.assert_allclose(some, wanted, rtol=1e-5)


def test_a_label_does_not_leak():
    """What stands where a label is not known changes nothing, nor do the labels of other rows."""
    vae = m2()
    known, seed = vae.known({"x": X, "labels": {"y": LABELS}}), tf.constant([3, 4])
    label = known["labels"]["y"]
    wrong = tf.one_hot((np.arange(len(X)) * 3) % K, K)[:, tf.newaxis]
    other = Label(tf.where(label.known[:, tf.newaxis, tf.newaxis], label.value, wrong), label.known)
    for objective in (objectives.ELBO(num_samples=2), objectives.Classification(objectives.IWAE(2), of="y", share=0.5)):
        values = []
        for labels in (label, other):
            with tf.GradientTape() as tape:
                evidence = vae.evidence({**known, "labels": {"y": labels}}, 2, seed, step=tf.constant(0))
                loss = tf.reduce_sum(objective(evidence)) + sum(objective.terms(evidence).values(), tf.constant(0.0))
            values.append([loss, *tape.gradient(loss, vae.trainable_variables, unconnected_gradients="zero")])
        for mine, others in zip(*values, strict=True):
            np.testing.assert_array_equal(mine, others)
    elsewhere = np.where(np.arange(len(X)) == 2, LABELS, (LABELS + 1) % K)
    one, two = (vae.log_prob(X, 20, seed=0, labels={"y": labels})[2] for labels in (LABELS, elsewhere))
    assert float(one) == float(two)


def test_the_posterior_of_the_label_is_bayes_rule():
    vae = m2()
    each = np.stack([vae.log_prob(X, 4000, seed=0, labels={"y": np.full(len(X), k)}) for k in range(K)], axis=1)
    bayes = np.exp(each - np.logaddexp.reduce(each, axis=1, keepdims=True))
    found = vae.infer(X, 4000, seed=0)
    np.testing.assert_allclose(found.mean()["y"][:, 0], bayes, atol=1e-4)
    np.testing.assert_allclose(tf.reduce_logsumexp(found.log_weight, axis=0), 0.0, atol=1e-4)
    size = vae.estimate_log_prob(X, 4000, seed=0).effective_sample_size
    np.testing.assert_allclose(found.effective_sample_size, size, rtol=1e-3)
    assert of_draws(found.log_weight, K).shape == (4000, len(X))
    told = vae.infer(X, 50, seed=0, labels={"y": LABELS}).mean()["y"][:, 0].numpy()
    np.testing.assert_allclose(told[LABELS >= 0], np.eye(K)[LABELS[LABELS >= 0]], atol=1e-6)


def test_the_rate_of_a_known_label_is_its_price():
    vae = m2()
    (logits,) = vae.prior.parts["y"].trainable_variables
    logits.assign(tf.reshape(tf.constant([0.0, 1.0, -1.0, 0.5]), logits.shape))
    evidence = vae.evidence(vae.known({"x": X, "labels": {"y": LABELS}}), 2, tf.constant([3, 4]))
    price = -np.log(vae.prior.parts["y"]().mean().numpy()[0])
    known = LABELS >= 0
    np.testing.assert_allclose(evidence.factors["y"].rate.numpy()[known], price[LABELS[known]], rtol=1e-5)
    q = vae.encode(X).model["y"].mean().numpy()[:, 0]
    np.testing.assert_allclose(
        evidence.factors["y"].rate.numpy()[~known], (q * (np.log(q) + price)).sum(-1)[~known], rtol=1e-4, atol=1e-6
    )
    assert evidence.kl_per_dimension.shape == (len(X), 1 + few_labels.D)  # so that free bits know it


def test_a_real_latent_that_is_known_leaves_log_p_of_both():
    """Each log-weight of such a row is log p(x, z); NaN is where it is not known, and reaches no gradient."""
    vae = tfvae.VAE(posteriors.DiagonalNormal(2), likelihoods.Normal(3), seed=0)
    x, z = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")[0], np.full((5, 2), np.nan, "float32")
    z[:3] = np.random.default_rng(1).normal(size=(3, 2))
    found = vae.log_prob(x, 3, seed=0, labels={"z": z})
    np.testing.assert_allclose(found[:3], vae.joint_log_prob(x[:3], z[:3]), rtol=1e-5)
    for estimator in (estimators.Pathwise(), estimators.StickingTheLanding(), estimators.DoublyReparameterized()):
        found = gradients(vae, x, objectives.ELBO(num_samples=2), estimator, range(2), labels={"z": z})
        assert np.all(np.isfinite(found)) and np.abs(found).max() > 0.01


def test_masses_of_zero_are_left_out_of_sums():
    values, log_mass = tf.constant([[1.0], [float("inf")]]), tf.constant([[0.0], [-float("inf")]])
    with tf.GradientTape() as tape:
        tape.watch([values, log_mass])
        total = expected(values, log_mass) + log_expected_exp(values, log_mass)
    assert float(total[0]) == 2.0
    for gradient in tape.gradient(total, [values, log_mass]):
        assert np.all(np.isfinite(gradient))


def bare() -> tfvae.VAE:
    y = posteriors.Categorical(1, 3, networks.mlp([5]), enumerated=True)
    return tfvae.VAE(y, likelihoods.Bernoulli((few_labels.N,)), priors.Categorical(1, 3), seed=0)


def test_one_enumerated_latent_alone_is_a_mixture_whose_bound_is_exact():
    """One draw gives log p(x), and its error is zero."""
    vae = bare()
    found = vae.estimate_log_prob(X, 2, seed=0)
    each = [vae.likelihood(y).log_prob(X) for y in np.eye(3, dtype="float32")[:, np.newaxis, np.newaxis]]
    exact = tf.reduce_logsumexp(tf.stack(each) - np.log(3), axis=0)
    np.testing.assert_allclose(found.log_prob, exact, rtol=1e-5)
    np.testing.assert_allclose(found.effective_sample_size, 2, rtol=1e-4)
    vae.compile("adam")
    vae.fit(X, labels={"z": np.minimum(LABELS, 2)}, verbose=0)


REFUSED = [
    (objectives.IWAE(3), None, "learns"),
    (objectives.MIWAE(2, 2), None, "learns"),
    (objectives.PIWAE(2, 2), None, "learns"),
    (objectives.Renyi(0.0, 3), None, "learns"),
    (objectives.ELBO(), estimators.ScoreFunction(), "Pathwise"),
    (objectives.MaximumMeanDiscrepancy(objectives.ELBO(), of="z"), None, "masses"),
    (objectives.Classification(objectives.ELBO(), of="a"), None, "of='y'"),
]


@pytest.mark.parametrize("objective, estimator, word", REFUSED, ids=repr)
def test_what_cannot_train_an_enumerated_latent_is_refused(objective, estimator, word):
    with pytest.raises(tfvae.InvalidInput, match=word) as error:
        m2().compile("adam", objective, estimator)
    print(error.value)


def test_what_is_drawn_last_takes_linear_bounds_with_double_reparameterisation():
    vae, estimator = m2("label last"), estimators.DoublyReparameterized()
    vae.compile("adam", objectives.ELBO(), estimator)
    for objective in (objectives.IWAE(1), objectives.CIWAE(0.5, 2)):
        with pytest.raises(tfvae.InvalidInput, match="Pathwise"):
            vae.compile("adam", objectives.Classification(objective, of="y"), estimator)


class MeanWeight(objectives.Objective):
    """A bound of one's own that says no form of it."""

    num_samples = 2

    def __call__(self, evidence):
        return evidence.elbo

    def get_config(self):
        return {}


def test_a_bound_of_ones_own_trains_an_enumerated_latent_pathwise():
    m2().compile("sgd", MeanWeight(), estimators.Pathwise())


def test_a_served_model_counts_draws_and_not_their_values():
    vae = m2()
    infer, *_ = endpoints(vae)["infer"]
    served = infer(tf.constant(X), tf.constant(30), tf.constant(1))["effective_sample_size"]
    np.testing.assert_allclose(served, vae.infer(X, 30, seed=1).effective_sample_size, rtol=1e-4)


def test_a_classifier_below_another_class_is_a_mixture_by_its_probabilities():
    """q(y | x) = sum_a q(a | x) q(y | x, a); where a is known it is q(y | x, a)."""
    y = posteriors.Categorical(1, 3, networks.mlp([4]), enumerated=True, given=("x", "a"))
    vae = tfvae.VAE(
        tfvae.Joint(a=posteriors.Categorical(1, 2, networks.mlp([4]), enumerated=True), y=y),
        likelihoods.Bernoulli((few_labels.N,), given=("a", "y")),
        tfvae.Joint(a=priors.UniformCategorical(1, 2), y=priors.UniformCategorical(1, 3)),
    )
    known, some = np.array([0, 1, 2, 0, 1, 2, 0]), np.array([-1, 0, 1, -1, 0, -1, 1])
    observed = vae.known({"x": X, "labels": {"y": known, "a": some}})
    evidence = vae.evidence(observed, 1, tf.constant([1, 2]))
    q_a = vae.encode(X).model["a"].mean().numpy()[:, 0]
    q_a = np.where(some[:, np.newaxis] < 0, q_a, np.eye(2)[some])
    each = [y.parameters({"x": X, "a": np.tile(np.eye(2)[[[a]]], (len(X), 1, 1))})["logits"][:, 0] for a in range(2)]
    mixed = np.einsum("ba,abk->bk", q_a, tf.nn.softmax(tf.cast(tf.stack(each), tf.float64)))
    objective = objectives.Classification(objectives.ELBO(), of="y")
    wanted = -np.log(mixed[np.arange(len(X)), known]).mean()
    np.testing.assert_allclose(objective.penalty(evidence), wanted, rtol=1e-5)
    right, _ = objective.measures(evidence)["accuracy"]
    np.testing.assert_array_equal(right, np.argmax(mixed, axis=1) == known)


def test_several_vectors_are_not_enumerated():
    with pytest.raises(tfvae.InvalidInput, match="Joint"):
        posteriors.Categorical(2, 3, enumerated=True)


def test_hidden_cells_are_imputed_over_all_labels():
    """Beside the sum by hand over labels of 20,000 draws; the error is that of draws, whose values go together."""
    vae = m2()
    mask = np.random.default_rng(1).random(X.shape) < 0.5
    found = vae.impute(X, 20_000, seed=0, mask=mask)
    again = np.stack([vae.impute(X, 40, seed=seed, mask=mask).mean for seed in range(1, 200)])
    spread = again.std(axis=0)[~mask]
    stated = np.mean([vae.impute(X, 40, seed=seed, mask=mask).standard_error for seed in range(1, 20)], axis=0)[~mask]
    ratio = np.sqrt(np.mean(stated**2) / np.mean(spread**2))
    assert 0.85 < ratio < 1.15  # 200 runs of 21 cells
    scores = (again.mean(axis=0)[~mask] - found.mean.numpy()[~mask]) / (spread / np.sqrt(len(again)))
    assert np.sqrt(np.mean(scores**2)) < 1.6
    np.testing.assert_array_equal(found.mean[mask], X[mask])
    assert found.effective_sample_size.shape == (len(X),) and np.all(found.effective_sample_size <= 20_000)
