"""The programs that training and likelihoods are compiled to: XLA's, optimised, and TensorFlow's graphs.

normal form    no metadata, source lines or ids; instructions and computations renamed by order of appearance
same           the normal forms are equal, line by line;  "in another order": of instructions, arguments, tuples

python -m benchmarks.unchanged.program JOB OUT.json      in a tree; XLA_FLAGS says where XLA leaves its programs
"""

import dataclasses
import difflib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.speed.jobs import JOBS, Job, data
from benchmarks.unchanged.trees import check_import

METADATA = re.compile(r',?\s*metadata=\{(?:"(?:[^"\\]|\\.)*"|[^{}"])*\}')
MODULE = re.compile(r"^HloModule [^,\s]+")
ARGUMENT = re.compile(r"[\w.\-]+: (?=[\w(])")  # a computation's arguments, named before their types
NAME = re.compile(r"%[\w.\-]+")
OPERATION = re.compile(r"^\s*(?:ROOT )?%\S+ = .*?([a-z][\w\-]*)\(")
NUMBER = re.compile(r"%\d+|(?<=parameter\()\d+|index=\d+")  # of an instruction, an argument, an entry of a tuple
TOKEN = re.compile(r"[\w\-]+(?:\[[\d,]*\](?:\{[\d,]*\})?)?")
TABLES = ("FileNames", "FunctionNames", "FileLocations", "StackFrames")  # behind the program: where it came from
SHOWN = 30  # lines of a difference


def normal_form(text: str) -> list[str]:
    """Returns the lines of an XLA program without what may differ between two compilations of the same work."""
    names, lines = {}, []
    for line in text.splitlines():
        if line.strip() in TABLES:
            break
        if line.rstrip().endswith("{") and "->" in line and " = " not in line:
            line = ARGUMENT.sub("", line)
        line = MODULE.sub("HloModule", METADATA.sub("", line)).rstrip()
        if line:
            lines.append(NAME.sub(lambda match: names.setdefault(match[0], f"%{len(names)}"), line))
    return lines


def operations(lines: Iterable[str]) -> Counter:
    """Returns how many instructions of each kind a program has."""
    return Counter(match[1] for match in map(OPERATION.match, lines) if match)


def compare(before: list[str], after: list[str]) -> dict:
    """Returns whether two sets of programs, texts of XLA, are the same; if not, where they differ.

    Returns:
        `equal`, `verdict`; `programs` and `instructions` of each; `changed`, kind to numbers of operations; `diff`.
    """
    old, new = ([normal_form(text) for text in texts] for texts in (before, after))
    kinds = [sum(map(operations, programs), Counter()) for programs in (old, new)]
    result = {"programs": [len(old), len(new)], "instructions": [sum(kind.values()) for kind in kinds]}
    for program in list(old):
        if program in new:
            old.remove(program)
            new.remove(program)
    if not old and not new:
        return {"equal": True, "verdict": "same", **result}
    bags = [Counter(tuple(sorted(TOKEN.findall(NUMBER.sub("", line)))) for program in programs for line in program
                    if not line.startswith("HloModule")) for programs in (old, new)]  # fmt: skip
    lines = [[line for program in sorted(programs, key=len) for line in program] for programs in (old, new)]
    bare = [[NAME.sub("%", line) for line in side] for side in lines]  # one more would renumber all that follow
    diff = list(difflib.unified_diff(*(lines if bare[0] == bare[1] else bare), "before", "after", lineterm="", n=0))
    return {
        "equal": False,
        "verdict": "same operations, in another order" if bags[0] == bags[1] else "DIFFERENT",
        **result,
        "changed": changes(*kinds),
        "diff": diff,
    }


def changes(before: Counter, after: Counter) -> dict[str, list[int]]:
    """Returns the kinds of which there are not as many."""
    return {kind: [before[kind], after[kind]] for kind in sorted(before | after) if before[kind] != after[kind]}


def programs(folder: Path) -> list[str]:
    """Returns the optimised programs that XLA left in a folder, in the order of compilation."""
    return [path.read_text() for path in sorted(folder.glob("module_*after_optimizations.txt"))]


def describe(result: dict) -> list[str]:
    """Returns the lines that say what `compare` found beside its verdict."""
    lines = [f"{kind}: {was} before, {now} after" for kind, (was, now) in result.get("changed", {}).items()]
    diff = result.get("diff", [])
    lines += [line[:160] for line in diff[:SHOWN]]
    return lines + ([f"... {len(diff) - SHOWN} more lines"] if len(diff) > SHOWN else [])


def compile_job(job: Job) -> Counter:
    """Lets XLA compile a job's program; returns the numbers of nodes, by operation, of its graphs without XLA."""
    from tensorflow.python.eager import context

    from benchmarks.unchanged.speed import model

    x, nodes = data(dataclasses.replace(job, rows=4 * job.batch)), Counter()
    if job.likelihood:
        model(job, jit_compile=False).log_prob(x[:10], num_samples=100, seed=0)
        return nodes
    plain = model(job, jit_compile=False)
    context.context().enable_graph_collection()
    plain.fit(x, batch_size=job.batch, epochs=2, verbose=0)
    for function in context.context().export_run_metadata().function_graphs:
        graph = function.post_optimization_graph
        nodes.update(node.op for node in graph.node)
        nodes.update(node.op for inner in graph.library.function for node in inner.node_def)
    context.context().disable_graph_collection()
    model(job, jit_compile=True).fit(x, batch_size=job.batch, epochs=2, verbose=0)
    return nodes


def main() -> None:
    """Compiles jobs, and sorts what XLA leaves behind into a folder for each."""
    folder = Path(sys.argv[1])
    os.environ["XLA_FLAGS"] = f"--xla_dump_to={folder} --xla_dump_hlo_as_text"  # read when XLA is loaded
    import tfvae

    check_import(tfvae.__file__)
    for name in sys.argv[2:]:
        nodes = compile_job(JOBS[name])
        (folder / name).mkdir(parents=True)
        (folder / name / "nodes").write_text(json.dumps(nodes))
        for path in folder.glob("module_*"):
            path.rename(folder / name / path.name) if path.suffix == ".txt" else path.unlink()


if __name__ == "__main__":
    main()
