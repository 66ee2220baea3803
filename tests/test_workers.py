"""Two workers, real processes: they start alike or not at all, and a worker that died goes on where both have been."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).parent


def workers(folder, scene, seconds=300):
    """Runs a scene of `workers.py` in two processes; returns the lines that each said, as one dict, and the codes."""
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    cluster = {"worker": [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]}
    for one in sockets:
        one.close()
    paths, processes = os.pathsep.join([str(TESTS), str(TESTS.parent)]), []
    for index in range(2):
        task = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        environment = {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "-1", "TF_CONFIG": task}
        words, said = [sys.executable, str(TESTS / "workers.py"), str(folder), scene], {"stdout": subprocess.PIPE}
        processes.append(subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True, **said))
    try:
        texts = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    print(*(error[-2000:] for _, error in texts), sep="\n")
    found = [{} for _ in processes]
    for lines, (text, _) in zip(found, texts, strict=True):
        for line in filter(lambda line: line.startswith("{"), text.splitlines()):
            lines.update(json.loads(line))
    return found, [process.returncode for process in processes]


@pytest.mark.slow
def test_workers_that_would_start_differently_are_refused_on_both(tmp_path):
    found, codes = workers(tmp_path, "agree")
    assert codes == [0, 0]
    for worker in found:
        assert "Received epochs 2, 1. Remove from each folder what is later than epoch 1" in worker["epochs"]
        assert worker["epochs_done"] == [0, 1, 2] and worker["same"]
        assert "Received other weights" in worker["weights"]
        assert "Received steps 7, 8" in worker["steps"]
    assert found[0]["first"] == found[1]["first"]


@pytest.mark.slow
def test_workers_go_on_after_one_of_them_died(tmp_path):
    found, codes = workers(tmp_path, "die")
    assert codes[1] == 9
    print(found, codes)
    again, codes = workers(tmp_path, "die")
    assert codes == [0, 0] and len(again[0]["history"]) == 4 and again[0]["history"] == again[1]["history"]


@pytest.mark.slow
def test_workers_pool_their_units_by_the_cells_that_each_has_observed(tmp_path):
    """A column that one of them never saw is the other's alone; one that nobody saw stays as it is."""
    found, codes = workers(tmp_path, "pool")
    assert codes == [0, 0]
    x = np.concatenate([np.float64(worker["x"]) for worker in found])
    assert [np.sum(~np.isnan(np.float64(worker["x"])), axis=0).tolist() for worker in found] == [[15, 7, 0], [3, 0, 0]]
    for worker in found:
        np.testing.assert_allclose(worker["mean"], [*np.nanmean(x[:, :2], axis=0), 0], rtol=1e-6)
        np.testing.assert_allclose(worker["scale"], [*np.nanstd(x[:, :2], axis=0), 1], rtol=1e-6)
