"""Arrays come to the device once: one copy in memory, of the same values, whatever their type and place."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from resident_cases import X, make

from tfvae.training import device, epochs
from tfvae.training.call import FitCall
from tfvae.training.program import Program
from tfvae.training.step import Carried

PAGE = os.sysconf("SC_PAGE_SIZE")


def held() -> int:
    """Returns the bytes of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read as Linux tells it")
@pytest.mark.parametrize(("dtype", "kept"), [("uint8", "uint8"), ("float32", "float32"), ("float64", "float32")])
def test_a_tensor_holds_one_copy(dtype, kept):
    """TensorFlow's own conversion keeps two. The tolerance is what else the process may take meanwhile."""
    epochs.on_device(np.ones(8, dtype))  # what is loaded once
    x = np.ones(2**26, dtype)
    size, before = x.size * np.dtype(kept).itemsize, held()
    tensor = epochs.on_device(x)
    assert tensor.dtype == kept and held() - before < 1.2 * size
    del tensor
    assert held() - before < 0.2 * size  # and gives it back


@pytest.mark.parametrize("offset", range(0, 64, 7))
def test_rows_that_start_anywhere_are_taken(offset):
    """A tensor that is not aligned would end the process."""
    whole = np.random.default_rng(0).random(7 * 50 + 64).astype(np.float32)
    x = whole[offset : offset + 7 * 50].reshape(50, 7)
    rows = tf.function(lambda part: tf.gather(part, [3, 49]) + part[:2])
    np.testing.assert_array_equal(rows(epochs.on_device(x)), x[[3, 49]] + x[:2])


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int16", "uint16", "float16", ">f4", ">u2", "int64", "float64"]
)
def test_values_are_those_of_the_array(dtype):
    x = np.arange(24).reshape(4, 6).astype(dtype)
    for part in (x, x[:, ::2], x.T, x[:0]):  # not contiguous, turned, empty
        tensor = epochs.on_device(part)
        assert tensor.shape == part.shape
        np.testing.assert_array_equal(tensor.numpy().astype(np.float64), part.astype(np.float64))


def test_what_is_written_into_the_array_later_is_not_seen():
    x = np.zeros((3, 2), np.float32)
    x.flags.writeable = False
    tensor = epochs.on_device(x)
    x.flags.writeable = True
    x[:] = 1
    assert not tensor.numpy().any()


def test_on_a_gpu_small_integers_become_float32(monkeypatch):
    """`tf.gather` has no kernel for them there."""
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    assert epochs.on_device(np.ones((2, 2), np.uint8)).dtype == tf.float32
    assert epochs.on_device(np.ones((2, 2), np.float16)).dtype == tf.float16


@pytest.mark.parametrize(("dtype", "kept"), [("bool", 1), ("float16", 2), ("uint8", 4), ("float64", 4)])
def test_the_limit_of_a_gpu_counts_bytes_as_they_are_held_there(dtype, kept, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    x = np.ones((10, 6), dtype)
    call = FitCall.of(x={"x": x})
    for most, stays in ((60 * kept, True), (60 * kept - 1, False)):
        monkeypatch.setattr(device, "MOST_GPU_BYTES", most)
        assert ("GPU" not in device._obstacle(make(), call)) is stays


@pytest.mark.parametrize("error", [tf.errors.InternalError, tf.errors.ResourceExhaustedError])
def test_a_gpu_without_the_tools_of_xla_trains_without_it(error, monkeypatch):
    """A missing ptxas is an internal error; it is said once. Later the same error is not XLA's refusal."""
    said, vae = [], make()
    program = Program(vae.make_step(training=True), "xla", said.append)

    def broken(*_):
        raise error(None, None, "ptxas is not there\nand more")

    program._fast = broken
    data, order = {"x": tf.constant(X)}, tf.reshape(tf.range(64), [4, 16])
    assert isinstance(program.run(data, order, 0, 4), Carried) and said == ["ptxas is not there"]
    program._fast = broken
    with pytest.raises(error):
        program.run(data, order, 0, 4)


def test_the_plan_and_not_the_start_decides_how_steps_run():
    """A fit that goes on at its last epoch runs as it began."""
    vae, modes = make(), []
    original = device.mode_of

    def seen(*plan):
        modes.append(plan[1:])
        return original(*plan)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "mode_of", seen)
        vae.fit(X, batch_size=16, epochs=2, verbose=0)
        vae.fit(X, batch_size=16, epochs=2, initial_epoch=1, verbose=0, callbacks=[keras.callbacks.Callback()])
    assert modes == [(10, 16), (10, 16)]
