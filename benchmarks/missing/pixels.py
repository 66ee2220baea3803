"""Digits of which pixels are missing: half of them at random, or a quadrant; what is missing given what is shown.

    log p(hidden | shown) = log p(x) - log p(x_shown)              each by importance sampling, nats an image

Larochelle's binarised MNIST, each of the 50000 training images under one mask of its own that stays, so that what is
hidden is never seen; 784-200-200-50, tanh, q(z | shown pixels, mask), the importance-weighted bound. A quadrant is one
of four, drawn for each image. `log p(x)` asks the encoder for whole images, which it has not seen: importance weights
are right all the same, and an error of theirs makes log p(x), and so the figure, too small on average.

Beside it: independent pixels at the frequencies of the shown training pixels; and what two pictures say of each hidden
pixel, sum log Bernoulli(x_i; mean_i), the imputation's mean (weighted) and the reconstruction at the encoder's mean.
The joint one is above the imputation's, since hidden pixels depend on each other.
"""

import time
from typing import Any

import keras
import numpy as np

import tfvae
from benchmarks.missing.results import Options, Results, mean_and_error, say
from benchmarks.reproduce import protocol
from tfvae import likelihoods, networks, objectives, posteriors
from tfvae.plotting import canvas

SHAPE = (28, 28, 1)
BATCH, RATE, NUM_SAMPLES, EPOCHS = 100, 3e-3, 5, 6
TEST_IMAGES, TEST_SAMPLES, DRAWN = 500, 1000, 8


def half(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Returns masks, `[N, 28, 28, 1]`, true where a pixel is shown: each by the toss of a coin."""
    return np.random.default_rng([seed, 2]).random(shape) < 0.5


def quadrant(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Returns masks that hide one of four quadrants, drawn for each image."""
    which = np.random.default_rng([seed, 2]).integers(4, size=shape[0])[:, np.newaxis, np.newaxis, np.newaxis]
    below = np.arange(28) >= 14
    return which != (2 * below[:, np.newaxis, np.newaxis] + below[:, np.newaxis])


Scores = dict[str, Any]
MASKS = {"half": half, "quadrant": quadrant}


def trained(x: np.ndarray, mask: np.ndarray, epochs: int, seed: int = 0) -> tuple[tfvae.VAE, list[float], float]:
    """Returns the model, the bound after each epoch, and the minutes of training."""
    keras.utils.set_random_seed(seed)
    encoder, decoder = (networks.mlp([200, 200], activation="tanh") for _ in range(2))
    vae = tfvae.VAE(
        posterior=posteriors.DiagonalNormal(50, network=encoder, given=("x", "mask")),
        likelihood=likelihoods.Bernoulli(SHAPE, network=decoder),
        seed=seed,
    )
    rate = keras.optimizers.schedules.CosineDecay(RATE, epochs * len(x) // BATCH, alpha=0.03)
    vae.compile(
        optimizer=keras.optimizers.Adam(rate),
        objective=objectives.IWAE(NUM_SAMPLES),
        estimator=tfvae.estimators.DoublyReparameterized(),
    )
    vae.likelihood.adapt(x[:10_000], mask[:10_000])
    start = time.perf_counter()
    history = vae.fit(x, mask=mask, batch_size=BATCH, epochs=epochs, verbose=0)
    return vae, history.history["objective"], (time.perf_counter() - start) / 60


def scored(
    vae: tfvae.VAE, x: np.ndarray, mask: np.ndarray, frequency: np.ndarray, num_samples: int
) -> tuple[dict[str, Any], Any]:
    """Returns log p of the hidden pixels by all ways, nats an image with errors over images, and the imputation."""
    found = vae.impute(x, num_samples, seed=0, mask=mask)
    shown = vae.estimate_log_prob(x, num_samples, seed=0, mask=mask)
    whole = vae.estimate_log_prob(x, num_samples, seed=1, mask=np.ones_like(mask))
    joint = (whole.log_prob - shown.log_prob).numpy()

    def pixelwise(mean: np.ndarray) -> np.ndarray:
        mean = np.clip(mean, 1e-6, 1 - 1e-6)
        return np.where(mask, 0.0, np.where(x == 1, np.log(mean), np.log1p(-mean))).sum(axis=(1, 2, 3))

    ways = {
        "joint": joint,
        "imputation_pixelwise": pixelwise(found.mean.numpy()),
        "reconstruction_pixelwise": pixelwise(vae.reconstruct(x, mask=mask).numpy()),
        "independent_pixels": pixelwise(frequency),
    }
    baseline = ways["independent_pixels"]
    scores = {
        "log_p_hidden": {way: mean_and_error(values) for way, values in ways.items()},
        "gain_over_independent": {w: mean_and_error(v - baseline) for w, v in ways.items() if v is not baseline},
        "imputation_less_reconstruction": mean_and_error(
            ways["imputation_pixelwise"] - ways["reconstruction_pixelwise"]
        ),
        "joint_less_imputation": mean_and_error(joint - ways["imputation_pixelwise"]),
        "log_p_shown": mean_and_error(shown.log_prob.numpy()),
        "log_p_whole": mean_and_error(whole.log_prob.numpy()),
        "sampling_error": {
            name: float(np.sqrt(np.sum(each.standard_error.numpy() ** 2)) / len(x))
            for name, each in (("shown", shown), ("whole", whole))
        },
        "effective_samples": {
            name: float(np.median(each.effective_sample_size)) for name, each in (("shown", shown), ("whole", whole))
        },
        "hidden_pixels_an_image": float((~mask).sum() / len(mask)),
    }
    return scores, found


def picture(vae: tfvae.VAE, x: np.ndarray, mask: np.ndarray, found: Any) -> Any:
    """Returns a figure: shown, the imputation's mean, three draws, the reconstruction, the truth."""
    first = slice(DRAWN)
    rows = {"shown": np.where(mask, x, 0.4), "mean": found.mean.numpy()}
    rows |= {f"draw {i + 1}": draw for i, draw in enumerate(found.sample(3, seed=0).numpy())}
    rows |= {"reconstruction": vae.reconstruct(x, mask=mask).numpy(), "truth": x}
    return canvas.mosaic(np.concatenate([each[first] for each in rows.values()]), DRAWN, list(rows))


def run(name: str, options: Options) -> None:
    """Writes the result and the picture of one kind of mask."""
    data = protocol.data("static", options.data, options.smoke)
    epochs, images, samples = (1, 20, 20) if options.smoke else (EPOCHS, TEST_IMAGES, TEST_SAMPLES)
    train, valid = data.train.x.astype("float32"), data.valid.x[:images].astype("float32")
    test = np.random.default_rng(0).permutation(data.test.x)[:images].astype("float32")  # the file is sorted by digit
    settings = {"batch": BATCH, "learning_rate": RATE, "num_samples": NUM_SAMPLES, "epochs": epochs}
    settings |= {"test_images": images, "test_samples": samples}
    results = Results(f"pixels-{name}", __doc__, options, settings=settings)

    def made() -> dict[str, Any]:
        mask, mask_test = MASKS[name](train.shape, 0), MASKS[name](test.shape, 1)
        vae, history, minutes = trained(train, mask, epochs)
        mask_valid = MASKS[name](valid.shape, 3)
        frequency = ((train * mask).sum(axis=0) + 1) / (mask.sum(axis=0) + 2)
        scores, found = scored(vae, test, mask_test, frequency, samples)
        figure = picture(vae, test, mask_test, found)
        (options.out / f"{name}.png").parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.out / f"{name}.png", dpi=80)
        valid_bound = vae.log_prob(valid, 200, seed=0, mask=mask_valid).numpy()
        return {**scores, "valid_log_p_shown": mean_and_error(valid_bound), "objective": history, "minutes": minutes}

    row = results.row({"mask": name}, made)
    ways = row["log_p_hidden"].items()
    say(
        f"{name}: log p(hidden | shown) "
        + ", ".join(f"{w} {v['mean']:.2f} +- {v['standard_error']:.2f}" for w, v in ways)
    )
