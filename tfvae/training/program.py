"""Many steps in one compiled call: no dispatch between steps, and under XLA no kernel that could be fused with another.

for i in first .. first + count - 1:  step(batch order[i])              order: rows of each batch, [steps, B]
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import tensorflow as tf

from tfvae.core.graphs import compiled
from tfvae.core.model import Model
from tfvae.core.observed import Observed
from tfvae.training.step import Carried, Step

PATIENCE = 0.5  # seconds in one call, so that the progress bar moves and an interrupt is heard
REFUSALS = (  # of XLA: what it does not know, tools that a GPU lacks (ptxas, libdevice), more memory than there is
    tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.NotFoundError, tf.errors.InternalError,
    tf.errors.ResourceExhaustedError,
)  # fmt: skip
EAGER, GRAPH, XLA = "eager", "graph", "xla"  # how steps are run
XLA_STEPS = "xla steps"  # each step through XLA, not their loop, in which convolutions on a CPU are 20 times as slow


Made = TypeVar("Made")


class Present(Generic[Made]):
    """What is made of a model's constants as they are now; made again when one of them was set anew, within a fit too.

    Args:
        model: that has `constants`.
        make: makes it.
    """

    def __init__(self, model: Model, make: Callable[[], Made]) -> None:
        self._model, self._make = model, make
        self._constants, self._made = model.constants, make()

    def __call__(self) -> Made:
        """Returns what the present constants make."""
        if self._constants != self._model.constants:
            self._constants, self._made = self._model.constants, self._make()
        return self._made


class Program:
    """Steps that are run many at a time.

    Args:
        step: takes one step on a batch; what it carries is dropped, but for that of the last one.
        mode: `EAGER`, `GRAPH`, `XLA` or `XLA_STEPS`.
        on_refusal: called once with the reason if XLA cannot compile the step; `None` lets the error through.

    Attributes:
        allowance: steps that the next call may take, to be over in half a second.
    """

    def __init__(self, step: Step, mode: str, on_refusal: Callable[[str], None] | None = None) -> None:
        self.step, self.after = compiled(step, jit_compile=True) if mode == XLA_STEPS else step, step.after
        self.allowance, self.on_refusal = 1, on_refusal
        self._compiled_for: set[tuple] = set()
        self._plain = self._steps if mode == EAGER else compiled(self._steps)
        self._fast = compiled(self._steps, jit_compile=True) if mode == XLA else self._plain

    def run(self, data: Observed, order: tf.Tensor, first: int, count: int) -> Carried:
        """Takes `count` steps from the batch `first` on; returns what they carry out.

        Args:
            data: what is known of the N examples.
            order: the rows of each batch, `[steps, B]`.
            first: index of a batch.
            count: of batches.
        """
        started, shapes = time.perf_counter(), (order.shape, data["x"].shape)
        carried = self._run(data, order, tf.constant(first), tf.constant(count))
        float(carried.logs["loss"])  # waits
        elapsed = time.perf_counter() - started
        self.allowance = max(1, int(PATIENCE * count / elapsed)) if shapes in self._compiled_for else 1
        self._compiled_for.add(shapes)
        return carried

    def run_remainder(self, data: Observed, order: tf.Tensor) -> Carried:
        """Takes the step of an epoch's last, smaller batch, `order: [1, N mod B]`: not worth a second XLA program."""
        return self._plain(data, order, tf.constant(0), tf.constant(1))

    def _run(self, *arguments: Observed | tf.Tensor) -> Carried:
        try:
            return self._fast(*arguments)
        except REFUSALS as error:
            if self._fast is self._plain or self.on_refusal is None or self._compiled_for:
                raise
            self.on_refusal(str(error).splitlines()[0])
            self._fast = self._plain
            return self._fast(*arguments)

    @tf.autograph.experimental.do_not_convert
    def _steps(self, data: Observed, order: tf.Tensor, first: tf.Tensor, count: tf.Tensor) -> Carried:
        def step(i: tf.Tensor) -> tuple:
            rows = order[i]
            self.step(tf.nest.map_structure(lambda part: tf.gather(part, rows), data))
            return (i + 1,)

        tf.while_loop(lambda i: i < first + count, step, (first,), parallel_iterations=1)
        return self.after()
