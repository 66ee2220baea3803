"""The exported loop under JAX's XLA.

HLO -> StableHLO -> less `mhlo.copy`, with the precision of products -> portable artifact
jax.export of a function of the same signature, the artifact in the place of its own -> jax.jit

tfvae            the loop as it is: the number of steps is an argument
tfvae, known n   the number of steps a constant, as in JAX's scan: XLA need not ask the device after every step
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jax._src.interpreters import mlir as jax_mlir  # a context that knows StableHLO is public nowhere
from jaxlib import _jax
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

from benchmarks.gpu.carried import INPUTS, Carried, part

PRODUCTS = "stablehlo.dot", "stablehlo.dot_general", "stablehlo.convolution"


def platform() -> str:
    """Returns the name of JAX's platform as exports have it."""
    return {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())


def portable(hlo: bytes, precision: str, count: int | None) -> bytes:
    """Returns the loop as a portable StableHLO artifact.

    Args:
        hlo: the `HloModuleProto`.
        precision: "tf32", or "fp32" for exact products.
        count: the number of steps, if it is to be a constant.
    """
    with jax_mlir.make_ir_context() as context, ir.Location.unknown(context):
        module = ir.Module.parse(_jax.mlir.hlo_to_stablehlo(hlo))
        copies = []

        def visit(op: ir.Operation) -> ir.WalkResult:
            if op.name == "mhlo.copy":  # the identity, which StableHLO does not have
                op.results[0].replace_all_uses_with(op.operands[0])
                copies.append(op)
            elif op.name in PRODUCTS and precision == "fp32":
                highest = stablehlo.PrecisionAttr.get("HIGHEST")
                op.attributes["precision_config"] = ir.ArrayAttr.get([highest, highest])
            return ir.WalkResult.ADVANCE

        module.operation.walk(visit)
        for op in copies:
            op.erase()
        attributes = module.operation.attributes
        for name in [str(getattr(name, "name", name)) for name in attributes]:
            if name.startswith("mhlo."):
                del attributes[name]
        if count:
            main = next(f for f in module.body.operations if ir.StringAttr(f.attributes["sym_name"]).value == "main")
            entry = main.regions[0].blocks[0]
            with ir.InsertionPoint.at_block_begin(entry):
                for argument, value in zip(list(entry.arguments)[INPUTS - 2 : INPUTS], (0, count), strict=True):
                    scalar = ir.DenseElementsAttr.get(np.array(value, np.int32))
                    argument.replace_all_uses_with(stablehlo.ConstantOp(scalar).result)
        return _jax.mlir.serialize_portable_artifact(module, stablehlo.get_current_version())


class Loop:
    """The exported loop as a contender.

    Args:
        carried: the job.
        precision: of products.
        known: whether the number of steps is a constant.

    Attributes:
        compiled: the program, once `build` has made it.
    """

    def __init__(self, carried: Carried, precision: str, known: bool) -> None:
        self.carried, self.known, self.count = carried, known, 0
        self.changed, self.outputs = carried.meta["changed"], carried.meta["carried"]
        self.artifact = portable(carried.hlo, precision, carried.steps if known else None)

    def build(self) -> None:
        """Compiles."""
        with jax.enable_x64(True):  # Keras counts steps in int64
            inputs = self.carried.x, self.carried.order, np.int32(0), np.int32(0)
            self.arguments = [jax.device_put(value) for value in inputs]
            self.reset()
            shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in self.arguments + self.state]
            alike = export.export(jax.jit(self._alike, keep_unused=True), platforms=[platform()])(*shapes)
            program = dataclasses.replace(alike, mlir_module_serialized=self.artifact).call
            donated = [INPUTS + i for i in self.changed]
            self.compiled = jax.jit(program, donate_argnums=donated, keep_unused=True).lower(*shapes).compile()

    def _alike(self, *arguments: jax.Array) -> tuple:
        carried = [jnp.zeros(out["shape"], out["dtype"]) for out in self.outputs]
        return (*carried, *(arguments[INPUTS + i] for i in self.changed))

    def reset(self) -> None:
        """Goes back to the start."""
        with jax.enable_x64(True):
            self.state = [jax.device_put(value) for value in self.carried.start]

    def take(self, count: int) -> jax.Array:
        """Takes steps; returns the mean loss of all since the start, which may still be computed."""
        with jax.enable_x64(True):
            if count != self.count:
                self.count, self.arguments[-1] = count, jax.device_put(np.int32(count))
            found = self.compiled(*self.arguments, *self.state)
        for i, value in zip(self.changed, found[len(self.outputs) :], strict=True):
            self.state[i] = value
        return found[self.carried.meta["loss_at"]]

    def check(self) -> dict[str, float]:
        """Returns how far the first steps are from TensorFlow's, relative: the way of the weights, and the loss."""
        if self.known:
            return {}
        meta, apart, moved = self.carried.meta, 0.0, 0.0
        loss = float(self.take(meta["checked"]))
        for i in meta["network"]:
            mine, before, theirs = part(self.state[i]), part(self.carried.start[i]), self.carried.after[i]
            apart += float(np.sum((mine - theirs) ** 2))
            moved += float(np.sum((theirs - before) ** 2))
        self.reset()
        return {"update_apart": math.sqrt(apart / moved), "loss_apart": abs(loss - meta["loss"]) / abs(meta["loss"])}

    def run(self, calls: int) -> float:
        """Makes calls; returns the mean loss of all steps since the start."""
        for _ in range(calls):
            loss = self.take(self.carried.steps)
        return float(loss)  # waits

    def footprint(self) -> int:
        """Returns the bytes that the program needs."""
        return footprint(self.compiled)


def footprint(compiled: jax.stages.Compiled) -> int:
    """Returns the bytes that a program needs: arguments, results and what is between, shared ones once."""
    m = compiled.memory_analysis()
    return m.argument_size_in_bytes + m.output_size_in_bytes + m.temp_size_in_bytes - m.alias_size_in_bytes
