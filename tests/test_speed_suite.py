"""The speed suite times the same work and draws the right numbers from the times; no peer has to be installed."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed import contenders, driver, jobs, report
from benchmarks.speed.peers import products

TINY = dataclasses.replace(jobs.JOBS["e"], rows=64, epochs=2)


def contender(name, role="peer", module="products", variant="numpy", **kwargs):
    return contenders.Contender(name, module, variant, ("e",), role=role, **kwargs)


def finished(role, seconds, loss=44.0, weights=10):
    start = {"weights": weights, "peak_start_mb": 1.0, "import_s": 1.0, "build_s": 2.0, "first_s": 4.0}
    rounds = [{"seconds": s, "loss": loss, "peak_mb": 100.0 + i} for i, s in enumerate(seconds)]
    return {"role": role, "start": start, "check": rounds[0], "rounds": rounds}


def test_the_summary_takes_medians_and_ratios_round_by_round():
    found = {
        "quick": finished("peer", [1.0, 4.0, 2.0]),
        "slow": finished("peer", [0.5, 9.0, 3.0]),  # has the best round, not the best median
        "ours": finished("ours", [2.0, 1.0, 1.0]),
        "products": finished("machine", [0.25, 0.5, 0.75]),
        "broken": {"role": "peer", "failed": "no"},
    }
    result = driver.outcome(TINY, [], found, [0.0])
    rows = {row["name"]: row for row in report.summary(result)}
    assert list(rows) == ["products", "ours", "quick", "slow"]
    steps = 2 * 64 // 32
    assert rows["ours"]["step_ms"] == pytest.approx(1e3 * 1.0 / steps)
    assert rows["ours"]["examples_per_s"] == pytest.approx(2 * 64 / 1.0)
    # round by round against `quick`: 1/2, 4/1, 2/1
    assert (rows["ours"]["ratio"], rows["ours"]["ratio_least"], rows["ours"]["ratio_most"]) == (2.0, 0.5, 4.0)
    assert rows["quick"]["ratio"] == 1.0
    assert rows["ours"]["share"] == pytest.approx(0.5)
    assert rows["products"]["gflops"] == pytest.approx(products.operations(TINY) * 2 / 0.5 / 1e9)
    assert rows["ours"]["peak_mb"] == 102.0 and rows["ours"]["first_step_s"] == 7.0
    text = report.table(result)
    assert "2.00 (0.50 to 4.00)" in text and "failed: broken: no" in text


def test_another_network_or_another_loss_is_found():
    found = {
        "one": finished("peer", [1.0]),
        "two": finished("peer", [1.0], loss=44.5),
        "three": finished("ours", [1.0], loss=47.0),
        "four": finished("peer", [1.0], weights=11),
        "five": finished("peer", [1.0], loss=99.0),
        "six": finished("peer", [1.0], loss=math.nan),
    }
    names = [contender(name, compares_loss=name != "five") for name in found]
    differences = driver.differences(names, found)
    assert [text.split()[0] for text in differences] == ["four", "three", "six"]


@pytest.mark.parametrize("name", jobs.JOBS)
def test_weights_fit_the_network_and_data_the_job(name):
    job = jobs.JOBS[name]
    assert job.rows % job.batch == 0
    arrays = jobs.weights(job)
    if job.conv:  # counted by hand: 1-32, 32-64, 3136-32, 16-3136, 64-64, 64-32, 32-1
        assert sum(a.size for a in arrays) == 320 + 18496 + 100384 + 53312 + 36928 + 18464 + 33
    else:
        assert [a.shape for a in arrays[::2]] == job.dense
    x = jobs.data(job)
    assert x.shape == (job.rows, *job.shape) and x.dtype == np.float32 and set(np.unique(x)) == {0.0, 1.0}
    assert np.array_equal(x, jobs.data(job))
    rows = jobs.order(job, np.random.default_rng(0))
    assert sorted(rows.ravel()) == list(range(job.rows))


def test_the_matrix_products_are_those_of_a_step():
    job = jobs.JOBS["b20"]  # the encoder sees 20 rows, the decoder 1000; three products a layer, the first layer two
    encoder, decoder = 784 * 200 + 200 * 200 + 200 * 100, 50 * 200 + 200 * 200 + 200 * 784
    step = 2 * (20 * (3 * encoder - 784 * 200) + 1000 * 3 * decoder)
    assert products.operations(job) == step * job.steps
    likelihood = jobs.JOBS["d"]  # forward through the decoder alone
    assert products.operations(likelihood) == 2 * 100 * 5000 * decoder


def test_workers_answer_in_turn_and_a_broken_one_is_reported(tmp_path):
    names = [contender("one"), contender("two", role="machine"), contender("lost", module="no_such_peer")]
    result = driver.measure(TINY, names, rounds=2, folder=tmp_path, logs=tmp_path)
    found = result["contenders"]
    assert "no_such_peer" in found["lost"]["failed"]
    for name in ("one", "two"):
        assert found[name]["start"]["weights"] == sum(w.size for w in jobs.weights(TINY))
        assert len(found[name]["rounds"]) == 2
        assert all(0 < answer["seconds"] < 10 and answer["peak_mb"] > 1 for answer in found[name]["rounds"])
    assert {row["name"] for row in report.summary(result)} == {"one", "two"}
    report.picture({"e": result}, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").stat().st_size > 1000


@pytest.mark.parametrize("flags", ["", "--tf_xla_auto_jit=2"])
def test_flags_of_a_contender_are_those_of_its_process(flags, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "--of_whoever_runs_the_suite")
    worker = driver.Worker(contender("one", flags=flags), tmp_path, tmp_path / "log")
    try:
        said = Path(f"/proc/{worker.process.pid}/environ").read_text().split("\0")
    finally:
        worker.close()
    assert f"TF_XLA_FLAGS={flags}" in said


@pytest.mark.parametrize("name", [name for name in jobs.JOBS if name.endswith("16")])
def test_a_job_in_bfloat16_has_float32_and_both_libraries_beside_it(name):
    own = {c.variant for c in contenders.CONTENDERS if name in c.jobs}
    assert {"fit_xla", "fit_mixed", "fit_products", "compile", "compile_autocast"} <= own


def test_an_environment_counts_when_it_is_complete(tmp_path):
    here, there = contender("here"), contender("there", environment="jax")
    assert not here.missing(tmp_path) and there.missing(tmp_path)
    (tmp_path / "jax").mkdir()
    assert there.missing(tmp_path)
    (tmp_path / "jax" / ".ready").touch()
    assert not there.missing(tmp_path)


@pytest.mark.slow
def test_all_ways_to_train_tfvae_do_the_same():
    from benchmarks.speed.peers import tfvae_fit

    runners = {variant: tfvae_fit.make(TINY, variant) for variant in ("fit", "step")}
    runners["loop"] = tfvae_fit.Step(TINY, jit_compile=False, loop=True)
    losses = {name: runner.run(1) for name, runner in runners.items()}
    assert max(losses.values()) - min(losses.values()) < 0.01 * losses["fit"], losses
    assert {int(runner.vae.optimizer.iterations) for runner in runners.values()} == {2}
