"""What holds of every part, over the one list of tests/parts.py: declarations, gradients in a model, precision, files.

Densities, moments, KL and hard points are in test_latents and test_likelihoods, bounds in test_objectives, gradients of
estimators in test_estimators; whole models on disk are in test_combinations.
"""

import keras
import numpy as np
import parts
import pytest
import tensorflow as tf
from latent_cases import EVENT, distribution, make, noise
from likelihood_cases import random_parameters

import tfvae
from tfvae.core import sets

LATENTS = [("posterior", name) for name in parts.POSTERIORS] + [("prior", name) for name in parts.PRIORS]
DISTRIBUTIONS = [*LATENTS, *(("likelihood", name) for name in parts.LIKELIHOODS)]


def built(family: str, name: str):
    """Returns a part with random weights and a function that makes its distribution."""
    if family != "likelihood":
        part = make(f"{family} {name}", parts.LATENT)
        return part, lambda: distribution(part)
    part = parts.likelihood(name)
    part.build((None, 2))
    return part, lambda: part.distribution(**random_parameters(part, batch=2))


# The list.


def test_no_public_part_is_missing_from_the_list():
    assert {family.__name__: parts.missing(family) for family in parts.FAMILIES if parts.missing(family)} == {}


@pytest.mark.parametrize("family", parts.FAMILIES, ids=lambda module: module.__name__)
def test_a_forgotten_part_is_noticed(family, monkeypatch):
    example = next(iter(parts.FAMILIES[family][1].values()))()
    forgotten = type("Forgotten", (type(example),), {})
    monkeypatch.setattr(family, "Forgotten", forgotten, raising=False)
    assert parts.missing(family) == {"Forgotten"}


# Declarations: true ones hold, and false ones would be seen.


@pytest.mark.parametrize(("family", "name"), DISTRIBUTIONS)
def test_samples_carry_gradients_if_and_only_if_declared(family, name):
    """`reparameterized` says so of the distribution, and of a posterior no gradient at all gets through otherwise."""
    part, made = built(family, name)
    fully = tf.nest.flatten(made().reparameterization_type)
    assert (
        all(str(kind) == "<Reparameterization Type: FULLY_REPARAMETERIZED>" for kind in fully) == part.reparameterized
    )
    if family == "posterior":
        with tf.GradientTape() as tape:
            z, *_ = part.sample_and_log_prob(part.parameters(noise(2, EVENT)), 3, tf.constant([1, 2]))
        gradients = tape.gradient(z, part.trainable_variables)
        assert any(g is not None and np.any(g != 0) for g in gradients) == part.reparameterized


def compiles(sample) -> bool:
    try:
        tf.function(sample, jit_compile=True)(tf.constant([1, 2]))
    except tf.errors.OpError:
        return False
    return True


def test_sampling_compiles_under_xla_only_where_declared():
    """That it does where declared, test_latents and test_likelihoods show."""
    undeclared = [built(*key)[1] for key in DISTRIBUTIONS if not built(*key)[0].jit_sample]
    assert not any(compiles(lambda seed, made=made: made().sample(3, seed=seed)) for made in undeclared)
    part, made = built("likelihood", "Columns")
    assert compiles(lambda seed: made().sample(3, seed=seed)) == part.jit_sample


@pytest.mark.parametrize(("family", "name"), LATENTS)
def test_smallest_dimension_is_as_declared(family, name):
    """Couplings, which a flow may have or not, need two dimensions whatever the part declares."""
    make_part = parts.posterior if family == "posterior" else parts.prior
    least = type(make_part(name)).min_dim
    if name in ("Flow-RealNVP", *(["Flow-Spline"] if family == "posterior" else [])):
        least = 2
    assert np.isfinite(distribution(make(f"{family} {name}", least)).sample(seed=[1, 2])).all()
    with pytest.raises(tfvae.InvalidInput, match="latent_dim|dimensions"):
        make_part(name, dim=least - 1)


def test_columns_have_a_mean_if_all_parts_have():
    part, made = built("likelihood", "Columns")
    assert not part.has_mean and np.isfinite(part.point(made())).all()
    with pytest.raises(NotImplementedError):
        made().mean()


SCALES = {  # what training may drive to zero, of each part that has it
    "DiagonalNormal": ["scale"],
    "LowRankNormal": ["scale"],
    "FullNormal": ["scale_tril"],
    **dict.fromkeys(["LogNormal", "LogitNormal"], ["scale"]),
    **dict.fromkeys([name for name in parts.POSTERIORS if name.startswith("Flow")], ["scale"]),
    **dict.fromkeys(["Normal", "Laplace", "StudentT", "Warped"], ["scale"]),
    **dict.fromkeys(["DiscretizedLogistic", "DiscretizedLogisticMixture"], ["scale"]),
    **dict.fromkeys(["NegativeBinomial", "ZeroInflatedNegativeBinomial"], ["inverse_dispersion"]),
    "Columns": ["scale_0"],
}


@pytest.mark.parametrize(("family", "name"), [key for key in DISTRIBUTIONS if key[0] != "prior"])
def test_scales_are_as_declared_and_positive(family, name):
    part, _ = built(family, name)
    parameters = random_parameters(part, 2) if family == "likelihood" else part.parameters(noise(2, EVENT))
    found = part.scales(parameters)
    assert list(found) == SCALES.get(name, []) and all(np.all(value > 0) for value in found.values())


# Configurations.


def unnamed(config):
    """Returns a configuration without the names that Keras numbers through."""
    if isinstance(config, dict):
        return {key: unnamed(value) for key, value in config.items() if key != "name"}
    return [unnamed(value) for value in config] if isinstance(config, list) else config


@pytest.mark.parametrize(("family", "name"), parts.ALL, ids=lambda value: getattr(value, "__name__", value))
def test_configuration_round_trip(family, name):
    part = parts.FAMILIES[family][1][name]()
    serialized = keras.saving.serialize_keras_object(part)
    again = keras.saving.deserialize_keras_object(serialized)
    assert type(again) is type(part) and again is not part
    assert unnamed(keras.saving.serialize_keras_object(again)) == unnamed(serialized)
    package = keras.saving.get_registered_name(type(part)).split(">")[0]
    assert package == "tfvae" if type(part).__module__.startswith("tfvae.") else package != "Custom"


# Gradients in a model.


def gradients(vae: tfvae.VAE, x: np.ndarray) -> dict[str, tf.Tensor]:
    """Returns the gradient of what a train step maximises, by the weight's path."""
    with tf.GradientTape() as tape:
        evidence = vae.evidence(
            vae.known({"x": x}), vae.objective.num_samples, tf.constant([1, 2]), training=True,
            estimator=vae.estimator, objective=vae.objective, num_data=len(x), step=tf.constant(1),
        )  # fmt: skip
        bound = vae.estimator.surrogate(vae.objective, evidence, vae.objective(evidence))
        gain = tf.reduce_sum(bound) - sum(vae.objective.terms(evidence).values())
    variables = [v for v in vae.trainable_variables if "critic" not in v.path]  # it has an optimizer of its own
    return dict(zip([v.path for v in variables], tape.gradient(gain, variables), strict=True))


def estimator_of(posterior: str) -> str:
    return "Pathwise" if parts.POSTERIORS[posterior][0].reparameterized else "ScoreFunction"


REAL_PRIORS = [name for name in parts.PRIORS if name == "VampPrior" or parts.space(name, parts.prior) == sets.REAL]
MODELS = [
    *((name, None, "Normal", "IWAE", estimator_of(name)) for name in parts.POSTERIORS),
    *(("DiagonalNormal", name, "Normal", "IWAE", "Pathwise") for name in REAL_PRIORS),
    *((name, "VampPrior", "Normal", "IWAE", "Pathwise") for name in ("VonMisesFisher", "RelaxedCategorical")),
    *(("DiagonalNormal", None, name, "IWAE", "Pathwise") for name in parts.LIKELIHOODS),
    *(("DiagonalNormal", "DiagonalNormal", "Normal", name, "Pathwise") for name in parts.OBJECTIVES),
    *(("FullNormal", "MixtureOfNormals", "Normal", "ELBO", name) for name in parts.ESTIMATORS),
    *(("Flow-Spline", "VampPrior", "Normal", "IWAE", name) for name in ("DoublyReparameterized", "ScoreFunction")),
]


@pytest.mark.parametrize("names", MODELS, ids=lambda names: "-".join(map(str, names)))
def test_every_weight_of_a_model_has_a_finite_gradient(names):
    """Some of it not zero, at random weights, in one training step's evidence."""
    vae = parts.randomise(parts.make_vae(*names))
    found = gradients(vae, parts.examples(names[2]))
    assert found
    for path, gradient in found.items():
        assert gradient is not None and np.isfinite(gradient).all() and np.any(gradient != 0), path


# Shapes, XLA and precision.


@pytest.mark.parametrize("name", parts.LIKELIHOODS)
def test_evidence_of_an_unknown_batch_knows_its_number_of_samples(name):
    """Estimators and bounds need S while they are traced, whatever shape a density forgets."""
    vae, x = parts.make_vae("Categorical", None, name), parts.examples(name)
    evidence = tf.function(lambda x: vae.evidence(vae.known({"x": x}), 3, tf.constant([1, 2])).log_weight)
    assert evidence.get_concrete_function(tf.TensorSpec([None, *x.shape[1:]])).structured_outputs.shape[0] == 3


def test_columns_density_under_xla_is_the_eager_one():
    part, _ = built("likelihood", "Columns")
    parameters, x = random_parameters(part, batch=4), parts.COLUMNS
    compiled = tf.function(lambda x: part.distribution(**parameters).log_prob(x), jit_compile=True)
    np.testing.assert_allclose(compiled(x), part.distribution(**parameters).log_prob(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("family", "name"), DISTRIBUTIONS)
def test_mixed_precision_keeps_densities_float32(family, name):
    """The networks compute in float16, what comes out of them does not."""
    keras.config.set_dtype_policy("mixed_float16")
    if family == "posterior":
        names = (name,)
    elif family == "prior":
        fits = [n for n in parts.POSTERIORS if parts.space(n) == parts.space(name, parts.prior) or name == "VampPrior"]
        names = (fits[0], name)
    else:
        names = ("DiagonalNormal", None, name)
    vae = parts.randomise(parts.make_vae(*names))
    x = tf.constant(parts.examples((*names, None, None)[2] or "Normal"))
    assert vae.posterior.network.layers[-1].compute_dtype == "float16"
    evidence = vae.evidence(vae.known({"x": x}), 2, tf.constant([1, 2]))
    for value in (evidence.z, evidence.log_likelihood, evidence.log_prior, evidence.log_posterior):
        assert value.dtype == tf.float32 and np.isfinite(value).all()
    assert {v.dtype for v in vae.trainable_variables} == {"float32"}
