"""The nets: one hidden layer of 500 softplus units in each network, z of 50 dimensions.

    M2           q(y | x) q(z | x, y), p(x | y, z) p(y) p(z)                        Kingma et al. 2014, equation 4
    classifier   q(y | x) alone, on the labels alone

The hidden layer of q(z | x, y) is act(W x + V y): W x is a feature of x, which is computed once for all ten y.
"""

from collections.abc import Callable

import keras

from tfvae import VAE, Feature, Joint, estimators, likelihoods, objectives, posteriors, priors

HIDDEN, LATENT, CLASSES = 500, 50, 10
ACTIVATION = "softplus"


def hidden(inputs: dict[str, int], added: str | None = None) -> keras.Model:
    """Returns act(sum of W_i i), of inputs by name and size; one of them is taken as it is."""
    given = {name: keras.Input((size,) if name != "y" else (1, size), name=name) for name, size in inputs.items()}
    flat = {name: keras.layers.Flatten()(value) for name, value in given.items()}
    terms = [value if name == added else keras.layers.Dense(HIDDEN)(value) for name, value in flat.items()]
    both = keras.layers.Add()(terms) if len(terms) > 1 else terms[0]
    return keras.Model(
        given if len(given) > 1 else next(iter(given.values())), keras.layers.Activation(ACTIVATION)(both)
    )


def classifier(size: int) -> keras.Model:
    """Returns the network of q(y | x), up to its logits."""
    return keras.Sequential([keras.Input((size,)), keras.layers.Dense(HIDDEN, activation=ACTIVATION)])


def m2(
    size: int,
    weight: float,
    share: float,
    rate: float | keras.optimizers.schedules.LearningRateSchedule = 4.2e-4,
    enumerated: bool = True,
    seed: int = 0,
    likelihood: Callable[..., likelihoods.Likelihood] = likelihoods.Bernoulli,
) -> VAE:
    """Returns M2, compiled.

    Args:
        size: numbers in an image.
        weight: of the classifier's loss.
        share: of the examples with a label.
        rate: Adam's learning rate.
        enumerated: sum over the ten labels; else one is sampled, the lesson.
        seed: of weights and noise.
        likelihood: of images, or of codes of images.
    """
    keras.utils.set_random_seed(seed)
    y = posteriors.Categorical(1, CLASSES, classifier(size), enumerated=enumerated)
    z = posteriors.DiagonalNormal(LATENT, hidden({"h": HIDDEN, "y": CLASSES}, added="h"), given=("h", "y"))
    decoder = hidden({"y": CLASSES, "z": LATENT})
    vae = VAE(
        posterior=Joint(y=y, z=z),
        likelihood=likelihood((size,), decoder, given=("y", "z")),
        prior=Joint(y=priors.UniformCategorical(1, CLASSES), z=priors.StandardNormal(LATENT)),
        features={"h": Feature(keras.layers.Dense(HIDDEN), given="x")},
        seed=seed,
    )
    objective = objectives.Classification(objectives.ELBO(), of="y", weight=weight, share=share)
    estimator = estimators.Pathwise() if enumerated else estimators.ScoreFunction()
    vae.compile(keras.optimizers.Adam(rate), objective, estimator, jit_compile=True)
    return vae
