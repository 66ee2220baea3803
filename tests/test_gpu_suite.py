"""The GPU suite carries a loop to another machine and judges what it did there; neither GPU nor JAX has to be here."""

import numpy as np
import pytest

from benchmarks.gpu import carried, report
from benchmarks.speed.jobs import JOBS
from benchmarks.speed.peers.products import operations

PROGRAM = """HloModule loop, entry_computation_layout={}

%inner (p: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  %twice = f32[4]{0} add(%p, %p)
  ROOT %done = f32[4]{0} multiply(%twice, %p)
}

%body.1 (state: (s32[], f32[4])) -> (s32[], f32[4]) {
  %state = (s32[], f32[4]{0}) parameter(0)
  %w = f32[4]{0} get-tuple-element(%state), index=1
  %called = f32[4]{0} call(%w), to_apply=%inner
  %fused = f32[4]{0} fusion(%called), kind=kLoop, calls=%inner
  ROOT %next = (s32[], f32[4]{0}) tuple(%w, %fused)
}

ENTRY %main (p: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  %loop = (s32[], f32[4]{0}) while(%p), condition=%cond, body=%body.1
  ROOT %w = f32[4]{0} get-tuple-element(%loop), index=1
}
"""


def row(contender, ms, loss=40.0, apart=0.0, precision="fp32"):
    checked = {"update_apart": apart} if contender.startswith("tfvae") else {}
    return {"job": "digits32", "precision": precision, "contender": contender, "ms": ms, "loss": loss, "bytes": 10**6,
            "checked": checked}  # fmt: skip


def test_a_file_gives_back_what_was_written(tmp_path):
    start = [np.zeros([3, 2], np.float32), np.arange(5000, dtype=np.int64)]
    parameters = [{"shape": value.shape, "dtype": str(value.dtype)} for value in start]
    meta = {"parameters": parameters, "changed": [1], "checked": 5, "loss": 40.0}
    carried.write(tmp_path / "digits32.npz", b"loop", meta, start, {1: start[1] + 1})
    with np.load(tmp_path / "digits32.npz") as file:
        assert "start_0" not in file.files  # zeros need no place
    found = carried.Carried(tmp_path / "digits32.npz", steps=7)
    assert found.hlo == b"loop" and found.meta["loss"] == 40.0
    for value, given in zip(found.start, start, strict=True):
        assert value.dtype == given.dtype
        np.testing.assert_array_equal(value, given)
    np.testing.assert_array_equal(found.after[1], carried.part(start[1]) + 1)
    assert len(found.after[1]) == 2500 <= carried.PART
    assert (found.steps, found.exported) == (7, 200)
    assert found.order.shape == (200, 32) and found.x.shape == (1408, 64)


def test_batches_are_whole_shuffled_epochs():
    job = JOBS["e"]
    rows = carried.order(job, 2 * job.steps + 3)
    for epoch in (rows[: job.steps], rows[job.steps : 2 * job.steps]):
        assert sorted(epoch.ravel()) == list(range(job.rows))
    assert not np.array_equal(rows[: job.steps], rows[job.steps : 2 * job.steps])


def test_ratios_are_to_the_best_peer_and_shares_to_the_large_product():
    rows = [row("tfvae", [2.0, 1.0, 3.0]), row("JAX scan", [1.0, 1.0, 9.0]), row("PyTorch eager", [4.0, 4.0, 4.0])]
    rows.append({"job": "digits32", "precision": "fp32", "contender": "PyTorch graph", "ms": [1.0], "failed": "no"})
    job, rate = JOBS["e"], 1e12
    report.judge(job, rows, rate)
    ours, scan, eager, failed = rows
    assert (ours["median_ms"], ours["least_ms"], ours["most_ms"]) == (2.0, 1.0, 3.0)
    assert (ours["against_peer"], scan["against_peer"], eager["against_peer"]) == (0.5, 1.0, 0.25)
    assert ours["examples_per_s"] == pytest.approx(32 / 2e-3)
    assert ours["share"] == pytest.approx(operations(job) / job.steps / 2e-3 / rate)
    assert "median_ms" not in failed
    text = report.table({"about": {"device": "card"}, "rates": {"fp32": rate}, "rows": rows})
    assert "| PyTorch graph | no |" in text and "2.0000 (1.0000 to 3.0000)" in text and "WRONG" not in text


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (row("tfvae", [1.0], loss=42.0), row("tfvae", [1.0], loss=41.0)),
        (row("tfvae", [1.0], apart=3e-3), row("tfvae", [1.0], apart=1e-3)),
        (row("tfvae", [1.0], apart=0.3, precision="tf32"), row("tfvae", [1.0], apart=0.1, precision="tf32")),
    ],
)
def test_another_loss_or_another_update_is_wrong(wrong, right):
    for own, expected in ((wrong, False), (right, True)):
        rows = [own, row("JAX scan", [1.0], precision=own["precision"]), row("PyTorch eager", [1.0])]
        report.judge(JOBS["e"], rows, 1e12)
        assert own["right"] is expected and rows[1]["right"]


def test_convolutions_have_no_share_and_one_job_alone_no_peer():
    alone = [row("tfvae", [1.0])]
    report.judge(JOBS["c"], alone, 1e12)
    assert alone[0]["share"] is None and alone[0]["against_peer"] is None


def test_what_a_step_starts_is_counted_through_calls():
    assert report.starts(PROGRAM) == 3  # two operations of what is called, and one fusion
    assert report.starts("HloModule nothing") is None


def test_the_variables_that_change_are_read_off_the_program():
    from benchmarks.gpu.export import _changed

    shared = "input_output_alias={ {2}: (4, {}, may-alias), {3}: (7, {}, may-alias) }, entry_computation_layout={{8}}"
    assert _changed(shared, carried=2) == [0, 3]
    with pytest.raises(RuntimeError, match="not every result"):
        _changed(shared, carried=1)


@pytest.mark.slow
def test_the_exported_job_says_where_the_first_steps_lead(tmp_path):
    from benchmarks.gpu.export import export
    from benchmarks.speed.peers.tfvae_fit import model

    path = tmp_path / "digits32.npz"
    export(*carried.WORK["digits32"], path, 0.0)
    found = carried.Carried(path)
    vae = model(found.job, jit_compile=True)
    values = [v.numpy() for v in vae.trainable_variables]
    for place, value in zip(found.meta["network"], values, strict=True):
        np.testing.assert_array_equal(found.start[place], value)
    vae.fit(found.x[found.order[: found.meta["checked"]].ravel()], batch_size=32, shuffle=False, verbose=0)
    for place, value in zip(found.meta["network"], vae.trainable_variables, strict=True):  # another program: rounding
        np.testing.assert_allclose(carried.part(value.numpy()), found.after[place], rtol=0, atol=1e-5)
