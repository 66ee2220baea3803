"""What parts are given: tensors by name, for B examples or for S samples of each.

    context["x"], context["condition"], ...      lead [], [B] or [S, B], then the shape of one value
    context.with_(z=z)                           a context with what was drawn since

`merged` hands a network the values of some names: one tensor as it is, several as a dict, with one batch axis. It is
the only code that knows how many names there are.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from tfvae.core.errors import InvalidInput
from tfvae.core.types import Given, Shape, Tensor

Shapes = Mapping[str, Shape]


class Made(NamedTuple):
    """A value that is made of others when it is first asked for.

    Attributes:
        given: their names.
        make: from the context to the value.
    """

    given: tuple[str, ...]
    make: Callable[["Context"], Tensor]


class Context:
    """Values by name; a plain object, since Keras and `tf.nest` take a mapping apart.

    Args:
        values: name to tensor, `[B, *shape]` or `[S, B, *shape]`.
        made: name to what is made of these, each once.
    """

    def __init__(self, values: Mapping[str, Tensor], made: Mapping[str, Made] | None = None) -> None:
        self.values, self.made = dict(values), dict(made or {})

    def __getitem__(self, name: str) -> Tensor:
        """Returns the value of this name."""
        if name not in self.values:
            if name not in self.made:
                remedy = (
                    "Pass it: condition=..." if self.values else "Pass a context, for example vae.prior_of(condition)."
                )
                raise InvalidInput(f"{name!r} to be known", f"only {', '.join(self.values) or 'nothing'}", remedy)
            self.values[name] = self.made[name].make(self)
        return self.values[name]

    def with_(self, **values: Tensor) -> "Context":
        """Returns a context that has these values, too; what was made of others of these names is made again."""
        kept = {name: value for name, value in self.values.items() if not self._depends(name, values)}
        return Context({**kept, **values}, self.made)

    def _depends(self, name: str, on: Mapping[str, Tensor]) -> bool:
        return name in on or (name in self.made and any(self._depends(given, on) for given in self.made[name].given))


class Merged(NamedTuple):
    """What a network is given, and how its outputs get the lead of the values back.

    Attributes:
        inputs: of one name the tensor, of several a dict, `[N, *shape]`.
        lead: the axes before an event, dynamic and static, or `None` where N is the batch itself.
    """

    inputs: Any
    lead: tuple[Tensor, list[int | None]] | None

    def restored(self, output: Tensor) -> Tensor:
        """Returns an output of the network, `[N, ...]`, with the lead of the values, `[*lead, ...]`."""
        if self.lead is None:
            return output
        (dynamic, static), inner = self.lead, output.shape[1:]
        return tf.ensure_shape(tf.reshape(output, tf.concat([dynamic, inner], 0)), [*static, *inner])


def merged(context: Given, shapes: Shapes) -> Merged:
    """Returns the values of some names with one batch axis; their leads are broadcast to one.

    Args:
        context: a `Context`, a mapping or, of one name, its value.
        shapes: name to the shape of one value.
    """
    values = {name: tf.convert_to_tensor(_value(context, name)) for name in shapes}
    leads = {name: value.shape[: value.shape.rank - len(shapes[name])] for name, value in values.items()}
    alone = len(values) == 1
    first, *others = leads.values()
    if first.rank == 1 and all(lead == first for lead in others):
        return Merged(values.popitem()[1] if alone else values, None)
    heads = [tf.shape(value)[: leads[name].rank] for name, value in values.items()]
    dynamic = functools.reduce(tf.broadcast_dynamic_shape, heads)
    static = functools.reduce(tf.broadcast_static_shape, leads.values())
    wide = {
        name: value if alone else tf.broadcast_to(value, tf.concat([dynamic, shapes[name]], 0))
        for name, value in values.items()
    }
    flat = {name: tf.reshape(value, [-1, *value.shape[static.rank :]]) for name, value in wide.items()}
    return Merged(flat.popitem()[1] if alone else flat, (dynamic, list(static)))


def names(given: str | Iterable[str]) -> tuple[str, ...]:
    """Returns one name or several as a tuple."""
    return (given,) if isinstance(given, str) else tuple(given)


def _value(context: Given, name: str) -> Given:
    return context[name] if isinstance(context, (Context, Mapping)) else context
