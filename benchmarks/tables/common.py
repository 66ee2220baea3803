"""What the jobs share: what the command line says, result files, the peers' environment, and time on a busy machine.

Seconds are those of the processor, over all its threads: the machine does other work at the same time. Peers have one
thread each, which would else spend such seconds waiting for each other.
"""

import dataclasses
import importlib.metadata
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.missing import results
from benchmarks.speed.__main__ import machine
from benchmarks.speed.contenders import DEFAULT_FOLDER, TORCH

ROOT = Path(__file__).parents[2]
OUT = Path("benchmarks/results/tables")
ENVIRONMENT = {"tables": [[TORCH, "pandas==2.3.3", "scikit-learn==1.9.1", "pyod==3.6.7", "ctgan==0.12.1"]]}


@dataclasses.dataclass(frozen=True)
class Options(results.Options):
    """What the command line says.

    Attributes:
        out: folder of the result files.
        peers: folder of the peers' environments.
        splits: which splits of the data.
    """

    out: Path = OUT
    peers: Path = DEFAULT_FOLDER
    splits: tuple[int, ...] = (0, 1, 2, 3, 4)

    @property
    def python(self) -> Path:
        """The interpreter of the peers' environment."""
        return self.peers.resolve() / "tables" / "bin" / "python"

    @property
    def with_peers(self) -> bool:
        """Whether it is there, and wanted."""
        return self.python.exists() and not self.smoke


def opened(name: str, protocol: str, options: Options, **more: Any) -> results.Results:
    """Returns the result file of a job."""
    found = results.Results(name, protocol, options, machine=machine(), peers=ENVIRONMENT["tables"], **more)
    found.head["versions"]["pandas"] = importlib.metadata.version("pandas")
    return found


def by_peers(options: Options, script: str, *words: str | Path) -> None:
    """Runs a script of `peers` in its environment.

    Raises:
        RuntimeError: with its last words, if it fails.
    """
    command = [options.python, "-m", f"benchmarks.tables.peers.{script}", *words]
    done = subprocess.run([str(word) for word in command], cwd=ROOT, env=_plain(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script}: {done.stderr[-1000:]}")


def _plain() -> dict[str, str]:
    """The environment without our own packages, with one thread."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}


class Clock:
    """Seconds of the processor and of the clock on the wall since it was made."""

    def __init__(self) -> None:
        self.start = time.process_time(), time.perf_counter()

    def read(self) -> dict[str, float]:
        """Returns both, rounded."""
        now = time.process_time(), time.perf_counter()
        names = "processor_seconds", "wall_seconds"
        return {name: round(b - a, 1) for name, a, b in zip(names, self.start, now, strict=True)}


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def said(value: dict[str, float], digits: int = 3, sign: str = "") -> str:
    """Returns a mean with its error."""
    return f"{value['mean']:{sign}.{digits}f} +- {value['standard_error']:.{digits}f}"
