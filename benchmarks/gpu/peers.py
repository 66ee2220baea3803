"""The same model by hand, on the device: JAX with Adam in one `lax.scan`, and PyTorch in three ways.

    JAX scan            a call is one program
    PyTorch eager       a call is so many steps
    PyTorch compile     the loss under torch.compile, mode "reduce-overhead"
    PyTorch graph       the compiled loss, and the whole step as one CUDA graph

Networks and loss are those of the speed suite on a CPU (`benchmarks/speed/peers`).
"""

import importlib.util
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.gpu.carried import Carried
from benchmarks.gpu.loop import footprint
from benchmarks.speed.jobs import EPSILON, LEARNING_RATE, weights
from benchmarks.speed.peers.jax_model import loss

BEFORE = 3  # steps before a CUDA graph is recorded; "reduce-overhead" runs once, records once, then replays
MEAN, SQUARE = 0.9, 0.999  # of Adam


class Contender(Protocol):
    """A way to train a job."""

    def build(self) -> None:
        """Compiles."""

    def run(self, calls: int) -> float:
        """Makes calls; returns a mean loss, in nats."""

    def footprint(self) -> int | None:
        """Returns the bytes on the device."""


class Scan:
    """JAX by hand; Adam, too, so that the machine needs no other library."""

    def __init__(self, carried: Carried, precision: str) -> None:
        self.carried, self.precision = carried, {"tf32": "default", "fp32": "highest"}[precision]

    def build(self) -> None:
        """Compiles."""
        x, order = jnp.asarray(self.carried.x), jnp.asarray(self.carried.order[: self.carried.steps])
        self.data, values = (x, order), [jnp.asarray(w) for w in weights(self.carried.job)]
        self.state = values, *([jnp.zeros_like(w) for w in values] for _ in range(2)), jnp.zeros((), jnp.int32)
        with jax.default_matmul_precision(self.precision):
            self.compiled = jax.jit(self._steps, donate_argnums=0).lower(self.state, *self.data).compile()

    def _step(self, state: tuple, rows: jax.Array, x: jax.Array) -> tuple:
        values, means, squares, count = state
        key = jax.random.fold_in(jax.random.key(0), count)
        bound, gradient = jax.value_and_grad(loss)(values, self.carried.job, x[rows], key)
        means = [MEAN * m + (1 - MEAN) * g for m, g in zip(means, gradient, strict=True)]
        squares = [SQUARE * s + (1 - SQUARE) * g * g for s, g in zip(squares, gradient, strict=True)]
        time = (count + 1).astype(jnp.float32)
        rate = LEARNING_RATE * jnp.sqrt(1 - SQUARE**time) / (1 - MEAN**time)
        moved = zip(values, means, squares, strict=True)
        values = [w - rate * m / (jnp.sqrt(s) + EPSILON) for w, m, s in moved]
        return (values, means, squares, count + 1), bound

    def _steps(self, state: tuple, x: jax.Array, order: jax.Array) -> tuple:
        state, bounds = lax.scan(lambda s, rows: self._step(s, rows, x), state, order)
        return state, bounds.mean()

    def run(self, calls: int) -> float:
        """Makes calls; returns the mean loss of the last."""
        for _ in range(calls):
            self.state, mean = self.compiled(self.state, *self.data)
        return float(mean)

    def footprint(self) -> int:
        """Returns the bytes that the program needs."""
        return footprint(self.compiled)


def torch_is_there() -> bool:
    """Tells whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


def in_torch(carried: Carried, mode: str, device: str, quick: bool) -> Contender:
    """Returns PyTorch's contender; PyTorch is imported for it alone.

    Args:
        carried: the job.
        mode: "eager", "compile" or "graph".
        device: "cuda" or "cpu".
        quick: without its code generator.
    """
    import torch

    from benchmarks.speed.peers.torch_by_hand import Model, examples

    class Torch:
        """PyTorch by hand."""

        def build(self) -> None:
            """Compiles, and takes the first steps, which then are forgotten."""
            torch.manual_seed(0)
            before = 0 if device == "cpu" else torch.cuda.memory_allocated()
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            self.x = examples(carried.job).to(device)
            self.order = torch.tensor(carried.order[: carried.steps].astype(np.int64), device=device)
            self.model, self.graph = Model(carried.job).to(device), None
            adam: dict[str, Any] = {"lr": LEARNING_RATE, "eps": EPSILON, "fused": True, "capturable": mode == "graph"}
            self.optimizer = torch.optim.Adam(self.model.parameters(), **adam)
            how = {"backend": "aot_eager"} if quick else {"mode": "reduce-overhead"} if mode == "compile" else {}
            self.loss = self.model if mode == "eager" else torch.compile(self.model, dynamic=False, **how)
            self.rows, self.total = self.order[0].clone(), torch.zeros((), device=device)
            if mode == "graph":
                self._record()
            else:
                self._steps()
            self._reset()
            self.bytes = None if device == "cpu" else torch.cuda.max_memory_allocated() - before

        def _record(self) -> None:
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                self._steps()
            torch.cuda.current_stream().wait_stream(aside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self._step(self.rows)

        def _steps(self) -> None:
            for _ in range(BEFORE):
                self._step(self.rows)

        @torch.no_grad()
        def _reset(self) -> None:
            for value, start in zip(self.model.parameters(), Model(carried.job).parameters(), strict=True):
                value.copy_(start)
                for slot in self.optimizer.state[value].values():
                    slot.zero_()

        def _step(self, rows: torch.Tensor) -> None:
            self.optimizer.zero_grad(set_to_none=True)
            bound = self.loss(self.x[rows])
            bound.backward()
            self.optimizer.step()
            self.total += bound.detach()

        def run(self, calls: int) -> float:
            """Makes calls; returns the mean loss of the last."""
            for _ in range(calls):
                self.total.zero_()
                for rows in self.order:
                    if self.graph is None:
                        self._step(rows)
                    else:
                        self.rows.copy_(rows)
                        self.graph.replay()
            return float(self.total) / len(self.order)  # waits

        def footprint(self) -> int | None:
            """Returns the most bytes that were allocated while it was built and took its first steps."""
            return self.bytes

    return Torch()


def set_torch(precision: str) -> None:
    """Sets how PyTorch multiplies, and lets it forget what it compiled: it stops at eight versions of a line."""
    import torch

    torch._dynamo.reset()
    torch.set_float32_matmul_precision({"tf32": "high", "fp32": "highest"}[precision])
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
