"""The laws of a part in a model: Keras knows every weight, each is trained, and file and export keep the model.

d bound / d weight  finite and not zero          log p(x) of the file = log p(x) of the SavedModel = log p(x)
"""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfvae.core.keras_private import all_layers, own_attributes
from tfvae.export import export
from tfvae.objectives import Objective
from tfvae.testing.report import Broken, Law
from tfvae.vae import VAE

SAME, SERVED = 1e-4, 2e-3  # nats


def tracked(subject: Any) -> str:
    """No variable is TensorFlow's own, in the part or a layer of it: Keras would neither train nor save it."""
    part = subject.part
    layers = [part] if isinstance(part, keras.layers.Layer) else part.layers if isinstance(part, Objective) else []
    holders = {id(held): held for held in (part, *(inner for layer in layers for inner in all_layers(layer)))}
    for holder in holders.values():
        for name, value in own_attributes(holder).items():
            if any(map(_has_variable, tf.nest.flatten(value))):
                remedy = f"make it in build, self.{name} = self.add_weight(shape=..., name=...)"
                raise Broken(f"{name} of {type(holder).__name__} is a tf.Variable, or holds one: {remedy}")
    return "no tf.Variable"


def _has_variable(value: Any) -> bool:
    return isinstance(value, tf.Variable) or (isinstance(value, tf.Module) and bool(value.variables))


def gradients(subject: Any) -> str:
    """Every weight has a finite gradient that is not zero, in one training step's evidence."""
    vae, objective, estimator = subject.vae, subject.objective, subject.estimator
    objective.build(vae.latents.shapes)
    with tf.GradientTape() as tape:
        known = vae.known({"x": tf.constant(subject.data)})
        evidence = vae.evidence(
            known, objective.num_samples, tf.constant([1, 2]), training=True,
            estimator=estimator, objective=objective, num_data=len(subject.data), step=tf.constant(1),
        )  # fmt: skip
        bound = estimator.surrogate(objective, evidence, objective(evidence))
        loss = sum(objective.terms(evidence).values()) - tf.reduce_sum(bound)
    weights = vae.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        if gradient is None or not np.any(gradient):
            raise Broken(f"{weight.path} has none")
        if not np.isfinite(gradient).all():
            raise Broken(f"that of {weight.path} is not finite")
    return f"{len(weights)} weights"


def trains(subject: Any) -> str:
    """One epoch, eager and compiled, leaves finite logs and weights."""
    vae, x = subject.vae, subject.data
    for options in ({"run_eagerly": True}, {}):
        vae.compile(keras.optimizers.Adam(1e-3), subject.objective, subject.estimator, **options)
        logs = vae.fit(x, batch_size=len(x), verbose=0).history
        for name, values in logs.items():
            if not np.isfinite(values).all():
                raise Broken(f"{name} is {values[0]}")
    for weight in vae.weights:
        if not np.isfinite(weight).all():
            raise Broken(f"{weight.path} is not finite after a step")
    return f"loss {logs['loss'][0]:.4g} nats"


def saved(subject: Any) -> str:
    """A model read from its file scores the same, and has the same objective and estimator."""
    vae = subject.vae
    with tempfile.TemporaryDirectory() as folder:
        vae.save(Path(folder) / "model.keras")
        loaded = keras.saving.load_model(Path(folder) / "model.keras")
    for name in ("objective", "estimator"):
        mine, other = repr(getattr(vae, name)), repr(getattr(loaded, name))
        if mine != other:
            raise Broken(f"{name} {other} came back, not {mine}")
    return same(scores(loaded, subject.data), scores(vae, subject.data), SAME)


def served(subject: Any) -> str:
    """A SavedModel scores the same."""
    with tempfile.TemporaryDirectory() as folder:
        signature = tf.saved_model.load(export(subject.vae, Path(folder) / "1")).signatures["log_prob"]
        found = signature(x=tf.constant(subject.data), num_samples=tf.constant(3), seed=tf.constant(1))["log_prob"]
    return same(found, scores(subject.vae, subject.data), SERVED)


def scores(vae: VAE, x: np.ndarray) -> np.ndarray:
    """Returns log p(x) of the examples, `[B]` in nats."""
    return vae.log_prob(x, num_samples=3, seed=1).numpy()


def same(found: Any, expected: np.ndarray, tolerance: float) -> str:
    """Returns the largest difference; raises `Broken` if it is above `tolerance`, absolute or relative."""
    difference = np.abs(np.asarray(found) - expected)
    if not np.all(difference < tolerance * (1 + np.abs(expected))):
        raise Broken(f"log p(x) differs by {difference.max():.2g} nats")
    return f"log p(x) within {difference.max():.1g} nats"


QUICK: dict[str, Law] = {"Keras knows every weight": tracked, "every weight gets a gradient": gradients}
WHOLE: dict[str, Law] = {
    "a model trains, eagerly and compiled": trains,
    "its .keras file scores the same": saved,
    "its SavedModel serves the same": served,
}
