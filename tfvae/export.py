"""Export: a SavedModel that plain TensorFlow and TensorFlow Serving run, with neither tfvae nor TFP installed.

    encode(x) -> mean, stddev                             sample(num_samples, seed) -> z, mean, sample
    decode(z) -> mean                                     elbo(x, num_samples, seed) -> elbo
    reconstruct(x) -> mean   (= serving_default)          log_prob(x, num_samples, seed) -> log_prob, standard_error
    impute(x, mask, num_samples, seed) -> mean, effective_sample_size         where a part is given the mask

A posterior without a mean (a flow, relaxed one-hot vectors) is encoded as `center`, the z that reconstructions use.
Of several latents each stands by its name, `z1` where others have z, and `z1_mean`, `z1_stddev` or `z1_center` at the
centers of those above; infer(x, num_samples, seed) then gives the posterior mean of each, and effective_sample_size.
Of a latent y whose values are enumerated elbo and log_prob take the label, `[B]` int32, -1 where it is not known,
behind all that is known of x; and classify(x) gives the probabilities that the encoder says, `[B, K]`, as `y`.

x is raw data, float32 `[B, ...]`; `num_samples` and `seed` are int32 scalars. Where a part is given the mask, `mask`
(bool) comes after x, and each condition by its name after that, or after z; `sample` then gives `[n, B, ...]`.

Every endpoint checks its input, since the runtime does not, and every random number comes from the request's seed: the
same seed gives the same answer. What a request may ask for is bounded: `num_samples` by a number fixed at export, and
`elbo`, `log_prob` and `impute` go by blocks.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfvae.checks.known import are_told, observed_only
from tfvae.checks.labels import good_labels
from tfvae.checks.saved import check_finite
from tfvae.core import seeds
from tfvae.core.errors import InvalidInput, sample_count
from tfvae.core.joint import ALONE
from tfvae.core.observed import Known, pack
from tfvae.core.sets import REAL, ValueSet
from tfvae.core.types import Parameters
from tfvae.files import whole_folder
from tfvae.inference.bound import elbo_in_graph
from tfvae.inference.importance import ESTIMATE, NUMBER, block_estimate, by_rows_in_graph
from tfvae.inference.imputation import block_imputed
from tfvae.inference.requests import decoded, encoded, reconstructed
from tfvae.inference.weighted import block_weighted, effective_size, weighted_sum
from tfvae.posteriors import Posterior
from tfvae.vae import VAE

MOST_SERVED = 10_000


def export(vae: VAE, path: str | os.PathLike, max_samples: int = MOST_SERVED) -> str:
    """Writes the model as a SavedModel in a versioned folder; it appears whole or not at all.

    Args:
        vae: the model.
        path: `saved_models/digits/1` writes version 1; a last component that is not a number gets the next free
            version below it, `saved_models/digits` -> `saved_models/digits/1`.
        max_samples: largest `num_samples` that a request may ask for; others are refused.

    Returns:
        The version folder that holds `saved_model.pb`.

    Raises:
        InvalidInput: if `vae` is not a `tfvae.VAE`, a weight is not finite, `max_samples` is not a whole number from 1
            to 10^7, or the version exists already.
        OSError: if the folder cannot be written.

    Example:
        >>> folder = export(vae, "saved_models/digits/1")
        >>> tf.saved_model.load(folder).signatures["reconstruct"](x=x)["mean"]
    """
    if not isinstance(vae, VAE):
        raise InvalidInput("a tfvae.VAE", f"{vae!r}", "Pass the model that tfvae.VAE(...) returned.")
    check_finite(vae)
    max_samples = sample_count(max_samples, "max_samples")
    target = version_folder(Path(path))
    if target.exists():
        remedy = "Export to a new version, or remove that folder first."
        raise InvalidInput("a version folder that does not exist yet", f"{target}", remedy)
    archive = keras.export.ExportArchive()
    for name, (endpoint, *signature) in endpoints(vae, max_samples).items():
        archive.add_endpoint(name, _traced(endpoint, signature), input_signature=signature)
    with _errors_of_the_system(), whole_folder(target) as folder:
        archive.write_out(str(folder), verbose=False)
    return str(target)


def _traced(endpoint: Callable, signature: Sequence[tf.TensorSpec]) -> Callable:
    """Returns a call of the endpoint's graph: Keras and TensorFlow trace what they export, twice, and that is short."""
    graph = tf.function(endpoint, autograph=False).get_concrete_function(*signature)

    @functools.wraps(endpoint)
    def call(*inputs: tf.Tensor) -> Any:
        return graph(*inputs)

    return call


def version_folder(path: Path) -> Path:
    """Returns `path` if its last component is a number, else the next free version below it."""
    if path.name.isdecimal():
        return path
    versions = [int(child.name) for child in path.glob("*") if child.name.isdecimal()]
    return path / str(max(versions, default=0) + 1)


@contextlib.contextmanager
def _errors_of_the_system() -> Iterator[None]:
    """Raises `OSError` in place of the errors that TensorFlow's file system has of its own."""
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def endpoints(vae: VAE, max_samples: int = MOST_SERVED) -> dict[str, tuple]:
    """Returns name to (function, *input specs) of every signature; the first one is `serving_default`."""
    x = tf.TensorSpec((None, *vae.event_shape), tf.float32, name="x")
    codes = [tf.TensorSpec((None, *shape), tf.float32, name=name) for name, shape in vae.latents.shapes.items()]
    mask = [tf.TensorSpec((None, *vae.event_shape), tf.bool, name="mask")] if "mask" in vae.used_names else []
    told = [part.spec(name) for name, part in vae.conditions.items()]
    labels = [tf.TensorSpec((None,), tf.int32, name=name) for name in vae.latents.enumerated]
    numbers = [tf.TensorSpec((), tf.int32, name=name) for name in ("num_samples", "seed")]
    seen = [x, *mask, *told]

    def known(*inputs: tf.Tensor, support: ValueSet = REAL) -> Known:
        by_name = dict(zip((spec.name for spec in seen), inputs, strict=False))
        x, mask = tf.ensure_shape(by_name["x"], (None, *vae.event_shape)), by_name.get("mask")
        message = "x must be finite, received NaN or infinity"
        with tf.control_dependencies([tf.debugging.assert_all_finite(observed_only(x, mask), message)]):
            given = conditions(*inputs[len(seen) - len(told) : len(seen)])
            found = vae.known(pack(x, mask=mask, condition=given, labels=classes(*inputs[len(seen) :])))
        message, target = f"x must lie in {support.description} after preprocessing", found["target"]
        inside = tf.reduce_all(support.contains(target) | (False if mask is None else ~mask))
        with tf.control_dependencies([tf.debugging.Assert(inside, [message, target])]):
            return tf.nest.map_structure(tf.identity, found)

    def conditions(*values: tf.Tensor) -> dict[str, tf.Tensor]:
        found = dict(zip(vae.conditions, values, strict=True))
        message = ", ".join(f"{name} must lie in {p.support.description}" for name, p in vae.conditions.items())
        with tf.control_dependencies([tf.debugging.Assert(are_told(vae, found), [message])] if found else []):
            return {name: tf.identity(value) for name, value in found.items()}

    def classes(*values: tf.Tensor) -> dict[str, tf.Tensor] | None:
        if not values:
            return None
        found = dict(zip(vae.latents.enumerated, values, strict=True))
        message = ", ".join(f"{name} must be a label, or -1 where it is not known" for name in found)
        good = tf.reduce_all([tf.reduce_all(fine) for fine in good_labels(vae, found)])
        with tf.control_dependencies([tf.debugging.Assert(good, [message])]):
            return {name: tf.identity(value) for name, value in found.items()}

    def counted(num_samples: tf.Tensor, least: int) -> tf.Tensor:
        message = f"num_samples must be from {least} to {max_samples}, the most that was fixed at export"
        within = (num_samples >= least) & (num_samples <= max_samples)
        with tf.control_dependencies([tf.debugging.Assert(within, [message, num_samples])]):
            return tf.identity(num_samples)

    def reconstruct(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"mean": reconstructed(vae, known(*inputs))}

    def encode(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        found = encoded(vae, known(*inputs))
        said = {name: summary(part, found[name]) for name, part in vae.latents.posterior.items()}
        if vae.latents.bare:
            return said[ALONE]
        return {f"{name}_{key}": value for name, values in said.items() for key, value in values.items()}

    def summary(part: Posterior, parameters: Parameters) -> dict[str, tf.Tensor]:
        if not part.has_mean:
            return {"center": part.center(parameters)}
        q = part.distribution(**parameters)
        return {"mean": q.mean(), "stddev": q.stddev()}

    def decode(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        z = {}
        for spec, value in zip(codes, inputs[: len(codes)], strict=True):
            message = f"{spec.name} must be finite, received NaN or infinity"
            z[spec.name] = tf.debugging.assert_all_finite(tf.ensure_shape(value, spec.shape), message)
        parameters = decoded(vae, vae.latents.outside(z), conditions(*inputs[len(codes) :]))
        return {"mean": vae.likelihood.point(vae.likelihood.distribution(**parameters))}

    def sample(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        *values, num_samples, seed = inputs
        told = vae.encoded_conditions(conditions(*values))
        z, likelihood, stream = vae.sample_likelihood(counted(num_samples, 0), seeds.as_seed(seed), told)
        drawn = {"mean": vae.likelihood.point(likelihood), "sample": likelihood.sample(seed=stream)}
        return {**vae.latents.named(z), **drawn}

    def elbo(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        *observed, num_samples, seed = inputs
        of_data = known(*observed, support=vae.support)
        return {"elbo": elbo_in_graph(vae, of_data, counted(num_samples, 1), seeds.as_seed(seed))}

    def log_prob(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        *observed, num_samples, seed = inputs
        of_data = known(*observed, support=vae.support)
        number, key = counted(num_samples, 1), seeds.as_seed(seed)
        estimate = by_rows_in_graph(vae, block_estimate, of_data, number, key, ESTIMATE)
        return {"log_prob": estimate.log_prob, "standard_error": estimate.standard_error}

    def classify(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        found = encoded(vae, known(*inputs))
        parts = vae.latents.posterior
        return {name: parts[name].distribution(**found[name]).mean()[:, 0] for name in vae.latents.enumerated}

    def impute(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        *observed, num_samples, seed = inputs
        of_data = known(*observed, support=vae.support)
        number, key = counted(num_samples, 1), seeds.as_seed(seed)
        outputs = {"mean": tf.TensorSpec([None, *vae.event_shape]), "effective_sample_size": NUMBER}

        def block(*block_inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            found = block_imputed(*block_inputs)._asdict()
            return {name: found[name] for name in outputs}

        return by_rows_in_graph(vae, block, of_data, number, key, outputs)

    def infer(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        *observed, num_samples, seed = inputs
        of_data = known(*observed, support=vae.support)
        number, key = counted(num_samples, 1), seeds.as_seed(seed)
        outputs = {name: tf.TensorSpec([None, *shape]) for name, shape in vae.latents.shapes.items()}

        def block(*block_inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            z, log_weight = block_weighted(*block_inputs)
            weight = tf.exp(log_weight)
            means = {name: weighted_sum(weight, values) for name, values in vae.latents.named(z).items()}
            return {**means, "effective_sample_size": effective_size(log_weight, vae.latents.atoms)}

        return by_rows_in_graph(vae, block, of_data, number, key, {**outputs, "effective_sample_size": NUMBER})

    return {
        "reconstruct": (reconstruct, *seen),
        "encode": (encode, *seen),
        "decode": (decode, *codes, *told),
        "sample": (sample, *told, *numbers),
        "elbo": (elbo, *seen, *labels, *numbers),
        "log_prob": (log_prob, *seen, *labels, *numbers),
        **({"classify": (classify, *seen)} if labels else {}),
        **({"impute": (impute, *seen, *numbers)} if mask else {}),
        **({} if vae.latents.bare else {"infer": (infer, *seen, *numbers)}),
    }
