"""Builds the contenders of each job and takes their samples in turn, within a budget of seconds.

A sample is whole calls of many steps, at least `sample` seconds of them; the order is A B C, then C B A. Nothing new is
begun once the budget is spent; soon after it, what was found is written and the process ends, so that a compiler which
fails costs little time on a device that is lent.
"""

import contextlib
import dataclasses
import gzip
import json
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.gpu import report
from benchmarks.gpu.carried import Carried
from benchmarks.gpu.loop import Loop, platform
from benchmarks.gpu.peers import Contender, Scan, in_torch, set_torch, torch_is_there

GRACE = 35  # seconds after the budget, when the process ends
LATE = 10  # seconds after it, in which samples that were begun go on
SIDE = {"cuda": 8192, "cpu": 1024}  # of the large product that says what the device can do


@dataclasses.dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        out: folder for step.json and programs.txt.gz.
        budget: seconds after which nothing new is begun.
        rounds: samples of each contender.
        sample: seconds that one takes, at least.
        only: words, one of which the name of a contender has; empty for all.
        quick: without PyTorch's code generator.
    """

    out: Path
    budget: float = 190.0
    rounds: int = 7
    sample: float = 0.15
    only: tuple[str, ...] = ()
    quick: bool = False


class Measurement:
    """All that is measured, and what remains of the time.

    Args:
        settings: how.

    Attributes:
        rows: what was found, one a contender.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.started, self.lock = settings, time.monotonic(), threading.Lock()
        self.rows: list[dict[str, Any]] = []
        self.rates: dict[str, float] = {}
        self.about = {"jax": jax.__version__, "platform": platform(), "device": jax.devices()[0].device_kind}
        self.device = "cuda" if platform() == "cuda" else "cpu"
        if torch_is_there():
            import torch

            self.about["torch"] = torch.__version__
        (settings.out / "programs.txt.gz").unlink(missing_ok=True)

    def run(self, jobs: list[Path], precisions: list[str], steps: int | None = None) -> None:
        """Measures the jobs, first all in one precision, and writes what was found.

        Args:
            jobs: files of the exported ones.
            precisions: of matrix products.
            steps: in a call, if not all that were exported.
        """
        guard = threading.Timer(self.settings.budget + GRACE, self._give_up)
        guard.daemon = True
        guard.start()
        for precision in precisions:
            self.rates[precision] = product_rate(precision, SIDE[self.device])
        for precision in precisions:
            for path in jobs:
                if self.left > 0:
                    self.job(Carried(path, steps), precision)
        guard.cancel()
        self.finish()

    @property
    def left(self) -> float:
        """Seconds until nothing new is begun."""
        return self.settings.budget - (time.monotonic() - self.started)

    def contenders(self, carried: Carried, precision: str) -> dict[str, Callable[[], Contender]]:
        """Returns makers of the contenders, those first that matter most."""
        made: dict[str, Callable[[], Contender]] = {
            "tfvae": lambda: Loop(carried, precision, known=False),
            "JAX scan": lambda: Scan(carried, precision),
            "tfvae, known n": lambda: Loop(carried, precision, known=True),
        }
        modes = ("graph", "eager", "compile") if self.device == "cuda" else ("eager", "compile")
        for mode in modes if torch_is_there() else ():
            made[f"PyTorch {mode}"] = lambda mode=mode: in_torch(carried, mode, self.device, self.settings.quick)
        only = self.settings.only
        return {name: make for name, make in made.items() if not only or any(word in name for word in only)}

    def job(self, carried: Carried, precision: str) -> None:
        """Measures one job."""
        self._say(f"{carried.name}, {precision}")
        if torch_is_there():
            set_torch(precision)
        makers = self.contenders(carried, precision)
        rows = {name: {"job": carried.name, "precision": precision, "contender": name} for name in makers}
        self.rows += rows.values()
        ready = self._built(makers, rows)
        for name in list(ready):
            with self._failing(name, rows[name], ready):
                contender, row = ready[name], rows[name]
                row["checked"] = contender.check() if isinstance(contender, Loop) else {}
                row["loss"] = contender.run(1)
                started = time.perf_counter()
                contender.run(1)
                row["calls"] = max(1, math.ceil(self.settings.sample / (time.perf_counter() - started)))
                row["ms"] = []
        for number in range(self.settings.rounds):
            for name in list(ready)[:: 1 if number % 2 else -1]:
                if self.left > -LATE:
                    with self._failing(name, rows[name], ready):
                        started = time.perf_counter()
                        ready[name].run(rows[name]["calls"])
                        elapsed = time.perf_counter() - started
                        rows[name]["ms"].append(1e3 * elapsed / rows[name]["calls"] / carried.steps)
        for name, contender in ready.items():
            rows[name]["bytes"] = contender.footprint()
        report.judge(carried.job, list(rows.values()), self.rates[precision])

    def finish(self) -> None:
        """Prints and writes what there is."""
        found = {"about": self.about, "rates": self.rates, "rows": self.rows}
        print(f"\n{json.dumps(self.about)}\n\n{report.table(found)}", flush=True)
        (self.settings.out / "step.json").write_text(json.dumps(found, indent=1) + "\n")

    def _built(self, makers: dict, rows: dict) -> dict[str, Contender]:
        """Returns the contenders that could be built: XLA's at the same time, then PyTorch's one by one."""
        ready: dict[str, Contender] = {}
        theirs = [name for name in makers if name.startswith("PyTorch")]
        threads = [
            threading.Thread(target=self._build, args=(name, makers[name], rows[name], ready), daemon=True)
            for name in makers
            if name not in theirs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in theirs:
            self._build(name, makers[name], rows[name], ready)
        return {name: ready[name] for name in makers if name in ready}

    def _build(self, name: str, make: Callable[[], Contender], row: dict, ready: dict) -> None:
        if self.left < 0:
            row["failed"] = "no time was left"
            return
        with self._failing(name, row, ready):
            started = time.monotonic()
            contender = make()
            contender.build()
            row["build_s"] = round(time.monotonic() - started, 1)
            self._say(f"  {name}: ready after {row['build_s']} s")
            if hasattr(contender, "compiled"):
                text = contender.compiled.as_text()
                row["starts"] = report.starts(text)
                with self.lock, gzip.open(self.settings.out / "programs.txt.gz", "at") as file:
                    file.write(f"\n######## {row['job']}, {row['precision']}, {name}\n{text}")
            with self.lock:
                ready[name] = contender

    @contextlib.contextmanager
    def _failing(self, name: str, row: dict, ready: dict) -> Iterator[None]:
        """Takes a contender out that fails; the others go on."""
        try:
            yield
        except Exception as error:
            row["failed"] = f"{type(error).__name__}: {str(error)[:200]}".splitlines()[0]
            row["traceback"] = traceback.format_exc()[-3000:]
            ready.pop(name, None)
            self._say(f"  {name} FAILED: {row['failed']}")

    def _give_up(self) -> None:
        self._say("out of time")
        self.finish()
        os._exit(0)

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.started:5.0f} s] {text}", file=sys.stderr, flush=True)


def product_rate(precision: str, side: int) -> float:
    """Returns the rate of a large product of random float32 matrices, in operations a second."""
    a, b = (jax.random.normal(jax.random.key(i), (side, side), jnp.float32) for i in range(2))
    how = {"tf32": "default", "fp32": "highest"}[precision]
    product, times = jax.jit(lambda a, b: jnp.matmul(a, b, precision=how)), []
    for _ in range(4):
        started = time.perf_counter()
        for _ in range(5):
            c = product(a, b)
        c.block_until_ready()
        times.append((time.perf_counter() - started) / 5)
    return 2 * side**3 / min(times)
