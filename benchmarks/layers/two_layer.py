"""Two layers of latents beside one, dynamic MNIST: 784-200-200-100 / 100-100-100-50 and 784-200-200-50, tanh.

    two           as long as the budget says
    one           as many minutes
    one-updates   as many updates as `two`
    cut           as many updates: the second layer's prior is cut off from the first, p(z1) = N(z1; m, s^2)

k = 1 is the ELBO, k > 1 the importance-weighted bound with DReG. `cut` is the control: what two layers gain beyond one
must be gone, and z2 must say nothing.
"""

import dataclasses
from functools import partial

from benchmarks.conditional.common import Result, write
from benchmarks.layers.common import beside, job
from benchmarks.reproduce import protocol
from benchmarks.reproduce.rows import Row, plain
from benchmarks.reproduce.run import Options
from tfvae import Joint, estimators, objectives, priors, recipes
from tfvae.recipes.rungs import upwards
from tfvae.vae import VAE

PUBLISHED = {
    "two, k=1": 85.33,
    "two, k=5": 83.89,
    "one, k=1": 86.76,
    "one, k=5": 85.54,
    "source": "Burda et al. 2016; 3280 epochs of batch 20",
}


def bound(k: int) -> dict:
    """Returns objective and estimator."""
    if k == 1:
        return {"objective": objectives.ELBO(), "estimator": estimators.Pathwise()}
    return {"objective": objectives.IWAE(k), "estimator": estimators.DoublyReparameterized()}


def one(shape: tuple[int, ...], k: int, **shared) -> VAE:
    """Returns the net with one layer."""
    nets = {name: plain("tanh")([200, 200]) for name in ("encoder", "decoder")}
    return recipes.composed(shape, latent_dim=50, **nets, **bound(k), **shared)


def two(shape: tuple[int, ...], k: int, **shared) -> VAE:
    """Returns the net with two layers."""
    return recipes.two_layer(shape, latent_dim=50, **bound(k), **shared)


def unconnected(latent_dim: int) -> Joint:
    """Returns a prior of two layers that know nothing of each other, z1 with a location and scale of its own."""
    return Joint(z2=priors.StandardNormal(latent_dim), z1=priors.DiagonalNormal(2 * latent_dim))


def cut(shape: tuple[int, ...], k: int, **shared) -> VAE:
    """Returns the net with two layers, of which the second one's prior is cut off from the first."""
    nets = {name: plain("tanh")([200, 200]) for name in ("encoder", "decoder")}
    pair = {"posterior": upwards, "prior": unconnected, "below": ("z1",)}
    return recipes.composed(shape, latent_dim=50, **pair, **nets, **bound(k), **shared)


RATES = {"two": 1e-3}  # at 3e-3 units of z1 die early; the other nets are better at 3e-3 (on validation images)
MODELS = {"two": two, "one": one, "one-updates": one, "cut": cut}


def row(name: str, k: int) -> Row:
    """Returns a model as a row of the reproduction suite, whose training this is."""
    words = f"{name}, {'IWAE, DReG' if k > 1 else 'VAE'}, k={k}"
    made = partial(MODELS[name], k=k)
    fixed = {"output_bias": True, "batch": 100, "test_samples": 5000, "test_examples": 1000}
    fixed |= {"learning_rate": RATES.get(name, 3e-3)}
    return Row(words, "dynamic", made, None, None, "", **fixed)


def run(seed: int, k: int, options: Options, command: str) -> Result:
    """Trains and scores the models of one seed and k, one after the other, and writes the result."""
    key, found, scores = f"two-layer-k{k}-{seed}", {}, {}
    data = protocol.data("dynamic", options.data, options.smoke)
    for name in MODELS:
        equal = name in ("one-updates", "cut")
        asked = dataclasses.replace(options, updates=found["two"]["plan"]["updates"]) if equal else options
        found[name], scores[name] = job(f"{key}-{name}", row(name, k), data, seed, asked)
    beside("one", found, scores)
    return write(
        options.out / f"{key}.json", options, command, name="two-layer", k=k, seed=seed,
        data={"protocol": protocol.WORDS["dynamic"], **data.protocol, "source": data.name},
        budget_minutes=options.budget, published=PUBLISHED, models=found,
    )  # fmt: skip
