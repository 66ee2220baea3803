"""Executes notebooks, two at a time, and says how long each took; one that fails is named with its failing cell.

python notebooks/run.py                     all, as copies: the files stay as they are
python notebooks/run.py 03 --write          those whose names begin so; what they show is kept in the files
"""

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

HERE = Path(__file__).resolve().parent
AT_ONCE = 2
LIMIT = 600  # seconds that a cell may take, or a kernel to start
OPTIONS = {
    "timeout": LIMIT,
    "startup_timeout": LIMIT,
    "kernel_name": "python3",
    "coalesce_streams": True,
    "extra_arguments": ["--log-level=40"],  # the kernel's own errors, not its warnings
}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
IMPORTS = "import tfvae"  # in the setup cell, where the platform talks of the machine


def execute(path: Path) -> tuple[nbformat.NotebookNode, float, str]:
    """Runs a copy of a notebook in an empty folder; returns it with its outputs, the seconds, and what failed."""
    notebook, started, failure = nbformat.read(path, as_version=4), time.time(), ""
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, resources=resources, **OPTIONS)
        try:
            client.execute()
        except CellExecutionError as error:
            cells = [cell for cell in notebook.cells if any(o.output_type == "error" for o in cell.get("outputs", ()))]
            names = ", ".join(cell["id"] for cell in cells)
            failure = f"{path.name}, {names}: {error.ename}: {error.evalue}\n\n{cells[-1].source}"
        except (CellTimeoutError, RuntimeError) as error:  # too slow, or the kernel does not start or died
            failure = f"{path.name}: {error}"
    return notebook, time.time() - started, failure


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Writes an executed notebook without what changes from run to run or tells of the machine."""
    notebook.metadata = METADATA
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type != "code":
            continue
        if IMPORTS in cell.source:
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        for output in cell.outputs:
            if "metadata" in output:
                output.metadata = {}
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def main() -> int:
    """Returns 0 if every notebook ran through."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="how the names of the notebooks begin; by default all")
    parser.add_argument("--write", action="store_true", help="keep what they show in the files")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the notebooks are")
    given = parser.parse_args()
    paths = [path for path in sorted(given.folder.glob("*.ipynb")) if path.name.startswith(tuple(given.names or [""]))]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    started, failures = time.time(), []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for path, (notebook, seconds, failure) in zip(paths, pool.map(execute, paths), strict=True):
            print(f"{path.name:40s} {seconds:6.1f} s  {'FAILED' if failure else 'ok'}", flush=True)
            if failure:
                failures.append(failure)
            elif given.write:
                write(notebook, path)
    print(f"{len(paths)} notebooks in {(time.time() - started) / 60:.1f} minutes, {AT_ONCE} at a time")
    for failure in failures:
        print(f"\nFAILED {failure}", file=sys.stderr)
    return 1 if failures or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
