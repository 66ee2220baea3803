"""Result files: what was asked, when, with which versions, and the rows that are done; a job that stops goes on."""

import dataclasses
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import sklearn
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line says."""

    data: Path
    out: Path = Path("benchmarks/results/missing")
    again: bool = False
    smoke: bool = False
    command: str = ""


class Results:
    """The rows of one job, in a file that is written after each."""

    def __init__(self, name: str, protocol: str, options: Options, **more: Any) -> None:
        self.path = options.out / f"{name}.json"
        versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
        versions |= {"scikit-learn": sklearn.__version__}
        self.head = {"name": name, "protocol": protocol, "command": options.command, "smoke": options.smoke, **more}
        self.head |= {"versions": versions}
        found = json.loads(self.path.read_text()) if self.path.exists() and not options.again else {"rows": []}
        self.rows: list[dict[str, Any]] = found["rows"]

    def row(self, key: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Returns the row of a key, from the file if it is there, else as it is made."""
        for row in self.rows:
            if key.items() <= row.items():
                say(f"{self.head['name']} {key} is done, see {self.path}; --again does it anew")
                return row
        at, start = time.strftime("%Y-%m-%dT%H:%M:%S%z"), time.perf_counter()
        row = {**key, **make(), "at": at, "seconds": round(time.perf_counter() - start, 1)}
        self.rows.append(row)
        self.write()
        return row

    def write(self, **more: Any) -> None:
        """Writes the file, with whatever is made of the rows."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({**self.head, **more, "rows": self.rows}, indent=1) + "\n")


def say(words: str) -> None:
    """Prints a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def mean_and_error(values: list[float]) -> dict[str, float]:
    """Returns the mean of independent values and its standard error, NaN for one."""
    array = np.asarray(values, "float64")
    error = array.std(ddof=1) / np.sqrt(len(array)) if len(array) > 1 else np.nan
    return {"mean": float(array.mean()), "standard_error": float(error)}
