"""The one builder of small models: a VAE of a few dozen weights, made from a few words."""

import keras

import tfvae
from tfvae.networks import mlp

COMPILE = ("optimizer", "objective", "estimator", "jit_compile", "run_eagerly", "steps_per_execution")


def tiny_vae(
    likelihood=tfvae.likelihoods.Bernoulli,
    event=5,
    latent=2,
    units=(4,),
    *,
    posterior=None,
    network=None,
    kind=tfvae.VAE,
    initial=None,
    compiled=True,
    **options,
) -> tfvae.VAE:
    """Returns a compiled VAE; every word beyond these is one of `VAE` (such as `prior`) or of `compile`.

    Args:
        likelihood: a ready part, or a function (such as the class) that makes it of an event shape and a network.
        event: shape of an example.
        latent: D, of a `DiagonalNormal`, unless a `posterior` is given.
        units: hidden layers of both networks; `None`: parts without a network.
        posterior: a ready part.
        network: of the posterior alone.
        kind: `tfvae.VAE`, or a class of the test's own.
        initial: global seed of the initial weights; by default that of the test.
        compiled: whether to compile.
        options: `optimizer` may be a number, the learning rate of Adam.
    """
    if initial is not None:
        keras.utils.set_random_seed(initial)
    if not isinstance(likelihood, tfvae.likelihoods.Likelihood):
        likelihood = likelihood(event, network=units_of(units))
    posterior = posterior or tfvae.posteriors.DiagonalNormal(latent, network=network or units_of(units))
    words = {name: options.pop(name) for name in COMPILE if name in options}
    vae = kind(posterior=posterior, likelihood=likelihood, **{"seed": 3, **options})
    if isinstance(words.get("optimizer"), float):
        words["optimizer"] = keras.optimizers.Adam(words["optimizer"])
    if compiled:
        vae.compile(**words)
    return vae


def units_of(units):
    return None if units is None else mlp(units)
