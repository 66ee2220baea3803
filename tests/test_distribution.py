"""Two replicas, and two workers, take the steps of one device: `docs/distribution.md`, which runs here as it stands."""

import json
import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import distribution_cases
import keras
import numpy as np
import pytest
import tensorflow as tf
from documents import BLOCKS

TESTS = Path(__file__).parent
MIRRORED, WORKERS = "Two devices of one machine", "Two machines"  # headings of the page
CASES = list(distribution_cases.CASES)
SHORT, REST = CASES[:1], ["refused", "drawn"]


def start(heading: str, out: Path, cases, **variables: str) -> subprocess.Popen:
    """Starts a process that runs an example of the page, then the cases under its strategy."""
    code = BLOCKS["docs/distribution.md", heading]
    code += f"\nimport distribution_cases\ndistribution_cases.leave(strategy, {str(out)!r}, {cases!r})\n"
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "-1", **variables}
    words, said = [sys.executable, "-c", code], {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(words, env=environment, cwd=out.parent, **said)


def finished(processes, outs) -> list[dict]:
    try:
        said = [process.communicate(timeout=500)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert not any(process.returncode for process in processes), "\n".join(text[-3000:] for text in said)
    return [pickle.loads(out.read_bytes()) for out in outs]


def mirrored(folder, cases):
    out = folder / "replicas.pickle"
    return finished([start(MIRRORED, out, cases)], [out])[0]


def workers(folder, cases):
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    cluster = {"worker": [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]}
    for one in sockets:
        one.close()
    outs = [folder / f"worker{index}.pickle" for index in range(2)]
    tasks = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]
    return finished([start(WORKERS, out, cases, TF_CONFIG=task) for out, task in zip(outs, tasks, strict=True)], outs)


@pytest.fixture(scope="module")
def replicas(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    return mirrored(folder, SHORT), folder


@pytest.fixture(scope="module")
def rest(tmp_path_factory):
    return mirrored(tmp_path_factory.mktemp("rest"), REST)


@pytest.fixture(scope="module")
def one_device():
    """Returns what one device makes of a case, once."""
    made = {}

    def run(case):
        if case not in made:
            made[case], vae = distribution_cases.trained(tf.distribute.get_strategy(), case)
        return made[case]

    return run


@pytest.fixture(scope="module")
def refused():
    return distribution_cases.refused(tf.distribute.get_strategy())


def check(label: str, one: dict, many: dict) -> None:
    """Weights within 1e-6 of one device's, the same on all replicas; logs to rounding, as plain floats."""
    weight = max(float(np.abs(a - b).max()) for a, b in zip(one["weights"], many["weights"], strict=True))
    between = max(float(np.abs(v - values[0]).max()) for values in many["replicas"] for v in values)
    pairs = [(one["history"][name], many["history"][name]) for name in one["history"]]
    pairs += [(list(a.values()), list(b.values())) for a, b in zip(one["batches"], many["batches"], strict=True)]
    if "evaluate" in one:
        pairs += [(list(one["evaluate"].values()), list(many["evaluate"].values())), (one["predict"], many["predict"])]
    logs = max(float(np.max(np.abs(np.subtract(a, b)) / (1 + np.abs(a)))) for a, b in pairs)
    print(f"{label}: largest difference of weights {weight:.1e}, between replicas {between:.1e}, of logs {logs:.1e}")
    assert one["history"].keys() == many["history"].keys()
    assert all(type(value) is float for values in many["history"].values() for value in values)
    assert weight < 1e-6 and between == 0 and logs < 5e-6


@pytest.mark.parametrize("case", SHORT)
def test_two_replicas_take_the_steps_of_one_device(replicas, one_device, case):
    check(f"two replicas, {case}", one_device(case), replicas[0][case])


def test_two_replicas_save_one_model(replicas):
    """The example's, which loads where there is one device."""
    loaded = keras.saving.load_model(replicas[1] / "digits.keras")
    logs = loaded.evaluate(np.zeros([10, 64], "float32"), return_dict=True, verbose=0)
    assert np.isfinite(logs["loss"]) and int(loaded.optimizer.iterations) == 12


@pytest.mark.slow
def test_replicas_draw_their_own_noise(rest):
    first, second = rest["drawn"]
    print(f"z of two replicas for the same examples: smallest difference {np.abs(first - second).min():.1e}")
    assert first.shape == (1, distribution_cases.ROWS, distribution_cases.D)
    assert np.all(first != second)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.9


def check_refused(found, one):
    (values, diverged), moved = found
    assert values == one[0][0] and "6 not finite" in values  # one row of six values, in the share of one replica
    assert diverged.startswith("Diverged") and moved == 0


@pytest.mark.slow
def test_what_must_be_refused_is_counted_over_replicas(rest, refused):
    check_refused(rest["refused"], refused)


@pytest.mark.slow
def test_two_workers_take_the_steps_of_one_device(tmp_path, one_device, refused):
    found = workers(tmp_path, [*SHORT, *REST])
    for index, worker in enumerate(found):
        check(f"worker {index} of two, {CASES[0]}", one_device(CASES[0]), worker[CASES[0]])
        check_refused(worker["refused"], refused)
    assert np.all(found[0]["drawn"][0] != found[1]["drawn"][0])
    assert all(np.array_equal(a, b) for a, b in zip(*(worker["ELBO"]["weights"] for worker in found), strict=True))
    first, second = (keras.saving.load_model(tmp_path / f"worker-{index}.keras").get_weights() for index in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.slow
def test_all_objectives_on_two_replicas_and_two_workers(tmp_path, one_device):
    found = {"two replicas": mirrored(tmp_path, CASES)}
    found |= {f"worker {index} of two": worker for index, worker in enumerate(workers(tmp_path, CASES))}
    for label, run in found.items():
        for case in CASES:
            check(f"{label}, {case}", one_device(case), run[case])
