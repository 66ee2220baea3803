"""Gradients of a bound over many seeds, and how far the means of two estimators are apart."""

import numpy as np
import tensorflow as tf


def gradients(vae, x, objective, estimator, seeds, weights=None, **beside) -> np.ndarray:
    """Returns the gradient of the mean bound for each seed, `[seeds, weights]`."""
    known, weights = vae.known({"x": x, **beside}), vae.trainable_variables if weights is None else weights

    @(tf.function if len(seeds) > 10 else lambda function: function)
    def gradient(seed: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            asked = {"training": True, "estimator": estimator, "objective": objective}
            evidence = vae.evidence(known, objective.num_samples, seed, **asked)
            gain = tf.reduce_mean(estimator.surrogate(objective, evidence, objective(evidence)))
        found = tape.gradient(gain, weights, unconnected_gradients="zero")
        return tf.concat([tf.reshape(value, [-1]) for value in found], axis=0)

    return np.stack([gradient(tf.constant([seed, 7])) for seed in seeds]).astype(np.float64)


def scores(found: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """Returns the z score of each weight's difference of means of independent seeds, and prints what they say."""
    moving = plain.std(axis=0) > 1e-6
    variance = (found.var(axis=0) + plain.var(axis=0))[moving] / len(found)
    z = (found.mean(axis=0) - plain.mean(axis=0))[moving] / np.sqrt(variance)
    noise = np.sqrt(found.var(axis=0)[moving].sum() / plain.var(axis=0)[moving].sum())
    apart = np.linalg.norm((found - plain).mean(axis=0)) / np.linalg.norm(plain.mean(axis=0))
    print(f"\nrms z {np.sqrt(np.mean(z**2)):.2f} of {len(z)}, noise {noise:.2f}, apart {apart:.3f}")
    return z
