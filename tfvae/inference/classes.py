"""Which class an example is: the probabilities of a latent that is one of K.

    q(y | x)                                    what the encoder says, at the centers of latents that it hangs on
    p(y_k | x) ~ sum_s w_s [y_s = k]            by importance sampling, w_s the weights of p(z, y | x)

The draws are those of log p(x) with the same seed; only the probabilities are kept. A label that comes with x is not
looked at. (Kingma et al. 2014, "Semi-supervised Learning with Deep Generative Models".)
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from tfvae.checks.labels import classes
from tfvae.core.errors import InvalidInput
from tfvae.core.model import Model
from tfvae.core.observed import Known, without_labels
from tfvae.core.types import Given, Tensor
from tfvae.inference.importance import by_rows
from tfvae.inference.requests import answers, encoded
from tfvae.inference.weighted import block_weighted, weighted_sum


def class_of(vae: Model, of: str | None) -> str:
    """Returns the name of a latent that is one of K classes.

    Raises:
        InvalidInput: if the model has none of this name, or several and none is named.
    """
    own = list(classes(vae))
    if of in own:
        return str(of)
    if of is None and len(own) == 1:
        return own[0]
    if not own:
        remedy = "Make one with tfvae.Joint(y=tfvae.posteriors.Categorical(1, K, enumerated=True), z=...)."
        raise InvalidInput("a model with a latent that is one of K classes", "one without", remedy)
    raise InvalidInput(f"the name of a latent that is a class: {', '.join(own)}", f"of={of!r}", f"Pass of={own[0]!r}.")


def encoded_classes(vae: Model, x: Given, name: str) -> Tensor:
    """Returns q(y | x), `[B, K]`, for raw x, `[B, ...]`, an `Observed` of arrays, or a stream of batches."""
    return answers(vae, _encoded(name), x)


def weighted_classes(vae: Model, x: Given, name: str, num_samples: int, seed: Tensor) -> Tensor:
    """Returns p(y | x), `[B, K]`, by importance sampling; see `importance.by_rows`."""
    return by_rows(vae, block_classes(name), x, num_samples, seed, class_spec(vae, name))


def class_spec(vae: Model, name: str) -> tf.TensorSpec:
    """Returns the spec of probabilities, `[B, K]`."""
    return tf.TensorSpec([None, vae.latents.shapes[name][-1]])


@functools.cache  # one function a name, which is the key of its graph
def _encoded(name: str) -> Callable[[Model, Known], Tensor]:
    def probabilities(vae: Model, known: Known) -> Tensor:
        q = vae.latents.posterior[name].distribution(**encoded(vae, known)[name])
        return q.mean()[:, 0]

    return probabilities


@functools.cache
def block_classes(name: str) -> Callable[..., Tensor]:
    """Returns the function of a block of examples, as `importance.by_rows` calls it, that gives p(y | x), `[R, K]`."""

    def probabilities(vae: Model, known: Known, *sizes: Given, **settings: Given) -> Tensor:
        z, log_weight = block_weighted(vae, without_labels(known), *sizes, **settings)
        return weighted_sum(tf.exp(log_weight), vae.latents.named(z)[name])[:, 0]

    return probabilities
