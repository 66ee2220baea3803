"""The one list of every part, each with a small example: what the laws and the combinations run over.

A case list of its own family holds posteriors, priors (latent_cases) and likelihoods (likelihood_cases); this page adds
objectives, estimators and schedules, and says how one VAE is made of five names.
"""

import functools
import inspect
from types import ModuleType

import keras
import numpy as np
import tensorflow as tf
from latent_cases import ON_A_LADDER, POSTERIORS, PRIORS, noise
from latent_cases import PARTS as LATENTS
from likelihood_cases import MAKE, columns, data
from tiny import tiny_vae

import tfvae
from tfvae import estimators, likelihoods, networks, objectives, posteriors, priors, schedules

LATENT = 3  # a latent_dim that every part accepts
COLUMNS = np.float32([[0.3, -1.2, 1, 2, 0, 7], [0, 2, 0, 1, 1, 0]] * 2)  # as likelihood_cases.columns has them


def posterior(name: str, network=None, dim: int = LATENT):
    return _latent(f"posterior {name}", dim, network=network)


def prior(name: str, dim: int = LATENT):
    return _latent(f"prior {name}", dim)


def likelihood(name: str, network=None, event: int = 4):
    return columns(network) if name == "Columns" else MAKE[name](event, network=network)


def examples(name: str) -> np.ndarray:
    """Returns four examples in the likelihood's support."""
    return COLUMNS if name == "Columns" else data(name, (4, 4))


OBJECTIVES = {
    "ELBO": lambda: objectives.ELBO(beta=schedules.LinearWarmup(2)),
    "ELBO-free-bits": lambda: objectives.ELBO(free_bits=0.1, num_samples=2),
    "IWAE": lambda: objectives.IWAE(3),
    "MIWAE": lambda: objectives.MIWAE(2, 2),
    "PIWAE": lambda: objectives.PIWAE(2, 2),
    "CIWAE": lambda: objectives.CIWAE(0.5, 3),
    "Renyi": lambda: objectives.Renyi(0.5, 3),
    "TotalCorrelation": lambda: objectives.TotalCorrelation(objectives.ELBO(), 5.0),
    "MaximumMeanDiscrepancy": lambda: objectives.MaximumMeanDiscrepancy(objectives.ELBO(beta=0.0), 10.0),
    "MomentMatching": lambda: objectives.MomentMatching(objectives.ELBO(), 2.0),
    "DensityRatio": lambda: objectives.DensityRatio(objectives.ELBO(), 2.0, units=[4]),
    "GECO": lambda: objectives.GECO(target=3.0),
    "Classification": lambda: objectives.Classification(objectives.ELBO(), of="z", share=0.5),
}
ESTIMATORS = {
    "Pathwise": estimators.Pathwise,
    "StickingTheLanding": estimators.StickingTheLanding,
    "DoublyReparameterized": estimators.DoublyReparameterized,
    "ScoreFunction": estimators.ScoreFunction,
}
SCHEDULES = {
    "Constant": lambda: schedules.Constant(0.5),
    "LinearWarmup": lambda: schedules.LinearWarmup(4),
    "Cyclical": lambda: schedules.Cyclical(4, cycles=2),
    "Sigmoid": lambda: schedules.Sigmoid(3, 1),
}
NETWORKS = {  # name to (network, shape of its input, shape of its output)
    "mlp": (lambda: networks.mlp([6, 5]), (4, 2), (5,)),
    "gated_mlp": (lambda: networks.gated_mlp([6, 5]), (4, 2), (5,)),
    "residual_mlp": (lambda: networks.residual_mlp([6, 6]), (3, 2), (6,)),
    "conv": (lambda: networks.conv([3, 4]), (6, 5, 2), (2, 2, 4)),
    "conv-sequence": (lambda: networks.conv([3, 4], rank=1), (7, 2), (2, 4)),
    "conv_transpose": (lambda: networks.conv_transpose((6, 5, 2), [4, 3]), (3,), (6, 5, 3)),
    "conv_transpose-sequence": (lambda: networks.conv_transpose((7, 2), [4, 3]), (3,), (7, 3)),
    "residual_conv": (lambda: networks.residual_conv([4, 6], group_size=2), (6, 5, 2), (2, 2, 6)),
    "residual_conv-sequence": (lambda: networks.residual_conv([4, 6], rank=1), (7, 2), (2, 6)),
    "residual_conv_transpose": (lambda: networks.residual_conv_transpose((6, 5, 2), [6, 4]), (3,), (6, 5, 4)),
    "residual_conv_transpose-sequence": (lambda: networks.residual_conv_transpose((7, 2), [6, 4]), (3,), (7, 4)),
}
LIKELIHOODS = [*MAKE, "Columns"]
FAMILIES = {  # module to (base class, name to example)
    posteriors: (posteriors.Posterior, {name: lambda name=name: posterior(name) for name in POSTERIORS}),
    priors: (priors.Prior, {name: lambda name=name: prior(name) for name in PRIORS}),
    likelihoods: (likelihoods.Likelihood, {name: lambda name=name: likelihood(name) for name in LIKELIHOODS}),
    objectives: (objectives.Objective, OBJECTIVES),
    estimators: (estimators.Estimator, ESTIMATORS),
    schedules: (schedules.Schedule, SCHEDULES),
}
ALL = [(family, name) for family, (_, made) in FAMILIES.items() for name in made]


def missing(family: ModuleType) -> set[str]:
    """Returns the names of the family's public parts that the list lacks."""
    base, made = FAMILIES[family]
    listed = {type(make()) for make in made.values()}
    public = {name: part for name, part in vars(family).items() if inspect.isclass(part) and issubclass(part, base)}
    absent = {name for name, part in public.items() if not inspect.isabstract(part) and part not in listed}
    return absent - ON_A_LADDER


@functools.cache
def space(name: str, family=posterior):
    return family(name).space


def partner(posterior_name: str) -> str:
    """Returns a prior on the posterior's space, without weights where there is one."""
    names = "StandardNormal HypersphericalUniform UniformCategorical RelaxedCategorical LogNormal LogitNormal".split()
    return next(name for name in names if space(name, prior) == space(posterior_name))


def make_vae(
    posterior_name: str = "DiagonalNormal",
    prior_name: str | None = None,
    likelihood_name: str = "Normal",
    objective_name: str | None = None,
    estimator_name: str | None = None,
    **options,
) -> tfvae.VAE:
    """Returns a VAE of these parts, compiled if an objective is named; `options` are those of `compile`."""
    vae = tiny_vae(
        posterior=posterior(posterior_name, networks.mlp([4], activation="tanh")),
        likelihood=likelihood(likelihood_name, networks.mlp([4], activation="tanh")),
        prior=prior(prior_name or partner(posterior_name)),
        seed=1,
        compiled=False,
    )
    if objective_name:
        estimator = ESTIMATORS[estimator_name or "Pathwise"]()
        vae.compile("adam", objective=OBJECTIVES[objective_name](), estimator=estimator, **options)
    return vae


def check(case: tuple, folder) -> None:
    """One eager and one compiled step, score, file, export; nothing but finite numbers, and the same ones after all."""
    likelihood = case[2]
    x, vae = examples(likelihood), make_vae(*case, run_eagerly=True)
    assert np.isfinite(vae.fit(x, batch_size=4, verbose=0).history["loss"]).all()
    vae.compile("adam", objective=vae.objective, estimator=vae.estimator)
    logs = vae.fit(tf.data.Dataset.from_tensor_slices(x).batch(4), verbose=0).history
    assert all(np.isfinite(values).all() for values in logs.values())
    assert all(np.isfinite(w).all() for w in vae.get_weights())
    score = vae.log_prob(x, num_samples=3, seed=1)
    assert np.isfinite(score).all()
    vae.save(folder / "vae.keras")
    loaded = keras.saving.load_model(folder / "vae.keras")
    np.testing.assert_allclose(loaded.log_prob(x, num_samples=3, seed=1), score, rtol=1e-5, atol=1e-5)
    assert repr(loaded.objective) == repr(vae.objective) and repr(loaded.estimator) == repr(vae.estimator)
    served = tf.saved_model.load(tfvae.export(vae, folder / "served")).signatures
    found = served["log_prob"](x=tf.constant(x), num_samples=tf.constant(3), seed=tf.constant(1))["log_prob"]
    np.testing.assert_allclose(found, score, rtol=1e-4, atol=1e-3)
    reconstructed = served["reconstruct"](x=tf.constant(x))["mean"]
    np.testing.assert_allclose(reconstructed, vae.predict(x, verbose=0), rtol=1e-4, atol=1e-3)
    encoded = served["encode"](x=tf.constant(x))
    center = vae.posterior.center(vae.posterior.parameters(vae.context(vae.known({"x": x}))))
    assert encoded.keys() == ({"mean", "stddev"} if vae.posterior.has_mean else {"center"})
    assert all(value.shape == center.shape for value in encoded.values())


def randomise(vae: tfvae.VAE, spread: float = 0.3) -> tfvae.VAE:
    """Gives all weights of a model values that are not its initial ones."""
    for index, weight in enumerate(vae.trainable_weights):
        weight.assign(noise(*weight.shape, seed=index, scale=spread))
    return vae


def _latent(key: str, dim: int, **options):
    kind, arguments, _ = LATENTS[key]
    return kind(dim, **{name: value() if callable(value) else value for name, value in arguments.items()}, **options)
