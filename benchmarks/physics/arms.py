"""The models: law alone, network alone, both, both with the term that keeps the network small.

q(omega | x) q(gamma | omega, x) q(start | gamma, omega, x) q(z | start, gamma, omega, x): each is given those before
it, since what one constant explains of a swing another one might.
"""

import keras

import tfvae
from benchmarks.physics.data import STEPS
from benchmarks.physics.pendulum import Pendulum

NAMES = ("omega", "gamma", "start", "z")
NEAR = 10.0  # chosen on validation data, see benchmarks/NOTES.md
ARMS = {
    "law": {"network": False},
    "network": {"law": False},
    "both": {},
    "both, near": {"near": NEAR},
    "undamped": {"network": False, "damped": False},
}
Z, HIDDEN, STEP = 16, 64, 3e-3


def model(arm: str, seed: int, updates: int = 8000, **changed: object) -> tfvae.VAE:
    """Returns the model of an arm, compiled for so many updates: beta warms up over the first half of them.

    With the full rate from the start z is given up before the network has found what it could tell.
    """
    keras.utils.set_random_seed(seed)
    kinds = {
        "omega": ("LogitNormal", {"low": 0.5, "high": 4.0}),
        "gamma": ("LogitNormal", {"low": 0.0, "high": 1.0}),
        "start": ("DiagonalNormal", {}),
        "z": ("DiagonalNormal", {}),
    }
    sizes = {"z": Z}
    q, p = {}, {}
    for at, (name, (kind, words)) in enumerate(kinds.items()):
        size, network = sizes.get(name, 1), tfvae.networks.mlp([HIDDEN])
        q[name] = getattr(tfvae.posteriors, kind)(size, network=network, given=("h", *NAMES[:at]), **words)
        p[name] = tfvae.priors.StandardNormal(size) if name == "z" else getattr(tfvae.priors, kind)(size, **words)
    swing = Pendulum(STEPS, **{**ARMS[arm], **changed})
    scale = tfvae.scales.Shared(0.3)
    vae = tfvae.VAE(
        tfvae.Joint(**q),
        tfvae.likelihoods.Normal(STEPS, network=swing, head=False, given=NAMES, scale=scale),
        tfvae.Joint(**p),
        features={"h": tfvae.Feature(tfvae.networks.mlp([128, 128]), given="x")},
        scaling=tfvae.scaling.Identity(),
        seed=seed,
    )
    objective = tfvae.objectives.ELBO(beta=tfvae.schedules.LinearWarmup(max(1, updates // 2)))
    vae.compile(keras.optimizers.Adam(tfvae.schedules.warmup_cosine(STEP, updates)), objective)
    return vae
