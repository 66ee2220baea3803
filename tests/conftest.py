"""Fixtures shared by the tests: a clean Keras for each test, tiny data, and tiny VAEs made from a few words."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest

import tfvae

COMPILE = ("optimizer", "objective", "jit_compile", "run_eagerly", "steps_per_execution")


@pytest.fixture(autouse=True)
def clean_keras():
    """Fixes every global seed before a test and puts the precision policy back after it."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def binary() -> np.ndarray:
    """Eleven examples of five binary values: in batches of four, the last one is short."""
    return np.random.default_rng(1).integers(0, 2, [11, 5]).astype(np.float32)


@pytest.fixture
def real() -> np.ndarray:
    """Eleven examples of five real values."""
    return np.random.default_rng(2).normal(size=[11, 5]).astype(np.float32)


@pytest.fixture
def make_vae():
    """Returns `tiny_vae`, for tests that need one VAE after another."""
    return tiny_vae


def tiny_vae(likelihood=tfvae.likelihoods.Bernoulli, event=5, latent=2, units=(4,), network=None, **options):
    """Returns a compiled VAE of a few dozen weights.

    `likelihood` is a class or a ready part, `network` that of the posterior; `options` are of `VAE` and of `compile`.
    """
    if isinstance(likelihood, type):
        likelihood = likelihood(event, network=tfvae.networks.mlp(units))
    compile_options = {name: options.pop(name) for name in COMPILE if name in options}
    posterior = tfvae.posteriors.DiagonalNormal(latent, network=network or tfvae.networks.mlp(units))
    vae = tfvae.VAE(**{"posterior": posterior, "likelihood": likelihood, "seed": 3, **options})
    vae.compile(**compile_options)
    return vae
