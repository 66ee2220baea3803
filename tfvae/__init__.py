"""tfvae: variational autoencoders for people who live in Keras.

vae = tfvae.VAE(posterior, likelihood, prior)      composed from parts, each a Keras layer
vae.compile("adam", objective=tfvae.objectives.ELBO());  vae.fit(x);  vae.log_prob(x, num_samples=1000)
"""

from tfvae import (
    callbacks,
    conditions,
    core,
    datasets,
    estimators,
    evaluation,
    flows,
    inference,
    likelihoods,
    missingness,
    networks,
    objectives,
    plotting,
    posteriors,
    preprocessing,
    priors,
    recipes,
    saved_models,
    scales,
    scaling,
    schedules,
    testing,
    warps,
)
from tfvae.core import seeds, sets
from tfvae.core.errors import InvalidInput
from tfvae.core.evidence import Evidence
from tfvae.core.feature import Feature
from tfvae.core.joint import Joint
from tfvae.export import export
from tfvae.inference.importance import MarginalEstimate
from tfvae.vae import VAE

__version__ = "0.2.0.dev0"
__all__ = [
    "VAE",
    "Evidence",
    "Feature",
    "InvalidInput",
    "Joint",
    "MarginalEstimate",
    "__version__",
    "callbacks",
    "conditions",
    "core",
    "datasets",
    "estimators",
    "evaluation",
    "export",
    "flows",
    "inference",
    "likelihoods",
    "missingness",
    "networks",
    "objectives",
    "plotting",
    "posteriors",
    "preprocessing",
    "priors",
    "recipes",
    "saved_models",
    "scales",
    "scaling",
    "schedules",
    "seeds",
    "sets",
    "testing",
    "warps",
]


def __dir__() -> list[str]:
    return __all__
