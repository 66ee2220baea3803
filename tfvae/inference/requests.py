"""What is asked of a model for raw x: each a graph of any number of rows, which serving and the model share.

    encoded        parameters of q(z | x)                       decoded     parameters of p(x | z)
    reconstructed  the point of p(x | z) at the center of q     log_joint   log p(x, z)
    drawn          x ~ p(x | z), z ~ p(z)

The values are checked in the same graph; only where one is refused, it is looked for again, eagerly, to be named.
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfvae.checks.data import given
from tfvae.checks.values import check_all_values, inside
from tfvae.core.chain import Chain
from tfvae.core.graphs import compiled_for
from tfvae.core.model import Model
from tfvae.core.observed import Known, Observed
from tfvae.core.reading import is_read_in_parts
from tfvae.core.sets import REAL, ValueSet
from tfvae.core.types import Given, Parameters, Seed, Tensor, Tree
from tfvae.inference.rows import is_array, joined, pieces
from tfvae.inference.target import Target

ROWS_PER_PIECE = 1000


def answer(
    vae: Model,
    function: Callable[..., Any],
    observed: Observed,
    *more: Tensor,
    of_data: bool = False,
    first_row: int = 0,
    **settings: Any,
) -> Any:
    """Returns `function(vae, known, *more)` of raw data; eagerly from a graph, in which the values are checked, too.

    Args:
        vae: the model.
        function: of the model, what is known of the examples in normal form, and more tensors.
        observed: raw examples, of the model's shapes.
        *more: tensors.
        of_data: whether x must lie in the support of the likelihood; if not, any finite numbers will do.
        first_row: place of the first example in the user's data, for the message.
        **settings: Python values that the function takes by name.

    Raises:
        InvalidInput: eagerly, for wrong values.
    """
    if not tf.executing_eagerly():
        return function(vae, vae.known(observed), *more, **settings)
    options = {"function": function, "of_data": of_data, **settings}
    graph = compiled_for(vae, _checked, reduce_retracing=True, tensors=more, **options)
    result, fine = graph(observed, *more)
    if not fine:
        check_all_values(vae, observed, first_row, _domain(vae, of_data))
    return result


def answers(vae: Model, function: Callable[..., Tensor], data: Given) -> Tensor:
    """Returns `function(vae, known)` of arrays at once, and of a stream or of what is read in parts piece by piece.

    Args:
        vae: the model.
        function: of the model and what is known of x, gives `[B, ...]`.
        data: raw examples, `[B, ...]`, an `Observed` of arrays, or batches of either.
    """
    if is_array(data) and not any(map(is_read_in_parts, tf.nest.flatten(data))):
        return answer(vae, function, given(vae, data))
    found = pieces(vae, data, ROWS_PER_PIECE, streams=True, refuse_empty=True)
    return joined(*(answer(vae, function, piece.observed, first_row=piece.first_row) for piece in found))


def run(vae: Model, function: Callable[..., Any], *tensors: Any) -> Any:
    """Returns `function(vae, *tensors)`, eagerly from a graph."""
    if not tf.executing_eagerly():
        return function(vae, *tensors)
    return compiled_for(vae, function, reduce_retracing=True, tensors=tensors)(*tensors)


def encoded(vae: Model, known: Known) -> dict[str, Parameters]:
    """Returns the parameters of q of each latent by name, each `[B, ...]`, at the centers of those above."""
    chain = Chain(vae.latents, vae.context(known))
    context = chain.center()
    return {n: chain.top[n] if n in chain.top else chain.parameters(n, context) for n in vae.latents.posterior}


def normalised(vae: Model, known: Known) -> Known:
    """Returns what is known in normal form."""
    del vae
    return known


def decoded(vae: Model, z: Tree, told: Mapping[str, Tensor]) -> Parameters:
    """Returns the parameters of p(x | z, c) for raw conditions c, of z's leading shape."""
    context = vae.context({"condition": vae.encoded_conditions(told)})
    return vae.likelihood.parameters(context.with_(**vae.latents.named(z)))


def reconstructed(vae: Model, known: Known, training: bool = False) -> Tensor:
    """Returns the point of p(x | z), `[B, ...]`, at the one z that stands for q(z | x)."""
    context = Chain(vae.latents, vae.context(known, training), training).center()
    parameters = vae.likelihood.parameters(context, training=training)
    return vae.likelihood.point(vae.likelihood.distribution(**parameters))


def log_joint(vae: Model, known: Known, z: Tree) -> Tensor:
    """Returns log p(x, z) in nats, `[B]` or `[S, B]`."""
    return Target(vae, known).log_joint(z)


def drawn(vae: Model, num_samples: Tensor, seed: Seed, told: Mapping[str, Tensor]) -> Tensor:
    """Returns draws of x for raw conditions, `[num_samples, ...]` or `[num_samples, B, ...]`."""
    _, likelihood, stream = vae.sample_likelihood(num_samples, seed, vae.encoded_conditions(told))
    return likelihood.sample(seed=stream)


def _checked(
    vae: Model, observed: Observed, *more: Tensor, function: Callable, of_data: bool, **settings: Any
) -> tuple:
    """Returns the answer, and whether all values are such that it holds; kernels raise at some that are not."""
    support, known = _domain(vae, of_data), vae.known(observed)
    known["target"] = tf.where(support.contains(known["target"]), known["target"], support.inner)
    return function(vae, known, *more, **settings), inside(vae, observed, support)


def _domain(vae: Model, of_data: bool) -> ValueSet:
    return vae.support if of_data else REAL
