"""M2 with 100 labels on the digits that ship with scikit-learn, beside the same classifier on the labels alone.

    gain_d = error of the classifier alone - error of M2,    mean +- std / sqrt(5) over five draws of labels

64 grey pixels under a continuous Bernoulli, 1000 images of which 100 have a label. The network of q(y | x) is the same
in both, 200 units. Settings were chosen on the 297 validation images, draws 0 to 2.
"""

import keras
import numpy as np

from benchmarks.labels.data import FewLabels, Images, digits, few
from tfvae import VAE, Joint, likelihoods, networks, objectives, posteriors, priors

UNITS, LATENT, CLASSES, LABELS = 200, 16, 10, 100
WEIGHT, RATE, EPOCHS, BATCH = 10.0, 5e-3, 60, 100
TILES = 50


def model(share: float, seed: int) -> VAE:
    """Returns M2, compiled."""
    keras.utils.set_random_seed(seed)
    y = posteriors.Categorical(1, CLASSES, networks.mlp([UNITS]), enumerated=True)
    vae = VAE(
        posterior=Joint(y=y, z=posteriors.DiagonalNormal(LATENT, networks.mlp([UNITS]), given=("x", "y"))),
        likelihood=likelihoods.ContinuousBernoulli((64,), networks.mlp([UNITS]), given=("y", "z")),
        prior=Joint(y=priors.UniformCategorical(1, CLASSES), z=priors.StandardNormal(LATENT)),
        seed=seed,
    )
    objective = objectives.Classification(objectives.ELBO(), of="y", weight=WEIGHT, share=share)
    vae.compile(keras.optimizers.Adam(RATE), objective, jit_compile=False)
    return vae


def alone(images: Images, data: FewLabels, seed: int, epochs: int) -> keras.Model:
    """Returns the classifier trained on the labels alone."""
    keras.utils.set_random_seed(seed)
    net = keras.Sequential([networks.mlp([UNITS]), keras.layers.Dense(CLASSES)])
    net.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = images.train
    rows, once = np.tile(data.rows, TILES), max(epochs // TILES, 1)  # many passes in one: Keras' epochs have a price
    net.fit(x[rows], y[rows], batch_size=BATCH, epochs=once, shuffle=False, verbose=0)
    return net


def errors(draw: int, epochs: int = EPOCHS, epochs_alone: int = 600) -> dict[str, float]:
    """Returns the errors on the 500 test images of both, of one draw of labels."""
    images = digits()
    data, (x, y) = few(images, LABELS, draw), images.test
    vae, net = model(data.share, draw), alone(images, data, draw, epochs_alone)
    beside = {"labels": {"y": data.labels}, "sample_weight": data.weight}
    vae.fit(data.x, **beside, batch_size=BATCH, epochs=epochs, verbose=0)
    found = {"m2": vae.classify(x).numpy(), "alone": net.predict(x, verbose=0)}
    return {name: float(np.mean(np.argmax(values, axis=1) != y)) for name, values in found.items()}


def gains(found: list[dict[str, float]]) -> tuple[float, float]:
    """Returns the mean gain over draws, and its standard error."""
    each = np.array([one["alone"] - one["m2"] for one in found])
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
