"""MNIST with its labels: prior, posterior and decoder are told y, beside the same net without labels.

    log p(x) = logsumexp_y (log p(x | y) - log 10)          log p(x | y) - log p(x) <= log 10 = 2.30 nats on average
    y(x) = argmax_y log p(x | y)                            classification by Bayes' rule

All models have the net of Burda et al. 2016, the same data, batch, schedule and number of updates. `shuffled` is told
labels that say nothing about the image, as a negative control; it is scored under the true ones.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np

from benchmarks.conditional import pictures
from benchmarks.conditional.common import Result, compared, write
from benchmarks.reproduce import protocol
from benchmarks.reproduce.rows import Row, plain
from benchmarks.reproduce.run import Options, tested
from tfvae import conditions, estimators, objectives, priors, recipes
from tfvae.datasets import Data
from tfvae.vae import VAE

MODELS = ("without", "label", "shuffled")
UPDATES = 29_500  # of the row "IWAE, k=5" in two minutes; "VAE, k=1" has 11,800 at equal updates
SAMPLES, EACH, EXAMPLES = 1000, 200, 1000
PUBLISHED = {"with label, k=1": 82.32, "without, k=1": 86.35, "protocol": "3280 epochs of batch 20"}


def iwae_net(shape: tuple[int, ...], k: int, condition: conditions.Declared = None, **shared) -> VAE:
    """Returns the net 784-200-200-50, told the condition in all three parts; k = 5 with DReG, k = 1 the ELBO."""
    told = tuple(conditions.declared(condition))
    prior = partial(priors.DiagonalNormal, given=told) if told else priors.StandardNormal
    bound = {"objective": objectives.IWAE(k), "estimator": estimators.DoublyReparameterized()} if k > 1 else {}
    nets = {name: plain("tanh")([200, 200]) for name in ("encoder", "decoder")}
    return recipes.composed(shape, latent_dim=50, prior=prior, condition=condition, **nets, **bound, **shared)


def shuffled(data: Data, seed: int) -> Data:
    """Returns the data with the conditions of train and valid in another order."""
    order = np.random.default_rng([seed, 1])
    parts = {name: getattr(data, name) for name in ("train", "valid")}
    parts = {name: dataclasses.replace(s, condition=order.permutation(s.condition)) for name, s in parts.items()}
    return dataclasses.replace(data, **parts)


def row(k: int) -> Row:
    """Returns the net as a row of the reproduction suite, whose training this is."""
    words = "IWAE, DReG, k=5" if k > 1 else "VAE, k=1"
    made = partial(iwae_net, k=k)
    return Row(words, "dynamic", made, None, None, "", output_bias=True, test_samples=SAMPLES, test_examples=EXAMPLES)


def run(seed: int, k: int, names: Sequence[str], options: Options, command: str) -> Result:
    """Trains and scores the models of one seed, and writes the result and a picture."""
    options, net, key = dataclasses.replace(options, updates=options.updates or UPDATES), row(k), f"labels-k{k}-{seed}"
    without = protocol.data("dynamic", options.data, options.smoke)
    told = protocol.data("dynamic", options.data, options.smoke, condition="y")
    assert without.protocol["crc32"] == told.protocol["crc32"]
    test = tested(told.test, options.of("test_examples", net))
    each = min(EACH, options.of("test_samples", net))
    models = {"without": (net, without), "label": (net, told), "shuffled": (net, shuffled(told, seed))}
    models = {name: models[name] for name in names}
    found, vaes = compared(key, models, test, np.full(10, -np.log(10.0)), each, seed, options)
    pictures.samples(vaes["label"], range(10), options.out / f"{key}.png")
    return write(
        options.out / f"{key}.json", options, command, name="labels", title=net.title, seed=seed,
        data={"protocol": protocol.WORDS["dynamic"], **told.protocol, "source": told.name}, test_examples=len(test),
        test_samples=options.of("test_samples", net), samples_under_each_label=each, published=PUBLISHED, models=found,
    )  # fmt: skip
