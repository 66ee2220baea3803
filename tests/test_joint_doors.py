"""Several latents from outside: files, serving, streams, and what is refused, each with its reason."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from ladders import ORDERS, data, ladder

import tfvae
from tfvae import InvalidInput, Joint, conditions, estimators, likelihoods, networks, objectives, posteriors, priors

N = 4


@pytest.fixture(scope="module", params=ORDERS)
def trained(request):
    vae = ladder(request.param)
    vae.compile("adam", objectives.IWAE(3), estimators.DoublyReparameterized())
    vae.fit(data(64), batch_size=32, verbose=0)
    return vae


@pytest.mark.slow
def test_a_file_and_a_served_model_say_the_same(trained, tmp_path):
    x = data(10)
    trained.save(tmp_path / "ladder.keras")
    loaded = keras.saving.load_model(tmp_path / "ladder.keras")
    np.testing.assert_array_equal(loaded.log_prob(x, 50, seed=0), trained.log_prob(x, 50, seed=0))
    assert repr(loaded.objective) == repr(trained.objective) and list(loaded.logs) == list(trained.logs)
    assert isinstance(loaded.prior, Joint) and list(loaded.prior.parts) == list(trained.prior.parts)
    loaded.fit(x, verbose=0)
    trained.export(tmp_path / "served" / "1", verbose=False)
    served, numbers = tf.saved_model.load(str(tmp_path / "served" / "1")).signatures, {"num_samples": tf.constant(20)}
    numbers["seed"] = tf.constant(3)
    close = dict(rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(served["log_prob"](x=x, **numbers)["log_prob"], trained.log_prob(x, 20, seed=3), **close)
    np.testing.assert_allclose(served["elbo"](x=x, **numbers)["elbo"], trained.elbo(x, 20, seed=3), **close)
    np.testing.assert_allclose(served["reconstruct"](x=x)["mean"], trained.reconstruct(x), **close)
    inferred, weighted = served["infer"](x=x, **numbers), trained.infer(x, 20, seed=3)
    np.testing.assert_allclose(inferred["effective_sample_size"], weighted.effective_sample_size, rtol=1e-4)
    drawn, encoded = served["sample"](**numbers), served["encode"](x=x)
    z = {name: drawn[name] for name in ("z1", "z2")}
    np.testing.assert_allclose(drawn["sample"], trained.sample(20, seed=3), **close)
    np.testing.assert_allclose(served["decode"](**z)["mean"], trained.decode(z).mean(), **close)
    for name in ("z1", "z2"):
        np.testing.assert_allclose(inferred[name], weighted.mean()[name], **close)
        assert {f"{name}_mean", f"{name}_stddev"} <= encoded.keys() or f"{name}_center" in encoded


@pytest.mark.parametrize("order", ORDERS)
def test_arrays_and_streams_train_alike(order):
    """With the rate of each latent in the logs, their sum the rate."""
    histories = []
    for made in (lambda x: (x, {"batch_size": 16, "shuffle": False}), lambda x: (stream(x), {})):
        vae, (x, how) = ladder(order), made(data(48))
        vae.compile("adam", jit_compile=False)
        histories.append(vae.fit(x, epochs=2, verbose=0, **how).history)
    arrays, streams = histories
    assert {"rate_z1", "rate_z2"} <= arrays.keys()
    for name in arrays:
        np.testing.assert_allclose(arrays[name], streams[name], rtol=2e-4, atol=1e-4)
    np.testing.assert_allclose(np.add(arrays["rate_z1"], arrays["rate_z2"]), arrays["rate"], rtol=1e-4)


@pytest.mark.slow
def test_missing_cells_conditions_and_layers_go_together():
    told = ("h", "condition")
    posterior = Joint(z2=posteriors.DiagonalNormal(1, given=told), z1=posteriors.DiagonalNormal(2, given=("x", "z2")))
    prior = Joint(z2=priors.DiagonalNormal(1, given="condition"), z1=priors.DiagonalNormal(2, given="z2"))
    vae = tfvae.VAE(
        posterior, likelihoods.Normal(N, given=("z1", "condition")), prior, condition=conditions.Labels(3),
        features={"h": tfvae.Feature(networks.mlp([3]), given=("x", "mask"))}, seed=0,
    )  # fmt: skip
    x, y, mask = data(12), np.arange(12) % 3, np.random.default_rng(0).random((12, N)) < 0.7
    x[~mask] = np.nan
    vae.compile("adam")
    vae.fit(x, condition=y, mask=mask, verbose=0)
    found = vae.impute(x, 50, seed=0, condition=y, mask=mask)
    assert np.isfinite(found.mean).all() and found.sample(3, seed=0).shape == (3, 12, N)
    low, high = found.interval(0.5, num_samples=50, seed=0)
    assert np.all(low <= high)
    assert vae.sample(5, seed=0, condition=y).shape == (5, 12, N)
    assert vae.prior_of(y).sample(4, seed=[0, 1])["z1"].shape == (4, 12, 2)
    assert vae.infer(x, 20, seed=0, condition=y, mask=mask).quantile(0.5)["z2"].shape == (12, 1)


def test_free_bits_of_a_layer_are_a_floor_for_each():
    vae, x = ladder("topdown"), data(20)
    evidence = vae.evidence(vae.known({"x": x}), 1, tf.constant([1, 2]))
    rates = {name: float(tf.reduce_mean(rate)) for name, rate in evidence.rates.items()}
    bits = (rates["z1"] + rates["z2"]) / 2  # between the two
    bound = objectives.ELBO(layer_free_bits=bits)(evidence)
    expected = -np.mean(evidence.distortion) - sum(max(bits, rate) for rate in rates.values())
    np.testing.assert_allclose(np.mean(bound), expected, rtol=1e-5)
    assert objectives.ELBO(layer_free_bits=bits).of_log_weight(tf.zeros([1, 2])) is None


@pytest.mark.slow
def test_a_term_takes_the_latent_that_it_is_told():
    x = data(16)
    for objective in (objectives.MaximumMeanDiscrepancy, objectives.TotalCorrelation, objectives.MomentMatching):
        vae = ladder("topdown")
        vae.compile("adam", objective(objectives.ELBO(), of="z2"))
        assert objective.name in vae.fit(x, verbose=0).history
        with pytest.raises(InvalidInput, match="hang on no other latent"):
            vae.compile("adam", objective(objectives.ELBO(), of="z1"))
        with pytest.raises(InvalidInput, match=r"a latent of the model: z2, z1. Received of='z'"):
            vae.compile("adam", objective(objectives.ELBO()))
    vae = ladder("topdown")
    vae.compile("adam", objectives.DensityRatio(objectives.ELBO(), units=[4], of="z1"))
    assert np.isfinite(vae.fit(x, verbose=0).history["density_ratio"][0])


def stream(x):
    return tf.data.Dataset.from_tensor_slices(x).batch(16)


def made(posterior=None, prior=None, given="z1", **more) -> tfvae.VAE:
    posterior = posterior or {"z1": posteriors.DiagonalNormal(2), "z2": posteriors.DiagonalNormal(1, given="z1")}
    prior = prior or {"z2": priors.StandardNormal(1), "z1": priors.DiagonalNormal(2, given="z2")}
    sides = (side if not isinstance(side, dict) else Joint(**side) for side in (posterior, prior))
    posterior, prior = sides
    return tfvae.VAE(posterior, likelihoods.Normal(N, given=given), prior, **more)


def circle():
    return {"z1": posteriors.DiagonalNormal(2, given="z2"), "z2": posteriors.DiagonalNormal(1, given="z1")}


def dropping(above=()):
    """Returns a model that drops units where z1 is drawn, given x alone or z2 as well."""
    network = networks.mlp([4])
    network.add(keras.layers.Dropout(0.5))
    part = posteriors.DiagonalNormal(2, network, given=("x", *above))
    sides = {"z2": posteriors.DiagonalNormal(1), "z1": part}
    return made(sides) if above else made({"z1": part, "z2": posteriors.DiagonalNormal(1)})


Q, P, STL = posteriors.DiagonalNormal, priors.DiagonalNormal, tfvae.estimators.StickingTheLanding
REFUSED = {
    "no parts": (lambda: Joint(), "Joint of at least one part"),
    "a circle in q": (lambda: made(circle()), "z1 -> z2 -> z1|z2 -> z1 -> z2"),
    "a circle by the prior": (
        lambda: made({"z1": posteriors.PrecisionWeighted(2, given=("x", "z1_prior")), "z2": Q(1, given="z1")}),
        "in a circle",
    ),
    "other names": (lambda: made(prior={"z2": P(1), "w": P(2)}), "posterior and prior of the same latents"),
    "one side alone": (lambda: made(prior=P(2)), "a Joint of z1, z2 and one part"),
    "other sizes": (lambda: made(prior={"z2": P(2), "z1": P(2)}), "posterior 1, prior 2"),
    "another space": (lambda: made({"z1": Q(2), "z2": posteriors.PowerSpherical(3)}), "on the same space"),
    "a prior in q": (lambda: made({"z1": Q(2), "z2": P(1)}), "posterior of z2 to be a tfvae Posterior"),
    "not a part": (lambda: made({"z1": Q(2), "z2": 3}), "posterior of z2 to be a tfvae Posterior"),
    "a name that is reserved": (lambda: made({"x": Q(2)}, {"x": P(2)}, "x"), "a Python name other than"),
    "a name used twice": (
        lambda: made(features={"z1": tfvae.Feature(networks.mlp([2]))}),
        "'z1', a latent and something else",
    ),
    "an unknown name": (lambda: made({"z1": Q(2), "z2": Q(1, given="z3")}), "'z3'"),
    "x in the prior": (lambda: made(prior={"z2": P(1), "z1": P(2, given="x")}), "prior of z1 to be given some of"),
    "what the prior says in the prior": (
        lambda: made(prior={"z2": P(1), "z1": P(2, given="z2_prior")}),
        "prior of z1 to be given names of the model",
    ),
    "x in the likelihood": (lambda: made(given="x"), "likelihood to be given some of"),
    "a prior without moments": (
        lambda: made(
            {"z1": posteriors.PrecisionWeighted(2, given=("x", "z1_prior")), "z2": Q(1)},
            {"z2": P(1), "z1": priors.MixtureOfNormals(2, 3, given="z2")},
        ),
        "'z1_prior'. It is said of normal priors alone",
    ),
    "the prior of another latent": (
        lambda: made(
            {"z2": Q(1), "z1": posteriors.PrecisionWeighted(1, given=("x", "z2_prior"))}, {"z2": P(1), "z1": P(1)}
        ),
        "to weigh the prior of z1.*Give it 'z1_prior' in place of 'z2_prior'",
    ),
    "dropout where a density is evaluated again": (
        lambda: dropping(("z2",)).compile("adam", estimator=STL()),
        "noise of their own for z1.*Dropout, with StickingTheLanding",
    ),
    "nothing of the prior": (lambda: posteriors.PrecisionWeighted(2, given="x"), "given with one prior"),
    "a Joint alone": (lambda: Joint(z=P(2))(), "a Joint that belongs to a VAE"),
    "one array": (lambda: made().decode(np.zeros([3, 2])), "z as a dict of z2, z1"),
    "another latent": (lambda: made().decode({"z1": np.zeros([3, 2])}), "a dict of z1"),
    "other rows": (lambda: made().decode({"z1": np.zeros([3, 2]), "z2": np.zeros([2, 1])}), "of the same rows"),
    "a dict for one latent": (
        lambda: tfvae.VAE(Q(2), likelihoods.Normal(N)).decode({"z": np.zeros([3, 2])}),
        "z as one array",
    ),
    "two floors": (lambda: objectives.ELBO(free_bits=0.1, layer_free_bits=1.0), "pass one of them"),
    "dimensions that are coupled": (
        lambda: made({"z1": posteriors.FullNormal(2), "z2": Q(1)}).compile("adam", objectives.ELBO(free_bits=0.1)),
        "factorises over latent dimensions, for free bits. Received none of z1",
    ),
}


def test_dropout_may_stand_where_no_density_is_evaluated_again():
    dropping().compile("adam", estimator=STL())
    dropping(("z2",)).compile("adam", estimator=tfvae.estimators.Pathwise())


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why(case):
    call, words = REFUSED[case]
    with pytest.raises(InvalidInput) as found:
        call()
    text = str(found.value)
    print(f"\n{case}: {text}")
    assert re.search(words, text) and "Expected" in text
